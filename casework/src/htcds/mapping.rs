//! Which fields of the standard are columns of the record.
//!
//! A group is a few fields and the columns that they stand for. `derive` reads columns out of cells,
//! `standard` writes the cells that a record would have. They need not be inverse: where they are not,
//! [`super::cells`] keeps the cell, or adds an extension.

use symbolon_core::linkage::record::{Category, Record, Sex};

use super::{Cells, codes};
use crate::dossier::Dossier;

/// A column with its values.
type Column = (&'static str, Vec<String>);

/// Fields and columns that stand for each other.
pub(super) struct Group {
    pub(super) fields: &'static [&'static str],
    pub(super) columns: &'static [&'static str],
    /// The fields say more than the columns, or something else: they are kept whatever becomes of the
    /// columns, and give them a value only where the file has no better one.
    pub(super) hint: bool,
    pub(super) derive: fn(&Cells) -> Vec<Column>,
    pub(super) standard: fn(&Record) -> Vec<(&'static str, String)>,
}

pub(super) const GROUPS: &[Group] = &[
    Group {
        fields: &["prs_FirstName", "prs_MiddleName"],
        columns: &["given_names"],
        hint: false,
        derive: given_names,
        standard: |record| first("prs_FirstName", &record.given_names),
    },
    Group {
        fields: &["prs_SecondName"],
        columns: &["surname"],
        hint: false,
        derive: |cells| column("surname", cells, &["prs_SecondName"]),
        standard: |record| first("prs_SecondName", &record.surname),
    },
    Group {
        fields: &["prs_Birthdate"],
        columns: &["date_of_birth"],
        hint: false,
        derive: |cells| column("date_of_birth", cells, &["prs_Birthdate"]),
        standard: birthdate,
    },
    Group {
        fields: &["prs_Citizenship"],
        columns: &["nationality"],
        hint: false,
        derive: |cells| column("nationality", cells, &["prs_Citizenship"]),
        standard: citizenship,
    },
    Group {
        fields: &["prs_Email"],
        columns: &["email"],
        hint: false,
        derive: |cells| column("email", cells, &["prs_Email"]),
        standard: |record| first("prs_Email", &record.email),
    },
    Group {
        fields: &["prs_MobilePhone", "prs_HomePhone"],
        columns: &["phone"],
        hint: false,
        derive: |cells| column("phone", cells, &["prs_MobilePhone", "prs_HomePhone"]),
        standard: phones,
    },
    Group {
        fields: &["prs_MailingStreet"],
        columns: &["address"],
        hint: false,
        derive: |cells| column("address", cells, &["prs_MailingStreet"]),
        standard: |record| first("prs_MailingStreet", &record.address),
    },
    Group {
        fields: &["prs_MailingCity"],
        columns: &["town"],
        hint: false,
        derive: |cells| column("town", cells, &["prs_MailingCity"]),
        standard: |record| first("prs_MailingCity", &record.town),
    },
    Group {
        fields: &["prs_MailingPostalCode"],
        columns: &["postcode"],
        hint: false,
        derive: |cells| column("postcode", cells, &["prs_MailingPostalCode"]),
        standard: |record| first("prs_MailingPostalCode", &record.postcode),
    },
    Group {
        fields: &["prs_Gender"],
        columns: &["sex"],
        hint: true,
        derive: sex,
        standard: gender,
    },
    Group {
        fields: &["vic_TraffickingStatus", "per_RoleInProcess"],
        columns: &["category"],
        hint: true,
        derive: category,
        // A category says less than a status that somebody decided: none is made up.
        standard: |_| Vec::new(),
    },
];

/// Drops cells that were kept as they came and whose column says something else now.
pub fn forget_changed(dossier: &mut Dossier, before: &Record, after: &Record) {
    for group in GROUPS.iter().filter(|group| !group.hint) {
        let mut columns = group.columns.iter();
        if columns.any(|column| before.values(column) != after.values(column)) {
            for field in group.fields {
                dossier.htcds.remove(*field);
            }
        }
    }
}

fn cell<'a>(cells: &'a Cells, field: &str) -> &'a str {
    cells.get(field).map(String::as_str).unwrap_or_default()
}

fn column(name: &'static str, cells: &Cells, fields: &[&str]) -> Vec<Column> {
    let fields = fields.iter();
    let values = fields.flat_map(|field| Record::split_cell(name, cell(cells, field)));
    vec![(name, values.collect())]
}

fn first(field: &'static str, values: &[String]) -> Vec<(&'static str, String)> {
    let value = values.first().cloned();
    value.map(|value| (field, value)).into_iter().collect()
}

/// First and middle name are one column here: the middle name goes with the first of several.
fn given_names(cells: &Cells) -> Vec<Column> {
    let mut values = Record::split_cell("given_names", cell(cells, "prs_FirstName"));
    let middle = cell(cells, "prs_MiddleName");
    if !middle.is_empty() {
        match values.first_mut() {
            Some(name) => *name = format!("{name} {middle}"),
            None => values = Record::split_cell("given_names", middle),
        }
    }
    vec![("given_names", values)]
}

/// The first date of birth that is a whole day.
fn birthdate(record: &Record) -> Vec<(&'static str, String)> {
    let mut dates = record.birth_dates().filter_map(|stated| {
        let (month, day) = (stated.date.month?, stated.date.day?);
        Some(format!("{:04}-{month:02}-{day:02}", stated.date.year))
    });
    let date = dates.next();
    date.map(|date| ("prs_Birthdate", date))
        .into_iter()
        .collect()
}

/// Nationalities that are country codes already; a name of a country is not turned into one.
fn citizenship(record: &Record) -> Vec<(&'static str, String)> {
    let codes = record.nationality.iter();
    let codes: Vec<&str> = codes
        .map(String::as_str)
        .filter(|code| codes::is_country(code))
        .collect();
    if codes.is_empty() {
        return Vec::new();
    }
    vec![("prs_Citizenship", codes.join(";"))]
}

/// The first telephone that is a British landline, and the first that is not.
fn phones(record: &Record) -> Vec<(&'static str, String)> {
    let (home, mobile): (Vec<&String>, Vec<&String>) =
        record.phone.iter().partition(|phone| is_landline(phone));
    let home = home
        .first()
        .map(|phone| ("prs_HomePhone", (*phone).clone()));
    let mobile = mobile
        .first()
        .map(|phone| ("prs_MobilePhone", (*phone).clone()));
    mobile.into_iter().chain(home).collect()
}

fn is_landline(phone: &str) -> bool {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let national = digits
        .strip_prefix("0044")
        .or_else(|| digits.strip_prefix("44"));
    let national = national.unwrap_or(&digits).trim_start_matches('0');
    let is_british = digits.starts_with('0') || digits.starts_with("44");
    is_british && national.starts_with(['1', '2'])
}

/// The standard asks for gender and has codes of its own for transgender persons; the record has sex.
fn sex(cells: &Cells) -> Vec<Column> {
    let word = match cell(cells, "prs_Gender") {
        "Feminine" => "female",
        "Masculine" => "male",
        _ => return vec![("sex", Vec::new())],
    };
    vec![("sex", vec![word.to_owned()])]
}

fn gender(record: &Record) -> Vec<(&'static str, String)> {
    let code = match record.sex.first().map(|word| word.parse()) {
        Some(Ok(Sex::Female)) => "Feminine",
        Some(Ok(Sex::Male)) => "Masculine",
        _ => return Vec::new(),
    };
    vec![("prs_Gender", code.to_owned())]
}

/// A victim by the trafficking status, else a suspect by the role.
fn category(cells: &Cells) -> Vec<Column> {
    let status = cell(cells, "vic_TraffickingStatus");
    let mut roles = cell(cells, "per_RoleInProcess").split(';').map(str::trim);
    let category = if codes::VICTIM.contains(&status) {
        Some(Category::Victim)
    } else if roles.any(|role| codes::SUSPECT.contains(&role)) {
        Some(Category::Suspect)
    } else {
        None
    };
    let word = category.map(|category| category.to_string());
    vec![("category", word.into_iter().collect())]
}
