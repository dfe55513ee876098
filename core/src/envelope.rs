//! Envelopes: what one node says to another, through the hub, which sees from, to and a padded size.
//!
//! This is the outside of an envelope, all that the hub can name; sealing and opening are in
//! `sealing`. The sender signs the sealed bytes with its roster key; sender, recipient and the
//! envelope's id are bound into signature and sealing alike.

use thiserror::Error;

use crate::crypto::{Signature, VerifyingKey};
use crate::encoding;
use crate::identity::AgencyName;

pub(crate) const CONTEXT: &str = "symbolon envelope v1";
/// Plaintexts are padded to the next of these sizes in bytes; larger ones are refused.
pub const BUCKETS: [usize; 5] = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10];
/// Largest sealed message: the largest bucket, the encapsulated key and the tag.
pub const MAX_SEALED_BYTES: usize = (256 << 10) + 1120 + 16;

/// Why an envelope is refused.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum EnvelopeError {
    /// The recipient's key is not an X-Wing key.
    #[error("the recipient's encryption key is malformed")]
    BadKey,
    /// Too large for the largest bucket.
    #[error("the message has {0} bytes, more than an envelope holds")]
    TooLarge(usize),
    /// Sealing failed.
    #[error("the message could not be sealed")]
    Seal,
    /// Not from whom it claims to be.
    #[error("the signature of the envelope does not verify")]
    BadSignature,
    /// Not for us, or altered.
    #[error("the envelope does not open")]
    DoesNotOpen,
}

/// A signed and sealed message as the hub carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who sends.
    pub from: AgencyName,
    /// For whom.
    pub to: AgencyName,
    /// Random; a repeated one is delivered once.
    pub id: [u8; 16],
    /// HPKE sealing of the padded message.
    pub sealed: Vec<u8>,
    /// By the sender's roster key.
    pub signature: Signature,
}

pub(crate) fn binding(from: &AgencyName, to: &AgencyName, id: &[u8; 16]) -> Vec<u8> {
    encoding::parts(&[
        CONTEXT.as_bytes(),
        from.as_str().as_bytes(),
        to.as_str().as_bytes(),
        id,
    ])
}

impl Envelope {
    /// Checks the sender's signature; the hub may do this too.
    pub fn verify(&self, sender: &VerifyingKey) -> Result<(), EnvelopeError> {
        let binding = binding(&self.from, &self.to, &self.id);
        sender
            .verify(
                CONTEXT,
                &encoding::parts(&[&binding, &self.sealed]),
                &self.signature,
            )
            .map_err(|_| EnvelopeError::BadSignature)
    }
}
