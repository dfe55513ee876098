//! Silent rows: their owner learns of others, nobody learns of them.
//!
//! Whoever submits, asks or withdraws gets its answer without a silent row being looked at. What its
//! owner is to be told is found afterwards: each answer leaves behind what was submitted, asked with or
//! withdrawn, whether a silent row meets it or not, and [`Write::tell`] works that off at times that
//! follow from no request.
//!
//! An open row and a silent one are linked from the silent side only. Two silent rows are never told of
//! each other, neither side. A member has as many silent rows of one token as the agreement's limit; one
//! more is told that its token is common and watches nothing. Other members' silent rows do not count, or
//! a member could count them.

use symbolon_core::identity::AgencyName;
use symbolon_core::row::{Handle, Row};

use super::untold::{UNSAID, Untold};
use super::{Counts, DAMAGED, Fault, Spaces, held, places};
use crate::store::fjall::codec::{
    self, Place, StoredRow, link_key, link_value, parse_row, row_key, row_value,
};
use crate::store::fjall::numbers::number;
use crate::store::fjall::{Read, Write};
use crate::store::{Batch, Item, Told};

/// Where in `untold` the next one goes, and where the first one lies. A scan would have to read through the
/// marks of all that was told before.
const NEXT: &str = "next untold";
const FIRST: &str = "first untold";
/// How many rows of the first one are done with. It is not written anew for each part.
const DONE: &str = "done of first untold";

/// How many rows of a lot, given by its key in `untold`, are done with.
pub(in crate::store::fjall) fn done_of(
    read: &impl Read,
    spaces: &Spaces,
    key: &[u8],
) -> Result<usize, Fault> {
    if number(read, spaces, FIRST)?.to_be_bytes() != *key {
        return Ok(0);
    }
    usize::try_from(number(read, spaces, DONE)?).map_err(|_| DAMAGED)
}

/// Whether nothing waits to be told.
pub fn nothing_to_tell(read: &impl Read, spaces: &Spaces) -> Result<bool, Fault> {
    Ok(number(read, spaces, FIRST)? == number(read, spaces, NEXT)?)
}

impl Write<'_> {
    /// Leaves something behind that is told later.
    pub(in crate::store::fjall) fn tell_later(&mut self, untold: &Untold) -> Result<(), Fault> {
        if untold.len() == 0 {
            return Ok(());
        }
        let spaces = self.spaces;
        let next = number(&self.tx, spaces, NEXT)?;
        let value = untold.to_bytes();
        self.work.left_bytes += value.len() as u64;
        self.tx.insert(&spaces.untold, next.to_be_bytes(), value);
        self.keep_number(NEXT, next.saturating_add(1));
        Ok(())
    }

    /// Stores a silent row and tells its owner whom it meets.
    pub(super) fn join_silently(
        &mut self,
        batch: &Batch,
        row: &Row,
        limit: u32,
    ) -> Result<(), Fault> {
        let member = &batch.member;
        let place = codec::place(&row.agreement_epoch, &row.token);
        let at = self.at(&place)?;
        let open = at.live;
        let own = own_place(&place, member);
        let watching = self.watching(&own)?;
        if open > limit || watching >= limit {
            let own_handle = row.handle;
            self.post(member, Counts::Silently, &Item::Common { own_handle })?;
        } else if open > 0 {
            for met in self.rows_of(&place, at)? {
                if met.member != *member {
                    let notice = notice_of(&row.handle, &met);
                    self.notify(batch, member, Counts::Silently, &notice)?;
                    self.link_silently(member, &row.handle, &met);
                }
            }
        }
        if watching < limit {
            self.watch(member, row)?;
        }
        Ok(())
    }

    /// Keeps a silent row that watches its token.
    pub(in crate::store::fjall) fn watch(
        &mut self,
        member: &AgencyName,
        row: &Row,
    ) -> Result<(), Fault> {
        let place = codec::place(&row.agreement_epoch, &row.token);
        let key = row_key(&place, &row.handle, member);
        self.tx.insert(&self.spaces.silent, key, row_value(row));
        for place in [own_place(&place, member).as_slice(), place.as_slice()] {
            let watching = self.watching(place)?;
            self.keep_watching(place, watching + 1);
        }
        Ok(())
    }

    fn link_silently(&mut self, owner: &AgencyName, own: &Handle, met: &StoredRow) {
        let key = link_key(owner, own, &met.member, &met.handle);
        let links = &self.spaces.links;
        self.tx.insert(links, key, link_value(true, false));
    }

    /// Deletes a silent row, if it is one that watches.
    pub(super) fn remove_silent(
        &mut self,
        place: &Place,
        handle: &Handle,
        member: &AgencyName,
    ) -> Result<(), Fault> {
        let key = row_key(place, handle, member);
        if self.tx.contains_key(&self.spaces.silent, &key)? {
            self.tx.remove(&self.spaces.silent, key);
            for place in [own_place(place, member).as_slice(), place.as_slice()] {
                let watching = self.watching(place)?;
                self.keep_watching(place, watching.saturating_sub(1));
            }
        }
        Ok(())
    }

    /// Tells owners of silent rows about at most `limit` of what was left behind.
    pub fn tell(&mut self, limit: usize, mailbox_max_items: u64) -> Result<Told, Fault> {
        let spaces = self.spaces;
        let first = number(&self.tx, spaces, FIRST)?;
        if first == number(&self.tx, spaces, NEXT)? {
            return Ok(Told::default());
        }
        let key = first.to_be_bytes();
        let value = self.tx.get(&spaces.untold, key)?.ok_or(DAMAGED)?;
        let mut rest = Untold::parse(&value).ok_or(DAMAGED)?;
        let done = done_of(&self.tx, spaces, &key)?;
        rest.split(done);
        let part = rest.split(limit);
        match &part {
            Untold::Stored { member, rows } => {
                for (place, handle) in rows {
                    let lies = match *place {
                        UNSAID => held(&self.tx, spaces, member, handle)?.map(|held| held.place),
                        place => Some(place),
                    };
                    if let Some(place) = lies {
                        self.tell_stored(&place, member, handle, mailbox_max_items)?;
                    }
                }
            }
            Untold::Asked { member, rows } => {
                for (place, handle, payload) in rows {
                    let met = StoredRow {
                        member: member.clone(),
                        handle: *handle,
                        payload: *payload,
                    };
                    self.tell_asked(place, &met, mailbox_max_items)?;
                }
            }
            Untold::Gone { member, rows } => {
                for (place, handle) in rows {
                    self.tell_gone_row(place, member, handle)?;
                }
            }
        }
        if rest.len() == 0 {
            self.tx.remove(&spaces.untold, key);
            self.keep_number(FIRST, first.saturating_add(1));
            self.keep_number(DONE, 0);
        } else {
            self.keep_number(DONE, (done + part.len()) as u64);
        }
        Ok(Told {
            done: part.len() as u64,
            woken: std::mem::take(&mut self.woken),
        })
    }

    /// An open row was stored; it may have gone again meanwhile.
    fn tell_stored(
        &mut self,
        place: &Place,
        member: &AgencyName,
        handle: &Handle,
        most: u64,
    ) -> Result<(), Fault> {
        let spaces = self.spaces;
        // Nearly every row is met by none: the row itself, on the disk, is read last.
        let watching = self.silent_at(place)?;
        if watching.is_empty() {
            return Ok(());
        }
        let Some(met) = places::stored(&self.tx, spaces, place, handle, member)? else {
            return Ok(());
        };
        for silent in watching {
            let link = link_key(&silent.member, &silent.handle, member, handle);
            // A silent row that came in between has been told already.
            let known = self.tx.contains_key(&spaces.links, link)?;
            let full = self.is_full(&silent.member, Counts::Silently, most)?;
            if silent.member == *member || known || full {
                continue;
            }
            let notice = notice_of(&silent.handle, &met);
            self.post(&silent.member, Counts::Silently, &notice)?;
            self.link_silently(&silent.member, &silent.handle, &met);
        }
        Ok(())
    }

    fn tell_asked(&mut self, place: &Place, met: &StoredRow, most: u64) -> Result<(), Fault> {
        for silent in self.silent_at(place)? {
            let full = self.is_full(&silent.member, Counts::Silently, most)?;
            if silent.member == met.member || full {
                continue;
            }
            let notice = Item::Notice {
                own_handle: silent.handle,
                handle: met.handle,
                payload: met.payload,
                agency: met.member.clone(),
                query: true,
            };
            self.post(&silent.member, Counts::Silently, &notice)?;
        }
        Ok(())
    }

    fn tell_gone_row(
        &mut self,
        place: &Place,
        member: &AgencyName,
        handle: &Handle,
    ) -> Result<(), Fault> {
        let links = &self.spaces.links;
        for silent in self.silent_at(place)? {
            let link = link_key(&silent.member, &silent.handle, member, handle);
            if self.tx.contains_key(links, &link)? {
                self.tx.remove(links, link);
                let cancellation = Item::Cancellation {
                    own_handle: silent.handle,
                    handle: *handle,
                };
                self.post(&silent.member, Counts::Silently, &cancellation)?;
            }
        }
        Ok(())
    }

    fn silent_at(&self, place: &Place) -> Result<Vec<StoredRow>, Fault> {
        if self.watching(place)? == 0 {
            return Ok(Vec::new());
        }
        self.tx
            .prefix(&self.spaces.silent, place)
            .map(|guard| {
                let (key, value) = guard?;
                parse_row(&key, &value).ok_or(DAMAGED)
            })
            .collect()
    }

    /// How many silent rows watch a token, of all members or of one.
    fn watching(&self, place: &[u8]) -> Result<u32, Fault> {
        match self.tx.get(&self.spaces.watched, place)? {
            None => Ok(0),
            Some(bytes) => {
                let bytes: [u8; 4] = (*bytes).try_into().map_err(|_| DAMAGED)?;
                Ok(u32::from_be_bytes(bytes))
            }
        }
    }

    fn keep_watching(&mut self, place: &[u8], count: u32) {
        let watched = &self.spaces.watched;
        if count == 0 {
            self.tx.remove(watched, place);
        } else {
            self.tx.insert(watched, place, count.to_be_bytes());
        }
    }
}

fn own_place(place: &Place, member: &AgencyName) -> Vec<u8> {
    [place.as_slice(), member.as_str().as_bytes()].concat()
}

fn notice_of(own: &Handle, met: &StoredRow) -> Item {
    Item::Notice {
        own_handle: *own,
        handle: met.handle,
        payload: met.payload,
        agency: met.member.clone(),
        query: false,
    }
}
