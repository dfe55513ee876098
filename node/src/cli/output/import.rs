//! What imports and withdrawals did.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::console::Console;
use super::super::failure::Failure;
use super::count;
use crate::reports::{FileProblem, ImportReport, UnusedValues, WithdrawReport};

/// Problems that a terminal shows; a file or a program gets all.
const MAX_PROBLEMS_ON_TERMINAL: usize = 50;

pub(super) fn import(
    console: &mut Console,
    as_json: bool,
    file: &Path,
    report: &ImportReport,
) -> Result<(), Failure> {
    let imported = report.found.records();
    let file = file.display().to_string();
    let ending = format!("; row skipped, {imported} others imported");
    problems(console, &file, &report.found.skipped, &ending);
    problems(console, &file, &report.warnings, "");
    if !as_json {
        for sentence in import_sentences(report, imported) {
            console.say(&sentence)?;
        }
    }
    if imported == 0 && !report.found.skipped.is_empty() {
        return Err(Failure::failed(format!(
            "no row of {file} could be imported; the reasons are above"
        )));
    }
    Ok(())
}

fn import_sentences(report: &ImportReport, imported: u64) -> Vec<String> {
    let skipped = report.found.skipped.len() as u64;
    let mut sentences = vec![format!(
        "Imported {}: {} new, {} changed, {} unchanged, {skipped} skipped.",
        count(imported, "record"),
        report.found.new,
        report.found.changed,
        report.found.unchanged,
    )];
    if report.found.removed > 0 {
        sentences.push(format!(
            "Withdrew {} that the file no longer has.",
            count(report.found.removed, "record")
        ));
    }
    if report.agreements.is_empty() {
        sentences.push(
            "They take part in no agreement, so nothing of them has left this node. To share \
             them, import the file again with --agreement ID (see: symbolon-node agreement list)."
                .to_owned(),
        );
    } else {
        sentences.push(format!(
            "They take part in {} and give {}; {} registered at the hub, {} withdrawn.",
            report.agreements.join(", "),
            count(report.linkage_keys, "linkage key"),
            count(report.rows_registered, "row"),
            report.rows_withdrawn,
        ));
    }
    sentences.extend(not_used(&report.found.unused));
    for (holder, kinds) in [
        ("this agency holds", &report.suppressed),
        ("all members together hold", &report.common),
    ] {
        if !kinds.is_empty() {
            sentences.push(format!(
                "Kept back because {holder} the same value too often to tell people apart: {}.",
                each(kinds)
            ));
        }
    }
    sentences.extend(left_out(&report.found.left_out));
    for (agreement, records) in &report.held_back {
        sentences.push(format!(
            "Held back from {agreement} because its terms do not let this agency share the category: {}.",
            count(*records, "record")
        ));
    }
    sentences.extend(notes(&report.found.notes));
    for (agreement, records) in &report.without_consent {
        sentences.push(format!(
            "Held back from {agreement} because nobody consented to a purpose of it: {}.",
            count(*records, "record")
        ));
    }
    if report.edits_kept > 0 {
        sentences.push(format!(
            "Edits made here stay in {}: the file says there what it said before.",
            count(report.edits_kept, "record")
        ));
    }
    sentences.extend(waiting(
        "key",
        report.waiting,
        report.waiting_reason.as_deref(),
    ));
    sentences
}

/// How many values make no key, and in which columns.
pub(super) fn not_used(unused: &UnusedValues) -> Option<String> {
    let UnusedValues {
        placeholders,
        invalid,
    } = unused;
    let mut parts = Vec::new();
    for (found, noun) in [(placeholders, "placeholder"), (invalid, "wrong value")] {
        if !found.is_empty() {
            let total = count(found.values().sum(), noun);
            parts.push(format!("{total} ({})", each(found)));
        }
    }
    (!parts.is_empty()).then(|| format!("Not used for matching: {}.", parts.join(" and ")))
}

/// How many keys records lose because they have too many, and of which kinds.
pub(super) fn left_out(kinds: &BTreeMap<String, u64>) -> Option<String> {
    (!kinds.is_empty()).then(|| {
        format!(
            "Left out because a record has more keys than the schema allows: {}.",
            each(kinds)
        )
    })
}

pub(super) fn notes(notes: &[String]) -> impl Iterator<Item = String> + '_ {
    notes.iter().map(|note| format!("Note: {note}."))
}

fn each(counts: &BTreeMap<String, u64>) -> String {
    let each = counts.iter().map(|(name, n)| format!("{n} of {name}"));
    each.collect::<Vec<_>>().join(", ")
}

/// What goes on by itself later.
pub(super) fn waiting(noun: &str, number: u64, reason: Option<&str>) -> Option<String> {
    let verb = if number == 1 { "waits" } else { "wait" };
    let reason = reason.map(|text| format!(" ({text})")).unwrap_or_default();
    let goes_on = if number == 1 { "goes" } else { "go" };
    (number > 0).then(|| {
        format!(
            "{} {verb}{reason} and {goes_on} on without you while the node serves.",
            count(number, noun)
        )
    })
}

pub(super) fn problems(console: &mut Console, file: &str, problems: &[FileProblem], ending: &str) {
    let most = if console.err_is_terminal {
        MAX_PROBLEMS_ON_TERMINAL
    } else {
        problems.len()
    };
    for problem in problems.iter().take(most) {
        let FileProblem {
            line,
            column,
            reason,
        } = problem;
        let column = column.as_ref().map(|name| format!("{name} "));
        let column = column.unwrap_or_default();
        console.note(&format!("{file} line {line}: {column}{reason}{ending}"));
    }
    if problems.len() > most {
        console.note(&format!(
            "and {} more like these; write them to a file with 2> problems.txt",
            problems.len() - most
        ));
    }
}

pub(super) fn withdraw(
    console: &mut Console,
    as_json: bool,
    report: &WithdrawReport,
) -> Result<(), Failure> {
    let WithdrawReport {
        records,
        unknown,
        held,
        rows_withdrawn,
        notices_cancelled,
        matches_ended,
        waiting: still_waiting,
    } = report;
    if !unknown.is_empty() {
        console.note(&format!(
            "not held here, so not withdrawn: {}; see: symbolon-node records",
            unknown.join(", ")
        ));
    }
    if !held.is_empty() {
        console.note(&format!(
            "under legal hold, so kept: {}; see: symbolon-node retention list",
            held.join(", ")
        ));
    }
    if records.is_empty() {
        return Err(Failure::failed("nothing was withdrawn"));
    }
    if as_json {
        return Ok(());
    }
    console.say(&format!(
        "Withdrew {}: {} deleted at the hub, {} cancelled at other agencies, {} of yours ended.",
        count(records.len() as u64, "record"),
        count(*rows_withdrawn, "row"),
        count(*notices_cancelled, "notice"),
        count(*matches_ended, "match"),
    ))?;
    if let Some(sentence) = waiting("deletion", *still_waiting, Some("the hub is out of reach")) {
        console.say(&sentence)?;
    }
    Ok(())
}
