//! Repair: a custodian that has lost its share gets it made again by as many others as evaluate.
//!
//! The one who lost it asks; each helper sends a value to each other helper, adds up what it got and
//! sends the sum to the one who asked, who takes the share only if it fits its public share. Nobody
//! but the one whose share it is ever holds it, so helpers help whoever the roster appoints without
//! asking a person: see [`symbolon_core::oprf::repair`].

use std::collections::BTreeMap;

use rand_core::OsRng;
use serde::{Deserialize, Serialize};
use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::dkg::Bytes;
use symbolon_core::oprf::repair;
use symbolon_core::oprf::threshold::KeyShare;
use symbolon_core::roster::Custody;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::letters::Letter;
use crate::node::Node;
use crate::tables::{KeyTag, Secret, StoredRepair, StoredShare};

/// A message of a repair.
#[derive(Serialize, Deserialize)]
pub struct RepairMessage {
    epoch: u32,
    generation: u32,
    /// Drawn by the one who lost its share.
    run: KeyTag,
    /// Whose share is made again.
    lost: u16,
    helpers: Vec<u16>,
    step: Step,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// To each helper, from the one who lost its share.
    Ask,
    /// From helper to helper.
    Part(Bytes),
    /// From each helper to the one who lost its share.
    Sum(Bytes),
}

impl Node {
    /// Asks others to make our lost share again; gives whom.
    pub(crate) async fn begin_repair(&self, hub: &HubClient) -> Result<Vec<AgencyName>, NodeError> {
        let refuse = |reason: &str| Err(NodeError::Request(reason.to_owned()));
        let Some((custody, index)) = self.own_custody() else {
            return refuse("this node is no custodian at present; it has no share to repair");
        };
        let Some(agreed) = self.agreed(custody.epoch) else {
            return refuse(
                "there is no key yet; its generation goes on by itself, nothing is to be repaired",
            );
        };
        let generation = agreed.generation;
        if self.tables.shares.contains(&(custody.epoch, generation))? {
            return refuse("this node has its share; nothing is to be repaired");
        }
        let needed = usize::from(custody.threshold);
        if custody.custodians.len() <= needed {
            return refuse(
                "every custodian's share is needed to make one again; restore a backup, or have the administrator appoint custodians anew",
            );
        }
        let mut helpers: BTreeMap<u16, AgencyName> = BTreeMap::new();
        for name in hub.attendance().await? {
            if let Some(at) = custody.index_of(&name).filter(|at| *at != index)
                && helpers.len() < needed
            {
                helpers.insert(at, name);
            }
        }
        if helpers.len() < needed {
            return Err(NodeError::Waiting(format!(
                "{needed} other custodians must be on the line to make the share again, and {} are; try again when they are back",
                helpers.len()
            )));
        }
        let stored = StoredRepair {
            run: KeyTag(crypto::random()?),
            generation,
            helpers: helpers.keys().copied().collect(),
            received: BTreeMap::new(),
            unsent: Vec::new(),
        };
        let _runs = self.hold_runs();
        self.tables.repairs.put(&(custody.epoch, index), &stored)?;
        self.vault.flush()?;
        for name in helpers.values() {
            let message = stored.message((custody.epoch, index), Step::Ask);
            self.post(name, &Letter::Repair(message))?;
        }
        Ok(helpers.into_values().collect())
    }

    pub(crate) fn repair_message(
        &self,
        from: &AgencyName,
        message: RepairMessage,
    ) -> Result<(), NodeError> {
        let fits = self.own_custody().and_then(|(custody, own)| {
            let sender = custody.index_of(from)?;
            let agreed = self.agreed(custody.epoch)?;
            let present = custody.epoch == message.epoch && agreed.generation == message.generation;
            let helper = message.helpers.contains(&sender);
            let sound = match message.step {
                Step::Ask => sender == message.lost && message.helpers.contains(&own),
                Step::Part(_) => helper && message.helpers.contains(&own),
                Step::Sum(_) => helper && own == message.lost,
            };
            (present && sound).then_some((custody, own, sender))
        });
        let Some((custody, own, sender)) = fits else {
            tracing::warn!(%from, "message of a repair that does not fit; dropped");
            return Ok(());
        };
        let _runs = self.hold_runs();
        let done = match message.step {
            Step::Ask => self.help(&custody, own, &message),
            Step::Part(ref part) => self.take_part(&custody, (own, sender), &message, part),
            Step::Sum(ref sum) => self.take_sum(&custody, (own, sender), &message, sum),
        };
        match done {
            Err(NodeError::Repair(error)) => {
                tracing::error!(%from, %error, "repair of a share failed");
                self.note_custody_fault(format!("repair of a share failed: {error}"));
                Ok(())
            }
            other => other,
        }
    }

    /// Step 1, at a helper.
    fn help(&self, custody: &Custody, own: u16, message: &RepairMessage) -> Result<(), NodeError> {
        let place = (message.epoch, message.lost);
        let mut stored = self.repair_of(message)?;
        if !stored.received.contains_key(&own) {
            let share = self
                .tables
                .shares
                .get(&(message.epoch, message.generation))?;
            let Some(share) = share else {
                tracing::warn!("asked to help in a repair without a share of our own");
                return Ok(());
            };
            let secret = KeyShare::from_bytes(own, &share.secret.0)?;
            let mut parts = repair::deltas(
                &stored.helpers,
                message.lost,
                &secret,
                &share.key,
                &mut OsRng,
            )?;
            stored.received.extend(parts.remove_entry(&own));
            stored.unsent = parts.into_iter().collect();
            self.tables.repairs.put(&place, &stored)?;
            self.vault.flush()?;
            tracing::info!(lost = message.lost, "helping to make a share again");
        }
        for (to, part) in std::mem::take(&mut stored.unsent) {
            let letter = stored.message(place, Step::Part(part));
            self.post(named(custody, to)?, &Letter::Repair(letter))?;
        }
        self.vault.flush()?;
        self.tables.repairs.put(&place, &stored)?;
        self.send_sum(custody, place, &stored)
    }

    /// Step 2, at a helper.
    fn take_part(
        &self,
        custody: &Custody,
        (_, sender): (u16, u16),
        message: &RepairMessage,
        part: &Bytes,
    ) -> Result<(), NodeError> {
        let place = (message.epoch, message.lost);
        let mut stored = self.repair_of(message)?;
        stored
            .received
            .entry(sender)
            .or_insert_with(|| part.clone());
        self.tables.repairs.put(&place, &stored)?;
        self.send_sum(custody, place, &stored)
    }

    fn send_sum(
        &self,
        custody: &Custody,
        place: (u32, u16),
        stored: &StoredRepair,
    ) -> Result<(), NodeError> {
        if stored.received.len() < stored.helpers.len() {
            return self.vault.flush();
        }
        let sum = repair::sigma(stored.received.values())?;
        let letter = stored.message(place, Step::Sum(sum));
        self.post(named(custody, place.1)?, &Letter::Repair(letter))?;
        self.tables.repairs.remove(&place)?;
        self.vault.flush()
    }

    /// Step 3, at the one who lost its share.
    fn take_sum(
        &self,
        custody: &Custody,
        (own, sender): (u16, u16),
        message: &RepairMessage,
        sum: &Bytes,
    ) -> Result<(), NodeError> {
        let place = (custody.epoch, own);
        let stored = self.tables.repairs.get(&place)?;
        let Some(mut stored) = stored.filter(|stored| stored.run == message.run) else {
            return Ok(()); // Done already, or of an earlier attempt.
        };
        stored.received.insert(sender, sum.clone());
        if stored.received.len() < stored.helpers.len() {
            self.tables.repairs.put(&place, &stored)?;
            return self.vault.flush();
        }
        // Whatever comes out, this attempt is over.
        self.tables.repairs.remove(&place)?;
        let Some(agreed) = self.agreed(custody.epoch) else {
            return Ok(());
        };
        let share = repair::repaired(stored.received.values(), own, &agreed.key)?;
        let stored = StoredShare {
            index: own,
            secret: Secret(share.expose().as_bytes().to_vec()),
            transcript: agreed.transcript,
            key: agreed.key,
        };
        let place = (custody.epoch, agreed.generation);
        self.tables.shares.put(&place, &stored)?;
        self.vault.flush()?;
        self.share_made.notify_one();
        self.forget_custody_fault();
        tracing::info!(epoch = place.0, generation = place.1, "share made again");
        Ok(())
    }

    /// What we have of a repair; another attempt takes the place of one before.
    fn repair_of(&self, message: &RepairMessage) -> Result<StoredRepair, NodeError> {
        let known = self.tables.repairs.get(&(message.epoch, message.lost))?;
        Ok(known
            .filter(|known| known.run == message.run && known.helpers == message.helpers)
            .unwrap_or_else(|| StoredRepair {
                run: message.run,
                generation: message.generation,
                helpers: message.helpers.clone(),
                received: BTreeMap::new(),
                unsent: Vec::new(),
            }))
    }
}

impl StoredRepair {
    fn message(&self, (epoch, lost): (u32, u16), step: Step) -> RepairMessage {
        RepairMessage {
            epoch,
            generation: self.generation,
            run: self.run,
            lost,
            helpers: self.helpers.clone(),
            step,
        }
    }
}

fn named(custody: &Custody, index: u16) -> Result<&AgencyName, NodeError> {
    custody
        .custodian(index)
        .ok_or(NodeError::Internal("a message for a custodian who is none"))
}
