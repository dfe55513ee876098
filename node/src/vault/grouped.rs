//! A table of the vault with many small values, several of which lie in one.
//!
//! Each page of sled, of sixteen values at most, takes some 300 bytes of memory for good: where it lies on
//! the disk, in pieces, and what each segment holds of it. A table that has an entry for each record of a
//! million, or more, would take a good part of what a node may. So entries whose keys have the same first
//! bits, once hashed, lie in one value.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use symbolon_core::crypto;
use zeroize::Zeroizing;

use super::Keys;
use super::table::{BATCH, context, unserialisable};
use super::tree::Tree;
use crate::error::NodeError;

/// First bytes of a key's HMAC that name its group: 65,536 groups. With a million entries one has some fifteen.
const GROUP_BYTES: usize = 2;

/// The place of a group.
type Group = [u8; GROUP_BYTES];

/// A table with keys of type `K` and values of type `V`, both small.
pub struct Grouped<K, V> {
    tree: Tree,
    name: &'static str,
    keys: Arc<Keys>,
    directory: PathBuf,
    /// Whoever writes a group holds this from when it reads it on.
    writing: Mutex<()>,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> Grouped<K, V>
where
    K: Serialize + DeserializeOwned + PartialEq + Clone,
    V: Serialize + DeserializeOwned + Clone,
{
    pub(super) fn new(tree: Tree, name: &'static str, keys: Arc<Keys>, directory: PathBuf) -> Self {
        Self {
            tree,
            name,
            keys,
            directory,
            writing: Mutex::default(),
            types: PhantomData,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Result<Option<V>, NodeError> {
        let entries = self.load(&self.group(key)?)?;
        let mut found = entries.into_iter().filter(|(known, _)| known == key);
        Ok(found.next().map(|(_, value)| value))
    }

    /// Writes a value.
    pub fn put(&self, key: &K, value: &V) -> Result<(), NodeError> {
        self.put_many([(key, value)])
    }

    /// Writes many values, a few groups at a time: a kill in between leaves some of them written.
    pub fn put_many<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a K, &'a V)>,
    ) -> Result<(), NodeError>
    where
        K: 'a,
        V: 'a,
    {
        let mut groups: BTreeMap<Group, Vec<(&K, &V)>> = BTreeMap::new();
        for (key, value) in entries {
            groups
                .entry(self.group(key)?)
                .or_default()
                .push((key, value));
        }
        let _writing = self.lock();
        let mut groups = groups.into_iter().peekable();
        while groups.peek().is_some() {
            let (mut batch, mut values) = (sled::Batch::default(), 0);
            for (group, new) in groups.by_ref().take(BATCH) {
                let mut entries = self.load(&group)?;
                for (key, value) in new {
                    match entries.iter_mut().find(|(known, _)| known == key) {
                        Some((_, known)) => *known = value.clone(),
                        None => entries.push((key.clone(), value.clone())),
                    }
                }
                batch.insert(&group, self.seal(&group, &entries)?);
                values += 1;
            }
            let applied = self.tree.apply_batch(batch, values);
            applied.map_err(|e| self.sled_error(&e))?;
        }
        Ok(())
    }

    /// Deletes a key.
    pub fn remove(&self, key: &K) -> Result<(), NodeError> {
        let group = self.group(key)?;
        let _writing = self.lock();
        let mut entries = self.load(&group)?;
        let before = entries.len();
        entries.retain(|(known, _)| known != key);
        if entries.len() == before {
            return Ok(());
        }
        let changed = match entries.is_empty() {
            true => self.tree.remove(&group),
            false => self.tree.insert(&group, self.seal(&group, &entries)?),
        };
        changed.map_err(|e| self.sled_error(&e))
    }

    /// Every entry, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V), NodeError>> + '_ {
        self.tree.after(None).flat_map(|entry| {
            let entries = entry.map_err(|e| self.sled_error(&e));
            match entries.and_then(|(group, sealed)| self.open(&group, &sealed)) {
                Ok(entries) => entries.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn group(&self, key: &K) -> Result<Group, NodeError> {
        let key = Zeroizing::new(serde_json::to_vec(key).map_err(|_| unserialisable())?);
        let [first, second, ..] = self.keys.tag(self.name, &key);
        Ok([first, second])
    }

    fn load(&self, group: &Group) -> Result<Vec<(K, V)>, NodeError> {
        let sealed = self.tree.get(group).map_err(|e| self.sled_error(&e))?;
        match sealed {
            None => Ok(Vec::new()),
            Some(sealed) => self.open(group, &sealed),
        }
    }

    fn open(&self, group: &[u8], sealed: &[u8]) -> Result<Vec<(K, V)>, NodeError> {
        let damaged = |reason: &str| NodeError::Vault {
            path: self.directory.clone(),
            reason: format!("table {}: {reason}", self.name),
        };
        let plaintext = crypto::open(&self.keys.seal, &context(self.name, group), sealed)
            .map_err(|_| damaged("a value does not open"))?;
        serde_json::from_slice(&plaintext)
            .map_err(|_| damaged("a value was written by another version"))
    }

    fn seal(&self, group: &Group, entries: &[(K, V)]) -> Result<Vec<u8>, NodeError> {
        let plaintext = Zeroizing::new(serde_json::to_vec(entries).map_err(|_| unserialisable())?);
        let context = context(self.name, group);
        Ok(crypto::seal(&self.keys.seal, &context, &plaintext)?)
    }

    fn sled_error(&self, error: &sled::Error) -> NodeError {
        super::vault_error(&self.directory, error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::vault::Vault;
    use symbolon_core::sealed_file::Unlock;

    fn key() -> Unlock {
        Unlock::KeyFile(Zeroizing::new(vec![1; 32]))
    }

    #[test]
    fn many_lie_in_few_groups_and_come_back_after_reopening() {
        const MANY: u32 = 70_000;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node");
        let entries: Vec<(u32, String)> = (0..MANY).map(|n| (n, format!("value {n}"))).collect();
        {
            let vault = Vault::create(&path, &key()).unwrap();
            let table: Grouped<u32, String> = vault.grouped("t").unwrap();
            table.put_many(entries.iter().map(|(k, v)| (k, v))).unwrap();
            vault.flush().unwrap();
        }
        let vault = Vault::open(&path, &key()).unwrap();
        let table: Grouped<u32, String> = vault.grouped("t").unwrap();
        let found: BTreeSet<(u32, String)> = table.iter().map(Result::unwrap).collect();
        assert!(found.into_iter().eq(entries));
        let groups = table.tree.after(None).count();
        assert!((30_000..=1 << 16).contains(&groups), "{groups}");
        assert_eq!(table.get(&MANY).unwrap(), None);
        // A group of one table, or of another place, does not open as one of this.
        let other: Grouped<u32, String> = vault.grouped("u").unwrap();
        let (place, sealed) = table.tree.after(None).next().unwrap().unwrap();
        other.tree.insert(&place, sealed.to_vec()).unwrap();
        assert!(other.iter().next().unwrap().is_err());
        assert!(table.open(&[9, 9, 9], &sealed).is_err());
        assert!(table.open(&place, &sealed).is_ok(), "control");
    }

    #[test]
    fn threads_lose_nothing_of_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::create(&directory.path().join("node"), &key()).unwrap();
        let table: Grouped<u32, u32> = vault.grouped("t").unwrap();
        // So many that nearly every group is written by several.
        let each = 30_000;
        std::thread::scope(|scope| {
            for first in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    let own: Vec<u32> = (0..each).map(|n| n * 4 + first).collect();
                    for some in own.chunks(500) {
                        table.put_many(some.iter().map(|n| (n, n))).unwrap();
                    }
                });
            }
        });
        assert_eq!(table.iter().count(), each as usize * 4);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0..40_u8, any::<Option<u8>>()), 1..80)) {
            let directory = tempfile::tempdir().unwrap();
            let vault = Vault::create(&directory.path().join("node"), &key()).unwrap();
            let table: Grouped<u8, u8> = vault.grouped("t").unwrap();
            let mut map = BTreeMap::new();
            for (key, value) in steps {
                match value {
                    Some(value) => {
                        map.insert(key, value);
                        table.put(&key, &value).unwrap();
                    }
                    None => {
                        map.remove(&key);
                        table.remove(&key).unwrap();
                    }
                }
                prop_assert_eq!(table.get(&key).unwrap(), map.get(&key).copied());
            }
            let held: BTreeMap<u8, u8> = table.iter().map(Result::unwrap).collect();
            prop_assert_eq!(table.is_empty(), map.is_empty());
            prop_assert_eq!(held, map);
        }
    }
}
