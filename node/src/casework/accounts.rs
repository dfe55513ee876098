//! Accounts of this agency's people.
//!
//! Passwords that an administrator sets are for signing in once: before anything else the person chooses
//! another, which nobody else knows. A change of password or roles, and disabling, ends the account's
//! sessions. The last administrator stays one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};
use symbolon_casework::accounts::{Account, AccountError, MAX_ACCOUNTS, check_name};
use symbolon_casework::acting::{Acting, Role};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::password::{PasswordError, PasswordHash};
use symbolon_core::crypto;
use symbolon_core::identity::Name;

use super::command::{AccountCommand, Claim};
use super::json;
use super::sessions::{WhoamiReport, password};
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::oracle::blocking;
use crate::tables::Secret;

/// An account in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Whose.
    pub name: Name,
    /// What the person is.
    pub roles: Vec<Role>,
    /// `open`, `disabled`, `locked`, or `new password` while one that an administrator set is to be changed.
    pub state: String,
    /// Until when it is locked, RFC 3339.
    pub locked_until: Option<String>,
    /// Wrong passwords since the last right one.
    pub failures: u32,
    /// When it was made, RFC 3339.
    pub since: String,
    /// Sessions that have not ended.
    pub sessions: u64,
}

impl Node {
    /// Carries out what somebody who is known asks about accounts.
    pub(crate) async fn account_command(
        &self,
        acting: &Acting,
        by: &Claim,
        command: AccountCommand,
    ) -> Result<Value, NodeError> {
        match command {
            AccountCommand::Add {
                name,
                roles,
                password,
            } => self.add_account(acting, name, roles, &password).await,
            AccountCommand::List => json(self.accounts()?),
            AccountCommand::Roles { name, roles } => {
                self.change_account(acting, &name, "roles changed", |account| {
                    account.roles.clone_from(&roles);
                    if roles.is_empty() {
                        return Err(AccountError::NoRole);
                    }
                    Ok(())
                })
            }
            AccountCommand::Disable { name } => {
                self.change_account(acting, &name, "account disabled", |account| {
                    account.disabled = true;
                    Ok(())
                })
            }
            AccountCommand::Enable { name } => {
                self.change_account(acting, &name, "account enabled", |account| {
                    account.disabled = false;
                    Ok(())
                })
            }
            AccountCommand::Unlock { name } => {
                self.change_account(acting, &name, "account unlocked", |account| {
                    account.unlock();
                    Ok(())
                })
            }
            AccountCommand::ChangePassword { present, new } => {
                self.change_own_password(acting, &present, &new).await
            }
            AccountCommand::ResetPassword { name, new } => {
                self.reset_password(acting, name, &new).await
            }
            AccountCommand::Login { name, password } => self.sign_in(&name, &password).await,
            AccountCommand::Logout => {
                self.logout(by.session.as_ref())?;
                self.write_down(AuditEvent::by(acting, AuditKind::Access, "signed out"))?;
                json(object!({ "who": acting.who }))
            }
            AccountCommand::Whoami => json(WhoamiReport {
                who: acting.who.clone(),
                roles: acting.roles.iter().copied().collect(),
                ends: self.session_ends(by.session.as_ref())?,
            }),
        }
    }

    /// Begins a session, for whoever knows a name and its password.
    pub(crate) async fn sign_in(&self, name: &str, secret: &Secret) -> Result<Value, NodeError> {
        if self.tables.accounts.is_empty() {
            return Err(NodeError::Request(
                "this node has no account yet and is being set up: whoever can open it may do everything; \
                 make the first account with: symbolon-node account add NAME --role administrator"
                    .to_owned(),
            ));
        }
        json(self.login(name, secret).await?)
    }

    async fn add_account(
        &self,
        acting: &Acting,
        name: Name,
        roles: BTreeSet<Role>,
        secret: &Secret,
    ) -> Result<Value, NodeError> {
        self.check_new(&name, &roles)?;
        let hash = self.hashed(&name, secret).await?;
        let _change = self.people.change();
        // Another account may have come while the password was hashed.
        let first = self.check_new(&name, &roles)?;
        let account = Account {
            name: name.clone(),
            roles,
            password: hash,
            own_password: first,
            disabled: false,
            failures: 0,
            locked_until: None,
            since: self.clock.now(),
        };
        self.write_down(
            AuditEvent::by(acting, AuditKind::Access, "account added")
                .account(&name)
                .fields(words(&account.roles)),
        )?;
        self.tables.accounts.put(&name, &account)?;
        self.vault.flush()?;
        json(object!({ "account": self.view_of(&account)?, "first": first }))
    }

    /// Whether an account can be made; gives whether it is the first.
    fn check_new(&self, name: &Name, roles: &BTreeSet<Role>) -> Result<bool, NodeError> {
        check_name(name)?;
        if *name == self.identity.agency {
            return Err(AccountError::Shared(name.clone()).into());
        }
        if self.tables.accounts.contains(name)? {
            return Err(AccountError::Taken(name.clone()).into());
        }
        if roles.is_empty() {
            return Err(AccountError::NoRole.into());
        }
        let first = self.tables.accounts.is_empty();
        if first && !roles.contains(&Role::Administrator) {
            return Err(AccountError::FirstIsAdministrator.into());
        }
        if self.tables.accounts.len()? >= MAX_ACCOUNTS as u64 {
            return Err(AccountError::TooMany.into());
        }
        Ok(first)
    }

    /// Changes an account, ends its sessions and writes it down, in one go.
    fn change_account(
        &self,
        acting: &Acting,
        name: &Name,
        what: &str,
        change: impl FnOnce(&mut Account) -> Result<(), AccountError>,
    ) -> Result<Value, NodeError> {
        let _change = self.people.change();
        let account = self.tables.accounts.get(name)?;
        let mut account = account.ok_or_else(|| AccountError::Unknown(name.clone()))?;
        let (roles, disabled) = (account.roles.clone(), account.disabled);
        let was_administrator = account.is_administrator();
        change(&mut account)?;
        if was_administrator && !account.is_administrator() && !self.others_administer(name)? {
            return Err(AccountError::LastAdministrator(name.clone()).into());
        }
        let event = AuditEvent::by(acting, AuditKind::Access, what).account(name);
        self.write_down(event.fields(words(&account.roles)))?;
        // The account first: a kill in between leaves sessions of a disabled account, which are refused.
        self.tables.accounts.put(name, &account)?;
        if account.roles != roles || account.disabled != disabled {
            self.end_sessions(name)?;
        }
        self.vault.flush()?;
        json(object!({ "account": self.view_of(&account)? }))
    }

    fn others_administer(&self, name: &Name) -> Result<bool, NodeError> {
        for entry in self.tables.accounts.iter() {
            let (other, account) = entry?;
            if other != *name && account.is_administrator() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn change_own_password(
        &self,
        acting: &Acting,
        present: &Secret,
        new: &Secret,
    ) -> Result<Value, NodeError> {
        let account = self.tables.accounts.get(&acting.who)?;
        let account = account.ok_or(NodeError::NotSignedIn)?;
        if present.0 == new.0 {
            return Err(PasswordError::Unchanged.into());
        }
        password(new)?.check(&acting.who)?;
        // Counted like signing in: a session that somebody left open is no way to guess the password.
        drop(self.prove(account.name.as_str(), present).await?);
        let hash = self.hashed(&acting.who, new).await?;
        self.set_password(acting, &acting.who, hash, true)
    }

    async fn reset_password(
        &self,
        acting: &Acting,
        name: Name,
        new: &Secret,
    ) -> Result<Value, NodeError> {
        if !self.tables.accounts.contains(&name)? {
            return Err(AccountError::Unknown(name).into());
        }
        if name == acting.who {
            return Err(NodeError::Request(
                "this is your own account; change its password with: symbolon-node account password"
                    .to_owned(),
            ));
        }
        let hash = self.hashed(&name, new).await?;
        self.set_password(acting, &name, hash, false)
    }

    fn set_password(
        &self,
        acting: &Acting,
        name: &Name,
        hash: PasswordHash,
        own_password: bool,
    ) -> Result<Value, NodeError> {
        let what = if own_password {
            "password changed"
        } else {
            "password set by an administrator"
        };
        self.change_account(acting, name, what, |account| {
            account.password = hash;
            account.own_password = own_password;
            account.unlock();
            Ok(())
        })?;
        let _change = self.people.change();
        self.end_sessions(name)?;
        self.vault.flush()?;
        json(object!({ "who": name }))
    }

    async fn hashed(&self, name: &Name, secret: &Secret) -> Result<PasswordHash, NodeError> {
        let password = password(secret)?;
        password.check(name)?;
        let salt = crypto::random()?;
        let _one_at_a_time = self.people.hashing.lock().await;
        Ok(blocking(move || password.hash(&salt)).await??)
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> Result<Vec<AccountView>, NodeError> {
        let mut views = Vec::new();
        for entry in self.tables.accounts.iter() {
            let (_, account) = entry?;
            views.push(self.view_of(&account)?);
        }
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(views)
    }

    fn view_of(&self, account: &Account) -> Result<AccountView, NodeError> {
        let now = self.clock.now();
        let mut sessions = 0;
        for entry in self.tables.sessions.iter() {
            let (_, session) = entry?;
            sessions += u64::from(session.who == account.name && !session.is_over(now));
        }
        let locked = account.locked_until.filter(|_| account.is_locked(now));
        let state = match (account.disabled, locked, account.own_password) {
            (true, _, _) => "disabled",
            (false, Some(_), _) => "locked",
            (false, None, false) => "new password",
            (false, None, true) => "open",
        };
        Ok(AccountView {
            name: account.name.clone(),
            roles: account.roles.iter().copied().collect(),
            state: state.to_owned(),
            locked_until: locked.map(rfc3339),
            failures: account.failures,
            since: rfc3339(account.since),
            sessions,
        })
    }
}

fn words(roles: &BTreeSet<Role>) -> Vec<&'static str> {
    let all = Role::ALL.iter().filter(|(role, _)| roles.contains(role));
    all.map(|(_, word)| *word).collect()
}
