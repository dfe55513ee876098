//! Rows: the join, withdrawal and expiry.
//!
//! The number of live rows of each token is kept beside them, so that a token that nobody else has,
//! the usual case, costs one look-up that a filter answers, and a common one is never read through.

use std::collections::BTreeMap;

use fjall::Readable;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{self, AgreementEpoch, ExpiryMonth, Handle, Holdings, Row};

use super::codec::{
    self, HandlePlace, Link, Place, StoredRow, expiry_key, handle_value, link_key, link_value,
    member_handle, member_prefix, parse_handle_value, parse_link, parse_member_handle, parse_row,
    row_key, row_value, split_place,
};
use super::{Fault, Spaces, Write};
use crate::log::{Event, LogEntry};
use crate::store::{Batch, Dropped, Expired, Hit, Item, Queried, StoreError, Submitted, Withdrawn};

/// Most notices of one batch: at about 250 bytes each and two for a pair, 50 MB in memory.
const MAX_NOTICES: usize = 200_000;

const DAMAGED: Fault = Fault::Damaged("a row is malformed");

pub fn holdings(
    read: &impl Readable,
    spaces: &Spaces,
    member: &AgencyName,
) -> Result<Holdings, Fault> {
    match read.get(&spaces.holdings, member.as_str())? {
        None => Ok(Holdings::default()),
        Some(bytes) => Holdings::from_bytes(&bytes).ok_or(DAMAGED),
    }
}

pub fn recount(
    read: &impl Readable,
    spaces: &Spaces,
    member: &AgencyName,
) -> Result<Holdings, Fault> {
    let mut counted = Holdings::default();
    for guard in read.prefix(&spaces.handles, member_prefix(member)) {
        let (key, value) = guard.into_inner()?;
        let (_, handle) = parse_member_handle(&key).ok_or(DAMAGED)?;
        let HandlePlace { place, .. } = parse_handle_value(&value).ok_or(DAMAGED)?;
        counted.add(&fingerprint(&place, &handle)?);
    }
    Ok(counted)
}

pub fn handles(
    read: &impl Readable,
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
    read.range::<Vec<u8>, _>(&spaces.handles, (from, to))
        .take(limit)
        .map(|guard| {
            let (_, handle) = parse_member_handle(&guard.key()?).ok_or(DAMAGED)?;
            Ok(handle)
        })
        .collect()
}

fn fingerprint(place: &Place, handle: &Handle) -> Result<[u8; 32], Fault> {
    let (epoch, token) = split_place(place).ok_or(DAMAGED)?;
    Ok(row::fingerprint(&epoch, &token, handle))
}

/// What the removal of one row did.
struct Removed {
    fingerprint: [u8; 32],
    cancelled: u64,
}

impl Write<'_> {
    pub fn submit(&mut self, batch: &Batch) -> Result<Submitted, Fault> {
        let mut holdings = holdings(&self.tx, self.spaces, &batch.member)?;
        let before = holdings.count;
        for row in &batch.rows {
            let key = member_handle(&batch.member, &row.handle);
            if self.tx.contains_key(&self.spaces.handles, &key)? {
                continue;
            }
            self.join(batch, row)?;
            holdings.add(&row.fingerprint());
        }
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

    /// Stores one row and tells whom its token concerns.
    fn join(&mut self, batch: &Batch, row: &Row) -> Result<(), Fault> {
        let member = &batch.member;
        let place = codec::place(&row.agreement_epoch, &row.token);
        let limit = batch.common_limits.get(&row.agreement_epoch).copied();
        let limit = limit.ok_or(DAMAGED)?;
        let before = self.live_rows(&place)?;
        if before > 0 && before < limit {
            for stored in self.rows_at(&place)? {
                if stored.member != *member {
                    self.pair(batch, row, &stored)?;
                }
            }
        } else if before >= limit {
            // The row that takes the token over the limit tells every owner; later ones come alone.
            let mut owners = vec![(member.clone(), row.handle)];
            if before == limit {
                let rows = self.rows_at(&place)?;
                owners.extend(
                    rows.into_iter()
                        .map(|stored| (stored.member, stored.handle)),
                );
            }
            for (owner, own_handle) in owners {
                self.post(&owner, &Item::Common { own_handle })?;
            }
        }
        let spaces = self.spaces;
        let key = row_key(&place, &row.handle, member);
        self.tx.insert(&spaces.rows, key, row_value(row));
        self.keep_live_rows(&place, before + 1);
        let key = member_handle(member, &row.handle);
        let value = handle_value(&place, row.expiry);
        self.tx.insert(&spaces.handles, key, value);
        let key = expiry_key(row.expiry, member, &row.handle);
        self.tx.insert(&spaces.expiries, key, []);
        Ok(())
    }

    /// Notifies both owners, except of a silent row, and remembers whom.
    fn pair(&mut self, batch: &Batch, row: &Row, stored: &StoredRow) -> Result<(), Fault> {
        let member = &batch.member;
        let own_notified = !stored.silent;
        let other_notified = !row.silent;
        if own_notified {
            let notice = Item::Notice {
                own_handle: row.handle,
                handle: stored.handle,
                payload: stored.payload,
                agency: stored.member.clone(),
                query: false,
            };
            self.notify(batch, member, &notice)?;
        }
        if other_notified {
            let notice = Item::Notice {
                own_handle: stored.handle,
                handle: row.handle,
                payload: row.payload,
                agency: member.clone(),
                query: false,
            };
            self.notify(batch, &stored.member, &notice)?;
        }
        if own_notified || other_notified {
            let links = &self.spaces.links;
            self.tx.insert(
                links,
                link_key(member, &row.handle, &stored.member, &stored.handle),
                link_value(own_notified, other_notified),
            );
            self.tx.insert(
                links,
                link_key(&stored.member, &stored.handle, member, &row.handle),
                link_value(other_notified, own_notified),
            );
        }
        Ok(())
    }

    fn notify(&mut self, batch: &Batch, to: &AgencyName, notice: &Item) -> Result<(), Fault> {
        if self.is_full(to, batch.mailbox_max_items)? {
            return Err(Fault::Refused(StoreError::MailboxFull(to.clone())));
        }
        self.notices += 1;
        if self.notices > MAX_NOTICES {
            return Err(Fault::Refused(StoreError::TooManyNotices(MAX_NOTICES)));
        }
        self.post(to, notice).map(|_| ())
    }

    pub fn query(&mut self, batch: &Batch) -> Result<Queried, Fault> {
        let mut hits = Vec::new();
        for row in &batch.rows {
            let place = codec::place(&row.agreement_epoch, &row.token);
            let limit = batch.common_limits.get(&row.agreement_epoch).copied();
            if self.live_rows(&place)? > limit.ok_or(DAMAGED)? {
                continue;
            }
            for stored in self.rows_at(&place)? {
                let own = stored.member == batch.member;
                // Where the owner cannot be told, the asker is not told either.
                if own || self.is_full(&stored.member, batch.mailbox_max_items)? {
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
                    self.post(&stored.member, &notice)?;
                }
                if !stored.silent {
                    hits.push(Hit {
                        query_handle: row.handle,
                        handle: stored.handle,
                        payload: stored.payload,
                        agency: stored.member,
                    });
                }
            }
        }
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
        })
    }

    pub fn withdraw(
        &mut self,
        member: &AgencyName,
        handles: &[Handle],
        at: i64,
    ) -> Result<Withdrawn, Fault> {
        let mut holdings = holdings(&self.tx, self.spaces, member)?;
        let (mut withdrawn, mut cancelled) = (0, 0);
        for handle in handles {
            if let Some(removed) = self.remove(member, handle, false)? {
                holdings.remove(&removed.fingerprint);
                withdrawn += 1;
                cancelled += removed.cancelled;
            }
        }
        if withdrawn > 0 {
            self.keep_holdings(member, &holdings);
            self.log(&LogEntry {
                at,
                event: Event::Withdrawal,
                member: Some(member.clone()),
                count: withdrawn,
                digest: Some(Digest(holdings.digest)),
            })?;
        }
        Ok(Withdrawn {
            holdings,
            withdrawn,
            cancelled,
            woken: std::mem::take(&mut self.woken),
        })
    }

    pub fn expire(&mut self, month: ExpiryMonth, limit: usize, at: i64) -> Result<Expired, Fault> {
        let due = self
            .tx
            .range(&self.spaces.expiries, ..month.0.to_be_bytes())
            .take(limit)
            .map(|guard| {
                let key = guard.key()?;
                let (_, rest) = key.split_first_chunk::<4>().ok_or(DAMAGED)?;
                parse_member_handle(rest).ok_or(DAMAGED)
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        let removed = due.len() as u64;
        let mut members: BTreeMap<AgencyName, (Holdings, u64)> = BTreeMap::new();
        for (member, handle) in due {
            let gone = self.remove(&member, &handle, true)?.ok_or(DAMAGED)?;
            if !members.contains_key(&member) {
                let held = holdings(&self.tx, self.spaces, &member)?;
                members.insert(member.clone(), (held, 0));
            }
            let (held, count) = members.get_mut(&member).ok_or(DAMAGED)?;
            held.remove(&gone.fingerprint);
            *count += 1;
        }
        for (member, (holdings, count)) in members {
            self.keep_holdings(&member, &holdings);
            self.log(&LogEntry {
                at,
                event: Event::Expiry,
                member: Some(member),
                count,
                digest: Some(Digest(holdings.digest)),
            })?;
        }
        Ok(Expired {
            removed,
            woken: std::mem::take(&mut self.woken),
        })
    }

    pub fn drop_epoch(
        &mut self,
        member: &AgencyName,
        epoch: &AgreementEpoch,
        after: Option<Handle>,
        limit: usize,
        at: i64,
    ) -> Result<Dropped, Fault> {
        let seen = handles(&self.tx, self.spaces, member, after, limit)?;
        let mut holdings = holdings(&self.tx, self.spaces, member)?;
        let mut removed = 0;
        for handle in &seen {
            let value = self
                .tx
                .get(&self.spaces.handles, member_handle(member, handle))?;
            let HandlePlace { place, .. } =
                parse_handle_value(&value.ok_or(DAMAGED)?).ok_or(DAMAGED)?;
            let (of, _) = split_place(&place).ok_or(DAMAGED)?;
            if of == *epoch
                && let Some(gone) = self.remove(member, handle, false)?
            {
                holdings.remove(&gone.fingerprint);
                removed += 1;
            }
        }
        if removed > 0 {
            self.keep_holdings(member, &holdings);
            self.log(&LogEntry {
                at,
                event: Event::Departure,
                member: Some(member.clone()),
                count: removed,
                digest: Some(Digest(holdings.digest)),
            })?;
        }
        Ok(Dropped {
            removed,
            after: seen.last().copied().filter(|_| seen.len() == limit),
            woken: std::mem::take(&mut self.woken),
        })
    }

    /// Deletes a row with its links; tells the other side, and the owner too if `both`.
    fn remove(
        &mut self,
        member: &AgencyName,
        handle: &Handle,
        both: bool,
    ) -> Result<Option<Removed>, Fault> {
        let spaces = self.spaces;
        let key = member_handle(member, handle);
        let Some(value) = self.tx.get(&spaces.handles, &key)? else {
            return Ok(None);
        };
        let HandlePlace { place, expiry } = parse_handle_value(&value).ok_or(DAMAGED)?;
        self.tx
            .remove(&spaces.rows, row_key(&place, handle, member));
        self.tx
            .remove(&spaces.expiries, expiry_key(expiry, member, handle));
        let live = self.live_rows(&place)?;
        self.keep_live_rows(&place, live.saturating_sub(1));
        let mut cancelled = 0;
        for link in self.links_of(&key)? {
            let other = &link.other;
            self.tx
                .remove(&spaces.links, link_key(member, handle, other, &link.handle));
            self.tx
                .remove(&spaces.links, link_key(other, &link.handle, member, handle));
            if link.other_notified {
                let cancellation = Item::Cancellation {
                    own_handle: link.handle,
                    handle: *handle,
                };
                self.post(other, &cancellation)?;
                cancelled += 1;
            }
            if both && link.own_notified {
                let cancellation = Item::Cancellation {
                    own_handle: *handle,
                    handle: link.handle,
                };
                self.post(member, &cancellation)?;
            }
        }
        self.tx.remove(&spaces.handles, key);
        Ok(Some(Removed {
            fingerprint: fingerprint(&place, handle)?,
            cancelled,
        }))
    }

    fn links_of(&self, prefix: &[u8]) -> Result<Vec<Link>, Fault> {
        self.tx
            .prefix(&self.spaces.links, prefix)
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                parse_link(&key, prefix.len(), &value).ok_or(DAMAGED)
            })
            .collect()
    }

    fn rows_at(&self, place: &Place) -> Result<Vec<StoredRow>, Fault> {
        self.tx
            .prefix(&self.spaces.rows, place)
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                parse_row(&key, &value).ok_or(DAMAGED)
            })
            .collect()
    }

    fn live_rows(&self, place: &Place) -> Result<u32, Fault> {
        match self.tx.get(&self.spaces.tokens, place)? {
            None => Ok(0),
            Some(bytes) => {
                let bytes: [u8; 4] = (*bytes).try_into().map_err(|_| DAMAGED)?;
                Ok(u32::from_be_bytes(bytes))
            }
        }
    }

    fn keep_live_rows(&mut self, place: &Place, count: u32) {
        let tokens = &self.spaces.tokens;
        if count == 0 {
            self.tx.remove(tokens, *place);
        } else {
            self.tx.insert(tokens, *place, count.to_be_bytes());
        }
    }

    fn keep_holdings(&mut self, member: &AgencyName, holdings: &Holdings) {
        let value = holdings.to_bytes();
        self.tx
            .insert(&self.spaces.holdings, member.as_str(), value);
    }
}
