//! Letters: what nodes write to each other, sealed in envelopes that the hub passes on unread.
//!
//! A letter goes into the outbox, in the vault, and leaves it when the hub has taken the envelope, so
//! that neither a restart nor an outage loses one, and they go in the order in which they were
//! written: one about an older state must not arrive last. It may come twice: whoever reads it sees to that.
//! A recipient whose mailbox is full holds up its own letters and nobody else's.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use symbolon_core::crypto;
use symbolon_core::envelope::{BUCKETS, Envelope, EnvelopeError};
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::dkg::Message;

use crate::casework::{CaseLetter, DisclosureLetter, EndingLetter, ParcelLetter};
use crate::comparison::ComparisonLetter;
use crate::custodian::repair;
use crate::error::NodeError;
use crate::hub_client::{HubClient, HubError};
use crate::keys::{Keys, Opened};
use crate::node::Node;
use crate::tables::{KeyTag, Secret, StoredEnvelope, Tables};

/// What envelopes between nodes carry.
#[derive(Serialize, Deserialize)]
#[serde(tag = "topic", content = "message", rename_all = "kebab-case")]
pub enum Letter {
    /// A message of a key generation.
    Dkg(Message),
    /// A message of a refresh of shares.
    Refresh {
        /// Custody epoch.
        epoch: u32,
        /// Generation of the shares that it starts from.
        base: u32,
        /// Generation that it makes.
        generation: u32,
        /// The message.
        message: Message,
    },
    /// A message of a repair.
    Repair(repair::RepairMessage),
    /// All rows of the sender are made under this custody epoch.
    RowsMade {
        /// Custody epoch.
        epoch: u32,
        /// The sender wants to know whether the recipient's are too.
        answer: bool,
    },
    /// About a case that two agencies work on.
    Case(Box<CaseLetter>),
    /// About a pair of records that is compared.
    Comparison(Box<ComparisonLetter>),
    /// About an attachment.
    Parcel(Box<ParcelLetter>),
    /// About what is asked for, and what is given.
    Disclosure(Box<DisclosureLetter>),
    /// Something that was shared is no more.
    Ending(Box<EndingLetter>),
}

/// The number of the next letter, behind all that wait.
pub(crate) fn next_number(tables: &Tables) -> Result<u64, NodeError> {
    let mut next = 1;
    for entry in tables.outbox.iter() {
        let (_, stored) = entry?;
        next = next.max(stored.number.saturating_add(1));
    }
    Ok(next)
}

impl Node {
    /// Puts a letter into the outbox; it goes when the hub takes it.
    pub(crate) fn post(&self, to: &AgencyName, letter: &Letter) -> Result<(), NodeError> {
        self.post_padded(to, letter, 0)
    }

    /// The same for letters of several kinds that must not be told apart by their size: each has
    /// `least` bytes or more before it is sealed.
    pub(crate) fn post_padded(
        &self,
        to: &AgencyName,
        letter: &Letter,
        least: usize,
    ) -> Result<(), NodeError> {
        self.put_out(KeyTag(crypto::random()?), to, letter, least)
    }

    /// The same under an id of the caller's: the hub takes it once while it waits for its recipient.
    pub(crate) fn post_as(
        &self,
        id: KeyTag,
        to: &AgencyName,
        letter: &Letter,
    ) -> Result<(), NodeError> {
        self.put_out(id, to, letter, 0)
    }

    fn put_out(
        &self,
        id: KeyTag,
        to: &AgencyName,
        letter: &Letter,
        least: usize,
    ) -> Result<(), NodeError> {
        let mut message = serde_json::to_vec(letter)
            .map_err(|_| NodeError::Internal("a letter cannot be serialised"))?;
        // White space behind it means nothing in JSON.
        message.resize(message.len().max(least), b' ');
        // One that no envelope holds would stand in the way of all behind it.
        let largest = BUCKETS.iter().max().copied().unwrap_or_default();
        if message.len() + 4 > largest {
            return Err(EnvelopeError::TooLarge(message.len()).into());
        }
        let envelope = StoredEnvelope {
            number: self.next_letter.fetch_add(1, Ordering::Relaxed),
            to: to.clone(),
            message: Secret(message),
        };
        self.tables.outbox.put(&id, &envelope)?;
        self.outbox_waits.notify_one();
        Ok(())
    }

    /// Letters that the hub has not taken yet.
    pub fn letters_waiting(&self) -> Result<u64, NodeError> {
        self.tables.outbox.len()
    }

    /// Hands everything in the outbox to the hub; gives whether something waits for a full mailbox.
    pub(crate) async fn empty_outbox(&self, hub: &HubClient) -> Result<bool, NodeError> {
        let mut full: BTreeSet<AgencyName> = BTreeSet::new();
        let mut waiting: Vec<_> = self.tables.outbox.iter().collect::<Result<_, _>>()?;
        waiting.sort_by_key(|(_, stored)| stored.number);
        for (id, stored) in waiting {
            // Behind one that waits the others wait too: they keep their order.
            if full.contains(&stored.to) {
                continue;
            }
            let keys = self.membership(|m| m.roster.active(&stored.to).map(|(_, k)| k.clone()));
            // Whoever is shut out gets nothing; the letter waits until it is let in again.
            let Some(keys) = keys else { continue };
            let seal = |own: &Keys| {
                let (from, to) = (&self.identity.agency, (&stored.to, &keys.encryption));
                Envelope::seal((from, &own.signing), to, id.0, &stored.message.0)
            };
            let own = self.keys();
            let mut sent = hub.send(seal(&own)?).await;
            if matches!(sent, Err(HubError::NotAccepted(_))) && self.rekeyed(hub, &own).await? {
                sent = hub.send(seal(&self.keys())?).await;
            }
            if sent == Err(HubError::MailboxFull) {
                tracing::warn!(to = %stored.to, "the mailbox is full; its letters wait");
                full.insert(stored.to);
                continue;
            }
            sent?;
            self.tables.outbox.remove(&id)?;
        }
        Ok(!full.is_empty())
    }

    /// Opens an envelope and does what it says. A bad one is logged with its sender and dropped.
    pub(crate) async fn read_envelope(
        &self,
        hub: &HubClient,
        envelope: &Envelope,
    ) -> Result<(), NodeError> {
        let from = &envelope.from;
        let mut opened = self.open_envelope(envelope)?;
        if matches!(opened, Some(Err(EnvelopeError::BadSignature))) {
            // The sender may have exchanged its keys since we last looked.
            self.sync_roster(hub).await?;
            opened = self.open_envelope(envelope)?;
        }
        let Some(opened) = opened else {
            tracing::warn!(%from, "envelope from somebody unknown or not for us; dropped");
            return Ok(());
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(%from, %error, "envelope refused");
                self.note_custody_fault(format!(
                    "an envelope that claims to be from {from} was refused: {error}"
                ));
                return Ok(());
            }
        };
        match serde_json::from_slice(&opened) {
            Ok(Letter::Dkg(message)) => self.dkg_message(hub, from, message).await,
            Ok(Letter::Refresh {
                epoch,
                base,
                generation,
                message,
            }) => {
                let which = (epoch, base, generation);
                self.refresh_message(hub, from, which, message).await
            }
            Ok(Letter::Repair(message)) => self.repair_message(from, message),
            Ok(Letter::RowsMade { epoch, answer }) => self.rows_made_at(from, epoch, answer),
            Ok(Letter::Case(letter)) => {
                let _work = self.work.lock().await;
                self.case_letter(from, *letter)
            }
            Ok(Letter::Comparison(letter)) => {
                let _work = self.work.lock().await;
                self.comparison_letter(from, *letter)
            }
            Ok(Letter::Parcel(letter)) => {
                let _work = self.work.lock().await;
                self.parcel_letter(from, *letter)
            }
            Ok(Letter::Disclosure(letter)) => {
                let _work = self.work.lock().await;
                self.disclosure_letter(from, *letter)
            }
            Ok(Letter::Ending(letter)) => {
                let _work = self.work.lock().await;
                self.ending_letter(from, *letter)
            }
            Err(_) => {
                tracing::warn!(%from, "envelope with a letter that this version does not know");
                Ok(())
            }
        }
    }

    /// The letter in an envelope; nothing if it is not for us or from nobody who is active.
    fn open_envelope(&self, envelope: &Envelope) -> Result<Option<Opened>, NodeError> {
        if envelope.to != self.identity.agency {
            return Ok(None);
        }
        let senders = self.sender_keys(&envelope.from)?;
        Ok(senders.map(|senders| self.keys().open_envelope(envelope, &senders)))
    }
}
