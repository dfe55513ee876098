//! What a match tells of a record, and consent that was taken back.

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::{Dossier, Level};
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;

use super::retention::RetentionLine;
use crate::error::NodeError;
use crate::import::IMPORTING;
use crate::node::Node;

impl Node {
    /// Changes the level of a record; its rows are made anew where that changes whether they are silent.
    pub(super) fn change_level(
        &self,
        acting: &Acting,
        record_id: &str,
        level: Level,
    ) -> Result<RetentionLine, NodeError> {
        acting.may(Permission::KeepRecords)?;
        self.must_be_held_here(record_id)?;
        let mut dossier = self.dossier(record_id)?;
        dossier.level = level;
        self.keep_dossier(record_id, &dossier)?;
        let what = format!("level set to {level}");
        self.write_down(AuditEvent::by(acting, AuditKind::Alteration, &what).record(record_id))?;
        self.retention_line(record_id, &dossier)
    }

    /// Keeps what lies beside a record and brings its rows in line with it. Whoever changes the level or the
    /// retention of a record does it here, and holds the work lock.
    pub(crate) fn keep_dossier(&self, record_id: &str, dossier: &Dossier) -> Result<(), NodeError> {
        let id = record_id.to_owned();
        // A kill in between must not leave an open row of a record that is silent now.
        self.tables.numbers.put(&IMPORTING.to_owned(), &1)?;
        self.vault.flush()?;
        self.tables.dossiers.put(&id, dossier)?;
        self.reconcile(&id, &self.audiences())?;
        self.tables.numbers.remove(&IMPORTING.to_owned())?;
        self.vault.flush()?;
        self.work_waits.notify_one();
        Ok(())
    }

    /// Looks at the consent ledger of a record, once a line was added. An agreement one of whose purposes,
    /// or whose id, is a purpose that consent was taken back for is one that the record leaves: its rows
    /// there go, matches end on both sides, and whoever was told of it is told. Gives the agreements that it
    /// left. The record itself stays: whether to erase it is another decision. The caller holds the work
    /// lock.
    pub fn consent_changed(&self, record_id: &str) -> Result<Vec<Name>, NodeError> {
        let id = record_id.to_owned();
        let Some(mut stored) = self.tables.records.get(&id)? else {
            return Ok(Vec::new());
        };
        let dossier = self.dossier(&id)?;
        let silent = dossier.level == Level::Silent;
        // While a person is missing the watch stands: it rests on another duty.
        let file = self.tables.missing.get(&id)?;
        let watch = file.as_ref().and_then(|file| file.watch());
        let watched: Vec<Name> = watch
            .map(|watch| watch.agreements.to_vec())
            .unwrap_or_default();
        let left: Vec<Name> = self.membership(|m| {
            let documents = m.agreements.values().map(|a| &a.standing.document);
            let theirs =
                documents.filter(|d| stored.agreements.contains(&d.id) && !watched.contains(&d.id));
            let over = theirs.filter(|document| {
                let mut purposes = document.purposes.iter().map(String::as_str);
                dossier.withdrew_consent_to(document.id.as_str())
                    || purposes.any(|purpose| dossier.withdrew_consent_to(purpose))
            });
            over.map(|document| document.id.clone()).collect()
        });
        for name in &left {
            let line = self.membership(|m| {
                let mut known = m.agreements.values().map(|a| &a.standing.document);
                known.find(|d| d.id == *name).map(|d| d.line())
            });
            let Some(line) = line else { continue };
            if !silent {
                self.tell_end_under(&id, self.end_now(ReasonClass::Consent), &line)?;
            }
            if let Some(reference) = stored.references.remove(&line) {
                self.tables.reference_owners.remove(&reference)?;
            }
            stored.shared_until.remove(&line);
        }
        if left.is_empty() {
            return Ok(left);
        }
        stored.agreements.retain(|name| !left.contains(name));
        self.tables.records.put(&id, &stored)?;
        self.reconcile(&id, &self.audiences())?;
        let event =
            AuditEvent::of_the_node(AuditKind::Erasure, "sharing ended, consent taken back");
        self.write_down(event.record(&id))?;
        self.vault.flush()?;
        self.work_waits.notify_one();
        Ok(left)
    }
}
