//! Rows that wait to be registered.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use symbolon_core::row::Handle;

use super::{Block, Pending, split};
use crate::error::NodeError;
use crate::tables::StoredRow;
use crate::vault::Place;

impl Pending {
    /// Whether a row waits.
    pub fn contains(&self, handle: &Handle) -> Result<bool, NodeError> {
        Ok(self.0.find(handle)?.is_some_and(|kept| kept.waits))
    }

    /// A row that is there waits from now on.
    pub fn put(&self, handle: &Handle) -> Result<(), NodeError> {
        self.set(&[*handle], true)
    }

    /// A row no longer waits.
    pub fn remove(&self, handle: &Handle) -> Result<(), NodeError> {
        self.set(&[*handle], false)
    }

    /// Rows no longer wait.
    pub(crate) fn remove_many(&self, handles: &[Handle]) -> Result<(), NodeError> {
        self.set(handles, false)
    }

    fn set(&self, handles: &[Handle], waits: bool) -> Result<(), NodeError> {
        let blocks = self.0.by_block(handles.iter().map(|handle| (*handle, ())));
        for (block, handles) in blocks {
            let handles: BTreeSet<Handle> =
                handles.into_iter().map(|(handle, ())| handle).collect();
            self.0.change(block, |content| {
                let rows = content.rows.iter_mut();
                for kept in rows.filter(|kept| handles.contains(&kept.handle)) {
                    kept.waits = waits;
                }
            })?;
        }
        Ok(())
    }

    /// Every waiting row, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Handle, StoredRow), NodeError>> + '_ {
        self.0.waiting.after(None).flat_map(|entry| {
            let content = entry.and_then(|(_, block, _)| self.0.load(block));
            let (content, error) = split(content);
            let waiting = content.rows.into_iter().filter(|kept| kept.waits);
            waiting.map(|kept| Ok((kept.handle, kept.row))).chain(error)
        })
    }

    /// How many wait.
    pub fn len(&self) -> u64 {
        let totals = self.0.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.waiting
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// So many blocks with waiting rows, by place from behind one, in an order that has nothing to do with
    /// that in which they came. Gives the place of the last.
    pub(crate) fn blocks(
        &self,
        after: Option<Place>,
        most: usize,
    ) -> Result<(Vec<Block>, Option<Place>), NodeError> {
        let (mut blocks, mut last) = (Vec::new(), after);
        for entry in self.0.waiting.after(after).take(most) {
            let (place, block, _) = entry?;
            blocks.push(block);
            last = Some(place);
        }
        Ok((blocks, last))
    }
}
