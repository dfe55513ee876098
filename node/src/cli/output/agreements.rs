//! Agreements: the list, one with its terms, and what became of this agency's word.

use symbolon_core::agreement::Document;

use super::super::console::Console;
use super::super::failure::Failure;
use super::lists::or_none;
use super::{count, print_table};
use crate::reports::{AgreementDetail, AgreementView, ClosureView, EpochView};

pub(super) fn list(console: &mut Console, agreements: &[AgreementView]) -> Result<(), Failure> {
    if agreements.is_empty() {
        let text = "No agreements. The administrator proposes them; until one is in force, \
                    nothing is shared.";
        return Ok(console.say(text)?);
    }
    let header = [
        "agreement",
        "title",
        "members",
        "purposes",
        "basis",
        "kept",
        "accepted by",
        "standing",
        "digest",
    ];
    let rows = agreements.iter().map(|agreement| {
        vec![
            agreement.id.clone(),
            agreement.title.clone(),
            agreement.members.join(", "),
            agreement.purposes.join(", "),
            agreement.basis.clone(),
            count(agreement.retention_months.into(), "month"),
            or_none(&agreement.accepted),
            agreement.standing.clone(),
            short(&agreement.digest),
        ]
    });
    print_table(console, &header, rows)?;
    let open: Vec<&str> = agreements
        .iter()
        .filter(|agreement| agreement.standing == "proposed" || agreement.open.is_some())
        .map(|agreement| agreement.id.as_str())
        .collect();
    if let [first, ..] = open.as_slice() {
        console.say(&format!(
            "Waiting for this agency's word: {}. To accept: symbolon-node agreement accept {first}",
            open.join(", ")
        ))?;
    }
    for agreement in agreements {
        if let Some(trouble) = &agreement.trouble {
            console.say(&format!("{}: {trouble}", agreement.id))?;
        }
    }
    Ok(())
}

pub(super) fn accepted(console: &mut Console, agreement: &AgreementView) -> Result<(), Failure> {
    let AgreementView {
        id,
        title,
        members,
        accepted,
        standing,
        digest,
        ..
    } = agreement;
    console.say(&format!("Accepted {id}, \"{title}\" (digest {digest})."))?;
    let missing = members.iter().filter(|member| !accepted.contains(member));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    let next = if missing.is_empty() {
        format!(
            "It is {standing}. Share records under it with: symbolon-node import FILE --agreement \
             {id}"
        )
    } else {
        format!("It waits for {}.", missing.join(", "))
    };
    Ok(console.say(&next)?)
}

pub(super) fn declined(console: &mut Console, agreement: &AgreementView) -> Result<(), Failure> {
    let (id, word) = (&agreement.id, &agreement.standing);
    Ok(console.say(&format!(
        "Declined what was proposed as {id}; it never comes into force. The agreement is {word}."
    ))?)
}

pub(super) fn left(console: &mut Console, agreement: &AgreementView) -> Result<(), Failure> {
    console.say(&format!(
        "Left {}. The members who remain get a new key.",
        agreement.id
    ))?;
    closed(console, &agreement.closed)
}

fn closed(console: &mut Console, closed: &[ClosureView]) -> Result<(), Failure> {
    for ClosureView {
        number,
        before,
        withdrawn,
        left,
        confirmed,
    } in closed
    {
        let checked = if *confirmed {
            "the hub holds none of them"
        } else {
            "not yet compared with the hub"
        };
        console.say(&format!(
            "Key {number} is over: {} before, {withdrawn} withdrawn, {left} left; {checked}.",
            count(*before, "row")
        ))?;
    }
    Ok(())
}

pub(super) fn show(console: &mut Console, detail: &AgreementDetail) -> Result<(), Failure> {
    let AgreementDetail {
        summary,
        terms,
        proposed,
    } = detail;
    let mut rows = vec![
        (
            "agreement",
            format!("{}, \"{}\"", summary.id, summary.title),
        ),
        (
            "standing",
            format!("version {}, {}", summary.version, summary.standing),
        ),
        ("digest", summary.digest.clone()),
        ("accepted by", or_none(&summary.accepted)),
        ("declined", or_none(&summary.declined)),
        ("left", or_none(&summary.left)),
    ];
    rows.extend(terms_of(terms));
    for EpochView {
        version,
        number,
        members,
        done,
    } in &summary.epochs
    {
        rows.push((
            "key",
            format!(
                "{number} of version {version}, for {}; gone over: {}",
                members.join(", "),
                or_none(done)
            ),
        ));
    }
    if let Some(trouble) = &summary.trouble {
        rows.push(("trouble", trouble.clone()));
    }
    let rows = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value]);
    print_table(console, &[], rows)?;
    closed(console, &summary.closed)?;
    if let (Some(next), Some(open)) = (proposed, &summary.open) {
        console.say(&format!(
            "Version {} is proposed (digest {}), accepted by {}:",
            open.version,
            open.digest,
            or_none(&open.accepted)
        ))?;
        let rows = terms_of(next);
        let rows = rows
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value]);
        print_table(console, &[], rows)?;
    }
    Ok(())
}

fn terms_of(terms: &Document) -> Vec<(&'static str, String)> {
    let members: Vec<String> = terms.members.iter().map(ToString::to_string).collect();
    let hours = &terms.response_hours;
    let bits = |decibits: i32| f64::from(decibits) / 10.0;
    let threshold = terms.threshold.map_or_else(
        || "the schema's".to_owned(),
        |t| {
            let (possible, strong) = (bits(t.possible_decibits), bits(t.strong_decibits));
            format!("possible from {possible} bits, strong from {strong}")
        },
    );
    let mut rows = vec![
        (
            "members",
            format!("{}; {} leads", members.join(", "), terms.lead),
        ),
        ("purposes", terms.purposes.join("; ")),
        ("basis", format!("{}; {}", terms.regime, terms.lawful_basis)),
        ("kept", count(terms.retention_months.into(), "month")),
        (
            "answer within",
            format!(
                "{} h high, {} h medium, {} h standard, {} h follow-up",
                hours.high, hours.medium, hours.standard, hours.follow_up
            ),
        ),
        ("threshold", threshold),
    ];
    for (agency, role) in &terms.record_roles {
        let words = |set: &std::collections::BTreeSet<_>| {
            let words: Vec<String> = set.iter().map(ToString::to_string).collect();
            or_none(&words)
        };
        rows.push((
            "records",
            format!(
                "{agency} submits {}; receives {}",
                words(&role.submit),
                words(&role.receive)
            ),
        ));
    }
    rows
}

/// The beginning of a digest; all of it is printed when the agreement is accepted.
fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}
