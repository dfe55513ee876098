//! What two nodes compare of a pair that its keys do not settle: sets of features, field by field.
//!
//! Each field of a record gives a set of features, of a size that the schema bounds. Two nodes learn how
//! many of them agree ([`crate::comparison`]) and nothing else; here are the sets, the same counts in
//! clear for tests and for the oracle, and what counts are worth.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::agreement::ScoreThreshold;

use super::normalise::dates;
use super::normalise::names::PersonName;
use super::normalise::{places, postcodes};
use super::record::{Record, Sex};
use super::schema::{Decibits, KeyKindId, Schema};
use super::score::{Score, Tier, score_by};

/// The features of one field.
pub struct FieldSet {
    /// Name of the field, for people.
    pub label: String,
    /// As many features as the field has at most; sets are filled up to it before they are compared.
    pub slots: u16,
    /// Distinct, at most `slots`.
    pub values: Vec<Zeroizing<Vec<u8>>>,
}

const NAME: &str = "name";
const DATE: &str = "date of birth";
const FIELDS: [(&str, u16); 5] = [
    (NAME, 48),
    (DATE, 26),
    ("postcode", 16),
    ("town", 24),
    ("sex", 2),
];

/// The sets of a record: the same fields and slots for every record.
#[must_use]
pub fn field_sets(_schema: &Schema, record: &Record) -> Vec<FieldSet> {
    let name = PersonName::read(&record.given_names, &record.surname, &record.alias);
    let tokens = name.given.iter().chain(&name.family);
    let names = tokens.chain(name.whole.iter().flatten());
    let dates = record
        .date_of_birth
        .iter()
        .filter_map(|v| dates::parse(v).ok());
    let dates = dates.map(|date| {
        let (month, day) = (date.month.unwrap_or(0), date.day.unwrap_or(0));
        format!("{:04}{month:02}{day:02}", date.year)
    });
    let postcodes = record
        .postcode
        .iter()
        .filter_map(|v| postcodes::parse(v).ok());
    let towns = record.town.iter().filter_map(|v| places::town(v).ok());
    let sexes = record.sex.iter().filter_map(|v| v.parse::<Sex>().ok());
    let features: [Vec<String>; 5] = [
        names.flat_map(|token| bigrams(token)).collect(),
        dates.flat_map(|date| positions(&date)).collect(),
        postcodes.flat_map(|code| positions(&code.value)).collect(),
        towns.flat_map(|town| bigrams(&town)).collect(),
        sexes.map(|sex| format!("{sex:?}")).collect(),
    ];
    let fields = FIELDS.iter().zip(features);
    fields
        .map(|((label, slots), features)| field_set(label, *slots, features))
        .collect()
}

/// A field that says anything says so: two that both do, and agree in nothing else, disagree.
fn field_set(label: &str, slots: u16, features: Vec<String>) -> FieldSet {
    let mut values = BTreeSet::new();
    if !features.is_empty() {
        values.insert("present".to_owned());
    }
    for feature in features {
        if values.len() < usize::from(slots) {
            values.insert(feature);
        }
    }
    let values = values.into_iter();
    FieldSet {
        label: label.to_owned(),
        slots,
        values: values.map(|v| Zeroizing::new(v.into_bytes())).collect(),
    }
}

fn bigrams(text: &str) -> Vec<String> {
    let padded: Vec<char> = format!("^{text}$").chars().collect();
    let pairs = padded.windows(2);
    pairs.map(|pair| pair.iter().collect()).collect()
}

fn positions(text: &str) -> Vec<String> {
    let places = text.chars().enumerate();
    places.map(|(place, c)| format!("{place}={c}")).collect()
}

/// What a comparison of two nodes counts, computed in clear.
#[must_use]
pub fn counts_in_clear(a: &[FieldSet], b: &[FieldSet]) -> Vec<u16> {
    let count = |(a, b): (&FieldSet, &FieldSet)| {
        let common = a.values.iter().filter(|value| b.values.contains(value));
        u16::try_from(common.count()).unwrap_or(u16::MAX)
    };
    a.iter().zip(b).map(count).collect()
}

/// Whether keys leave it open: they say something, and not enough to be sure.
#[must_use]
pub fn wants_comparison(
    schema: &Schema,
    kinds: &BTreeSet<KeyKindId>,
    threshold: Option<&ScoreThreshold>,
) -> bool {
    let scored = score_by(schema, kinds, threshold);
    !scored.fields.is_empty() && scored.tier != Some(Tier::Strong)
}

/// The score of keys and counts together.
#[must_use]
pub fn score_compared(
    schema: &Schema,
    kinds: &BTreeSet<KeyKindId>,
    counts: Option<&[u16]>,
    threshold: Option<&ScoreThreshold>,
) -> Score {
    let mut scored = score_by(schema, kinds, threshold);
    let Some(counts) = counts.filter(|_| wants_comparison(schema, kinds, threshold)) else {
        return scored;
    };
    let labelled = FIELDS.iter().map(|(label, _)| *label).zip(counts);
    // A field that both have and that agrees in next to nothing speaks against one person.
    let against: i32 = labelled
        .map(|(label, count)| match (label, count) {
            (NAME, 1..=3) => 60,
            (DATE, 1..=5) => 50,
            _ => 0,
        })
        .sum();
    #[allow(clippy::cast_possible_truncation)] // tenths of a bit, far within an i32
    let bits = Decibits((scored.bits * 10.0).round() as i32 - against);
    let (possible, strong) = threshold.map_or((schema.possible, schema.strong), |agreed| {
        let (possible, strong) = (agreed.possible_decibits, agreed.strong_decibits);
        (Decibits(possible), Decibits(strong))
    });
    scored.bits = bits.bits();
    scored.tier = [(strong, Tier::Strong), (possible, Tier::Possible)]
        .into_iter()
        .find_map(|(from, tier)| (bits >= from).then_some(tier));
    scored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(cells: &[(&str, &str)]) -> Vec<FieldSet> {
        let cells = cells.iter().chain(&[("record_id", "a")]);
        let (record, _) = Record::from_cells(cells.copied()).unwrap();
        field_sets(Schema::default_schema(), &record)
    }

    #[test]
    fn sets_keep_to_their_slots_and_counts_are_what_they_share() {
        let linh = sets(&[
            ("given_names", "Linh"),
            ("date_of_birth", "2008-03-14"),
            ("sex", "f"),
        ]);
        let lin = sets(&[
            ("given_names", "Lin"),
            ("date_of_birth", "2008-04-14"),
            ("town", "Leeds"),
        ]);
        // ^l li in and the presence; seven digits and the presence; nothing on both sides.
        assert_eq!(counts_in_clear(&linh, &lin), [4, 8, 0, 0, 0]);
        let long = "abcdefghijklmnopqrstuvwxyz".repeat(8);
        for set in sets(&[("given_names", long.as_str()), ("town", long.as_str())]) {
            assert!(set.values.len() <= usize::from(set.slots), "{}", set.label);
        }
    }

    #[test]
    fn a_date_that_differs_speaks_against_a_match_and_one_that_is_missing_does_not() {
        let schema = Schema::default_schema();
        let phone = BTreeSet::from([KeyKindId(4)]);
        assert!(wants_comparison(schema, &phone, None));
        let score = |counts: Option<&[u16]>| score_compared(schema, &phone, counts, None);
        assert_eq!(score(None).tier, Some(Tier::Possible));
        assert_eq!(score(Some(&[0, 0, 0, 0, 0])), score(None));
        assert_eq!(score(Some(&[9, 2, 0, 0, 0])).tier, None);
        let nhs = BTreeSet::from([KeyKindId(1)]);
        assert!(!wants_comparison(schema, &nhs, None));
    }
}
