//! Disclosure: what is asked about a case, what the owner decides, what came.
//!
//! The rules are in [`symbolon_casework::disclosure`]. Three tables keep it apart: requests of ours,
//! requests of others, and what was received. What leaves is read from `records` and `dossiers`, which
//! hold this agency's own; nothing here writes into them, and nothing that was received is read when
//! something is released. So what another agency gave has no way to a third through this room.
//!
//! A request is a saying in its case, and so is the word that ends it; values go in letters of their own.
//!
//! | Module | Room |
//! |---|---|
//! | `letter` | what the two nodes write |
//! | `asking` | requests of ours, and what came of them |
//! | `bounds` | how much one agency may ask for |
//! | `owning` | requests of others: look, release, refuse, countersign |
//! | `received` | what others gave, and its end |
//! | `service` | what people ask for, and what they see |

mod asking;
mod bounds;
mod letter;
mod owning;
mod received;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::Acting;
use symbolon_casework::disclosure::decision::Decisions;
use symbolon_casework::disclosure::rules::Second;
use symbolon_casework::disclosure::{Field, Heard, Request, RequestId, Terms};
use symbolon_casework::lifecycle::CaseId;
use symbolon_casework::text::Text;
use symbolon_core::identity::{AgencyName, Name};

use crate::clock::DAY_S;
use crate::error::NodeError;
use crate::tables::MatchKey;

use asking::request_id;
pub use letter::DisclosureLetter;
pub use service::{DisclosureCommand, DisclosureView, FieldView, ReceivedView};

/// Requests of one agency that wait for a decision here.
const MAX_OPEN: usize = 500;
/// Requests of one agency about one case, decided or not.
const MAX_A_CASE: usize = 50;
/// Times that something is given about one case without being asked for.
const MAX_UNASKED_A_CASE: usize = 8;

/// A request of ours.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredAsked {
    pub(super) case: MatchKey,
    pub(super) request: Request,
    pub(super) by: Name,
    pub(super) at: i64,
    /// What has come, field by field.
    pub(super) heard: BTreeMap<Field, Heard>,
    /// Why fields were refused, as the owner said it.
    pub(super) reasons: BTreeSet<Text>,
}

/// A request of another agency.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredRequest {
    pub(super) case: MatchKey,
    /// Its number among the sayings of the other side.
    pub(super) number: u32,
    pub(super) request: Request,
    pub(super) at: i64,
    /// Why a release takes two people, as it was when the request came.
    pub(super) second: BTreeSet<Second>,
    pub(super) decisions: Decisions,
}

impl StoredRequest {
    /// Whether it was asked in a case as it is now. A record that was silent for a while has another
    /// reference since, and its cases other names.
    fn is_of(&self, (from, id): &RequestKey, case: &CaseId) -> bool {
        request_id(case, from, self.number) == *id
    }
}

/// What came of one field.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredReceived {
    pub(super) case: MatchKey,
    /// Empty once its time was over.
    pub(super) values: Vec<String>,
    pub(super) terms: Terms,
    pub(super) at: i64,
    /// Since when its time is over.
    pub(super) ended_at: Option<i64>,
}

/// Which request of which agency.
pub type RequestKey = (AgencyName, RequestId);
/// Which field of it.
pub type ReceivedKey = (AgencyName, RequestId, Field);

/// Purpose and reason, without which nothing is asked, released or refused.
fn said(acting: &Acting) -> Result<(&Text, &Text), NodeError> {
    let said = acting.purpose.as_ref().zip(acting.reason.as_ref());
    said.ok_or_else(|| {
        NodeError::Request(
            "say for what with --purpose and why with --reason; both are written down".to_owned(),
        )
    })
}

/// A rule of the room says no.
fn refused(why: impl std::fmt::Display) -> NodeError {
    NodeError::Request(why.to_string())
}
