//! A parcel as its recipient puts it together.

use serde::{Deserialize, Serialize};
use symbolon_core::crypto::Hasher;

use super::{ChunkSet, Manifest, Refusal};

/// Whether a chunk was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is to be kept.
    New,
    /// It came before.
    Again,
}

/// What is there of a parcel. The chunks themselves lie elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    manifest: Manifest,
    have: ChunkSet,
}

impl Incoming {
    /// A parcel is announced; nothing of it is there yet.
    pub fn begin(manifest: Manifest, most_bytes: u64) -> Result<Self, Refusal> {
        manifest.check(most_bytes)?;
        let have = ChunkSet::none(manifest.chunks);
        Ok(Self { manifest, have })
    }

    /// What it is to be.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Which chunks are there.
    #[must_use]
    pub fn have(&self) -> &ChunkSet {
        &self.have
    }

    /// Whether a chunk belongs to it. It is there only after [`Incoming::note`]: the caller keeps it first.
    pub fn look_at(&self, number: u32, bytes: &[u8]) -> Result<Taken, Refusal> {
        let size = self.manifest.chunk_bytes(number);
        let size = size.ok_or(Refusal::NoSuchChunk)?;
        if bytes.len() as u64 != size {
            return Err(Refusal::WrongSize);
        }
        Ok(if self.have.has(number) {
            Taken::Again
        } else {
            Taken::New
        })
    }

    /// A chunk is kept.
    pub fn note(&mut self, number: u32) {
        if number < self.manifest.chunks {
            self.have.insert(number);
        }
    }

    /// Whether all chunks are there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.have.count() == self.manifest.chunks
    }

    /// Whether the chunks, in order, are the file of the manifest.
    pub fn verify<E>(
        &self,
        chunks: impl IntoIterator<Item = Result<impl AsRef<[u8]>, E>>,
    ) -> Result<Result<(), Refusal>, E> {
        let mut hasher = Hasher::new();
        for chunk in chunks {
            hasher.update(chunk?.as_ref());
        }
        let right = hasher.finish() == self.manifest.sha256;
        Ok(right.then_some(()).ok_or(Refusal::WrongDigest))
    }
}
