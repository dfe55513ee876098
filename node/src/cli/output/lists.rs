//! Lists: records, matches, answers to a query.

use super::super::console::Console;
use super::super::failure::Failure;
use super::{count, moment, print_table};
use crate::reports::{ComparisonLine, MatchView, QueryReport, RecordView};

pub(super) fn records(console: &mut Console, records: &[RecordView]) -> Result<(), Failure> {
    if records.is_empty() {
        let text = "No records. Import some with: symbolon-node import FILE";
        return Ok(console.say(text)?);
    }
    let header = [
        "record",
        "name",
        "date of birth",
        "category",
        "agreements",
        "keys",
        "rows at the hub",
        "matches",
    ];
    let rows = records.iter().map(|record| {
        vec![
            record.record_id.clone(),
            record.name.clone(),
            record.date_of_birth.clone(),
            record.category.clone().unwrap_or_default(),
            or_none(&record.agreements),
            record.linkage_keys.to_string(),
            record.rows.to_string(),
            record.matches.to_string(),
        ]
    });
    print_table(console, &header, rows)?;
    Ok(console.say(&format!("{}.", count(records.len() as u64, "record")))?)
}

pub(super) fn matches(
    console: &mut Console,
    record: Option<&str>,
    matches: &[MatchView],
) -> Result<(), Failure> {
    if matches.is_empty() {
        let of = record.map(|id| format!(" of {id}")).unwrap_or_default();
        return Ok(console.say(&format!(
            "No matches{of} yet. Records that take part in an agreement in force are watched for \
             as long as they are shared; see which do with: symbolon-node records"
        ))?);
    }
    match_table(console, "own record", matches)?;
    let strong = matches
        .iter()
        .filter(|found| found.tier == "strong")
        .count();
    Ok(console.say(&format!(
        "{}, {strong} strong. Telephone the agency and name the reference; a match is a reason to \
         talk, not a proof.",
        count(matches.len() as u64, "match")
    ))?)
}

fn match_table(console: &mut Console, own: &str, matches: &[MatchView]) -> Result<(), Failure> {
    let header = [
        own,
        "agency",
        "what agreed",
        "bits",
        "tier",
        "compared",
        "agreement",
        "reference",
        "since",
    ];
    let rows = matches.iter().map(|found| {
        let asked = if found.from_query { " (asked)" } else { "" };
        let silent = if found.silent { " (silent)" } else { "" };
        vec![
            match &found.missing {
                Some(missing) => format!("{}{silent} ({missing})", found.record_id),
                None => format!("{}{silent}", found.record_id),
            },
            format!("{}{asked}", found.agency),
            found.agreed.join(", "),
            format!("{:.1}", found.bits),
            found.tier.clone(),
            compared(found),
            found.agreement.clone(),
            found.reference.clone(),
            moment(&found.since),
        ]
    });
    print_table(console, &header, rows)
}

/// What the two nodes compared, in words; `waiting` until they have.
fn compared(found: &MatchView) -> String {
    let Some(comparison) = &found.comparison else {
        return "not needed".to_owned();
    };
    if comparison.fields.is_empty() {
        comparison.state.clone()
    } else {
        comparison.fields.join(", ")
    }
}

pub(super) fn comparisons(
    console: &mut Console,
    comparisons: &[ComparisonLine],
) -> Result<(), Failure> {
    if comparisons.is_empty() {
        return Ok(console.say(
            "No comparisons yet. Matches that their keys leave open are compared with the other \
             node, whenever both serve; see them with: symbolon-node matches",
        )?);
    }
    let header = ["when", "agency", "own record", "own reference", "what"];
    let rows = comparisons.iter().map(|line| {
        vec![
            moment(&line.at),
            line.agency.clone(),
            line.record_id.clone().unwrap_or("withdrawn".to_owned()),
            line.reference.clone(),
            line.what.clone(),
        ]
    });
    print_table(console, &header, rows)
}

pub(super) fn query(console: &mut Console, report: &QueryReport) -> Result<(), Failure> {
    let QueryReport {
        agreement,
        linkage_keys,
        warnings,
        matches,
    } = report;
    for warning in warnings {
        console.note(&format!("note: {warning}"));
    }
    let keys = count(*linkage_keys, "linkage key");
    if matches.is_empty() {
        return Ok(console.say(&format!(
            "Asked under {agreement} with {keys}: nobody holds this person, as far as these \
             details tell. More details find more; nothing was stored."
        ))?);
    }
    match_table(console, "asked about", matches)?;
    Ok(console.say(&format!(
        "Asked under {agreement} with {keys}: {}. Telephone the agency and name the reference.",
        count(matches.len() as u64, "match")
    ))?)
}

pub(super) fn or_none(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
