//! From waiting rows to rows at the hub, and from unwanted rows to rows withdrawn.
//!
//! [`crate::pipeline`] takes the waiting rows in turn; here are the parts: what a row becomes, how batches
//! are filled up with dummies, how withdrawals go. A row's handle and token never change once built, and
//! the hub takes a repeated row as one, so that a batch that was cut off is sent again as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use symbolon_core::crypto::{self, SecretKey};
use symbolon_core::payload::{self, Payload, Urgency};
use symbolon_core::row::{Handle, PAYLOAD_BYTES, Row, SealedPayload, Token};
use symbolon_core::token::Root;
use tokio::sync::MutexGuard;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::membership::ServedEpoch;
use crate::node::Node;
use crate::pipeline::{Live, Run};
use crate::reports::{Progress, ProgressSink};
use crate::rows::Block;
use crate::tables::{KeyTag, StoredRow};
use crate::urgent::Work;

/// What one pass over the waiting rows did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows registered, without dummies.
    pub registered: u64,
    /// Rows withdrawn, without dummies.
    pub withdrawn: u64,
    /// Notices cancelled at other agencies.
    pub cancelled: u64,
}

/// Smallest batch that leaves the node; a lone record hides among dummies.
const SMALLEST_BATCH: usize = 64;
/// Larger batches are padded to a multiple of this.
const BATCH_STEP: usize = 256;

/// The size to which a batch of `rows` is padded.
pub(crate) fn padded_size(rows: usize) -> usize {
    if rows <= SMALLEST_BATCH {
        SMALLEST_BATCH
    } else {
        rows.next_multiple_of(BATCH_STEP)
    }
}

/// Counts those who let their rows wait for company, until dropped.
struct Gathering<'a>(&'a AtomicUsize);

impl<'a> Gathering<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// No progress is shown.
pub fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

impl Node {
    /// Carries out everything that waits; stops with the reason at what cannot be done now, and says
    /// in `done` what was.
    ///
    /// The caller holds the work lock.
    pub(crate) async fn work_off(
        self: &Arc<Self>,
        hub: &HubClient,
        progress: &ProgressSink,
        done: &mut Done,
    ) -> Result<(), NodeError> {
        self.work_off_in_turns(hub, progress, done, None).await
    }

    /// The same; with `turns`, whoever waits for the work lock has it between two batches.
    pub(crate) async fn work_off_in_turns(
        self: &Arc<Self>,
        hub: &HubClient,
        progress: &ProgressSink,
        done: &mut Done,
        turns: Option<&mut Work<'_>>,
    ) -> Result<(), NodeError> {
        let result = self.work_off_into(hub, progress, done, turns).await;
        self.told_all();
        self.set_waiting(result.as_ref().err().map(NodeError::to_string));
        self.vault.flush()?;
        result
    }

    async fn work_off_into(
        self: &Arc<Self>,
        hub: &HubClient,
        progress: &ProgressSink,
        done: &mut Done,
        mut turns: Option<&mut Work<'_>>,
    ) -> Result<(), NodeError> {
        self.withdraw_waiting(hub, progress, done).await?;
        let _registering = loop {
            match (self.stream.registering.try_lock(), turns.as_deref_mut()) {
                (Ok(registering), _) => break registering,
                (Err(_), Some(work)) => work.let_others_in().await,
                // Whoever does it waits for us, and goes on afterwards.
                (Err(_), None) => return Ok(()),
            }
        };
        self.gather_shared_roots()?;
        let mut run = Run::new(progress, turns, 1, self.waiting_rows()?);
        let worked = self.register_waiting(hub, &mut run).await;
        done.registered += run.registered();
        worked
    }

    /// The waiting rows, if they are fewer than one batch.
    pub(crate) fn few_pending(&self) -> Result<Option<BTreeSet<Handle>>, NodeError> {
        if self.tables.pending.len() >= u64::from(self.config.tokenising.batch) {
            return Ok(None);
        }
        let handles = self.tables.pending.iter().map(|entry| Ok(entry?.0));
        handles.collect::<Result<_, NodeError>>().map(Some)
    }

    /// How many of these rows the hub has.
    pub(crate) fn registered<'a>(
        &self,
        handles: impl Iterator<Item = &'a Handle>,
    ) -> Result<u64, NodeError> {
        let mut count = 0;
        for handle in handles {
            let row = self.tables.rows.get(handle)?;
            count += u64::from(row.is_some_and(|row| row.registered));
        }
        Ok(count)
    }

    /// Lets a few rows wait for others to be mixed with, so that the hub does not see which come
    /// from one record; not if there are enough, or if a record with high risk is among them. Others
    /// may have the work lock meanwhile, except for registering rows.
    pub(crate) async fn wait_for_company<'a>(
        &'a self,
        work: MutexGuard<'a, ()>,
    ) -> Result<MutexGuard<'a, ()>, NodeError> {
        let wait = Duration::from_millis(self.config.tokenising.batch_interval_ms);
        let few = self.few_pending()?.unwrap_or_default();
        if few.is_empty() || wait.is_zero() {
            return Ok(work);
        }
        for handle in &few {
            let row = self.tables.rows.get(handle)?;
            if row.is_some_and(|row| row.urgency == Urgency::High) {
                return Ok(work);
            }
        }
        let _gathering = Gathering::begin(&self.gathering);
        drop(work);
        tokio::time::sleep(wait).await;
        Ok(self.work.lock().await)
    }

    /// The root of a row's key, if it is known.
    pub(crate) fn root_of(&self, row: &StoredRow) -> Result<Option<Root>, NodeError> {
        let root = match &row.root {
            Some(root) => Some(root.clone()),
            None => self.tables.roots.get(&(row.custody, row.tag))?,
        };
        Ok(root.map(|root| Root::from_bytes(&root.0)).transpose()?)
    }

    /// Token and lock of a row, from its cached root.
    pub(crate) fn token_of(&self, row: &StoredRow) -> Result<(Token, SecretKey), NodeError> {
        let root = self.root_of(row)?;
        let root = root.ok_or(NodeError::Internal("a row without its root"))?;
        let served = self.epoch_of(row)?;
        Ok(served.key.derive(&root))
    }

    /// The epoch that a row is made under.
    fn epoch_of(&self, row: &StoredRow) -> Result<Arc<ServedEpoch>, NodeError> {
        let served = self.served_epoch(&row.epoch);
        served.ok_or_else(|| NodeError::Waiting("an agreement has just changed".to_owned()))
    }

    /// The row that the hub gets for a waiting one.
    pub(crate) fn seal_row(&self, live: &Live) -> Result<Row, NodeError> {
        let Live {
            handle,
            row: stored,
            reference,
            until,
        } = live;
        let (token, lock) = self.token_of(stored)?;
        let payload = Payload {
            agency: self.identity.agency.clone(),
            reference: *reference,
            kind: stored.kind,
            schema_version: self.schema.version,
            urgency: stored.urgency,
            query: false,
        };
        let payload = payload::seal(&payload, &lock, &stored.epoch, &token, handle)?;
        let served = self.epoch_of(stored)?;
        Ok(Row {
            agreement_epoch: stored.epoch,
            token,
            handle: *handle,
            silent: stored.silent,
            expiry: self.row_expiry(*until, &served),
            payload,
        })
    }

    /// Random rows that fill a batch up, each with what is kept of it; nobody can tell them from real ones.
    pub(crate) fn dummies(
        &self,
        block: Block,
        rows: &[(Row, StoredRow)],
    ) -> Result<Vec<(Row, StoredRow)>, NodeError> {
        let wanted = padded_size(rows.len()) - rows.len();
        (0..wanted)
            .zip(rows.iter().cycle())
            .map(|(_, (like, stored))| {
                let row = Row {
                    token: Token(crypto::random()?),
                    handle: self.tables.rows.handle_in(block)?,
                    payload: SealedPayload(crypto::random::<PAYLOAD_BYTES>()?),
                    ..like.clone()
                };
                let kept = StoredRow {
                    record_id: None,
                    agreement: stored.agreement,
                    epoch: stored.epoch,
                    custody: stored.custody,
                    kind: 0,
                    tag: KeyTag([0; 16]),
                    urgency: Default::default(),
                    input: None,
                    root: None,
                    token: Some(row.token),
                    registered: false,
                    silent: row.silent,
                };
                Ok((row, kept))
            })
            .collect()
    }

    /// Deletes at the hub what is no longer wanted, padded with dummies of ours.
    pub(crate) async fn withdraw_waiting(
        &self,
        hub: &HubClient,
        progress: &ProgressSink,
        done: &mut Done,
    ) -> Result<(), NodeError> {
        let waiting: Vec<Handle> = self
            .tables
            .withdrawals
            .iter()
            .map(|e| e.map(|(h, ())| h))
            .collect::<Result<_, _>>()?;
        let total = waiting.len() as u64;
        for batch in waiting.chunks(self.config.tokenising.batch as usize) {
            self.withdraw_batch(hub, batch, done).await?;
            let stage = "withdrawing".to_owned();
            let (done, total) = (done.withdrawn.min(total), total);
            self.tell(progress, Progress { stage, done, total });
        }
        Ok(())
    }

    /// Deletes these rows at the hub, with dummies among them.
    pub(crate) async fn withdraw_batch(
        &self,
        hub: &HubClient,
        batch: &[Handle],
        done: &mut Done,
    ) -> Result<(), NodeError> {
        let padding = padded_size(batch.len()) - batch.len();
        let padding = self.tables.rows.registered_dummies(padding)?;
        let mut handles: Vec<Handle> = batch.iter().chain(&padding).copied().collect();
        handles.sort();
        let (_, _, cancelled) = hub.withdraw(&handles).await?;
        let mut by_epoch = BTreeMap::new();
        for row in self.tables.rows.get_many(&handles)?.into_values() {
            if row.registered {
                done.withdrawn += u64::from(row.record_id.is_some());
                *by_epoch.entry(row.epoch).or_insert(0) += 1;
            }
        }
        let oldest = self.row_epochs()?.into_iter().min().unwrap_or(0);
        // First what a kill would leave undone for good: with the rows gone, nobody comes back to it.
        self.end_evidence_of(&handles.iter().copied().collect())?;
        self.tables.rows.remove_many(&handles, oldest)?;
        for handle in &handles {
            self.tables.withdrawals.remove(handle)?;
        }
        self.count_withdrawn(&by_epoch)?;
        done.cancelled += cancelled;
        Ok(())
    }

    /// Keys that wait, and rows whose deletion waits.
    pub(crate) fn waiting_rows(&self) -> Result<u64, NodeError> {
        Ok(self.tables.pending.len() + self.tables.withdrawals.len()?)
    }
}
