//! The rows of this agency, in one block for each record.
//!
//! A register of a million records has some 25 million rows. sled keeps thirty bytes in memory and at
//! least a write for each entry, so that rows do not lie there one by one (docs/decisions/0015). A block
//! holds the rows of one record with their roots, or the dummies of one batch. Which block a row lies in
//! stands in its handle, masked: a handle is a random salt and the block's number, combined with what an
//! HMAC under the vault's key makes of the salt. To everybody else it is random, as it was.
//!
//! Every change of a block goes through [`Rows::change`], which keeps the list of blocks with waiting
//! rows, and the sums of all, in step.

mod packed;
mod pending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use symbolon_core::crypto;
use symbolon_core::row::{Handle, Holdings, fingerprint};

use crate::error::NodeError;
use crate::tables::{KeyTag, Secret, StoredRow};
use crate::vault::{Blocks, Mask, Vault};

/// Names the rows of one record, or the dummies of one batch.
pub(crate) type Block = u64;

/// A row in its block.
#[derive(Clone)]
pub(crate) struct Kept {
    pub handle: Handle,
    pub row: StoredRow,
    /// It waits to be registered.
    pub waits: bool,
}

/// What lies in one block.
#[derive(Clone, Default)]
pub(crate) struct Content {
    pub rows: Vec<Kept>,
    /// Roots of keys whose rows were withdrawn: the record may be shared again.
    pub spare: Vec<Spare>,
}

/// A root without a row.
#[derive(Clone)]
pub(crate) struct Spare {
    pub custody: u32,
    pub tag: KeyTag,
    pub root: Secret,
}

/// Roots by custody epoch and key.
pub(crate) type Roots = BTreeMap<(u32, KeyTag), Secret>;

/// What all rows come to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Registered, without dummies.
    pub registered: u64,
    /// Registered, with dummies: what the hub should hold.
    pub holdings: Holdings,
}

impl Sums {
    fn count(&mut self, rows: &[Kept], more: bool) {
        for Kept { handle, row, .. } in rows {
            let (true, Some(token)) = (row.registered, row.token) else {
                continue;
            };
            let real = u64::from(row.record_id.is_some());
            let mark = fingerprint(&row.epoch, &token, handle);
            if more {
                self.registered += real;
                self.holdings.add(&mark);
            } else {
                self.registered = self.registered.saturating_sub(real);
                self.holdings.remove(&mark);
            }
        }
    }
}

struct Totals {
    waiting: u64,
    /// Reckoned when somebody asks first: it takes a look at every block.
    sums: Option<Sums>,
}

struct Inner {
    blocks: Blocks,
    /// Blocks with waiting rows, and maybe others: how many wait.
    waiting: Blocks,
    /// Blocks with dummies, and maybe some that are gone.
    dummies: Blocks,
    mask: Mask,
    /// Whoever changes a block holds this.
    totals: Mutex<Totals>,
}

/// The rows, by handle.
pub struct Rows(Arc<Inner>);

/// Those of them that wait to be registered.
pub struct Pending(Arc<Inner>);

/// Opens the rows.
pub(crate) fn open(vault: &Vault) -> Result<(Rows, Pending), NodeError> {
    let waiting = vault.blocks("waiting")?;
    let mut total = 0;
    for entry in waiting.after(None) {
        let (_, _, bytes) = entry?;
        let bytes = <[u8; 4]>::try_from(bytes.as_slice()).map_err(|_| waiting.damaged())?;
        total += u64::from(u32::from_be_bytes(bytes));
    }
    let inner = Arc::new(Inner {
        blocks: vault.blocks("rows")?,
        waiting,
        dummies: vault.blocks("dummies")?,
        mask: vault.mask("row name"),
        totals: Mutex::new(Totals {
            waiting: total,
            sums: None,
        }),
    });
    Ok((Rows(Arc::clone(&inner)), Pending(inner)))
}

impl Inner {
    fn load(&self, block: Block) -> Result<Content, NodeError> {
        match self.blocks.get(block)? {
            Some(bytes) => packed::unpack(&bytes).ok_or_else(|| self.blocks.damaged()),
            None => Ok(Content::default()),
        }
    }

    fn contents(&self) -> impl Iterator<Item = Result<Content, NodeError>> + '_ {
        self.blocks.after(None).map(|entry| {
            let (_, _, bytes) = entry?;
            packed::unpack(&bytes).ok_or_else(|| self.blocks.damaged())
        })
    }

    fn block_of(&self, handle: &Handle) -> Block {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = handle.0;
        u64::from_be_bytes([i, j, k, l, m, n, o, p]) ^ self.mask.of([a, b, c, d, e, f, g, h])
    }

    fn find(&self, handle: &Handle) -> Result<Option<Kept>, NodeError> {
        let rows = self.load(self.block_of(handle))?.rows;
        Ok(rows.into_iter().find(|kept| kept.handle == *handle))
    }

    /// Changes a block and whatever follows from it. A block that says that rows wait is always in the
    /// list: it comes in before and goes out after.
    fn change<T>(
        &self,
        block: Block,
        change: impl FnOnce(&mut Content) -> T,
    ) -> Result<T, NodeError> {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut content = self.load(block)?;
        let listed = self.listed(block)?;
        let mut sums = totals.sums;
        if let Some(sums) = &mut sums {
            sums.count(&content.rows, false);
        }
        let outcome = change(&mut content);
        let rows = &content.rows;
        let waits = rows.iter().filter(|kept| kept.waits).count();
        let waits = u32::try_from(waits).unwrap_or(u32::MAX);
        if let Some(sums) = &mut sums {
            sums.count(rows, true);
        }
        if waits > listed {
            self.waiting.put(block, &waits.to_be_bytes())?;
        }
        if rows.is_empty() && content.spare.is_empty() {
            self.blocks.remove(block)?;
        } else {
            let bytes =
                packed::pack(&content).ok_or(NodeError::Internal("a block that is too large"))?;
            self.blocks.put(block, &bytes)?;
        }
        if waits == 0 && listed > 0 {
            self.waiting.remove(block)?;
        } else if waits < listed {
            self.waiting.put(block, &waits.to_be_bytes())?;
        }
        totals.waiting = (totals.waiting + u64::from(waits)).saturating_sub(u64::from(listed));
        totals.sums = sums;
        Ok(outcome)
    }

    /// How many rows of a block wait by the list; a kill may have left more there than wait.
    fn listed(&self, block: Block) -> Result<u32, NodeError> {
        let Some(bytes) = self.waiting.get(block)? else {
            return Ok(0);
        };
        let bytes = <[u8; 4]>::try_from(bytes.as_slice());
        bytes
            .map(u32::from_be_bytes)
            .map_err(|_| self.waiting.damaged())
    }

    fn by_block<T>(
        &self,
        items: impl IntoIterator<Item = (Handle, T)>,
    ) -> BTreeMap<Block, Vec<(Handle, T)>> {
        let mut blocks: BTreeMap<Block, Vec<(Handle, T)>> = BTreeMap::new();
        for (handle, item) in items {
            let block = self.block_of(&handle);
            blocks.entry(block).or_default().push((handle, item));
        }
        blocks
    }

    fn put(
        &self,
        rows: impl IntoIterator<Item = (Handle, StoredRow)>,
        waits: Option<bool>,
    ) -> Result<(), NodeError> {
        for (block, new) in self.by_block(rows) {
            self.change(block, |content| {
                for (handle, row) in new {
                    match content.rows.iter_mut().find(|kept| kept.handle == handle) {
                        Some(kept) => {
                            kept.row = row;
                            kept.waits = waits.unwrap_or(kept.waits);
                        }
                        None => content.rows.push(Kept {
                            handle,
                            row,
                            waits: waits.unwrap_or(false),
                        }),
                    }
                }
            })?;
        }
        Ok(())
    }
}

/// What a block holds, or the error in its place.
fn split<T>(content: Result<Content, NodeError>) -> (Content, Option<Result<T, NodeError>>) {
    match content {
        Ok(content) => (content, None),
        Err(error) => (Content::default(), Some(Err(error))),
    }
}

impl Content {
    /// Keeps the roots of rows that are gone, where no other row has them.
    fn spare_roots_of(&mut self, gone: Vec<Kept>, oldest: u32) {
        for StoredRow {
            custody, tag, root, ..
        } in gone.into_iter().map(|kept| kept.row)
        {
            let here = |other: &Kept| {
                let row = &other.row;
                row.root.is_some() && (row.custody, row.tag) == (custody, tag)
            };
            let spared = |spare: &Spare| (spare.custody, spare.tag) == (custody, tag);
            if let Some(root) = root
                && custody >= oldest
                && !self.rows.iter().any(here)
                && !self.spare.iter().any(spared)
            {
                self.spare.push(Spare { custody, tag, root });
            }
        }
    }
}

impl Rows {
    /// A row.
    pub fn get(&self, handle: &Handle) -> Result<Option<StoredRow>, NodeError> {
        Ok(self.0.find(handle)?.map(|kept| kept.row))
    }

    /// Several rows; each block is read once.
    pub(crate) fn get_many(
        &self,
        handles: &[Handle],
    ) -> Result<BTreeMap<Handle, StoredRow>, NodeError> {
        let wanted = self.0.by_block(handles.iter().map(|handle| (*handle, ())));
        let mut found = BTreeMap::new();
        for (block, handles) in wanted {
            let handles: BTreeSet<Handle> =
                handles.into_iter().map(|(handle, ())| handle).collect();
            let rows = self.0.load(block)?.rows.into_iter();
            let rows = rows.filter(|kept| handles.contains(&kept.handle));
            found.extend(rows.map(|kept| (kept.handle, kept.row)));
        }
        Ok(found)
    }

    /// Writes a row; whether it waits stays as it was.
    pub fn put(&self, handle: &Handle, row: &StoredRow) -> Result<(), NodeError> {
        self.0.put([(*handle, row.clone())], None)
    }

    /// Writes rows; whether they wait stays as it was. Rows of one block are written together.
    pub(crate) fn put_many(
        &self,
        rows: impl IntoIterator<Item = (Handle, StoredRow)>,
    ) -> Result<(), NodeError> {
        self.0.put(rows, None)
    }

    /// Writes the dummies of a window into a block of their own.
    pub(crate) fn put_dummies(
        &self,
        block: Block,
        rows: Vec<(Handle, StoredRow)>,
    ) -> Result<(), NodeError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.0.dummies.put(block, &[])?;
        self.put_many(rows)
    }

    /// So many registered dummies, or all there are.
    pub(crate) fn registered_dummies(&self, wanted: usize) -> Result<Vec<Handle>, NodeError> {
        let mut found = Vec::new();
        for entry in self.0.dummies.after(None) {
            if found.len() >= wanted {
                break;
            }
            let (_, block, _) = entry?;
            let rows = self.0.load(block)?.rows;
            if rows.is_empty() {
                self.0.dummies.remove(block)?;
            }
            let dummies = rows.into_iter();
            let dummies =
                dummies.filter(|kept| kept.row.record_id.is_none() && kept.row.registered);
            let room = wanted - found.len();
            found.extend(dummies.take(room).map(|kept| kept.handle));
        }
        Ok(found)
    }

    /// Writes new rows that wait. Rows of one block are written together.
    pub(crate) fn put_waiting(
        &self,
        rows: impl IntoIterator<Item = (Handle, StoredRow)>,
    ) -> Result<(), NodeError> {
        self.0.put(rows, Some(true))
    }

    /// Changes those of some rows that are there still, each with what goes with it; `change` gives whether
    /// a row waits then.
    pub(crate) fn change_each<T>(
        &self,
        items: impl IntoIterator<Item = (Handle, T)>,
        change: impl Fn(&mut StoredRow, bool, T) -> bool,
    ) -> Result<(), NodeError> {
        for (block, items) in self.0.by_block(items) {
            let mut items: BTreeMap<Handle, T> = items.into_iter().collect();
            self.0.change(block, |content| {
                for kept in &mut content.rows {
                    if let Some(item) = items.remove(&kept.handle) {
                        kept.waits = change(&mut kept.row, kept.waits, item);
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Deletes rows; their roots stay in the block, for when the record is shared again, unless they are
    /// under a custody key before `oldest`.
    pub(crate) fn remove_many(&self, handles: &[Handle], oldest: u32) -> Result<(), NodeError> {
        for (block, gone) in self.0.by_block(handles.iter().map(|handle| (*handle, ()))) {
            let gone: BTreeSet<Handle> = gone.into_iter().map(|(handle, ())| handle).collect();
            self.0.change(block, |content| {
                let rows = std::mem::take(&mut content.rows);
                let (out, stay) = rows
                    .into_iter()
                    .partition(|kept| gone.contains(&kept.handle));
                content.rows = stay;
                content.spare_roots_of(out, oldest);
            })?;
        }
        Ok(())
    }

    /// The roots that lie in a block.
    pub(crate) fn roots_in(&self, block: Block) -> Result<Roots, NodeError> {
        let Content { rows, spare } = self.0.load(block)?;
        let of_rows = rows.into_iter().map(|kept| kept.row);
        let of_rows = of_rows.filter_map(|row| Some(((row.custody, row.tag), row.root?)));
        let spare = spare.into_iter();
        let spare = spare.map(|spare| ((spare.custody, spare.tag), spare.root));
        Ok(of_rows.chain(spare).collect())
    }

    /// Forgets the roots without a row of a block.
    pub(crate) fn forget_spare(&self, block: Block) -> Result<(), NodeError> {
        self.0.change(block, |content| content.spare.clear())
    }

    /// Forgets roots without a row under custody keys of before.
    pub(crate) fn forget_spare_before(&self, custody: u32) -> Result<(), NodeError> {
        for entry in self.0.blocks.after(None) {
            let (_, block, bytes) = entry?;
            let content = packed::unpack(&bytes).ok_or_else(|| self.0.blocks.damaged())?;
            if content.spare.iter().any(|spare| spare.custody < custody) {
                self.0.change(block, |content| {
                    content.spare.retain(|spare| spare.custody >= custody);
                })?;
            }
        }
        Ok(())
    }

    /// Every root with its key and custody epoch, of rows and without one.
    pub fn roots(&self) -> impl Iterator<Item = Result<((u32, KeyTag), Secret), NodeError>> + '_ {
        self.0.contents().flat_map(|content| {
            let (content, error) = split(content);
            let rows = content.rows.into_iter().map(|kept| kept.row);
            let rows = rows.filter_map(|row| Some(((row.custody, row.tag), row.root?)));
            let spare = content.spare.into_iter();
            let spare = spare.map(|spare| ((spare.custody, spare.tag), spare.root));
            rows.chain(spare).map(Ok).chain(error)
        })
    }

    /// Every row, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Handle, StoredRow), NodeError>> + '_ {
        self.0.contents().flat_map(|content| {
            let (content, error) = split(content);
            let rows = content.rows.into_iter();
            rows.map(|kept| Ok((kept.handle, kept.row))).chain(error)
        })
    }

    /// What all rows come to. The first to ask waits until every block was looked at.
    pub(crate) fn sums(&self) -> Result<Sums, NodeError> {
        let mut totals = self.0.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sums) = totals.sums {
            return Ok(sums);
        }
        let mut sums = Sums::default();
        for content in self.0.contents() {
            sums.count(&content?.rows, true);
        }
        totals.sums = Some(sums);
        Ok(sums)
    }

    /// The rows of some blocks that wait.
    pub(crate) fn waiting_in(
        &self,
        blocks: &[Block],
    ) -> Result<Vec<(Handle, StoredRow)>, NodeError> {
        let mut found = Vec::new();
        for block in blocks {
            let before = found.len();
            let rows = self.0.load(*block)?.rows.into_iter();
            let rows = rows.filter(|kept| kept.waits);
            found.extend(rows.map(|kept| (kept.handle, kept.row)));
            if found.len() == before {
                // A kill left it on the list.
                self.0.change(*block, |_| ())?;
            }
        }
        Ok(found)
    }

    /// A fresh handle for a row in a block.
    pub(crate) fn handle_in(&self, block: Block) -> Result<Handle, NodeError> {
        let salt: [u8; 8] = crypto::random()?;
        let masked = (block ^ self.0.mask.of(salt)).to_be_bytes();
        let mut handle = [0; 16];
        let (first, last) = handle.split_at_mut(8);
        first.copy_from_slice(&salt);
        last.copy_from_slice(&masked);
        Ok(Handle(handle))
    }

    /// The block that a row lies in.
    pub(crate) fn block_of(&self, handle: &Handle) -> Block {
        self.0.block_of(handle)
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
