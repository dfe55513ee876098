//! How the audit log holds together: each entry names the digest of the one before.
//!
//! The digest of an entry is made of its number, its time, the digest of the entry before, and a digest of
//! the event with a random salt. So an entry can be shown without its event, and whoever sees it can still
//! follow the chain, but cannot guess the event: an export about one record or person leaves the others'
//! acts out and verifies all the same.
//!
//! A chain shows that something in the middle was altered, removed or moved. That its end was cut off shows
//! only against a [`Head`] that was kept elsewhere, and whoever can write both can make another chain: a
//! head has to be noted where the log's keeper cannot change it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_core::crypto;
use symbolon_core::encoding::{Digest, base64};
use thiserror::Error;

use crate::audit::AuditEvent;

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the last entry, from 1; 0 while there is none.
    pub number: u64,
    /// Its digest; zeros while there is none.
    pub digest: Digest,
}

impl Head {
    /// Of a log without entries.
    pub const EMPTY: Self = Self {
        number: 0,
        digest: Digest([0; 32]),
    };
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.digest)
    }
}

/// Not a head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is no head of a log; write it as `audit verify` prints it, NUMBER:DIGEST")]
pub struct BadHead;

impl FromStr for Head {
    type Err = BadHead;

    fn from_str(text: &str) -> Result<Self, BadHead> {
        let (number, digest) = text.trim().split_once(':').ok_or(BadHead)?;
        Ok(Self {
            number: number.parse().map_err(|_| BadHead)?,
            digest: Digest::parse(digest).ok_or(BadHead)?,
        })
    }
}

/// What an entry is hashed from: all of it but the event, of which there is the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// From 1, without gaps.
    pub number: u64,
    /// Unix seconds.
    pub at: i64,
    /// Digest of the entry before; zeros in the first.
    pub previous: Digest,
    /// Digest of the event and its salt.
    pub event: Digest,
}

impl Link {
    /// What the next entry names, and a head.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let number = self.number.to_be_bytes();
        let at = self.at.to_be_bytes();
        let fields: [&[u8]; 4] = [&number, &at, &self.previous.0, &self.event.0];
        crypto::digest("symbolon audit entry v1", &fields)
    }

    /// The head of a log that ends here.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            number: self.number,
            digest: self.digest(),
        }
    }
}

/// Random bytes that keep an event from being guessed by its digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Salt(#[serde(with = "base64")] pub [u8; 16]);

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// From 1, without gaps.
    pub number: u64,
    /// Unix seconds.
    pub at: i64,
    /// Digest of the entry before; zeros in the first.
    pub previous: Digest,
    /// Of this entry alone.
    pub salt: Salt,
    /// What was done.
    pub event: AuditEvent,
}

impl Entry {
    /// The entry behind a head.
    #[must_use]
    pub fn after(head: &Head, at: i64, salt: Salt, event: AuditEvent) -> Self {
        Self {
            number: head.number.saturating_add(1),
            at,
            previous: head.digest,
            salt,
            event,
        }
    }

    /// The entry without its event.
    #[must_use]
    pub fn link(&self) -> Link {
        let event = self.event.bytes();
        Link {
            number: self.number,
            at: self.at,
            previous: self.previous,
            event: crypto::digest("symbolon audit event v1", &[&self.salt.0, &event]),
        }
    }
}

/// Where a log does not hold together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainFault {
    /// One that should be there.
    #[error("entry {0} is missing: it was removed")]
    Missing(u64),
    /// One in another's place.
    #[error("in the place of entry {place} stands entry {found}: they were moved")]
    OutOfPlace {
        /// Where.
        place: u64,
        /// What.
        found: u64,
    },
    /// A digest that does not fit.
    #[error("entry {0} does not follow from the one before it: one of the two was altered")]
    Broken(u64),
    /// The end is missing.
    #[error("the log ends with entry {last} and should end with {head}: its end was cut off")]
    CutOff {
        /// Of the last entry.
        last: u64,
        /// What the head says.
        head: u64,
    },
    /// The last entry is another.
    #[error("entry {0}, the last, is not what the head says: it was altered")]
    HeadDiffers(u64),
    /// More than the head says.
    #[error(
        "there are entries behind {0}, where the head says that the log ends: its head was set back"
    )]
    Beyond(u64),
    /// Not the log that a head was noted of.
    #[error("entry {0} is another than the one that was noted: the log was made anew since")]
    NotAsNoted(u64),
}

/// Follows a chain from one entry to the next.
#[derive(Debug)]
pub struct Walk {
    last: Option<Head>,
    noted: Option<Head>,
}

impl Walk {
    /// From the first entry, or for a part of a log from wherever it begins.
    #[must_use]
    pub fn new(from_the_first: bool, noted: Option<Head>) -> Self {
        Self {
            last: from_the_first.then_some(Head::EMPTY),
            noted,
        }
    }

    /// Behind a head that is known to be right.
    #[must_use]
    pub fn behind(head: Head) -> Self {
        Self {
            last: Some(head),
            noted: None,
        }
    }

    /// The next entry.
    pub fn step(&mut self, link: &Link) -> Result<(), ChainFault> {
        if let Some(last) = self.last {
            let place = last.number.saturating_add(1);
            if link.number > place {
                return Err(ChainFault::Missing(place));
            }
            if link.number != place {
                let found = link.number;
                return Err(ChainFault::OutOfPlace { place, found });
            }
            if link.previous != last.digest {
                return Err(ChainFault::Broken(link.number));
            }
        }
        let head = link.head();
        if self
            .noted
            .is_some_and(|noted| noted.number == head.number && noted != head)
        {
            return Err(ChainFault::NotAsNoted(head.number));
        }
        self.last = Some(head);
        Ok(())
    }

    /// The end: gives the head if it is the one that was kept.
    pub fn end(self, kept: &Head) -> Result<Head, ChainFault> {
        let last = self.last.unwrap_or(Head::EMPTY);
        let must_reach = self
            .noted
            .map_or(kept.number, |noted| noted.number.max(kept.number));
        if last.number < must_reach {
            let (last, head) = (last.number, must_reach);
            return Err(ChainFault::CutOff { last, head });
        }
        if last.number > kept.number {
            return Err(ChainFault::Beyond(kept.number));
        }
        if last != *kept {
            return Err(ChainFault::HeadDiffers(last.number));
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::AuditKind;
    use proptest::prelude::*;

    fn log(events: usize) -> (Vec<Entry>, Head) {
        let (mut entries, mut head) = (Vec::new(), Head::EMPTY);
        for number in 0..events {
            let event = AuditEvent::of_the_node(AuditKind::Collection, "record imported");
            let event = event.record(&format!("R-{number}"));
            let entry = Entry::after(&head, number as i64, Salt([number as u8; 16]), event);
            head = entry.link().head();
            entries.push(entry);
        }
        (entries, head)
    }

    fn verify(entries: &[Entry], head: &Head, noted: Option<Head>) -> Result<Head, ChainFault> {
        let mut walk = Walk::new(true, noted);
        entries
            .iter()
            .try_for_each(|entry| walk.step(&entry.link()))?;
        walk.end(head)
    }

    #[test]
    fn an_untouched_log_verifies_and_every_tampering_is_named() {
        let (entries, head) = log(5);
        assert_eq!(verify(&entries, &head, None), Ok(head));
        assert_eq!(verify(&[], &Head::EMPTY, None), Ok(Head::EMPTY));

        let mut altered = entries.clone();
        altered[1].event.record = Some("R-9".to_owned());
        assert_eq!(verify(&altered, &head, None), Err(ChainFault::Broken(3)));
        let mut later = entries.clone();
        later[1].at += 1;
        assert_eq!(verify(&later, &head, None), Err(ChainFault::Broken(3)));
        let mut last = entries.clone();
        last[4].event.what = "record shown".to_owned();
        assert_eq!(verify(&last, &head, None), Err(ChainFault::HeadDiffers(5)));

        let mut removed = entries.clone();
        removed.remove(1);
        assert_eq!(verify(&removed, &head, None), Err(ChainFault::Missing(2)));
        let cut = ChainFault::CutOff { last: 3, head: 5 };
        assert_eq!(verify(&entries[..3], &head, None), Err(cut));
        assert_eq!(
            verify(&entries[1..], &head, None),
            Err(ChainFault::Missing(1))
        );

        let mut swapped = entries.clone();
        swapped.swap(1, 2);
        assert_eq!(verify(&swapped, &head, None), Err(ChainFault::Missing(2)));
        let mut renumbered = swapped.clone();
        (renumbered[1].number, renumbered[2].number) = (2, 3);
        assert_eq!(verify(&renumbered, &head, None), Err(ChainFault::Broken(2)));
        let mut twice = entries.clone();
        twice[3] = twice[1].clone();
        let moved = ChainFault::OutOfPlace { place: 4, found: 2 };
        assert_eq!(verify(&twice, &head, None), Err(moved));
        let early = entries[2].link().head();
        assert_eq!(verify(&entries, &early, None), Err(ChainFault::Beyond(3)));
    }

    #[test]
    fn a_log_that_was_made_anew_shows_against_a_head_that_was_noted() {
        let (entries, head) = log(5);
        let noted = Some(entries[2].link().head());
        assert_eq!(verify(&entries, &head, noted), Ok(head));
        // Its keeper cuts the end off and sets the head back: the chain itself is whole.
        let cut = &entries[..2];
        let shorter = cut[1].link().head();
        assert_eq!(verify(cut, &shorter, None), Ok(shorter));
        let fault = ChainFault::CutOff { last: 2, head: 3 };
        assert_eq!(verify(cut, &shorter, noted), Err(fault));
        // Or makes another chain of the same length.
        let (mut head, mut anew) = (Head::EMPTY, Vec::new());
        for entry in &entries {
            let event = entry.event.clone().record("R-0");
            let entry = Entry::after(&head, entry.at, entry.salt, event);
            head = entry.link().head();
            anew.push(entry);
        }
        assert_eq!(verify(&anew, &head, None), Ok(head));
        assert_eq!(verify(&anew, &head, noted), Err(ChainFault::NotAsNoted(3)));
    }

    #[test]
    fn heads_and_entries_are_read_as_they_are_written() {
        let (entries, head) = log(2);
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!("5".parse::<Head>(), Err(BadHead));
        assert_eq!("x:00".parse::<Head>(), Err(BadHead));
        let text = serde_json::to_string(&entries[1]).unwrap();
        let read: Entry = serde_json::from_str(&text).unwrap();
        assert_eq!(read.link(), entries[1].link());
        let more = text.replacen('{', "{\"more\":1,", 1);
        assert!(
            serde_json::from_str::<Entry>(&more).is_err(),
            "nothing can be put beside what is hashed"
        );
    }

    proptest! {
        /// Any one change of any entry is found.
        #[test]
        fn no_single_change_goes_unseen(length in 1_usize..12, which in 0_usize..12, how in 0_u8..6) {
            let (mut entries, head) = log(length);
            let which = which % length;
            match how {
                0 => entries[which].at ^= 1,
                1 => entries[which].salt.0[0] ^= 1,
                2 => entries[which].previous.0[0] ^= 1,
                3 => entries[which].event.reason = Some("another".parse().unwrap()),
                4 => { entries.remove(which); }
                _ => entries[which].number += 1,
            }
            prop_assert!(verify(&entries, &head, None).is_err());
        }
    }
}
