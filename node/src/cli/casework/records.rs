//! `record`: one record and what is kept beside it.

use clap::Subcommand;

use crate::casework::command::{CaseworkCommand, RecordCommand};

/// About one record.
#[derive(Subcommand)]
pub(in crate::cli) enum RecordTask {
    /// Show a record and what is kept beside it; the look is written down
    Show {
        /// Its id
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
}

impl RecordTask {
    pub(in crate::cli) fn command(self) -> CaseworkCommand {
        CaseworkCommand::Record(match self {
            Self::Show { record_id } => RecordCommand::Show { record_id },
        })
    }
}
