//! `admin`: what an administrator does, with the directory that founding made for one.

mod agreement;
mod member;
mod roster;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use symbolon_core::identity::{AgencyKind, AgencyName};
use symbolon_core::roster::Quota;

use self::member::MemberCommand;
use self::roster::{Approve, ProposeChange, RosterCommand};
use super::output::{Failure, Output};
use super::passphrase::PassphraseOptions;
use super::runtime;
use crate::admin;
use crate::files;

/// Invite agencies, appoint custodians, propose agreements, look at the consortium.
#[derive(Args)]
pub struct Admin {
    /// Directory that `init` made for the administrator.
    #[arg(long, value_name = "DIR", env = "SYMBOLON_ADMIN", global = true)]
    admin: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Invite an agency; prints the one-time invitation, which is a secret.
    Invite(Invite),
    /// The custodians of the key that tokens are made with.
    #[command(subcommand)]
    Custody(CustodyCommand),
    /// Data sharing agreements.
    #[command(subcommand)]
    Agreement(agreement::AgreementCommand),
    /// Member agencies: list them, shut one out, let it in again, change its quota.
    #[command(subcommand)]
    Member(MemberCommand),
    /// The signed list of members: show it, verify it, export it.
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Propose any change of the roster from a file.
    Propose(ProposeChange),
    /// List the entries that wait for other administrators' approvals.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin pending")]
    Pending,
    /// Approve an entry that another administrator proposed, after reading it with `pending`.
    Approve(Approve),
    /// The hub's transparency log.
    #[command(subcommand)]
    Log(LogCommand),
}

#[derive(Subcommand)]
enum CustodyCommand {
    /// Appoint custodians; their nodes then generate the key together.
    Appoint(Appoint),
}

#[derive(Subcommand)]
enum LogCommand {
    /// Fetch and verify the signed size and root of the log.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin log checkpoint > checkpoint.txt"
    )]
    Checkpoint,
}

/// Invite an agency.
#[derive(Args)]
#[command(after_help = "\
Examples:
  symbolon-hub admin --admin ./admin invite harbour-refuge --kind ngo --title 'Harbour Refuge' \\
      --out harbour-refuge.invitation
  symbolon-hub admin --admin ./admin invite northshire-police --kind law-enforcement \\
      --title 'Northshire Police' --ttl-hours 24

Whoever reads the invitation first can enrol in the agency's place: hand it over in person or
over a line you trust. It works once. Inviting an agency again that has not enrolled voids the
first one.")]
struct Invite {
    /// Its name: lower-case letters, digits and hyphens.
    agency: AgencyName,
    /// ngo, law-enforcement, health-service, central-government, local-government,
    /// immigration-service, legal-service, corporate or school-or-college.
    #[arg(long)]
    kind: AgencyKind,
    /// Its name as people write it.
    #[arg(long)]
    title: String,
    /// Hours until the invitation is void.
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=720))]
    ttl_hours: u32,
    /// Records in its register: so many may be tokenised at once.
    #[arg(long, default_value_t = 10_000, value_name = "RECORDS")]
    register: u64,
    /// Records and queries that come each day: so many more may be tokenised a day.
    #[arg(long, default_value_t = 200, value_name = "RECORDS")]
    growth: u64,
    /// Write the invitation to a new file that only you may read.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Appoint custodians.
#[derive(Args)]
#[command(after_help = "\
Examples:
  symbolon-hub admin --admin ./admin custody appoint --threshold 2 harbour-refuge northshire-police nhs
  symbolon-hub admin --admin ./admin custody appoint --threshold 1 harbour-refuge   (a pilot only)

Appointing again starts a new key: every token has to be made anew.")]
struct Appoint {
    /// Custodians needed to evaluate.
    #[arg(long)]
    threshold: u16,
    /// Enrolled agencies, in the order of their shares.
    #[arg(required = true)]
    custodians: Vec<AgencyName>,
}

impl Admin {
    pub fn run(self, output: Output) -> Result<(), Failure> {
        let dir = self.admin.ok_or_else(|| {
            Failure("give the administrator's directory with --admin or SYMBOLON_ADMIN".to_owned())
        })?;
        let signs = match &self.command {
            Command::Invite(_)
            | Command::Custody(_)
            | Command::Propose(_)
            | Command::Approve(_) => true,
            Command::Member(command) => command.signs(),
            Command::Agreement(command) => command.signs(),
            _ => false,
        };
        let admin = if signs {
            let unlock = self.passphrase.ask("the approval key")?;
            admin::Admin::open(&dir, &unlock)?
        } else {
            admin::Admin::open_read_only(&dir)?
        };
        runtime()?.block_on(carry_out(&admin, self.command, output))
    }
}

async fn carry_out(admin: &admin::Admin, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Invite(options) => invite(admin, options, output).await,
        Command::Custody(CustodyCommand::Appoint(options)) => {
            let Appoint {
                threshold,
                custodians,
            } = options;
            let (epoch, proposed) = admin.appoint_custodians(threshold, custodians).await?;
            let answer = json!({ "custody_epoch": epoch, "proposed": proposed });
            output.answer(&answer, |_| {
                let done =
                    format!("appointed; their nodes now generate the key of custody epoch {epoch}");
                roster::told(&proposed, &done)
            })
        }
        Command::Agreement(command) => agreement::carry_out(admin, command, output).await,
        Command::Member(command) => member::carry_out(admin, command, output).await,
        Command::Roster(command) => roster::carry_out(admin, command, output).await,
        Command::Propose(options) => roster::propose(admin, &options, output).await,
        Command::Pending => roster::pending(admin, output).await,
        Command::Approve(options) => roster::approve(admin, &options, output).await,
        Command::Log(LogCommand::Checkpoint) => {
            let checkpoint = admin.checkpoint().await?;
            output.answer(&checkpoint, |checkpoint| {
                checkpoint.note.trim_end().to_owned()
            })
        }
    }
}

async fn invite(admin: &admin::Admin, options: Invite, output: Output) -> Result<(), Failure> {
    let Invite {
        agency,
        kind,
        title,
        ttl_hours,
        register,
        growth,
        out,
    } = options;
    let quota = Quota::of_register(register, growth);
    if let Some(path) = out.as_ref().filter(|path| path.exists()) {
        let path = path.display();
        return Err(Failure(format!(
            "{path} already exists; choose another file"
        )));
    }
    let ttl_s = i64::from(ttl_hours) * 3600;
    let (invitation, proposed) = admin
        .invite(agency.clone(), kind, &title, ttl_s, quota)
        .await?;
    match out {
        None => output.answer(
            &json!({ "agency": agency, "invitation": invitation, "proposed": proposed }),
            |_| roster::told(&proposed, &invitation),
        ),
        Some(path) => {
            files::private_file(&path, invitation.as_bytes())?;
            let answer = json!({ "agency": agency, "file": path, "proposed": proposed });
            output.answer(&answer, |_| {
                let done = format!("the invitation for {agency} is in {}", path.display());
                roster::told(&proposed, &done)
            })
        }
    }
}
