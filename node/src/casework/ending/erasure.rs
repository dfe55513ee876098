//! One path by which a record goes: erasure, withdrawal, retention, a file that has it no more.
//!
//! The order is that of [`crate::records`]: first what has to be said and withdrawn, last the record that
//! names it all. A mark stands in the vault from the first step to the last, so that a kill in between is
//! finished at the next start. What goes: the record, what lies beside it, its matches and comparisons, the
//! roots and marks of keys that no other record holds, and its id in rows that still wait to be deleted
//! at the hub. What stays are tombstones and the lines of the audit log.

use std::collections::BTreeSet;
use std::sync::Arc;

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::tombstone::{ReasonClass, RecordMark, SharedAs};

use super::reason;
use crate::error::NodeError;
use crate::node::Node;
use crate::records::Crossed;
use crate::reports::{ProgressSink, WithdrawReport};
use crate::tables::{KeyTag, MatchKey, StoredEnd};
use crate::tokenise::{Done, silent};

impl Node {
    /// Erases records for somebody. The caller holds the work lock.
    pub(crate) async fn erase(
        self: &Arc<Self>,
        acting: &Acting,
        ids: &[String],
        class: ReasonClass,
    ) -> Result<WithdrawReport, NodeError> {
        acting.may(Permission::KeepRecords)?;
        reason(acting)?;
        let event = |mark: &RecordMark| {
            AuditEvent::by(acting, AuditKind::Erasure, "record erased").record(&mark.to_string())
        };
        self.erase_all(ids, class, event, &silent()).await
    }

    /// Withdraws records: rows at the hub, matches on both sides, the records themselves.
    pub async fn withdraw(
        self: &Arc<Self>,
        acting: &Acting,
        ids: &[String],
        progress: &ProgressSink,
    ) -> Result<WithdrawReport, NodeError> {
        let _work = self.work.lock().await;
        let event = |mark: &RecordMark| {
            AuditEvent::by(acting, AuditKind::Erasure, "record withdrawn").record(&mark.to_string())
        };
        self.erase_all(ids, ReasonClass::Withdrawn, event, progress)
            .await
    }

    async fn erase_all(
        self: &Arc<Self>,
        ids: &[String],
        class: ReasonClass,
        event: impl Fn(&RecordMark) -> AuditEvent,
        progress: &ProgressSink,
    ) -> Result<WithdrawReport, NodeError> {
        let mut report = WithdrawReport::default();
        self.change_records(|crossed| {
            for id in ids {
                if self.dossier(id)?.retention.legal_hold.is_some() {
                    report.held.push(id.clone());
                    continue;
                }
                if !self.tables.records.contains(id)? {
                    report.unknown.push(id.clone());
                    continue;
                }
                self.write_down(event(&self.mark_of(id)))?;
                match self.erase_record(id, class, crossed)? {
                    Some(ended) => {
                        report.records.push(id.clone());
                        report.matches_ended += ended;
                    }
                    None => report.unknown.push(id.clone()),
                }
            }
            Ok(())
        })?;
        let mut done = Done::default();
        if let Ok(hub) = self.hub().await {
            // What could not be done waits, and the report says how much.
            let _ = self.work_off(&hub, progress, &mut done).await;
        }
        self.work_waits.notify_one();
        report.rows_withdrawn = done.withdrawn;
        report.notices_cancelled = done.cancelled;
        report.waiting = self.tables.withdrawals.len()?;
        Ok(report)
    }

    /// Names a record in one tombstone. Another one for each place where it was shared: whoever holds two
    /// must not see that they are of one record.
    pub(crate) fn mark_in(&self, id: &str, shared_as: Option<&SharedAs>) -> RecordMark {
        let mut named = vec![u8::from(shared_as.is_some())];
        if let Some(place) = shared_as {
            named.extend_from_slice(&place.agreement.0);
            named.extend_from_slice(&place.reference.0);
        }
        named.extend_from_slice(id.as_bytes());
        RecordMark(self.vault.tag("tombstone record", &named))
    }

    /// Names a record to this agency alone.
    pub(crate) fn mark_of(&self, id: &str) -> RecordMark {
        RecordMark(self.vault.tag("erased record", id.as_bytes()))
    }

    /// Erases one record; gives the matches that ended, or nothing if there is no such record. Whoever
    /// calls has seen that it is under no legal hold, and holds the work lock.
    pub(crate) fn erase_record(
        &self,
        id: &str,
        class: ReasonClass,
        crossed: &mut Crossed,
    ) -> Result<Option<u64>, NodeError> {
        let id = id.to_owned();
        let Some(mut stored) = self.tables.records.get(&id)? else {
            return Ok(None);
        };
        let end = match self.tables.erasing.get(&id)? {
            Some(begun) => begun,
            None => self.end_now(class),
        };
        self.tables.erasing.put(&id, &end)?;
        // A silent record was shared with nobody who knows it.
        let known = if self.is_silent(&id)? {
            Vec::new()
        } else {
            stored.references.iter().map(|(l, r)| (*l, *r)).collect()
        };
        self.tell_end(&id, end, Some(known))?;
        self.vault.flush()?;
        // Withdrawals first: a crash in between withdraws a record that is still listed, which the mark
        // completes; the other way round would leave rows at the hub that nobody knows.
        let mark = self.mark_of(&id).to_string();
        for handle in &stored.rows {
            self.tables.withdrawals.put(handle, &())?;
        }
        let gone = stored.rows.iter().map(|handle| (*handle, ()));
        self.tables.rows.change_each(gone, |row, _, ()| {
            row.record_id = Some(mark.clone());
            (row.input, row.root) = (None, None);
            false
        })?;
        self.tables.rows.forget_spare(self.block_of_record(&id))?;
        self.forget_questions_of(&id)?;
        let ended = self.end_matches_of(&id)?;
        self.forget_comparisons_of(&id)?;
        self.count_keys(&stored.keys, &[], crossed)?;
        self.forget_keys(stored.keys.iter().map(|(_, tag)| *tag).collect())?;
        self.forget_disclosures_of(|case| case.record_id == id)?;
        self.forget_parcels_of(|case| case.record_id == id)?;
        self.forget_cases_of(&id)?;
        self.forget_met(&id)?;
        self.tables.openings.remove(&id)?;
        for reference in stored.references.values() {
            self.tables.reference_owners.remove(reference)?;
        }
        // Without its ledger it must not be shared again, should a kill come in between.
        stored.agreements.clear();
        self.tables.records.put(&id, &stored)?;
        self.forget_beside(&id)?;
        self.tables.missing.remove(&id)?;
        self.tables.comparison_records.remove(&id)?;
        self.tables.records.remove(&id)?;
        self.vault.flush()?;
        self.tables.erasing.remove(&id)?;
        Ok(Some(ended))
    }

    fn forget_comparisons_of(&self, id: &str) -> Result<(), NodeError> {
        let compared = self
            .tables
            .comparisons
            .iter()
            .map(|e| e.map(|(key, _)| key));
        let due = self
            .tables
            .comparison_due
            .iter()
            .map(|e| e.map(|(key, _)| key));
        let keys: BTreeSet<MatchKey> = compared.chain(due).collect::<Result<_, _>>()?;
        for key in keys.into_iter().filter(|key| key.record_id == id) {
            self.forget_comparison(&key)?;
            self.tables.comparison_due.remove(&key)?;
        }
        Ok(())
    }

    /// Roots and marks of keys that no record holds any more.
    fn forget_keys(&self, tags: BTreeSet<KeyTag>) -> Result<(), NodeError> {
        let epochs = self.row_epochs()?;
        for tag in tags {
            if self.counted(|tally| tally.of(&tag))? > 0 {
                continue;
            }
            for epoch in &epochs {
                self.tables.roots.remove(&(*epoch, tag))?;
            }
            self.tables.common.remove(&tag)?;
        }
        Ok(())
    }

    /// After a kill during an erasure: finishes it. What then waits goes on by itself.
    pub(crate) fn finish_interrupted_erasures(&self) -> Result<(), NodeError> {
        let begun = self.tables.erasing.iter();
        let begun: Vec<(String, StoredEnd)> = begun.collect::<Result<_, _>>()?;
        if begun.is_empty() {
            return Ok(());
        }
        // The kill may have come before or after the keys were counted.
        self.recount_keys()?;
        self.change_records(|crossed| {
            for (id, end) in &begun {
                if self.erase_record(id, end.reason, crossed)?.is_none() {
                    self.tables.erasing.remove(id)?;
                }
            }
            Ok(())
        })?;
        tracing::info!(records = begun.len(), "an interrupted erasure was finished");
        Ok(())
    }

    /// What ends now.
    pub(crate) fn end_now(&self, reason: ReasonClass) -> StoredEnd {
        StoredEnd {
            reason,
            at: self.clock.now(),
            roster: self.membership(|m| m.roster.length),
        }
    }

    /// Tables of the vault in which a text stands, for whoever wants to see that it stands nowhere.
    pub fn held_in(&self, text: &str) -> Result<BTreeSet<String>, NodeError> {
        self.vault.tables_with(text.as_bytes())
    }
}
