//! Reports of casework, for people.

mod missing;
mod network;

use serde_json::Value;

use super::super::console::Console;
use super::super::failure::Failure;
use super::{parsed, print_table};
use crate::casework::RecordDetail;
use crate::casework::command::{
    CaseworkCommand, GraphFormat, MissingCommand, NetworkCommand, RecordCommand,
};

/// Which report is coming.
pub(in crate::cli) enum Room {
    Record,
    MissingAct,
    MissingList,
    MissingShow,
    Network(GraphFormat),
}

impl Room {
    pub(super) fn of(command: &CaseworkCommand) -> Self {
        match command {
            CaseworkCommand::Record(RecordCommand::Show { .. }) => Self::Record,
            CaseworkCommand::Missing(MissingCommand::List { .. }) => Self::MissingList,
            CaseworkCommand::Missing(MissingCommand::Show { .. }) => Self::MissingShow,
            CaseworkCommand::Missing(_) => Self::MissingAct,
            CaseworkCommand::Network(NetworkCommand::Show { format, .. }) => Self::Network(*format),
        }
    }
}

pub(super) fn report(console: &mut Console, room: Room, value: Value) -> Result<(), Failure> {
    match room {
        Room::Record => record(console, &parsed(value)?),
        Room::MissingAct => missing::acted(console, &parsed(value)?),
        Room::MissingList => missing::list(console, &parsed::<Vec<_>>(value)?),
        Room::MissingShow => missing::show(console, &parsed(value)?),
        Room::Network(format) => network::show(console, format, &parsed(value)?),
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
