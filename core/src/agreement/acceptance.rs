//! The acceptance: a member's word that it takes part, and from the lead the key.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AgreementError, Document};
use crate::crypto::{Signature, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::identity::AgencyName;
use crate::roster::Roster;

const ACCEPTANCE_CONTEXT: &str = "symbolon agreement acceptance v1";

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
    /// The other members that are immigration services, each accepted as such.
    pub immigration: BTreeSet<AgencyName>,
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
    /// somebody did not get would be in force and never match. The maker may seal to itself or not.
    pub(super) fn reaches(&self, maker: &AgencyName, members: &[AgencyName]) -> bool {
        let has = |member: &AgencyName| self.sealed.contains_key(member);
        let mut others = members.iter().filter(|member| *member != maker);
        others.all(has) && self.sealed.keys().all(|to| members.contains(to))
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
        if self.body.len() > document.most_statement_bytes() {
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
        if !member.signing_keys_since(document.roster).any(signed) {
            return Err(forged());
        }
        let is_lead = body.agency == document.lead;
        let fits = body.agreement == *agreement
            && document.members.contains(&body.agency)
            && body.key.is_some() == is_lead
            && body
                .key
                .iter()
                .all(|key| key.reaches(&document.lead, &document.members));
        if !fits {
            return Err(forged());
        }
        // The firewall against immigration enforcement: closed but for the explicit word of each.
        let immigration = document.immigration(roster, &body.agency);
        if body.immigration != immigration {
            let names: Vec<&str> = immigration.iter().map(AgencyName::as_str).collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(AgreementError::Immigration(body.agency, names));
        }
        Ok(body)
    }
}
