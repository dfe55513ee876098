//! The node's settings: `node.toml` in its state directory.
//!
//! Every setting has a default that is safe to leave: without the file the node works, and shares
//! nothing until it is told to. Where the state is kept is said on the command line, not here.

mod casework;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de};
use symbolon_casework::retention::Class;
use symbolon_core::identity::Name;
use symbolon_traces::TracesConfig;
use thiserror::Error;

use crate::error::NodeError;
pub use casework::{Casework, Disclosure, Letters, Missing};

/// Name of the file in the state directory.
pub const FILE_NAME: &str = "node.toml";

/// Largest batch a custodian answers.
pub const MAX_BATCH: u32 = 4096;

/// Longest that work waits to be mixed: an hour.
pub const MAX_BATCH_INTERVAL_MS: u64 = 3_600_000;

/// Most comparisons with one agency in a day: three hours of one core.
pub const MAX_DAILY_BUDGET: u32 = 1_000_000;

/// Most comparisons of one pair in an epoch. Each is remembered, and many tell whole records.
pub const MAX_RUNS_PER_PAIR: u32 = 10_000;

/// Settings are a page of text; a larger file is a mistake.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

const DEFAULT_TOML: &str = include_str!("config/default.toml");

/// Settings of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The state directory that the command line named; not in the file.
    #[serde(skip)]
    pub state: PathBuf,
    /// Whether this node keeps records or only holds a share of the key.
    pub role: Role,
    /// Address of the hub, `host:port`, instead of the invitation's.
    #[serde(deserialize_with = "hub_address")]
    pub hub: Option<String>,
    /// Where to answer for this node's health; nowhere if it is not set.
    #[serde(deserialize_with = "symbolon_health::address")]
    pub health_listen: Option<SocketAddr>,
    /// Where traces of requests are sent; nowhere if it is not set.
    pub traces: Option<TracesConfig>,
    /// How identifiers are turned into tokens.
    pub tokenising: Tokenising,
    /// What imported records take part in.
    pub sharing: Sharing,
    /// What this agency adds to the linkage.
    pub linkage: Linkage,
    /// Who is told of a missing person.
    pub missing: Missing,
    /// How much is compared with other nodes.
    pub comparison: Comparison,
    /// What goes with letters to other nodes.
    pub letters: Letters,
    /// What other agencies are given.
    pub disclosure: Disclosure,
    /// What people do about records and matches.
    pub casework: Casework,
    /// How long records are kept, by class.
    #[serde(deserialize_with = "casework::retention")]
    pub retention: BTreeMap<Name, Class>,
    /// What this node does as a custodian.
    pub custody: Custody,
    /// What the serving node writes down about itself.
    pub log: Log,
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It keeps an agency's records; it holds a share of the key too, if it is appointed.
    #[default]
    Member,
    /// It holds a share of the key and nothing else: no records, no queries.
    Custodian,
}

impl Role {
    /// Refuses what only a node with records does.
    pub(crate) fn refuse_records(self) -> Result<(), NodeError> {
        self.refuse("keeps no records; use the agency's own node for them")
    }

    /// Refuses a word on an agreement: it would promise records that this node never has.
    pub(crate) fn refuse_agreements(self) -> Result<(), NodeError> {
        self.refuse("takes part in no agreement; use the agency's own node for it")
    }

    fn refuse(self, why: &str) -> Result<(), NodeError> {
        match self {
            Self::Member => Ok(()),
            Self::Custodian => Err(NodeError::Request(format!(
                "this node is a custodian only (role = \"custodian\" in node.toml) and {why}, or change the role and start it again"
            ))),
        }
    }
}

/// How identifiers are turned into tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokenising {
    /// Linkage keys in the first requests to the custodians, and rows in a submission, 1 to [`MAX_BATCH`].
    #[serde(deserialize_with = "batch")]
    pub batch: u32,
    /// How long rows wait for others to be mixed with, 0 to [`MAX_BATCH_INTERVAL_MS`].
    #[serde(deserialize_with = "batch_interval")]
    pub batch_interval_ms: u64,
}

impl Default for Tokenising {
    fn default() -> Self {
        Self {
            batch: 1024,
            batch_interval_ms: 2000,
        }
    }
}

/// What imported records take part in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sharing {
    /// Agreements for newly imported records, unless `--agreement` says otherwise. Empty: nothing
    /// leaves the node.
    pub default_agreements: Vec<String>,
}

/// What this agency adds to the linkage, beside the schema that all agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Linkage {
    /// A file of nicknames beside those of the product. Relative to the state directory.
    pub nicknames: Option<PathBuf>,
}

/// How much is compared with other nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Comparison {
    /// Comparisons with one agency in a day, 0 to [`MAX_DAILY_BUDGET`].
    #[serde(deserialize_with = "daily_budget")]
    pub daily_budget: u32,
    /// Comparisons of one pair of records in one epoch of an agreement, 1 to [`MAX_RUNS_PER_PAIR`].
    #[serde(deserialize_with = "runs_per_pair")]
    pub runs_per_pair: u32,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            daily_budget: 1000,
            runs_per_pair: 4,
        }
    }
}

/// What this node does as a custodian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Custody {
    /// Whether it answers requests with its share of the key, if it holds one.
    pub evaluate: bool,
}

impl Default for Custody {
    fn default() -> Self {
        Self { evaluate: true }
    }
}

/// What the serving node writes down about itself; never values of records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// From which level on.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
    /// To which file; to standard error if there is none. Relative to the state directory.
    pub file: Option<PathBuf>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Faults of the program.
    Error,
    /// And what needs attention.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read the settings {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file says something that is not a setting.
    #[error(
        "{} line {line}: {reason}; `symbolon-node default-config` prints every setting with what it \
         allows",
        path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong and what is allowed.
        reason: String,
    },
}

impl NodeConfig {
    /// The default settings as a file, with every setting explained.
    pub fn default_toml() -> &'static str {
        DEFAULT_TOML
    }

    /// Reads `node.toml` in the state directory; the defaults if there is none.
    pub fn load(state: &Path) -> Result<Self, ConfigError> {
        let path = state.join(FILE_NAME);
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        let mut config = Self::parse(&text, &path)?;
        config.state = state.to_owned();
        Ok(config)
    }

    /// Reads settings from text; `path` is for the error.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            ConfigError::Invalid {
                path: path.to_owned(),
                line: before.unwrap_or_default().matches('\n').count() + 1,
                reason: error.message().replace('\n', ": "),
            }
        })
    }

    /// The file to log to, if there is one.
    pub fn log_file(&self) -> Option<PathBuf> {
        self.log.file.as_ref().map(|file| self.state.join(file))
    }

    /// The file of nicknames, if there is one.
    pub fn nicknames_file(&self) -> Option<PathBuf> {
        let file = self.linkage.nicknames.as_ref();
        file.map(|file| self.state.join(file))
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    if path.metadata()?.len() > MAX_FILE_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    std::fs::read_to_string(path)
}

fn hub_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let address = String::deserialize(deserializer)?;
    let good = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if good {
        Ok(Some(address))
    } else {
        Err(de::Error::custom(
            "hub must be host:port, for example \"hub.example.org:7443\"",
        ))
    }
}

fn batch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within("batch", i64::deserialize(deserializer)?, 1, MAX_BATCH)
}

fn batch_interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = i64::deserialize(deserializer)?;
    within("batch_interval_ms", value, 0, MAX_BATCH_INTERVAL_MS)
}

fn daily_budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = i64::deserialize(deserializer)?;
    within("daily_budget", value, 0, MAX_DAILY_BUDGET)
}

fn runs_per_pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = i64::deserialize(deserializer)?;
    within("runs_per_pair", value, 1, MAX_RUNS_PER_PAIR)
}

fn within<T, E>(setting: &str, value: i64, least: T, most: T) -> Result<T, E>
where
    T: TryFrom<i64> + PartialOrd + Copy + fmt::Display,
    E: de::Error,
{
    let fits = |value: &T| (least..=most).contains(value);
    T::try_from(value).ok().filter(fits).ok_or_else(|| {
        E::custom(format!(
            "{setting} must be from {least} to {most}, not {value}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let error = NodeConfig::parse(text, Path::new("node.toml")).unwrap_err();
        let text = error.to_string();
        let (reason, hint) = text.split_once("; `symbolon-node default-config`").unwrap();
        assert!(!hint.is_empty());
        reason.to_owned()
    }

    #[test]
    fn the_explained_defaults_are_the_defaults() {
        let path = Path::new("default");
        let explained = NodeConfig::parse(NodeConfig::default_toml(), path).unwrap();
        assert_eq!(explained, NodeConfig::default());
        // Settings without a default are explained and commented out: they parse when not.
        let set = NodeConfig::default_toml()
            .replace("# hub = ", "hub = ")
            .replace("# health_listen = ", "health_listen = ")
            .replace("# file = ", "file = ")
            .replace("# traces = ", "traces = ")
            .replace("# nicknames = ", "nicknames = ");
        let set = NodeConfig::parse(&set, path).unwrap();
        assert!(set.traces.is_some());
        assert!(set.hub.is_some() && set.log.file.is_some());
        assert!(set.linkage.nicknames.is_some());
        assert!(set.health_listen.is_some_and(|at| at.ip().is_loopback()));
    }

    #[test]
    fn without_a_file_the_defaults_hold() {
        let state = tempfile::tempdir().unwrap();
        let config = NodeConfig::load(state.path()).unwrap();
        let expected = NodeConfig {
            state: state.path().to_owned(),
            ..NodeConfig::default()
        };
        assert_eq!(config, expected);
        assert!(config.sharing.default_agreements.is_empty());
    }

    #[test]
    fn a_file_changes_what_it_names() {
        let state = tempfile::tempdir().unwrap();
        let text =
            "hub = \"localhost:7443\"\n[tokenising]\nbatch = 4096\n[log]\nfile = \"n.log\"\n";
        std::fs::write(state.path().join(FILE_NAME), text).unwrap();
        let config = NodeConfig::load(state.path()).unwrap();
        assert_eq!(config.hub.as_deref(), Some("localhost:7443"));
        assert_eq!(config.tokenising.batch, 4096);
        assert_eq!(config.tokenising.batch_interval_ms, 2000);
        assert_eq!(config.log_file(), Some(state.path().join("n.log")));
    }

    #[test]
    fn a_broken_file_is_told_with_line_and_what_is_allowed() {
        assert_eq!(
            refusal("[tokenising]\nbatch = 5000\n"),
            "node.toml line 2: batch must be from 1 to 4096, not 5000"
        );
        assert_eq!(
            refusal("[tokenising]\n\nbatch_interval_ms = -1\n"),
            "node.toml line 3: batch_interval_ms must be from 0 to 3600000, not -1"
        );
        let told = refusal("[letters]\nmax_attachment_bytes = 67108865\n");
        assert!(told.contains("must be from 1 to 67108864"), "{told}");
        let told = refusal("[disclosure]\nimmigration_services = [\"Border Force\"]\n");
        assert!(told.starts_with("node.toml line 2: "), "{told}");
        let told = refusal("health_listen = \"7480\"\n");
        assert!(told.contains("line 1: health_listen must be an address with a port"));
        let told = refusal("traces = { endpoint = \"https://a:1\" }\n");
        assert!(
            told.contains("line 1: the endpoint of traces must be"),
            "{told}"
        );
        assert!(refusal("hub = \"https://hub/\"\n").contains("line 1: hub must be host:port"));
        assert_eq!(
            refusal("[log]\nlevel = \"loud\"\n"),
            "node.toml line 2: unknown variant `loud`, expected one of `error`, `warn`, `info`, \
             `debug`, `trace`"
        );
        let class = "[retention.old-case]\nexpires_after_days = 30\nreview_after_days = ";
        assert!(refusal(&format!("{class}31\n")).contains("retention class old-case must have"));
        let sound = NodeConfig::parse(&format!("{class}30\n"), Path::new("x")).unwrap();
        assert_eq!(sound.retention.len(), 1);
        let unknown = refusal("# a comment\n[sharing]\nagreements = []\n");
        assert!(
            unknown.starts_with("node.toml line 3: unknown field `agreements`"),
            "{unknown}"
        );
        assert!(refusal("state = \"x\"\n").contains("unknown field `state`"));
        assert!(refusal("\n[log\n").starts_with("node.toml line 2: "));
    }
}
