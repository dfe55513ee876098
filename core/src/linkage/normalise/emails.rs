//! E-mail addresses: lower case, no provider's own tricks.

use unicode_normalization::UnicodeNormalization;

use super::text;
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
        PUBLIC_PROVIDERS.contains(&name)
    }
}

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

/// Local parts typed to get past a form, or shared by an office.
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
    let plain: String = written.nfkc().collect();
    let lower: String = plain.to_lowercase().nfkc().collect();
    let (local, domain) = lower.split_once('@').ok_or(IssueReason::WrongForm)?;
    let broken = |part: &str| {
        part.is_empty()
            || part.len() > 254
            || part.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control())
    };
    let domain = domain.trim_end_matches('.');
    if broken(local) || broken(domain) || domain.len() < 3 {
        return Err(IssueReason::WrongForm);
    }
    if NOBODY.contains(&text::letters_and_digits(local).as_str()) || text::all_equal(local) {
        return Err(IssueReason::Placeholder);
    }
    Ok(Email {
        local: local.to_owned(),
        domain: domain.to_owned(),
    })
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
