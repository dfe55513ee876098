//! E-mail addresses: lower case, domains as they are looked up (IDNA), no provider's own tricks.

use unicode_normalization::UnicodeNormalization;

use super::text::{self, ShortWord};
use crate::linkage::record::IssueReason;

/// An address in its tokenised form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Email {
    pub local: String,
    pub domain: String,
}

impl Email {
    /// The whole address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// Whether anybody can have an address there, so that the domain tells nothing.
    #[must_use]
    pub fn is_public_provider(&self) -> bool {
        let name = self.domain.split('.').next().unwrap_or_default();
        PUBLIC_PROVIDERS.binary_search(&name).is_ok()
    }
}

/// Sorted.
const PUBLIC_PROVIDERS: &[&str] = &[
    "abv",
    "aol",
    "bigpond",
    "blueyonder",
    "btinternet",
    "btopenworld",
    "comcast",
    "email",
    "fastmail",
    "free",
    "gmail",
    "gmx",
    "googlemail",
    "hotmail",
    "icloud",
    "inbox",
    "libero",
    "live",
    "mac",
    "mail",
    "me",
    "msn",
    "naver",
    "ntlworld",
    "orange",
    "outlook",
    "pm",
    "proton",
    "protonmail",
    "qq",
    "rediffmail",
    "rocketmail",
    "seznam",
    "sky",
    "talktalk",
    "tiscali",
    "tutanota",
    "ukr",
    "virgin",
    "virginmedia",
    "web",
    "wp",
    "yahoo",
    "yandex",
    "ymail",
    "zoho",
];

/// Local parts typed to get past a form, or shared by an office; sorted.
const NOBODY: &[&str] = &[
    "admin",
    "contact",
    "donotreply",
    "enquiries",
    "info",
    "na",
    "nil",
    "noemail",
    "nomail",
    "none",
    "noreply",
    "notknown",
    "office",
    "reception",
    "test",
    "unknown",
    "webmaster",
];

/// Reads an e-mail address.
///
/// # Errors
/// Placeholders, and what has not the form `local@domain`.
pub fn parse(written: &str) -> Result<Email, IssueReason> {
    text::admit(written)?;
    let written = written.trim();
    let written = written.strip_prefix("mailto:").unwrap_or(written);
    let lower = if written.is_ascii() {
        written.to_ascii_lowercase()
    } else {
        let plain: String = written.nfkc().collect();
        plain.to_lowercase().nfkc().collect()
    };
    let (local, domain) = lower.split_once('@').ok_or(IssueReason::WrongForm)?;
    let broken = |part: &str| {
        part.is_empty()
            || part.len() > 254
            || part.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control())
    };
    let domain = ascii_domain(domain.trim_end_matches('.')).ok_or(IssueReason::WrongForm)?;
    let domain = domain.as_str();
    if broken(local) || broken(domain) || domain.len() < 3 {
        return Err(IssueReason::WrongForm);
    }
    let is_nobody = ShortWord::of(&text::ascii(local)).is_some_and(|word| word.is_in(NOBODY));
    if is_nobody || text::all_equal(local) {
        return Err(IssueReason::Placeholder);
    }
    Ok(Email {
        local: local.to_owned(),
        domain: domain.to_owned(),
    })
}

/// The domain in ASCII: labels of other letters in Punycode, as the Domain Name System has them.
fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return Some(domain.to_owned());
    }
    let labels: Option<Vec<String>> = domain.split(['.', '。']).map(ascii_label).collect();
    Some(labels?.join("."))
}

fn ascii_label(label: &str) -> Option<String> {
    if label.is_ascii() {
        return Some(label.to_owned());
    }
    Some(format!("xn--{}", punycode(label)?))
}

/// Punycode of one label (RFC 3492, section 6.3). `None` when it is too long to be one.
fn punycode(label: &str) -> Option<String> {
    const LONGEST: usize = 63;
    let mut encoded: String = label.chars().filter(char::is_ascii).collect();
    let length = u32::try_from(label.chars().count()).ok()?;
    let basic = u32::try_from(encoded.len()).ok()?;
    let (mut n, mut delta, mut bias, mut handled) = (128u32, 0u32, 72u32, basic);
    if basic > 0 {
        encoded.push('-');
    }
    while handled < length {
        let next = label.chars().map(u32::from).filter(|c| *c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta = delta.checked_add(1)?;
            }
            if c == n {
                push_variable_length(&mut encoded, delta, bias)?;
                bias = adapted(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    (encoded.len() <= LONGEST).then_some(encoded)
}

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;

/// "Let q = delta; for k = base to infinity in steps of base ..."
fn push_variable_length(encoded: &mut String, delta: u32, bias: u32) -> Option<()> {
    // "a" to "z" are 0 to 25, "0" to "9" are 26 to 35.
    let digit = |value: u32| match value {
        0..=25 => char::from_digit(value + 10, BASE),
        _ => char::from_digit(value.checked_sub(26)?, BASE),
    };
    let mut q = delta;
    let mut k = BASE;
    loop {
        let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if q < t {
            encoded.push(digit(q)?);
            return Some(());
        }
        encoded.push(digit(t + (q - t) % (BASE - t))?);
        q = (q - t) / (BASE - t);
        k += BASE;
    }
}

/// "Bias adaptation function", section 6.1.
fn adapted(delta: u32, handled: u32, is_first: bool) -> u32 {
    const SKEW: u32 = 38;
    const DAMP: u32 = 700;
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / handled;
    let mut k = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let email = parse(" Jane.Doe+x@Gmail.COM. ").unwrap();
        assert_eq!(email.address(), "jane.doe+x@gmail.com");
        assert!(email.is_public_provider());
        assert!(!parse("a.b@smith-hill.org").unwrap().is_public_provider());
        // The example of RFC 3492, and one of the Unicode consortium.
        for (unicode, ascii) in [
            ("a@bücher.example", "a@xn--bcher-kva.example"),
            ("a@München.DE", "a@xn--mnchen-3ya.de"),
            ("a@例え.jp", "a@xn--r8jz45g.jp"),
        ] {
            assert_eq!(parse(unicode).unwrap().address(), ascii);
            assert_eq!(parse(ascii).unwrap().address(), ascii);
        }
        for written in ["jane", "jane@", "@x.org", "a b@x.org", "a@b@c.org"] {
            assert!(
                matches!(parse(written), Err(IssueReason::WrongForm)),
                "{written}"
            );
        }
        for written in ["n/a", "unknown@x.org", "no-reply@x.org", "info@x.org"] {
            assert!(
                matches!(parse(written), Err(IssueReason::Placeholder)),
                "{written}"
            );
        }
    }
}
