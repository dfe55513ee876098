//! Whether the cells of a case have the codes that the standard allows. A bad one is told, and kept.

use symbolon_core::linkage::normalise::dates;

use super::codes;
use super::fields::{self, Kind};
use super::{Cells, EXTENSION};

/// A cell that does not fit its field.
#[derive(Clone, PartialEq, Eq)]
pub struct CellProblem {
    /// The field.
    pub column: String,
    /// The value, for the person whose file it is.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Debug for CellProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of records never reach a log.
        write!(f, "CellProblem({}: {})", self.column, self.reason)
    }
}

/// Every value that its field does not allow. The birth date is judged by the record's own rules.
#[must_use]
pub fn check(cells: &Cells) -> Vec<CellProblem> {
    let mut problems = Vec::new();
    for (name, cell) in cells {
        if cell.is_empty() || name.starts_with(EXTENSION) || name == "prs_Birthdate" {
            continue;
        }
        let Some(kind) = fields::kind(name) else {
            continue;
        };
        for value in values(kind, cell) {
            if let Some(reason) = wrong(kind, value).or_else(|| refusal(name, value)) {
                problems.push(CellProblem {
                    column: name.clone(),
                    value: value.to_owned(),
                    reason,
                });
            }
        }
    }
    problems
}

/// Fields by which a person says yes or no to being in anybody's files.
const CONSENT: [&str; 2] = ["con_Consent", "vic_AgreementToManagePersonalData"];

/// The standard's yes or no is about no purpose, so it opens and closes nothing here. A no is told, for
/// whoever imports has to say on what other basis the record is kept.
fn refusal(name: &str, value: &str) -> Option<String> {
    let no = ["false", "no", "0"];
    let refused = no.iter().any(|word| value.eq_ignore_ascii_case(word));
    (refused && CONSENT.contains(&name)).then(|| {
        "says that the person did not consent; see what the record is shared under, and its lawful \
         basis"
            .to_owned()
    })
}

/// The values of a cell: several are separated by semicolons.
fn values(kind: Kind, cell: &str) -> Vec<&str> {
    if !kind.is_list() {
        return vec![cell];
    }
    let values = cell.split(';').map(str::trim);
    values.filter(|value| !value.is_empty()).collect()
}

fn wrong(kind: Kind, value: &str) -> Option<String> {
    let (fits, needed) = match kind {
        Kind::Text => return None,
        Kind::Number => (is_number(value), "is not a number"),
        Kind::Date => (dates::read(value).is_ok(), "is not a date"),
        Kind::Checkbox => (is_checkbox(value), "is neither TRUE nor FALSE"),
        Kind::One(list) | Kind::Several(list) => {
            return (!list.contains(&value)).then(|| not_in(list, value));
        }
        Kind::Country | Kind::Countries => (
            codes::is_country(value),
            "is no country code of ISO 3166-1, as GB",
        ),
        Kind::Language => (
            codes::is_language(value),
            "is no language code of ISO 639-2, as eng",
        ),
    };
    (!fits).then(|| needed.to_owned())
}

/// A code that is written otherwise is named: most are slips of case or of spaces.
fn not_in(list: &[&str], value: &str) -> String {
    let bare = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let meant = list.iter().find(|code| bare(code) == bare(value));
    match meant {
        Some(code) => format!("is not a code of the standard; write {code}"),
        None if list.len() <= 6 => {
            format!("is not a code of the standard; it has {}", list.join(", "))
        }
        None => "is not a code of the standard for this field".to_owned(),
    }
}

fn is_number(value: &str) -> bool {
    value.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_checkbox(value: &str) -> bool {
    let words = ["true", "false", "yes", "no", "1", "0"];
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, cell: &str) -> Vec<String> {
        let cells = Cells::from([(name.to_owned(), cell.to_owned())]);
        check(&cells).into_iter().map(|p| p.reason).collect()
    }

    #[test]
    fn good_cells_pass_and_bad_ones_are_told() {
        for (name, good, bad) in [
            ("prs_Gender", "Feminine", "F"),
            ("prs_Citizenship", "VN; GB", "VN;ZZ"),
            ("prs_PrimaryLanguage", "vie", "vi"),
            (
                "vic_TypeOfExploitation",
                "ForcedLabour;Other",
                "ForcedLabour;Both",
            ),
            ("vic_AgeWhenTrafficked", "16", "sixteen"),
            ("prs_Deceased", "FALSE", "maybe"),
            ("hte_Date", "2024-05-06", "soon"),
            ("hte_Type", "Transit", "Travel"),
            ("prs_MailingCountry", "GB", "UK"),
        ] {
            assert!(told(name, good).is_empty(), "{name} {good}");
            assert_eq!(told(name, bad).len(), 1, "{name} {bad}");
        }
        assert!(told("prs_FirstName", "anything; at all").is_empty());
        assert!(told("con_Interview", "anything").is_empty());
        assert!(told("con_Consent", "TRUE").is_empty());
        assert_eq!(told("con_Consent", "FALSE").len(), 1, "a no is told");
        let meant = told("vic_MethodsOfControl", "debt bondage");
        assert_eq!(meant, ["is not a code of the standard; write DebtBondage"]);
    }
}
