//! The one way in which a record is changed, by a person or by a file.
//!
//! Order of writes: the mark that a change is under way, the version, whoever is linked with it, the
//! dossier, the record, its rows. A kill in between leaves a version too many at worst; the mark makes
//! the next start count keys anew and bring rows in line.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::Acting;
use symbolon_casework::htcds::forget_changed;
use symbolon_casework::link::LinkEnd;
use symbolon_casework::merge::Merged;
use symbolon_casework::state::RecordState;
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Record;

use super::StoredVersion;
use crate::error::NodeError;
use crate::node::Node;
use crate::records::Crossed;
use crate::tables::StoredRecord;

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// The record.
    pub record_id: String,
    /// Its version now; the one that it had before if nothing changed.
    pub version: u64,
    /// Fields that changed; empty if everything was so already.
    pub fields: Vec<String>,
    /// Values that make no key: column and why.
    pub unused: Vec<(String, String)>,
    /// Agreements that it takes part in.
    pub agreements: Vec<String>,
    /// Of these, the ones that it is kept out of for want of consent.
    pub without_consent: Vec<String>,
    /// Rows that wait to be registered or withdrawn; a serving node sends them by itself.
    pub waiting: u64,
}

/// A change to be stored.
pub(super) struct Change<'a> {
    /// Who, unless it was a file or the node itself.
    pub acting: Option<&'a Acting>,
    /// What was done, a fixed phrase.
    pub act: &'static str,
    pub before: Option<RecordState>,
    pub after: RecordState,
    /// As the last file had it, where it differs now.
    pub as_imported: Option<Record>,
}

impl Node {
    /// Runs a change of records, whose rows then go by themselves. What it finds wrong with the request it has
    /// to find before it begins.
    pub(super) fn changing<T>(
        &self,
        change: impl FnOnce(&mut Crossed) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let outcome = self.change_records(change)?;
        self.work_waits.notify_one();
        Ok(outcome)
    }

    /// Stores one change and brings the record's rows in line; gives the fields that changed.
    pub(super) fn store_change(
        &self,
        change: Change<'_>,
        crossed: &mut Crossed,
    ) -> Result<Vec<String>, NodeError> {
        let id = change.after.record.record_id.clone();
        let fields = self.store_version(&change)?;
        let Change {
            before,
            after,
            as_imported,
            ..
        } = change;
        let had_links = before.as_ref().map(record_links).unwrap_or_default();
        self.note_links(&id, &had_links, &record_links(&after))?;
        let old = before.as_ref();
        if old.is_none_or(|old| old.dossier != after.dossier) {
            self.tables.dossiers.put(&id, &after.dossier)?;
        }
        let same =
            old.is_some_and(|old| old.record == after.record && old.agreements == after.agreements);
        if same {
            self.keep_as_imported(&id, as_imported)?;
        } else {
            self.put_record(after.record, as_imported, after.agreements, Some(crossed))?;
        }
        // Consent and level change rows too.
        if old.is_some_and(|old| old.dossier.consents != after.dossier.consents) {
            self.consent_changed(&id)?;
        }
        self.reconcile(&id, &self.audiences())?;
        Ok(fields)
    }

    /// Keeps what the last file said of a record that itself stays.
    pub(crate) fn keep_as_imported(
        &self,
        record_id: &str,
        as_imported: Option<Record>,
    ) -> Result<(), NodeError> {
        let id = record_id.to_owned();
        match self.tables.records.get(&id)? {
            Some(stored) if stored.as_imported != as_imported => {
                let stored = StoredRecord {
                    as_imported,
                    ..stored
                };
                self.tables.records.put(&id, &stored)
            }
            _ => Ok(()),
        }
    }

    /// A row of a file over a record that is there. The import has counted its keys and brings its rows in
    /// line.
    pub(crate) fn import_over(
        &self,
        acting: &Acting,
        old: &StoredRecord,
        merged: Merged,
        agreements: Vec<Name>,
    ) -> Result<(), NodeError> {
        let before = self.state_of(old)?;
        let mut dossier = before.dossier.clone();
        forget_changed(&mut dossier, &before.record, &merged.record);
        let after = RecordState {
            record: merged.record,
            dossier,
            agreements,
        };
        let change = Change {
            acting: Some(acting),
            act: "imported",
            before: Some(before),
            after,
            as_imported: merged.as_imported,
        };
        self.store_version(&change)?;
        let after = change.after;
        if change
            .before
            .is_some_and(|before| before.dossier != after.dossier)
        {
            let id = after.record.record_id.clone();
            self.tables.dossiers.put(&id, &after.dossier)?;
        }
        self.put_record(after.record, change.as_imported, after.agreements, None)
    }

    /// Keeps the state before a change; gives the fields that change.
    fn store_version(&self, change: &Change<'_>) -> Result<Vec<String>, NodeError> {
        let id = &change.after.record.record_id;
        let fields: Vec<String> = match &change.before {
            Some(before) => {
                let changes = before.changes_to(&change.after).into_iter();
                changes.map(|change| change.field).collect()
            }
            None => change.after.fields().into_keys().collect(),
        };
        let since = match self.tables.records.get(id)? {
            Some(stored) => stored.imported_at,
            None => self.clock.now(),
        };
        let version = StoredVersion {
            at: self.clock.now(),
            since,
            by: change.acting.map(|acting| acting.who.clone()),
            act: change.act.to_owned(),
            purpose: change.acting.and_then(|acting| acting.purpose.clone()),
            reason: change.acting.and_then(|acting| acting.reason.clone()),
            fields: fields.clone(),
            before: change.before.clone(),
        };
        let number = match change.before {
            Some(_) => self.latest_version(id)? + 1,
            None => 1,
        };
        self.tables.versions.put(&(id.clone(), number), &version)?;
        Ok(fields)
    }

    /// What a change is reported as.
    pub(super) fn change_report(
        &self,
        record_id: &str,
        fields: Vec<String>,
    ) -> Result<ChangeReport, NodeError> {
        let stored = self.kept_record(record_id)?;
        let audiences = self.audiences();
        let without = self.without_consent(&stored, &audiences)?;
        let unused = stored.record.validate().into_iter();
        Ok(ChangeReport {
            record_id: record_id.to_owned(),
            version: self.latest_version(record_id)?,
            fields,
            unused: unused
                .map(|issue| (issue.column.to_owned(), issue.reason.to_string()))
                .collect(),
            agreements: stored.agreements.iter().map(Name::to_string).collect(),
            without_consent: without.into_iter().map(Name::to_string).collect(),
            waiting: self.waiting_rows()?,
        })
    }

    /// Forgets what is kept beside a record that is being deleted: its earlier versions, its dossier, and
    /// links of other records that name it.
    pub(crate) fn forget_beside(&self, record_id: &str) -> Result<(), NodeError> {
        let id = record_id.to_owned();
        // From the last: the latest is found by walking up from the first.
        for number in (1..=self.latest_version(record_id)?).rev() {
            self.tables.versions.remove(&(id.clone(), number))?;
        }
        for source in self.tables.links_to.get(&id)?.unwrap_or_default() {
            let mut dossier = self.dossier(&source)?;
            dossier
                .links
                .retain(|link| link.to != LinkEnd::Record(id.clone()));
            self.tables.dossiers.put(&source, &dossier)?;
        }
        self.tables.links_to.remove(&id)?;
        let targets: BTreeSet<String> = linked_records(&self.dossier(record_id)?.links);
        self.note_links(record_id, &targets, &BTreeSet::new())?;
        self.tables.dossiers.remove(&id)
    }
}

fn record_links(state: &RecordState) -> BTreeSet<String> {
    linked_records(&state.dossier.links)
}

/// Records that links name.
pub(super) fn linked_records(links: &[symbolon_casework::link::Link]) -> BTreeSet<String> {
    let ends = links.iter().filter_map(|link| match &link.to {
        LinkEnd::Record(id) => Some(id.clone()),
        LinkEnd::Words(_) => None,
    });
    ends.collect()
}
