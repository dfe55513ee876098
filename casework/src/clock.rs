//! Response clocks: by when a case wants an answer of this side.

use serde::{Deserialize, Serialize};
use symbolon_core::agreement::ResponseHours;
use symbolon_core::payload::Urgency;

use crate::lifecycle::{Side, View};

const HOUR_S: i64 = 3600;

/// What a case waits for at one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaits {
    /// This side's word on whether it is one person.
    Word,
    /// This side's answer to what the other asked for.
    Answer,
}

/// A clock that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// For what.
    pub awaits: Awaits,
    /// Until when, Unix seconds.
    pub at: i64,
}

impl Due {
    /// Whether the time is over.
    #[must_use]
    pub fn is_overdue(&self, now: i64) -> bool {
        now > self.at
    }
}

/// The clock of a side, if one runs: an answer that is owed comes before a word, as somebody waits for it.
///
/// `began` is when the round began here, `asked_at` when a request, by its number, came here.
#[must_use]
pub fn due(
    view: &View,
    side: Side,
    hours: &ResponseHours,
    urgency: Urgency,
    began: i64,
    asked_at: impl Fn(u32) -> i64,
) -> Option<Due> {
    if view.stage == crate::lifecycle::Stage::Closed {
        return None;
    }
    let after = |from: i64, hours: u32| from.saturating_add(i64::from(hours) * HOUR_S);
    let owed = view.waiting_for(side).map(|asked| asked_at(asked.number));
    if let Some(first) = owed.min() {
        return Some(Due {
            awaits: Awaits::Answer,
            at: after(first, hours.follow_up),
        });
    }
    if view.word(side).is_some() {
        return None;
    }
    let hours = match urgency {
        Urgency::High => hours.high,
        Urgency::Medium => hours.medium,
        Urgency::Standard => hours.standard,
    };
    Some(Due {
        awaits: Awaits::Word,
        at: after(began, hours),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{Act, Answer, Case, FollowUp, Verdict};

    const HOURS: ResponseHours = ResponseHours {
        high: 2,
        medium: 6,
        standard: 24,
        follow_up: 48,
    };

    #[test]
    fn a_word_is_due_by_risk_and_an_answer_by_when_it_was_asked_for() {
        let (us, them) = (Side::First, Side::Second);
        let mut case = Case::default();
        let due_for =
            |case: &Case, side, urgency| due(&case.view(), side, &HOURS, urgency, 1000, |_| 5000);
        let word = |at| {
            Some(Due {
                awaits: Awaits::Word,
                at,
            })
        };
        assert_eq!(due_for(&case, us, Urgency::High), word(1000 + 2 * 3600));
        assert_eq!(due_for(&case, us, Urgency::Medium), word(1000 + 6 * 3600));
        assert_eq!(
            due_for(&case, us, Urgency::Standard),
            word(1000 + 24 * 3600)
        );
        let at = 1000 + 24 * 3600;
        let it = due_for(&case, us, Urgency::Standard).unwrap();
        assert!(!it.is_overdue(at) && it.is_overdue(at + 1));

        let reason = || "seen".parse().unwrap();
        case.say(us, 0, Act::Acknowledge).unwrap();
        let judge = Act::Judge {
            verdict: Verdict::Confirmed,
            reason: reason(),
            kinds: [1].into(),
        };
        case.say(us, 0, judge).unwrap();
        assert_eq!(due_for(&case, us, Urgency::High), None, "it has answered");
        assert_eq!(due_for(&case, them, Urgency::High), word(1000 + 2 * 3600));

        let ask = FollowUp {
            fields: ["phone".to_owned()].into(),
            purpose: reason(),
            lawful_basis: reason(),
            urgency: Urgency::High,
            reason: reason(),
        };
        let asked = case.say(us, 0, Act::Ask(ask)).unwrap();
        let answer = Due {
            awaits: Awaits::Answer,
            at: 5000 + 48 * 3600,
        };
        assert_eq!(due_for(&case, them, Urgency::High), Some(answer));
        assert_eq!(due_for(&case, us, Urgency::High), None);
        let refused = Answer::Refused { reason: reason() };
        let act = Act::Answer {
            request: asked.number,
            answer: refused,
        };
        case.say(them, 0, act).unwrap();
        assert_eq!(due_for(&case, them, Urgency::High), word(1000 + 2 * 3600));
    }
}
