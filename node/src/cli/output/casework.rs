//! Reports of casework, for people: a file for each room.

mod attachment;
mod cases;
mod disclosure;
mod missing;
mod network;
mod records;

mod ending;

use serde_json::Value;

use super::super::console::Console;
use super::super::failure::Failure;
use super::parsed;
use crate::casework::CaseCommand;
use crate::casework::command::{
    AttachmentCommand, CaseworkCommand, DisclosureCommand, GraphFormat, MissingCommand,
    NetworkCommand, RecordCommand,
};

/// Which report is coming.
pub(in crate::cli) enum Room {
    Queue,
    Case,
    CaseDetail,
    Record,
    Attachment(attachment::Report),
    Disclosure(disclosure::Report),
    RecordChange,
    RecordHistory,
    HtcdsImport,
    HtcdsExport,
    MissingAct,
    MissingList,
    MissingShow,
    Network(GraphFormat),
    Ending(ending::Ending),
}

impl Room {
    pub(super) fn of(command: &CaseworkCommand) -> Self {
        match command {
            CaseworkCommand::Case(CaseCommand::Queue(_)) => Self::Queue,
            CaseworkCommand::Case(CaseCommand::Show { .. }) => Self::CaseDetail,
            CaseworkCommand::Case(_) => Self::Case,
            CaseworkCommand::Attachment(command) => Self::Attachment(match command {
                AttachmentCommand::List { .. } => attachment::Report::List,
                AttachmentCommand::Save { .. } => attachment::Report::Saved,
                AttachmentCommand::Send { .. } | AttachmentCommand::Remove { .. } => {
                    attachment::Report::One
                }
            }),
            CaseworkCommand::Disclosure(command) => Self::Disclosure(match command {
                DisclosureCommand::List { .. } => disclosure::Report::List,
                DisclosureCommand::Received { .. } => disclosure::Report::Received,
                DisclosureCommand::Request { .. }
                | DisclosureCommand::Show { .. }
                | DisclosureCommand::Release { .. }
                | DisclosureCommand::Refuse { .. }
                | DisclosureCommand::Countersign { .. } => disclosure::Report::One,
            }),
            CaseworkCommand::Record(command) => match command {
                RecordCommand::Show { .. } => Self::Record,
                RecordCommand::History { .. } => Self::RecordHistory,
                RecordCommand::ImportHtcds(_) => Self::HtcdsImport,
                RecordCommand::ExportHtcds { .. } => Self::HtcdsExport,
                _ => Self::RecordChange,
            },
            CaseworkCommand::Missing(MissingCommand::List { .. }) => Self::MissingList,
            CaseworkCommand::Missing(MissingCommand::Show { .. }) => Self::MissingShow,
            CaseworkCommand::Missing(_) => Self::MissingAct,
            CaseworkCommand::Network(NetworkCommand::Show { format, .. }) => Self::Network(*format),
            CaseworkCommand::Ending(command) => Self::Ending(ending::Ending::of(command)),
        }
    }
}

/// What the exit code needs to know even where only JSON is printed.
pub(super) fn judge(room: &Room, value: &Value) -> Result<(), Failure> {
    match room {
        Room::Ending(which) => ending::judge(which, value),
        _ => Ok(()),
    }
}

pub(super) fn report(console: &mut Console, room: Room, value: Value) -> Result<(), Failure> {
    match room {
        Room::Queue => cases::queue(console, &parsed::<Vec<_>>(value)?),
        Room::Case => cases::case(console, &parsed(value)?),
        Room::CaseDetail => cases::detail(console, &parsed(value)?),
        Room::Record => records::record(console, &parsed(value)?),
        Room::Attachment(report) => attachment::report(console, &report, value),
        Room::Disclosure(report) => disclosure::report(console, &report, value),
        Room::RecordChange => records::changed(console, &parsed(value)?),
        Room::RecordHistory => records::history(console, &parsed(value)?),
        Room::HtcdsImport => records::imported(console, &parsed(value)?),
        Room::HtcdsExport => records::exported(console, &value),
        Room::MissingAct => missing::acted(console, &parsed(value)?),
        Room::MissingList => missing::list(console, &parsed::<Vec<_>>(value)?),
        Room::MissingShow => missing::show(console, &parsed(value)?),
        Room::Network(format) => network::show(console, format, &parsed(value)?),
        Room::Ending(which) => ending::report(console, &which, value),
    }
}
