//! The files of a sample: one CSV for each agency, `truth.csv` for the pairs.
//!
//! UTF-8, a header, lines end in a line feed. Headers are written even above no rows.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::Serialize;

use super::{Sample, SampleRow, TruthPair};

const ROW_HEADER: &str = "record_id,given_names,surname,alias,date_of_birth,sex,nationality,address,\
    town,postcode,phone,email,nhs_number,ni_number,passport,vehicle,account,category,risk,case_ref,\
    notes";
const TRUTH_HEADER: &str = "left_agency,left_record,right_agency,right_record";
const TRUTH: &str = "truth";

/// The name and content of each file, agencies in their order and the truth last.
///
/// # Errors
/// `InvalidInput` when an agency's name is taken or cannot be a file's name.
pub fn csv_files(sample: &Sample) -> io::Result<Vec<(String, String)>> {
    let mut taken = BTreeSet::from([TRUTH]);
    let mut files = Vec::with_capacity(sample.agencies.len() + 1);
    for (agency, rows) in &sample.agencies {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if agency.is_empty() || !agency.chars().all(allowed) || !taken.insert(agency) {
            let message = format!("agency {agency:?} cannot name a file, or is named twice");
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        files.push((
            format!("{agency}.csv"),
            table::<SampleRow>(ROW_HEADER, rows)?,
        ));
    }
    files.push((
        format!("{TRUTH}.csv"),
        table::<TruthPair>(TRUTH_HEADER, &sample.truth)?,
    ));
    Ok(files)
}

/// Writes `AGENCY.csv` for each agency and `truth.csv` into `dir`, which is made when absent.
/// Files of these names are replaced, others left.
///
/// # Errors
/// Those of [`csv_files`], and whatever the disk reports.
pub fn write(sample: &Sample, dir: &Path) -> io::Result<()> {
    let files = csv_files(sample)?;
    fs::create_dir_all(dir)?;
    files
        .iter()
        .try_for_each(|(name, content)| fs::write(dir.join(name), content))
}

fn table<T: Serialize>(header: &str, rows: &[T]) -> io::Result<String> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer.write_record(header.split(','))?;
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}
