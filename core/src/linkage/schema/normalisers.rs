//! The normalisers that a schema relies on, each with a version of its own.
//!
//! The version goes into the tokenised string of the keys that a normaliser takes part in, and into
//! the schema's digest: two programs that normalise differently then notice it when they look at
//! the agreement, instead of never matching.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FieldName, SchemaError};

/// A normaliser, by the kind of value that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normaliser {
    Names,
    Dates,
    Places,
    Phones,
    Emails,
    Identifiers,
}

const ALL: [Normaliser; 6] = [
    Normaliser::Names,
    Normaliser::Dates,
    Normaliser::Places,
    Normaliser::Phones,
    Normaliser::Emails,
    Normaliser::Identifiers,
];

impl Normaliser {
    /// Which normaliser reads a field.
    #[must_use]
    pub fn of(field: FieldName) -> Self {
        match field {
            FieldName::Name => Self::Names,
            FieldName::DateOfBirth => Self::Dates,
            FieldName::Place => Self::Places,
            FieldName::Phone => Self::Phones,
            FieldName::Email => Self::Emails,
            _ => Self::Identifiers,
        }
    }

    /// The version of this program. Raised with every change that can alter a normalised value.
    #[must_use]
    pub fn version(self) -> u16 {
        match self {
            Self::Names | Self::Dates | Self::Emails | Self::Identifiers => 2,
            Self::Places | Self::Phones => 1,
        }
    }

    pub(in crate::linkage) fn word(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Dates => "dates",
            Self::Places => "places",
            Self::Phones => "phones",
            Self::Emails => "emails",
            Self::Identifiers => "identifiers",
        }
    }
}

impl fmt::Display for Normaliser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A schema must name every normaliser, with the version that the program has.
pub(super) fn check(named: &BTreeMap<Normaliser, u16>) -> Result<(), SchemaError> {
    for normaliser in ALL {
        let schema = named.get(&normaliser).copied().unwrap_or(0);
        let code = normaliser.version();
        if schema != code {
            return Err(SchemaError::Normaliser {
                normaliser,
                schema,
                code,
            });
        }
    }
    Ok(())
}

/// The normalisers of some fields with their versions, as they go into the tokenised string.
pub(super) fn versions(fields: impl Iterator<Item = FieldName>) -> String {
    let used: std::collections::BTreeSet<Normaliser> = fields.map(Normaliser::of).collect();
    let named = used.iter().map(|n| format!("{} {}", n.word(), n.version()));
    named.collect::<Vec<_>>().join(", ")
}
