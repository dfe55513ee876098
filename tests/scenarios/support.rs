//! What the scenarios share: small consortia, files, the comparison with a join in clear.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use symbolon_casework::acting::Acting;
use symbolon_core::identity::AgencyKind;
use symbolon_core::roster::Quota;
use symbolon_core::sealed_file::Unlock;
use symbolon_hub::Observer;
use symbolon_node::cli::{self, Console, Person};
use symbolon_node::command::ImportOptions;
use symbolon_node::launcher::Engine;
use symbolon_node::reports::{ImportReport, ProgressSink};
use symbolon_tests::consortium::Consortium;
use symbolon_tests::demo::compare;
use symbolon_tests::demo::sources::{self, Source};
use symbolon_tests::sample::{self, SampleSpec};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// The agreement of every scenario.
pub const AGREEMENT: &str = "child-protection";

/// A key file instead of a passphrase: stretching passphrases is tested where it matters.
pub fn unlock() -> Unlock {
    Unlock::KeyFile(Zeroizing::new(vec![7; 32]))
}

/// A consortium with its temporary directory.
pub struct Scene {
    pub consortium: Consortium,
    pub directory: TempDir,
}

/// Enrols, generates a key (`threshold` of all), agrees.
pub async fn scene(names: &[&str], threshold: u16) -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let consortium = Consortium::found(&directory.path().join("state"), unlock)
        .await
        .unwrap();
    ready(consortium, directory, names, threshold).await
}

/// The program of the police's node, with its key.
pub fn node_program(scene: &Scene, words: &[&str]) -> Command {
    let key = scene.directory.path().join("vault-key");
    std::fs::write(&key, [7; 32]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_node-process"));
    command.arg("--state");
    command.arg(scene.consortium.places.node("police"));
    command.arg("--key-file").arg(&key).args(words);
    command.stdin(Stdio::null());
    command
}

/// Two custodians, the council and the refuge; the police are a member and have this quota.
pub async fn custodians_and_a_member(quota: Quota) -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let mut consortium = Consortium::found(&state, unlock).await.unwrap();
    for name in ["council", "refuge"] {
        consortium.enrol(name, AgencyKind::Ngo, name).await.unwrap();
    }
    consortium.appoint(2).await.unwrap();
    consortium
        .enrol_with_quota("police", AgencyKind::Ngo, "police", quota)
        .await
        .unwrap();
    Scene {
        consortium,
        directory,
    }
}

/// The same, with the hub as a process that can be killed.
pub async fn scene_with_hub_process(names: &[&str], threshold: u16) -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_hub-process"));
    let state = directory.path().join("state");
    let consortium = Consortium::found_with(&state, unlock, Some(program), None)
        .await
        .unwrap();
    ready(consortium, directory, names, threshold).await
}

/// The same, with somebody who sees what the hub receives.
pub async fn scene_observed(names: &[&str], threshold: u16, observer: Observer) -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let consortium = Consortium::found_with(&state, unlock, None, Some(observer))
        .await
        .unwrap();
    ready(consortium, directory, names, threshold).await
}

async fn ready(
    mut consortium: Consortium,
    directory: TempDir,
    names: &[&str],
    threshold: u16,
) -> Scene {
    for name in names {
        consortium.enrol(name, AgencyKind::Ngo, name).await.unwrap();
    }
    consortium.appoint(threshold).await.unwrap();
    consortium.agree(AGREEMENT, names).await.unwrap();
    Scene {
        consortium,
        directory,
    }
}

/// Who acts at a node without accounts.
pub fn set_up() -> Acting {
    Acting::set_up(None, None).unwrap()
}

/// Nobody watches.
pub fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

impl Scene {
    /// Writes a file of the CSV contract.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Imports a file at an agency, for the scenario's agreement.
    pub async fn import(&self, agency: &str, file: &Path) -> ImportReport {
        let options = ImportOptions {
            file: file.to_owned(),
            keep_invalid: true,
            agreements: Some(vec![AGREEMENT.to_owned()]),
            ..Default::default()
        };
        self.consortium
            .node(agency)
            .unwrap()
            .import(&set_up(), &options, &silent())
            .await
            .unwrap()
    }

    /// Writes a generated sample, one file for each agency.
    pub fn sample(&self, seed: u64, people: usize) -> Vec<Source> {
        let mut spec = SampleSpec {
            seed,
            people,
            ..SampleSpec::default()
        };
        let names = self.consortium.names();
        for (agency, name) in spec.agencies.iter_mut().zip(&names) {
            agency.name.clone_from(name);
        }
        spec.agencies.truncate(names.len());
        let place = self.directory.path().join(format!("sample-{seed}"));
        std::fs::create_dir_all(&place).unwrap();
        sample::write(&sample::generate(&spec), &place).unwrap();
        sources::sources(&place).unwrap()
    }

    /// Asserts that the nodes report exactly what a join in clear finds, and gives how many pairs.
    pub fn assert_equal_to_oracle(&self, files: &[Source]) -> usize {
        let (found, same) = compare::reported(&self.consortium).unwrap();
        let expected = compare::oracle(files).unwrap();
        assert!(same, "the two sides of a match show it differently");
        assert_eq!(found, expected);
        found.len()
    }
}

/// What the command line wrote.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What somebody gets who types a command at a node that serves: exit code, output and errors. In this
/// process: a child that is forked while another test opens a vault would hold that vault's lock for a
/// moment.
pub async fn typed(
    state: &Path,
    person: Person,
    words: &[impl AsRef<OsStr>],
) -> (u8, String, String) {
    let (out, err) = (Kept::default(), Kept::default());
    let mut console = Console {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        input: Box::new(io::empty()),
        out_is_terminal: false,
        err_is_terminal: false,
        input_is_terminal: false,
        passphrase: None,
        prompt: Box::new(|_| Err(io::Error::other("nobody answers"))),
        person,
    };
    let program = [
        "symbolon-node".as_ref(),
        "--state".as_ref(),
        state.as_os_str(),
    ];
    let words = words.iter().map(AsRef::as_ref);
    let arguments = program.into_iter().chain(words).map(OsStr::to_owned);
    let code = cli::run_on(&mut console, arguments, Arc::new(Engine)).await;
    (code, out.text(), err.text())
}
