//! The part of a schema that speaks of the private comparison: sets, levels, adjustments, groups.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::comparison::Trait;
use super::{Decibits, FieldName, Level, SchemaError, decibits};

/// More slots than this for all sets cost each side more than ten milliseconds a pair
/// (`docs/benchmarks.md`: 80 to 95 microseconds a slot).
const MAX_SLOTS: u16 = 104;

/// A set of features that is compared as one number.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparedSet {
    pub label: String,
    pub feature: Trait,
    pub slots: u16,
}

/// What counts must be: at least so many of some sets, fewer than so many of others.
#[derive(Clone, Debug, Serialize)]
pub(in crate::linkage) struct Condition {
    // Looked at for every pair: lists are walked faster than trees.
    at_least: Vec<(usize, u16)>,
    below: Vec<(usize, u16)>,
}

impl Condition {
    pub fn holds(&self, counts: &[u16]) -> bool {
        let count = |set: &usize| counts.get(*set).copied().unwrap_or(0);
        self.at_least
            .iter()
            .all(|(set, least)| count(set) >= *least)
            && self.below.iter().all(|(set, limit)| count(set) < *limit)
    }
}

/// What agreeing keys prove: fields, and how closely each agrees.
pub(in crate::linkage) type Proved = Vec<(FieldName, Level)>;

/// One level of a compared field. The first whose condition holds counts.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedLevel {
    pub name: String,
    pub(in crate::linkage) when: Condition,
    pub(in crate::linkage) bits: Decibits,
    /// What a person is told that agrees.
    pub says: Option<Level>,
    /// Holds only if a key that agrees proves what the level says. A value that an agency holds too
    /// often makes no key, and so proves nothing.
    pub by_key: bool,
    /// One side or both do not have the field: neither for nor against.
    pub missing: bool,
}

impl ComparedLevel {
    #[must_use]
    pub fn bits(&self) -> f64 {
        self.bits.bits()
    }
}

/// A field as the comparison judges it.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedField {
    pub label: String,
    pub field: FieldName,
    /// Fields of one group are not independent: their sum is bounded.
    pub group: Option<String>,
    pub levels: Vec<ComparedLevel>,
}

impl ComparedField {
    /// Which level counts and keys reach. The last level of a checked schema holds always.
    pub(in crate::linkage) fn level(
        &self,
        counts: &[u16],
        proved: &Proved,
    ) -> Option<(usize, &ComparedLevel)> {
        let by_keys = |level: &ComparedLevel| {
            let said = level.says.map(|says| (self.field, says));
            !level.by_key || said.is_some_and(|said| proved.contains(&said))
        };
        let mut levels = self.levels.iter().enumerate();
        levels.find(|(_, level)| level.when.holds(counts) && by_keys(level))
    }
}

/// Bits for what several fields say together, as for twins.
#[derive(Clone, Debug, Serialize)]
pub struct Adjustment {
    pub name: String,
    pub(in crate::linkage) when: Condition,
    pub(in crate::linkage) bits: Decibits,
    /// Whether it means that the two may be twins: people are told.
    pub(in crate::linkage) twins: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::linkage) struct Group {
    pub least: Decibits,
    pub most: Decibits,
}

/// Everything that a schema says of the comparison.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::linkage) struct Comparison {
    pub sets: Vec<ComparedSet>,
    pub fields: Vec<ComparedField>,
    pub adjustments: Vec<Adjustment>,
    pub groups: BTreeMap<String, Group>,
    /// Keys alone below this wait for more evidence.
    pub floor: Decibits,
    /// Keys alone from this on need no comparison.
    pub certain: Decibits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComparisonFile {
    floor: f64,
    certain: f64,
    #[serde(default)]
    groups: BTreeMap<String, GroupFile>,
    #[serde(default)]
    set: Vec<ComparedSet>,
    #[serde(default)]
    field: Vec<FieldFile>,
    #[serde(default)]
    adjustment: Vec<AdjustmentFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    least: f64,
    most: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    label: String,
    field: FieldName,
    group: Option<String>,
    levels: Vec<LevelFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelFile {
    name: String,
    #[serde(default)]
    at_least: BTreeMap<String, u16>,
    #[serde(default)]
    below: BTreeMap<String, u16>,
    bits: f64,
    says: Option<Level>,
    #[serde(default)]
    by_key: bool,
    #[serde(default)]
    missing: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdjustmentFile {
    name: String,
    #[serde(default)]
    at_least: BTreeMap<String, u16>,
    #[serde(default)]
    below: BTreeMap<String, u16>,
    bits: f64,
    #[serde(default)]
    twins: bool,
}

impl ComparisonFile {
    pub(super) fn check(self) -> Result<Comparison, SchemaError> {
        let mut labels = BTreeSet::new();
        let mut slots = 0_u16;
        for set in &self.set {
            if !labels.insert(set.label.as_str()) || set.slots == 0 {
                return Err(SchemaError::ComparedSet(set.label.clone()));
            }
            slots = slots.saturating_add(set.slots);
        }
        if slots > MAX_SLOTS {
            return Err(SchemaError::TooManySlots(slots, MAX_SLOTS));
        }
        let bits = |bits| decibits("bits of a compared level", bits, -60.0, 60.0);
        let mut groups = BTreeMap::new();
        for (name, group) in self.groups {
            let (least, most) = (bits(group.least)?, bits(group.most)?);
            groups.insert(name, Group { least, most });
        }
        let mut fields = Vec::new();
        for field in self.field {
            if let Some(group) = field.group.as_ref().filter(|g| !groups.contains_key(*g)) {
                return Err(SchemaError::UnknownSet(group.clone()));
            }
            let mut levels = Vec::new();
            for level in field.levels {
                if level.by_key && level.says.is_none() {
                    return Err(SchemaError::NothingToProve(field.label));
                }
                levels.push(ComparedLevel {
                    when: condition(&self.set, &level.at_least, &level.below)?,
                    bits: bits(level.bits)?,
                    name: level.name,
                    says: level.says,
                    by_key: level.by_key,
                    missing: level.missing,
                });
            }
            let holds_always = |l: &ComparedLevel| {
                l.when.at_least.is_empty() && l.when.below.is_empty() && !l.by_key
            };
            if !levels.last().is_some_and(holds_always) {
                return Err(SchemaError::NoLastLevel(field.label));
            }
            fields.push(ComparedField {
                label: field.label,
                field: field.field,
                group: field.group,
                levels,
            });
        }
        let mut adjustments = Vec::new();
        for adjustment in self.adjustment {
            adjustments.push(Adjustment {
                when: condition(&self.set, &adjustment.at_least, &adjustment.below)?,
                bits: bits(adjustment.bits)?,
                name: adjustment.name,
                twins: adjustment.twins,
            });
        }
        Ok(Comparison {
            sets: self.set,
            fields,
            adjustments,
            groups,
            floor: bits(self.floor)?,
            certain: bits(self.certain)?,
        })
    }
}

fn condition(
    sets: &[ComparedSet],
    at_least: &BTreeMap<String, u16>,
    below: &BTreeMap<String, u16>,
) -> Result<Condition, SchemaError> {
    let indexed = |named: &BTreeMap<String, u16>| {
        let index = |(label, count): (&String, &u16)| {
            let found = sets.iter().position(|set| set.label == *label);
            found
                .map(|index| (index, *count))
                .ok_or_else(|| SchemaError::UnknownSet(label.clone()))
        };
        let indexed = named.iter().map(index);
        let mut indexed = indexed.collect::<Result<Vec<_>, SchemaError>>()?;
        indexed.sort_unstable();
        Ok::<_, SchemaError>(indexed)
    };
    Ok(Condition {
        at_least: indexed(at_least)?,
        below: indexed(below)?,
    })
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
