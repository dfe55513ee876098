//! Reports of attachments, for people.

use serde_json::Value;

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::{count, moment, parsed, print_table};
use crate::casework::{AttachmentView, SavedAttachment};

/// Which report is coming.
pub(in crate::cli) enum Report {
    List,
    One,
    Saved,
}

pub(super) fn report(console: &mut Console, report: &Report, value: Value) -> Result<(), Failure> {
    match report {
        Report::List => list(console, &parsed::<Vec<_>>(value)?),
        Report::One => list(console, &[parsed(value)?]),
        Report::Saved => {
            let SavedAttachment { path, bytes } = parsed(value)?;
            let size = count(bytes, "byte");
            Ok(console.say(&format!("Saved {} ({size}).", path.display()))?)
        }
    }
}

fn list(console: &mut Console, views: &[AttachmentView]) -> Result<(), Failure> {
    if views.is_empty() {
        return Ok(console.say("No attachments.")?);
    }
    let rows = views.iter().map(|view| {
        vec![
            view.id.chars().take(8).collect(),
            format!("{} {}", view.direction, view.agency),
            view.case.clone(),
            view.record_id.clone(),
            view.name.clone(),
            view.bytes.to_string(),
            format!("{} of {}", view.chunks, view.of),
            view.state.clone(),
            if view.onward { "yes" } else { "no" }.to_owned(),
            view.handling.clone().unwrap_or_default(),
            moment(&view.keep_until),
            moment(&view.since),
        ]
    });
    let header = [
        "id",
        "with",
        "case",
        "record",
        "name",
        "bytes",
        "chunks",
        "state",
        "onward",
        "handling",
        "keep until",
        "since",
    ];
    print_table(console, &header, rows)
}
