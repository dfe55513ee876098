//! What is written down of every act: who, what kind of act, on which record, to whom, why; no values.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_core::encoding::parts;
use symbolon_core::identity::{AgencyName, Name};
use thiserror::Error;

use crate::acting::Acting;
use crate::text::Text;

/// Kinds of act that are logged: those of section 62 of the Data Protection Act 2018, and what else an
/// inspector asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// A record came in.
    Collection,
    /// A record, its handling, or a case was changed.
    Alteration,
    /// Somebody looked or asked.
    Consultation,
    /// Something was released to another agency, or received from one.
    Disclosure,
    /// Two agencies' records were found to belong together, or not to.
    Combination,
    /// A record or what was shared of it was deleted.
    Erasure,
    /// It was decided not to share.
    NotShared,
    /// Accounts, roles, sessions.
    Access,
    /// Agreements, keys, custody.
    Administration,
}

impl AuditKind {
    /// Every kind with its word.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Collection, "collection"),
        (Self::Alteration, "alteration"),
        (Self::Consultation, "consultation"),
        (Self::Disclosure, "disclosure"),
        (Self::Combination, "combination"),
        (Self::Erasure, "erasure"),
        (Self::NotShared, "not-shared"),
        (Self::Access, "access"),
        (Self::Administration, "administration"),
    ];
}

impl fmt::Display for AuditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(kind, _)| kind == self);
        f.pad(word.map_or("", |(_, word)| word))
    }
}

/// No such kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "is no kind of act; kinds are collection, alteration, consultation, disclosure, combination, \
     erasure, not-shared, access and administration"
)]
pub struct UnknownKind;

impl FromStr for AuditKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, known)| known.eq_ignore_ascii_case(word.trim()));
        found.map(|(kind, _)| *kind).ok_or(UnknownKind)
    }
}

/// An act, as a service hands it to the log. Every word in it is of this program or was typed as purpose
/// or reason; ids are the agency's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEvent {
    /// Which account; none when the node acts by itself, as for retention.
    pub who: Option<Name>,
    /// Kind of act.
    pub kind: AuditKind,
    /// What was done, a fixed phrase, as `record edited`.
    pub what: String,
    /// The own record's id.
    pub record: Option<String>,
    /// The match's id.
    pub case: Option<String>,
    /// The other agency.
    pub agency: Option<AgencyName>,
    /// The agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Name>,
    /// The account that was changed or signed in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Name>,
    /// Names of fields that it concerned; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// For what.
    pub purpose: Option<Text>,
    /// Why.
    pub reason: Option<Text>,
}

impl AuditEvent {
    /// An act of somebody.
    #[must_use]
    pub fn by(acting: &Acting, kind: AuditKind, what: &str) -> Self {
        Self {
            who: Some(acting.who.clone()),
            purpose: acting.purpose.clone(),
            reason: acting.reason.clone(),
            ..Self::of_the_node(kind, what)
        }
    }

    /// An act of the node itself.
    #[must_use]
    pub fn of_the_node(kind: AuditKind, what: &str) -> Self {
        Self {
            who: None,
            kind,
            what: what.to_owned(),
            record: None,
            case: None,
            agency: None,
            agreement: None,
            account: None,
            fields: Vec::new(),
            purpose: None,
            reason: None,
        }
    }

    /// On this record.
    #[must_use]
    pub fn record(mut self, id: &str) -> Self {
        self.record = Some(id.to_owned());
        self
    }

    /// In this case.
    #[must_use]
    pub fn case(mut self, id: &str) -> Self {
        self.case = Some(id.to_owned());
        self
    }

    /// With this agency.
    #[must_use]
    pub fn agency(mut self, agency: &AgencyName) -> Self {
        self.agency = Some(agency.clone());
        self
    }

    /// Under this agreement.
    #[must_use]
    pub fn agreement(mut self, id: &Name) -> Self {
        self.agreement = Some(id.clone());
        self
    }

    /// On this account.
    #[must_use]
    pub fn account(mut self, name: &Name) -> Self {
        self.account = Some(name.clone());
        self
    }

    /// The bytes that are hashed into the chain: name and value of each field that is there. A field that
    /// a later version adds is absent from older events, so that their bytes stay as they are.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self {
            who,
            kind,
            what,
            record,
            case,
            agency,
            agreement,
            account,
            fields,
            purpose,
            reason,
        } = self;
        let kind = kind.to_string();
        let names: Vec<&[u8]> = fields.iter().map(String::as_bytes).collect();
        let names = (!names.is_empty()).then(|| parts(&names));
        let name = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
        let all = [
            ("who", name(who).map(String::into_bytes)),
            ("kind", Some(kind.into_bytes())),
            ("what", Some(what.clone().into_bytes())),
            ("record", record.clone().map(String::into_bytes)),
            ("case", case.clone().map(String::into_bytes)),
            ("agency", name(agency).map(String::into_bytes)),
            ("agreement", name(agreement).map(String::into_bytes)),
            ("account", name(account).map(String::into_bytes)),
            ("fields", names),
            ("purpose", text(purpose).map(String::into_bytes)),
            ("reason", text(reason).map(String::into_bytes)),
        ];
        let there = all.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some([name.as_bytes(), value.as_slice()])
        });
        parts(&there.flatten().collect::<Vec<&[u8]>>())
    }

    /// Concerning these fields.
    #[must_use]
    pub fn fields<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.fields = names.into_iter().map(str::to_owned).collect();
        self
    }
}

/// Which events are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditFilter {
    /// Not before, Unix seconds.
    pub from: Option<i64>,
    /// Before, Unix seconds.
    pub until: Option<i64>,
    /// By this account.
    pub who: Option<Name>,
    /// On this record.
    pub record: Option<String>,
    /// Of this kind.
    pub kind: Option<AuditKind>,
}

impl AuditFilter {
    /// Whether a time is in the period.
    #[must_use]
    pub fn is_in_period(&self, at: i64) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether an event is asked for, whenever it was.
    #[must_use]
    pub fn takes(&self, event: &AuditEvent) -> bool {
        let Self {
            from: _,
            until: _,
            who,
            record,
            kind,
        } = self;
        // An account's own events are those that it did and those that were done to it.
        let by = |who| event.who.as_ref() == Some(who) || event.account.as_ref() == Some(who);
        who.as_ref().is_none_or(by)
            && (record.is_none() || *record == event.record)
            && kind.is_none_or(|kind| kind == event.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> AuditEvent {
        let acting = Acting {
            who: "ana".parse().unwrap(),
            ..Acting::set_up(None, Some("telephoned".parse().unwrap())).unwrap()
        };
        AuditEvent::by(&acting, AuditKind::Consultation, "record shown").record("R-1")
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for (kind, word) in AuditKind::ALL {
            assert_eq!(word.parse(), Ok(kind));
            assert_eq!(kind.to_string(), word);
        }
        assert_eq!("gossip".parse::<AuditKind>(), Err(UnknownKind));
    }

    #[test]
    fn every_field_that_is_there_counts() {
        let bytes = event().bytes();
        let ana: Name = "ana".parse().unwrap();
        let other = [
            event().record("R-2"),
            event().case("C-1"),
            event().agency(&ana),
            event().agreement(&ana),
            event().account(&ana),
            event().fields(["phone"]),
            AuditEvent {
                who: None,
                ..event()
            },
            AuditEvent {
                reason: None,
                ..event()
            },
            AuditEvent {
                purpose: event().reason,
                ..event()
            },
            AuditEvent {
                kind: AuditKind::Erasure,
                ..event()
            },
            AuditEvent {
                what: "record".to_owned(),
                ..event()
            },
        ];
        for other in other {
            assert_ne!(other.bytes(), bytes, "{other:?}");
        }
        assert_eq!(event().bytes(), bytes);
    }

    #[test]
    fn a_filter_takes_what_it_names() {
        let event = event();
        let takes = |filter: AuditFilter| filter.takes(&event);
        assert!(takes(AuditFilter::default()));
        for (who, expected) in [("ana", true), ("ben", false)] {
            let who = Some(who.parse().unwrap());
            assert_eq!(
                takes(AuditFilter {
                    who,
                    ..Default::default()
                }),
                expected
            );
        }
        for (record, expected) in [("R-1", true), ("R-2", false)] {
            let record = Some(record.to_owned());
            assert_eq!(
                takes(AuditFilter {
                    record,
                    ..Default::default()
                }),
                expected
            );
        }
        for (kind, expected) in [(AuditKind::Consultation, true), (AuditKind::Erasure, false)] {
            let kind = Some(kind);
            assert_eq!(
                takes(AuditFilter {
                    kind,
                    ..Default::default()
                }),
                expected
            );
        }
        let period = AuditFilter {
            from: Some(10),
            until: Some(20),
            ..Default::default()
        };
        let inside: Vec<i64> = (8..22).filter(|at| period.is_in_period(*at)).collect();
        assert_eq!(inside, (10..20).collect::<Vec<_>>());
    }
}
