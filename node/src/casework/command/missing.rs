//! What can be asked about missing persons.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_casework::missing::{InterviewResult, Outcome, Update};
use symbolon_casework::text::Text;

/// About missing persons.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MissingCommand {
    /// Somebody is missing.
    Report {
        /// An own record; with columns, the id of one that is made.
        record_id: String,
        /// Columns of the CSV contract with their values; empty where the record is there.
        columns: BTreeMap<String, String>,
        /// What is known; risk and circumstances at least.
        known: Box<Update>,
    },
    /// Something is new.
    Update {
        /// Whose record.
        record_id: String,
        /// What.
        news: Box<Update>,
    },
    /// The person was found.
    Found {
        /// Whose record.
        record_id: String,
        /// How.
        outcome: Outcome,
        /// When, Unix seconds; now if it is not said.
        found_at: Option<i64>,
        /// What else.
        note: Option<Text>,
    },
    /// The interview that was due has ended.
    Interview {
        /// Whose record.
        record_id: String,
        /// Which episode's, where several are due.
        episode: Option<u32>,
        /// What became of it.
        result: InterviewResult,
        /// When, Unix seconds; now if it is not said.
        held_at: Option<i64>,
        /// Who held or offered it.
        interviewer: Text,
        /// What came of it.
        notes: Option<Text>,
    },
    /// The report was a mistake; the claim says why.
    Cancel {
        /// Whose record.
        record_id: String,
    },
    /// Who is missing, and whose interview is due.
    List {
        /// What is over, too.
        all: bool,
    },
    /// Every episode of one person.
    Show {
        /// Whose record.
        record_id: String,
    },
}
