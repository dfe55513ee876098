//! Mailboxes: numbered items, the last number kept for good.
//!
//! A member's number comes from the line of its mailbox, which is held until the commit. So numbers
//! become visible in their order, and whoever has read up to one has missed nothing before it. Notices of
//! silent rows count apart from all others, as in the store on disk.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use symbolon_core::crypto;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;

use super::fault::Fault;
use super::names::member_id;
use super::tx::{Lines, Value, Write, ask, only, signed, unsigned};
use crate::log::{Event, LogEntry};
use crate::store::fjall::codec::{item_value, parse_item};
use crate::store::{Item, StoreError};

const DAMAGED: Fault = Fault::Damaged("a mailbox is malformed");

/// Whether others may find out that an item lies there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Towards the limit that peers meet.
    Openly,
    /// Apart: it is about a silent row.
    Silently,
}

/// A mailbox that is held.
struct Held {
    name: AgencyName,
    last: i64,
    open: i64,
    silent: i64,
    changed: bool,
}

impl Held {
    fn kept(&mut self, counts: Counts) -> &mut i64 {
        match counts {
            Counts::Openly => &mut self.open,
            Counts::Silently => &mut self.silent,
        }
    }
}

/// Mailboxes that a transaction holds, and what goes into them.
#[derive(Default)]
pub struct Mailboxes {
    held: BTreeMap<i64, Held>,
    items: Vec<(i64, i64, Counts, Vec<u8>)>,
}

pub async fn waiting(client: &impl GenericClient) -> Result<u64, Fault> {
    let all = "SELECT coalesce(sum(open + silent), 0)::bigint FROM mailboxes";
    let kept: i64 = only(ask(client, all, &[]).await?)?.try_get(0)?;
    Ok(unsigned(kept))
}

pub async fn last_sequence(client: &impl GenericClient, member: &AgencyName) -> Result<u64, Fault> {
    let last = "SELECT last FROM mailboxes WHERE member = $1";
    match ask(client, last, &[&member_id(member)]).await?.first() {
        None => Ok(0),
        Some(line) => Ok(unsigned(line.try_get(0)?)),
    }
}

pub async fn deliveries(
    client: &impl GenericClient,
    member: &AgencyName,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Item)>, Fault> {
    let page = "SELECT sequence, item FROM mail WHERE member = $1 AND sequence > $2
        ORDER BY sequence LIMIT $3";
    let (after, limit) = (signed(after), signed(limit as u64));
    let lines = ask(client, page, &[&member_id(member), &after, &limit]).await?;
    let items = lines.iter().map(|line| {
        let item = parse_item(line.try_get(1)?).ok_or(DAMAGED)?;
        Ok((unsigned(line.try_get(0)?), item))
    });
    items.collect()
}

impl Write<'_> {
    /// Holds mailboxes until the commit. All that a verb needs are held at once: their order is what
    /// keeps two verbs from waiting for each other.
    pub async fn hold_mailboxes(
        &mut self,
        members: impl IntoIterator<Item = i64>,
    ) -> Result<(), Fault> {
        let mut members: Vec<i64> = members.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        if members.is_empty() {
            return Ok(());
        }
        self.names
            .find_members(&self.tx, members.iter().copied())
            .await?;
        let held = "SELECT member, last, open, silent FROM mailboxes WHERE member = ANY($1)
            ORDER BY member FOR UPDATE";
        for line in self.ask(held, &[&members]).await? {
            let member = line.try_get(0)?;
            let held = Held {
                name: self.names.member(member)?,
                last: line.try_get(1)?,
                open: line.try_get(2)?,
                silent: line.try_get(3)?,
                changed: false,
            };
            self.mailboxes.held.insert(member, held);
        }
        if members
            .iter()
            .all(|member| self.mailboxes.held.contains_key(member))
        {
            Ok(())
        } else {
            Err(Fault::Forgotten)
        }
    }

    /// Whether a mailbox that is held takes no more of what a peer can cause.
    pub fn is_full(&mut self, member: i64, counts: Counts, most: u64) -> Result<bool, Fault> {
        let held = self.mailboxes.held.get_mut(&member).ok_or(DAMAGED)?;
        Ok(unsigned(*held.kept(counts)) >= most)
    }

    /// Numbers an item for a mailbox that is held.
    pub fn post(&mut self, member: i64, counts: Counts, item: &Item) -> Result<i64, Fault> {
        let held = self.mailboxes.held.get_mut(&member).ok_or(DAMAGED)?;
        held.last += 1;
        held.changed = true;
        *held.kept(counts) += 1;
        let sequence = held.last;
        if !self.woken.contains(&held.name) {
            self.woken.insert(held.name.clone());
        }
        self.work.items_posted += 1;
        let line = (member, sequence, counts, item_value(item));
        self.mailboxes.items.push(line);
        Ok(sequence)
    }

    /// Writes what was posted, and the lines that changed.
    pub async fn keep_mail(&mut self) -> Result<(), Fault> {
        let Mailboxes { held, items } = std::mem::take(&mut self.mailboxes);
        let mut lines = Lines::new(4);
        for (member, sequence, counts, item) in items {
            lines.push([
                Value::Long(member),
                Value::Long(sequence),
                Value::Bool(counts == Counts::Silently),
                Value::Bytes(&item),
            ]);
        }
        let mail = "COPY mail (member, sequence, silent, item) FROM STDIN WITH (FORMAT binary)";
        self.copy(mail, lines).await?;
        let changed = held.iter().filter(|(_, held)| held.changed);
        let (mut members, mut last) = (Vec::new(), Vec::new());
        let (mut open, mut silent) = (Vec::new(), Vec::new());
        for (member, held) in changed {
            members.push(*member);
            last.push(held.last);
            open.push(held.open);
            silent.push(held.silent);
        }
        if members.is_empty() {
            return Ok(());
        }
        let kept = "UPDATE mailboxes b SET last = u.last, open = u.open, silent = u.silent
            FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
                AS u(member, last, open, silent)
            WHERE b.member = u.member";
        self.run(kept, &[&members, &last, &open, &silent]).await?;
        Ok(())
    }

    pub async fn send(&mut self, envelope: &Envelope, most: u64, at: i64) -> Result<bool, Fault> {
        let (to, from) = (member_id(&envelope.to), member_id(&envelope.from));
        self.hold_mailboxes([to]).await?;
        let known = "SELECT 1 FROM envelopes WHERE recipient = $1 AND sender = $2 AND id = $3";
        let id = envelope.id.as_slice();
        if !self.ask(known, &[&to, &from, &id]).await?.is_empty() {
            return Ok(false);
        }
        if self.is_full(to, Counts::Openly, most)? {
            let full = StoreError::MailboxFull(envelope.to.clone());
            return Err(Fault::Refused(full));
        }
        let sequence = self.post(to, Counts::Openly, &Item::Envelope(envelope.clone()))?;
        let kept =
            "INSERT INTO envelopes (recipient, sender, id, sequence) VALUES ($1, $2, $3, $4)";
        self.run(kept, &[&to, &from, &id, &sequence]).await?;
        self.log(LogEntry {
            at,
            event: Event::Envelope,
            member: Some(envelope.from.clone()),
            count: 1,
            digest: Some(crypto::sha256(&envelope.sealed)),
        });
        Ok(true)
    }

    pub async fn acknowledge(
        &mut self,
        member: &AgencyName,
        up_to: u64,
        at: i64,
    ) -> Result<(), Fault> {
        let id = member_id(member);
        self.hold_mailboxes([id]).await?;
        let last = self.mailboxes.held.get(&id).map_or(0, |held| held.last);
        if up_to > unsigned(last) {
            return Err(Fault::Refused(StoreError::CursorAhead(unsigned(last))));
        }
        let cursor = signed(up_to);
        let taken = "WITH taken AS
                (DELETE FROM mail WHERE member = $1 AND sequence <= $2 RETURNING silent)
            SELECT count(*) FILTER (WHERE NOT silent), count(*) FILTER (WHERE silent) FROM taken";
        let taken = only(self.ask(taken, &[&id, &cursor]).await?)?;
        let (openly, silently): (i64, i64) = (taken.try_get(0)?, taken.try_get(1)?);
        if openly + silently == 0 {
            return Ok(());
        }
        let envelopes = "DELETE FROM envelopes WHERE recipient = $1 AND sequence <= $2";
        self.run(envelopes, &[&id, &cursor]).await?;
        if let Some(held) = self.mailboxes.held.get_mut(&id) {
            held.open = (held.open - openly).max(0);
            held.silent = (held.silent - silently).max(0);
            held.changed = true;
        }
        self.log(LogEntry {
            at,
            event: Event::Acknowledgement,
            member: Some(member.clone()),
            count: up_to,
            digest: None,
        });
        Ok(())
    }
}
