//! What other agencies gave: kept apart from own records, on their terms, until its time is over.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::disclosure::{
    Answer, Field, Heard, LONGEST_KEPT_S, MAX_FIELDS, RequestId, Terms,
};
use symbolon_core::identity::AgencyName;

use super::{MAX_UNASKED_A_CASE, ReceivedKey, ReceivedView, StoredReceived};
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

/// What has ended is looked for this often, in seconds of the node's clock. It is not shown any more
/// from the moment on when it ends.
const SWEEP_S: i64 = 60;

impl Node {
    /// Fields that the owner gives at once.
    pub(super) fn take_given(
        &self,
        from: &AgencyName,
        case: &MatchKey,
        id: RequestId,
        answer: &Answer,
    ) -> Result<(), NodeError> {
        if let Err(error) = answer.check_unasked() {
            tracing::warn!(%from, %error, "what was given at once is refused");
            return Ok(());
        }
        let mut before = BTreeMap::new();
        let mut others = std::collections::BTreeSet::new();
        for entry in self.tables.received.iter() {
            let ((agency, of, field), stored) = entry?;
            if agency == *from && stored.case == *case {
                if of == id {
                    before.insert(field, Heard::Released);
                } else if !self.tables.disclosures_asked.contains(&of)? {
                    others.insert(of);
                }
            }
        }
        // It is no answer to a request of ours, whatever it calls itself.
        let asked = self.tables.disclosures_asked.contains(&id)?;
        let new = answer.released.0.keys();
        let new = new.filter(|field| !before.contains_key(*field)).count();
        if asked || before.len() + new > MAX_FIELDS || others.len() >= MAX_UNASKED_A_CASE {
            tracing::warn!(%from, "more was given about a case than is taken; dropped");
            return Ok(());
        }
        self.keep_received((from, id, case), answer, &before)
    }

    pub(super) fn receive_field(
        &self,
        (from, id, field): (&AgencyName, RequestId, &Field),
        case: &MatchKey,
        values: &[String],
        terms: &Terms,
    ) -> Result<(), NodeError> {
        let now = self.clock.now();
        let key: ReceivedKey = (from.clone(), id, field.clone());
        let mut terms = terms.clone();
        terms.keep_until = terms.keep_until.min(now.saturating_add(LONGEST_KEPT_S));
        let stored = StoredReceived {
            case: case.clone(),
            values: values.to_vec(),
            terms,
            at: now,
            ended_at: None,
        };
        self.tables.received.put(&key, &stored)
    }

    /// What was received, of one case or of all; the look is written down.
    pub(super) fn received(
        &self,
        acting: &Acting,
        case: Option<&str>,
    ) -> Result<Vec<ReceivedView>, NodeError> {
        acting.may(Permission::Consult)?;
        let now = self.clock.now();
        let mut views = Vec::new();
        for entry in self.tables.received.iter() {
            let ((from, id, field), stored) = entry?;
            let word = self.case_word(&stored.case)?;
            if case.is_some_and(|case| case != word) {
                continue;
            }
            let ended = stored.ended_at.is_some() || stored.terms.keep_until <= now;
            let StoredReceived {
                case,
                values,
                terms,
                ..
            } = stored;
            views.push(ReceivedView {
                case: word,
                record_id: case.record_id,
                agency: from.to_string(),
                request: id.to_string(),
                field: field.into(),
                values: if ended { Vec::new() } else { values },
                handling: terms.handling.map(|code| code.to_string()),
                conditions: terms.conditions.map(Into::into),
                onward: terms.onward,
                received_at: rfc3339(stored.at),
                keep_until: rfc3339(terms.keep_until),
                ended,
            });
        }
        views.sort_by(|a, b| {
            let place = |view: &ReceivedView| {
                (
                    view.case.clone(),
                    view.received_at.clone(),
                    view.field.clone(),
                )
            };
            place(a).cmp(&place(b))
        });
        let event = AuditEvent::by(acting, AuditKind::Consultation, "received data shown");
        let event = event.fields(views.iter().map(|view| view.field.as_str()));
        self.write_down(match case {
            Some(case) => event.case(case),
            None => event,
        })?;
        Ok(views)
    }

    /// Cases are gone: so is everything that was asked, given and received in them. What was done stands in
    /// the log.
    pub(crate) fn forget_disclosures_of(
        &self,
        gone: impl Fn(&MatchKey) -> bool,
    ) -> Result<(), NodeError> {
        for entry in self.tables.received.iter() {
            let (key, stored) = entry?;
            if gone(&stored.case) {
                self.tables.received.remove(&key)?;
            }
        }
        for entry in self.tables.disclosures_of_us.iter() {
            let (key, stored) = entry?;
            if gone(&stored.case) {
                self.tables.disclosures_of_us.remove(&key)?;
            }
        }
        for entry in self.tables.disclosures_asked.iter() {
            let (key, stored) = entry?;
            if gone(&stored.case) {
                self.tables.disclosures_asked.remove(&key)?;
            }
        }
        Ok(())
    }

    /// Deletes values whose time is over; that they were here stays. The caller holds the work lock.
    pub(crate) fn end_received(&self) -> Result<(), NodeError> {
        let now = self.clock.now();
        if now < self.next_received_sweep.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut over = Vec::new();
        for entry in self.tables.received.iter() {
            let (key, stored) = entry?;
            if stored.ended_at.is_none() && stored.terms.keep_until <= now {
                over.push((key, stored));
            }
        }
        for (key, mut stored) in over {
            self.write_down(
                AuditEvent::of_the_node(AuditKind::Erasure, "received data ended")
                    .record(&stored.case.record_id)
                    .case(&self.case_word(&stored.case)?)
                    .agency(&key.0)
                    .fields([key.2.as_str()]),
            )?;
            stored.values.clear();
            stored.ended_at = Some(now);
            self.tables.received.put(&key, &stored)?;
        }
        self.next_received_sweep
            .store(now.saturating_add(SWEEP_S), Ordering::Relaxed);
        Ok(())
    }
}
