//! Cases as CSV: a header row with the names of fields, a row for each case.

use std::collections::BTreeSet;

use ::csv::{ReaderBuilder, StringRecord, WriterBuilder};

use super::fields::{FIELDS, canonical, order};
use super::{BadCase, Case, Cells, EXTENSION, HtcdsError, ReadCase};

/// Reads the cases of a file.
pub(super) fn read(text: &str) -> Result<Vec<ReadCase>, HtcdsError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows = reader.records();
    let header = rows.next().ok_or(HtcdsError::Empty)?;
    let header = header.map_err(|_| HtcdsError::NotUtf8)?;
    let names = names(&header)?;
    let mut lines = Lines::new(text);
    let mut cases = Vec::new();
    for row in rows {
        // The text is UTF-8 and rows may have any length: nothing else can be wrong.
        let row = row.map_err(|_| HtcdsError::NotUtf8)?;
        let place = lines.of(row.position().map_or(0, ::csv::Position::byte));
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let case = case(place, &names, &row);
        // The spreadsheets of the standard have a second row with labels for people.
        let labels = case.as_ref().is_ok_and(|case| is_label_row(&case.cells));
        if !(labels && cases.is_empty()) {
            cases.push(case);
        }
    }
    Ok(cases)
}

/// Counts lines up to a place in the text. The reader counts a row that follows blank lines from the
/// first of these.
struct Lines<'a> {
    rest: &'a [u8],
    at: u64,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.as_bytes(),
            at: 0,
            line: 1,
        }
    }

    /// The line of what begins at this byte or, behind line breaks, after it. Places come in order.
    fn of(&mut self, byte: u64) -> u64 {
        while let Some((first, rest)) = self.rest.split_first() {
            let is_break = *first == b'\n' || *first == b'\r';
            if self.at >= byte && !is_break {
                break;
            }
            self.line += u64::from(*first == b'\n');
            self.at += 1;
            self.rest = rest;
        }
        self.line
    }
}

fn names(header: &StringRecord) -> Result<Vec<String>, HtcdsError> {
    let names: Vec<String> = header.iter().map(canonical).collect();
    let mut seen = BTreeSet::new();
    let mut named = names.iter().filter(|name| !name.is_empty());
    if let Some(twice) = named.find(|name| !seen.insert(*name)) {
        return Err(HtcdsError::Twice(twice.clone()));
    }
    let known = |name: &String| {
        name.starts_with(EXTENSION) || FIELDS.iter().any(|(field, _)| field == name)
    };
    if !names.iter().any(known) {
        return Err(HtcdsError::NoField);
    }
    Ok(names)
}

fn case(place: u64, names: &[String], row: &StringRecord) -> ReadCase {
    if row.len() != names.len() {
        return Err(BadCase {
            place,
            column: None,
            reason: format!(
                "it has {} fields where the header has {}",
                row.len(),
                names.len()
            ),
        });
    }
    let named = names.iter().zip(row.iter());
    let named = named.filter(|(name, _)| !name.is_empty());
    let cells = named.map(|(name, cell)| (name.clone(), cell.trim().to_owned()));
    Ok(Case {
        place,
        cells: cells.collect(),
    })
}

fn is_label_row(cells: &Cells) -> bool {
    let label = |name: &str, label: &str| cells.get(name).is_some_and(|cell| cell == label);
    label("prs_FirstName", "First Name") || label("prs_SecondName", "Second Name")
}

/// Writes cases: the columns that any of them has, those of the standard first and in its order.
pub(super) fn write(cases: &[Cells]) -> Result<String, HtcdsError> {
    let names: BTreeSet<&String> = cases.iter().flat_map(Cells::keys).collect();
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by_key(|name| order(name));
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    let unwritable = |error: ::csv::Error| HtcdsError::Unwritable(error.to_string());
    writer.write_record(&names).map_err(unwritable)?;
    for cells in cases {
        let row = names
            .iter()
            .map(|name| cells.get(*name).map_or("", String::as_str));
        writer.write_record(row).map_err(unwritable)?;
    }
    let bytes = writer.into_inner();
    let bytes = bytes.map_err(|error| HtcdsError::Unwritable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| HtcdsError::Unwritable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_lines_and_labels_are_passed_over() {
        let text = "prs_First_Name,prs_SecondName,shoe\nFirst Name,Second Name,Shoe\n\n\
                    \"An\na\",Nowak,38\nEva,,\nx,y\n";
        let cases = super::super::read(text.as_bytes()).unwrap();
        assert_eq!(cases.len(), 3);
        let first = cases[0].as_ref().ok().unwrap();
        assert_eq!(
            (first.place, first.cells["prs_FirstName"].as_str()),
            (4, "An\na")
        );
        assert_eq!(first.cells["shoe"], "38");
        let second = cases[1].as_ref().ok().unwrap();
        assert_eq!(
            (second.place, second.cells["prs_SecondName"].as_str()),
            (6, "")
        );
        let bad = cases[2].as_ref().err().unwrap();
        assert_eq!((bad.place, bad.reason.contains("2 fields")), (7, true));
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let read = |text: &str| super::super::read(text.as_bytes()).err();
        assert_eq!(read(""), Some(HtcdsError::Empty));
        assert_eq!(read("name,phone\n"), Some(HtcdsError::NoField));
        let twice = read("prs_Nationality,prs_Citizenship\nGB,GB\n");
        assert_eq!(twice, Some(HtcdsError::Twice("prs_Citizenship".to_owned())));
        assert_eq!(
            super::super::read(&[0xff, b'a']).err(),
            Some(HtcdsError::NotUtf8)
        );
        assert_eq!(read("prs_Gender\n"), None);
    }
}
