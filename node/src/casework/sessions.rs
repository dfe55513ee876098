//! Signing in and out.
//!
//! Signing in tells nobody which names there are: a name that is not there costs the same hash and gets the
//! same answer. Attempts go one at a time, so that many at once are counted like many in a row, and so that
//! one hash's memory is the most that they take. An attempt counts as failed before its password is looked
//! at: whoever kills the process meanwhile has had it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use symbolon_casework::accounts::{Account, MAX_SESSIONS, Session};
use symbolon_casework::acting::Role;
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::password::{Password, PasswordHash, token_digest};
use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;
use zeroize::Zeroizing;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::oracle::blocking;
use crate::tables::Secret;

/// A session's last use is written down no oftener than this.
const TOUCH_EVERY_S: i64 = 30;

/// What changes to accounts and sessions hold.
#[derive(Default)]
pub(crate) struct People {
    /// One password is hashed at a time.
    pub hashing: tokio::sync::Mutex<()>,
    /// Whoever changes an account or a session holds this, for a moment.
    changes: Mutex<()>,
}

impl People {
    pub fn change(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that began.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginReport {
    /// Whose.
    pub who: Name,
    /// What the person is.
    pub roles: Vec<Role>,
    /// The token, base64url: whoever has it acts as this person.
    pub session: String,
    /// When it ends unless it is used, RFC 3339.
    pub ends: String,
    /// The password was set by an administrator; nothing else goes before it is changed.
    pub must_choose_password: bool,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoamiReport {
    /// The account, or `set-up`.
    pub who: Name,
    /// Its roles.
    pub roles: Vec<Role>,
    /// When the session ends unless it is used, RFC 3339; none while the node has no account.
    pub ends: Option<String>,
}

/// What an attempt is judged by.
struct Attempt {
    /// None where there is no such account, or none that can be signed in to.
    account: Option<Name>,
    hash: PasswordHash,
}

impl Node {
    /// Begins a session.
    pub(super) async fn login(
        &self,
        typed: &str,
        password: &Secret,
    ) -> Result<LoginReport, NodeError> {
        let (proved, _change) = self.prove(typed, password).await?;
        self.begin_session(proved)
    }

    /// Whose name and password these are; holds off changes of accounts until the caller is done with it.
    pub(super) async fn prove(
        &self,
        typed: &str,
        password: &Secret,
    ) -> Result<(Account, MutexGuard<'_, ()>), NodeError> {
        let _one_at_a_time = self.people.hashing.lock().await;
        let attempt = self.begin_attempt(typed)?;
        let right = fits(attempt.hash.clone(), password).await?;
        let Some(name) = attempt.account.filter(|_| right) else {
            return Err(NodeError::SignInRefused);
        };
        let change = self.people.change();
        let account = self.tables.accounts.get(&name)?;
        // It may have been disabled, or its password changed, while the password was hashed.
        let account = account.filter(|now| !now.disabled && now.password == attempt.hash);
        let mut account = account.ok_or(NodeError::SignInRefused)?;
        account.unlock();
        self.tables.accounts.put(&name, &account)?;
        Ok((account, change))
    }

    fn begin_attempt(&self, typed: &str) -> Result<Attempt, NodeError> {
        let _change = self.people.change();
        let now = self.clock.now();
        let refused = |account: Option<&Name>| {
            let event = AuditEvent::of_the_node(AuditKind::Access, "attempt to sign in");
            account.map_or(event.clone(), |name| event.account(name))
        };
        // What was typed in place of a name may be a password: it is not written down.
        let name = typed.trim().parse::<Name>().ok();
        let known = name
            .map(|name| self.tables.accounts.get(&name))
            .transpose()?;
        let Some(mut account) = known.flatten().filter(|account| account.is_open(now)) else {
            self.write_down(refused(None))?;
            self.vault.flush()?;
            let (account, hash) = (None, PasswordHash::dummy());
            return Ok(Attempt { account, hash });
        };
        let locks = account.begin_attempt(now);
        self.tables.accounts.put(&account.name, &account)?;
        self.write_down(refused(Some(&account.name)))?;
        if locks {
            let locked =
                AuditEvent::of_the_node(AuditKind::Access, "locked unless this one is right");
            self.write_down(locked.account(&account.name))?;
        }
        self.vault.flush()?;
        Ok(Attempt {
            account: Some(account.name),
            hash: account.password,
        })
    }

    fn begin_session(&self, account: Account) -> Result<LoginReport, NodeError> {
        let now = self.clock.now();
        let token = Zeroizing::new(crypto::random::<32>()?);
        let session = Session {
            who: account.name.clone(),
            began_at: now,
            used_at: now,
        };
        self.make_room(&account.name, now)?;
        let event = AuditEvent::of_the_node(AuditKind::Access, "signed in");
        self.write_down(AuditEvent {
            who: Some(account.name.clone()),
            ..event
        })?;
        self.tables
            .sessions
            .put(&token_digest(token.as_slice()), &session)?;
        self.vault.flush()?;
        Ok(LoginReport {
            who: account.name,
            roles: account.roles.into_iter().collect(),
            session: BASE64URL_NOPAD.encode(token.as_slice()),
            ends: rfc3339(session.ends_at()),
            must_choose_password: !account.own_password,
        })
    }

    /// Deletes sessions that are over, and this account's oldest if it has as many as it may.
    fn make_room(&self, name: &Name, now: i64) -> Result<(), NodeError> {
        let mut own = Vec::new();
        for entry in self.tables.sessions.iter() {
            let (digest, session) = entry?;
            if session.is_over(now) {
                self.tables.sessions.remove(&digest)?;
            } else if session.who == *name {
                own.push((session.began_at, digest));
            }
        }
        own.sort_unstable();
        let too_many = (own.len() + 1).saturating_sub(MAX_SESSIONS);
        let oldest = own.iter().take(too_many);
        oldest
            .map(|(_, digest)| digest)
            .try_for_each(|digest| self.tables.sessions.remove(digest))
    }

    /// The account of a session that has not ended; its use is noted.
    pub(super) fn signed_in(&self, token: &Secret) -> Result<Account, NodeError> {
        let _change = self.people.change();
        let (digest, mut session) = self.session(token)?.ok_or(NodeError::SessionOver)?;
        let now = self.clock.now();
        let account = self.tables.accounts.get(&session.who)?;
        let account = account.filter(|account| !account.disabled && !session.is_over(now));
        let Some(account) = account else {
            self.tables.sessions.remove(&digest)?;
            return Err(NodeError::SessionOver);
        };
        if now.saturating_sub(session.used_at) >= TOUCH_EVERY_S {
            session.used_at = now;
            self.tables.sessions.put(&digest, &session)?;
        }
        Ok(account)
    }

    fn session(&self, token: &Secret) -> Result<Option<(Digest, Session)>, NodeError> {
        let digest = token_digest(&token.0);
        let session = self.tables.sessions.get(&digest)?;
        Ok(session.map(|session| (digest, session)))
    }

    /// Ends a session.
    pub(super) fn logout(&self, token: Option<&Secret>) -> Result<(), NodeError> {
        let _change = self.people.change();
        if let Some(token) = token {
            self.tables.sessions.remove(&token_digest(&token.0))?;
        }
        Ok(())
    }

    /// Ends every session of an account. Whoever calls it holds `people.change()`.
    pub(super) fn end_sessions(&self, name: &Name) -> Result<(), NodeError> {
        for entry in self.tables.sessions.iter() {
            let (digest, session) = entry?;
            if session.who == *name {
                self.tables.sessions.remove(&digest)?;
            }
        }
        Ok(())
    }

    /// When a session ends.
    pub(super) fn session_ends(&self, token: Option<&Secret>) -> Result<Option<String>, NodeError> {
        let session = token.map(|token| self.session(token)).transpose()?;
        Ok(session
            .flatten()
            .map(|(_, session)| rfc3339(session.ends_at())))
    }
}

/// A password out of a request.
pub(super) fn password(secret: &Secret) -> Result<Password, NodeError> {
    let text = std::str::from_utf8(&secret.0);
    let text = text.map_err(|_| NodeError::Request("a password is UTF-8 text".to_owned()))?;
    Ok(Password::new(Zeroizing::new(text.to_owned())))
}

/// Whether a password fits, found out off the asynchronous threads.
async fn fits(hash: PasswordHash, secret: &Secret) -> Result<bool, NodeError> {
    let password = password(secret)?;
    blocking(move || hash.fits(&password)).await
}
