//! Entries of the transparency log: one JSON line for each change at the hub.
//!
//! An entry names the event, the member, a count and a digest. Deliberately absent: tokens, handles,
//! payloads and whom a row matched. The tree over the entries is `symbolon_core::log`.

use serde::{Deserialize, Serialize};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A roster entry was appended; the digest is the entry's.
    Roster,
    /// An administrator approved an entry that waits for more approvals; the digest is the entry's.
    Approval,
    /// An agency enrolled; the digest is the entry's.
    Enrolment,
    /// An agreement was proposed; the digest is the proposal's.
    Proposal,
    /// A member accepted; the digest is the agreement's.
    Acceptance,
    /// A custodian stated its key; the digest is the statement's.
    Statement,
    /// Rows were stored; the digest is the member's holdings after it.
    Submission,
    /// Rows were asked with; the count is that of the rows.
    Query,
    /// Rows were withdrawn; the digest is the member's holdings after it.
    Withdrawal,
    /// Rows expired; the digest is the member's holdings after it.
    Expiry,
    /// An envelope was taken in; the digest is that of its sealed bytes.
    Envelope,
    /// A member took over its mail; the count is the sequence number up to which.
    Acknowledgement,
    /// A batch was evaluated; the count is its size, the digest the request's.
    Evaluation,
    /// A member declined an agreement; the digest is the agreement's.
    Decline,
    /// A member left an agreement; the digest is the agreement's.
    Leave,
    /// A member made a new epoch; the count is its number, the digest the statement's.
    Epoch,
    /// A member made its rows anew; the digest is the epoch's.
    Done,
    /// Rows of a member that is gone were deleted; the digest is the member's holdings after it.
    Departure,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// Unix seconds by the hub's clock.
    pub at: i64,
    /// What happened.
    pub event: Event,
    /// By whom; absent where the hub acted by itself.
    pub member: Option<Name>,
    /// How many.
    pub count: u64,
    /// Of what.
    pub digest: Option<Digest>,
}

impl LogEntry {
    /// The line that is hashed into the tree.
    pub fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_of_json() {
        let entry = LogEntry {
            at: 7,
            event: Event::Submission,
            member: Some("harbour".parse().unwrap()),
            count: 3,
            digest: Some(Digest([1; 32])),
        };
        let line = String::from_utf8(entry.line().unwrap()).unwrap();
        assert!(line.starts_with(r#"{"at":7,"event":"submission","member":"harbour","count":3"#));
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<LogEntry>(&line).unwrap(), entry);
    }
}
