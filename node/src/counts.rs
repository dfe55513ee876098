//! How many own records hold each linkage key.
//!
//! Caps on frequency, and whether a root is worth sharing between records, follow from these counts. They
//! lie in memory, four bytes a key (100 MB for a million records of 25 keys of their own), and are reckoned
//! from the records when somebody asks first: nothing of them has to be kept in step in the vault, and a
//! kill cannot leave them wrong (docs/decisions/0015).
//!
//! A key is told from others by 44 bits of its tag, an HMAC that nobody outside can steer. Among 25
//! million keys some 18 pairs are expected to be alike in them by chance; each is counted as one key.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::error::NodeError;
use crate::node::Node;
use crate::tables::KeyTag;

/// One for each value of the first 16 bits.
const BUCKETS: usize = 1 << 16;
/// So many new keys are gathered before they are sorted in among the others: some 8 MB.
const RECENT: usize = 1 << 18;

/// Counts of keys, once they were reckoned.
#[derive(Default)]
pub(crate) struct Counts(Mutex<Option<Tally>>);

/// Counts of keys. Nearly all lie in one piece of memory: many small ones that grow leave the heap full of holes
/// while records are read beside it.
pub(crate) struct Tally {
    /// By bucket, in each by name: 28 bits of it, then four of its count.
    entries: Vec<u32>,
    /// Where each bucket begins, and the last ends.
    bounds: Vec<usize>,
    /// Entries that nobody holds any more.
    empty: usize,
    /// Counts of keys that are not among the entries yet.
    recent: HashMap<Name, u32>,
    /// Counts that do not fit their four bits.
    large: HashMap<Name, u32>,
    /// Keys that a second record has come to hold.
    newly_shared: HashSet<KeyTag>,
}

/// The first 16 bits of a key's tag, which say its bucket, and the next 28.
type Name = (u16, u32);

/// Bits of a count.
const COUNT_BITS: u32 = 4;
/// A count that stands in `large`.
const LARGE: u32 = (1 << COUNT_BITS) - 1;

impl Default for Tally {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            bounds: vec![0; BUCKETS + 1],
            empty: 0,
            recent: HashMap::new(),
            large: HashMap::new(),
            newly_shared: HashSet::new(),
        }
    }
}

fn name_of(tag: &KeyTag) -> Name {
    let [a, b, c, d, e, f, ..] = tag.0;
    let name = u32::from_be_bytes([c, d, e, f]) >> COUNT_BITS;
    (u16::from_be_bytes([a, b]), name)
}

impl Tally {
    /// How many records hold a key.
    pub fn of(&self, tag: &KeyTag) -> u32 {
        let name = name_of(tag);
        match self.place_of(name) {
            None => self.recent.get(&name).copied().unwrap_or(0),
            Some(place) => match self.entry(place) & LARGE {
                LARGE => self.large.get(&name).copied().unwrap_or(0),
                count => count,
            },
        }
    }

    /// One record more, or one less, holds a key; gives the counts before and after.
    pub fn change(&mut self, tag: &KeyTag, more: bool) -> (u32, u32) {
        let before = self.of(tag);
        let after = match more {
            true => before.saturating_add(1),
            false => before.saturating_sub(1),
        };
        self.set(name_of(tag), (before, after));
        if (before, after) == (1, 2) {
            self.newly_shared.insert(*tag);
        }
        (before, after)
    }

    /// Keys that a second record has come to hold since this was asked last, or since a start.
    pub fn take_newly_shared(&mut self) -> HashSet<KeyTag> {
        std::mem::take(&mut self.newly_shared)
    }

    /// How many of them there are.
    pub fn newly_shared(&self) -> usize {
        self.newly_shared.len()
    }

    /// Where an entry is.
    fn place_of(&self, (bucket, name): Name) -> Option<usize> {
        let (from, to) = self.bounds_of(usize::from(bucket));
        let found = self.entries.get(from..to)?;
        let place = found.binary_search_by_key(&name, |entry| entry >> COUNT_BITS);
        Some(from + place.ok()?)
    }

    fn bounds_of(&self, bucket: usize) -> (usize, usize) {
        let bound = |number: usize| self.bounds.get(number).copied().unwrap_or(0);
        (bound(bucket), bound(bucket + 1))
    }

    fn entry(&self, place: usize) -> u32 {
        self.entries.get(place).copied().unwrap_or(0)
    }

    fn put(&mut self, place: usize, entry: u32) {
        if let Some(known) = self.entries.get_mut(place) {
            *known = entry;
        }
    }

    fn set(&mut self, name: Name, (before, count): (u32, u32)) {
        match self.place_of(name) {
            Some(place) => {
                self.put(place, Self::packed(name, count));
                if count >= LARGE {
                    self.large.insert(name, count);
                } else {
                    self.large.remove(&name);
                }
                match (before, count) {
                    (0, 1..) => self.empty -= 1,
                    (1.., 0) => self.empty += 1,
                    _ => {}
                }
            }
            None if count == 0 => {
                self.recent.remove(&name);
            }
            None => {
                self.recent.insert(name, count);
                if self.recent.len() >= RECENT {
                    self.sort_in();
                }
            }
        }
    }

    fn packed((_, name): Name, count: u32) -> u32 {
        (name << COUNT_BITS) | count.min(LARGE)
    }

    /// Puts recent keys among the entries, and drops those that nobody holds.
    fn sort_in(&mut self) {
        if std::mem::take(&mut self.empty) > 0 {
            self.drop_empty();
        }
        let mut recent = Vec::with_capacity(self.recent.len());
        for (name, count) in std::mem::take(&mut self.recent) {
            if count >= LARGE {
                self.large.insert(name, count);
            }
            recent.push((usize::from(name.0), Self::packed(name, count)));
        }
        recent.sort_unstable();
        // From the last to the first, each to where it comes to lie: no second piece of memory is needed.
        let mut from = self.entries.len();
        let mut to = from + recent.len();
        self.entries.reserve_exact(recent.len());
        self.entries.resize(to, 0);
        for bucket in (0..BUCKETS).rev() {
            let (first, _) = self.bounds_of(bucket);
            if let Some(end) = self.bounds.get_mut(bucket + 1) {
                *end = to;
            }
            loop {
                let known = (from > first).then(|| self.entry(from - 1));
                let new = recent.last().filter(|(other, _)| *other == bucket);
                let new = new.map(|(_, entry)| *entry);
                let Some(next) = known.max(new) else { break };
                if known == Some(next) {
                    from -= 1;
                } else {
                    recent.pop();
                }
                to -= 1;
                self.put(to, next);
            }
        }
    }

    fn drop_empty(&mut self) {
        let mut kept = 0;
        for bucket in 0..BUCKETS {
            let (from, to) = self.bounds_of(bucket);
            if let Some(first) = self.bounds.get_mut(bucket) {
                *first = kept;
            }
            for place in from..to {
                let entry = self.entry(place);
                if entry & LARGE != 0 {
                    self.put(kept, entry);
                    kept += 1;
                }
            }
        }
        self.entries.truncate(kept);
        if let Some(end) = self.bounds.last_mut() {
            *end = kept;
        }
    }
}

impl Node {
    /// Reads or changes the counts; the first to ask waits until every record was looked at.
    pub(crate) fn counted<T>(&self, use_it: impl FnOnce(&mut Tally) -> T) -> Result<T, NodeError> {
        let mut counts = self
            .stream
            .counts
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = counts.as_mut() {
            return Ok(use_it(tally));
        }
        let mut tally = Tally::default();
        for entry in self.tables.records.iter() {
            let (_, stored) = entry?;
            let tags: std::collections::BTreeSet<_> =
                stored.keys.iter().map(|(_, tag)| *tag).collect();
            for tag in tags {
                tally.change(&tag, true);
                // Whose roots are shared already lie where all find them.
                tally.newly_shared.clear();
            }
        }
        Ok(use_it(counts.insert(tally)))
    }

    /// The counts may be wrong: whoever asks next has them reckoned anew.
    pub(crate) fn forget_counts(&self) {
        *self
            .stream
            .counts
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A generator whose numbers are the same for a seed.
    fn numbers(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        }
    }

    fn tag(number: u64) -> KeyTag {
        let digest = symbolon_core::crypto::sha256(&number.to_be_bytes()).0;
        let mut tag = [0; 16];
        tag.copy_from_slice(&digest[..16]);
        KeyTag(tag)
    }

    #[test]
    fn counts_are_those_of_a_map() {
        let seed = 3;
        println!("seed {seed}");
        let mut next = numbers(seed);
        let (mut tally, mut map) = (Tally::default(), BTreeMap::<u64, u32>::new());
        for step in 0..200_000 {
            if step % 30_000 == 0 {
                tally.sort_in();
            }
            // Few keys and many: some are held by hundreds.
            let number = if next().is_multiple_of(4) {
                next() % 20
            } else {
                next() % 50_000
            };
            let more = !next().is_multiple_of(3);
            let (before, after) = tally.change(&tag(number), more);
            let count = map.entry(number).or_default();
            assert_eq!(before, *count);
            *count = if more {
                *count + 1
            } else {
                count.saturating_sub(1)
            };
            assert_eq!(after, *count);
        }
        assert!(map.values().any(|count| *count > 300));
        assert!(
            map.iter()
                .all(|(number, count)| tally.of(&tag(*number)) == *count)
        );
        for (number, count) in map {
            for _ in 0..count {
                tally.change(&tag(number), false);
            }
        }
        tally.sort_in();
        assert_eq!((tally.entries.len(), tally.large.len()), (0, 0));
    }
}
