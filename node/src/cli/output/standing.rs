//! How the node stands: after enrolment, and at any time.

use super::super::console::Console;
use super::super::failure::Failure;
use super::{count, import, moment, print_table};
use crate::reports::{
    AgreementView, ComparisonReport, EnrolReport, HealthReport, Progress, PublicStatus,
    StatusReport, WaitingRekey,
};

pub(super) fn enrolled(console: &mut Console, report: &EnrolReport) -> Result<(), Failure> {
    let EnrolReport {
        agency,
        consortium,
        genesis,
        certificate_expires,
        state,
        healed,
    } = report;
    console.say(&format!(
        "Enrolled {agency} in {consortium}. The node's state is in {state}."
    ))?;
    if *healed {
        console.say(
            "The node was enrolled before: its records and keys stay, its certificate is new.",
        )?;
    }
    console.say(&format!("Roster digest: {genesis}"))?;
    console.say("Compare it with the administrator's, by telephone, before you share anything.")?;
    console.say(&format!(
        "The certificate ends {}.",
        moment(certificate_expires)
    ))?;
    Ok(console.say("Next: symbolon-node serve")?)
}

/// How the node is, for whoever is not signed in.
pub(super) fn public_status(console: &mut Console, report: &PublicStatus) -> Result<(), Failure> {
    let PublicStatus {
        agency,
        consortium,
        hub,
        serving,
        connected,
        connection_error,
        certificate_expires,
        health,
    } = report;
    let connection = connection(*connected, connection_error.as_deref());
    let lines = [
        ("agency", format!("{agency} in {consortium}")),
        ("serving", serving_line(*serving).to_owned()),
        ("hub", format!("{hub}, {connection}")),
        ("certificate ends", moment(certificate_expires)),
        ("health", health_line(health)),
    ];
    let rows = lines
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value]);
    print_table(console, &[], rows)?;
    Ok(console.say("Sign in to see more: symbolon-node login NAME")?)
}

fn connection(connected: bool, error: Option<&str>) -> String {
    match (connected, error) {
        (true, _) => "connected".to_owned(),
        (false, Some(reason)) => format!("not connected: {reason}"),
        (false, None) => "not connected".to_owned(),
    }
}

fn serving_line(serving: bool) -> &'static str {
    if serving {
        "yes"
    } else {
        "no; start it with: symbolon-node serve"
    }
}

fn health_line(health: &HealthReport) -> String {
    match health.reasons.as_slice() {
        [] => health.state.clone(),
        reasons => format!("{}: {}", health.state, reasons.join("; ")),
    }
}

pub(super) fn status(console: &mut Console, report: &StatusReport) -> Result<(), Failure> {
    let StatusReport {
        agency,
        consortium,
        hub,
        serving,
        connected,
        connection_error,
        certificate_expires,
        health,
        records,
        rows,
        waiting,
        waiting_reason,
        underway,
        matches,
        comparisons,
        custody,
        agreements,
        roster_length,
        rekey,
    } = report;
    let closures: Vec<_> = agreements.iter().flat_map(|a| &a.closed).collect();
    let connection = connection(*connected, connection_error.as_deref());
    let (serving, health) = (serving_line(*serving), health_line(health));
    let lines = [
        ("agency", format!("{agency} in {consortium}")),
        ("serving", serving.to_owned()),
        ("hub", format!("{hub}, {connection}")),
        ("certificate ends", moment(certificate_expires)),
        ("health", health),
        ("roster entries", roster_length.to_string()),
        ("custody of the key", custody.clone()),
        ("agreements", agreement_line(agreements)),
        ("records", records.to_string()),
        ("rows at the hub", rows.to_string()),
        ("matches", matches.to_string()),
        ("comparisons", comparison_line(comparisons)),
    ];
    let rows = lines.map(|(name, value)| vec![name.to_owned(), value]);
    print_table(console, &[], rows)?;
    for closure in closures.iter().filter(|closure| !closure.confirmed) {
        console.say(&format!(
            "Key {} of an agreement is over: {} of {} rows withdrawn.",
            closure.number, closure.withdrawn, closure.before
        ))?;
    }
    for agreement in agreements {
        if let Some(trouble) = &agreement.trouble {
            console.say(&format!("Agreement {}: {trouble}.", agreement.id))?;
        }
    }
    refusals(console, comparisons)?;
    if let Some(step) = underway {
        console.say(&underway_line(step))?;
    }
    remarks(
        console,
        rekey.as_ref(),
        (*waiting, waiting_reason.as_deref()),
    )
}

fn underway_line(step: &Progress) -> String {
    let Progress { stage, done, total } = step;
    match total {
        0 => format!("Just now: {stage}, {done} done."),
        total => format!("Just now: {stage}, {done} of {total} done."),
    }
}

/// What waits, if anything does.
fn remarks(
    console: &mut Console,
    rekey: Option<&WaitingRekey>,
    (keys, reason): (u64, Option<&str>),
) -> Result<(), Failure> {
    if let Some(waiting) = rekey {
        console.say(&super::rekey::waiting(waiting))?;
    }
    if let Some(sentence) = import::waiting("key", keys, reason) {
        console.say(&sentence)?;
    }
    Ok(())
}

fn agreement_line(agreements: &[AgreementView]) -> String {
    let agreements: Vec<String> = agreements
        .iter()
        .map(|agreement| format!("{} ({})", agreement.id, agreement.standing))
        .collect();
    if agreements.is_empty() {
        "none; nothing is shared".to_owned()
    } else {
        agreements.join(", ")
    }
}

fn comparison_line(comparisons: &ComparisonReport) -> String {
    format!(
        "{} wait, {} done, {} refused, {} declined by the other node",
        comparisons.waiting, comparisons.done, comparisons.refused, comparisons.declined
    )
}

fn refusals(console: &mut Console, comparisons: &ComparisonReport) -> Result<(), Failure> {
    for refusal in &comparisons.refusals {
        console.say(&format!(
            "The node of {} broke the protocol of comparisons ({}, last {}): {}. Tell that agency \
             and your administrator.",
            refusal.agency,
            count(refusal.times, "time"),
            moment(&refusal.last),
            refusal.reason
        ))?;
    }
    Ok(())
}
