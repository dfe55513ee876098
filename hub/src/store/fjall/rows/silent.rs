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

use crate::store::fjall::Read;
use symbolon_core::encoding;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{HANDLE_BYTES, Handle, PAYLOAD_BYTES, Row, SealedPayload};

use super::{Counts, DAMAGED, Fault, Spaces, places};
use crate::store::fjall::Write;
use crate::store::fjall::codec::{
    self, Place, StoredRow, link_key, link_value, member_handle, parse_handle_value, parse_name,
    parse_row, row_key, row_value,
};
use crate::store::{Batch, Item, Told};

const PLACE_BYTES: usize = size_of::<Place>();
/// In the place of a stored row's, from another store that did not say it: its handle is looked up when it is
/// told. No agreement's epoch is all zero.
pub(in crate::store::fjall) const UNSAID: Place = [0; PLACE_BYTES];
/// Where in `untold` the next one goes, and where the first one lies. A scan would have to read through the
/// marks of all that was told before.
const NEXT: &str = "next untold";
const FIRST: &str = "first untold";
/// How many rows of the first one are done with. It is not written anew for each part.
const DONE: &str = "done of first untold";

/// What owners of silent rows may have to be told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::fjall) enum Untold {
    /// Open rows were stored.
    Stored {
        member: AgencyName,
        rows: Vec<(Place, Handle)>,
    },
    /// Somebody asked.
    Asked {
        member: AgencyName,
        rows: Vec<(Place, Handle, SealedPayload)>,
    },
    /// Open rows are no more.
    Gone {
        member: AgencyName,
        rows: Vec<(Place, Handle)>,
    },
}

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

/// Where a row lies, by its handle.
pub(in crate::store::fjall) fn place_of(
    read: &impl Read,
    spaces: &Spaces,
    member: &AgencyName,
    handle: &Handle,
) -> Result<Option<Place>, Fault> {
    match read.get(&spaces.handles, member_handle(member, handle))? {
        None => Ok(None),
        Some(held) => Ok(Some(parse_handle_value(&held).ok_or(DAMAGED)?.place)),
    }
}

/// Whether nothing waits to be told.
pub fn nothing_to_tell(read: &impl Read, spaces: &Spaces) -> Result<bool, Fault> {
    Ok(number(read, spaces, FIRST)? == number(read, spaces, NEXT)?)
}

/// A number that is kept by its name; 0 before it is.
pub(in crate::store::fjall) fn number(
    read: &impl Read,
    spaces: &Spaces,
    name: &str,
) -> Result<u64, Fault> {
    match read.get(&spaces.meta, name)? {
        None => Ok(0),
        Some(bytes) => Ok(u64::from_be_bytes(
            (*bytes).try_into().map_err(|_| DAMAGED)?,
        )),
    }
}

impl Untold {
    fn len(&self) -> usize {
        match self {
            Self::Asked { rows, .. } => rows.len(),
            Self::Stored { rows, .. } | Self::Gone { rows, .. } => rows.len(),
        }
    }

    /// Takes the first `count` off.
    pub(in crate::store::fjall) fn split(&mut self, count: usize) -> Self {
        let count = count.min(self.len());
        match self {
            Self::Stored { member, rows } => Self::Stored {
                member: member.clone(),
                rows: rows.drain(..count).collect(),
            },
            Self::Asked { member, rows } => Self::Asked {
                member: member.clone(),
                rows: rows.drain(..count).collect(),
            },
            Self::Gone { member, rows } => Self::Gone {
                member: member.clone(),
                rows: rows.drain(..count).collect(),
            },
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut fixed = Vec::new();
        let (kind, member) = match self {
            Self::Stored { member, rows } => {
                fixed_rows(&mut fixed, rows);
                (b"s", member)
            }
            Self::Asked { member, rows } => {
                for (place, handle, payload) in rows {
                    fixed.extend(place);
                    fixed.extend(handle.0);
                    fixed.extend(payload.0);
                }
                (b"a", member)
            }
            Self::Gone { member, rows } => {
                fixed_rows(&mut fixed, rows);
                (b"g", member)
            }
        };
        encoding::parts(&[kind, member.as_str().as_bytes(), &fixed])
    }

    pub(in crate::store::fjall) fn parse(bytes: &[u8]) -> Option<Self> {
        const ASKED: usize = PLACE_BYTES + HANDLE_BYTES + PAYLOAD_BYTES;
        let fields = encoding::split_parts(bytes)?;
        let [kind, member, fixed] = fields.as_slice() else {
            return None;
        };
        let member = parse_name(member)?;
        match *kind {
            b"s" => {
                let rows = parse_rows(fixed)?;
                Some(Self::Stored { member, rows })
            }
            b"a" => {
                let rows = whole::<ASKED>(fixed)?.iter().map(|row| {
                    let (place, rest) = row.split_first_chunk::<PLACE_BYTES>()?;
                    let (handle, payload) = rest.split_first_chunk::<HANDLE_BYTES>()?;
                    let payload = SealedPayload::try_from(payload).ok()?;
                    Some((*place, Handle(*handle), payload))
                });
                let rows = rows.collect::<Option<_>>()?;
                Some(Self::Asked { member, rows })
            }
            b"g" => {
                let rows = parse_rows(fixed)?;
                Some(Self::Gone { member, rows })
            }
            _ => None,
        }
    }
}

fn fixed_rows(fixed: &mut Vec<u8>, rows: &[(Place, Handle)]) {
    for (place, handle) in rows {
        fixed.extend(place);
        fixed.extend(handle.0);
    }
}

fn parse_rows(fixed: &[u8]) -> Option<Vec<(Place, Handle)>> {
    let rows = whole::<{ PLACE_BYTES + HANDLE_BYTES }>(fixed)?.iter();
    rows.map(|row| {
        let (place, handle) = row.split_first_chunk::<PLACE_BYTES>()?;
        Some((*place, Handle::try_from(handle).ok()?))
    })
    .collect()
}

fn whole<const N: usize>(bytes: &[u8]) -> Option<&[[u8; N]]> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then_some(chunks)
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

    pub(in crate::store::fjall) fn keep_number(&mut self, name: &str, number: u64) {
        let meta = &self.spaces.meta;
        self.tx.insert(meta, name, number.to_be_bytes());
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
                        UNSAID => place_of(&self.tx, spaces, member, handle)?,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_behind_comes_back_and_is_worked_off_in_parts() {
        let member: AgencyName = "police".parse().unwrap();
        let place = [3; PLACE_BYTES];
        let handles = [Handle([1; 16]), Handle([2; 16]), Handle([3; 16])];
        let payload = SealedPayload([9; PAYLOAD_BYTES]);
        for mut untold in [
            Untold::Stored {
                member: member.clone(),
                rows: handles.iter().map(|h| (place, *h)).collect(),
            },
            Untold::Asked {
                member: member.clone(),
                rows: handles.iter().map(|h| (place, *h, payload)).collect(),
            },
            Untold::Gone {
                member: member.clone(),
                rows: handles.iter().map(|h| (place, *h)).collect(),
            },
        ] {
            assert_eq!(Untold::parse(&untold.to_bytes()).as_ref(), Some(&untold));
            assert_eq!((untold.split(2).len(), untold.len()), (2, 1));
            assert_eq!((untold.split(2).len(), untold.len()), (1, 0));
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Untold::parse(&bytes);
        }
    }
}
