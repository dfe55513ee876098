//! All versions and epochs of one agreement in their order, and which of them are served.

use super::{AgreementError, Document, Epoch, Papers, Standing};
use crate::identity::AgencyName;
use crate::roster::Roster;
use crate::row::AgreementEpoch;

/// One agreement over time.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Line {
    /// Versions that came into force, each replacing the one before.
    pub versions: Vec<Standing>,
    /// The version that waits for acceptances.
    pub open: Option<Standing>,
    /// Versions that never come into force: somebody declined, or a member of theirs had left.
    pub dead: Vec<Standing>,
}

impl Line {
    /// Verifies everything that was signed about an agreement; the papers come in any order.
    pub fn verify(papers: &[Papers], roster: &Roster) -> Result<Self, AgreementError> {
        let standings = papers.iter().map(|papers| Standing::verify(papers, roster));
        Self::of(standings.collect::<Result<_, _>>()?)
    }

    /// Puts verified versions in order.
    pub fn of(mut standings: Vec<Standing>) -> Result<Self, AgreementError> {
        let mut line = Self::default();
        while !standings.is_empty() {
            let (mut here, later): (Vec<_>, Vec<_>) =
                standings.into_iter().partition(|s| line.succeeds(s));
            standings = later;
            let left = |s: &Standing| s.document.members.iter().any(|m| line.has_left(m));
            let (dead, alive): (Vec<_>, Vec<_>) = here
                .drain(..)
                .partition(|s| !s.declined.is_empty() || left(s));
            line.dead.extend(dead);
            let mut alive = alive.into_iter();
            let (next, other) = (alive.next(), alive.next());
            if let Some(other) = other {
                return Err(AgreementError::TwoVersions(other.document.id));
            }
            match next {
                Some(next) if next.in_force() => line.versions.push(next),
                next => {
                    line.open = next;
                    // What replaces a version that never was in force has no place.
                    line.dead.extend(standings);
                    break;
                }
            }
        }
        Ok(line)
    }

    fn succeeds(&self, standing: &Standing) -> bool {
        let document = &standing.document;
        match self.versions.last() {
            None => document.replaces.is_none(),
            Some(last) => {
                document.replaces == Some(last.digest)
                    && Some(document.version) == last.document.version.checked_add(1)
                    && document.id == last.document.id
            }
        }
    }

    fn has_left(&self, member: &AgencyName) -> bool {
        let last = self.versions.last();
        last.is_some_and(|last| last.left.contains_key(member))
    }

    /// Whether a new document may be proposed now.
    pub fn check_successor(&self, document: &Document) -> Result<(), AgreementError> {
        let refuse = |reason: String| Err(AgreementError::NotAllowed(reason));
        let id = &document.id;
        if let Some(open) = &self.open {
            let version = open.document.version;
            return refuse(format!(
                "version {version} of {id} still waits for its members; they accept or decline it first"
            ));
        }
        let Some(present) = self.versions.last() else {
            return match document.replaces {
                None => Ok(()),
                Some(_) => refuse(format!("there is no version of {id} to replace")),
            };
        };
        if document.replaces.is_none() {
            return refuse(format!("an agreement of the name {id} exists already"));
        }
        let follows = document.version.checked_sub(1) == Some(present.document.version);
        if document.replaces != Some(present.digest) || !follows {
            return refuse(format!(
                "it must be version {} of {id} and replace {}",
                present.document.version.saturating_add(1),
                present.digest
            ));
        }
        match document.members.iter().find(|member| self.has_left(member)) {
            Some(gone) => refuse(format!(
                "{gone} has left {id}; it can come back with the version after this one"
            )),
            None => Ok(()),
        }
    }

    /// The version that is in force; before the first is, the one that is proposed.
    pub fn standing(&self) -> Option<&Standing> {
        let last = self.versions.last();
        last.or(self.open.as_ref()).or(self.dead.last())
    }

    /// Every epoch with its version, oldest first.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = (&Standing, &Epoch)> {
        let versions = self.versions.iter();
        versions.flat_map(|standing| standing.epochs.iter().map(move |epoch| (standing, epoch)))
    }

    /// The epochs in which rows are taken: the last one that all its members have gone over to, and
    /// the newest, to which they are going over. None if too few are left.
    pub fn served(&self) -> Vec<(&Standing, &Epoch)> {
        if self.versions.last().is_none_or(Standing::has_ended) {
            return Vec::new();
        }
        let all: Vec<(&Standing, &Epoch)> = self.epochs().collect();
        let complete = |(standing, epoch): &(&Standing, &Epoch)| {
            let mut members = epoch.members.iter();
            members.all(|m| epoch.done.contains(m) || standing.departed.contains(m))
        };
        let current = all.iter().rposition(complete).unwrap_or(0);
        let mut served: Vec<_> = all.get(current).copied().into_iter().collect();
        served.extend(all.last().copied().filter(|_| current + 1 < all.len()));
        served
    }

    /// The epoch under which everybody can be found.
    pub fn current(&self) -> Option<(&Standing, &Epoch)> {
        self.served().first().copied()
    }

    /// The epoch that members are going over to.
    pub fn incoming(&self) -> Option<(&Standing, &Epoch)> {
        self.served().get(1).copied()
    }

    /// Whether a member takes part in an epoch that is served.
    pub fn admits(&self, member: &AgencyName, epoch: &AgreementEpoch) -> bool {
        // Who left the newest version is gone from the one before, too.
        let mut versions = self.versions.iter();
        let gone = versions.any(|standing| standing.departed.contains(member));
        let served = self.served();
        let here = served.iter().find(|(_, served)| served.id == *epoch);
        !gone && here.is_some_and(|(_, served)| served.members.contains(member))
    }

    /// Whether it had this epoch, and this member takes part in it no longer.
    pub fn is_closed_to(&self, member: &AgencyName, epoch: &AgreementEpoch) -> bool {
        self.epochs().any(|(_, known)| known.id == *epoch) && !self.admits(member, epoch)
    }
}
