//! Cases at the node: matches that people work on, kept alike with the other agency's node.
//!
//! The rules are [`symbolon_casework::lifecycle`]: each side adds to its own list, and where a case stands
//! is worked out of both. Here the lists lie in the vault and go over in letters. A saying is stored and
//! flushed before its letter is posted, and letters have ids of their own, so a kill between the two sends
//! again what is then passed over.
//!
//! A case is *quiet* when the other side must not hear of it (the own record is silent) or cannot (it came
//! from a query): what people say then stays here.
//!
//! | Module | Room |
//! |---|---|
//! | `acts` | what people do in a case |
//! | `letters` | what goes to the other side and comes from it |
//! | `queue` | the list of what is to be done |
//! | `tend` | what the node does by itself: cases begin, contact points go over, new evidence reopens |

mod acts;
mod letters;
mod queue;
mod tend;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_casework::dossier::Level;
use symbolon_casework::lifecycle::{Case, CaseId, Said, Side};
use symbolon_casework::text::Text;
use symbolon_core::identity::Name;
use symbolon_core::payload::RecordReference;

use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

pub use acts::{CaseCommand, CaseDetail, SaidView};
pub use letters::CaseLetter;
pub use queue::{CaseView, QueueEntry, QueueFilter};

/// A case in the vault.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredCase {
    /// The own record, the other agency and its reference, under which agreement.
    pub key: MatchKey,
    /// The own record's reference under the agreement.
    pub own: RecordReference,
    /// What was said.
    pub case: Case,
    /// What the other side said and that waits for something that was said before it.
    pub early: Vec<Said>,
    /// How many of the own sayings are in the outbox or gone.
    pub posted: u32,
    /// When the other side was last sent something again.
    pub resent_at: i64,
    /// Who of this agency said what, by number; it is not told to the other side.
    pub by: BTreeMap<u32, Name>,
    /// When the other's sayings came, by number.
    pub heard_at: BTreeMap<u32, i64>,
    /// The round that was seen last, and since when.
    pub round_began: (u32, i64),
    /// Whether a match of this node stood behind it, now or before: the other side may write first.
    pub found: bool,
    /// It came from a query: what people say in it stays here, whatever becomes of the match.
    #[serde(default)]
    pub kept_here: bool,
    /// Who works on it.
    pub assigned: Option<Name>,
    /// The own contact point as last sent.
    pub contact_sent: Option<Text>,
    /// Whom to call at the other agency.
    pub their_contact: Option<Text>,
}

impl StoredCase {
    fn new(key: MatchKey, own: RecordReference, now: i64) -> Self {
        Self {
            key,
            own,
            case: Case::default(),
            early: Vec::new(),
            posted: 0,
            resent_at: i64::MIN,
            by: BTreeMap::new(),
            heard_at: BTreeMap::new(),
            round_began: (1, now),
            found: false,
            kept_here: false,
            assigned: None,
            contact_sent: None,
            their_contact: None,
        }
    }

    pub(crate) fn id(&self) -> CaseId {
        CaseId::of(&self.key.agreement, self.own, self.key.reference)
    }

    /// Notes when a round began, as this node saw it.
    fn note_round(&mut self, now: i64) {
        let round = self.case.view().round;
        if round != self.round_began.0 {
            self.round_began = (round, now);
        }
    }
}

impl Node {
    /// This agency's side in a case.
    pub(crate) fn side_in(&self, stored: &StoredCase) -> Side {
        Side::of(&self.identity.agency, &stored.key.agency)
    }

    /// Whether the other side must not, or cannot, hear of a case.
    pub(crate) fn is_quiet(&self, key: &MatchKey) -> Result<bool, NodeError> {
        if self.dossier(&key.record_id)?.level == Level::Silent {
            return Ok(true);
        }
        let found = self.tables.matches.get(key)?;
        Ok(found.is_some_and(|found| found.query))
    }

    /// Whether nothing of a case may go over now: it is quiet, or was only a query, or runs under a
    /// reference that the record no longer has and so is over for the other side.
    pub(crate) fn is_mute(&self, stored: &StoredCase) -> Result<bool, NodeError> {
        let same = self.own_reference(&stored.key)? == Some(stored.own);
        Ok(stored.kept_here || !same || self.is_quiet(&stored.key)?)
    }

    /// The case of a match, if it has begun.
    pub(crate) fn case_of(&self, key: &MatchKey) -> Result<Option<StoredCase>, NodeError> {
        match self.case_id(key)? {
            Some(id) => self.tables.cases.get(&id),
            None => Ok(None),
        }
    }

    pub(super) fn own_reference(
        &self,
        key: &MatchKey,
    ) -> Result<Option<RecordReference>, NodeError> {
        let record = self.tables.records.get(&key.record_id)?;
        Ok(record.and_then(|record| record.references.get(&key.agreement).copied()))
    }

    /// The case that a person names by the first digits of its id.
    pub(crate) fn find_case(&self, id: &str) -> Result<StoredCase, NodeError> {
        let wanted = id.trim().to_ascii_lowercase();
        let mut found = Vec::new();
        for entry in self.tables.cases.iter() {
            let (case, stored) = entry?;
            if wanted.len() >= 4 && case.0.to_string().starts_with(&wanted) {
                found.push(stored);
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(stored), true) => Ok(stored),
            (None, _) => Err(NodeError::Request(format!(
                "there is no case {id}; `symbolon-node queue --all` lists them"
            ))),
            (Some(_), false) => Err(NodeError::Request(format!(
                "several cases begin with {id}; give more of its digits"
            ))),
        }
    }

    /// Deletes what is kept of the cases of a record.
    pub(crate) fn forget_cases_of(&self, record_id: &str) -> Result<(), NodeError> {
        for entry in self.tables.cases.iter() {
            let (id, stored) = entry?;
            if stored.key.record_id == record_id {
                self.tables.cases.remove(&id)?;
            }
        }
        Ok(())
    }
}
