//! New keys of the agency, and what has to happen until they are in use.

use super::super::console::Console;
use super::super::failure::Failure;
use crate::reports::{RekeyReport, WaitingRekey};

pub(super) fn report(console: &mut Console, report: RekeyReport) -> Result<(), Failure> {
    let RekeyReport {
        state,
        made,
        entry,
        approvals,
        needed,
        administrators,
        signing_key: _,
    } = report;
    if state == "done" {
        return Ok(console.say("The roster shows the new keys; this node uses them.")?);
    }
    console.say(if made {
        "New keys are made, kept in the vault and handed in."
    } else {
        "The keys that wait were handed in again; no others were made."
    })?;
    console.say(&format!(
        "They wait for administrators: {approvals} of {needed} approvals, by {}.",
        administrators.join(", ")
    ))?;
    console.say(&format!(
        "Each approves with: symbolon-hub admin approve {}",
        short(&entry)
    ))?;
    console.say(&format!(
        "Compare this with what `admin pending --json` shows, by telephone: {entry}"
    ))?;
    console.say(
        "Until the roster shows the new keys this node uses the present ones; then it goes over by itself.",
    )?;
    Ok(console
        .say("If another change of the roster comes first, run symbolon-node rekey again.")?)
}

/// One line for `status`.
pub(super) fn waiting(waiting: &WaitingRekey) -> String {
    let WaitingRekey {
        state,
        entry,
        needed,
        administrators,
    } = waiting;
    match state.as_str() {
        "waiting" => format!(
            "New keys wait for the approval of {needed} of {} (symbolon-hub admin approve {}).",
            administrators.join(", "),
            short(entry)
        ),
        "overtaken" => {
            "New keys were overtaken by another change of the roster; run symbolon-node rekey again."
                .to_owned()
        }
        _ => "New keys are made but not handed in; run symbolon-node rekey again.".to_owned(),
    }
}

/// As `admin pending` shows it.
fn short(digest: &str) -> String {
    digest.chars().take(8).collect()
}
