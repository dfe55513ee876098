//! What a person can ask of a node: one enum, whether it is carried out in this process or by the
//! serving one on the other end of the control socket.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::AgencyName;
use symbolon_core::linkage::score::Tier;

use crate::casework::command::{AccountCommand, AuditCommand, CaseworkCommand, Claim};
use crate::custody::CustodyCommand;
use crate::preview::PreviewOptions;

/// What comes over the control socket: who asks, and for what.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who asks.
    pub by: Claim,
    /// For what.
    pub command: Command,
}

impl From<Command> for Request {
    /// A request of somebody who says nothing of themselves: enough for a node without accounts.
    fn from(command: Command) -> Self {
        let by = Claim::default();
        Self { by, command }
    }
}

/// A command to a node whose vault is open.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Reads a CSV file into the vault and registers its rows.
    Import(ImportOptions),
    /// Says what an import of a file would share; writes and sends nothing.
    Preview(PreviewOptions),
    /// Lists records.
    Records {
        /// Only this one.
        record_id: Option<String>,
    },
    /// Asks under one agreement, storing nothing.
    Query {
        /// Columns of the CSV contract with their values.
        columns: BTreeMap<String, String>,
        /// The agreement; may be left out where there is only one in force.
        agreement: Option<String>,
    },
    /// Lists matches.
    Matches {
        /// Only of this record.
        record_id: Option<String>,
        /// The least sure that are listed.
        #[serde(default = "least_shown")]
        least: Tier,
    },
    /// Lists private comparisons.
    Comparisons {
        /// Only of this record.
        record_id: Option<String>,
    },
    /// Withdraws records: rows at the hub, matches, and the records themselves.
    Withdraw {
        /// Which.
        record_ids: Vec<String>,
    },
    /// Estimates weights of the linkage from the records.
    Calibrate,
    /// How the node is.
    Status,
    /// Makes new signing and encryption keys and hands them in.
    Rekey,
    /// Lists agreements.
    Agreements,
    /// Accepts an agreement.
    Accept {
        /// Its id.
        agreement: String,
        /// Immigration services that it is accepted with.
        immigration: Vec<AgencyName>,
    },
    /// Declines an agreement.
    Decline {
        /// Its id.
        agreement: String,
        /// For the others.
        reason: String,
    },
    /// Leaves an agreement.
    Leave {
        /// Its id.
        agreement: String,
        /// For the others.
        reason: String,
    },
    /// Shows an agreement with its terms.
    Agreement {
        /// Its id.
        agreement: String,
    },
    /// Gives everything that was signed about an agreement.
    ExportAgreement {
        /// Its id.
        agreement: String,
    },
    /// What people do about records and matches.
    Casework(CaseworkCommand),
    /// Accounts and sessions.
    Account(AccountCommand),
    /// The audit log.
    Audit(AuditCommand),
    /// About the custody of the key.
    Custody(CustodyCommand),
}

/// What is listed unless more or less is asked for.
pub fn least_shown() -> Tier {
    Tier::Possible
}

/// How a file is imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOptions {
    /// Absolute path.
    pub file: PathBuf,
    /// Column of the file -> column of the contract.
    pub map: BTreeMap<String, String>,
    /// Withdraw records that the file no longer has.
    pub remove_missing: bool,
    /// Keep rows whose date of birth cannot be read, without the date.
    pub keep_invalid: bool,
    /// Agreements that the records take part in; `None` leaves those of known records as they are.
    pub agreements: Option<Vec<String>>,
}

impl Command {
    /// Its name in the rules of who may do what ([`crate::permissions`]): the words by which the control
    /// socket knows it.
    pub fn name(&self) -> String {
        match self {
            Self::Casework(command) => tags(command, &["room", "act"]),
            Self::Custody(command) => format!("custody {}", command.name()),
            Self::Account(command) => format!("account {}", command.name()),
            Self::Audit(command) => format!("audit {}", command.name()),
            other => other.word().to_owned(),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Import(_) => "import",
            Self::Preview(_) => "preview",
            Self::Records { .. } => "records",
            Self::Query { .. } => "query",
            Self::Matches { .. } => "matches",
            Self::Comparisons { .. } => "comparisons",
            Self::Withdraw { .. } => "withdraw",
            Self::Calibrate => "calibrate",
            Self::Status => "status",
            Self::Rekey => "rekey",
            Self::Agreements => "agreements",
            Self::Accept { .. } => "accept",
            Self::Custody(_) => "custody",
            Self::Decline { .. } => "decline",
            Self::Leave { .. } => "leave",
            Self::Agreement { .. } => "agreement",
            Self::ExportAgreement { .. } => "export-agreement",
            Self::Casework(_) => "casework",
            Self::Account(_) => "account",
            Self::Audit(_) => "audit",
        }
    }
}

/// The tags of a command of a room, by which it goes over the socket.
fn tags(command: &impl Serialize, names: &[&str]) -> String {
    let value = serde_json::to_value(command).unwrap_or_default();
    let words = names.iter().filter_map(|name| value.get(name)?.as_str());
    words.collect::<Vec<_>>().join(" ")
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.command.fmt(f)
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of records never reach a log: only the command's name is shown.
        f.write_str(self.word())
    }
}
