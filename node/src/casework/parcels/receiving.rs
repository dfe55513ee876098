//! The recipient's side: what is taken, what is refused, and what is said of it.

use std::sync::atomic::Ordering;

use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::lifecycle::CaseId;
use symbolon_casework::parcel::{ChunkSet, Incoming, Manifest, ParcelId, Refusal, Taken};
use symbolon_core::identity::AgencyName;

use super::letter::{ParcelLetter, Step};
use super::{
    DAY_S, HALF_RECEIVED_S, MAX_KEPT, MAX_KEPT_BYTES, MAX_LINES, MAX_UNDER_WAY,
    MAX_UNDER_WAY_BYTES, Received, STALLED_S, SWEEP_S, StoredIncoming,
};
use crate::error::NodeError;
use crate::letters::Letter;
use crate::node::Node;
use crate::tables::{MatchKey, Secret};

impl Node {
    /// Takes in a letter about a parcel. The caller holds the work lock.
    pub(crate) fn parcel_letter(
        &self,
        from: &AgencyName,
        letter: ParcelLetter,
    ) -> Result<(), NodeError> {
        let _changes = self.parcels.lock();
        let ParcelLetter { parcel, step } = letter;
        match step {
            Step::Manifest { case, manifest } if manifest.parcel == parcel => {
                self.take_manifest(from, &case, manifest)
            }
            Step::Manifest { .. } => {
                tracing::warn!(%from, "manifest under another name than its letter's; dropped");
                Ok(())
            }
            Step::Chunk { number, bytes } => self.take_parcel_chunk(from, parcel, number, &bytes),
            Step::Have { chunks } => self.resume_parcel(from, parcel, &chunks),
            Step::Done => self.parcel_is_there(from, parcel),
            Step::Refused { why } => self.parcel_was_refused(from, parcel, why),
        }
    }

    fn take_manifest(
        &self,
        from: &AgencyName,
        case: &CaseId,
        manifest: Manifest,
    ) -> Result<(), NodeError> {
        let key = (from.clone(), manifest.parcel);
        if let Some(known) = self.tables.parcels_in.get(&key)? {
            return self.again(from, &known, &manifest);
        }
        let refuse = |why| self.post_parcel(from, manifest.parcel, Step::Refused { why });
        // No answer for a case that is not here: it would tell what was erased from what became silent.
        let Some(case) = self.case_of_letter(from, case)? else {
            return Ok(());
        };
        let case = case.key;
        // Of a record that became silent the other side hears nothing, not even this.
        if self.is_quiet(&case)? {
            return Ok(());
        }
        let most = self.config.letters.max_attachment_bytes;
        let state = match Incoming::begin(manifest.clone(), most) {
            Ok(state) => state,
            Err(why) => {
                tracing::warn!(%from, %why, "an attachment was refused");
                return refuse(why);
            }
        };
        if !self.has_room_for(from, &manifest)? {
            tracing::warn!(%from, "an attachment was not taken: this agency has no more room here");
            return refuse(Refusal::NoRoom);
        }
        let stored = StoredIncoming {
            state,
            case,
            progress_at: self.clock.now(),
            said: (0, 0),
            end: None,
        };
        self.tables.parcels_in.put(&key, &stored)
    }

    /// The sender writes of a parcel that is known: it wants to hear how far it is.
    fn again(
        &self,
        from: &AgencyName,
        known: &StoredIncoming,
        manifest: &Manifest,
    ) -> Result<(), NodeError> {
        if known.state.manifest() != manifest {
            let why = Refusal::OtherManifest;
            tracing::warn!(%from, %why, "a manifest was dropped");
            return Ok(());
        }
        let step = match known.end {
            None => Step::Have {
                chunks: known.state.have().clone(),
            },
            Some(Received::Whole(_) | Received::Removed | Received::Over) => Step::Done,
            Some(Received::Refused(why)) => Step::Refused { why },
        };
        self.reply(&known.case, manifest.parcel, step)
    }

    /// The manifest has been checked: sizes are such that their sum is one.
    fn has_room_for(&self, from: &AgencyName, manifest: &Manifest) -> Result<bool, NodeError> {
        let mut under_way = (1, manifest.bytes);
        let mut kept = under_way;
        let mut lines = 0;
        for entry in self.tables.parcels_in.iter() {
            let ((agency, _), stored) = entry?;
            if agency != *from {
                continue;
            }
            let bytes = stored.state.manifest().bytes;
            // What was refused, removed or is over takes a line and no room.
            lines += 1;
            if matches!(stored.end, None | Some(Received::Whole(_))) {
                kept = (kept.0 + 1, kept.1 + bytes);
            }
            if stored.end.is_none() {
                under_way = (under_way.0 + 1, under_way.1 + bytes);
            }
        }
        let fits = |(number, bytes): (usize, u64), most: usize, most_bytes| {
            number <= most && bytes <= most_bytes
        };
        Ok(fits(under_way, MAX_UNDER_WAY, MAX_UNDER_WAY_BYTES)
            && fits(kept, MAX_KEPT, MAX_KEPT_BYTES)
            && lines < MAX_LINES)
    }

    fn take_parcel_chunk(
        &self,
        from: &AgencyName,
        parcel: ParcelId,
        number: u32,
        bytes: &Secret,
    ) -> Result<(), NodeError> {
        let key = (from.clone(), parcel);
        let Some(mut stored) = self.tables.parcels_in.get(&key)? else {
            // Refused for want of room, or expired: the sender asks again.
            return Ok(());
        };
        if stored.end.is_some() {
            return Ok(());
        }
        match stored.state.look_at(number, &bytes.0) {
            Ok(Taken::Again) => return Ok(()),
            Ok(Taken::New) => {}
            Err(why) => return self.refuse_parcel(from, stored, why),
        }
        // The chunk before the mark: after a crash in between it comes again.
        let place = (Some(from.clone()), parcel, number);
        self.tables.parcel_chunks.put(&place, bytes)?;
        stored.state.note(number);
        stored.progress_at = self.clock.now();
        stored.said = (0, 0);
        if stored.state.is_whole() {
            return self.conclude_parcel(from, stored);
        }
        self.tables.parcels_in.put(&key, &stored)
    }

    /// All chunks are here: is it the file?
    fn conclude_parcel(
        &self,
        from: &AgencyName,
        mut stored: StoredIncoming,
    ) -> Result<(), NodeError> {
        let manifest = stored.state.manifest();
        let parcel = manifest.parcel;
        let chunks = (0..manifest.chunks).map(|number| {
            // One that is missing makes another file, which is refused as such.
            let chunk = self
                .tables
                .parcel_chunks
                .get(&(Some(from.clone()), parcel, number))?;
            let bytes = chunk.map(|chunk| chunk.0.clone()).unwrap_or_default();
            Ok::<_, NodeError>(zeroize::Zeroizing::new(bytes))
        });
        if let Err(why) = stored.state.verify(chunks)? {
            return self.refuse_parcel(from, stored, why);
        }
        self.write_down(
            AuditEvent::of_the_node(AuditKind::Disclosure, "attachment received")
                .record(&stored.case.record_id)
                .case(&self.case_word(&stored.case)?)
                .agency(from),
        )?;
        stored.end = Some(Received::Whole(self.clock.now()));
        self.tables
            .parcels_in
            .put(&(from.clone(), parcel), &stored)?;
        self.reply(&stored.case, parcel, Step::Done)
    }

    /// A chunk that must be there.
    pub(super) fn chunk(
        &self,
        whose: Option<&AgencyName>,
        parcel: ParcelId,
        number: u32,
    ) -> Result<Secret, NodeError> {
        let chunk = self
            .tables
            .parcel_chunks
            .get(&(whose.cloned(), parcel, number))?;
        chunk.ok_or(NodeError::Internal("a chunk of an attachment is missing"))
    }

    fn refuse_parcel(
        &self,
        from: &AgencyName,
        mut stored: StoredIncoming,
        why: Refusal,
    ) -> Result<(), NodeError> {
        tracing::warn!(%from, %why, "an attachment was refused");
        let (parcel, chunks) = {
            let manifest = stored.state.manifest();
            (manifest.parcel, manifest.chunks)
        };
        stored.end = Some(Received::Refused(why));
        self.tables
            .parcels_in
            .put(&(from.clone(), parcel), &stored)?;
        self.drop_chunks(Some(from), (parcel, chunks))?;
        self.reply(&stored.case, parcel, Step::Refused { why })
    }

    /// Answers the sender, unless the own record became silent meanwhile.
    fn reply(&self, case: &MatchKey, parcel: ParcelId, step: Step) -> Result<(), NodeError> {
        match self.is_quiet(case)? {
            true => Ok(()),
            false => self.post_parcel(&case.agency, parcel, step),
        }
    }

    pub(super) fn post_parcel(
        &self,
        to: &AgencyName,
        parcel: ParcelId,
        step: Step,
    ) -> Result<(), NodeError> {
        let letter = ParcelLetter { parcel, step };
        self.post(to, &Letter::Parcel(Box::new(letter)))
    }

    /// Deletes files whose time is over; that they were here stays.
    pub(super) fn end_kept(&self) -> Result<(), NodeError> {
        let now = self.clock.now();
        if now < self.parcels.next_sweep.load(Ordering::Relaxed) {
            return Ok(());
        }
        for entry in self.tables.parcels_in.iter() {
            let ((from, parcel), mut stored) = entry?;
            if !matches!(stored.end, Some(Received::Whole(_))) || !stored.is_over(now) {
                continue;
            }
            self.write_down(
                AuditEvent::of_the_node(AuditKind::Erasure, "received attachment ended")
                    .record(&stored.case.record_id)
                    .case(&self.case_word(&stored.case)?)
                    .agency(&from),
            )?;
            let chunks = stored.state.manifest().chunks;
            stored.end = Some(Received::Over);
            self.drop_chunks(Some(&from), (parcel, chunks))?;
            self.tables.parcels_in.put(&(from, parcel), &stored)?;
        }
        let next = now.saturating_add(SWEEP_S);
        self.parcels.next_sweep.store(next, Ordering::Relaxed);
        Ok(())
    }

    /// Says again what is here of parcels that stand still; drops those that have stood for too long.
    pub(super) fn tend_incoming(&self) -> Result<(), NodeError> {
        let now = self.clock.now();
        let under_way: Vec<_> = self
            .tables
            .parcels_in
            .iter()
            .filter(|entry| !entry.as_ref().is_ok_and(|(_, s)| s.end.is_some()))
            .collect::<Result<_, _>>()?;
        for ((from, parcel), mut stored) in under_way {
            let chunks = stored.state.manifest().chunks;
            if now - stored.progress_at > HALF_RECEIVED_S {
                tracing::warn!(%from, "a half-received attachment expired");
                self.tables.parcels_in.remove(&(from.clone(), parcel))?;
                self.drop_chunks(Some(&from), (parcel, chunks))?;
                continue;
            }
            let (times, last) = stored.said;
            let wait = DAY_S.min(STALLED_S << times.min(16));
            if now - last.max(stored.progress_at) <= wait {
                continue;
            }
            let have: ChunkSet = stored.state.have().clone();
            self.reply(&stored.case, parcel, Step::Have { chunks: have })?;
            stored.said = (times.saturating_add(1), now);
            self.tables.parcels_in.put(&(from, parcel), &stored)?;
        }
        Ok(())
    }
}
