//! `admin`: what an administrator does, with the directory that founding made for one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use symbolon_core::agreement::Document;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKind, AgencyName, Name};
use symbolon_core::roster::{Quota, Roster};

use super::custody::{self, Custodians};
use super::output::{Failure, Output, moment, table};
use super::passphrase::PassphraseOptions;
use super::runtime;
use crate::admin::{self, AgreementReport, MemberReport};
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
    Agreement(AgreementCommand),
    /// Member agencies.
    #[command(subcommand)]
    Member(MemberCommand),
    /// The signed list of members.
    #[command(subcommand)]
    Roster(RosterCommand),
    /// The hub's transparency log.
    #[command(subcommand)]
    Log(LogCommand),
}

#[derive(Subcommand)]
enum CustodyCommand {
    /// Appoint custodians; their nodes then generate the key together.
    #[command(after_help = "\
Examples:
  symbolon-hub admin --admin ./admin custody appoint --threshold 2 harbour-refuge northshire-police nhs
  symbolon-hub admin --admin ./admin custody appoint --threshold 1 harbour-refuge   (a pilot only)")]
    Appoint(Custodians),
    /// Appoint other custodians in place of those there are; their nodes generate a new key.
    ///
    /// Members make their rows anew under it by themselves (symbolon-node custody status shows how
    /// far they are). Until all have, the old custodians have to go on serving. Tokens of the old key
    /// and the new one never match, and each member needs its quota once more.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin custody replace --threshold 2 harbour-refuge nhs council"
    )]
    Replace(Custodians),
}

#[derive(Subcommand)]
enum AgreementCommand {
    /// Propose an agreement; each member then accepts it with its node.
    Propose(Box<Propose>),
    /// List agreements and who has accepted them.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin agreement list --json")]
    List,
}

#[derive(Subcommand)]
enum MemberCommand {
    /// List agencies, their certificates and whether their nodes are connected.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin member list")]
    List,
}

#[derive(Subcommand)]
enum RosterCommand {
    /// Fetch the roster, verify it from the pinned genesis, and show it.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin roster show")]
    Show,
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

/// Propose an agreement.
#[derive(Args)]
#[command(after_help = "\
Example:
  symbolon-hub admin --admin ./admin agreement propose --id missing-children \\
      --title 'Finding missing children' --members harbour-refuge,northshire-police \\
      --purpose safeguarding --regime 'UK GDPR and DPA 2018' --lawful-basis 'public task' \\
      --schema-version 1 --schema-digest 5f0c...

The linkage schema lives in the nodes: `symbolon-node schema` prints its version and digest.
Nodes with another schema refuse to take part. An agreement is in force when every member has
accepted it.")]
struct Propose {
    /// Its short name.
    #[arg(long)]
    id: Name,
    /// Its title, for people.
    #[arg(long)]
    title: String,
    /// Enrolled agencies, separated by commas.
    #[arg(long, required = true, value_delimiter = ',')]
    members: Vec<AgencyName>,
    /// The member whose node makes the agreement's key; the first one if not given.
    #[arg(long)]
    lead: Option<AgencyName>,
    /// What matches may be used for; may be given several times.
    #[arg(long = "purpose", value_name = "PURPOSE", required = true)]
    purposes: Vec<String>,
    /// The legal regime.
    #[arg(long)]
    regime: String,
    /// The lawful basis.
    #[arg(long)]
    lawful_basis: String,
    /// Months that a row stays at the hub unless it is withdrawn sooner.
    #[arg(long, default_value_t = 24)]
    retention_months: u32,
    /// Most live rows of a token that still make notices.
    #[arg(long, default_value_t = 64)]
    common_token_limit: u32,
    /// Version of the linkage schema, as `symbolon-node schema` prints it.
    #[arg(long)]
    schema_version: u16,
    /// Digest of the linkage schema, as `symbolon-node schema` prints it.
    #[arg(long, value_name = "HEX", value_parser = digest)]
    schema_digest: Digest,
}

fn digest(text: &str) -> Result<Digest, &'static str> {
    Digest::parse(text).ok_or("not a SHA-256 digest: 64 hexadecimal digits")
}

impl Admin {
    pub fn run(self, output: Output) -> Result<(), Failure> {
        let dir = self.admin.ok_or_else(|| {
            Failure("give the administrator's directory with --admin or SYMBOLON_ADMIN".to_owned())
        })?;
        let signs = matches!(
            self.command,
            Command::Invite(_)
                | Command::Custody(_)
                | Command::Agreement(AgreementCommand::Propose(_))
        );
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
            custody::appoint(admin, options, output).await
        }
        Command::Custody(CustodyCommand::Replace(options)) => {
            custody::replace(admin, options, output).await
        }
        Command::Agreement(AgreementCommand::Propose(options)) => {
            propose(admin, *options, output).await
        }
        Command::Agreement(AgreementCommand::List) => {
            let agreements = admin.agreements().await?;
            output.answer(&agreements, |agreements| agreement_table(agreements))
        }
        Command::Member(MemberCommand::List) => {
            let members = admin.members().await?;
            output.answer(&members, |members| member_table(members))
        }
        Command::Roster(RosterCommand::Show) => show_roster(&admin.roster().await?, output),
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
    let invitation = admin
        .invite(agency.clone(), kind, &title, ttl_s, quota)
        .await?;
    match out {
        None => output.answer(
            &json!({ "agency": agency, "invitation": invitation }),
            |_| invitation.clone(),
        ),
        Some(path) => {
            files::private_file(&path, invitation.as_bytes())?;
            output.answer(&json!({ "agency": agency, "file": path }), |_| {
                format!("the invitation for {agency} is in {}", path.display())
            })
        }
    }
}

async fn propose(admin: &admin::Admin, options: Propose, output: Output) -> Result<(), Failure> {
    let first = options.members.first().cloned();
    let lead = options.lead.or(first);
    let lead = lead.ok_or_else(|| Failure("an agreement needs members".to_owned()))?;
    let document = Document {
        consortium: admin.genesis(),
        roster: admin.roster().await?.length,
        id: options.id,
        title: options.title,
        version: 1,
        members: options.members,
        lead,
        purposes: options.purposes,
        regime: options.regime,
        lawful_basis: options.lawful_basis,
        retention_months: options.retention_months,
        common_token_limit: options.common_token_limit,
        schema_version: options.schema_version,
        schema_digest: options.schema_digest,
        epoch: 1,
    };
    let digest = admin.propose_agreement(&document).await?;
    let answer = json!({ "id": document.id, "digest": digest });
    output.answer(&answer, |_| {
        format!(
            "proposed {} (digest {digest}); each member now accepts it with its node",
            document.id
        )
    })
}

fn agreement_table(agreements: &[AgreementReport]) -> String {
    let header = ["agreement", "title", "members", "accepted by", "standing"];
    let join = |names: &[AgencyName]| {
        let names: Vec<&str> = names.iter().map(Name::as_str).collect();
        names.join(", ")
    };
    let rows = agreements.iter().map(|agreement| {
        let standing = if agreement.in_force {
            "in force"
        } else {
            "proposed"
        };
        vec![
            agreement.document.id.to_string(),
            agreement.document.title.clone(),
            join(&agreement.document.members),
            join(&agreement.accepted),
            standing.to_owned(),
        ]
    });
    table(&header, rows)
}

fn member_table(members: &[MemberReport]) -> String {
    let header = [
        "agency",
        "kind",
        "standing",
        "connected",
        "last seen",
        "certificate until",
        "custodian",
        "rows",
    ];
    let rows = members.iter().map(|member| {
        let custodian = match member.custodian_index {
            0 => "-".to_owned(),
            index => index.to_string(),
        };
        let connected = if member.connected { "yes" } else { "no" };
        vec![
            member.agency.clone(),
            member.kind.clone(),
            member.standing.clone(),
            connected.to_owned(),
            moment(member.last_seen_at),
            moment(member.certificate_expires_at),
            custodian,
            member.live_rows.to_string(),
        ]
    });
    table(&header, rows)
}

fn show_roster(roster: &Roster, output: Output) -> Result<(), Failure> {
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
