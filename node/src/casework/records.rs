//! Records one at a time: what a person keeps, changes and looks at.
//!
//! Every change makes a version: the state before it stays in the vault until the record is erased. A
//! change derives the record's keys anew and brings its rows at the hub in line, as an import does.
//!
//! | Module | |
//! |---|---|
//! | `change` | the one way in which a record is changed; what is forgotten with it |
//! | `command` | what can be asked |
//! | `consent` | the consent ledger |
//! | `edit` | adding and editing |
//! | `history` | earlier versions |
//! | `htcds` | files of the Human Trafficking Case Data Standard |
//! | `links` | what a record is linked with |

mod change;
mod command;
mod consent;
mod edit;
mod history;
mod htcds;
mod links;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::dossier::Dossier;
use symbolon_casework::state::RecordState;
use symbolon_core::linkage::record::Record;

use super::json;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::StoredRecord;

pub use change::ChangeReport;
pub use command::{ConsentLine, HtcdsOptions, NewLink, RecordCommand};
pub use history::{HistoryReport, StoredVersion, VersionLine};
pub use htcds::{HtcdsExport, HtcdsReport};

/// Everything about one record.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecordDetail {
    /// The record as it was written.
    pub record: Record,
    /// What is kept beside it.
    pub dossier: Dossier,
    /// Agreements that it takes part in.
    pub agreements: Vec<String>,
    /// Of these, the ones that it is kept out of for want of consent.
    #[serde(default)]
    pub without_consent: Vec<String>,
    /// Records whose links name it.
    #[serde(default)]
    pub linked_from: Vec<String>,
}

impl Node {
    /// Carries out what a person asked for about records, off the asynchronous threads: deriving the keys
    /// of a file takes a while.
    pub(super) async fn record_command(
        self: &Arc<Self>,
        acting: Acting,
        command: RecordCommand,
    ) -> Result<Value, NodeError> {
        let node = Arc::clone(self);
        crate::oracle::blocking(move || node.on_records(&acting, command)).await?
    }

    fn on_records(&self, acting: &Acting, command: RecordCommand) -> Result<Value, NodeError> {
        match command {
            RecordCommand::Show { record_id } => json(self.record_detail(acting, &record_id)?),
            RecordCommand::Add { record_id, edit } => {
                json(self.add_record(acting, &record_id, &edit)?)
            }
            RecordCommand::Edit { record_id, edit } => {
                json(self.edit_record(acting, &record_id, &edit)?)
            }
            RecordCommand::History {
                record_id,
                show_values,
            } => json(self.record_history(acting, &record_id, show_values)?),
            RecordCommand::Consent { record_id, line } => {
                json(self.note_consent(acting, &record_id, line)?)
            }
            RecordCommand::Link { record_id, link } => {
                json(self.link_record(acting, &record_id, link)?)
            }
            RecordCommand::Unlink { record_id, number } => {
                json(self.unlink_record(acting, &record_id, number)?)
            }
            RecordCommand::ImportHtcds(options) => json(self.import_htcds(acting, &options)?),
            RecordCommand::ExportHtcds { format, record_ids } => {
                json(self.export_htcds(acting, format, &record_ids)?)
            }
        }
    }

    /// Everything about one record; the look at it is written down.
    pub(crate) fn record_detail(
        &self,
        acting: &Acting,
        record_id: &str,
    ) -> Result<RecordDetail, NodeError> {
        acting.may(Permission::Consult)?;
        let stored = self.kept_record(record_id)?;
        let audiences = self.audiences();
        let without_consent = self.without_consent(&stored, &audiences)?;
        let without_consent = without_consent.iter().map(ToString::to_string).collect();
        let state = self.state_of(&stored)?;
        let linked_from = self.linked_from(record_id)?;
        self.write_down(
            AuditEvent::by(acting, AuditKind::Consultation, "record shown").record(record_id),
        )?;
        Ok(RecordDetail {
            record: state.record,
            dossier: state.dossier,
            agreements: state.agreements.iter().map(ToString::to_string).collect(),
            without_consent,
            linked_from,
        })
    }

    /// What is kept beside a record; the closed default where nothing was said yet.
    pub(crate) fn dossier(&self, record_id: &str) -> Result<Dossier, NodeError> {
        let stored = self.tables.dossiers.get(&record_id.to_owned())?;
        Ok(stored.unwrap_or_default())
    }

    pub(super) fn kept_record(&self, record_id: &str) -> Result<StoredRecord, NodeError> {
        let stored = self.tables.records.get(&record_id.to_owned())?;
        stored.ok_or_else(|| {
            NodeError::Request(format!(
                "there is no record {record_id}; `symbolon-node records` lists them"
            ))
        })
    }

    pub(crate) fn state_of(&self, stored: &StoredRecord) -> Result<RecordState, NodeError> {
        Ok(RecordState {
            record: stored.record.clone(),
            dossier: self.dossier(&stored.record.record_id)?,
            agreements: stored.agreements.clone(),
        })
    }
}

/// Every change says why.
fn with_reason(acting: &Acting) -> Result<(), NodeError> {
    if acting.reason.is_some() {
        return Ok(());
    }
    Err(NodeError::Request(
        "say why with --reason TEXT, without names; it stands in the record's history".to_owned(),
    ))
}
