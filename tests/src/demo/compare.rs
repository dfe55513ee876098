//! What the nodes report, side by side with the plaintext oracle.

use std::collections::{BTreeMap, BTreeSet};

use symbolon_core::linkage::oracle::{self, Pair};
use symbolon_core::linkage::schema::Schema;
use symbolon_core::linkage::score::{Score, Tier};

use super::sources::{self, Source};
use crate::consortium::{Consortium, Failure};

/// Score and tier of each pair.
pub type Pairs = BTreeMap<Pair, (i64, Option<Tier>)>;

/// Every pair that some node shows as strong or possible, and whether both of its sides show it the
/// same way.
pub fn reported(consortium: &Consortium) -> Result<(Pairs, bool), Failure> {
    let mut owners = BTreeMap::new();
    for name in consortium.names() {
        for (reference, record) in consortium.node(&name)?.references()? {
            owners.insert((name.clone(), reference), record);
        }
    }
    let mut sides: BTreeMap<Pair, Vec<(i64, Option<Tier>)>> = BTreeMap::new();
    for name in consortium.names() {
        for (key, score) in consortium.node(&name)?.scored_matches()? {
            let other = key.agency.to_string();
            let record = owners.get(&(other.clone(), key.reference));
            let record = record.ok_or("a match with a reference that its owner does not know")?;
            let pair = sources::ordered((name.clone(), key.record_id), (other, record.clone()));
            sides.entry(pair).or_default().push(tenths(&score));
        }
    }
    let same = sides
        .values()
        .all(|shown| matches!(shown.as_slice(), [a, b] if a == b));
    let pairs = sides
        .into_iter()
        .filter_map(|(pair, shown)| Some((pair, *shown.first()?)));
    Ok((pairs.collect(), same))
}

/// The same keys joined in clear.
pub fn oracle(sources: &[Source]) -> Result<Pairs, Failure> {
    let mut agencies = Vec::new();
    for source in sources {
        agencies.push((source.name.clone(), sources::records(&source.file)?));
    }
    let joined = oracle::join(&agencies, Schema::default_schema());
    Ok(joined
        .into_iter()
        .map(|(pair, score)| (pair, tenths(&score)))
        .collect())
}

fn tenths(score: &Score) -> (i64, Option<Tier>) {
    ((score.bits * 10.0).round() as i64, score.tier)
}

/// How the found pairs stand against the truth.
pub struct Accuracy {
    /// Pairs in the truth.
    pub true_pairs: usize,
    /// Found and true.
    pub true_positives: usize,
    /// Found and not true.
    pub false_positives: usize,
    /// True among the found.
    pub precision: f64,
    /// Found among the true.
    pub recall: f64,
}

/// Compares with the truth.
pub fn accuracy(found: &Pairs, truth: &BTreeSet<Pair>) -> Accuracy {
    let found: BTreeSet<Pair> = found.keys().cloned().collect();
    let (precision, recall) = oracle::precision_recall(&found, truth);
    let true_positives = found.intersection(truth).count();
    Accuracy {
        true_pairs: truth.len(),
        true_positives,
        false_positives: found.len() - true_positives,
        precision,
        recall,
    }
}
