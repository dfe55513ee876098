//! Where a case stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The stages, in the order in which a case that goes well passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The nodes have found it; no person has seen it.
    Detected,
    /// Shown to a person of one side or both.
    Notified,
    /// Taken on by a person of one side or both.
    Acknowledged,
    /// One person, by the word of one side or both.
    Confirmed,
    /// Two people.
    Refuted,
    /// It cannot be said, or the two sides differ.
    Inconclusive,
    /// One side waits for an answer of the other.
    FollowUpRequested,
    /// What was asked for was released, in whole or in part.
    Granted,
    /// What was asked for was refused.
    Refused,
    /// Somebody else at the owner decides.
    Escalated,
    /// Something came of it.
    Outcome,
    /// Nothing more to do.
    Closed,
}

impl Stage {
    /// Every stage with its word.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Detected, "detected"),
        (Self::Notified, "notified"),
        (Self::Acknowledged, "acknowledged"),
        (Self::Confirmed, "confirmed"),
        (Self::Refuted, "refuted"),
        (Self::Inconclusive, "inconclusive"),
        (Self::FollowUpRequested, "follow-up requested"),
        (Self::Granted, "granted"),
        (Self::Refused, "refused"),
        (Self::Escalated, "escalated"),
        (Self::Outcome, "outcome"),
        (Self::Closed, "closed"),
    ];

    /// The stage of a word; hyphens may stand for spaces.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let plain = |text: &str| text.trim().to_ascii_lowercase().replace(['-', '_'], " ");
        let word = plain(word);
        let mut all = Self::ALL.iter();
        all.find(|(_, known)| plain(known) == word)
            .map(|(it, _)| *it)
    }

    /// Whether one side's word on the pair is in.
    #[must_use]
    pub fn is_judged(self) -> bool {
        self >= Self::Confirmed
    }

    /// Whether one saying, of either side, can lead from here to there within a round.
    ///
    /// Some steps come only of both acting at once: a case is closed by one while the other asks, or
    /// a word that differs arrives while a request is open.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            _ if self == next => true,
            (Self::Closed, _) | (_, Self::Detected) => false,
            (Self::Outcome, next) => next == Self::Closed,
            (Self::Detected, Self::Notified | Self::Acknowledged) => true,
            (Self::Notified, Self::Acknowledged) => true,
            // Whoever judges has acknowledged before.
            (Self::Acknowledged, Self::Confirmed | Self::Refuted | Self::Inconclusive) => true,
            // Among judged stages a word that is changed can lead anywhere: to a request that was
            // already made, and away from one.
            (from, to) => from.is_judged() && to.is_judged(),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(stage, _)| stage == self);
        f.pad(word.map_or("", |(_, word)| word))
    }
}
