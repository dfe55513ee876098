//! Rows that go: withdrawn, expired, of an epoch that is over.

use crate::store::fjall::Read;
use std::collections::BTreeMap;

use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Handle, Holdings};

use super::{Counts, DAMAGED, Fault, Untold, fingerprint, handles, held, holdings};
use crate::log::{Event, LogEntry};
use crate::store::fjall::Write;
use crate::store::fjall::codec::{
    HandlePlace, Link, Place, link_key, member_handle, parse_handle_value, parse_link,
    parse_member_handle, split_place,
};
use crate::store::{Dropped, Expired, Item, Withdrawn};

/// What the removal of one row did.
struct Removed {
    fingerprint: [u8; 32],
    cancelled: u64,
    /// Where it lay, if it was an open one: owners of silent rows there may know of it.
    open: Option<Place>,
}

/// Open rows that went, by their owner.
type Gone = BTreeMap<AgencyName, Vec<(Place, Handle)>>;

/// Rows that are due, and the key at which a look for them stopped, if not at the end.
type Due = (Vec<(AgencyName, Handle)>, Option<Vec<u8>>);

/// Where the last look for rows that are due stopped.
const CURSOR: &str = "expiry cursor";
/// Rows that one look goes through: a tenth of a second.
const LOOKED_AT_ONCE: usize = 20_000;

impl Write<'_> {
    pub fn withdraw(
        &mut self,
        member: &AgencyName,
        handles: &[Handle],
        at: i64,
    ) -> Result<Withdrawn, Fault> {
        let mut holdings = holdings(&self.tx, self.spaces, member)?;
        let (mut withdrawn, mut cancelled) = (0, 0);
        let mut gone = Gone::new();
        for handle in handles {
            if let Some(removed) = self.remove(member, handle, false)? {
                removed.note(member, handle, &mut gone);
                holdings.remove(&removed.fingerprint);
                withdrawn += 1;
                cancelled += removed.cancelled;
            }
        }
        self.tell_gone(gone)?;
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
        if !self.some_end_before(month)? {
            // A look that stopped at the last row that was due is over too.
            self.tx.remove(&self.spaces.meta, CURSOR);
            return Ok(Expired::default());
        }
        let (due, seen) = self.due_before(month, limit)?;
        // At the end the look is over: no row comes that is due already.
        let more = seen.is_some();
        match seen {
            Some(key) => self.tx.insert(&self.spaces.meta, CURSOR, key),
            None => self.tx.remove(&self.spaces.meta, CURSOR),
        }
        let removed = due.len() as u64;
        let mut members: BTreeMap<AgencyName, (Holdings, u64)> = BTreeMap::new();
        let mut gone_rows = Gone::new();
        for (member, handle) in due {
            let gone = self.remove(&member, &handle, true)?.ok_or(DAMAGED)?;
            gone.note(&member, &handle, &mut gone_rows);
            if !members.contains_key(&member) {
                let held = holdings(&self.tx, self.spaces, &member)?;
                members.insert(member.clone(), (held, 0));
            }
            let (held, count) = members.get_mut(&member).ok_or(DAMAGED)?;
            held.remove(&gone.fingerprint);
            *count += 1;
        }
        self.tell_gone(gone_rows)?;
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
            more,
            removed,
            woken: std::mem::take(&mut self.woken),
        })
    }

    /// Whether a row ended before a month and is still here.
    fn some_end_before(&self, month: ExpiryMonth) -> Result<bool, Fault> {
        let before = ..month.0.to_be_bytes();
        let mut months = self.tx.range(&self.spaces.months, before);
        Ok(months.next().transpose()?.is_some())
    }

    /// Rows that ended before a month, from where the last look stopped; and where this one did, if not at
    /// the end.
    fn due_before(&self, month: ExpiryMonth, limit: usize) -> Result<Due, Fault> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = self.tx.get(&self.spaces.meta, CURSOR)?;
        let from = from.map_or(Unbounded, |key| Excluded(key.to_vec()));
        let range = (from, Unbounded);
        let mut due = Vec::new();
        let pairs = self.tx.range::<Vec<u8>>(&self.spaces.handles, range);
        for (number, pair) in pairs.enumerate() {
            let (key, value) = pair?;
            let HandlePlace { expiry, .. } = parse_handle_value(&value).ok_or(DAMAGED)?;
            if expiry < month {
                due.push(parse_member_handle(&key).ok_or(DAMAGED)?);
            }
            if due.len() >= limit || number + 1 >= LOOKED_AT_ONCE {
                return Ok((due, Some(key.to_vec())));
            }
        }
        Ok((due, None))
    }

    /// Writes back how many rows end with each month.
    pub(in crate::store::fjall) fn keep_months(&mut self) -> Result<(), Fault> {
        let fewer = self.months.values().filter(|change| **change < 0);
        let gone = fewer.map(|change| change.unsigned_abs()).sum();
        self.note_gone(gone)?;
        for (month, change) in std::mem::take(&mut self.months) {
            let key = month.0.to_be_bytes();
            let before = match self.tx.get(&self.spaces.months, key)? {
                None => 0,
                Some(bytes) => u64::from_be_bytes((*bytes).try_into().map_err(|_| DAMAGED)?),
            };
            match before.saturating_add_signed(change) {
                0 => self.tx.remove(&self.spaces.months, key),
                now => self.tx.insert(&self.spaces.months, key, now.to_be_bytes()),
            }
        }
        Ok(())
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
        let mut gone_rows = Gone::new();
        for handle in &seen {
            let found = held(&self.tx, self.spaces, member, handle)?;
            let HandlePlace { place, .. } = found.ok_or(DAMAGED)?;
            let (of, _) = split_place(&place).ok_or(DAMAGED)?;
            if of == *epoch
                && let Some(gone) = self.remove(member, handle, false)?
            {
                gone.note(member, handle, &mut gone_rows);
                holdings.remove(&gone.fingerprint);
                removed += 1;
            }
        }
        self.tell_gone(gone_rows)?;
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
        let found = held(&self.tx, spaces, member, handle)?;
        let Some(HandlePlace { place, expiry }) = found else {
            return Ok(None);
        };
        *self.months.entry(expiry).or_default() -= 1;
        let open = self.remove_open(&place, handle, member)?;
        if !open {
            self.remove_silent(&place, handle, member)?;
        }
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
                self.post(other, Counts::Openly, &cancellation)?;
                cancelled += 1;
            }
            if both && link.own_notified {
                let cancellation = Item::Cancellation {
                    own_handle: *handle,
                    handle: link.handle,
                };
                let counts = if open {
                    Counts::Openly
                } else {
                    Counts::Silently
                };
                self.post(member, counts, &cancellation)?;
            }
        }
        self.tx.remove(&spaces.handles, key);
        Ok(Some(Removed {
            fingerprint: fingerprint(&place, handle)?,
            cancelled,
            open: open.then_some(place),
        }))
    }

    fn tell_gone(&mut self, gone: Gone) -> Result<(), Fault> {
        gone.into_iter()
            .try_for_each(|(member, rows)| self.tell_later(&Untold::Gone { member, rows }))
    }

    fn links_of(&self, prefix: &[u8]) -> Result<Vec<Link>, Fault> {
        self.tx
            .prefix(&self.spaces.links, prefix)
            .map(|guard| {
                let (key, value) = guard?;
                parse_link(&key, prefix.len(), &value).ok_or(DAMAGED)
            })
            .collect()
    }
}

impl Removed {
    fn note(&self, member: &AgencyName, handle: &Handle, gone: &mut Gone) {
        if let Some(place) = self.open {
            let rows = gone.entry(member.clone()).or_default();
            rows.push((place, *handle));
        }
    }
}
