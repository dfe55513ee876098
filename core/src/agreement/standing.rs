//! Where one version of an agreement stands, by everything that was said of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Acceptance, AgreementError, Document, EpochBody, KeyDelivery, MAX_STATEMENTS, Proposal, Said,
    Statement, epoch_binding, epoch_id,
};
use crate::encoding::Digest;
use crate::identity::AgencyName;
use crate::roster::Roster;
use crate::row::AgreementEpoch;

/// All that was signed about one version: what it takes to verify it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Papers {
    /// As proposed.
    pub proposal: Proposal,
    /// In any order.
    pub acceptances: Vec<Acceptance>,
    /// In the order in which they were made.
    pub statements: Vec<Statement>,
}

impl Papers {
    /// A proposal of which nobody has said anything.
    pub fn new(proposal: Proposal) -> Self {
        Self {
            proposal,
            acceptances: Vec::new(),
            statements: Vec::new(),
        }
    }
}

/// One key of an agreement, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its number.
    pub number: u32,
    /// The agreement's digest for the first of a version, else that of its statement.
    pub digest: Digest,
    /// What rows carry.
    pub id: AgreementEpoch,
    /// What commitment and sealings are bound to.
    pub binding: Digest,
    /// Who made the key.
    pub author: AgencyName,
    /// Who has it, in the order of the document.
    pub members: Vec<AgencyName>,
    /// The sealed key.
    pub key: KeyDelivery,
    /// Length of the roster that its members follow from.
    pub roster: u64,
    /// Who has made its rows anew under it.
    pub done: BTreeSet<AgencyName>,
}

/// The epoch that somebody has to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextEpoch {
    /// Whose turn it is: the lead's, or if it is gone the first remaining member's.
    pub author: AgencyName,
    /// Rising by one.
    pub number: u32,
    /// Digest of the epoch before.
    pub follows: Digest,
    /// Length of the roster.
    pub roster: u64,
    /// Everybody who has left.
    pub left: BTreeSet<AgencyName>,
    /// Who remains.
    pub members: Vec<AgencyName>,
    /// What the key is to be bound to.
    pub binding: Digest,
}

/// Where a version stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The document.
    pub document: Document,
    /// Its digest.
    pub digest: Digest,
    /// Who has accepted.
    pub accepted: BTreeSet<AgencyName>,
    /// Who has declined, and why.
    pub declined: BTreeMap<AgencyName, String>,
    /// Who has left, and why.
    pub left: BTreeMap<AgencyName, String>,
    /// Who takes part no longer: left, or removed from the roster since it was proposed.
    pub departed: BTreeSet<AgencyName>,
    /// The first key, once the lead has accepted.
    pub key: Option<KeyDelivery>,
    /// Its epochs, oldest first; none before it is in force.
    pub epochs: Vec<Epoch>,
}

impl Standing {
    /// Verifies everything that was signed about a version.
    pub fn verify(papers: &Papers, roster: &Roster) -> Result<Self, AgreementError> {
        let document = papers.proposal.verify(roster)?;
        let mut standing = Self {
            document,
            digest: papers.proposal.digest(),
            accepted: BTreeSet::new(),
            declined: BTreeMap::new(),
            left: BTreeMap::new(),
            departed: BTreeSet::new(),
            key: None,
            epochs: Vec::new(),
        };
        for acceptance in &papers.acceptances {
            standing.accept(acceptance, roster)?;
        }
        if papers.statements.len() > MAX_STATEMENTS {
            return Err(AgreementError::Malformed);
        }
        for statement in &papers.statements {
            standing.hear(statement, roster)?;
        }
        standing.follow(roster);
        Ok(standing)
    }

    /// Takes in an acceptance.
    pub fn accept(
        &mut self,
        acceptance: &Acceptance,
        roster: &Roster,
    ) -> Result<AgencyName, AgreementError> {
        let body = acceptance.verify(roster, &self.document, &self.digest)?;
        if self.declined.contains_key(&body.agency) {
            return Err(AgreementError::Contradiction(body.agency));
        }
        if body.key.is_some() {
            // Which of two keys counted would be up to the hub, that orders the statements.
            if self.key.is_some() && self.key != body.key {
                return Err(AgreementError::TwoKeys(body.agency));
            }
            self.key = body.key;
        }
        self.accepted.insert(body.agency.clone());
        self.begin();
        Ok(body.agency)
    }

    /// Takes in a statement that follows all those before.
    pub fn hear(&mut self, statement: &Statement, roster: &Roster) -> Result<Said, AgreementError> {
        let body = statement.open(roster, &self.document, &self.digest)?;
        let agency = body.agency;
        match &body.said {
            Said::Decline { reason } => {
                if self.accepted.contains(&agency) {
                    return Err(AgreementError::Contradiction(agency));
                }
                self.declined
                    .entry(agency)
                    .or_insert_with(|| reason.clone());
            }
            Said::Leave { reason } => {
                if !self.in_force() {
                    return Err(AgreementError::NotInForce(agency));
                }
                self.left.entry(agency).or_insert_with(|| reason.clone());
                self.follow(roster);
            }
            Said::Epoch(epoch) => self.take_epoch(agency, epoch, statement.digest(), roster)?,
            Said::Done { epoch } => {
                let mut epochs = self.epochs.iter_mut();
                let named = epochs.find(|known| known.digest == *epoch);
                let named = named.filter(|known| known.members.contains(&agency));
                let named = named.ok_or_else(|| AgreementError::Forged(agency.clone()))?;
                named.done.insert(agency);
            }
        }
        Ok(body.said)
    }

    /// The same for a statement that is new: said once, and an epoch by today's roster.
    pub fn hear_new(
        &mut self,
        statement: &Statement,
        roster: &Roster,
    ) -> Result<Said, AgreementError> {
        let body = statement.open(roster, &self.document, &self.digest)?;
        let agency = &body.agency;
        let spoken = match &body.said {
            Said::Decline { .. } => self.declined.contains_key(agency),
            Said::Leave { .. } => self.departed.contains(agency),
            Said::Done { epoch } => {
                let mut epochs = self.epochs.iter();
                epochs.any(|known| known.digest == *epoch && known.done.contains(agency))
            }
            Said::Epoch(epoch) => {
                let members = self.next_epoch(roster).map(|next| next.members);
                if members.as_ref() != Some(&epoch.members) {
                    return Err(AgreementError::EpochMembers(agency.clone()));
                }
                false
            }
        };
        if spoken {
            return Err(AgreementError::Spoken(body.agency));
        }
        self.hear(statement, roster)
    }

    /// Takes over from the roster who was removed.
    pub fn follow(&mut self, roster: &Roster) {
        let removed = self.removed_by(roster, roster.length);
        self.departed = self.left.keys().cloned().chain(removed).collect();
    }

    /// Whether every member has accepted and none declined, so that rows may be made.
    pub fn in_force(&self) -> bool {
        let mut members = self.document.members.iter();
        self.declined.is_empty() && members.all(|member| self.accepted.contains(member))
    }

    /// In force, with too few members left to share anything.
    pub fn has_ended(&self) -> bool {
        self.in_force() && self.remaining(&self.departed).len() < 2
    }

    /// The identifier that rows of the first epoch carry.
    pub fn epoch_id(&self) -> AgreementEpoch {
        epoch_id(&self.digest, self.document.epoch)
    }

    /// The epoch that is due, because somebody who has the present key is gone.
    pub fn next_epoch(&self, roster: &Roster) -> Option<NextEpoch> {
        let last = self.epochs.last()?;
        let gone = |member: &AgencyName| self.departed.contains(member);
        let members = self.remaining(&self.departed);
        if !last.members.iter().any(gone) || members.len() < 2 {
            return None;
        }
        let number = last.number.checked_add(1)?;
        Some(NextEpoch {
            author: self.author(&members)?,
            number,
            follows: last.digest,
            roster: roster.length,
            left: self.left.keys().cloned().collect(),
            members,
            binding: epoch_binding(&self.digest, number),
        })
    }

    fn take_epoch(
        &mut self,
        author: AgencyName,
        body: &EpochBody,
        digest: Digest,
        roster: &Roster,
    ) -> Result<(), AgreementError> {
        let follows = self.epochs.last().is_some_and(|last| {
            last.digest == body.follows
                && last.number.checked_add(1) == Some(body.number)
                && (last.roster..=roster.length).contains(&body.roster)
        });
        if !follows {
            return Err(AgreementError::EpochOrder(author));
        }
        // Whoever had left before is named, in the order that every node holds the hub to; whom the
        // roster had removed by then follows from the roster.
        let mut gone = body.left.clone();
        gone.extend(self.removed_by(roster, body.roster));
        let members = self.remaining(&gone);
        let complete = self.left.keys().eq(body.left.iter());
        let before = self.epochs.last().map_or(0, |last| last.members.len());
        let fewer = (2..before).contains(&members.len());
        if !complete || !fewer || members != body.members {
            return Err(AgreementError::EpochMembers(author));
        }
        match self.author(&members) {
            Some(expected) if expected == author => {}
            Some(expected) => return Err(AgreementError::EpochAuthor { author, expected }),
            None => return Err(AgreementError::EpochMembers(author)),
        }
        if !body.key.reaches(&author, &members) {
            return Err(AgreementError::EpochKey(author));
        }
        self.epochs.push(Epoch {
            number: body.number,
            digest,
            id: epoch_id(&digest, body.number),
            binding: epoch_binding(&self.digest, body.number),
            author,
            members,
            key: body.key.clone(),
            roster: body.roster,
            done: BTreeSet::new(),
        });
        Ok(())
    }

    /// The first epoch, once everybody has accepted.
    fn begin(&mut self) {
        if !self.epochs.is_empty() || !self.in_force() {
            return;
        }
        let Some(key) = self.key.clone() else {
            return;
        };
        let number = self.document.epoch;
        self.epochs.push(Epoch {
            number,
            digest: self.digest,
            id: self.epoch_id(),
            binding: epoch_binding(&self.digest, number),
            author: self.document.lead.clone(),
            members: self.document.members.clone(),
            key,
            roster: self.document.roster,
            done: BTreeSet::new(),
        });
    }

    fn author(&self, members: &[AgencyName]) -> Option<AgencyName> {
        let lead = &self.document.lead;
        let lead = members.iter().find(|member| *member == lead);
        lead.or(members.first()).cloned()
    }

    fn remaining(&self, gone: &BTreeSet<AgencyName>) -> Vec<AgencyName> {
        let members = self.document.members.iter();
        members.filter(|m| !gone.contains(*m)).cloned().collect()
    }

    /// Members that the roster removed after the document was proposed, up to a length of it.
    fn removed_by(&self, roster: &Roster, length: u64) -> Vec<AgencyName> {
        let since = self.document.roster;
        let removed = |name: &&AgencyName| {
            let member = roster.members.get(*name);
            member.is_some_and(|m| m.removals.iter().any(|at| *at > since && *at <= length))
        };
        let members = self.document.members.iter();
        members.filter(removed).cloned().collect()
    }
}
