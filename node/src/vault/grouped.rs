//! A table of the vault with many small values, several of which lie in one.
//!
//! Each page of sled, of sixteen values at most, takes some 300 bytes of memory for good: where it lies on
//! the disk, in pieces, and what each segment holds of it. A table that has an entry for each record of a
//! million, or more, would take a good part of what a node may. So entries whose keys have the same first
//! bits, once hashed, lie in one value.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::Keys;
use super::table::{BATCH, Table, unserialisable};
use crate::error::NodeError;

/// The first bits of a key's HMAC: 65,536 groups. With a million entries one has some fifteen.
type Group = u16;

/// A table with keys of type `K` and values of type `V`, both small.
pub struct Grouped<K, V> {
    groups: Table<Group, Vec<(K, V)>>,
    name: &'static str,
    keys: Arc<Keys>,
    /// Whoever writes a group holds this from when it reads it on.
    writing: Mutex<()>,
}

impl<K, V> Grouped<K, V>
where
    K: Serialize + DeserializeOwned + PartialEq + Clone,
    V: Serialize + DeserializeOwned + Clone,
{
    pub(super) fn new(
        groups: Table<Group, Vec<(K, V)>>,
        name: &'static str,
        keys: Arc<Keys>,
    ) -> Self {
        Self {
            groups,
            name,
            keys,
            writing: Mutex::default(),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Result<Option<V>, NodeError> {
        let entries = self.load(self.group(key)?)?;
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
        let mut new: BTreeMap<Group, Vec<(&K, &V)>> = BTreeMap::new();
        for (key, value) in entries {
            new.entry(self.group(key)?).or_default().push((key, value));
        }
        let new: Vec<_> = new.into_iter().collect();
        let _writing = self.lock();
        for some in new.chunks(BATCH) {
            let changed = some.iter().map(|(group, new)| {
                let mut entries = self.load(*group)?;
                for (key, value) in new {
                    match entries.iter_mut().find(|(known, _)| known == *key) {
                        Some((_, known)) => *known = (*value).clone(),
                        None => entries.push(((*key).clone(), (*value).clone())),
                    }
                }
                Ok((*group, entries))
            });
            let changed: Vec<_> = changed.collect::<Result<_, NodeError>>()?;
            let changed = changed.iter().map(|(group, entries)| (group, entries));
            self.groups.put_many(changed)?;
        }
        Ok(())
    }

    /// Deletes a key.
    pub fn remove(&self, key: &K) -> Result<(), NodeError> {
        let group = self.group(key)?;
        let _writing = self.lock();
        let mut entries = self.load(group)?;
        let before = entries.len();
        entries.retain(|(known, _)| known != key);
        match entries.len() {
            0 => self.groups.remove(&group),
            left if left < before => self.groups.put(&group, &entries),
            _ => Ok(()),
        }
    }

    /// Every entry, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V), NodeError>> + '_ {
        self.groups.iter().flat_map(|group| match group {
            Ok((_, entries)) => entries.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn group(&self, key: &K) -> Result<Group, NodeError> {
        let key = Zeroizing::new(serde_json::to_vec(key).map_err(|_| unserialisable())?);
        let [first, second, ..] = self.keys.tag(self.name, &key);
        Ok(Group::from_be_bytes([first, second]))
    }

    fn load(&self, group: Group) -> Result<Vec<(K, V)>, NodeError> {
        Ok(self.groups.get(&group)?.unwrap_or_default())
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
        let groups = table.groups.len().unwrap();
        assert!((30_000..=1 << 16).contains(&groups), "{groups}");
        assert_eq!(table.get(&MANY).unwrap(), None);
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
