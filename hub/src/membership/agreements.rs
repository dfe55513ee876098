//! Agreements at the hub: proposals that administrators approved, and the members' statements.

use std::sync::Arc;

use symbolon_core::agreement::{self, Acceptance, Proposal};
use symbolon_core::encoding::Digest;

use super::{AgreementRecord, Directory, MAX_AGREEMENTS, MembershipError};
use crate::caller::{Caller, NotAllowed};
use crate::log::Event;
use crate::mailbox::Hint;
use crate::store::blocking;

impl Directory {
    /// Keeps a proposal that administrators approved.
    pub async fn propose(
        self: &Arc<Self>,
        caller: &Caller,
        proposal: Proposal,
    ) -> Result<(), MembershipError> {
        let administrator = caller.administrator()?.clone();
        let this = Arc::clone(self);
        blocking(move || {
            let digest = proposal.digest();
            if this.state().agreements.contains_key(&digest) {
                return Ok(());
            }
            this.change(|state| {
                proposal.verify_new(&state.roster)?;
                let standing = agreement::Standing::verify(&proposal, &[], &state.roster)?;
                let id = &standing.document.id;
                let mut known = state.agreements.values();
                if known.any(|record| record.standing.document.id == *id) {
                    return Err(MembershipError::Taken(id.clone()));
                }
                if state.agreements.len() >= MAX_AGREEMENTS {
                    return Err(MembershipError::TooMany);
                }
                let log = this.entry(Event::Proposal, administrator, 1, digest);
                this.store.propose(&proposal, &log)?;
                let mut next = state.clone();
                next.keep(AgreementRecord {
                    proposal,
                    acceptances: Vec::new(),
                    standing,
                });
                Ok((next, Hint::Agreements))
            })
        })
        .await
    }

    /// Keeps a member's acceptance; the very same one again changes nothing.
    pub async fn accept(
        self: &Arc<Self>,
        caller: &Caller,
        agreement: Digest,
        acceptance: Acceptance,
    ) -> Result<(), MembershipError> {
        let agency = caller.agency()?.clone();
        let this = Arc::clone(self);
        blocking(move || {
            this.change_if(|state| {
                let record = state.agreements.get(&agreement);
                let record = record.ok_or(MembershipError::Unknown(agreement))?;
                let document = &record.standing.document;
                let body = acceptance.verify(&state.roster, document, &agreement)?;
                if body.agency != agency {
                    return Err(NotAllowed.into());
                }
                if record.acceptances.contains(&acceptance) {
                    return Ok(None);
                }
                if record.standing.accepted.contains(&agency) {
                    return Err(MembershipError::AcceptedOtherwise(agency));
                }
                let mut changed = record.clone();
                changed.acceptances.push(acceptance.clone());
                changed.standing.accepted.insert(agency.clone());
                if body.key.is_some() {
                    changed.standing.key = body.key;
                }
                let log = this.entry(Event::Acceptance, agency.clone(), 1, agreement);
                this.store.accept(&agreement, &agency, &acceptance, &log)?;
                let mut next = state.clone();
                next.keep(changed);
                Ok(Some((next, Hint::Agreements)))
            })
        })
        .await
    }

    /// Agreements that concern the caller; all of them for an administrator.
    pub fn agreements(&self, caller: &Caller) -> Vec<AgreementRecord> {
        let concerns = |record: &&AgreementRecord| match caller {
            Caller::Agency(agency) => record.standing.document.members.contains(agency),
            Caller::Administrator(_) => true,
        };
        let state = self.state();
        state
            .agreements
            .values()
            .filter(concerns)
            .cloned()
            .collect()
    }
}
