//! One record with its dossier.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::Dossier;
use symbolon_core::linkage::record::Record;

use super::command::RecordCommand;
use super::json;
use crate::error::NodeError;
use crate::node::Node;

/// Everything about one record.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecordDetail {
    /// The record as it was written.
    pub record: Record,
    /// What is kept beside it.
    pub dossier: Dossier,
    /// Agreements that it takes part in.
    pub agreements: Vec<String>,
}

impl Node {
    pub(super) fn record_command(
        &self,
        acting: &Acting,
        command: RecordCommand,
    ) -> Result<Value, NodeError> {
        match command {
            RecordCommand::Show { record_id } => json(self.record_detail(acting, &record_id)?),
        }
    }

    /// Everything about one record; the look at it is written down.
    pub(crate) fn record_detail(
        &self,
        acting: &Acting,
        record_id: &str,
    ) -> Result<RecordDetail, NodeError> {
        acting.may(Permission::Consult)?;
        let Some(stored) = self.tables.records.get(&record_id.to_owned())? else {
            return Err(NodeError::Request(format!(
                "there is no record {record_id}; `symbolon-node records` lists them"
            )));
        };
        let (dossier, part) = (self.dossier(record_id)?, self.part(&stored)?);
        self.write_down(
            AuditEvent::by(acting, AuditKind::Consultation, "record shown").record(record_id),
        )?;
        Ok(RecordDetail {
            record: stored.record,
            dossier,
            agreements: part.agreements.iter().map(ToString::to_string).collect(),
        })
    }

    /// What is kept beside a record; the closed default where nothing was said yet.
    pub(crate) fn dossier(&self, record_id: &str) -> Result<Dossier, NodeError> {
        let stored = self.tables.dossiers.get(&record_id.to_owned())?;
        Ok(stored.unwrap_or_default())
    }
}
