//! What a person can ask for in casework, and how they say who they are.

use serde::{Deserialize, Serialize};
use symbolon_casework::text::Text;

use super::cases::CaseCommand;
pub use super::disclosure::DisclosureCommand;
pub use super::parcels::AttachmentCommand;
pub use super::records::{ConsentLine, HtcdsOptions, NewLink, RecordCommand};

/// A request: who asks, and for what.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseworkRequest {
    /// Who asks.
    pub by: Claim,
    /// For what.
    pub command: CaseworkCommand,
}

/// Who somebody claims to be, for what and why they act.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// For what.
    pub purpose: Option<Text>,
    /// Why.
    pub reason: Option<Text>,
}

/// By room.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum CaseworkCommand {
    /// The queue and its cases.
    Case(CaseCommand),
    /// One record.
    Record(RecordCommand),
    /// Attachments.
    Attachment(AttachmentCommand),
    /// Disclosures.
    Disclosure(DisclosureCommand),
}
