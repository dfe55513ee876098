//! Tombstones: what an agency signs when something that it shared is no more.
//!
//! A tombstone names the agreement and the random reference under which a record was shared, a class of
//! reason, and when: nothing of the record. Which of its own records it was the agency alone can tell: the
//! record's id stands in it as a MAC under a key that never leaves the agency's vault. It is signed with
//! the roster key, so that whoever has the roster can check it, years later and without asking anybody.
//! Whoever held a match confirms it in the same way.

use serde::{Deserialize, Serialize};
use symbolon_core::crypto::{self, Signature, SigningKey, VerifyingKey};
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::AgencyName;
use symbolon_core::payload::RecordReference;
use symbolon_core::roster::Roster;
use thiserror::Error;

const TOMBSTONE: &str = "symbolon tombstone v1";
const CONFIRMATION: &str = "symbolon tombstone confirmation v1";
/// Most bytes of a signed text.
const MAX_BYTES: usize = 2048;

/// Why something is no more, as far as others are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonClass {
    /// The person took consent back.
    Consent,
    /// The person asked for erasure, or a court or a regulator did.
    Request,
    /// Its time was over.
    Retention,
    /// It should not have been there.
    Mistake,
    /// The agency does not share it any longer.
    Withdrawn,
}

impl ReasonClass {
    /// Every class with its word.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Consent, "consent"),
        (Self::Request, "request"),
        (Self::Retention, "retention"),
        (Self::Mistake, "mistake"),
        (Self::Withdrawn, "withdrawn"),
    ];
}

impl std::fmt::Display for ReasonClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = Self::ALL.iter().find(|(class, _)| class == self);
        f.pad(word.map_or("", |(_, word)| word))
    }
}

/// No such class.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is no class of reason; they are consent, request, retention, mistake and withdrawn")]
pub struct UnknownReason;

impl std::str::FromStr for ReasonClass {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, known)| known.eq_ignore_ascii_case(word.trim()));
        found.map(|(class, _)| *class).ok_or(UnknownReason)
    }
}

/// Names a record to its own agency only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordMark(#[serde(with = "encoding::base64")] pub [u8; 16]);

impl std::fmt::Display for RecordMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&crypto::digest("symbolon record mark", &[&self.0]).short())
    }
}

/// Where a record was shared: the line of an agreement, and its reference there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedAs {
    /// Line of the agreement.
    pub agreement: Digest,
    /// The record's random name there.
    pub reference: RecordReference,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// Digest of the roster's genesis.
    pub consortium: Digest,
    /// Whose record it was.
    pub agency: AgencyName,
    /// As what it was shared; none if it never was.
    pub shared_as: Option<SharedAs>,
    /// Which record, for its agency.
    pub record: RecordMark,
    /// Why.
    pub reason: ReasonClass,
    /// When, Unix seconds.
    pub at: i64,
    /// Length of the roster then.
    pub roster: u64,
}

/// A recipient's word that what it had of it is dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Digest of the tombstone.
    pub tombstone: Digest,
    /// Who confirms.
    pub agency: AgencyName,
    /// When, Unix seconds.
    pub at: i64,
    /// Length of the roster then.
    pub roster: u64,
}

/// Why a tombstone or a confirmation is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TombstoneError {
    /// Not what this version writes.
    #[error("it cannot be read as what it claims to be")]
    Malformed,
    /// Of another consortium.
    #[error("it is of another consortium")]
    OtherConsortium,
    /// Of somebody else.
    #[error("it is of {is}, not of {expected}")]
    OtherAgency {
        /// Whom it names.
        is: AgencyName,
        /// Whom it had to name.
        expected: AgencyName,
    },
    /// Nobody of this name has enrolled.
    #[error("the roster has no agency {0} with a key")]
    UnknownAgency(AgencyName),
    /// Signed by no key that the agency had then.
    #[error("its signature is by no key that the roster shows for {0} at its time")]
    BadSignature(AgencyName),
    /// A confirmation of another tombstone.
    #[error("it confirms another tombstone")]
    OtherTombstone,
}

/// With which key something is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedWith {
    /// The key that the agency has now.
    PresentKey,
    /// One that it has given up since. Whoever stole it can have written this later.
    PastKey,
}

/// A signed text, as it is kept, sent and exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// JSON, exactly as it was signed.
    #[serde(with = "encoding::base64")]
    pub body: Vec<u8>,
    /// By the agency's roster key.
    pub signature: Signature,
}

impl Signed {
    /// Signs a tombstone.
    pub fn tombstone(tombstone: &Tombstone, key: &SigningKey) -> Result<Self, TombstoneError> {
        Self::new(TOMBSTONE, tombstone, key)
    }

    /// Signs a confirmation.
    pub fn confirmation(word: &Confirmation, key: &SigningKey) -> Result<Self, TombstoneError> {
        Self::new(CONFIRMATION, word, key)
    }

    fn new<T: Serialize>(
        context: &str,
        what: &T,
        key: &SigningKey,
    ) -> Result<Self, TombstoneError> {
        let body = serde_json::to_vec(what).map_err(|_| TombstoneError::Malformed)?;
        let signature = key.sign(context, &body);
        Ok(Self { body, signature })
    }

    /// Names it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        crypto::digest(TOMBSTONE, &[&self.body])
    }

    /// Reads a tombstone whose signature is not looked at: for what was verified when it was kept.
    pub fn read_tombstone(&self) -> Result<Tombstone, TombstoneError> {
        self.read()
    }

    /// Reads a tombstone and checks it against the roster.
    pub fn verify_tombstone(
        &self,
        roster: &Roster,
        consortium: &Digest,
    ) -> Result<(Tombstone, SignedWith), TombstoneError> {
        let tombstone: Tombstone = self.read()?;
        if tombstone.consortium != *consortium {
            return Err(TombstoneError::OtherConsortium);
        }
        let with = self.check(TOMBSTONE, roster, &tombstone.agency, tombstone.roster)?;
        Ok((tombstone, with))
    }

    /// Reads a confirmation of a tombstone and checks it against the roster.
    pub fn verify_confirmation(
        &self,
        roster: &Roster,
        tombstone: &Digest,
    ) -> Result<(Confirmation, SignedWith), TombstoneError> {
        let word: Confirmation = self.read()?;
        if word.tombstone != *tombstone {
            return Err(TombstoneError::OtherTombstone);
        }
        let with = self.check(CONFIRMATION, roster, &word.agency, word.roster)?;
        Ok((word, with))
    }

    fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, TombstoneError> {
        if self.body.len() > MAX_BYTES {
            return Err(TombstoneError::Malformed);
        }
        serde_json::from_slice(&self.body).map_err(|_| TombstoneError::Malformed)
    }

    fn check(
        &self,
        context: &str,
        roster: &Roster,
        agency: &AgencyName,
        length: u64,
    ) -> Result<SignedWith, TombstoneError> {
        let enrolled = roster.enrolled(agency);
        let (member, keys) =
            enrolled.ok_or_else(|| TombstoneError::UnknownAgency(agency.clone()))?;
        let signed = |key: &&VerifyingKey| key.verify(context, &self.body, &self.signature).is_ok();
        match member.signing_keys_since(length).find(signed) {
            Some(key) if *key == keys.signing => Ok(SignedWith::PresentKey),
            Some(_) => Ok(SignedWith::PastKey),
            None => Err(TombstoneError::BadSignature(agency.clone())),
        }
    }
}

impl Tombstone {
    /// Refuses one that is in another's name than the one it came from.
    pub fn must_be_of(&self, agency: &AgencyName) -> Result<(), TombstoneError> {
        must_be_of(&self.agency, agency)
    }
}

impl Confirmation {
    /// Refuses one that is in another's name than the one it came from.
    pub fn must_be_of(&self, agency: &AgencyName) -> Result<(), TombstoneError> {
        must_be_of(&self.agency, agency)
    }
}

fn must_be_of(is: &AgencyName, expected: &AgencyName) -> Result<(), TombstoneError> {
    if is == expected {
        return Ok(());
    }
    Err(TombstoneError::OtherAgency {
        is: is.clone(),
        expected: expected.clone(),
    })
}
