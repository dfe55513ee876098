//! The linkage schema: which kinds of key exist, what each proves, and what that is worth.
//!
//! A schema is data, read from TOML and checked once. A kind of key is a list of
//! [`Feature`](super::feature::Feature)s that must all agree; each feature proves one level of one
//! field, and each level has a weight in bits, `log2(m / u)` in the terms of Fellegi and Sunter:
//! how much likelier the agreement is between two records of one person than between strangers.
//!
//! Both sides of a match must reach the same score, so weights are whole tenths of a bit and sums
//! are exact; [`Schema::digest`] lets two nodes see that they speak of the same schema.

mod compared;
mod fields;
mod normalisers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(super) use super::feature::Feature;
use compared::ComparisonFile;
pub use compared::{Adjustment, ComparedField, ComparedLevel, ComparedSet};
pub(super) use compared::{Comparison, Proved};
pub use fields::{FieldName, Level};
pub use normalisers::Normaliser;

/// A kind of key, by the number that travels in payloads. Never reused for another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyKindId(pub u16);

/// A weight or a sum of weights in tenths of a bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(super) struct Decibits(pub i32);

impl Decibits {
    pub fn bits(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

/// One kind of linkage key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyKind {
    pub id: KeyKindId,
    /// Goes into the tokenised input.
    pub name: String,
    /// What a person is told that agreed.
    pub label: String,
    pub description: String,
    /// A value that an agency's own file holds more often than this is suppressed.
    pub frequency_cap: usize,
    pub(super) parts: Vec<Feature>,
    /// `dates 1, names 1`: the normalisers of its parts, with their versions.
    pub(super) normalisers: String,
}

impl KeyKind {
    /// The fields that agree when this key agrees, and how closely.
    pub fn proves(&self) -> impl Iterator<Item = (FieldName, Level)> + '_ {
        self.parts.iter().map(|part| part.proves())
    }
}

/// A checked schema.
#[derive(Clone, Debug, Serialize)]
pub struct Schema {
    pub version: u16,
    /// At most this many keys come from one record.
    pub max_keys: usize,
    pub(super) prior: Decibits,
    pub(super) strong: Decibits,
    pub(super) possible: Decibits,
    pub(super) weak: Decibits,
    /// Bits from which keys alone make a possible match.
    pub(super) keys_alone: Decibits,
    pub(super) weights: BTreeMap<FieldName, BTreeMap<Level, Decibits>>,
    pub(super) kinds: Vec<KeyKind>,
    pub(super) comparison: Comparison,
    /// The version of each normaliser, which the code must have too.
    pub(super) normalisers: BTreeMap<Normaliser, u16>,
}

/// Why a schema is refused.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SchemaError {
    #[error("the schema is not the TOML that is expected: {0}")]
    Syntax(String),
    #[error("schema version {0} is not known here")]
    Version(u16),
    #[error("key kind id {0} is used twice")]
    DuplicateId(u16),
    #[error("key kind name {0} is used twice")]
    DuplicateName(String),
    #[error("key kind name {0} must be 1 to 64 characters of a-z, 0-9 and -")]
    Name(String),
    #[error("key kind {0} has no parts")]
    NoParts(String),
    #[error("key kind {kind} has two parts for the field {field}")]
    FieldTwice { kind: String, field: FieldName },
    #[error("key kind {kind} needs a weight for {field} at level {level:?}")]
    NoWeight {
        kind: String,
        field: FieldName,
        level: Level,
    },
    #[error("key kind {kind} carries {bits} bits, fewer than the floor of {floor}")]
    TooWeak { kind: String, bits: f64, floor: f64 },
    #[error("{what} must be between {low} and {high}")]
    OutOfRange {
        what: &'static str,
        low: f64,
        high: f64,
    },
    #[error("the thresholds must rise from weak to possible to strong")]
    Thresholds,
    #[error("compared set {0} is there twice, or has no slots")]
    ComparedSet(String),
    #[error("the compared sets have {0} slots together, more than {1}")]
    TooManySlots(u16, u16),
    #[error("there is no compared set or group {0}")]
    UnknownSet(String),
    #[error("compared field {0} needs a last level without conditions")]
    NoLastLevel(String),
    #[error("compared field {0} has a level by key that does not say what agrees")]
    NothingToProve(String),
    #[error(
        "the schema is made for version {schema} of the normaliser of {normaliser}, this program has {code}: {}",
        if schema > code { "upgrade this program" } else { "take a newer schema" }
    )]
    Normaliser {
        normaliser: Normaliser,
        schema: u16,
        code: u16,
    },
    #[error("the schema has more than {0} key kinds")]
    TooManyKinds(usize),
}

/// A schema with more kinds than this is a mistake.
const MAX_KINDS: usize = 128;
/// A record's keys are each an evaluation by the custodians.
const MAX_KEYS: usize = 256;

static DEFAULT: LazyLock<Result<Schema, SchemaError>> =
    LazyLock::new(|| Schema::parse(include_str!("default_schema.toml")));
static EMPTY: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 1,
    max_keys: 0,
    prior: Decibits(0),
    strong: Decibits(0),
    possible: Decibits(0),
    weak: Decibits(0),
    keys_alone: Decibits(0),
    weights: BTreeMap::new(),
    kinds: Vec::new(),
    comparison: Comparison::default(),
    normalisers: BTreeMap::new(),
});

impl Schema {
    /// The schema that ships with the product. A test holds that it parses; were it broken, no
    /// key would be derived.
    #[must_use]
    pub fn default_schema() -> &'static Self {
        DEFAULT.as_ref().unwrap_or(&EMPTY)
    }

    /// Reads and checks a schema.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let file: SchemaFile =
            toml::from_str(text).map_err(|e| SchemaError::Syntax(e.message().to_owned()))?;
        file.check()
    }

    #[must_use]
    pub fn kind(&self, id: KeyKindId) -> Option<&KeyKind> {
        self.kinds.iter().find(|kind| kind.id == id)
    }

    /// Every kind, the most telling first as the schema lists them.
    #[must_use]
    pub fn kinds(&self) -> &[KeyKind] {
        &self.kinds
    }

    /// SHA-256 of the schema's meaning: comments and layout of the TOML do not change it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(b"symbolon linkage schema");
        // Plain integers, strings and ordered maps: this cannot fail, and an empty text would
        // only make the digest differ from everybody else's.
        hasher.update(serde_json::to_vec(self).unwrap_or_default());
        hasher.finalize().into()
    }

    /// Prior, in bits: minus the size of the register that a partner is looked for in.
    #[must_use]
    pub fn prior(&self) -> f64 {
        self.prior.bits()
    }

    /// Bits from which a match is strong.
    #[must_use]
    pub fn strong(&self) -> f64 {
        self.strong.bits()
    }

    /// Bits from which a match is possible.
    #[must_use]
    pub fn possible(&self) -> f64 {
        self.possible.bits()
    }

    /// Bits from which a match is weak: worth a look when nothing better is there.
    #[must_use]
    pub fn weak(&self) -> f64 {
        self.weak.bits()
    }

    /// What agreeing keys prove, field by field.
    pub(super) fn proved(&self, kinds: &BTreeSet<KeyKindId>) -> Proved {
        let kinds = kinds.iter().filter_map(|id| self.kind(*id));
        kinds.flat_map(KeyKind::proves).collect()
    }

    /// The weight of a field that agrees at a level, in bits.
    #[must_use]
    pub fn weight(&self, field: FieldName, level: Level) -> f64 {
        self.decibits(field, level).bits()
    }

    /// The normalisers with their versions.
    pub fn normalisers(&self) -> impl Iterator<Item = (Normaliser, u16)> + '_ {
        self.normalisers
            .iter()
            .map(|(name, version)| (*name, *version))
    }

    /// The sets that the private comparison counts, in the order of its counts.
    #[must_use]
    pub fn sets(&self) -> &[ComparedSet] {
        &self.comparison.sets
    }

    /// The fields that the private comparison judges.
    #[must_use]
    pub fn compared_fields(&self) -> &[ComparedField] {
        &self.comparison.fields
    }

    /// What several fields say together.
    #[must_use]
    pub fn adjustments(&self) -> &[Adjustment] {
        &self.comparison.adjustments
    }

    /// How many of a thousand matches with this score are expected to be of two persons.
    ///
    /// The score is log2 of the odds, so of odds `o` to one, one in `1 + o` is wrong.
    #[must_use]
    pub fn false_per_thousand(bits: f64) -> f64 {
        1000.0 / (1.0 + bits.exp2())
    }

    pub(super) fn decibits(&self, field: FieldName, level: Level) -> Decibits {
        let levels = self.weights.get(&field);
        let weight = levels.and_then(|levels| levels.get(&level));
        weight.copied().unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    version: u16,
    max_keys: usize,
    frequency_cap: usize,
    prior: f64,
    /// No kind may carry fewer bits than this by itself.
    key_floor: f64,
    thresholds: ThresholdsFile,
    weights: BTreeMap<FieldName, BTreeMap<Level, f64>>,
    kind: Vec<KindFile>,
    normalisers: BTreeMap<Normaliser, u16>,
    comparison: ComparisonFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsFile {
    strong: f64,
    possible: f64,
    weak: f64,
    keys_alone: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindFile {
    id: u16,
    name: String,
    label: String,
    description: String,
    frequency_cap: Option<usize>,
    parts: Vec<Feature>,
}

impl SchemaFile {
    fn check(self) -> Result<Schema, SchemaError> {
        if self.version == 0 {
            return Err(SchemaError::Version(self.version));
        }
        if self.kind.len() > MAX_KINDS {
            return Err(SchemaError::TooManyKinds(MAX_KINDS));
        }
        let count = |what, n: usize, high: usize| {
            if n == 0 || n > high {
                let high = f64::from(u32::try_from(high).unwrap_or(u32::MAX));
                let low = 1.0;
                return Err(SchemaError::OutOfRange { what, low, high });
            }
            Ok(n)
        };
        let default_cap = count("frequency_cap", self.frequency_cap, 1_000_000)?;
        let mut weights = BTreeMap::new();
        for (field, levels) in self.weights {
            let mut checked = BTreeMap::new();
            for (level, bits) in levels {
                checked.insert(level, decibits("a weight", bits, 0.1, 60.0)?);
            }
            weights.insert(field, checked);
        }
        let mut schema = Schema {
            version: self.version,
            max_keys: count("max_keys", self.max_keys, MAX_KEYS)?,
            prior: decibits("prior", self.prior, -60.0, 0.0)?,
            strong: decibits("thresholds.strong", self.thresholds.strong, -60.0, 60.0)?,
            possible: decibits("thresholds.possible", self.thresholds.possible, -60.0, 60.0)?,
            weak: decibits("thresholds.weak", self.thresholds.weak, -60.0, 60.0)?,
            keys_alone: decibits(
                "thresholds.keys_alone",
                self.thresholds.keys_alone,
                -60.0,
                60.0,
            )?,
            weights,
            kinds: Vec::new(),
            comparison: self.comparison.check()?,
            normalisers: self.normalisers,
        };
        normalisers::check(&schema.normalisers)?;
        if schema.strong < schema.possible.max(schema.keys_alone) || schema.possible < schema.weak {
            return Err(SchemaError::Thresholds);
        }
        let floor = decibits("key_floor", self.key_floor, 0.0, 60.0)?;
        for kind in self.kind {
            let cap = kind.frequency_cap.unwrap_or(default_cap);
            let frequency_cap = count("frequency_cap", cap, 1_000_000)?;
            let checked = kind.check(&schema, frequency_cap, floor)?;
            schema.kinds.push(checked);
        }
        Ok(schema)
    }
}

impl KindFile {
    fn check(
        self,
        schema: &Schema,
        frequency_cap: usize,
        floor: Decibits,
    ) -> Result<KeyKind, SchemaError> {
        let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(is_name) {
            return Err(SchemaError::Name(self.name));
        }
        if schema.kinds.iter().any(|other| other.id.0 == self.id) {
            return Err(SchemaError::DuplicateId(self.id));
        }
        if schema.kinds.iter().any(|other| other.name == self.name) {
            return Err(SchemaError::DuplicateName(self.name));
        }
        if self.parts.is_empty() {
            return Err(SchemaError::NoParts(self.name));
        }
        let mut fields = BTreeSet::new();
        let mut sum = Decibits(0);
        for (field, level) in self.parts.iter().map(|part| part.proves()) {
            let weight = schema.decibits(field, level);
            let kind = || self.name.clone();
            if !fields.insert(field) {
                return Err(SchemaError::FieldTwice {
                    kind: kind(),
                    field,
                });
            }
            if weight == Decibits(0) {
                let kind = kind();
                return Err(SchemaError::NoWeight { kind, field, level });
            }
            sum.0 += weight.0;
        }
        if sum < floor {
            return Err(SchemaError::TooWeak {
                kind: self.name,
                bits: sum.bits(),
                floor: floor.bits(),
            });
        }
        Ok(KeyKind {
            id: KeyKindId(self.id),
            name: self.name,
            label: self.label,
            description: self.description,
            frequency_cap,
            normalisers: normalisers::versions(fields.into_iter()),
            parts: self.parts,
        })
    }
}

/// Rounds to a tenth of a bit, within bounds that keep every sum exact.
fn decibits(what: &'static str, bits: f64, low: f64, high: f64) -> Result<Decibits, SchemaError> {
    if !(low..=high).contains(&bits) {
        return Err(SchemaError::OutOfRange { what, low, high });
    }
    #[allow(clippy::cast_possible_truncation)] // within ±60 bits, checked above
    let tenths = (bits * 10.0).round() as i32;
    Ok(Decibits(tenths))
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
