//! A tree of sled whose pages leave memory again.
//!
//! sled's page cache has 256 shards, and each looks at what to evict only after 64 accesses of its own.
//! Until every shard has had its 64, pages of sixteen values of three kilobytes come to most of a
//! gigabyte, whatever the cache is said to hold (docs/decisions/0015). So beside the tables lies one of
//! small pages, some in every shard, and as bytes come in these are read in turn: every shard is accessed
//! and evicts. One round takes some 150 microseconds and comes once in half a megabyte.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use sled::{Batch, IVec};

use super::Place;

/// The table of small pages.
pub(super) const TURNS: &str = "turns";
/// Pages get their numbers one after another, and a page's number says its shard: so many reach all 256,
/// also where a number was taken in between.
const PAGES: u32 = 320;
/// sled splits a page at the seventeenth value and leaves nine, if values come in order.
const VALUES_A_PAGE: u32 = 9;
/// Values that come into memory with one at most.
const NEIGHBOURS: u64 = 16;
/// Bytes that come in between two rounds. 64 rounds make every shard evict: 32 MiB.
const ROUND_BYTES: u64 = 512 << 10;

/// sled keeps what is larger than a quarter of its segments, a value or a page of sixteen, in a file by
/// itself, and does not flush that.
const LARGE_BYTES: usize = 8 << 10;

/// Makes the shards of the cache evict.
pub(super) struct Turns {
    pages: sled::Tree,
    bytes: AtomicU64,
    /// Values were written of which sled may make files.
    large: AtomicBool,
}

impl Turns {
    /// Lays out the small pages if they are not there.
    pub fn open(db: &sled::Db) -> sled::Result<Self> {
        let pages = db.open_tree(TURNS)?;
        for value in 0..PAGES * VALUES_A_PAGE {
            // A kill may have left the first of them.
            if !pages.contains_key(value.to_be_bytes())? {
                pages.insert(value.to_be_bytes(), &[])?;
            }
        }
        Ok(Self {
            pages,
            bytes: AtomicU64::new(0),
            large: AtomicBool::new(false),
        })
    }

    /// Whether large values were written since this was asked last.
    pub fn take_large(&self) -> bool {
        self.large.swap(false, Ordering::AcqRel)
    }

    /// So many bytes may have come into memory.
    fn came(&self, bytes: u64) -> sled::Result<()> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before / ROUND_BYTES == before.wrapping_add(bytes) / ROUND_BYTES {
            return Ok(());
        }
        for page in 0..PAGES {
            self.pages.get((page * VALUES_A_PAGE).to_be_bytes())?;
        }
        Ok(())
    }
}

/// A tree.
pub(super) struct Tree {
    tree: sled::Tree,
    turns: Arc<Turns>,
    /// Bytes of a value, as last seen: what a page that is read comes to follows from it.
    value: AtomicU64,
    /// How many there are, from when they were counted until a batch comes, which does not tell what it
    /// replaced. Counting keeps others from writing.
    entries: RwLock<Option<AtomicU64>>,
}

impl Tree {
    pub fn new(tree: sled::Tree, turns: Arc<Turns>) -> Self {
        Self {
            tree,
            turns,
            value: AtomicU64::new(0),
            entries: RwLock::new(None),
        }
    }

    pub fn get(&self, place: &[u8]) -> sled::Result<Option<IVec>> {
        let value = self.tree.get(place)?;
        self.accessed(value.as_ref().map(|value| value.len()))?;
        Ok(value)
    }

    pub fn insert(&self, place: &[u8], value: Vec<u8>) -> sled::Result<()> {
        let length = value.len();
        let entries = self.counted();
        if let (None, Some(entries)) = (self.tree.insert(place, value)?, &*entries) {
            entries.fetch_add(1, Ordering::Relaxed);
        }
        drop(entries);
        if length > LARGE_BYTES {
            self.turns.large.store(true, Ordering::Release);
        }
        self.accessed(Some(length))
    }

    pub fn remove(&self, place: &[u8]) -> sled::Result<()> {
        let entries = self.counted();
        let removed = self.tree.remove(place)?;
        if let (Some(_), Some(entries)) = (&removed, &*entries) {
            entries.fetch_sub(1, Ordering::Relaxed);
        }
        drop(entries);
        self.accessed(removed.map(|value| value.len()))
    }

    pub fn contains_key(&self, place: &[u8]) -> sled::Result<bool> {
        let there = self.tree.contains_key(place)?;
        self.accessed(None)?;
        Ok(there)
    }

    /// Applies a batch of so many values, of which the largest has so many bytes.
    pub fn apply_batch(&self, batch: Batch, (values, largest): (u64, usize)) -> sled::Result<()> {
        self.tree.apply_batch(batch)?;
        if largest > LARGE_BYTES {
            self.turns.large.store(true, Ordering::Release);
        }
        if self.counted().is_some() {
            *self.entries.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let value = self.value.load(Ordering::Relaxed);
        self.turns.came(value * NEIGHBOURS * values)
    }

    /// Entries by place, from behind one.
    pub fn after(
        &self,
        last: Option<Place>,
    ) -> impl Iterator<Item = sled::Result<(IVec, IVec)>> + '_ {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = last.map_or(Unbounded, Excluded);
        let entries = self.tree.range((from, Unbounded::<Place>));
        entries.map(|entry| {
            let (place, value) = entry?;
            // Its neighbours come by themselves.
            self.turns.came(value.len() as u64)?;
            Ok((place, value))
        })
    }

    /// Entries. Reads all, unless they were counted before and no batch came since.
    pub fn len(&self) -> sled::Result<u64> {
        if let Some(entries) = &*self.counted() {
            return Ok(entries.load(Ordering::Relaxed));
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // Another may have counted in between.
        if let Some(entries) = &*entries {
            return Ok(entries.load(Ordering::Relaxed));
        }
        let mut counted = 0;
        for entry in self.after(None) {
            entry?;
            counted += 1;
        }
        *entries = Some(AtomicU64::new(counted));
        Ok(counted)
    }

    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The count, if there is one; nobody begins to count while this is held.
    fn counted(&self) -> RwLockReadGuard<'_, Option<AtomicU64>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn accessed(&self, length: Option<usize>) -> sled::Result<()> {
        let length = match length {
            Some(length) => {
                self.value.store(length as u64, Ordering::Relaxed);
                length as u64
            }
            None => self.value.load(Ordering::Relaxed),
        };
        self.turns.came(length * NEIGHBOURS)
    }
}
