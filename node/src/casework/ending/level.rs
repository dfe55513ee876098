//! What a match tells of a record, and consent that was taken back.

use symbolon_casework::acting::Acting;
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::Level;
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;

use super::retention::RetentionLine;
use crate::error::NodeError;
use crate::node::Node;

impl Node {
    /// Changes the level of a record; its rows are made anew where that changes whether they are silent.
    pub(super) fn change_level(
        &self,
        acting: &Acting,
        record_id: &str,
        level: Level,
    ) -> Result<RetentionLine, NodeError> {
        self.change_dossier(acting, record_id, "level set", |dossier| {
            dossier.level = level
        })
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
