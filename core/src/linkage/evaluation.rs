//! How well a schema finds who is who in files whose truth is known.
//!
//! It runs what real nodes run (derivation, caps on frequency, candidates by equal keys, comparison
//! of the candidates, score) over the records of several agencies, in clear and in one place, which
//! no party of the protocol ever may. The arithmetic is the same; only tokens and blinding are left
//! out. Pure: files are read by the caller.

pub(super) mod candidates;
mod report;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::comparison::{FieldSet, counts_in_clear, field_sets_within};
use super::oracle::Pair;
use super::record::Record;
use super::schema::{KeyKindId, Schema};
use super::score::{Score, Standing, score_compared, standing};

pub use report::{Evaluation, KeyContribution, Miss, Quality, Reason};

/// Indices of an agency and of a record in it.
pub(super) type Place = (usize, usize);

/// The records of several agencies, each with its reference.
pub type Agencies = [(String, Vec<(String, Record)>)];

/// A pair that shares keys.
pub(super) struct Candidate {
    pub left: Place,
    pub right: Place,
    pub kinds: BTreeSet<KeyKindId>,
}

/// Records ready to be compared: the sets of each, agency by agency.
pub(super) fn all_sets(schema: &Schema, agencies: &Agencies) -> Vec<Vec<FieldSet>> {
    let sets = |(_, records): &(String, Vec<(String, Record)>)| -> Vec<Vec<FieldSet>> {
        let size = Some(records.len());
        let each = records.iter();
        each.map(|(_, record)| field_sets_within(schema, record, size))
            .collect()
    };
    agencies.iter().flat_map(sets).collect()
}

/// Where each agency's records begin in a list of all.
pub(super) fn offsets(agencies: &Agencies) -> Vec<usize> {
    let sizes = agencies.iter().map(|(_, records)| records.len());
    let starts = sizes.scan(0, |sum, size| {
        let start = *sum;
        *sum += size;
        Some(start)
    });
    starts.collect()
}

/// Looks up the sets of a record.
pub(super) struct Sets {
    sets: Vec<Vec<FieldSet>>,
    offsets: Vec<usize>,
}

impl Sets {
    pub fn read(schema: &Schema, agencies: &Agencies) -> Self {
        Self {
            sets: all_sets(schema, agencies),
            offsets: offsets(agencies),
        }
    }

    /// The counts of a pair, as the private comparison would find them.
    pub fn counts(&self, left: Place, right: Place) -> Vec<u16> {
        let of = |(agency, record): Place| -> &[FieldSet] {
            let start = self.offsets.get(agency).copied().unwrap_or_default();
            self.sets.get(start + record).map_or(&[], Vec::as_slice)
        };
        counts_in_clear(of(left), of(right))
    }
}

/// Scores every candidate, comparing those that the keys leave open.
fn scored(schema: &Schema, candidates: &[Candidate], sets: &Sets) -> Vec<Option<Score>> {
    let score = |candidate: &Candidate| match standing(schema, &candidate.kinds) {
        Standing::Below => None,
        Standing::Decided => Some(score_compared(schema, &candidate.kinds, None, None)),
        Standing::Open => {
            let counts = sets.counts(candidate.left, candidate.right);
            Some(score_compared(
                schema,
                &candidate.kinds,
                Some(&counts),
                None,
            ))
        }
    };
    candidates.iter().map(score).collect()
}

/// Every candidate with its score; none where the keys are too few to be looked at.
pub(super) fn candidates_scored(
    schema: &Schema,
    agencies: &Agencies,
) -> impl Iterator<Item = (Candidate, Option<Score>)> {
    let (candidates, _) = candidates::find(schema, agencies);
    let sets = Sets::read(schema, agencies);
    let scores = scored(schema, &candidates, &sets);
    candidates.into_iter().zip(scores)
}

/// Runs the schema over the records and holds the result against the truth.
#[must_use]
pub fn evaluate(schema: &Schema, agencies: &Agencies, truth: &BTreeSet<Pair>) -> Evaluation {
    let (candidates, keys) = candidates::find(schema, agencies);
    let sets = Sets::read(schema, agencies);
    let scores = scored(schema, &candidates, &sets);
    let places = places(agencies, truth);
    let linked: Vec<report::Linked> = candidates
        .iter()
        .zip(scores)
        .map(|(candidate, score)| report::Linked {
            is_true: places.contains(&(candidate.left, candidate.right)),
            candidate,
            score,
        })
        .collect();
    report::Builder {
        schema,
        agencies,
        linked: &linked,
        truth: &places,
        keys,
    }
    .build()
}

/// The truth by indices; pairs of records that are not there count as missed.
fn places(agencies: &Agencies, truth: &BTreeSet<Pair>) -> HashSet<(Place, Place)> {
    let mut index: BTreeMap<(&str, &str), Place> = BTreeMap::new();
    for (agency, (name, records)) in agencies.iter().enumerate() {
        for (record, (reference, _)) in records.iter().enumerate() {
            index.insert((name, reference), (agency, record));
        }
    }
    let place = |(agency, record): &(String, String)| {
        let found = index.get(&(agency.as_str(), record.as_str()));
        found.copied().unwrap_or((usize::MAX, usize::MAX))
    };
    let ordered = |(left, right): &Pair| {
        let (left, right) = (place(left), place(right));
        (left.min(right), left.max(right))
    };
    truth.iter().map(ordered).collect()
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
