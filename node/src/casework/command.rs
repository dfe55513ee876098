//! What can be asked for in casework, and how people say who they are.

use std::collections::BTreeSet;

mod missing;
mod network;

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::Role;
use symbolon_casework::audit::AuditFilter;
use symbolon_casework::chain::Head;
use symbolon_casework::text::Text;
use symbolon_core::identity::Name;

use super::cases::CaseCommand;
pub use super::disclosure::DisclosureCommand;
pub use super::ending::EndingCommand;
pub use super::parcels::AttachmentCommand;
pub use super::records::{ConsentLine, HtcdsOptions, NewLink, RecordCommand};
pub use missing::MissingCommand;
pub use network::{GraphFormat, NetworkCommand};

use crate::tables::Secret;

/// Who somebody claims to be, for what and why they act.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Claim {
    /// The token of their session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Secret>,
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
    /// What ends, and what is silent.
    Ending(EndingCommand),
}

/// About accounts and sessions. Passwords are UTF-8.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AccountCommand {
    /// A new account.
    Add {
        /// Whose.
        name: Name,
        /// What the person is.
        roles: BTreeSet<Role>,
        /// To sign in with the first time; of the first account, for good.
        password: Secret,
    },
    /// All accounts.
    List,
    /// Other roles.
    Roles {
        /// Whose.
        name: Name,
        /// All of them.
        roles: BTreeSet<Role>,
    },
    /// Nobody can sign in any more.
    Disable {
        /// Whose.
        name: Name,
    },
    /// The person can sign in again.
    Enable {
        /// Whose.
        name: Name,
    },
    /// Ends a lock.
    Unlock {
        /// Whose.
        name: Name,
    },
    /// Another password of one's own.
    ChangePassword {
        /// The one that is changed.
        present: Secret,
        /// The one instead.
        new: Secret,
    },
    /// Another person's password, who forgot it.
    ResetPassword {
        /// Whose.
        name: Name,
        /// To sign in with once.
        new: Secret,
    },
    /// Begins a session.
    Login {
        /// As typed.
        name: String,
        /// As typed.
        password: Secret,
    },
    /// Ends the session.
    Logout,
    /// Who is signed in.
    Whoami,
}

impl AccountCommand {
    /// Its word on the control socket.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::List => "list",
            Self::Roles { .. } => "roles",
            Self::Disable { .. } => "disable",
            Self::Enable { .. } => "enable",
            Self::Unlock { .. } => "unlock",
            Self::ChangePassword { .. } => "change-password",
            Self::ResetPassword { .. } => "reset-password",
            Self::Login { .. } => "login",
            Self::Logout => "logout",
            Self::Whoami => "whoami",
        }
    }
}

/// About the audit log.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuditCommand {
    /// Entries for people.
    Show {
        /// Which.
        filter: AuditFilter,
        /// Of these, how many of the newest.
        newest: u64,
    },
    /// Whether the log holds together.
    Verify {
        /// Against a head that was noted before.
        noted: Option<Head>,
    },
    /// Entries with what it takes to verify them elsewhere.
    Export {
        /// Which; of the others in the period go only the links of the chain.
        filter: AuditFilter,
    },
}

impl AuditCommand {
    /// Its word on the control socket.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Show { .. } => "show",
            Self::Verify { .. } => "verify",
            Self::Export { .. } => "export",
        }
    }
}
