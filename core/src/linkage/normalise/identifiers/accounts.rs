//! Accounts: a handle on a platform, or a bank account by its IBAN (ISO 13616).

use super::super::text::{self, compact_upper};
use crate::linkage::record::IssueReason;

/// Platforms by the short names that people write.
const PLATFORMS: &[(&str, &str)] = &[
    ("facebookmessenger", "facebook"),
    ("fb", "facebook"),
    ("ig", "instagram"),
    ("insta", "instagram"),
    ("messenger", "facebook"),
    ("sc", "snapchat"),
    ("snap", "snapchat"),
    ("tg", "telegram"),
    ("tme", "telegram"),
    ("tt", "tiktok"),
    ("vkontakte", "vk"),
    ("wa", "whatsapp"),
    ("x", "twitter"),
    ("xcom", "twitter"),
    ("youtu", "youtube"),
    ("yt", "youtube"),
];

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
    Ok(format!("{}:{handle}", platform_name(platform)))
}

/// The platform's usual name.
fn platform_name(written: &str) -> String {
    let name = text::letters_and_digits(written);
    let known = PLATFORMS.binary_search_by(|(short, _)| (*short).cmp(name.as_str()));
    match known.ok().and_then(|index| PLATFORMS.get(index)) {
        Some((_, usual)) => (*usual).to_owned(),
        None => name,
    }
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
    fn accounts() {
        let form = Ok("instagram:jo.bloggs".to_owned());
        for written in [
            "Instagram:@Jo.Bloggs",
            "https://www.instagram.com/jo.bloggs/?hl=en",
            "instagram/jo.bloggs",
            "Insta:@jo.bloggs",
            "IG: jo.bloggs",
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

    #[test]
    fn short_names_of_platforms_are_sorted_and_stay() {
        assert!(PLATFORMS.is_sorted());
        for (_, usual) in PLATFORMS {
            assert_eq!(platform_name(usual), *usual);
        }
    }
}
