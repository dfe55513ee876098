//! Who acts: an account with its roles, and the purpose and reason that it gave.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::{Name, NameError};
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

/// The name under which acts are written down as long as a node has no account.
pub const SET_UP: &str = "set-up";

/// What must be said with an act, once a node has accounts: section 62 of the Data Protection Act 2018
/// wants the justification of every consultation and disclosure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing; what is said is written down all the same.
    Nothing,
    /// Why.
    Reason,
    /// For what, and why.
    PurposeAndReason,
}

/// An act that wants a purpose or a reason, and none was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotSaid {
    /// No reason.
    #[error("say why you do this, in a few words without names: --reason \"...\"")]
    Reason,
    /// No purpose.
    #[error("say for what you do this, in a few words: --purpose \"...\"")]
    Purpose,
    /// Neither.
    #[error(
        "say for what and why you do this, in a few words without names: --purpose \"...\" --reason \"...\""
    )]
    Both,
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
    /// Whoever can open the vault of a node that has no account yet: it is being set up, and they may do
    /// everything. No command gets this from a node with accounts.
    pub fn set_up(purpose: Option<Text>, reason: Option<Text>) -> Result<Self, NameError> {
        Ok(Self {
            who: SET_UP.parse()?,
            roles: Role::ALL.iter().map(|(role, _)| *role).collect(),
            purpose,
            reason,
        })
    }

    /// Whether what the act demands was said.
    pub fn has_said(&self, demand: Demand) -> Result<(), NotSaid> {
        let wants_purpose = demand == Demand::PurposeAndReason && self.purpose.is_none();
        let wants_reason = demand != Demand::Nothing && self.reason.is_none();
        match (wants_purpose, wants_reason) {
            (false, false) => Ok(()),
            (false, true) => Err(NotSaid::Reason),
            (true, false) => Err(NotSaid::Purpose),
            (true, true) => Err(NotSaid::Both),
        }
    }

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

    #[test]
    fn each_permission_is_for_its_roles_and_for_no_other() {
        use Permission::{
            Assign, Consult, CountersignDisclosure, Disclose, Judge, KeepAccounts, KeepNode,
            KeepRecords, ReadAudit,
        };
        let expected = [
            (Role::Analyst, vec![Consult, Judge]),
            (
                Role::Caseworker,
                vec![Consult, Judge, KeepRecords, Disclose],
            ),
            (
                Role::Supervisor,
                vec![
                    Consult,
                    Judge,
                    KeepRecords,
                    Disclose,
                    CountersignDisclosure,
                    Assign,
                    ReadAudit,
                ],
            ),
            (Role::Administrator, vec![ReadAudit, KeepAccounts, KeepNode]),
        ];
        let every = [
            Consult,
            Judge,
            KeepRecords,
            Disclose,
            CountersignDisclosure,
            Assign,
            ReadAudit,
            KeepAccounts,
            KeepNode,
        ];
        for (role, may) in expected {
            let acting = Acting {
                roles: [role].into(),
                ..Acting::set_up(None, None).unwrap()
            };
            for permission in every {
                let allowed = acting.may(permission).is_ok();
                assert_eq!(allowed, may.contains(&permission), "{role}: {permission:?}");
            }
        }
    }

    #[test]
    fn what_an_act_demands_must_be_said() {
        let said = |purpose: Option<&str>, reason: Option<&str>| {
            let text = |text: &str| text.parse().unwrap();
            Acting::set_up(purpose.map(text), reason.map(text)).unwrap()
        };
        let nothing = said(None, None);
        assert_eq!(nothing.has_said(Demand::Nothing), Ok(()));
        assert_eq!(nothing.has_said(Demand::Reason), Err(NotSaid::Reason));
        let both = Demand::PurposeAndReason;
        assert_eq!(nothing.has_said(both), Err(NotSaid::Both));
        let why = said(None, Some("seen at the clinic"));
        assert_eq!(why.has_said(Demand::Reason), Ok(()));
        assert_eq!(why.has_said(both), Err(NotSaid::Purpose));
        let for_what = said(Some("safeguarding"), None);
        assert_eq!(for_what.has_said(both), Err(NotSaid::Reason));
        let all = said(Some("safeguarding"), Some("seen at the clinic"));
        assert_eq!(all.has_said(both), Ok(()));
    }
}
