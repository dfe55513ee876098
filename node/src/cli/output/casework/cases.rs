//! The queue, and one case.

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::{count, moment, print_table};
use crate::casework::{CaseDetail, CaseView, QueueEntry};

pub(super) fn queue(console: &mut Console, entries: &[QueueEntry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(console.say(
            "Nothing to do. What is refuted, closed or has ended is shown by: symbolon-node queue \
             --all",
        )?);
    }
    let header = [
        "case",
        "record",
        "name",
        "agency",
        "call",
        "sure",
        "what agreed",
        "stands at",
        "risk",
        "due",
        "assigned",
    ];
    let cases = entries
        .iter()
        .flat_map(|entry| entry.counterparts.iter().map(move |case| (entry, case)));
    let rows = cases.map(|(entry, case)| {
        vec![
            case.case.clone(),
            case.record_id.clone(),
            entry.name.clone(),
            case.agency.clone(),
            case.contact.clone().unwrap_or_default(),
            case.tier.clone(),
            case.agreed.join(", "),
            stands(case),
            case.urgency.clone(),
            due(case),
            case.assigned.clone().unwrap_or_default(),
        ]
    });
    print_table(console, &header, rows)?;
    let overdue = entries.iter().filter(|entry| entry.overdue).count() as u64;
    let people = count(entries.len() as u64, "record");
    let late = if overdue == 0 {
        String::new()
    } else {
        format!(", {overdue} of them OVERDUE")
    };
    Ok(console.say(&format!(
        "{people}{late}. A match is a reason to talk, not a proof. To take one on: symbolon-node case \
         acknowledge CASE"
    ))?)
}

fn stands(case: &CaseView) -> String {
    let mut words = case.stage.clone();
    if case.quiet {
        words.push_str(" (the other agency is told nothing)");
    }
    words
}

fn due(case: &CaseView) -> String {
    let Some(at) = &case.due else {
        return String::new();
    };
    let what = case.awaits.as_deref().unwrap_or_default();
    let late = if case.overdue { "OVERDUE " } else { "" };
    format!("{late}{what} by {}", moment(at))
}

pub(super) fn case(console: &mut Console, case: &CaseView) -> Result<(), Failure> {
    Ok(console.say(&format!(
        "Case {} (record {} with {}) stands at: {}",
        case.case, case.record_id, case.agency, case.stage
    ))?)
}

pub(super) fn detail(console: &mut Console, detail: &CaseDetail) -> Result<(), Failure> {
    let case = &detail.case;
    let missing = || "not given".to_owned();
    let mut rows = vec![
        ("record", case.record_id.clone()),
        ("agency", case.agency.clone()),
        ("call", case.contact.clone().unwrap_or_else(missing)),
        ("their reference", case.reference.clone()),
        ("agreement", case.agreement.clone()),
        ("sure", case.tier.clone()),
        ("what agreed", case.agreed.join(", ")),
        ("stands at", stands(case)),
        (
            "this agency says",
            case.own_word.clone().unwrap_or_else(missing),
        ),
        (
            "the other says",
            case.their_word.clone().unwrap_or_else(missing),
        ),
        ("risk", case.urgency.clone()),
        ("due", due(case)),
        ("assigned", case.assigned.clone().unwrap_or_default()),
    ];
    for request in &case.requests {
        let fields = request.fields.join(", ");
        let words = format!(
            "{} asks for {fields} ({}): {}",
            request.by, request.purpose, request.state
        );
        rows.push(("request", format!("{}: {words}", request.number)));
    }
    let rows = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value]);
    print_table(console, &[&format!("case {}", case.case), ""], rows)?;
    let header = ["when", "agency", "who", "what", "in words"];
    let said = detail.said.iter().map(|it| {
        vec![
            moment(&it.at),
            it.agency.clone(),
            it.by.clone().unwrap_or_default(),
            it.what.clone(),
            it.reason.clone().unwrap_or_default(),
        ]
    });
    print_table(console, &header, said)
}
