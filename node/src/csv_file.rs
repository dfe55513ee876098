//! The CSV file that an agency imports: its columns, read row by row.
//!
//! UTF-8 with a header row (RFC 4180, a byte order mark is tolerated). A broken row is reported by
//! line, column and reason and the others go on; a file that cannot be used at all is a
//! [`CsvError`]. What is in a cell (dates, identifiers, categories) is judged by the linkage schema,
//! not here. Memory is bounded by one row, but for a fingerprint and a line of each record id that was seen:
//! twelve bytes a row.

mod header;
mod lines;
mod records;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use symbolon_core::linkage::record::Record;
use thiserror::Error;

use crate::reports::FileProblem;
use lines::Lines;
use records::{Piece, RecordReader};

/// The one column that every file must have.
pub const RECORD_ID: &str = "record_id";

/// Longest record id, in bytes: ids are keys of the vault and of the set of seen ids.
pub(crate) const MAX_RECORD_ID_BYTES: usize = 256;

/// Why a file cannot be imported at all.
///
/// The texts name columns of the file, so they are for the person's terminal, not for a log.
#[derive(Debug, Error)]
pub enum CsvError {
    /// Not there, not readable, or the disk failed half-way.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing in it.
    #[error(
        "{} is empty; the first line must name the columns, record_id among them",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The header row cannot be used.
    #[error("{} line {line}: {reason}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// Where the header is.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// `--map` asks for what cannot be.
    #[error("--map {from}={to}: {reason}")]
    Map {
        /// Column of the file.
        from: String,
        /// Column of the contract.
        to: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// One good row.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Line on which it begins, from 1 (the header).
    pub line: u64,
    /// Column and cell, in the file's order; empty cells are left out, others are trimmed.
    pub cells: Vec<(String, String)>,
}

impl Row {
    /// The cell of a column, if it is not empty.
    pub fn cell(&self, column: &str) -> Option<&str> {
        let found = self.cells.iter().find(|(name, _)| name == column);
        found.map(|(_, cell)| cell.as_str())
    }

    /// The agency's own id; never empty in a row that [`CsvFile`] gave.
    pub fn record_id(&self) -> &str {
        self.cell(RECORD_ID).unwrap_or_default()
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of records never reach a log.
        write!(f, "Row(line {}, {} cells)", self.line, self.cells.len())
    }
}

/// What the file has next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A row to import.
    Row(Row),
    /// A row that cannot be read and is skipped. Its record may well exist: who withdraws records
    /// that a file no longer has must not count it as gone.
    RowProblem(FileProblem),
}

/// An open file whose header is good: an iterator over its rows.
pub struct CsvFile {
    path: PathBuf,
    columns: Vec<String>,
    records: RecordReader<File>,
    /// Of the record ids so far.
    lines: Lines,
    failed: bool,
}

impl std::fmt::Debug for CsvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CsvFile({})", self.path.display())
    }
}

/// Opens a file and reads its header; `map` renames columns of the file to those of the contract.
pub fn read(path: &Path, map: &BTreeMap<String, String>) -> Result<CsvFile, CsvError> {
    let unreadable = |source| CsvError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::Error::other("it is a directory")));
    }
    let mut records = RecordReader::new(file);
    let bad_header = |line, reason| CsvError::Header {
        path: path.to_owned(),
        line,
        reason,
    };
    let (line, cells) = loop {
        match records.next().map_err(unreadable)? {
            None => {
                return Err(CsvError::Empty {
                    path: path.to_owned(),
                });
            }
            Some(Piece::Broken { line, reason }) => return Err(bad_header(line, reason)),
            Some(Piece::Record { line, cells, .. }) if !records::is_blank(&cells) => {
                break (line, cells);
            }
            Some(Piece::Record { .. }) => {}
        }
    };
    let names = header::names(&cells).map_err(|reason| bad_header(line, reason))?;
    let columns = header::renamed(&names, map)?;
    header::check(&columns, &names).map_err(|reason| bad_header(line, reason))?;
    Ok(CsvFile {
        path: path.to_owned(),
        columns,
        records,
        lines: Lines::default(),
        failed: false,
    })
}

impl CsvFile {
    /// The columns, renamed, in the file's order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The columns that are kept with the record and never used.
    pub fn unused_columns(&self) -> impl Iterator<Item = &str> {
        let names = self.columns.iter().map(String::as_str);
        names.filter(|name| !Record::knows(name))
    }

    /// Whether a row with this record id was read so far, whatever became of it.
    pub fn has_seen(&self, record_id: &str) -> bool {
        self.lines.first(record_id).is_some()
    }

    /// Size and time of the file now: whoever reads it twice can see whether it is another one.
    pub fn stamp(&self) -> Result<(u64, SystemTime), CsvError> {
        let read = |path: &Path| {
            let metadata = path.metadata()?;
            Ok((metadata.len(), metadata.modified()?))
        };
        read(&self.path).map_err(|source| CsvError::Read {
            path: self.path.clone(),
            source,
        })
    }

    fn entry(&mut self, line: u64, last_line: u64, cells: &[Vec<u8>]) -> Entry {
        match self.row(line, last_line, cells) {
            Ok(row) => Entry::Row(row),
            Err((column, reason)) => Entry::RowProblem(FileProblem {
                line,
                column,
                reason,
            }),
        }
    }

    fn row(
        &mut self,
        line: u64,
        last_line: u64,
        cells: &[Vec<u8>],
    ) -> Result<Row, (Option<String>, String)> {
        if cells.len() != self.columns.len() {
            return Err((None, self.wrong_width(line, last_line, cells.len())));
        }
        let mut kept = Vec::with_capacity(cells.len());
        for (column, bytes) in self.columns.iter().zip(cells) {
            let cell = std::str::from_utf8(bytes).map_err(|_| {
                let reason = "is not UTF-8 text; save the file as \"CSV UTF-8\"";
                (Some(column.clone()), reason.to_owned())
            })?;
            if !cell.trim().is_empty() {
                kept.push((column.clone(), cell.trim().to_owned()));
            }
        }
        let row = Row { line, cells: kept };
        self.remember(&row)
            .map_err(|reason| (Some(RECORD_ID.to_owned()), reason))?;
        Ok(row)
    }

    fn remember(&mut self, row: &Row) -> Result<(), String> {
        let id = row.record_id();
        if id.is_empty() {
            return Err("is empty".to_owned());
        }
        if id.len() > MAX_RECORD_ID_BYTES {
            return Err(format!("is longer than {MAX_RECORD_ID_BYTES} bytes"));
        }
        if let Some(first) = self.lines.first(id) {
            return Err(format!("\"{id}\" is already on line {first}"));
        }
        self.lines.note(id, row.line);
        Ok(())
    }

    fn wrong_width(&self, line: u64, last_line: u64, found: usize) -> String {
        let wanted = self.columns.len();
        let fields = if found == 1 { "field" } else { "fields" };
        let reason = format!("it has {found} {fields} where the header has {wanted}");
        if last_line > line {
            return format!(
                "{reason}, and runs on to line {last_line}: look for a stray quotation mark"
            );
        }
        reason
    }
}

impl Iterator for CsvFile {
    type Item = Result<Entry, CsvError>;

    /// After an error there is nothing more: the rest of the file is unknown.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.records.next() {
                Ok(None) => return None,
                Ok(Some(Piece::Broken { line, reason })) => {
                    return Some(Ok(Entry::RowProblem(FileProblem {
                        line,
                        column: None,
                        reason,
                    })));
                }
                // Spreadsheets leave blank lines and rows of commas at the end.
                Ok(Some(Piece::Record { cells, .. })) if records::is_blank(&cells) => {}
                Ok(Some(Piece::Record {
                    line,
                    last_line,
                    cells,
                })) => return Some(Ok(self.entry(line, last_line, &cells))),
                Err(source) => {
                    self.failed = true;
                    let path = self.path.clone();
                    return Some(Err(CsvError::Read { path, source }));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
