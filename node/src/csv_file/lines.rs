//! On which line an id stood first, twelve bytes for each.

use std::hash::{BuildHasher as _, RandomState};

/// Of a million ids a bucket has some 250: inserting moves that many at most.
const BUCKETS: u64 = 1 << 12;
/// By so many a bucket grows: little is left empty.
const GROWTH: usize = 16;

/// Lines by fingerprint under a key of this reading: among a million ids two are alike with a chance of 3 in
/// 100 million.
pub(super) struct Lines {
    fingerprints: RandomState,
    buckets: Vec<Vec<Line>>,
}

/// Ordered by its fingerprint.
#[derive(Clone, Copy)]
struct Line {
    /// In halves, so that nothing is left empty between this line and the next.
    fingerprint: [u32; 2],
    number: u32,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            fingerprints: RandomState::new(),
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
        }
    }
}

impl Lines {
    /// The line on which an id stood first.
    pub fn first(&self, id: &str) -> Option<u64> {
        let (bucket, fingerprint) = self.place_of(id);
        let bucket = self.buckets.get(bucket)?;
        let place = find(bucket, fingerprint).ok()?;
        bucket.get(place).map(|line| u64::from(line.number))
    }

    /// Notes the line of an id; one that was noted stays.
    pub fn note(&mut self, id: &str, line: u64) {
        let (bucket, fingerprint) = self.place_of(id);
        let Some(bucket) = self.buckets.get_mut(bucket) else {
            return;
        };
        let Err(place) = find(bucket, fingerprint) else {
            return;
        };
        if bucket.len() == bucket.capacity() {
            bucket.reserve_exact(GROWTH);
        }
        // A file of more lines than four thousand million is told wrong numbers, and imported all the same.
        let number = u32::try_from(line).unwrap_or(u32::MAX);
        bucket.insert(
            place,
            Line {
                fingerprint,
                number,
            },
        );
    }

    fn place_of(&self, id: &str) -> (usize, [u32; 2]) {
        let hash = self.fingerprints.hash_one(id);
        let bucket = usize::try_from(hash % BUCKETS).unwrap_or(0);
        let [high, low] = [hash >> 32, hash & u64::from(u32::MAX)];
        let half = |bits| u32::try_from(bits).unwrap_or(0);
        (bucket, [half(high), half(low)])
    }
}

fn find(bucket: &[Line], fingerprint: [u32; 2]) -> Result<usize, usize> {
    bucket.binary_search_by_key(&fingerprint, |line| line.fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_has_the_line_that_was_noted_first() {
        let mut lines = Lines::default();
        let id = |number: u64| format!("case {number}");
        for number in 0..100_000 {
            lines.note(&id(number), number + 2);
        }
        for number in 0..1_000 {
            lines.note(&id(number), 7);
        }
        assert!((0..100_000).all(|number| lines.first(&id(number)) == Some(number + 2)));
        assert!((100_000..200_000).all(|number| lines.first(&id(number)).is_none()));
    }
}
