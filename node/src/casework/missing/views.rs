//! Missing persons as people and programs see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::missing::{
    Act, Details, Episode, Informant, InterviewEnd, InterviewResult, Line, Outcome, Stage, Update,
    risk_words,
};
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Risk;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::reports::MatchView;

/// One episode in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingView {
    /// The own record.
    pub record_id: String,
    /// Given names and surname as recorded.
    pub name: String,
    /// The person's how manieth episode.
    pub episode: u32,
    /// `open`, `interview due`, `closed` or `cancelled`.
    pub stage: String,
    /// `very low`, `low`, `medium` or `high`.
    pub risk: String,
    /// Since when, as far as is known, RFC 3339.
    pub missing_since: String,
    /// When it was reported, RFC 3339.
    pub reported_at: String,
    /// Agreements that the record takes part in now, with what holds it back left out.
    pub shared_under: Vec<String>,
    /// Matches that it has in the queue.
    pub matches: u64,
    /// When the person was found, RFC 3339.
    pub found_at: Option<String>,
    /// The interview on return.
    pub interview: Option<InterviewView>,
}

/// An interview that is owed, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterviewView {
    /// `return interview` or `prevention interview`.
    pub kind: String,
    /// By when, RFC 3339.
    pub due_at: String,
    /// It is not held, and should have been.
    pub overdue: bool,
    /// Seconds until it is due; below zero when it is overdue, none when it ended.
    pub left_s: Option<i64>,
    /// `held` or `declined`; none while it is due.
    pub result: Option<String>,
}

/// What an act did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MissingReport {
    /// The episode as it stands now.
    pub person: MissingView,
    /// The record was made by it.
    pub made: bool,
    /// Values of the new record that make no key.
    pub warnings: Vec<String>,
    /// Rows registered at the hub.
    pub rows_registered: u64,
    /// Rows withdrawn from the hub.
    pub rows_withdrawn: u64,
    /// Why something of it waits, if it does.
    pub waiting_reason: Option<String>,
    /// Matches that end with the watch: whom to tell.
    pub ended: Vec<MatchView>,
}

/// Every episode of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingDetail {
    /// The own record.
    pub record_id: String,
    /// Oldest first.
    pub episodes: Vec<EpisodeView>,
}

/// One episode with all that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeView {
    /// As in a list.
    pub summary: MissingView,
    /// What is known now, by name.
    pub known: BTreeMap<String, String>,
    /// What was done, oldest first.
    pub history: Vec<HistoryView>,
}

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// When, RFC 3339.
    pub at: String,
    /// Which account.
    pub by: String,
    /// `reported`, `updated`, `found`, `interviewed` or `cancelled`.
    pub act: String,
    /// What was said, by name.
    pub said: BTreeMap<String, String>,
}

impl Node {
    /// Who is missing and whose interview is due, most urgent first.
    pub(super) fn missing_list(
        &self,
        acting: &Acting,
        all: bool,
    ) -> Result<Vec<MissingView>, NodeError> {
        acting.may(Permission::Consult)?;
        let matches = self.match_counts()?;
        let mut found: Vec<(Stage, Risk, i64, MissingView)> = Vec::new();
        for entry in self.tables.missing.iter() {
            let (id, file) = entry?;
            for episode in file.episodes() {
                if !all && !matches!(episode.stage, Stage::Open | Stage::InterviewDue) {
                    continue;
                }
                let due = episode.interview.as_ref().map(|i| i.due_at);
                let since = due.unwrap_or_else(|| episode.missing_since());
                let matches = matches.get(&id).copied().unwrap_or(0);
                let view = self.missing_view(&id, episode, matches)?;
                found.push((episode.stage, episode.details.risk, since, view));
            }
        }
        // Who is missing now, by risk and then by time; then interviews by their clock.
        found.sort_by(|(a_stage, a_risk, a_at, a), (b_stage, b_risk, b_at, b)| {
            let by_risk = match a_stage {
                Stage::Open => b_risk.cmp(a_risk),
                _ => std::cmp::Ordering::Equal,
            };
            let by_stage = a_stage.cmp(b_stage).then(by_risk);
            by_stage
                .then(a_at.cmp(b_at))
                .then_with(|| a.record_id.cmp(&b.record_id))
        });
        let event = AuditEvent::by(acting, AuditKind::Consultation, "missing persons listed");
        self.write_down(event)?;
        Ok(found.into_iter().map(|(.., view)| view).collect())
    }

    /// Every episode of one person; the look is written down.
    pub(super) fn missing_detail(
        &self,
        acting: &Acting,
        record_id: &str,
    ) -> Result<MissingDetail, NodeError> {
        acting.may(Permission::Consult)?;
        let Some(file) = self.tables.missing.get(&record_id.to_owned())? else {
            return Err(NodeError::Request(format!(
                "record {record_id} was never reported missing; `symbolon-node missing list --all` lists who was"
            )));
        };
        let matches = self.matches(Some(record_id))?.len() as u64;
        let episodes = file.episodes().iter().map(|episode| {
            Ok(EpisodeView {
                summary: self.missing_view(record_id, episode, matches)?,
                known: said_of_details(&episode.details),
                history: episode.history.iter().map(history).collect(),
            })
        });
        let episodes = episodes.collect::<Result<_, NodeError>>()?;
        let event = AuditEvent::by(acting, AuditKind::Consultation, "missing person shown");
        self.write_down(event.record(record_id))?;
        Ok(MissingDetail {
            record_id: record_id.to_owned(),
            episodes,
        })
    }

    pub(super) fn missing_view(
        &self,
        record_id: &str,
        episode: &Episode,
        matches: u64,
    ) -> Result<MissingView, NodeError> {
        let stored = self.tables.records.get(&record_id.to_owned())?;
        let (mut name, mut shared_under) = (String::new(), Vec::new());
        if let Some(stored) = &stored {
            name = stored.record.full_name();
            let (part, audiences) = (self.part(stored)?, self.audiences());
            let held_back = self.held_back(&part, &audiences);
            let shared = part.agreements.iter().filter(|a| !held_back.contains(a));
            shared_under = shared.map(Name::to_string).collect();
        }
        let now = self.clock.now();
        let interview = episode.interview.as_ref().map(|interview| InterviewView {
            kind: interview.kind.to_string(),
            due_at: rfc3339(interview.due_at),
            overdue: episode.is_overdue(now),
            left_s: match interview.end {
                None => Some(interview.due_at.saturating_sub(now)),
                Some(_) => None,
            },
            result: interview.end.as_ref().map(|end| result(end).to_owned()),
        });
        Ok(MissingView {
            record_id: record_id.to_owned(),
            name,
            episode: episode.number,
            stage: match episode.stage {
                Stage::Open => "open",
                Stage::InterviewDue => "interview due",
                Stage::Closed => "closed",
                Stage::Cancelled => "cancelled",
            }
            .to_owned(),
            risk: risk_words(episode.details.risk).to_owned(),
            missing_since: rfc3339(episode.missing_since()),
            reported_at: rfc3339(episode.reported_at()),
            shared_under,
            matches,
            found_at: episode.found.as_ref().map(|found| rfc3339(found.at)),
            interview,
        })
    }
}

fn result(end: &InterviewEnd) -> &'static str {
    match end.result {
        InterviewResult::Held => "held",
        InterviewResult::Declined => "declined",
    }
}

fn history(line: &Line) -> HistoryView {
    let (act, said) = match &line.act {
        Act::Reported(details) => ("reported", said_of_details(details)),
        Act::Updated(update) => ("updated", said_of_update(update)),
        Act::Found(found) => {
            let outcome = match found.outcome {
                Outcome::Returned => "returned",
                Outcome::Located => "located",
                Outcome::Died => "found dead",
            };
            let note = found.note.as_ref().map(ToString::to_string);
            let said = [
                ("outcome", Some(outcome.to_owned())),
                ("found_at", Some(rfc3339(found.at))),
                ("note", note),
            ];
            ("found", given(said))
        }
        Act::Interviewed(end) => {
            let said = [
                ("result", Some(result(end).to_owned())),
                ("held_at", Some(rfc3339(end.at))),
                ("interviewer", Some(end.by.to_string())),
                ("notes", end.notes.as_ref().map(ToString::to_string)),
            ];
            ("interviewed", given(said))
        }
        Act::Cancelled(reason) => ("cancelled", given([("reason", Some(reason.to_string()))])),
    };
    HistoryView {
        at: rfc3339(line.at),
        by: line.who.to_string(),
        act: act.to_owned(),
        said,
    }
}

fn said_of_details(details: &Details) -> BTreeMap<String, String> {
    let Details {
        risk,
        circumstances,
        informant,
        missing_since,
        last_seen,
        photo,
        lead_reference,
        agreements,
    } = details.clone();
    said_of_update(&Update {
        risk: Some(risk),
        circumstances: Some(circumstances),
        informant,
        missing_since,
        last_seen,
        photo,
        lead_reference,
        agreements: Some(agreements),
    })
}

fn said_of_update(update: &Update) -> BTreeMap<String, String> {
    let Update {
        risk,
        circumstances,
        informant,
        missing_since,
        last_seen,
        photo,
        lead_reference,
        agreements,
    } = update;
    let text =
        |text: &Option<symbolon_casework::text::Text>| text.as_ref().map(ToString::to_string);
    let agreements = agreements.as_ref().map(|names| {
        let names: Vec<&str> = names.iter().map(Name::as_str).collect();
        names.join(", ")
    });
    given([
        ("risk", risk.map(|risk| risk_words(risk).to_owned())),
        ("circumstances", text(circumstances)),
        ("informant", informant.as_ref().map(informant_words)),
        ("missing_since", missing_since.map(rfc3339)),
        ("last_seen", text(last_seen)),
        ("photo", text(photo)),
        ("lead_reference", text(lead_reference)),
        ("agreements", agreements),
    ])
}

fn informant_words(informant: &Informant) -> String {
    let relation = informant.relation.iter().map(|text| format!(" ({text})"));
    let contact = informant.contact.iter().map(|text| format!(", {text}"));
    let more: String = relation.chain(contact).collect();
    format!("{}{more}", informant.name)
}

fn given<const N: usize>(said: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    let said = said.into_iter();
    said.filter_map(|(name, value)| Some((name.to_owned(), value.filter(|v| !v.is_empty())?)))
        .collect()
}
