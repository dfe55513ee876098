//! Metrics for Prometheus, in the OpenMetrics text format.
//!
//! Counts and times of all members together. No label names a member, a record, a row or an agreement, and
//! labels have few values, whatever a peer asks for: an unknown method is `other`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use symbolon_health::Answer;

use crate::matching::{Counts, Matching};
use crate::membership::Directory;
use crate::store::{Store, StoreError, blocking};

/// From half a millisecond to a minute.
const BUCKETS: u16 = 18;
/// Every method that is served, by the last two parts of its path.
const METHODS: [&str; 31] = [
    "Certificates/List",
    "Certificates/Renew",
    "Certificates/Revoke",
    "Certificates/Revoked",
    "Custody/Attend",
    "Custody/Attendance",
    "Custody/Evaluate",
    "Custody/Publish",
    "Custody/Statements",
    "Enrolment/Enrol",
    "Enrolment/Roster",
    "Health/Check",
    "Health/Watch",
    "Mailbox/Acknowledge",
    "Mailbox/Receive",
    "Mailbox/Send",
    "Matching/Handles",
    "Matching/Holdings",
    "Matching/Query",
    "Matching/Submit",
    "Matching/Withdraw",
    "Membership/Accept",
    "Membership/Agreements",
    "Membership/Append",
    "Membership/Checkpoint",
    "Membership/Declare",
    "Membership/Members",
    "Membership/Propose",
    "Membership/Roster",
    "Membership/Waiting",
    "ServerReflection/ServerReflectionInfo",
];
const OTHER: &str = "other";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    method: &'static str,
    code: Code,
}

/// A status of gRPC by its number, 0 to 16.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Code(u8);

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        write!(encoder, "{}", self.0)
    }
}

/// Requests by method.
#[derive(Clone)]
pub struct Requests {
    answered: Family<Outcome, Counter>,
    seconds: Family<Method, Histogram>,
}

impl Requests {
    fn new() -> Self {
        let histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, BUCKETS));
        Self {
            answered: Family::default(),
            seconds: Family::new_with_constructor(histogram),
        }
    }

    /// The method that a path names: one that is served, or `other`.
    pub fn method(&self, path: &str) -> &'static str {
        // `/symbolon.matching.v1.Matching/Submit`: what follows the last dot.
        let (_, method) = path.rsplit_once('.').unwrap_or_default();
        METHODS
            .iter()
            .find(|known| **known == method)
            .copied()
            .unwrap_or(OTHER)
    }

    /// One was answered.
    pub fn note(&self, method: &'static str, status: &str, took: Duration) {
        let code = status.parse().ok().filter(|code| *code <= 16);
        let outcome = Outcome {
            method,
            code: Code(code.unwrap_or(2)),
        };
        self.answered.get_or_create(&outcome).inc();
        let seconds = self.seconds.get_or_create(&Method { method });
        seconds.observe(took.as_secs_f64());
    }
}

/// Why somebody was refused, for want of room or of a certificate.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(missing_docs)]
pub enum Refusal {
    /// A handshake that went wrong.
    Handshake,
    /// A handshake that took too long.
    Slow,
    /// An address from which members were thrown out again and again.
    Outcast,
    /// A stranger whose place others took.
    Displaced,
    /// A certificate that opens nothing.
    Certificate,
    /// Too many connections.
    Connections,
    /// Calls that come too fast.
    Rate,
    /// Too many calls under way.
    Calls,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: Refusal,
}

/// Refusals by reason, of everybody together.
#[derive(Clone, Default)]
pub struct Refusals(Family<Reason, Counter>);

impl Refusals {
    /// One more.
    pub fn note(&self, reason: Refusal) {
        self.0.get_or_create(&Reason { reason }).inc();
    }
}

/// Everything that is measured.
pub struct Metrics {
    /// Counted as they pass.
    pub requests: Requests,
    /// Counted where they are made.
    pub refusals: Refusals,
    registry: Registry,
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    waiting: Gauge,
    connected: Gauge,
}

impl Metrics {
    /// Nothing has happened yet.
    pub fn new(matching: &Matching, directory: &Arc<Directory>) -> Self {
        let requests = Requests::new();
        let mut registry = Registry::with_prefix("symbolon_hub");
        let answered = requests.answered.clone();
        registry.register("requests", "Requests by method and gRPC status", answered);
        let seconds = requests.seconds.clone();
        let help = "Time to the head of the answer, by method";
        registry.register("request_duration_seconds", help, seconds);
        let refusals = Refusals::default();
        let help = "Connections and calls that were refused, by reason";
        registry.register("refusals", help, refusals.0.clone());
        let Counts {
            submitted,
            asked,
            withdrawn,
            expired,
        } = matching.counts.clone();
        for (name, help, counter) in [
            ("rows_submitted", "Rows handed in for storing", submitted),
            ("rows_asked", "Rows of queries", asked),
            ("rows_withdrawn", "Rows handed in for deletion", withdrawn),
            (
                "rows_expired",
                "Rows deleted after their last month",
                expired,
            ),
        ] {
            registry.register(name, help, counter);
        }
        let (waiting, connected) = (Gauge::default(), Gauge::default());
        let help = "Items that wait in all mailboxes together";
        registry.register("mailbox_items", help, waiting.clone());
        let help = "Connections of members and administrators";
        registry.register("connections", help, connected.clone());
        Self {
            requests,
            refusals,
            registry,
            store: Arc::clone(&matching.store),
            directory: Arc::clone(directory),
            waiting,
            connected,
        }
    }

    /// What `GET /metrics` gives.
    pub async fn look(self: Arc<Self>) -> Answer {
        const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let store = Arc::clone(&self.store);
        let waiting: Result<u64, StoreError> = blocking(move || store.waiting()).await;
        if let Ok(waiting) = waiting {
            self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
        let connected = self.directory.connected();
        self.connected
            .set(i64::try_from(connected).unwrap_or(i64::MAX));
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => Answer::text(TYPE, text),
            Err(_) => Answer::failed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the hub serves, as its interface is written down.
    const INTERFACE: [&str; 6] = [
        include_str!("../../proto/symbolon/certificates.proto"),
        include_str!("../../proto/symbolon/custody.proto"),
        include_str!("../../proto/symbolon/enrolment.proto"),
        include_str!("../../proto/symbolon/mailbox.proto"),
        include_str!("../../proto/symbolon/matching.proto"),
        include_str!("../../proto/symbolon/membership.proto"),
    ];

    #[test]
    fn every_method_that_is_served_has_its_label() {
        // What libraries serve.
        let others = [
            "Health/Check",
            "Health/Watch",
            "ServerReflection/ServerReflectionInfo",
        ];
        let mut served: Vec<String> = others.map(str::to_owned).into();
        for file in INTERFACE {
            let mut service = "";
            for line in file.lines().map(str::trim) {
                let word = |rest: &'static str| rest.split([' ', '(']).next().unwrap();
                if let Some(rest) = line.strip_prefix("service ") {
                    service = word(rest);
                } else if let Some(rest) = line.strip_prefix("rpc ") {
                    served.push(format!("{service}/{}", word(rest)));
                }
            }
        }
        served.sort();
        assert_eq!(served, METHODS);
    }

    #[test]
    fn labels_have_few_values_whatever_is_asked() {
        let requests = Requests::new();
        let known = requests.method("/symbolon.matching.v1.Matching/Submit");
        assert_eq!(known, "Matching/Submit");
        for path in [
            "",
            "/",
            "/x.Matching/Sub",
            "/symbolon.matching.v1.Matching/Submit/x",
            "/a.b/c",
        ] {
            assert_eq!(requests.method(path), OTHER, "{path}");
        }
        for status in ["17", "-1", "x", "300"] {
            requests.note(OTHER, status, Duration::ZERO);
        }
        let outcome = Outcome {
            method: OTHER,
            code: Code(2),
        };
        assert_eq!(requests.answered.get_or_create(&outcome).get(), 4);
    }
}
