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

/// One for each value of the first 16 bits. Of 25 million keys a bucket has some 400: inserting moves that many
/// at most.
const BUCKETS: usize = 1 << 16;
/// By so many a bucket grows: little is left empty.
const GROWTH: usize = 16;

/// Counts of keys, once they were reckoned.
#[derive(Default)]
pub(crate) struct Counts(Mutex<Option<Tally>>);

/// Counts of keys.
pub(crate) struct Tally {
    buckets: Vec<Bucket>,
    /// Counts that do not fit their four bits.
    large: HashMap<(u16, u32), u32>,
    /// Keys that a second record has come to hold.
    newly_shared: HashSet<KeyTag>,
}

/// Keys with the same first 16 bits, in order: the next 28 bits of each, then four of its count.
type Bucket = Vec<u32>;

/// Bits of a count.
const COUNT_BITS: u32 = 4;
/// A count that stands in `large`.
const LARGE: u32 = (1 << COUNT_BITS) - 1;

impl Default for Tally {
    fn default() -> Self {
        Self {
            buckets: vec![Bucket::new(); BUCKETS],
            large: HashMap::new(),
            newly_shared: HashSet::new(),
        }
    }
}

/// The bucket of a key, and its name there.
fn name_of(tag: &KeyTag) -> (u16, u32) {
    let [a, b, c, d, e, f, ..] = tag.0;
    let name = u32::from_be_bytes([c, d, e, f]) >> COUNT_BITS;
    (u16::from_be_bytes([a, b]), name)
}

/// Where in a bucket a name is, or would be.
fn place_of(bucket: &Bucket, name: u32) -> Result<usize, usize> {
    bucket.binary_search_by_key(&name, |entry| entry >> COUNT_BITS)
}

impl Tally {
    /// How many records hold a key.
    pub fn of(&self, tag: &KeyTag) -> u32 {
        let (bucket, name) = name_of(tag);
        let Some(found) = self.buckets.get(usize::from(bucket)) else {
            return 0;
        };
        let place = place_of(found, name).ok();
        match place.and_then(|place| found.get(place)) {
            None => 0,
            Some(entry) if entry & LARGE == LARGE => {
                self.large.get(&(bucket, name)).copied().unwrap_or(0)
            }
            Some(entry) => entry & LARGE,
        }
    }

    /// One record more, or one less, holds a key; gives the counts before and after.
    pub fn change(&mut self, tag: &KeyTag, more: bool) -> (u32, u32) {
        let before = self.of(tag);
        let after = match more {
            true => before.saturating_add(1),
            false => before.saturating_sub(1),
        };
        self.set(name_of(tag), after);
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

    fn set(&mut self, (bucket, name): (u16, u32), count: u32) {
        let Some(found) = self.buckets.get_mut(usize::from(bucket)) else {
            return;
        };
        if count >= LARGE {
            self.large.insert((bucket, name), count);
        } else {
            self.large.remove(&(bucket, name));
        }
        let entry = (name << COUNT_BITS) | count.min(LARGE);
        match place_of(found, name) {
            Ok(place) if count == 0 => {
                found.remove(place);
            }
            Ok(place) => {
                if let Some(known) = found.get_mut(place) {
                    *known = entry;
                }
            }
            Err(_) if count == 0 => {}
            Err(place) => {
                if found.len() == found.capacity() {
                    found.reserve_exact(GROWTH);
                }
                found.insert(place, entry);
            }
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
        for _ in 0..200_000 {
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
        let left: usize = tally.buckets.iter().map(Vec::len).sum();
        assert_eq!((left, tally.large.len()), (0, 0));
    }
}
