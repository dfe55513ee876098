//! Files whose truth is known, read for an evaluation of the linkage.
//!
//! A directory holds one file for each agency, as `import` takes them, and `truth.csv` with the
//! pairs that are one person. Nothing of it goes into the vault, to the hub or into a log.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use symbolon_core::linkage::languages::{self, LanguageReport, PairsError};
use symbolon_core::linkage::oracle::Pair;
use symbolon_core::linkage::record::Record;
use thiserror::Error;

use crate::csv_file::{self, CsvError, Entry};

/// The file of the truth.
pub const TRUTH: &str = "truth.csv";
const TRUTH_COLUMNS: [&str; 4] = ["left_agency", "left_record", "right_agency", "right_record"];

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum EvaluateError {
    /// Not there or not readable.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An agency's file.
    #[error(transparent)]
    File(#[from] CsvError),
    /// A row of an agency's file.
    #[error("{} line {line}: {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A comparison with the truth was asked for.
    #[error(
        "{} is not there: it must name the pairs that are one person, in the columns {}",
        .0.join(TRUTH).display(),
        TRUTH_COLUMNS.join(", ")
    )]
    NoTruth(PathBuf),
    /// `truth.csv` or a list of names has other columns.
    #[error("{}: it needs the columns {wanted}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// What must be there.
        wanted: String,
    },
    /// A list of labelled pairs that is none.
    #[error(transparent)]
    Pairs(#[from] PairsError),
    /// Matches are between agencies.
    #[error("{} has {found} agency files; matches are between two or more", path.display())]
    TooFew {
        /// The directory.
        path: PathBuf,
        /// How many there are.
        found: usize,
    },
}

/// Each agency with its records and their references.
pub type Agencies = Vec<(String, Vec<(String, Record)>)>;

/// The agencies' files of a directory, in the order of their names.
pub fn read_agencies(directory: &Path) -> Result<Agencies, EvaluateError> {
    let mut agencies = Agencies::new();
    for path in csv_files(directory)? {
        if path.file_name() == Some(OsStr::new(TRUTH)) {
            continue;
        }
        agencies.push((stem(&path), read_records(&path)?));
    }
    if agencies.len() < 2 {
        return Err(EvaluateError::TooFew {
            path: directory.to_owned(),
            found: agencies.len(),
        });
    }
    Ok(agencies)
}

/// The records of one file.
pub fn read_records(path: &Path) -> Result<Vec<(String, Record)>, EvaluateError> {
    let mut records = Vec::new();
    for entry in csv_file::read(path, &BTreeMap::new())? {
        let bad = |line, reason| EvaluateError::Row {
            path: path.to_owned(),
            line,
            reason,
        };
        match entry? {
            Entry::Row(row) => {
                let cells = row.cells.iter().map(|(name, cell)| (name, cell));
                // What is wrong with a value is no matter here: it makes no key, as at a node.
                let (record, _) =
                    Record::from_cells(cells).map_err(|issue| bad(row.line, issue.to_string()))?;
                records.push((record.record_id.clone(), record));
            }
            Entry::RowProblem(problem) => return Err(bad(problem.line, problem.reason)),
        }
    }
    Ok(records)
}

/// The pairs of `truth.csv`.
pub fn read_truth(directory: &Path) -> Result<BTreeSet<Pair>, EvaluateError> {
    let path = directory.join(TRUTH);
    if !path.exists() {
        return Err(EvaluateError::NoTruth(directory.to_owned()));
    }
    let mut truth = BTreeSet::new();
    for [left_agency, left, right_agency, right] in table(&path, TRUTH_COLUMNS)? {
        let (left, right) = ((left_agency, left), (right_agency, right));
        truth.insert(if left <= right {
            (left, right)
        } else {
            (right, left)
        });
    }
    Ok(truth)
}

/// How the lists of labelled names in a directory come out.
pub fn measure_names(directory: &Path) -> Result<Vec<LanguageReport>, EvaluateError> {
    let mut lists = Vec::new();
    for path in csv_files(directory)? {
        let text = std::fs::read_to_string(&path).map_err(|source| EvaluateError::Read {
            path: path.clone(),
            source,
        })?;
        lists.push((stem(&path), text));
    }
    let lists: Vec<(&str, &str)> = lists
        .iter()
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    Ok(languages::measure(&lists)?)
}

fn csv_files(directory: &Path) -> Result<Vec<PathBuf>, EvaluateError> {
    let failed = |source| EvaluateError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension() == Some(OsStr::new("csv")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Columns of a small table, in the order asked for.
fn table<const N: usize>(
    path: &Path,
    wanted: [&str; N],
) -> Result<Vec<[String; N]>, EvaluateError> {
    let unreadable = |error: csv::Error| EvaluateError::Read {
        path: path.to_owned(),
        source: error.into(),
    };
    let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(wanted) {
        let found = header.iter().position(|column| column.trim() == name);
        *place = found.ok_or_else(|| EvaluateError::Columns {
            path: path.to_owned(),
            wanted: wanted.join(", "),
        })?;
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        rows.push(places.map(|place| row.get(place).unwrap_or_default().trim().to_owned()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    const POLICE: (&str, &str) = ("police.csv", "record_id,surname\np1,Hill\n");
    const CHARITY: (&str, &str) = ("charity.csv", "record_id,surname\nc1,Hill\n");

    #[test]
    fn agencies_and_truth_are_read() {
        let truth = "right_record,left_agency,left_record,right_agency\nc1,police,p1,charity\n";
        let files = directory(&[POLICE, CHARITY, (TRUTH, truth)]);
        let agencies = read_agencies(files.path()).unwrap();
        let names: Vec<&str> = agencies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["charity", "police"]);
        let handle = |agency: &str, record: &str| (agency.to_owned(), record.to_owned());
        let expected = (handle("charity", "c1"), handle("police", "p1"));
        assert_eq!(read_truth(files.path()).unwrap(), [expected].into());
    }

    #[test]
    fn what_is_missing_is_said() {
        let files = directory(&[POLICE, CHARITY]);
        let error = read_truth(files.path()).unwrap_err().to_string();
        assert!(
            error.contains("truth.csv") && error.contains("left_agency"),
            "{error}"
        );
        let one = directory(&[POLICE]);
        let error = read_agencies(one.path()).unwrap_err().to_string();
        assert!(error.contains("has 1 agency files"), "{error}");
        let other = directory(&[(TRUTH, "a,b\n1,2\n")]);
        let error = read_truth(other.path()).unwrap_err().to_string();
        assert!(error.contains("needs the columns"), "{error}");
        let broken = directory(&[POLICE, ("charity.csv", "record_id,surname\n,Hill\n")]);
        let error = read_agencies(broken.path()).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
