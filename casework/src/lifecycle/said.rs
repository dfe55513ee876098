//! The two lists of what was said, and how a further saying is taken in.

use serde::{Deserialize, Serialize};
use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::payload::RecordReference;
use thiserror::Error;

use super::act::{Act, NotNow};
use super::view::{self, View};

/// Most sayings of one side in one case. A peer can make a case this long and no longer.
pub const MAX_SAID: usize = 1000;

/// The name of a case: the same at both sides, and nothing to anybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CaseId(pub Digest);

impl CaseId {
    /// Of two records under an agreement (its line), in any order.
    #[must_use]
    pub fn of(agreement: &Digest, one: RecordReference, other: RecordReference) -> Self {
        let (low, high) = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        let parts: [&[u8]; 3] = [&agreement.0, &low.0, &high.0];
        Self(crypto::digest("symbolon match v1", &parts))
    }

    /// Eight hexadecimal digits, for lists and the telephone.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

/// Which side: the agency with the lesser name is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The lesser name.
    First,
    /// The greater one.
    Second,
}

impl Side {
    /// The side of an agency in a case with another one.
    #[must_use]
    pub fn of(agency: &AgencyName, other: &AgencyName) -> Self {
        if agency <= other {
            Self::First
        } else {
            Self::Second
        }
    }

    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

/// One act of one side, in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Its number among the sayings of its side, from 1.
    pub number: u32,
    /// How many sayings of the other side its author had heard.
    pub heard: u32,
    /// When, Unix seconds, by its author's clock: shown, never reckoned with.
    pub at: i64,
    /// What.
    pub act: Act,
}

/// Why a saying of the other side is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HearError {
    /// Heard before.
    #[error("it was said before")]
    Repeated,
    /// Another one comes first: keep it until that one is there.
    #[error("number {next} comes first")]
    Early {
        /// The number that is wanted.
        next: u32,
    },
    /// It claims a number of before with another content.
    #[error("another saying has its number")]
    Contradicts,
    /// It claims to have heard what was not said, or less than before.
    #[error("it claims to have heard what was not said")]
    HeardWrong,
    /// The author could not say so as the case stood for it.
    #[error("it was not possible as the case stood: {0}")]
    NotAllowed(NotNow),
    /// One more than [`MAX_SAID`].
    #[error("the case has more sayings than one may have")]
    TooMany,
}

/// A saying with the round that its author was in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Placed {
    pub said: Said,
    pub round: u32,
}

/// Everything that was said about a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    pub(super) first: Vec<Placed>,
    pub(super) second: Vec<Placed>,
}

impl Case {
    pub(super) fn list(&self, side: Side) -> &[Placed] {
        match side {
            Side::First => &self.first,
            Side::Second => &self.second,
        }
    }

    /// What a side said, in its order.
    pub fn said(&self, side: Side) -> impl Iterator<Item = &Said> {
        self.list(side).iter().map(|placed| &placed.said)
    }

    /// How many sayings of a side are known.
    #[must_use]
    pub fn count(&self, side: Side) -> u32 {
        u32::try_from(self.list(side).len()).unwrap_or(u32::MAX)
    }

    /// Where it stands.
    #[must_use]
    pub fn view(&self) -> View {
        view::of(&self.first, &self.second)
    }

    /// Says something for a side; gives what is to be sent to the other.
    ///
    /// # Errors
    /// Why it is not possible as the case stands.
    pub fn say(&mut self, side: Side, at: i64, act: Act) -> Result<Said, NotNow> {
        let view = self.view();
        view.allows(side, &act)?;
        if self.list(side).len() >= MAX_SAID {
            return Err(NotNow::TooMuch);
        }
        let said = Said {
            number: self.count(side).saturating_add(1),
            heard: self.count(side.other()),
            at,
            act,
        };
        self.place(side, said.clone(), view.round);
        Ok(said)
    }

    /// Takes in what a side said.
    ///
    /// # Errors
    /// [`HearError::Early`] is to be kept for later, [`HearError::Repeated`] passed over; the others come
    /// from a peer that does not follow the rules.
    pub fn hear(&mut self, side: Side, said: &Said) -> Result<(), HearError> {
        let next = self.count(side).saturating_add(1);
        if said.number < next {
            let known = self.list(side).get(said.number.wrapping_sub(1) as usize);
            return Err(match known {
                Some(known) if known.said == *said => HearError::Repeated,
                _ => HearError::Contradicts,
            });
        }
        if said.number > next {
            return Err(HearError::Early { next });
        }
        if self.list(side).len() >= MAX_SAID {
            return Err(HearError::TooMany);
        }
        let heard_before = self.list(side).last().map_or(0, |last| last.said.heard);
        let others = self.list(side.other());
        let Some(heard) = others.get(..said.heard as usize) else {
            return Err(HearError::HeardWrong);
        };
        if said.heard < heard_before {
            return Err(HearError::HeardWrong);
        }
        // The case as its author saw it.
        let view = match side {
            Side::First => view::of(&self.first, heard),
            Side::Second => view::of(heard, &self.second),
        };
        view.allows(side, &said.act)
            .map_err(HearError::NotAllowed)?;
        self.place(side, said.clone(), view.round);
        Ok(())
    }

    fn place(&mut self, side: Side, said: Said, round: u32) {
        let placed = Placed { said, round };
        match side {
            Side::First => self.first.push(placed),
            Side::Second => self.second.push(placed),
        }
    }
}
