//! Membership as this node has verified it: the roster, the custody key, the agreements.
//!
//! Nothing of it is believed because the hub says so: the roster must extend the one already known,
//! the custody key must be stated by every custodian, an agreement must carry every acceptance.

mod agreements;
mod epochs;
mod word;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use symbolon_core::crypto::VerifyingKey;
use symbolon_core::custody::{AgreedKey, CustodyError, agreed_key, refused_statement};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::roster::{Roster, RosterError, SignedEntry};

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
pub(crate) use agreements::check_schema;
pub use agreements::{Agreement, ServedEpoch, same_schema};

/// What the node knows of its consortium.
pub struct Membership {
    /// The verified roster.
    pub roster: Roster,
    /// The key of each custody epoch in use, once every custodian has stated it.
    pub custody_keys: BTreeMap<u32, AgreedKey>,
    /// Why there is no custody key yet.
    pub custody_missing: Option<String>,
    /// Agreements that name this agency, by id.
    pub agreements: BTreeMap<Name, Agreement>,
    /// Why there is nothing to show of an agreement that the hub shows.
    pub refused: BTreeMap<Name, String>,
}

/// Verifies the stored chain.
pub fn load_roster(entries: &[SignedEntry], genesis: &Digest) -> Result<Roster, RosterError> {
    Roster::verify(entries, genesis)
}

/// How long after an agency's keys changed its envelopes by the key before are taken, in seconds.
const OLD_KEY_S: u64 = 86_400;

fn keys_changed(agency: &AgencyName) -> String {
    format!("keys of {agency} changed")
}

impl Node {
    /// Fetches and verifies whatever is new: roster, custody key, agreements.
    ///
    /// Gives whether records have to be brought in line: an agreement became usable, or another key
    /// or version of one is served.
    pub async fn sync_membership(&self, hub: &HubClient) -> Result<bool, NodeError> {
        let _syncing = self.syncing.lock().await;
        self.sync_roster(hub).await?;
        self.sync_custody_key(hub).await?;
        self.sync_agreements(hub).await
    }

    /// Extends the known roster, page by page; refuses anything that does not follow from it.
    pub async fn sync_roster(&self, hub: &HubClient) -> Result<(), NodeError> {
        while self.extend_roster(hub).await? {}
        Ok(())
    }

    /// Takes one page of entries; gives whether there was anything new.
    async fn extend_roster(&self, hub: &HubClient) -> Result<bool, NodeError> {
        let mut roster = self.membership(|m| m.roster.clone());
        let (known, asked_at) = (roster.length, self.clock.now());
        // The last known entry is asked for again: a hub that was rolled back or forked shows here.
        let offered = hub.roster(known - 1).await?;
        let Some((overlap, new)) = offered.split_first() else {
            let (known, offered) = (known - 1, 0);
            return Err(RosterError::RolledBack { known, offered }.into());
        };
        if overlap.digest() != roster.head {
            return Err(RosterError::BrokenChain { number: known - 1 }.into());
        }
        for entry in new {
            let number = roster.length;
            let before = roster;
            roster = before.apply(entry)?;
            self.note_new_keys(&before, &roster)?;
            self.tables.roster.put(&number, entry)?;
        }
        // Two syncs may run at once: the longer chain stays, and both extend the same one.
        self.change_membership(|m| {
            if roster.length > m.roster.length {
                m.roster = roster;
            }
        });
        self.follow_roster()?;
        if new.is_empty() {
            // By the hub's word, nothing has changed until we asked.
            self.roster_confirmed_at.store(asked_at, Ordering::Relaxed);
        } else {
            self.pauses.clear();
        }
        Ok(!new.is_empty())
    }

    /// Writes down when we heard that an agency has other keys than before.
    fn note_new_keys(&self, before: &Roster, after: &Roster) -> Result<(), NodeError> {
        let now = u64::try_from(self.clock.now()).unwrap_or(0);
        for member in after.members.values() {
            let known = before.members.get(&member.agency);
            if known.is_some_and(|known| known.past_keys.len() < member.past_keys.len()) {
                self.tables
                    .numbers
                    .put(&keys_changed(&member.agency), &now)?;
            }
        }
        Ok(())
    }

    /// The keys by which an active agency's envelopes are taken: the one that it has, and for a day
    /// after we heard of that the one before, for what it sent and the hub still had.
    pub(crate) fn sender_keys(
        &self,
        agency: &AgencyName,
    ) -> Result<Option<Vec<VerifyingKey>>, NodeError> {
        let changed = self.tables.numbers.get(&keys_changed(agency))?;
        let now = u64::try_from(self.clock.now()).unwrap_or(0);
        let recent = changed.is_some_and(|changed| now.saturating_sub(changed) <= OLD_KEY_S);
        Ok(self.membership(|m| {
            let (member, _) = m.roster.active(agency)?;
            let keys = member.signing_keys_since(0);
            Some(keys.take(if recent { 2 } else { 1 }).copied().collect())
        }))
    }

    async fn sync_custody_key(&self, hub: &HubClient) -> Result<(), NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let Some(custody) = &roster.custody else {
            self.change_membership(|m| m.custody_missing = Some("no custodians appointed".into()));
            return Ok(());
        };
        let epoch = custody.epoch;
        let statements = hub.statements(epoch).await?;
        if let Some(refused) = refused_statement(&roster, custody, &statements) {
            tracing::error!(%refused, "a custody statement is passed over");
            self.note_custody_fault(refused.to_string());
        }
        let agreed = agreed_key(&roster, custody, &statements);
        if let Ok(agreed) = &agreed {
            self.check_agreed(epoch, agreed)?;
        }
        let newest = match agreed {
            Ok(agreed) => {
                self.change_membership(|m| {
                    m.custody_keys.insert(epoch, agreed.clone());
                    m.custody_missing = None;
                });
                self.settle_shares(epoch, &agreed)?;
                Some(epoch)
            }
            Err(error) => {
                self.change_membership(|m| m.custody_missing = Some(error.to_string()));
                None
            }
        };
        let past = self.sync_past_key(hub).await?;
        if let Some(newest) = newest.or(past) {
            self.note_custody_key(newest, past.filter(|past| *past < newest))?;
        }
        self.delete_old_shares()
    }

    /// A key that all custodians state must be the one that we helped to make, and the one before.
    fn check_agreed(&self, epoch: u32, agreed: &AgreedKey) -> Result<(), NodeError> {
        let held = self.tables.shares.get(&(epoch, agreed.generation))?;
        if held.is_some_and(|share| share.key != agreed.key) {
            return Err(NodeError::Request(
                "the custodians state another key than the one this node took part in making; do not go on, tell your administrator".into(),
            ));
        }
        let known = self.agreed(epoch);
        if known.is_some_and(|known| known.key.group != agreed.key.group) {
            return Err(NodeError::Custody(CustodyError::OtherGroup));
        }
        Ok(())
    }
}
