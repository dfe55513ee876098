//! `admin roster`, `propose`, `pending`, `approve`: the signed list of members and its next entries.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;
use symbolon_core::roster::{Change, Roster, SignedEntry};

use crate::admin::{Admin, Proposed, WaitingEntry};
use crate::cli::output::{Failure, Output, moment, table};
use crate::files;

#[derive(Subcommand)]
pub enum RosterCommand {
    /// Fetch the roster, verify it from the pinned genesis, and show it.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin roster show")]
    Show,
    /// Verify the hub's roster, or an exported one, and say where it ends.
    #[command(
        after_help = "Examples:\n  symbolon-hub admin --admin ./admin roster verify\n  symbolon-hub admin --admin ./admin roster verify --file roster.json"
    )]
    Verify {
        /// A file that `roster export` wrote.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write every entry with its approvals to a file, for the archive or another administrator.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin roster export roster.json"
    )]
    Export {
        /// The new file.
        file: PathBuf,
    },
}

/// Propose a change from a file.
#[derive(Args)]
#[command(after_help = "\
Examples:
  symbolon-hub admin --admin ./admin propose change.json

The file holds one change, for example other administrators:
  {\"change\": \"approvers\", \"approvals_needed\": 2, \"administrators\": [
    {\"name\": \"ada\", \"key\": \"...\"}, {\"name\": \"bela\", \"key\": \"...\"}]}
Keys stand in `roster show --json`.")]
pub struct ProposeChange {
    /// A JSON file.
    file: PathBuf,
}

/// Approve an entry that waits.
#[derive(Args)]
#[command(after_help = "\
Examples:
  symbolon-hub admin --admin ./admin pending
  symbolon-hub admin --admin ./admin approve 5f0c91")]
pub struct Approve {
    /// The beginning of its digest, as `pending` shows it.
    digest: String,
}

/// What became of a change: done, or waiting for whom.
pub fn told(proposed: &Proposed, done: &str) -> String {
    if proposed.is_appended() {
        return done.to_owned();
    }
    let missing = proposed.need.saturating_sub(proposed.have);
    format!(
        "{done}, once {missing} more of the administrators approve it:\n  symbolon-hub admin approve {}",
        proposed.digest.short()
    )
}

pub async fn carry_out(
    admin: &Admin,
    command: RosterCommand,
    output: Output,
) -> Result<(), Failure> {
    match command {
        RosterCommand::Show => show(&admin.roster().await?, output),
        RosterCommand::Verify { file: None } => verified(&admin.roster().await?, output),
        RosterCommand::Verify { file: Some(file) } => {
            let entries: Vec<SignedEntry> = serde_json::from_slice(&files::read(&file)?)
                .map_err(|_| Failure(format!("{} is not an exported roster", file.display())))?;
            verified(&Roster::verify(&entries, &admin.genesis())?, output)
        }
        RosterCommand::Export { file } => {
            let entries = admin.entries().await?;
            Roster::verify(&entries, &admin.genesis())?;
            files::public_file(&file, &serde_json::to_vec_pretty(&entries)?)?;
            let answer = json!({ "file": file, "entries": entries.len() });
            output.answer(&answer, |_| {
                format!("{} entries are in {}", entries.len(), file.display())
            })
        }
    }
}

pub async fn propose(
    admin: &Admin,
    options: &ProposeChange,
    output: Output,
) -> Result<(), Failure> {
    let change: Change = serde_json::from_slice(&files::read(&options.file)?)
        .map_err(|error| Failure(format!("{}: {error}", options.file.display())))?;
    let proposed = admin.propose(change).await?;
    output.answer(&proposed, |proposed| {
        told(proposed, "the change is part of the roster")
    })
}

pub async fn pending(admin: &Admin, output: Output) -> Result<(), Failure> {
    let waiting = admin.waiting().await?;
    output.answer(&waiting, |waiting| pending_text(waiting))
}

pub async fn approve(admin: &Admin, options: &Approve, output: Output) -> Result<(), Failure> {
    let proposed = admin.approve(&options.digest).await?;
    output.answer(&proposed, |proposed| {
        told(proposed, "the entry is approved and part of the roster")
    })
}

fn pending_text(waiting: &[WaitingEntry]) -> String {
    if waiting.is_empty() {
        return "nothing waits for approvals".to_owned();
    }
    let describe = |waiting: &WaitingEntry| {
        let change = serde_json::to_string_pretty(&waiting.body.change).unwrap_or_default();
        let names: Vec<&str> = waiting.approved_by.iter().map(Name::as_str).collect();
        let names = match names.as_slice() {
            [] => "nobody".to_owned(),
            names => names.join(", "),
        };
        format!(
            "{} proposed {}, approved by {} ({} of {})\n{change}",
            waiting.digest.short(),
            moment(waiting.body.at),
            names,
            waiting.have,
            waiting.need
        )
    };
    let all: Vec<String> = waiting.iter().map(describe).collect();
    all.join("\n\n")
}

fn verified(roster: &Roster, output: Output) -> Result<(), Failure> {
    let (genesis, head): (Digest, Digest) = (roster.genesis, roster.head);
    let answer = json!({ "genesis": genesis, "head": head, "length": roster.length });
    output.answer(&answer, |_| {
        format!(
            "the roster verifies: {} entries\n  genesis {genesis}\n  head    {head}",
            roster.length
        )
    })
}

fn show(roster: &Roster, output: Output) -> Result<(), Failure> {
    let members = roster.members.values().map(|member| {
        json!({
            "agency": member.agency,
            "kind": member.kind,
            "title": member.title,
            "standing": member.standing,
            "quota": member.quota,
            "signing_key": member.keys.as_ref().map(|keys| keys.signing),
            "encryption_key_fingerprint":
                member.keys.as_ref().map(|keys| keys.encryption.fingerprint()),
        })
    });
    let custody = roster.custody.as_ref().map(|custody| {
        json!({
            "epoch": custody.epoch,
            "threshold": custody.threshold,
            "custodians": custody.custodians,
        })
    });
    let answer = json!({
        "consortium": roster.consortium,
        "genesis": roster.genesis,
        "head": roster.head,
        "length": roster.length,
        "approvals_needed": roster.approvers.needed,
        "administrators": roster.approvers.administrators,
        "members": members.collect::<Vec<_>>(),
        "custody": custody,
    });
    output.answer(&answer, |_| roster_text(roster))
}

fn roster_text(roster: &Roster) -> String {
    let rows = roster.members.values().map(|member| {
        let keys = member.keys.as_ref();
        let fingerprint = keys.map(|keys| keys.encryption.fingerprint().short());
        vec![
            member.agency.to_string(),
            member.kind.to_string(),
            member.title.clone(),
            member.standing.to_string(),
            fingerprint.unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let members = table(&["agency", "kind", "title", "standing", "key"], rows);
    let custody = roster.custody.as_ref().map_or_else(
        || "none appointed".to_owned(),
        |custody| {
            let names: Vec<&str> = custody.custodians.iter().map(Name::as_str).collect();
            format!(
                "epoch {}, any {} of {}",
                custody.epoch,
                custody.threshold,
                names.join(", ")
            )
        },
    );
    format!(
        "consortium {}, {} entries\n  genesis    {}\n  head       {}\n  custodians {custody}\n{members}",
        roster.consortium, roster.length, roster.genesis, roster.head
    )
}
