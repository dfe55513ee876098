//! What an import does to a record that was edited by hand since the last one.
//!
//! Case systems export the same rows night after night. A file that says of a column what it said the
//! last time knows nothing of an edit made here, so the edit stays. A file that says something new
//! about the column wins, and the edit is in the record's history. A column that the file does not have
//! is left as it is.

use symbolon_core::linkage::record::Record;

/// Which columns a file has.
pub trait FileColumns {
    /// Whether the file has this column, by its name in the record.
    fn has(&self, column: &str) -> bool;
}

impl<F: Fn(&str) -> bool> FileColumns for F {
    fn has(&self, column: &str) -> bool {
        self(column)
    }
}

/// A known record and a row of a file about it, as one.
#[derive(Clone, PartialEq)]
pub struct Merged {
    /// The record as the import leaves it.
    pub record: Record,
    /// What the file says, where an edit makes the record say something else: the next import is
    /// compared with it.
    pub as_imported: Option<Record>,
    /// Columns whose edit stays, since the file says what it said before.
    pub kept: Vec<String>,
    /// Columns whose edit gave way, since the file says something new.
    pub replaced: Vec<String>,
}

/// Merges a row of a file into the record that is there. `as_imported` is the record as the last file
/// had it, if it was edited since.
#[must_use]
pub fn merge(
    current: &Record,
    as_imported: Option<&Record>,
    row: Record,
    columns: &impl FileColumns,
) -> Merged {
    let base = as_imported.unwrap_or(current);
    let mut from_file = row;
    let mut names: Vec<String> = Vec::new();
    for record in [current, base, &from_file] {
        for (name, _) in record.columns() {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    // What the file does not speak of stands as it did.
    for name in &names {
        if !columns.has(name) {
            put(&mut from_file, name, base.values(name));
        }
    }
    let mut merged = from_file.clone();
    let (mut kept, mut replaced) = (Vec::new(), Vec::new());
    for name in names {
        let (before, now) = (base.values(&name), current.values(&name));
        let file = from_file.values(&name);
        if now == before || now == file {
            continue;
        }
        if file == before {
            put(&mut merged, &name, now);
            if columns.has(&name) {
                kept.push(name);
            }
        } else {
            replaced.push(name);
        }
    }
    Merged {
        as_imported: (merged != from_file).then_some(from_file),
        record: merged,
        kept,
        replaced,
    }
}

fn put(record: &mut Record, column: &str, values: Vec<String>) {
    // Values that stand in one record can stand in another of the same id.
    let _ = record.replace(column, values);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cells: &[(&str, &str)]) -> Record {
        let cells = [("record_id", "a1")].iter().chain(cells);
        Record::from_cells(cells.copied()).unwrap().0
    }

    fn all(_: &str) -> bool {
        true
    }

    #[test]
    fn the_same_file_again_leaves_an_edit_and_a_new_value_wins() {
        let file = record(&[("surname", "Hill"), ("phone", "1"), ("shoe", "38")]);
        let edited = record(&[("surname", "Hall"), ("phone", "1;2"), ("shoe", "38")]);
        let again = merge(&edited, Some(&file), file.clone(), &all);
        assert!(again.record == edited);
        assert!(again.as_imported.as_ref() == Some(&file));
        assert_eq!(again.kept, ["surname", "phone"]);
        assert!(again.replaced.is_empty());

        let new = record(&[("surname", "Hill"), ("phone", "3"), ("shoe", "39")]);
        let merged = merge(&edited, Some(&file), new.clone(), &all);
        let expected = record(&[("surname", "Hall"), ("phone", "3"), ("shoe", "39")]);
        assert!(merged.record == expected);
        assert!(merged.as_imported == Some(new));
        assert_eq!(
            (merged.kept.len(), merged.replaced),
            (1, vec!["phone".to_owned()])
        );
    }

    #[test]
    fn a_file_that_caught_up_ends_the_edit() {
        let file = record(&[("surname", "Hill")]);
        let edited = record(&[("surname", "Hall")]);
        let merged = merge(&edited, Some(&file), edited.clone(), &all);
        assert!(merged.record == edited && merged.as_imported.is_none());
        assert!(merged.kept.is_empty() && merged.replaced.is_empty());
    }

    #[test]
    fn columns_that_the_file_lacks_stay_and_empty_cells_clear() {
        let current = record(&[("surname", "Hill"), ("phone", "1"), ("notes", "seen")]);
        let has = |column: &str| column == "surname" || column == "phone";
        let merged = merge(&current, None, record(&[("surname", "Hall")]), &has);
        let expected = record(&[("surname", "Hall"), ("notes", "seen")]);
        assert!(merged.record == expected && merged.as_imported.is_none());

        // An edit in a column that the file lacks is no matter of the file's.
        let file = record(&[("surname", "Hill")]);
        let edited = record(&[("surname", "Hill"), ("notes", "by hand")]);
        let surname = |column: &str| column == "surname";
        let merged = merge(&edited, Some(&file), file.clone(), &surname);
        assert!(merged.record == edited && merged.kept.is_empty());
    }
}
