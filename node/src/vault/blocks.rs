//! A table of the vault whose values are bytes that somebody else packs, under numbers.
//!
//! For what there is by the million: sled keeps some thirty bytes in memory for each entry and sixteen
//! entries at most in a page, so what belongs together lies in one value, without JSON around it.

use std::path::PathBuf;
use std::sync::Arc;

use symbolon_core::crypto;
use zeroize::Zeroizing;

use super::Keys;
use super::table::context;
use super::tree::Tree;
use crate::error::NodeError;

/// Where a block lies: in an order that says nothing of its number.
pub type Place = [u8; 16];

/// A table of blocks.
pub struct Blocks {
    tree: Tree,
    name: &'static str,
    keys: Arc<Keys>,
    directory: PathBuf,
}

impl Blocks {
    pub(super) fn new(tree: Tree, name: &'static str, keys: Arc<Keys>, directory: PathBuf) -> Self {
        Self {
            tree,
            name,
            keys,
            directory,
        }
    }

    /// The bytes of a block.
    pub fn get(&self, number: u64) -> Result<Option<Zeroizing<Vec<u8>>>, NodeError> {
        let place = self.place(number);
        let sealed = self.tree.get(&place).map_err(|e| self.sled_error(&e))?;
        let opened = sealed.map(|sealed| self.open(&place, &sealed));
        Ok(opened.transpose()?.map(|(_, bytes)| bytes))
    }

    /// Writes a block.
    pub fn put(&self, number: u64, bytes: &[u8]) -> Result<(), NodeError> {
        let place = self.place(number);
        let mut plaintext = Zeroizing::new(Vec::with_capacity(8 + bytes.len()));
        plaintext.extend_from_slice(&number.to_be_bytes());
        plaintext.extend_from_slice(bytes);
        let sealed = crypto::seal(&self.keys.seal, &context(self.name, &place), &plaintext)?;
        let put = self.tree.insert(&place, sealed);
        put.map_err(|e| self.sled_error(&e))
    }

    /// Deletes a block.
    pub fn remove(&self, number: u64) -> Result<(), NodeError> {
        let removed = self.tree.remove(&self.place(number));
        removed.map_err(|e| self.sled_error(&e))
    }

    /// Whether a block is there.
    pub fn contains(&self, number: u64) -> Result<bool, NodeError> {
        let there = self.tree.contains_key(&self.place(number));
        there.map_err(|e| self.sled_error(&e))
    }

    /// Every block, by place, from behind one.
    pub fn after(
        &self,
        last: Option<Place>,
    ) -> impl Iterator<Item = Result<(Place, u64, Zeroizing<Vec<u8>>), NodeError>> + '_ {
        self.tree.after(last).map(|entry| {
            let (key, sealed) = entry.map_err(|e| self.sled_error(&e))?;
            let place = Place::try_from(key.as_ref()).map_err(|_| self.damaged())?;
            let (number, bytes) = self.open(&place, &sealed)?;
            Ok((place, number, bytes))
        })
    }

    fn place(&self, number: u64) -> Place {
        self.keys.tag(self.name, &number.to_be_bytes())
    }

    fn open(&self, place: &Place, sealed: &[u8]) -> Result<(u64, Zeroizing<Vec<u8>>), NodeError> {
        let plaintext = crypto::open(&self.keys.seal, &context(self.name, place), sealed)
            .map_err(|_| self.damaged())?;
        let (number, bytes) = plaintext
            .split_first_chunk()
            .ok_or_else(|| self.damaged())?;
        Ok((u64::from_be_bytes(*number), Zeroizing::new(bytes.to_vec())))
    }

    /// What a block that does not open, or cannot be read, is told as.
    pub(crate) fn damaged(&self) -> NodeError {
        NodeError::Vault {
            path: self.directory.clone(),
            reason: format!("table {}: a block does not open", self.name),
        }
    }

    fn sled_error(&self, error: &sled::Error) -> NodeError {
        super::vault_error(&self.directory, error)
    }
}
