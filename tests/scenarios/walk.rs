//! Documents whose commands a person types, run as they are written: the README's walk by hand and the
//! administrator's runbook.
//!
//! Every `sh` block is carried out in order, line by line, with the built programs on the path, and a
//! command of theirs stands in no other kind of block. `serve` lines are left running, as they would
//! be on terminals of their own. The one thing changed is the ports, so that the test does not meet a
//! hub that somebody is running.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use symbolon_tests::ports::free_address;

const README: &str = include_str!("../../README.md");
const RUNBOOK: &str = include_str!("../../docs/administrator.md");
/// No command of these stands where it is not carried out.
const PROGRAMS: [&str; 2] = ["symbolon-hub", "symbolon-node"];
/// What the hub logs when it was told by a signal to read its certificates again.
const READ_AGAIN: &str = "certificates were read again";
/// How long a program may take to say that it serves.
const PATIENCE: Duration = Duration::from_secs(60);

struct Served(Vec<Child>);

impl Drop for Served {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The command lines of a text, with continued lines joined. Refuses a text that has commands where
/// they would not be carried out.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let fences: Vec<&str> = text.split("\n```").collect();
    assert_eq!(fences.len() % 2, 1, "a block does not end");
    // Between fences stand, in turn, prose and blocks; a block begins with its kind.
    for block in fences.iter().skip(1).step_by(2) {
        let (kind, block) = block.split_once('\n').expect("a block has lines");
        let joined = block.replace("\\\n", " ");
        let commands = joined.lines().map(|line| line.trim().to_owned());
        if kind == "sh" {
            lines.extend(commands);
        } else {
            let mut commands = commands.filter(|line| PROGRAMS.iter().any(|p| line.contains(p)));
            let hidden = commands.next();
            assert_eq!(
                hidden, None,
                "a command in a block that nobody runs ({kind})"
            );
        }
    }
    lines.retain(|line| !line.is_empty());
    let comment = lines.iter().find(|line| line.starts_with('#'));
    assert_eq!(comment, None, "a comment may hide a command");
    lines
}

/// A directory with `symbolon-hub` and `symbolon-node` in it, as the README builds them.
fn programs(place: &Path) -> PathBuf {
    let programs = place.join("target/release");
    std::fs::create_dir_all(&programs).unwrap();
    let hub = env!("CARGO_BIN_EXE_hub-process");
    let node = env!("CARGO_BIN_EXE_node-process");
    std::os::unix::fs::symlink(hub, programs.join("symbolon-hub")).unwrap();
    std::os::unix::fs::symlink(node, programs.join("symbolon-node")).unwrap();
    programs
}

/// What was said by the commands, and what still serves.
struct Run {
    said: String,
    served: Served,
}

fn free_port() -> String {
    free_address().unwrap().port().to_string()
}

/// Carries the lines out in `place`, with `exports` before each.
fn run(lines: Vec<String>, place: &Path, mut exports: String) -> Run {
    programs(place);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(manifest, place.join("tests")).unwrap();
    let (main, enrolment) = (free_port(), free_port());
    let mut served = Served(Vec::new());
    let mut said = String::new();
    for line in lines {
        let listens = " --listen 127.0.0.1:7443 --enrolment-listen 127.0.0.1:7444";
        let line = if line.starts_with("symbolon-hub init") && !line.contains("--listen") {
            line + listens
        } else {
            line
        };
        let line = line.replace("7443", &main).replace("7444", &enrolment);
        if line.starts_with("cargo build") {
            continue; // The programs of this test run are those that it would build.
        }
        if line.starts_with("export ") {
            exports += &format!("{line}\n");
            continue;
        }
        let serves = line.contains(" serve");
        // A program that is left running takes the shell's place, so that it is the one that is ended.
        let exec = if serves { "exec " } else { "" };
        let script = format!("{exports}{exec}{line}");
        let mut command = Command::new("bash");
        command.arg("-c").arg(&script).current_dir(place);
        command.stdin(Stdio::null());
        if serves {
            let number = served.0.len();
            let file = |what: &str| place.join(format!("serve-{number}.{what}"));
            let (output, log) = (file("out"), file("log"));
            command.stdout(File::create(&output).unwrap());
            command.stderr(File::create(&log).unwrap());
            served.0.push(command.spawn().unwrap());
            wait_until(&line, || std::fs::metadata(&output).unwrap().len() > 0);
            continue;
        }
        let hub_log = place.join("serve-0.log");
        let before = times_read_again(&hub_log);
        let done = command.output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(done.status.success(), "{line}\n{out}\n{err}");
        said += &format!("$ {line}\n{out}\n");
        if line.starts_with("kill -HUP") {
            wait_until(&line, || times_read_again(&hub_log) > before);
        }
    }
    Run { said, served }
}

#[test]
fn the_readme_works_as_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let (_, walk) = README
        .split_once("\n## By hand\n")
        .expect("the README has a walk");
    let walk = walk.split("\n## ").next().unwrap_or_default();
    let Run { said, served } = run(lines(walk), place.path(), String::new());
    assert_eq!(served.0.len(), 3, "a hub and two nodes serve");
    for expected in [
        "strong",
        "harbour-refuge",
        "in force",
        "rows deleted",
        "records",
    ] {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
}

#[test]
fn the_administrators_runbook_works_as_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let exports = "export PATH=\"$PWD/target/release:$PATH\"\n\
        export SYMBOLON_PASSPHRASE='correct horse battery staple'\n\
        export SYMBOLON_ADMIN=run/admin\n";
    std::fs::create_dir(place.path().join("run")).unwrap();
    let Run { said, served } = run(lines(RUNBOOK), place.path(), exports.to_owned());
    assert_eq!(served.0.len(), 3, "a hub and two nodes serve");
    for expected in [
        "generate the key of custody epoch 1",
        "child-protection version 1: in force",
        "New keys are made, kept in the vault and handed in.",
        "approved by nobody (0 of 1)",
        "the entry is approved and part of the roster",
        "harbour-refuge is suspended",
        "harbour-refuge is a member again",
        "harbour-refuge is removed",
        "nothing waits for approvals",
        "revoked ",
        "the issuer is installed",
        "bob.reply",
        "approve it:\n  symbolon-hub admin approve",
        "the entry is approved and part of the roster",
        "It is in force. Share records under it with: symbolon-node import FILE --agreement missing-adults",
        "the roster verifies",
        "entries are in run/roster.json",
    ] {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
}

fn times_read_again(log: &Path) -> usize {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    log.matches(READ_AGAIN).count()
}

/// Waits for what a line of the document does without saying so.
fn wait_until(line: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{line} has no effect");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_command_that_nobody_would_run_is_found() {
    let text = |kind: &str| format!("Do:\n```{kind}\nsymbolon-hub admin pending\n```\nDone.\n");
    assert_eq!(lines(&text("sh")), ["symbolon-hub admin pending"]);
    assert!(lines("Prose.\n```text\nnothing waits\n```\n").is_empty());
    for hidden in [text("text"), text(""), text("sh").replace("symb", "# symb")] {
        let found = std::panic::catch_unwind(|| lines(&hidden));
        assert!(found.is_err(), "{hidden}");
    }
}
