//! Commands to a node whose vault is open, here or in the process that serves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::agreement::AgreementTask;
use super::args::{Global, ImportArgs, Task, WithdrawArgs};
use super::console::Console;
use super::failure::Failure;
use super::passphrase::{self, Purpose};
use super::progress::Bar;
use super::{Launcher, casework, logging, output, session, turn};
use crate::command::{Command, ImportOptions, Request};
use crate::config::NodeConfig;
use crate::{control, csv_file};

/// Carries out a command that needs the vault, and prints its report.
pub(super) async fn carry_out(
    global: &Global,
    task: Task,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    // What is wrong with a file or an answer is told before a passphrase is asked for.
    let config = enrolled_config(global)?;
    let typed = typed_file(&task);
    let command = match task {
        Task::Queue(args) => casework::request(args.command()),
        Task::Case(task) => casework::request(task.command(global)?),
        Task::Record(task) => casework::request(task.command()?),
        Task::Attachment(task) => casework::request(task.command()?),
        Task::Disclosure(task) => casework::request(task.command()),
        Task::Missing(task) => casework::request(task.command()),
        Task::Network(task) => casework::request(task.command()),
        Task::Ending(task) => task.command(console)?,
        task => command(task, console)?,
    };
    let kind = output::Kind::of(&command, typed);
    let value = ask(global, config, command, console, launcher).await?;
    output::report(console, global.json, kind, value)
}

/// The settings of a node that is there.
pub(super) fn enrolled_config(global: &Global) -> Result<NodeConfig, Failure> {
    if !global.state.is_dir() {
        return Err(Failure::failed(format!(
            "there is no node in {}; say where it is with --state DIR, or enrol first",
            global.state.display()
        )));
    }
    Ok(NodeConfig::load(&global.state)?)
}

pub(super) async fn ask(
    global: &Global,
    config: NodeConfig,
    command: Command,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<Value, Failure> {
    let by = session::claim(global, console)?;
    let request = Request { by, command };
    ask_as(global, config, request, console, launcher).await
}

/// The same, as somebody else than who is signed in.
pub(super) async fn ask_as(
    global: &Global,
    config: NodeConfig,
    request: Request,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<Value, Failure> {
    let socket = socket(global)?;
    let bar = Bar::new(console.err_is_terminal && !global.json);
    turn::wait(global, console, &socket).await;
    if let Some(value) = control::call(&socket, &request, bar.sink()).await? {
        return Ok(value);
    }
    let unlock = passphrase::unlock(global, console, Purpose::Open, false)?;
    logging::quiet();
    match launcher.open(config, unlock).await {
        Ok(handler) => Ok(handler.handle(request, bar.sink()).await?),
        // Another was quicker, and serves by now.
        Err(refused) => match control::call(&socket, &request, bar.sink()).await? {
            Some(value) => Ok(value),
            None => Err(refused.into()),
        },
    }
}

/// Where the serving node of this state listens.
pub(super) fn socket(global: &Global) -> Result<PathBuf, Failure> {
    control::socket_path(&global.state).map_err(|error| {
        Failure::failed(format!(
            "cannot find the control socket of {}: {error}",
            global.state.display()
        ))
    })
}

fn typed_file(task: &Task) -> Option<PathBuf> {
    match task {
        Task::Import(args) => Some(args.file.clone()),
        Task::Preview(args) => Some(args.import.file.clone()),
        _ => None,
    }
}

fn command(task: Task, console: &mut Console) -> Result<Command, Failure> {
    Ok(match task {
        Task::Import(args) => Command::Import(import(args)?),
        Task::Preview(args) => Command::Preview(args.options()?),
        Task::Records(args) => Command::Records {
            record_id: args.record_id,
        },
        Task::Matches(args) => Command::Matches {
            record_id: args.record_id,
            least: args.tier.into(),
        },
        Task::Comparisons(args) => Command::Comparisons {
            record_id: args.record_id,
        },
        Task::Query(args) => {
            let columns = args.details.columns();
            if columns.is_empty() {
                return Err(Failure::usage(
                    "every detail is empty; give at least one that is not",
                ));
            }
            Command::Query {
                columns,
                agreement: args.agreement,
            }
        }
        Task::Withdraw(args) => withdraw(args, console)?,
        // With a file it does not get here.
        Task::Calibrate(_) => Command::Calibrate,
        Task::Status => Command::Status,
        Task::Rekey => Command::Rekey,
        Task::Agreement(task) => agreement(task, console)?,
        Task::Queue(_)
        | Task::Case(_)
        | Task::Record(_)
        | Task::Attachment(_)
        | Task::Disclosure(_)
        | Task::Missing(_)
        | Task::Network(_)
        | Task::Account(_)
        | Task::Login(_)
        | Task::Logout
        | Task::Whoami
        | Task::Audit(_)
        | Task::Ending(_)
        | Task::Enrol(_)
        | Task::Serve
        | Task::Schema(_)
        | Task::Evaluate(_)
        | Task::DefaultConfig
        | Task::Custody(_) => {
            return Err(Failure::usage("this command does not need the vault"));
        }
    })
}

fn agreement(task: AgreementTask, console: &mut Console) -> Result<Command, Failure> {
    Ok(match task {
        AgreementTask::List => Command::Agreements,
        AgreementTask::Show { id } => Command::Agreement { agreement: id },
        AgreementTask::Accept {
            id,
            accept_immigration,
        } => Command::Accept {
            agreement: id,
            immigration: accept_immigration,
        },
        AgreementTask::Decline { id, reason } => Command::Decline {
            agreement: id,
            reason: reason.into(),
        },
        AgreementTask::Leave { id, reason, yes } => {
            let question = format!(
                "Leave {id}? What was shared under it is deleted, its matches end, and only a new \
                 version brings this agency back."
            );
            confirmed(console, yes, "leaving cannot be undone", &question)?;
            Command::Leave {
                agreement: id,
                reason: reason.into(),
            }
        }
        AgreementTask::Export { id } => Command::ExportAgreement { agreement: id },
    })
}

/// Asks whether it is meant, unless that was said.
pub(super) fn confirmed(
    console: &mut Console,
    yes: bool,
    why: &str,
    question: &str,
) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !console.input_is_terminal {
        return Err(Failure::usage(format!(
            "{why} and there is no terminal to ask on; give --yes if it is meant"
        )));
    }
    if console.confirm(question)? {
        Ok(())
    } else {
        Err(Failure::failed("not confirmed; nothing was done"))
    }
}

pub(super) fn import(args: ImportArgs) -> Result<ImportOptions, Failure> {
    let ImportArgs {
        file,
        agreements,
        map,
        remove_missing,
        keep_invalid,
    } = args;
    let map = unique(map)?;
    // The serving node has another working directory, so it gets an absolute path. It reads the
    // file itself: this look at the header only tells early what is wrong.
    let path = regular(&file)?;
    csv_file::read(&path, &map)?;
    Ok(ImportOptions {
        file: path,
        map,
        remove_missing,
        keep_invalid,
        agreements: Some(agreements).filter(|ids| !ids.is_empty()),
    })
}

fn regular(file: &Path) -> Result<PathBuf, Failure> {
    let found = file
        .canonicalize()
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", file.display())))?;
    if found.is_file() {
        return Ok(found);
    }
    Err(Failure::failed(format!(
        "{} is not a file; save the records as a CSV file and give its name",
        file.display()
    )))
}

fn unique(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (from, to) in pairs {
        if let Some(other) = map.insert(from.clone(), to) {
            return Err(Failure::usage(format!(
                "--map {from}={other} and another --map rename the same column; give one"
            )));
        }
    }
    Ok(map)
}

fn withdraw(args: WithdrawArgs, console: &mut Console) -> Result<Command, Failure> {
    let WithdrawArgs { record_ids, yes } = args;
    if !yes {
        if !console.input_is_terminal {
            return Err(Failure::usage(
                "withdrawing cannot be undone and there is no terminal to ask on; give --yes if \
                 it is meant",
            ));
        }
        let count = output::count(record_ids.len() as u64, "record");
        let question = format!(
            "Delete {count} here ({}), and all that was shared of them?",
            record_ids.join(", ")
        );
        if !console.confirm(&question)? {
            return Err(Failure::failed("not confirmed; nothing was withdrawn"));
        }
    }
    Ok(Command::Withdraw { record_ids })
}
