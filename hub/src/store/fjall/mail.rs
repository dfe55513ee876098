//! Mailboxes: numbered items, the last number kept for good.
//!
//! Notices of silent rows count apart from all others. Whether a mailbox is full for a peer says nothing of
//! them, so that nobody finds out who watches silently by filling it.

use crate::store::fjall::Read;
use symbolon_core::crypto;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;

use super::codec::{envelope_key, item_value, mail_key, parse_item};
use super::{Fault, Spaces, Write};
use crate::log::{Event, LogEntry};
use crate::store::{Item, StoreError};

const DAMAGED: Fault = Fault::Damaged("a mailbox is malformed");

/// The numbers of a mailbox.
#[derive(Clone, Copy, Default)]
pub struct MailboxState {
    /// The last sequence number that was ever given.
    pub last: u64,
    open: u64,
    silent: u64,
    /// Up to where it was acknowledged. Below lie only marks of what was deleted, which a scan would have
    /// to read through.
    taken: u64,
}

/// Whether others may find out that an item lies there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Towards the limit that peers meet.
    Openly,
    /// Apart: it is about a silent row.
    Silently,
}

impl MailboxState {
    pub fn read(read: &impl Read, spaces: &Spaces, member: &AgencyName) -> Result<Self, Fault> {
        match read.get(&spaces.mailboxes, member.as_str())? {
            None => Ok(Self::default()),
            Some(bytes) => Self::parse(&bytes),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        // An older store has the first two.
        let (last, open, silent, taken) = match (numbers, rest) {
            ([last, open], []) => (last, open, &[0; 8], &[0; 8]),
            ([last, open, silent, taken], []) => (last, open, silent, taken),
            _ => return Err(DAMAGED),
        };
        Ok(Self {
            last: u64::from_be_bytes(*last),
            open: u64::from_be_bytes(*open),
            silent: u64::from_be_bytes(*silent),
            taken: u64::from_be_bytes(*taken),
        })
    }

    fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.last, self.open, self.silent, self.taken];
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    pub(super) fn kept(&mut self, counts: Counts) -> &mut u64 {
        match counts {
            Counts::Openly => &mut self.open,
            Counts::Silently => &mut self.silent,
        }
    }
}

pub fn waiting(read: &impl Read, spaces: &Spaces) -> Result<u64, Fault> {
    read.iter(&spaces.mailboxes)
        .map(|guard| {
            let state = MailboxState::parse(&guard?.1)?;
            Ok(state.open.saturating_add(state.silent))
        })
        .sum()
}

pub fn deliveries(
    read: &impl Read,
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
            let (key, value) = guard?;
            let (_, sequence) = key.split_last_chunk::<8>().ok_or(DAMAGED)?;
            let item = parse_item(&value).ok_or(DAMAGED)?;
            Ok((u64::from_be_bytes(*sequence), item))
        })
        .collect()
}

impl Write<'_> {
    pub(super) fn mailbox(&mut self, member: &AgencyName) -> Result<&mut MailboxState, Fault> {
        if !self.mailboxes.contains_key(member) {
            let state = MailboxState::read(&self.tx, self.spaces, member)?;
            self.mailboxes.insert(member.clone(), state);
        }
        self.mailboxes.get_mut(member).ok_or(DAMAGED)
    }

    /// Whether a member's mailbox takes no more of what a peer can cause.
    pub fn is_full(
        &mut self,
        member: &AgencyName,
        counts: Counts,
        max_items: u64,
    ) -> Result<bool, Fault> {
        Ok(*self.mailbox(member)?.kept(counts) >= max_items)
    }

    /// Numbers an item and keeps it.
    pub fn post(&mut self, member: &AgencyName, counts: Counts, item: &Item) -> Result<u64, Fault> {
        let state = self.mailbox(member)?;
        state.last += 1;
        *state.kept(counts) += 1;
        let sequence = state.last;
        if counts == Counts::Silently {
            let marks = &self.spaces.silent_mail;
            self.tx.insert(marks, mail_key(member, sequence), []);
        }
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
            self.tx
                .insert(&self.spaces.mailboxes, member.as_str(), state.to_bytes());
        }
    }

    pub fn send(&mut self, envelope: &Envelope, max_items: u64, at: i64) -> Result<bool, Fault> {
        let key = envelope_key(envelope);
        if self.tx.contains_key(&self.spaces.envelopes, &key)? {
            return Ok(false);
        }
        if self.is_full(&envelope.to, Counts::Openly, max_items)? {
            let full = StoreError::MailboxFull(envelope.to.clone());
            return Err(Fault::Refused(full));
        }
        let sequence = self.post(
            &envelope.to,
            Counts::Openly,
            &Item::Envelope(envelope.clone()),
        )?;
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
        let MailboxState {
            last, taken: from, ..
        } = *self.mailbox(member)?;
        if up_to > last {
            return Err(Fault::Refused(StoreError::CursorAhead(last)));
        }
        if up_to <= from {
            return Ok(());
        }
        let range = mail_key(member, from + 1)..=mail_key(member, up_to);
        let taken = self
            .tx
            .range(&self.spaces.mail, range)
            .map(|guard| {
                let (key, value) = guard?;
                Ok((key, parse_item(&value).ok_or(DAMAGED)?))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        if taken.is_empty() {
            return Ok(());
        }
        let mut taken_of = [(Counts::Openly, 0), (Counts::Silently, 0)];
        let [(_, openly), (_, silently)] = &mut taken_of;
        for (key, item) in taken {
            if self.tx.contains_key(&self.spaces.silent_mail, &key)? {
                self.tx.remove(&self.spaces.silent_mail, &*key);
                *silently += 1;
            } else {
                *openly += 1;
            }
            self.tx.remove(&self.spaces.mail, key);
            if let Item::Envelope(envelope) = item {
                self.tx
                    .remove(&self.spaces.envelopes, envelope_key(&envelope));
            }
        }
        let state = self.mailbox(member)?;
        state.taken = up_to;
        for (counts, taken) in taken_of {
            let kept = state.kept(counts);
            *kept = kept.saturating_sub(taken);
        }
        self.log(&LogEntry {
            at,
            event: Event::Acknowledgement,
            member: Some(member.clone()),
            count: up_to,
            digest: None,
        })
    }
}
