//! Numbers that are kept by their names.

use super::fault::Fault;
use super::tx::Read;
use super::{Spaces, Write};

const DAMAGED: Fault = Fault::Damaged("a number is malformed");

/// A number that is kept by its name; 0 before it is.
pub fn number(read: &impl Read, spaces: &Spaces, name: &str) -> Result<u64, Fault> {
    match read.get(&spaces.meta, name)? {
        None => Ok(0),
        Some(bytes) => Ok(u64::from_be_bytes(
            (*bytes).try_into().map_err(|_| DAMAGED)?,
        )),
    }
}

impl Write<'_> {
    /// Keeps a number by its name.
    pub(super) fn keep_number(&mut self, name: &str, number: u64) {
        let meta = &self.spaces.meta;
        self.tx.insert(meta, name, number.to_be_bytes());
    }
}
