//! Missing persons, for people.

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::{count, lists, moment, print_table};
use crate::casework::{MissingDetail, MissingReport, MissingView};

pub(super) fn acted(console: &mut Console, report: &MissingReport) -> Result<(), Failure> {
    let MissingReport {
        person,
        made,
        warnings,
        rows_registered,
        rows_withdrawn,
        waiting_reason,
        ended,
    } = report;
    for warning in warnings {
        console.note(&format!("note: {warning}"));
    }
    let record = if *made { "new record" } else { "record" };
    console.say(&format!(
        "{record} {}, episode {}: {}, {} risk",
        person.record_id, person.episode, person.stage, person.risk
    ))?;
    if *rows_registered + *rows_withdrawn > 0 {
        let registered = count(*rows_registered, "row");
        console.say(&format!(
            "{registered} registered at the hub, {rows_withdrawn} withdrawn."
        ))?;
    }
    if let Some(reason) = waiting_reason {
        console.say(&format!(
            "It is kept here, and goes out by itself before everything else: {reason}"
        ))?;
    }
    if person.stage == "open" {
        if person.shared_under.is_empty() {
            console.say(
                "NOBODY ELSE IS TOLD: the record takes part in no agreement. Name one with: \
                 symbolon-node missing update RECORD_ID --agreement ID",
            )?;
        } else {
            console.say(&format!(
                "Watched for under {}; {} now.",
                lists::or_none(&person.shared_under),
                count(person.matches, "match")
            ))?;
        }
    }
    if let Some(interview) = interview(person) {
        console.say(&format!("{interview}."))?;
    }
    if !ended.is_empty() {
        console
            .say("The watch is withdrawn. These matches end with it; tell whom you spoke to:")?;
        let rows = ended.iter().map(|found| {
            vec![
                found.agency.clone(),
                found.reference.clone(),
                found.agreement.clone(),
            ]
        });
        print_table(console, &["agency", "reference", "agreement"], rows)?;
    }
    Ok(())
}

pub(super) fn list(console: &mut Console, people: &[MissingView]) -> Result<(), Failure> {
    if people.is_empty() {
        return Ok(console.say("Nobody is missing, and no interview is due.")?);
    }
    let header = [
        "record",
        "name",
        "episode",
        "stage",
        "risk",
        "missing since",
        "matches",
        "interview",
    ];
    let rows = people.iter().map(|person| {
        vec![
            person.record_id.clone(),
            person.name.clone(),
            person.episode.to_string(),
            person.stage.clone(),
            person.risk.clone(),
            moment(&person.missing_since),
            person.matches.to_string(),
            interview(person).unwrap_or_default(),
        ]
    });
    print_table(console, &header, rows)?;
    let of = |wanted: &str| {
        let people = people.iter().filter(|person| person.stage == wanted);
        people.count() as u64
    };
    let overdue = people.iter().filter(|person| is_overdue(person)).count() as u64;
    Ok(console.say(&format!(
        "{} open, {} due, {overdue} overdue.",
        count(of("open"), "episode"),
        count(of("interview due"), "interview"),
    ))?)
}

pub(super) fn show(console: &mut Console, detail: &MissingDetail) -> Result<(), Failure> {
    for episode in &detail.episodes {
        let person = &episode.summary;
        console.say(&format!(
            "{} {}, episode {}: {}",
            person.record_id, person.name, person.episode, person.stage
        ))?;
        let known = episode.known.iter();
        let mut rows: Vec<Vec<String>> = known
            .map(|(name, value)| vec![name.replace('_', " "), value.clone()])
            .collect();
        rows.extend(interview(person).map(|words| vec!["interview".to_owned(), words]));
        print_table(console, &["known now", ""], rows)?;
        let rows = episode.history.iter().map(|line| {
            let said = line.said.iter();
            let said: Vec<String> = said
                .map(|(name, value)| format!("{}: {value}", name.replace('_', " ")))
                .collect();
            vec![
                moment(&line.at),
                line.by.clone(),
                line.act.clone(),
                said.join("; "),
            ]
        });
        print_table(console, &["when", "who", "what", "said"], rows)?;
    }
    Ok(())
}

fn is_overdue(person: &MissingView) -> bool {
    person.interview.as_ref().is_some_and(|i| i.overdue)
}

/// `OVERDUE by 5 h: return interview, due ...`
fn interview(person: &MissingView) -> Option<String> {
    let interview = person.interview.as_ref()?;
    let (kind, due) = (&interview.kind, moment(&interview.due_at));
    Some(match (interview.left_s, &interview.result) {
        (Some(left), _) if interview.overdue => {
            let hours = left.unsigned_abs() / 3600;
            format!("OVERDUE by {hours} h: {kind}, due {due}")
        }
        (Some(left), _) => format!("{kind} due {due}, in {} h", left / 3600),
        (None, result) => format!("{kind} {}", result.as_deref().unwrap_or("ended")),
    })
}
