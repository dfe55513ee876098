//! The roster as an administrator works on it: fetch and verify, propose, approve what waits.
//!
//! The head that was seen last is remembered beside the keys, so that a hub cannot show this
//! administrator an older or another roster and get a second entry for the same place signed.

use serde::{Deserialize, Serialize};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;
use symbolon_core::roster::{Change, EntryBody, Roster, RosterError, SignedEntry};
use symbolon_proto::membership::{AppendRequest, RosterRequest, WaitingRequest};

use super::{Admin, AdminError, refused};
use crate::files;

/// Where the last seen head stands, in the administrator's directory.
const SEEN_FILE: &str = "seen.json";

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proposed {
    /// Its digest, by which others approve it.
    pub digest: Digest,
    /// Administrators who approve it.
    pub have: u32,
    /// Approvals that it needs.
    pub need: u32,
}

impl Proposed {
    /// Whether it is part of the roster now.
    pub fn is_appended(&self) -> bool {
        self.have >= self.need
    }
}

/// An entry that waits for approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingEntry {
    /// Its digest.
    pub digest: Digest,
    /// Who approves it so far.
    pub approved_by: Vec<Name>,
    /// How many do.
    pub have: u32,
    /// How many must.
    pub need: u32,
    /// What it says.
    pub body: EntryBody,
    #[serde(skip)]
    entry: SignedEntry,
}

/// The end of the roster as it was seen last.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    length: u64,
    head: Digest,
}

impl Admin {
    /// Proposes a change of the roster with our own approval; it takes effect with the last approval
    /// that it needs.
    pub async fn propose(&self, change: Change) -> Result<Proposed, AdminError> {
        let roster = self.roster().await?;
        self.propose_to(&roster, change).await
    }

    /// Entries that wait for approvals, those that would be accepted.
    pub async fn waiting(&self) -> Result<Vec<WaitingEntry>, AdminError> {
        let roster = self.roster().await?;
        let mut hub = self.hub().await?;
        let reply = hub.waiting(WaitingRequest {}).await.map_err(refused)?;
        let mut waiting = Vec::new();
        for entry in reply.into_inner().entries {
            let entry = SignedEntry::try_from(entry)?;
            // What the hub shows is weighed here: nobody is asked to approve what cannot follow.
            let (have, need) = roster.weigh(&entry)?;
            let body = entry.read().ok_or(AdminError::NothingWaits)?;
            let approved_by = roster.approvers.administrators.iter();
            let approved_by = approved_by.filter(|a| entry.approved_by(&a.key));
            waiting.push(WaitingEntry {
                digest: entry.digest(),
                approved_by: approved_by.map(|a| a.name.clone()).collect(),
                have,
                need,
                body,
                entry,
            });
        }
        Ok(waiting)
    }

    /// Approves an entry that waits, named by the beginning of its digest.
    pub async fn approve(&self, digest: &str) -> Result<Proposed, AdminError> {
        let waiting = self.waiting().await?;
        let mut named = waiting
            .iter()
            .filter(|w| !digest.is_empty() && w.digest.to_string().starts_with(digest));
        let (Some(found), None) = (named.next(), named.next()) else {
            return Err(AdminError::NothingWaits);
        };
        self.send(found.entry.approve(self.approval()?)).await
    }

    /// The roster, verified from the pinned genesis.
    pub async fn roster(&self) -> Result<Roster, AdminError> {
        let entries = self.entries().await?;
        let roster = Roster::verify(&entries, &self.config.genesis)?;
        self.compare_with_last(&entries, &roster)?;
        Ok(roster)
    }

    /// The roster's entries as they are served.
    pub async fn entries(&self) -> Result<Vec<SignedEntry>, AdminError> {
        let mut hub = self.hub().await?;
        let mut entries = Vec::new();
        loop {
            let from = entries.len() as u64;
            let reply = hub.roster(RosterRequest { from }).await.map_err(refused)?;
            let page = reply.into_inner().entries;
            if page.is_empty() {
                return Ok(entries);
            }
            for entry in page {
                entries.push(SignedEntry::try_from(entry)?);
            }
        }
    }

    pub(super) async fn propose_to(
        &self,
        roster: &Roster,
        change: Change,
    ) -> Result<Proposed, AdminError> {
        let body = roster.next_body(self.clock.now(), change);
        let entry = SignedEntry::new(&body, &[self.approval()?])?;
        // What the roster refuses is refused here, in words that no hub has a hand in.
        roster.weigh(&entry)?;
        self.send(entry).await
    }

    async fn send(&self, entry: SignedEntry) -> Result<Proposed, AdminError> {
        let digest = entry.digest();
        let request = AppendRequest {
            entry: Some(entry.into()),
        };
        let mut hub = self.hub().await?;
        let reply = hub.append(request).await.map_err(refused)?.into_inner();
        Ok(Proposed {
            digest,
            have: reply.have,
            need: reply.need,
        })
    }

    /// Refuses a roster that does not go on from the one seen last, and remembers this one.
    fn compare_with_last(
        &self,
        entries: &[SignedEntry],
        roster: &Roster,
    ) -> Result<(), AdminError> {
        let path = self.dir.join(SEEN_FILE);
        if path.exists() {
            let seen: Seen = serde_json::from_slice(&files::read(&path)?)
                .map_err(|error| AdminError::Config(error.to_string()))?;
            if roster.length < seen.length {
                return Err(AdminError::Roster(RosterError::RolledBack {
                    known: seen.length.saturating_sub(1),
                    offered: roster.length.saturating_sub(1),
                }));
            }
            let last = seen.length.saturating_sub(1);
            let entry = usize::try_from(last).ok().and_then(|at| entries.get(at));
            if entry.map(SignedEntry::digest) != Some(seen.head) {
                return Err(AdminError::OtherRoster(last));
            }
            if roster.length == seen.length {
                return Ok(());
            }
        }
        let seen = Seen {
            length: roster.length,
            head: roster.head,
        };
        let seen =
            serde_json::to_vec(&seen).map_err(|error| AdminError::Config(error.to_string()))?;
        Ok(files::replace_private(&path, &seen)?)
    }
}
