//! The gate between a verified request and the share: each request once, within the agency's quota,
//! written down.
//!
//! All three lie in the vault and are flushed before anything is computed, so that neither a restart
//! nor any number of requests at the same time gets one answered twice or one evaluation too many. A
//! crash between the marks and the answer costs the agency what the request would have cost. Marks
//! are kept in memory too; there they decide, and they are read from the vault when it is opened.
//!
//! A mark goes when its request has expired by this clock. Should the clock have been set forward then
//! and back since, the request would be good once more and nothing would remember it. So what goes
//! leaves behind until when the newest of it was good, and nothing that was good no longer than that
//! is let through again: after such a clock, requests are refused for a few minutes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use symbolon_core::custody::{MAX_REQUEST_LIFE_S, Refusal, Request};
use symbolon_core::identity::AgencyName;
use symbolon_core::quota::Bucket;
use symbolon_core::roster::Quota;

use crate::error::NodeError;
use crate::tables::{KeyTag, Tables};
use crate::vault::Vault;

/// Requests of one agency that are remembered at a time. A mark lives twice the life of a request, so
/// this allows 16 a second; a whole register goes in requests of a thousand elements.
const MOST_OF_AN_AGENCY: usize = 10_000;
/// How often marks that no longer matter are swept out.
const SWEEP_EVERY_S: i64 = 60;

/// Until when the newest request was good whose mark was swept out.
const FORGOTTEN: &str = "requests forgotten until";

/// Which request: an agency's own number for it. Another agency with the same number is another one.
type Mark = (AgencyName, KeyTag);

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Unix seconds.
    pub at: i64,
    /// Who asked.
    pub requester: AgencyName,
    /// How many elements were evaluated.
    pub elements: u64,
    /// Under which key.
    pub epoch: u32,
    /// With which shares of it.
    pub generation: u32,
}

/// The gate.
pub struct Gate(Mutex<State>);

struct State {
    /// Until when each request must be refused.
    marks: BTreeMap<Mark, i64>,
    /// What was good no longer than until then may have been answered, though no mark says so.
    forgotten: i64,
    next_entry: u64,
    swept_at: i64,
}

impl Gate {
    /// Reads what was answered before.
    pub fn open(tables: &Tables) -> Result<Self, NodeError> {
        let marks: BTreeMap<Mark, i64> = tables.answered.iter().collect::<Result<_, _>>()?;
        let forgotten = tables.numbers.get(&FORGOTTEN.to_owned())?;
        let forgotten = forgotten.and_then(|at| i64::try_from(at).ok());
        Ok(Self(Mutex::new(State {
            marks,
            forgotten: forgotten.unwrap_or(i64::MIN),
            // Entries are never deleted and have no gaps.
            next_entry: tables.ledger.len()?,
            swept_at: i64::MIN,
        })))
    }

    /// Lets a verified request through, once, if the quota allows it; the caller may evaluate then. A
    /// question that was evaluated before has no quota and costs nothing.
    pub fn admit(
        &self,
        (vault, tables): (&Vault, &Tables),
        request: &Request,
        quota: Option<Quota>,
        now: i64,
    ) -> Result<(), Refusal> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: NodeError| {
            tracing::error!(%error, "what was answered cannot be written down; nothing is evaluated");
            Refusal::NotReady
        };
        state.sweep(tables, now).map_err(failed)?;
        let mark = (request.requester.clone(), KeyTag(request.id));
        if state.marks.contains_key(&mark) {
            return Err(Refusal::Repeated);
        }
        if request.expires_at <= state.forgotten {
            tracing::error!(
                clock = now,
                was_beyond = state.forgotten.saturating_add(MAX_REQUEST_LIFE_S),
                "this clock was set back: what may have been answered before is not answered again"
            );
            return Err(Refusal::Repeated);
        }
        if state.remembered(&request.requester) >= MOST_OF_AN_AGENCY {
            return Err(Refusal::Busy);
        }
        let spent = match quota {
            Some(quota) => Some(spend(tables, request, quota, now).map_err(failed)??),
            None => None,
        };
        // Beyond the request's own life, since this clock may be set back once.
        let until = request.expires_at.saturating_add(MAX_REQUEST_LIFE_S);
        state.marks.insert(mark.clone(), until);
        tables.answered.put(&mark, &until).map_err(failed)?;
        if let Some(Spent { bucket, entry }) = &spent {
            let place = (request.epoch, request.requester.clone());
            let written = tables.quotas.put(&place, bucket);
            let written = written.and_then(|()| tables.ledger.put(&state.next_entry, entry));
            written.map_err(failed)?;
        }
        vault.flush().map_err(failed)?;
        state.next_entry += u64::from(spent.is_some());
        Ok(())
    }

    /// The newest lines of the ledger with their numbers, oldest first.
    pub fn ledger(
        &self,
        tables: &Tables,
        newest: u64,
    ) -> Result<Vec<(u64, LedgerEntry)>, NodeError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = state.next_entry.saturating_sub(newest)..state.next_entry;
        let mut lines = Vec::new();
        for number in numbers {
            if let Some(entry) = tables.ledger.get(&number)? {
                lines.push((number, entry));
            }
        }
        Ok(lines)
    }
}

/// What an evaluation changes.
struct Spent {
    bucket: Bucket,
    entry: LedgerEntry,
}

/// Takes an evaluation from what its agency has left.
fn spend(
    tables: &Tables,
    request: &Request,
    quota: Quota,
    now: i64,
) -> Result<Result<Spent, Refusal>, NodeError> {
    // A new key starts with a new bucket: every member has to ask for its whole register again.
    let place = (request.epoch, request.requester.clone());
    let stored = tables.quotas.get(&place)?;
    let mut bucket = stored.unwrap_or_else(|| Bucket::new(quota, now));
    if let Err(over) = bucket.spend(quota, request.count(), now) {
        let retry_at = over.retry_at;
        return Ok(Err(Refusal::OverQuota { retry_at }));
    }
    let entry = LedgerEntry {
        at: now,
        requester: request.requester.clone(),
        elements: request.count(),
        epoch: request.epoch,
        generation: request.generation,
    };
    Ok(Ok(Spent { bucket, entry }))
}

impl State {
    fn remembered(&self, agency: &AgencyName) -> usize {
        let first = (agency.clone(), KeyTag([0; 16]));
        let last = (agency.clone(), KeyTag([255; 16]));
        self.marks.range(first..=last).count()
    }

    fn sweep(&mut self, tables: &Tables, now: i64) -> Result<(), NodeError> {
        // A clock that was set back sweeps again when it likes: marks go by their own time.
        let since = now.saturating_sub(self.swept_at);
        if (0..SWEEP_EVERY_S).contains(&since) {
            return Ok(());
        }
        let over: Vec<Mark> = self
            .marks
            .iter()
            .filter(|(_, until)| **until < now)
            .map(|(mark, _)| mark.clone())
            .collect();
        let newest = over.iter().filter_map(|mark| self.marks.get(mark)).max();
        if let Some(until) = newest {
            // Before the marks go, so that a crash in between forgets nothing.
            let expired = until.saturating_sub(MAX_REQUEST_LIFE_S).max(self.forgotten);
            let number = u64::try_from(expired).unwrap_or(0);
            tables.numbers.put(&FORGOTTEN.to_owned(), &number)?;
            self.forgotten = expired;
        }
        for mark in over {
            tables.answered.remove(&mark)?;
            self.marks.remove(&mark);
        }
        self.swept_at = now;
        Ok(())
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
