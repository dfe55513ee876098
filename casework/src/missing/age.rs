//! Whether somebody is an adult, as far as is known.

use symbolon_core::linkage::normalise::dates::BirthDate;
use symbolon_core::linkage::record::Record;
use time::OffsetDateTime;

/// Whole years from which on somebody is an adult.
const MAJORITY: i32 = 18;

/// Whether everything that is known of the date of birth makes the person an adult at this moment.
///
/// Who may be a child is treated as one until an assessment says otherwise (Modern Slavery Act 2015,
/// section 51): without a date of birth, or with several of which one makes a child, the answer is no.
/// Of a date that is known in part, the youngest reading counts.
#[must_use]
pub fn is_adult(record: &Record, at: i64) -> bool {
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(at) else {
        return false;
    };
    let (year, month, day) = moment.to_calendar_date();
    let today = (year, u8::from(month), day);
    let mut dates = record.birth_dates().peekable();
    dates.peek().is_some() && dates.all(|stated| majority(&stated.date) <= today)
}

/// The latest day on which somebody with this date of birth comes of age. Days that the month does not
/// have only compare as later.
fn majority(date: &BirthDate) -> (i32, u8, u8) {
    (
        i32::from(date.year) + MAJORITY,
        date.month.unwrap_or(12),
        date.day.unwrap_or(31),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01T12:00:00Z
    const NOW: i64 = 1_772_366_400;

    fn adult(dates: &str) -> bool {
        let cells = [("record_id", "a"), ("date_of_birth", dates)];
        is_adult(&Record::from_cells(cells).unwrap().0, NOW)
    }

    #[test]
    fn who_may_be_a_child_is_one() {
        for child in [
            "",
            "2008-03-02",
            "2008",
            "2008-03",
            // 1 January stands for the year.
            "2008-01-01",
            "1990-05-05 (claimed); 2009-05-05 (assessed)",
            "not a date",
        ] {
            assert!(!adult(child), "{child}");
        }
        for grown in [
            "2008-03-01",
            "2008-02-29",
            "2007",
            "2008-02",
            "1990-05-05; 1991",
        ] {
            assert!(adult(grown), "{grown}");
        }
        let cells = [("record_id", "a"), ("date_of_birth", "1950-05-05")];
        let record = Record::from_cells(cells).unwrap().0;
        assert!(!is_adult(&record, i64::MAX), "no such moment");
    }
}
