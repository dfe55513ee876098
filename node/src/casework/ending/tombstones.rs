//! Tombstones: laid when a record goes, sent to whoever was told of it, confirmed by each.
//!
//! A letter carries the tombstone as it was signed; the recipient keeps it, ends what it had of it, and a
//! person there confirms that what was received is dealt with. The confirmation is signed too and comes
//! back, so that both have both. Letters may come twice and are then passed over.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::tombstone::{Confirmation, SharedAs, Signed, Tombstone, TombstoneError};
use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::payload::RecordReference;

use super::receipts::ReceivedTombstoneView;
use crate::error::NodeError;
use crate::letters::Letter;
use crate::node::Node;
use crate::tables::{KeyTag, MatchKey, ReceivedTombstone, StoredEnd, StoredTombstone};

/// Tombstones of one agency that wait for a confirmation here; more are not kept.
const MAX_UNCONFIRMED: usize = 10_000;

/// What nodes write to each other when something ends.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EndingLetter {
    /// Something that the recipient was told of is no more.
    Ended {
        /// The tombstone.
        tombstone: Signed,
    },
    /// What was received of it is dealt with.
    Confirmed {
        /// Digest of the tombstone.
        tombstone: Digest,
        /// The confirmation.
        confirmation: Signed,
    },
}

/// A record of another agency: whose, under which agreement, by which reference.
type Met = (AgencyName, Digest, RecordReference);
type Recipients = BTreeMap<Option<SharedAs>, BTreeSet<AgencyName>>;

impl Node {
    /// Lays and sends what has to be said of a record's end, or of the end of what was shared of it. With
    /// `references` there is a tombstone for each of them, and one for a record that had none; without
    /// them only for those that somebody was told of.
    pub(crate) fn tell_end(
        &self,
        id: &str,
        end: StoredEnd,
        references: Option<Vec<(Digest, RecordReference)>>,
    ) -> Result<(), NodeError> {
        let whole = references.is_some();
        let mut ended = Recipients::new();
        for (agreement, reference) in references.into_iter().flatten() {
            let shared_as = SharedAs {
                agreement,
                reference,
            };
            ended.entry(Some(shared_as)).or_default();
        }
        let told = self.told_of(id)?;
        for ((_, agency, agreement), told) in &told {
            for reference in &told.ours {
                let shared_as = SharedAs {
                    agreement: *agreement,
                    reference: *reference,
                };
                let recipients = ended.entry(Some(shared_as)).or_default();
                recipients.insert(agency.clone());
            }
        }
        if whole && ended.is_empty() {
            ended.insert(None, BTreeSet::new());
        }
        self.lay(id, end, &ended)?;
        for (place, _) in told {
            self.tables.told.remove(&place)?;
        }
        Ok(())
    }

    /// The same for one agreement that a record leaves.
    pub(super) fn tell_end_under(
        &self,
        id: &str,
        end: StoredEnd,
        agreement: &Digest,
    ) -> Result<(), NodeError> {
        let mut ended = Recipients::new();
        for (place, told) in self.told_of(id)? {
            let (_, agency, line) = &place;
            if line != agreement {
                continue;
            }
            for reference in told.ours {
                let shared_as = SharedAs {
                    agreement: *line,
                    reference,
                };
                let recipients = ended.entry(Some(shared_as)).or_default();
                recipients.insert(agency.clone());
            }
        }
        self.lay(id, end, &ended)?;
        for (place, _) in self.told_of(id)? {
            if place.2 == *agreement {
                self.tables.told.remove(&place)?;
            }
        }
        Ok(())
    }

    fn lay(&self, id: &str, end: StoredEnd, ended: &Recipients) -> Result<(), NodeError> {
        let keys = self.keys();
        for (shared_as, recipients) in ended {
            let tombstone = Tombstone {
                consortium: self.identity.genesis,
                agency: self.identity.agency.clone(),
                shared_as: *shared_as,
                record: self.mark_in(id, shared_as.as_ref()),
                reason: end.reason,
                at: end.at,
                roster: end.roster,
            };
            let signed = Signed::tombstone(&tombstone, &keys.signing).map_err(refused)?;
            let digest = signed.digest();
            // The same after a kill: the body follows from what was written down before the first step.
            let known = self.tables.tombstones.get(&digest)?;
            let mut stone = known.unwrap_or(StoredTombstone {
                signed,
                recipients: BTreeMap::new(),
            });
            for recipient in recipients {
                stone.recipients.entry(recipient.clone()).or_insert(None);
            }
            // Kept before it goes, and posted under an id that follows from it: again is the same.
            self.tables.tombstones.put(&digest, &stone)?;
            for recipient in recipients {
                let letter = EndingLetter::Ended {
                    tombstone: stone.signed.clone(),
                };
                let name = recipient.as_str().as_bytes();
                let named = crypto::digest("symbolon tombstone letter", &[&digest.0, name]);
                let letter_id = named.0.first_chunk::<16>().copied().unwrap_or_default();
                let letter = Letter::Ending(Box::new(letter));
                self.post_as(KeyTag(letter_id), recipient, &letter)?;
            }
        }
        Ok(())
    }

    /// Takes in a letter. The caller holds the work lock.
    pub(crate) fn ending_letter(
        &self,
        from: &AgencyName,
        letter: EndingLetter,
    ) -> Result<(), NodeError> {
        let taken = match letter {
            EndingLetter::Ended { tombstone } => self.take_tombstone(from, tombstone)?,
            EndingLetter::Confirmed {
                tombstone,
                confirmation,
            } => self.take_confirmation(from, tombstone, confirmation)?,
        };
        if let Err(error) = taken {
            tracing::warn!(%from, %error, "a letter about an end is refused");
        }
        Ok(())
    }

    fn take_tombstone(
        &self,
        from: &AgencyName,
        signed: Signed,
    ) -> Result<Result<(), TombstoneError>, NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let verified = signed.verify_tombstone(&roster, &self.identity.genesis);
        let tombstone = match verified {
            Ok((tombstone, _)) => tombstone,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = tombstone.must_be_of(from) {
            return Ok(Err(error));
        }
        let place = (from.clone(), signed.digest());
        // What met nothing here ends nothing here, and takes no work: made-up ones cost their sender more.
        let met = match tombstone.shared_as {
            Some(place) => (from.clone(), place.agreement, place.reference),
            None => return Ok(Ok(())),
        };
        if self.tables.received_tombstones.contains(&place)? {
            // A kill may have come before this.
            self.tables.met.remove(&met)?;
            return Ok(Ok(()));
        }
        let Some(records) = self.tables.met.get(&met)? else {
            tracing::info!(%from, "a tombstone of what met nothing here; passed over");
            return Ok(Ok(()));
        };
        let mut unconfirmed = 0;
        for entry in self.tables.received_tombstones.iter() {
            let ((agency, _), received) = entry?;
            unconfirmed += usize::from(agency == *from && received.confirmation.is_none());
        }
        if unconfirmed >= MAX_UNCONFIRMED {
            tracing::warn!(%from, "more tombstones than are kept wait for a confirmation");
            return Ok(Ok(()));
        }
        self.end_what_met(&met)?;
        let received = ReceivedTombstone {
            signed,
            received_at: self.clock.now(),
            records,
            confirmation: None,
        };
        self.tables.received_tombstones.put(&place, &received)?;
        self.tables.met.remove(&met)?;
        let what = "another agency ended what it had shared";
        self.write_down(AuditEvent::of_the_node(AuditKind::Erasure, what).agency(from))?;
        Ok(Ok(()))
    }

    /// Ends matches with a reference that is no more.
    fn end_what_met(&self, met: &Met) -> Result<(), NodeError> {
        let (agency, agreement, reference) = met;
        let of_it = |key: &MatchKey| {
            (&key.agency, &key.agreement, &key.reference) == (agency, agreement, reference)
        };
        let mut pairs = Vec::new();
        for entry in self.tables.evidence.iter() {
            let (pair, key) = entry?;
            if of_it(&key) {
                pairs.push(pair);
            }
        }
        for (own, other) in pairs {
            self.take_cancellation(own, other)?;
        }
        Ok(())
    }

    fn take_confirmation(
        &self,
        from: &AgencyName,
        digest: Digest,
        signed: Signed,
    ) -> Result<Result<(), TombstoneError>, NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let verified = signed.verify_confirmation(&roster, &digest);
        let word = verified.and_then(|(word, _)| word.must_be_of(from));
        if let Err(error) = word {
            return Ok(Err(error));
        }
        let Some(mut stone) = self.tables.tombstones.get(&digest)? else {
            return Ok(Err(TombstoneError::OtherTombstone));
        };
        let Some(place) = stone.recipients.get_mut(from) else {
            return Ok(Err(TombstoneError::OtherTombstone));
        };
        if place.is_none() {
            *place = Some(signed);
            self.tables.tombstones.put(&digest, &stone)?;
            let what = "another agency confirmed an erasure";
            self.write_down(AuditEvent::of_the_node(AuditKind::Erasure, what).agency(from))?;
        }
        Ok(Ok(()))
    }

    /// Confirms that what was received of something that is no more is dealt with.
    pub(super) fn confirm_tombstone(
        &self,
        acting: &Acting,
        beginning: &str,
    ) -> Result<ReceivedTombstoneView, NodeError> {
        acting.may(Permission::KeepRecords)?;
        let mut found = Vec::new();
        for entry in self.tables.received_tombstones.iter() {
            let (place, received) = entry?;
            if beginning.len() >= 8 && place.1.to_string().starts_with(beginning) {
                found.push((place, received));
            }
        }
        let Some((place, mut received)) = found.pop().filter(|_| found.is_empty()) else {
            return Err(NodeError::Request(format!(
                "{beginning} is not the beginning of one tombstone, eight digits or more; `symbolon-node erasure received` lists them"
            )));
        };
        if received.confirmation.is_none() {
            let word = Confirmation {
                tombstone: place.1,
                agency: self.identity.agency.clone(),
                at: self.clock.now(),
                roster: self.membership(|m| m.roster.length),
            };
            let signed = Signed::confirmation(&word, &self.keys().signing).map_err(refused)?;
            received.confirmation = Some(signed.clone());
            // The letter first: without it nobody would hear of what is kept here as said.
            let letter = EndingLetter::Confirmed {
                tombstone: place.1,
                confirmation: signed,
            };
            self.post(&place.0, &Letter::Ending(Box::new(letter)))?;
            self.tables.received_tombstones.put(&place, &received)?;
            let event = AuditEvent::by(acting, AuditKind::Erasure, "erasure confirmed");
            self.write_down(event.agency(&place.0))?;
            self.vault.flush()?;
        }
        self.received_tombstone_view(&place, &received)
    }
}

pub(super) fn refused(error: TombstoneError) -> NodeError {
    NodeError::Request(format!("the tombstone is refused: {error}"))
}
