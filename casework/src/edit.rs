//! What a person changes in a record: columns, audience, handling, retention.
//!
//! An edit is carried out on a [`RecordState`] and gives another one; nothing here stores anything. A
//! value that makes no key is kept and told, as after an import; a date of birth that is no date is
//! refused, because whoever types it is there to correct it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::{Issue, IssueReason, Record};
use thiserror::Error;

use crate::day::Day;
use crate::dossier::{HandlingCode, Level, Regime};
use crate::state::RecordState;
use crate::text::Text;

/// A new value, or none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting<T> {
    /// This.
    To(T),
    /// Nothing.
    None,
}

/// What clears a setting when it is typed.
pub const NONE: &str = "none";

impl<T: std::str::FromStr> std::str::FromStr for Setting<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.trim() == NONE {
            return Ok(Self::None);
        }
        text.parse().map(Self::To)
    }
}

impl<T> Setting<T> {
    fn put(self, place: &mut Option<T>) {
        *place = match self {
            Self::To(value) => Some(value),
            Self::None => None,
        };
    }
}

/// A column with a cell, as in a file.
pub type Cell = (String, String);

/// Everything that one edit can change. What is left out stays.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordEdit {
    /// Columns to be replaced; an empty cell empties the column.
    pub set: Vec<Cell>,
    /// Values to be added.
    pub add: Vec<Cell>,
    /// Values to be removed.
    pub remove: Vec<Cell>,
    /// The whole audience.
    pub agreements: Option<Vec<Name>>,
    /// What a match tells.
    pub level: Option<Level>,
    /// Handling code.
    pub handling: Option<Setting<HandlingCode>>,
    /// Under which law.
    pub regime: Option<Setting<Regime>>,
    /// For what it is kept.
    pub kept_for: Option<Setting<Text>>,
    /// On which basis.
    pub lawful_basis: Option<Setting<Text>>,
    /// Whom to call.
    pub contact: Option<Setting<Text>>,
    /// Fields that go at once at level open.
    pub open_fields: Option<Vec<String>>,
    /// Retention class.
    pub retention_class: Option<Setting<Name>>,
    /// When a person looks again.
    pub review: Option<Setting<Day>>,
    /// Why it must not be deleted now.
    pub legal_hold: Option<Setting<Text>>,
}

/// Why an edit is refused. No value is in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum EditError {
    #[error(
        "record_id names the record and stays; add a record with the new id and withdraw this one"
    )]
    RecordId,
    #[error("{0} has no such value; `record show` shows the values that it has")]
    NoSuchValue(String),
    #[error("{0} holds one value: use --set")]
    OneValue(String),
    #[error("{0} is named in --set and again in another option; say it once")]
    Twice(String),
    #[error("{0} {1}")]
    Value(&'static str, IssueReason),
    #[error("{0} is no column that a record has; the columns are those of `import`")]
    NoField(String),
    #[error("the edit names nothing that is to change; --help lists what can be named")]
    Nothing,
}

impl RecordEdit {
    /// Carries the edit out.
    ///
    /// # Errors
    /// The first thing that cannot be done; nothing is changed then.
    pub fn apply(&self, before: &RecordState) -> Result<RecordState, EditError> {
        if *self == Self::default() {
            return Err(EditError::Nothing);
        }
        let mut after = before.clone();
        self.edit_columns(&mut after.record)?;
        self.edit_dossier(&mut after)?;
        if let Some(agreements) = &self.agreements {
            let mut seen = BTreeSet::new();
            let once = agreements.iter().filter(|id| seen.insert(*id));
            after.agreements = once.cloned().collect();
        }
        let bad_date = |issue: &Issue| issue.reason == IssueReason::NotADate;
        let known: Vec<Issue> = before.record.validate();
        let mut new = after.record.validate().into_iter();
        if let Some(issue) = new.find(|issue| bad_date(issue) && !known.contains(issue)) {
            return Err(EditError::Value(issue.column, issue.reason));
        }
        Ok(after)
    }

    fn edit_columns(&self, record: &mut Record) -> Result<(), EditError> {
        let set: BTreeSet<&str> = self.set.iter().map(|(column, _)| column.as_str()).collect();
        let others = self.add.iter().chain(&self.remove);
        let mut twice = others.filter(|(column, _)| set.contains(column.as_str()));
        if let Some((column, _)) = twice.next() {
            return Err(EditError::Twice(column.clone()));
        }
        if set.len() < self.set.len() {
            let mut seen = BTreeSet::new();
            let again = self.set.iter().find(|(column, _)| !seen.insert(column));
            let column = again.map(|(column, _)| column.clone());
            return Err(EditError::Twice(column.unwrap_or_default()));
        }
        for (column, cell) in &self.set {
            put(record, column, Record::split_cell(column, cell))?;
        }
        for (column, cell) in &self.remove {
            let gone = Record::split_cell(column, cell);
            let mut values = record.values(column);
            for value in gone {
                let place = values.iter().position(|known| *known == value);
                let place = place.ok_or_else(|| EditError::NoSuchValue(column.clone()))?;
                values.remove(place);
            }
            put(record, column, values)?;
        }
        for (column, cell) in &self.add {
            if !Record::has_several(column) {
                return Err(EditError::OneValue(column.clone()));
            }
            let mut values = record.values(column);
            for value in Record::split_cell(column, cell) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            put(record, column, values)?;
        }
        Ok(())
    }

    fn edit_dossier(&self, after: &mut RecordState) -> Result<(), EditError> {
        let dossier = &mut after.dossier;
        if let Some(level) = self.level {
            dossier.level = level;
        }
        change(&self.handling, &mut dossier.handling);
        change(&self.regime, &mut dossier.regime);
        change(&self.kept_for, &mut dossier.purpose);
        change(&self.lawful_basis, &mut dossier.lawful_basis);
        change(&self.contact, &mut dossier.contact);
        let class = dossier.retention.class.clone();
        change(&self.retention_class, &mut dossier.retention.class);
        if dossier.retention.class != class {
            // Another class counts anew.
            dossier.retention.review_at = None;
            dossier.retention.expires_at = None;
        }
        change(&self.legal_hold, &mut dossier.retention.legal_hold);
        if let Some(review) = self.review.clone() {
            let at = match review {
                Setting::To(day) => Setting::To(day.begins_at()),
                Setting::None => Setting::None,
            };
            at.put(&mut dossier.retention.review_at);
        }
        if let Some(fields) = &self.open_fields {
            let mut known = fields.iter().filter(|field| !Record::knows(field));
            if let Some(field) = known.next() {
                return Err(EditError::NoField(field.clone()));
            }
            let once: BTreeSet<&String> = fields.iter().collect();
            dossier.open_fields = once.into_iter().cloned().collect();
        }
        Ok(())
    }
}

fn change<T: Clone>(setting: &Option<Setting<T>>, place: &mut Option<T>) {
    if let Some(setting) = setting.clone() {
        setting.put(place);
    }
}

fn put(record: &mut Record, column: &str, values: Vec<String>) -> Result<(), EditError> {
    if column == "record_id" {
        return Err(EditError::RecordId);
    }
    record.replace(column, values).map_err(|issue| {
        if issue.column == "category" {
            EditError::Value(issue.column, issue.reason)
        } else {
            EditError::OneValue(column.to_owned())
        }
    })
}

#[cfg(test)]
mod tests;
