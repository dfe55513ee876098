//! From waiting rows to rows at the hub, and from unwanted rows to rows withdrawn.
//!
//! Waiting rows are taken in the order of the vault's own key hashes, which mixes the rows of many
//! records; a batch is padded with dummies before it goes, and so are withdrawals. Each step is
//! written down before the next, so that a kill at any point loses nothing and evaluates nothing
//! twice: roots are cached as they come, a row's handle and token never change once built, and the
//! hub takes a repeated row as one.

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
use crate::reports::{Progress, ProgressSink};
use crate::roots::Asking;
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
        // Rows under a new custody key first; those under the old one may have nobody left to answer.
        let mut first_error = None;
        for epoch in self.row_epochs()? {
            let turns = turns.as_deref_mut();
            let worked = self.work_off_epoch(hub, epoch, progress, done, turns);
            if let Err(error) = worked.await {
                first_error = first_error.or(Some(error));
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn work_off_epoch(
        self: &Arc<Self>,
        hub: &HubClient,
        epoch: u32,
        progress: &ProgressSink,
        done: &mut Done,
        mut turns: Option<&mut Work<'_>>,
    ) -> Result<(), NodeError> {
        let total = self.tables.pending.len() as u64;
        let mut asking = Asking::new(epoch, self.config.tokenising.batch as usize);
        loop {
            let batch = self.next_batch(epoch)?;
            if batch.is_empty() {
                return Ok(());
            }
            self.register(hub, &mut asking, batch, done).await?;
            let stage = "registering".to_owned();
            progress(Progress {
                stage,
                done: done.registered.min(total),
                total,
            });
            if let Some(work) = turns.as_deref_mut() {
                work.let_others_in().await;
            }
        }
    }

    /// Sends one batch: evaluates what has no root yet, seals, submits.
    pub(crate) async fn register(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
        mut batch: Vec<(Handle, StoredRow)>,
        done: &mut Done,
    ) -> Result<(), NodeError> {
        let found = self.find_roots(hub, asking, &batch).await;
        if found.is_err() {
            // What has its root goes all the same.
            batch = self.with_roots(batch)?;
            if batch.is_empty() {
                return found;
            }
        }
        let rows = self.build_rows(&batch)?;
        self.submit(hub, &batch, rows).await?;
        done.registered += batch.len() as u64;
        found
    }

    /// The waiting rows, if they are fewer than one batch.
    pub(crate) fn few_pending(&self) -> Result<Option<BTreeSet<Handle>>, NodeError> {
        if self.tables.pending.len() >= self.config.tokenising.batch as usize {
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

    /// The next waiting rows of agreements that are usable. Rows that no record names any more are
    /// left over from a crash and dropped.
    fn next_batch(&self, epoch: u32) -> Result<Vec<(Handle, StoredRow)>, NodeError> {
        let usable = self.audiences();
        let mut batch = Vec::new();
        for entry in self.tables.pending.iter() {
            if batch.len() >= self.config.tokenising.batch as usize {
                break;
            }
            let (handle, ()) = entry?;
            let row = self.tables.rows.get(&handle)?;
            let named = match row.as_ref().and_then(|row| row.record_id.as_ref()) {
                Some(id) => self
                    .tables
                    .records
                    .get(id)?
                    .is_some_and(|record| record.rows.contains(&handle)),
                None => false,
            };
            match row {
                Some(row) if named => {
                    if row.custody == epoch
                        && usable.iter().any(|audience| audience.epoch == row.epoch)
                    {
                        batch.push((handle, row));
                    }
                }
                // It may have been submitted without the answer reaching us.
                Some(_) => self.drop_row(&handle)?,
                None => self.tables.pending.remove(&handle)?,
            }
        }
        Ok(batch)
    }

    /// Token and lock of a row, from its cached root.
    pub(crate) fn token_of(&self, row: &StoredRow) -> Result<(Token, SecretKey), NodeError> {
        let root = self.tables.roots.get(&(row.custody, row.tag))?;
        let root = root.ok_or(NodeError::Internal("a row without its root"))?;
        let served = self.epoch_of(row)?;
        Ok(served.key.derive(&Root::from_bytes(&root.0)?))
    }

    /// The epoch that a row is made under.
    fn epoch_of(&self, row: &StoredRow) -> Result<Arc<ServedEpoch>, NodeError> {
        let served = self.served_epoch(&row.epoch);
        served.ok_or_else(|| NodeError::Waiting("an agreement has just changed".to_owned()))
    }

    fn build_rows(&self, batch: &[(Handle, StoredRow)]) -> Result<Vec<Row>, NodeError> {
        let mut rows = Vec::with_capacity(batch.len());
        for (handle, stored) in batch {
            let (token, lock) = self.token_of(stored)?;
            let record = match &stored.record_id {
                Some(id) => self.tables.records.get(id)?,
                None => None,
            };
            let reference = record.as_ref();
            let reference = reference.and_then(|r| r.references.get(&stored.agreement).copied());
            let payload = Payload {
                agency: self.identity.agency.clone(),
                reference: reference.ok_or(NodeError::Internal("a row without a reference"))?,
                kind: stored.kind,
                schema_version: self.schema.version,
                urgency: stored.urgency,
                query: false,
            };
            let payload = payload::seal(&payload, &lock, &stored.epoch, &token, handle)?;
            let served = self.epoch_of(stored)?;
            rows.push(Row {
                agreement_epoch: stored.epoch,
                token,
                handle: *handle,
                silent: stored.silent,
                expiry: self.row_expiry(record.as_ref(), stored, &served),
                payload,
            });
        }
        Ok(rows)
    }

    /// Pads, submits, and writes down that the rows are there.
    async fn submit(
        &self,
        hub: &HubClient,
        batch: &[(Handle, StoredRow)],
        mut rows: Vec<Row>,
    ) -> Result<(), NodeError> {
        let dummies = self.dummies(&rows)?;
        // Dummies are written down before they go: the count of live rows must be right after a crash.
        let stored: Vec<(Handle, StoredRow)> = dummies
            .iter()
            .map(|row| (row.handle, self.stored_dummy(row, batch)))
            .collect();
        self.tables
            .rows
            .put_many(stored.iter().map(|(handle, row)| (handle, row)))?;
        rows.extend(dummies);
        rows.sort_by_key(|row| row.handle);
        self.vault.flush()?;
        hub.submit(&rows).await?;
        let tokens: BTreeMap<Handle, Token> =
            rows.iter().map(|row| (row.handle, row.token)).collect();
        let registered: Vec<(Handle, StoredRow)> = batch
            .iter()
            .chain(&stored)
            .map(|(handle, row)| {
                let token = tokens.get(handle).copied();
                (
                    *handle,
                    StoredRow {
                        token,
                        registered: true,
                        input: None,
                        ..row.clone()
                    },
                )
            })
            .collect();
        self.tables
            .rows
            .put_many(registered.iter().map(|(handle, row)| (handle, row)))?;
        for (handle, _) in batch {
            self.tables.pending.remove(handle)?;
        }
        Ok(())
    }

    /// Random rows that fill a batch up; nobody can tell them from real ones.
    fn dummies(&self, rows: &[Row]) -> Result<Vec<Row>, NodeError> {
        let wanted = padded_size(rows.len()) - rows.len();
        (0..wanted)
            .zip(rows.iter().cycle())
            .map(|(_, like)| {
                Ok(Row {
                    token: Token(crypto::random()?),
                    handle: Handle::random()?,
                    payload: SealedPayload(crypto::random::<PAYLOAD_BYTES>()?),
                    ..like.clone()
                })
            })
            .collect()
    }

    fn stored_dummy(&self, dummy: &Row, batch: &[(Handle, StoredRow)]) -> StoredRow {
        let like = batch
            .iter()
            .find(|(_, row)| row.epoch == dummy.agreement_epoch);
        StoredRow {
            record_id: None,
            agreement: like.map_or(symbolon_core::encoding::Digest([0; 32]), |(_, row)| {
                row.agreement
            }),
            epoch: dummy.agreement_epoch,
            custody: like.map_or(1, |(_, row)| row.custody),
            kind: 0,
            tag: KeyTag([0; 16]),
            urgency: Default::default(),
            input: None,
            token: Some(dummy.token),
            registered: false,
            silent: dummy.silent,
        }
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
            progress(Progress {
                stage,
                done: done.withdrawn.min(total),
                total,
            });
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
        let padding = self.dummies_to_withdraw(padded_size(batch.len()) - batch.len())?;
        let mut handles: Vec<Handle> = batch.iter().chain(&padding).copied().collect();
        handles.sort();
        let (_, _, cancelled) = hub.withdraw(&handles).await?;
        let mut by_epoch = BTreeMap::new();
        for handle in &handles {
            let row = self.tables.rows.get(handle)?;
            if let Some(row) = row.filter(|row| row.registered) {
                done.withdrawn += u64::from(row.record_id.is_some());
                *by_epoch.entry(row.epoch).or_insert(0) += 1;
            }
            self.tables.rows.remove(handle)?;
            self.tables.withdrawals.remove(handle)?;
        }
        self.count_withdrawn(&by_epoch)?;
        self.end_evidence_of(&handles.iter().copied().collect())?;
        done.cancelled += cancelled;
        Ok(())
    }

    /// Registered dummies, so that withdrawals do not group real rows either.
    fn dummies_to_withdraw(&self, wanted: usize) -> Result<Vec<Handle>, NodeError> {
        let mut found = Vec::new();
        for entry in self.tables.rows.iter() {
            if found.len() >= wanted {
                break;
            }
            let (handle, row) = entry?;
            if row.record_id.is_none() && row.registered {
                found.push(handle);
            }
        }
        Ok(found)
    }

    /// Keys that wait, and rows whose deletion waits.
    pub(crate) fn waiting_rows(&self) -> u64 {
        (self.tables.pending.len() + self.tables.withdrawals.len()) as u64
    }
}
