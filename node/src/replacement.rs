//! Replacing the custodians: two keys for a while, then one.
//!
//! Tokens under an old and a new key never join. From the moment that every new custodian has stated
//! the new key, each record therefore has rows under both; the old custodians go on answering. A node
//! whose rows under the new key are all registered says so to every member, by a signed letter. Once
//! every active member of its agreements has said so, it withdraws its rows under the old key and
//! deletes the old roots: whoever has the new rows finds everything by them. A custodian deletes its
//! old share when every active member of the consortium has said so.
//!
//! Which epochs a node is between lies in the vault, since at a start nothing else of custody is
//! known before the hub has answered.

use std::collections::BTreeSet;

use symbolon_core::identity::AgencyName;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::letters::Letter;
use crate::node::Node;

/// The newest custody epoch whose key was stated by all; rows are made under it.
const PRESENT: &str = "custody epoch";
/// The one before, while rows under it stay.
const BEFORE: &str = "custody epoch before";

/// Records have to be brought in line with the epochs above.
const TO_RECONCILE: &str = "custody epochs changed";

/// How far this node is in making its rows anew.
#[derive(Default)]
pub(crate) struct Replacement {
    pub replaces: Option<u32>,
    pub made: u64,
    pub to_make: u64,
    pub waiting_for: Vec<String>,
}

fn made_by(epoch: u32, agency: &AgencyName) -> String {
    format!("rows made {epoch} {agency}")
}

impl Node {
    /// The custody epochs under which each record has rows, newest first.
    pub(crate) fn row_epochs(&self) -> Result<Vec<u32>, NodeError> {
        let number = |name: &str| -> Result<Option<u32>, NodeError> {
            let number = self.tables.numbers.get(&name.to_owned())?;
            Ok(number.and_then(|number| u32::try_from(number).ok()))
        };
        // Before the first appointment rows wait for its key.
        let present = number(PRESENT)?.unwrap_or(1);
        let before = number(BEFORE)?.filter(|before| *before < present);
        Ok(std::iter::once(present).chain(before).collect())
    }

    /// Takes note of the newest key that all have stated, and of the one before it.
    pub(crate) fn note_custody_key(
        &self,
        newest: u32,
        before: Option<u32>,
    ) -> Result<(), NodeError> {
        let known = self.tables.numbers.get(&PRESENT.to_owned())?;
        if known.is_some_and(|known| known >= u64::from(newest)) {
            return Ok(());
        }
        // The order matters: with the old epoch written first, a crash in between keeps all rows.
        self.tables.numbers.put(&TO_RECONCILE.to_owned(), &1)?;
        if let Some(before) = before {
            self.tables
                .numbers
                .put(&BEFORE.to_owned(), &u64::from(before))?;
        }
        self.tables
            .numbers
            .put(&PRESENT.to_owned(), &u64::from(newest))?;
        self.vault.flush()?;
        tracing::info!(newest, ?before, "rows are made under a new custody key");
        self.work_waits.notify_one();
        Ok(())
    }

    /// Tells the members when our rows are all made anew, and ends the old ones when theirs are. The
    /// caller holds the work lock.
    pub(crate) fn further_replacement(&self) -> Result<(), NodeError> {
        let epochs = self.row_epochs()?;
        if self.tables.numbers.contains(&TO_RECONCILE.to_owned())? {
            self.agreement_became_usable()?;
            self.delete_old_roots(epochs.iter().copied().min().unwrap_or(0))?;
            self.tables.numbers.remove(&TO_RECONCILE.to_owned())?;
        }
        let &[present, _] = epochs.as_slice() else {
            return Ok(());
        };
        let own = made_by(present, &self.identity.agency);
        if !self.tables.numbers.contains(&own)? {
            if self.rows_wait_under(present)? {
                return Ok(());
            }
            self.tables.numbers.put(&own, &1)?;
            for member in self.active_members() {
                self.say_rows_made(&member, present, true)?;
            }
            self.vault.flush()?;
            tracing::info!(
                epoch = present,
                "all rows are made under the new custody key"
            );
        }
        if self.not_yet(present, &self.agreement_members())?.is_empty() {
            self.end_old_rows(present)?;
        }
        Ok(())
    }

    fn rows_wait_under(&self, epoch: u32) -> Result<bool, NodeError> {
        for entry in self.tables.pending.iter() {
            let (_, row) = entry?;
            if row.custody == epoch {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Another member's rows are all made under an epoch.
    pub(crate) fn rows_made_at(
        &self,
        from: &AgencyName,
        epoch: u32,
        answer: bool,
    ) -> Result<(), NodeError> {
        // A letter may come before the roster entry that it speaks of, but not long before.
        let newest = self.membership(|m| m.roster.custody.as_ref().map_or(0, |c| c.epoch));
        if epoch > newest.saturating_add(1) {
            return Ok(());
        }
        self.tables.numbers.put(&made_by(epoch, from), &1)?;
        let own = made_by(epoch, &self.identity.agency);
        if answer && self.tables.numbers.contains(&own)? {
            self.say_rows_made(from, epoch, false)?;
        }
        self.work_waits.notify_one();
        Ok(())
    }

    fn say_rows_made(&self, to: &AgencyName, epoch: u32, answer: bool) -> Result<(), NodeError> {
        self.post(to, &Letter::RowsMade { epoch, answer })
    }

    /// How far this node is.
    pub(crate) fn replacement(&self) -> Result<Replacement, NodeError> {
        let epochs = self.row_epochs()?;
        let &[present, before] = epochs.as_slice() else {
            return Ok(Replacement::default());
        };
        let mut progress = Replacement {
            replaces: Some(before),
            ..Default::default()
        };
        for entry in self.tables.rows.iter() {
            let (_, row) = entry?;
            if row.custody == present && row.record_id.is_some() {
                progress.made += u64::from(row.registered);
                progress.to_make += u64::from(!row.registered);
            }
        }
        let waiting = self.not_yet(present, &self.agreement_members())?;
        progress.waiting_for = waiting.iter().map(AgencyName::to_string).collect();
        Ok(progress)
    }

    fn not_yet(
        &self,
        epoch: u32,
        members: &BTreeSet<AgencyName>,
    ) -> Result<Vec<AgencyName>, NodeError> {
        let mut waiting = Vec::new();
        for member in members {
            if !self.tables.numbers.contains(&made_by(epoch, member))? {
                waiting.push(member.clone());
            }
        }
        Ok(waiting)
    }

    /// The other active members of the consortium.
    fn active_members(&self) -> BTreeSet<AgencyName> {
        self.membership(|m| {
            let names = m.roster.members.keys();
            let active = names.filter(|name| m.roster.active(name).is_some());
            active
                .filter(|name| **name != self.identity.agency)
                .cloned()
                .collect()
        })
    }

    /// Those of them with whom we share an agreement.
    fn agreement_members(&self) -> BTreeSet<AgencyName> {
        let active = self.active_members();
        self.membership(|m| {
            let documents = m.agreements.values().map(|a| &a.standing.document);
            let members = documents.flat_map(|document| document.members.iter());
            members
                .filter(|name| active.contains(name))
                .cloned()
                .collect()
        })
    }

    /// Cut-over: rows under the old key are withdrawn, its roots deleted.
    fn end_old_rows(&self, present: u32) -> Result<(), NodeError> {
        self.tables.numbers.put(&TO_RECONCILE.to_owned(), &1)?;
        self.tables.numbers.remove(&BEFORE.to_owned())?;
        self.vault.flush()?;
        tracing::info!(epoch = present, "the old custody key is no longer used");
        self.further_replacement()
    }

    /// Roots of keys before those in use. A row of theirs that is still being withdrawn needs none.
    fn delete_old_roots(&self, oldest_in_use: u32) -> Result<(), NodeError> {
        let places: Vec<_> = self
            .tables
            .roots
            .iter()
            .map(|entry| entry.map(|(place, _)| place))
            .collect::<Result<_, _>>()?;
        for place in places {
            if place.0 < oldest_in_use {
                self.tables.roots.remove(&place)?;
            }
        }
        self.tables.rows.forget_spare_before(oldest_in_use)?;
        self.vault.flush()
    }

    /// Deletes our shares of keys that nobody uses any more.
    pub(crate) fn delete_old_shares(&self) -> Result<(), NodeError> {
        let Some(present) = self.membership(|m| m.roster.custody.as_ref().map(|c| c.epoch)) else {
            return Ok(());
        };
        let everybody: BTreeSet<AgencyName> = self
            .active_members()
            .into_iter()
            .chain([self.identity.agency.clone()])
            .collect();
        if self.agreed(present).is_none() || !self.not_yet(present, &everybody)?.is_empty() {
            return Ok(());
        }
        let _runs = self.hold_runs();
        let shares: Vec<_> = self.tables.shares.iter().collect::<Result<_, _>>()?;
        for (place, _) in shares {
            if place.0 < present {
                self.tables.shares.remove(&place)?;
                self.vault.flush()?;
                tracing::info!(epoch = place.0, "share of the old custody key deleted");
            }
        }
        for entry in self.tables.runs.iter() {
            let (place, _) = entry?;
            if place.0 < present {
                self.tables.runs.remove(&place)?;
            }
        }
        Ok(())
    }

    /// Fetches the key of the newest custodians before the present ones that ever stated one.
    pub(crate) async fn sync_past_key(&self, hub: &HubClient) -> Result<Option<u32>, NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        for custody in roster.past_custodies.iter().rev() {
            if self.agreed(custody.epoch).is_some() {
                return Ok(Some(custody.epoch));
            }
            let statements = hub.statements(custody.epoch).await?;
            let agreed = symbolon_core::custody::agreed_key(&roster, custody, &statements);
            if let Ok(agreed) = agreed {
                let epoch = custody.epoch;
                self.change_membership(|m| m.custody_keys.insert(epoch, agreed));
                return Ok(Some(epoch));
            }
        }
        Ok(None)
    }
}
