//! `hub.toml`: what an operator may set.

mod limits;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use symbolon_traces::TracesConfig;
use thiserror::Error;

pub use self::limits::Limits;
use crate::files::{self, FileError};
use crate::store::postgres::{Settings, Url};

/// The configuration of a hub; [`HubConfig::default_toml`] documents each value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubConfig {
    /// `address:port` for enrolled members and administrators, or several of them.
    pub listen: Addresses,
    /// `address:port` for enrolment.
    pub enrolment_listen: String,
    /// Where the hub answers for its health; nowhere if it is not set.
    #[serde(deserialize_with = "symbolon_health::address")]
    pub health_listen: Option<SocketAddr>,
    /// Where the hub gives its metrics; nowhere if it is not set.
    #[serde(deserialize_with = "symbolon_health::metrics_address")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where `grpc.health.v1.Health` is served without TLS; nowhere if it is not set.
    #[serde(deserialize_with = "symbolon_health::grpc_health_address")]
    pub grpc_health_listen: Option<SocketAddr>,
    /// Whether the interface is told to whoever may call it.
    pub grpc_reflection: bool,
    /// Where traces of requests are sent; nowhere if it is not set.
    pub traces: Option<TracesConfig>,
    /// Life of an agency's certificate.
    pub leaf_life: Life,
    /// Seconds between two sweeps for expired rows.
    pub expiry_sweep_s: u64,
    /// The URL of the database that keeps what the hub knows; its own directory does if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Url>,
    /// How the database is used.
    pub postgres: PostgresConfig,
    /// What is logged, and where.
    pub log: LogConfig,
    /// Bounds on what peers can make the hub do.
    pub limits: Limits,
}

/// Where to listen: one address, or a list of them with the same services on each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Addresses(pub Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Addresses {
    fn from(written: OneOrMany) -> Self {
        match written {
            OneOrMany::One(address) => Self(vec![address]),
            OneOrMany::Many(addresses) => Self(addresses),
        }
    }
}

impl From<Addresses> for OneOrMany {
    fn from(addresses: Addresses) -> Self {
        match <[String; 1]>::try_from(addresses.0) {
            Ok([one]) => Self::One(one),
            Err(many) => Self::Many(many),
        }
    }
}

impl From<String> for Addresses {
    fn from(address: String) -> Self {
        Self(vec![address])
    }
}

/// The life of a certificate, written with its unit: `5m`, `12h`, `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Life(i64);

impl Life {
    /// The shortest: a node looks once a second whether a third of it is left, and needs time to
    /// renew.
    const SHORTEST_S: i64 = 120;
    const LONGEST_S: i64 = 90 * 86_400;
    const UNITS: [(char, i64); 3] = [('d', 86_400), ('h', 3_600), ('m', 60)];

    const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// In seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl std::str::FromStr for Life {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = Self::UNITS.iter().find_map(|(unit, seconds)| {
            let number: u32 = text.strip_suffix(*unit)?.parse().ok()?;
            Some(i64::from(number) * seconds)
        });
        let within = parsed.filter(|life| (Self::SHORTEST_S..=Self::LONGEST_S).contains(life));
        within.map(Self).ok_or_else(|| {
            format!("{text:?} is not a life from 2m to 90d: write minutes, hours or days as 5m, 12h, 30d")
        })
    }
}

impl TryFrom<String> for Life {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Life> for String {
    fn from(life: Life) -> Self {
        life.to_string()
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = Self::UNITS
            .iter()
            .find(|(_, seconds)| self.0 % seconds == 0);
        match whole {
            Some((unit, seconds)) => write!(f, "{}{unit}", self.0 / seconds),
            None => write!(f, "{}s", self.0),
        }
    }
}

/// How the database of [`HubConfig::store`] is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// Roots that vouch for the servers, PEM.
    pub root_certificates: Option<PathBuf>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// Most connections.
    pub connections: usize,
    /// Seconds in which a lost database must be reached again before a request fails.
    pub patience_s: u64,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            root_certificates: None,
            password_file: None,
            connections: 8,
            patience_s: 30,
        }
    }
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

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7443".to_owned().into(),
            enrolment_listen: "127.0.0.1:7444".into(),
            health_listen: None,
            metrics_listen: None,
            grpc_health_listen: None,
            grpc_reflection: false,
            traces: None,
            leaf_life: Life::from_seconds(30 * 86_400),
            expiry_sweep_s: 3600,
            store: None,
            postgres: PostgresConfig::default(),
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
        must: String,
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

    /// The database, if there is one.
    pub fn database(&self) -> Option<Settings> {
        let PostgresConfig {
            root_certificates,
            password_file,
            connections,
            patience_s,
        } = &self.postgres;
        Some(Settings {
            url: self.store.clone()?,
            root_certificates: root_certificates.clone(),
            password_file: password_file.clone(),
            connections: *connections,
            patience: Duration::from_secs(*patience_s),
        })
    }

    /// Refuses values that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |name, must: &str| {
            let must = must.to_owned();
            Err(ConfigError::Value { name, must })
        };
        if !(1..=16).contains(&self.listen.0.len()) {
            return wrong("listen", "one address or up to 16 of them");
        }
        if !self.store.as_ref().is_none_or(Url::is_postgres) {
            return wrong(
                "store",
                "a URL like postgres://user@host/database, or left out",
            );
        }
        if !(2..=1000).contains(&self.postgres.connections) {
            return wrong("postgres.connections", "2 to 1000");
        }
        if !(1..=600).contains(&self.postgres.patience_s) {
            return wrong("postgres.patience_s", "1 to 600");
        }
        if self.expiry_sweep_s < 1 {
            return wrong("expiry_sweep_s", "at least 1");
        }
        self.limits.check()
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
        for bad in ["7480", "localhost:7480", "127.0.0.1"] {
            let refused = toml::from_str::<HubConfig>(&format!("health_listen = \"{bad}\""));
            let told = refused.unwrap_err().to_string();
            assert!(
                told.contains("health_listen must be an address with a port"),
                "{told}"
            );
            let refused = toml::from_str::<HubConfig>(&format!("metrics_listen = \"{bad}\""));
            let told = refused.unwrap_err().to_string();
            assert!(
                told.contains("metrics_listen must be an address with a port"),
                "{told}"
            );
        }
        let set = HubConfig::default_toml()
            .replace("# health_listen", "health_listen")
            .replace("# grpc_health_listen", "grpc_health_listen")
            .replace("# traces", "traces");
        let set: HubConfig = toml::from_str(&set).unwrap();
        assert!(set.health_listen.is_some_and(|at| at.ip().is_loopback()));
        assert!(
            set.grpc_health_listen
                .is_some_and(|at| at.ip().is_loopback())
        );
        assert!(set.traces.is_some());
        let traces = "traces = { endpoint = \"https://a:1\" }";
        assert!(toml::from_str::<HubConfig>(traces).is_err());
        let config: HubConfig = toml::from_str("expiry_sweep_s = 0").unwrap();
        let told = config.check().unwrap_err().to_string();
        assert_eq!(told, "`expiry_sweep_s` in hub.toml must be at least 1");
        assert!(
            toml::from_str::<HubConfig>("listen = []")
                .unwrap()
                .check()
                .is_err()
        );
    }

    #[test]
    fn lives_are_written_with_their_unit() {
        for (text, seconds) in [("5m", 300), ("12h", 43_200), ("90d", 7_776_000)] {
            let config: HubConfig = toml::from_str(&format!("leaf_life = \"{text}\"")).unwrap();
            assert_eq!(config.leaf_life.seconds(), seconds);
            assert_eq!(config.leaf_life.to_string(), text);
        }
        for bad in [
            "",
            "5",
            "1m",
            "91d",
            "5 m",
            "-5m",
            "5é",
            "5s",
            "99999999999999999999d",
        ] {
            let refused = toml::from_str::<HubConfig>(&format!("leaf_life = \"{bad}\""));
            let told = refused.unwrap_err().to_string();
            assert!(told.contains("from 2m to 90d"), "{bad}: {told}");
        }
    }

    #[test]
    fn one_address_or_several() {
        let one: HubConfig = toml::from_str("listen = \"127.0.0.1:1\"").unwrap();
        assert_eq!(one.listen, "127.0.0.1:1".to_owned().into());
        let two: HubConfig = toml::from_str("listen = [\"127.0.0.1:1\", \"[::1]:1\"]").unwrap();
        assert_eq!(two.listen.0.len(), 2);
    }
}
