//! Features: the pieces of a normalised record that keys are put together from.
//!
//! A feature can have several values (two surnames, an alias); a key kind takes every combination.
//! Pairs of names are sorted, so that columns changed over make the same key.

use serde::{Deserialize, Serialize};

use super::normalise::dates::{self, BirthDate};
use super::normalise::emails::{self, Email};
use super::normalise::names::{self, PersonName};
use super::normalise::{identifiers, phones, places, postcodes};
use super::record::Record;
use super::schema::{FieldName, Level};

/// Each variant proves one level of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Feature {
    NhsNumber,
    NiNumber,
    Upn,
    PncId,
    Cro,
    Uprn,
    Passport,
    Phone,
    Email,
    Vehicle,
    Account,
    BothNames,
    BothSounds,
    BothPrefixes,
    /// As `BothNames`, of names that are not too common.
    TellingNames,
    /// As `BothSounds`, of names that are not too common: for keys without a full date.
    TellingSounds,
    /// As `BothPrefixes`, of names that are not too common.
    TellingPrefixes,
    NameAndInitial,
    /// Two letters of one name and four of the other.
    TwoAndFourLetters,
    /// The last three letters of both names.
    BothEndings,
    /// All letters of both names, sorted: names whose letters were scrambled or parted elsewhere.
    AllLetters,
    OneName,
    /// First letter and consonants of one name, four in all.
    OneSkeleton,
    /// The consonants of one name, sorted.
    OneConsonants,
    BothInitials,
    OnePrefix,
    /// Two letters of one name.
    OneStart,
    OneInitial,
    Date,
    DateSwapped,
    YearAndMonth,
    DayAndMonth,
    Year,
    Address,
    Postcode,
    Outcode,
    /// House number and three letters of the street.
    HouseAndStreet,
    Street,
    StreetStart,
    Town,
    TownPrefix,
    /// The consonants of the town, sorted.
    TownConsonants,
    EmailLocal,
    EmailStartAndDomain,
    EmailEndAndDomain,
    EmailLocalPrefix,
    /// Four letters of the local part and three of the domain.
    EmailStarts,
    EmailLocalStart,
    EmailLocalEnd,
    EmailDomain,
}

impl Feature {
    pub fn proves(self) -> (FieldName, Level) {
        match self {
            Self::NhsNumber => (FieldName::NhsNumber, Level::Exact),
            Self::NiNumber => (FieldName::NiNumber, Level::Exact),
            Self::Upn => (FieldName::Upn, Level::Exact),
            Self::PncId => (FieldName::PncId, Level::Exact),
            Self::Cro => (FieldName::Cro, Level::Exact),
            Self::Passport => (FieldName::Passport, Level::Exact),
            Self::Phone => (FieldName::Phone, Level::Exact),
            Self::Email => (FieldName::Email, Level::Exact),
            Self::Vehicle => (FieldName::Vehicle, Level::Exact),
            Self::Account => (FieldName::Account, Level::Exact),
            Self::BothNames | Self::TellingNames => (FieldName::Name, Level::BothNames),
            Self::BothSounds | Self::TellingSounds => (FieldName::Name, Level::BothSounds),
            Self::BothPrefixes | Self::TellingPrefixes => (FieldName::Name, Level::BothPrefixes),
            Self::NameAndInitial => (FieldName::Name, Level::NameAndInitial),
            Self::TwoAndFourLetters => (FieldName::Name, Level::TwoAndFourLetters),
            Self::BothEndings => (FieldName::Name, Level::BothEndings),
            Self::AllLetters => (FieldName::Name, Level::AllLetters),
            Self::OneSkeleton => (FieldName::Name, Level::OneSkeleton),
            Self::OneConsonants => (FieldName::Name, Level::OneConsonants),
            Self::OneStart => (FieldName::Name, Level::OneStart),
            Self::OneName => (FieldName::Name, Level::OneName),
            Self::BothInitials => (FieldName::Name, Level::BothInitials),
            Self::OnePrefix => (FieldName::Name, Level::OnePrefix),
            Self::OneInitial => (FieldName::Name, Level::OneInitial),
            Self::Date => (FieldName::DateOfBirth, Level::Exact),
            Self::DateSwapped => (FieldName::DateOfBirth, Level::DayMonthSwapped),
            Self::YearAndMonth => (FieldName::DateOfBirth, Level::YearAndMonth),
            Self::DayAndMonth => (FieldName::DateOfBirth, Level::DayAndMonth),
            Self::Year => (FieldName::DateOfBirth, Level::Year),
            Self::Address | Self::Uprn => (FieldName::Place, Level::Address),
            Self::Postcode => (FieldName::Place, Level::Postcode),
            Self::Outcode => (FieldName::Place, Level::Outcode),
            Self::HouseAndStreet => (FieldName::Place, Level::HouseAndStreet),
            Self::StreetStart => (FieldName::Place, Level::StreetStart),
            Self::TownConsonants => (FieldName::Place, Level::TownConsonants),
            Self::Street => (FieldName::Place, Level::Street),
            Self::Town => (FieldName::Place, Level::Town),
            Self::TownPrefix => (FieldName::Place, Level::TownPrefix),
            Self::EmailLocal => (FieldName::Email, Level::LocalPart),
            Self::EmailStartAndDomain | Self::EmailEndAndDomain => {
                (FieldName::Email, Level::PartAndDomain)
            }
            Self::EmailLocalPrefix => (FieldName::Email, Level::LocalPrefix),
            Self::EmailStarts => (FieldName::Email, Level::Starts),
            Self::EmailLocalStart => (FieldName::Email, Level::LocalStart),
            Self::EmailLocalEnd => (FieldName::Email, Level::LocalEnd),
            Self::EmailDomain => (FieldName::Email, Level::Domain),
        }
    }
}

/// A record after normalising: what features are read from.
pub(super) struct Prepared {
    pub nhs_numbers: Vec<String>,
    pub ni_numbers: Vec<String>,
    upns: Vec<String>,
    pnc_ids: Vec<String>,
    cros: Vec<String>,
    uprns: Vec<String>,
    pub passports: Vec<String>,
    phones: Vec<String>,
    vehicles: Vec<String>,
    accounts: Vec<String>,
    pub emails: Vec<Email>,
    pub name: PersonName,
    pub dates: Vec<BirthDate>,
    pub postcodes: Vec<String>,
    streets: Vec<String>,
    houses: Vec<String>,
    pub towns: Vec<String>,
}

/// Values of one column that are used; more would be a list, not a person.
const MAX_VALUES: usize = 8;
/// A normalised value longer than this is not used. Far below the u16 that prefixes its length.
const MAX_VALUE_LEN: usize = 512;

impl Prepared {
    pub fn read(record: &Record) -> Self {
        let phone = |v: &str| phones::parse(v).map(|p| p.value);
        let postcode = |v: &str| postcodes::parse(v).map(|p| p.value);
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
            streets: good(&record.address, places::street),
            houses: record.address.iter().filter_map(|a| house(a)).collect(),
            towns: good(&record.town, places::town),
        }
    }

    /// The values of a feature, without repeats.
    pub fn values(&self, feature: Feature) -> Vec<String> {
        let mut values = match feature {
            Feature::NhsNumber => self.nhs_numbers.clone(),
            Feature::NiNumber => self.ni_numbers.clone(),
            Feature::Upn => self.upns.clone(),
            Feature::PncId => self.pnc_ids.clone(),
            Feature::Cro => self.cros.clone(),
            Feature::Uprn => self.uprns.clone(),
            Feature::Passport => self.passports.clone(),
            Feature::Phone => self.phones.clone(),
            Feature::Vehicle => self.vehicles.clone(),
            Feature::Account => self.accounts.clone(),
            Feature::Email => self.emails.iter().map(Email::address).collect(),
            Feature::Postcode => self.postcodes.clone(),
            Feature::Street => self.streets.clone(),
            Feature::Town => self.towns.clone(),
            Feature::TownPrefix => prefixes(&self.towns, 3),
            Feature::TownConsonants => self.towns.iter().map(|t| consonants(t)).collect(),
            Feature::StreetStart => prefixes(&self.streets, 4),
            Feature::HouseAndStreet => self.houses.clone(),
            Feature::Outcode => self
                .postcodes
                .iter()
                .map(|p| outcode(p).to_owned())
                .collect(),
            Feature::Address => self.addresses(),
            Feature::EmailLocal
            | Feature::EmailStartAndDomain
            | Feature::EmailEndAndDomain
            | Feature::EmailLocalPrefix
            | Feature::EmailStarts
            | Feature::EmailLocalStart
            | Feature::EmailLocalEnd
            | Feature::EmailDomain => self.email_parts(feature),
            Feature::Date
            | Feature::DateSwapped
            | Feature::YearAndMonth
            | Feature::DayAndMonth
            | Feature::Year => self.date_parts(feature),
            Feature::OneName
            | Feature::OnePrefix
            | Feature::OneInitial
            | Feature::OneStart
            | Feature::OneSkeleton
            | Feature::OneConsonants => self.single_names(feature),
            Feature::BothNames
            | Feature::BothSounds
            | Feature::BothPrefixes
            | Feature::TellingNames
            | Feature::TellingSounds
            | Feature::TellingPrefixes
            | Feature::BothInitials
            | Feature::TwoAndFourLetters
            | Feature::BothEndings
            | Feature::AllLetters
            | Feature::NameAndInitial => self.name_pairs(feature),
        };
        values.retain(|v| !v.is_empty() && v.len() <= MAX_VALUE_LEN);
        values.sort_unstable();
        values.dedup();
        values.truncate(MAX_VALUES);
        values
    }

    fn single_names(&self, feature: Feature) -> Vec<String> {
        let singles = self.name.singles();
        let value = |name: &&str| match feature {
            Feature::OneName => names::root(name).to_owned(),
            Feature::OnePrefix => start(name, 3).to_owned(),
            Feature::OneStart => start(name, 2).to_owned(),
            Feature::OneSkeleton => skeleton(name),
            Feature::OneConsonants => consonants(name),
            _ => start(name, 1).to_owned(),
        };
        singles.iter().map(value).collect()
    }

    fn name_pairs(&self, feature: Feature) -> Vec<String> {
        let pairs = match feature {
            Feature::TellingNames | Feature::TellingSounds | Feature::TellingPrefixes => {
                self.name.telling_pairs()
            }
            _ => self.name.pairs(),
        };
        let mut values = Vec::new();
        for (a, b) in pairs {
            match feature {
                Feature::BothNames | Feature::TellingNames => {
                    values.push(unordered(names::root(a), names::root(b)))
                }
                Feature::BothSounds | Feature::TellingSounds => {
                    if let (Some(a), Some(b)) = (names::sound(a), names::sound(b)) {
                        values.push(unordered(&a, &b));
                    }
                }
                Feature::BothPrefixes | Feature::TellingPrefixes => {
                    values.push(unordered(start(a, 3), start(b, 3)))
                }
                Feature::BothEndings => values.push(unordered(end(a, 3), end(b, 3))),
                Feature::AllLetters => values.push(sorted(&format!("{a}{b}"))),
                Feature::TwoAndFourLetters => {
                    values.push(format!("{} {}", start(a, 2), start(b, 4)));
                    values.push(format!("{} {}", start(b, 2), start(a, 4)));
                }
                Feature::BothInitials => values.push(unordered(start(a, 1), start(b, 1))),
                _ => {
                    let sides = [(a, b), (b, a)].into_iter();
                    let telling = sides.filter(|(whole, _)| !names::is_too_common(whole));
                    values.extend(
                        telling.map(|(a, b)| format!("{} {}", names::root(a), start(b, 1))),
                    );
                }
            }
        }
        values
    }

    fn date_parts(&self, feature: Feature) -> Vec<String> {
        let value = |date: &BirthDate| {
            let BirthDate { year, month, day } = *date;
            Some(match feature {
                Feature::Year => format!("{year:04}"),
                Feature::YearAndMonth => format!("{year:04}-{:02}", month?),
                Feature::DayAndMonth => format!("{:02}-{:02}", month?, day?),
                Feature::Date => format!("{year:04}-{:02}-{:02}", month?, day?),
                _ => {
                    let (month, day) = (month?, day?);
                    format!("{year:04}-{:02}-{:02}", month.min(day), month.max(day))
                }
            })
        };
        self.dates.iter().filter_map(value).collect()
    }

    fn addresses(&self) -> Vec<String> {
        let mut values = Vec::new();
        for postcode in &self.postcodes {
            for street in &self.streets {
                values.push(format!("{postcode} {}", start(street, 4)));
            }
        }
        values
    }

    fn email_parts(&self, feature: Feature) -> Vec<String> {
        const EDGE: usize = 5;
        const PREFIX: usize = 6;
        let value = |email: &Email| {
            let local = &email.local;
            let length = local.chars().count();
            let domain = (!email.is_public_provider()).then(|| start(&email.domain, EDGE));
            match feature {
                Feature::EmailDomain => Some(domain?.to_owned()),
                Feature::EmailLocal if length > 3 => Some(local.clone()),
                Feature::EmailStartAndDomain if length >= EDGE => {
                    Some(format!("{} {}", start(local, EDGE), domain?))
                }
                Feature::EmailEndAndDomain if length > EDGE => {
                    let skipped = local.char_indices().nth(length - EDGE)?.0;
                    Some(format!("{} {}", local.get(skipped..)?, domain?))
                }
                Feature::EmailStarts => {
                    let ends = email.domain.get(..3).filter(|_| domain.is_some())?;
                    Some(format!("{} {ends}", start(local, 4)))
                }
                Feature::EmailLocalStart if length > 3 => Some(start(local, 4).to_owned()),
                Feature::EmailLocalEnd if length > EDGE => Some(end(local, EDGE).to_owned()),
                Feature::EmailLocalPrefix if length > PREFIX => {
                    Some(start(local, PREFIX).to_owned())
                }
                _ => None,
            }
        };
        self.emails.iter().filter_map(value).collect()
    }
}

/// The values of a column that pass their normaliser.
fn good<T: Ord, E>(values: &[String], rule: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
    let mut good: Vec<T> = values.iter().filter_map(|v| rule(v).ok()).collect();
    good.sort_unstable();
    good.dedup();
    good.truncate(MAX_VALUES);
    good
}

fn unordered(a: &str, b: &str) -> String {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    format!("{first} {second}")
}

/// The first characters, or all when there are fewer.
pub(super) fn start(text: &str, characters: usize) -> &str {
    match text.char_indices().nth(characters) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// The last characters, or all when there are fewer.
pub(super) fn end(text: &str, characters: usize) -> &str {
    let length = text.chars().count();
    let skipped = text.char_indices().nth(length.saturating_sub(characters));
    skipped.and_then(|(at, _)| text.get(at..)).unwrap_or(text)
}

fn sorted(text: &str) -> String {
    let mut bytes: Vec<char> = text.chars().collect();
    bytes.sort_unstable();
    bytes.into_iter().collect()
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// The consonants in alphabetical order; none when there are fewer than two.
fn consonants(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !is_vowel(*c)).collect();
    if kept.len() < 2 {
        String::new()
    } else {
        sorted(&kept)
    }
}

/// The first letter and the consonants that follow, four letters in all.
fn skeleton(name: &str) -> String {
    let kept = name
        .char_indices()
        .filter(|(at, c)| *at == 0 || !is_vowel(*c));
    kept.map(|(_, c)| c).take(4).collect()
}

/// What stands before the last three characters; of short codes the first two.
fn outcode(postcode: &str) -> &str {
    let length = postcode.chars().count();
    start(postcode, if length > 4 { length - 3 } else { 2 })
}

/// House number and the first three letters of the street.
fn house(address: &str) -> Option<String> {
    let street = places::street(address).ok()?;
    let digits: String = address
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    (!digits.is_empty()).then(|| format!("{digits} {}", start(&street, 3)))
}

fn prefixes(values: &[String], characters: usize) -> Vec<String> {
    let prefix = |v: &String| start(v, characters).to_owned();
    values.iter().map(prefix).collect()
}
