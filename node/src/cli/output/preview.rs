//! What an import would share: record by record, then in all.

use std::path::Path;

use super::super::console::Console;
use super::super::failure::Failure;
use super::count;
use super::import::{left_out, not_used, notes, problems};
use crate::preview::{
    PreviewAgreement, PreviewIssue, PreviewKeys, PreviewRecord, PreviewReport, PreviewValue,
};

pub(super) fn preview(
    console: &mut Console,
    as_json: bool,
    file: &Path,
    report: &PreviewReport,
) -> Result<(), Failure> {
    let file = file.display().to_string();
    problems(
        console,
        &file,
        &report.found.skipped,
        "; row would be skipped",
    );
    let records = report.found.records();
    if !as_json {
        for record in &report.records {
            for line in record_lines(record) {
                console.say(&line)?;
            }
        }
        for sentence in totals(report, records) {
            console.say(&sentence)?;
        }
    }
    if records == 0 && !report.found.skipped.is_empty() {
        return Err(Failure::failed(format!(
            "no row of {file} could be imported; the reasons are above"
        )));
    }
    Ok(())
}

fn record_lines(record: &PreviewRecord) -> Vec<String> {
    let PreviewRecord {
        record_id,
        line,
        state,
        category,
        keys,
        not_used,
        agreements,
    } = record;
    let mut lines = vec![format!(
        "{record_id}  (line {line}, {state}, category {category})"
    )];
    if keys.is_empty() {
        lines.push("  no linkage key".to_owned());
    }
    for of_kind in keys {
        lines.push(format!("  {}", key_line(of_kind)));
        let values = of_kind
            .values
            .iter()
            .map(|PreviewValue { value, kept_back }| {
                let ending = if *kept_back { "  (kept back)" } else { "" };
                format!("      {value}{ending}")
            });
        lines.extend(values);
    }
    for issue in not_used {
        let PreviewIssue {
            column,
            reason,
            value,
        } = issue;
        let value = value.as_ref().map(|value| format!(" \"{value}\""));
        let value = value.unwrap_or_default();
        lines.push(format!("  not used: {column}{value} {reason}"));
    }
    lines.extend(agreement_lines(agreements));
    lines.push(String::new());
    lines
}

/// `2 keys  phone; 1 kept back, this agency holds the value too often`
fn key_line(keys: &PreviewKeys) -> String {
    let PreviewKeys {
        kind: _,
        label,
        shared,
        over_cap,
        common,
        left_out,
        values: _,
    } = keys;
    let mut line = format!("{}  {label}", count(shared + over_cap + common, "key"));
    if *over_cap > 0 {
        line += &format!("; {over_cap} kept back, this agency holds the value too often");
    }
    if *common > 0 {
        line += &format!("; {common} kept back, all members together hold the value too often");
    }
    if *left_out > 0 {
        line += &format!("; {left_out} left out, the record has more than the schema allows");
    }
    line
}

fn agreement_lines(agreements: &[PreviewAgreement]) -> Vec<String> {
    if agreements.is_empty() {
        return vec!["  not shared: it takes part in no agreement".to_owned()];
    }
    let lines = agreements.iter().map(|told| match &told.reason {
        None => format!("  shared under {}", told.agreement),
        Some(reason) => format!("  not shared under {}: {reason}", told.agreement),
    });
    lines.collect()
}

fn totals(report: &PreviewReport, records: u64) -> Vec<String> {
    let mut sentences = Vec::new();
    if report.not_shown > 0 {
        sentences.push(format!(
            "{} not shown; see --all, --limit and --record.",
            count(report.not_shown, "record")
        ));
    }
    sentences.push(format!(
        "An import would take {}: {} new, {} changed, {} unchanged, {} skipped.",
        count(records, "record"),
        report.found.new,
        report.found.changed,
        report.found.unchanged,
        report.found.skipped.len(),
    ));
    if report.found.removed > 0 {
        sentences.push(format!(
            "It would withdraw {} that the file no longer has.",
            count(report.found.removed, "record")
        ));
    }
    let shared: u64 = report.keys.iter().map(|keys| keys.shared).sum();
    sentences.push(format!(
        "They give {}{}.",
        count(shared, "linkage key"),
        by_kind(&report.keys, ": ", |keys| keys.shared)
    ));
    for (reason, of) in [
        (
            "this agency holds",
            (|keys| keys.over_cap) as fn(&PreviewKeys) -> u64,
        ),
        ("all members together hold", |keys| keys.common),
    ] {
        let kinds = by_kind(&report.keys, "", of);
        if !kinds.is_empty() {
            sentences.push(format!(
                "Kept back because {reason} the same value too often to tell people apart: {kinds}."
            ));
        }
    }
    sentences.extend(left_out(&report.found.left_out));
    sentences.extend(not_used(&report.found.unused));
    if !report.unused_columns.is_empty() {
        let columns = report.unused_columns.join(", ");
        sentences.push(format!(
            "Columns that are kept here and never used: {columns}."
        ));
    }
    sentences.push(format!(
        "{} would be shared with nobody.",
        count(report.shared_with_nobody, "record")
    ));
    sentences.extend(notes(&report.found.notes));
    sentences.push("Nothing was written and nothing was sent.".to_owned());
    sentences
}

/// `2 of phone; 1 of passport`, or nothing at all.
fn by_kind(keys: &[PreviewKeys], start: &str, of: fn(&PreviewKeys) -> u64) -> String {
    let kinds = keys.iter().filter(|keys| of(keys) > 0);
    let kinds: Vec<String> = kinds
        .map(|keys| format!("{} of {}", of(keys), keys.label))
        .collect();
    if kinds.is_empty() {
        return String::new();
    }
    format!("{start}{}", kinds.join("; "))
}
