//! The header row: names of columns, `--map`, and what is wrong with them.

use std::collections::{BTreeMap, HashSet};

use symbolon_core::linkage::record::{COLUMNS, Record};

use super::{CsvError, RECORD_ID};

/// More columns than any case system exports; a row's memory is bounded elsewhere.
const MAX_COLUMNS: usize = 1024;

/// Names of the columns: trimmed, lower case; an unnamed one is called after its place.
pub(super) fn names(cells: &[Vec<u8>]) -> Result<Vec<String>, String> {
    if cells.len() > MAX_COLUMNS {
        return Err(format!(
            "the header has {} columns; at most {MAX_COLUMNS} can be read",
            cells.len()
        ));
    }
    let mut names = Vec::with_capacity(cells.len());
    for (index, bytes) in cells.iter().enumerate() {
        let name = std::str::from_utf8(bytes)
            .map_err(|_| "the header is not UTF-8 text; save the file as \"CSV UTF-8\"")?;
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            names.push(format!("column {}", index + 1));
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

/// Applies `--map`: column of the file -> column of the contract.
pub(super) fn renamed(
    names: &[String],
    map: &BTreeMap<String, String>,
) -> Result<Vec<String>, CsvError> {
    let mut columns = names.to_vec();
    for (from, to) in map {
        let refuse = |reason| CsvError::Map {
            from: from.clone(),
            to: to.clone(),
            reason,
        };
        let target = to.trim().to_lowercase();
        if !Record::knows(&target) {
            return Err(refuse(format!(
                "{target} is not a column of the contract; it has {RECORD_ID}, {}",
                COLUMNS.join(", ")
            )));
        }
        let source = from.trim().to_lowercase();
        let place = names.iter().position(|name| *name == source);
        let Some(column) = place.and_then(|place| columns.get_mut(place)) else {
            return Err(refuse(format!(
                "the file has no column {source}; it has {}",
                names.join(", ")
            )));
        };
        *column = target;
    }
    Ok(columns)
}

/// Checks the columns as they are after renaming; `names` are those of the file.
pub(super) fn check(columns: &[String], names: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.as_str()) {
            return Err(format!(
                "two columns are named {column}; rename or remove one of them in the file, \
                 or leave it out of --map"
            ));
        }
    }
    if seen.contains(RECORD_ID) {
        return Ok(());
    }
    let found = names.join(", ");
    if let [only] = names
        && let Some(separator) = other_separator(only)
    {
        return Err(format!(
            "the columns are separated by {separator}; save the file with commas"
        ));
    }
    if !columns.iter().any(|column| Record::knows(column)) {
        return Err(format!(
            "there is no header row: none of \"{found}\" is a column of the contract; name the \
             columns in the first line, or say which is which with --map NAME={RECORD_ID}"
        ));
    }
    Err(format!(
        "there is no column {RECORD_ID}; the file has {found}. Say which of them is the record's \
         id with --map NAME={RECORD_ID}"
    ))
}

fn other_separator(name: &str) -> Option<&'static str> {
    [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")]
        .into_iter()
        .find(|(separator, _)| name.contains(*separator))
        .map(|(_, word)| word)
}
