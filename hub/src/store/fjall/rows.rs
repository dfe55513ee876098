//! Rows: the join. Withdrawal and expiry are in `removal`, silent rows in `silent`.
//!
//! The number of live rows of each token is kept with the first of them (`places`), so that a token that
//! nobody else has, the usual case, is found out in memory, and a common one is never read through.
//!
//! Nothing here looks at a silent row while somebody waits for an answer: they lie in keyspaces of
//! their own, count for no limit that others meet, and their owners are told later. So a silent hit
//! costs what a miss costs because it is the same work.

pub mod places;
mod removal;
mod silent;
mod untold;

use crate::store::fjall::Read;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{self, Handle, Holdings, Row};

use super::codec::{
    self, HandlePlace, Place, StoredRow, handle_value, link_key, link_value, member_handle,
    member_prefix, parse_handle_value, parse_member_handle, split_place,
};
use super::mail::Counts;
use super::{Fault, Spaces, Write};
use crate::log::{Event, LogEntry};
use crate::store::{Batch, Hit, Item, Queried, StoreError, Submitted};
pub(super) use silent::done_of;
pub use silent::nothing_to_tell;
pub(super) use untold::{UNSAID, Untold};

/// Most notices of one batch: at about 250 bytes each and two for a pair, 50 MB in memory.
const MAX_NOTICES: usize = 200_000;

/// Rows whose keys are brought to hand at once.
const AHEAD: usize = 64;

const DAMAGED: Fault = Fault::Damaged("a row is malformed");

/// What a handle says of its row.
pub(super) fn held(
    read: &impl Read,
    spaces: &Spaces,
    member: &AgencyName,
    handle: &Handle,
) -> Result<Option<HandlePlace>, Fault> {
    let value = read.get(&spaces.handles, member_handle(member, handle))?;
    let value = value.map(|value| parse_handle_value(&value).ok_or(DAMAGED));
    value.transpose()
}

pub fn holdings(read: &impl Read, spaces: &Spaces, member: &AgencyName) -> Result<Holdings, Fault> {
    match read.get(&spaces.holdings, member.as_str())? {
        None => Ok(Holdings::default()),
        Some(bytes) => Holdings::from_bytes(&bytes).ok_or(DAMAGED),
    }
}

pub fn recount(read: &impl Read, spaces: &Spaces, member: &AgencyName) -> Result<Holdings, Fault> {
    let mut counted = Holdings::default();
    for guard in read.prefix(&spaces.handles, member_prefix(member)) {
        let (key, value) = guard?;
        let (_, handle) = parse_member_handle(&key).ok_or(DAMAGED)?;
        let HandlePlace { place, .. } = parse_handle_value(&value).ok_or(DAMAGED)?;
        counted.add(&fingerprint(&place, &handle)?);
    }
    Ok(counted)
}

pub fn handles(
    read: &impl Read,
    spaces: &Spaces,
    member: &AgencyName,
    after: Option<Handle>,
    limit: usize,
) -> Result<Vec<Handle>, Fault> {
    use std::ops::Bound::{Excluded, Included};
    let prefix = member_prefix(member);
    let from = match after {
        None => Included(prefix),
        Some(handle) => Excluded(member_handle(member, &handle)),
    };
    let to = Included(member_handle(member, &Handle([0xff; 16])));
    read.range::<Vec<u8>>(&spaces.handles, (from, to))
        .take(limit)
        .map(|guard| {
            let (_, handle) = parse_member_handle(&guard?.0).ok_or(DAMAGED)?;
            Ok(handle)
        })
        .collect()
}

fn fingerprint(place: &Place, handle: &Handle) -> Result<[u8; 32], Fault> {
    let (epoch, token) = split_place(place).ok_or(DAMAGED)?;
    Ok(row::fingerprint(&epoch, &token, handle))
}

impl Write<'_> {
    pub fn submit(&mut self, batch: &Batch) -> Result<Submitted, Fault> {
        let mut holdings = holdings(&self.tx, self.spaces, &batch.member)?;
        let before = holdings.count;
        let mut open = Vec::new();
        let keys: Vec<Vec<u8>> = batch
            .rows
            .iter()
            .map(|row| member_handle(&batch.member, &row.handle))
            .collect();
        for (number, (row, key)) in batch.rows.iter().zip(&keys).enumerate() {
            if number.is_multiple_of(AHEAD) {
                self.look_ahead(batch.rows.iter().zip(&keys).skip(number).take(AHEAD));
            }
            let may_be = self.known.may_have_handle(key);
            if may_be && self.tx.contains_key(&self.spaces.handles, key)? {
                continue;
            }
            let limit = batch.common_limits.get(&row.agreement_epoch).copied();
            let limit = limit.ok_or(DAMAGED)?;
            if row.silent {
                self.join_silently(batch, row, limit)?;
            } else if self.join(batch, row, limit)? {
                let place = codec::place(&row.agreement_epoch, &row.token);
                open.push((place, row.handle));
            }
            self.keep_handle(&batch.member, row);
            holdings.add(&row.fingerprint());
        }
        self.tell_later(&Untold::Stored {
            member: batch.member.clone(),
            rows: open,
        })?;
        let count = holdings.count - before;
        if count > 0 {
            self.keep_holdings(&batch.member, &holdings);
            self.log(&LogEntry {
                at: batch.at,
                event: Event::Submission,
                member: Some(batch.member.clone()),
                count,
                digest: Some(Digest(holdings.digest)),
            })?;
        }
        Ok(Submitted {
            holdings,
            woken: std::mem::take(&mut self.woken),
        })
    }

    fn look_ahead<'r>(&self, rows: impl Iterator<Item = (&'r Row, &'r Vec<u8>)>) {
        self.known.look_ahead(rows.map(|(row, key)| {
            let place = codec::place(&row.agreement_epoch, &row.token);
            (place, key.as_slice())
        }));
    }

    /// Stores one row and tells whom its token concerns; gives whether the token is not common.
    fn join(&mut self, batch: &Batch, row: &Row, limit: u32) -> Result<bool, Fault> {
        let member = &batch.member;
        let place = codec::place(&row.agreement_epoch, &row.token);
        let at = self.at(&place)?;
        let before = at.live;
        if before > 0 && before < limit {
            for stored in self.rows_of(&place, at.clone())? {
                if stored.member != *member {
                    self.pair(batch, row, &stored)?;
                }
            }
        } else if before >= limit {
            // The row that takes the token over the limit tells every owner; later ones come alone.
            let mut owners = vec![(member.clone(), row.handle)];
            if before == limit {
                let rows = self.rows_of(&place, at.clone())?;
                owners.extend(
                    rows.into_iter()
                        .map(|stored| (stored.member, stored.handle)),
                );
            }
            for (owner, own_handle) in owners {
                self.post(&owner, Counts::Openly, &Item::Common { own_handle })?;
            }
        }
        self.add_open(&place, at, member, row);
        Ok(before < limit)
    }

    pub(super) fn keep_handle(&mut self, member: &AgencyName, row: &Row) {
        let place = codec::place(&row.agreement_epoch, &row.token);
        let key = member_handle(member, &row.handle);
        let value = handle_value(&place, row.expiry);
        self.known.note_handle(&key);
        self.tx.insert(&self.spaces.handles, key, value);
        *self.months.entry(row.expiry).or_default() += 1;
    }

    /// Notifies both owners, and remembers it.
    fn pair(&mut self, batch: &Batch, row: &Row, stored: &StoredRow) -> Result<(), Fault> {
        let member = &batch.member;
        let notice = Item::Notice {
            own_handle: row.handle,
            handle: stored.handle,
            payload: stored.payload,
            agency: stored.member.clone(),
            query: false,
        };
        self.notify(batch, member, Counts::Openly, &notice)?;
        let notice = Item::Notice {
            own_handle: stored.handle,
            handle: row.handle,
            payload: row.payload,
            agency: member.clone(),
            query: false,
        };
        self.notify(batch, &stored.member, Counts::Openly, &notice)?;
        let links = &self.spaces.links;
        self.tx.insert(
            links,
            link_key(member, &row.handle, &stored.member, &stored.handle),
            link_value(true, true),
        );
        self.tx.insert(
            links,
            link_key(&stored.member, &stored.handle, member, &row.handle),
            link_value(true, true),
        );
        Ok(())
    }

    fn notify(
        &mut self,
        batch: &Batch,
        to: &AgencyName,
        counts: Counts,
        notice: &Item,
    ) -> Result<(), Fault> {
        if self.is_full(to, counts, batch.mailbox_max_items)? {
            return Err(Fault::Refused(StoreError::MailboxFull(to.clone())));
        }
        self.notices += 1;
        if self.notices > MAX_NOTICES {
            return Err(Fault::Refused(StoreError::TooManyNotices(MAX_NOTICES)));
        }
        self.post(to, counts, notice).map(|_| ())
    }

    pub fn query(&mut self, batch: &Batch) -> Result<Queried, Fault> {
        let mut hits = Vec::new();
        let mut asked = Vec::new();
        for row in &batch.rows {
            let place = codec::place(&row.agreement_epoch, &row.token);
            let limit = batch.common_limits.get(&row.agreement_epoch).copied();
            let at = self.at(&place)?;
            if at.live > limit.ok_or(DAMAGED)? {
                continue;
            }
            if !row.silent {
                asked.push((place, row.handle, row.payload));
            }
            for stored in self.rows_of(&place, at)? {
                let own = stored.member == batch.member;
                // Where the owner cannot be told, the asker is not told either.
                let most = batch.mailbox_max_items;
                if own || self.is_full(&stored.member, Counts::Openly, most)? {
                    continue;
                }
                if !row.silent {
                    let notice = Item::Notice {
                        own_handle: stored.handle,
                        handle: row.handle,
                        payload: row.payload,
                        agency: batch.member.clone(),
                        query: true,
                    };
                    self.post(&stored.member, Counts::Openly, &notice)?;
                }
                hits.push(Hit {
                    query_handle: row.handle,
                    handle: stored.handle,
                    payload: stored.payload,
                    agency: stored.member,
                });
            }
        }
        self.tell_later(&Untold::Asked {
            member: batch.member.clone(),
            rows: asked,
        })?;
        self.log(&LogEntry {
            at: batch.at,
            event: Event::Query,
            member: Some(batch.member.clone()),
            count: batch.rows.len() as u64,
            digest: None,
        })?;
        Ok(Queried {
            hits,
            woken: std::mem::take(&mut self.woken),
            work: std::mem::take(&mut self.work),
        })
    }

    pub(super) fn keep_holdings(&mut self, member: &AgencyName, holdings: &Holdings) {
        let value = holdings.to_bytes();
        self.tx
            .insert(&self.spaces.holdings, member.as_str(), value);
    }
}
