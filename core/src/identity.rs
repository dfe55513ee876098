//! Who is who: names and kinds of agencies, their public keys, and the URI in certificates.
//!
//! A name is a lower-case slug, so that it can stand in a URI, a file name and a table without
//! escaping, and cannot be mistaken for another by case or look-alike letters.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{self, VerifyingKey};
use crate::encoding::{self, Digest};

/// Longest name of an agency, an administrator or a consortium, in bytes.
pub const MAX_NAME_BYTES: usize = 48;

/// A text that is not a name.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error(
    "not a name: use 1 to {MAX_NAME_BYTES} lower-case letters, digits and hyphens, starting with a letter"
)]
pub struct NameError;

/// A name: lower-case letters, digits and inner hyphens.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The name of a member agency.
pub type AgencyName = Name;

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=MAX_NAME_BYTES).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(inner);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError)
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Kinds of organisation, after the Human Trafficking Case Data Standard 2.0 (`org_Type`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgencyKind {
    /// Charities, refuges, helplines.
    Ngo,
    /// Police forces and other law enforcement.
    LawEnforcement,
    /// Hospitals and clinics.
    HealthService,
    /// Central government departments.
    CentralGovernment,
    /// Councils, children's services among them.
    LocalGovernment,
    /// Immigration enforcement: needs every other member's explicit word.
    ImmigrationService,
    /// Law centres, solicitors.
    LegalService,
    /// Companies.
    Corporate,
    /// Schools and colleges.
    SchoolOrCollege,
}

impl AgencyKind {
    /// Every kind with the word for it on the command line.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Ngo, "ngo"),
        (Self::LawEnforcement, "law-enforcement"),
        (Self::HealthService, "health-service"),
        (Self::CentralGovernment, "central-government"),
        (Self::LocalGovernment, "local-government"),
        (Self::ImmigrationService, "immigration-service"),
        (Self::LegalService, "legal-service"),
        (Self::Corporate, "corporate"),
        (Self::SchoolOrCollege, "school-or-college"),
    ];
}

impl std::fmt::Display for AgencyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = Self::ALL.iter().find(|(kind, _)| kind == self);
        f.write_str(word.map_or("", |(_, word)| word))
    }
}

impl std::str::FromStr for AgencyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text);
        found.map(|(kind, _)| *kind).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(_, word)| *word).collect();
            format!("not a kind of agency; one of: {}", words.join(", "))
        })
    }
}

/// A public HPKE key (X-Wing, 1216 bytes), kept as bytes so that the hub need not know the scheme.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionKey(#[serde(with = "encoding::base64")] pub Vec<u8>);

impl EncryptionKey {
    /// Bytes of an X-Wing public key (draft-connolly-cfrg-xwing-kem, section 5).
    pub const BYTES: usize = 1216;

    /// A digest that people can compare.
    pub fn fingerprint(&self) -> Digest {
        crypto::digest("symbolon encryption key v1", &[&self.0])
    }
}

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptionKey({})", self.fingerprint().short())
    }
}

/// The keys by which the roster knows an agency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgencyKeys {
    /// Signs requests, envelopes and acceptances.
    pub signing: VerifyingKey,
    /// Receives agreement keys and envelopes.
    pub encryption: EncryptionKey,
}

/// Whom a TLS certificate speaks for: the one SAN URI in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `symbolon://CONSORTIUM/AGENCY`
    Agency(Name, AgencyName),
    /// `symbolon://CONSORTIUM/admin/NAME`
    Administrator(Name, Name),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agency(consortium, agency) => write!(f, "symbolon://{consortium}/{agency}"),
            Self::Administrator(consortium, name) => {
                write!(f, "symbolon://{consortium}/admin/{name}")
            }
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = NameError;

    fn from_str(uri: &str) -> Result<Self, NameError> {
        let rest = uri.strip_prefix("symbolon://").ok_or(NameError)?;
        let segments: Vec<&str> = rest.split('/').collect();
        match segments.as_slice() {
            [consortium, agency] => Ok(Self::Agency(consortium.parse()?, agency.parse()?)),
            [consortium, "admin", name] => {
                Ok(Self::Administrator(consortium.parse()?, name.parse()?))
            }
            _ => Err(NameError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_slugs() {
        for good in ["a", "northshire-police", "unit-7"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for bad in ["", "-a", "a-", "7a", "A", "a/b", "a.b", "á", "a b", &long] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_subject_survives_its_uri() {
        for uri in [
            "symbolon://north/harbour-refuge",
            "symbolon://north/admin/ada",
        ] {
            assert_eq!(uri.parse::<Subject>().unwrap().to_string(), uri);
        }
        for bad in [
            "symbolon://north",
            "http://north/x",
            "symbolon://north/x/y",
            "symbolon://north/x/",
        ] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }
}
