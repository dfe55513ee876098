//! From a case to a record and back.

use std::collections::BTreeSet;

use symbolon_core::linkage::record::{COLUMNS, Record};

use super::check::{CellProblem, check};
use super::extension::{self, EXTRA};
use super::mapping::{GROUPS, Group};
use super::{Case, Cells, RECORD_ID};
use crate::dossier::Dossier;
use crate::state::RecordState;

/// A case as a record.
pub struct Imported {
    /// The record, with those columns that the case speaks of.
    pub record: Record,
    /// What is beside it.
    pub dossier: Dossier,
    /// Columns that the case speaks of.
    pub columns: BTreeSet<String>,
    /// Cells that do not fit their field. They are kept.
    pub problems: Vec<CellProblem>,
}

/// Reads a case. What it does not speak of stands as in `old`; nothing of the future is taken.
#[must_use]
pub fn import(
    case: &Case,
    record_id: &str,
    old: Option<(&Record, &Dossier)>,
    now: i64,
) -> Imported {
    let (record, dossier) = match old {
        Some((record, dossier)) => (record.clone(), dossier.clone()),
        None => (Record::default(), Dossier::default()),
    };
    let mut imported = Imported {
        record,
        dossier,
        columns: BTreeSet::new(),
        problems: check(&case.cells),
    };
    imported.record.record_id = record_id.to_owned();
    // Cells of the standard, of others, and extensions that say nothing about the groups.
    let mut taken: BTreeSet<&str> = BTreeSet::from([RECORD_ID]);
    for column in COLUMNS {
        imported.take_extension(&case.cells, column);
    }
    for group in GROUPS {
        imported.take_group(&case.cells, group);
        taken.extend(group.fields);
    }
    for (name, cell) in &case.cells {
        if !taken.contains(name.as_str()) {
            imported.take_other(name, cell, now);
        }
    }
    imported
}

impl Imported {
    /// A column that stands in an extension of its name.
    fn take_extension(&mut self, cells: &Cells, column: &'static str) {
        let Some(cell) = cells.get(&extension::name(column)) else {
            return;
        };
        let grouped = GROUPS.iter().any(|group| group.columns.contains(&column));
        if cell.is_empty() && grouped {
            // The fields of the standard say it.
            return;
        }
        let single = matches!(column, "risk" | "case_ref" | "notes");
        let values = if single {
            Record::split_cell(column, cell)
        } else {
            extension::decode(column, cell)
        };
        self.put(column, values, &extension::name(column), cell);
    }

    fn put(&mut self, column: &str, values: Vec<String>, field: &str, cell: &str) {
        match self.record.replace(column, values) {
            Ok(()) => {
                self.columns.insert(column.to_owned());
                self.dossier.htcds.remove(field);
            }
            Err(issue) => {
                self.problems.push(CellProblem {
                    column: field.to_owned(),
                    value: cell.to_owned(),
                    reason: issue.reason.to_string(),
                });
                self.dossier.htcds.insert(field.to_owned(), cell.to_owned());
            }
        }
    }

    /// The columns of a group, out of its fields; and the fields as they came, where the record would
    /// write them otherwise.
    fn take_group(&mut self, cells: &Cells, group: &Group) {
        let in_file = group
            .fields
            .iter()
            .filter(|field| cells.contains_key(**field));
        if in_file.count() == 0 {
            return;
        }
        for (column, values) in (group.derive)(cells) {
            let said = self.columns.contains(column);
            if said || group.hint && values.is_empty() {
                continue;
            }
            // What is derived from cells can stand in the column.
            let _ = self.record.replace(column, values);
            self.columns.insert(column.to_owned());
        }
        let filled = |field: &&&str| cells.get(**field).is_some_and(|cell| !cell.is_empty());
        let raw: Cells = group
            .fields
            .iter()
            .filter(filled)
            .filter_map(|field| Some(((*field).to_owned(), cells.get(*field)?.clone())))
            .collect();
        let own: Cells = (group.standard)(&self.record)
            .into_iter()
            .map(|(field, cell)| (field.to_owned(), cell))
            .collect();
        for field in group.fields {
            self.dossier.htcds.remove(*field);
        }
        if raw != own {
            self.dossier.htcds.extend(raw);
        }
    }

    /// A field that no column stands for.
    fn take_other(&mut self, name: &str, cell: &str, now: i64) {
        if let Some(column) = name.strip_prefix(EXTRA) {
            let values = Record::split_cell(column, cell);
            self.put(column, values, name, cell);
            return;
        }
        let of_column = |column: &&str| extension::name(column) == name;
        if COLUMNS.iter().any(of_column) {
            return;
        }
        if cell.is_empty() {
            // An extension that is empty says nothing; a field of the standard has no value now.
            if !name.starts_with(super::EXTENSION) {
                self.dossier.htcds.remove(name);
            }
            return;
        }
        match extension::into_dossier(name, cell, now, &mut self.dossier) {
            Ok(true) => {
                self.dossier.htcds.remove(name);
                return;
            }
            Ok(false) => {}
            Err(problem) => self.problems.push(problem),
        }
        self.dossier.htcds.insert(name.to_owned(), cell.to_owned());
    }
}

/// Writes a record as a case. The audience is not in it: under which agreements a record is shared is
/// said where it is kept.
#[must_use]
pub fn export(state: &RecordState) -> Cells {
    let RecordState {
        record,
        dossier,
        agreements: _,
    } = state;
    let mut cells = dossier.htcds.clone();
    for group in GROUPS {
        let mut fields = group.fields.iter();
        if !fields.any(|field| dossier.htcds.contains_key(*field)) {
            let own = (group.standard)(record).into_iter();
            cells.extend(own.map(|(field, cell)| (field.to_owned(), cell)));
        }
    }
    let derived: Vec<(&str, Vec<String>)> = GROUPS
        .iter()
        .flat_map(|group| (group.derive)(&cells))
        .collect();
    for column in COLUMNS {
        let values = record.values(column);
        let mut derived = derived.iter().filter(|(name, _)| *name == column);
        let said = derived.next().map(|(_, values)| values.as_slice());
        if said.unwrap_or_default() == values {
            continue;
        }
        let cell = match column {
            "risk" | "case_ref" | "notes" => values.concat(),
            _ => extension::encode(column, &values),
        };
        cells.insert(extension::name(column), cell);
    }
    for (name, value) in &record.extra {
        cells.insert(format!("{EXTRA}{name}"), value.clone());
    }
    extension::of_dossier(dossier, &mut cells);
    cells.insert(RECORD_ID.to_owned(), record.record_id.clone());
    cells
}
