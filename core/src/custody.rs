//! What nodes and custodians say to each other: evaluation requests, and statements of the key.
//!
//! A request is signed by the asking agency's roster key, so that the hub that relays it can neither
//! make one nor change one. After a key generation each custodian signs what it saw; a node uses a
//! key only when *every* custodian that the roster appoints has signed the very same statement.
//!
//! A key has *generations* of shares: 0 from the key generation, higher ones from refreshes, which
//! leave the group key as it is. A generation counts when all custodians have stated it, and a request
//! names the one that it wants, so that shares of two generations never meet in one answer.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{self, Signature, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::identity::AgencyName;
use crate::oprf::threshold::{CustodyKey, Quorum};
use crate::oprf::{ELEMENT_BYTES, MAX_BATCH};
use crate::roster::{Custody, Roster};

const REQUEST_CONTEXT: &str = "symbolon oracle request v1";
const QUESTION_CONTEXT: &str = "symbolon oracle question v1";
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
    /// Which shares of it.
    pub generation: u32,
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
            &self.generation.to_be_bytes(),
            &quorum,
            &self.expires_at.to_be_bytes(),
            &self.elements,
        ])
    }

    /// Signs the encoded request, for the consortium of this genesis and no other.
    pub fn sign(encoded: &[u8], genesis: &Digest, key: &SigningKey) -> Signature {
        key.sign(REQUEST_CONTEXT, &encoding::parts(&[&genesis.0, encoded]))
    }

    /// Names what is asked. It stays the same when the same elements are asked of the same quorum again,
    /// under another id and for longer.
    pub fn question(&self) -> Digest {
        let quorum = self.quorum.indices().iter();
        let quorum: Vec<u8> = quorum.flat_map(|index| index.to_be_bytes()).collect();
        crypto::sha256(&encoding::parts(&[
            QUESTION_CONTEXT.as_bytes(),
            &self.epoch.to_be_bytes(),
            &self.generation.to_be_bytes(),
            &quorum,
            &self.elements,
        ]))
    }

    /// Elements that are to be evaluated: what the quota counts.
    pub fn count(&self) -> u64 {
        (self.elements.len() / ELEMENT_BYTES) as u64
    }

    /// Reads and checks a request as a custodian must before it computes anything: signature and
    /// standing of the requester, expiry, epoch, quorum, size. Replay and quota are the custodian's
    /// own to keep.
    pub fn verify(
        encoded: &[u8],
        signature: &Signature,
        roster: &Roster,
        now: i64,
    ) -> Result<Self, Refusal> {
        let fields = Fields::parse(encoded).ok_or(Refusal::Malformed)?;
        let (_, keys) = roster
            .active(&fields.requester)
            .ok_or(Refusal::NotAMember)?;
        let signed = encoding::parts(&[&roster.genesis.0, encoded]);
        keys.signing
            .verify(REQUEST_CONTEXT, &signed, signature)
            .map_err(|_| Refusal::BadSignature)?;
        if now > fields.expires_at || fields.expires_at > now.saturating_add(MAX_REQUEST_LIFE_S) {
            return Err(Refusal::Expired);
        }
        let custody = roster.custody_of(fields.epoch).ok_or(Refusal::OtherEpoch)?;
        let quorum = Quorum::new(fields.quorum, custody.threshold);
        let quorum = quorum.map_err(|_| Refusal::Malformed)?;
        let appointed = |&index: &u16| custody.custodian(index).is_some();
        if !quorum.indices().iter().all(appointed) {
            return Err(Refusal::Malformed);
        }
        Ok(Self {
            id: fields.id,
            requester: fields.requester,
            epoch: fields.epoch,
            generation: fields.generation,
            quorum,
            expires_at: fields.expires_at,
            elements: fields.elements.to_vec(),
        })
    }
}

/// A request as it stands on the wire; the quorum is one only for a custody that is known.
struct Fields<'a> {
    id: [u8; 16],
    requester: AgencyName,
    epoch: u32,
    generation: u32,
    quorum: Vec<u16>,
    expires_at: i64,
    elements: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(encoded: &'a [u8]) -> Option<Self> {
        if encoded.len() > MAX_BATCH * ELEMENT_BYTES + 1024 {
            return None;
        }
        let fields = encoding::split_parts(encoded)?;
        let [
            id,
            requester,
            epoch,
            generation,
            quorum,
            expires_at,
            elements,
        ] = fields.as_slice()
        else {
            return None;
        };
        let (indices, rest) = quorum.as_chunks::<2>();
        let whole = !elements.is_empty() && elements.len().is_multiple_of(ELEMENT_BYTES);
        if !rest.is_empty() || !whole || elements.len() > MAX_BATCH * ELEMENT_BYTES {
            return None;
        }
        Some(Self {
            id: (*id).try_into().ok()?,
            requester: std::str::from_utf8(requester).ok()?.parse().ok()?,
            epoch: u32::from_be_bytes((*epoch).try_into().ok()?),
            generation: u32::from_be_bytes((*generation).try_into().ok()?),
            quorum: indices.iter().map(|i| u16::from_be_bytes(*i)).collect(),
            expires_at: i64::from_be_bytes((*expires_at).try_into().ok()?),
            elements,
        })
    }
}

/// Why a custodian does not answer. Travels as one word, and for a quota a time.
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
    /// The custodian holds no share of this epoch and generation, any more or yet.
    #[error("other-epoch")]
    OtherEpoch,
    #[error("repeated")]
    Repeated,
    #[error("not-ready")]
    NotReady,
    /// It has not lately confirmed its roster with the hub.
    #[error("stale-roster")]
    StaleRoster,
    /// It remembers as many requests of this agency as it can.
    #[error("busy")]
    Busy,
    /// The agency's quota is used up.
    #[error("over-quota")]
    OverQuota {
        /// Unix seconds from which on this much is allowed; `None` if never under this quota.
        retry_at: Option<i64>,
    },
    #[error("unknown")]
    Unknown,
}

impl Refusal {
    /// Reads the word and the time that goes with it (0 for none); a word that this version does not
    /// know becomes `Unknown`.
    pub fn parse(word: &str, retry_at: i64) -> Self {
        let retry_at = Some(retry_at).filter(|at| *at > 0);
        let known = [
            Self::Malformed,
            Self::NotAMember,
            Self::BadSignature,
            Self::Expired,
            Self::OtherEpoch,
            Self::Repeated,
            Self::NotReady,
            Self::StaleRoster,
            Self::Busy,
            Self::OverQuota { retry_at },
        ];
        known
            .into_iter()
            .find(|refusal| refusal.to_string() == word)
            .unwrap_or(Self::Unknown)
    }

    /// The time that travels with the word; 0 for none.
    pub fn retry_at(&self) -> i64 {
        match self {
            Self::OverQuota { retry_at } => retry_at.unwrap_or(0),
            _ => 0,
        }
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
    /// Generation of the shares: 0 from the key generation, higher from refreshes.
    #[serde(default)]
    pub generation: u32,
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

    /// The statement's content, if it is signed by the custodian that it names, with a key that it
    /// had not given up when these custodians were appointed.
    pub fn verify(
        &self,
        roster: &Roster,
        custody: &Custody,
    ) -> Result<StatementBody, CustodyError> {
        let body: StatementBody =
            serde_json::from_slice(&self.body).map_err(|_| CustodyError::Malformed)?;
        let forged = || CustodyError::Forged(body.custodian.clone());
        let (member, _) = roster.enrolled(&body.custodian).ok_or_else(forged)?;
        let signed = |key: &VerifyingKey| {
            key.verify(STATEMENT_CONTEXT, &self.body, &self.signature)
                .is_ok()
        };
        if !member.signing_keys_since(custody.number).any(signed) {
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
    #[error(
        "the custodians state another group key after a refresh than before it: what was made under it would never match"
    )]
    OtherGroup,
}

/// A key that every custodian has stated, and the newest generation of shares of which that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedKey {
    /// Generation of the shares.
    pub generation: u32,
    /// Digest of the first-round packages that made them.
    pub transcript: Digest,
    /// Group key and public shares.
    pub key: CustodyKey,
}

/// The key that all custodians of `custody` state, with the newest generation of shares that all of
/// them have; an error while one is missing or differs.
///
/// A generation that not all have stated yet does not count, and does not stand in the way of the one
/// before it. Neither does a statement that is not valid, or one custodian could end every other's
/// work: it is the error only where nothing is agreed without it. [`refused_statement`] names it.
pub fn agreed_key(
    roster: &Roster,
    custody: &Custody,
    statements: &[Statement],
) -> Result<AgreedKey, CustodyError> {
    let verified = statements.iter().map(|s| s.verify(roster, custody));
    let mut bodies: Vec<StatementBody> = verified.filter_map(Result::ok).collect();
    bodies.retain(|body| body.entry == custody.entry);
    let generations: BTreeSet<u32> = bodies.iter().map(|body| body.generation).collect();
    let mut newest: Option<AgreedKey> = None;
    let mut missing = None;
    for &generation in generations.iter().rev() {
        match (agreed_generation(custody, &bodies, generation), &newest) {
            (Ok((key, transcript)), None) => {
                newest = Some(AgreedKey {
                    generation,
                    transcript,
                    key,
                });
            }
            (Ok((older, _)), Some(newest)) if older.group != newest.key.group => {
                return Err(CustodyError::OtherGroup);
            }
            (Ok(_), Some(_)) => {}
            (Err(error), _) => missing = Some(error),
        }
    }
    let nobody = || {
        custody
            .custodians
            .first()
            .cloned()
            .map(CustodyError::Missing)
    };
    newest.ok_or_else(|| {
        let refused = refused_statement(roster, custody, statements);
        let missing = refused.or(missing).or_else(nobody);
        missing.unwrap_or(CustodyError::Malformed)
    })
}

/// The first of some statements that is not valid, if any is: the hub or its supposed author is at
/// fault, and people should know.
pub fn refused_statement(
    roster: &Roster,
    custody: &Custody,
    statements: &[Statement],
) -> Option<CustodyError> {
    let mut verified = statements.iter().map(|s| s.verify(roster, custody));
    verified.find_map(Result::err)
}

fn agreed_generation(
    custody: &Custody,
    bodies: &[StatementBody],
    generation: u32,
) -> Result<(CustodyKey, Digest), CustodyError> {
    let mut agreed: Option<(CustodyKey, Digest)> = None;
    for custodian in &custody.custodians {
        let body = bodies
            .iter()
            .find(|body| body.custodian == *custodian && body.generation == generation)
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
    agreed.ok_or(CustodyError::Malformed)
}

/// Digest of a request, for replay records and the log.
pub fn request_digest(encoded: &[u8]) -> Digest {
    crypto::digest(REQUEST_CONTEXT, &[encoded])
}
