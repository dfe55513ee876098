//! Accounts of an agency's people: roles, lock-out, sessions. Rules only; the node keeps them.
//!
//! An account is one person's. Accounts are disabled and never deleted, so that a name in the log means
//! the same person for ever.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use thiserror::Error;

use crate::acting::{Role, SET_UP};
use crate::password::PasswordHash;

/// Wrong passwords in a row before an account is locked.
pub const FAILURES_BEFORE_LOCK: u32 = 5;
/// How long the first time; each further time twice as long.
pub const FIRST_LOCK_S: i64 = 15 * 60;
/// Never longer than this, so that nobody is shut out for ever: with it, a year has 1,800 guesses.
pub const LONGEST_LOCK_S: i64 = 24 * 60 * 60;

/// A session ends when it was not used for this long.
pub const IDLE_S: i64 = 30 * 60;
/// And at the latest after this: a shift.
pub const LONGEST_SESSION_S: i64 = 12 * 60 * 60;
/// Sessions of one account at once; the oldest makes room.
pub const MAX_SESSIONS: usize = 8;
/// Accounts of one node: more than any agency's people at one machine.
pub const MAX_ACCOUNTS: usize = 1000;
/// A machine's clock may be set back this far without ending sessions.
const CLOCK_MAY_STEP_S: i64 = 60;

/// Names that say what somebody does, and not who they are.
const SHARED_NAMES: [&str; 14] = [
    "admin",
    "demo",
    "desk",
    "duty",
    "everybody",
    "guest",
    "node",
    "office",
    "root",
    "shared",
    "staff",
    "team",
    "test",
    "user",
];

/// Why a name cannot be an account's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccountError {
    /// A word for a role or for everybody.
    #[error("{0} is no person's name; each person has an account of their own, as ana-nowak")]
    Shared(Name),
    /// A name never comes again.
    #[error("there is an account {0} already, maybe disabled; nobody else can have its name")]
    Taken(Name),
    /// None there.
    #[error("there is no account {0}; `symbolon-node account list` shows those there are")]
    Unknown(Name),
    /// An account without roles could do nothing.
    #[error("give at least one role: analyst, caseworker, supervisor or administrator")]
    NoRole,
    /// The first one.
    #[error(
        "the first account must have the role administrator, since only an administrator can make others; \
         give --role administrator, and further roles with it"
    )]
    FirstIsAdministrator,
    /// The last one.
    #[error(
        "{0} is the last administrator who can sign in; give another account the role administrator first"
    )]
    LastAdministrator(Name),
    /// Bound.
    #[error("this node has {MAX_ACCOUNTS} accounts and takes no more")]
    TooMany,
}

/// Whether a name can be a person's.
pub fn check_name(name: &Name) -> Result<(), AccountError> {
    let word = name.as_str();
    let role = Role::ALL.iter().any(|(_, role)| *role == word);
    if role || word == SET_UP || SHARED_NAMES.contains(&word) {
        return Err(AccountError::Shared(name.clone()));
    }
    Ok(())
}

/// A person's account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Whose.
    pub name: Name,
    /// What the person is.
    pub roles: BTreeSet<Role>,
    /// Of the password.
    pub password: PasswordHash,
    /// Whether the person chose it; one that an administrator set is good for choosing another only.
    pub own_password: bool,
    /// Nobody can sign in.
    pub disabled: bool,
    /// Wrong passwords since the last right one.
    pub failures: u32,
    /// Nobody can sign in before this, Unix seconds.
    pub locked_until: Option<i64>,
    /// When it was made, Unix seconds.
    pub since: i64,
}

impl Account {
    /// Whether it is locked now.
    #[must_use]
    pub fn is_locked(&self, now: i64) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Whether somebody can sign in now, with the right password.
    #[must_use]
    pub fn is_open(&self, now: i64) -> bool {
        !self.disabled && !self.is_locked(now)
    }

    /// Whether it can sign in and keep accounts, now or after a lock.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        !self.disabled && self.roles.contains(&Role::Administrator)
    }

    /// Counts an attempt as failed, before its password is looked at: a process that is killed meanwhile
    /// has had its try. Locks the account after every few; gives whether it did.
    pub fn begin_attempt(&mut self, now: i64) -> bool {
        self.failures = self.failures.saturating_add(1);
        if !self.failures.is_multiple_of(FAILURES_BEFORE_LOCK) {
            return false;
        }
        let before = self.failures / FAILURES_BEFORE_LOCK - 1;
        let doubled = 2_i64.saturating_pow(before).saturating_mul(FIRST_LOCK_S);
        self.locked_until = Some(now.saturating_add(doubled.min(LONGEST_LOCK_S)));
        true
    }

    /// The password was right, or an administrator says so.
    pub fn unlock(&mut self) {
        self.failures = 0;
        self.locked_until = None;
    }
}

/// Somebody is signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Which account.
    pub who: Name,
    /// Since when, Unix seconds.
    pub began_at: i64,
    /// Last used, Unix seconds.
    pub used_at: i64,
}

impl Session {
    /// Whether it has ended by itself.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        let since = |then: i64| now.saturating_sub(then);
        let lasts = |age: i64, longest: i64| (-CLOCK_MAY_STEP_S..longest).contains(&age);
        !lasts(since(self.began_at), LONGEST_SESSION_S) || !lasts(since(self.used_at), IDLE_S)
    }

    /// When it ends unless it is used.
    #[must_use]
    pub fn ends_at(&self) -> i64 {
        let idle = self.used_at.saturating_add(IDLE_S);
        idle.min(self.began_at.saturating_add(LONGEST_SESSION_S))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account() -> Account {
        Account {
            name: "ana".parse().unwrap(),
            roles: [Role::Administrator].into(),
            password: PasswordHash::dummy(),
            own_password: true,
            disabled: false,
            failures: 0,
            locked_until: None,
            since: 0,
        }
    }

    #[test]
    fn every_fifth_failure_locks_and_each_lock_is_longer_up_to_a_day() {
        let (mut account, mut now, mut locks) = (account(), 1000, Vec::new());
        for attempt in 1..=50 {
            assert!(account.is_open(now), "attempt {attempt}");
            let locked = account.begin_attempt(now);
            assert_eq!(locked, attempt % 5 == 0);
            assert_eq!(account.is_locked(now), locked);
            if let Some(until) = account.locked_until.filter(|_| locked) {
                locks.push((until - now) / 60);
                assert!(account.is_locked(until - 1), "to the last second");
                now = until;
            }
        }
        assert_eq!(locks, [15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440]);
        account.unlock();
        assert!(account.is_open(0) && account.failures == 0);
        account.disabled = true;
        assert!(!account.is_open(0));
    }

    #[test]
    fn sessions_end_idle_or_old() {
        let mut session = Session {
            who: "ana".parse().unwrap(),
            began_at: 0,
            used_at: 0,
        };
        assert!(!session.is_over(IDLE_S - 1));
        assert!(session.is_over(IDLE_S));
        session.used_at = LONGEST_SESSION_S - 10;
        assert!(!session.is_over(LONGEST_SESSION_S - 1));
        assert!(session.is_over(LONGEST_SESSION_S));
        assert_eq!(session.ends_at(), LONGEST_SESSION_S);
        // A clock that is set far back ends them, a small step does not.
        session.used_at = 1000;
        assert!(!session.is_over(1000 - CLOCK_MAY_STEP_S));
        assert!(session.is_over(1000 - CLOCK_MAY_STEP_S - 1));
    }

    #[test]
    fn a_name_is_a_persons() {
        let check = |name: &str| check_name(&name.parse().unwrap());
        assert_eq!(check("ana-nowak"), Ok(()));
        for shared in ["administrator", "analyst", "set-up", "team", "admin"] {
            assert!(
                matches!(check(shared), Err(AccountError::Shared(_))),
                "{shared}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_clock_says_nothing_overflows(
            now: i64, began_at: i64, used_at: i64, failures: u32
        ) {
            let mut account = Account { failures, ..account() };
            account.begin_attempt(now);
            let _ = account.is_open(now);
            let session = Session { who: account.name, began_at, used_at };
            let _ = session.is_over(now);
            let _ = session.ends_at();
        }
    }
}
