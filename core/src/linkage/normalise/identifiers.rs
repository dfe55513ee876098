//! Numbers given out by an authority or a service: NHS, National Insurance, passport here; pupil,
//! police, vehicle, property and account numbers in the submodules. Check digits are verified where
//! the standard has one, and what has a form that is not British has a rule of its own.

mod accounts;
mod police;
mod property;
mod pupils;
mod vehicles;

pub use accounts::account;
pub use police::{cro, pnc_id};
pub use property::uprn;
pub use pupils::upn;
pub use vehicles::{MarkForm, mark_form, vehicle};

use super::text::{self, compact_upper};
use crate::linkage::record::IssueReason;

/// NHS number: ten digits, the last a check digit modulo 11 (NHS Data Dictionary). The Scottish CHI
/// number and the Health and Care number of Northern Ireland are made and checked in the same way.
///
/// # Errors
/// Wrong length, a check digit that does not fit, all digits equal or in a row.
pub fn nhs_number(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let value = compact_upper(written);
    let digits: Vec<u32> = value.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != 10 || value.len() != 10 {
        return Err(IssueReason::WrongForm);
    }
    // Some rows of digits have a check digit that fits: 9876543210.
    if text::all_equal(&value) || text::is_run(&value) {
        return Err(IssueReason::Placeholder);
    }
    // "Multiply the first nine digits by 10 down to 2; 11 minus the remainder; 11 becomes 0 and
    // 10 is invalid."
    let sum: u32 = (2..=10).rev().zip(&digits).map(|(w, d)| w * d).sum();
    let check = match 11 - sum % 11 {
        11 => 0,
        check => check,
    };
    if digits.last() != Some(&check) {
        return Err(IssueReason::CheckDigit);
    }
    Ok(value)
}

/// National Insurance number: its first eight characters, the suffix says nothing of the person.
///
/// # Errors
/// A form or a prefix that is never given out.
pub fn ni_number(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let value = compact_upper(written);
    let bytes = value.as_bytes();
    let (Some(prefix), Some(digits)) = (value.get(..2), value.get(2..8)) else {
        return Err(IssueReason::WrongForm);
    };
    let suffix_fits = match bytes.get(8..) {
        Some([]) => true,
        Some([suffix]) => (b'A'..=b'D').contains(suffix),
        _ => false,
    };
    if !suffix_fits
        || !prefix.bytes().all(|b| b.is_ascii_uppercase())
        || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(IssueReason::WrongForm);
    }
    let never = prefix.contains(['D', 'F', 'I', 'Q', 'U', 'V'])
        || prefix.ends_with('O')
        || ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&prefix);
    if never {
        return Err(IssueReason::WrongForm);
    }
    if text::all_equal(digits) {
        return Err(IssueReason::Placeholder);
    }
    Ok(format!("{prefix}{digits}"))
}

/// Passport: issuing state and number, as `GBR 123456789`, `GBR:123456789` or the second line of
/// the machine-readable zone. Without a state nine digits are read as British, anything else
/// keeps an unknown state.
///
/// # Errors
/// A form no passport has, or a check digit of the machine-readable zone that does not fit.
pub fn passport(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let trimmed: String = text::fold(written).split_whitespace().collect();
    if trimmed.len() == 44 && trimmed.is_ascii() {
        return machine_readable(&trimmed.to_ascii_uppercase());
    }
    let value = compact_upper(written);
    let letters = value.bytes().take_while(u8::is_ascii_alphabetic).count();
    // A state written apart may stand before a number that starts with a letter itself.
    let is_apart = trimmed.get(3..4).is_some_and(|c| ":-/.".contains(c))
        || written.trim().find(char::is_whitespace) == Some(3);
    let (state, number) = match value.get(3..) {
        // The two-letter codes of everyday use, before a number of the British form.
        _ if is_short_british(&value) => (Some("GBR"), value.get(2..).unwrap_or_default()),
        Some(number) if number.len() >= 6 && (letters == 3 || (letters > 3 && is_apart)) => {
            (value.get(..3), number)
        }
        _ => (None, value.as_str()),
    };
    if text::all_equal(number) {
        return Err(IssueReason::Placeholder);
    }
    let has_digits = number.bytes().filter(u8::is_ascii_digit).count() >= 4;
    if !(6..=12).contains(&number.len()) || !has_digits {
        return Err(IssueReason::WrongForm);
    }
    let is_british_form = number.len() == 9 && number.bytes().all(|b| b.is_ascii_digit());
    let state = match state {
        Some(state) => state,
        None if is_british_form => "GBR",
        None => "XXX",
    };
    Ok(format!("{state}:{number}"))
}

/// `GB123456789`, `UK 123456789`.
fn is_short_british(value: &str) -> bool {
    let number = value.strip_prefix("GB").or(value.strip_prefix("UK"));
    number.is_some_and(|n| n.len() == 9 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Second line of a passport's machine-readable zone (ICAO 9303 part 4): number, check digit,
/// state.
fn machine_readable(line: &str) -> Result<String, IssueReason> {
    let (Some(field), Some(check), Some(state)) =
        (line.get(..9), line.get(9..10), line.get(10..13))
    else {
        return Err(IssueReason::WrongForm);
    };
    let mut sum = 0;
    for (weight, c) in [7, 3, 1].into_iter().cycle().zip(field.chars()) {
        let value = match c {
            '<' => 0,
            c => c.to_digit(36).ok_or(IssueReason::WrongForm)?,
        };
        sum += weight * value;
    }
    if check.parse() != Ok(sum % 10) {
        return Err(IssueReason::CheckDigit);
    }
    let number = field.trim_end_matches('<');
    // Germany's code in the zone is the one letter D.
    let state = match state.trim_end_matches('<') {
        "D" => "DEU",
        state => state,
    };
    if number.is_empty() || state.is_empty() {
        return Err(IssueReason::WrongForm);
    }
    Ok(format!("{state}:{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_numbers() {
        assert_eq!(nhs_number("943 476 5919"), Ok("9434765919".to_owned()));
        assert_eq!(nhs_number("943-476-5918"), Err(IssueReason::CheckDigit));
        assert_eq!(nhs_number("0000000000"), Err(IssueReason::Placeholder));
        assert_eq!(nhs_number("9876543210"), Err(IssueReason::Placeholder));
        assert_eq!(nhs_number("943476591"), Err(IssueReason::WrongForm));
        assert_eq!(nhs_number("943476591X"), Err(IssueReason::WrongForm));
    }

    #[test]
    fn ni_numbers() {
        assert_eq!(ni_number("ab 12 34 56 c"), Ok("AB123456".to_owned()));
        assert_eq!(ni_number("AB123456"), ni_number("AB123456D"));
        for wrong in [
            "QQ123456C",
            "BG123456A",
            "AO123456A",
            "AB123456E",
            "A1234567B",
        ] {
            assert_eq!(ni_number(wrong), Err(IssueReason::WrongForm), "{wrong}");
        }
        assert_eq!(ni_number("AB000000A"), Err(IssueReason::Placeholder));
    }

    #[test]
    fn passports() {
        assert_eq!(passport("GBR 925665416"), Ok("GBR:925665416".to_owned()));
        assert_eq!(passport("925665416"), passport("gbr:925665416"));
        assert_eq!(passport("925665416"), passport("UK 925665416"));
        assert_eq!(passport("B1234567"), Ok("XXX:B1234567".to_owned()));
        assert_eq!(passport("VNM B1234567"), Ok("VNM:B1234567".to_owned()));
        // The specimen of ICAO 9303 part 4.
        let line = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
        assert_eq!(passport(line), Ok("UTO:L898902C3".to_owned()));
        let wrong = line.replacen("C36", "C37", 1);
        assert_eq!(passport(&wrong), Err(IssueReason::CheckDigit));
        assert_eq!(passport("000000000"), Err(IssueReason::Placeholder));
    }
}
