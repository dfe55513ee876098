//! From the kinds of key that two records share to how sure one may be.
//!
//! The keys say which fields agree and how closely. Each field counts once, at its best level; the
//! score is the prior plus the sum of the weights (Fellegi and Sunter). Keys carry agreement only.
//! Where the private comparison was made, its counts say of each field that both records have at
//! which level it agrees or that it does not, and take the place of what the keys say of it.
//! Weights are integers and counts are known to both sides, so both reach the same score.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agreement::ScoreThreshold;

use super::comparison::{Trait, register_power};
use super::schema::{ComparedSet, Decibits, FieldName, KeyKindId, Level, Proved, Schema};

/// How sure a match is. Below the weak threshold there is no tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Worth a look when nothing better is there. Nobody is told of it.
    Weak,
    Possible,
    Strong,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Weak => "weak",
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
    /// The fields that both records have and that do not agree.
    pub against: Vec<FieldName>,
    /// The two may be twins.
    pub twins: bool,
}

impl Score {
    /// Whether people are told of the match: it is possible or strong.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.tier >= Some(Tier::Possible)
    }
}

/// What the agreeing keys alone call for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Too little: the pair waits for more evidence, unseen.
    Below,
    /// The two nodes should compare.
    Open,
    /// Certain enough without.
    Decided,
}

/// Whether the agreeing keys settle a pair, or the comparison is wanted.
#[must_use]
pub fn standing(schema: &Schema, kinds: &BTreeSet<KeyKindId>) -> Standing {
    let bits = weigh(schema, kinds, None).bits;
    let rules = &schema.comparison;
    if bits >= rules.certain {
        Standing::Decided
    } else if bits < rules.floor || rules.sets.is_empty() {
        Standing::Below
    } else {
        Standing::Open
    }
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
    score_compared(schema, kinds, None, threshold)
}

/// The same with the counts of the private comparison, where it was made, in the order of
/// [`Schema::sets`]. Counts of another number are not of this schema and are passed over.
#[must_use]
pub fn score_compared(
    schema: &Schema,
    kinds: &BTreeSet<KeyKindId>,
    counts: Option<&[u16]>,
    threshold: Option<&ScoreThreshold>,
) -> Score {
    let counts = counts.filter(|counts| counts.len() == schema.comparison.sets.len());
    let weighed = weigh(schema, kinds, counts);
    // Where nothing was asked that could speak against it, each tier but the strong one takes more.
    let unasked = match counts {
        Some(_) => 0,
        None => (schema.keys_alone.0 - schema.possible.0).max(0),
    };
    let told = (Decibits(schema.possible.0 + unasked), schema.strong);
    let (possible, strong) = threshold.map_or(told, |agreed| {
        let (possible, strong) = (agreed.possible_decibits, agreed.strong_decibits);
        (Decibits(possible), Decibits(strong))
    });
    let weak = possible.min(Decibits(schema.weak.0 + unasked));
    let tiers = [
        (strong, Tier::Strong),
        (possible, Tier::Possible),
        (weak, Tier::Weak),
    ];
    let mut reached = tiers.iter().filter(|(from, _)| weighed.bits >= *from);
    let tier = reached.next().map(|(_, tier)| *tier);
    Score {
        bits: weighed.bits.bits(),
        tier: tier.filter(|_| !weighed.fields.is_empty()),
        fields: weighed.fields.into_iter().collect(),
        against: weighed.against.into_iter().collect(),
        twins: weighed.twins,
    }
}

struct Weighed {
    bits: Decibits,
    fields: BTreeMap<FieldName, Level>,
    against: BTreeSet<FieldName>,
    twins: bool,
}

fn weigh(schema: &Schema, kinds: &BTreeSet<KeyKindId>, counts: Option<&[u16]>) -> Weighed {
    let judged = counts
        .map(|counts| judge(schema, counts, &schema.proved(kinds)))
        .unwrap_or_default();
    let mut best: BTreeMap<FieldName, (Decibits, Level)> = BTreeMap::new();
    for kind in kinds.iter().filter_map(|id| schema.kind(*id)) {
        for (field, level) in kind.proves() {
            if judged.compared.contains(&field) {
                continue;
            }
            let proved = (schema.decibits(field, level), level);
            let entry = best.entry(field).or_insert(proved);
            *entry = (*entry).max(proved);
        }
    }
    let by_keys: i32 = best.values().map(|(weight, _)| weight.0).sum();
    let mut fields: BTreeMap<FieldName, Level> = best
        .into_iter()
        .map(|(field, (_, level))| (field, level))
        .collect();
    fields.extend(
        judged
            .agreeing
            .iter()
            .map(|(field, (_, level))| (*field, *level)),
    );
    let against = judged.against.into_iter();
    Weighed {
        twins: judged.twins,
        bits: Decibits(judged.prior.unwrap_or(schema.prior.0) + by_keys + judged.sum),
        against: against
            .filter(|field| !fields.contains_key(field))
            .collect(),
        fields,
    }
}

/// What the comparison says.
#[derive(Default)]
struct Judged {
    /// The fields that both records have.
    compared: BTreeSet<FieldName>,
    agreeing: BTreeMap<FieldName, (Decibits, Level)>,
    against: BTreeSet<FieldName>,
    sum: i32,
    twins: bool,
    /// By the size of the larger register, where both sides told theirs.
    prior: Option<i32>,
}

/// One partner in the larger of the two registers.
fn prior_of(schema: &Schema, counts: &[u16]) -> Option<i32> {
    let is_size = |set: &ComparedSet| set.feature == Trait::RegisterSize;
    let index = schema.comparison.sets.iter().position(is_size)?;
    let power = register_power(*counts.get(index)?)?;
    Some(-10 * i32::from(power))
}

fn judge(schema: &Schema, counts: &[u16], proved: &Proved) -> Judged {
    let rules = &schema.comparison;
    let mut judged = Judged {
        prior: prior_of(schema, counts),
        ..Judged::default()
    };
    let mut groups: BTreeMap<&str, i32> = BTreeMap::new();
    for field in &rules.fields {
        let Some((_, level)) = field.level(counts, proved).filter(|(_, l)| !l.missing) else {
            continue;
        };
        judged.compared.insert(field.field);
        if let Some(says) = level.says {
            let told = (level.bits, says);
            let entry = judged.agreeing.entry(field.field).or_insert(told);
            *entry = (*entry).max(told);
        } else if level.bits < Decibits(0) {
            judged.against.insert(field.field);
        }
        match &field.group {
            Some(group) => *groups.entry(group).or_default() += level.bits.0,
            None => judged.sum += level.bits.0,
        }
    }
    for (name, sum) in groups {
        judged.sum += rules.groups.get(name).map_or(sum, |group| {
            sum.clamp(group.least.0, group.most.0.max(group.least.0))
        });
    }
    for adjustment in rules.adjustments.iter().filter(|a| a.when.holds(counts)) {
        judged.sum += adjustment.bits.0;
        judged.twins |= adjustment.twins;
    }
    judged
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
        (FieldName::Name, Level::AllLetters | Level::TwoAndFourLetters | Level::BothEndings) => {
            "both names, nearly"
        }
        (FieldName::Name, Level::OneSkeleton | Level::OneConsonants | Level::OneStart) => {
            "a name, nearly"
        }
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
        (FieldName::Place, Level::Outcode) => "postcode district",
        (FieldName::Place, Level::HouseAndStreet) => "house and street",
        (FieldName::Place, Level::StreetStart) => "street, nearly",
        (FieldName::Place, Level::Town) => "town",
        (FieldName::Place, Level::TownPrefix | Level::TownConsonants) => "town, nearly",
        (
            FieldName::Email,
            Level::LocalPart
            | Level::PartAndDomain
            | Level::Starts
            | Level::LocalPrefix
            | Level::LocalStart
            | Level::LocalEnd,
        ) => "email, nearly",
        (FieldName::Email, Level::Domain) => "email domain",
        (field, _) => return field.to_string(),
    };
    words.to_owned()
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
