//! A day, as people type and read it: `2027-03-31`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

const FORM: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// Not a day.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not a day of the form 2027-03-31")]
pub struct BadDay;

/// A day of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(Date);

impl Day {
    /// Its first second, Unix time.
    #[must_use]
    pub fn begins_at(self) -> i64 {
        self.0
            .with_time(Time::MIDNIGHT)
            .assume_utc()
            .unix_timestamp()
    }

    /// The day of a moment, if the calendar has it.
    #[must_use]
    pub fn of(unix: i64) -> Option<Self> {
        let moment = OffsetDateTime::from_unix_timestamp(unix).ok()?;
        Some(Self(moment.date()))
    }
}

impl FromStr for Day {
    type Err = BadDay;

    fn from_str(text: &str) -> Result<Self, BadDay> {
        let read = Date::parse(text.trim(), FORM);
        read.map(Self).map_err(|_| BadDay)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

impl TryFrom<String> for Day {
    type Error = BadDay;

    fn try_from(text: String) -> Result<Self, BadDay> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_written() {
        for text in ["2027-03-31", "1970-01-01", "0001-12-31"] {
            let day: Day = text.parse().unwrap();
            assert_eq!(day.to_string(), text);
            assert_eq!(Day::of(day.begins_at()), Some(day));
        }
        assert_eq!("1970-01-02".parse::<Day>().unwrap().begins_at(), 86_400);
        for bad in ["", "31/03/2027", "2027-02-30", "2027-3-1"] {
            assert_eq!(bad.parse::<Day>(), Err(BadDay), "{bad}");
        }
    }
}
