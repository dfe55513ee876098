//! The command line of the node: what a caseworker and an administrator of an agency type.
//!
//! A command that needs the vault first asks the node that is serving, over the control socket; if
//! nobody serves, it opens the vault in this process. Results go to standard output, as tables and
//! sentences or, with `--json`, as one JSON value; everything else goes to standard error.

mod agreement;
mod args;
mod audit;
mod casework;
mod commands;
mod console;
mod custody;
mod enrol;
mod evaluate;
mod failure;
mod heap;
mod logging;
mod matches;
mod output;
mod passphrase;
mod password;
mod people;
mod preview;
mod progress;
mod query;
mod serve;
mod session;
pub(crate) mod turn;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser;
use serde::{Deserialize, Serialize};
use symbolon_core::sealed_file::Unlock;
use tokio_util::sync::CancellationToken;

use crate::config::NodeConfig;
use crate::control::{CommandError, CommandHandler};
use crate::reports::EnrolReport;
use args::{Cli, Task};
use failure::Failure;

pub use console::{Console, Person, Prompt};

/// What the command line needs of the node's engine.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Makes keys, redeems the invitation and creates the vault.
    async fn enrol(
        &self,
        config: NodeConfig,
        invitation_text: String,
        unlock: Unlock,
    ) -> Result<EnrolReport, CommandError>;

    /// Opens the vault and answers commands in this process.
    async fn open(
        &self,
        config: NodeConfig,
        unlock: Unlock,
    ) -> Result<Arc<dyn CommandHandler>, CommandError>;

    /// Serves, control socket included, until the token is cancelled and what was in hand is done.
    ///
    /// `ready` is called once: when the hub is connected, or when the first attempt has failed and
    /// goes on in the background.
    async fn serve(
        &self,
        config: NodeConfig,
        unlock: Unlock,
        shutdown: CancellationToken,
        ready: Ready,
    ) -> Result<(), CommandError>;

    /// The linkage schema of this program.
    fn schema(&self) -> SchemaInfo;
}

/// Called by a node that is up.
pub type Ready = Box<dyn FnOnce(Serving) + Send>;

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// This agency.
    pub agency: String,
    /// The consortium.
    pub consortium: String,
    /// The hub's address.
    pub hub: String,
    /// Why the hub is not connected, if it is not.
    pub connection_error: Option<String>,
}

/// The linkage schema, as agencies compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaInfo {
    /// Its version.
    pub version: u16,
    /// Digest of all of it, in hexadecimal.
    pub digest: String,
    /// Kinds of linkage key: name and description.
    pub kinds: Vec<(String, String)>,
}

/// How long threads that are still at work are waited for once the command is done: what matters
/// was awaited by then, and a second Ctrl-C means at once.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The whole program: the command line of this process on the engine of this crate.
pub fn main() -> ExitCode {
    heap::one_for_all_threads();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the program's threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let engine = Arc::new(crate::launcher::Engine);
    let code = runtime.block_on(run(std::env::args_os(), engine));
    runtime.shutdown_timeout(LAST_WAIT);
    code
}

/// Runs the command line of this process.
pub async fn run(args: impl Iterator<Item = OsString>, launcher: Arc<dyn Launcher>) -> ExitCode {
    let mut console = Console::system();
    ExitCode::from(run_on(&mut console, args, launcher).await)
}

/// Runs a command line on a console; gives the exit code.
pub async fn run_on(
    console: &mut Console,
    args: impl Iterator<Item = OsString>,
    launcher: Arc<dyn Launcher>,
) -> u8 {
    let outcome = match Cli::try_parse_from(args) {
        Ok(cli) => carry_out(cli, console, launcher).await,
        Err(error) => return show_help(console, &error),
    };
    match outcome {
        Ok(()) => 0,
        Err(Failure::Quiet) => 1,
        Err(Failure::Failed(reason)) => {
            console.note(&format!("error: {reason}"));
            1
        }
        Err(Failure::Usage(reason)) => {
            console.note(&format!("error: {reason}"));
            2
        }
    }
}

/// Help and version, or what is wrong with the arguments.
fn show_help(console: &mut Console, error: &clap::Error) -> u8 {
    let rendered = error.render();
    let (stream, styled) = if error.use_stderr() {
        (&mut console.err, console.err_is_terminal)
    } else {
        (&mut console.out, console.out_is_terminal)
    };
    // Nobody can be told if this fails.
    let _ = if styled {
        write!(stream, "{}", rendered.ansi())
    } else {
        write!(stream, "{rendered}")
    };
    u8::try_from(error.exit_code()).unwrap_or(2)
}

async fn carry_out(
    cli: Cli,
    console: &mut Console,
    launcher: Arc<dyn Launcher>,
) -> Result<(), Failure> {
    let Cli { global, task } = cli;
    match task {
        Task::Enrol(args) => enrol::enrol(&global, args, console, &*launcher).await,
        Task::Serve => serve::serve(&global, console, &*launcher).await,
        Task::Schema(args) if args.arguments => {
            output::schema_arguments(console, &launcher.schema())
        }
        Task::Schema(_) => output::schema(console, global.json, &launcher.schema()),
        Task::DefaultConfig => output::default_config(console, global.json),
        Task::Evaluate(args) => evaluate::evaluate(&args, global.json, console),
        Task::Calibrate(args) if !args.of_the_node() => {
            evaluate::calibrate(&args, global.json, console)
        }
        Task::Account(task) => people::account(&global, task, console, &*launcher).await,
        Task::Login(args) => people::login(&global, args, console, &*launcher).await,
        Task::Logout => people::logout(&global, console, &*launcher).await,
        Task::Whoami => people::whoami(&global, console, &*launcher).await,
        Task::Audit(task) => audit::carry_out(&global, task, console, &*launcher).await,
        Task::Custody(task) => custody::carry_out(&global, task, console, &*launcher).await,
        task => commands::carry_out(&global, task, console, &*launcher).await,
    }
}
