//! How a hub or a node says whether all is well: to people in their own answers, and to whatever
//! watches the machine with `GET /healthz` over plain HTTP.
//!
//! Health is [`State::Red`] while there is still time to act, not when it is too late: see
//! [`Lifetime`]. It is about the program and its certificates. Records, members and traffic are
//! deliberately absent, since whoever reaches the port may ask.

mod http;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use http::{Answer, HEALTH, METRICS, address, answer_on, grpc_health_address, metrics_address};

/// Health turns red when a sixth of a life is left, but no earlier than this before its end: a root of
/// ten years and an issuer of one leave a person the same sixty days.
const EARLIEST_RED_S: i64 = 60 * 86_400;

/// Whether somebody has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No.
    Green,
    /// Yes, and the reasons say what to do.
    Red,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Red if there is any reason.
    pub state: State,
    /// What is wrong and what to do.
    pub reasons: Vec<String>,
}

impl From<Vec<String>> for Health {
    fn from(reasons: Vec<String>) -> Self {
        let state = if reasons.is_empty() {
            State::Green
        } else {
            State::Red
        };
        Self { state, reasons }
    }
}

/// From when until when a certificate is good, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// First moment.
    pub from: i64,
    /// Last moment.
    pub until: i64,
}

impl Lifetime {
    /// What a person must know of it now, if anything: that it has not begun, that it has ended, or
    /// that so little is left of it that somebody must act. `what` is named, `todo` says how.
    pub fn trouble(self, what: &str, todo: &str, now: i64) -> Option<String> {
        let Self { from, until } = self;
        if now < from {
            let (from, clock) = (moment(from), moment(now));
            Some(format!(
                "{what} is good from {from} on, and by this machine's clock it is {clock}: set the clock"
            ))
        } else if now > until {
            Some(format!("{what} ended {}; {todo}", moment(until)))
        } else if self.is_nearly_over(now) {
            Some(format!("{what} ends {}; {todo}", moment(until)))
        } else {
            None
        }
    }

    fn is_nearly_over(self, now: i64) -> bool {
        let margin = (self.until.saturating_sub(self.from) / 6).min(EARLIEST_RED_S);
        now > self.until.saturating_sub(margin)
    }
}

fn moment(unix_seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(unix_seconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    #[test]
    fn red_comes_before_the_end() {
        let life = |days: i64| Lifetime {
            from: 0,
            until: days * DAY_S,
        };
        // A sixth of a short life, sixty days of a long one.
        for (days, red_after) in [(30, 25), (3652, 3592)] {
            let last_green = red_after * DAY_S;
            assert!(!life(days).is_nearly_over(last_green));
            assert!(life(days).is_nearly_over(last_green + 1));
        }
        let told = |now| life(30).trouble("it", "renew it", now);
        assert_eq!(told(0), None);
        for (now, words) in [
            (-1, "set the clock"),
            (26 * DAY_S, "it ends 1970-01-31T00:00:00Z; renew it"),
            (31 * DAY_S, "it ended 1970-01-31T00:00:00Z; renew it"),
        ] {
            assert!(told(now).is_some_and(|told| told.contains(words)), "{now}");
        }
        assert!(life(30).trouble("it", "", i64::MAX).is_some());
    }

    #[test]
    fn any_reason_is_red() {
        assert_eq!(Health::from(Vec::new()).state, State::Green);
        let red = Health::from(vec!["it ended".to_owned()]);
        let json = serde_json::to_string(&red).unwrap();
        assert_eq!(json, r#"{"state":"red","reasons":["it ended"]}"#);
    }
}
