//! What a match tells of a record, and consent that was taken back.

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::{Dossier, Level};
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;

use super::retention::RetentionLine;
use crate::clock::DAY_S;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::StoredOpening;

/// A second person has so long to agree to the opening of a silent record, in seconds.
const OPENING_S: i64 = 7 * DAY_S;

impl Node {
    /// Changes the level of a record; its rows are made anew where that changes whether they are silent. Two
    /// people open a silent one: what it was silent about leaves with that.
    pub(super) fn change_level(
        &self,
        acting: &Acting,
        record_id: &str,
        level: Level,
    ) -> Result<RetentionLine, NodeError> {
        let id = record_id.to_owned();
        acting.may(Permission::KeepRecords)?;
        self.kept_record(record_id)?;
        if self.opens(&self.dossier(&id)?, level) && !self.second_agrees(acting, &id, level)? {
            let mut line = self.retention_line(record_id, &self.dossier(&id)?)?;
            line.waits = Some(format!("a second person, a supervisor, for level {level}"));
            return Ok(line);
        }
        self.tables.openings.remove(&id)?;
        self.change_dossier(acting, record_id, "level set", |dossier| {
            dossier.level = level
        })
    }

    /// Whether a change of level opens a silent record. As long as there is no account everything is one
    /// person's.
    pub(in crate::casework) fn opens(&self, before: &Dossier, after: Level) -> bool {
        before.level == Level::Silent && after != Level::Silent && !self.tables.accounts.is_empty()
    }

    /// Whether somebody else has said the same within a week; if not, this is what was said.
    fn second_agrees(&self, acting: &Acting, id: &String, level: Level) -> Result<bool, NodeError> {
        super::reason(acting)?;
        let now = self.clock.now();
        if let Some(first) = self.tables.openings.get(id)?
            && first.to == level
            && now.saturating_sub(first.at) < OPENING_S
            && first.by != acting.who
        {
            acting.may(Permission::CountersignDisclosure)?;
            return Ok(true);
        }
        let what = "opening of a silent record proposed";
        self.write_down(AuditEvent::by(acting, AuditKind::Alteration, what).record(id))?;
        let opening = StoredOpening {
            by: acting.who.clone(),
            to: level,
            at: now,
        };
        self.tables.openings.put(id, &opening)?;
        self.vault.flush()?;
        Ok(false)
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
