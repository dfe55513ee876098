//! A parcel as its sender sends it.

use serde::{Deserialize, Serialize};

use super::{ChunkSet, Manifest, Refusal};

/// What has gone of a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    manifest: Manifest,
    /// Chunks that need not be sent: they went, or the recipient says that it has them.
    gone: ChunkSet,
}

impl Outgoing {
    /// Nothing has gone yet.
    #[must_use]
    pub fn begin(manifest: Manifest) -> Self {
        let gone = ChunkSet::none(manifest.chunks);
        Self { manifest, gone }
    }

    /// What it is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Which chunks have gone.
    #[must_use]
    pub fn gone(&self) -> &ChunkSet {
        &self.gone
    }

    /// The next chunk to send, in order; none when all have gone.
    #[must_use]
    pub fn next(&self) -> Option<u32> {
        (0..self.manifest.chunks).find(|number| !self.gone.has(*number))
    }

    /// A chunk has gone.
    pub fn note(&mut self, number: u32) {
        if number < self.manifest.chunks {
            self.gone.insert(number);
        }
    }

    /// The recipient says what it has: everything else is sent, once more if it went before. What is on
    /// its way comes twice then, and counts once.
    pub fn resume(&mut self, have: &ChunkSet) -> Result<(), Refusal> {
        if !have.is_of(self.manifest.chunks) {
            return Err(Refusal::NoSuchChunk);
        }
        self.gone = have.clone();
        Ok(())
    }
}
