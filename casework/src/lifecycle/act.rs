//! What a side can say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use symbolon_core::payload::Urgency;
use thiserror::Error;

use super::stage::Stage;
use crate::text::Text;

/// Most fields in one request.
pub const MAX_FIELDS: usize = 64;
/// Most kinds of key that can be evidence.
pub const MAX_KINDS: usize = 256;

/// Whether the two records are of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// One person.
    Confirmed,
    /// Two people.
    Refuted,
    /// It cannot be said.
    Inconclusive,
}

/// What came of it in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The person was found, or is safe.
    Safeguarded,
    /// Both agencies go on together.
    JointWork,
    /// Handed over to one of the two, or to a third.
    Referred,
    /// It helped an investigation.
    Intelligence,
    /// Nothing came of it.
    NoAction,
}

/// What one side wants to know of the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUp {
    /// Fields of the record, by their column names.
    pub fields: BTreeSet<String>,
    /// For what.
    pub purpose: Text,
    /// On which basis.
    pub lawful_basis: Text,
    /// How soon.
    pub urgency: Urgency,
    /// Why.
    pub reason: Text,
}

/// What the owner says to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// These fields go; they may be fewer than were asked for.
    Granted {
        /// By their column names.
        fields: BTreeSet<String>,
    },
    /// Nothing goes.
    Refused {
        /// Why.
        reason: Text,
    },
    /// Somebody else at the owner decides; a further answer follows.
    Escalated {
        /// To whom and why.
        reason: Text,
    },
}

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// A person of this side has been shown the match.
    Notify,
    /// A person of this side has taken it on.
    Acknowledge,
    /// This side's word on whether it is one person. A later word takes the place of an earlier one.
    Judge {
        /// The word.
        verdict: Verdict,
        /// Why.
        reason: Text,
        /// The kinds of key that agreed when it was given: a refutation holds for no more than these.
        kinds: BTreeSet<u16>,
    },
    /// This side wants to know something of the other's record.
    Ask(FollowUp),
    /// This side's answer to a request of the other.
    Answer {
        /// The number of the other side's saying that asked.
        request: u32,
        /// The answer.
        answer: Answer,
    },
    /// What came of it.
    Conclude {
        /// In one word.
        outcome: Outcome,
        /// In a few.
        note: Text,
    },
    /// Nothing more to do.
    Close {
        /// Why.
        reason: Text,
    },
    /// Once more from the start.
    Reopen {
        /// Why.
        reason: Text,
    },
}

impl Act {
    /// Its word, for lists and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Notify => "notified",
            Self::Acknowledge => "acknowledged",
            Self::Judge { verdict, .. } => match verdict {
                Verdict::Confirmed => "confirmed",
                Verdict::Refuted => "refuted",
                Verdict::Inconclusive => "inconclusive",
            },
            Self::Ask(_) => "follow-up requested",
            Self::Answer { answer, .. } => match answer {
                Answer::Granted { .. } => "granted",
                Answer::Refused { .. } => "refused",
                Answer::Escalated { .. } => "escalated",
            },
            Self::Conclude { .. } => "outcome",
            Self::Close { .. } => "closed",
            Self::Reopen { .. } => "reopened",
        }
    }

    /// The words that somebody typed for it.
    #[must_use]
    pub fn reason(&self) -> Option<&Text> {
        match self {
            Self::Judge { reason, .. } | Self::Close { reason } | Self::Reopen { reason } => {
                Some(reason)
            }
            Self::Ask(follow_up) => Some(&follow_up.reason),
            Self::Answer { answer, .. } => match answer {
                Answer::Refused { reason } | Answer::Escalated { reason } => Some(reason),
                Answer::Granted { .. } => None,
            },
            Self::Conclude { note, .. } => Some(note),
            Self::Notify | Self::Acknowledge => None,
        }
    }

    /// Whether it is of a size that a person could have made it.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        let bounded = |fields: &BTreeSet<String>| {
            (1..=MAX_FIELDS).contains(&fields.len())
                && fields.iter().all(|name| (1..=64).contains(&name.len()))
        };
        match self {
            Self::Judge { kinds, .. } => kinds.len() <= MAX_KINDS,
            Self::Ask(follow_up) => bounded(&follow_up.fields),
            Self::Answer {
                answer: Answer::Granted { fields },
                ..
            } => bounded(fields),
            _ => true,
        }
    }
}

/// Why an act is not possible as the case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum NotNow {
    #[error("the case is closed; reopen it first")]
    Closed,
    #[error("this side has done so already")]
    Already,
    #[error("acknowledge the match first")]
    NotAcknowledged,
    #[error(
        "nobody has said yet whether it is one person; confirm, refute or call it inconclusive first"
    )]
    NotJudged,
    #[error("only a confirmed match can be followed up, and this one stands at {0}")]
    NotConfirmed(Stage),
    #[error("there is no such open request of the other side")]
    NoSuchRequest,
    #[error("the other side waits for an answer; answer its request first")]
    Waiting,
    #[error("the case is open")]
    Open,
    #[error("more fields or kinds than one act may have")]
    TooMuch,
}
