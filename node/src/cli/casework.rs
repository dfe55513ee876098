//! What can be typed about casework, and what it asks of the node.

pub(super) mod ending;

use clap::Subcommand;

use super::args::Global;
use crate::casework::command::{CaseworkCommand, CaseworkRequest, Claim, RecordCommand};
use crate::command::Command;

/// About one record.
#[derive(Subcommand)]
pub(super) enum RecordTask {
    /// Show a record and what is kept beside it; the look is written down
    Show {
        /// Its id
        #[arg(value_name = "RECORD_ID")]
        record_id: String,
    },
}

impl RecordTask {
    fn command(self) -> CaseworkCommand {
        CaseworkCommand::Record(match self {
            Self::Show { record_id } => RecordCommand::Show { record_id },
        })
    }
}

/// The request of a task, with what was said of purpose and reason.
pub(super) fn command(global: &Global, task: RecordTask) -> Command {
    request(global, task.command())
}

fn request(global: &Global, command: CaseworkCommand) -> Command {
    Command::Casework(CaseworkRequest {
        by: Claim {
            purpose: global.purpose.clone(),
            reason: global.reason.clone(),
        },
        command,
    })
}
