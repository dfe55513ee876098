//! What [`evaluate`](super::evaluate) tells.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use crate::linkage::schema::{FieldName, KeyKindId, Schema};
use crate::linkage::score::{Score, Standing, standing};

use super::{Agencies, Candidate, Place};

/// Precision and recall from a threshold on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Bits from which a pair counts as found.
    pub threshold: f64,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// How many pairs were found.
    pub pairs: usize,
}

/// What one kind of key adds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyContribution {
    pub kind: String,
    /// Candidate pairs that share a key of the kind, and are one person.
    pub right: usize,
    /// Those that are two persons.
    pub wrong: usize,
    /// True pairs that no other kind joins.
    pub only_by_it: usize,
    /// False pairs at or above the default threshold that no other kind joins.
    pub false_by_it: usize,
}

/// Why a true pair was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The truth names a record that is in no file.
    NoSuchRecord,
    /// One of the records has too little in it for any key.
    TooLittleKnown,
    /// The records share no key.
    NoKeyInCommon,
    /// They share keys that weigh too little to be looked at.
    KeysTooWeak,
    NamesDiffer,
    DatesDiffer,
    PlacesDiffer,
    /// An identity number or the e-mail address differs.
    IdentifiersDiffer,
    /// Nothing differs, and what agrees is too little.
    TooLittleAgrees,
}

/// A true pair that was not found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Miss {
    pub left_agency: String,
    pub left_record: String,
    pub right_agency: String,
    pub right_record: String,
    pub reason: Reason,
    pub bits: Option<f64>,
}

/// The result of an evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    pub records: usize,
    pub truth: usize,
    /// At the default threshold of the schema.
    pub default: Quality,
    /// At the threshold that would have been best, which nobody can know beforehand.
    pub best: Quality,
    /// The same from the strong threshold on.
    pub strong: Quality,
    pub recall_at_precision_999: f64,
    pub candidate_recall: f64,
    pub candidates: usize,
    pub candidates_per_record: f64,
    pub comparisons: usize,
    pub keys_per_record: f64,
    pub keys: Vec<KeyContribution>,
    pub miss_reasons: BTreeMap<Reason, usize>,
    /// Every miss and every false match; references only.
    pub misses: Vec<Miss>,
    pub false_matches: Vec<Miss>,
}

pub(super) struct Linked<'a> {
    pub is_true: bool,
    pub candidate: &'a Candidate,
    pub score: Option<Score>,
}

pub(super) struct Builder<'a> {
    pub schema: &'a Schema,
    pub agencies: &'a Agencies,
    pub linked: &'a [Linked<'a>],
    pub truth: &'a HashSet<(Place, Place)>,
    pub keys: usize,
}

pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 1.0;
    }
    as_float(part) / as_float(whole)
}

fn as_float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

impl Builder<'_> {
    pub fn build(&self) -> Evaluation {
        let records: usize = self.agencies.iter().map(|(_, records)| records.len()).sum();
        let true_candidates = self.linked.iter().filter(|l| l.is_true).count();
        let curve = self.curve();
        let best = curve.iter().max_by(|a, b| a.f1.total_cmp(&b.f1)).cloned();
        let precise = curve.iter().filter(|q| q.precision >= 0.999);
        let misses = self.misses();
        let mut miss_reasons = BTreeMap::new();
        for miss in &misses {
            *miss_reasons.entry(miss.reason).or_default() += 1;
        }
        let comparisons = self
            .linked
            .iter()
            .filter(|l| standing(self.schema, &l.candidate.kinds) == Standing::Open);
        let default = self.quality(self.schema.possible());
        Evaluation {
            records,
            truth: self.truth.len(),
            best: best.unwrap_or_else(|| default.clone()),
            default,
            strong: self.quality(self.schema.strong()),
            recall_at_precision_999: precise.map(|q| q.recall).fold(0.0, f64::max),
            candidate_recall: ratio(true_candidates, self.truth.len()),
            candidates: self.linked.len(),
            candidates_per_record: 2.0 * ratio(self.linked.len(), records.max(1)),
            comparisons: comparisons.count(),
            keys_per_record: ratio(self.keys, records.max(1)),
            keys: self.contributions(),
            miss_reasons,
            misses,
            false_matches: self.false_matches(),
        }
    }

    fn found(&self, linked: &Linked, threshold: f64) -> bool {
        let score = linked.score.as_ref();
        score.is_some_and(|s| !s.fields.is_empty() && s.bits >= threshold - 1e-9)
    }

    fn quality(&self, threshold: f64) -> Quality {
        let found = self.linked.iter().filter(|l| self.found(l, threshold));
        let (mut pairs, mut right) = (0, 0);
        for linked in found {
            pairs += 1;
            right += usize::from(linked.is_true);
        }
        self.measured(threshold, pairs, right)
    }

    fn measured(&self, threshold: f64, pairs: usize, right: usize) -> Quality {
        let (precision, recall) = (ratio(right, pairs), ratio(right, self.truth.len()));
        let sum = precision + recall;
        let f1 = if sum > 0.0 {
            2.0 * precision * recall / sum
        } else {
            0.0
        };
        Quality {
            threshold,
            precision,
            recall,
            f1,
            pairs,
        }
    }

    /// The quality at every score that a pair has, the highest first.
    fn curve(&self) -> Vec<Quality> {
        let mut scores: Vec<(f64, bool)> = self
            .linked
            .iter()
            .filter_map(|l| Some((l.score.as_ref()?.bits, l.is_true)))
            .collect();
        scores.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut curve = Vec::new();
        let (mut pairs, mut right) = (0, 0);
        for (index, (bits, is_true)) in scores.iter().enumerate() {
            pairs += 1;
            right += usize::from(*is_true);
            let next = scores.get(index + 1).map(|(bits, _)| *bits);
            if next != Some(*bits) {
                curve.push(self.measured(*bits, pairs, right));
            }
        }
        curve
    }

    fn contributions(&self) -> Vec<KeyContribution> {
        let contribution = |id: KeyKindId, name: &str| {
            let mut sum = KeyContribution {
                kind: name.to_owned(),
                right: 0,
                wrong: 0,
                only_by_it: 0,
                false_by_it: 0,
            };
            for linked in self
                .linked
                .iter()
                .filter(|l| l.candidate.kinds.contains(&id))
            {
                let only = linked.candidate.kinds.len() == 1;
                if linked.is_true {
                    sum.right += 1;
                    sum.only_by_it += usize::from(only);
                } else {
                    sum.wrong += 1;
                    let found = self.found(linked, self.schema.possible());
                    sum.false_by_it += usize::from(only && found);
                }
            }
            sum
        };
        let kinds = self.schema.kinds().iter();
        kinds
            .map(|kind| contribution(kind.id, &kind.name))
            .collect()
    }

    fn misses(&self) -> Vec<Miss> {
        let mut joined = HashSet::new();
        let mut misses = Vec::new();
        for linked in self.linked.iter().filter(|l| l.is_true) {
            let pair = (linked.candidate.left, linked.candidate.right);
            joined.insert(pair);
            if !self.found(linked, self.schema.possible()) {
                misses.push(self.miss(
                    pair,
                    reason_of(linked.score.as_ref()),
                    linked.score.as_ref(),
                ));
            }
        }
        let mut unjoined: Vec<_> = self.truth.iter().filter(|p| !joined.contains(*p)).collect();
        unjoined.sort_unstable();
        for pair in unjoined {
            misses.push(self.miss(*pair, self.no_key_reason(*pair), None));
        }
        misses
    }

    fn no_key_reason(&self, (left, right): (Place, Place)) -> Reason {
        let keys = |(agency, record): Place| {
            let cells = self.agencies.get(agency).and_then(|(_, r)| r.get(record));
            cells.map(|(_, cells)| crate::linkage::derive(self.schema, cells).len())
        };
        match (keys(left), keys(right)) {
            (None, _) | (_, None) => Reason::NoSuchRecord,
            (Some(0), _) | (_, Some(0)) => Reason::TooLittleKnown,
            _ => Reason::NoKeyInCommon,
        }
    }

    fn false_matches(&self) -> Vec<Miss> {
        let wrong = self.linked.iter().filter(|l| !l.is_true);
        wrong
            .filter(|l| self.found(l, self.schema.possible()))
            .map(|l| {
                let pair = (l.candidate.left, l.candidate.right);
                self.miss(pair, reason_of(l.score.as_ref()), l.score.as_ref())
            })
            .collect()
    }

    fn miss(&self, (left, right): (Place, Place), reason: Reason, score: Option<&Score>) -> Miss {
        let named = |(agency, record): Place| {
            let (name, records) = self.agencies.get(agency)?;
            Some((name.clone(), records.get(record)?.0.clone()))
        };
        let (left_agency, left_record) = named(left).unwrap_or_default();
        let (right_agency, right_record) = named(right).unwrap_or_default();
        Miss {
            left_agency,
            left_record,
            right_agency,
            right_record,
            reason,
            bits: score.map(|score| score.bits),
        }
    }
}

/// What speaks most against a compared pair.
fn reason_of(score: Option<&Score>) -> Reason {
    let Some(score) = score else {
        return Reason::KeysTooWeak;
    };
    let against: BTreeSet<FieldName> = score.against.iter().copied().collect();
    let identifiers = against.iter().any(|field| {
        !matches!(
            field,
            FieldName::Name | FieldName::DateOfBirth | FieldName::Place
        )
    });
    if against.contains(&FieldName::Name) {
        Reason::NamesDiffer
    } else if against.contains(&FieldName::DateOfBirth) {
        Reason::DatesDiffer
    } else if identifiers {
        Reason::IdentifiersDiffer
    } else if against.contains(&FieldName::Place) {
        Reason::PlacesDiffer
    } else {
        Reason::TooLittleAgrees
    }
}
