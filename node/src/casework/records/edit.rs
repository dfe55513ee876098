//! Adding and editing a record by hand.

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::Dossier;
use symbolon_casework::edit::RecordEdit;
use symbolon_casework::htcds::forget_changed;
use symbolon_casework::state::RecordState;
use symbolon_core::linkage::record::Record;

use super::change::{Change, ChangeReport};
use super::with_reason;
use crate::csv_file::MAX_RECORD_ID_BYTES;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::StoredRecord;

impl Node {
    /// Adds a record. It takes part in what the edit names, else in the node's default agreements.
    pub(crate) fn add_record(
        &self,
        acting: &Acting,
        record_id: &str,
        edit: &RecordEdit,
    ) -> Result<ChangeReport, NodeError> {
        self.config.role.refuse_records()?;
        acting.may(Permission::KeepRecords)?;
        with_reason(acting)?;
        let id = checked_id(record_id)?;
        if self.tables.records.contains(&id)? {
            return Err(NodeError::Request(format!(
                "there is a record {id} already; change it with `record edit`"
            )));
        }
        let nothing = RecordState {
            record: Record {
                record_id: id.clone(),
                ..Record::default()
            },
            dossier: Dossier::default(),
            agreements: self.agreements_to_keep(None, None),
        };
        let after = self.apply(edit, &nothing)?;
        let change = Change {
            acting: Some(acting),
            act: "added",
            before: None,
            after,
            as_imported: None,
        };
        let fields = self.changing(|crossed| self.store_change(change, crossed))?;
        let event = AuditEvent::by(acting, AuditKind::Collection, "record added");
        let names = fields.iter().map(String::as_str);
        self.write_down(event.record(&id).fields(names))?;
        self.change_report(&id, fields)
    }

    /// Changes a record.
    pub(crate) fn edit_record(
        &self,
        acting: &Acting,
        record_id: &str,
        edit: &RecordEdit,
    ) -> Result<ChangeReport, NodeError> {
        acting.may(Permission::KeepRecords)?;
        with_reason(acting)?;
        let stored = self.kept_record(record_id)?;
        let before = self.state_of(&stored)?;
        let after = self.apply(edit, &before)?;
        if self.opens(&before.dossier, after.dossier.level) {
            return Err(NodeError::Request(format!(
                "nothing was changed: two people open a silent record, each with `symbolon-node level {record_id} {}`",
                after.dossier.level
            )));
        }
        self.change_by_hand(acting, "edited", &stored, (before, after))
    }

    fn apply(&self, edit: &RecordEdit, before: &RecordState) -> Result<RecordState, NodeError> {
        for agreement in edit.agreements.iter().flatten() {
            // It must be one that this node has seen at the hub.
            self.agreement(Some(agreement.as_str()))?;
        }
        let applied = edit.apply(before);
        let mut after =
            applied.map_err(|error| NodeError::Request(format!("nothing was changed: {error}")))?;
        forget_changed(&mut after.dossier, &before.record, &after.record);
        Ok(after)
    }

    /// Stores what a person changed, if anything is different; writes it down.
    pub(in crate::casework) fn change_by_hand(
        &self,
        acting: &Acting,
        act: &'static str,
        stored: &StoredRecord,
        (before, after): (RecordState, RecordState),
    ) -> Result<ChangeReport, NodeError> {
        let id = before.record.record_id.clone();
        if before == after {
            return self.change_report(&id, Vec::new());
        }
        let file_had = stored.as_imported.as_ref().unwrap_or(&before.record);
        let as_imported = (*file_had != after.record).then(|| file_had.clone());
        let change = Change {
            acting: Some(acting),
            act,
            before: Some(before),
            after,
            as_imported,
        };
        let fields = self.changing(|crossed| self.store_change(change, crossed))?;
        let event = AuditEvent::by(acting, AuditKind::Alteration, &format!("record {act}"));
        let names = fields.iter().map(String::as_str);
        self.write_down(event.record(&id).fields(names))?;
        self.change_report(&id, fields)
    }
}

/// An id that a record can have.
pub(super) fn checked_id(record_id: &str) -> Result<String, NodeError> {
    let id = record_id.trim();
    if id.is_empty() || id.len() > MAX_RECORD_ID_BYTES || id.chars().any(char::is_control) {
        return Err(NodeError::Request(format!(
            "a record's id is plain text of 1 to {MAX_RECORD_ID_BYTES} bytes"
        )));
    }
    Ok(id.to_owned())
}
