//! Wire messages and services of Symbolon, one module for each area, and their conversions.
//!
//! Conversions from the wire are `TryFrom` into the types of `symbolon-core` and destructure every
//! field, so that a new field breaks the build until somebody has thought about it. Bytes of a peer
//! never panic anything here: what does not fit is a [`WireError`].

pub mod certificates;
pub mod custody;
pub mod enrolment;
pub mod mailbox;
pub mod matching;
pub mod membership;
mod wire;

use thiserror::Error;

/// Metadata of a refusal that time helps: after how many milliseconds to call again (gRFC A6).
pub const RETRY_HINT: &str = "grpc-retry-pushback-ms";

/// The interface, as a serialised `FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/symbolon.bin"));

/// A message of a peer that is not what the protocol allows.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum WireError {
    /// A required field is missing.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field has a value that cannot be.
    #[error("field {0} is malformed")]
    Malformed(&'static str),
}

/// Converts a field and names it in the error.
pub(crate) fn field<T, S>(name: &'static str, value: S) -> Result<T, WireError>
where
    T: TryFrom<S>,
{
    T::try_from(value).map_err(|_| WireError::Malformed(name))
}
