//! Matches: what the hub reports, opened, grouped by the other's record, and scored.
//!
//! A payload is believed only if it opens under our own lock for that row, names the agency that the
//! hub says the row belongs to, and that agency is a member of the agreement. Evidence is kept by the
//! pair of handles, so that a delivery that comes twice counts once. What keys leave open is compared
//! by the two nodes ([`crate::comparison`]); until then a pair is shown as its keys score it.

use std::collections::{BTreeMap, BTreeSet};

use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::lifecycle::CaseId;
use symbolon_core::agreement::ScoreThreshold;
use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::linkage::schema::KeyKindId;
use symbolon_core::linkage::score::{Score, Tier, describe, score_by};
use symbolon_core::payload::{self, Payload, RecordReference, Urgency};
use symbolon_core::row::{AgreementEpoch, Handle, Token};

use crate::clock::rfc3339;
use crate::command::least_shown;
use crate::comparison;
use crate::error::NodeError;
use crate::hub_client::Foreign;
use crate::membership::ServedEpoch;
use crate::node::Node;
use crate::reports::MatchView;
use crate::tables::{MatchKey, StoredMatch};

impl Node {
    /// Takes in a notice. One that does not check out is logged, without its content, and dropped.
    pub(crate) fn take_notice(&self, foreign: &Foreign, query: bool) -> Result<(), NodeError> {
        let pair = (foreign.own_handle, foreign.handle);
        if self.tables.evidence.contains(&pair)? {
            return Ok(());
        }
        let Some(row) = self.tables.rows.get(&foreign.own_handle)? else {
            return Ok(());
        };
        let Some(record_id) = row.record_id.clone() else {
            return Ok(());
        };
        if self.tables.withdrawals.contains(&foreign.own_handle)? {
            return Ok(());
        }
        // A notice may come late, for a row under a custody key whose roots are deleted.
        if self.root_of(&row)?.is_none() {
            return Ok(());
        }
        // An epoch that has just been closed: its rows are about to be withdrawn.
        let Some(served) = self.served_epoch(&row.epoch) else {
            return Ok(());
        };
        let (token, lock) = self.token_of(&row)?;
        let opened = payload::open(&foreign.payload, &lock, &row.epoch, &token, &foreign.handle);
        let payload = match opened {
            Ok(payload) if self.credible(&payload, foreign, &served, row.kind, query) => payload,
            Ok(_) => {
                tracing::warn!(agency = %foreign.agency, "notice whose payload contradicts it; dropped");
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(agency = %foreign.agency, %error, "notice whose payload does not open; dropped");
                return Ok(());
            }
        };
        let key = MatchKey {
            agreement: row.agreement,
            record_id,
            agency: payload.agency,
            reference: payload.reference,
        };
        let mut found = self.tables.matches.get(&key)?.unwrap_or(StoredMatch {
            evidence: Vec::new(),
            urgency: Urgency::Standard,
            query,
            since: self.clock.now(),
            counts: None,
            written_down: false,
            silent: row.silent,
        });
        found.silent = row.silent;
        self.note_told(&key, row.silent)?;
        // Of what a silent record met nothing is said to anybody, not by a confirmation either.
        if !row.silent {
            self.note_met(&key)?;
        }
        // The match before the index: after a crash in between, the evidence comes again and is
        // found to be there.
        let piece = (foreign.own_handle, foreign.handle, row.kind);
        if !found.evidence.contains(&piece) {
            found.evidence.push(piece);
        }
        found.urgency = found.urgency.max(payload.urgency).max(row.urgency);
        self.put_match(&key, &mut found)?;
        self.tables.evidence.put(&pair, &key)?;
        self.look_at_case(&key)?;
        self.look_again(&key)
    }

    /// Puts a match. The first time that it is shown to people stands in the audit log: two agencies'
    /// records were found to belong together.
    pub(crate) fn put_match(
        &self,
        key: &MatchKey,
        found: &mut StoredMatch,
    ) -> Result<(), NodeError> {
        let is_shown = |found: &StoredMatch| {
            let thresholds = self.thresholds();
            let scored = self.scored(found, thresholds.get(&key.agreement));
            scored.is_told()
        };
        if !found.written_down && is_shown(found) {
            let what = if found.query {
                "asked about by another agency"
            } else {
                "match found"
            };
            let record = self.tables.records.get(&key.record_id)?;
            let own = record.and_then(|record| record.references.get(&key.agreement).copied());
            let event = AuditEvent::of_the_node(AuditKind::Combination, what)
                .record(&key.record_id)
                .case(&match_id(&key.agreement, own, key.reference))
                .agency(&key.agency);
            self.write_down(event)?;
            found.written_down = true;
        }
        self.tables.matches.put(key, found)
    }

    fn credible(
        &self,
        payload: &Payload,
        foreign: &Foreign,
        served: &ServedEpoch,
        kind: u16,
        query: bool,
    ) -> bool {
        payload.agency == foreign.agency
            && payload.agency != self.identity.agency
            && served.members.contains(&payload.agency)
            && payload.kind == kind
            && payload.schema_version == self.schema.version
            && payload.query == query
    }

    /// Ends one piece of evidence: the other side withdrew its row, or it expired.
    pub(crate) fn take_cancellation(
        &self,
        own_handle: Handle,
        handle: Handle,
    ) -> Result<(), NodeError> {
        let pair = (own_handle, handle);
        let Some(key) = self.tables.evidence.get(&pair)? else {
            return Ok(());
        };
        if let Some(mut found) = self.tables.matches.get(&key)? {
            found
                .evidence
                .retain(|(own, other, _)| (*own, *other) != pair);
            if found.evidence.is_empty() {
                self.tables.matches.remove(&key)?;
            } else {
                self.tables.matches.put(&key, &found)?;
            }
        }
        self.tables.evidence.remove(&pair)?;
        self.look_again(&key)
    }

    /// The hub says that too many rows share a token of ours: the key is suppressed from now on.
    pub(crate) fn take_common(&self, own_handle: Handle) -> Result<(), NodeError> {
        let Some(row) = self.tables.rows.get(&own_handle)? else {
            return Ok(());
        };
        let Some(id) = row.record_id else {
            return Ok(());
        };
        self.tables.common.put(&row.tag, &())?;
        self.reconcile(&id, &self.audiences())
    }

    /// Ends the evidence that rows of ours gave.
    pub(crate) fn end_evidence_of(&self, own_handles: &BTreeSet<Handle>) -> Result<(), NodeError> {
        let pairs = self.evidence_where(|pair, _| own_handles.contains(&pair.0))?;
        pairs
            .into_iter()
            .try_for_each(|(own, other)| self.take_cancellation(own, other))
    }

    /// Ends every match of a record; gives how many were in the queue.
    pub(crate) fn end_matches_of(&self, record_id: &str) -> Result<u64, NodeError> {
        let ended = self.matches(Some(record_id))?.len() as u64;
        let pairs = self.evidence_where(|_, key| key.record_id == record_id)?;
        pairs
            .into_iter()
            .try_for_each(|(own, other)| self.take_cancellation(own, other))?;
        Ok(ended)
    }

    fn evidence_where(
        &self,
        wanted: impl Fn(&(Handle, Handle), &MatchKey) -> bool,
    ) -> Result<Vec<(Handle, Handle)>, NodeError> {
        let mut found = Vec::new();
        for entry in self.tables.evidence.iter() {
            let (pair, key) = entry?;
            if wanted(&pair, &key) {
                found.push(pair);
            }
        }
        Ok(found)
    }

    /// The queue: strong and possible matches, strongest first. Weaker evidence waits unseen.
    pub fn matches(&self, only: Option<&str>) -> Result<Vec<MatchView>, NodeError> {
        self.matches_from(only, least_shown())
    }

    /// Matches from a tier up, strongest first.
    pub fn matches_from(
        &self,
        only: Option<&str>,
        least: Tier,
    ) -> Result<Vec<MatchView>, NodeError> {
        let mut views = Vec::new();
        let thresholds = self.thresholds();
        for entry in self.tables.matches.iter() {
            let (key, found) = entry?;
            if only.is_some_and(|only| only != key.record_id) {
                continue;
            }
            let threshold = thresholds.get(&key.agreement);
            let scored = self.scored(&found, threshold);
            if scored.tier >= Some(least) {
                views.push(self.view(&key, &found, &scored)?);
            }
        }
        views.sort_by(|a, b| b.bits.total_cmp(&a.bits).then_with(|| a.id.cmp(&b.id)));
        Ok(views)
    }

    /// The queue as the demo and the tests compare it: which match, and its score.
    pub fn scored_matches(&self) -> Result<Vec<(MatchKey, Score)>, NodeError> {
        let mut all = Vec::new();
        let thresholds = self.thresholds();
        for entry in self.tables.matches.iter() {
            let (key, found) = entry?;
            let threshold = thresholds.get(&key.agreement);
            let scored = self.scored(&found, threshold);
            if scored.tier >= Some(least_shown()) && !found.query {
                all.push((key, scored));
            }
        }
        Ok(all)
    }

    /// By keys, and by what the nodes compared where keys leave it open.
    pub(crate) fn scored(&self, found: &StoredMatch, threshold: Option<&ScoreThreshold>) -> Score {
        let kinds = found.kinds();
        // What was compared before more keys settled the pair counts no more: both sides may not have
        // got as far.
        let open = comparison::wanted(self.schema, &kinds);
        let counts = found.counts.as_deref().filter(|_| open);
        comparison::score(self.schema, &kinds, counts, threshold)
    }

    /// What agreements say of how much evidence is shown, by their line.
    pub(crate) fn thresholds(&self) -> BTreeMap<Digest, ScoreThreshold> {
        self.membership(|m| {
            let documents = m.agreements.values().map(|a| &a.standing.document);
            let agreed = documents.filter_map(|d| Some((d.line(), d.threshold?)));
            agreed.collect()
        })
    }

    /// Every piece of evidence: own handle, the other's handle.
    pub fn evidence(&self) -> Result<Vec<(Handle, Handle)>, NodeError> {
        let mut all = Vec::new();
        for entry in self.tables.matches.iter() {
            let (_, found) = entry?;
            all.extend(found.evidence.iter().map(|(own, other, _)| (*own, *other)));
        }
        Ok(all)
    }

    /// The epoch of every own row.
    pub fn epochs_of_rows(&self) -> Result<BTreeMap<Handle, AgreementEpoch>, NodeError> {
        let rows = self.tables.rows.iter();
        rows.map(|entry| entry.map(|(handle, row)| (handle, row.epoch)))
            .collect()
    }

    /// Every own reference with its record.
    pub fn references(&self) -> Result<BTreeMap<RecordReference, String>, NodeError> {
        let mut all = BTreeMap::new();
        for entry in self.tables.records.iter() {
            let (id, stored) = entry?;
            all.extend(
                stored
                    .references
                    .values()
                    .map(|reference| (*reference, id.clone())),
            );
        }
        Ok(all)
    }

    /// Writes down whose references are whose and what met own records, in a vault that does not say so yet.
    pub(crate) fn index_references(&self) -> Result<(), NodeError> {
        self.index_met()?;
        if !self.tables.reference_owners.is_empty() {
            return Ok(());
        }
        let all = self.references()?;
        self.tables.reference_owners.put_many(all.iter())
    }

    fn index_met(&self) -> Result<(), NodeError> {
        if !self.tables.met.is_empty() {
            return Ok(());
        }
        for entry in self.tables.told.iter() {
            let ((record_id, agency, agreement), told) = entry?;
            for reference in told.theirs {
                self.note_met(&MatchKey {
                    agreement,
                    record_id: record_id.clone(),
                    agency: agency.clone(),
                    reference,
                })?;
            }
        }
        Ok(())
    }

    /// How many matches each record has in the queue.
    pub(crate) fn match_counts(&self) -> Result<BTreeMap<String, u64>, NodeError> {
        let mut counts = BTreeMap::new();
        for view in self.matches(None)? {
            *counts.entry(view.record_id).or_insert(0) += 1;
        }
        Ok(counts)
    }

    fn view(
        &self,
        key: &MatchKey,
        found: &StoredMatch,
        scored: &Score,
    ) -> Result<MatchView, NodeError> {
        let record = self.tables.records.get(&key.record_id)?;
        let own = record.and_then(|record| record.references.get(&key.agreement).copied());
        Ok(MatchView {
            id: match_id(&key.agreement, own, key.reference),
            record_id: key.record_id.clone(),
            agency: key.agency.to_string(),
            reference: key.reference.short(),
            agreement: self.agreement_name(&key.agreement),
            agreed: describe(self.schema, scored),
            bits: scored.bits,
            tier: scored.tier.map(|tier| tier.to_string()).unwrap_or_default(),
            urgency: urgency_word(found.urgency).to_owned(),
            from_query: found.query,
            since: rfc3339(found.since),
            missing: self.missing_words(&key.record_id)?,
            comparison: self.comparison_view(key, found)?,
            silent: found.silent,
        })
    }

    /// The name of an agreement by its line; what is known of the line if it is gone.
    pub(crate) fn agreement_name(&self, line: &Digest) -> String {
        self.membership(|m| {
            let mut known = m.agreements.values().map(|a| &a.standing.document);
            let found = known.find(|document| document.line() == *line);
            found.map_or_else(|| line.short(), |document| document.id.to_string())
        })
    }

    /// Opens what a query brought back; one view for each record of another agency that is certain
    /// enough.
    pub(crate) fn read_hits(
        &self,
        served: &ServedEpoch,
        asked: &BTreeMap<Handle, (Token, crypto::SecretKey, u16)>,
        hits: &[Foreign],
    ) -> Vec<MatchView> {
        let epoch: AgreementEpoch = served.id;
        let mut found: BTreeMap<(AgencyName, RecordReference), (BTreeSet<KeyKindId>, Urgency)> =
            BTreeMap::new();
        for hit in hits {
            let Some((token, lock, kind)) = asked.get(&hit.own_handle) else {
                continue;
            };
            let Ok(payload) = payload::open(&hit.payload, lock, &epoch, token, &hit.handle) else {
                tracing::warn!(agency = %hit.agency, "hit whose payload does not open; dropped");
                continue;
            };
            if !self.credible(&payload, hit, served, *kind, false) {
                tracing::warn!(agency = %hit.agency, "hit whose payload contradicts it; dropped");
                continue;
            }
            let place = (payload.agency.clone(), payload.reference);
            let entry = found.entry(place).or_default();
            entry.0.insert(KeyKindId(*kind));
            entry.1 = entry.1.max(payload.urgency);
        }
        let mut views = Vec::new();
        for ((agency, reference), (kinds, urgency)) in found {
            let scored = score_by(self.schema, &kinds, served.document.threshold.as_ref());
            let shown = scored.tier.filter(|tier| *tier >= least_shown());
            let Some(tier) = shown else { continue };
            self.note_asked(&agency, served.document.line(), reference);
            views.push(MatchView {
                id: match_id(&served.document.line(), None, reference),
                record_id: "(query)".to_owned(),
                agency: agency.to_string(),
                reference: reference.short(),
                agreement: served.document.id.to_string(),
                agreed: describe(self.schema, &scored),
                bits: scored.bits,
                tier: tier.to_string(),
                urgency: urgency_word(urgency).to_owned(),
                from_query: true,
                since: rfc3339(self.clock.now()),
                missing: None,
                comparison: None,
                silent: false,
            });
        }
        views.sort_by(|a, b| b.bits.total_cmp(&a.bits).then_with(|| a.id.cmp(&b.id)));
        views
    }
}

pub(crate) fn urgency_word(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Standard => "standard",
        Urgency::Medium => "medium",
        Urgency::High => "high",
    }
}

/// The match's name: the same on both sides, since both know both references.
fn match_id(agreement: &Digest, own: Option<RecordReference>, other: RecordReference) -> String {
    let own = own.unwrap_or(RecordReference([0; 16]));
    CaseId::of(agreement, own, other).short()
}
