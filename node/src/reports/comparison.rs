//! What the node answers about private comparisons.

use serde::{Deserialize, Serialize};

/// How the comparison of one match stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonView {
    /// `waiting`, `done`, `refused` (the other node broke the protocol), `declined` (the other node
    /// refused) or `spent` (compared as often as an
    /// epoch allows, and changed again).
    pub state: String,
    /// How closely each field agrees, in words; when it is done.
    pub fields: Vec<String>,
}

/// How comparisons stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonReport {
    /// Pairs that wait: for the other node, or for another day.
    pub waiting: u64,
    /// Pairs that were compared.
    pub done: u64,
    /// Pairs in which the other node broke the protocol.
    pub refused: u64,
    /// Pairs in which the other node refused.
    #[serde(default)]
    pub declined: u64,
    /// Who did, and how.
    pub refusals: Vec<ComparisonRefusal>,
}

/// One line of the log of comparisons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonLine {
    /// When, RFC 3339.
    pub at: String,
    /// With whom.
    pub agency: String,
    /// The own record; none once it was withdrawn.
    pub record_id: Option<String>,
    /// The own record's reference.
    pub reference: String,
    /// `asked`, `answered`, `compared`, or `declined` by the other node.
    pub what: String,
}

/// What an agency was refused for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonRefusal {
    /// The agency.
    pub agency: String,
    /// How often.
    pub times: u64,
    /// When last, RFC 3339.
    pub last: String,
    /// Why last.
    pub reason: String,
}
