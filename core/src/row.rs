//! What an agency shares: one row for each token, and nothing that ties rows to a record.
//!
//! Sizes are fixed, so that a row's length says nothing. The hub holds these types and can read
//! no more than equality of tokens out of them.

use serde::{Deserialize, Serialize};

use crate::crypto;

/// Bytes of a token: 128 bits, so that accidental equality does not happen.
pub const TOKEN_BYTES: usize = 16;
/// Bytes of a handle.
pub const HANDLE_BYTES: usize = 16;
/// Bytes of a sealed payload: 128 of plaintext, a 12-byte nonce and a 16-byte tag.
pub const PAYLOAD_BYTES: usize = 128 + crypto::SEAL_OVERHEAD;

macro_rules! opaque_bytes {
    ($(#[$doc:meta])* $name:ident, $size:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(#[serde(with = "crate::encoding::base64")] pub [u8; $size]);

        impl TryFrom<&[u8]> for $name {
            type Error = WrongLength;

            fn try_from(bytes: &[u8]) -> Result<Self, WrongLength> {
                bytes.try_into().map(Self).map_err(|_| WrongLength {
                    what: stringify!($name),
                    expected: $size,
                    actual: bytes.len(),
                })
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let text = data_encoding::HEXLOWER.encode(&self.0[..4]);
                write!(f, concat!(stringify!($name), "({}..)"), text)
            }
        }
    };
}

/// Peer bytes of the wrong length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {actual} bytes, not {expected}")]
pub struct WrongLength {
    /// The type that was read.
    pub what: &'static str,
    /// Its length in bytes.
    pub expected: usize,
    /// What came.
    pub actual: usize,
}

opaque_bytes!(
    /// HMAC of a linkage key's root under one agreement; equal for equal identifiers.
    Token,
    TOKEN_BYTES
);
opaque_bytes!(
    /// A random name of one row, chosen by its owner: one for each token, never one for a record.
    Handle,
    HANDLE_BYTES
);
opaque_bytes!(
    /// Agreement and epoch in one identifier; rows of different epochs never join.
    AgreementEpoch,
    16
);
opaque_bytes!(
    /// A payload sealed under the lock of its own identifier.
    SealedPayload,
    PAYLOAD_BYTES
);

impl Handle {
    /// A fresh random handle.
    pub fn random() -> Result<Self, crypto::CryptoError> {
        crypto::random().map(Self)
    }
}

/// Months since January of year 0: coarse on purpose, so that expiry does not group rows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ExpiryMonth(pub u32);

impl ExpiryMonth {
    /// The month in which `unix_seconds` lies.
    pub fn of(unix_seconds: i64) -> Self {
        let date = time::OffsetDateTime::from_unix_timestamp(unix_seconds)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let months = i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1;
        Self(u32::try_from(months).unwrap_or(0))
    }

    /// The month that is `months` later.
    pub fn plus(self, months: u32) -> Self {
        Self(self.0.saturating_add(months))
    }
}

/// One row of an agency, as the hub keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The agreement under which the token was made.
    pub agreement_epoch: AgreementEpoch,
    /// What is compared for equality.
    pub token: Token,
    /// The owner's name for this row.
    pub handle: Handle,
    /// A silent row notifies its owner only.
    pub silent: bool,
    /// The last month in which the row is live.
    pub expiry: ExpiryMonth,
    /// Opens to whoever holds the same identifier under the same agreement.
    pub payload: SealedPayload,
}

impl Row {
    /// This row's part in the digest of a member's live rows.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.agreement_epoch, &self.token, &self.handle)
    }
}

/// A row's part in [`Holdings`]: its agreement, token and handle.
pub fn fingerprint(epoch: &AgreementEpoch, token: &Token, handle: &Handle) -> [u8; 32] {
    crypto::digest("symbolon row v1", &[&epoch.0, &token.0, &handle.0]).0
}

/// Count and order-free digest of a member's live rows, kept on both sides to find a lost tail.
///
/// The digest is the XOR of the rows' SHA-256 fingerprints. It finds loss by accident; it is no
/// defence against a hub that forges rows on purpose, which could only lie about what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Holdings {
    /// Live rows.
    pub count: u64,
    /// XOR of their fingerprints.
    pub digest: [u8; 32],
}

impl Holdings {
    /// Counts a row in.
    pub fn add(&mut self, fingerprint: &[u8; 32]) {
        self.count = self.count.saturating_add(1);
        self.mix(fingerprint);
    }

    /// Counts a row out.
    pub fn remove(&mut self, fingerprint: &[u8; 32]) {
        self.count = self.count.saturating_sub(1);
        self.mix(fingerprint);
    }

    fn mix(&mut self, fingerprint: &[u8; 32]) {
        for (byte, other) in self.digest.iter_mut().zip(fingerprint) {
            *byte ^= other;
        }
    }

    /// Forty bytes for a store.
    pub fn to_bytes(&self) -> [u8; 40] {
        let mut out = [0; 40];
        let (count, digest) = out.split_at_mut(8);
        count.copy_from_slice(&self.count.to_be_bytes());
        digest.copy_from_slice(&self.digest);
        out
    }

    /// Reads what [`Holdings::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, digest) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            count: u64::from_be_bytes(*count),
            digest: digest.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_from_year_zero() {
        assert_eq!(ExpiryMonth::of(0), ExpiryMonth(1970 * 12));
        assert_eq!(ExpiryMonth::of(31 * 86_400), ExpiryMonth(1970 * 12 + 1));
    }

    #[test]
    fn holdings_do_not_depend_on_order_and_come_back_to_nothing() {
        let rows: Vec<[u8; 32]> = (0..5u8).map(|i| crypto::sha256(&[i]).0).collect();
        let mut forwards = Holdings::default();
        let mut backwards = Holdings::default();
        rows.iter().for_each(|row| forwards.add(row));
        rows.iter().rev().for_each(|row| backwards.add(row));
        assert_eq!(forwards, backwards);
        assert_eq!(Holdings::from_bytes(&forwards.to_bytes()), Some(forwards));
        rows.iter().for_each(|row| forwards.remove(row));
        assert_eq!(forwards, Holdings::default());
    }
}
