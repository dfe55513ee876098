//! Mailboxes: numbered items, the last number kept for good.

use fjall::Readable;
use symbolon_core::crypto;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;

use super::codec::{envelope_key, item_value, mail_key, member_prefix, parse_item};
use super::{Fault, Spaces, Write};
use crate::log::{Event, LogEntry};
use crate::store::{Item, StoreError};

const DAMAGED: Fault = Fault::Damaged("a mailbox is malformed");

/// The last sequence number that was ever given, and how many items are kept.
#[derive(Clone, Copy, Default)]
pub struct MailboxState {
    pub last: u64,
    pub kept: u64,
}

impl MailboxState {
    pub fn read(read: &impl Readable, spaces: &Spaces, member: &AgencyName) -> Result<Self, Fault> {
        match read.get(&spaces.mailboxes, member.as_str())? {
            None => Ok(Self::default()),
            Some(bytes) => Self::parse(&bytes),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let (last, kept) = bytes.split_first_chunk::<8>().ok_or(DAMAGED)?;
        Ok(Self {
            last: u64::from_be_bytes(*last),
            kept: u64::from_be_bytes(kept.try_into().map_err(|_| DAMAGED)?),
        })
    }
}

pub fn waiting(read: &impl Readable, spaces: &Spaces) -> Result<u64, Fault> {
    read.iter(&spaces.mailboxes)
        .map(|guard| Ok(MailboxState::parse(&guard.value()?)?.kept))
        .sum()
}

pub fn deliveries(
    read: &impl Readable,
    spaces: &Spaces,
    member: &AgencyName,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Item)>, Fault> {
    let from = mail_key(member, after.saturating_add(1));
    let to = mail_key(member, u64::MAX);
    read.range(&spaces.mail, from..=to)
        .take(limit)
        .map(|guard| {
            let (key, value) = guard.into_inner()?;
            let (_, sequence) = key.split_last_chunk::<8>().ok_or(DAMAGED)?;
            let item = parse_item(&value).ok_or(DAMAGED)?;
            Ok((u64::from_be_bytes(*sequence), item))
        })
        .collect()
}

impl Write<'_> {
    fn mailbox(&mut self, member: &AgencyName) -> Result<&mut MailboxState, Fault> {
        if !self.mailboxes.contains_key(member) {
            let state = MailboxState::read(&self.tx, self.spaces, member)?;
            self.mailboxes.insert(member.clone(), state);
        }
        self.mailboxes.get_mut(member).ok_or(DAMAGED)
    }

    /// Whether a member's mailbox takes no more of what a peer can cause.
    pub fn is_full(&mut self, member: &AgencyName, max_items: u64) -> Result<bool, Fault> {
        Ok(self.mailbox(member)?.kept >= max_items)
    }

    /// Numbers an item and keeps it.
    pub fn post(&mut self, member: &AgencyName, item: &Item) -> Result<u64, Fault> {
        let state = self.mailbox(member)?;
        state.last += 1;
        state.kept += 1;
        let sequence = state.last;
        self.work.items_posted += 1;
        self.woken.insert(member.clone());
        let mail = &self.spaces.mail;
        self.tx
            .insert(mail, mail_key(member, sequence), item_value(item));
        Ok(sequence)
    }

    /// Writes back the states that this transaction changed.
    pub fn keep_mailboxes(&mut self) {
        for (member, state) in std::mem::take(&mut self.mailboxes) {
            let mut value = state.last.to_be_bytes().to_vec();
            value.extend_from_slice(&state.kept.to_be_bytes());
            self.tx
                .insert(&self.spaces.mailboxes, member.as_str(), value);
        }
    }

    pub fn send(&mut self, envelope: &Envelope, max_items: u64, at: i64) -> Result<bool, Fault> {
        let key = envelope_key(envelope);
        if self.tx.contains_key(&self.spaces.envelopes, &key)? {
            return Ok(false);
        }
        if self.is_full(&envelope.to, max_items)? {
            let full = StoreError::MailboxFull(envelope.to.clone());
            return Err(Fault::Refused(full));
        }
        let sequence = self.post(&envelope.to, &Item::Envelope(envelope.clone()))?;
        let envelopes = &self.spaces.envelopes;
        self.tx.insert(envelopes, key, sequence.to_be_bytes());
        self.log(&LogEntry {
            at,
            event: Event::Envelope,
            member: Some(envelope.from.clone()),
            count: 1,
            digest: Some(crypto::sha256(&envelope.sealed)),
        })?;
        Ok(true)
    }

    pub fn acknowledge(&mut self, member: &AgencyName, up_to: u64, at: i64) -> Result<(), Fault> {
        let last = self.mailbox(member)?.last;
        if up_to > last {
            return Err(Fault::Refused(StoreError::CursorAhead(last)));
        }
        let range = member_prefix(member)..=mail_key(member, up_to);
        let taken = self
            .tx
            .range(&self.spaces.mail, range)
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                Ok((key, parse_item(&value).ok_or(DAMAGED)?))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        if taken.is_empty() {
            return Ok(());
        }
        let count = taken.len() as u64;
        for (key, item) in taken {
            self.tx.remove(&self.spaces.mail, key);
            if let Item::Envelope(envelope) = item {
                self.tx
                    .remove(&self.spaces.envelopes, envelope_key(&envelope));
            }
        }
        let state = self.mailbox(member)?;
        state.kept = state.kept.saturating_sub(count);
        self.log(&LogEntry {
            at,
            event: Event::Acknowledgement,
            member: Some(member.clone()),
            count: up_to,
            digest: None,
        })
    }
}
