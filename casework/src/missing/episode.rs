//! One episode and what may be done with it, stage by stage.

use std::fmt;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Risk;

use super::{INTERVIEW_WITHIN_S, MAX_LINES, MissingError, Stamp};
use crate::text::Text;

/// Where an episode stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The person is missing.
    Open,
    /// Found; somebody has to talk to them.
    InterviewDue,
    /// Over.
    Closed,
    /// Reported by mistake.
    Cancelled,
}

/// Who told, and how to reach them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Informant {
    /// Who reported.
    pub name: Text,
    /// What they are to the missing person.
    pub relation: Option<Text>,
    /// How to reach them.
    pub contact: Option<Text>,
}

/// What is known of an episode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// Of the College of Policing's four levels.
    pub risk: Risk,
    /// How it came about.
    pub circumstances: Text,
    /// Who told.
    pub informant: Option<Informant>,
    /// Since when, Unix seconds.
    pub missing_since: Option<i64>,
    /// Where, with whom, in what clothes.
    pub last_seen: Option<Text>,
    /// Where a photograph is kept: its reference, not the picture.
    pub photo: Option<Text>,
    /// Number of the agency that leads the search.
    pub lead_reference: Option<Text>,
    /// Agreements under which others are told, beside the record's own.
    pub agreements: Vec<Name>,
}

/// What is new. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Update {
    /// The risk as it is judged now.
    pub risk: Option<Risk>,
    /// How it came about.
    pub circumstances: Option<Text>,
    /// Who told.
    pub informant: Option<Informant>,
    /// Since when.
    pub missing_since: Option<i64>,
    /// Where last seen.
    pub last_seen: Option<Text>,
    /// Reference of a photograph.
    pub photo: Option<Text>,
    /// The leading agency's number.
    pub lead_reference: Option<Text>,
    /// In place of those before.
    pub agreements: Option<Vec<Name>>,
}

impl Update {
    /// Names of what it says something about; never what it says.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        let Self {
            risk,
            circumstances,
            informant,
            missing_since,
            last_seen,
            photo,
            lead_reference,
            agreements,
        } = self;
        let said = [
            ("risk", risk.is_some()),
            ("circumstances", circumstances.is_some()),
            ("informant", informant.is_some()),
            ("missing_since", missing_since.is_some()),
            ("last_seen", last_seen.is_some()),
            ("photo", photo.is_some()),
            ("lead_reference", lead_reference.is_some()),
            ("agreements", agreements.is_some()),
        ];
        let said = said.into_iter().filter(|(_, said)| *said);
        said.map(|(name, _)| name).collect()
    }
}

/// How a person was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Came back.
    Returned,
    /// Was located and is safe.
    Located,
    /// Was found dead.
    Died,
}

/// The end of the search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// How.
    pub outcome: Outcome,
    /// When, Unix seconds.
    pub at: i64,
    /// What else.
    pub note: Option<Text>,
}

/// Which interview is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterviewKind {
    /// Independent, of a child.
    Return,
    /// With the police, of an adult.
    Prevention,
}

impl fmt::Display for InterviewKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Return => "return interview",
            Self::Prevention => "prevention interview",
        })
    }
}

/// What became of an interview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterviewResult {
    /// It took place.
    Held,
    /// It was offered, and the person did not want it.
    Declined,
}

/// The end of an interview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterviewEnd {
    /// What became of it.
    pub result: InterviewResult,
    /// When, Unix seconds.
    pub at: i64,
    /// Who held or offered it.
    pub by: Text,
    /// What came of it.
    pub notes: Option<Text>,
}

/// An interview that is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interview {
    /// Which.
    pub kind: InterviewKind,
    /// By when, Unix seconds.
    pub due_at: i64,
    /// Its end.
    pub end: Option<InterviewEnd>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", content = "said", rename_all = "snake_case")]
pub enum Act {
    /// Opened, with what was known.
    Reported(Details),
    /// What was new.
    Updated(Update),
    /// The person was found.
    Found(Found),
    /// The interview ended.
    Interviewed(InterviewEnd),
    /// It was a mistake, and why.
    Cancelled(Text),
}

/// An act with who and when; lines are only added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Unix seconds.
    pub at: i64,
    /// The account.
    pub who: Name,
    /// What.
    #[serde(flatten)]
    pub act: Act,
}

/// One time that a person went missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// The person's how manieth, from 1.
    pub number: u32,
    /// Where it stands.
    pub stage: Stage,
    /// What is known now.
    pub details: Details,
    /// How the person was found.
    pub found: Option<Found>,
    /// What is owed since.
    pub interview: Option<Interview>,
    /// Everything that was done, oldest first.
    pub history: Vec<Line>,
}

impl Episode {
    /// When it was reported, Unix seconds.
    #[must_use]
    pub fn reported_at(&self) -> i64 {
        self.history.first().map_or(0, |line| line.at)
    }

    /// Since when the person is missing, as far as is known.
    #[must_use]
    pub fn missing_since(&self) -> i64 {
        let known = self.details.missing_since;
        known.unwrap_or_else(|| self.reported_at())
    }

    /// Whether the interview should have been by now.
    #[must_use]
    pub fn is_overdue(&self, now: i64) -> bool {
        let due = self.interview.as_ref().filter(|i| i.end.is_none());
        due.is_some_and(|interview| interview.due_at < now)
    }

    pub(super) fn open(number: u32, stamp: &Stamp, details: Details) -> Result<Self, MissingError> {
        past(details.missing_since, stamp, "the time of going missing")?;
        let mut episode = Self {
            number,
            stage: Stage::Open,
            details: details.clone(),
            found: None,
            interview: None,
            history: Vec::new(),
        };
        episode.note(stamp, Act::Reported(details))?;
        Ok(episode)
    }

    pub(super) fn update(&mut self, stamp: &Stamp, update: Update) -> Result<(), MissingError> {
        if update.fields().is_empty() {
            return Err(MissingError::NothingNew);
        }
        past(update.missing_since, stamp, "the time of going missing")?;
        self.note(stamp, Act::Updated(update.clone()))?;
        let Update {
            risk,
            circumstances,
            informant,
            missing_since,
            last_seen,
            photo,
            lead_reference,
            agreements,
        } = update;
        let known = &mut self.details;
        known.risk = risk.unwrap_or(known.risk);
        if let Some(circumstances) = circumstances {
            known.circumstances = circumstances;
        }
        if let Some(agreements) = agreements {
            known.agreements = agreements;
        }
        known.informant = informant.or(known.informant.take());
        known.missing_since = missing_since.or(known.missing_since);
        known.last_seen = last_seen.or(known.last_seen.take());
        known.photo = photo.or(known.photo.take());
        known.lead_reference = lead_reference.or(known.lead_reference.take());
        Ok(())
    }

    pub(super) fn found(
        &mut self,
        stamp: &Stamp,
        found: Found,
        adult: bool,
    ) -> Result<(), MissingError> {
        past(Some(found.at), stamp, "the time of the return")?;
        // Where only the time of the report is known, the person may have been back before it.
        if self
            .details
            .missing_since
            .is_some_and(|since| found.at < since)
        {
            return Err(MissingError::Order(
                "the time of the return",
                "the time of going missing",
            ));
        }
        self.note(stamp, Act::Found(found.clone()))?;
        let kind = match adult {
            true => InterviewKind::Prevention,
            false => InterviewKind::Return,
        };
        self.interview = (found.outcome != Outcome::Died).then(|| Interview {
            kind,
            due_at: found.at.saturating_add(INTERVIEW_WITHIN_S),
            end: None,
        });
        self.stage = match self.interview {
            Some(_) => Stage::InterviewDue,
            None => Stage::Closed,
        };
        self.found = Some(found);
        Ok(())
    }

    pub(super) fn cancel(&mut self, stamp: &Stamp, reason: Text) -> Result<(), MissingError> {
        self.note(stamp, Act::Cancelled(reason))?;
        self.stage = Stage::Cancelled;
        Ok(())
    }

    pub(super) fn interviewed(
        &mut self,
        stamp: &Stamp,
        end: InterviewEnd,
    ) -> Result<(), MissingError> {
        past(Some(end.at), stamp, "the time of the interview")?;
        if self.found.as_ref().is_some_and(|found| end.at < found.at) {
            return Err(MissingError::Order(
                "the time of the interview",
                "the time of the return",
            ));
        }
        self.note(stamp, Act::Interviewed(end.clone()))?;
        if let Some(interview) = &mut self.interview {
            interview.end = Some(end);
        }
        self.stage = Stage::Closed;
        Ok(())
    }

    fn note(&mut self, stamp: &Stamp, act: Act) -> Result<(), MissingError> {
        // Two lines are kept free: an episode that is full of updates can still be ended.
        let updates = matches!(act, Act::Updated(_));
        if self.history.len() >= MAX_LINES - if updates { 2 } else { 0 } {
            return Err(MissingError::Full);
        }
        self.history.push(Line {
            at: stamp.now,
            who: stamp.who.clone(),
            act,
        });
        Ok(())
    }
}

fn past(at: Option<i64>, stamp: &Stamp, what: &'static str) -> Result<(), MissingError> {
    match at {
        Some(at) if at > stamp.now => Err(MissingError::Future(what)),
        _ => Ok(()),
    }
}
