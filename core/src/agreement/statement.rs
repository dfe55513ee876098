//! What members say of an agreement beside accepting it: each a signed body of its own kind.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AgreementError, Document, KeyDelivery, MAX_REASON_BYTES};
use crate::crypto::{self, Signature, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::identity::AgencyName;
use crate::roster::Roster;

const STATEMENT_CONTEXT: &str = "symbolon agreement statement v1";

/// What a member says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "statement", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Said {
    /// It will not take part: this version never comes into force.
    Decline {
        /// For people.
        reason: String,
    },
    /// It takes part no longer.
    Leave {
        /// For people.
        reason: String,
    },
    /// It has made a key for those who remain.
    Epoch(EpochBody),
    /// It has made its rows anew under an epoch.
    Done {
        /// Digest of the epoch.
        epoch: Digest,
    },
}

/// A new key for those who remain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochBody {
    /// Rising by one.
    pub number: u32,
    /// Digest of the epoch before.
    pub follows: Digest,
    /// Length of the roster that says who was removed.
    pub roster: u64,
    /// Everybody who had left.
    pub left: BTreeSet<AgencyName>,
    /// Who remains, in the order of the document.
    pub members: Vec<AgencyName>,
    /// The key, sealed to each of them.
    pub key: KeyDelivery,
}

/// The signed part of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementBody {
    /// Who says it.
    pub agency: AgencyName,
    /// Of which version.
    pub agreement: Digest,
    /// Unix seconds by its clock; for people.
    pub at: i64,
    /// What.
    #[serde(flatten)]
    pub said: Said,
}

/// A member's statement: its exact bytes and the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// JSON of a [`StatementBody`].
    #[serde(with = "encoding::base64")]
    pub body: Vec<u8>,
    /// By the member's roster key.
    pub signature: Signature,
}

impl Statement {
    /// Writes and signs a statement.
    pub fn new(body: &StatementBody, key: &SigningKey) -> Result<Self, AgreementError> {
        let body = serde_json::to_vec(body).map_err(|_| AgreementError::Malformed)?;
        let signature = key.sign(STATEMENT_CONTEXT, &body);
        Ok(Self { body, signature })
    }

    /// The digest by which an epoch is named.
    pub fn digest(&self) -> Digest {
        crypto::digest(STATEMENT_CONTEXT, &[&self.body])
    }

    /// Checks form and signature; whether it may be said is for [`super::Standing`] to decide.
    pub fn open(
        &self,
        roster: &Roster,
        document: &Document,
        agreement: &Digest,
    ) -> Result<StatementBody, AgreementError> {
        if self.body.len() > document.most_statement_bytes() {
            return Err(AgreementError::Malformed);
        }
        let body: StatementBody =
            serde_json::from_slice(&self.body).map_err(|_| AgreementError::Malformed)?;
        let forged = || AgreementError::Forged(body.agency.clone());
        let (member, _) = roster.enrolled(&body.agency).ok_or_else(forged)?;
        let signed = |key: &VerifyingKey| {
            key.verify(STATEMENT_CONTEXT, &self.body, &self.signature)
                .is_ok()
        };
        let fits = body.agreement == *agreement && document.members.contains(&body.agency);
        // An epoch says by which roster it was made: its key was not given up before that.
        let since = match &body.said {
            Said::Epoch(epoch) => epoch.roster.max(document.roster),
            _ => document.roster,
        };
        if !fits || !member.signing_keys_since(since).any(signed) {
            return Err(forged());
        }
        if let Said::Decline { reason } | Said::Leave { reason } = &body.said
            && (reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES)
        {
            let reason = "a reason of 1 to 500 bytes must be given";
            return Err(AgreementError::NotAllowed(reason.to_owned()));
        }
        Ok(body)
    }
}
