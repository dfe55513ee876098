//! What is kept beside a record: how it may be handled, who consented to what, when it ends.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use thiserror::Error;

use crate::link::Link;
use crate::text::Text;

/// What another agency learns of a record by a match.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Fields agreed beforehand go at once when both sides have confirmed.
    Open,
    /// The agency and whom to call. What is asked for beyond is decided by a person.
    #[default]
    Contact,
    /// Nothing: the other side gets what it gets for a miss, and this agency is told that it asked.
    Silent,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Contact => "contact",
            Self::Silent => "silent",
        })
    }
}

/// Reliability of the source, 3x5x2 (College of Policing, intelligence report).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// 1
    Reliable,
    /// 2
    Untested,
    /// 3
    NotReliable,
}

/// How the source knows, 3x5x2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Information {
    /// Known directly to the source.
    A,
    /// Known indirectly, but corroborated.
    B,
    /// Known indirectly.
    C,
    /// Not known.
    D,
    /// Suspected to be false.
    E,
}

/// Whether it may be passed on, 3x5x2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sharing {
    /// Permitted.
    P,
    /// With conditions.
    C,
}

/// A handling code such as `1AP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HandlingCode {
    /// First place.
    pub source: Source,
    /// Second place.
    pub information: Information,
    /// Third place.
    pub sharing: Sharing,
}

/// Not a handling code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "is not a handling code of the form 3x5x2: 1 reliable, 2 untested or 3 not reliable; A to E; \
     P for sharing permitted or C for conditions, as in 1AP"
)]
pub struct BadHandlingCode;

impl FromStr for HandlingCode {
    type Err = BadHandlingCode;

    fn from_str(text: &str) -> Result<Self, BadHandlingCode> {
        let [source, information, sharing] = text.trim().as_bytes() else {
            return Err(BadHandlingCode);
        };
        Ok(Self {
            source: match source {
                b'1' => Source::Reliable,
                b'2' => Source::Untested,
                b'3' => Source::NotReliable,
                _ => return Err(BadHandlingCode),
            },
            information: match information.to_ascii_uppercase() {
                b'A' => Information::A,
                b'B' => Information::B,
                b'C' => Information::C,
                b'D' => Information::D,
                b'E' => Information::E,
                _ => return Err(BadHandlingCode),
            },
            sharing: match sharing.to_ascii_uppercase() {
                b'P' => Sharing::P,
                b'C' => Sharing::C,
                _ => return Err(BadHandlingCode),
            },
        })
    }
}

impl fmt::Display for HandlingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Reliable => 1,
            Source::Untested => 2,
            Source::NotReliable => 3,
        };
        write!(f, "{source}{:?}{:?}", self.information, self.sharing)
    }
}

impl TryFrom<String> for HandlingCode {
    type Error = BadHandlingCode;

    fn try_from(text: String) -> Result<Self, BadHandlingCode> {
        text.parse()
    }
}

impl From<HandlingCode> for String {
    fn from(code: HandlingCode) -> Self {
        code.to_string()
    }
}

/// Which law a record is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// UK GDPR and Part 2 of the Data Protection Act 2018: charities, councils, hospitals.
    UkGdpr,
    /// Part 3 of the Act: law enforcement.
    LawEnforcement,
}

/// One line of the consent ledger. Lines are only added; the newest for a purpose holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// For what, a word of the agency or of an agreement.
    pub purpose: Text,
    /// Whether it was given; else it was withdrawn.
    pub given: bool,
    /// By whom: the person, a parent, an advocate.
    pub by: Text,
    /// How: in writing, by word before a witness, with an interpreter.
    pub how: Text,
    /// When, Unix seconds.
    pub at: i64,
    /// Which account wrote it down.
    pub noted_by: Name,
}

/// Why a record is kept and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// Class, as the agency's schedule names it.
    pub class: Option<Name>,
    /// When a person looks whether it is still needed, Unix seconds.
    pub review_at: Option<i64>,
    /// When it ends by itself unless held, Unix seconds.
    pub expires_at: Option<i64>,
    /// Why it must not be deleted now.
    pub legal_hold: Option<Text>,
}

/// Everything beside the record itself. The default is the closed one: contact level, no consent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dossier {
    /// What a match tells.
    pub level: Level,
    /// Handling code.
    pub handling: Option<HandlingCode>,
    /// Under which law.
    pub regime: Option<Regime>,
    /// For what it is kept.
    pub purpose: Option<Text>,
    /// On which basis.
    pub lawful_basis: Option<Text>,
    /// Whom another agency calls about it; else the agency's own contact point.
    pub contact: Option<Text>,
    /// Fields that go at once at level open.
    pub open_fields: Vec<String>,
    /// Consent, oldest first.
    pub consents: Vec<Consent>,
    /// How long.
    pub retention: Retention,
    /// What HTCDS has and the record has no column for, by HTCDS name.
    pub htcds: std::collections::BTreeMap<String, String>,
    /// Persons, objects, locations, events and organisations that it is linked with.
    pub links: Vec<Link>,
}

impl Dossier {
    /// Whether consent for a purpose stands: the newest line of that purpose says so.
    #[must_use]
    pub fn consents_to(&self, purpose: &str) -> bool {
        let lines = self.consents.iter().rev();
        let mut of_purpose =
            lines.filter(|line| line.purpose.as_str().eq_ignore_ascii_case(purpose));
        of_purpose.next().is_some_and(|line| line.given)
    }

    /// Whether consent for a purpose was taken back: there was a word on it, and the newest is no.
    #[must_use]
    pub fn withdrew_consent_to(&self, purpose: &str) -> bool {
        let mut lines = self.consents.iter();
        let spoken = lines.any(|line| line.purpose.as_str().eq_ignore_ascii_case(purpose));
        spoken && !self.consents_to(purpose)
    }

    /// Whether the record is kept because the person consented. Every basis that has the word counts,
    /// `explicit consent` too: to ask once too often is the smaller fault.
    #[must_use]
    pub fn rests_on_consent(&self) -> bool {
        let basis = self.lawful_basis.as_ref().map(Text::as_str);
        let words = basis
            .unwrap_or_default()
            .split(|c: char| !c.is_alphanumeric());
        let mut words = words.map(str::to_lowercase);
        words.any(|word| word == "consent")
    }

    /// Whether the record may be shared for any of these purposes. One that rests on consent may only
    /// if the ledger has consent for one of them and none was taken back; another basis, as for a child at risk, needs no
    /// ledger.
    #[must_use]
    pub fn may_be_shared_for(&self, purposes: &[String]) -> bool {
        !self.rests_on_consent()
            || (purposes.iter().any(|purpose| self.consents_to(purpose))
                && !purposes
                    .iter()
                    .any(|purpose| self.withdrew_consent_to(purpose)))
    }
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::UkGdpr => "uk-gdpr",
            Self::LawEnforcement => "law-enforcement",
        })
    }
}

/// A word that is none of those there are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is none of: {0}")]
pub struct UnknownWord(&'static str);

impl FromStr for Regime {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::UkGdpr, Self::LawEnforcement];
        let found = all.into_iter().find(|regime| regime.to_string() == word);
        found.ok_or(UnknownWord("uk-gdpr, law-enforcement"))
    }
}

impl FromStr for Level {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Open, Self::Contact, Self::Silent];
        let found = all.into_iter().find(|level| level.to_string() == word);
        found.ok_or(UnknownWord("open, contact, silent"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handling_codes_are_read_and_written() {
        for code in ["1AP", "2CC", "3EP"] {
            assert_eq!(code.parse::<HandlingCode>().unwrap().to_string(), code);
        }
        assert_eq!("2bp".parse::<HandlingCode>().unwrap().to_string(), "2BP");
        for bad in ["", "1A", "4AP", "1FP", "1AX", "1AP ?"] {
            assert_eq!(bad.parse::<HandlingCode>(), Err(BadHandlingCode), "{bad}");
        }
    }

    #[test]
    fn the_newest_word_on_a_purpose_holds() {
        let line = |purpose: &str, given, at| Consent {
            purpose: purpose.parse().unwrap(),
            given,
            by: "herself".parse().unwrap(),
            how: "in writing".parse().unwrap(),
            at,
            noted_by: "ana".parse().unwrap(),
        };
        let mut dossier = Dossier::default();
        assert!(
            !dossier.consents_to("housing"),
            "nothing is allowed by default"
        );
        dossier.consents.push(line("Housing", true, 1));
        dossier.consents.push(line("research", false, 2));
        assert!(dossier.consents_to("housing"));
        assert!(!dossier.consents_to("research"));
        assert!(!dossier.withdrew_consent_to("housing"));
        assert!(
            !dossier.withdrew_consent_to("legal advice"),
            "no word is no withdrawal"
        );
        dossier.consents.push(line("housing", false, 3));
        assert!(!dossier.consents_to("housing"));
        assert!(dossier.withdrew_consent_to("housing"));
    }

    #[test]
    fn only_what_rests_on_consent_needs_the_ledger() {
        let purposes = ["safeguarding".to_owned(), "housing".to_owned()];
        let mut dossier = Dossier::default();
        assert!(dossier.may_be_shared_for(&purposes));
        for (basis, rests) in [
            ("consent", true),
            ("Explicit consent, Article 9(2)(a)", true),
            ("vital interests", false),
            ("public task", false),
        ] {
            dossier.lawful_basis = basis.parse().ok();
            assert_eq!(dossier.rests_on_consent(), rests, "{basis}");
            assert_eq!(dossier.may_be_shared_for(&purposes), !rests, "{basis}");
        }
        dossier.lawful_basis = "consent".parse().ok();
        dossier.consents.push(Consent {
            purpose: "housing".parse().unwrap(),
            given: true,
            by: "herself".parse().unwrap(),
            how: "in writing".parse().unwrap(),
            at: 1,
            noted_by: "ana".parse().unwrap(),
        });
        assert!(
            dossier.may_be_shared_for(&purposes),
            "one purpose is enough"
        );
        assert!(!dossier.may_be_shared_for(&purposes[..1]));
    }

    #[test]
    fn words_of_regimes_and_levels_are_read() {
        for word in ["uk-gdpr", "law-enforcement"] {
            assert_eq!(word.parse::<Regime>().unwrap().to_string(), word);
        }
        for word in ["open", "contact", "silent"] {
            assert_eq!(word.parse::<Level>().unwrap().to_string(), word);
        }
        assert!("secret".parse::<Level>().is_err());
    }
}
