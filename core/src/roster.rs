//! The roster: an append-only chain of signed entries that says who is a member.
//!
//! Every node pins the digest of the genesis entry (it stands in the invitation) and verifies the
//! whole chain itself. The hub only stores and serves the chain: it can neither mint an agency nor
//! exchange a key, since every entry carries the approvals that its change demands:
//!
//! * `Enrol`: the one-time invitation key that the `Invite` entry names, and the signing key that is
//!   bound. The invitation's private half never reaches the hub, so only the invited agency can
//!   bind keys; and it can bind no key but its own.
//! * `Genesis`: one of its administrators. It is believed by its pinned digest.
//! * `Rekey`: administrators, and the new signing key, for the same reason.
//! * All others: as many administrators' approval keys as the genesis, or the last `Approvers`
//!   entry, says.
//!
//! Keys and administrators of the past are kept: what they signed in their time (an acceptance, a
//! statement of the custody key) still verifies, but nobody is admitted on their strength.
//!
//! An entry's body is kept and signed as the exact bytes that were first written, and names the
//! digest of the entry before it. What is deliberately absent here: clocks (an expired invitation
//! is refused by the hub and by the enrolling node, who have one) and storage.

mod entry;
mod member;
mod rules;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::crypto::VerifyingKey;
use crate::encoding::Digest;
use crate::identity::{AgencyKeys, AgencyName, Name};

pub use entry::{Administrator, Approval, Change, EntryBody, Quota, SignedEntry};
pub use member::{Approvers, Custody, Member, Standing};

const UNATTAINABLE: &str =
    "there must be distinct administrators with sound keys and an attainable number of approvals";

/// Most approvals of one entry, and so most administrators.
pub const MAX_APPROVALS: usize = 64;

/// Largest accepted entry, in bytes: an `Enrol` with its 1216-byte key takes about 2 KiB.
pub const MAX_ENTRY_BYTES: usize = 32 * 1024;
/// Most custodians of one key; t-of-n key generation sends n*(n-1) messages.
pub const MAX_CUSTODIANS: usize = 32;
/// Longest reason of an entry, in bytes; it is for people and everybody reads it.
pub const MAX_REASON_BYTES: usize = 500;
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

/// A verified roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// The consortium's name.
    pub consortium: Name,
    /// Who approves now.
    pub approvers: Approvers,
    /// Who approved before, oldest first.
    pub past_approvers: Vec<Approvers>,
    /// Verification key of the hub's log.
    pub log_key: VerifyingKey,
    /// Every agency that was ever invited.
    pub members: BTreeMap<AgencyName, Member>,
    /// The custodians, once appointed.
    pub custody: Option<Custody>,
    /// Custodians who were replaced, oldest first: they answer until every row has been made anew.
    pub past_custodies: Vec<Custody>,
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
        let approvers = Approvers {
            from: 1,
            administrators,
            needed: approvals_needed,
        };
        if body.number != 0 || !approvers.sound() {
            let reason = UNATTAINABLE;
            return Err(RosterError::NotAllowed { number: 0, reason });
        }
        let roster = Self {
            consortium,
            approvers,
            past_approvers: Vec::new(),
            log_key,
            members: BTreeMap::new(),
            custody: None,
            past_custodies: Vec::new(),
            genesis: actual,
            head: actual,
            length: 1,
        };
        // The pin is what makes it the genesis. A signature shows that whoever founded holds one of
        // the keys; more of them would add nothing that the pin does not say.
        let (have, _) = roster.approvals_of(entry);
        if have == 0 {
            let (number, need) = (0, 1);
            return Err(RosterError::Approvals { number, have, need });
        }
        Ok(roster)
    }

    /// The roster after one more entry; the roster itself stays as it was.
    pub fn apply(&self, entry: &SignedEntry) -> Result<Self, RosterError> {
        let (next, have, need) = self.step(entry)?;
        if have < need {
            let number = self.length;
            return Err(RosterError::Approvals { number, have, need });
        }
        Ok(next)
    }

    /// Whether the entry could be the next one once enough administrators approve it: how many do,
    /// and how many must.
    pub fn weigh(&self, entry: &SignedEntry) -> Result<(u32, u32), RosterError> {
        let (_, have, need) = self.step(entry)?;
        Ok((have, need))
    }

    fn step(&self, entry: &SignedEntry) -> Result<(Self, u32, u32), RosterError> {
        let number = self.length;
        let body = parse(entry, number)?;
        if body.number != number || body.previous != self.head {
            return Err(RosterError::BrokenChain { number });
        }
        let (have, need) = match body.change {
            Change::Enrol { .. } => (0, 0),
            _ => self.approvals_of(entry),
        };
        let mut next = self.clone();
        let rule = |refused: Result<(), &'static str>| {
            refused.map_err(|reason| RosterError::NotAllowed { number, reason })
        };
        match body.change {
            Change::Genesis { .. } => rule(Err("there is one genesis only"))?,
            Change::Invite {
                agency,
                kind,
                title,
                invitation_key,
                expires_at,
                quota,
            } => rule(next.invite(agency, kind, title, (invitation_key, expires_at), quota))?,
            Change::Enrol { agency, keys } => next.enrol(number, entry, &agency, keys)?,
            Change::Custodians {
                epoch,
                threshold,
                custodians,
            } => rule(next.appoint(entry, epoch, threshold, custodians))?,
            Change::Suspend { agency, reason } => {
                rule(next.stand(&agency, &reason, &[Standing::Active], Standing::Suspended))?;
            }
            Change::Reinstate { agency, reason } => {
                rule(next.stand(&agency, &reason, &[Standing::Suspended], Standing::Active))?;
            }
            Change::Remove { agency, reason } => {
                let from = [Standing::Invited, Standing::Active, Standing::Suspended];
                rule(next.stand(&agency, &reason, &from, Standing::Removed))?;
            }
            Change::Rekey { agency, keys } => next.rekey(number, entry, &agency, keys)?,
            Change::Quota { agency, quota } => {
                let member = next.members.get_mut(&agency);
                let member = member.ok_or("the agency was never invited");
                rule(member.map(|member| member.quota = quota))?;
            }
            Change::Approvers {
                administrators,
                approvals_needed,
            } => rule(next.change_approvers(number, administrators, approvals_needed))?,
        }
        next.head = entry.digest();
        next.length = number + 1;
        Ok((next, have, need))
    }

    /// The enrolled member of this name.
    pub fn enrolled(&self, agency: &AgencyName) -> Option<(&Member, &AgencyKeys)> {
        let member = self.members.get(agency)?;
        Some((member, member.keys.as_ref()?))
    }

    /// The custodians of this epoch, present or replaced.
    pub fn custody_of(&self, epoch: u32) -> Option<&Custody> {
        self.custodies().find(|custody| custody.epoch == epoch)
    }

    /// The present custodians, then those before, newest first.
    pub fn custodies(&self) -> impl Iterator<Item = &Custody> {
        self.custody.iter().chain(self.past_custodies.iter().rev())
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

    /// The member of this name that may take part now.
    pub fn active(&self, agency: &AgencyName) -> Option<(&Member, &AgencyKeys)> {
        let enrolled = self.enrolled(agency)?;
        (enrolled.0.standing == Standing::Active).then_some(enrolled)
    }

    /// Who could approve when the roster had this length.
    pub fn approvers_at(&self, length: u64) -> &Approvers {
        let mut past = self.past_approvers.iter();
        let later = std::iter::once(&self.approvers).filter(|a| a.from <= length);
        later
            .chain(past.rfind(|a| a.from <= length))
            .next()
            .unwrap_or(&self.approvers)
    }

    /// Administrators whose approval an entry has and still needs.
    pub fn approvals_of(&self, entry: &SignedEntry) -> (u32, u32) {
        let have = self.approvers.count(|key| entry.approved_by(key));
        (have, self.approvers.needed)
    }
}

fn parse(entry: &SignedEntry, number: u64) -> Result<EntryBody, RosterError> {
    if entry.body.len() > MAX_ENTRY_BYTES || entry.approvals.len() > MAX_APPROVALS {
        return Err(RosterError::Malformed { number });
    }
    serde_json::from_slice(&entry.body).map_err(|_| RosterError::Malformed { number })
}
