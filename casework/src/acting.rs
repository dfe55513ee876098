//! Who acts: an account with its roles, and the purpose and reason that it gave.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use thiserror::Error;

use crate::text::Text;

/// What a person is at an agency. One may hold several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks for and judges matches.
    Analyst,
    /// Keeps records, and says what becomes of them.
    Caseworker,
    /// The second pair of eyes; assigns work.
    Supervisor,
    /// Keeps accounts, agreements and the machine. Sees no case.
    Administrator,
}

impl Role {
    /// Every role with its word.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Analyst, "analyst"),
        (Self::Caseworker, "caseworker"),
        (Self::Supervisor, "supervisor"),
        (Self::Administrator, "administrator"),
    ];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(role, _)| role == self);
        f.pad(word.map_or("", |(_, word)| word))
    }
}

/// No such role.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is no role; roles are analyst, caseworker, supervisor and administrator")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, known)| known.eq_ignore_ascii_case(word.trim()));
        found.map(|(role, _)| *role).ok_or(UnknownRole)
    }
}

/// What can be allowed. Deny by default: a role has what [`Permission::holders`] says, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See records and matches; ask.
    Consult,
    /// Judge matches: acknowledge, confirm, refute, ask the other side for more.
    Judge,
    /// Add, change, withdraw and erase own records, their consent and handling.
    KeepRecords,
    /// Release what another agency asked for, or refuse it.
    Disclose,
    /// Be the second pair of eyes.
    CountersignDisclosure,
    /// Give work to others.
    Assign,
    /// Read the audit log.
    ReadAudit,
    /// Make and end accounts, give roles.
    KeepAccounts,
    /// Agreements, custody, keys.
    KeepNode,
}

impl Permission {
    /// Which roles have it.
    #[must_use]
    pub fn holders(self) -> &'static [Role] {
        use Role::{Administrator, Analyst, Caseworker, Supervisor};
        match self {
            Self::Consult | Self::Judge => &[Analyst, Caseworker, Supervisor],
            Self::KeepRecords | Self::Disclose => &[Caseworker, Supervisor],
            Self::CountersignDisclosure | Self::Assign => &[Supervisor],
            Self::ReadAudit => &[Supervisor, Administrator],
            Self::KeepAccounts | Self::KeepNode => &[Administrator],
        }
    }
}

/// An account may not do this.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{who} may not do this: it takes the role {needs}; ask an administrator of this node")]
pub struct NotPermitted {
    /// Whose account.
    pub who: Name,
    /// Roles that may, in words.
    pub needs: String,
}

/// Somebody who acts now, known by a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acting {
    /// The account.
    pub who: Name,
    /// Its roles now.
    pub roles: BTreeSet<Role>,
    /// For what, where the act needs it.
    pub purpose: Option<Text>,
    /// Why, where the act needs it.
    pub reason: Option<Text>,
}

impl Acting {
    /// Whether one of the roles has the permission.
    pub fn may(&self, permission: Permission) -> Result<(), NotPermitted> {
        let holders = permission.holders();
        if holders.iter().any(|role| self.roles.contains(role)) {
            return Ok(());
        }
        let words: Vec<String> = holders.iter().map(Role::to_string).collect();
        Err(NotPermitted {
            who: self.who.clone(),
            needs: words.join(" or "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_sees_no_case_and_a_caseworker_keeps_no_accounts() {
        let acting = |roles: &[Role]| Acting {
            who: "ana".parse().unwrap(),
            roles: roles.iter().copied().collect(),
            purpose: None,
            reason: None,
        };
        let administrator = acting(&[Role::Administrator]);
        assert!(administrator.may(Permission::KeepAccounts).is_ok());
        let refused = administrator.may(Permission::Consult).unwrap_err();
        assert_eq!(refused.needs, "analyst or caseworker or supervisor");
        let both = acting(&[Role::Administrator, Role::Caseworker]);
        assert!(both.may(Permission::Consult).is_ok());
        assert!(both.may(Permission::CountersignDisclosure).is_err());
        assert!(acting(&[]).may(Permission::Consult).is_err());
        assert_eq!("Supervisor".parse(), Ok(Role::Supervisor));
        assert!("boss".parse::<Role>().is_err());
    }
}
