//! Disclosure: what one agency asks of another about a case, what would leave, and what does.
//!
//! The owner of a record decides, field by field, after it has seen exactly what would leave. Three rules
//! stand before any decision ([`rules`]): the level of the record, consent where the record rests on it,
//! and the firewall to immigration services. Some decisions take a second person ([`decision`]). What
//! was not asked for has no way out: whatever leaves is taken from the fields of the request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use symbolon_core::crypto::{self, CryptoError};
use symbolon_core::encoding::{self, Digest};
use symbolon_core::linkage::record::Record;
use symbolon_core::payload::Urgency;
use thiserror::Error;

use crate::dossier::{Dossier, HandlingCode};
use crate::text::Text;

pub mod decision;
pub mod rules;
#[cfg(test)]
mod tests;

/// Most fields of one request: a record has 24, and a few of the agency's own or of HTCDS.
pub const MAX_FIELDS: usize = 64;
/// Longest name of a field, in characters.
pub const MAX_FIELD_CHARS: usize = 64;
/// Most bytes of fields and values in one answer, as they stand in a letter: half of the largest envelope.
pub const MAX_VALUE_BYTES: usize = 128 << 10;
/// Longest that what was received may be kept, in seconds: ten years.
pub const LONGEST_KEPT_S: i64 = 3_653 * 86_400;

/// Names a request: random, drawn by whoever asks; or what was given without being asked for, drawn by
/// the owner.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(#[serde(with = "encoding::base64")] pub [u8; 16]);

impl RequestId {
    /// A fresh one.
    pub fn random() -> Result<Self, CryptoError> {
        crypto::random().map(Self)
    }
}

impl fmt::Display for RequestId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the name of a field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not the name of a field: use a column's name, as given_names, or one of HTCDS")]
pub struct BadField;

/// The name of a field: a column of the CSV contract, one of the agency's own, or one of HTCDS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Field(String);

impl Field {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::str::FromStr for Field {
    type Err = BadField;

    fn from_str(name: &str) -> Result<Self, BadField> {
        let text: Text = name.parse().map_err(|_| BadField)?;
        if text.as_str().chars().count() > MAX_FIELD_CHARS {
            return Err(BadField);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Field {
    type Error = BadField;

    fn try_from(name: String) -> Result<Self, BadField> {
        name.parse()
    }
}

impl From<Field> for String {
    fn from(field: Field) -> Self {
        field.0
    }
}

/// Names of fields, for a sentence.
pub fn listed<'a>(fields: impl IntoIterator<Item = &'a Field>) -> String {
    let names: Vec<&str> = fields.into_iter().map(Field::as_str).collect();
    names.join(", ")
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Which fields.
    pub fields: BTreeSet<Field>,
    /// For what.
    pub purpose: Text,
    /// By which right.
    pub lawful_basis: Text,
    /// How soon.
    pub urgency: Urgency,
    /// Why.
    pub reason: Text,
}

/// A request that asks for nothing or for everything.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a request names 1 to {MAX_FIELDS} fields")]
pub struct BadRequest;

impl Request {
    /// Whether it can be a request.
    pub fn check(&self) -> Result<(), BadRequest> {
        let fits = (1..=MAX_FIELDS).contains(&self.fields.len());
        fits.then_some(()).ok_or(BadRequest)
    }
}

/// Fields with their values: what would leave, leaves, or has come.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values(pub BTreeMap<Field, Vec<String>>);

impl fmt::Debug for Values {
    /// Names only: values never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// What a record says in exactly these fields; an empty list where it says nothing.
    #[must_use]
    pub fn of(fields: &BTreeSet<Field>, record: &Record, dossier: &Dossier) -> Self {
        let columns: BTreeMap<&str, Vec<&str>> = record.columns().collect();
        let values = |field: &Field| {
            let further = || dossier.htcds.get(field.as_str()).map(|v| vec![v.as_str()]);
            let found = columns.get(field.as_str()).cloned().or_else(further);
            found.unwrap_or_default().into_iter().map(str::to_owned)
        };
        let fields = fields.iter();
        Self(fields.map(|f| (f.clone(), values(f).collect())).collect())
    }

    /// Those of some fields.
    #[must_use]
    pub fn only(&self, fields: &BTreeSet<Field>) -> Self {
        let wanted = self.0.iter().filter(|(field, _)| fields.contains(field));
        Self(wanted.map(|(f, v)| (f.clone(), v.clone())).collect())
    }

    /// Which fields.
    #[must_use]
    pub fn fields(&self) -> BTreeSet<Field> {
        self.0.keys().cloned().collect()
    }

    /// Names exactly this, to see that what leaves is what was looked at.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut parts = Vec::new();
        for (field, values) in &self.0 {
            let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
            parts.push(field.as_str().as_bytes().to_vec());
            parts.push(encoding::parts(&values));
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        crypto::digest("symbolon disclosure values v1", &parts)
    }

    /// Bytes that they take in a letter.
    #[must_use]
    pub fn bytes(&self) -> usize {
        serde_json::to_vec(&self.0).map_or(usize::MAX, |written| written.len())
    }
}

/// How what is released may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Handling code, if the record has one.
    pub handling: Option<HandlingCode>,
    /// Until when it may be kept, Unix seconds.
    pub keep_until: i64,
    /// Whether it may be passed on to a third.
    pub onward: bool,
    /// Conditions in words.
    pub conditions: Option<Text>,
}

/// What the owner says to a request: some fields with their values, some refused. There may be several
/// to one request; together they say more, in whatever order they come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What is released.
    pub released: Values,
    /// What is refused.
    pub refused: BTreeSet<Field>,
    /// For what is released.
    pub terms: Option<Terms>,
    /// For what is refused.
    pub reason: Option<Text>,
}

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadAnswer {
    /// More than was asked for.
    #[error("it speaks of fields that were not asked for")]
    NotAsked,
    /// It says nothing, or two things of one field.
    #[error("it contradicts itself")]
    Contradiction,
    /// More than one answer can hold.
    #[error("it is too large")]
    TooLarge,
}

impl Answer {
    /// Whether it answers a request for these fields.
    pub fn check(&self, asked: &BTreeSet<Field>) -> Result<(), BadAnswer> {
        let released = self.released.fields();
        if !released.is_subset(asked) || !self.refused.is_subset(asked) {
            return Err(BadAnswer::NotAsked);
        }
        let terms = self.terms.is_some() != released.is_empty();
        let reason = self.reason.is_some() != self.refused.is_empty();
        if released.is_empty() && self.refused.is_empty() {
            return Err(BadAnswer::Contradiction);
        }
        if !released.is_disjoint(&self.refused) || !terms || !reason {
            return Err(BadAnswer::Contradiction);
        }
        self.check_size()
    }

    /// Whether it can be given without having been asked for: fields that go at once.
    pub fn check_unasked(&self) -> Result<(), BadAnswer> {
        let alone = self.refused.is_empty() && self.reason.is_none();
        if !alone || self.terms.is_none() || self.released.0.is_empty() {
            return Err(BadAnswer::Contradiction);
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), BadAnswer> {
        let fits = self.released.0.len() <= MAX_FIELDS && self.released.bytes() <= MAX_VALUE_BYTES;
        fits.then_some(()).ok_or(BadAnswer::TooLarge)
    }
}

/// What has come of one field that was asked for. What came is never taken back by a later or earlier
/// word, so that the order of answers does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heard {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The owner refused it.
    Refused,
    /// It was released.
    Released,
}
