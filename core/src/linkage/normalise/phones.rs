//! Telephone numbers to E.164, read as British when no country is written.

use phonenumber::{Mode, country, parse as parse_number};

use super::text;
use crate::linkage::record::IssueReason;

/// A number in its tokenised form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phone {
    /// `+` and digits; digits alone when the numbering plan is not known.
    pub value: String,
    /// The number has not the British length and fits no numbering plan that is known here: its
    /// digits are used as written.
    pub foreign: bool,
}

/// Fewer digits than this are extensions and short codes.
const MIN_DIGITS: usize = 7;
/// E.164 allows 15; an international prefix and a bracketed zero may come on top.
const MAX_DIGITS: usize = 20;

/// Numbers typed to get past a form.
const MADE_UP: &[&str] = &[
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "12345678900",
    "7123456789",
    "7000000000",
    "7777777777",
    "9876543210",
];

/// Reads a telephone number.
///
/// # Errors
/// Placeholders, and what has too few or too many digits to be a number.
pub fn parse(written: &str) -> Result<Phone, IssueReason> {
    text::admit(written)?;
    // `+44 (0)20 ...`: the zero is only dialled at home.
    let mut folded = text::ascii(written);
    if folded.contains("(0)") {
        folded = folded.replace("(0)", "").into();
    }
    let digits: String = folded.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < MIN_DIGITS || digits.len() > MAX_DIGITS {
        return Err(IssueReason::WrongForm);
    }
    let subscriber = digits.trim_start_matches("0044").trim_start_matches('0');
    let subscriber = match subscriber.strip_prefix("44") {
        Some(rest) if rest.len() >= MIN_DIGITS + 2 => rest.trim_start_matches('0'),
        _ => subscriber,
    };
    if subscriber.is_empty() || text::all_equal(subscriber) || MADE_UP.contains(&subscriber) {
        return Err(IssueReason::Placeholder);
    }
    let is_international = folded.trim_start().starts_with('+') || digits.starts_with("00");
    let bare = digits.trim_start_matches('0');
    if bare.len() < MIN_DIGITS {
        return Err(IssueReason::WrongForm);
    }
    if let Some(value) = british(&digits, bare, is_international) {
        return Ok(Phone {
            value,
            foreign: false,
        });
    }
    let international = format!("+{bare}");
    if is_international {
        return Ok(with_plan(&international).unwrap_or(Phone {
            value: international,
            foreign: true,
        }));
    }
    // Spreadsheets drop the leading zero, or the plus.
    let found = with_plan(&digits).or_else(|| with_plan(&international));
    Ok(found.unwrap_or_else(|| home_or_unknown(&digits, bare)))
}

/// A British number of the usual length, which the numbering plan would not change: most numbers,
/// and the plan is slow to ask.
fn british(digits: &str, bare: &str, is_international: bool) -> Option<String> {
    const NATIONAL_LEN: usize = 10;
    let national = match bare.strip_prefix("44") {
        Some(national) if is_international => national,
        None | Some(_) if !is_international && digits.len() == NATIONAL_LEN + 1 => bare,
        _ => return None,
    };
    (national.len() == NATIONAL_LEN && !national.starts_with('0')).then(|| format!("+44{national}"))
}

/// The number, when it fits a numbering plan.
fn with_plan(dialled: &str) -> Option<Phone> {
    let number = parse_number(Some(country::GB), dialled).ok()?;
    number.is_valid().then(|| Phone {
        value: number.format().mode(Mode::E164).to_string(),
        foreign: false,
    })
}

/// A national number of the British length keeps its country, even in a range that is not given
/// out, so that both ways of dialling it stay one; the digits of any other are kept as they are.
fn home_or_unknown(digits: &str, bare: &str) -> Phone {
    let is_home = digits.starts_with('0') && (9..=10).contains(&bare.len());
    let value = if is_home {
        format!("+44{bare}")
    } else {
        bare.to_owned()
    };
    Phone {
        value,
        foreign: !is_home,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(written: &str) -> String {
        parse(written).unwrap().value
    }

    #[test]
    fn one_number_many_spellings() {
        for written in [
            "07912 345678",
            "+44 7912 345678",
            "0044 7912345678",
            "+44 (0)7912-345-678",
            "(07912) 345678",
        ] {
            assert_eq!(value(written), "+447912345678", "{written}");
        }
        for written in ["447912345678", "7912345678"] {
            assert_eq!(value(written), "+447912345678", "{written}");
        }
        assert_eq!(value("84912345678"), value("+84 91 234 56 78"));
        for written in ["+44 7700 900123", "+44 113 000 0001"] {
            let home = written.replace("+44 ", "0");
            assert_eq!(value(written), value(&home), "{written}");
        }
        assert_eq!(value("+84 91 234 56 78"), "+84912345678");
        assert_eq!(value("0040 721 234 567"), "+40721234567");
        assert_ne!(value("07912 345678"), value("07912 345679"));
    }

    proptest::proptest! {
        #[test]
        fn the_plan_would_not_change_a_british_number(national in "[1-9][0-9]{9}") {
            for dialled in [format!("0{national}"), format!("+44{national}")] {
                if let Some(planned) = with_plan(&dialled) {
                    proptest::prop_assert_eq!(planned.value, format!("+44{}", national));
                }
            }
        }
    }

    #[test]
    fn a_number_of_no_known_plan_is_kept() {
        let phone = parse("5551234").unwrap();
        assert!(phone.foreign);
        assert_eq!(phone.value, "5551234");
    }

    #[test]
    fn made_up_numbers_are_refused() {
        for written in ["00000000000", "07777777777", "01234567890", "unknown"] {
            assert!(parse(written).is_err(), "{written}");
        }
        assert!(matches!(parse("999"), Err(IssueReason::WrongForm)));
    }
}
