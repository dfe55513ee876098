//! Numbers given out by an authority or a service: NHS, National Insurance, passport, vehicle
//! mark, account. Check digits are verified where the standard has one.

use super::text::{self, compact_upper};
use crate::linkage::record::IssueReason;

/// NHS number: ten digits, the last a check digit modulo 11 (NHS Data Dictionary).
///
/// # Errors
/// Wrong length, a check digit that does not fit, or all digits equal.
pub fn nhs_number(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let value = compact_upper(written);
    let digits: Vec<u32> = value.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != 10 || value.len() != 10 {
        return Err(IssueReason::WrongForm);
    }
    if text::all_equal(&value) {
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

/// Vehicle registration mark without spaces. Forms that are not British are kept.
///
/// # Errors
/// Placeholders and what is too short or long.
pub fn vehicle(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let value = compact_upper(written);
    if text::all_equal(&value) {
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

/// Whether a normalised mark has the current British form, `AB12CDE`.
#[must_use]
pub fn is_current_mark(value: &str) -> bool {
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

/// An account: `platform:handle`, the address of a profile, or an IBAN (ISO 13616).
///
/// # Errors
/// Placeholders, what is too short, and an IBAN whose check digits do not fit.
pub fn account(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let bare = strip_iban_label(written);
    let compact = compact_upper(bare);
    if looks_like_iban(bare, &compact) {
        return match iban_remainder(&compact) {
            1 => Ok(format!("iban:{compact}")),
            _ => Err(IssueReason::CheckDigit),
        };
    }
    let lower = written.trim().to_lowercase();
    let bare = lower
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_start_matches("www.")
        .trim_start_matches("m.");
    let (platform, handle) = match bare.split_once([':', '/']) {
        Some((platform, handle)) => (platform.trim(), handle),
        None => ("", bare),
    };
    let platform = platform.trim_end_matches(".com");
    let handle = handle.split(['?', '#']).next().unwrap_or_default();
    let handle: String = handle
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect();
    let handle = handle.trim_matches(['/', '@']);
    if text::is_placeholder(handle) || text::all_equal(handle) {
        return Err(IssueReason::Placeholder);
    }
    if handle.chars().count() < 3 {
        return Err(IssueReason::TooShort);
    }
    if handle.len() > 128 {
        return Err(IssueReason::TooLong);
    }
    Ok(format!("{}:{handle}", text::letters_and_digits(platform)))
}

/// `IBAN GB82 ...` and `iban:GB82...` without their label.
fn strip_iban_label(written: &str) -> &str {
    let trimmed = written.trim();
    match trimmed.split_at_checked(4) {
        Some((label, rest)) if label.eq_ignore_ascii_case("iban") => {
            rest.trim_start_matches([':', ' '])
        }
        _ => trimmed,
    }
}

/// Two letters, two digits, eleven more or longer, written without a platform.
fn looks_like_iban(written: &str, compact: &str) -> bool {
    let has_form = match compact.as_bytes() {
        [a, b, c, d, rest @ ..] => {
            a.is_ascii_uppercase()
                && b.is_ascii_uppercase()
                && c.is_ascii_digit()
                && d.is_ascii_digit()
                && (11..=30).contains(&rest.len())
                && rest.iter().filter(|b| b.is_ascii_digit()).count() >= 8
        }
        _ => false,
    };
    has_form && !written.contains([':', '/', '@', '_'])
}

/// ISO 7064 modulo 97-10 of the rearranged number: 1 when it is right.
fn iban_remainder(compact: &str) -> u32 {
    let (head, tail) = compact.split_at_checked(4).unwrap_or(("", compact));
    let digits = tail.chars().chain(head.chars());
    digits.filter_map(|c| c.to_digit(36)).fold(0, |sum, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (sum * shift + value) % 97
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_numbers() {
        assert_eq!(nhs_number("943 476 5919"), Ok("9434765919".to_owned()));
        assert_eq!(nhs_number("943-476-5918"), Err(IssueReason::CheckDigit));
        assert_eq!(nhs_number("0000000000"), Err(IssueReason::Placeholder));
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
        assert_eq!(passport("B1234567"), Ok("XXX:B1234567".to_owned()));
        assert_eq!(passport("VNM B1234567"), Ok("VNM:B1234567".to_owned()));
        // The specimen of ICAO 9303 part 4.
        let line = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
        assert_eq!(passport(line), Ok("UTO:L898902C3".to_owned()));
        let wrong = line.replacen("C36", "C37", 1);
        assert_eq!(passport(&wrong), Err(IssueReason::CheckDigit));
        assert_eq!(passport("000000000"), Err(IssueReason::Placeholder));
    }

    #[test]
    fn vehicles() {
        assert_eq!(vehicle("ab12 cde"), Ok("AB12CDE".to_owned()));
        assert!(is_current_mark("AB12CDE"));
        assert!(!is_current_mark("AB01CDE") && !is_current_mark("AI12CDE"));
        assert_eq!(vehicle("B 123 XYZ"), Ok("B123XYZ".to_owned()));
        assert_eq!(vehicle("red van"), Err(IssueReason::WrongForm));
    }

    #[test]
    fn accounts() {
        let form = Ok("instagram:jo.bloggs".to_owned());
        for written in [
            "Instagram:@Jo.Bloggs",
            "https://www.instagram.com/jo.bloggs/?hl=en",
            "instagram/jo.bloggs",
        ] {
            assert_eq!(account(written), form, "{written}");
        }
        assert_eq!(account("@jo.bloggs"), Ok(":jo.bloggs".to_owned()));
        let iban = Ok("iban:GB82WEST12345698765432".to_owned());
        assert_eq!(account("GB82 WEST 1234 5698 7654 32"), iban);
        assert_eq!(account("IBAN: GB82WEST12345698765432"), iban);
        let wrong = account("GB82 WEST 1234 5698 7654 33");
        assert_eq!(wrong, Err(IssueReason::CheckDigit));
        assert_eq!(account("snapchat:unknown"), Err(IssueReason::Placeholder));
    }
}
