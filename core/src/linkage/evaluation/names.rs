//! Labelled pairs of names: which of them the normalisers and the comparison take for one name.

use serde::Serialize;

use crate::linkage::comparison::{counts_in_clear, field_sets};
use crate::linkage::record::Record;
use crate::linkage::schema::{FieldName, Schema};

/// Two names as they were written, and whether a person who knows the language calls them the same.
#[derive(Clone, PartialEq, Eq)]
pub struct NamePair {
    pub left: String,
    pub right: String,
    pub same: bool,
}

/// How the pairs of one list came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NameQuality {
    pub pairs: usize,
    /// How many are the same name.
    pub same: usize,
    pub precision: f64,
    pub recall: f64,
}

/// Bits of the name alone from which two names count as the same here: more than one name that
/// agrees beside another that does not.
pub const SAME_NAME_BITS: f64 = 7.0;

/// Compares each pair as if nothing but the names were known.
#[must_use]
pub fn judge_names(schema: &Schema, pairs: &[NamePair]) -> NameQuality {
    let (mut same, mut found, mut right) = (0, 0, 0);
    for pair in pairs {
        let judged = name_bits(schema, &pair.left, &pair.right) >= SAME_NAME_BITS;
        same += usize::from(pair.same);
        found += usize::from(judged);
        right += usize::from(judged && pair.same);
    }
    NameQuality {
        pairs: pairs.len(),
        same,
        precision: super::report::ratio(right, found),
        recall: super::report::ratio(right, same),
    }
}

/// What the name of a pair weighs, in bits.
#[must_use]
pub fn name_bits(schema: &Schema, left: &str, right: &str) -> f64 {
    let named = |name: &str| Record {
        given_names: vec![name.to_owned()],
        ..Record::default()
    };
    let sets = |name: &str| field_sets(schema, &named(name));
    let counts = counts_in_clear(&sets(left), &sets(right));
    let fields = schema.compared_fields().iter();
    let names = fields.filter(|field| field.field == FieldName::Name);
    let bits = names.filter_map(|field| field.level(&counts).map(|(_, level)| level.bits()));
    bits.sum()
}
