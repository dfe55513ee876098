//! Letters of every script to plain lower-case ASCII, and the words that mean "nothing is known".

use std::borrow::Cow;

use any_ascii::any_ascii_char;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::linkage::record::IssueReason;

/// Lower-case ASCII. NFKD takes accents off, and the letters that do not decompose (Vietnamese
/// d with stroke, Turkish dotless i, other scripts) are transliterated.
///
/// Romanian comma-below and cedilla letters, Albanian ë and ç and the Vietnamese tones all fall
/// on their base letter.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)) {
        if c.is_ascii() {
            folded.push(c.to_ascii_lowercase());
        } else {
            // Typographic quotes and dashes become their plain forms too.
            folded.extend(any_ascii_char(c).chars().map(|c| c.to_ascii_lowercase()));
        }
    }
    folded
}

/// As [`fold`], but ASCII is left as it is, in either case.
#[must_use]
pub fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(fold(text))
    }
}

/// `fold`, then letters and digits alone.
#[must_use]
pub fn letters_and_digits(text: &str) -> String {
    let mut kept = ascii(text).into_owned();
    kept.retain(|c| c.is_ascii_alphanumeric());
    kept.make_ascii_lowercase();
    kept
}

/// Upper-case ASCII letters and digits: the written form of most numbers.
#[must_use]
pub fn compact_upper(text: &str) -> String {
    let mut kept = letters_and_digits(text);
    kept.make_ascii_uppercase();
    kept
}

/// True for two or more characters that are all the same, as in `000000` or `xxxx`.
#[must_use]
pub fn all_equal(text: &str) -> bool {
    let mut bytes = text.bytes();
    match (bytes.next(), bytes.next()) {
        (Some(first), Some(second)) => first == second && bytes.all(|b| b == first),
        _ => false,
    }
}

/// True for six digits or more in a row, up or down, as in `123456` or `9876543210`: typed to get
/// past a form.
#[must_use]
pub fn is_run(text: &str) -> bool {
    const SHORTEST: usize = 6;
    let bytes = text.as_bytes();
    if bytes.len() < SHORTEST || !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let step = |by: u8| {
        let pairs = bytes.iter().zip(bytes.iter().skip(1));
        pairs
            .into_iter()
            .all(|(a, b)| (a - b'0' + by) % 10 == b - b'0')
    };
    step(1) || step(9)
}

/// Words that stand where a value is not known, in the form of [`letters_and_digits`], sorted.
const NOTHING_KNOWN: &[&str] = &[
    "anon",
    "anonymous",
    "asabove",
    "blank",
    "declined",
    "dk",
    "dontknow",
    "empty",
    "na",
    "nfa",
    "nil",
    "nk",
    "nofixedabode",
    "nofixedaddress",
    "none",
    "nonegiven",
    "notapplicable",
    "notavailable",
    "notgiven",
    "notknown",
    "notprovided",
    "notrecorded",
    "notspecified",
    "notstated",
    "ns",
    "null",
    "redacted",
    "refused",
    "removed",
    "tba",
    "tbc",
    "unavailable",
    "unk",
    "unknown",
    "unknwon",
    "unspecified",
    "withheld",
];

/// True when the text says that nothing is known.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    match ShortWord::of(&ascii(text)) {
        Some(word) => word.as_bytes().is_empty() || word.is_in(NOTHING_KNOWN),
        None => false,
    }
}

/// The [`letters_and_digits`] of ASCII text, when they are as few as a listed word has: asked of
/// every value several times, so without memory of its own.
pub(super) struct ShortWord {
    letters: [u8; LONGEST_LISTED],
    length: usize,
}

/// No list of words that is asked through [`ShortWord`] holds a longer one.
pub(super) const LONGEST_LISTED: usize = 16;

impl ShortWord {
    pub fn of(ascii: &str) -> Option<Self> {
        let mut word = Self {
            letters: [0; LONGEST_LISTED],
            length: 0,
        };
        for byte in ascii.bytes().filter(u8::is_ascii_alphanumeric) {
            *word.letters.get_mut(word.length)? = byte.to_ascii_lowercase();
            word.length += 1;
        }
        Some(word)
    }

    fn as_bytes(&self) -> &[u8] {
        self.letters.get(..self.length).unwrap_or_default()
    }

    /// Whether a sorted list holds the word.
    pub fn is_in(&self, list: &[&str]) -> bool {
        let word = self.as_bytes();
        list.binary_search_by(|listed| listed.as_bytes().cmp(word))
            .is_ok()
    }
}

/// Longer than any real cell; keeps one row from costing much.
const MAX_VALUE_LEN: usize = 1024;

/// Whether a normaliser should look at a value at all. Each asks this first.
///
/// # Errors
/// What says that nothing is known, and what is longer than any real value.
pub fn admit(text: &str) -> Result<(), IssueReason> {
    if text.len() > MAX_VALUE_LEN {
        return Err(IssueReason::TooLong);
    }
    if is_placeholder(text) {
        return Err(IssueReason::Placeholder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_do_not_decompose_are_folded() {
        for (written, folded) in [
            ("Đặng", "dang"),
            ("Șerban", "serban"),
            ("Şerban", "serban"),
            ("Ţepeş", "tepes"),
            ("Çelë", "cele"),
            ("Işık", "isik"),
            ("İnce", "ince"),
            ("Łukasz", "lukasz"),
            ("Straße", "strasse"),
            ("O’Brien", "o'brien"),
        ] {
            assert_eq!(fold(written), folded, "{written}");
        }
    }

    #[test]
    fn placeholders() {
        for word in ["Unknown", "n/a", "N.A.", "-", "?", "not known", "TBC"] {
            assert!(is_placeholder(word), "{word}");
        }
        assert!(!is_placeholder("Nash"));
        assert!(NOTHING_KNOWN.is_sorted());
        assert!(NOTHING_KNOWN.iter().all(|w| w.len() <= LONGEST_LISTED));
        assert!(is_placeholder(" No Fixed Address. ") && !is_placeholder("no fixed address known"));
        assert!(is_run("1234567890") && is_run("987654") && !is_run("12345") && !is_run("123457"));
        assert!(all_equal("0000") && !all_equal("0001") && !all_equal("0"));
    }
}
