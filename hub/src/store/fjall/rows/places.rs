//! Open rows by their places.
//!
//! Most tokens have one row. It lies with the count of its place, so that storing it is one pair and
//! finding it one look-up; whether there is anything at all a filter in memory says.

use symbolon_core::identity::AgencyName;
use symbolon_core::row::{Handle, Row};

use super::{DAMAGED, Fault};
use crate::store::fjall::codec::{
    AtPlace, Place, StoredRow, at_place_value, parse_at_place, parse_row, row_key, row_value,
};
use crate::store::fjall::{Read, Spaces, Write};

const NOTHING: AtPlace = AtPlace {
    live: 0,
    first: None,
};

/// An open row, if it is there.
pub fn stored(
    read: &impl Read,
    spaces: &Spaces,
    place: &Place,
    handle: &Handle,
    member: &AgencyName,
) -> Result<Option<StoredRow>, Fault> {
    let at = read.get(&spaces.places, place)?;
    let at = at.map(|bytes| parse_at_place(&bytes).ok_or(DAMAGED));
    if let Some((row, _)) = at.transpose()?.and_then(|at| at.first)
        && row.handle == *handle
        && row.member == *member
    {
        return Ok(Some(row));
    }
    let key = row_key(place, handle, member);
    let found = read.get(&spaces.rows, &key)?;
    let row = found.map(|value| parse_row(&key, &value).ok_or(DAMAGED));
    row.transpose()
}

impl Write<'_> {
    /// What lies at a place.
    pub(in crate::store::fjall) fn at(&mut self, place: &Place) -> Result<AtPlace, Fault> {
        self.work.lookups += 1;
        if !self.known.may_have_place(place) {
            return Ok(NOTHING);
        }
        match self.tx.get(&self.spaces.places, place)? {
            None => Ok(NOTHING),
            Some(bytes) => parse_at_place(&bytes).ok_or(DAMAGED),
        }
    }

    /// All open rows of a place.
    pub(super) fn rows_of(&mut self, place: &Place, at: AtPlace) -> Result<Vec<StoredRow>, Fault> {
        let mut found: Vec<StoredRow> = at.first.into_iter().map(|(row, _)| row).collect();
        if u64::from(at.live) > found.len() as u64 {
            for pair in self.tx.prefix(&self.spaces.rows, place) {
                let (key, value) = pair?;
                found.push(parse_row(&key, &value).ok_or(DAMAGED)?);
            }
        }
        self.work.rows_read += found.len() as u64;
        Ok(found)
    }

    /// Adds an open row to what lies at its place.
    pub(in crate::store::fjall) fn add_open(
        &mut self,
        place: &Place,
        mut at: AtPlace,
        member: &AgencyName,
        row: &Row,
    ) {
        at.live = at.live.saturating_add(1);
        if at.live == 1 {
            let stored = StoredRow {
                member: member.clone(),
                handle: row.handle,
                payload: row.payload,
            };
            at.first = Some((stored, row.expiry));
        } else {
            let key = row_key(place, &row.handle, member);
            self.tx.insert(&self.spaces.rows, key, row_value(row));
        }
        self.keep_place(place, &at);
    }

    /// Deletes an open row; false if it is none.
    pub(super) fn remove_open(
        &mut self,
        place: &Place,
        handle: &Handle,
        member: &AgencyName,
    ) -> Result<bool, Fault> {
        let mut at = self.at(place)?;
        let is_it = |row: &StoredRow| row.handle == *handle && row.member == *member;
        if at.first.as_ref().is_some_and(|(row, _)| is_it(row)) {
            at.first = None;
        } else {
            let key = row_key(place, handle, member);
            if !self.tx.contains_key(&self.spaces.rows, &key)? {
                return Ok(false);
            }
            self.tx.remove(&self.spaces.rows, key);
        }
        at.live = at.live.saturating_sub(1);
        self.keep_place(place, &at);
        Ok(true)
    }

    fn keep_place(&mut self, place: &Place, at: &AtPlace) {
        let places = &self.spaces.places;
        if at.live == 0 {
            self.tx.remove(places, *place);
        } else {
            self.known.note_place(place);
            self.tx.insert(places, *place, at_place_value(at));
        }
    }
}
