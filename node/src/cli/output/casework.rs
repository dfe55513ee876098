//! Reports of casework, for people: a file for each room.

mod cases;
mod records;

use serde_json::Value;

use super::super::console::Console;
use super::super::failure::Failure;
use super::parsed;
use crate::casework::CaseCommand;
use crate::casework::command::{CaseworkCommand, RecordCommand};

/// Which report is coming.
pub(in crate::cli) enum Room {
    Queue,
    Case,
    CaseDetail,
    Record,
}

impl Room {
    pub(super) fn of(command: &CaseworkCommand) -> Self {
        match command {
            CaseworkCommand::Case(CaseCommand::Queue(_)) => Self::Queue,
            CaseworkCommand::Case(CaseCommand::Show { .. }) => Self::CaseDetail,
            CaseworkCommand::Case(_) => Self::Case,
            CaseworkCommand::Record(RecordCommand::Show { .. }) => Self::Record,
        }
    }
}

pub(super) fn report(console: &mut Console, room: Room, value: Value) -> Result<(), Failure> {
    match room {
        Room::Queue => cases::queue(console, &parsed::<Vec<_>>(value)?),
        Room::Case => cases::case(console, &parsed(value)?),
        Room::CaseDetail => cases::detail(console, &parsed(value)?),
        Room::Record => records::record(console, &parsed(value)?),
    }
}
