//! Reports of casework, for people.

mod ending;

use serde_json::Value;

use super::super::console::Console;
use super::super::failure::Failure;
use super::{parsed, print_table};
use crate::casework::RecordDetail;
use crate::casework::command::{CaseworkCommand, RecordCommand};

/// Which report is coming.
pub(in crate::cli) enum Room {
    Record,
    Ending(ending::Ending),
}

impl Room {
    pub(super) fn of(command: &CaseworkCommand) -> Self {
        match command {
            CaseworkCommand::Record(RecordCommand::Show { .. }) => Self::Record,
            CaseworkCommand::Ending(command) => Self::Ending(ending::Ending::of(command)),
        }
    }
}

/// What the exit code needs to know even where only JSON is printed.
pub(super) fn judge(room: &Room, value: &Value) -> Result<(), Failure> {
    match room {
        Room::Ending(which) => ending::judge(which, value),
        Room::Record => Ok(()),
    }
}

pub(super) fn report(console: &mut Console, room: Room, value: Value) -> Result<(), Failure> {
    match room {
        Room::Record => record(console, &parsed(value)?),
        Room::Ending(which) => ending::report(console, &which, value),
    }
}

fn record(console: &mut Console, detail: &RecordDetail) -> Result<(), Failure> {
    let columns = detail.record.columns();
    let rows = columns.map(|(name, values)| vec![name.to_owned(), values.join("; ")]);
    print_table(console, &["column", "value"], rows)?;
    console.say(&format!(
        "shared under: {}",
        super::lists::or_none(&detail.agreements)
    ))?;
    console.say(&format!("level: {}", detail.dossier.level))?;
    Ok(())
}
