//! What a record is linked with beyond its own columns: POLE, persons, objects, locations and events,
//! and organisations.
//!
//! Telephones, vehicles, addresses and accounts are columns of the record and need no link. A link
//! names another record of this agency by its id, or somebody or something by a few words. It never
//! leaves the node as a token; networks are drawn from it.

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use thiserror::Error;

use crate::day::Day;
use crate::text::Text;

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// A person: an associate, a sibling, a twin, a parent, a trafficker.
    Person,
    /// A thing: a vehicle that has no mark, a document, a weapon.
    Object,
    /// A place.
    Location,
    /// Something that happened.
    Event,
    /// An organisation.
    Organisation,
}

impl LinkKind {
    /// Every kind with its word.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Person, "person"),
        (Self::Object, "object"),
        (Self::Location, "location"),
        (Self::Event, "event"),
        (Self::Organisation, "organisation"),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(kind, _)| *kind == self)
            .map_or("", |(_, word)| word)
    }
}

/// No such kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is no kind of link; kinds are person, object, location, event and organisation")]
pub struct UnknownKind;

impl std::str::FromStr for LinkKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, known)| known.eq_ignore_ascii_case(word.trim()));
        found.map(|(kind, _)| *kind).ok_or(UnknownKind)
    }
}

/// The other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkEnd {
    /// Another record of this agency.
    Record(String),
    /// In words.
    Words(Text),
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Names it within its record.
    pub number: u32,
    /// What is at the other end.
    pub kind: LinkKind,
    /// What the other end is to the person: `twin`, `trafficker`, `employer`.
    pub role: Text,
    /// The other end.
    pub to: LinkEnd,
    /// Since when.
    pub from: Option<Day>,
    /// Until when.
    pub until: Option<Day>,
    /// Who or what says so.
    pub source: Option<Text>,
    /// When it was written down, Unix seconds.
    pub noted_at: i64,
    /// By which account.
    pub noted_by: Name,
}

/// Why a link cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum LinkError {
    #[error("a record is not linked with itself; name another one")]
    Itself,
    #[error("only a person is another record; say --kind person, or --to WORDS")]
    NotAPerson,
    #[error("it would end before it begins; change --from or --until")]
    EndsFirst,
    #[error("a record has at most {MAX_LINKS} links; unlink what is no longer needed")]
    TooMany,
    #[error("the same link is there already, as number {0}")]
    There(u32),
}

/// Links of a record: what one person can look through.
pub const MAX_LINKS: usize = 500;

/// Adds a link to those of a record, with the next number; gives that number.
///
/// # Errors
/// See [`LinkError`].
pub fn add(links: &mut Vec<Link>, mut link: Link, record_id: &str) -> Result<u32, LinkError> {
    if let LinkEnd::Record(other) = &link.to {
        if other == record_id {
            return Err(LinkError::Itself);
        }
        if link.kind != LinkKind::Person {
            return Err(LinkError::NotAPerson);
        }
    }
    if let (Some(from), Some(until)) = (link.from, link.until)
        && until < from
    {
        return Err(LinkError::EndsFirst);
    }
    if links.len() >= MAX_LINKS {
        return Err(LinkError::TooMany);
    }
    let same = |known: &&Link| {
        (known.kind, &known.role, &known.to) == (link.kind, &link.role, &link.to)
            && (known.from, known.until) == (link.from, link.until)
    };
    if let Some(known) = links.iter().find(same) {
        return Err(LinkError::There(known.number));
    }
    let highest = links.iter().map(|known| known.number).max();

    link.number = highest.unwrap_or(0).saturating_add(1);
    let number = link.number;
    links.push(link);
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(role: &str, to: LinkEnd) -> Link {
        Link {
            number: 0,
            kind: LinkKind::Person,
            role: role.parse().unwrap(),
            to,
            from: None,
            until: None,
            source: None,
            noted_at: 1,
            noted_by: "ana".parse().unwrap(),
        }
    }

    #[test]
    fn links_are_numbered_and_what_cannot_be_is_refused() {
        let record = |id: &str| LinkEnd::Record(id.to_owned());
        let mut links = Vec::new();
        assert_eq!(add(&mut links, link("twin", record("R-2")), "R-1"), Ok(1));
        assert_eq!(add(&mut links, link("parent", record("R-3")), "R-1"), Ok(2));
        let again = add(&mut links, link("twin", record("R-2")), "R-1");
        assert_eq!(again, Err(LinkError::There(1)));
        let itself = add(&mut links, link("twin", record("R-1")), "R-1");
        assert_eq!(itself, Err(LinkError::Itself));
        let place = Link {
            kind: LinkKind::Location,
            ..link("seen at", record("R-4"))
        };
        assert_eq!(add(&mut links, place, "R-1"), Err(LinkError::NotAPerson));
        let backwards = Link {
            from: "2026-02-01".parse().ok(),
            until: "2026-01-01".parse().ok(),
            ..link("employer", LinkEnd::Words("a car wash".parse().unwrap()))
        };
        assert_eq!(
            add(&mut links, backwards.clone(), "R-1"),
            Err(LinkError::EndsFirst)
        );
        let forwards = Link {
            until: None,
            kind: LinkKind::Organisation,
            ..backwards
        };
        assert_eq!(add(&mut links, forwards, "R-1"), Ok(3));
        links.retain(|known| known.number != 2);
        let next = add(&mut links, link("parent", record("R-3")), "R-1");
        assert_eq!(next, Ok(4));
    }

    #[test]
    fn kinds_are_read_by_their_words() {
        for (kind, word) in LinkKind::ALL {
            assert_eq!(word.parse(), Ok(kind));
            assert_eq!(kind.word(), word);
        }
        assert_eq!("pet".parse::<LinkKind>(), Err(UnknownKind));
    }
}
