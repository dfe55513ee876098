//! Entries of the roster: what can change, and how an entry is signed.

use serde::{Deserialize, Serialize};

use super::RosterError;
use crate::crypto::{self, Signature, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::identity::{AgencyKeys, AgencyKind, AgencyName, Name};

const ENTRY_CONTEXT: &str = "symbolon roster entry v1";

/// One change of membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// The first entry: who administers, and how many of them must approve.
    Genesis {
        /// The consortium's name, which stands in every certificate.
        consortium: Name,
        /// Administrators and their approval keys.
        administrators: Vec<Administrator>,
        /// Approvals that each later change needs; 1 for a pilot.
        approvals_needed: u32,
        /// Verification key of the hub's transparency log.
        log_key: VerifyingKey,
    },
    /// An agency may enrol, once, with the key of its invitation. One that has enrolled may be invited
    /// again, to heal a certificate that ended or keys that were lost; it stays what it is until then.
    Invite {
        /// Its name.
        agency: AgencyName,
        /// Its kind.
        kind: AgencyKind,
        /// Its name as people write it.
        title: String,
        /// Public half of the one-time invitation key.
        invitation_key: VerifyingKey,
        /// Unix seconds after which the invitation is void.
        expires_at: i64,
        /// How many evaluations it may ask the custodians for.
        quota: Quota,
    },
    /// The invited agency binds its own keys.
    Enrol {
        /// Its name.
        agency: AgencyName,
        /// The keys that it made for itself.
        keys: AgencyKeys,
    },
    /// Who shall hold the OPRF key together; starts a key generation.
    Custodians {
        /// Custody epoch, rising by one.
        epoch: u32,
        /// Custodians needed to evaluate.
        threshold: u16,
        /// In order: the first has share index 1.
        custodians: Vec<AgencyName>,
    },
    /// A member is shut out until reinstated.
    Suspend {
        /// Who.
        agency: AgencyName,
        /// For people.
        reason: String,
    },
    /// A suspended member is let in again.
    Reinstate {
        /// Who.
        agency: AgencyName,
        /// For people.
        reason: String,
    },
    /// A member is shut out; only a fresh invitation and enrolment bring it back.
    Remove {
        /// Who.
        agency: AgencyName,
        /// For people.
        reason: String,
    },
    /// A member exchanges its keys.
    Rekey {
        /// Who.
        agency: AgencyName,
        /// The new ones.
        keys: AgencyKeys,
    },
    /// A member may ask for more or fewer evaluations.
    Quota {
        /// Who.
        agency: AgencyName,
        /// From now on.
        quota: Quota,
    },
    /// Other administrators, or another number of approvals, from the next entry on.
    Approvers {
        /// All of them, those who stay among them.
        administrators: Vec<Administrator>,
        /// Approvals that each later change needs.
        approvals_needed: u32,
    },
}

/// How many linkage keys an agency may have evaluated: a bucket that `initial` fills once and that
/// `per_day` refills, spent at each custodian by itself. It is what keeps a member, or the hub with a
/// member's keys, from trying out a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// For the register as it is: records times keys a record.
    pub initial: u64,
    /// For its growth and for queries.
    pub per_day: u64,
}

impl Quota {
    /// Linkage keys that a record has at most, by which records are counted in evaluations.
    pub const KEYS_PER_RECORD: u64 = 32;

    /// For a register of this size that grows by so many records a day.
    pub fn of_register(records: u64, growth_per_day: u64) -> Self {
        Self {
            initial: records.saturating_mul(Self::KEYS_PER_RECORD),
            per_day: growth_per_day.saturating_mul(Self::KEYS_PER_RECORD),
        }
    }

    /// The most that can ever be spent at once.
    pub fn capacity(&self) -> u64 {
        self.initial.saturating_add(self.per_day)
    }
}

/// An administrator of the consortium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administrator {
    /// Its name.
    pub name: Name,
    /// Its approval key.
    pub key: VerifyingKey,
}

/// The signed part of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryBody {
    /// 0 for the genesis, then rising by one.
    pub number: u64,
    /// Digest of the entry before; all zero in the genesis.
    pub previous: Digest,
    /// Unix seconds, by the proposer's clock; for people.
    pub at: i64,
    /// What changes.
    #[serde(flatten)]
    pub change: Change,
}

/// An approval of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The key that approves.
    pub key: VerifyingKey,
    /// Its signature over the body.
    pub signature: Signature,
}

/// An entry as it is stored and served: the body's exact bytes and the approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedEntry {
    /// JSON of an [`EntryBody`].
    #[serde(with = "encoding::base64")]
    pub body: Vec<u8>,
    /// Who approves it.
    pub approvals: Vec<Approval>,
}

impl SignedEntry {
    /// Writes and approves an entry.
    pub fn new(body: &EntryBody, approvers: &[&SigningKey]) -> Result<Self, RosterError> {
        let body = serde_json::to_vec(body).map_err(|_| RosterError::Malformed {
            number: body.number,
        })?;
        let approvals = approvers
            .iter()
            .map(|key| Approval {
                key: key.verifying_key(),
                signature: key.sign(ENTRY_CONTEXT, &body),
            })
            .collect();
        Ok(Self { body, approvals })
    }

    /// An approval of an entry that somebody else wrote, to be joined with his.
    pub fn approve(&self, key: &SigningKey) -> Self {
        let approval = Approval {
            key: key.verifying_key(),
            signature: key.sign(ENTRY_CONTEXT, &self.body),
        };
        Self {
            body: self.body.clone(),
            approvals: vec![approval],
        }
    }

    /// Joins approvals of the same body, each key's once; those that do not verify are left out.
    pub fn join(&mut self, other: &Self) {
        let valid = other.approvals.iter().filter(|a| other.approved_by(&a.key));
        for approval in valid {
            if self.body == other.body && !self.approved_by(&approval.key) {
                self.approvals.push(approval.clone());
            }
        }
    }

    /// What it says; for people and for whoever has verified it.
    pub fn read(&self) -> Option<EntryBody> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The digest by which the next entry names this one.
    pub fn digest(&self) -> Digest {
        crypto::digest(ENTRY_CONTEXT, &[&self.body])
    }

    /// Whether a key has approved it.
    pub fn approved_by(&self, key: &VerifyingKey) -> bool {
        self.approvals.iter().any(|approval| {
            approval.key == *key
                && key
                    .verify(ENTRY_CONTEXT, &self.body, &approval.signature)
                    .is_ok()
        })
    }
}
