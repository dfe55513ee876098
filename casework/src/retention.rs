//! How long records are kept: classes, review, expiry, legal hold.
//!
//! A class says after how many days somebody looks whether a record is still needed, and after how many
//! it ends by itself. What was decided for one record stands before its class. A legal hold stands before
//! everything: nothing ends under it.

use serde::{Deserialize, Serialize};

use crate::dossier::Retention;

const DAY_S: i64 = 86_400;
/// A century.
pub const MAX_DAYS: u32 = 36_525;

/// A class of the agency's retention schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Days until somebody looks whether it is still needed; never, if it is left out.
    #[serde(default)]
    pub review_after_days: Option<u32>,
    /// Days until it ends by itself; never, if it is left out.
    #[serde(default)]
    pub expires_after_days: Option<u32>,
}

impl Class {
    /// Whether the days can be meant: at least one of the two, in order, within a century.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let days = [self.review_after_days, self.expires_after_days];
        let mut given = days.iter().flatten();
        let bounded = given.all(|days| (1..=MAX_DAYS).contains(days));
        let ordered = match (self.review_after_days, self.expires_after_days) {
            (Some(review), Some(expiry)) => review <= expiry,
            (None, None) => false,
            _ => true,
        };
        bounded && ordered
    }

    /// Sets the dates of a record that is in this class from `since` on; dates that it has stay.
    pub fn date(&self, since: i64, retention: &mut Retention) {
        let after =
            |days: Option<u32>| days.map(|days| since.saturating_add(i64::from(days) * DAY_S));
        retention.review_at = retention.review_at.or(after(self.review_after_days));
        retention.expires_at = retention.expires_at.or(after(self.expires_after_days));
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its time is over: it ends with the next look.
    Over,
    /// Its time is over, and it is held.
    Held,
    /// A person has to look at it.
    ReviewDue,
    /// It is kept.
    Kept,
    /// Nobody said how long.
    Unlimited,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Over => "over",
            Self::Held => "held",
            Self::ReviewDue => "review due",
            Self::Kept => "kept",
            Self::Unlimited => "no limit set",
        })
    }
}

/// Where a record stands at a time.
#[must_use]
pub fn state(retention: &Retention, now: i64) -> State {
    let reached = |at: Option<i64>| at.is_some_and(|at| at <= now);
    match retention.legal_hold {
        Some(_) if reached(retention.expires_at) => State::Held,
        None if reached(retention.expires_at) => State::Over,
        _ if reached(retention.review_at) => State::ReviewDue,
        _ if retention.expires_at.is_some() || retention.review_at.is_some() => State::Kept,
        Some(_) => State::Held,
        None => State::Unlimited,
    }
}

/// Whether rows that ended by an agreement's retention may be made anew: only while the record's own
/// retention says that it is still needed. One without an end of its own says nothing of the kind, and one
/// whose review is overdue may not be needed any longer.
#[must_use]
pub fn may_renew(retention: &Retention, now: i64) -> bool {
    retention.expires_at.is_some() && state(retention, now) == State::Kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(review_at: Option<i64>, expires_at: Option<i64>, held: bool) -> Retention {
        Retention {
            class: None,
            review_at,
            expires_at,
            legal_hold: held.then(|| "court order".parse().unwrap()),
        }
    }

    #[test]
    fn a_hold_stands_before_everything() {
        assert_eq!(state(&of(None, Some(10), false), 9), State::Kept);
        assert_eq!(state(&of(None, Some(10), false), 10), State::Over);
        assert_eq!(state(&of(None, Some(10), true), 10), State::Held);
        assert_eq!(state(&of(Some(5), Some(10), false), 7), State::ReviewDue);
        assert_eq!(state(&of(None, None, false), 7), State::Unlimited);
        assert_eq!(state(&of(None, None, true), 7), State::Held);
    }

    #[test]
    fn rows_are_renewed_only_within_an_own_retention() {
        assert!(may_renew(&of(Some(20), Some(30), false), 10));
        assert!(!may_renew(&of(Some(20), Some(30), false), 20), "review due");
        assert!(!may_renew(&of(None, Some(30), false), 30), "over");
        assert!(!may_renew(&of(Some(20), None, false), 10), "no end");
        assert!(!may_renew(&of(None, None, false), 10), "nobody said so");
        assert!(
            !may_renew(&of(None, Some(5), true), 10),
            "held is kept here, not shared anew"
        );
    }

    #[test]
    fn a_class_dates_what_has_no_date_of_its_own() {
        let class = Class {
            review_after_days: Some(1),
            expires_after_days: Some(2),
        };
        assert!(class.is_sound());
        let mut retention = of(None, Some(7), false);
        class.date(100, &mut retention);
        assert_eq!(
            (retention.review_at, retention.expires_at),
            (Some(100 + DAY_S), Some(7))
        );
        let days = |review, expiry| Class {
            review_after_days: review,
            expires_after_days: expiry,
        };
        assert!(!days(None, None).is_sound() && !days(Some(3), Some(2)).is_sound());
        assert!(!days(None, Some(0)).is_sound() && !days(None, Some(MAX_DAYS + 1)).is_sound());
    }

    proptest! {
        #[test]
        fn nothing_is_over_while_it_is_held(
            review in proptest::option::of(any::<i64>()),
            expiry in proptest::option::of(any::<i64>()),
            now in any::<i64>(),
        ) {
            prop_assert_ne!(state(&of(review, expiry, true), now), State::Over);
        }
    }
}
