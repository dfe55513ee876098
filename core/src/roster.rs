//! The roster: an append-only chain of signed entries that says who is a member.
//!
//! Every node pins the digest of the genesis entry (it stands in the invitation) and verifies the
//! whole chain itself. The hub only stores and serves the chain: it can neither mint an agency nor
//! exchange a key, since every entry carries the approvals that its change demands:
//!
//! * `Genesis`, `Invite`, `Custodians`: as many administrators' approval keys as the genesis says.
//! * `Enrol`: the one-time invitation key that the `Invite` entry names, and the signing key that is
//!   bound. The invitation's private half never reaches the hub, so only the invited agency can
//!   bind keys; and it can bind no key but its own.
//!
//! An entry's body is kept and signed as the exact bytes that were first written, and names the
//! digest of the entry before it. What is deliberately absent here: clocks (an expired invitation
//! is refused by the hub and by the enrolling node, who have one) and storage.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{self, Signature, SigningKey, VerifyingKey};
use crate::encoding::{self, Digest};
use crate::identity::{AgencyKeys, AgencyKind, AgencyName, EncryptionKey, Name};

const ENTRY_CONTEXT: &str = "symbolon roster entry v1";

/// Largest accepted entry, in bytes: an `Enrol` with its 1216-byte key takes about 2 KiB.
pub const MAX_ENTRY_BYTES: usize = 32 * 1024;
/// Most custodians of one key; t-of-n key generation sends n*(n-1) messages.
pub const MAX_CUSTODIANS: usize = 32;

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
    /// An agency may enrol, once, with the key of its invitation.
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

    /// The digest by which the next entry names this one.
    pub fn digest(&self) -> Digest {
        crypto::digest(ENTRY_CONTEXT, &[&self.body])
    }

    fn approved_by(&self, key: &VerifyingKey) -> bool {
        self.approvals.iter().any(|approval| {
            approval.key == *key
                && key
                    .verify(ENTRY_CONTEXT, &self.body, &approval.signature)
                    .is_ok()
        })
    }
}

/// Why a chain or an entry is refused; each names the entry.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[allow(missing_docs)]
pub enum RosterError {
    #[error("roster entry {number} is malformed")]
    Malformed { number: u64 },
    #[error(
        "roster entry 0 is not the genesis that was pinned (expected {expected}, got {actual})"
    )]
    OtherGenesis { expected: Digest, actual: Digest },
    #[error(
        "roster entry {number} does not follow the entry before it: the chain has a gap or a fork"
    )]
    BrokenChain { number: u64 },
    #[error("roster entry {number} has {have} valid approvals, {need} are needed")]
    Approvals { number: u64, have: u32, need: u32 },
    #[error("roster entry {number} is not allowed: {reason}")]
    NotAllowed { number: u64, reason: &'static str },
    #[error(
        "the roster ends at entry {offered}, but entry {known} is already known: it was rolled back"
    )]
    RolledBack { known: u64, offered: u64 },
}

/// An agency's place in the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub agency: AgencyName,
    /// Its kind.
    pub kind: AgencyKind,
    /// Its name as people write it.
    pub title: String,
    /// Its invitation.
    pub invitation: VerifyingKey,
    /// Unix seconds after which the invitation is void.
    pub invitation_expires_at: i64,
    /// Its keys, once it has enrolled.
    pub keys: Option<AgencyKeys>,
}

/// Who holds the OPRF key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custody {
    /// Custody epoch.
    pub epoch: u32,
    /// Custodians needed to evaluate.
    pub threshold: u16,
    /// In order of share index, from 1.
    pub custodians: Vec<AgencyName>,
    /// Digest of the roster entry that appointed them.
    pub entry: Digest,
}

impl Custody {
    /// The share index of a custodian, from 1.
    pub fn index_of(&self, agency: &AgencyName) -> Option<u16> {
        let position = self.custodians.iter().position(|name| name == agency)?;
        u16::try_from(position + 1).ok()
    }

    /// The custodian with this share index.
    pub fn custodian(&self, index: u16) -> Option<&AgencyName> {
        self.custodians.get(usize::from(index).checked_sub(1)?)
    }
}

/// A verified roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// The consortium's name.
    pub consortium: Name,
    /// Administrators and their approval keys.
    pub administrators: Vec<Administrator>,
    /// Approvals that a change needs.
    pub approvals_needed: u32,
    /// Verification key of the hub's log.
    pub log_key: VerifyingKey,
    /// Every agency that was ever invited.
    pub members: BTreeMap<AgencyName, Member>,
    /// The custodians, once appointed.
    pub custody: Option<Custody>,
    /// Digest of the genesis.
    pub genesis: Digest,
    /// Digest of the last entry.
    pub head: Digest,
    /// Entries so far.
    pub length: u64,
}

impl Roster {
    /// Verifies a whole chain from the pinned genesis digest.
    pub fn verify(entries: &[SignedEntry], genesis: &Digest) -> Result<Self, RosterError> {
        let (first, rest) = entries
            .split_first()
            .ok_or(RosterError::Malformed { number: 0 })?;
        let mut roster = Self::from_genesis(first, genesis)?;
        for entry in rest {
            roster = roster.apply(entry)?;
        }
        Ok(roster)
    }

    /// Starts a roster from its pinned genesis.
    pub fn from_genesis(entry: &SignedEntry, pinned: &Digest) -> Result<Self, RosterError> {
        let actual = entry.digest();
        if actual != *pinned {
            return Err(RosterError::OtherGenesis {
                expected: *pinned,
                actual,
            });
        }
        let body = parse(entry, 0)?;
        let Change::Genesis {
            consortium,
            administrators,
            approvals_needed,
            log_key,
        } = body.change
        else {
            return Err(RosterError::Malformed { number: 0 });
        };
        let keys: BTreeSet<VerifyingKey> = administrators.iter().map(|a| a.key).collect();
        let sound = body.number == 0
            && keys.len() == administrators.len()
            && (1..=keys.len()).contains(&(approvals_needed as usize));
        if !sound {
            let reason =
                "the genesis needs distinct administrators and an attainable number of approvals";
            return Err(RosterError::NotAllowed { number: 0, reason });
        }
        let roster = Self {
            consortium,
            administrators,
            approvals_needed,
            log_key,
            members: BTreeMap::new(),
            custody: None,
            genesis: actual,
            head: actual,
            length: 1,
        };
        roster.check_administrators(entry, 0)?;
        Ok(roster)
    }

    /// The roster after one more entry; the roster itself stays as it was.
    pub fn apply(&self, entry: &SignedEntry) -> Result<Self, RosterError> {
        let number = self.length;
        let body = parse(entry, number)?;
        if body.number != number || body.previous != self.head {
            return Err(RosterError::BrokenChain { number });
        }
        let mut next = self.clone();
        match body.change {
            Change::Genesis { .. } => {
                let reason = "there is one genesis only";
                return Err(RosterError::NotAllowed { number, reason });
            }
            Change::Invite {
                agency,
                kind,
                title,
                invitation_key,
                expires_at,
            } => {
                self.check_administrators(entry, number)?;
                next.invite(number, agency, kind, title, invitation_key, expires_at)?;
            }
            Change::Enrol { agency, keys } => next.enrol(number, entry, &agency, keys)?,
            Change::Custodians {
                epoch,
                threshold,
                custodians,
            } => {
                self.check_administrators(entry, number)?;
                next.appoint(number, entry, epoch, threshold, custodians)?;
            }
        }
        next.head = entry.digest();
        next.length = number + 1;
        Ok(next)
    }

    /// The enrolled member of this name.
    pub fn enrolled(&self, agency: &AgencyName) -> Option<(&Member, &AgencyKeys)> {
        let member = self.members.get(agency)?;
        Some((member, member.keys.as_ref()?))
    }

    /// The body of the next entry.
    pub fn next_body(&self, at: i64, change: Change) -> EntryBody {
        EntryBody {
            number: self.length,
            previous: self.head,
            at,
            change,
        }
    }

    fn check_administrators(&self, entry: &SignedEntry, number: u64) -> Result<(), RosterError> {
        let have = self
            .administrators
            .iter()
            .filter(|a| entry.approved_by(&a.key))
            .count();
        let have = u32::try_from(have).unwrap_or(u32::MAX);
        let need = self.approvals_needed;
        if have < need {
            return Err(RosterError::Approvals { number, have, need });
        }
        Ok(())
    }

    fn invite(
        &mut self,
        number: u64,
        agency: AgencyName,
        kind: AgencyKind,
        title: String,
        invitation: VerifyingKey,
        invitation_expires_at: i64,
    ) -> Result<(), RosterError> {
        // An unused invitation may be replaced by a fresh one; an enrolled agency may not.
        if self.enrolled(&agency).is_some() {
            let reason = "the agency has already enrolled";
            return Err(RosterError::NotAllowed { number, reason });
        }
        if agency.as_str() == "admin" {
            let reason = "the name is reserved";
            return Err(RosterError::NotAllowed { number, reason });
        }
        let member = Member {
            agency: agency.clone(),
            kind,
            title,
            invitation,
            invitation_expires_at,
            keys: None,
        };
        self.members.insert(agency, member);
        Ok(())
    }

    fn enrol(
        &mut self,
        number: u64,
        entry: &SignedEntry,
        agency: &AgencyName,
        keys: AgencyKeys,
    ) -> Result<(), RosterError> {
        let refuse = |reason| RosterError::NotAllowed { number, reason };
        let taken = self
            .members
            .values()
            .filter_map(|member| member.keys.as_ref());
        if taken.clone().any(|other| other.signing == keys.signing) {
            return Err(refuse("another agency has the same signing key"));
        }
        if taken
            .clone()
            .any(|other| other.encryption == keys.encryption)
        {
            return Err(refuse("another agency has the same encryption key"));
        }
        if !keys.signing.is_sound() {
            return Err(refuse("anybody could sign for the signing key"));
        }
        if keys.encryption.0.len() != EncryptionKey::BYTES {
            return Err(refuse("the encryption key has the wrong length"));
        }
        let member = self
            .members
            .get_mut(agency)
            .ok_or(refuse("the agency was not invited"))?;
        if member.keys.is_some() {
            return Err(refuse("the invitation was already used"));
        }
        // The invitation key says who may enrol; the signing key shows that it is the agency's own,
        // since one copied from elsewhere would carry its owner's statements over to here.
        let approved = [member.invitation, keys.signing].map(|key| entry.approved_by(&key));
        if approved != [true; 2] {
            let have = approved.into_iter().map(u32::from).sum();
            let need = 2;
            return Err(RosterError::Approvals { number, have, need });
        }
        member.keys = Some(keys);
        Ok(())
    }

    fn appoint(
        &mut self,
        number: u64,
        entry: &SignedEntry,
        epoch: u32,
        threshold: u16,
        custodians: Vec<AgencyName>,
    ) -> Result<(), RosterError> {
        let refuse = |reason| RosterError::NotAllowed { number, reason };
        let distinct: BTreeSet<&AgencyName> = custodians.iter().collect();
        if distinct.len() != custodians.len() || custodians.len() > MAX_CUSTODIANS {
            return Err(refuse("custodians must be distinct and at most 32"));
        }
        if threshold == 0 || usize::from(threshold) > custodians.len() {
            return Err(refuse(
                "the threshold must be between 1 and the number of custodians",
            ));
        }
        if threshold == 1 && custodians.len() != 1 {
            return Err(refuse("a threshold of 1 is for a single custodian only"));
        }
        if custodians.iter().any(|name| self.enrolled(name).is_none()) {
            return Err(refuse("every custodian must have enrolled"));
        }
        let expected = self.custody.as_ref().map_or(1, |custody| custody.epoch + 1);
        if epoch != expected {
            return Err(refuse("the custody epoch must rise by one"));
        }
        let entry = entry.digest();
        self.custody = Some(Custody {
            epoch,
            threshold,
            custodians,
            entry,
        });
        Ok(())
    }
}

fn parse(entry: &SignedEntry, number: u64) -> Result<EntryBody, RosterError> {
    if entry.body.len() > MAX_ENTRY_BYTES || entry.approvals.len() > 64 {
        return Err(RosterError::Malformed { number });
    }
    serde_json::from_slice(&entry.body).map_err(|_| RosterError::Malformed { number })
}
