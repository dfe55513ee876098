//! The proposal: a document with the approvals of administrators.

use serde::{Deserialize, Serialize};

use super::{AgreementError, Document, MAX_DOCUMENT_BYTES};
use crate::crypto::{self, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::roster::{Approval, Approvers, MAX_APPROVALS, Roster};

const PROPOSAL_CONTEXT: &str = "symbolon agreement proposal v1";

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
        let mut proposal = Self {
            body,
            approvals: Vec::new(),
        };
        approvers.iter().for_each(|key| proposal.approve(key));
        Ok(proposal)
    }

    /// Adds an approval.
    pub fn approve(&mut self, key: &SigningKey) {
        self.approvals.push(Approval {
            key: key.verifying_key(),
            signature: key.sign(PROPOSAL_CONTEXT, &self.body),
        });
    }

    /// Takes over the approvals by these administrators from another copy of the same proposal; says
    /// whether any was new. Whoever else signed counts nothing and takes no room.
    pub fn merge(&mut self, other: &Self, approvers: &Approvers) -> bool {
        let before = self.approvals.len();
        for approval in other.approvals.iter().filter(|_| other.body == self.body) {
            let known = self.approvals.iter().any(|own| own.key == approval.key);
            let mut administrators = approvers.administrators.iter();
            let counts = administrators.any(|administrator| administrator.key == approval.key)
                && self.signed_by(approval);
            if counts && !known && before < MAX_APPROVALS {
                self.approvals.push(approval.clone());
            }
        }
        self.approvals.len() > before
    }

    /// The digest that members accept.
    pub fn digest(&self) -> Digest {
        crypto::digest(PROPOSAL_CONTEXT, &[&self.body])
    }

    /// The same as [`Proposal::verify`] for a proposal that is new: today's administrators must approve
    /// it and every member be active, so that nobody dates a proposal back to when he had a say.
    pub fn verify_new(&self, roster: &Roster) -> Result<Document, AgreementError> {
        let document = self.open_new(roster)?;
        self.verify(roster)?;
        let (have, needed) = self.approvals_of(&roster.approvers);
        if have < needed {
            return Err(AgreementError::NotProposed);
        }
        Ok(document)
    }

    /// The document of a proposal that is new and may still lack approvals; one there must be.
    pub fn open_new(&self, roster: &Roster) -> Result<Document, AgreementError> {
        let document = self.document()?;
        let (have, _) = self.approvals_of(&roster.approvers);
        if have == 0 || document.roster > roster.length {
            return Err(AgreementError::NotProposed);
        }
        document.check(roster)?;
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
            let mut approvals = self.approvals.iter();
            approvals.any(|approval| approval.key == *key && self.signed_by(approval))
        };
        (approvers.count(approves), approvers.needed)
    }

    /// Reads the document after checking who proposed it and that it is allowed.
    pub fn verify(&self, roster: &Roster) -> Result<Document, AgreementError> {
        let document = self.document()?;
        // Administrators come and go; what those of its time approved stays approved.
        let (have, needed) = self.approvals_of(roster.approvers_at(document.roster));
        if have < needed {
            return Err(AgreementError::NotProposed);
        }
        document.check(roster)?;
        Ok(document)
    }

    /// The document, whoever proposed it.
    pub fn document(&self) -> Result<Document, AgreementError> {
        if self.body.len() > MAX_DOCUMENT_BYTES || self.approvals.len() > MAX_APPROVALS {
            return Err(AgreementError::Malformed);
        }
        serde_json::from_slice(&self.body).map_err(|_| AgreementError::Malformed)
    }

    fn signed_by(&self, approval: &Approval) -> bool {
        let checked = approval
            .key
            .verify(PROPOSAL_CONTEXT, &self.body, &approval.signature);
        checked.is_ok()
    }
}
