//! A node with a fake engine, and a console that keeps what is written to it.

use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use symbolon_core::sealed_file::Unlock;
use symbolon_node::cli::{Console, Launcher, Person, Ready, SchemaInfo, Serving, run_on};
use symbolon_node::command::{Command, Request};
use symbolon_node::config::NodeConfig;
use symbolon_node::control::{CommandError, CommandHandler};
use symbolon_node::reports::{
    AgreementView, ComparisonRefusal, ComparisonReport, ComparisonView, EnrolReport, HealthReport,
    MatchView, ProgressSink, StatusReport,
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// What the fake engine answers and what it was asked.
struct Engine {
    answer: Mutex<Result<Value, CommandError>>,
    commands: Mutex<Vec<Request>>,
    invitation: Mutex<String>,
}

#[async_trait]
impl CommandHandler for Engine {
    async fn handle(&self, request: Request, _: ProgressSink) -> Result<Value, CommandError> {
        self.commands.lock().unwrap().push(request);
        self.answer.lock().unwrap().clone()
    }
}

struct FakeLauncher(Arc<Engine>);

#[async_trait]
impl Launcher for FakeLauncher {
    async fn enrol(
        &self,
        config: NodeConfig,
        invitation_text: String,
        _: Unlock,
    ) -> Result<EnrolReport, CommandError> {
        *self.0.invitation.lock().unwrap() = invitation_text;
        Ok(EnrolReport {
            agency: "harbour-refuge".to_owned(),
            consortium: "north".to_owned(),
            genesis: "0f0f".to_owned(),
            certificate_expires: "2026-03-01T09:04:00Z".to_owned(),
            state: config.state.display().to_string(),
            healed: false,
        })
    }

    async fn open(
        &self,
        _: NodeConfig,
        _: Unlock,
    ) -> Result<Arc<dyn CommandHandler>, CommandError> {
        Ok(self.0.clone())
    }

    async fn serve(
        &self,
        _: NodeConfig,
        _: Unlock,
        shutdown: CancellationToken,
        ready: Ready,
    ) -> Result<(), CommandError> {
        ready(Serving {
            agency: "harbour-refuge".to_owned(),
            consortium: "north".to_owned(),
            hub: "hub.example:7443".to_owned(),
            connection_error: None,
        });
        let id = std::process::id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status();
        assert!(sent.unwrap().success());
        shutdown.cancelled().await;
        Ok(())
    }

    fn schema(&self) -> SchemaInfo {
        SchemaInfo {
            version: 3,
            digest: "abab".to_owned(),
            kinds: vec![("nhs".to_owned(), "NHS number".to_owned())],
        }
    }
}

/// A node whose state directory exists.
pub struct Node {
    directory: tempfile::TempDir,
    state: std::path::PathBuf,
    engine: Arc<Engine>,
}

impl Node {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let engine = Engine {
            answer: Mutex::new(Ok(Value::Null)),
            commands: Mutex::default(),
            invitation: Mutex::default(),
        };
        Self {
            directory,
            state,
            engine: Arc::new(engine),
        }
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The user's own directory.
    pub fn user_directory(&self) -> std::path::PathBuf {
        self.directory.path().join("user")
    }

    pub fn handler(&self) -> Arc<dyn CommandHandler> {
        self.engine.clone()
    }

    /// Writes a file beside the state and gives its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub fn answer(&self, report: &impl Serialize) {
        *self.engine.answer.lock().unwrap() = Ok(serde_json::to_value(report).unwrap());
    }

    pub fn refuse(&self, reason: &str) {
        *self.engine.answer.lock().unwrap() = Err(CommandError::new(reason));
    }

    /// The last request that reached the engine.
    pub fn request(&self) -> Request {
        self.engine.commands.lock().unwrap().pop().unwrap()
    }

    /// Its command.
    pub fn command(&self) -> Command {
        self.request().command
    }

    /// Names of the commands that reached the engine.
    pub fn commands_so_far(&self) -> Vec<String> {
        let commands = self.engine.commands.lock().unwrap();
        commands
            .iter()
            .map(|command| format!("{command:?}"))
            .collect()
    }

    pub fn invitation(&self) -> String {
        std::mem::take(&mut *self.engine.invitation.lock().unwrap())
    }

    pub fn given<'a>(&'a self, args: &'a [&'a str]) -> Given<'a> {
        Given {
            node: self,
            args,
            input: "",
            terminal: false,
            passphrase: Some("correct horse battery"),
            person: Person::default,
        }
    }

    pub async fn run(&self, args: &[&str]) -> Run {
        self.given(args).run().await
    }
}

/// A command line and what surrounds it.
pub struct Given<'a> {
    node: &'a Node,
    args: &'a [&'a str],
    pub input: &'static str,
    pub terminal: bool,
    pub passphrase: Option<&'static str>,
    pub person: fn() -> Person,
}

impl Given<'_> {
    pub async fn run(self) -> Run {
        let out = Kept::default();
        let err = Kept::default();
        let mut console = Console {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(Cursor::new(self.input)),
            out_is_terminal: false,
            err_is_terminal: false,
            input_is_terminal: self.terminal,
            passphrase: self.passphrase.map(|text| Zeroizing::new(text.to_owned())),
            prompt: Box::new(|_| Err(io::ErrorKind::Unsupported.into())),
            person: Person {
                directory: Some(self.node.user_directory()),
                ..(self.person)()
            },
        };
        let mut args: Vec<OsString> = vec!["symbolon-node".into()];
        args.extend(self.args.iter().map(OsString::from));
        if !self.args.is_empty() && !self.args.contains(&"--state") {
            args.push("--state".into());
            args.push(self.node.state.clone().into());
        }
        let launcher = Arc::new(FakeLauncher(self.node.engine.clone()));
        let code = run_on(&mut console, args.into_iter(), launcher).await;
        Run {
            code,
            out: out.text(),
            err: err.text(),
        }
    }
}

/// What a run gave.
pub struct Run {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Standard output as the one JSON value that it must be.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

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

pub fn found(record_id: &str, tier: &str) -> MatchView {
    MatchView {
        id: "m1".to_owned(),
        record_id: record_id.to_owned(),
        agency: "northshire-police".to_owned(),
        reference: "7f3a".to_owned(),
        agreement: "north-missing".to_owned(),
        agreed: vec!["name".to_owned(), "date of birth".to_owned()],
        bits: 31.4,
        tier: tier.to_owned(),
        urgency: "standard".to_owned(),
        from_query: false,
        since: "2026-03-01T09:04:00Z".to_owned(),
        missing: None,
        comparison: Some(ComparisonView {
            state: "done".to_owned(),
            fields: vec!["name agrees".to_owned()],
        }),
        silent: false,
    }
}

pub fn agreement(accepted: &[&str]) -> AgreementView {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    AgreementView {
        id: "north-missing".to_owned(),
        title: "\u{1b}[2JMissing children".to_owned(),
        members: names(&["harbour-refuge", "northshire-police"]),
        purposes: names(&["missing-children"]),
        basis: "UK GDPR Art. 6(1)(e)".to_owned(),
        retention_months: 24,
        accepted: names(accepted),
        standing: "proposed".to_owned(),
        digest: "cd".repeat(32),
        version: 1,
        declined: Vec::new(),
        left: Vec::new(),
        open: None,
        epochs: Vec::new(),
        closed: Vec::new(),
        trouble: None,
    }
}

pub fn status() -> StatusReport {
    StatusReport {
        agency: "harbour-refuge".to_owned(),
        consortium: "north".to_owned(),
        hub: "hub.example:7443".to_owned(),
        serving: false,
        connected: false,
        connection_error: Some("connection refused".to_owned()),
        certificate_expires: "2026-03-01T09:04:00Z".to_owned(),
        health: HealthReport {
            state: "green".to_owned(),
            reasons: Vec::new(),
        },
        records: 349,
        rows: 2048,
        waiting: 7,
        waiting_reason: None,
        underway: None,
        matches: 3,
        comparisons: ComparisonReport {
            waiting: 2,
            done: 1,
            refused: 1,
            declined: 3,
            refusals: vec![ComparisonRefusal {
                agency: "northshire-police".to_owned(),
                times: 2,
                last: "2026-03-01T09:04:00Z".to_owned(),
                reason: "it asks for a second run of one pair".to_owned(),
            }],
        },
        custody: "2 of 3, custodian 1 of them".to_owned(),
        agreements: vec![agreement(&[])],
        roster_length: 5,
        rekey: None,
    }
}
