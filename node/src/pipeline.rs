//! One stream from waiting rows to rows at the hub, in windows.
//!
//! A *window* is the rows of up to [`WINDOW`] records, chosen in the order of the vault's own key hashes,
//! which has nothing to do with that of the file. While the rows of one window are sealed and submitted,
//! the keys of the next are evaluated, with several requests under way: custodians work on one while this
//! node blinds the next and finalises the one before. So memory holds two windows, whatever the file.
//!
//! The rows of a window go mixed: sorted by their random handles and cut into batches. The hub can learn
//! that two rows belong to the same 2,048 records (or to all that waited, if they were fewer), not which
//! belong to one of them.
//!
//! What a kill leaves: roots are kept as they come, so that only requests under way are asked again. Rows
//! that were submitted and not yet marked are submitted again as they were; dummies are stored and flushed
//! before they go. Others may work between two batches of an evaluation, and never while rows are on their
//! way to the hub: what they withdraw would overtake it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;
use symbolon_core::crypto;
use symbolon_core::payload::RecordReference;
use symbolon_core::row::{Handle, Row, Token};
use tokio_util::task::AbortOnDropHandle;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::oracle::blocking;
use crate::reports::{Progress, ProgressSink};
use crate::roots::Asking;
use crate::rows::Block;
use crate::tables::{StoredRecord, StoredRow};
use crate::urgent::Work;

/// Records whose rows are mixed with each other: some 50,000 rows, a dozen megabytes.
pub(crate) const WINDOW: usize = 2048;

/// A waiting row that can go: its record names it, its agreement is usable, its custody epoch is ours.
pub(crate) struct Live {
    pub handle: Handle,
    pub row: StoredRow,
    /// How its record is called under the agreement.
    pub reference: RecordReference,
    /// The last month in which the record is shared under it.
    pub until: Option<u32>,
}

/// Rows of one submission, dummies among them, and the tokens of all by handle.
struct Parcel {
    rows: Vec<Row>,
    real: u64,
}

/// How many rows of a window went, and what ended it.
pub(crate) type Sent = (u64, Result<(), NodeError>);

/// One pass over what waits.
pub(crate) struct Run<'a, 'b> {
    progress: ProgressSink,
    /// Whoever waits for the work lock has it between two batches.
    turns: Option<&'a mut Work<'b>>,
    least: usize,
    total: u64,
    registered: Arc<AtomicU64>,
    sending: Option<AbortOnDropHandle<Sent>>,
}

impl<'a, 'b> Run<'a, 'b> {
    /// Windows with fewer records than `least` are left for later.
    pub fn new(
        progress: &ProgressSink,
        turns: Option<&'a mut Work<'b>>,
        least: usize,
        total: u64,
    ) -> Self {
        Self {
            progress: Arc::clone(progress),
            turns,
            least: least.max(1),
            total,
            registered: Arc::default(),
            sending: None,
        }
    }

    /// Rows that were registered so far, without dummies.
    pub fn registered(&self) -> u64 {
        self.registered.load(Ordering::Relaxed)
    }

    /// Between two batches: others may work, unless rows are on their way.
    pub async fn between_batches(&mut self) {
        let idle = self.sending.as_ref().is_none_or(|task| task.is_finished());
        if let (Some(work), true) = (self.turns.as_deref_mut(), idle) {
            work.let_others_in().await;
        }
    }

    /// Waits until what is on its way is at the hub.
    async fn sent(&mut self) -> Result<(), NodeError> {
        let Some(task) = self.sending.take() else {
            return Ok(());
        };
        let ended = task.await;
        let (_, sent) = ended.map_err(|_| NodeError::Internal("a submission was cut off"))?;
        sent
    }
}

impl Node {
    /// Registers what waits, rows under a new custody key first: those under the old one may have nobody
    /// left to answer.
    pub(crate) async fn register_waiting(
        self: &Arc<Self>,
        hub: &HubClient,
        run: &mut Run<'_, '_>,
    ) -> Result<(), NodeError> {
        let mut first_error = None;
        let epochs = self.row_epochs()?;
        self.forget_questions(&epochs)?;
        for epoch in epochs {
            let worked = self.register_epoch(hub, epoch, run).await;
            let sent = run.sent().await;
            first_error = first_error.or(worked.and(sent).err());
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn register_epoch(
        self: &Arc<Self>,
        hub: &HubClient,
        epoch: u32,
        run: &mut Run<'_, '_>,
    ) -> Result<(), NodeError> {
        let asking = Asking::new(epoch, self.config.tokenising.batch as usize);
        let mut asking = asking.for_good();
        let mut cursor = None;
        loop {
            let (blocks, last) = self.tables.pending.blocks(cursor, WINDOW)?;
            if blocks.len() < run.least {
                return Ok(());
            }
            cursor = last;
            self.register_blocks(hub, &mut asking, blocks, run).await?;
        }
    }

    /// One window: evaluates what has no root yet, then has it sealed and submitted. What was on its way
    /// before is at the hub afterwards.
    async fn register_blocks(
        self: &Arc<Self>,
        hub: &HubClient,
        asking: &mut Asking,
        blocks: Vec<Block>,
        run: &mut Run<'_, '_>,
    ) -> Result<(), NodeError> {
        let found = self.find_roots(hub, asking, &blocks, run).await;
        run.sent().await?;
        // What has its root goes all the same.
        let (node, hub, epoch) = (Arc::clone(self), hub.clone(), asking.epoch());
        let (progress, registered) = (Arc::clone(&run.progress), Arc::clone(&run.registered));
        let total = run.total;
        let tick = move |node: &Node, rows: u64| {
            let done = registered.fetch_add(rows, Ordering::Relaxed) + rows;
            let (stage, done) = ("registering".to_owned(), done.min(total));
            node.tell(&progress, Progress { stage, done, total });
        };
        let sending = async move { node.send_and_tell(&hub, epoch, blocks, tick).await };
        run.sending = Some(AbortOnDropHandle::new(tokio::spawn(sending)));
        found
    }

    /// The same for a few blocks, to the end.
    pub(crate) async fn register_now(
        self: &Arc<Self>,
        hub: &HubClient,
        epoch: u32,
        blocks: Vec<Block>,
    ) -> (u64, Result<(), NodeError>) {
        let mut asking = Asking::new(epoch, self.config.tokenising.batch as usize);
        let mut run = Run::new(&crate::tokenise::silent(), None, 1, 0);
        let worked = self
            .register_blocks(hub, &mut asking, blocks, &mut run)
            .await;
        let sent = run.sent().await;
        (run.registered(), worked.and(sent))
    }

    /// The waiting rows of some blocks that can go. Rows that no record names any more are left over from
    /// a crash and dropped.
    pub(crate) fn live_rows(&self, blocks: &[Block], epoch: u32) -> Result<Vec<Live>, NodeError> {
        let usable: BTreeSet<_> = self.audiences().iter().map(|a| a.epoch).collect();
        let mut records: HashMap<String, Option<StoredRecord>> = HashMap::new();
        let (mut live, mut left_over) = (Vec::new(), Vec::new());
        for (handle, row) in self.tables.rows.waiting_in(blocks)? {
            let Some(id) = &row.record_id else {
                left_over.push((handle, None));
                continue;
            };
            if !records.contains_key(id) {
                records.insert(id.clone(), self.tables.records.get(id)?);
            }
            let record = records.get(id).and_then(Option::as_ref);
            let Some(record) = record.filter(|record| record.rows.contains(&handle)) else {
                left_over.push((handle, row.record_id));
                continue;
            };
            if row.custody != epoch || !usable.contains(&row.epoch) {
                continue;
            }
            let reference = record.references.get(&row.agreement).copied();
            live.push(Live {
                handle,
                reference: reference.ok_or(NodeError::Internal("a row without a reference"))?,
                until: record.shared_until.get(&row.agreement).copied(),
                row,
            });
        }
        self.drop_unnamed(left_over)?;
        Ok(live)
    }

    /// Drops those of some rows that no record names, also now that nobody is about to name them.
    fn drop_unnamed(&self, rows: Vec<(Handle, Option<String>)>) -> Result<(), NodeError> {
        if rows.is_empty() {
            return Ok(());
        }
        let _alone = self
            .stream
            .naming
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut unnamed = Vec::new();
        for (handle, id) in rows {
            let record = id.map(|id| self.tables.records.get(&id)).transpose()?;
            if record
                .flatten()
                .is_none_or(|record| !record.rows.contains(&handle))
            {
                unnamed.push(handle);
            }
        }
        // They may have been submitted without the answer reaching us.
        self.drop_rows(&unnamed)
    }

    /// Seals and submits what has its root of a window, and marks it.
    pub(crate) async fn send_window(
        self: &Arc<Self>,
        hub: &HubClient,
        epoch: u32,
        blocks: Vec<Block>,
    ) -> Sent {
        self.send_and_tell(hub, epoch, blocks, |_, _| {}).await
    }

    async fn send_and_tell(
        self: &Arc<Self>,
        hub: &HubClient,
        epoch: u32,
        blocks: Vec<Block>,
        tick: impl Fn(&Node, u64),
    ) -> Sent {
        let node = Arc::clone(self);
        let parcels = blocking(move || node.seal_window(epoch, &blocks)).await;
        let parcels = match parcels.and_then(|sealed| sealed) {
            Ok(parcels) => parcels,
            Err(error) => return (0, Err(error)),
        };
        let (mut there, mut sent) = (Vec::new(), Ok(()));
        let mut real = 0;
        for parcel in parcels {
            if let Err(error) = hub.submit(&parcel.rows).await {
                sent = Err(error.into());
                break;
            }
            let rows = parcel.rows.into_iter();
            there.extend(rows.map(|row| (row.handle, row.token)));
            real += parcel.real;
            tick(self, parcel.real);
        }
        let node = Arc::clone(self);
        let marked = blocking(move || node.mark_registered(there)).await;
        (real, marked.and_then(|marked| marked).and(sent))
    }

    /// Seals what can go of a window, mixed and padded; dummies are written down.
    fn seal_window(&self, epoch: u32, blocks: &[Block]) -> Result<Vec<Parcel>, NodeError> {
        let mut live = self.live_rows(blocks, epoch)?;
        live.retain(|live| live.row.root.is_some());
        // Handles are random: their order mixes the rows of all records.
        live.sort_by_key(|live| live.handle);
        let block = u64::from_be_bytes(crypto::random()?);
        let (mut parcels, mut kept) = (Vec::new(), Vec::new());
        for part in live.chunks(self.config.tokenising.batch as usize) {
            let sealed = part.par_iter().map(|live| self.seal_row(live));
            let rows: Vec<Row> = sealed.collect::<Result<_, _>>()?;
            let known = part.iter().map(|live| live.row.clone());
            let real = rows.len() as u64;
            let mut rows: Vec<(Row, StoredRow)> = rows.into_iter().zip(known).collect();
            let dummies = self.dummies(block, &rows)?;
            kept.extend(
                dummies
                    .iter()
                    .map(|(row, stored)| (row.handle, stored.clone())),
            );
            rows.extend(dummies);
            let mut rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
            rows.sort_by_key(|row| row.handle);
            parcels.push(Parcel { rows, real });
        }
        // Dummies are written down before they go: the count of live rows must be right after a crash.
        self.tables.rows.put_dummies(block, kept)?;
        self.vault.flush()?;
        Ok(parcels)
    }

    fn mark_registered(&self, there: Vec<(Handle, Token)>) -> Result<(), NodeError> {
        self.tables.rows.change_each(there, |row, _, token| {
            (row.registered, row.token, row.input) = (true, Some(token), None);
            false
        })
    }

    /// Tells how far long work is: to whoever watches, and to whoever asks.
    pub(crate) fn tell(&self, progress: &ProgressSink, step: Progress) {
        let underway = self.stream.underway.lock();
        *underway.unwrap_or_else(std::sync::PoisonError::into_inner) = Some(step.clone());
        progress(step);
    }

    /// Nothing long is under way any more.
    pub(crate) fn told_all(&self) {
        let underway = self.stream.underway.lock();
        *underway.unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}
