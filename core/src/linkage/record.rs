//! The record: what an agency's file says about one person, cell by cell.
//!
//! Values are kept as they were written; normalising happens when keys are derived, so that a
//! better normaliser can be applied later to the same record. A value that cannot be right (a
//! check digit that does not fit, an impossible date) stays in the record, is reported as an
//! [`Issue`], and is never turned into a key.
//!
//! `Debug` prints the record's id alone: records must not reach a log by accident.

mod issue;
mod validate;

pub use crate::agreement::Category;
pub use issue::{Issue, IssueReason};

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One person as one agency knows them. The field names are the columns of the CSV contract.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The agency's own reference; never tokenised.
    pub record_id: String,
    pub given_names: Vec<String>,
    pub surname: Vec<String>,
    pub alias: Vec<String>,
    pub date_of_birth: Vec<String>,
    pub sex: Vec<String>,
    pub nationality: Vec<String>,
    pub address: Vec<String>,
    pub town: Vec<String>,
    pub postcode: Vec<String>,
    pub phone: Vec<String>,
    pub email: Vec<String>,
    pub nhs_number: Vec<String>,
    pub ni_number: Vec<String>,
    pub passport: Vec<String>,
    pub vehicle: Vec<String>,
    pub account: Vec<String>,
    pub category: Option<Category>,
    pub risk: Option<String>,
    pub case_ref: Option<String>,
    pub notes: Option<String>,
    /// Columns that the contract does not know; kept, never tokenised.
    pub extra: BTreeMap<String, String>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("record_id", &self.record_id)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// Reads one row. Several values in a cell are separated by `;`.
    ///
    /// # Errors
    /// A row without a record id cannot be referred to, so it is refused. Anything else that is
    /// wrong comes back beside the record.
    pub fn from_cells<I, N, V>(cells: I) -> Result<(Self, Vec<Issue>), Issue>
    where
        I: IntoIterator<Item = (N, V)>,
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut record = Self::default();
        let mut issues = Vec::new();
        for (name, cell) in cells {
            record.set(name.as_ref(), cell.as_ref().trim(), &mut issues);
        }
        if record.record_id.is_empty() {
            return Err(Issue::new("record_id", IssueReason::Missing, ""));
        }
        issues.extend(record.validate());
        Ok((record, issues))
    }

    /// Every value that cannot be used as it stands, and why.
    #[must_use]
    pub fn validate(&self) -> Vec<Issue> {
        validate::validate(self)
    }

    fn set(&mut self, name: &str, cell: &str, issues: &mut Vec<Issue>) {
        if cell.is_empty() {
            return;
        }
        let column = name
            .trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
            .to_ascii_lowercase();
        if let Some(values) = self.values_mut(&column) {
            let split = cell.split(';').map(str::trim).filter(|v| !v.is_empty());
            values.extend(split.map(str::to_owned));
            return;
        }
        match column.as_str() {
            "record_id" => self.record_id = cell.to_owned(),
            "category" => match cell.parse() {
                Ok(category) => self.category = Some(category),
                Err(reason) => issues.push(Issue::new("category", reason, cell)),
            },
            "risk" => self.risk = Some(cell.to_owned()),
            "case_ref" => self.case_ref = Some(cell.to_owned()),
            "notes" => self.notes = Some(cell.to_owned()),
            _ => {
                self.extra.insert(name.trim().to_owned(), cell.to_owned());
            }
        }
    }

    fn values_mut(&mut self, column: &str) -> Option<&mut Vec<String>> {
        Some(match column {
            "given_names" => &mut self.given_names,
            "surname" => &mut self.surname,
            "alias" => &mut self.alias,
            "date_of_birth" => &mut self.date_of_birth,
            "sex" => &mut self.sex,
            "nationality" => &mut self.nationality,
            "address" => &mut self.address,
            "town" => &mut self.town,
            "postcode" => &mut self.postcode,
            "phone" => &mut self.phone,
            "email" => &mut self.email,
            "nhs_number" => &mut self.nhs_number,
            "ni_number" => &mut self.ni_number,
            "passport" => &mut self.passport,
            "vehicle" => &mut self.vehicle,
            "account" => &mut self.account,
            _ => return None,
        })
    }
}

impl FromStr for Category {
    type Err = IssueReason;

    fn from_str(text: &str) -> Result<Self, IssueReason> {
        Self::parse(&text.trim().to_ascii_lowercase()).ok_or(IssueReason::UnknownWord)
    }
}

/// The four risk levels of the College of Policing for missing persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    VeryLow,
    Low,
    Medium,
    High,
}

impl FromStr for Risk {
    type Err = IssueReason;

    fn from_str(text: &str) -> Result<Self, IssueReason> {
        let word = text.trim().to_ascii_lowercase().replace(['_', '-'], " ");
        Ok(match word.as_str() {
            "very low" | "no apparent risk" => Self::VeryLow,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            _ => return Err(IssueReason::UnknownWord),
        })
    }
}

/// Sex as recorded. It is compared between two nodes after a hit, never tokenised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    Female,
    Male,
    Other,
    Unknown,
}

impl FromStr for Sex {
    type Err = IssueReason;

    fn from_str(text: &str) -> Result<Self, IssueReason> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "f" | "female" | "woman" | "girl" | "2" => Self::Female,
            "m" | "male" | "man" | "boy" | "1" => Self::Male,
            "x" | "other" | "non-binary" | "nonbinary" | "indeterminate" | "9" => Self::Other,
            "u" | "unknown" | "not known" | "not specified" | "0" => Self::Unknown,
            _ => return Err(IssueReason::UnknownWord),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_split_and_trimmed_and_unknown_columns_are_kept() {
        let (record, issues) = Record::from_cells([
            ("record_id", " a1 "),
            ("\u{feff}Given_Names", "Anna ; Ana;"),
            ("category", "Missing"),
            ("shoe_size", "38"),
            ("surname", ""),
        ])
        .unwrap();
        assert!(issues.is_empty(), "{issues:?}");
        assert_eq!(record.record_id, "a1");
        assert_eq!(record.given_names, ["Anna", "Ana"]);
        assert!(record.surname.is_empty());
        assert_eq!(record.category, Some(Category::Missing));
        assert_eq!(record.extra["shoe_size"], "38");
    }

    #[test]
    fn a_row_without_an_id_is_refused() {
        let issue = Record::from_cells([("surname", "Hill")]).unwrap_err();
        assert_eq!(
            (issue.column, issue.reason),
            ("record_id", IssueReason::Missing)
        );
    }

    #[test]
    fn what_is_wrong_is_reported_without_being_shown() {
        let (record, issues) = Record::from_cells([
            ("record_id", "a1"),
            ("date_of_birth", "31/02/2009"),
            ("nhs_number", "943 476 5918"),
            ("surname", "unknown"),
            ("category", "neighbour"),
        ])
        .unwrap();
        assert_eq!(record.nhs_number, ["943 476 5918"]);
        let reasons: Vec<_> = issues.iter().map(|i| (i.column, i.reason)).collect();
        assert!(reasons.contains(&("date_of_birth", IssueReason::NotADate)));
        assert!(reasons.contains(&("nhs_number", IssueReason::CheckDigit)));
        assert!(reasons.contains(&("surname", IssueReason::Placeholder)));
        assert!(reasons.contains(&("category", IssueReason::UnknownWord)));
        for issue in &issues {
            let shown = format!("{issue} {issue:?}");
            assert!(!shown.contains(&issue.value), "{shown}");
        }
        assert!(!format!("{record:?}").contains("943"));
    }
}
