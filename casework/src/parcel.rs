//! Parcels: files that go from node to node in chunks, each in a letter of its own.
//!
//! The sender writes a *manifest* (name, size, digest, number of chunks) and then the chunks, each as
//! large as the largest envelope holds, the last one smaller. The recipient takes each chunk once, in
//! any order, and says so when it has all of them and their digest is the manifest's. After a break it
//! says which it has, and the sender sends the others.
//!
//! Nothing that a manifest says is believed: sizes and numbers must fit each other and the recipient's
//! bounds before anything is kept, and a file is shown only when its digest is right.

use std::fmt;

use serde::{Deserialize, Serialize};
use symbolon_core::crypto::{self, CryptoError};
use symbolon_core::encoding::{self, Digest};
use thiserror::Error;

use crate::dossier::HandlingCode;
use crate::text::Text;

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

pub use incoming::{Incoming, Taken};
pub use outgoing::Outgoing;

/// Bytes of every chunk but the last. In base64 that is 261,888; 252 of the largest envelope's 262,140
/// are left for what stands around it.
pub const CHUNK_BYTES: u64 = 196_416;
/// No setting allows a larger file: 342 chunks.
pub const MAX_BYTES: u64 = 64 << 20;
/// Largest file unless the settings say otherwise.
pub const DEFAULT_BYTES: u64 = 16 << 20;
/// Longest name of a file, in characters.
pub const MAX_NAME_CHARS: usize = 120;
/// Longest media type, in bytes.
const MAX_MEDIA_TYPE_BYTES: usize = 100;

/// Names a parcel: random, drawn by its sender.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParcelId(#[serde(with = "encoding::base64")] pub [u8; 16]);

impl ParcelId {
    /// A fresh one.
    pub fn random() -> Result<Self, CryptoError> {
        crypto::random().map(Self)
    }
}

impl fmt::Display for ParcelId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ParcelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "is not a name for an attachment: up to {MAX_NAME_CHARS} characters, no slashes, no control \
     characters, none of : * ? \" < > |, not beginning or ending with a full stop or a space"
)]
pub struct BadFileName;

/// The name of a file, without a path: it stays in the directory where it is saved, on any system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for FileName {
    type Err = BadFileName;

    fn from_str(name: &str) -> Result<Self, BadFileName> {
        const RESERVED: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];
        // A text has no control characters and none that turn the writing round.
        let text: Text = name.parse().map_err(|_| BadFileName)?;
        let edge = |c: char| c == '.' || c.is_whitespace();
        let fits = text.as_str() == name
            && name.chars().count() <= MAX_NAME_CHARS
            && !name.contains(RESERVED)
            && !name.starts_with(edge)
            && !name.ends_with(edge)
            && !is_device(name);
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadFileName)
        }
    }
}

/// Names that some systems keep for devices, with or without an ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    let numbered = |prefix: &str| {
        let rest = stem.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.len() == 1 && rest.chars().all(|c| c.is_ascii_digit()))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

impl TryFrom<String> for FileName {
    type Error = BadFileName;

    fn try_from(name: String) -> Result<Self, BadFileName> {
        name.parse()
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

/// Not a media type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not a media type; write it as application/pdf or image/jpeg")]
pub struct BadMediaType;

/// What kind of file it is, by the sender's word (RFC 2045, section 5.1; without parameters).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaType(String);

impl MediaType {
    /// The type.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for MediaType {
    type Err = BadMediaType;

    fn from_str(text: &str) -> Result<Self, BadMediaType> {
        let part = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
            !part.is_empty() && part.chars().all(known)
        };
        let parts = text.split_once('/');
        let fits = parts.is_some_and(|(kind, subtype)| part(kind) && part(subtype));
        if fits && text.len() <= MAX_MEDIA_TYPE_BYTES {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(BadMediaType)
        }
    }
}

impl TryFrom<String> for MediaType {
    type Error = BadMediaType;

    fn try_from(text: String) -> Result<Self, BadMediaType> {
        text.parse()
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.0
    }
}

/// Why a parcel, or a piece of one, is refused. Both sides keep the word, and a letter carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// More bytes than this node takes in one parcel.
    #[error("it is larger than the recipient takes")]
    TooLarge,
    /// The sender has too much under way here, or too much that is kept.
    #[error("the recipient holds as much of this agency as it takes; it has to remove some first")]
    NoRoom,
    /// Number of chunks and size contradict each other, or there is nothing in it.
    #[error("its manifest contradicts itself")]
    BadManifest,
    /// Another manifest under the same id.
    #[error("another manifest came under the same name")]
    OtherManifest,
    /// A chunk beyond the last one.
    #[error("a chunk came that it does not have")]
    NoSuchChunk,
    /// A chunk of another size than it must have.
    #[error("a chunk came with another size than it must have")]
    WrongSize,
    /// All chunks are there and are not the file of the manifest.
    #[error("the chunks are not the file that the manifest names")]
    WrongDigest,
    /// The recipient has no such case with the sender.
    #[error("the recipient has no such case")]
    NoCase,
}

/// What a parcel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its id.
    pub parcel: ParcelId,
    /// Name of the file.
    pub name: FileName,
    /// What kind of file.
    pub media_type: MediaType,
    /// Its size.
    pub bytes: u64,
    /// Of the whole file.
    pub sha256: Digest,
    /// Into how many chunks it is split.
    pub chunks: u32,
    /// Whether the recipient may pass it on to others.
    pub onward: bool,
    /// How it may be handled, by its owner's word.
    pub handling: Option<HandlingCode>,
    /// Until when the recipient may keep it, Unix seconds; one that came without has the longest time.
    #[serde(default = "forever")]
    pub keep_until: i64,
}

fn forever() -> i64 {
    i64::MAX
}

impl Manifest {
    /// Whether it can be a parcel at all, and is one that whoever takes `most_bytes` takes.
    pub fn check(&self, most_bytes: u64) -> Result<(), Refusal> {
        if self.bytes > most_bytes.min(MAX_BYTES) {
            return Err(Refusal::TooLarge);
        }
        if self.bytes == 0 || chunk_count(self.bytes) != Some(self.chunks) {
            return Err(Refusal::BadManifest);
        }
        Ok(())
    }

    /// Bytes of a chunk, numbered from 0; none beyond the last.
    #[must_use]
    pub fn chunk_bytes(&self, number: u32) -> Option<u64> {
        let before = u64::from(number).checked_mul(CHUNK_BYTES)?;
        let left = self.bytes.checked_sub(before).filter(|left| *left > 0)?;
        (number < self.chunks).then_some(left.min(CHUNK_BYTES))
    }
}

/// Into how many chunks a file is split.
#[must_use]
pub fn chunk_count(bytes: u64) -> Option<u32> {
    u32::try_from(bytes.div_ceil(CHUNK_BYTES)).ok()
}

/// The chunks of a file, in order.
pub fn split(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.chunks(CHUNK_BYTES as usize)
}

/// Which chunks somebody has: one bit for each, the lowest bit of the first byte for chunk 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSet(#[serde(with = "encoding::base64")] Vec<u8>);

impl ChunkSet {
    /// None of so many.
    #[must_use]
    pub fn none(chunks: u32) -> Self {
        Self(vec![0; chunks.div_ceil(8) as usize])
    }

    /// Whether it speaks of exactly so many chunks.
    #[must_use]
    pub fn is_of(&self, chunks: u32) -> bool {
        let beyond = (chunks..chunks.next_multiple_of(8)).any(|number| self.has(number));
        self.0.len() == chunks.div_ceil(8) as usize && !beyond
    }

    /// Whether a chunk is in it.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        let byte = self.0.get(number as usize / 8);
        byte.is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    }

    /// Puts a chunk in; gives whether it was not there. Numbers beyond the last change nothing.
    pub fn insert(&mut self, number: u32) -> bool {
        let new = !self.has(number);
        match self.0.get_mut(number as usize / 8) {
            Some(byte) => *byte |= 1 << (number % 8),
            None => return false,
        }
        new
    }

    /// How many are in it.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().map(|byte| byte.count_ones()).sum()
    }
}
