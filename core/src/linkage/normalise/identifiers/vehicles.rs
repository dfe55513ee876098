//! Vehicle registration marks: the British forms, and any other kept as foreign.
//!
//! The forms are those of the Driver and Vehicle Licensing Agency (INF104). A mark has no check
//! digit, so the form only says how it was read; every form makes a key.

use super::super::text::{self, compact_upper};
use crate::linkage::record::IssueReason;

/// How a mark is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkForm {
    /// Since 2001: `AB12 CDE`.
    Current,
    /// 1983 to 2001: `A123 BCD`.
    Prefix,
    /// 1963 to 1983: `ABC 123D`.
    Suffix,
    /// Northern Ireland, with an I or a Z among the letters: `AIA 1234`.
    NorthernIreland,
    /// Before 1963, and private marks: `ABC 123`, `1234 AB`.
    Dateless,
    /// `101 D 234`.
    Diplomatic,
    /// Of no British form; used as written.
    Foreign,
}

/// Vehicle registration mark without spaces. Forms that are not British are kept.
///
/// # Errors
/// Placeholders and what is too short or long.
pub fn vehicle(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let value = compact_upper(written);
    if text::all_equal(&value) || text::is_run(&value) {
        return Err(IssueReason::Placeholder);
    }
    if !(2..=10).contains(&value.len()) {
        return Err(IssueReason::WrongForm);
    }
    let has_digit = value.bytes().any(|b| b.is_ascii_digit());
    let has_letter = value.bytes().any(|b| b.is_ascii_uppercase());
    if !has_digit || (!has_letter && value.len() < 5) {
        return Err(IssueReason::WrongForm);
    }
    Ok(value)
}

/// The form of a normalised mark.
#[must_use]
pub fn mark_form(value: &str) -> MarkForm {
    if is_current(value) {
        return MarkForm::Current;
    }
    let runs: Vec<&[u8]> = value
        .as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .collect();
    let letters = |run: &[u8]| run.iter().all(u8::is_ascii_uppercase);
    let number = |run: &[u8], longest: usize| {
        run.len() <= longest && run.iter().all(u8::is_ascii_digit) && run.first() != Some(&b'0')
    };
    match *runs.as_slice() {
        [[year], serial, area] if letters(area) && area.len() == 3 && number(serial, 3) => {
            year_form(*year, MarkForm::Prefix)
        }
        [area, serial, [year]] if letters(area) && area.len() == 3 && number(serial, 3) => {
            year_form(*year, MarkForm::Suffix)
        }
        [mission, b"D" | b"X", serial]
            if mission.len() == 3 && serial.len() == 3 && number(mission, 3) =>
        {
            MarkForm::Diplomatic
        }
        [area, serial] | [serial, area]
            if letters(area) && (1..=3).contains(&area.len()) && number(serial, 4) =>
        {
            match area.iter().any(|c| b"IZ".contains(c)) {
                true => MarkForm::NorthernIreland,
                false => MarkForm::Dateless,
            }
        }
        _ => MarkForm::Foreign,
    }
}

/// The letter of the year is never I, O, Q, U or Z; Q marks a vehicle of unknown age.
fn year_form(year: u8, form: MarkForm) -> MarkForm {
    match year.is_ascii_uppercase() && !b"IOUZ".contains(&year) {
        true => form,
        false => MarkForm::Foreign,
    }
}

/// `^[A-HJ-PR-Y]{2}(?!00|01|50)\d{2}[A-HJ-PR-Z]{3}$`
fn is_current(value: &str) -> bool {
    let [a, b, c, d, e, f, g] = value.as_bytes() else {
        return false;
    };
    let memory = |x: &u8| x.is_ascii_uppercase() && !b"IQZ".contains(x);
    let random = |x: &u8| x.is_ascii_uppercase() && !b"IQ".contains(x);
    let age = [*c, *d];
    memory(a)
        && memory(b)
        && age.iter().all(u8::is_ascii_digit)
        && ![*b"00", *b"01", *b"50"].contains(&age)
        && [e, f, g].into_iter().all(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vehicles() {
        assert_eq!(vehicle("ab12 cde"), Ok("AB12CDE".to_owned()));
        assert_eq!(vehicle("B 123 XYZ"), Ok("B123XYZ".to_owned()));
        assert_eq!(vehicle("red van"), Err(IssueReason::WrongForm));
        assert_eq!(vehicle("0000000"), Err(IssueReason::Placeholder));
    }

    #[test]
    fn the_form_is_told_and_an_unknown_one_is_foreign() {
        for (mark, form) in [
            ("AB12CDE", MarkForm::Current),
            ("AB51CDE", MarkForm::Current),
            ("A123BCD", MarkForm::Prefix),
            ("Y1ABC", MarkForm::Prefix),
            ("Q123ABC", MarkForm::Prefix),
            ("ABC123D", MarkForm::Suffix),
            ("AIA1234", MarkForm::NorthernIreland),
            ("1234AZ", MarkForm::NorthernIreland),
            ("ABC123", MarkForm::Dateless),
            ("1234AB", MarkForm::Dateless),
            ("A1", MarkForm::Dateless),
            ("101D234", MarkForm::Diplomatic),
            // No mark of the current form was given out for these ages, or with these letters.
            ("AB01CDE", MarkForm::Foreign),
            ("AB50CDE", MarkForm::Foreign),
            ("AI12CDE", MarkForm::Foreign),
            ("AB12CDI", MarkForm::Foreign),
            // Romania, Poland, Albania.
            ("B123XYZ", MarkForm::Prefix),
            ("CJ07XYZ", MarkForm::Current),
            ("WA1234C", MarkForm::Foreign),
            ("AA123BB", MarkForm::Foreign),
        ] {
            assert_eq!(mark_form(mark), form, "{mark}");
            assert_eq!(vehicle(mark), Ok(mark.to_owned()), "{mark}");
        }
    }
}
