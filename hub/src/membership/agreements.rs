//! Agreements at the hub: proposals that administrators approved, and the members' statements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use symbolon_core::agreement::{
    Acceptance, AgreementError, Document, Line, Papers, Proposal, Said, Standing, Statement,
};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name};

use super::{AgreementRecord, Directory, MAX_AGREEMENTS, MembershipError, State, Terms};
use crate::caller::{Caller, NotAllowed};
use crate::log::Event;
use crate::mailbox::Hint;
use crate::store::blocking;

/// A record that a member's word changed; none if the word was known.
type Heard = Result<Option<AgreementRecord>, MembershipError>;

impl Directory {
    /// Keeps a proposal; one of the same body adds its approvals to those that are there. Members see
    /// it once it has enough. Says how many it has and how many it needs.
    pub async fn propose(
        self: &Arc<Self>,
        caller: &Caller,
        proposal: Proposal,
    ) -> Result<(u32, u32), MembershipError> {
        let administrator = caller.administrator()?.clone();
        let this = Arc::clone(self);
        blocking(move || {
            let digest = proposal.digest();
            this.change_if(|state| {
                if state.agreements.contains_key(&digest) {
                    return Ok(None);
                }
                let approvers = &state.roster.approvers;
                let known = state.pending.get(&digest);
                let mut merged = known.cloned().unwrap_or(Proposal {
                    body: proposal.body.clone(),
                    approvals: Vec::new(),
                });
                let more = merged.merge(&proposal, approvers);
                let document = merged.open_new(&state.roster)?;
                let line = state.agreement_lines.get(&document.id);
                line.unwrap_or(&Line::default())
                    .check_successor(&document)?;
                let (have, need) = merged.approvals_of(approvers);
                if !more && have < need {
                    return Ok(None);
                }
                let mut next = state.clone();
                let log = this.entry(Event::Proposal, administrator, have.into(), digest);
                if have < need {
                    room(state)?;
                    this.store.keep_pending(&merged, &log)?;
                    next.pending.insert(digest, merged);
                } else {
                    merged.verify_new(&state.roster)?;
                    let papers = Papers::new(merged);
                    let standing = Standing::verify(&papers, &state.roster)?;
                    if known.is_none() {
                        room(state)?;
                    }
                    this.store.propose(&papers.proposal, &log)?;
                    next.pending.remove(&digest);
                    next.keep(AgreementRecord { papers, standing });
                }
                Ok::<_, MembershipError>(Some((next, Hint::Agreements)))
            })?;
            let state = this.state();
            let held = state.pending.get(&digest).or_else(|| {
                let record = state.agreements.get(&digest);
                record.map(|record| &record.papers.proposal)
            });
            let needed = state.roster.approvers.needed;
            Ok(held.map_or((0, needed), |p| p.approvals_of(&state.roster.approvers)))
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
        self.take_word(agreement, move |this, state, record| {
            if record.papers.acceptances.contains(&acceptance) {
                return Ok(None);
            }
            let mut changed = record.clone();
            let author = changed.standing.accept(&acceptance, &state.roster)?;
            if author != agency {
                return Err(NotAllowed.into());
            }
            if record.standing.accepted.contains(&agency) {
                return Err(MembershipError::AcceptedOtherwise(agency));
            }
            if !state.is_open(&record.standing.document, &agreement) {
                return Err(MembershipError::Closed);
            }
            changed.papers.acceptances.push(acceptance.clone());
            let log = this.entry(Event::Acceptance, agency.clone(), 1, agreement);
            this.store.accept(&agreement, &agency, &acceptance, &log)?;
            Ok(Some(changed))
        })
        .await
    }

    /// Keeps what a member says of an agreement; the very same statement again changes nothing.
    pub async fn declare(
        self: &Arc<Self>,
        caller: &Caller,
        agreement: Digest,
        statement: Statement,
    ) -> Result<(), MembershipError> {
        let agency = caller.agency()?.clone();
        self.take_word(agreement, move |this, state, record| {
            if record.papers.statements.contains(&statement) {
                return Ok(None);
            }
            let document = &record.standing.document;
            let opened = statement.open(&state.roster, document, &agreement)?;
            if opened.agency != agency {
                return Err(NotAllowed.into());
            }
            let mut changed = record.clone();
            let said = changed.standing.hear_new(&statement, &state.roster)?;
            state.check_place(&said, document, &agreement)?;
            changed.papers.statements.push(statement.clone());
            let (event, count, digest) = match said {
                Said::Decline { .. } => (Event::Decline, 1, agreement),
                Said::Leave { .. } => (Event::Leave, 1, agreement),
                Said::Epoch(epoch) => (Event::Epoch, epoch.number.into(), statement.digest()),
                Said::Done { epoch } => (Event::Done, 1, epoch),
            };
            let log = this.entry(event, agency, count, digest);
            this.store.declare(&agreement, &statement, &log)?;
            Ok(Some(changed))
        })
        .await
    }

    /// Takes a member's word on an agreement: `hear` checks it, stores it and gives the record that it
    /// changed, or nothing if it was known.
    async fn take_word(
        self: &Arc<Self>,
        agreement: Digest,
        hear: impl FnOnce(&Self, &State, &AgreementRecord) -> Heard + Send + 'static,
    ) -> Result<(), MembershipError> {
        let this = Arc::clone(self);
        blocking(move || {
            this.change_if(|state| {
                let record = state.agreements.get(&agreement);
                let record = record.ok_or(MembershipError::Unknown(agreement))?;
                let changed = hear(&this, state, record)?;
                Ok(changed.map(|changed| {
                    let mut next = state.clone();
                    next.keep(changed);
                    (next, Hint::Agreements)
                }))
            })
        })
        .await
    }

    /// Agreements that concern the caller, all versions of each; all of them for an administrator,
    /// and the proposals that lack approvals.
    pub fn agreements(&self, caller: &Caller) -> (Vec<AgreementRecord>, Vec<Proposal>) {
        let state = self.state();
        let records = state.agreements.values();
        match caller {
            Caller::Administrator(_) => {
                let pending = state.pending.values();
                (records.cloned().collect(), pending.cloned().collect())
            }
            Caller::Agency(agency) => {
                let concerned: BTreeSet<&Name> = records
                    .clone()
                    .map(|record| &record.standing.document)
                    .filter(|document| document.members.contains(agency))
                    .map(|document| &document.id)
                    .collect();
                let concerns =
                    |record: &&AgreementRecord| concerned.contains(&record.standing.document.id);
                (records.filter(concerns).cloned().collect(), Vec::new())
            }
        }
    }
}

fn room(state: &State) -> Result<(), MembershipError> {
    if state.agreements.len() + state.pending.len() >= MAX_AGREEMENTS {
        return Err(MembershipError::TooMany);
    }
    Ok(())
}

impl State {
    fn keep(&mut self, record: AgreementRecord) {
        self.agreements.insert(record.standing.digest, record);
    }

    fn is_open(&self, document: &Document, agreement: &Digest) -> bool {
        let line = self.agreement_lines.get(&document.id);
        let open = line.and_then(|line| line.open.as_ref());
        open.is_some_and(|open| open.digest == *agreement)
    }

    /// A version that waits can be declined, the one in force can be left.
    fn check_place(
        &self,
        said: &Said,
        document: &Document,
        agreement: &Digest,
    ) -> Result<(), MembershipError> {
        let line = self.agreement_lines.get(&document.id);
        let present = line.and_then(|line| line.versions.last());
        let is_present = present.is_some_and(|present| present.digest == *agreement);
        let fits = match said {
            Said::Decline { .. } => self.is_open(document, agreement),
            Said::Leave { .. } | Said::Epoch(_) => is_present,
            Said::Done { .. } => true,
        };
        if fits {
            Ok(())
        } else {
            Err(MembershipError::Closed)
        }
    }

    /// Works out which epochs are served to whom, and whose rows have to go.
    pub(super) fn settle_agreements(&mut self) -> Result<(), AgreementError> {
        let mut versions: BTreeMap<Name, Vec<Standing>> = BTreeMap::new();
        for record in self.agreements.values_mut() {
            record.standing.follow(&self.roster);
            let standing = record.standing.clone();
            let id = standing.document.id.clone();
            versions.entry(id).or_default().push(standing);
        }
        self.agreement_lines.clear();
        self.in_force.clear();
        self.departed.clear();
        for (id, standings) in versions {
            let line = Line::of(standings)?;
            for (standing, epoch) in line.served() {
                let members = epoch.members.iter();
                let terms = Terms {
                    members: members
                        .filter(|member| line.admits(member, &epoch.id))
                        .cloned()
                        .collect(),
                    retention_months: standing.document.retention_months,
                    common_token_limit: standing.document.common_token_limit,
                };
                self.in_force.insert(epoch.id, terms);
            }
            let stays: BTreeSet<AgencyName> = line
                .served()
                .iter()
                .flat_map(|(_, epoch)| epoch.members.iter().map(move |m| (m, &epoch.id)))
                .filter(|(member, epoch)| line.admits(member, epoch))
                .map(|(member, _)| member.clone())
                .collect();
            // Whoever stays withdraws what it has under a closed epoch, and counts it.
            for (_, epoch) in line.epochs() {
                let gone = epoch.members.iter().filter(|m| !stays.contains(*m));
                let gone = gone.map(|member| (member.clone(), epoch.id));
                self.departed.extend(gone);
            }
            self.agreement_lines.insert(id, line);
        }
        Ok(())
    }
}
