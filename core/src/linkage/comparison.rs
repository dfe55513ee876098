//! What two nodes compare of a candidate pair: for each compared field a set of features.
//!
//! Only one number crosses for each set: how many features both sides hold (the cardinality of a
//! private intersection). So sets are built such that this number alone is a measure. A *bag* of
//! letters and letter pairs is filled up to a fixed number of features with numbered fillers
//! (`fewer than n letters`); two bags then share `size - unlike`, where `unlike` counts what the
//! larger one holds and the other does not. A *whole* value is one feature, two when it is rare, so
//! that what agrees weighs by its rarity without being named. A *known* feature is there when the
//! field is: a missing value is then no disagreement. Of an identity number nothing else is compared:
//! whether one agrees both sides know by the keys, which no peer can make up.
//!
//! The schema names the sets, and says how counts become levels and bits ([`super::score`]).
//! Pure: the same record gives the same sets on every node.

mod features;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::feature::Prepared;
use super::record::Record;
use super::schema::Schema;

/// What a set is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    /// Bags of a given name and a family name, in one.
    NameLetters,
    /// Every name, whole, nicknames made one; rare names twice.
    NameWhole,
    /// How many of the two names are known.
    NameCount,
    /// Whether a given name is known, and each given name: who shares a surname and a home need not be
    /// one person.
    GivenNames,
    /// Whether a surname is known, and each surname.
    Surnames,
    /// Whether a person has two surnames, and both by sound.
    TwoSurnames,
    /// How large the node's register is at most. Both sides learn the order of the larger one, and
    /// take the prior from it: in a small register less evidence will do.
    RegisterSize,
    /// Whether a date is known, and its day.
    DateKnown,
    /// Every full date, and the same with day and month in order of size.
    DateWhole,
    /// Year, month and day of the first date.
    DateParts,
    /// Digits of the first date, and the years beside its year.
    DateDigits,
    TownLetters,
    /// The town, whole; towns other than the largest twice.
    TownWhole,
    /// The postcode's characters in any order, its last three by place, the rest.
    Postcode,
    Street,
    EmailWhole,
    EmailLetters,
    /// Whether the record has such a number. Whether one agrees the keys say.
    NhsNumber,
    NiNumber,
    Upn,
    PncId,
    Cro,
    Passport,
    Sex,
    /// There unless the record says that the person is a twin, triplet and so on.
    SingleBirth,
}

/// One set of a record. The values are plain, so they never leave the node as they are.
pub struct FieldSet {
    pub label: String,
    /// How many values the set is padded to before it is blinded.
    pub slots: u16,
    /// Without repeats, sorted, at most `slots`.
    pub values: Vec<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldSet")
            .field("label", &self.label)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

/// The sets of a record, in the order of the schema. Nothing is said of the register's size: the
/// schema's prior then counts.
#[must_use]
pub fn field_sets(schema: &Schema, record: &Record) -> Vec<FieldSet> {
    field_sets_within(schema, record, None)
}

/// The same with the number of records that the node holds.
#[must_use]
pub fn field_sets_within(
    schema: &Schema,
    record: &Record,
    register: Option<usize>,
) -> Vec<FieldSet> {
    let prepared = Prepared::read(record);
    let set = |compared: &super::schema::ComparedSet| {
        let slots = usize::from(compared.slots);
        let distinct = match (compared.feature, register) {
            (Trait::RegisterSize, Some(records)) => features::register(records),
            (feature, _) => features::values(feature, slots, &prepared, record),
        };
        let values = distinct.0.into_iter().take(slots);
        let mut values: Vec<Zeroizing<Vec<u8>>> =
            values.map(|v| Zeroizing::new(v.into_bytes())).collect();
        values.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
        FieldSet {
            label: compared.label.clone(),
            slots: compared.slots,
            values,
        }
    };
    schema.sets().iter().map(set).collect()
}

/// log2 of the larger register, rounded up, by the count of [`Trait::RegisterSize`]. None when a
/// side did not say.
pub(super) fn register_power(count: u16) -> Option<u8> {
    let powers = &features::REGISTER_POWERS;
    let index = powers.len().checked_sub(usize::from(count))?;
    powers.get(index).copied()
}

/// How many values each set of two records shares: what the private comparison finds out, in clear.
#[must_use]
pub fn counts_in_clear(a: &[FieldSet], b: &[FieldSet]) -> Vec<u16> {
    let shared = |(one, other): (&FieldSet, &FieldSet)| {
        let (mut count, mut rest) = (0_u16, other.values.as_slice());
        for value in &one.values {
            while let Some((first, after)) = rest.split_first() {
                match first.as_slice().cmp(value.as_slice()) {
                    Ordering::Less => rest = after,
                    Ordering::Equal => {
                        count = count.saturating_add(1);
                        rest = after;
                        break;
                    }
                    Ordering::Greater => break,
                }
            }
        }
        count
    };
    a.iter().zip(b).map(shared).collect()
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
