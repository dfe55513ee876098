//! As what a record is shared, and until when: open or silent, and the last month under each agreement.
//!
//! An agreement says for how many months a row may lie at the hub. The clock of a record starts when it is
//! first shared under the agreement and goes on through new keys and new rows; only what the agency says
//! anew (a changed record, a review that keeps it) starts it again. When the month is over, the hub
//! deletes the rows and so does this node, which does not send them again, unless three things hold: the
//! agreement is in force and the record still takes part in it, the record has a retention of its own
//! whose end is ahead, and no review of it is overdue.
//!
//! A row is open or silent for good. A record that changes from one to the other gets other rows with
//! other references, and to the others that is what a withdrawal is.

use std::collections::BTreeSet;

use symbolon_casework::dossier::{Dossier, Level};
use symbolon_casework::retention;
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::agreement::Document;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::payload::RecordReference;
use symbolon_core::row::{ExpiryMonth, Handle};

use crate::casework::Part;
use crate::error::NodeError;
use crate::membership::ServedEpoch;
use crate::node::Node;
use crate::records::Audience;
use crate::tables::{MatchKey, StoredRecord, StoredRow, StoredTold};

/// Agreements whose clock was started for a record.
#[derive(Default)]
pub(crate) struct Dated {
    /// For the first time.
    first: bool,
    /// Once more, after its time was over: rows are made anew.
    pub again: BTreeSet<Digest>,
}

impl Dated {
    pub fn is_empty(&self) -> bool {
        !self.first && self.again.is_empty()
    }
}

impl Node {
    /// Whether the owner only is told of what a record meets.
    pub(crate) fn is_silent(&self, record_id: &str) -> Result<bool, NodeError> {
        Ok(self.dossier(record_id)?.level == Level::Silent)
    }

    pub(crate) fn present_month(&self) -> ExpiryMonth {
        ExpiryMonth::of(self.clock.now())
    }

    /// The last month of what is shared now under an agreement.
    pub(crate) fn last_month(&self, document: &Document) -> ExpiryMonth {
        self.present_month().plus(document.retention_months)
    }

    /// The last month of a row: that of its record, within what the agreement allows now.
    pub(crate) fn row_expiry(&self, until: Option<u32>, served: &ServedEpoch) -> ExpiryMonth {
        let most = self.last_month(&served.document);
        let until = until.map_or(most, ExpiryMonth);
        until.clamp(self.present_month(), most)
    }

    /// Whether a record's time under an agreement is over.
    pub(crate) fn is_over(&self, stored: &StoredRecord, agreement: &Digest) -> bool {
        let until = stored.shared_until.get(agreement);
        until.is_some_and(|month| ExpiryMonth(*month) < self.present_month())
    }

    /// Whether a row's time is over.
    pub(crate) fn row_is_over(&self, row: &StoredRow) -> Result<bool, NodeError> {
        let Some(id) = &row.record_id else {
            return Ok(false);
        };
        let stored = self.tables.records.get(id)?;
        Ok(stored.is_some_and(|stored| self.is_over(&stored, &row.agreement)))
    }

    /// Starts the clock of a record under agreements new to it, and again where it may be renewed.
    pub(crate) fn date_sharing(
        &self,
        (dossier, part): (&Dossier, &Part),
        stored: &mut StoredRecord,
        audiences: &[Audience],
    ) -> Dated {
        let mut dated = Dated::default();
        for audience in audiences {
            if !part.agreements.contains(&audience.id) {
                continue;
            }
            let line = audience.agreement;
            let over = self.is_over(stored, &line);
            if over && retention::may_renew(&dossier.retention, self.clock.now()) {
                dated.again.insert(line);
            } else if stored.shared_until.contains_key(&line) {
                continue;
            } else {
                dated.first = true;
            }
            stored.shared_until.insert(line, audience.last_month.0);
        }
        dated
    }

    /// Takes note that rows of the other kind go: the record gets other references, and whoever was told
    /// of it as an open one is told that this is over.
    pub(crate) fn note_level(
        &self,
        id: &str,
        silent: bool,
        unwanted: &[Handle],
        stored: &mut StoredRecord,
    ) -> Result<(), NodeError> {
        let mut changed = false;
        for handle in unwanted {
            let row = self.tables.rows.get(handle)?;
            changed |= row.is_some_and(|row| row.silent != silent);
        }
        if !changed {
            return Ok(());
        }
        if silent {
            self.tell_end(id, self.end_now(ReasonClass::Withdrawn), None)?;
        }
        for reference in stored.references.values() {
            self.tables.reference_owners.remove(reference)?;
        }
        stored.references.clear();
        Ok(())
    }

    /// Keeps who was told of a record and as what, for when it ends.
    pub(crate) fn note_told(&self, key: &MatchKey, silent: bool) -> Result<(), NodeError> {
        if silent {
            return Ok(());
        }
        let record = self.tables.records.get(&key.record_id)?;
        let own = record.and_then(|record| record.references.get(&key.agreement).copied());
        let place = (key.record_id.clone(), key.agency.clone(), key.agreement);
        let before = self.tables.told.get(&place)?;
        let mut told = before.clone().unwrap_or_default();
        told.ours.extend(own);
        told.theirs.insert(key.reference);
        if before.as_ref() != Some(&told) {
            self.tables.told.put(&place, &told)?;
        }
        Ok(())
    }

    /// Keeps which own records met another agency's record, for when that one ends.
    pub(crate) fn note_met(&self, key: &MatchKey) -> Result<(), NodeError> {
        let place = (key.agency.clone(), key.agreement, key.reference);
        let mut records = self.tables.met.get(&place)?.unwrap_or_default();
        if records.insert(key.record_id.clone()) {
            self.tables.met.put(&place, &records)?;
        }
        Ok(())
    }

    /// Keeps that a query found another agency's record: whoever asked hears when it ends. That it cannot be
    /// written down is no reason to keep back what was found.
    pub(crate) fn note_asked(
        &self,
        agency: &AgencyName,
        agreement: Digest,
        reference: RecordReference,
    ) {
        let place = (agency.clone(), agreement, reference);
        let noted = match self.tables.met.contains(&place) {
            Ok(true) => Ok(()),
            Ok(false) => self.tables.met.put(&place, &BTreeSet::new()),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "it was not kept what a query found");
        }
    }

    /// An own record is gone: nothing says any more that it was it that met something. That this agency was
    /// told of the other record stays, or its end would not be heard of.
    pub(crate) fn forget_met(&self, id: &str) -> Result<(), NodeError> {
        for entry in self.tables.met.iter() {
            let (place, mut records) = entry?;
            if records.remove(id) {
                self.tables.met.put(&place, &records)?;
            }
        }
        Ok(())
    }

    /// What others were told of a record.
    pub(crate) fn told_of(&self, id: &str) -> Result<Vec<ToldPlace>, NodeError> {
        let mut found = Vec::new();
        for entry in self.tables.told.iter() {
            let (place, told) = entry?;
            if place.0 == id {
                found.push((place, told));
            }
        }
        Ok(found)
    }
}

/// An entry of what others were told.
pub(crate) type ToldPlace = ((String, AgencyName, Digest), StoredTold);
