//! What can be typed about casework, and what it asks of the node: a file for each room.

mod attachment;
mod cases;
mod disclosure;
pub(super) mod ending;
mod missing;
mod network;
mod records;

use super::args::Global;
use super::failure::Failure;
use crate::casework::command::CaseworkCommand;
use crate::command::Command;

pub(super) use attachment::AttachmentTask;
pub(super) use cases::{CaseTask, QueueArgs};
pub(super) use disclosure::DisclosureTask;
pub(super) use records::RecordTask;

pub(super) use missing::MissingTask;
pub(super) use network::NetworkTask;

/// What is asked of the node.
pub(super) fn request(command: CaseworkCommand) -> Command {
    Command::Casework(command)
}

/// Acts that the other side is told the reason of.
fn needs_reason(global: &Global) -> Result<(), Failure> {
    if global.reason.is_some() {
        return Ok(());
    }
    Err(Failure::usage(
        "this needs a reason, which the other agency sees too; give it with --reason TEXT, without \
         names",
    ))
}
