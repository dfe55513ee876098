//! How well names and dates are normalised, language by language, on pairs labelled by hand.
//!
//! Two names count as the same when a kind of key at the level of both names, or of both names by
//! sound, would agree, unless both have two surnames of which one differs; two dates when one of their dates agrees as it is or with day and month
//! swapped. No other field helps, so this measures the normalisers alone. Pure: the caller reads the
//! files, which have the columns `left`, `right`, `same` (`yes` or `no`) and `why`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::normalise::dates::{self, BirthDate};
use super::normalise::names::{self, PersonName};
use super::record::split_values;

/// A set of labelled pairs, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LanguageReport {
    pub language: String,
    pub pairs: usize,
    /// Share of the pairs of one person that were told to be.
    pub recall: f64,
    /// Share of what was told to be one person that is.
    pub precision: f64,
    /// The pairs that were judged wrongly, as `left / right (why)`.
    pub missed: Vec<String>,
    pub mistaken: Vec<String>,
}

/// Why a file of pairs is refused.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    #[error("{language}: {source}")]
    Csv {
        language: String,
        source: csv::Error,
    },
    #[error("{language}: pair {number}: `same` must be yes or no")]
    Label { language: String, number: usize },
}

/// The set of this name holds dates, every other one names.
pub const DATES: &str = "dates";

#[derive(Deserialize)]
struct LabelledPair {
    left: String,
    right: String,
    same: String,
    why: String,
}

/// Judges the pairs of each file, given as its language and its text.
///
/// # Errors
/// A file that is no CSV of labelled pairs.
pub fn measure(files: &[(&str, &str)]) -> Result<Vec<LanguageReport>, PairsError> {
    files
        .iter()
        .map(|(language, text)| measure_one(language, text))
        .collect()
}

fn measure_one(language: &str, text: &str) -> Result<LanguageReport, PairsError> {
    let same = if language == DATES {
        same_date
    } else {
        same_name
    };
    let mut report = LanguageReport {
        language: language.to_owned(),
        pairs: 0,
        recall: 1.0,
        precision: 1.0,
        missed: Vec::new(),
        mistaken: Vec::new(),
    };
    let (mut wanted, mut found) = (0, 0);
    for pair in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let pair: LabelledPair = pair.map_err(|source| PairsError::Csv {
            language: language.to_owned(),
            source,
        })?;
        report.pairs += 1;
        let is_same = match pair.same.as_str() {
            "yes" => true,
            "no" => false,
            _ => {
                return Err(PairsError::Label {
                    language: language.to_owned(),
                    number: report.pairs,
                });
            }
        };
        let is_told = same(&pair.left, &pair.right);
        wanted += usize::from(is_same);
        found += usize::from(is_told);
        let shown = format!("{} / {} ({})", pair.left, pair.right, pair.why);
        match (is_same, is_told) {
            (true, false) => report.missed.push(shown),
            (false, true) => report.mistaken.push(shown),
            _ => {}
        }
    }
    report.recall = share(wanted - report.missed.len(), wanted);
    report.precision = share(found - report.mistaken.len(), found);
    Ok(report)
}

fn share(part: usize, whole: usize) -> f64 {
    let as_float = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    match whole {
        0 => 1.0,
        _ => as_float(part) / as_float(whole),
    }
}

/// Whether a key of both names, or of both names by sound, would agree. As in the comparison, who has
/// two surnames is not who has another second one.
#[must_use]
pub fn same_name(left: &str, right: &str) -> bool {
    let read = |written: &str| PersonName::read(&[], &[], &[written.to_owned()]);
    let (left, right) = (read(left), read(right));
    let agree = shares(&left, &right, |name| Some(names::root(name).to_owned()))
        || shares(&left, &right, names::sound);
    agree && !has_another_surname(&left, &right)
}

fn shares(left: &PersonName, right: &PersonName, form: fn(&str) -> Option<String>) -> bool {
    let values = |name: &PersonName| -> BTreeSet<[String; 2]> {
        let pairs = name.pairs().into_iter();
        let forms = pairs.filter_map(|(a, b)| {
            let mut pair = [form(a)?, form(b)?];
            pair.sort_unstable();
            Some(pair)
        });
        forms.collect()
    };
    !values(left).is_disjoint(&values(right))
}

fn has_another_surname(left: &PersonName, right: &PersonName) -> bool {
    let sounds = |name: &PersonName| {
        let mut both = name.two_surnames()?.map(names::sound);
        both.sort_unstable();
        Some(both)
    };
    match (sounds(left), sounds(right)) {
        (Some(left), Some(right)) => left != right,
        _ => false,
    }
}

/// Whether a date of one cell is a date of the other, as it is or with day and month swapped.
#[must_use]
pub fn same_date(left: &str, right: &str) -> bool {
    let read = |cell: &str| -> Vec<BirthDate> {
        split_values(cell)
            .filter_map(|v| dates::parse(v).ok())
            .collect()
    };
    let right = read(right);
    let mut left = read(left).into_iter();
    left.any(|date| {
        let swapped = date.swapped();
        right
            .iter()
            .any(|other| *other == date || Some(*other) == swapped)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_judged_and_counted() {
        let text = "left,right,same,why\nLiz Hill,Elizabeth Hill,yes,nickname\n\
                    Anna Hill,Hanna Hill,no,sisters\nAnna Hill,Zoe Cross,yes,label of a test\n";
        let report = measure(&[("english", text)]).unwrap().remove(0);
        assert_eq!(
            (report.pairs, report.recall, report.precision),
            (3, 0.5, 1.0)
        );
        assert_eq!(report.missed, ["Anna Hill / Zoe Cross (label of a test)"]);
        let dates = "left,right,same,why\n2009-03-05,5/3/2009,yes,form\n2009,2010,no,year\n";
        let report = measure(&[(DATES, dates)]).unwrap().remove(0);
        assert_eq!((report.recall, report.precision), (1.0, 1.0));
    }

    #[test]
    fn a_file_of_another_form_is_refused() {
        assert!(matches!(
            measure(&[("x", "left,right,same,why\na,b,maybe,c\n")]),
            Err(PairsError::Label { number: 1, .. })
        ));
        assert!(matches!(
            measure(&[("x", "left,right\na,b\n")]),
            Err(PairsError::Csv { .. })
        ));
    }
}
