//! Where the demo's records come from: one `AGENCY.csv` for each agency in a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use symbolon_core::identity::AgencyKind;
use symbolon_core::linkage::oracle::Pair;
use symbolon_core::linkage::record::Record;
use symbolon_node::csv_file::{self, Entry};

use crate::consortium::Failure;

/// One agency of the demo.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, which is the file's.
    pub name: String,
    /// Its kind.
    pub kind: AgencyKind,
    /// Its name for people.
    pub title: String,
    /// Its records.
    pub file: PathBuf,
}

/// The sample that is committed with the project.
pub fn committed_sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo")
}

/// The agencies of a directory, by name.
pub fn sources(directory: &Path) -> Result<Vec<Source>, Failure> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
    let mut sources = Vec::new();
    for entry in entries {
        let file = entry?.path();
        let is_csv = file.extension().is_some_and(|extension| extension == "csv");
        let stem = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if !is_csv || stem == "truth" {
            continue;
        }
        let name = stem.to_lowercase().replace(['_', ' '], "-");
        let (kind, title) = kind_and_title(&name);
        sources.push(Source {
            name,
            kind,
            title,
            file,
        });
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    if sources.len() < 2 {
        let place = directory.display();
        return Err(
            format!("{place} needs one AGENCY.csv for each of two or more agencies").into(),
        );
    }
    Ok(sources)
}

fn kind_and_title(name: &str) -> (AgencyKind, String) {
    let kind = [
        ("police", AgencyKind::LawEnforcement),
        ("council", AgencyKind::LocalGovernment),
        ("hospital", AgencyKind::HealthService),
    ];
    let found = kind.iter().find(|(word, _)| name.contains(word));
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters
            .next()
            .map(|c| c.to_uppercase().to_string())
            .unwrap_or_default();
        first + letters.as_str()
    });
    let title = words.collect::<Vec<_>>().join(" ");
    (found.map_or(AgencyKind::Ngo, |(_, kind)| *kind), title)
}

/// The records of a file as the import takes them with `keep_invalid`.
pub fn records(file: &Path) -> Result<Vec<(String, Record)>, Failure> {
    let mut records = Vec::new();
    for entry in csv_file::read(file, &BTreeMap::new())? {
        if let Entry::Row(row) = entry? {
            let cells = row
                .cells
                .iter()
                .map(|(name, cell)| (name.as_str(), cell.as_str()));
            if let Ok((record, _)) = Record::from_cells(cells) {
                records.push((record.record_id.clone(), record));
            }
        }
    }
    Ok(records)
}

/// The pairs of `truth.csv`, if there is one.
pub fn truth(directory: &Path) -> Result<Option<BTreeSet<Pair>>, Failure> {
    let path = directory.join("truth.csv");
    if !path.exists() {
        return Ok(None);
    }
    let mut reader = csv::Reader::from_path(&path)?;
    let mut pairs = BTreeSet::new();
    for row in reader.deserialize() {
        let (left_agency, left, right_agency, right): (String, String, String, String) = row?;
        let slug = |name: String| name.to_lowercase().replace(['_', ' '], "-");
        pairs.insert(ordered(
            (slug(left_agency), left),
            (slug(right_agency), right),
        ));
    }
    Ok(Some(pairs))
}

/// A pair with the lesser side first.
pub fn ordered(one: (String, String), other: (String, String)) -> Pair {
    if one <= other {
        (one, other)
    } else {
        (other, one)
    }
}
