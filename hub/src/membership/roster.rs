//! The roster at the hub: serving it, appending what administrators approved, the list of members.
//!
//! An entry that lacks approvals *waits*: other administrators fetch it, look at it and send theirs
//! from their own machines, and with the last one it is appended. It holds a place in the chain, so
//! whatever waits is void once another entry has been appended.

use std::sync::Arc;

use symbolon_core::crypto::VerifyingKey;
use symbolon_core::identity::AgencyName;
use symbolon_core::roster::{Change, RosterError, SignedEntry, Standing};

use super::{Directory, MAX_REPLY_BYTES, MemberReport, MembershipError, State};
use crate::caller::{Caller, NotAllowed};
use crate::log::Event;
use crate::mailbox::Hint;
use crate::store::blocking;

/// Most entries that wait for approvals; each is at most 32 KiB.
const MAX_WAITING: usize = 64;
/// Of those, exchanges of keys that one member brought: the one that it means, and one that it tried
/// before.
const MAX_WAITING_OF_A_MEMBER: usize = 2;
/// Places that no members' exchanges of keys take.
const KEPT_FOR_ADMINISTRATORS: usize = 32;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Entries of the roster now.
    pub length: u64,
    /// Administrators who approve the entry.
    pub have: u32,
    /// Approvals that it needs; it waits while it has fewer.
    pub need: u32,
}

impl Directory {
    /// Roster entries from a number on, as many as one reply holds.
    pub fn entries(&self, from: u64) -> Vec<SignedEntry> {
        let state = self.state();
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |entry: &&SignedEntry| {
            bytes += entry.body.len() + entry.approvals.len() * 104 + 16;
            bytes <= MAX_REPLY_BYTES
        };
        let entries = state.entries.iter().skip(skip);
        entries.take_while(fits).cloned().collect()
    }

    /// Entries that wait for approvals.
    pub fn waiting(&self, caller: &Caller) -> Result<Vec<SignedEntry>, MembershipError> {
        caller.administrator()?;
        Ok(self.state().waiting.clone())
    }

    /// Takes approvals of an entry: appends it if they suffice with those known before, keeps them
    /// otherwise. A member may bring its own exchange of keys, for administrators to approve.
    pub async fn append(
        self: &Arc<Self>,
        caller: &Caller,
        entry: SignedEntry,
    ) -> Result<Appended, MembershipError> {
        let by = caller.clone();
        let body = entry.read().ok_or(RosterError::Malformed {
            number: self.state().roster.length,
        })?;
        match (&body.change, caller) {
            (Change::Enrol { .. }, _) => return Err(MembershipError::Enrolment),
            (_, Caller::Administrator(_)) => {}
            (Change::Rekey { agency, .. }, Caller::Agency(own)) if agency == own => {}
            (_, Caller::Agency(_)) => return Err(NotAllowed.into()),
        }
        let this = Arc::clone(self);
        blocking(move || {
            let mut outcome = None;
            this.change_if(|state| {
                let (changed, hint, appended) = this.take_approvals(state, &entry, by)?;
                outcome = Some(appended);
                Ok::<_, MembershipError>(changed.map(|next| (next, hint)))
            })?;
            outcome.ok_or(MembershipError::Enrolment)
        })
        .await
    }

    fn take_approvals(
        &self,
        state: &State,
        entry: &SignedEntry,
        by: Caller,
    ) -> Result<(Option<State>, Hint, Appended), MembershipError> {
        // Only approvals that verify are kept, and each key's once.
        let mut joined = SignedEntry {
            body: entry.body.clone(),
            approvals: Vec::new(),
        };
        let known = state.waiting.iter().find(|known| known.body == entry.body);
        known.into_iter().for_each(|known| joined.join(known));
        let before = joined.approvals.len();
        joined.join(entry);
        let administrators = &state.roster.approvers.administrators;
        let counts =
            |key| administrators.iter().any(|a| a.key == key) || newly_bound(entry) == Some(key);
        joined.approvals.retain(|approval| counts(approval.key));
        let (have, need) = state.roster.weigh(&joined)?;
        let mut next = state.clone();
        let (Caller::Administrator(name) | Caller::Agency(name)) = &by;
        if have >= need {
            next.roster = state.roster.apply(&joined)?;
            let log = self.entry(Event::Roster, name.clone(), 1, next.roster.head);
            self.store
                .append_roster(state.roster.length, &joined, &log)?;
            next.entries.push(joined);
            next.waiting.clear();
            let length = next.roster.length;
            let appended = Appended { length, have, need };
            return Ok((Some(next), Hint::Roster, appended));
        }
        let length = state.roster.length;
        let appended = Appended { length, have, need };
        if joined.approvals.len() == before {
            return Ok((None, Hint::Roster, appended));
        }
        next.waiting.retain(|known| known.body != joined.body);
        if !has_room(&next.waiting, &by) {
            return Err(MembershipError::TooManyWaiting);
        }
        let log = self.entry(Event::Approval, name.clone(), 1, joined.digest());
        self.store.keep_waiting(&joined, &log)?;
        next.waiting.push(joined);
        Ok((Some(next), Hint::Roster, appended))
    }

    /// Every agency that was ever invited.
    pub async fn members(
        self: &Arc<Self>,
        caller: &Caller,
    ) -> Result<Vec<MemberReport>, MembershipError> {
        caller.administrator()?;
        let this = Arc::clone(self);
        blocking(move || {
            let state = this.state();
            let members = state.roster.members.keys();
            members.map(|agency| this.report(&state, agency)).collect()
        })
        .await
    }

    fn report(&self, state: &State, agency: &AgencyName) -> Result<MemberReport, MembershipError> {
        let member = state.roster.members.get(agency);
        let certificate = state.certificates.get(agency);
        let presence = self.lines.presence(agency);
        let standing = match member.map(|member| member.standing) {
            Some(Standing::Active) => "active",
            Some(Standing::Suspended) => "suspended",
            Some(Standing::Removed) => "removed",
            Some(Standing::Invited) | None => {
                let expires_at = member.map_or(0, |member| member.invitation_expires_at);
                if self.clock.now() > expires_at {
                    "expired invitation"
                } else {
                    "invited"
                }
            }
        };
        let custody = state.roster.custody.as_ref();
        Ok(MemberReport {
            agency: agency.clone(),
            kind: member.map(|m| m.kind.to_string()).unwrap_or_default(),
            title: member.map(|m| m.title.clone()).unwrap_or_default(),
            standing,
            certificate_serials: state.certificates.serials(agency, self.clock.now()),
            certificate_expires_at: certificate.map_or(0, |c| c.expires_at),
            last_seen_at: presence.last_seen_at,
            connected: presence.connected,
            custodian_index: custody.and_then(|c| c.index_of(agency)).unwrap_or(0),
            live_rows: self.store.holdings(agency)?.count,
        })
    }
}

/// Whether one more entry may wait. A member could otherwise fill the list, and keep administrators
/// from changing anything.
fn has_room(waiting: &[SignedEntry], by: &Caller) -> bool {
    match by {
        Caller::Administrator(_) => waiting.len() < MAX_WAITING,
        Caller::Agency(agency) => {
            let own = waiting.iter().filter(|known| exchanges(known, agency));
            own.count() < MAX_WAITING_OF_A_MEMBER
                && waiting.len() < MAX_WAITING - KEPT_FOR_ADMINISTRATORS
        }
    }
}

/// Whether an entry exchanges this member's keys.
fn exchanges(entry: &SignedEntry, agency: &AgencyName) -> bool {
    let body = entry.read();
    body.is_some_and(
        |body| matches!(&body.change, Change::Rekey { agency: of, .. } if of == agency),
    )
}

/// The key that an exchange of keys binds, whose own approval the entry must have.
fn newly_bound(entry: &SignedEntry) -> Option<VerifyingKey> {
    match entry.read()?.change {
        Change::Rekey { keys, .. } => Some(keys.signing),
        _ => None,
    }
}
