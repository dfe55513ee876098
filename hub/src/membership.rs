//! Membership: the roster, the certificates and the agreements, and who may do what.
//!
//! All of it is small, so a verified copy is held in memory and exchanged as a whole after each
//! change has been stored. Changes go one at a time: each is checked against the state that it will
//! follow. Every request passes [`Directory::admit`], which denies whatever it does not know.

mod agreements;
mod roster;

pub use roster::Appended;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use symbolon_core::agreement::{AgreementError, Line, Papers, Proposal, Standing};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name, Subject};
use symbolon_core::log::Checkpoint;
use symbolon_core::roster::{Roster, RosterError, SignedEntry};
use symbolon_core::row::AgreementEpoch;
use thiserror::Error;
use tokio::sync::Notify;

use crate::caller::{Caller, NotAllowed};
use crate::certificates::Peer;
use crate::clock::Clock;
use crate::log::{Event, LogEntry};
use crate::mailbox::{Hint, Lines};
use crate::store::{IssuedCertificate, Store, StoreError, blocking};

/// Most agreements; each is held in memory with its acceptances.
const MAX_AGREEMENTS: usize = 1_000;
/// Bytes of roster entries in one reply; callers ask again from where it ends.
const MAX_REPLY_BYTES: usize = 3 << 20;

/// Why a change or a question of membership is refused.
#[derive(Debug, Error)]
pub enum MembershipError {
    /// Not for this caller.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The roster refuses the entry.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// An `Enrol` entry belongs to the enrolment service.
    #[error("an enrolment cannot be appended by an administrator")]
    Enrolment,
    /// The agreement's statements are not what they must be.
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    /// No more agreements fit.
    #[error("there are already {MAX_AGREEMENTS} agreements")]
    TooMany,
    /// No more entries can wait for approvals.
    #[error("too many entries wait for approvals; the next one that is appended voids them")]
    TooManyWaiting,
    /// No agreement has this digest.
    #[error("there is no agreement with digest {0}")]
    Unknown(Digest),
    /// It accepted already, in other words.
    #[error("{0} has already accepted this agreement with another statement")]
    AcceptedOtherwise(AgencyName),
    /// The version waits for nobody any more.
    #[error("this version of the agreement is no longer open")]
    Closed,
    /// The state directory is of another consortium than the store.
    #[error("the store holds the roster of another consortium")]
    OtherConsortium,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a verified certificate opens nothing.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[allow(missing_docs)]
pub enum NotAdmitted {
    #[error("the certificate is of another consortium")]
    OtherConsortium,
    #[error("the certificate has expired")]
    Expired,
    #[error("nobody of this name is an active member or an administrator")]
    NotActive,
    #[error("the certificate is not the one that was issued for this name")]
    OtherCertificate,
}

/// An administrator's certificate, as founding issued it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdministratorCertificate {
    /// Who.
    pub name: Name,
    /// Hexadecimal.
    pub serial: String,
}

/// A version of an agreement with all that was said about it.
#[derive(Clone, Debug)]
pub struct AgreementRecord {
    /// As it was signed.
    pub papers: Papers,
    /// What follows from it.
    pub standing: Standing,
}

/// The rules for rows under one agreement epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose rows are joined.
    pub members: BTreeSet<AgencyName>,
    /// Months that a row may stay.
    pub retention_months: u32,
    /// Most live rows of a token that still make notices.
    pub common_token_limit: u32,
}

/// The verified state at one moment.
#[derive(Clone, Debug)]
pub struct State {
    /// Verified from the genesis.
    pub roster: Roster,
    /// The entries that it was verified from.
    pub entries: Vec<SignedEntry>,
    /// Entries that wait for approvals; each would be the next.
    pub waiting: Vec<SignedEntry>,
    /// Every version, by digest.
    pub agreements: BTreeMap<Digest, AgreementRecord>,
    /// Proposals that lack approvals, by digest.
    pub pending: BTreeMap<Digest, Proposal>,
    /// What the versions of each agreement amount to.
    pub agreement_lines: BTreeMap<Name, Line>,
    /// By epoch identifier, the epochs in which rows are taken.
    pub in_force: HashMap<AgreementEpoch, Terms>,
    /// Whose rows of which epoch have to go, because their owner will not withdraw them any more.
    pub departed: BTreeSet<(AgencyName, AgreementEpoch)>,
    /// The certificate of each agency.
    pub certificates: BTreeMap<AgencyName, IssuedCertificate>,
}

/// Where a member stands, for administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReport {
    /// Its name.
    pub agency: AgencyName,
    /// Its kind, in one word.
    pub kind: String,
    /// Its name as people write it.
    pub title: String,
    /// `invited`, `expired invitation`, `active`, `suspended` or `removed`.
    pub standing: &'static str,
    /// Hexadecimal, empty before enrolment.
    pub certificate_serial: String,
    /// Unix seconds, 0 before enrolment.
    pub certificate_expires_at: i64,
    /// Unix seconds, 0 if not since the hub started.
    pub last_seen_at: i64,
    /// Its node receives.
    pub connected: bool,
    /// From 1; 0 if it is no custodian.
    pub custodian_index: u16,
    /// Rows at the hub.
    pub live_rows: u64,
}

/// Who may do what, and the way to change it.
pub struct Directory {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    lines: Arc<Lines>,
    administrators: Vec<AdministratorCertificate>,
    state: RwLock<Arc<State>>,
    changing: Mutex<()>,
    /// Rung when somebody may have departed.
    pub(crate) departures: Notify,
}

impl Directory {
    /// Reads and verifies what is stored; a fresh store gets the genesis.
    pub fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        lines: Arc<Lines>,
        genesis: &SignedEntry,
        administrators: Vec<AdministratorCertificate>,
    ) -> Result<Self, MembershipError> {
        let pinned = genesis.digest();
        let mut registry = store.registry()?;
        if registry.entries.is_empty() {
            Roster::from_genesis(genesis, &pinned)?;
            let log = LogEntry {
                at: clock.now(),
                event: Event::Roster,
                member: None,
                count: 1,
                digest: Some(pinned),
            };
            store.append_roster(0, genesis, &log)?;
            registry.entries.push(genesis.clone());
        }
        if registry.entries.first().map(SignedEntry::digest) != Some(pinned) {
            return Err(MembershipError::OtherConsortium);
        }
        let roster = Roster::verify(&registry.entries, &pinned)?;
        let mut state = State {
            roster,
            entries: registry.entries,
            waiting: registry.waiting,
            agreements: BTreeMap::new(),
            pending: BTreeMap::new(),
            agreement_lines: BTreeMap::new(),
            in_force: HashMap::new(),
            departed: BTreeSet::new(),
            certificates: registry.certificates,
        };
        for papers in registry.agreements {
            let standing = Standing::verify(&papers, &state.roster)?;
            let record = AgreementRecord { papers, standing };
            state.agreements.insert(record.standing.digest, record);
        }
        let pending = registry.pending.into_iter();
        state.pending = pending.map(|p| (p.digest(), p)).collect();
        state.settle_agreements()?;
        Ok(Self {
            store,
            clock,
            lines,
            administrators,
            state: RwLock::new(Arc::new(state)),
            changing: Mutex::new(()),
            departures: Notify::new(),
        })
    }

    /// The state at this moment.
    pub fn state(&self) -> Arc<State> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    /// Whom a verified certificate makes the caller: the one door to every service but enrolment.
    pub fn admit(&self, peer: &Peer) -> Result<Caller, NotAdmitted> {
        if self.clock.now() > peer.expires_at {
            return Err(NotAdmitted::Expired);
        }
        let state = self.state();
        match &peer.subject {
            Subject::Agency(consortium, agency) => {
                same_consortium(&state, consortium)?;
                state.roster.active(agency).ok_or(NotAdmitted::NotActive)?;
                let issued = state.certificates.get(agency);
                if issued.is_none_or(|issued| issued.serial != peer.serial) {
                    return Err(NotAdmitted::OtherCertificate);
                }
                self.lines.seen(agency);
                Ok(Caller::Agency(agency.clone()))
            }
            Subject::Administrator(consortium, name) => {
                same_consortium(&state, consortium)?;
                if !state
                    .roster
                    .approvers
                    .administrators
                    .iter()
                    .any(|a| a.name == *name)
                {
                    return Err(NotAdmitted::NotActive);
                }
                let mut issued = self.administrators.iter();
                if !issued.any(|known| known.name == *name && known.serial == peer.serial) {
                    return Err(NotAdmitted::OtherCertificate);
                }
                Ok(Caller::Administrator(name.clone()))
            }
        }
    }

    /// Size and root of the log.
    pub async fn checkpoint(&self) -> Result<Checkpoint, MembershipError> {
        let store = Arc::clone(&self.store);
        let frontier = blocking(move || store.frontier()).await?;
        Ok(Checkpoint {
            origin: format!("symbolon/{}", self.state().roster.consortium),
            size: frontier.size(),
            root: frontier.root(),
        })
    }

    /// Makes one change after another: `step` checks and stores, the next state replaces this one.
    /// Where it gives none, nothing changes.
    pub(crate) fn change_if<E>(
        &self,
        step: impl FnOnce(&State) -> Result<Option<(State, Hint)>, E>,
    ) -> Result<(), E> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((mut next, hint)) = step(&self.state())? else {
            return Ok(());
        };
        // What agreements amount to rests on the roster too. Nothing here can be refused that was not
        // refused before it was stored.
        if let Err(error) = next.settle_agreements() {
            tracing::error!(%error, "stored agreements contradict each other");
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = Arc::new(next);
        drop(state);
        self.lines.hint(hint);
        self.departures.notify_one();
        Ok(())
    }

    fn entry(&self, event: Event, member: Name, count: u64, digest: Digest) -> LogEntry {
        LogEntry {
            at: self.clock.now(),
            event,
            member: Some(member),
            count,
            digest: Some(digest),
        }
    }
}

fn same_consortium(state: &State, consortium: &Name) -> Result<(), NotAdmitted> {
    if state.roster.consortium == *consortium {
        Ok(())
    } else {
        Err(NotAdmitted::OtherConsortium)
    }
}
