//! Our extension columns: what a record has and the standard lacks.
//!
//! Values of a column are separated by semicolons as in the CSV contract, where that can be read back;
//! else they are a JSON list. Consent and links, which have parts, are JSON.

use std::fmt::Display;
use std::str::FromStr;

use symbolon_core::linkage::record::Record;

use super::check::CellProblem;
use super::{Cells, EXTENSION};
use crate::day::Day;
use crate::dossier::{Consent, Dossier, Retention};
use crate::link::Link;

/// Prefix of columns that the CSV contract does not know.
pub(super) const EXTRA: &str = "sym_x_";

pub(super) fn name(column: &str) -> String {
    format!("{EXTENSION}{column}")
}

/// Values as one cell.
pub(super) fn encode(column: &str, values: &[String]) -> String {
    let plain = if values.is_empty() {
        "[]".to_owned()
    } else {
        values.join(";")
    };
    if decode(column, &plain) == values {
        return plain;
    }
    serde_json::to_string(values).unwrap_or(plain)
}

/// The values of a cell.
pub(super) fn decode(column: &str, cell: &str) -> Vec<String> {
    if cell.starts_with('[')
        && let Ok(values) = serde_json::from_str::<Vec<String>>(cell)
    {
        return values;
    }
    Record::split_cell(column, cell)
}

/// A moment: a day where it is the beginning of one, else seconds.
fn moment(at: i64) -> String {
    match Day::of(at) {
        Some(day) if day.begins_at() == at => day.to_string(),
        _ => at.to_string(),
    }
}

/// The dossier as extension columns. A part that is new breaks the build here.
pub(super) fn of_dossier(dossier: &Dossier, cells: &mut Cells) {
    let Dossier {
        level,
        handling,
        regime,
        purpose,
        lawful_basis,
        contact,
        open_fields,
        consents,
        retention,
        htcds: _,
        links,
    } = dossier;
    let Retention {
        class,
        review_at,
        expires_at,
        legal_hold,
    } = retention;
    let mut put = |column: &str, value: Option<String>| {
        if let Some(value) = value {
            cells.insert(name(column), value);
        }
    };
    fn text(value: &Option<impl Display>) -> Option<String> {
        value.as_ref().map(ToString::to_string)
    }
    put("level", Some(level.to_string()));
    put("handling", text(handling));
    put("regime", text(regime));
    put("kept_for", text(purpose));
    put("lawful_basis", text(lawful_basis));
    put("contact", text(contact));
    put(
        "open_fields",
        (!open_fields.is_empty()).then(|| open_fields.join(";")),
    );
    put("retention_class", text(class));
    put("review_at", review_at.map(moment));
    put("expires_at", expires_at.map(moment));
    put("legal_hold", text(legal_hold));
    let json =
        |empty: bool, value: Result<String, serde_json::Error>| value.ok().filter(|_| !empty);
    put(
        "consents",
        json(consents.is_empty(), serde_json::to_string(consents)),
    );
    put(
        "links",
        json(links.is_empty(), serde_json::to_string(links)),
    );
}

/// Puts an extension cell into the dossier; gives whether it is one of these.
///
/// # Errors
/// A value that the part does not take.
pub(super) fn into_dossier(
    field: &str,
    cell: &str,
    now: i64,
    dossier: &mut Dossier,
) -> Result<bool, CellProblem> {
    let Some(part) = field.strip_prefix(EXTENSION) else {
        return Ok(false);
    };
    let told = |reason: String| CellProblem {
        column: field.to_owned(),
        value: cell.to_owned(),
        reason,
    };
    fn read<T: FromStr<Err: Display>>(cell: &str) -> Result<T, String> {
        cell.parse::<T>().map_err(|error| error.to_string())
    }
    let put: Result<(), String> = match part {
        "level" => read(cell).map(|level| dossier.level = level),
        "handling" => read(cell).map(|code| dossier.handling = Some(code)),
        "regime" => read(cell).map(|regime| dossier.regime = Some(regime)),
        "kept_for" => read(cell).map(|text| dossier.purpose = Some(text)),
        "lawful_basis" => read(cell).map(|text| dossier.lawful_basis = Some(text)),
        "contact" => read(cell).map(|text| dossier.contact = Some(text)),
        "open_fields" => open_fields(cell).map(|fields| dossier.open_fields = fields),
        "retention_class" => read(cell).map(|class| dossier.retention.class = Some(class)),
        "review_at" => at(cell).map(|at| dossier.retention.review_at = Some(at)),
        "expires_at" => at(cell).map(|at| dossier.retention.expires_at = Some(at)),
        "legal_hold" => read(cell).map(|text| dossier.retention.legal_hold = Some(text)),
        "consents" => consents(cell, now).map(|lines| add_consents(&mut dossier.consents, lines)),
        "links" => links(cell).map(|links| add_links(&mut dossier.links, links)),
        _ => return Ok(false),
    };
    put.map_err(told)?;
    Ok(true)
}

fn at(cell: &str) -> Result<i64, String> {
    let day = cell.parse::<Day>();
    let at = day.map(Day::begins_at).or_else(|_| cell.parse());
    at.map_err(|_| "is not a day of the form 2027-03-31".to_owned())
}

fn open_fields(cell: &str) -> Result<Vec<String>, String> {
    let fields: Vec<String> = cell
        .split(';')
        .map(|field| field.trim().to_owned())
        .collect();
    let mut unknown = fields.iter().filter(|field| !Record::knows(field));
    match unknown.next() {
        Some(_) => Err("names something that is no column of a record".to_owned()),
        None => Ok(fields),
    }
}

fn consents(cell: &str, now: i64) -> Result<Vec<Consent>, String> {
    let lines: Vec<Consent> =
        serde_json::from_str(cell).map_err(|_| "is not a consent ledger in JSON".to_owned())?;
    // A line of the future would outlive every withdrawal.
    if lines.iter().any(|line| line.at > now) {
        return Err("has consent with a time that is still to come".to_owned());
    }
    Ok(lines)
}

/// Adds lines to a ledger. The newest line for a purpose holds, so they stand in the order of time; of
/// two at one time the withdrawal holds.
fn add_consents(ledger: &mut Vec<Consent>, lines: Vec<Consent>) {
    if ledger.is_empty() {
        *ledger = lines;
        return;
    }
    let known = ledger.len();
    for line in lines {
        if !ledger.contains(&line) {
            ledger.push(line);
        }
    }
    if ledger.len() > known {
        ledger.sort_by_key(|line| (line.at, !line.given));
    }
}

fn links(cell: &str) -> Result<Vec<Link>, String> {
    serde_json::from_str(cell).map_err(|_| "is not a list of links in JSON".to_owned())
}

fn add_links(known: &mut Vec<Link>, links: Vec<Link>) {
    for mut link in links {
        let same = |other: &Link| {
            let parts = |link: &Link| (link.kind, link.role.clone(), link.to.clone());
            parts(other) == parts(&link) && (other.from, other.until) == (link.from, link.until)
        };
        if known.iter().any(same) {
            continue;
        }
        if known.iter().any(|other| other.number == link.number) {
            let highest = known.iter().map(|other| other.number).max();
            link.number = highest.unwrap_or(0).saturating_add(1);
        }
        known.push(link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_back_whatever_is_in_them() {
        let owned = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        for (column, values) in [
            ("phone", owned(&["1", "2"])),
            ("phone", owned(&[])),
            ("phone", owned(&["a (b", "c"])),
            ("phone", owned(&["[\"x\"]"])),
            ("notes", owned(&["a; b"])),
            ("notes", owned(&["[]"])),
        ] {
            let cell = encode(column, &values);
            assert_eq!(decode(column, &cell), values, "{cell}");
        }
        assert_eq!(encode("phone", &owned(&["1", "2"])), "1;2");
    }

    #[test]
    fn a_ledger_grows_in_the_order_of_time_and_takes_nothing_of_the_future() {
        let line = |given, at| Consent {
            purpose: "housing".parse().unwrap(),
            given,
            by: "herself".parse().unwrap(),
            how: "in writing".parse().unwrap(),
            at,
            noted_by: "ana".parse().unwrap(),
        };
        let mut dossier = Dossier {
            consents: vec![line(false, 10)],
            ..Dossier::default()
        };
        let older = serde_json::to_string(&[line(true, 5), line(false, 10)]).unwrap();
        assert!(into_dossier("sym_consents", &older, 20, &mut dossier).unwrap());
        assert_eq!(dossier.consents.len(), 2);
        assert!(!dossier.consents_to("housing"), "the withdrawal is newer");
        let future = serde_json::to_string(&[line(true, 30)]).unwrap();
        assert!(into_dossier("sym_consents", &future, 20, &mut dossier).is_err());
        assert!(into_dossier("sym_consents", &future, 30, &mut dossier).unwrap());
        assert!(dossier.consents_to("housing"));
        assert!(!into_dossier("sym_shoe", "1", 0, &mut dossier).unwrap());
        assert!(into_dossier("sym_handling", "9ZZ", 0, &mut dossier).is_err());
    }
}
