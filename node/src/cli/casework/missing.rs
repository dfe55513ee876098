//! What can be typed about missing persons.

use clap::{Args, Subcommand, ValueEnum};
use symbolon_casework::missing::{Informant, InterviewResult, Outcome, Update};
use symbolon_casework::text::Text;
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Risk;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::super::query::Details;
use crate::casework::command::{CaseworkCommand, MissingCommand};

/// About missing persons.
#[derive(Subcommand)]
pub(in crate::cli) enum MissingTask {
    /// Report somebody missing: others are told at once, and go on being watched for
    ///
    /// Takes a record that is there, or makes one of what you know of the person. While the person is
    /// missing the record takes part in the agreements named here or in node.toml, in the category
    /// missing and as urgently as the risk says. Its rows go before all others.
    #[command(after_help = "\
Examples:
  symbolon-node missing report R-0041 --risk high --circumstances \"did not come back from school\"
  symbolon-node missing report M-2026-17 --given-names Ana --surname Nowak --date-of-birth 2009-04-17 \\
    --risk high --circumstances \"left the placement at night\" --informant \"her foster carer\"")]
    Report(Box<ReportArgs>),
    /// Add what is new about somebody who is missing
    #[command(
        after_help = "Example:\n  symbolon-node missing update R-0041 --risk high --last-seen \"bus station, red coat\""
    )]
    Update(Box<UpdateArgs>),
    /// Say that a missing person was found: the watch ends, the interview's clock starts
    ///
    /// What the record shared as a missing person's is deleted at the hub, and matches that came of it
    /// end on both sides. Within 72 hours of the return a child has an independent return interview, an
    /// adult a prevention interview.
    #[command(
        after_help = "Example:\n  symbolon-node missing found R-0041 --how returned --at \"2026-03-01 21:30\""
    )]
    Found(FoundArgs),
    /// Say how the interview after a return ended
    #[command(
        after_help = "Example:\n  symbolon-node missing interview R-0041 --done --by \"the charity's worker\" --notes \"safe at home; afraid of one person\""
    )]
    Interview(InterviewArgs),
    /// Cancel a report that was a mistake; give the reason with --reason
    #[command(
        after_help = "Example:\n  symbolon-node missing cancel R-0041 --reason \"reported under the wrong record\""
    )]
    Cancel {
        /// The record
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
    /// List who is missing and whose interview is due, most urgent first
    #[command(
        after_help = "Examples:\n  symbolon-node missing list\n  symbolon-node missing list --all"
    )]
    List {
        /// What is over, too
        #[arg(long)]
        all: bool,
    },
    /// Show every episode of one person with all that was done; the look is written down
    #[command(after_help = "Example:\n  symbolon-node missing show R-0041")]
    Show {
        /// The record
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
}

#[derive(Args)]
pub(in crate::cli) struct ReportArgs {
    /// A record that is there; with details of the person, the id of the one that is made
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// very-low, low, medium or high
    #[arg(long, value_name = "RISK", value_parser = risk)]
    risk: Risk,
    /// How it came about
    #[arg(long, value_name = "TEXT")]
    circumstances: Text,
    #[command(flatten)]
    known: KnownArgs,
    #[command(flatten)]
    details: Details,
}

#[derive(Args)]
pub(in crate::cli) struct UpdateArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// very-low, low, medium or high
    #[arg(long, value_name = "RISK", value_parser = risk)]
    risk: Option<Risk>,
    /// How it came about
    #[arg(long, value_name = "TEXT")]
    circumstances: Option<Text>,
    #[command(flatten)]
    known: KnownArgs,
}

/// What may be known of an episode beside risk and circumstances.
#[derive(Args)]
struct KnownArgs {
    /// Who reported it
    #[arg(long, value_name = "NAME")]
    informant: Option<Text>,
    /// What the informant is to the missing person
    #[arg(long, value_name = "TEXT", requires = "informant")]
    relation: Option<Text>,
    /// How to reach the informant
    #[arg(long, value_name = "TEXT", requires = "informant")]
    contact: Option<Text>,
    /// Since when: "2026-03-01 21:30" in UTC, or RFC 3339 with an offset
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Where and with whom last seen, in what clothes
    #[arg(long, value_name = "TEXT")]
    last_seen: Option<Text>,
    /// Where a photograph is kept; its reference, not the file
    #[arg(long, value_name = "TEXT")]
    photo: Option<Text>,
    /// Number under which the leading agency searches
    #[arg(long, value_name = "TEXT")]
    lead_reference: Option<Text>,
    /// An agreement under which others are told; may be given several times
    ///
    /// Without it, those of [missing] in node.toml. Agreements that the record takes part in anyway are
    /// not named here.
    #[arg(long = "agreement", value_name = "ID")]
    agreements: Vec<Name>,
}

impl KnownArgs {
    fn update(self, risk: Option<Risk>, circumstances: Option<Text>) -> Box<Update> {
        let Self {
            informant,
            relation,
            contact,
            since,
            last_seen,
            photo,
            lead_reference,
            agreements,
        } = self;
        Box::new(Update {
            risk,
            circumstances,
            informant: informant.map(|name| Informant {
                name,
                relation,
                contact,
            }),
            missing_since: since,
            last_seen,
            photo,
            lead_reference,
            agreements: Some(agreements).filter(|named| !named.is_empty()),
        })
    }
}

/// How somebody was found.
#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// Came back
    Returned,
    /// Was located and is safe
    Located,
    /// Was found dead
    Died,
}

#[derive(Args)]
pub(in crate::cli) struct FoundArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// How the person was found
    #[arg(long, value_enum, default_value_t = How::Returned)]
    how: How,
    /// When: "2026-03-01 21:30" in UTC, or RFC 3339 with an offset; now if it is left out
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<i64>,
    /// What else
    #[arg(long, value_name = "TEXT")]
    note: Option<Text>,
}

#[derive(Args)]
pub(in crate::cli) struct InterviewArgs {
    /// The record
    #[arg(value_name = "RECORD_ID")]
    record_id: String,
    /// The interview was held
    #[arg(long, required_unless_present = "declined")]
    done: bool,
    /// It was offered, and the person did not want it
    #[arg(long, conflicts_with = "done")]
    declined: bool,
    /// Who held or offered it
    #[arg(long, value_name = "TEXT")]
    by: Text,
    /// What came of it
    #[arg(long, value_name = "TEXT")]
    notes: Option<Text>,
    /// When: "2026-03-01 21:30" in UTC, or RFC 3339 with an offset; now if it is left out
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<i64>,
    /// Of which episode, where several are due
    #[arg(long, value_name = "NUMBER")]
    episode: Option<u32>,
}

impl MissingTask {
    pub(in crate::cli) fn command(self) -> CaseworkCommand {
        CaseworkCommand::Missing(match self {
            Self::Report(args) => {
                let ReportArgs {
                    record_id,
                    risk,
                    circumstances,
                    known,
                    details,
                } = *args;
                MissingCommand::Report {
                    record_id,
                    columns: details.columns(),
                    known: known.update(Some(risk), Some(circumstances)),
                }
            }
            Self::Update(args) => {
                let UpdateArgs {
                    record_id,
                    risk,
                    circumstances,
                    known,
                } = *args;
                MissingCommand::Update {
                    record_id,
                    news: known.update(risk, circumstances),
                }
            }
            Self::Found(args) => MissingCommand::Found {
                record_id: args.record_id,
                outcome: match args.how {
                    How::Returned => Outcome::Returned,
                    How::Located => Outcome::Located,
                    How::Died => Outcome::Died,
                },
                found_at: args.at,
                note: args.note,
            },
            Self::Interview(args) => MissingCommand::Interview {
                record_id: args.record_id,
                episode: args.episode,
                result: match args.declined {
                    true => InterviewResult::Declined,
                    false => InterviewResult::Held,
                },
                held_at: args.at,
                interviewer: args.by,
                notes: args.notes,
            },
            Self::Cancel { record_id } => MissingCommand::Cancel { record_id },
            Self::List { all } => MissingCommand::List { all },
            Self::Show { record_id } => MissingCommand::Show { record_id },
        })
    }
}

fn risk(text: &str) -> Result<Risk, String> {
    text.parse()
        .map_err(|_| "risks are very-low, low, medium and high".to_owned())
}

/// A moment as people type it, as Unix seconds.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(time.unix_timestamp());
    }
    let plain = format_description!("[year]-[month]-[day] [hour]:[minute]");
    let time = PrimitiveDateTime::parse(&text.replacen('T', " ", 1), &plain);
    let time = time.map_err(|_| {
        "write it as \"2026-03-01 21:30\" in UTC, or with an offset as 2026-03-01T21:30:00+01:00"
            .to_owned()
    })?;
    Ok(time.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_utc_unless_an_offset_says_otherwise() {
        let read = |text| moment(text).unwrap();
        assert_eq!(read("2026-03-01 21:30"), 1_772_400_600);
        assert_eq!(read("2026-03-01T21:30"), read("2026-03-01 21:30"));
        assert_eq!(read("2026-03-01T22:30:00+01:00"), read("2026-03-01 21:30"));
        for wrong in [
            "yesterday",
            "2026-03-01",
            "01/03/2026 21:30",
            "2026-02-30 10:00",
        ] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
        assert_eq!(risk("very-low"), Ok(Risk::VeryLow));
        assert!(risk("extreme").is_err());
    }
}
