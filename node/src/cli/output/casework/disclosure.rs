//! Reports of disclosures, for people.

use serde_json::Value;
use symbolon_casework::text::plain;

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::{moment, parsed, print_table};
use crate::casework::{DisclosureView, ReceivedView};

/// Which report is coming.
pub(in crate::cli) enum Report {
    List,
    One,
    Received,
}

pub(super) fn report(console: &mut Console, report: &Report, value: Value) -> Result<(), Failure> {
    match report {
        Report::List => list(console, &parsed::<Vec<_>>(value)?),
        Report::One => one(console, &parsed(value)?),
        Report::Received => received(console, &parsed::<Vec<_>>(value)?),
    }
}

fn list(console: &mut Console, views: &[DisclosureView]) -> Result<(), Failure> {
    if views.is_empty() {
        return Ok(console.say("No requests.")?);
    }
    let rows = views.iter().map(|view| {
        let fields: Vec<&str> = view.fields.iter().map(|f| f.field.as_str()).collect();
        vec![
            view.id.chars().take(8).collect(),
            view.direction.clone(),
            view.agency.clone(),
            view.case.clone(),
            view.record_id.clone(),
            fields.join(", "),
            view.urgency.clone(),
            view.state.clone(),
            moment(&view.at),
        ]
    });
    let header = [
        "request",
        "which way",
        "agency",
        "case",
        "record",
        "fields",
        "urgency",
        "state",
        "since",
    ];
    print_table(console, &header, rows)
}

fn one(console: &mut Console, view: &DisclosureView) -> Result<(), Failure> {
    let id: String = view.id.chars().take(8).collect();
    console.say(&format!(
        "Request {id}, {}, {}, case {}, record {}: {}",
        view.direction, view.agency, view.case, view.record_id, view.state
    ))?;
    console.say(&format!("purpose: {}", plain(&view.purpose)))?;
    console.say(&format!("lawful basis: {}", plain(&view.lawful_basis)))?;
    console.say(&format!("reason: {}", plain(&view.reason)))?;
    console.say(&format!("urgency: {}", view.urgency))?;
    let rows = view.fields.iter().map(|field| {
        let values = field.values.as_ref().map(|values| match values.is_empty() {
            true => "(nothing)".to_owned(),
            false => plain(&values.join("; ")),
        });
        vec![
            field.field.clone(),
            field.word.clone(),
            values.unwrap_or_default(),
        ]
    });
    print_table(console, &["field", "word", "what leaves"], rows)?;
    for reason in &view.reasons {
        console.say(&format!("refused because: {}", plain(reason)))?;
    }
    if !view.takes_two.is_empty() {
        let why = view.takes_two.join("; ");
        console.say(&format!("a release takes two people: {why}"))?;
    }
    if let Some(by) = &view.released_by {
        console.say(&format!("{by} released it; a second person countersigns"))?;
    }
    if let Some(why) = &view.denied {
        console.say(&format!("nothing can leave: {why}"))?;
    }
    Ok(())
}

fn received(console: &mut Console, views: &[ReceivedView]) -> Result<(), Failure> {
    if views.is_empty() {
        return Ok(console.say("Nothing was received.")?);
    }
    let rows = views.iter().map(|view| {
        let values = match view.ended {
            true => "(its time is over)".to_owned(),
            false => plain(&view.values.join("; ")),
        };
        vec![
            view.case.clone(),
            view.record_id.clone(),
            view.agency.clone(),
            view.field.clone(),
            values,
            view.handling.clone().unwrap_or_default(),
            view.conditions.clone().unwrap_or_default(),
            if view.onward { "yes" } else { "no" }.to_owned(),
            moment(&view.keep_until),
        ]
    });
    let header = [
        "case",
        "record",
        "source",
        "field",
        "value",
        "handling",
        "conditions",
        "onward",
        "until",
    ];
    print_table(console, &header, rows)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_value_cannot_steer_the_terminal() {
        let plain = super::plain("a\u{1b}[2Jb\u{202e}c\u{7}é");
        assert_eq!(plain, "a\u{fffd}[2Jb\u{fffd}c\u{fffd}é");
    }
}
