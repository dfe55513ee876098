//! Key generations and refreshes, from the roster's entry or a custodian's wish to a stated key.
//!
//! A key generation begins by itself when the roster appoints this agency; a refresh begins when a
//! custodian asks for one, or when another custodian's first message of it comes. Both are the same
//! two rounds, and both end with a signed statement.
//!
//! A refresh makes a new *generation* of shares beside the old one. The old one goes on answering
//! until every custodian has stated the new one, and is then deleted; whoever asks names the
//! generation. So at each moment a custodian holds the old shares, or both, or the new ones, each
//! whole and with the public key that goes with it.
//!
//! A run keeps its messages until its shares are settled, and posts them again at every connection
//! and every half minute. Each has an id of its own for good, so that what still waits at the hub is
//! not doubled, and what came twice changes nothing.

use std::sync::{MutexGuard, PoisonError};

use rand_core::OsRng;
use symbolon_core::crypto;
use symbolon_core::custody::{AgreedKey, Statement, StatementBody};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::dkg::{Dkg, Message, Outgoing};
use symbolon_core::oprf::threshold::KeyShare;
use symbolon_core::roster::Custody;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::letters::Letter;
use crate::node::Node;
use crate::tables::{KeyTag, Secret, StoredRun, StoredShare};

/// Generations are numbered by whoever begins one, so that a failed one is simply passed over; a
/// number far ahead would use the numbers up.
const MAX_AHEAD: u32 = 16;

/// Which shares: custody epoch and generation.
pub(crate) type Place = (u32, u32);

impl Node {
    /// Starts the key generation that the roster asks for, unless it runs or is done.
    pub(crate) fn begin_custody(&self) -> Result<(), NodeError> {
        let _runs = self.hold_runs();
        let Some((custody, index)) = self.own_custody() else {
            return Ok(());
        };
        let place = (custody.epoch, 0);
        // A key that everybody has stated is there, even if our share of it is lost.
        let stated = self.agreed(custody.epoch).is_some();
        if stated || self.newest_share(custody.epoch)?.is_some() {
            return Ok(());
        }
        if self.tables.runs.contains(&place)? {
            return Ok(());
        }
        if custody.custodians.len() == 1 {
            let (share, key) = KeyShare::single(&mut OsRng);
            let transcript = crypto::digest("symbolon single custodian", &[&custody.entry.0]);
            let stored = StoredShare {
                index,
                secret: Secret(share.expose().as_bytes().to_vec()),
                transcript,
                key,
            };
            self.tables.shares.put(&place, &stored)?;
            return self.vault.flush();
        }
        let size = custody.custodians.len() as u16;
        let (dkg, messages) =
            Dkg::start(custody.entry, index, custody.threshold, size, &mut OsRng)?;
        self.keep_run(&custody, place, &StoredRun::new(0, dkg, messages))?;
        tracing::info!(epoch = custody.epoch, index, "key generation begun");
        Ok(())
    }

    /// Begins a refresh of the present key's shares; gives the new generation.
    pub(crate) fn begin_refresh(&self) -> Result<u32, NodeError> {
        let (custody, _) = self.own_custody().ok_or_else(|| {
            NodeError::Request(
                "this node is no custodian at present; a custodian begins a refresh".into(),
            )
        })?;
        let agreed = self.agreed(custody.epoch).ok_or_else(|| {
            NodeError::Request("there is no key yet whose shares could be refreshed".into())
        })?;
        let _runs = self.hold_runs();
        let mut last = agreed.generation;
        for entry in self.tables.runs.iter() {
            let ((epoch, generation), _) = entry?;
            if epoch == custody.epoch {
                last = last.max(generation);
            }
        }
        if let Some((generation, _)) = self.newest_share(custody.epoch)? {
            last = last.max(generation);
        }
        self.join_refresh(&custody, agreed.generation, last + 1)?;
        Ok(last + 1)
    }

    /// Draws our part of a refresh, unless we have.
    fn join_refresh(&self, custody: &Custody, base: u32, to: u32) -> Result<(), NodeError> {
        let place = (custody.epoch, to);
        if self.tables.runs.contains(&place)? || self.tables.shares.contains(&place)? {
            return Ok(());
        }
        let Some(stored) = self.tables.shares.get(&(custody.epoch, base))? else {
            return Err(NodeError::Request(
                "this custodian's own share is lost; repair it first with `symbolon-node custody repair`".into(),
            ));
        };
        let share = KeyShare::from_bytes(stored.index, &stored.secret.0)?;
        let run = refresh_run(custody, base, to);
        let (dkg, messages) = Dkg::refresh(run, &share, &stored.key, &mut OsRng)?;
        tracing::info!(
            epoch = custody.epoch,
            base,
            to,
            "refresh of the shares begun"
        );
        self.keep_run(custody, place, &StoredRun::new(base, dkg, messages))
    }

    /// Whoever changes runs or shares holds this: commands and deliveries come at one time.
    pub(crate) fn hold_runs(&self) -> MutexGuard<'_, ()> {
        self.custody_runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a run down, and only then posts its messages.
    fn keep_run(&self, custody: &Custody, place: Place, run: &StoredRun) -> Result<(), NodeError> {
        self.tables.runs.put(&place, run)?;
        self.vault.flush()?;
        self.post_run(custody, place, run)
    }

    fn post_run(&self, custody: &Custody, place: Place, run: &StoredRun) -> Result<(), NodeError> {
        for (index, message) in &run.messages {
            let to = custody
                .custodian(*index)
                .ok_or(NodeError::Internal("a message for a custodian who is none"))?;
            let id = message_id(*index, message);
            let message = message.clone();
            let letter = match place {
                (_, 0) => Letter::Dkg(message),
                (epoch, generation) => Letter::Refresh {
                    epoch,
                    base: run.base,
                    generation,
                    message,
                },
            };
            self.post_as(id, to, &letter)?;
        }
        self.vault.flush()
    }

    /// Posts the messages of every run again that is not settled.
    pub(crate) fn repeat_runs(&self) -> Result<(), NodeError> {
        let Some((custody, _)) = self.own_custody() else {
            return Ok(());
        };
        let _runs = self.hold_runs();
        for entry in self.tables.runs.iter() {
            let (place, run) = entry?;
            if place.0 == custody.epoch {
                self.post_run(&custody, place, &run)?;
            }
        }
        Ok(())
    }

    pub(crate) async fn dkg_message(
        &self,
        hub: &HubClient,
        from: &AgencyName,
        message: Message,
    ) -> Result<(), NodeError> {
        let (Message::Round1 { run, .. } | Message::Round2 { run, .. }) = &message;
        let run = *run;
        if self
            .own_custody()
            .is_none_or(|(custody, _)| custody.entry != run)
        {
            // The sender may have seen a roster entry that we have not.
            self.sync_roster(hub).await?;
        }
        let current = self
            .own_custody()
            .filter(|(custody, _)| custody.entry == run);
        let Some((custody, _)) = current else {
            tracing::warn!(%from, "message of a key generation that the roster does not ask for");
            return Ok(());
        };
        self.begin_custody()?;
        {
            let _runs = self.hold_runs();
            self.run_message(&custody, (custody.epoch, 0), from, message)?;
        }
        self.finish_custody(hub).await
    }

    pub(crate) async fn refresh_message(
        &self,
        hub: &HubClient,
        from: &AgencyName,
        (epoch, base, generation): (u32, u32, u32),
        message: Message,
    ) -> Result<(), NodeError> {
        let Some((custody, _)) = self.own_custody().filter(|(c, _)| c.epoch == epoch) else {
            tracing::warn!(%from, "message of a refresh of another key; dropped");
            return Ok(());
        };
        if self.agreed(epoch).is_none_or(|a| a.generation != base) {
            // The sender may have seen statements that we have not.
            self.sync_membership(hub).await?;
        }
        let agreed = self.agreed(epoch).map(|agreed| agreed.generation);
        let ahead = generation.saturating_sub(base);
        if agreed != Some(base) || !(1..=MAX_AHEAD).contains(&ahead) {
            tracing::info!(%from, base, generation, "message of a refresh from other shares; dropped");
            return Ok(());
        }
        if custody.index_of(from).is_none() {
            return Ok(());
        }
        {
            let _runs = self.hold_runs();
            if let Err(error) = self.join_refresh(&custody, base, generation) {
                tracing::error!(%from, %error, "a refresh cannot be joined");
                return Ok(());
            }
            self.run_message(&custody, (epoch, generation), from, message)?;
        }
        self.finish_custody(hub).await
    }

    /// Takes one message of a run in.
    fn run_message(
        &self,
        custody: &Custody,
        place: Place,
        from: &AgencyName,
        message: Message,
    ) -> Result<(), NodeError> {
        let (Some(mut run), Some(sender)) = (self.tables.runs.get(&place)?, custody.index_of(from))
        else {
            return Ok(()); // Settled already, or from somebody who is no custodian.
        };
        let Some(dkg) = &mut run.dkg else {
            return Ok(()); // Our share is made.
        };
        match dkg.receive(sender, message) {
            Ok(outgoing) if outgoing.is_empty() => {
                self.tables.runs.put(&place, &run)?;
                self.vault.flush()
            }
            Ok(outgoing) => {
                run.messages.extend(outgoing);
                self.keep_run(custody, place, &run)
            }
            Err(error) => {
                tracing::error!(%from, %error, "key generation or refresh: message refused");
                self.note_custody_fault(format!(
                    "{from} cheated or erred in making shares: {error}"
                ));
                Ok(())
            }
        }
    }

    /// Ends runs whose messages are all there; publishes our statements of the shares that we hold.
    pub(crate) async fn finish_custody(&self, hub: &HubClient) -> Result<(), NodeError> {
        let Some((custody, _)) = self.own_custody() else {
            return Ok(());
        };
        self.end_runs(&custody)?;
        let mut held = Vec::new();
        for entry in self.tables.shares.iter() {
            let (place, share) = entry?;
            if place.0 == custody.epoch {
                held.push((place.1, share));
            }
        }
        held.sort_by_key(|(generation, _)| *generation);
        for (generation, share) in held {
            let stated = format!(
                "stated custody epoch {} generation {generation}",
                custody.epoch
            );
            // What all have stated, we have too, perhaps before a share was lost and came back.
            let agreed = self.agreed(custody.epoch);
            let by_all = agreed.is_some_and(|agreed| agreed.generation >= generation);
            if by_all || self.tables.numbers.contains(&stated)? {
                continue;
            }
            let body = StatementBody {
                custodian: self.identity.agency.clone(),
                entry: custody.entry,
                epoch: custody.epoch,
                generation,
                transcript: share.transcript,
                key: share.key,
            };
            self.share_made.notify_one();
            let statement = Statement::new(&body, &self.keys().signing)?;
            hub.publish(statement).await?;
            self.tables.numbers.put(&stated, &1)?;
        }
        Ok(())
    }

    fn end_runs(&self, custody: &Custody) -> Result<(), NodeError> {
        let _runs = self.hold_runs();
        for entry in self.tables.runs.iter() {
            let (place, mut run) = entry?;
            let Some(dkg) = run.dkg.as_ref().filter(|_| place.0 == custody.epoch) else {
                continue;
            };
            match dkg.outcome() {
                Ok(None) => {}
                Ok(Some(outcome)) => {
                    let stored = StoredShare {
                        index: outcome.share.index(),
                        secret: Secret(outcome.share.expose().as_bytes().to_vec()),
                        transcript: outcome.transcript,
                        key: outcome.key,
                    };
                    // The new share, whole, before what could make it again goes.
                    self.tables.shares.put(&place, &stored)?;
                    self.vault.flush()?;
                    run.dkg = None;
                    self.tables.runs.put(&place, &run)?;
                    self.vault.flush()?;
                    tracing::info!(epoch = place.0, generation = place.1, "shares made");
                }
                Err(error) => {
                    tracing::error!(%error, "key generation or refresh failed");
                    self.note_custody_fault(self.name_culprit(custody, &error));
                }
            }
        }
        Ok(())
    }

    /// Every custodian has stated a generation: older shares and what would be made of them go.
    pub(crate) fn settle_shares(&self, epoch: u32, agreed: &AgreedKey) -> Result<(), NodeError> {
        let _runs = self.hold_runs();
        // Whoever has lost its new share keeps what it has; it is told to repair.
        if !self.tables.shares.contains(&(epoch, agreed.generation))? {
            return Ok(());
        }
        let mut changed = false;
        let shares: Vec<_> = self.tables.shares.iter().collect::<Result<_, _>>()?;
        for (place, _) in shares {
            if place.0 == epoch && place.1 < agreed.generation {
                self.tables.shares.remove(&place)?;
                changed = true;
                tracing::info!(epoch, generation = place.1, "old share deleted");
            }
        }
        let runs: Vec<_> = self.tables.runs.iter().collect::<Result<_, _>>()?;
        for (place, run) in runs {
            if place.0 == epoch && (place.1 <= agreed.generation || run.base < agreed.generation) {
                self.tables.runs.remove(&place)?;
                changed = true;
            }
        }
        if changed {
            self.forget_custody_fault();
            self.vault.flush()?;
        }
        Ok(())
    }

    /// The newest share of an epoch that we hold.
    pub(crate) fn newest_share(&self, epoch: u32) -> Result<Option<(u32, StoredShare)>, NodeError> {
        let mut newest: Option<(u32, StoredShare)> = None;
        for entry in self.tables.shares.iter() {
            let ((of, generation), share) = entry?;
            if of == epoch && newest.as_ref().is_none_or(|(known, _)| *known < generation) {
                newest = Some((generation, share));
            }
        }
        Ok(newest)
    }
}

impl StoredRun {
    fn new(base: u32, dkg: Dkg, messages: Outgoing) -> Self {
        let dkg = Some(dkg);
        Self {
            base,
            dkg,
            messages,
        }
    }
}

/// The same for the same message, however often it is posted.
fn message_id(recipient: u16, message: &Message) -> KeyTag {
    let (round, run) = match message {
        Message::Round1 { run, .. } => (1, run),
        Message::Round2 { run, .. } => (2, run),
    };
    let fields: [&[u8]; 3] = [&run.0, &recipient.to_be_bytes(), &[round]];
    let digest = crypto::digest("symbolon custody message v1", &fields);
    let mut id = [0; 16];
    id.copy_from_slice(&digest.0[..16]);
    KeyTag(id)
}

/// What binds a refresh: the appointment, the shares it starts from, the generation it makes.
fn refresh_run(custody: &Custody, base: u32, to: u32) -> Digest {
    let (base, to) = (base.to_be_bytes(), to.to_be_bytes());
    crypto::digest("symbolon refresh v1", &[&custody.entry.0, &base, &to])
}
