//! Giving back the room that deleted rows took.
//!
//! Rows lie in files of their own. The engine writes such a file anew, without what is no more, only while it
//! merges every table that points into it. Tokens are spread evenly, so that each file is pointed into from all
//! over, and a merge of some tables frees none of them. One of all tables does.

use super::FjallStore;
use super::fault::Fault;

/// Less than this is not worth reading through all places.
pub(super) const WORTH_IT: u64 = 64 << 20;

impl FjallStore {
    /// Merges all places if a quarter of what they and their rows take is no more, and at least `worth_it`
    /// bytes; whether it was so. What is no more, the engine learns as it merges deletions.
    pub(super) fn tidy_from(&self, worth_it: u64) -> Result<bool, Fault> {
        let places = &self.spaces.places.keyspace;
        let (gone, all) = (places.fragmented_blob_bytes(), places.disk_space());
        if gone < worth_it || gone < all / 4 {
            return Ok(false);
        }
        places.major_compact()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::row::{Handle, Row, Token};

    use crate::store::contract::{batch, row};
    use crate::store::fjall::FjallStore;
    use crate::store::{Batch, Store as _};

    fn numbered(number: u16) -> Row {
        let (mut token, mut handle) = ([0; 16], [0; 16]);
        token[..2].copy_from_slice(&number.to_be_bytes());
        handle[..2].copy_from_slice(&number.to_be_bytes());
        Row {
            token: Token(token),
            handle: Handle(handle),
            ..row(1, 1)
        }
    }

    fn to_tables(store: &FjallStore) {
        store
            .spaces
            .places
            .keyspace
            .rotate_memtable_and_wait()
            .unwrap();
    }

    #[test]
    fn what_deleted_rows_took_is_given_back_and_the_others_stay() {
        const ROWS: u16 = 4_000;
        let dir = tempfile::tempdir().unwrap();
        let store = FjallStore::open(dir.path()).unwrap();
        // Two files of rows, into each of which every table points.
        for part in 0..2 {
            let rows = (0..ROWS).filter(|number| number % 2 == part);
            let rows = rows.map(numbered).collect();
            store.submit(&batch("a", rows)).unwrap();
            to_tables(&store);
        }
        let places = &store.spaces.places.keyspace;
        places.major_compact().unwrap();
        assert!(!store.tidy_from(0).unwrap(), "nothing is gone");
        let full = places.disk_space();
        let (kept, gone): (Vec<u16>, Vec<u16>) = (0..ROWS).partition(|number| number % 8 < 2);
        let gone: Vec<Handle> = gone.into_iter().map(|n| numbered(n).handle).collect();
        store.withdraw(&"a".parse().unwrap(), &gone, 7).unwrap();
        to_tables(&store);
        places.major_compact().unwrap();
        let merged = places.disk_space();
        assert!(
            merged > full / 2,
            "{merged} of {full} bytes: merging alone frees no file of which something is left"
        );
        assert!(!store.tidy_from(u64::MAX).unwrap(), "not worth it");
        assert!(store.tidy_from(0).unwrap());
        let tidied = places.disk_space();
        assert!(tidied < full / 3, "{tidied} of {full} bytes are left");
        assert!(!store.tidy_from(0).unwrap(), "nothing is left to do");
        drop(store);
        let store = FjallStore::open(dir.path()).unwrap();
        let asked = (0..ROWS).map(|number| Row {
            handle: Handle([9; 16]),
            ..numbered(number)
        });
        let asking = Batch {
            mailbox_max_items: u64::MAX,
            ..batch("b", asked.collect())
        };
        let found = store.query(&asking).unwrap().hits;
        let found: Vec<Handle> = found.into_iter().map(|hit| hit.handle).collect();
        let kept: Vec<Handle> = kept.into_iter().map(|n| numbered(n).handle).collect();
        assert_eq!(found, kept);
    }
}
