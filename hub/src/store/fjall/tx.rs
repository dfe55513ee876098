//! One transaction: what it writes lies in memory, seen by its own reads, until one synced batch takes it
//! over.
//!
//! The engine's own transactions keep each change in a tree of their own that costs as much again as the
//! store's. There is one writer at a time, so that what is read needs no snapshot.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::{Bound, RangeBounds};

use fjall::{Database, Keyspace, PersistMode, Snapshot, UserKey, UserValue};

use super::Fault;

/// A keyspace, and its place among the changes of a transaction.
pub struct Space {
    pub keyspace: Keyspace,
    pub number: usize,
}

/// A key with its value.
pub type Pair = Result<(UserKey, UserValue), Fault>;
/// Pairs by rising keys.
pub type Pairs<'a> = Box<dyn Iterator<Item = Pair> + 'a>;
type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What can be read from: a snapshot, or a transaction with its own changes.
pub trait Read {
    /// The value of a key.
    fn get(&self, space: &Space, key: impl AsRef<[u8]>) -> Result<Option<UserValue>, Fault>;
    /// Pairs within bounds.
    fn between(&self, space: &Space, range: Range) -> Pairs<'_>;

    /// Whether a key is there.
    fn contains_key(&self, space: &Space, key: impl AsRef<[u8]>) -> Result<bool, Fault> {
        Ok(self.get(space, key)?.is_some())
    }

    /// Pairs of a range.
    fn range<K: AsRef<[u8]>>(&self, space: &Space, range: impl RangeBounds<K>) -> Pairs<'_> {
        let owned = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        self.between(
            space,
            (owned(range.start_bound()), owned(range.end_bound())),
        )
    }

    /// Pairs whose keys begin so.
    fn prefix(&self, space: &Space, prefix: impl AsRef<[u8]>) -> Pairs<'_> {
        let prefix = prefix.as_ref().to_vec();
        let after = match successor(&prefix) {
            None => Bound::Unbounded,
            Some(after) => Bound::Excluded(after),
        };
        self.between(space, (Bound::Included(prefix), after))
    }

    /// All pairs.
    fn iter(&self, space: &Space) -> Pairs<'_> {
        self.between(space, (Bound::Unbounded, Bound::Unbounded))
    }
}

/// The first key after all that begin so.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let length = prefix.iter().rposition(|byte| *byte < 0xff)? + 1;
    let mut after = prefix.get(..length)?.to_vec();
    *after.last_mut()? += 1;
    Some(after)
}

impl Read for Snapshot {
    fn get(&self, space: &Space, key: impl AsRef<[u8]>) -> Result<Option<UserValue>, Fault> {
        Ok(fjall::Readable::get(self, &space.keyspace, key)?)
    }

    fn between(&self, space: &Space, range: Range) -> Pairs<'_> {
        let pairs = fjall::Readable::range(self, &space.keyspace, range);
        Box::new(pairs.map(|guard| Ok(guard.into_inner()?)))
    }
}

/// Changes by key, in the engine's own kind of keys; nothing for what is to be deleted.
type Changes = BTreeMap<UserKey, Option<UserValue>>;

/// A transaction. Whoever has one is the only writer.
pub struct Tx<'a> {
    db: &'a Database,
    spaces: &'a [Keyspace],
    changes: Vec<Changes>,
}

impl<'a> Tx<'a> {
    pub fn begin(db: &'a Database, spaces: &'a [Keyspace]) -> Self {
        Self {
            db,
            spaces,
            changes: spaces.iter().map(|_| Changes::new()).collect(),
        }
    }

    pub fn insert(&mut self, space: &Space, key: impl AsRef<[u8]>, value: impl Into<UserValue>) {
        self.change(space, key.as_ref().into(), Some(value.into()));
    }

    pub fn remove(&mut self, space: &Space, key: impl AsRef<[u8]>) {
        self.change(space, key.as_ref().into(), None);
    }

    fn change(&mut self, space: &Space, key: UserKey, value: Option<UserValue>) {
        if let Some(changes) = self.changes.get_mut(space.number) {
            changes.insert(key, value);
        }
    }

    /// The last key of a space from which nothing is ever deleted.
    pub fn last_key(&self, space: &Space) -> Result<Option<UserKey>, Fault> {
        let stored = space.keyspace.last_key_value().map(fjall::Guard::key);
        let stored = stored.transpose()?;
        let changed = self.changes.get(space.number);
        let changed = changed.and_then(|changes| changes.last_key_value());
        Ok(stored.max(changed.map(|(key, _)| key.clone())))
    }

    /// Writes it all, synced, or nothing.
    pub fn commit(self) -> Result<(), Fault> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        for (keyspace, changes) in self.spaces.iter().zip(self.changes) {
            for (key, value) in changes {
                match value {
                    Some(value) => batch.insert(keyspace, key, value),
                    None => batch.remove(keyspace, key),
                }
            }
        }
        Ok(batch.commit()?)
    }
}

impl Read for Tx<'_> {
    fn get(&self, space: &Space, key: impl AsRef<[u8]>) -> Result<Option<UserValue>, Fault> {
        let changes = self.changes.get(space.number);
        match changes.and_then(|changes| changes.get(key.as_ref())) {
            Some(changed) => Ok(changed.clone()),
            None => Ok(space.keyspace.get(key)?),
        }
    }

    fn between(&self, space: &Space, range: Range) -> Pairs<'_> {
        let stored = space.keyspace.range(range.clone());
        let stored = stored.map(|guard| Ok(guard.into_inner()?));
        let changed = self.changes.get(space.number);
        let changed = changed.into_iter().flat_map(move |changes| {
            let empty = is_empty(&range);
            let range = (!empty).then(|| changes.range::<[u8], _>(as_slices(&range)));
            range.into_iter().flatten()
        });
        let changed = changed.map(|(key, value)| (key.clone(), value.clone()));
        Box::new(Merged {
            stored: stored.peekable(),
            changed: changed.peekable(),
        })
    }
}

fn as_slices((from, to): &Range) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (
        from.as_ref().map(Vec::as_slice),
        to.as_ref().map(Vec::as_slice),
    )
}

/// Whether a range has no room for a key: a map panics at one.
fn is_empty((from, to): &Range) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        _ => false,
    }
}

/// What is stored, with what was changed in its place.
struct Merged<S: Iterator<Item = Pair>, C: Iterator<Item = (UserKey, Option<UserValue>)>> {
    stored: Peekable<S>,
    changed: Peekable<C>,
}

impl<S, C> Iterator for Merged<S, C>
where
    S: Iterator<Item = Pair>,
    C: Iterator<Item = (UserKey, Option<UserValue>)>,
{
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        loop {
            let order = match (self.stored.peek(), self.changed.peek()) {
                (None, None) => return None,
                // A fault comes out as it is met.
                (Some(_), None) | (Some(Err(_)), _) => {
                    return self.stored.next();
                }
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(Ok((stored, _))), Some((changed, _))) => stored.cmp(changed),
            };
            if order.is_lt() {
                return self.stored.next();
            }
            if order.is_eq() {
                self.stored.next();
            }
            if let (key, Some(value)) = self.changed.next()? {
                return Some(Ok((key, value)));
            }
        }
    }
}
