//! Postcodes: British ones without their space, others as letters and digits.

use super::text;
use crate::linkage::record::IssueReason;

/// A postcode in its tokenised form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Postcode {
    pub value: String,
    /// Not of the British form; used as written.
    pub foreign: bool,
}

/// Codes that stand for "no fixed abode" or "not known" in British systems; every `ZZ99` is one of
/// the pseudo postcodes of the National Health Service.
const NO_ABODE: &[&str] = &["NF11NF", "NF11FA", "XX11XX", "AA11AA"];

/// Reads a postcode.
///
/// # Errors
/// Placeholders, and what is too short or too long to be one.
pub fn parse(written: &str) -> Result<Postcode, IssueReason> {
    text::admit(written)?;
    let value = text::compact_upper(written);
    if NO_ABODE.contains(&value.as_str()) || value.starts_with("ZZ99") || text::all_equal(&value) {
        return Err(IssueReason::Placeholder);
    }
    if !(3..=10).contains(&value.len()) {
        return Err(IssueReason::WrongForm);
    }
    if !value.bytes().any(|b| b.is_ascii_digit()) {
        return Err(IssueReason::WrongForm);
    }
    let foreign = !is_british(&value);
    Ok(Postcode { value, foreign })
}

/// Area of one or two letters, district, then a digit and two letters (BS 7666).
fn is_british(value: &str) -> bool {
    let Some(split) = value.len().checked_sub(3) else {
        return false;
    };
    let (Some(outward), Some(inward)) = (value.get(..split), value.get(split..)) else {
        return false;
    };
    let area = outward.bytes().take_while(u8::is_ascii_alphabetic).count();
    let district = outward.as_bytes().get(area..).unwrap_or_default();
    let district_fits = match district {
        [first] => first.is_ascii_digit(),
        [first, second] => first.is_ascii_digit() && second.is_ascii_alphanumeric(),
        _ => false,
    };
    let inward_fits = match inward.as_bytes() {
        [digit, a, b] => {
            let unit = |c: &u8| c.is_ascii_uppercase() && !b"CIKMOV".contains(c);
            digit.is_ascii_digit() && unit(a) && unit(b)
        }
        _ => false,
    };
    (1..=2).contains(&area) && district_fits && inward_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        for written in ["sw1a 1aa", "SW1A1AA", " SW1A-1AA "] {
            let code = parse(written).unwrap();
            assert_eq!((code.value.as_str(), code.foreign), ("SW1A1AA", false));
        }
        for british in ["M1 1AE", "CR2 6XH", "DN55 1PT", "W1A 0AX"] {
            assert!(!parse(british).unwrap().foreign, "{british}");
        }
        for foreign in ["4810", "75008", "1234 AB", "D-10115"] {
            assert!(parse(foreign).unwrap().foreign, "{foreign}");
        }
    }

    #[test]
    fn no_abode_is_no_postcode() {
        for written in ["NF1 1NF", "nf1 1fa", "ZZ99 3VZ", "0000", "n/a"] {
            assert!(
                matches!(parse(written), Err(IssueReason::Placeholder)),
                "{written}"
            );
        }
        assert!(matches!(parse("SW"), Err(IssueReason::WrongForm)));
    }
}
