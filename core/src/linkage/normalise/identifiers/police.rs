//! Numbers of the Police National Computer and of the Criminal Records Office.
//!
//! Both end with a check letter: the year's last two digits and the serial, read as one number,
//! modulo 23 (Criminal Justice System data standards catalogue). The century is not part of it and
//! is as often left out as written, so it is left out of the normalised form.

use super::super::text;
use crate::linkage::record::IssueReason;

/// The check letter by the remainder; I, O and S are left out.
const LETTERS: &[u8; 23] = b"ZABCDEFGHJKLMNPQRTUVWXY";

/// PNC identifier: `YY/nnnnnnnL`, from `YYYY/nL`, `YY/nL`, or the whole of it without its stroke.
///
/// # Errors
/// Wrong form, a check letter that does not fit, or a serial number of nothing.
pub fn pnc_id(written: &str) -> Result<String, IssueReason> {
    const SERIAL_LEN: usize = 7;
    text::admit(written)?;
    let value = compacted(written);
    let (year, rest) = match value.split_once('/') {
        Some(parts) => parts,
        // Without a stroke the year can only be told when the serial is whole.
        None => value
            .len()
            .checked_sub(SERIAL_LEN + 1)
            .and_then(|split| value.split_at_checked(split))
            .ok_or(IssueReason::WrongForm)?,
    };
    let year = match year.len() {
        2 => year,
        4 => century(year)?,
        _ => return Err(IssueReason::WrongForm),
    };
    let (serial, check) = serial_and_check(rest, SERIAL_LEN)?;
    let serial = format!("{serial:0>SERIAL_LEN$}");
    checked(year, &serial, check)?;
    Ok(format!("{year}/{serial}{check}"))
}

/// CRO number: `nnnnnn/YYL`, or of the file that has no fingerprints, `SFYY/nL`.
///
/// # Errors
/// Wrong form, a check letter that does not fit, or a serial number of nothing.
pub fn cro(written: &str) -> Result<String, IssueReason> {
    const SERIAL_LEN: usize = 6;
    text::admit(written)?;
    let value = compacted(written);
    let (before, after) = value.split_once('/').ok_or(IssueReason::WrongForm)?;
    if let Some(year) = before.strip_prefix("SF") {
        // Here the serial is not filled up before the letter is worked out.
        let (serial, check) = serial_and_check(after, SERIAL_LEN)?;
        checked(year, serial, check)?;
        return Ok(format!("SF{year}/{serial}{check}"));
    }
    let (year, check) = serial_and_check(after, 2)?;
    if before.len() > SERIAL_LEN {
        return Err(IssueReason::WrongForm);
    }
    let serial = format!("{before:0>SERIAL_LEN$}");
    checked(year, &serial, check)?;
    Ok(format!("{serial}/{year}{check}"))
}

/// Upper case, without spaces and points; a stroke of either kind or a hyphen is a stroke.
fn compacted(written: &str) -> String {
    let folded = text::fold(written);
    let kept = folded.chars().filter_map(|c| match c {
        '/' | '\\' | '-' => Some('/'),
        c if c.is_ascii_alphanumeric() => Some(c.to_ascii_uppercase()),
        c if c.is_ascii_whitespace() || c == '.' => None,
        // Anything else is no part of such a number, and must not vanish.
        c => Some(c),
    });
    kept.collect()
}

/// The last two digits of a year that can be one.
fn century(year: &str) -> Result<&str, IssueReason> {
    let known = year.strip_prefix("19").or(year.strip_prefix("20"));
    known.ok_or(IssueReason::WrongForm)
}

fn serial_and_check(text: &str, longest: usize) -> Result<(&str, char), IssueReason> {
    let check = text.chars().next_back().ok_or(IssueReason::WrongForm)?;
    let serial = text.strip_suffix(check).unwrap_or_default();
    if !check.is_ascii_uppercase() || !(1..=longest).contains(&serial.len()) {
        return Err(IssueReason::WrongForm);
    }
    Ok((serial, check))
}

fn checked(year: &str, serial: &str, check: char) -> Result<(), IssueReason> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if year.len() != 2 || !is_number(year) || !is_number(serial) {
        return Err(IssueReason::WrongForm);
    }
    if serial.bytes().all(|b| b == b'0') {
        return Err(IssueReason::Placeholder);
    }
    let number: usize = format!("{year}{serial}")
        .parse()
        .map_err(|_| IssueReason::WrongForm)?;
    match LETTERS.get(number % 23) {
        Some(letter) if char::from(*letter) == check => Ok(()),
        _ => Err(IssueReason::CheckDigit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pnc_identifiers() {
        let published = Ok("01/0000001Q".to_owned());
        for written in [
            "2001/0000001Q",
            "2001/1Q",
            "01/1q",
            " 01/0000001 Q",
            "20010000001Q",
            "010000001Q",
        ] {
            assert_eq!(pnc_id(written), published, "{written}");
        }
        assert_eq!(pnc_id("2001/0000001R"), Err(IssueReason::CheckDigit));
        assert_eq!(pnc_id("2001/0000002Q"), Err(IssueReason::CheckDigit));
        assert_eq!(pnc_id("2000/0000000Z"), Err(IssueReason::Placeholder));
        for wrong in [
            "1001/0000001Q",
            "2001/00000001Q",
            "001/1Q",
            "2001/1",
            "1Q",
            "2001/1Q/2",
        ] {
            assert_eq!(pnc_id(wrong), Err(IssueReason::WrongForm), "{wrong}");
        }
    }

    #[test]
    fn cro_numbers() {
        assert_eq!(cro("265416/21G"), Ok("265416/21G".to_owned()));
        assert_eq!(cro("265416/21H"), Err(IssueReason::CheckDigit));
        assert_eq!(cro("SF05/482703J"), Ok("SF05/482703J".to_owned()));
        assert_eq!(cro("sf 05 / 482703 j"), cro("SF05/482703J"));
        assert_eq!(cro("SF05/482703K"), Err(IssueReason::CheckDigit));
        // 21000001 is 12 more than a multiple of 23, and 211 four more: filled up or not.
        assert_eq!(cro("1/21M"), cro("000001/21M"));
        assert_eq!(cro("1/21M"), Ok("000001/21M".to_owned()));
        assert_eq!(cro("SF21/1D"), Ok("SF21/1D".to_owned()));
        assert_eq!(cro("000000/23Z"), Err(IssueReason::Placeholder));
        for wrong in [
            "265416/2021G",
            "2654161/21G",
            "265416",
            "SF5/482703J",
            "AB05/1J",
        ] {
            assert_eq!(cro(wrong), Err(IssueReason::WrongForm), "{wrong}");
        }
    }
}
