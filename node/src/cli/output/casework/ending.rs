//! Reports of what ends, for people.

use serde_json::Value;

use super::super::super::console::Console;
use super::super::super::failure::Failure;
use super::super::{count, import, lists, moment, parsed, print_table};
use crate::casework::{
    Checked, EndingCommand, ErasureReceipt, ReceivedTombstoneView, RetentionLine,
};
use crate::reports::WithdrawReport;

/// Which report is coming.
pub(in crate::cli) enum Ending {
    Line,
    Lines,
    Erased,
    Receipt,
    Checked,
    Received,
    Confirmed,
}

impl Ending {
    pub(super) fn of(command: &EndingCommand) -> Self {
        match command {
            EndingCommand::Level { .. }
            | EndingCommand::Class { .. }
            | EndingCommand::Keep { .. }
            | EndingCommand::Hold { .. } => Self::Line,
            EndingCommand::Retention => Self::Lines,
            EndingCommand::Erase { .. } | EndingCommand::End { .. } => Self::Erased,
            EndingCommand::Receipt { .. } => Self::Receipt,
            EndingCommand::Verify { .. } => Self::Checked,
            EndingCommand::Received => Self::Received,
            EndingCommand::Confirm { .. } => Self::Confirmed,
        }
    }
}

/// What the exit code needs to know even where only JSON is printed.
pub(in crate::cli) fn judge(which: &Ending, value: &Value) -> Result<(), Failure> {
    if matches!(which, Ending::Erased) {
        let report: WithdrawReport = parsed(value.clone())?;
        if report.records.is_empty() {
            let reason = if report.held.is_empty() {
                "nothing was erased: no such record is held here"
            } else {
                "nothing was erased: what was named is under legal hold; see: symbolon-node retention list"
            };
            return Err(Failure::failed(reason));
        }
    }
    Ok(())
}

pub(super) fn report(console: &mut Console, which: &Ending, value: Value) -> Result<(), Failure> {
    match which {
        Ending::Line => lines(console, &[parsed(value)?]),
        Ending::Lines => lines(console, &parsed::<Vec<_>>(value)?),
        Ending::Erased => import::withdraw(console, false, &parsed(value)?),
        Ending::Receipt => receipt(console, &parsed(value)?),
        Ending::Checked => checked(console, &parsed::<Vec<_>>(value)?),
        Ending::Received => received(console, &parsed::<Vec<_>>(value)?),
        Ending::Confirmed => {
            let view: ReceivedTombstoneView = parsed(value)?;
            Ok(console.say(&format!(
                "Confirmed to {}: what was received of {} is dealt with.",
                view.agency,
                view.reference.as_deref().unwrap_or("it")
            ))?)
        }
    }
}

fn lines(console: &mut Console, lines: &[RetentionLine]) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(console.say(
            "Nothing is said of how long any record is kept. Put records into classes with: \
             symbolon-node retention class RECORD_ID CLASS",
        )?);
    }
    let header = [
        "record",
        "level",
        "class",
        "review",
        "ends",
        "state",
        "legal hold",
        "over under",
    ];
    let when = |text: &Option<String>| text.as_deref().map(moment).unwrap_or_default();
    let rows = lines.iter().map(|line| {
        vec![
            line.record_id.clone(),
            line.level.clone(),
            line.class.clone().unwrap_or_default(),
            when(&line.review),
            when(&line.ends),
            line.state.to_string(),
            line.legal_hold.clone().unwrap_or_default(),
            line.over_under.join(", "),
        ]
    });
    print_table(console, &header, rows)?;
    for (line, waits) in lines
        .iter()
        .filter_map(|line| line.waits.as_ref().map(|w| (line, w)))
    {
        console.say(&format!(
            "{}: it stays as it is and waits for {waits}.",
            line.record_id
        ))?;
    }
    Ok(())
}

fn receipt(console: &mut Console, receipt: &ErasureReceipt) -> Result<(), Failure> {
    let header = [
        "tombstone",
        "shared under",
        "as",
        "reason",
        "when",
        "told",
        "confirmed",
    ];
    let rows = receipt.tombstones.iter().map(|stone| {
        let told: Vec<String> = stone
            .recipients
            .iter()
            .map(|r| r.agency.to_string())
            .collect();
        let confirmed = stone.recipients.iter().filter(|r| r.confirmation.is_some());
        let confirmed: Vec<String> = confirmed.map(|r| r.agency.to_string()).collect();
        vec![
            stone.digest.short(),
            stone.agreement.clone().unwrap_or("nothing".to_owned()),
            stone.reference.clone().unwrap_or_default(),
            stone.reason.clone(),
            moment(&stone.at),
            lists::or_none(&told),
            lists::or_none(&confirmed),
        ]
    });
    print_table(console, &header, rows)?;
    let sentence = match receipt.rows_waiting {
        0 => "No row of it waits to be deleted at the hub.".to_owned(),
        waiting => format!(
            "{} still to be deleted at the hub; it goes on by itself while the node serves.",
            count(waiting, "row")
        ),
    };
    Ok(console.say(&sentence)?)
}

fn checked(console: &mut Console, all: &[Checked]) -> Result<(), Failure> {
    let header = ["tombstone", "what", "signed by", "reason", "when", "with"];
    let rows = all.iter().map(|one| {
        let with = match one.signed_with {
            symbolon_casework::tombstone::SignedWith::PresentKey => "its present key",
            symbolon_casework::tombstone::SignedWith::PastKey => "a key that it has given up",
        };
        vec![
            one.tombstone.short(),
            one.what.clone(),
            one.agency.to_string(),
            one.reason.clone().unwrap_or_default(),
            moment(&one.at),
            with.to_owned(),
        ]
    });
    print_table(console, &header, rows)?;
    Ok(console.say("Every signature is borne out by the roster.")?)
}

fn received(console: &mut Console, all: &[ReceivedTombstoneView]) -> Result<(), Failure> {
    if all.is_empty() {
        return Ok(console.say("No other agency has ended anything that it had shared with you.")?);
    }
    let header = [
        "tombstone",
        "agency",
        "reference",
        "reason",
        "came",
        "own records",
        "confirmed",
    ];
    let rows = all.iter().map(|view| {
        vec![
            view.digest.short(),
            view.agency.to_string(),
            view.reference.clone().unwrap_or_default(),
            view.reason.clone(),
            moment(&view.received),
            view.records.join(", "),
            if view.confirmed { "yes" } else { "no" }.to_owned(),
        ]
    });
    print_table(console, &header, rows)?;
    let open = all.iter().filter(|view| !view.confirmed).count();
    Ok(console.say(&format!(
        "{open} not confirmed. Delete what you noted of it, then: symbolon-node erasure confirm TOMBSTONE"
    ))?)
}
