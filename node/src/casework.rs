//! Casework at the node: what people do about records and matches.
//!
//! The rules are in the crate `symbolon-casework`; here they meet vault and letters. Each room takes an
//! [`Acting`], asks it for the permission, writes down what was done before it answers, and gives
//! plain data back. The command line is one user of these services; a console can be another.
//!
//! | Module | Room |
//! |---|---|
//! | `acting` | who acts |
//! | `audit` | what is written down |
//! | `cases` | matches that people work on, and the queue |
//! | `command` | what can be asked |
//! | `counterpart` | with whom a case is |
//! | `disclosure` | what is asked, released, refused, received |
//! | `parcels` | attachments |
//! | `records` | records one at a time: edits, history, consent, links, HTCDS |

mod acting;
mod audit;
mod cases;
pub mod command;
mod counterpart;
mod disclosure;
mod parcels;
mod records;

use std::sync::Arc;

use serde_json::Value;
use symbolon_casework::acting::Acting;

use crate::error::NodeError;
use crate::node::Node;
use command::{CaseworkCommand, CaseworkRequest};

pub use audit::StoredAudit;
pub use cases::{
    CaseCommand, CaseDetail, CaseLetter, CaseView, QueueEntry, QueueFilter, SaidView, StoredCase,
};
pub use disclosure::{
    DisclosureCommand, DisclosureLetter, DisclosureView, FieldView, ReceivedKey, ReceivedView,
    RequestKey, StoredAsked, StoredReceived, StoredRequest,
};
pub(crate) use parcels::Parcels;
pub use parcels::{
    AttachmentCommand, AttachmentView, ChunkKey, ParcelLetter, SavedAttachment, StoredIncoming,
    StoredOutgoing,
};
pub use records::{
    ChangeReport, HistoryReport, HtcdsExport, HtcdsReport, RecordDetail, StoredVersion, VersionLine,
};

impl Node {
    /// Carries out what a person asked for in casework.
    pub(crate) async fn casework(
        self: &Arc<Self>,
        request: CaseworkRequest,
    ) -> Result<Value, NodeError> {
        let acting = self.acting(&request.by)?;
        self.act(&acting, request.command).await
    }

    /// The same for somebody whom the caller knows: what a console calls.
    pub async fn act(
        self: &Arc<Self>,
        acting: &Acting,
        command: CaseworkCommand,
    ) -> Result<Value, NodeError> {
        let _work = self.work.lock().await;
        match command {
            CaseworkCommand::Case(command) => self.case_command(acting, command),
            CaseworkCommand::Attachment(command) => self.attachment_command(acting, command),
            CaseworkCommand::Disclosure(command) => self.disclosure_command(acting, command),
            CaseworkCommand::Record(command) => self.record_command(acting, command).await,
        }
    }
}

/// A report as the control socket carries it.
fn json<T: serde::Serialize>(report: T) -> Result<Value, NodeError> {
    serde_json::to_value(report).map_err(|_| NodeError::Internal("a report cannot be serialised"))
}
