//! The roster at the hub: serving it, appending what administrators approved, the list of members.

use std::sync::Arc;

use symbolon_core::identity::AgencyName;
use symbolon_core::roster::{Change, EntryBody, RosterError, SignedEntry, Standing};

use super::{Directory, MAX_REPLY_BYTES, MemberReport, MembershipError, State};
use crate::caller::Caller;
use crate::log::Event;
use crate::mailbox::Hint;
use crate::store::blocking;

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

    /// Appends an entry that administrators approved; says how long the roster is then.
    pub async fn append(
        self: &Arc<Self>,
        caller: &Caller,
        entry: SignedEntry,
    ) -> Result<u64, MembershipError> {
        let administrator = caller.administrator()?.clone();
        let this = Arc::clone(self);
        blocking(move || {
            this.change(|state| {
                let mut next = state.clone();
                next.roster = state.roster.apply(&entry)?;
                let body: EntryBody =
                    serde_json::from_slice(&entry.body).map_err(|_| RosterError::Malformed {
                        number: state.roster.length,
                    })?;
                if matches!(body.change, Change::Enrol { .. }) {
                    return Err(MembershipError::Enrolment);
                }
                let log = this.entry(Event::Roster, administrator, 1, next.roster.head);
                this.store
                    .append_roster(state.roster.length, &entry, &log)?;
                next.entries.push(entry);
                Ok((next, Hint::Roster))
            })?;
            Ok(this.state().roster.length)
        })
        .await
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
            certificate_serial: certificate.map(|c| c.serial.clone()).unwrap_or_default(),
            certificate_expires_at: certificate.map_or(0, |c| c.expires_at),
            last_seen_at: presence.last_seen_at,
            connected: presence.connected,
            custodian_index: custody.and_then(|c| c.index_of(agency)).unwrap_or(0),
            live_rows: self.store.holdings(agency)?.count,
        })
    }
}
