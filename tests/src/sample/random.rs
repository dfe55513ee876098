//! The sample's own source of random numbers: xoshiro256** seeded through SplitMix64.
//!
//! A library's generator may change its stream between versions, and the committed sample would
//! change with it. Blackman and Vigna's two generators are a few lines, public domain, and fixed.
//! Reference: <https://prng.di.unimi.it/xoshiro256starstar.c> and `splitmix64.c` beside it.
//! Not for secrets: the stream follows from a 64-bit seed.

/// A reproducible stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream that belongs to `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let mut split_mix = seed;
        let state = std::array::from_fn(|_| next_split_mix(&mut split_mix));
        Self { state }
    }

    /// A stream of its own for one stage, so that a change in one stage leaves the others alone.
    pub(super) fn fork(&self, stage: u64) -> Self {
        let [a, b, c, d] = self.state;
        Self::new(a ^ b.rotate_left(16) ^ c.rotate_left(32) ^ d.rotate_left(48) ^ stage)
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number in `0..bound`; 0 for a bound of 0. The bias (below `bound` / 2^64) is of no account.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True `percent` times in a hundred.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// One word of a list whose words are separated by white space.
    pub(super) fn word<'a>(&mut self, list: &'a str) -> &'a str {
        let count = list.split_whitespace().count();
        let chosen = self.below(count);
        list.split_whitespace().nth(chosen).unwrap_or_default()
    }

    /// One line of a list that has one entry on each line.
    pub(super) fn line<'a>(&mut self, list: &'a str) -> &'a str {
        let lines = || list.lines().map(str::trim).filter(|line| !line.is_empty());
        let chosen = self.below(lines().count());
        lines().nth(chosen).unwrap_or_default()
    }

    /// An index, drawn in proportion to `weights`; `None` when they add up to nothing.
    pub(super) fn weighted(&mut self, weights: &[usize]) -> Option<usize> {
        let mut left = self.below(weights.iter().sum());
        weights.iter().position(|&weight| {
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        })
    }

    /// Fisher and Yates' shuffle.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn next_split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_its_published_stream() {
        let mut state = 1_234_567;
        let stream: [u64; 3] = std::array::from_fn(|_| next_split_mix(&mut state));
        assert_eq!(
            stream,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn xoshiro_gives_its_published_stream() {
        let mut random = Random {
            state: [1, 2, 3, 4],
        };
        let stream: [u64; 4] = std::array::from_fn(|_| random.next());
        assert_eq!(
            stream,
            [11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240]
        );
    }

    #[test]
    fn a_weight_of_nothing_is_never_drawn() {
        let mut random = Random::new(7);
        assert!((0..1000).all(|_| random.weighted(&[0, 3, 0, 1]).is_some_and(|i| i % 2 == 1)));
        assert_eq!(random.weighted(&[0, 0]), None);
    }
}
