//! Features: the pieces of a normalised record that keys are put together from.
//!
//! A feature can have several values (two surnames, an alias); a key kind takes every combination.
//! Pairs of names are sorted, so that columns changed over make the same key.

mod prepared;
mod values;
mod words;

use serde::{Deserialize, Serialize};

use super::schema::{FieldName, Level};

pub(super) use prepared::Prepared;
pub(super) use values::Features;
pub(super) use words::{end, start};

/// Each variant proves one level of one field. `EmailDomain` stays the last: see [`Feature::COUNT`].
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
    /// How many there are.
    const COUNT: usize = Self::EmailDomain as usize + 1;

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
