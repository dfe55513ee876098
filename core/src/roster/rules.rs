//! The rule of each change: what it demands of the roster, and what it makes of it.

use std::collections::BTreeSet;

use super::{
    Administrator, Approvers, Custody, MAX_CUSTODIANS, MAX_REASON_BYTES, Member, Quota, Roster,
    RosterError, SignedEntry, Standing, UNATTAINABLE,
};
use crate::crypto::VerifyingKey;
use crate::identity::{AgencyKeys, AgencyKind, AgencyName, EncryptionKey};

impl Roster {
    pub(super) fn invite(
        &mut self,
        agency: AgencyName,
        kind: AgencyKind,
        title: String,
        (invitation, invitation_expires_at): (VerifyingKey, i64),
        quota: Quota,
    ) -> Result<(), &'static str> {
        if agency.as_str() == "admin" {
            return Err("the name is reserved");
        }
        let known = self.members.get(&agency);
        // What others agreed to share with it rests on its kind.
        if known.is_some_and(|known| known.keys.is_some() && known.kind != kind) {
            return Err("an agency that has enrolled keeps its kind");
        }
        if known.is_some_and(|known| known.standing == Standing::Suspended) {
            return Err("the agency is suspended; reinstate or remove it first");
        }
        let member = Member {
            agency: agency.clone(),
            kind,
            title,
            invitation,
            invitation_expires_at,
            invitation_open: true,
            standing: known.map_or(Standing::Invited, |known| known.standing),
            quota,
            keys: known.and_then(|known| known.keys.clone()),
            past_keys: known
                .map(|known| known.past_keys.clone())
                .unwrap_or_default(),
            given_up: known
                .map(|known| known.given_up.clone())
                .unwrap_or_default(),
            removals: known
                .map(|known| known.removals.clone())
                .unwrap_or_default(),
        };
        self.members.insert(agency, member);
        Ok(())
    }

    /// Moves a member from one standing to another; the reason is for people.
    pub(super) fn stand(
        &mut self,
        agency: &AgencyName,
        reason: &str,
        from: &[Standing],
        to: Standing,
    ) -> Result<(), &'static str> {
        if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
            return Err("a reason of 1 to 500 bytes must be given");
        }
        let length = self.length.saturating_add(1);
        let member = self.members.get_mut(agency);
        let member = member.ok_or("the agency was never invited")?;
        if !from.contains(&member.standing) {
            return Err(match to {
                Standing::Suspended => "only an active member can be suspended",
                Standing::Active => "only a suspended member can be reinstated",
                _ => "the agency was removed already",
            });
        }
        member.standing = to;
        if to == Standing::Removed {
            member.removals.push(length);
        }
        // Whoever is shut out is not let in again by an invitation from before.
        member.invitation_open &= to == Standing::Active;
        Ok(())
    }

    pub(super) fn rekey(
        &mut self,
        number: u64,
        entry: &SignedEntry,
        agency: &AgencyName,
        keys: AgencyKeys,
    ) -> Result<(), RosterError> {
        let refuse = |reason| RosterError::NotAllowed { number, reason };
        if self.active(agency).is_none() {
            return Err(refuse("only an active member can exchange its keys"));
        }
        self.check_fresh(agency, &keys).map_err(refuse)?;
        if !entry.approved_by(&keys.signing) {
            let (have, need) = (0, 1);
            return Err(RosterError::Approvals { number, have, need });
        }
        let member = self.members.get_mut(agency);
        member
            .ok_or(refuse("the agency was not invited"))?
            .bind(number, keys);
        Ok(())
    }

    pub(super) fn change_approvers(
        &mut self,
        number: u64,
        administrators: Vec<Administrator>,
        needed: u32,
    ) -> Result<(), &'static str> {
        let next = Approvers {
            from: number + 1,
            administrators,
            needed,
        };
        if !next.sound() {
            return Err(UNATTAINABLE);
        }
        let before = std::mem::replace(&mut self.approvers, next);
        self.past_approvers.push(before);
        Ok(())
    }

    /// Keys that nobody else has or had, that are sound, and that the agency itself has not given up.
    pub(super) fn check_fresh(
        &self,
        agency: &AgencyName,
        keys: &AgencyKeys,
    ) -> Result<(), &'static str> {
        for member in self.members.values() {
            let own = member.agency == *agency;
            let present = member.keys.iter().filter(|_| !own);
            for other in present.chain(&member.past_keys) {
                match (
                    other.signing == keys.signing,
                    other.encryption == keys.encryption,
                ) {
                    (false, false) => {}
                    _ if own => return Err("the agency gave one of these keys up before"),
                    (true, _) => return Err("another agency has the same signing key"),
                    (_, true) => return Err("another agency has the same encryption key"),
                }
            }
        }
        if !keys.signing.is_sound() {
            return Err("anybody could sign for the signing key");
        }
        if keys.encryption.0.len() != EncryptionKey::BYTES {
            return Err("the encryption key has the wrong length");
        }
        Ok(())
    }

    pub(super) fn enrol(
        &mut self,
        number: u64,
        entry: &SignedEntry,
        agency: &AgencyName,
        keys: AgencyKeys,
    ) -> Result<(), RosterError> {
        let refuse = |reason| RosterError::NotAllowed { number, reason };
        self.check_fresh(agency, &keys).map_err(refuse)?;
        let member = self
            .members
            .get_mut(agency)
            .ok_or(refuse("the agency was not invited"))?;
        if !member.invitation_open {
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
        member.bind(number, keys);
        member.invitation_open = false;
        member.standing = Standing::Active;
        Ok(())
    }

    pub(super) fn appoint(
        &mut self,
        entry: &SignedEntry,
        epoch: u32,
        threshold: u16,
        custodians: Vec<AgencyName>,
    ) -> Result<(), &'static str> {
        let distinct: BTreeSet<&AgencyName> = custodians.iter().collect();
        if distinct.len() != custodians.len() || custodians.len() > MAX_CUSTODIANS {
            return Err("custodians must be distinct and at most 32");
        }
        if threshold == 0 || usize::from(threshold) > custodians.len() {
            return Err("the threshold must be between 1 and the number of custodians");
        }
        if threshold == 1 && custodians.len() != 1 {
            return Err("a threshold of 1 is for a single custodian only");
        }
        if custodians.iter().any(|name| self.active(name).is_none()) {
            return Err("every custodian must be an active member");
        }
        let expected = self.custody.as_ref().map_or(1, |custody| custody.epoch + 1);
        if epoch != expected {
            return Err("the custody epoch must rise by one");
        }
        let entry = entry.digest();
        let before = self.custody.replace(Custody {
            epoch,
            threshold,
            custodians,
            entry,
            number: self.length,
        });
        self.past_custodies.extend(before);
        Ok(())
    }
}
