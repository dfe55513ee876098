//! `symbolon-node custody`: what a custodian's people type, and how the answers are printed.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::args::Global;
use super::commands::{ask, enrolled_config};
use super::console::Console;
use super::failure::Failure;
use super::passphrase::{self, Purpose};
use super::{Launcher, output};
use crate::command::Command;
use crate::custody::{BackupReport, CustodyCommand, CustodyReport, CustodyStatus, LedgerView};
use crate::tables::{Blob, Secret};
use crate::vault::write_private;

/// A sealed share takes a few kilobytes.
const MAX_BACKUP_BYTES: u64 = 1024 * 1024;

/// What to do about custody.
#[derive(Subcommand)]
pub(super) enum CustodyTask {
    /// Show who holds the key, whether this node has its share, and how far a replacement is
    #[command(after_help = "Example:\n  symbolon-node custody status")]
    Status,
    /// Show what this custodian has evaluated: for whom, when, how many
    #[command(after_help = "Example:\n  symbolon-node custody log --newest 1000 --json")]
    Log {
        /// How many of the newest lines
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        newest: u64,
    },
    /// Give every custodian a new share of the same key
    ///
    /// Shares that were stolen before are worth nothing together with new ones. Tokens stay as they
    /// are. It needs every custodian; until all have their new share, the old ones answer.
    #[command(after_help = "Example:\n  symbolon-node custody refresh")]
    Refresh,
    /// Have the other custodians make this node's lost share again
    ///
    /// As many others must be on the line as are needed to evaluate. None of them learns the share.
    #[command(after_help = "Example:\n  symbolon-node custody repair")]
    Repair,
    /// Write this node's share to a file, sealed under a passphrase of its own
    ///
    /// A refresh makes the backup useless: make a new one then.
    #[command(after_help = "Example:\n  symbolon-node custody backup share.backup")]
    Backup {
        /// The file to write; it must not be there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Read the backup's passphrase from the first line of this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        backup_passphrase_file: Option<PathBuf>,
    },
    /// Take this node's share back from a backup, if it fits the key
    #[command(after_help = "Example:\n  symbolon-node custody restore share.backup")]
    Restore {
        /// The file that backup wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Read the backup's passphrase from the first line of this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        backup_passphrase_file: Option<PathBuf>,
    },
}

/// Carries out one of them and prints its report.
pub(super) async fn carry_out(
    global: &Global,
    task: CustodyTask,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Failure> {
    let config = enrolled_config(global)?;
    let (command, print) = prepared(task, console)?;
    let command = Command::Custody(command);
    let value = ask(global, config, command, console, launcher).await?;
    match print {
        Print::Backup(file) => backup(console, global.json, &file, output::parsed(value)?),
        _ if global.json => output::print_json(console, &value),
        Print::Status => status(console, output::parsed(value)?),
        Print::Log => log(console, output::parsed(value)?),
        Print::Done => {
            let CustodyReport { done } = output::parsed(value)?;
            Ok(console.say(&done)?)
        }
    }
}

enum Print {
    Status,
    Log,
    Done,
    Backup(PathBuf),
}

fn prepared(task: CustodyTask, console: &mut Console) -> Result<(CustodyCommand, Print), Failure> {
    Ok(match task {
        CustodyTask::Status => (CustodyCommand::Status, Print::Status),
        CustodyTask::Log { newest } => (CustodyCommand::Log { newest }, Print::Log),
        CustodyTask::Refresh => (CustodyCommand::Refresh, Print::Done),
        CustodyTask::Repair => (CustodyCommand::Repair, Print::Done),
        CustodyTask::Backup {
            file,
            backup_passphrase_file,
        } => {
            if file.exists() {
                return Err(Failure::failed(format!(
                    "{} is there already; give another name, or move it away",
                    file.display()
                )));
            }
            let from = backup_passphrase_file.as_deref();
            let passphrase = passphrase::of_backup(from, console, Purpose::Create)?;
            let passphrase = Secret(passphrase.as_bytes().to_vec());
            (CustodyCommand::Backup { passphrase }, Print::Backup(file))
        }
        CustodyTask::Restore {
            file,
            backup_passphrase_file,
        } => {
            let sealed = Blob(read(&file)?);
            let from = backup_passphrase_file.as_deref();
            let passphrase = passphrase::of_backup(from, console, Purpose::Open)?;
            let passphrase = Secret(passphrase.as_bytes().to_vec());
            (CustodyCommand::Restore { sealed, passphrase }, Print::Done)
        }
    })
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable =
        |error: String| Failure::failed(format!("cannot read {}: {error}", file.display()));
    let size = file
        .metadata()
        .map_err(|e| unreadable(e.to_string()))?
        .len();
    if size > MAX_BACKUP_BYTES {
        return Err(unreadable("it is larger than any backup".to_owned()));
    }
    std::fs::read(file).map_err(|e| unreadable(e.to_string()))
}

fn backup(
    console: &mut Console,
    as_json: bool,
    file: &Path,
    report: BackupReport,
) -> Result<(), Failure> {
    let BackupReport {
        epoch,
        generation,
        index,
        sealed,
    } = report;
    write_private(file, &sealed.0).map_err(|error| Failure::failed(error.to_string()))?;
    let file = file.display().to_string();
    if as_json {
        let value = json!({
            "file": file, "epoch": epoch, "generation": generation, "index": index,
        });
        return output::print_json(console, &value);
    }
    console.say(&format!(
        "Wrote share {index} of custody epoch {epoch}, generation {generation}, to {file}."
    ))?;
    Ok(console.say("Keep it and its passphrase in two places, away from this computer.")?)
}

fn log(console: &mut Console, lines: Vec<LedgerView>) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(console.say("This node has evaluated nothing for anybody.")?);
    }
    let rows = lines.into_iter().map(|line| {
        let LedgerView {
            number,
            at,
            agency,
            elements,
            epoch,
            generation,
        } = line;
        vec![
            number.to_string(),
            output::moment(&at),
            agency,
            elements.to_string(),
            format!("{epoch}.{generation}"),
        ]
    });
    output::print_table(console, &["number", "when", "for", "elements", "key"], rows)
}

fn status(console: &mut Console, status: CustodyStatus) -> Result<(), Failure> {
    let CustodyStatus {
        epoch,
        generation,
        threshold,
        custodians,
        own_index,
        own_share,
        refreshing,
        problem,
        replaces,
        rows_made,
        rows_to_make,
        waiting_for,
    } = status;
    if epoch == 0 {
        return Ok(console.say("Nobody has been appointed a custodian yet.")?);
    }
    let key = generation.map_or("not ready".to_owned(), |generation| {
        format!("in use, shares of generation {generation}")
    });
    let own = own_index.map_or("none; this node is no custodian".to_owned(), |index| {
        format!("share {index}, {own_share}")
    });
    let mut lines = vec![
        ("custody epoch", epoch.to_string()),
        ("key", key),
        ("custodians", custodians.join(", ")),
        ("needed", threshold.to_string()),
        ("own share", own),
    ];
    if let Some(generation) = refreshing {
        lines.push(("being made", format!("shares of generation {generation}")));
    }
    if let Some(before) = replaces {
        let waiting = if waiting_for.is_empty() {
            String::new()
        } else {
            format!(", waiting for {}", waiting_for.join(", "))
        };
        let progress = format!(
            "custody epoch {before}: {rows_made} rows made anew, {rows_to_make} to go{waiting}"
        );
        lines.push(("replaces", progress));
    }
    if let Some(problem) = problem {
        lines.push(("problem", problem));
    }
    let rows = lines
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value]);
    output::print_table(console, &[], rows)
}
