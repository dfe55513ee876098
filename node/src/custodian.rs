//! The custodian's role: takes part in key generations, holds a share, evaluates for members.
//!
//! A key generation begins by itself when the roster appoints this agency. Its messages travel as
//! envelopes between the custodians; its state lies sealed in the vault, so that a restart in between
//! loses nothing. Secrets of a finished run are deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use rand_core::OsRng;
use serde::{Deserialize, Serialize};
use symbolon_core::crypto;
use symbolon_core::custody::{Refusal, Request, Statement, StatementBody};
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::custodian::{Evaluation, evaluate};
use symbolon_core::oprf::dkg::{Dkg, Message, Outgoing};
use symbolon_core::oprf::threshold::KeyShare;
use symbolon_core::roster::Custody;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::error::NodeError;
use crate::hub_client::{Answer, HubClient, Task};
use crate::node::Node;
use crate::tables::{KeyTag, Secret, StoredEnvelope, StoredShare};

/// What envelopes between nodes carry.
#[derive(Serialize, Deserialize)]
#[serde(tag = "topic", content = "message", rename_all = "kebab-case")]
pub enum Letter {
    /// A message of a key generation.
    Dkg(Message),
}

/// Request ids that were answered, until they expire; refuses a repeated request.
#[derive(Default)]
pub struct Answered(BTreeMap<[u8; 16], i64>);

impl Answered {
    /// Bounded by what can be asked within a request's life; beyond it, nothing is answered.
    const MOST: usize = 100_000;

    fn first_time(&mut self, id: [u8; 16], expires_at: i64, now: i64) -> bool {
        if self.0.len() >= Self::MOST {
            self.0.retain(|_, expiry| *expiry >= now);
        }
        self.0.len() < Self::MOST && self.0.insert(id, expires_at).is_none()
    }
}

impl Node {
    /// Our custody and share index, if the roster appoints us now.
    pub(crate) fn own_custody(&self) -> Option<(Custody, u16)> {
        let custody = self.membership(|m| m.roster.custody.clone())?;
        let index = custody.index_of(&self.identity.agency)?;
        Some((custody, index))
    }

    /// Starts the key generation that the roster asks for, unless it runs or is done.
    pub(crate) fn begin_custody(&self) -> Result<(), NodeError> {
        let Some((custody, index)) = self.own_custody() else {
            return Ok(());
        };
        let done = self.tables.shares.contains(&custody.epoch)?;
        if done || self.tables.dkg.contains(&custody.entry)? {
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
            self.tables.shares.put(&custody.epoch, &stored)?;
            return self.vault.flush();
        }
        let size = custody.custodians.len() as u16;
        let (dkg, outgoing) =
            Dkg::start(custody.entry, index, custody.threshold, size, &mut OsRng)?;
        // The messages first: repeated ones change nothing, lost ones would.
        self.post_dkg(&custody, outgoing)?;
        self.tables.dkg.put(&custody.entry, &dkg)?;
        tracing::info!(epoch = custody.epoch, index, "key generation begun");
        self.vault.flush()
    }

    fn post_dkg(&self, custody: &Custody, outgoing: Outgoing) -> Result<(), NodeError> {
        for (index, message) in outgoing {
            let to = custody
                .custodian(index)
                .ok_or(NodeError::Internal("a message for a custodian who is none"))?;
            self.post(to, &Letter::Dkg(message))?;
        }
        Ok(())
    }

    /// Puts a letter into the outbox; it goes when the hub takes it.
    pub(crate) fn post(&self, to: &AgencyName, letter: &Letter) -> Result<(), NodeError> {
        let message = serde_json::to_vec(letter)
            .map_err(|_| NodeError::Internal("a letter cannot be serialised"))?;
        let id = KeyTag(crypto::random()?);
        let envelope = StoredEnvelope {
            to: to.clone(),
            message: Secret(message),
        };
        self.tables.outbox.put(&id, &envelope)?;
        self.outbox_waits.notify_one();
        Ok(())
    }

    /// Hands everything in the outbox to the hub.
    pub(crate) async fn empty_outbox(&self, hub: &HubClient) -> Result<(), NodeError> {
        let waiting: Vec<_> = self.tables.outbox.iter().collect::<Result<_, _>>()?;
        for (id, stored) in waiting {
            let keys = self.membership(|m| m.roster.active(&stored.to).map(|(_, k)| k.clone()));
            // Whoever is shut out gets nothing; the letter waits until it is let in again.
            let Some(keys) = keys else { continue };
            let envelope = Envelope::seal(
                (&self.identity.agency, &self.identity.signing),
                (&stored.to, &keys.encryption),
                id.0,
                &stored.message.0,
            )?;
            hub.send(envelope).await?;
            self.tables.outbox.remove(&id)?;
        }
        Ok(())
    }

    /// Opens an envelope and does what it says. A bad one is logged with its sender and dropped.
    pub(crate) async fn read_envelope(
        &self,
        hub: &HubClient,
        envelope: &Envelope,
    ) -> Result<(), NodeError> {
        let from = &envelope.from;
        let keys = self.membership(|m| m.roster.active(from).map(|(_, k)| k.clone()));
        let Some(keys) = keys.filter(|_| envelope.to == self.identity.agency) else {
            tracing::warn!(%from, "envelope from somebody unknown or not for us; dropped");
            return Ok(());
        };
        let opened = match envelope.open(&keys.signing, &self.identity.decryption) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(%from, %error, "envelope refused");
                return Ok(());
            }
        };
        match serde_json::from_slice(&opened) {
            Ok(Letter::Dkg(message)) => self.dkg_message(hub, from, message).await,
            Err(_) => {
                tracing::warn!(%from, "envelope with a letter that this version does not know");
                Ok(())
            }
        }
    }

    async fn dkg_message(
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
        let (Some(mut dkg), Some(sender)) = (self.tables.dkg.get(&run)?, custody.index_of(from))
        else {
            return Ok(()); // Finished already, or from somebody who is no custodian.
        };
        match dkg.receive(sender, message) {
            Ok(outgoing) => {
                self.post_dkg(&custody, outgoing)?;
                self.tables.dkg.put(&run, &dkg)?;
                self.vault.flush()?;
            }
            Err(error) => {
                tracing::error!(%from, %error, "key generation: message refused");
                return Ok(());
            }
        }
        self.finish_custody(hub).await
    }

    /// Ends a run whose messages are all there; publishes our statement of the key.
    pub(crate) async fn finish_custody(&self, hub: &HubClient) -> Result<(), NodeError> {
        let Some((custody, index)) = self.own_custody() else {
            return Ok(());
        };
        if let Some(dkg) = self.tables.dkg.get(&custody.entry)? {
            match dkg.outcome() {
                Ok(None) => return Ok(()),
                Ok(Some(outcome)) => {
                    let stored = StoredShare {
                        index,
                        secret: Secret(outcome.share.expose().as_bytes().to_vec()),
                        transcript: outcome.transcript,
                        key: outcome.key,
                    };
                    self.tables.shares.put(&custody.epoch, &stored)?;
                    self.tables.dkg.remove(&custody.entry)?;
                    self.vault.flush()?;
                    tracing::info!(epoch = custody.epoch, index, "key generation done");
                }
                Err(error) => {
                    tracing::error!(%error, "key generation failed; a new one must be appointed");
                    return Ok(());
                }
            }
        }
        let Some(share) = self.tables.shares.get(&custody.epoch)? else {
            return Ok(());
        };
        let stated = format!("stated custody epoch {}", custody.epoch);
        if self.tables.numbers.contains(&stated)? {
            return Ok(());
        }
        let body = StatementBody {
            custodian: self.identity.agency.clone(),
            entry: custody.entry,
            epoch: custody.epoch,
            transcript: share.transcript,
            key: share.key,
        };
        self.share_made.notify_one();
        let statement = Statement::new(&body, &self.identity.signing)?;
        hub.publish(statement).await?;
        self.tables.numbers.put(&stated, &1)
    }

    /// Evaluates with our own share, if we hold one of this epoch.
    pub(crate) fn evaluate_here(&self, request: &Request) -> Result<Evaluation, Refusal> {
        let stored = self.tables.shares.get(&request.epoch).ok().flatten();
        let stored = stored.ok_or(Refusal::NotReady)?;
        let share =
            KeyShare::from_bytes(stored.index, &stored.secret.0).map_err(|_| Refusal::NotReady)?;
        evaluate(&share, &request.quorum, &request.elements, &mut OsRng)
            .map_err(|_| Refusal::Malformed)
    }

    /// Stands on the line and answers until it breaks.
    pub(crate) async fn attend(self: &Arc<Self>, hub: &HubClient) -> Result<(), NodeError> {
        // One answer at a time is computed; a few may wait to be sent.
        let (answers, receiver) = mpsc::channel(8);
        let mut tasks = std::pin::pin!(hub.attend(ReceiverStream::new(receiver)).await?);
        let mut answered = Answered::default();
        while let Some(task) = tasks.next().await {
            let Task {
                number,
                request,
                signature,
            } = task?;
            let checked = self.check_task(&request, &signature, &mut answered);
            let outcome = match checked {
                Ok(request) => {
                    tracing::info!(
                        requester = %request.requester,
                        elements = request.elements.len() / 32,
                        "evaluation"
                    );
                    let node = Arc::clone(self);
                    let computed =
                        tokio::task::spawn_blocking(move || node.evaluate_here(&request)).await;
                    computed.unwrap_or(Err(Refusal::NotReady))
                }
                Err(refusal) => {
                    tracing::warn!(%refusal, "evaluation refused");
                    Err(refusal)
                }
            };
            if answers.send(Answer { number, outcome }).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn check_task(
        &self,
        request: &[u8],
        signature: &symbolon_core::crypto::Signature,
        answered: &mut Answered,
    ) -> Result<Request, Refusal> {
        let (custody, _) = self.own_custody().ok_or(Refusal::OtherEpoch)?;
        let now = self.clock.now();
        let request =
            self.membership(|m| Request::verify(request, signature, &m.roster, &custody, now))?;
        if !answered.first_time(request.id, request.expires_at, now) {
            return Err(Refusal::Repeated);
        }
        Ok(request)
    }
}
