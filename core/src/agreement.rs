//! Data sharing agreements: the audience of a record, and the key that its tokens are made with.
//!
//! An administrator proposes a document; every member accepts its digest with its roster key; the
//! lead member's node makes the agreement key, commits to it in its acceptance and seals it to each
//! member. An agreement is in force when every member has accepted. The hub stores and serves these
//! statements and checks them too, but each node decides by its own check.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{self, Signature, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::identity::{AgencyKind, AgencyName, Name};
use crate::roster::{Approval, Approvers, MAX_APPROVALS, Roster};
use crate::row::AgreementEpoch;

const PROPOSAL_CONTEXT: &str = "symbolon agreement proposal v1";
const ACCEPTANCE_CONTEXT: &str = "symbolon agreement acceptance v1";

/// Largest accepted document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// Most members of one agreement.
pub const MAX_MEMBERS: usize = 500;

/// What the members agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Genesis of the roster whose members these are: what is signed here holds in no other one.
    pub consortium: Digest,
    /// Length of the roster when it was proposed, which says who could approve it.
    pub roster: u64,
    /// Its short name, by which it is called on the command line.
    pub id: Name,
    /// Its title, for people.
    pub title: String,
    /// Its version, from 1.
    pub version: u32,
    /// Whose tokens are compared.
    pub members: Vec<AgencyName>,
    /// The member whose node makes the agreement key.
    pub lead: AgencyName,
    /// What matches may be used for.
    pub purposes: Vec<String>,
    /// The legal regime, for example "UK GDPR and DPA 2018 Part 3".
    pub regime: String,
    /// The lawful basis.
    pub lawful_basis: String,
    /// Whole months that a row stays at the hub unless it is withdrawn sooner.
    pub retention_months: u32,
    /// A token with more live rows than this is common and makes no notices.
    pub common_token_limit: u32,
    /// Version of the linkage schema.
    pub schema_version: u16,
    /// Digest of the linkage schema: nodes with another one refuse to take part.
    pub schema_digest: Digest,
    /// Key epoch, from 1.
    pub epoch: u32,
}

impl Document {
    /// The rule for a document to be acceptable at all.
    pub fn check(&self, roster: &Roster) -> Result<(), AgreementError> {
        let refuse = |reason: &str| Err(AgreementError::NotAllowed(reason.to_owned()));
        if self.consortium != roster.genesis {
            return refuse("the agreement belongs to another consortium");
        }
        let distinct: BTreeSet<&AgencyName> = self.members.iter().collect();
        if distinct.len() != self.members.len() || !(2..=MAX_MEMBERS).contains(&distinct.len()) {
            return refuse("an agreement needs 2 to 500 distinct members");
        }
        if !distinct.contains(&self.lead) {
            return refuse("the lead must be a member of the agreement");
        }
        if self.purposes.is_empty()
            || self
                .purposes
                .iter()
                .any(|purpose| purpose.trim().is_empty())
        {
            return refuse("an agreement needs at least one purpose");
        }
        if !(1..=120).contains(&self.retention_months) {
            return refuse("retention must be 1 to 120 months");
        }
        if !(2..=10_000).contains(&self.common_token_limit) {
            return refuse("the common-token limit must be 2 to 10000");
        }
        if self.epoch != 1 || self.version != 1 {
            return refuse("only the first version and epoch of an agreement can be proposed");
        }
        for agency in &self.members {
            let Some((member, _)) = roster.enrolled(agency) else {
                return refuse(&format!("{agency} has not enrolled"));
            };
            // The firewall against immigration enforcement is closed by default; the explicit word
            // of every other member is a statement that does not exist yet.
            if member.kind == AgencyKind::ImmigrationService {
                return refuse("an immigration service cannot be a member");
            }
        }
        Ok(())
    }
}

/// A document as proposed: its exact bytes and the administrators' approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// JSON of a [`Document`].
    #[serde(with = "encoding::base64")]
    pub body: Vec<u8>,
    /// Administrators who propose it.
    pub approvals: Vec<Approval>,
}

impl Proposal {
    /// Writes and signs a proposal.
    pub fn new(document: &Document, approvers: &[&SigningKey]) -> Result<Self, AgreementError> {
        let body = serde_json::to_vec(document).map_err(|_| AgreementError::Malformed)?;
        let approve = |key: &&SigningKey| Approval {
            key: key.verifying_key(),
            signature: key.sign(PROPOSAL_CONTEXT, &body),
        };
        let approvals = approvers.iter().map(approve).collect();
        Ok(Self { body, approvals })
    }

    /// The digest that members accept.
    pub fn digest(&self) -> Digest {
        crypto::digest(PROPOSAL_CONTEXT, &[&self.body])
    }

    /// The same for a proposal that is new: today's administrators must approve it and every member
    /// be active, so that nobody dates a proposal back to when he had a say.
    pub fn verify_new(&self, roster: &Roster) -> Result<Document, AgreementError> {
        let document = self.verify(roster)?;
        let (have, needed) = self.approvals_of(&roster.approvers);
        if have < needed || document.roster > roster.length {
            return Err(AgreementError::NotProposed);
        }
        let inactive = document.members.iter().find(|m| roster.active(m).is_none());
        match inactive {
            Some(agency) => Err(AgreementError::NotAllowed(format!(
                "{agency} is not an active member"
            ))),
            None => Ok(document),
        }
    }

    /// Administrators whose approval it has, and how many it needs.
    pub fn approvals_of(&self, approvers: &Approvers) -> (u32, u32) {
        let approves = |key: &VerifyingKey| {
            self.approvals.iter().any(|approval| {
                approval.key == *key
                    && key
                        .verify(PROPOSAL_CONTEXT, &self.body, &approval.signature)
                        .is_ok()
            })
        };
        (approvers.count(approves), approvers.needed)
    }

    /// Reads the document after checking who proposed it and that it is allowed.
    pub fn verify(&self, roster: &Roster) -> Result<Document, AgreementError> {
        if self.body.len() > MAX_DOCUMENT_BYTES || self.approvals.len() > MAX_APPROVALS {
            return Err(AgreementError::Malformed);
        }
        let document: Document =
            serde_json::from_slice(&self.body).map_err(|_| AgreementError::Malformed)?;
        // Administrators come and go; what those of its time approved stays approved.
        let (have, needed) = self.approvals_of(roster.approvers_at(document.roster));
        if have < needed {
            return Err(AgreementError::NotProposed);
        }
        document.check(roster)?;
        Ok(document)
    }
}

/// The epoch identifier that rows carry.
pub fn epoch_id(agreement: &Digest, epoch: u32) -> AgreementEpoch {
    let digest = crypto::digest(
        "symbolon agreement epoch v1",
        &[&agreement.0, &epoch.to_be_bytes()],
    );
    let mut id = [0; 16];
    id.copy_from_slice(&digest.0[..16]);
    AgreementEpoch(id)
}

/// A member's word that it takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// JSON of an [`AcceptanceBody`].
    #[serde(with = "encoding::base64")]
    pub body: Vec<u8>,
    /// By the member's roster key.
    pub signature: Signature,
}

/// The signed part of an acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceBody {
    /// Who accepts.
    pub agency: AgencyName,
    /// What it accepts.
    pub agreement: Digest,
    /// Unix seconds by its clock.
    pub at: i64,
    /// From the lead only: the agreement key, sealed to each member, and a commitment to it.
    pub key: Option<KeyDelivery>,
}

/// The agreement key on its way to the members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDelivery {
    /// Shows each member that it got the same key as the others.
    pub commitment: Digest,
    /// HPKE sealings by member name.
    pub sealed: BTreeMap<AgencyName, SealedKey>,
}

impl KeyDelivery {
    /// Whether there is a sealing for each other member and for no stranger: an agreement whose key
    /// somebody did not get would be in force and never match. The lead may seal to itself or not.
    fn reaches(&self, document: &Document) -> bool {
        let has = |member: &AgencyName| self.sealed.contains_key(member);
        let mut others = document.members.iter().filter(|m| **m != document.lead);
        others.all(has) && self.sealed.keys().all(|to| document.members.contains(to))
    }
}

/// One HPKE sealing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey(#[serde(with = "encoding::base64")] pub Vec<u8>);

impl Acceptance {
    /// Writes and signs an acceptance.
    pub fn new(body: &AcceptanceBody, key: &SigningKey) -> Result<Self, AgreementError> {
        let body = serde_json::to_vec(body).map_err(|_| AgreementError::Malformed)?;
        let signature = key.sign(ACCEPTANCE_CONTEXT, &body);
        Ok(Self { body, signature })
    }

    /// Checks it against the roster and the proposal that it must be about.
    pub fn verify(
        &self,
        roster: &Roster,
        document: &Document,
        agreement: &Digest,
    ) -> Result<AcceptanceBody, AgreementError> {
        if self.body.len() > 4 * MAX_DOCUMENT_BYTES * 16 {
            return Err(AgreementError::Malformed);
        }
        let body: AcceptanceBody =
            serde_json::from_slice(&self.body).map_err(|_| AgreementError::Malformed)?;
        let forged = || AgreementError::Forged(body.agency.clone());
        let (member, _) = roster.enrolled(&body.agency).ok_or_else(forged)?;
        let signed = |key: &VerifyingKey| {
            key.verify(ACCEPTANCE_CONTEXT, &self.body, &self.signature)
                .is_ok()
        };
        if !member.signing_keys().any(signed) {
            return Err(forged());
        }
        let is_lead = body.agency == document.lead;
        let fits = body.agreement == *agreement
            && document.members.contains(&body.agency)
            && body.key.is_some() == is_lead
            && body.key.iter().all(|key| key.reaches(document));
        if !fits {
            return Err(forged());
        }
        Ok(body)
    }
}

/// Where an agreement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The document.
    pub document: Document,
    /// Its digest.
    pub digest: Digest,
    /// Who has accepted.
    pub accepted: BTreeSet<AgencyName>,
    /// The key, once the lead has accepted.
    pub key: Option<KeyDelivery>,
}

impl Standing {
    /// Verifies a proposal with the acceptances that go with it.
    pub fn verify(
        proposal: &Proposal,
        acceptances: &[Acceptance],
        roster: &Roster,
    ) -> Result<Self, AgreementError> {
        let document = proposal.verify(roster)?;
        let digest = proposal.digest();
        let mut standing = Self {
            document,
            digest,
            accepted: BTreeSet::new(),
            key: None,
        };
        for acceptance in acceptances {
            let body = acceptance.verify(roster, &standing.document, &digest)?;
            if body.key.is_some() {
                // Which of two keys counted would be up to the hub, that orders the statements.
                if standing.key.is_some() && standing.key != body.key {
                    return Err(AgreementError::TwoKeys(body.agency));
                }
                standing.key = body.key;
            }
            standing.accepted.insert(body.agency);
        }
        Ok(standing)
    }

    /// Whether every member has accepted, so that rows may be made.
    pub fn in_force(&self) -> bool {
        self.document
            .members
            .iter()
            .all(|member| self.accepted.contains(member))
    }

    /// The identifier that rows of the present epoch carry.
    pub fn epoch_id(&self) -> AgreementEpoch {
        epoch_id(&self.digest, self.document.epoch)
    }
}

/// Why a statement about an agreement is refused.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum AgreementError {
    /// Not one of our documents.
    #[error("the agreement is malformed")]
    Malformed,
    /// Approvals are missing.
    #[error("the proposal lacks the administrators' approvals")]
    NotProposed,
    /// A rule forbids it.
    #[error("the agreement is not allowed: {0}")]
    NotAllowed(String),
    /// A statement that its author did not make, or about something else.
    #[error("the acceptance that claims to be from {0} is not valid for this agreement")]
    Forged(AgencyName),
    /// The lead equivocates, or its node lost its state and accepted again.
    #[error("{0} leads the agreement and has delivered two different keys for it")]
    TwoKeys(AgencyName),
}
