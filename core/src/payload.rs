//! The match-locked payload: what an agency says to whoever holds the same identifier.
//!
//! A fixed-length plaintext sealed under the lock of its own token, bound to agreement epoch, token
//! and handle. Only a member that holds the same identifier under the same agreement can make the
//! lock: not the hub, not another member. A wrong lock, another agreement, another handle or one
//! altered bit: it does not open.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{self, SecretKey};
use crate::identity::AgencyName;
use crate::row::{AgreementEpoch, Handle, PAYLOAD_BYTES, SealedPayload, Token};

const PLAINTEXT_BYTES: usize = PAYLOAD_BYTES - crypto::SEAL_OVERHEAD;
const FORMAT: u8 = 1;
/// Format, name length, name, reference, kind, schema version, urgency, origin; the rest is zero.
const USED_BYTES: usize = 1 + 1 + crate::identity::MAX_NAME_BYTES + 16 + 2 + 2 + 1 + 1;
const _: () = assert!(USED_BYTES <= PLAINTEXT_BYTES);

/// A name for a record that means nothing outside: random per record and agreement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RecordReference(#[serde(with = "crate::encoding::base64")] pub [u8; 16]);

impl RecordReference {
    /// A fresh random reference.
    pub fn random() -> Result<Self, crypto::CryptoError> {
        crypto::random().map(Self)
    }

    /// Eight hexadecimal digits, for people to say on the telephone.
    pub fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..4])
    }
}

/// How soon a match with this record should be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// In its turn.
    #[default]
    Standard,
    /// Today.
    Medium,
    /// Now.
    High,
}

/// What the payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Whose record.
    pub agency: AgencyName,
    /// Which record, by a name that means nothing to others.
    pub reference: RecordReference,
    /// Kind of the linkage key that agreed.
    pub kind: u16,
    /// Version of the linkage schema that made it.
    pub schema_version: u16,
    /// How soon to look.
    pub urgency: Urgency,
    /// Whether it comes from a query rather than from a stored row.
    pub query: bool,
}

/// Why a payload is refused.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum PayloadError {
    /// Another lock, another place, or altered.
    #[error("the payload does not open under this lock")]
    DoesNotOpen,
    /// Opened, but not a payload of ours: a member that holds the identifier made it so.
    #[error("the payload opened but is malformed")]
    Malformed,
    /// Randomness failed.
    #[error(transparent)]
    Crypto(#[from] crypto::CryptoError),
}

fn context(epoch: &AgreementEpoch, token: &Token, handle: &Handle) -> Vec<u8> {
    let mut context = b"symbolon payload v1".to_vec();
    context.extend_from_slice(&epoch.0);
    context.extend_from_slice(&token.0);
    context.extend_from_slice(&handle.0);
    context
}

/// Seals a payload for the row (epoch, token, handle).
pub fn seal(
    payload: &Payload,
    lock: &SecretKey,
    epoch: &AgreementEpoch,
    token: &Token,
    handle: &Handle,
) -> Result<SealedPayload, PayloadError> {
    let name = payload.agency.as_str().as_bytes();
    let mut plaintext = Vec::with_capacity(PLAINTEXT_BYTES);
    plaintext.push(FORMAT);
    plaintext.push(name.len() as u8);
    plaintext.extend_from_slice(name);
    plaintext.extend_from_slice(&payload.reference.0);
    plaintext.extend_from_slice(&payload.kind.to_be_bytes());
    plaintext.extend_from_slice(&payload.schema_version.to_be_bytes());
    plaintext.push(match payload.urgency {
        Urgency::Standard => 0,
        Urgency::Medium => 1,
        Urgency::High => 2,
    });
    plaintext.push(u8::from(payload.query));
    plaintext.resize(PLAINTEXT_BYTES, 0);
    let sealed = crypto::seal(lock, &context(epoch, token, handle), &plaintext)?;
    SealedPayload::try_from(sealed.as_slice()).map_err(|_| PayloadError::Malformed)
}

/// Opens a payload that came with the row (epoch, token, handle) of its owner.
pub fn open(
    sealed: &SealedPayload,
    lock: &SecretKey,
    epoch: &AgreementEpoch,
    token: &Token,
    handle: &Handle,
) -> Result<Payload, PayloadError> {
    let plaintext = crypto::open(lock, &context(epoch, token, handle), &sealed.0)
        .map_err(|_| PayloadError::DoesNotOpen)?;
    parse(&plaintext).ok_or(PayloadError::Malformed)
}

fn parse(plaintext: &[u8]) -> Option<Payload> {
    let (&format, rest) = plaintext.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    let (reference, rest) = rest.split_first_chunk::<16>()?;
    let (kind, rest) = rest.split_first_chunk::<2>()?;
    let (schema_version, rest) = rest.split_first_chunk::<2>()?;
    let (&urgency, rest) = rest.split_first()?;
    let (&query, rest) = rest.split_first()?;
    if format != FORMAT || rest.iter().any(|&byte| byte != 0) {
        return None;
    }
    Some(Payload {
        agency: std::str::from_utf8(name).ok()?.parse().ok()?,
        reference: RecordReference(*reference),
        kind: u16::from_be_bytes(*kind),
        schema_version: u16::from_be_bytes(*schema_version),
        urgency: match urgency {
            0 => Urgency::Standard,
            1 => Urgency::Medium,
            2 => Urgency::High,
            _ => return None,
        },
        query: match query {
            0 => false,
            1 => true,
            _ => return None,
        },
    })
}
