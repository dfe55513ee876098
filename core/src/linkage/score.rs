//! From the kinds of key that two records share to how sure one may be.
//!
//! The keys say which fields agree and how closely. Each field counts once, at its best level; the
//! score is the prior plus the sum of the weights (Fellegi and Sunter). Keys carry agreement only:
//! what speaks against a match is compared between the two nodes afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agreement::ScoreThreshold;

use super::schema::{Decibits, FieldName, KeyKindId, Level, Schema};

/// How sure a match is. Below the floor there is no tier and nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    Possible,
    Strong,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Possible => "possible",
            Self::Strong => "strong",
        })
    }
}

/// The evidence, weighed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Prior plus weights, in bits, exact to a tenth: log2 of the odds that it is one person.
    pub bits: f64,
    pub tier: Option<Tier>,
    /// The fields that agree at their best level, in the order of [`FieldName`].
    pub fields: Vec<(FieldName, Level)>,
}

/// Scores the kinds of key that agree. Kinds that the schema does not have count nothing.
#[must_use]
pub fn score(schema: &Schema, kinds: &BTreeSet<KeyKindId>) -> Score {
    score_by(schema, kinds, None)
}

/// The same with the thresholds of an agreement, where it has any, instead of the schema's.
#[must_use]
pub fn score_by(
    schema: &Schema,
    kinds: &BTreeSet<KeyKindId>,
    threshold: Option<&ScoreThreshold>,
) -> Score {
    let mut best: BTreeMap<FieldName, (Decibits, Level)> = BTreeMap::new();
    for kind in kinds.iter().filter_map(|id| schema.kind(*id)) {
        for (field, level) in kind.proves() {
            let proved = (schema.decibits(field, level), level);
            let entry = best.entry(field).or_insert(proved);
            *entry = (*entry).max(proved);
        }
    }
    let sum: i32 = best.values().map(|(weight, _)| weight.0).sum();
    let bits = Decibits(schema.prior.0 + sum);
    let (possible, strong) = threshold.map_or((schema.possible, schema.strong), |agreed| {
        let (possible, strong) = (agreed.possible_decibits, agreed.strong_decibits);
        (Decibits(possible), Decibits(strong))
    });
    let tier = if best.is_empty() || bits < possible {
        None
    } else if bits < strong {
        Some(Tier::Possible)
    } else {
        Some(Tier::Strong)
    };
    let fields = best.into_iter().map(|(field, (_, level))| (field, level));
    Score {
        bits: bits.bits(),
        tier,
        fields: fields.collect(),
    }
}

/// The kinds of identifier that agree and how closely, in words for a person: most telling first.
///
/// Each field once, at its best level, so that the list stays short however many keys agree.
#[must_use]
pub fn describe(schema: &Schema, score: &Score) -> Vec<String> {
    let mut fields = score.fields.clone();
    fields
        .sort_by_key(|(field, level)| (std::cmp::Reverse(schema.decibits(*field, *level)), *field));
    fields
        .into_iter()
        .map(|(field, level)| words(field, level))
        .collect()
}

fn words(field: FieldName, level: Level) -> String {
    let words = match (field, level) {
        (FieldName::Name, Level::Exact | Level::BothNames) => "both names",
        (FieldName::Name, Level::BothSounds) => "both names by sound",
        (FieldName::Name, Level::BothPrefixes) => "both names, nearly",
        (FieldName::Name, Level::NameAndInitial) => "a name and an initial",
        (FieldName::Name, Level::OneName) => "a name",
        (FieldName::Name, Level::BothInitials) => "both initials",
        (FieldName::Name, Level::OnePrefix) => "a name, nearly",
        (FieldName::Name, Level::OneInitial) => "an initial",
        (FieldName::DateOfBirth, Level::DayMonthSwapped) => "date of birth, day and month swapped",
        (FieldName::DateOfBirth, Level::YearAndMonth) => "month and year of birth",
        (FieldName::DateOfBirth, Level::DayAndMonth) => "day and month of birth",
        (FieldName::DateOfBirth, Level::Year) => "year of birth",
        (FieldName::Place, Level::Address) => "address",
        (FieldName::Place, Level::Postcode) => "postcode",
        (FieldName::Place, Level::Street) => "street",
        (FieldName::Place, Level::Town) => "town",
        (FieldName::Place, Level::TownPrefix) => "town, nearly",
        (FieldName::Email, Level::LocalPart | Level::PartAndDomain | Level::LocalPrefix) => {
            "email, nearly"
        }
        (FieldName::Email, Level::Domain) => "email domain",
        (field, _) => return field.to_string(),
    };
    words.to_owned()
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
