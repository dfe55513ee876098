//! Membership: the roster, the certificates and the agreements, and who may do what.
//!
//! All of it is small, so a verified copy is held in memory and exchanged as a whole after each
//! change has been stored. Changes go one at a time: each is checked against the state that it will
//! follow. Every request passes [`Directory::admit`], which denies whatever it does not know.

mod agreements;
mod reading;
mod roster;

pub use roster::Appended;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use symbolon_core::agreement::{AgreementError, Line, Papers, Proposal, Standing};
use symbolon_core::crypto::VerifyingKey;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name, Subject};
use symbolon_core::log::Checkpoint;
use symbolon_core::roster::{Roster, RosterError, SignedEntry};
use symbolon_core::row::AgreementEpoch;
use thiserror::Error;
use tokio::sync::Notify;

use crate::caller::{Caller, NotAllowed};
use crate::certificates::{Ledger, Peer};
use crate::clock::{Clock, rfc3339};
use crate::connections::{Connections, Lease};
use crate::log::{Event, LogEntry};
use crate::mailbox::{Hint, Lines};
use crate::store::{Store, StoreError, blocking};

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
    /// What another hub stored is not the known roster and more.
    #[error(
        "the stored roster does not continue the one that this hub knows; was the database restored from an older backup?"
    )]
    Rewritten,
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
    #[error(
        "the certificate is good from {} to {}, and by this hub's clock it is {}",
        rfc3339(*from), rfc3339(*until), rfc3339(*now)
    )]
    OutOfTime { from: i64, until: i64, now: i64 },
    #[error("the certificate was revoked")]
    Revoked,
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
    /// The approval key that the roster must have for that name.
    pub key: VerifyingKey,
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
    /// The certificates of the agencies, and what was revoked.
    pub certificates: Ledger,
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
    /// Hexadecimal, of its certificates that have not ended, newest first.
    pub certificate_serials: Vec<String>,
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
    connections: Arc<Connections>,
    administrators: RwLock<Arc<Vec<AdministratorCertificate>>>,
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
        store.follow(registry.version);
        if registry.entries.is_empty() {
            Roster::from_genesis(genesis, &pinned)?;
            let log = LogEntry {
                at: clock.now(),
                event: Event::Roster,
                member: None,
                count: 1,
                digest: Some(pinned),
            };
            match store.append_roster(0, genesis, &log) {
                // Another hub over the same store was faster.
                Ok(()) | Err(StoreError::Conflict) => registry = store.registry()?,
                Err(error) => return Err(error.into()),
            }
            store.follow(registry.version);
        }
        let state = State::verify(registry, &pinned)?;
        Ok(Self {
            store,
            clock,
            lines,
            connections: Arc::new(Connections::default()),
            administrators: RwLock::new(Arc::new(administrators)),
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
        let caller = self.check(&self.state(), peer)?;
        if let Caller::Agency(agency) = &caller {
            self.lines.seen(agency);
        }
        Ok(caller)
    }

    /// The same at the end of a handshake: the connection lives as long as its certificate is good, and
    /// while there are not `most` newer ones. Says how many ended for it.
    pub fn open_connection(&self, peer: &Peer, most: usize) -> Result<(Lease, usize), NotAdmitted> {
        // Entered before looking: a change of standing in between finds the connection.
        let lease = self.connections.enter(peer);
        self.check(&self.state(), peer)?;
        Ok((lease, self.connections.end_oldest(peer, most)))
    }

    /// Connections of members and administrators.
    pub fn connected(&self) -> usize {
        self.connections.count()
    }

    /// Ends the connections whose certificates are not, or no longer, good.
    pub fn end_refused(&self) -> usize {
        let state = self.state();
        let connections = &self.connections;
        connections.end_where(|peer| self.check(&state, peer).is_err())
    }

    /// Whether a certificate is good, and for whom.
    pub fn check(&self, state: &State, peer: &Peer) -> Result<Caller, NotAdmitted> {
        let now = self.clock.now();
        if !(peer.valid_from..=peer.expires_at).contains(&now) {
            let (from, until) = (peer.valid_from, peer.expires_at);
            return Err(NotAdmitted::OutOfTime { from, until, now });
        }
        if state.certificates.revocation(&peer.serial).is_some() {
            return Err(NotAdmitted::Revoked);
        }
        match &peer.subject {
            Subject::Agency(consortium, agency) => {
                same_consortium(state, consortium)?;
                state.roster.active(agency).ok_or(NotAdmitted::NotActive)?;
                let issued = state.certificates.of(agency, &peer.serial);
                issued.ok_or(NotAdmitted::OtherCertificate)?;
                Ok(Caller::Agency(agency.clone()))
            }
            Subject::Administrator(consortium, name) => {
                same_consortium(state, consortium)?;
                let mut present = state.roster.approvers.administrators.iter();
                let present = present.find(|administrator| administrator.name == *name);
                let key = present.ok_or(NotAdmitted::NotActive)?.key;
                let administrators = self.administrators();
                let mut issued = administrators.iter();
                issued
                    .find(|known| {
                        known.name == *name && known.key == key && known.serial == peer.serial
                    })
                    .ok_or(NotAdmitted::OtherCertificate)?;
                Ok(Caller::Administrator(name.clone()))
            }
        }
    }

    /// The certificates of administrators that were issued.
    pub fn administrators(&self) -> Arc<Vec<AdministratorCertificate>> {
        let administrators = self
            .administrators
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&administrators)
    }

    /// Other certificates of administrators; connections of those that are gone end.
    pub fn exchange_administrators(&self, administrators: Vec<AdministratorCertificate>) {
        let mut present = self
            .administrators
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(administrators);
        drop(present);
        self.end_refused();
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
    pub(crate) fn change_if<E>(
        &self,
        step: impl FnOnce(&State) -> Result<Option<(State, Hint)>, E>,
    ) -> Result<(), E> {
        self.exchange(|state| {
            let next = step(state)?;
            Ok(next.map(|(next, hint)| (next, Some(hint))))
        })
    }

    /// The same where members need not be told. Whoever is refused in the next state loses its
    /// connections here, whatever the change was.
    pub(crate) fn exchange<E>(
        &self,
        step: impl FnOnce(&State) -> Result<Option<(State, Option<Hint>)>, E>,
    ) -> Result<(), E> {
        let _one_at_a_time = self.one_at_a_time();
        let Some((mut next, hint)) = step(&self.state())? else {
            return Ok(());
        };
        // What agreements amount to rests on the roster too. Nothing here can be refused that was not
        // refused before it was stored.
        if let Err(error) = next.settle_agreements() {
            tracing::error!(%error, "stored agreements contradict each other");
        }
        self.take_over(next, hint);
        Ok(())
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a state in place of the one before, with all that follows from it.
    fn take_over(&self, next: State, hints: impl IntoIterator<Item = Hint>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = Arc::new(next);
        drop(state);
        self.end_refused();
        hints.into_iter().for_each(|hint| self.lines.hint(hint));
        self.departures.notify_one();
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
