//! What a person can ask for in casework, and how they say who they are.

use serde::{Deserialize, Serialize};
use symbolon_casework::text::Text;

pub use super::ending::EndingCommand;

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
    /// One record.
    Record(RecordCommand),
    /// What ends, and what is silent.
    Ending(EndingCommand),
}

/// About one record.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RecordCommand {
    /// Everything about it.
    Show {
        /// Its id.
        record_id: String,
    },
}
