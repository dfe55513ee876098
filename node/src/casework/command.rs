//! What a person can ask for in casework, and how they say who they are.

mod missing;
mod network;

use serde::{Deserialize, Serialize};
use symbolon_casework::text::Text;

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
    /// One record.
    Record(RecordCommand),
    /// Missing persons.
    Missing(MissingCommand),
    /// What joins records.
    Network(NetworkCommand),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::Command;

    /// A request as it comes over the control socket, and back.
    fn carried(casework: &Value) -> Result<Value, serde_json::Error> {
        let request = json!({ "command": "casework", "by": {}, "casework": casework });
        let command: Command = serde_json::from_str(&request.to_string())?;
        serde_json::to_value(command)
    }

    #[test]
    fn every_room_can_be_asked_over_the_control_socket() {
        for casework in [
            json!({ "room": "record", "act": "show", "record_id": "A1" }),
            json!({ "room": "network", "act": "show", "record_id": "A1", "depth": 2, "format": "svg" }),
            json!({ "room": "missing", "act": "list", "all": true }),
            json!({
                "room": "missing", "act": "report", "record_id": "A1", "columns": { "phone": "1" },
                "known": { "risk": "high", "missing_since": 7, "agreements": ["north"] },
            }),
        ] {
            let back = carried(&casework).unwrap();
            let known = back.pointer("/casework/record_id");
            assert_eq!(known, casework.get("record_id"), "{casework}");
            let again = carried(back.get("casework").unwrap()).unwrap();
            assert_eq!(again, back);
        }
        let unknown = json!({ "room": "missing", "act": "list", "all": true, "more": 1 });
        assert!(carried(&unknown).is_err());
    }
}
