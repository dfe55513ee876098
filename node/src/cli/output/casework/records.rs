//! Records one at a time.

use serde_json::Value;
use symbolon_casework::state::RecordState;

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::lists::or_none;
use super::super::{count, moment, print_table};
use crate::casework::{ChangeReport, HistoryReport, HtcdsExport, HtcdsReport, RecordDetail};
use crate::reports::FileProblem;

/// Problems of a file that a terminal shows; a file or a program gets all.
const MAX_PROBLEMS_ON_TERMINAL: usize = 50;

pub(super) fn record(console: &mut Console, detail: &RecordDetail) -> Result<(), Failure> {
    let RecordDetail {
        record,
        dossier,
        agreements,
        without_consent,
        linked_from,
    } = detail;
    let columns = record.columns();
    let rows = columns.map(|(name, values)| vec![name.to_owned(), values.join("; ")]);
    print_table(console, &["column", "value"], rows)?;
    console.say(&format!("shared under: {}", or_none(agreements)))?;
    if !without_consent.is_empty() {
        let held = without_consent.join(", ");
        console.say(&format!("kept out for want of consent: {held}"))?;
    }
    let beside = RecordState {
        record: Default::default(),
        dossier: dossier.clone(),
        agreements: Vec::new(),
    };
    for (field, values) in beside.fields() {
        for value in values {
            console.say(&format!("{}: {value}", field.replace('_', " ")))?;
        }
    }
    if !linked_from.is_empty() {
        console.say(&format!("linked from: {}", linked_from.join(", ")))?;
    }
    Ok(())
}

pub(super) fn changed(console: &mut Console, report: &ChangeReport) -> Result<(), Failure> {
    let ChangeReport {
        record_id,
        version,
        fields,
        unused,
        agreements,
        without_consent,
        waiting,
    } = report;
    if fields.is_empty() {
        return Ok(console.say(&format!("{record_id} was so already; nothing changed."))?);
    }
    console.say(&format!(
        "{record_id} is at version {version}; changed: {}.",
        fields.join(", ")
    ))?;
    for (column, reason) in unused {
        console.note(&format!("{column} {reason}; kept, not used for matching"));
    }
    console.say(&format!("It takes part in: {}.", or_none(agreements)))?;
    if !without_consent.is_empty() {
        console.say(&format!(
            "It rests on consent and is kept out of {}: nobody consented to a purpose of it.",
            without_consent.join(", ")
        ))?;
    }
    if *waiting > 0 {
        console.say(&format!(
            "{} to be sent to the hub or withdrawn there; a serving node does it by itself.",
            count(*waiting, "row")
        ))?;
    }
    Ok(())
}

pub(super) fn history(console: &mut Console, report: &HistoryReport) -> Result<(), Failure> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let rows = report.versions.iter().map(|line| {
        vec![
            line.number.to_string(),
            moment(&line.at),
            text(line.by.as_ref().map(ToString::to_string)),
            line.act.clone(),
            line.fields.join(", "),
            text(line.reason.as_ref().map(ToString::to_string)),
        ]
    });
    let header = ["version", "since", "by", "act", "fields", "reason"];
    print_table(console, &header, rows)?;
    for line in &report.versions {
        for change in &line.changes {
            console.say(&format!(
                "version {} {}: \"{}\" -> \"{}\"",
                line.number,
                change.field,
                change.before.join("; "),
                change.after.join("; ")
            ))?;
        }
    }
    Ok(())
}

/// Cases go out as they are, so that the output can be a file.
pub(super) fn exported(console: &mut Console, export: &Value) -> Result<(), Failure> {
    // Line breaks within a case must stay as they are.
    let export: HtcdsExport = serde_json::from_value(export.clone())
        .map_err(|error| Failure::failed(format!("the node's report cannot be read: {error}")))?;
    write!(console.out, "{}", export.text)?;
    console.note(&format!("{} written", count(export.cases, "record")));
    Ok(())
}

pub(super) fn imported(console: &mut Console, report: &HtcdsReport) -> Result<(), Failure> {
    problems(console, &report.skipped, "; skipped, the others went in");
    problems(console, &report.warnings, "");
    console.say(&format!(
        "Read {}: {} new, {} changed, {} unchanged, {} skipped; {} told above.",
        count(report.read, "case"),
        report.new,
        report.changed,
        report.unchanged,
        report.skipped.len(),
        count(report.warnings.len() as u64, "value")
    ))?;
    if report.edits_kept > 0 {
        console.say(&format!(
            "Edits made here stay in {}: the file says there what it said before.",
            count(report.edits_kept, "record")
        ))?;
    }
    Ok(())
}

fn problems(console: &mut Console, problems: &[FileProblem], ending: &str) {
    let shown = if console.err_is_terminal {
        MAX_PROBLEMS_ON_TERMINAL
    } else {
        problems.len()
    };
    for problem in problems.iter().take(shown) {
        let column = problem.column.as_deref().unwrap_or_default();
        let space = if column.is_empty() { "" } else { " " };
        console.note(&format!(
            "case at {}: {column}{space}{}{ending}",
            problem.line, problem.reason
        ));
    }
    if problems.len() > shown {
        let more = problems.len() - shown;
        console.note(&format!("{more} more; --json has all of them"));
    }
}
