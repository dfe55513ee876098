//! Pairs of records of different agencies that share a key.

use std::collections::{BTreeSet, HashMap};

use crate::linkage::derive::{LinkageKey, derive, over_cap};
use crate::linkage::schema::{KeyKindId, Schema};

use super::{Agencies, Candidate, Place};

/// Every candidate pair with the kinds of key that it shares, sorted by place, and the number of
/// keys that were kept.
pub fn find(schema: &Schema, agencies: &Agencies) -> (Vec<Candidate>, usize) {
    let mut holders: HashMap<LinkageKey, Vec<Place>> = HashMap::new();
    let mut kept = 0;
    for (agency, (_, records)) in agencies.iter().enumerate() {
        let mut own: HashMap<LinkageKey, Vec<usize>> = HashMap::new();
        for (record, (_, cells)) in records.iter().enumerate() {
            for key in derive(schema, cells) {
                own.entry(key).or_default().push(record);
            }
        }
        own.retain(|key, held_by| !over_cap(schema, key.kind, held_by.len()));
        for (key, held_by) in own {
            kept += held_by.len();
            let here = held_by.into_iter().map(|record| (agency, record));
            holders.entry(key).or_default().extend(here);
        }
    }
    let mut evidence: HashMap<(Place, Place), BTreeSet<KeyKindId>> = HashMap::new();
    for (key, held_by) in &holders {
        for (index, left) in held_by.iter().enumerate() {
            let others = held_by.iter().skip(index + 1);
            for right in others.filter(|right| right.0 != left.0) {
                let pair = (*left.min(right), *left.max(right));
                evidence.entry(pair).or_default().insert(key.kind);
            }
        }
    }
    let mut candidates: Vec<Candidate> = evidence
        .into_iter()
        .map(|((left, right), kinds)| Candidate { left, right, kinds })
        .collect();
    candidates.sort_unstable_by_key(|candidate| (candidate.left, candidate.right));
    (candidates, kept)
}
