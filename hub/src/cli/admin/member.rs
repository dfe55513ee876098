//! `admin member`: who is a member, and who may no longer be.

use clap::{Args, Subcommand};
use symbolon_core::identity::AgencyName;
use symbolon_core::roster::{Change, Quota};

use super::roster;
use crate::admin::{Admin, MemberReport};
use crate::cli::output::{Failure, Output, moment, table};

#[derive(Subcommand)]
pub enum MemberCommand {
    /// List agencies, their certificates and whether their nodes are connected.
    #[command(after_help = "Example:\n  symbolon-hub admin --admin ./admin member list")]
    List,
    /// Shut a member out until it is reinstated; its connections are closed at once.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin member suspend harbour-refuge --reason 'laptop stolen'"
    )]
    Suspend(Reasoned),
    /// Let a suspended member in again.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin member reinstate harbour-refuge --reason 'new laptop set up'"
    )]
    Reinstate(Reasoned),
    /// Shut a member out for good; only a fresh invitation brings it back.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin member remove harbour-refuge --reason 'left the consortium'"
    )]
    Remove(Reasoned),
    /// Change how much a member may have evaluated.
    #[command(
        after_help = "Example:\n  symbolon-hub admin --admin ./admin member quota northshire-police --register 200000 --growth 500"
    )]
    Quota(NewQuota),
}

impl MemberCommand {
    /// Whether the approval key is needed.
    pub fn signs(&self) -> bool {
        !matches!(self, Self::List)
    }
}

#[derive(Args)]
pub struct Reasoned {
    /// The agency.
    agency: AgencyName,
    /// Why; every member can read it in the roster, so name no person.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub struct NewQuota {
    /// The agency.
    agency: AgencyName,
    /// Records in its register: so many may be tokenised at once.
    #[arg(long, value_name = "RECORDS")]
    register: u64,
    /// Records and queries that come each day: so many more may be tokenised a day.
    #[arg(long, value_name = "RECORDS")]
    growth: u64,
}

pub async fn carry_out(
    admin: &Admin,
    command: MemberCommand,
    output: Output,
) -> Result<(), Failure> {
    let (change, done) = match command {
        MemberCommand::List => {
            let members = admin.members().await?;
            return output.answer(&members, |members| member_table(members));
        }
        MemberCommand::Suspend(Reasoned { agency, reason }) => {
            let done = format!("{agency} is suspended");
            (Change::Suspend { agency, reason }, done)
        }
        MemberCommand::Reinstate(Reasoned { agency, reason }) => {
            let done = format!("{agency} is a member again");
            (Change::Reinstate { agency, reason }, done)
        }
        MemberCommand::Remove(Reasoned { agency, reason }) => {
            let done = format!("{agency} is removed");
            (Change::Remove { agency, reason }, done)
        }
        MemberCommand::Quota(options) => {
            let NewQuota {
                agency,
                register,
                growth,
            } = options;
            let quota = Quota::of_register(register, growth);
            let done = format!(
                "{agency} may have {} linkage keys evaluated at once and {} more each day",
                quota.capacity(),
                quota.per_day
            );
            (Change::Quota { agency, quota }, done)
        }
    };
    let proposed = admin.propose(change).await?;
    output.answer(&proposed, |proposed| roster::told(proposed, &done))
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
        "certificates",
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
            member.certificate_serials.join(", "),
        ]
    });
    table(&header, rows)
}
