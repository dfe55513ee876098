//! Matching: rows in, notices out. The hub compares tokens for equality and learns no more.
//!
//! What may be stored is decided here against the agreements in force; the join itself is the
//! store's, which must see the rows and write the notices in one atomic step.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Handle, Holdings, Row};
use thiserror::Error;
use tokio::sync::RwLock;

use crate::caller::{Caller, NotAllowed};
use crate::clock::Clock;
use crate::config::Limits;
use crate::mailbox::Lines;
use crate::membership::Directory;
use crate::store::{Batch, Hit, Store, StoreError, Withdrawn, blocking};

/// Most handles in one page: 16 bytes each, far below the largest message.
const MAX_PAGE: usize = 50_000;
/// Rows of one sweep's atomic write.
const EXPIRY_BATCH: usize = 1_000;
/// Rows whose silent counterparts are told in one atomic write.
const TOLD_AT_ONCE: usize = 1_000;

/// Why rows are refused; nothing of the batch is stored then.
#[derive(Debug, Error)]
pub enum MatchingError {
    /// Not for this caller.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// A larger batch than the hub takes.
    #[error("the batch has {have} rows, more than {most}")]
    TooMany {
        /// In the batch.
        have: usize,
        /// Allowed.
        most: usize,
    },
    /// An agreement that is not in force or that the caller is no member of.
    #[error("row {index} is under no agreement in force of which {member} is a member")]
    NoAgreement {
        /// Whose batch.
        member: AgencyName,
        /// Position in the batch.
        index: usize,
    },
    /// A last month outside what the agreement allows.
    #[error("row {index} of {member} would expire outside the agreement's retention")]
    Expiry {
        /// Whose batch.
        member: AgencyName,
        /// Position in the batch.
        index: usize,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The join and what belongs to it.
pub struct Matching {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Agreements in force.
    pub directory: Arc<Directory>,
    /// Whom to wake.
    pub lines: Arc<Lines>,
    /// What month it is.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Limits,
    /// Held by each submission from its check to its end, so that none that was checked before a
    /// departure is stored after it.
    pub under_way: Arc<RwLock<()>>,
    /// What was done since the start.
    pub counts: Counts,
}

/// Rows by what became of them, for metrics: of all members together.
#[derive(Clone, Default)]
pub struct Counts {
    /// Handed in for storing, stored before or not.
    pub submitted: Counter,
    /// Asked with.
    pub asked: Counter,
    /// Handed in for deletion.
    pub withdrawn: Counter,
    /// Deleted since their last month was over.
    pub expired: Counter,
}

impl Matching {
    /// Stores and joins rows; those whose handles are already stored change nothing. Each part that the
    /// store takes at once is stored or refused whole; parts before a refused one stay.
    pub async fn submit(&self, caller: &Caller, rows: Vec<Row>) -> Result<Holdings, MatchingError> {
        let under_way = Arc::new(Arc::clone(&self.under_way).read_owned().await);
        let mut batch = self.checked(caller, rows, self.limits.max_rows_per_submit)?;
        self.counts.submitted.inc_by(batch.rows.len() as u64);
        loop {
            let rest = batch.split_off(self.store.rows_at_once().max(1));
            let under_way = Arc::clone(&under_way);
            let holdings = self
                .change(move |store| {
                    let _under_way = under_way;
                    let done = store.submit(&batch)?;
                    Ok((done.woken, done.holdings))
                })
                .await?;
            if rest.rows.is_empty() {
                return Ok(holdings);
            }
            batch = rest;
        }
    }

    /// Joins rows and stores none.
    pub async fn query(&self, caller: &Caller, rows: Vec<Row>) -> Result<Vec<Hit>, MatchingError> {
        let batch = self.checked(caller, rows, self.limits.max_rows_per_query)?;
        self.counts.asked.inc_by(batch.rows.len() as u64);
        self.change(move |store| {
            let done = store.query(&batch)?;
            Ok((done.woken, done.hits))
        })
        .await
    }

    /// Deletes rows and cancels the notices that came from them.
    pub async fn withdraw(
        &self,
        caller: &Caller,
        handles: Vec<Handle>,
    ) -> Result<Withdrawn, MatchingError> {
        let member = caller.agency()?.clone();
        at_most(handles.len(), self.limits.max_rows_per_submit)?;
        self.counts.withdrawn.inc_by(handles.len() as u64);
        let at = self.clock.now();
        self.change(move |store| {
            let done = store.withdraw(&member, &handles, at)?;
            Ok((done.woken.clone(), done))
        })
        .await
    }

    /// Count and digest of the caller's live rows.
    pub async fn holdings(&self, caller: &Caller) -> Result<Holdings, MatchingError> {
        let member = caller.agency()?.clone();
        let store = Arc::clone(&self.store);
        blocking(move || store.holdings(&member).map_err(Into::into)).await
    }

    /// A page of the caller's handles, rising.
    pub async fn handles(
        &self,
        caller: &Caller,
        after: Option<Handle>,
        limit: usize,
    ) -> Result<Vec<Handle>, MatchingError> {
        let member = caller.agency()?.clone();
        let store = Arc::clone(&self.store);
        let limit = limit.clamp(1, MAX_PAGE);
        blocking(move || store.handles(&member, after, limit).map_err(Into::into)).await
    }

    /// Tells owners of silent rows what came since the last time; says of how many rows.
    pub async fn tell(&self) -> Result<u64, MatchingError> {
        let mut told = 0;
        let most = self.limits.mailbox_max_items;
        loop {
            let now_told = self
                .change(move |store| {
                    let done = store.tell(TOLD_AT_ONCE, most)?;
                    Ok((done.woken, done.done))
                })
                .await?;
            told += now_told;
            if now_told == 0 {
                return Ok(told);
            }
        }
    }

    /// Removes every row whose last month is over, batch by batch; says how many.
    pub async fn expire(&self) -> Result<u64, MatchingError> {
        let mut removed = 0;
        loop {
            let at = self.clock.now();
            let month = ExpiryMonth::of(at);
            let (now_removed, more) = self
                .change(move |store| {
                    let done = store.expire(month, EXPIRY_BATCH, at)?;
                    Ok((done.woken, (done.removed, done.more)))
                })
                .await?;
            removed += now_removed;
            self.counts.expired.inc_by(now_removed);
            if !more {
                return Ok(removed);
            }
        }
    }

    /// Deletes the rows of members that have departed from an agreement; says how many. What is in
    /// `settled` was looked through since it departed and is passed over.
    pub async fn drop_departed(
        &self,
        settled: &mut BTreeSet<(AgencyName, AgreementEpoch)>,
    ) -> Result<u64, MatchingError> {
        let departed = self.directory.state().departed.clone();
        drop(self.under_way.write().await);
        settled.retain(|known| departed.contains(known));
        let mut removed = 0;
        for (member, epoch) in departed.difference(&settled.clone()) {
            let mut after = None;
            loop {
                let (name, epoch, at) = (member.clone(), *epoch, self.clock.now());
                let now_removed;
                (now_removed, after) = self
                    .change(move |store| {
                        let done = store.drop_epoch(&name, &epoch, after, EXPIRY_BATCH, at)?;
                        Ok((done.woken, (done.removed, done.after)))
                    })
                    .await?;
                removed += now_removed;
                if after.is_none() {
                    break;
                }
            }
            settled.insert((member.clone(), *epoch));
        }
        Ok(removed)
    }

    /// Gives back the room that deleted rows took; whether there was any that was worth it.
    pub async fn tidy(&self) -> Result<bool, MatchingError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.tidy().map_err(Into::into)).await
    }

    /// Changes the store and wakes whom that concerns, all of it even if the caller hangs up meanwhile:
    /// what was stored without a wake-up would lie until the next one.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<(BTreeSet<AgencyName>, T), StoreError> + Send + 'static,
    ) -> Result<T, MatchingError> {
        let (store, lines) = (Arc::clone(&self.store), Arc::clone(&self.lines));
        let change = move || {
            let (woken, done) = work(store.as_ref())?;
            lines.wake(&woken);
            Ok::<_, StoreError>(done)
        };
        Ok(blocking(change).await?)
    }

    fn checked(
        &self,
        caller: &Caller,
        rows: Vec<Row>,
        most: usize,
    ) -> Result<Batch, MatchingError> {
        let member = caller.agency()?.clone();
        at_most(rows.len(), most)?;
        let at = self.clock.now();
        let month = ExpiryMonth::of(at);
        let state = self.directory.state();
        let mut common_limits = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            let terms = state.in_force.get(&row.agreement_epoch);
            let Some(terms) = terms.filter(|terms| terms.members.contains(&member)) else {
                return Err(MatchingError::NoAgreement { member, index });
            };
            let latest = month.plus(terms.retention_months).plus(1);
            if !(month..=latest).contains(&row.expiry) {
                return Err(MatchingError::Expiry { member, index });
            }
            common_limits.insert(row.agreement_epoch, terms.common_token_limit);
        }
        Ok(Batch {
            member,
            rows,
            common_limits,
            mailbox_max_items: self.limits.mailbox_max_items,
            at,
        })
    }
}

fn at_most(have: usize, most: usize) -> Result<(), MatchingError> {
    if have > most {
        return Err(MatchingError::TooMany { have, most });
    }
    Ok(())
}
