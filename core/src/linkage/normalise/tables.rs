//! Look-ups in the word lists that ship with the product.
//!
//! The hash is FNV-1a, eight bytes at a time: the standard one withstands keys that somebody chose
//! to collide, which costs more than the rest of a look-up, and all keys of these tables are ours.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// From words to what is known of them. Not for keys that come from outside.
pub type Table<V> = HashMap<&'static str, V, BuildHasherDefault<Fnv>>;
/// Words alone.
pub type Words = HashSet<&'static str, BuildHasherDefault<Fnv>>;

/// See [`Table`].
#[derive(Clone)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let rest = rest.iter().fold(0, |all, b| all << 8 | u64::from(*b));
        self.write_u64(rest);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
        // What a multiplication does not carry down.
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_and_hashes_stay_apart() {
        use std::hash::BuildHasher;
        let words = || include_str!("nicknames.txt").split_whitespace();
        let table: Words = words().collect();
        assert!(words().all(|word| table.contains(word)));
        assert!(!table.contains("featherstonehaugh"));
        let hashes: HashSet<u64> = table.iter().map(|w| table.hasher().hash_one(w)).collect();
        assert_eq!(hashes.len(), table.len());
    }
}
