//! What of a record can join it to others, normalised as the linkage does it.

use std::collections::BTreeSet;

use symbolon_core::linkage::normalise::{
    emails, identifiers as numbers, phones, places, postcodes,
};
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::{FieldName, KeyKindId, Level, Schema};

use super::{Identifier, Kind};

/// Values of one column that are read; more would be a list, not a person.
const MAX_VALUES: usize = 32;

/// The identifiers of a record. What is a placeholder or cannot be right joins nothing.
#[must_use]
pub fn identifiers(record: &Record) -> BTreeSet<Identifier> {
    let phone = |v: &str| phones::parse(v).ok().map(|phone| phone.value);
    let email = |v: &str| emails::parse(v).ok().map(|email| email.address());
    let uprn = |v: &str| numbers::uprn(v).ok().map(|uprn| format!("UPRN {uprn}"));
    let mut all = BTreeSet::new();
    let mut add = |kind, values: &[String], rule: &dyn Fn(&str) -> Option<String>| {
        let values = values.iter().take(MAX_VALUES);
        let values = values.filter_map(|value| rule(value));
        all.extend(values.map(|value| Identifier { kind, value }));
    };
    add(Kind::Phone, &record.phone, &phone);
    add(Kind::Vehicle, &record.vehicle, &|v| {
        numbers::vehicle(v).ok()
    });
    add(Kind::Account, &record.account, &|v| {
        numbers::account(v).ok()
    });
    add(Kind::Email, &record.email, &email);
    add(Kind::Address, &record.uprn, &uprn);
    for postcode in record.postcode.iter().take(MAX_VALUES) {
        let Ok(postcode) = postcodes::parse(postcode) else {
            continue;
        };
        add(Kind::Address, &record.address, &|v| {
            Some(format!("{}, {}", house(v)?, postcode.value))
        });
    }
    all
}

/// Number and telling word of an address. Without a number it would be the whole street.
fn house(address: &str) -> Option<String> {
    let street = places::street(address).ok()?;
    let numbers: BTreeSet<String> = address
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| is_house_number(word))
        .map(str::to_ascii_lowercase)
        .collect();
    let numbers: Vec<String> = numbers.into_iter().collect();
    (!numbers.is_empty()).then(|| format!("{} {street}", numbers.join("/")))
}

/// `12`, `12b`: not `1AA` of a postcode, not `5th`.
fn is_house_number(word: &str) -> bool {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let rest = word.get(digits..).unwrap_or_default();
    let suffix = rest.len() <= 1 && rest.bytes().all(|b| b.is_ascii_alphabetic());
    (1..=5).contains(&digits) && suffix
}

/// What the kinds of key that agree say of another agency's record.
#[must_use]
pub fn agreed_kinds(schema: &Schema, agreed: &BTreeSet<KeyKindId>) -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::new();
    for kind in agreed.iter().filter_map(|id| schema.kind(*id)) {
        let mut joined: BTreeSet<Kind> = kind.proves().filter_map(joins).collect();
        if joined.is_empty() {
            joined.insert(Kind::Person);
        }
        kinds.extend(joined);
    }
    kinds
}

/// Near misses join nothing.
fn joins((field, level): (FieldName, Level)) -> Option<Kind> {
    match (field, level) {
        (FieldName::Phone, Level::Exact) => Some(Kind::Phone),
        (FieldName::Vehicle, Level::Exact) => Some(Kind::Vehicle),
        (FieldName::Account, Level::Exact) => Some(Kind::Account),
        (FieldName::Email, Level::Exact) => Some(Kind::Email),
        (FieldName::Place, Level::Address | Level::HouseAndStreet) => Some(Kind::Address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(column: &str, cell: &str) -> Vec<String> {
        let cells = [("record_id", "a"), ("postcode", "SW1A 1AA"), (column, cell)];
        let record = Record::from_cells(cells).unwrap().0;
        let all = identifiers(&record).into_iter();
        all.map(|i| format!("{} {}", i.kind, i.value)).collect()
    }

    #[test]
    fn one_identifier_has_one_form_however_it_is_written() {
        for (column, one, other) in [
            ("phone", "07700 900123", "+44 7700 900123"),
            ("vehicle", "ab12 cde", "AB12CDE"),
            ("email", "Ana@Example.org", " ana@example.org"),
            ("account", "@ana_n", "ana_n"),
            (
                "address",
                "Flat 2b, 10 Crozier Circuit",
                "10 crozier cct flat 2B",
            ),
            ("uprn", "000010093456", "10093456"),
        ] {
            assert_eq!(of(column, one).len(), 1, "{column}");
            assert_eq!(of(column, one), of(column, other), "{column}");
        }
        assert_ne!(
            of("address", "10a Crozier Circuit"),
            of("address", "10b Crozier Circuit")
        );
    }

    #[test]
    fn what_says_nothing_joins_nothing() {
        for (column, cell) in [
            ("phone", "00000000000"),
            ("phone", "unknown"),
            ("vehicle", "red van"),
            ("email", "info@example.org"),
            ("address", "Crozier Circuit"),
            ("address", "no fixed abode"),
            ("uprn", "999999999999"),
            ("surname", "Hill"),
        ] {
            assert!(of(column, cell).is_empty(), "{column} {cell}");
        }
    }

    #[test]
    fn kinds_of_key_are_told_and_near_misses_are_not() {
        let schema = Schema::default_schema();
        let kinds = |names: &[&str]| {
            let kinds = schema.kinds().iter();
            let agreed = kinds.filter(|k| names.contains(&k.name.as_str()));
            agreed_kinds(schema, &agreed.map(|k| k.id).collect())
        };
        assert_eq!(kinds(&["phone"]), [Kind::Phone].into());
        assert_eq!(
            kinds(&[
                "vehicle",
                "account",
                "email",
                "initials-uprn",
                "start-house"
            ]),
            [Kind::Vehicle, Kind::Account, Kind::Email, Kind::Address].into()
        );
        for near in ["email-starts", "names-date", "nhs-number", "date-postcode"] {
            assert_eq!(kinds(&[near]), [Kind::Person].into(), "{near}");
        }
        assert!(kinds(&[]).is_empty());
    }
}
