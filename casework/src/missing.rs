//! A person's going missing: reported, searched for, found, talked to.
//!
//! Each time somebody goes missing is an *episode*, numbered for the person. It is open until the person
//! is found; then an interview is due within 72 hours, and its end closes the episode. Going missing
//! again is a new episode, also while the interview of the last one is due.
//!
//! | Stage | Then |
//! |---|---|
//! | open | found: interview due (closed at once for who was found dead); or cancelled |
//! | interview due | held or declined: closed |
//! | closed, cancelled | final |
//!
//! A child is owed an independent return interview: it "should be carried out within 72 hours of the
//! child returning to their home or care setting" (Department for Education, statutory guidance on
//! children who run away or go missing from home or care, 2014). An adult has a prevention interview with
//! the police, for which the College of Policing says as soon as practicable and no hours; the same 72
//! hours are its outer bound here, so that none is forgotten.
//!
//! An open episode is a *watch*: the record takes part in what is shared as a missing person's, however
//! it stands otherwise ([`MissingFile::watch`]). Deliberately absent: the person. What is known of them is
//! the record.

mod age;
mod episode;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Risk;
use thiserror::Error;

use crate::text::Text;

pub use age::is_adult;
pub use episode::{
    Act, Details, Episode, Found, Informant, Interview, InterviewEnd, InterviewKind,
    InterviewResult, Line, Outcome, Stage, Update,
};

/// Within how long of the return the interview is due.
pub const INTERVIEW_WITHIN_S: i64 = 72 * 3600;
/// Episodes of one person: some children go missing a hundred times.
pub const MAX_EPISODES: usize = 1000;
/// Acts of one episode.
pub const MAX_LINES: usize = 500;

/// Why an act is refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MissingError {
    /// Reported twice.
    #[error(
        "is missing already (episode {0} is open); add what is new with `missing update`, or end the episode with `missing found`"
    )]
    AlreadyOpen(u32),
    /// Nothing to update, find or cancel.
    #[error("has no open episode; report one with `missing report`")]
    NotOpen,
    /// No interview is due.
    #[error("has no interview due; `missing show` lists the episodes")]
    NoInterviewDue,
    /// More than one is.
    #[error("has interviews due for episodes {0}; say which with --episode")]
    SeveralDue(String),
    /// An update that says nothing.
    #[error("was given nothing to change; say at least one thing that is new")]
    NothingNew,
    /// A time that cannot be.
    #[error("{0} lies in the future; check the date")]
    Future(&'static str),
    /// Found before missing, talked to before found.
    #[error("{0} lies before {1}; check the dates")]
    Order(&'static str, &'static str),
    /// Too many.
    #[error(
        "has more episodes or entries than are kept of one person; keep further ones in another record"
    )]
    Full,
}

/// A level of risk in the College of Policing's words.
#[must_use]
pub fn risk_words(risk: Risk) -> &'static str {
    match risk {
        Risk::VeryLow => "very low",
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

/// What an open episode asks of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch<'a> {
    /// How urgent a match is.
    pub risk: Risk,
    /// Agreements that it takes part in beside its own.
    pub agreements: &'a [Name],
}

/// Who acts, and when it is, Unix seconds.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The account.
    pub who: Name,
    /// Now.
    pub now: i64,
}

/// Every episode of one person, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFile {
    episodes: Vec<Episode>,
}

impl MissingFile {
    /// Every episode, oldest first.
    #[must_use]
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// The open episode.
    #[must_use]
    pub fn open(&self) -> Option<&Episode> {
        // A new one opens only when no other is: it is the last.
        self.episodes.last().filter(|e| e.stage == Stage::Open)
    }

    /// What the record takes part in because the person is missing now.
    #[must_use]
    pub fn watch(&self) -> Option<Watch<'_>> {
        let details = &self.open()?.details;
        Some(Watch {
            risk: details.risk,
            agreements: &details.agreements,
        })
    }

    /// Opens an episode.
    pub fn report(&mut self, stamp: &Stamp, details: Details) -> Result<&Episode, MissingError> {
        if let Some(open) = self.open() {
            return Err(MissingError::AlreadyOpen(open.number));
        }
        if self.episodes.len() >= MAX_EPISODES {
            return Err(MissingError::Full);
        }
        let number = u32::try_from(self.episodes.len() + 1).map_err(|_| MissingError::Full)?;
        let episode = Episode::open(number, stamp, details)?;
        self.episodes.push(episode);
        self.episodes.last().ok_or(MissingError::NotOpen)
    }

    /// Adds what is new to the open episode.
    pub fn update(&mut self, stamp: &Stamp, update: Update) -> Result<&Episode, MissingError> {
        self.on_open(|episode| episode.update(stamp, update))
    }

    /// Ends the watch. `adult` says which interview is owed.
    pub fn found(
        &mut self,
        stamp: &Stamp,
        found: Found,
        adult: bool,
    ) -> Result<&Episode, MissingError> {
        self.on_open(|episode| episode.found(stamp, found, adult))
    }

    /// Ends the watch: the report was a mistake.
    pub fn cancel(&mut self, stamp: &Stamp, reason: Text) -> Result<&Episode, MissingError> {
        self.on_open(|episode| episode.cancel(stamp, reason))
    }

    /// Ends the interview that is due: of this episode, or of the only one.
    pub fn interviewed(
        &mut self,
        stamp: &Stamp,
        number: Option<u32>,
        end: InterviewEnd,
    ) -> Result<&Episode, MissingError> {
        let due = self.episodes.iter_mut();
        let mut due: Vec<&mut Episode> = due
            .filter(|e| e.stage == Stage::InterviewDue)
            .filter(|e| number.is_none_or(|number| number == e.number))
            .collect();
        let Some(episode) = due.pop() else {
            return Err(MissingError::NoInterviewDue);
        };
        if !due.is_empty() {
            let mut numbers: Vec<String> = due.iter().map(|e| e.number.to_string()).collect();
            numbers.push(episode.number.to_string());
            return Err(MissingError::SeveralDue(numbers.join(", ")));
        }
        episode.interviewed(stamp, end)?;
        Ok(episode)
    }

    fn on_open(
        &mut self,
        act: impl FnOnce(&mut Episode) -> Result<(), MissingError>,
    ) -> Result<&Episode, MissingError> {
        let last = self.episodes.last_mut();
        let episode = last.filter(|e| e.stage == Stage::Open);
        let episode = episode.ok_or(MissingError::NotOpen)?;
        act(episode)?;
        Ok(episode)
    }
}
