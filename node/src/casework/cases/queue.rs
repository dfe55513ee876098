//! The queue: what is to be done, most pressing first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::clock::{self, Awaits, Due};
use symbolon_casework::lifecycle::{Act, Answer, AskedFor, Stage, Verdict, View};
use symbolon_core::agreement::ResponseHours;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::linkage::score::describe;
use symbolon_core::payload::Urgency;

use super::StoredCase;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::matches::urgency_word;
use crate::node::Node;

/// What of the queue is wanted; everything that is open if nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueFilter {
    /// Also what is refuted, closed, or whose match has ended.
    pub all: bool,
    /// Only what is given to this person.
    pub assigned: Option<Name>,
    /// Only what is given to nobody.
    pub unassigned: bool,
    /// Only what is overdue.
    pub overdue: bool,
    /// Only what stands there.
    pub stage: Option<Stage>,
    /// Only with this agency.
    pub agency: Option<AgencyName>,
    /// Only what has this in its record id, name, agency, agreement or case id.
    pub search: Option<String>,
}

/// One own record with every agency that holds something on the same person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueEntry {
    /// The own record.
    pub record_id: String,
    /// Its names, for the caseworker's own eyes.
    pub name: String,
    /// How soon, of its cases the most pressing.
    pub urgency: String,
    /// When the first clock ends.
    pub due: Option<String>,
    /// Whether one has ended.
    pub overdue: bool,
    /// One for each other record. The agencies do not see each other.
    pub counterparts: Vec<CaseView>,
}

/// A case as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseView {
    /// First digits of its id: the same at both agencies.
    pub case: String,
    /// The own record.
    pub record_id: String,
    /// The other agency.
    pub agency: String,
    /// Whom to call there, if it said so.
    pub contact: Option<String>,
    /// The other record's reference.
    pub reference: String,
    /// Under which agreement.
    pub agreement: String,
    /// How sure; empty when the match has ended.
    pub tier: String,
    /// In bits.
    pub bits: Option<f64>,
    /// What agreed, in words.
    pub agreed: Vec<String>,
    /// The two may be twins.
    pub twins: bool,
    /// Where it stands, the same at both agencies.
    pub stage: String,
    /// Which time it is looked at, from 1.
    pub round: u32,
    /// This agency's word.
    pub own_word: Option<String>,
    /// The other's.
    pub their_word: Option<String>,
    /// Requests of this round, either way.
    pub requests: Vec<RequestView>,
    /// How soon.
    pub urgency: String,
    /// When it began here.
    pub since: String,
    /// What this agency owes: `word` or `answer`.
    pub awaits: Option<String>,
    /// Until when.
    pub due: Option<String>,
    /// Whether that is over.
    pub overdue: bool,
    /// Who works on it.
    pub assigned: Option<String>,
    /// Nothing of it goes to the other agency: the own record is silent, or it only asked.
    pub quiet: bool,
    /// Whether the match still stands.
    pub current: bool,
}

/// A request in a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// Which agency asks.
    pub by: String,
    /// Its number, by which it is answered.
    pub number: u32,
    /// Fields that it asks for.
    pub fields: Vec<String>,
    /// For what.
    pub purpose: String,
    /// How it stands: `open`, `granted`, `refused`, `escalated`.
    pub state: String,
}

/// What orders the queue: risk, then the clock, then certainty.
type Pressing = (std::cmp::Reverse<Urgency>, i64, std::cmp::Reverse<i64>);

impl Node {
    /// The queue. Who has it shown has seen what is in it: the other side is told so once.
    pub(crate) fn queue(
        &self,
        acting: &Acting,
        filter: &QueueFilter,
    ) -> Result<Vec<QueueEntry>, NodeError> {
        acting.may(Permission::Consult)?;
        // What a worker would do in a moment; a person should not have to ask twice.
        while self.tend_cases()? {}
        let mut shown = Vec::new();
        for entry in self.tables.cases.iter() {
            let (_, mut stored) = entry?;
            if !stored.found {
                continue;
            }
            let name = self.name_of(&stored.key.record_id)?;
            let (view, pressing) = self.ordered_view(&stored)?;
            if !self.is_wanted(filter, &stored, &view, &name) {
                continue;
            }
            if view.stage == Stage::Detected.to_string() && acting.may(Permission::Judge).is_ok() {
                self.notice(&mut stored)?;
                let (view, pressing) = self.ordered_view(&stored)?;
                shown.push((pressing, name, view));
            } else {
                shown.push((pressing, name, view));
            }
        }
        self.write_down(AuditEvent::by(
            acting,
            AuditKind::Consultation,
            "queue shown",
        ))?;
        Ok(grouped(shown))
    }

    /// A person has been shown it.
    fn notice(&self, stored: &mut StoredCase) -> Result<(), NodeError> {
        let (side, now) = (self.side_in(stored), self.clock.now());
        if stored.case.say(side, now, Act::Notify).is_ok() {
            self.tables.cases.put(&stored.id(), stored)?;
            self.post_sayings(stored)?;
        }
        Ok(())
    }

    fn is_wanted(
        &self,
        filter: &QueueFilter,
        stored: &StoredCase,
        view: &CaseView,
        name: &str,
    ) -> bool {
        let stage = Stage::parse(&view.stage);
        let ended = matches!(stage, Some(Stage::Refuted | Stage::Closed)) || !view.current;
        let by_stage = filter.stage.is_none_or(|wanted| stage == Some(wanted));
        let in_sight = filter.all || filter.stage.is_some() || !ended;
        let by_person = match &filter.assigned {
            Some(person) => stored.assigned.as_ref() == Some(person),
            None => !filter.unassigned || stored.assigned.is_none(),
        };
        let by_agency = filter
            .agency
            .as_ref()
            .is_none_or(|a| *a == stored.key.agency);
        let found = filter.search.as_ref().is_none_or(|words| {
            let words = words.trim().to_lowercase();
            let places = [
                &view.case,
                &view.record_id,
                &view.agency,
                &view.agreement,
                &view.reference,
                name,
            ];
            places.iter().any(|it| it.to_lowercase().contains(&words))
        });
        in_sight && by_stage && by_person && by_agency && found && (!filter.overdue || view.overdue)
    }

    fn name_of(&self, record_id: &str) -> Result<String, NodeError> {
        let stored = self.tables.records.get(&record_id.to_owned())?;
        Ok(stored.map_or_else(String::new, |stored| stored.record.full_name()))
    }

    pub(in crate::casework) fn case_view(
        &self,
        stored: &StoredCase,
    ) -> Result<CaseView, NodeError> {
        Ok(self.ordered_view(stored)?.0)
    }

    fn ordered_view(&self, stored: &StoredCase) -> Result<(CaseView, Pressing), NodeError> {
        let key = &stored.key;
        let now = self.clock.now();
        let side = self.side_in(stored);
        let view = stored.case.view();
        let found = self.tables.matches.get(key)?;
        let thresholds = self.thresholds();
        let threshold = thresholds.get(&key.agreement);
        let scored = found.as_ref().map(|found| self.scored(found, threshold));
        let urgency = found
            .as_ref()
            .map_or(Urgency::Standard, |found| found.urgency);
        let told = scored.as_ref().filter(|scored| scored.is_told());
        let tier = told.and_then(|scored| scored.tier);
        let (agreement, hours) = self.agreement_of(&key.agreement);
        let began = stored.round_began.1;
        let asked_at = |number| stored.heard_at.get(&number).copied().unwrap_or(now);
        let due = clock::due(&view, side, &hours, urgency, began, asked_at);
        let due = due.filter(|_| tier.is_some());
        let word = |side| {
            view.word(side)
                .map(|word| verdict_word(word.verdict).to_owned())
        };
        let bits = scored.as_ref().map(|scored| scored.bits);
        let case = CaseView {
            case: stored.id().short(),
            record_id: key.record_id.clone(),
            agency: key.agency.to_string(),
            contact: stored.their_contact.as_ref().map(ToString::to_string),
            reference: key.reference.short(),
            agreement,
            tier: tier.map(|tier| tier.to_string()).unwrap_or_default(),
            bits: bits.filter(|_| tier.is_some()),
            twins: scored.as_ref().is_some_and(|scored| scored.twins),
            agreed: scored
                .map(|scored| describe(self.schema, &scored))
                .unwrap_or_default(),
            stage: view.stage.to_string(),
            round: view.round,
            own_word: word(side),
            their_word: word(side.other()),
            requests: self.request_views(stored, &view),
            urgency: urgency_word(urgency).to_owned(),
            since: rfc3339(began),
            awaits: due.map(|due| {
                match due.awaits {
                    Awaits::Word => "word",
                    Awaits::Answer => "answer",
                }
                .to_owned()
            }),
            due: due.map(|due| rfc3339(due.at)),
            overdue: due.is_some_and(|due: Due| due.is_overdue(now)),
            assigned: stored.assigned.as_ref().map(ToString::to_string),
            quiet: self.is_quiet(key)?,
            current: tier.is_some(),
        };
        let at = due.map_or(i64::MAX, |due| due.at);
        #[allow(clippy::cast_possible_truncation)] // tenths of bits, far below the bound
        let certainty = (bits.unwrap_or(-1000.0) * 10.0) as i64;
        let pressing = (std::cmp::Reverse(urgency), at, std::cmp::Reverse(certainty));
        Ok((case, pressing))
    }

    fn request_views(&self, stored: &StoredCase, view: &View) -> Vec<RequestView> {
        let own_side = self.side_in(stored);
        let requests = view.requests.iter();
        let shown = requests.map(|asked: &AskedFor| RequestView {
            by: if asked.by == own_side {
                self.identity.agency.to_string()
            } else {
                stored.key.agency.to_string()
            },
            number: asked.number,
            fields: asked.follow_up.fields.iter().cloned().collect(),
            purpose: asked.follow_up.purpose.to_string(),
            state: match asked.answer {
                None => "open",
                Some(Answer::Granted { .. }) => "granted",
                Some(Answer::Refused { .. }) => "refused",
                Some(Answer::Escalated { .. }) => "escalated",
            }
            .to_owned(),
        });
        shown.collect()
    }

    /// An agreement's short name and clocks, by its line.
    fn agreement_of(&self, line: &Digest) -> (String, ResponseHours) {
        self.membership(|m| {
            let mut known = m.agreements.values();
            let known = known.find(|a| a.standing.document.line() == *line);
            known.map_or_else(
                || (line.short(), ResponseHours::default()),
                |a| {
                    let document = &a.standing.document;
                    (document.id.to_string(), document.response_hours)
                },
            )
        })
    }
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::Refuted => "refuted",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// Cases of one record together, the most pressing record first.
fn grouped(mut cases: Vec<(Pressing, String, CaseView)>) -> Vec<QueueEntry> {
    cases.sort_by(|(a, _, one), (b, _, other)| a.cmp(b).then_with(|| one.case.cmp(&other.case)));
    let mut entries: Vec<QueueEntry> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (_, name, case) in cases {
        let known = places.get(&case.record_id).copied();
        if let Some(entry) = known.and_then(|at| entries.get_mut(at)) {
            entry.overdue |= case.overdue;
            entry.due = [entry.due.take(), case.due.clone()]
                .into_iter()
                .flatten()
                .min();
            entry.counterparts.push(case);
            continue;
        }
        places.insert(case.record_id.clone(), entries.len());
        entries.push(QueueEntry {
            record_id: case.record_id.clone(),
            name,
            urgency: case.urgency.clone(),
            due: case.due.clone(),
            overdue: case.overdue,
            counterparts: vec![case],
        });
    }
    entries
}
