//! Unique pupil numbers (Department for Education, "Unique pupil numbers: guide for schools").

use super::super::text::{self, compact_upper};
use crate::linkage::record::IssueReason;

/// The check letter by the remainder; I, O and S are left out.
const LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";

/// Unique pupil number: a check letter and twelve digits. A temporary one, which a school gives
/// until the right one is found, ends with a letter and is checked in the same way.
///
/// # Errors
/// Wrong form, a check letter that does not fit, or all digits equal.
pub fn upn(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let value = compact_upper(written);
    let Some((check, digits)) = value.as_bytes().split_first() else {
        return Err(IssueReason::WrongForm);
    };
    if digits.len() != 12 || !LETTERS.contains(check) {
        return Err(IssueReason::WrongForm);
    }
    // "Multiply the individual digits by their character number, 2 to 13; divide the sum by 23."
    let mut sum = 0;
    for (position, c) in (2..=13).zip(digits) {
        let digit = match c {
            b'0'..=b'9' => usize::from(c - b'0'),
            _ if position == 13 => letter_value(*c)?,
            _ => return Err(IssueReason::WrongForm),
        };
        sum += position * digit;
    }
    if text::all_equal(value.get(1..).unwrap_or_default()) {
        return Err(IssueReason::Placeholder);
    }
    if LETTERS.get(sum % 23) != Some(check) {
        return Err(IssueReason::CheckDigit);
    }
    Ok(value)
}

fn letter_value(letter: u8) -> Result<usize, IssueReason> {
    let position = LETTERS.iter().position(|l| *l == letter);
    position.ok_or(IssueReason::WrongForm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pupil_numbers() {
        let published = Ok("B801200005001".to_owned());
        assert_eq!(upn("B801200005001"), published);
        assert_eq!(upn(" b 801 2000 05001"), published);
        assert_eq!(upn("C801200005001"), Err(IssueReason::CheckDigit));
        assert_eq!(upn("B801200005010"), Err(IssueReason::CheckDigit));
        assert_eq!(upn("A000000000000"), Err(IssueReason::Placeholder));
        for wrong in [
            "801200005001",
            "B80120000500",
            "S801200005001",
            "B8012X0005001",
        ] {
            assert_eq!(upn(wrong), Err(IssueReason::WrongForm), "{wrong}");
        }
        // A temporary number: 93 - 13 for the last digit, and 13 times A, which is 0: 80 is 11.
        assert_eq!(upn("M80120000500A"), Ok("M80120000500A".to_owned()));
        assert_eq!(upn("M80120000500B"), Err(IssueReason::CheckDigit));
    }
}
