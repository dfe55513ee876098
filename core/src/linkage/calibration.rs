//! Weights estimated from records whose truth nobody knows.
//!
//! After Fellegi and Sunter, a level of a field weighs `log2(m / u)`. `u`, how often strangers agree
//! so, is counted on pairs drawn at random, nearly all of which are strangers. `m`, how often one
//! person's records do, is estimated on the candidates by expectation maximisation, which takes the
//! fields as independent given the answer (Winkler, "Using the EM algorithm for weight computation",
//! 1988). Nothing is learnt from a truth, and nothing is changed: the figures are for people.
//!
//! Deliberately absent: weights of key kinds. They say the same of the same fields, more coarsely.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evaluation::{Agencies, Place, Sets, candidates};
use super::record::Record;
use super::schema::{ComparedField, Schema};

/// One level of a compared field: the estimate beside what the schema says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelEstimate {
    pub field: String,
    pub level: String,
    /// The share of one person's pairs of records at this level, of those that have the field.
    pub m: f64,
    /// The share of strangers' pairs.
    pub u: f64,
    pub bits: f64,
    pub schema_bits: f64,
    /// How many candidates are at this level.
    pub candidates: usize,
    /// How many of the random pairs are.
    pub random: usize,
}

/// What [`calibrate`] found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub candidates: usize,
    pub random_pairs: usize,
    /// The share of the candidates that are estimated to be one person.
    pub matches: f64,
    pub iterations: usize,
    pub levels: Vec<LevelEstimate>,
}

impl Calibration {
    /// How many of the candidates are estimated to be one person: what `m` stands on.
    #[must_use]
    pub fn pairs_of_one_person(&self) -> f64 {
        self.matches * float(self.candidates)
    }
}

/// The level of each compared field; none where it is missing.
type Pattern = Vec<Option<usize>>;

/// Estimates from the pairs between agencies. One agency's file is taken in two halves.
#[must_use]
pub fn calibrate(schema: &Schema, agencies: &Agencies, random_pairs: usize) -> Calibration {
    let halves;
    let agencies = if let [(name, records)] = agencies {
        halves = split(name, records);
        halves.as_slice()
    } else {
        agencies
    };
    let sets = Sets::read(schema, agencies);
    let fields = schema.compared_fields();
    let (pairs, _) = candidates::find(schema, agencies);
    let pattern = |left: Place, right: Place| -> Pattern {
        let counts = sets.counts(left, right);
        let place = (left.min(right), left.max(right));
        let known = pairs.binary_search_by_key(&place, |pair| (pair.left, pair.right));
        let pair = known.ok().and_then(|index| pairs.get(index));
        let proved = pair.map(|pair| schema.proved(&pair.kinds));
        let proved = proved.unwrap_or_default();
        let level = |field: &ComparedField| {
            let (index, level) = field.level(&counts, &proved)?;
            (!level.missing).then_some(index)
        };
        fields.iter().map(level).collect()
    };
    let mut strangers: BTreeMap<Pattern, usize> = BTreeMap::new();
    for (left, right) in draw(agencies, random_pairs) {
        *strangers.entry(pattern(left, right)).or_default() += 1;
    }
    let mut seen: BTreeMap<Pattern, usize> = BTreeMap::new();
    for pair in &pairs {
        *seen.entry(pattern(pair.left, pair.right)).or_default() += 1;
    }
    let estimate = Maximisation::run(fields, &seen);
    let possible: f64 = agencies.iter().map(|(_, r)| float(r.len())).product();
    let prior = estimate.share * float(pairs.len()) / possible.max(1.0);
    let u = strangers_only(fields, &strangers, &estimate.m, prior);
    Calibration {
        candidates: pairs.len(),
        random_pairs: strangers.values().sum(),
        matches: estimate.share,
        iterations: estimate.iterations,
        levels: levels(fields, &estimate.m, &u, &seen, &strangers),
    }
}

fn levels(
    fields: &[ComparedField],
    m: &Shares,
    u: &Shares,
    seen: &BTreeMap<Pattern, usize>,
    strangers: &BTreeMap<Pattern, usize>,
) -> Vec<LevelEstimate> {
    let mut all = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        for (at, level) in field.levels.iter().enumerate().filter(|(_, l)| !l.missing) {
            let (m, u) = (m.of(index, at), u.of(index, at));
            let held = |patterns: &BTreeMap<Pattern, usize>| {
                let here = patterns
                    .iter()
                    .filter(|(p, _)| p.get(index) == Some(&Some(at)));
                here.map(|(_, n)| *n).sum()
            };
            all.push(LevelEstimate {
                field: field.label.clone(),
                level: level.name.clone(),
                m,
                u,
                bits: (m / u).log2(),
                schema_bits: level.bits(),
                candidates: held(seen),
                random: held(strangers),
            });
        }
    }
    all
}

/// The share of each level, by field.
struct Shares(Vec<Vec<f64>>);

impl Shares {
    /// From weighted patterns. Half a pair more for each level keeps what was not seen above zero.
    fn count<'a>(
        fields: &[ComparedField],
        patterns: impl Iterator<Item = (&'a Pattern, f64)>,
    ) -> Self {
        const UNSEEN: f64 = 0.5;
        let mut sums: Vec<Vec<f64>> = fields
            .iter()
            .map(|field| vec![UNSEEN; field.levels.len()])
            .collect();
        for (pattern, weight) in patterns {
            for (field, level) in sums.iter_mut().zip(pattern) {
                if let Some(sum) = level.and_then(|level| field.get_mut(level)) {
                    *sum += weight;
                }
            }
        }
        for field in &mut sums {
            let total: f64 = field.iter().sum();
            field.iter_mut().for_each(|sum| *sum /= total);
        }
        Self(sums)
    }

    fn of(&self, field: usize, level: usize) -> f64 {
        let found = self.0.get(field).and_then(|levels| levels.get(level));
        found.copied().unwrap_or(1.0)
    }
}

/// The result of the maximisation over the candidates.
struct Maximisation {
    m: Shares,
    share: f64,
    iterations: usize,
}

impl Maximisation {
    fn run(fields: &[ComparedField], seen: &BTreeMap<Pattern, usize>) -> Self {
        const MAX_ITERATIONS: usize = 200;
        const STILL: f64 = 1e-6;
        // The schema's own weights say which candidates are likely one person, to begin with.
        let begin = |pattern: &Pattern| -> f64 {
            let bits = pattern.iter().zip(fields).filter_map(|(level, field)| {
                let level = (*level)?;
                field
                    .levels
                    .get(level)
                    .map(super::schema::ComparedLevel::bits)
            });
            // In a set of candidates the prior is about even; ten bits is what makes them one.
            1.0 / (1.0 + (10.0 - bits.sum::<f64>()).exp2())
        };
        let mut odds: Vec<f64> = seen.keys().map(begin).collect();
        let (mut share, mut iterations) = (0.0, 0);
        loop {
            let weighted = || seen.iter().zip(&odds);
            let m = Shares::count(fields, weighted().map(|((p, n), w)| (p, float(*n) * w)));
            let u = Shares::count(
                fields,
                weighted().map(|((p, n), w)| (p, float(*n) * (1.0 - w))),
            );
            let all: f64 = seen.values().map(|n| float(*n)).sum();
            let matched: f64 = weighted().map(|((_, n), w)| float(*n) * w).sum();
            let before = share;
            share = if all > 0.0 { matched / all } else { 0.0 };
            iterations += 1;
            if (share - before).abs() < STILL || iterations == MAX_ITERATIONS {
                return Self {
                    m,
                    share,
                    iterations,
                };
            }
            odds = seen.keys().map(|p| posterior(p, &m, &u, share)).collect();
        }
    }
}

fn posterior(pattern: &Pattern, m: &Shares, u: &Shares, share: f64) -> f64 {
    let (mut one, mut two) = (share, 1.0 - share);
    for (field, level) in pattern.iter().enumerate() {
        if let Some(level) = level {
            one *= m.of(field, *level);
            two *= u.of(field, *level);
        }
    }
    if one + two > 0.0 {
        one / (one + two)
    } else {
        0.0
    }
}

/// The shares among strangers: what random pairs are likely one person counts less, as far as it is.
fn strangers_only(
    fields: &[ComparedField],
    drawn: &BTreeMap<Pattern, usize>,
    m: &Shares,
    prior: f64,
) -> Shares {
    const ROUNDS: usize = 4;
    let mut u = Shares::count(fields, drawn.iter().map(|(p, n)| (p, float(*n))));
    for _ in 0..ROUNDS {
        let strange = |p: &Pattern| 1.0 - posterior(p, m, &u, prior);
        let weighted: Vec<(&Pattern, f64)> = drawn
            .iter()
            .map(|(p, n)| (p, float(*n) * strange(p)))
            .collect();
        u = Shares::count(fields, weighted.into_iter());
    }
    u
}

/// One file as if two agencies had half of it each.
fn split(name: &str, records: &[(String, Record)]) -> Vec<(String, Vec<(String, Record)>)> {
    let half = |rest: usize| {
        let here = records.iter().skip(rest).step_by(2);
        (format!("{name} {}", rest + 1), here.cloned().collect())
    };
    vec![half(0), half(1)]
}

/// Pairs of records of different agencies, the same ones on every run.
fn draw(agencies: &Agencies, wanted: usize) -> Vec<((usize, usize), (usize, usize))> {
    let sizes: Vec<usize> = agencies.iter().map(|(_, records)| records.len()).collect();
    let flat: Vec<(usize, usize)> = sizes
        .iter()
        .enumerate()
        .flat_map(|(agency, size)| (0..*size).map(move |record| (agency, record)))
        .collect();
    if sizes.iter().filter(|size| **size > 0).count() < 2 {
        return Vec::new();
    }
    // Knuth's MMIX generator: any spread will do.
    let mut state = 0x5eed_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(state >> 33).unwrap_or_default();
        flat.get(high % flat.len()).copied().unwrap_or_default()
    };
    let mut pairs = Vec::with_capacity(wanted);
    while pairs.len() < wanted {
        let (left, right) = (next(), next());
        if left.0 != right.0 {
            pairs.push((left, right));
        }
    }
    pairs
}

fn float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[path = "calibration_tests.rs"]
mod tests;
