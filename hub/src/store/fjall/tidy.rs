//! Giving back the room that deleted rows took.
//!
//! Rows lie in files of their own. The engine writes such a file anew, without what is no more, only while it
//! merges every table that points into it, and has learnt by then, from a merge before, how much of it is no
//! more. Tokens are spread evenly, so that each file is pointed into from all over, and a merge of some tables
//! frees none of them. Two of all tables do.

use super::fault::Fault;
use super::numbers::number;
use super::sealing::write_out;
use super::tx::Read;
use super::{FjallStore, Spaces, Write};
use crate::store::StoreError;

/// Fewer deleted rows are not worth reading through all places.
pub(super) const WORTH_IT: u64 = 100_000;
/// How many rows were deleted since it was tidied up.
const GONE: &str = "rows gone since it was tidied up";

const DAMAGED: Fault = Fault::Damaged("a number of rows is malformed");

impl FjallStore {
    /// Merges all places twice, and handles once, if a quarter of the rows were deleted, and at least `worth_it`,
    /// since that was done last; whether it was so.
    pub(super) fn tidy_from(&self, worth_it: u64) -> Result<bool, StoreError> {
        let (gone, left) = self.read(|read, spaces| {
            let gone = number(read, spaces, GONE)?;
            Ok((gone, rows_left(read, spaces)?))
        })?;
        if gone < worth_it || gone < gone.saturating_add(left) / 4 {
            return Ok(false);
        }
        let places = &self.spaces.places.keyspace;
        let handles = &self.spaces.handles.keyspace;
        let merge_all = || -> fjall::Result<()> {
            // Merges see only what lies in tables.
            write_out(places)?;
            write_out(handles)?;
            places.major_compact()?;
            places.major_compact()?;
            handles.major_compact()
        };
        merge_all().map_err(|error| super::name(&self.dir, Fault::Engine(error)))?;
        // Some may have gone meanwhile.
        self.write(|write| {
            let now = number(&write.tx, write.spaces, GONE)?;
            write.keep_number(GONE, now.saturating_sub(gone));
            Ok(())
        })?;
        Ok(true)
    }
}

impl Write<'_> {
    /// Remembers that so many rows were deleted.
    pub(super) fn note_gone(&mut self, rows: u64) -> Result<(), Fault> {
        if rows > 0 {
            let before = number(&self.tx, self.spaces, GONE)?;
            self.keep_number(GONE, before.saturating_add(rows));
        }
        Ok(())
    }
}

/// Rows of all members, by the numbers that are kept for each month.
fn rows_left(read: &impl Read, spaces: &Spaces) -> Result<u64, Fault> {
    let mut rows = 0_u64;
    for pair in read.iter(&spaces.months) {
        let bytes = (*pair?.1).try_into().map_err(|_| DAMAGED)?;
        rows = rows.saturating_add(u64::from_be_bytes(bytes));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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

    fn places_take(store: &FjallStore) -> u64 {
        store.spaces.places.keyspace.disk_space()
    }

    const ROWS: u16 = 4_000;

    fn stays(number: u16) -> bool {
        number % 8 < 2
    }

    /// A store from which three of four rows were withdrawn, and what places took before.
    fn mostly_gone(dir: &Path) -> (FjallStore, u64) {
        let store = FjallStore::open(dir).unwrap();
        // Two files of rows, into each of which every table points.
        for part in 0..2 {
            let rows = (0..ROWS).filter(|number| number % 2 == part);
            let rows = rows.map(numbered).collect();
            store.submit(&batch("a", rows)).unwrap();
            to_tables(&store);
        }
        store.spaces.places.keyspace.major_compact().unwrap();
        assert!(!store.tidy_from(0).unwrap(), "nothing is gone");
        let full = places_take(&store);
        let gone = (0..ROWS).filter(|number| !stays(*number));
        let gone: Vec<Handle> = gone.map(|number| numbered(number).handle).collect();
        store.withdraw(&"a".parse().unwrap(), &gone, 7).unwrap();
        (store, full)
    }

    #[test]
    fn one_merge_frees_no_file_of_which_something_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (store, full) = mostly_gone(dir.path());
        to_tables(&store);
        store.spaces.places.keyspace.major_compact().unwrap();
        let merged = places_take(&store);
        assert!(merged > full / 2, "{merged} of {full} bytes are left");
    }

    #[test]
    fn what_deleted_rows_took_is_given_back_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (store, full) = mostly_gone(dir.path());
        assert!(!store.tidy_from(u64::MAX).unwrap(), "not worth it");
        assert!(store.tidy_from(0).unwrap());
        let tidied = places_take(&store);
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
        let kept = (0..ROWS).filter(|number| stays(*number));
        let kept: Vec<Handle> = kept.map(|number| numbered(number).handle).collect();
        assert_eq!(found, kept);
    }
}
