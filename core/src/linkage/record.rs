//! The record: what an agency's file says about one person, cell by cell.
//!
//! Values are kept as they were written; normalising happens when keys are derived, so that a
//! better normaliser can be applied later to the same record. A value that cannot be right (a
//! check digit that does not fit, an impossible date) stays in the record, is reported as an
//! [`Issue`], and is never turned into a key.
//!
//! `Debug` prints the record's id alone: records must not reach a log by accident.

mod columns;
mod issue;
mod validate;

pub use crate::agreement::Category;
pub use columns::COLUMNS;
pub use issue::{Issue, IssueReason};

use super::normalise::dates::{self, StatedDate};

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
    /// Whether the person is a twin, triplet and so on: see [`Record::is_multiple_birth`].
    pub multiple_birth: Vec<String>,
    pub nationality: Vec<String>,
    pub address: Vec<String>,
    pub town: Vec<String>,
    pub postcode: Vec<String>,
    /// Unique property reference number.
    pub uprn: Vec<String>,
    pub phone: Vec<String>,
    pub email: Vec<String>,
    pub nhs_number: Vec<String>,
    pub ni_number: Vec<String>,
    /// Unique pupil number.
    pub upn: Vec<String>,
    /// Police National Computer identifier.
    pub pnc_id: Vec<String>,
    /// Criminal Records Office number.
    pub cro: Vec<String>,
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
    /// Reads one row. Several values in a cell are separated by `;` outside brackets.
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

    /// The dates of birth that can be read, each with its status and source, as they were written.
    pub fn birth_dates(&self) -> impl Iterator<Item = StatedDate> + '_ {
        self.date_of_birth
            .iter()
            .filter_map(|v| dates::read(v).ok())
    }

    /// Given names and surname, as they were written.
    #[must_use]
    pub fn full_name(&self) -> String {
        let names: Vec<&str> = self
            .given_names
            .iter()
            .chain(&self.surname)
            .map(String::as_str)
            .collect();
        names.join(" ")
    }

    /// Every column that has values, by its name in the CSV contract, with its values as written.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let several: [(&str, &Vec<String>); 21] = [
            ("given_names", &self.given_names),
            ("surname", &self.surname),
            ("alias", &self.alias),
            ("date_of_birth", &self.date_of_birth),
            ("sex", &self.sex),
            ("multiple_birth", &self.multiple_birth),
            ("nationality", &self.nationality),
            ("address", &self.address),
            ("town", &self.town),
            ("postcode", &self.postcode),
            ("uprn", &self.uprn),
            ("phone", &self.phone),
            ("email", &self.email),
            ("nhs_number", &self.nhs_number),
            ("ni_number", &self.ni_number),
            ("upn", &self.upn),
            ("pnc_id", &self.pnc_id),
            ("cro", &self.cro),
            ("passport", &self.passport),
            ("vehicle", &self.vehicle),
            ("account", &self.account),
        ];
        let category = self.category.and_then(|category| {
            let mut all = Category::ALL.iter();
            all.find(|(known, _)| *known == category)
                .map(|(_, word)| *word)
        });
        let single = [
            ("category", category),
            ("risk", self.risk.as_deref()),
            ("case_ref", self.case_ref.as_deref()),
            ("notes", self.notes.as_deref()),
        ];
        let several = several.into_iter().map(|(name, values)| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            (name, values)
        });
        let single = single
            .into_iter()
            .map(|(name, value)| (name, value.into_iter().collect()));
        let extra = self.extra.iter();
        let extra = extra.map(|(name, value)| (name.as_str(), vec![value.as_str()]));
        several
            .chain(single)
            .chain(extra)
            .filter(|(_, values)| !values.is_empty())
    }

    /// Whether the record says that the person is a twin, triplet and so on.
    #[must_use]
    pub fn is_multiple_birth(&self) -> bool {
        let mut values = self.multiple_birth.iter();
        values.any(|value| multiple_birth(value) == Ok(true))
    }

    fn set(&mut self, name: &str, cell: &str, issues: &mut Vec<Issue>) {
        if cell.is_empty() {
            return;
        }
        let column = name
            .trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
            .to_ascii_lowercase();
        if let Some(values) = self.values_mut(&column) {
            values.extend(split_values(cell).map(str::to_owned));
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
            "multiple_birth" => &mut self.multiple_birth,
            "nationality" => &mut self.nationality,
            "address" => &mut self.address,
            "town" => &mut self.town,
            "postcode" => &mut self.postcode,
            "uprn" => &mut self.uprn,
            "phone" => &mut self.phone,
            "email" => &mut self.email,
            "nhs_number" => &mut self.nhs_number,
            "ni_number" => &mut self.ni_number,
            "upn" => &mut self.upn,
            "pnc_id" => &mut self.pnc_id,
            "cro" => &mut self.cro,
            "passport" => &mut self.passport,
            "vehicle" => &mut self.vehicle,
            "account" => &mut self.account,
            _ => return None,
        })
    }
}

/// The values of a cell. A semicolon between brackets separates nothing: `2009-03-05 (documented;
/// passport)` is one date.
pub(super) fn split_values(cell: &str) -> impl Iterator<Item = &str> {
    let mut is_bracketed = false;
    let values = cell.split(move |c| {
        match c {
            '(' => is_bracketed = true,
            ')' => is_bracketed = false,
            _ => {}
        }
        c == ';' && !is_bracketed
    });
    values.map(str::trim).filter(|v| !v.is_empty())
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

/// FHIR's `Patient.multipleBirth[x]`: yes or no, or the place in the order of birth, which only a child
/// of a multiple birth has.
fn multiple_birth(text: &str) -> Result<bool, IssueReason> {
    /// More were never born at once.
    const MAX_ORDER: u8 = 20;
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" => Ok(true),
        "no" | "n" | "false" => Ok(false),
        order => match order.parse() {
            Ok(1..=MAX_ORDER) => Ok(true),
            _ => Err(IssueReason::UnknownWord),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::normalise::dates::DateStatus;

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
    fn dates_stand_beside_each_other_with_their_status() {
        let cell = "2009-03-02 (documented; passport); 2008-05 (claimed);2008-05-01";
        let (record, issues) =
            Record::from_cells([("record_id", "a1"), ("date_of_birth", cell)]).unwrap();
        assert!(issues.is_empty(), "{issues:?}");
        assert_eq!(record.date_of_birth.len(), 3);
        let dates: Vec<StatedDate> = record.birth_dates().collect();
        let statuses: Vec<_> = dates.iter().map(|d| d.status).collect();
        let (documented, claimed) = (DateStatus::Documented, DateStatus::Claimed);
        assert_eq!(statuses, [Some(documented), Some(claimed), None]);
        assert_eq!(dates[0].source.as_deref(), Some("passport"));
        assert_eq!((dates[1].date.month, dates[1].date.day), (Some(5), None));
    }

    #[test]
    fn every_identifier_is_checked_and_what_fails_stays_in_the_record() {
        let good = [
            ("nhs_number", "943 476 5919"),
            ("ni_number", "AB 12 34 56 C"),
            ("upn", "B801200005001"),
            ("pnc_id", "2001/0000001Q"),
            ("cro", "265416/21G"),
            ("vehicle", "AB12 CDE"),
            ("phone", "07912 345678"),
            ("email", "a.b@example.org"),
            ("passport", "GBR 925665416"),
            ("uprn", "10093456"),
            ("postcode", "SW1A 1AA"),
            ("account", "GB82 WEST 1234 5698 7654 32"),
        ];
        let bad = [
            ("nhs_number", "943 476 5918"),
            ("ni_number", "BG 12 34 56 C"),
            ("upn", "C801200005001"),
            ("pnc_id", "2001/0000001R"),
            ("cro", "265416/21H"),
            ("vehicle", "red van"),
            ("phone", "999"),
            ("email", "a.b"),
            ("passport", "12"),
            ("uprn", "1000934567890"),
            ("postcode", "NF1 1NF"),
            ("account", "GB82 WEST 1234 5698 7654 33"),
        ];
        let id = [("record_id", "a1")];
        let read = |cells: &[(&'static str, &str)]| {
            Record::from_cells(id.iter().chain(cells).copied()).unwrap()
        };
        assert_eq!(read(&good).1, []);
        let (record, issues) = read(&bad);
        let columns: Vec<_> = issues.iter().map(|i| i.column).collect();
        for (column, value) in bad {
            assert!(columns.contains(&column), "{column}");
            assert_eq!(record.clone().values_mut(column).unwrap(), &[value]);
        }
        // Several values in a cell: the bad one is reported, the good one stays good.
        let both = ("upn", "B801200005001;C801200005001");
        let (record, issues) = read(&[both]);
        assert_eq!((record.upn.len(), issues.len()), (2, 1));
        assert_eq!(issues[0].reason, IssueReason::CheckDigit);
    }

    #[test]
    fn a_multiple_birth_is_yes_no_or_a_place_in_the_order() {
        let read =
            |cell| Record::from_cells([("record_id", "a1"), ("multiple_birth", cell)]).unwrap();
        for twin in ["yes", "Y", " TRUE ", "1", "2", "no;2"] {
            let (record, issues) = read(twin);
            assert!(record.is_multiple_birth() && issues.is_empty(), "{twin}");
        }
        for single in ["no", "n", "False", ""] {
            let (record, issues) = read(single);
            assert!(!record.is_multiple_birth() && issues.is_empty(), "{single}");
        }
        for wrong in ["0", "-1", "21", "twins?", "unknown"] {
            let (record, issues) = read(wrong);
            assert_eq!(issues[0].reason, IssueReason::UnknownWord, "{wrong}");
            assert_eq!(record.multiple_birth, [wrong]);
            assert!(!record.is_multiple_birth());
        }
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
