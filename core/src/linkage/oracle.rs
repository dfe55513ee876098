//! The same matching in clear, in one place: the plaintext oracle for tests and the demo.
//!
//! It holds every agency's records at once, which no party of the protocol ever may. What the
//! protocol finds with all nodes connected must be exactly what this finds.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluation::{self, Place};
use super::record::Record;
use super::schema::Schema;
use super::score::Score;

/// A record at an agency: (agency, record reference).
pub type Handle = (String, String);
/// Two handles, the lesser first.
pub type Pair = (Handle, Handle);

/// Every pair of records of different agencies that people are told of, once the two nodes have compared
/// what keys leave open.
#[must_use]
pub fn join(
    agencies: &[(String, Vec<(String, Record)>)],
    schema: &Schema,
) -> BTreeMap<Pair, Score> {
    let handle = |(agency, record): Place| -> Option<Handle> {
        let (name, records) = agencies.get(agency)?;
        Some((name.clone(), records.get(record)?.0.clone()))
    };
    let mut found = BTreeMap::new();
    for (candidate, scored) in evaluation::candidates_scored(schema, agencies) {
        let Some(scored) = scored.filter(Score::is_told) else {
            continue;
        };
        let (left, right) = (handle(candidate.left), handle(candidate.right));
        if let (Some(left), Some(right)) = (left, right) {
            let pair = if left <= right {
                (left, right)
            } else {
                (right, left)
            };
            found.insert(pair, scored);
        }
    }
    found
}

/// (precision, recall) of the found pairs. Both are 1 when there was nothing to find.
#[must_use]
pub fn precision_recall(found: &BTreeSet<Pair>, truth: &BTreeSet<Pair>) -> (f64, f64) {
    let right = found.intersection(truth).count();
    (share(right, found.len()), share(right, truth.len()))
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 1.0;
    }
    let as_float = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    as_float(part) / as_float(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(name: &str, rows: &[(&str, &str)]) -> (String, Vec<(String, Record)>) {
        let records = rows.iter().map(|(id, phone)| {
            let cells = [("record_id", *id), ("phone", *phone)];
            let (record, _) = Record::from_cells(cells).unwrap();
            ((*id).to_owned(), record)
        });
        (name.to_owned(), records.collect())
    }

    fn pair(left: (&str, &str), right: (&str, &str)) -> Pair {
        let handle = |(a, r): (&str, &str)| (a.to_owned(), r.to_owned());
        (handle(left), handle(right))
    }

    #[test]
    fn pairs_are_of_different_agencies_and_ordered() {
        let police = agency("police", &[("1", "07912345678"), ("2", "+447912345678")]);
        let charity = agency("charity", &[("9", "07912 345678"), ("8", "07912345679")]);
        let found = join(&[police, charity], Schema::default_schema());
        let pairs: BTreeSet<Pair> = found.into_keys().collect();
        let expected = BTreeSet::from([
            pair(("charity", "9"), ("police", "1")),
            pair(("charity", "9"), ("police", "2")),
        ]);
        assert_eq!(pairs, expected);
        assert_eq!(precision_recall(&pairs, &expected), (1.0, 1.0));
        assert_eq!(precision_recall(&BTreeSet::new(), &expected), (1.0, 0.0));
    }

    #[test]
    fn a_value_over_the_cap_joins_nobody() {
        let ids: Vec<String> = (0..17).map(|n| n.to_string()).collect();
        let rows: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "07912345678")).collect();
        let many = agency("police", &rows);
        let one = agency("charity", &[("9", "07912345678")]);
        assert!(join(&[many, one.clone()], Schema::default_schema()).is_empty());
        let fewer = agency("police", &rows[1..]);
        assert_eq!(join(&[fewer, one], Schema::default_schema()).len(), 16);
    }
}
