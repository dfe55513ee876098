//! Where a case stands, worked out of what was said.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::act::{Act, Answer, FollowUp, NotNow, Outcome, Verdict};
use super::said::{Placed, Side};
use super::stage::Stage;
use crate::text::Text;

/// A side's word on the pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The word.
    pub verdict: Verdict,
    /// Why.
    pub reason: Text,
    /// The evidence that it was given on.
    pub kinds: BTreeSet<u16>,
}

/// A request of this round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedFor {
    /// Who asks.
    pub by: Side,
    /// Its number among the sayings of that side.
    pub number: u32,
    /// When, by the asker's clock.
    pub at: i64,
    /// What.
    pub follow_up: FollowUp,
    /// The other side's last answer.
    pub answer: Option<Answer>,
}

impl AskedFor {
    /// Whether a final answer is still to come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.answer, None | Some(Answer::Escalated { .. }))
    }
}

/// What holds in the present round. The two places of an array are the first and the second side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// From 1.
    pub round: u32,
    /// Where it stands.
    pub stage: Stage,
    /// Shown to a person.
    pub notified: [bool; 2],
    /// Taken on by a person.
    pub acknowledged: [bool; 2],
    /// Each side's word.
    pub words: [Option<Word>; 2],
    /// Requests of both sides.
    pub requests: Vec<AskedFor>,
    /// What came of it, by side.
    pub outcomes: [Option<(Outcome, Text)>; 2],
    /// Which side closed it.
    pub closed: [bool; 2],
}

/// Works out where a case stands.
pub(super) fn of(first: &[Placed], second: &[Placed]) -> View {
    let round = round_of(first).max(round_of(second));
    let mut view = View {
        round,
        stage: Stage::Detected,
        notified: [false; 2],
        acknowledged: [false; 2],
        words: [None, None],
        requests: Vec::new(),
        outcomes: [None, None],
        closed: [false; 2],
    };
    // Requests before answers: an answer may stand in the list that is read first.
    for (side, list) in [(Side::First, first), (Side::Second, second)] {
        for placed in list.iter().filter(|placed| placed.round == round) {
            view.take(side, placed);
        }
    }
    for (side, list) in [(Side::First, first), (Side::Second, second)] {
        for placed in list.iter().filter(|placed| placed.round == round) {
            view.take_answer(side, placed);
        }
    }
    view.stage = view.work_out_stage();
    view
}

/// The round that a list has reached: its last saying's, or the next if that reopened the case.
fn round_of(list: &[Placed]) -> u32 {
    let reached = list.iter().map(|placed| match placed.said.act {
        Act::Reopen { .. } => placed.round.saturating_add(1),
        _ => placed.round,
    });
    reached.max().unwrap_or(1)
}

impl View {
    fn take(&mut self, side: Side, placed: &Placed) {
        let at = side.index();
        match &placed.said.act {
            Act::Notify => set(&mut self.notified, at, true),
            Act::Acknowledge => set(&mut self.acknowledged, at, true),
            Act::Judge {
                verdict,
                reason,
                kinds,
            } => {
                let word = Word {
                    verdict: *verdict,
                    reason: reason.clone(),
                    kinds: kinds.clone(),
                };
                set(&mut self.words, at, Some(word));
            }
            Act::Ask(follow_up) => self.requests.push(AskedFor {
                by: side,
                number: placed.said.number,
                at: placed.said.at,
                follow_up: follow_up.clone(),
                answer: None,
            }),
            Act::Conclude { outcome, note } => {
                set(&mut self.outcomes, at, Some((*outcome, note.clone())));
            }
            Act::Close { .. } => set(&mut self.closed, at, true),
            // Answers come in a second pass; a reopening is not of the round that it begins.
            Act::Answer { .. } | Act::Reopen { .. } => {}
        }
    }

    fn take_answer(&mut self, side: Side, placed: &Placed) {
        let Act::Answer { request, answer } = &placed.said.act else {
            return;
        };
        let mut requests = self.requests.iter_mut();
        let asked = requests.find(|asked| asked.by == side.other() && asked.number == *request);
        if let Some(asked) = asked {
            asked.answer = Some(answer.clone());
        }
    }

    /// The word of both: what they agree on, or the only one that is there; inconclusive if they differ.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match &self.words {
            [Some(one), Some(other)] if one.verdict != other.verdict => Some(Verdict::Inconclusive),
            [Some(word), _] | [None, Some(word)] => Some(word.verdict),
            [None, None] => None,
        }
    }

    fn work_out_stage(&self) -> Stage {
        if self.closed.contains(&true) {
            return Stage::Closed;
        }
        if self.outcomes.iter().any(Option::is_some) {
            return Stage::Outcome;
        }
        match self.verdict() {
            Some(Verdict::Confirmed) => self.followed_up(),
            Some(Verdict::Refuted) => Stage::Refuted,
            Some(Verdict::Inconclusive) => Stage::Inconclusive,
            None if self.acknowledged.contains(&true) => Stage::Acknowledged,
            None if self.notified.contains(&true) => Stage::Notified,
            None => Stage::Detected,
        }
    }

    /// Of several requests, what is still to do comes first.
    fn followed_up(&self) -> Stage {
        let any = |is: fn(&Option<Answer>) -> bool| self.requests.iter().any(|r| is(&r.answer));
        if any(Option::is_none) {
            Stage::FollowUpRequested
        } else if any(|answer| matches!(answer, Some(Answer::Escalated { .. }))) {
            Stage::Escalated
        } else if any(|answer| matches!(answer, Some(Answer::Granted { .. }))) {
            Stage::Granted
        } else if any(|answer| matches!(answer, Some(Answer::Refused { .. }))) {
            Stage::Refused
        } else {
            Stage::Confirmed
        }
    }

    /// A side's word.
    #[must_use]
    pub fn word(&self, side: Side) -> Option<&Word> {
        self.words.get(side.index()).and_then(Option::as_ref)
    }

    /// Whether a person of a side has taken it on.
    #[must_use]
    pub fn is_acknowledged(&self, side: Side) -> bool {
        self.acknowledged.get(side.index()).is_some_and(|it| *it)
    }

    /// Whether a person of a side has seen it.
    #[must_use]
    pub fn is_notified(&self, side: Side) -> bool {
        self.notified.get(side.index()).is_some_and(|it| *it)
    }

    /// An open request of the other side, by its number.
    #[must_use]
    pub fn request_to(&self, side: Side, number: u32) -> Option<&AskedFor> {
        let mut requests = self.requests.iter();
        requests.find(|asked| asked.by == side.other() && asked.number == number)
    }

    /// Open requests that wait for this side's answer.
    pub fn waiting_for(&self, side: Side) -> impl Iterator<Item = &AskedFor> {
        let requests = self.requests.iter();
        requests.filter(move |asked| asked.by == side.other() && asked.is_open())
    }

    /// Whether a side may say this as the case stands.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, side: Side, act: &Act) -> Result<(), NotNow> {
        let refuse_if = |wrong: bool, why| if wrong { Err(why) } else { Ok(()) };
        refuse_if(!act.is_bounded(), NotNow::TooMuch)?;
        let is_closed = self.stage == Stage::Closed;
        if let Act::Reopen { .. } = act {
            let ended = is_closed || self.stage.is_judged();
            return refuse_if(!ended, NotNow::Open);
        }
        refuse_if(is_closed, NotNow::Closed)?;
        match act {
            Act::Notify => refuse_if(self.is_notified(side), NotNow::Already),
            Act::Acknowledge => refuse_if(self.is_acknowledged(side), NotNow::Already),
            Act::Judge {
                verdict,
                reason,
                kinds,
            } => {
                refuse_if(!self.is_acknowledged(side), NotNow::NotAcknowledged)?;
                let same = self.word(side).is_some_and(|word| {
                    word.verdict == *verdict && word.reason == *reason && word.kinds == *kinds
                });
                refuse_if(same, NotNow::Already)
            }
            Act::Ask(_) => {
                let confirmed = self.verdict() == Some(Verdict::Confirmed);
                refuse_if(!confirmed, NotNow::NotConfirmed(self.stage))
            }
            Act::Answer { request, .. } => {
                let asked = self.request_to(side, *request);
                refuse_if(!asked.is_some_and(AskedFor::is_open), NotNow::NoSuchRequest)
            }
            Act::Conclude { .. } => refuse_if(!self.stage.is_judged(), NotNow::NotJudged),
            Act::Close { .. } => {
                refuse_if(!self.stage.is_judged(), NotNow::NotJudged)?;
                refuse_if(self.waiting_for(side).next().is_some(), NotNow::Waiting)
            }
            Act::Reopen { .. } => Ok(()),
        }
    }
}

fn set<T>(places: &mut [T; 2], at: usize, value: T) {
    if let Some(place) = places.get_mut(at) {
        *place = value;
    }
}
