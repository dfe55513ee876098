//! `hub.toml`: what an operator may set.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{self, FileError};

/// The configuration of a hub; [`HubConfig::default_toml`] documents each value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubConfig {
    /// `address:port` for enrolled members and administrators.
    pub listen: String,
    /// `address:port` for enrolment.
    pub enrolment_listen: String,
    /// Life of an agency's certificate in days.
    pub leaf_days: u32,
    /// Seconds between two sweeps for expired rows.
    pub expiry_sweep_s: u64,
    /// What is logged, and where.
    pub log: LogConfig,
    /// Bounds on what peers can make the hub do.
    pub limits: Limits,
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Level, or a filter as in `RUST_LOG`.
    pub level: String,
    /// Text for people, JSON for machines.
    pub format: LogFormat,
    /// A file that gets the same lines as standard error.
    pub file: Option<PathBuf>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Bounds on what peers can make the hub do.
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
    /// Handshakes under way on each port.
    pub max_handshakes: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7443".into(),
            enrolment_listen: "127.0.0.1:7444".into(),
            leaf_days: 30,
            expiry_sweep_s: 3600,
            log: LogConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
            file: None,
        }
    }
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
            max_handshakes: 128,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{0}; was this directory made by `symbolon-hub init`?")]
    File(#[from] FileError),
    /// It is not TOML, or names what does not exist.
    #[error("{} is not a valid configuration: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        detail: String,
    },
    /// A value that cannot work.
    #[error("`{name}` in hub.toml must be {must}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What it must be.
        must: &'static str,
    },
}

impl HubConfig {
    /// The default with a comment on each value, as `init` writes it.
    pub fn default_toml() -> &'static str {
        include_str!("default.toml")
    }

    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = files::read_text(path)?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses values that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Limits {
            max_rows_per_submit,
            max_rows_per_query,
            max_envelope_bytes,
            mailbox_max_items,
            evaluate_timeout_s,
            in_flight_per_custodian,
            in_flight_per_agency,
            max_connections,
            max_handshakes,
        } = &self.limits;
        // A 4 MiB message holds about 18000 rows; a hundred hits each of 64 query rows fill a reply.
        let within: [(&str, bool, &str); 11] = [
            ("leaf_days", (1..=365).contains(&self.leaf_days), "1 to 365"),
            ("expiry_sweep_s", self.expiry_sweep_s >= 1, "at least 1"),
            (
                "limits.max_rows_per_submit",
                (1..=18_000).contains(max_rows_per_submit),
                "1 to 18000",
            ),
            (
                "limits.max_rows_per_query",
                (1..=64).contains(max_rows_per_query),
                "1 to 64",
            ),
            (
                "limits.max_envelope_bytes",
                *max_envelope_bytes >= 2048,
                "at least 2048",
            ),
            (
                "limits.mailbox_max_items",
                *mailbox_max_items >= 1,
                "at least 1",
            ),
            (
                "limits.evaluate_timeout_s",
                (1..=300).contains(evaluate_timeout_s),
                "1 to 300",
            ),
            (
                "limits.in_flight_per_custodian",
                (1..=1024).contains(in_flight_per_custodian),
                "1 to 1024",
            ),
            (
                "limits.in_flight_per_agency",
                (1..=1024).contains(in_flight_per_agency),
                "1 to 1024",
            ),
            (
                "limits.max_connections",
                (1..=100_000).contains(max_connections),
                "1 to 100000",
            ),
            (
                "limits.max_handshakes",
                (1..=10_000).contains(max_handshakes),
                "1 to 10000",
            ),
        ];
        match within.into_iter().find(|(_, fits, _)| !fits) {
            Some((name, _, must)) => Err(ConfigError::Value { name, must }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_default_is_the_default() {
        let documented: HubConfig = toml::from_str(HubConfig::default_toml()).unwrap();
        assert_eq!(documented, HubConfig::default());
        assert!(documented.check().is_ok());
    }

    #[test]
    fn unknown_names_and_impossible_values_are_refused() {
        assert!(toml::from_str::<HubConfig>("lisen = \"x\"").is_err());
        let config: HubConfig = toml::from_str("leaf_days = 0").unwrap();
        let told = config.check().unwrap_err().to_string();
        assert_eq!(told, "`leaf_days` in hub.toml must be 1 to 365");
    }
}
