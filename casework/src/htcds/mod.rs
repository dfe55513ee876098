//! The Human Trafficking Case Data Standard 2.0: cases in, cases out, nothing lost.
//!
//! "Human Trafficking Case Data Standard (HTCDS)" by the International Organization for Migration,
//! <https://github.com/UNMigration/HTCDS>, licensed under CC BY 4.0. IOM endorses neither this program
//! nor its users. Field names and code lists are the standard's ([`fields`], [`codes`]); what of them
//! could not be found is said there.
//!
//! | Where a value goes | |
//! |---|---|
//! | the standard and the record have it (names, birth date, citizenship, telephone, email, address) | a column of the record; the cell itself is kept beside it where the record would write it in another way |
//! | only the standard has it | [`Dossier::htcds`](crate::dossier::Dossier::htcds), by its HTCDS name |
//! | only the record has it | an extension column, with the prefix `sym_` |
//!
//! Two rules make the round trip exact. A cell that the record would write otherwise is kept as it came
//! ([`cells::import`]). And an extension column is added wherever the standard's columns alone would
//! not give the record back ([`cells::export`]).
//!
//! The standard has one table for each prefix and prescribes no file. Here a case is one row with one
//! person, as in IOM's own spreadsheets, which also separate several codes in a cell by semicolons.
//! Several historic events or support plans of one case do not fit into a row and are not read.

pub mod cells;
pub mod check;
pub mod codes;
pub mod csv;
mod extension;
pub mod fields;
pub mod json;
mod mapping;

use std::collections::BTreeMap;

use thiserror::Error;

pub use mapping::forget_changed;

/// Cells of a case by field name. A cell that is there and empty says that there is no value.
pub type Cells = BTreeMap<String, String>;

/// Prefix of our extension columns, in the form of the standard's own.
pub const EXTENSION: &str = "sym_";
/// The agency's own id of the record.
pub const RECORD_ID: &str = "sym_record_id";

/// Largest file that is read: it is held in memory, and a row takes a few kilobytes.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// One case of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Case {
    /// Where: the line of a CSV file, or the place in a JSON list, from 1.
    pub place: u64,
    /// What it says.
    pub cells: Cells,
}

/// A case of a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCase {
    /// Where.
    pub place: u64,
    /// In which column, where that can be told.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
}

/// What a file has next.
pub type ReadCase = Result<Case, BadCase>;

/// How cases are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A header row and a row for each case.
    #[default]
    Csv,
    /// A list of objects.
    Json,
}

/// A file that cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum HtcdsError {
    #[error("is larger than {} MiB; split it", MAX_FILE_BYTES / 1024 / 1024)]
    TooLarge,
    #[error("is not UTF-8 text; save it as UTF-8")]
    NotUtf8,
    #[error("is empty; the first line must name the fields of the standard")]
    Empty,
    #[error("has the field {0} twice in its header; rename or remove one")]
    Twice(String),
    #[error(
        "has no field of the standard in its header; is the first line the one with prs_FirstName and the like?"
    )]
    NoField,
    #[error("is not JSON: {0}")]
    NotJson(String),
    #[error("is JSON but not a list of cases; it has to be [ {{ \"prs_FirstName\": ... }}, ... ]")]
    NotAList,
    #[error("cannot be written: {0}")]
    Unwritable(String),
}

/// Reads a file; which form it has is seen by its first character.
///
/// # Errors
/// A file that cannot be used at all. A case that cannot be read is told in its place.
pub fn read(bytes: &[u8]) -> Result<Vec<ReadCase>, HtcdsError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(HtcdsError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| HtcdsError::NotUtf8)?;
    let text = text.trim_start_matches('\u{feff}');
    match text.trim_start().chars().next() {
        None => Err(HtcdsError::Empty),
        Some('[' | '{') => json::read(text),
        Some(_) => csv::read(text),
    }
}

/// Writes cases.
///
/// # Errors
/// Only if the writers of CSV or JSON fail, which they do not in memory.
pub fn write(format: Format, cases: &[Cells]) -> Result<String, HtcdsError> {
    match format {
        Format::Csv => csv::write(cases),
        Format::Json => json::write(cases),
    }
}

#[cfg(test)]
mod round_trip;
