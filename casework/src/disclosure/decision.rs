//! What the owner decides, field by field, and by whom.
//!
//! Whoever decides has looked at what would leave, and it has not changed since. Where it takes two, the
//! first one's release waits until another person has looked at the same and agrees; either may refuse.
//! What left is final. What was refused may be released later.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::Name;
use thiserror::Error;

use super::{Field, Terms, Values, listed};

/// What was decided of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Nothing yet.
    Undecided,
    /// It does not leave.
    Refused,
    /// It left.
    Released,
}

/// A release that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The first one.
    pub by: Name,
    /// What is to leave.
    pub fields: BTreeSet<Field>,
    /// On which terms.
    pub terms: Terms,
    /// What the first one saw.
    pub saw: Digest,
}

/// Why a decision is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecisionError {
    /// No field, or one that was not asked for.
    #[error("only fields that were asked for can be decided on: {0}")]
    NotAsked(String),
    /// What left is final.
    #[error("{0} has left already")]
    Released(String),
    /// Nobody decides unseen.
    #[error("look first at what would leave: `symbolon-node disclosure show` with this request")]
    NotSeen,
    /// The record says something else now.
    #[error(
        "the record has changed since you looked; look again with `symbolon-node disclosure show`"
    )]
    Changed,
    /// The record says something else than what the first one saw.
    #[error(
        "the record has changed since {0} released it; refuse this release, and begin with a fresh look"
    )]
    ChangedSince(Name),
    /// One release at a time waits.
    #[error("a release by {0} waits for a second person; countersign or refuse it first")]
    Waits(Name),
    /// There is nothing to countersign.
    #[error("no release waits for a second person here")]
    NothingWaits,
    /// Four eyes are two people's.
    #[error("{0} released this; the second person must be another one")]
    SamePerson(Name),
}

/// Everything that was decided about one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    words: BTreeMap<Field, Word>,
    proposal: Option<Proposal>,
    /// Who looked, and at what.
    looked: BTreeMap<Name, Digest>,
}

/// What comes of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It leaves now.
    Leaves(Values),
    /// It waits for a second person.
    Waits,
}

impl Decisions {
    /// Nothing is decided yet.
    #[must_use]
    pub fn begin(asked: &BTreeSet<Field>) -> Self {
        let words = asked.iter().map(|f| (f.clone(), Word::Undecided));
        Self {
            words: words.collect(),
            ..Self::default()
        }
    }

    /// The word on each field.
    #[must_use]
    pub fn words(&self) -> &BTreeMap<Field, Word> {
        &self.words
    }

    /// What waits for a second person.
    #[must_use]
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// Whether there is something left to decide.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.proposal.is_some() || self.words.values().any(|word| *word == Word::Undecided)
    }

    /// Fields without a word.
    #[must_use]
    pub fn undecided(&self) -> BTreeSet<Field> {
        let open = self.words.iter().filter(|(_, w)| **w == Word::Undecided);
        open.map(|(field, _)| field.clone()).collect()
    }

    /// Somebody looks at what would leave, which is everything that was asked for.
    pub fn look(&mut self, who: &Name, leaving: &Values) {
        self.looked.insert(who.clone(), leaving.digest());
    }

    /// Somebody releases fields. `leaving` is what the record says now in all fields that were asked for.
    pub fn release(
        &mut self,
        who: &Name,
        fields: &BTreeSet<Field>,
        (terms, leaving): (&Terms, &Values),
        takes_two: bool,
    ) -> Result<Outcome, DecisionError> {
        self.check_fields(fields)?;
        if let Some(proposal) = &self.proposal {
            return Err(DecisionError::Waits(proposal.by.clone()));
        }
        self.check_look(who, leaving)?;
        if takes_two {
            self.proposal = Some(Proposal {
                by: who.clone(),
                fields: fields.clone(),
                terms: terms.clone(),
                saw: leaving.digest(),
            });
            return Ok(Outcome::Waits);
        }
        self.note(fields, Word::Released);
        Ok(Outcome::Leaves(leaving.only(fields)))
    }

    /// A second person agrees; gives what leaves, and the release.
    pub fn countersign(
        &mut self,
        who: &Name,
        leaving: &Values,
    ) -> Result<(Values, Proposal), DecisionError> {
        let proposal = self.proposal.clone().ok_or(DecisionError::NothingWaits)?;
        if proposal.by == *who {
            return Err(DecisionError::SamePerson(proposal.by));
        }
        if proposal.saw != leaving.digest() {
            return Err(DecisionError::ChangedSince(proposal.by));
        }
        self.check_look(who, leaving)?;
        self.proposal = None;
        self.note(&proposal.fields, Word::Released);
        Ok((leaving.only(&proposal.fields), proposal))
    }

    /// Somebody refuses fields; a release of them that waits is over.
    pub fn refuse(&mut self, fields: &BTreeSet<Field>) -> Result<(), DecisionError> {
        self.check_fields(fields)?;
        let waits = self.proposal.as_ref();
        if waits.is_some_and(|waits| !waits.fields.is_disjoint(fields)) {
            self.proposal = None;
        }
        self.note(fields, Word::Refused);
        Ok(())
    }

    fn note(&mut self, fields: &BTreeSet<Field>, word: Word) {
        for (field, known) in &mut self.words {
            if fields.contains(field) {
                *known = word;
            }
        }
    }

    fn check_fields(&self, fields: &BTreeSet<Field>) -> Result<(), DecisionError> {
        if fields.is_empty() || !fields.iter().all(|f| self.words.contains_key(f)) {
            return Err(DecisionError::NotAsked(listed(self.words.keys())));
        }
        let left = fields.iter();
        let left: Vec<_> = left
            .filter(|f| self.words.get(*f) == Some(&Word::Released))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(DecisionError::Released(listed(left)))
    }

    fn check_look(&self, who: &Name, leaving: &Values) -> Result<(), DecisionError> {
        match self.looked.get(who) {
            None => Err(DecisionError::NotSeen),
            Some(saw) if *saw != leaving.digest() => Err(DecisionError::Changed),
            Some(_) => Ok(()),
        }
    }
}
