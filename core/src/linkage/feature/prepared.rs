//! A record after normalising: each value is read once, whatever is made of it afterwards.

use crate::linkage::normalise::dates::{self, BirthDate};
use crate::linkage::normalise::emails::{self, Email};
use crate::linkage::normalise::names::PersonName;
use crate::linkage::normalise::{identifiers, phones, places, postcodes};
use crate::linkage::record::Record;

use super::words::start;

/// What features are read from.
pub(in crate::linkage) struct Prepared {
    pub nhs_numbers: Vec<String>,
    pub ni_numbers: Vec<String>,
    pub upns: Vec<String>,
    pub pnc_ids: Vec<String>,
    pub cros: Vec<String>,
    pub uprns: Vec<String>,
    pub passports: Vec<String>,
    pub phones: Vec<String>,
    pub vehicles: Vec<String>,
    pub accounts: Vec<String>,
    pub emails: Vec<Email>,
    pub name: PersonName,
    pub dates: Vec<BirthDate>,
    pub postcodes: Vec<String>,
    pub streets: Vec<String>,
    /// House number and the first three letters of the street.
    pub houses: Vec<String>,
    pub towns: Vec<String>,
}

/// Values of one column that are used; more would be a list, not a person.
pub(super) const MAX_VALUES: usize = 8;

impl Prepared {
    pub fn read(record: &Record) -> Self {
        let phone = |v: &str| phones::parse(v).map(|p| p.value);
        let postcode = |v: &str| postcodes::parse(v).map(|p| p.value);
        let addresses = record.address.iter();
        let addresses: Vec<(&str, String)> = addresses
            .filter_map(|a| Some((a.as_str(), places::street(a).ok()?)))
            .collect();
        let houses = addresses.iter().filter_map(|(a, street)| house(a, street));
        Self {
            nhs_numbers: good(&record.nhs_number, identifiers::nhs_number),
            ni_numbers: good(&record.ni_number, identifiers::ni_number),
            upns: good(&record.upn, identifiers::upn),
            pnc_ids: good(&record.pnc_id, identifiers::pnc_id),
            cros: good(&record.cro, identifiers::cro),
            uprns: good(&record.uprn, identifiers::uprn),
            passports: good(&record.passport, identifiers::passport),
            phones: good(&record.phone, phone),
            vehicles: good(&record.vehicle, identifiers::vehicle),
            accounts: good(&record.account, identifiers::account),
            emails: good(&record.email, emails::parse),
            name: PersonName::read(&record.given_names, &record.surname, &record.alias),
            dates: good(&record.date_of_birth, dates::parse),
            postcodes: good(&record.postcode, postcode),
            houses: houses.collect(),
            streets: bounded(addresses.into_iter().map(|(_, street)| street).collect()),
            towns: good(&record.town, places::town),
        }
    }
}

/// The values of a column that pass their normaliser.
fn good<T: Ord, E>(values: &[String], rule: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
    bounded(values.iter().filter_map(|v| rule(v).ok()).collect())
}

fn bounded<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values.truncate(MAX_VALUES);
    values
}

fn house(address: &str, street: &str) -> Option<String> {
    let mut house: String = address
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    if house.is_empty() {
        return None;
    }
    house.push(' ');
    house.push_str(start(street, 3));
    Some(house)
}
