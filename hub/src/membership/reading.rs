//! Reading the stored state: at the start, and again where another hub over the same store changed it.
//!
//! It is verified from the genesis each time: a hub believes the store no more than it believes a peer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use symbolon_core::agreement::Standing;
use symbolon_core::encoding::Digest;
use symbolon_core::roster::{Roster, SignedEntry};

use super::{AgreementRecord, Directory, MembershipError, State};
use crate::certificates::Ledger;
use crate::mailbox::Hint;
use crate::store::Registry;

impl State {
    /// Verifies what is stored.
    pub(super) fn verify(registry: Registry, pinned: &Digest) -> Result<Self, MembershipError> {
        if registry.entries.first().map(SignedEntry::digest) != Some(*pinned) {
            return Err(MembershipError::OtherConsortium);
        }
        let roster = Roster::verify(&registry.entries, pinned)?;
        let mut state = Self {
            roster,
            entries: registry.entries,
            waiting: registry.waiting,
            agreements: BTreeMap::new(),
            pending: BTreeMap::new(),
            agreement_lines: BTreeMap::new(),
            in_force: HashMap::new(),
            departed: BTreeSet::new(),
            certificates: Ledger::new(registry.certificates, registry.revocations),
        };
        for papers in registry.agreements {
            let standing = Standing::verify(&papers, &state.roster)?;
            let record = AgreementRecord { papers, standing };
            state.agreements.insert(record.standing.digest, record);
        }
        let pending = registry.pending.into_iter();
        state.pending = pending.map(|p| (p.digest(), p)).collect();
        state.settle_agreements()?;
        Ok(state)
    }

    /// How much was said of each agreement: nothing is ever taken back.
    fn said(&self) -> Vec<(Digest, usize, usize)> {
        let said = self.agreements.iter().map(|(digest, record)| {
            let papers = &record.papers;
            (*digest, papers.acceptances.len(), papers.statements.len())
        });
        said.collect()
    }
}

impl Directory {
    /// Takes over what another hub changed. A roster that does not continue the known one is refused.
    pub(crate) fn catch_up(&self) -> Result<(), MembershipError> {
        let one_at_a_time = self.one_at_a_time();
        let registry = self.store.registry()?;
        let (known, version) = (self.state(), registry.version);
        let pinned = known.entries.first().map(SignedEntry::digest);
        let pinned = pinned.ok_or(MembershipError::OtherConsortium)?;
        let next = State::verify(registry, &pinned)?;
        if !next.entries.starts_with(&known.entries) {
            return Err(MembershipError::Rewritten);
        }
        self.store.follow(version);
        let roster = next.entries.len() > known.entries.len();
        let agreements = next.said() != known.said();
        let hints = [
            roster.then_some(Hint::Roster),
            agreements.then_some(Hint::Agreements),
        ];
        self.take_over(next, hints.into_iter().flatten());
        drop(one_at_a_time);
        Ok(())
    }
}
