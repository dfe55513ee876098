//! Epochs of an agreement's key, from this node's side.
//!
//! Somebody leaves: the member whose turn it is makes a key for those who remain. Each node makes its
//! rows anew under it from the cached roots, while the old ones stay, and says so when it is done.
//! When all are, the hub takes no more rows of the old epoch, and each node withdraws its own: as many
//! as it counted, and afterwards the hub holds exactly what the node knows.
//!
//! A new version of an agreement takes over in the same way.

use std::collections::BTreeMap;

use symbolon_core::agreement::{EpochBody, NextEpoch, Said, Standing, Statement, StatementBody};
use symbolon_core::crypto::{self, SecretKey};
use symbolon_core::row::AgreementEpoch;

use crate::error::NodeError;
use crate::hub_client::{HubClient, HubError};
use crate::node::Node;
use crate::tables::{Secret, StoredClosure};

/// Mark of the audiences that all records were last brought in line with.
const AUDIENCES: &str = "audiences";

impl Node {
    /// Does what this node owes its agreements: a new epoch, the word that it is done, the proof that
    /// nothing of an old one is left. The caller holds the work lock.
    pub(crate) async fn tend_agreements(&self, hub: &HubClient) -> Result<(), NodeError> {
        let mut said = self.make_due_epochs(hub).await?;
        said |= self.say_done(hub).await?;
        if said && self.sync_membership(hub).await? {
            self.agreement_became_usable()?;
        }
        self.confirm_closures(hub).await
    }

    async fn make_due_epochs(&self, hub: &HubClient) -> Result<bool, NodeError> {
        let due: Vec<(Standing, NextEpoch)> = self.membership(|m| {
            let present = m.agreements.values().filter_map(|a| a.line.versions.last());
            let due = present.filter_map(|version| {
                let next = version.next_epoch(&m.roster)?;
                (next.author == self.identity.agency).then(|| (version.clone(), next))
            });
            due.collect()
        });
        let mut said = false;
        for (version, next) in due {
            let secret = SecretKey::random()?;
            let stored = Secret(secret.expose().to_vec());
            let key = self.seal_key(secret, &next.binding, &next.members)?;
            let body = StatementBody {
                agency: self.identity.agency.clone(),
                agreement: version.digest,
                at: self.clock.now(),
                said: Said::Epoch(EpochBody {
                    number: next.number,
                    follows: next.follows,
                    roster: next.roster,
                    left: next.left,
                    members: next.members,
                    key,
                }),
            };
            let statement = Statement::new(&body, &self.keys().signing)?;
            // The key is kept under its statement before that leaves: should the answer be lost, the
            // hub shows whether it was taken, and one that was not is never used again.
            let digest = statement.digest();
            self.tables.agreement_keys.put(&digest, &stored)?;
            self.vault.flush()?;
            said |= accepted(hub.declare(&version.digest, statement).await)?;
        }
        Ok(said)
    }

    /// Says that our rows are made anew, once none of the incoming epoch waits.
    async fn say_done(&self, hub: &HubClient) -> Result<bool, NodeError> {
        let incoming = self.membership(|m| {
            let agency = &self.identity.agency;
            let all = m.agreements.values().filter(|a| a.trouble.is_none());
            let incoming = all.filter_map(|agreement| {
                let (version, epoch) = agreement.line.incoming()?;
                let owed = agreement.line.admits(agency, &epoch.id)
                    && !epoch.done.contains(agency)
                    && agreement.served.iter().any(|served| served.id == epoch.id);
                owed.then(|| (version.clone(), epoch.id, epoch.digest))
            });
            incoming.collect::<Vec<_>>()
        });
        // Records that were not yet brought in line have rows that do not even wait.
        if incoming.is_empty() || self.audiences_changed()? {
            return Ok(false);
        }
        let mut said = false;
        for (version, id, epoch) in incoming {
            if !self.waits_under(&id)? {
                let done = self.declare(hub, &version, Said::Done { epoch }).await;
                said |= match done {
                    Err(NodeError::Hub(error)) => accepted(Err(error))?,
                    done => done.map(|()| true)?,
                };
            }
        }
        Ok(said)
    }

    fn waits_under(&self, epoch: &AgreementEpoch) -> Result<bool, NodeError> {
        for entry in self.tables.pending.iter() {
            let (_, row) = entry?;
            if row.epoch == *epoch {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an epoch is over for us.
    pub(crate) fn is_closed(&self, epoch: &AgreementEpoch) -> bool {
        let agency = &self.identity.agency;
        self.membership(|m| {
            let mut lines = m.agreements.values().map(|a| &a.line);
            lines.any(|line| line.is_closed_to(agency, epoch))
        })
    }

    /// Marks every row of an epoch that is over for withdrawal, and counts them.
    pub(crate) fn close_epochs(&self) -> Result<(), NodeError> {
        let mut closing: BTreeMap<AgreementEpoch, (Vec<_>, u64)> = BTreeMap::new();
        let mut closed: BTreeMap<AgreementEpoch, bool> = BTreeMap::new();
        for entry in self.tables.rows.iter() {
            let (handle, row) = entry?;
            let over = *closed
                .entry(row.epoch)
                .or_insert_with(|| self.is_closed(&row.epoch));
            if over {
                let (handles, registered) = closing.entry(row.epoch).or_default();
                handles.push(handle);
                *registered += u64::from(row.registered);
            }
        }
        for (epoch, (handles, before)) in closing {
            // A crash in between counts on: the count from before it stays.
            if !self.tables.closures.contains(&epoch)? {
                let Some((agreement, number)) = self.name_of_epoch(&epoch) else {
                    continue;
                };
                let closure = StoredClosure {
                    agreement,
                    number,
                    before,
                    withdrawn: 0,
                    confirmed: false,
                };
                self.tables.closures.put(&epoch, &closure)?;
            }
            self.drop_rows(&handles)?;
        }
        Ok(())
    }

    fn name_of_epoch(&self, id: &AgreementEpoch) -> Option<(symbolon_core::identity::Name, u32)> {
        self.membership(|m| {
            m.agreements.iter().find_map(|(name, agreement)| {
                let mut epochs = agreement.line.epochs();
                let found = epochs.find(|(_, epoch)| epoch.id == *id)?;
                Some((name.clone(), found.1.number))
            })
        })
    }

    /// Counts rows of closed epochs that the hub has deleted.
    pub(crate) fn count_withdrawn(
        &self,
        counts: &BTreeMap<AgreementEpoch, u64>,
    ) -> Result<(), NodeError> {
        for (epoch, count) in counts {
            if let Some(mut closure) = self.tables.closures.get(epoch)? {
                closure.withdrawn += count;
                self.tables.closures.put(epoch, &closure)?;
            }
        }
        Ok(())
    }

    /// Where no row of a closed epoch is left here, asks the hub whether it holds exactly our rows.
    /// The key of the epoch is then forgotten.
    pub(crate) async fn confirm_closures(&self, hub: &HubClient) -> Result<(), NodeError> {
        let mut open = BTreeMap::new();
        for entry in self.tables.closures.iter() {
            let (epoch, closure) = entry?;
            if !closure.confirmed {
                open.insert(epoch, closure);
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        for entry in self.tables.rows.iter() {
            let (_, row) = entry?;
            open.remove(&row.epoch);
        }
        if open.is_empty() || hub.holdings().await? != self.expected_holdings()? {
            return Ok(());
        }
        for (epoch, mut closure) in open {
            tracing::info!(
                agreement = %closure.agreement,
                epoch = closure.number,
                before = closure.before,
                withdrawn = closure.withdrawn,
                "nothing of the old epoch is left at the hub"
            );
            closure.confirmed = true;
            // Of some a kill may have come between their end and the count.
            closure.withdrawn = closure.withdrawn.max(closure.before);
            self.tables.closures.put(&epoch, &closure)?;
            let digest = self.membership(|m| {
                let mut epochs = m.agreements.values().flat_map(|a| a.line.epochs());
                epochs.find(|(_, e)| e.id == epoch).map(|(_, e)| e.digest)
            });
            if let Some(digest) = digest {
                self.tables.agreement_keys.remove(&digest)?;
            }
        }
        self.vault.flush()
    }

    /// Whether records have to be brought in line with other audiences than they were.
    pub(super) fn audiences_changed(&self) -> Result<bool, NodeError> {
        let known = self.tables.numbers.get(&AUDIENCES.to_owned())?;
        Ok(known != Some(self.audiences_mark()?))
    }

    /// Writes down that they were.
    pub(crate) fn mark_audiences(&self) -> Result<(), NodeError> {
        let mark = self.audiences_mark()?;
        self.tables.numbers.put(&AUDIENCES.to_owned(), &mark)
    }

    fn audiences_mark(&self) -> Result<u64, NodeError> {
        let mut text = Vec::new();
        for audience in self.audiences() {
            text.extend_from_slice(&audience.epoch.0);
            for category in &audience.shares {
                text.extend_from_slice(category.to_string().as_bytes());
            }
            text.push(0);
        }
        let agency = &self.identity.agency;
        self.membership(|m| {
            for agreement in m.agreements.values() {
                let epochs = agreement.line.epochs().map(|(_, epoch)| epoch.id);
                let closed = epochs.filter(|id| agreement.line.is_closed_to(agency, id));
                closed.for_each(|id| text.extend_from_slice(&id.0));
            }
        });
        let digest = crypto::sha256(&text).0;
        let (first, _) = digest
            .split_first_chunk::<8>()
            .ok_or(NodeError::Internal("a digest without bytes"))?;
        Ok(u64::from_be_bytes(*first))
    }
}

/// Whether the hub took a statement; one that it refused came too late, and the next sync tells.
fn accepted(answer: Result<(), HubError>) -> Result<bool, NodeError> {
    match answer {
        Ok(()) => Ok(true),
        Err(HubError::Refused(reason)) => {
            tracing::warn!(%reason, "the hub did not take our statement about an agreement");
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}
