//! The fields that keys and the comparison speak of, and how closely each can agree.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The field of a record that a key speaks of. Each counts once in a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldName {
    NhsNumber,
    NiNumber,
    Upn,
    PncId,
    Cro,
    Passport,
    Phone,
    Email,
    Vehicle,
    Account,
    Name,
    DateOfBirth,
    Place,
}

/// How closely a field agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The whole value.
    Exact,
    /// Both names, nicknames made one.
    BothNames,
    /// Both names by sound.
    BothSounds,
    /// Three letters of both names.
    BothPrefixes,
    /// One whole name and the other's initial.
    NameAndInitial,
    /// Two letters of one name and four of the other.
    TwoAndFourLetters,
    /// Three last letters of both names.
    BothEndings,
    /// All letters of both names, in any order.
    AllLetters,
    /// One whole name.
    OneName,
    /// First letter and consonants of one name.
    OneSkeleton,
    /// The consonants of one name, in any order.
    OneConsonants,
    /// Two letters of one name.
    OneStart,
    /// Both initials.
    BothInitials,
    /// Three letters of one name.
    OnePrefix,
    /// One initial.
    OneInitial,
    /// The date, or the same with day and month changed over.
    DayMonthSwapped,
    YearAndMonth,
    DayAndMonth,
    Year,
    /// Postcode and the start of the street's name, or the property's own number.
    Address,
    Postcode,
    /// The district.
    Outcode,
    /// House number and three letters of the street.
    HouseAndStreet,
    Street,
    /// Four letters of the street.
    StreetStart,
    Town,
    /// The consonants of the town, in any order.
    TownConsonants,
    /// Three letters of the town.
    TownPrefix,
    /// What stands before the `@`.
    LocalPart,
    /// Letters of the local part, with the start of a domain that is not a public provider's.
    PartAndDomain,
    /// Four letters of the local part and three of the domain.
    Starts,
    /// Six letters of the local part.
    LocalPrefix,
    /// Four letters of the local part.
    LocalStart,
    /// The last five letters of the local part.
    LocalEnd,
    /// The start of a domain that is not a public provider's.
    Domain,
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NhsNumber => "NHS number",
            Self::NiNumber => "National Insurance number",
            Self::Upn => "unique pupil number",
            Self::PncId => "PNC identifier",
            Self::Cro => "CRO number",
            Self::Passport => "passport",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Vehicle => "vehicle",
            Self::Account => "account",
            Self::Name => "name",
            Self::DateOfBirth => "date of birth",
            Self::Place => "place",
        })
    }
}
