//! Bounds on what peers can make the hub do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Bounds on what peers can make the hub do; `hub.toml` explains each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Rows in one submission and handles in one withdrawal.
    pub max_rows_per_submit: usize,
    /// Rows in one query.
    pub max_rows_per_query: usize,
    /// Sealed bytes of one envelope.
    pub max_envelope_bytes: usize,
    /// Items that wait for one member.
    pub mailbox_max_items: u64,
    /// Seconds in which a custodian must answer.
    pub evaluate_timeout_s: u64,
    /// Evaluations under way for one custodian.
    pub in_flight_per_custodian: usize,
    /// Evaluations under way for one asking agency.
    pub in_flight_per_agency: usize,
    /// Live connections on each port.
    pub max_connections: usize,
    /// Live connections of one member or administrator.
    pub max_connections_per_member: usize,
    /// Handshakes under way on each port; at enrolment, live connections.
    pub max_handshakes: usize,
    /// The same from one address.
    pub max_handshakes_per_address: usize,
    /// Seconds in which a handshake must be done.
    pub handshake_timeout_s: u64,
    /// Seconds after which a connection on which nothing comes is asked for a sign of life, and after
    /// which, asked, it is closed.
    pub keepalive_s: u64,
    /// Calls and streams at a time on one connection.
    pub max_streams: u32,
    /// Calls under way of one member, on all its connections.
    pub max_requests_per_member: usize,
    /// Calls a second of one member that go on.
    pub requests_per_s: u32,
    /// Calls of one member that may come at once.
    pub requests_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rows_per_submit: 10_000,
            max_rows_per_query: 64,
            max_envelope_bytes: symbolon_core::envelope::MAX_SEALED_BYTES,
            mailbox_max_items: 1_000_000,
            evaluate_timeout_s: 30,
            in_flight_per_custodian: 32,
            in_flight_per_agency: 8,
            max_connections: 4096,
            max_connections_per_member: 16,
            max_handshakes: 512,
            max_handshakes_per_address: 128,
            handshake_timeout_s: 10,
            keepalive_s: 20,
            max_streams: 64,
            max_requests_per_member: 64,
            requests_per_s: 2000,
            requests_burst: 4000,
        }
    }
}

impl Limits {
    /// How long a call may take: as long as a custodian, and then some.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.evaluate_timeout_s.saturating_add(30))
    }

    /// Refuses values that cannot work.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut bounds = self.of_calls().into_iter().chain(self.of_connections());
        let Some((name, _, least, most)) =
            bounds.find(|(_, value, least, most)| !(least..=most).contains(&value))
        else {
            return Ok(());
        };
        let must = match most {
            u64::MAX => format!("at least {least}"),
            most => format!("{least} to {most}"),
        };
        Err(ConfigError::Value { name, must })
    }

    fn of_calls(&self) -> [Bound; 10] {
        let (per_custodian, per_agency) = (self.in_flight_per_custodian, self.in_flight_per_agency);
        let (rate, burst) = (self.requests_per_s.into(), self.requests_burst.into());
        let calls = wide(self.max_requests_per_member);
        [
            // A 4 MiB message holds about 18000 rows.
            (
                "limits.max_rows_per_submit",
                wide(self.max_rows_per_submit),
                1,
                18_000,
            ),
            // A hundred hits each of 64 rows fill a reply.
            (
                "limits.max_rows_per_query",
                wide(self.max_rows_per_query),
                1,
                64,
            ),
            (
                "limits.max_envelope_bytes",
                wide(self.max_envelope_bytes),
                2048,
                u64::MAX,
            ),
            (
                "limits.mailbox_max_items",
                self.mailbox_max_items,
                1,
                u64::MAX,
            ),
            ("limits.evaluate_timeout_s", self.evaluate_timeout_s, 1, 300),
            (
                "limits.in_flight_per_custodian",
                wide(per_custodian),
                1,
                1024,
            ),
            ("limits.in_flight_per_agency", wide(per_agency), 1, 1024),
            ("limits.max_requests_per_member", calls, 8, 4096),
            ("limits.requests_per_s", rate, 1, 1_000_000),
            ("limits.requests_burst", burst, 1, 1_000_000),
        ]
    }

    fn of_connections(&self) -> [Bound; 7] {
        let of_member = wide(self.max_connections_per_member);
        let of_address = wide(self.max_handshakes_per_address);
        [
            (
                "limits.max_connections",
                wide(self.max_connections),
                1,
                100_000,
            ),
            // A node that renews its certificate has two.
            ("limits.max_connections_per_member", of_member, 2, 1024),
            (
                "limits.max_handshakes",
                wide(self.max_handshakes),
                1,
                10_000,
            ),
            ("limits.max_handshakes_per_address", of_address, 1, 10_000),
            (
                "limits.handshake_timeout_s",
                self.handshake_timeout_s,
                1,
                60,
            ),
            ("limits.keepalive_s", self.keepalive_s, 1, 300),
            // A node has a reception, an attendance and calls beside them.
            ("limits.max_streams", self.max_streams.into(), 8, 1024),
        ]
    }
}

/// Name, value, least and most.
type Bound = (&'static str, u64, u64, u64);

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert!(Limits::default().check().is_ok());
        let limits = Limits {
            max_streams: 7,
            ..Limits::default()
        };
        let told = limits.check().unwrap_err().to_string();
        assert_eq!(told, "`limits.max_streams` in hub.toml must be 8 to 1024");
        let limits = Limits {
            mailbox_max_items: 0,
            ..Limits::default()
        };
        let told = limits.check().unwrap_err().to_string();
        assert_eq!(
            told,
            "`limits.mailbox_max_items` in hub.toml must be at least 1"
        );
    }
}
