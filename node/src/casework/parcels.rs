//! Attachments: files that go with a case, in parcels of chunks.
//!
//! The rules of a parcel are in [`symbolon_casework::parcel`]. Here chunks lie in the vault on both
//! sides, each sealed by itself. The sender puts a few at a time into the outbox, so that other letters
//! are not held up and a full mailbox stops nothing else. One parcel for an agency goes after the other,
//! so that they arrive in the order in which they were sent.
//!
//! | Module | Room |
//! |---|---|
//! | `letter` | what the two nodes write |
//! | `receiving` | what came in: bounds, chunks, the end |
//! | `sending` | what goes out, what is sent again, what is given up |
//! | `service` | what people ask for |

mod letter;
mod receiving;
mod sending;
mod service;

use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use symbolon_casework::disclosure::LONGEST_KEPT_S;
use symbolon_casework::parcel::{Incoming, Outgoing, ParcelId, Refusal};
use symbolon_core::identity::{AgencyName, Name};

use crate::clock::DAY_S;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

pub use letter::ParcelLetter;
pub use service::{AttachmentCommand, AttachmentView, SavedAttachment};

/// Parcels of one agency that are half received at a time.
const MAX_UNDER_WAY: usize = 16;
/// Their bytes together: four of the largest that any setting allows.
const MAX_UNDER_WAY_BYTES: u64 = 256 << 20;
/// Parcels of one agency that are here at all; people remove some to make room.
const MAX_KEPT: usize = 1_000;
/// Lines of parcels of one agency, also of those that were refused, removed or are over.
const MAX_LINES: usize = 20_000;
/// Their bytes together.
const MAX_KEPT_BYTES: u64 = 1 << 30;
/// A recipient that still lacks chunks says what it has after this long without one, and then after
/// twice as long, up to a day.
const STALLED_S: i64 = 300;
/// A half-received parcel is dropped when nothing came for so long.
const HALF_RECEIVED_S: i64 = 14 * DAY_S;
/// A sender that hears nothing sends the manifest again after so long, and the whole parcel when the
/// recipient had no room.
const OFFER_AGAIN_S: i64 = DAY_S;
/// What is kept is looked through this often; nothing is shown any more from the moment on when it ends.
const SWEEP_S: i64 = 60;
/// And gives up after so long.
const GIVE_UP_S: i64 = 60 * DAY_S;

/// Whoever changes what is under way holds this; taken after `work` where both are.
#[derive(Default)]
pub(crate) struct Parcels {
    changes: Mutex<()>,
    /// What is kept is looked through not before this.
    next_sweep: AtomicI64,
}

impl Parcels {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A parcel of ours.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredOutgoing {
    pub(super) state: Outgoing,
    pub(super) case: MatchKey,
    /// Parcels for one agency go in this order.
    pub(super) number: u64,
    pub(super) by: Name,
    pub(super) at: i64,
    /// Nothing goes before: the recipient had no room.
    pub(super) not_before: i64,
    /// When the manifest last went; 0 for never.
    pub(super) offered_at: i64,
    pub(super) end: Option<Sent>,
}

/// How a parcel of ours ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sent {
    /// The recipient has it, since when.
    Delivered(i64),
    /// The recipient refused it.
    Refused(Refusal),
    /// Nothing was heard for too long.
    GivenUp,
    /// The case ended first.
    CaseEnded,
}

/// A parcel of another agency.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredIncoming {
    pub(super) state: Incoming,
    pub(super) case: MatchKey,
    /// When a chunk last came.
    pub(super) progress_at: i64,
    /// How often we said what we have since then, and when we last did.
    pub(super) said: (u32, i64),
    pub(super) end: Option<Received>,
}

impl StoredIncoming {
    /// Whether the time that its owner set is over. Nobody sets one of more than ten years.
    fn is_over(&self, now: i64) -> bool {
        let whole_at = match self.end {
            Some(Received::Whole(at)) => at,
            _ => now,
        };
        let most = whole_at.saturating_add(LONGEST_KEPT_S);
        self.state.manifest().keep_until.min(most) <= now
    }
}

/// How a parcel of another agency ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Received {
    /// All of it is here, since when.
    Whole(i64),
    /// It broke the rules.
    Refused(Refusal),
    /// It was here and somebody removed it.
    Removed,
    /// It was here until the time that its owner set was over.
    Over,
}

/// Whose chunk: an agency's, or our own where there is none.
pub type ChunkKey = (Option<AgencyName>, ParcelId, u32);

impl Node {
    /// Cases are gone: so are the files that went and came with them.
    pub(crate) fn forget_parcels_of(
        &self,
        gone: impl Fn(&MatchKey) -> bool,
    ) -> Result<(), NodeError> {
        let _changes = self.parcels.lock();
        for entry in self.tables.parcels_in.iter() {
            let ((from, parcel), stored) = entry?;
            if gone(&stored.case) {
                let chunks = stored.state.manifest().chunks;
                // Chunks before what names them: a kill must leave none that nobody knows.
                self.drop_chunks(Some(&from), (parcel, chunks))?;
                self.tables.parcels_in.remove(&(from.clone(), parcel))?;
            }
        }
        for entry in self.tables.parcels_out.iter() {
            let (parcel, stored) = entry?;
            if gone(&stored.case) {
                let chunks = stored.state.manifest().chunks;
                self.tables.parcels_to_go.remove(&parcel)?;
                self.drop_chunks(None, (parcel, chunks))?;
                self.tables.parcels_out.remove(&parcel)?;
            }
        }
        Ok(())
    }

    /// Deletes the chunks of a parcel.
    fn drop_chunks(
        &self,
        whose: Option<&AgencyName>,
        (parcel, chunks): (ParcelId, u32),
    ) -> Result<(), NodeError> {
        (0..chunks).try_for_each(|number| {
            let key = (whose.cloned(), parcel, number);
            self.tables.parcel_chunks.remove(&key)
        })
    }
}
