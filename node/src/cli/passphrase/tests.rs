//! Each way to unlock, and each way that it is refused.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use super::*;

/// A console whose person answers prompts in turn; gives what was written to standard error.
fn console(answers: &[&str], terminal: bool) -> (Console, Arc<Mutex<Vec<u8>>>) {
    let mut answers: Vec<String> = answers.iter().rev().map(|a| (*a).to_owned()).collect();
    let written = Arc::new(Mutex::new(Vec::new()));
    let console = Console {
        out: Box::new(io::sink()),
        err: Box::new(Shared(written.clone())),
        input: Box::new(io::empty()),
        out_is_terminal: terminal,
        err_is_terminal: terminal,
        input_is_terminal: terminal,
        passphrase: None,
        person: Default::default(),
        prompt: Box::new(move |_| {
            let answer = answers.pop().ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(Zeroizing::new(answer))
        }),
    };
    (console, written)
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn global() -> Global {
    Global {
        state: "state".into(),
        json: false,
        passphrase_file: None,
        key_file: None,
        purpose: None,
        reason: None,
    }
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn phrase(unlocked: Result<Unlock, Failure>) -> Result<String, Failure> {
    unlocked.map(|unlock| match unlock {
        Unlock::Passphrase(text) => text.to_string(),
        Unlock::KeyFile(bytes) => format!("{} bytes", bytes.len()),
    })
}

#[test]
fn a_file_goes_before_the_environment_before_a_question() {
    let secret = file(b"from the file\r\nsecond line\n");
    let mut global = global();
    let (mut asked, _) = console(&["from the prompt"], true);
    asked.passphrase = Some(Zeroizing::new("from the environment".to_owned()));
    let mut open = |global: &Global| phrase(unlock(global, &mut asked, Purpose::Open, false));

    global.passphrase_file = Some(secret.path().to_owned());
    assert_eq!(open(&global).as_deref(), Ok("from the file"));
    global.passphrase_file = None;
    assert_eq!(open(&global).as_deref(), Ok("from the environment"));
    assert_eq!(open(&global).as_deref(), Ok("from the prompt"));
}

#[test]
fn without_a_terminal_it_is_said_what_to_give() {
    let (mut silent, _) = console(&["never asked"], false);
    let refused = phrase(unlock(&global(), &mut silent, Purpose::Open, false));
    assert!(matches!(refused, Err(Failure::Usage(text)) if text.contains("--passphrase-file")));
}

#[test]
fn the_question_is_put_although_the_invitation_came_through_standard_input() {
    let (mut half, _) = console(&["long enough", "long enough"], true);
    half.input_is_terminal = false;
    let chosen = phrase(unlock(&global(), &mut half, Purpose::Create, true));
    assert_eq!(chosen.as_deref(), Ok("long enough"));
}

#[test]
fn a_new_passphrase_is_long_and_typed_twice() {
    let create = |answers: &[&str]| {
        let (mut console, _) = console(answers, true);
        phrase(unlock(&global(), &mut console, Purpose::Create, false))
    };
    assert_eq!(create(&["eight ch", "eight ch"]).as_deref(), Ok("eight ch"));
    assert!(matches!(create(&["seven c"]), Err(Failure::Failed(text)) if text.contains("short")));
    let differ = create(&["eight ch", "other ch"]);
    assert!(matches!(differ, Err(Failure::Failed(text)) if text.contains("differ")));

    let (mut console, _) = console(&[], false);
    console.passphrase = Some(Zeroizing::new("short".to_owned()));
    assert!(unlock(&global(), &mut console, Purpose::Create, false).is_err());
}

#[test]
fn key_files_are_long_enough_and_ones_own() {
    let key = file(&[7; 32]);
    let mut global = global();
    global.key_file = Some(key.path().to_owned());
    let (mut silent, written) = console(&[], false);
    let opened = phrase(unlock(&global, &mut silent, Purpose::Create, false));
    assert_eq!(opened.as_deref(), Ok("32 bytes"));
    assert!(written.lock().unwrap().is_empty());

    std::fs::set_permissions(key.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    unlock(&global, &mut silent, Purpose::Open, false).unwrap();
    let note = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    assert!(note.contains("chmod 600"), "{note}");

    let short = file(&[7; 31]);
    global.key_file = Some(short.path().to_owned());
    let refused = phrase(unlock(&global, &mut silent, Purpose::Open, false));
    assert!(matches!(refused, Err(Failure::Failed(text)) if text.contains("has 31 bytes")));

    global.passphrase_file = Some(short.path().to_owned());
    let both = phrase(unlock(&global, &mut silent, Purpose::Open, false));
    assert!(matches!(both, Err(Failure::Usage(_))));
}

#[test]
fn broken_secret_files_are_told() {
    let mut global = global();
    let (mut silent, _) = console(&[], false);
    let mut refusal = |content: &[u8]| {
        let secret = file(content);
        global.passphrase_file = Some(secret.path().to_owned());
        match unlock(&global, &mut silent, Purpose::Open, false) {
            Err(Failure::Failed(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    assert!(refusal(b"").contains("is empty"));
    assert!(refusal(b"\xFF\xFF").contains("is not text"));
    assert!(refusal(&[b'x'; 70_000]).contains("larger than 64 KiB"));
}
