//! Casework at the node: what people do about records and matches.
//!
//! The rules are in the crate `symbolon-casework`; here they meet vault and letters. Each room takes an
//! [`Acting`], asks it for the permission, writes down what was done before it answers, and gives
//! plain data back. The command line is one user of these services; a console can be another.
//!
//! | Module | Room |
//! |---|---|
//! | `accounts`, `sessions` | accounts of this agency's people, signing in and out |
//! | `acting` | who acts: the one check before every command |
//! | `audit` | what is written down, chained |
//! | `cases` | matches that people work on, and the queue |
//! | `command` | what can be asked |
//! | `counterpart` | with whom a case is |
//! | `disclosure` | what is asked, released, refused, received |
//! | `parcels` | attachments |
//! | `records` | records one at a time: edits, history, consent, links, HTCDS |
//! | `missing` | who is missing, and the interview on return |
//! | `network` | what joins records |
//! | `watch` | how a record takes part while its person is missing |
//! | `export` | the log outside of the node |
//! | `ending` | retention, erasure, what is silent |

mod accounts;
mod acting;
mod audit;
mod cases;
pub mod command;
mod counterpart;
mod disclosure;
mod ending;
mod export;
mod missing;
mod network;
mod parcels;
mod records;
mod sessions;
mod watch;

use std::sync::Arc;

use serde_json::Value;
use symbolon_casework::acting::Acting;

use crate::error::NodeError;
use crate::node::Node;
use command::{AuditCommand, CaseworkCommand};

pub use accounts::AccountView;
pub(crate) use audit::AuditLog;
pub use audit::{AuditLine, AuditVerified};
pub use cases::{
    CaseCommand, CaseDetail, CaseLetter, CaseView, QueueEntry, QueueFilter, SaidView, StoredCase,
};
pub use disclosure::{
    DisclosureCommand, DisclosureLetter, DisclosureView, FieldView, ReceivedKey, ReceivedView,
    RequestKey, StoredAsked, StoredReceived, StoredRequest,
};
pub use ending::*;
pub use export::{ExportEnd, ExportLine, ExportVerified, verify_export};
pub use missing::{
    EpisodeView, HistoryView, InterviewView, MissingDetail, MissingReport, MissingView,
};
pub(crate) use parcels::Parcels;
pub use parcels::{
    AttachmentCommand, AttachmentView, ChunkKey, ParcelLetter, SavedAttachment, StoredIncoming,
    StoredOutgoing,
};
pub use records::{
    ChangeReport, HistoryReport, HtcdsExport, HtcdsReport, RecordDetail, StoredVersion, VersionLine,
};
pub(crate) use sessions::People;
pub use sessions::{LoginReport, WhoamiReport};
pub(crate) use watch::Part;

impl Node {
    /// Carries out what somebody who is known asked for in casework: the command line through the
    /// handler, or a console.
    pub async fn act(
        self: &Arc<Self>,
        acting: &Acting,
        command: CaseworkCommand,
    ) -> Result<Value, NodeError> {
        let work = self.work.lock().await;
        match command {
            CaseworkCommand::Case(command) => self.case_command(acting, command),
            CaseworkCommand::Attachment(command) => self.attachment_command(acting, command),
            CaseworkCommand::Disclosure(command) => self.disclosure_command(acting, command),
            CaseworkCommand::Record(command) => self.record_command(acting.clone(), command).await,
            CaseworkCommand::Network(command) => self.network_command(acting, command),
            // It sends, and lets others work meanwhile.
            CaseworkCommand::Missing(command) => self.missing_command(acting, command, work).await,
            CaseworkCommand::Ending(command) => self.ending_command(acting, command).await,
        }
    }

    /// Carries out what a person asked of the audit log.
    pub(crate) async fn audit(
        self: &Arc<Self>,
        acting: &Acting,
        command: AuditCommand,
    ) -> Result<Value, NodeError> {
        // A log of years takes a while to follow.
        let (node, acting) = (Arc::clone(self), acting.clone());
        crate::oracle::blocking(move || node.audit_command(&acting, command)).await?
    }
}

/// A report as the control socket carries it.
fn json<T: serde::Serialize>(report: T) -> Result<Value, NodeError> {
    serde_json::to_value(report).map_err(|_| NodeError::Internal("a report cannot be serialised"))
}
