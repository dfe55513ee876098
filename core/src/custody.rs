//! What nodes and custodians say to each other: evaluation requests, and statements of the key.
//!
//! A request is signed by the asking agency's roster key, so that the hub that relays it can neither
//! make one nor change one. After a key generation each custodian signs what it saw; a node uses a
//! key only when *every* custodian that the roster appoints has signed the very same statement.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{self, Signature, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::identity::AgencyName;
use crate::oprf::threshold::{CustodyKey, Quorum};
use crate::oprf::{ELEMENT_BYTES, MAX_BATCH};
use crate::roster::{Custody, Roster};

const REQUEST_CONTEXT: &str = "symbolon oracle request v1";
const STATEMENT_CONTEXT: &str = "symbolon custody statement v1";

/// Longest life of a request in seconds: the relay's time-out, with room for clocks that differ.
pub const MAX_REQUEST_LIFE_S: i64 = 300;

/// One batch to evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Random; lets a custodian refuse a repeated request.
    pub id: [u8; 16],
    /// Who asks.
    pub requester: AgencyName,
    /// Which key.
    pub epoch: u32,
    /// Who answers; decides the Lagrange coefficients.
    pub quorum: Quorum,
    /// Unix seconds after which it is void.
    pub expires_at: i64,
    /// Blinded elements, 32 bytes each.
    pub elements: Vec<u8>,
}

impl Request {
    /// The bytes that are signed and sent.
    pub fn encode(&self) -> Vec<u8> {
        let quorum: Vec<u8> = self
            .quorum
            .indices()
            .iter()
            .flat_map(|i| i.to_be_bytes())
            .collect();
        encoding::parts(&[
            &self.id,
            self.requester.as_str().as_bytes(),
            &self.epoch.to_be_bytes(),
            &quorum,
            &self.expires_at.to_be_bytes(),
            &self.elements,
        ])
    }

    /// Signs the encoded request, for the consortium of this genesis and no other.
    pub fn sign(encoded: &[u8], genesis: &Digest, key: &SigningKey) -> Signature {
        key.sign(REQUEST_CONTEXT, &encoding::parts(&[&genesis.0, encoded]))
    }

    /// Reads and checks a request as a custodian must before it computes anything: signature and
    /// standing of the requester, expiry, epoch, quorum.
    pub fn verify(
        encoded: &[u8],
        signature: &Signature,
        roster: &Roster,
        custody: &Custody,
        now: i64,
    ) -> Result<Self, Refusal> {
        let request = Self::parse(encoded, custody.threshold).ok_or(Refusal::Malformed)?;
        let (_, keys) = roster
            .active(&request.requester)
            .ok_or(Refusal::NotAMember)?;
        let signed = encoding::parts(&[&roster.genesis.0, encoded]);
        keys.signing
            .verify(REQUEST_CONTEXT, &signed, signature)
            .map_err(|_| Refusal::BadSignature)?;
        if now > request.expires_at || request.expires_at > now + MAX_REQUEST_LIFE_S {
            return Err(Refusal::Expired);
        }
        if request.epoch != custody.epoch {
            return Err(Refusal::OtherEpoch);
        }
        let appointed = |&index: &u16| custody.custodian(index).is_some();
        if !request.quorum.indices().iter().all(appointed) {
            return Err(Refusal::Malformed);
        }
        Ok(request)
    }

    fn parse(encoded: &[u8], threshold: u16) -> Option<Self> {
        if encoded.len() > MAX_BATCH * ELEMENT_BYTES + 1024 {
            return None;
        }
        let fields = encoding::split_parts(encoded)?;
        let [id, requester, epoch, quorum, expires_at, elements] = fields.as_slice() else {
            return None;
        };
        let (indices, rest) = quorum.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let indices = indices.iter().map(|index| u16::from_be_bytes(*index));
        Some(Self {
            id: (*id).try_into().ok()?,
            requester: std::str::from_utf8(requester).ok()?.parse().ok()?,
            epoch: u32::from_be_bytes((*epoch).try_into().ok()?),
            quorum: Quorum::new(indices, threshold).ok()?,
            expires_at: i64::from_be_bytes((*expires_at).try_into().ok()?),
            elements: elements.to_vec(),
        })
    }
}

/// Why a custodian does not answer. Travels as one word and tells no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum Refusal {
    #[error("malformed")]
    Malformed,
    #[error("not-a-member")]
    NotAMember,
    #[error("bad-signature")]
    BadSignature,
    #[error("expired")]
    Expired,
    #[error("other-epoch")]
    OtherEpoch,
    #[error("repeated")]
    Repeated,
    #[error("not-ready")]
    NotReady,
    #[error("unknown")]
    Unknown,
}

impl Refusal {
    /// Reads the word; one that this version does not know becomes `Unknown`.
    pub fn parse(word: &str) -> Self {
        let known = [
            Self::Malformed,
            Self::NotAMember,
            Self::BadSignature,
            Self::Expired,
            Self::OtherEpoch,
            Self::Repeated,
            Self::NotReady,
        ];
        known
            .into_iter()
            .find(|refusal| refusal.to_string() == word)
            .unwrap_or(Self::Unknown)
    }
}

/// What a custodian saw at the end of a key generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementBody {
    /// Who states it.
    pub custodian: AgencyName,
    /// The roster entry that appointed the custodians.
    pub entry: Digest,
    /// Custody epoch.
    pub epoch: u32,
    /// Digest of all first-round packages.
    pub transcript: Digest,
    /// Group key and public shares.
    pub key: CustodyKey,
}

/// A signed [`StatementBody`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// JSON of the body.
    #[serde(with = "encoding::base64")]
    pub body: Vec<u8>,
    /// By the custodian's roster key.
    pub signature: Signature,
}

impl Statement {
    /// Writes and signs a statement.
    pub fn new(body: &StatementBody, key: &SigningKey) -> Result<Self, CustodyError> {
        let body = serde_json::to_vec(body).map_err(|_| CustodyError::Malformed)?;
        let signature = key.sign(STATEMENT_CONTEXT, &body);
        Ok(Self { body, signature })
    }

    fn verify(&self, roster: &Roster) -> Result<StatementBody, CustodyError> {
        let body: StatementBody =
            serde_json::from_slice(&self.body).map_err(|_| CustodyError::Malformed)?;
        let forged = || CustodyError::Forged(body.custodian.clone());
        let (member, _) = roster.enrolled(&body.custodian).ok_or_else(forged)?;
        let signed = |key: &VerifyingKey| {
            key.verify(STATEMENT_CONTEXT, &self.body, &self.signature)
                .is_ok()
        };
        if !member.signing_keys().any(signed) {
            return Err(forged());
        }
        Ok(body)
    }
}

/// Why the custodians' key cannot be used; names the custodian.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum CustodyError {
    #[error("a custody statement is malformed")]
    Malformed,
    #[error("the custody statement that claims to be from {0} is not valid")]
    Forged(AgencyName),
    #[error("custodian {0} has not yet stated the key")]
    Missing(AgencyName),
    #[error(
        "custodian {0} states another key than the others: the key generation was tampered with"
    )]
    Differs(AgencyName),
}

/// The key that all custodians of `custody` state; an error while one is missing or differs.
pub fn agreed_key(
    roster: &Roster,
    custody: &Custody,
    statements: &[Statement],
) -> Result<CustodyKey, CustodyError> {
    let bodies = statements
        .iter()
        .map(|statement| statement.verify(roster))
        .collect::<Result<Vec<_>, _>>()?;
    let mut agreed: Option<(CustodyKey, Digest)> = None;
    for custodian in &custody.custodians {
        let body = bodies
            .iter()
            .find(|body| body.custodian == *custodian && body.entry == custody.entry)
            .ok_or_else(|| CustodyError::Missing(custodian.clone()))?;
        let stated = (body.key.clone(), body.transcript);
        let sound = body.epoch == custody.epoch
            && body.key.threshold == custody.threshold
            && body.key.shares.len() == custody.custodians.len()
            && body
                .key
                .shares
                .keys()
                .all(|&index| custody.custodian(index).is_some());
        if !sound || agreed.as_ref().is_some_and(|known| *known != stated) {
            return Err(CustodyError::Differs(custodian.clone()));
        }
        agreed = Some(stated);
    }
    agreed.map(|(key, _)| key).ok_or(CustodyError::Malformed)
}

/// Digest of a request, for replay records and the log.
pub fn request_digest(encoded: &[u8]) -> Digest {
    crypto::digest(REQUEST_CONTEXT, &[encoded])
}
