//! What can be typed about disclosures.

use clap::{Args, Subcommand, ValueEnum};
use symbolon_casework::disclosure::Field;
use symbolon_casework::text::Text;

use crate::casework::command::{CaseworkCommand, DisclosureCommand};

/// How soon an answer is needed.
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Urgency {
    Standard,
    Medium,
    High,
}

/// What to do with disclosures.
#[derive(Subcommand)]
pub(in crate::cli) enum DisclosureTask {
    /// Ask the other agency of a case for fields of its record
    ///
    /// Needs --purpose and --reason: the other agency reads both. A person there decides, field by field.
    #[command(
        after_help = "Example:\n  symbolon-node disclosure request 3fa9c1d2 --field phone --field address --lawful-basis \"public task\" --purpose safeguarding --reason \"missing since Monday\""
    )]
    Request(RequestArgs),
    /// List requests of both sides, the urgent and the old first
    #[command(after_help = "Example:\n  symbolon-node disclosure list")]
    List {
        /// Only of this case
        #[arg(long, value_name = "CASE")]
        case: Option<String>,
    },
    /// Show a request; of another agency, with exactly what would leave
    ///
    /// Whoever releases has looked at the request first, and so has the second person. The look is
    /// written down.
    #[command(after_help = "Example:\n  symbolon-node disclosure show 5d2f")]
    Show {
        /// The first digits of its id, four or more
        #[arg(value_name = "REQUEST")]
        id: String,
    },
    /// Release fields of a request; the others stay where they are
    ///
    /// Needs --purpose and --reason. To an immigration service and for a bulk request
    /// the release waits until a second person countersigns it.
    #[command(
        after_help = "Example:\n  symbolon-node disclosure release 5d2f --field phone --purpose safeguarding --reason \"she is at risk\""
    )]
    Release(ReleaseArgs),
    /// Refuse fields of a request, or all that are undecided
    ///
    /// Needs --purpose and --reason. The other agency reads the reason, unless the record is silent: then
    /// it hears nothing. That it was decided not to share is written down.
    #[command(
        after_help = "Example:\n  symbolon-node disclosure refuse 5d2f --purpose safeguarding --reason \"no consent for this\""
    )]
    Refuse {
        /// The first digits of its id, four or more
        #[arg(value_name = "REQUEST")]
        id: String,
        /// A field; may be given several times
        #[arg(long = "field", value_name = "FIELD")]
        fields: Vec<Field>,
    },
    /// Agree, as a second person, to a release that waits
    ///
    /// Needs --purpose and --reason, and a look at the request first.
    #[command(
        after_help = "Example:\n  symbolon-node disclosure countersign 5d2f --purpose safeguarding --reason \"agreed with the caseworker\""
    )]
    Countersign {
        /// The first digits of its id, four or more
        #[arg(value_name = "REQUEST")]
        id: String,
    },
    /// Show what other agencies gave, on which terms and until when; the look is written down
    #[command(after_help = "Example:\n  symbolon-node disclosure received 3fa9c1d2")]
    Received {
        /// Only of this case
        #[arg(value_name = "CASE")]
        case: Option<String>,
    },
}

#[derive(Args)]
pub(in crate::cli) struct RequestArgs {
    /// The case, as `matches` shows it
    #[arg(value_name = "CASE")]
    case: String,
    /// A field of the other agency's record, as phone; may be given several times
    #[arg(long = "field", value_name = "FIELD", required = true)]
    fields: Vec<Field>,
    /// By which right you ask
    #[arg(long, value_name = "TEXT")]
    lawful_basis: Text,
    /// How soon
    #[arg(long, value_enum, default_value = "standard")]
    urgency: Urgency,
}

#[derive(Args)]
pub(in crate::cli) struct ReleaseArgs {
    /// The first digits of its id, four or more
    #[arg(value_name = "REQUEST")]
    id: String,
    /// A field; may be given several times
    #[arg(long = "field", value_name = "FIELD", required = true)]
    fields: Vec<Field>,
    /// Let the other agency pass them on to others
    #[arg(long)]
    onward: bool,
    /// Days for which the other agency may keep them, instead of received_days in node.toml
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3653))]
    keep_days: Option<u32>,
    /// Conditions in words, for the other agency
    #[arg(long, value_name = "TEXT")]
    conditions: Option<Text>,
}

impl DisclosureTask {
    pub(in crate::cli) fn command(self) -> CaseworkCommand {
        use symbolon_core::payload::Urgency as Known;
        CaseworkCommand::Disclosure(match self {
            Self::Request(args) => DisclosureCommand::Request {
                case: args.case,
                fields: args.fields.into_iter().collect(),
                lawful_basis: args.lawful_basis,
                urgency: match args.urgency {
                    Urgency::Standard => Known::Standard,
                    Urgency::Medium => Known::Medium,
                    Urgency::High => Known::High,
                },
            },
            Self::List { case } => DisclosureCommand::List { case },
            Self::Show { id } => DisclosureCommand::Show { id },
            Self::Release(args) => DisclosureCommand::Release {
                id: args.id,
                fields: args.fields.into_iter().collect(),
                onward: args.onward,
                keep_days: args.keep_days,
                conditions: args.conditions,
            },
            Self::Refuse { id, fields } => DisclosureCommand::Refuse {
                id,
                fields: fields.into_iter().collect(),
            },
            Self::Countersign { id } => DisclosureCommand::Countersign { id },
            Self::Received { case } => DisclosureCommand::Received { case },
        })
    }
}
