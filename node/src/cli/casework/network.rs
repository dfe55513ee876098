//! What can be typed about networks.

use clap::Subcommand;
use symbolon_casework::network::{DEFAULT_DEPTH, MAX_DEPTH};

use crate::casework::command::{CaseworkCommand, GraphFormat, NetworkCommand};

/// About networks.
#[derive(Subcommand)]
pub(in crate::cli) enum NetworkTask {
    /// Show what joins a record to others: shared phones, vehicles, addresses, accounts, emails
    ///
    /// Among your own records, and to records of other agencies that match them: of those only the
    /// agency, its reference and the kinds that agree are known. The look at each of your records that
    /// is shown is written down.
    #[command(after_help = "\
Examples:
  symbolon-node network show R-0041
  symbolon-node network show R-0041 --depth 1 --format svg > network.svg
  symbolon-node network show R-0041 --format dot | dot -Tpdf > network.pdf")]
    Show {
        /// The record that it is about
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
        /// Steps from record to record, 0 to 6
        #[arg(
            long,
            value_name = "STEPS",
            default_value_t = DEFAULT_DEPTH,
            value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_DEPTH))
        )]
        depth: u32,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: GraphFormat,
    },
}

impl NetworkTask {
    pub(in crate::cli) fn command(self) -> CaseworkCommand {
        let Self::Show {
            record_id,
            depth,
            format,
        } = self;
        CaseworkCommand::Network(NetworkCommand::Show {
            record_id,
            depth,
            format,
        })
    }
}
