//! Counts the frames of HTTP/2 that carry next to nothing, as a client sends them (RFC 9113, section 4.1).
//!
//! Pings, settings, resets and empty frames cost the server more than their sender, and the library answers
//! as many as come (section 10.5). An honest client sends a few of them with each call, so they are allowed
//! in proportion to its calls. Only heads of frames are looked at: what they mean is the library's to say.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::DefaultClock;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use symbolon_core::identity::Subject;

/// A frame with a payload of at most so many bytes counts.
const SMALL_BYTES: u32 = 64;
/// Connection preface (section 3.4).
const PREFACE_BYTES: u64 = 24;
/// Head of a frame: length (3), type, flags, stream (4).
pub(crate) const HEAD_BYTES: usize = 9;
/// A call takes its headers, its message, the end of its stream, and up to two updates of windows each for
/// stream and connection.
const A_CALL: u32 = 8;
/// Redeeming an invitation takes two calls.
const OF_A_STRANGER: u32 = 32;

/// Follows the frames of one connection.
pub struct Meter {
    /// Bytes that are no head of a frame.
    skip: u64,
    head: [u8; HEAD_BYTES],
    have: usize,
    allowance: Allowance,
}

/// Small frames of members.
pub type OfMembers = RateLimiter<Subject, DefaultKeyedStateStore<Subject>, DefaultClock>;

enum Allowance {
    Member(Arc<OfMembers>, Subject),
    Stranger(DefaultDirectRateLimiter),
}

/// For members who may make so many calls a second, and so many at once.
pub fn of_members(calls_a_second: u32, burst: u32) -> Arc<OfMembers> {
    let times = |calls: u32| NonZeroU32::new(calls.saturating_mul(A_CALL));
    let times = |calls| times(calls).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::per_second(times(calls_a_second)).allow_burst(times(burst));
    Arc::new(RateLimiter::hashmap(quota))
}

impl Meter {
    /// Of a connection of this member's, who has one allowance for all of them.
    pub fn of_member(allowance: &Arc<OfMembers>, subject: Subject) -> Self {
        Self::new(Allowance::Member(Arc::clone(allowance), subject))
    }

    /// Of somebody of whom nothing is known.
    pub fn of_stranger() -> Self {
        let most = NonZeroU32::new(OF_A_STRANGER).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(most);
        Self::new(Allowance::Stranger(RateLimiter::direct(quota)))
    }

    fn new(allowance: Allowance) -> Self {
        Self {
            skip: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            have: 0,
            allowance,
        }
    }

    /// Follows what came; how many small frames end in it, unless its sender may not go on.
    pub fn allowed(&mut self, bytes: &[u8]) -> Option<u32> {
        let found = self.small_frames(bytes);
        let Some(small) = NonZeroU32::new(found) else {
            return Some(0);
        };
        let checked = match &self.allowance {
            Allowance::Member(all, subject) => {
                all.check_key_n(subject, small).map(|one| one.is_ok())
            }
            Allowance::Stranger(own) => own.check_n(small).map(|one| one.is_ok()),
        };
        // More at once than may ever come at once.
        checked.unwrap_or(false).then_some(found)
    }

    /// Small frames whose heads end in these bytes.
    fn small_frames(&mut self, mut bytes: &[u8]) -> u32 {
        let mut small = 0;
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
            let skipped = skipped.min(bytes.len());
            self.skip -= skipped as u64;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let wanted = HEAD_BYTES - self.have;
            let (part, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            if let Some(place) = self.head.get_mut(self.have..self.have + part.len()) {
                place.copy_from_slice(part);
            }
            self.have += part.len();
            bytes = rest;
            if self.have == HEAD_BYTES {
                self.have = 0;
                let [one, two, three, ..] = self.head;
                let length = u32::from_be_bytes([0, one, two, three]);
                self.skip = u64::from(length);
                small += u32::from(length <= SMALL_BYTES);
            }
        }
        small
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(lengths: &[u16]) -> Vec<u8> {
        let mut bytes = vec![b'P'; PREFACE_BYTES as usize];
        for length in lengths {
            let [high, low] = length.to_be_bytes();
            bytes.extend([0, high, low, 6, 0, 0, 0, 0, 0]);
            bytes.extend(vec![0xff; usize::from(*length)]);
        }
        bytes
    }

    #[test]
    fn a_member_has_one_allowance_and_strangers_have_little() {
        let all = of_members(10, 2);
        let harbour: Subject = "symbolon://north/harbour".parse().unwrap();
        let refuge: Subject = "symbolon://north/refuge".parse().unwrap();
        let meter = |subject: &Subject| Meter::of_member(&all, subject.clone());
        // Two calls at once, of eight small frames each; large ones are free.
        let (mut one, mut other) = (meter(&harbour), meter(&harbour));
        assert_eq!(one.allowed(&frames(&[8; 10])), Some(10));
        assert_eq!(one.allowed(&[]), Some(0));
        assert_eq!(other.allowed(&frames(&[0; 10])), None);
        assert_eq!(meter(&harbour).allowed(&frames(&[65; 100])), Some(0));
        assert_eq!(meter(&refuge).allowed(&frames(&[8; 16])), Some(16));
        assert_eq!(
            meter(&refuge).allowed(&frames(&[8; 17])),
            None,
            "never so many"
        );
        let mut stranger = Meter::of_stranger();
        assert_eq!(stranger.allowed(&frames(&[8; 32])), Some(32));
        assert_eq!(stranger.allowed(&[0; 9]), None);
    }

    proptest! {
        #[test]
        fn however_they_come_they_are_counted(
            lengths in proptest::collection::vec(0..300_u16, 0..50),
            cuts in proptest::collection::vec(1..200_usize, 1..50),
        ) {
            let mut meter = Meter::of_stranger();
            let (bytes, mut at, mut counted) = (frames(&lengths), 0, 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(bytes.len());
                counted += meter.small_frames(&bytes[at..end]);
                at = end;
                if at == bytes.len() {
                    break;
                }
            }
            let small = lengths.iter().filter(|length| **length <= 64).count();
            prop_assert_eq!(counted as usize, small);
        }

        #[test]
        fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let mut meter = Meter::of_stranger();
            prop_assert!(meter.small_frames(&bytes) as usize <= bytes.len() / 9);
        }
    }
}
