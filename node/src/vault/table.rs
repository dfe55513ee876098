//! One table of the vault: typed keys and values, sealed.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use symbolon_core::crypto;
use zeroize::Zeroizing;

use super::Keys;
use super::tree::Tree;
use crate::error::NodeError;

/// Values in one batch of sled.
pub(super) const BATCH: usize = 32;

/// A table with keys of type `K` and values of type `V`.
pub struct Table<K, V> {
    tree: Tree,
    name: &'static str,
    keys: Arc<Keys>,
    directory: PathBuf,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> Table<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    pub(super) fn new(tree: Tree, name: &'static str, keys: Arc<Keys>, directory: PathBuf) -> Self {
        Self {
            tree,
            name,
            keys,
            directory,
            types: PhantomData,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Result<Option<V>, NodeError> {
        let place = self.place(key)?;
        let sealed = self.tree.get(&place).map_err(|e| self.sled_error(&e))?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let (_, value) = self.open(&place, &sealed)?;
        Ok(Some(value))
    }

    /// Writes a value.
    pub fn put(&self, key: &K, value: &V) -> Result<(), NodeError> {
        let place = self.place(key)?;
        let sealed = self.seal(&place, key, value)?;
        self.tree
            .insert(&place, sealed)
            .map_err(|e| self.sled_error(&e))
    }

    /// Writes many values, a few at a time: a kill in between leaves the first of them written.
    ///
    /// sled frees what a batch replaced only as further operations come, and not as many as a large batch
    /// replaces: batches of a thousand grow without end (docs/decisions/0015).
    pub fn put_many<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a K, &'a V)>,
    ) -> Result<(), NodeError>
    where
        K: 'a,
        V: 'a,
    {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let (mut batch, mut values, mut largest) = (sled::Batch::default(), 0, 0);
            for (key, value) in entries.by_ref().take(BATCH) {
                let place = self.place(key)?;
                let sealed = self.seal(&place, key, value)?;
                (values, largest) = (values + 1, sealed.len().max(largest));
                batch.insert(&place, sealed);
            }
            let applied = self.tree.apply_batch(batch, (values, largest));
            applied.map_err(|e| self.sled_error(&e))?;
        }
        Ok(())
    }

    /// Deletes a key.
    pub fn remove(&self, key: &K) -> Result<(), NodeError> {
        let place = self.place(key)?;
        self.tree.remove(&place).map_err(|e| self.sled_error(&e))
    }

    /// Whether a key is there.
    pub fn contains(&self, key: &K) -> Result<bool, NodeError> {
        let place = self.place(key)?;
        self.tree
            .contains_key(&place)
            .map_err(|e| self.sled_error(&e))
    }

    /// Every entry, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V), NodeError>> + '_ {
        self.tree.after(None).map(|entry| {
            let (place, sealed) = entry.map_err(|e| self.sled_error(&e))?;
            self.open(&place, &sealed)
        })
    }

    /// Entries. Reads all the first time, and after many were written at once.
    pub fn len(&self) -> Result<u64, NodeError> {
        self.tree.len().map_err(|e| self.sled_error(&e))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    fn place(&self, key: &K) -> Result<[u8; 16], NodeError> {
        let key = Zeroizing::new(serde_json::to_vec(key).map_err(|_| unserialisable())?);
        Ok(self.keys.tag(self.name, &key))
    }

    fn seal(&self, place: &[u8], key: &K, value: &V) -> Result<Vec<u8>, NodeError> {
        let plaintext =
            Zeroizing::new(serde_json::to_vec(&(key, value)).map_err(|_| unserialisable())?);
        Ok(crypto::seal(
            &self.keys.seal,
            &context(self.name, place),
            &plaintext,
        )?)
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<(K, V), NodeError> {
        let damaged = |reason: &str| NodeError::Vault {
            path: self.directory.clone(),
            reason: format!("table {}: {reason}", self.name),
        };
        let plaintext = crypto::open(&self.keys.seal, &context(self.name, place), sealed)
            .map_err(|_| damaged("a value does not open"))?;
        serde_json::from_slice(&plaintext)
            .map_err(|_| damaged("a value was written by another version"))
    }

    fn sled_error(&self, error: &sled::Error) -> NodeError {
        super::vault_error(&self.directory, error)
    }
}

pub(super) fn unserialisable() -> NodeError {
    NodeError::Internal("a value of the vault cannot be serialised")
}

/// What a value is bound to: its table and its place in it.
pub(super) fn context(name: &str, place: &[u8]) -> Vec<u8> {
    let mut context = b"symbolon vault\0".to_vec();
    context.extend_from_slice(name.as_bytes());
    context.push(0);
    context.extend_from_slice(place);
    context
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use symbolon_core::sealed_file::Unlock;

    use super::*;
    use crate::vault::Vault;

    /// What can be done to a table.
    #[derive(Clone, Debug)]
    enum Step {
        Put(u8),
        PutMany(Vec<u8>),
        Remove(u8),
        Count,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..20_u8).prop_map(Step::Put),
            1 => proptest::collection::vec(0..20_u8, 0..5).prop_map(Step::PutMany),
            3 => (0..20_u8).prop_map(Step::Remove),
            2 => Just(Step::Count),
        ];
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn as_many_are_there_as_in_a_map(steps in steps()) {
            let directory = tempfile::tempdir().unwrap();
            let unlock = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
            let vault = Vault::create(&directory.path().join("node"), &unlock).unwrap();
            let table: Table<u8, u8> = vault.table("t").unwrap();
            let mut map = BTreeMap::new();
            for step in steps.into_iter().chain([Step::Count]) {
                match step {
                    Step::Put(key) => {
                        table.put(&key, &0).unwrap();
                        map.insert(key, 0);
                    }
                    Step::PutMany(some) => {
                        table.put_many(some.iter().map(|key| (key, &0))).unwrap();
                        map.extend(some.into_iter().map(|key| (key, 0)));
                    }
                    Step::Remove(key) => {
                        table.remove(&key).unwrap();
                        map.remove(&key);
                    }
                    Step::Count => prop_assert_eq!(table.len().unwrap(), map.len() as u64),
                }
            }
        }
    }

    #[test]
    fn a_value_opens_in_its_table_and_at_its_place_only() {
        let directory = tempfile::tempdir().unwrap();
        let unlock = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
        let vault = Vault::create(&directory.path().join("node"), &unlock).unwrap();
        let table: Table<u32, u32> = vault.table("t").unwrap();
        let other: Table<u32, u32> = vault.table("u").unwrap();
        table.put(&1, &2).unwrap();
        let (place, sealed) = table.tree.after(None).next().unwrap().unwrap();
        assert!(table.open(&place, &sealed).is_ok(), "control");
        assert!(table.open(&[9; 16], &sealed).is_err());
        other.tree.insert(&place, sealed.to_vec()).unwrap();
        assert!(other.iter().next().unwrap().is_err());
    }
}
