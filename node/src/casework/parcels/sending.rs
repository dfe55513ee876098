//! The sender's side: a few chunks at a time, in order, and what is sent again.

use std::collections::BTreeMap;

use symbolon_casework::parcel::{ChunkSet, ParcelId, Refusal};
use symbolon_core::identity::AgencyName;

use super::letter::Step;
use super::{GIVE_UP_S, OFFER_AGAIN_S, Sent, StoredOutgoing};
use crate::error::NodeError;
use crate::node::Node;

/// Letters to one agency in the outbox beyond which no chunk is added: a megabyte.
const WINDOW: usize = 4;

impl Node {
    /// Puts chunks of what is under way into the outbox, as many as go; tends what stands still. Gives
    /// whether there is something new to send.
    pub(crate) fn feed_parcels(&self) -> Result<bool, NodeError> {
        let _changes = self.parcels.lock();
        self.tend_incoming()?;
        self.end_kept()?;
        let mut under_way = Vec::new();
        for entry in self.tables.parcels_to_go.iter() {
            let (parcel, ()) = entry?;
            match self.tables.parcels_out.get(&parcel)? {
                Some(stored) if stored.end.is_none() => under_way.push(stored),
                _ => self.tables.parcels_to_go.remove(&parcel)?,
            }
        }
        if under_way.is_empty() {
            return Ok(false);
        }
        under_way.sort_by_key(|stored| stored.number);
        let mut room: BTreeMap<AgencyName, usize> = BTreeMap::new();
        for entry in self.tables.outbox.iter() {
            let (_, letter) = entry?;
            let left = room.entry(letter.to).or_insert(WINDOW);
            *left = left.saturating_sub(1);
        }
        let mut posted = false;
        for stored in under_way {
            let left = room.entry(stored.case.agency.clone()).or_insert(WINDOW);
            posted |= self.send_some(stored, left)?;
        }
        Ok(posted)
    }

    fn send_some(&self, mut stored: StoredOutgoing, room: &mut usize) -> Result<bool, NodeError> {
        let now = self.clock.now();
        let to = stored.case.agency.clone();
        let parcel = stored.state.manifest().parcel;
        let case = self.case_id(&stored.case)?;
        let stands = self.tables.matches.contains(&stored.case)? && !self.is_quiet(&stored.case)?;
        let Some(case) = case.filter(|_| stands) else {
            self.end_parcel(stored, Sent::CaseEnded)?;
            return Ok(false);
        };
        if now - stored.at > GIVE_UP_S {
            tracing::warn!(%to, "an attachment was given up: its recipient never had all of it");
            self.end_parcel(stored, Sent::GivenUp)?;
            return Ok(false);
        }
        // Others pass it meanwhile.
        if now < stored.not_before {
            return Ok(false);
        }
        let silent = stored.state.next().is_none() && now - stored.offered_at > OFFER_AGAIN_S;
        let mut posted = false;
        if *room > 0 && (stored.offered_at == 0 || silent) {
            let manifest = stored.state.manifest().clone();
            self.post_parcel(&to, parcel, Step::Manifest { case, manifest })?;
            stored.offered_at = now;
            posted = true;
            *room -= 1;
        }
        while let Some(number) = stored.state.next().filter(|_| *room > 0) {
            let bytes = self.chunk(None, parcel, number)?;
            self.post_parcel(&to, parcel, Step::Chunk { number, bytes })?;
            stored.state.note(number);
            posted = true;
            *room -= 1;
        }
        if stored.state.next().is_some() {
            // The next parcel for this agency waits for this one.
            *room = 0;
        }
        if posted {
            self.tables.parcels_out.put(&parcel, &stored)?;
        }
        Ok(posted)
    }

    fn end_parcel(&self, mut stored: StoredOutgoing, end: Sent) -> Result<(), NodeError> {
        let manifest = stored.state.manifest();
        let (parcel, chunks) = (manifest.parcel, manifest.chunks);
        stored.end = Some(end);
        self.tables.parcels_out.put(&parcel, &stored)?;
        self.tables.parcels_to_go.remove(&parcel)?;
        self.drop_chunks(None, (parcel, chunks))
    }

    /// A parcel of ours for this agency that is under way.
    fn under_way(
        &self,
        from: &AgencyName,
        parcel: ParcelId,
    ) -> Result<Option<StoredOutgoing>, NodeError> {
        let stored = self.tables.parcels_out.get(&parcel)?;
        Ok(stored.filter(|stored| stored.case.agency == *from && stored.end.is_none()))
    }

    pub(super) fn resume_parcel(
        &self,
        from: &AgencyName,
        parcel: ParcelId,
        have: &ChunkSet,
    ) -> Result<(), NodeError> {
        let Some(mut stored) = self.under_way(from, parcel)? else {
            return Ok(());
        };
        // What still goes for the first time goes anyway.
        if stored.state.next().is_some() {
            return Ok(());
        }
        if let Err(why) = stored.state.resume(have) {
            tracing::warn!(%from, %why, "a word on an attachment was dropped");
            return Ok(());
        }
        if stored.state.was_asked_too_often() {
            tracing::warn!(%from, "an attachment was given up: its recipient asked for it too often");
            return self.end_parcel(stored, Sent::GivenUp);
        }
        self.tables.parcels_out.put(&parcel, &stored)?;
        self.outbox_waits.notify_one();
        Ok(())
    }

    pub(super) fn parcel_is_there(
        &self,
        from: &AgencyName,
        parcel: ParcelId,
    ) -> Result<(), NodeError> {
        match self.under_way(from, parcel)? {
            Some(stored) => self.end_parcel(stored, Sent::Delivered(self.clock.now())),
            None => Ok(()),
        }
    }

    pub(super) fn parcel_was_refused(
        &self,
        from: &AgencyName,
        parcel: ParcelId,
        why: Refusal,
    ) -> Result<(), NodeError> {
        let Some(mut stored) = self.under_way(from, parcel)? else {
            return Ok(());
        };
        tracing::warn!(%from, %why, "an attachment was not taken");
        // Room may be made: all of it goes again a day later.
        if why == Refusal::NoRoom {
            stored.state.begin_again();
            stored.offered_at = 0;
            stored.not_before = self.clock.now().saturating_add(OFFER_AGAIN_S);
            return self.tables.parcels_out.put(&parcel, &stored);
        }
        self.end_parcel(stored, Sent::Refused(why))
    }
}
