//! What the vault holds: one type for each table.
//!
//! A crash between two writes must never lose a row or a record; the order of writes is said where
//! it matters. `rows` is the truth about what is, or shall be, at the hub.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_core::agreement::Papers;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::linkage::record::Record;
use symbolon_core::oprf::dkg::Dkg;
use symbolon_core::oprf::threshold::CustodyKey;
use symbolon_core::payload::{RecordReference, Urgency};
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{AgreementEpoch, Handle, Token};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::NodeError;
use crate::vault::{Table, Vault};

/// Secret bytes in the vault: zeroised when dropped, redacted when shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Secret(#[serde(with = "encoding::base64")] pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Public bytes in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob(#[serde(with = "encoding::base64")] pub Vec<u8>);

/// The vault's name for a linkage key: an HMAC of its input, under the vault's own key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct KeyTag(#[serde(with = "encoding::base64")] pub [u8; 16]);

/// Who this node is, as enrolment left it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredIdentity {
    pub consortium: Name,
    pub agency: AgencyName,
    pub hub: String,
    pub genesis: Digest,
    pub root: Blob,
    pub chain: Vec<Blob>,
    pub certificate_expires_at: i64,
    pub tls_key: Secret,
    pub signing_seed: Secret,
    pub encryption_seed: Secret,
}

/// A custodian's share, and the public key that goes with it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredShare {
    pub index: u16,
    pub secret: Secret,
    pub transcript: Digest,
    pub key: CustodyKey,
}

/// A record and what was made of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredRecord {
    pub record: Record,
    /// Its audience.
    pub agreements: Vec<Name>,
    /// Its random name under each agreement, by the agreement's line: the same in all versions.
    pub references: BTreeMap<Digest, RecordReference>,
    /// Its linkage keys: kind and tag.
    pub keys: Vec<(u16, KeyTag)>,
    /// Its rows, waiting or registered.
    pub rows: Vec<Handle>,
    pub imported_at: i64,
}

/// A row that is, or shall be, at the hub.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredRow {
    /// The record; `None` for a dummy.
    pub record_id: Option<String>,
    /// Line of the agreement.
    pub agreement: Digest,
    pub epoch: AgreementEpoch,
    pub kind: u16,
    pub tag: KeyTag,
    pub urgency: Urgency,
    /// The linkage key's input, until it has a root.
    pub input: Option<Secret>,
    /// Set when the row was built; what was submitted can be submitted again only the same.
    pub token: Option<Token>,
    /// The hub has acknowledged it.
    pub registered: bool,
}

/// Which match: one own record, one record of another agency, under one agreement.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MatchKey {
    pub agreement: Digest,
    pub record_id: String,
    pub agency: AgencyName,
    pub reference: RecordReference,
}

/// The evidence of a match.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredMatch {
    /// Agreeing keys: own handle, the other's handle, kind.
    pub evidence: Vec<(Handle, Handle, u16)>,
    pub urgency: Urgency,
    pub query: bool,
    pub since: i64,
}

/// The end of an epoch: what proves that nothing of it is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredClosure {
    pub agreement: Name,
    pub number: u32,
    /// Rows of ours that were registered when it ended, dummies among them.
    pub before: u64,
    /// Of these, deleted at the hub.
    pub withdrawn: u64,
    /// Afterwards the hub held exactly the rows that we know, none of this epoch among them.
    pub confirmed: bool,
}

/// An envelope that the hub has not yet taken.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredEnvelope {
    pub to: AgencyName,
    pub message: Secret,
}

/// The tables.
pub struct Tables {
    pub identity: Table<String, StoredIdentity>,
    /// Small numbers: `cursor`.
    pub numbers: Table<String, u64>,
    pub roster: Table<u64, SignedEntry>,
    /// Versions of agreements as last seen, by digest.
    pub agreements: Table<Digest, Papers>,
    /// Keys of agreements, by the digest of their epoch.
    pub agreement_keys: Table<Digest, Secret>,
    /// Epochs that ended.
    pub closures: Table<AgreementEpoch, StoredClosure>,
    pub shares: Table<u32, StoredShare>,
    pub dkg: Table<Digest, Dkg>,
    pub outbox: Table<KeyTag, StoredEnvelope>,
    pub records: Table<String, StoredRecord>,
    pub rows: Table<Handle, StoredRow>,
    /// Handles of rows that wait to be registered.
    pub pending: Table<Handle, ()>,
    /// Handles of rows that wait to be deleted at the hub.
    pub withdrawals: Table<Handle, ()>,
    pub roots: Table<KeyTag, Secret>,
    /// How many own records hold a key.
    pub frequency: Table<KeyTag, u32>,
    /// Keys that the hub called common.
    pub common: Table<KeyTag, ()>,
    pub matches: Table<MatchKey, StoredMatch>,
    /// Own handle and the other's handle -> the match they are evidence of.
    pub evidence: Table<(Handle, Handle), MatchKey>,
}

impl Tables {
    /// Opens every table.
    pub fn open(vault: &Vault) -> Result<Self, NodeError> {
        Ok(Self {
            identity: vault.table("identity")?,
            numbers: vault.table("numbers")?,
            roster: vault.table("roster")?,
            agreements: vault.table("agreements")?,
            agreement_keys: vault.table("agreement-keys")?,
            closures: vault.table("closures")?,
            shares: vault.table("shares")?,
            dkg: vault.table("dkg")?,
            outbox: vault.table("outbox")?,
            records: vault.table("records")?,
            rows: vault.table("rows")?,
            pending: vault.table("pending")?,
            withdrawals: vault.table("withdrawals")?,
            roots: vault.table("roots")?,
            frequency: vault.table("frequency")?,
            common: vault.table("common")?,
            matches: vault.table("matches")?,
            evidence: vault.table("evidence")?,
        })
    }
}
