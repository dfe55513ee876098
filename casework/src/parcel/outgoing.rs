//! A parcel as its sender sends it.

use serde::{Deserialize, Serialize};

use super::{ChunkSet, Manifest, Refusal};

/// What has gone of a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    manifest: Manifest,
    /// Chunks that need not be sent: they went, or the recipient says that it has them.
    gone: ChunkSet,
    /// Chunks that the recipient asked for once more.
    #[serde(default)]
    again: u64,
}

/// Of a parcel no more chunks are sent again than it has, so many times.
const MAX_TIMES_AGAIN: u64 = 8;

impl Outgoing {
    /// Nothing has gone yet.
    #[must_use]
    pub fn begin(manifest: Manifest) -> Self {
        let gone = ChunkSet::none(manifest.chunks);
        Self {
            manifest,
            gone,
            again: 0,
        }
    }

    /// All of it goes once more; whoever has it do so bounds how often.
    pub fn begin_again(&mut self) {
        self.gone = ChunkSet::none(self.manifest.chunks);
    }

    /// Whether its recipient has asked for more than a bad line explains.
    #[must_use]
    pub fn was_asked_too_often(&self) -> bool {
        self.again > u64::from(self.manifest.chunks).saturating_mul(MAX_TIMES_AGAIN)
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
        let again = self.gone.count().saturating_sub(have.count());
        self.again = self.again.saturating_add(u64::from(again));
        self.gone = have.clone();
        Ok(())
    }
}
