//! What a person can ask for in casework, and how they say who they are.

mod missing;
mod network;

use serde::{Deserialize, Serialize};
use symbolon_casework::text::Text;

use super::cases::CaseCommand;
pub use super::disclosure::DisclosureCommand;
pub use super::parcels::AttachmentCommand;
pub use super::records::{ConsentLine, HtcdsOptions, NewLink, RecordCommand};
pub use missing::MissingCommand;
pub use network::{GraphFormat, NetworkCommand};

/// A request: who asks, and for what.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseworkRequest {
    /// Who asks.
    pub by: Claim,
    /// For what. On the control socket `command` is the word beside it that says casework.
    #[serde(rename = "casework")]
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
    /// Missing persons.
    Missing(MissingCommand),
    /// What joins records.
    Network(NetworkCommand),
}
