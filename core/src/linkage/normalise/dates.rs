//! Dates of birth, as people and systems write them.
//!
//! Slashed dates are day first, as in the United Kingdom, unless only the other order is a date.
//! 1 January stands for "year only" far more often than for a birthday, so it is kept as a year.
//!
//! A person can have several dates, each with the standing that it has: `2009-03-02 (documented,
//! passport)` beside `2008-01-01 (claimed)`. All of them make keys; none replaces another.

use std::fmt;
use std::str::FromStr;

use time::{Date, Month};

use super::text;
use crate::linkage::record::IssueReason;

/// A date of birth with as much of it as is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate {
    pub year: u16,
    /// Known alone, or together with the day.
    pub month: Option<u8>,
    pub day: Option<u8>,
}

/// Says only how much is known: a date of birth does not belong in a log.
impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.month, self.day) {
            (Some(_), Some(_)) => "BirthDate(full)",
            (Some(_), None) => "BirthDate(year and month)",
            _ => "BirthDate(year)",
        })
    }
}

impl BirthDate {
    /// The digits of `YYYYMMDD` by their place, as far as they are known: for telling a slip of one
    /// digit from another day.
    #[must_use]
    pub fn digits(&self) -> [Option<u8>; 8] {
        let Self { year, month, day } = *self;
        let of_year = |unit: u16| u8::try_from(year / unit % 10).ok();
        let tens = |part: Option<u8>| part.map(|n| n / 10);
        let ones = |part: Option<u8>| part.map(|n| n % 10);
        [
            of_year(1000),
            of_year(100),
            of_year(10),
            of_year(1),
            tens(month),
            ones(month),
            tens(day),
            ones(day),
        ]
    }

    /// The date with day and month changed over, where that is another date.
    #[must_use]
    pub fn swapped(&self) -> Option<Self> {
        let (month, day) = (self.month?, self.day?);
        let other = dated(self.year, Some(day), Some(month)).ok()?;
        (month != day && other.day.is_some()).then_some(other)
    }
}

/// What a date of birth rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DateStatus {
    /// Told by the person.
    Claimed,
    /// The outcome of an age assessment.
    Assessed,
    /// Written in a document.
    Documented,
    /// Doubted by somebody.
    Disputed,
}

impl FromStr for DateStatus {
    type Err = IssueReason;

    fn from_str(word: &str) -> Result<Self, IssueReason> {
        Ok(match word.trim().to_ascii_lowercase().as_str() {
            "claimed" | "stated" | "self-reported" => Self::Claimed,
            "assessed" | "age assessed" => Self::Assessed,
            "documented" | "verified" => Self::Documented,
            "disputed" => Self::Disputed,
            _ => return Err(IssueReason::UnknownWord),
        })
    }
}

/// One date of birth with its standing.
#[derive(Clone, PartialEq, Eq)]
pub struct StatedDate {
    pub date: BirthDate,
    pub status: Option<DateStatus>,
    /// Who or what says so: `passport`, `mother`.
    pub source: Option<String>,
}

/// Reads a date with its status and source: `DATE`, `DATE (STATUS)`, `DATE (STATUS, SOURCE)` or
/// `DATE (SOURCE)`.
///
/// # Errors
/// As [`parse`].
pub fn read(written: &str) -> Result<StatedDate, IssueReason> {
    let (bare, note) = split_note(written)?;
    let (first, rest) = match note.split_once([',', ';']) {
        Some((first, rest)) => (first.trim(), rest.trim()),
        None => (note, ""),
    };
    let status: Option<DateStatus> = first.parse().ok();
    let source = if status.is_some() { rest } else { note };
    Ok(StatedDate {
        date: parse(bare)?,
        status,
        source: (!source.is_empty()).then(|| source.to_owned()),
    })
}

/// The date, and what stands behind it in brackets.
fn split_note(written: &str) -> Result<(&str, &str), IssueReason> {
    let Some((bare, note)) = written.split_once('(') else {
        return Ok((written, ""));
    };
    match note.trim_end().strip_suffix(')') {
        Some(note) if !note.contains(['(', ')']) => Ok((bare, note.trim())),
        _ => Err(IssueReason::NotADate),
    }
}

/// Births that a register, of the past too, can speak of; anything outside is a slip or a system's
/// default.
const YEARS: std::ops::RangeInclusive<u16> = 1500..=2099;

/// System defaults that stand for "no date".
const DEFAULTS: [(u16, u8, u8); 4] = [(1900, 1, 1), (1970, 1, 1), (1899, 12, 30), (1899, 12, 31)];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Words before a date that say it is a guess; what is guessed is used as it stands.
const ABOUT: [&str; 7] = [
    "about",
    "abt",
    "approx",
    "approximately",
    "c",
    "ca",
    "circa",
];

/// Reads a date of birth, without its status and source.
///
/// # Errors
/// [`IssueReason::NotADate`] for what is no date, [`IssueReason::Placeholder`] for defaults.
pub fn parse(written: &str) -> Result<BirthDate, IssueReason> {
    let (bare, _) = split_note(written)?;
    if let Some(date) = iso(bare) {
        return date;
    }
    text::admit(bare)?;
    let folded = text::fold(bare);
    // A time of day after the date, as exports write it.
    let date = match folded.split_once('t') {
        Some((date, time)) if time.contains(':') => date,
        _ => folded.as_str(),
    };
    let parts: Vec<&str> = date
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|p| !p.is_empty())
        .collect();
    let parts: &[&str] = match parts.as_slice() {
        [about, rest @ ..] if ABOUT.contains(about) => rest,
        // `2009-01-05 00:00:00`
        [a, b, c, h, m, ..] if is_clock(h) && is_clock(m) => &[a, b, c],
        all => all,
    };
    match *parts {
        [one] if one.len() == 8 && is_digits(one) => compact(one),
        [one] if one.len() == 4 => dated(number(one)?, None, None),
        [a, b] if a.len() == 4 && is_digits(a) => dated(number(a)?, Some(month(b)?), None),
        [a, b] if b.len() == 4 => dated(number(b)?, Some(month(a)?), None),
        [y, m, d] if y.len() == 4 && is_digits(y) => {
            dated(number(y)?, Some(month(m)?), Some(day(d)?))
        }
        [a, b, y] if y.len() == 4 => day_and_month(a, b, number(y)?),
        _ => Err(IssueReason::NotADate),
    }
}

/// `YYYY-MM-DD`, as most files have it, without looking for anything else.
fn iso(text: &str) -> Option<Result<BirthDate, IssueReason>> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text.as_bytes() else {
        return None;
    };
    let number = |digits: &[u8]| {
        let digit = |all: u16, b: &u8| b.is_ascii_digit().then(|| all * 10 + u16::from(b - b'0'));
        digits.iter().try_fold(0, digit)
    };
    let part = |digits: &[u8]| u8::try_from(number(digits)?).ok();
    let (year, month, day) = (number(&[a, b, c, d])?, part(&[e, f])?, part(&[g, h])?);
    Some(dated(year, Some(month), Some(day)))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_clock(text: &str) -> bool {
    text.len() == 2 && is_digits(text)
}

fn number(text: &str) -> Result<u16, IssueReason> {
    if !is_digits(text) {
        return Err(IssueReason::NotADate);
    }
    text.parse().map_err(|_| IssueReason::NotADate)
}

fn compact(text: &str) -> Result<BirthDate, IssueReason> {
    let digits: u32 = text.parse().map_err(|_| IssueReason::NotADate)?;
    let year = u16::try_from(digits / 10_000).map_err(|_| IssueReason::NotADate)?;
    let month = u8::try_from(digits / 100 % 100).map_err(|_| IssueReason::NotADate)?;
    let day = u8::try_from(digits % 100).map_err(|_| IssueReason::NotADate)?;
    dated(year, Some(month), Some(day))
}

/// A month by number or by name, whole or by at least three letters.
fn month(text: &str) -> Result<u8, IssueReason> {
    if is_digits(text) {
        return text.parse().map_err(|_| IssueReason::NotADate);
    }
    let found = (1u8..)
        .zip(MONTHS)
        .find(|(_, name)| text.len() >= 3 && name.starts_with(text));
    match found {
        Some((index, _)) => Ok(index),
        None if text == "sept" => Ok(9),
        None => Err(IssueReason::NotADate),
    }
}

/// A day by number, with or without its ordinal ending.
fn day(text: &str) -> Result<u8, IssueReason> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let ending = text.get(digits.len()..).unwrap_or_default();
    if !matches!(ending, "" | "st" | "nd" | "rd" | "th") {
        return Err(IssueReason::NotADate);
    }
    digits.parse().map_err(|_| IssueReason::NotADate)
}

fn day_and_month(a: &str, b: &str, year: u16) -> Result<BirthDate, IssueReason> {
    let day_first = |d: &str, m: &str| dated(year, Some(month(m)?), Some(day(d)?));
    match day_first(a, b) {
        Err(IssueReason::NotADate) => day_first(b, a),
        other => other,
    }
}

fn dated(year: u16, month: Option<u8>, day: Option<u8>) -> Result<BirthDate, IssueReason> {
    if let (Some(month), Some(day)) = (month, day)
        && DEFAULTS.contains(&(year, month, day))
    {
        return Err(IssueReason::Placeholder);
    }
    if matches!(year, 9999 | 1111) {
        return Err(IssueReason::Placeholder);
    }
    if !YEARS.contains(&year) {
        return Err(IssueReason::NotADate);
    }
    let Some(number) = month else {
        return Ok(BirthDate { year, month, day });
    };
    let named = Month::try_from(number).map_err(|_| IssueReason::NotADate)?;
    match day {
        Some(1) if number == 1 => Ok(BirthDate {
            year,
            month: None,
            day: None,
        }),
        Some(day) => Date::from_calendar_date(i32::from(year), named, day)
            .map(|_| BirthDate {
                year,
                month,
                day: Some(day),
            })
            .map_err(|_| IssueReason::NotADate),
        None => Ok(BirthDate { year, month, day }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(year: u16, month: u8, day: u8) -> Result<BirthDate, IssueReason> {
        Ok(BirthDate {
            year,
            month: Some(month),
            day: Some(day),
        })
    }

    #[test]
    fn every_written_form_is_the_same_day() {
        for written in [
            "2009-03-05",
            "05/03/2009",
            "5/3/2009",
            "05-03-2009",
            "05.03.2009",
            "5 Mar 2009",
            "5th March 2009",
            "March 5, 2009",
            "20090305",
            "2009-03-05T00:00:00Z",
            "2009-03-05 00:00:00",
        ] {
            assert_eq!(parse(written), full(2009, 3, 5), "{written}");
        }
        assert_eq!(
            parse("12/25/2009"),
            full(2009, 12, 25),
            "only one order is a date"
        );
    }

    #[test]
    fn parts_of_a_date() {
        let year = Ok(BirthDate {
            year: 2009,
            month: None,
            day: None,
        });
        let month = Ok(BirthDate {
            year: 2009,
            month: Some(3),
            day: None,
        });
        assert_eq!(parse("2009"), year);
        assert_eq!(parse("01/01/2009"), year, "1 January is the year only");
        assert_eq!(parse("2009-03"), month);
        assert_eq!(parse("March 2009"), month);
    }

    #[test]
    fn status_and_source_stand_beside_the_date() {
        let stated = |written: &str| {
            let read = read(written).unwrap();
            assert_eq!(Ok(read.date), parse(written));
            (read.date, read.status, read.source)
        };
        let date = full(2009, 3, 2).unwrap();
        let documented = Some(DateStatus::Documented);
        let passport = Some("passport".to_owned());
        assert_eq!(stated("2009-03-02"), (date, None, None));
        assert_eq!(stated("2/3/2009 (documented)"), (date, documented, None));
        for written in [
            "2009-03-02 (documented, passport)",
            "2009-03-02 (Documented; passport )",
        ] {
            assert_eq!(stated(written), (date, documented, passport.clone()));
        }
        assert_eq!(stated("2009-03-02 (passport)"), (date, None, passport));
        let year = stated("c. 2009 (claimed, mother)");
        assert_eq!((year.0.year, year.0.month), (2009, None));
        assert_eq!(year.1, Some(DateStatus::Claimed));
        for wrong in ["2009-03-02 (documented", "2009-03-02 (a) b", "(2009-03-02)"] {
            assert!(read(wrong).is_err() && parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn digits_stand_in_their_place() {
        let digits = |written: &str| parse(written).unwrap().digits();
        let known = |digits: [u8; 8]| digits.map(Some);
        assert_eq!(digits("2009-03-15"), known([2, 0, 0, 9, 0, 3, 1, 5]));
        let slips = |a: &str, b: &str| {
            let (a, b) = (digits(a), digits(b));
            a.iter().zip(&b).filter(|(a, b)| a != b).count()
        };
        assert_eq!(slips("2009-03-15", "2009-03-16"), 1);
        assert_eq!(slips("2009-03-15", "2008-04-15"), 2);
        assert_eq!(digits("2009-03")[4..], [Some(0), Some(3), None, None]);
        assert_eq!(digits("2009")[4..], [None; 4]);
    }

    #[test]
    fn a_date_swapped_is_another_date_or_none() {
        let swapped = |written: &str| parse(written).unwrap().swapped();
        assert_eq!(swapped("2009-03-05"), full(2009, 5, 3).ok());
        for none in ["2009-03-15", "2009-05-05", "2009-03", "2009"] {
            assert_eq!(swapped(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for written in [
            "31/02/2009",
            "2009-13-01",
            "05/03/09",
            "soon",
            "3009-01-02",
            "2009-00-10",
        ] {
            assert_eq!(parse(written), Err(IssueReason::NotADate), "{written}");
        }
        for written in ["1900-01-01", "01/01/1970", "9999-12-31", "unknown", "n/a"] {
            assert_eq!(parse(written), Err(IssueReason::Placeholder), "{written}");
        }
    }
}
