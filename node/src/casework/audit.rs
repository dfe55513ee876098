//! The audit log: what is written down of every act, chained, in the vault.
//!
//! An entry is written before its head, both in order into one store: a kill in between leaves one entry
//! behind the head that follows from it, and the next start takes it in. What was written down of a
//! command is flushed before its answer goes out ([`crate::handler`]); what the node does by itself is
//! flushed with its deliveries.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_casework::acting::Acting;
use symbolon_casework::audit::{AuditEvent, AuditFilter, AuditKind};
use symbolon_casework::chain::{ChainFault, Entry, Head, Salt, Walk};
use symbolon_core::crypto;

use super::command::AuditCommand;
use super::json;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::Tables;

const HEAD: &str = "head";

/// The end of the log, for whoever writes the next entry.
pub(crate) struct AuditLog(Mutex<Head>);

impl AuditLog {
    /// Finds the end; takes in an entry whose head a kill cut off.
    pub(crate) fn open(tables: &Tables) -> Result<Self, NodeError> {
        let mut head = tables.audit_head.get(&HEAD.to_owned())?;
        let kept = head.unwrap_or(Head::EMPTY);
        if let Some(entry) = tables.audit.get(&kept.number.saturating_add(1))? {
            // Only what follows from the head is the log's own.
            if Walk::behind(kept).step(&entry.link()).is_ok() {
                let next = entry.link().head();
                tables.audit_head.put(&HEAD.to_owned(), &next)?;
                head = Some(next);
            }
        }
        Ok(Self(Mutex::new(head.unwrap_or(Head::EMPTY))))
    }
}

/// One entry for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// From 1, without gaps.
    pub number: u64,
    /// RFC 3339.
    pub at: String,
    /// What was done.
    pub event: AuditEvent,
}

/// The log holds together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerified {
    /// Entries that were looked at.
    pub entries: u64,
    /// The end, to be noted elsewhere.
    pub head: Head,
}

impl Node {
    /// Writes an act down. Called before the act is answered, and before what cannot be undone.
    pub(crate) fn write_down(&self, event: AuditEvent) -> Result<(), NodeError> {
        let mut head = self.audit.0.lock().unwrap_or_else(PoisonError::into_inner);
        let salt = Salt(crypto::random()?);
        let entry = Entry::after(&head, self.clock.now(), salt, event);
        if self.tables.audit.contains(&entry.number)? {
            return Err(ChainFault::Beyond(head.number).into());
        }
        let next = entry.link().head();
        self.tables.audit.put(&entry.number, &entry)?;
        self.tables.audit_head.put(&HEAD.to_owned(), &next)?;
        *head = next;
        Ok(())
    }

    pub(super) fn audit_command(
        &self,
        acting: &Acting,
        command: AuditCommand,
    ) -> Result<Value, NodeError> {
        let read = |what: &str| self.write_down(AuditEvent::by(acting, AuditKind::Access, what));
        match command {
            AuditCommand::Show { filter, newest } => {
                read("audit log shown")?;
                json(self.audit_lines(&filter, newest)?)
            }
            AuditCommand::Verify { noted } => {
                read("audit log verified")?;
                json(self.audit_verified(noted)?)
            }
            AuditCommand::Export { filter } => {
                read("audit log exported")?;
                json(self.audit_export(&filter)?)
            }
        }
    }

    pub(super) fn audit_end(&self) -> Head {
        *self.audit.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn audit_entry(&self, number: u64) -> Result<Entry, NodeError> {
        let entry = self.tables.audit.get(&number)?;
        entry.ok_or(NodeError::AuditChain(ChainFault::Missing(number)))
    }

    /// The newest entries that a filter takes, oldest first.
    pub fn audit_lines(
        &self,
        filter: &AuditFilter,
        newest: u64,
    ) -> Result<Vec<AuditLine>, NodeError> {
        let mut lines = Vec::new();
        for number in (1..=self.audit_end().number).rev() {
            if lines.len() as u64 >= newest {
                break;
            }
            let entry = self.audit_entry(number)?;
            if filter.is_in_period(entry.at) && filter.takes(&entry.event) {
                lines.push(AuditLine {
                    number,
                    at: rfc3339(entry.at),
                    event: entry.event,
                });
            }
        }
        lines.reverse();
        Ok(lines)
    }

    /// Follows the whole chain, up to where it ends now.
    pub fn audit_verified(&self, noted: Option<Head>) -> Result<AuditVerified, NodeError> {
        let (kept, in_use) = {
            let head = self.audit.0.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = self.tables.audit_head.get(&HEAD.to_owned())?;
            (kept.unwrap_or(Head::EMPTY), *head)
        };
        let mut walk = Walk::new(true, noted);
        for number in 1..=kept.number {
            match self.tables.audit.get(&number)? {
                Some(entry) if entry.number != number => {
                    let (place, found) = (number, entry.number);
                    return Err(ChainFault::OutOfPlace { place, found }.into());
                }
                Some(entry) => walk.step(&entry.link())?,
                None if self.any_from(number, kept.number)? => {
                    return Err(ChainFault::Missing(number).into());
                }
                None => break,
            }
        }
        let end = walk.end(&kept)?;
        // Whoever writes now does so behind the end in use.
        let head = self.audit.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = self.tables.audit.contains(&head.number.saturating_add(1))?;
        if end != in_use || behind {
            return Err(ChainFault::Beyond(end.number).into());
        }
        Ok(AuditVerified {
            entries: end.number,
            head: end,
        })
    }

    /// Whether there is an entry in a range: if so, one before it was removed; if not, the end is cut off.
    fn any_from(&self, first: u64, last: u64) -> Result<bool, NodeError> {
        for number in first..=last {
            if self.tables.audit.contains(&number)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
