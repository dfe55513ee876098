//! The life cycle by examples, and by any interleaving of any acts.

use std::collections::BTreeSet;

use proptest::prelude::*;
use symbolon_core::payload::Urgency;

use super::*;
use crate::text::Text;

fn text(words: &str) -> Text {
    words.parse().unwrap()
}

fn judge(verdict: Verdict) -> Act {
    Act::Judge {
        verdict,
        reason: text("seen"),
        kinds: [20].into(),
    }
}

fn ask() -> Act {
    Act::Ask(FollowUp {
        fields: BTreeSet::from(["phone".to_owned()]),
        purpose: text("safeguarding"),
        lawful_basis: text("public task"),
        urgency: Urgency::High,
        reason: text("she is missing"),
    })
}

fn grant(request: u32) -> Act {
    let fields = BTreeSet::from(["phone".to_owned()]);
    Act::Answer {
        request,
        answer: Answer::Granted { fields },
    }
}

/// Two nodes with a copy each; what one says the other hears at once.
struct Pair([Case; 2]);

impl Pair {
    fn say(&mut self, side: Side, act: Act) -> Result<Stage, NotNow> {
        let said = self.0[side.index()].say(side, 7, act)?;
        let other = &mut self.0[side.other().index()];
        other.hear(side, &said).unwrap();
        assert_eq!(self.0[0].view(), self.0[1].view());
        Ok(self.0[0].view().stage)
    }
}

#[test]
fn a_case_that_goes_well_passes_every_stage() {
    let (a, b) = (Side::First, Side::Second);
    let mut pair = Pair(Default::default());
    assert_eq!(pair.0[0].view().stage, Stage::Detected);
    assert_eq!(pair.say(a, Act::Notify), Ok(Stage::Notified));
    assert_eq!(
        pair.say(a, judge(Verdict::Confirmed)),
        Err(NotNow::NotAcknowledged)
    );
    assert_eq!(pair.say(a, Act::Acknowledge), Ok(Stage::Acknowledged));
    assert_eq!(
        pair.say(a, ask()),
        Err(NotNow::NotConfirmed(Stage::Acknowledged))
    );
    assert_eq!(pair.say(a, judge(Verdict::Confirmed)), Ok(Stage::Confirmed));
    assert_eq!(pair.say(a, judge(Verdict::Confirmed)), Err(NotNow::Already));
    assert_eq!(pair.say(a, ask()), Ok(Stage::FollowUpRequested));
    let close = || Act::Close {
        reason: text("done"),
    };
    assert_eq!(pair.say(b, close()), Err(NotNow::Waiting));
    assert_eq!(pair.say(b, grant(3)), Err(NotNow::NoSuchRequest));
    assert_eq!(
        pair.say(a, grant(4)),
        Err(NotNow::NoSuchRequest),
        "not one's own"
    );
    let escalated = Answer::Escalated {
        reason: text("to the lead"),
    };
    let escalate = Act::Answer {
        request: 4,
        answer: escalated,
    };
    assert_eq!(pair.say(b, escalate), Ok(Stage::Escalated));
    assert_eq!(pair.say(b, grant(4)), Ok(Stage::Granted));
    assert_eq!(
        pair.say(b, grant(4)),
        Err(NotNow::NoSuchRequest),
        "answered"
    );
    let outcome = Act::Conclude {
        outcome: Outcome::Safeguarded,
        note: text("home"),
    };
    assert_eq!(pair.say(a, outcome), Ok(Stage::Outcome));
    assert_eq!(pair.say(b, close()), Ok(Stage::Closed));
    assert_eq!(pair.say(a, Act::Notify), Err(NotNow::Closed));
    let reopen = Act::Reopen {
        reason: text("new evidence"),
    };
    assert_eq!(pair.say(a, reopen), Ok(Stage::Detected));
    assert_eq!(pair.0[1].view().round, 2);
    assert_eq!(pair.say(b, Act::Acknowledge), Ok(Stage::Acknowledged));
}

#[test]
fn words_that_differ_are_inconclusive_until_one_is_changed() {
    let (a, b) = (Side::First, Side::Second);
    let mut pair = Pair(Default::default());
    for side in [a, b] {
        pair.say(side, Act::Acknowledge).unwrap();
    }
    assert_eq!(pair.say(a, judge(Verdict::Confirmed)), Ok(Stage::Confirmed));
    assert_eq!(
        pair.say(b, judge(Verdict::Refuted)),
        Ok(Stage::Inconclusive)
    );
    assert_eq!(pair.say(a, judge(Verdict::Refuted)), Ok(Stage::Refuted));
}

#[test]
fn what_was_not_possible_for_its_author_is_refused() {
    let (a, b) = (Side::First, Side::Second);
    let mut case = Case::default();
    let said = |number, heard, act| Said {
        number,
        heard,
        at: 0,
        act,
    };
    case.hear(a, &said(1, 0, Act::Acknowledge)).unwrap();
    assert_eq!(
        case.hear(a, &said(1, 0, Act::Acknowledge)),
        Err(HearError::Repeated)
    );
    assert_eq!(
        case.hear(a, &said(1, 0, Act::Notify)),
        Err(HearError::Contradicts)
    );
    assert_eq!(
        case.hear(a, &said(0, 0, Act::Notify)),
        Err(HearError::Contradicts)
    );
    assert_eq!(
        case.hear(a, &said(3, 0, Act::Notify)),
        Err(HearError::Early { next: 2 })
    );
    assert_eq!(
        case.hear(a, &said(2, 1, Act::Notify)),
        Err(HearError::HeardWrong)
    );
    let early = HearError::NotAllowed(NotNow::NotConfirmed(Stage::Acknowledged));
    assert_eq!(case.hear(a, &said(2, 0, ask())), Err(early));
    let unasked = HearError::NotAllowed(NotNow::NoSuchRequest);
    assert_eq!(case.hear(b, &said(1, 1, grant(2))), Err(unasked));
    // The control: the same acts are heard once their ground is there.
    case.hear(a, &said(2, 0, judge(Verdict::Confirmed)))
        .unwrap();
    case.hear(a, &said(3, 0, ask())).unwrap();
    assert_eq!(
        case.hear(b, &said(1, 2, grant(3))),
        Err(unasked),
        "it had not heard the request"
    );
    case.hear(b, &said(1, 3, grant(3))).unwrap();
    assert_eq!(
        case.hear(b, &said(2, 2, Act::Notify)),
        Err(HearError::HeardWrong),
        "less than before"
    );
    assert_eq!(case.view().stage, Stage::Granted);
}

fn any_act() -> impl Strategy<Value = Act> {
    let verdict = prop_oneof![
        Just(Verdict::Confirmed),
        Just(Verdict::Confirmed),
        Just(Verdict::Refuted),
        Just(Verdict::Inconclusive)
    ];
    let answer = prop_oneof![
        Just(Answer::Granted {
            fields: BTreeSet::from(["phone".to_owned()])
        }),
        Just(Answer::Refused {
            reason: text("no consent")
        }),
        Just(Answer::Escalated {
            reason: text("to the lead")
        }),
    ];
    prop_oneof![
        1 => Just(Act::Notify),
        3 => Just(Act::Acknowledge),
        5 => verdict.prop_map(judge),
        4 => Just(ask()),
        5 => (1_u32..12, answer).prop_map(|(request, answer)| Act::Answer { request, answer }),
        1 => Just(Act::Conclude { outcome: Outcome::JointWork, note: text("met") }),
        1 => Just(Act::Close { reason: text("done") }),
        2 => Just(Act::Reopen { reason: text("more evidence") }),
    ]
}

/// What happens next: somebody acts, or a letter that is under way arrives, perhaps not for the last time.
#[derive(Clone, Debug)]
enum Event {
    Act(Side, Act),
    Arrive { to: Side, which: usize, again: bool },
}

fn any_event() -> impl Strategy<Value = Event> {
    let side = || prop_oneof![Just(Side::First), Just(Side::Second)];
    prop_oneof![
        (side(), any_act()).prop_map(|(side, act)| Event::Act(side, act)),
        (side(), any::<usize>(), any::<bool>()).prop_map(|(to, which, again)| Event::Arrive {
            to,
            which,
            again
        }),
    ]
}

/// A node: its copy of the case, letters that came too early, the stages that it has shown.
#[derive(Default)]
struct Copy {
    case: Case,
    early: Vec<Said>,
    shown: Vec<(u32, Stage)>,
}

impl Copy {
    fn show(&mut self) {
        let view = self.case.view();
        self.shown.push((view.round, view.stage));
    }

    fn hear(&mut self, from: Side, said: Said) {
        self.early.push(said);
        loop {
            let before = self.early.len();
            for said in std::mem::take(&mut self.early) {
                match self.case.hear(from, &said) {
                    Ok(()) => self.show(),
                    Err(HearError::Repeated) => {}
                    Err(HearError::Early { .. }) => self.early.push(said),
                    Err(error) => panic!("an honest saying was refused: {error}: {said:?}"),
                }
            }
            if self.early.len() == before {
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any acts of both sides, letters delayed, repeated and put out of order: in the end both see the
    /// same, everything that was said was heard, and no step that a node showed was a forbidden one.
    #[test]
    fn both_sides_end_in_one_state(events in prop::collection::vec(any_event(), 1..80)) {
        let mut copies = [Copy::default(), Copy::default()];
        let mut under_way: [Vec<Said>; 2] = Default::default();
        copies.iter_mut().for_each(Copy::show);
        for event in events {
            match event {
                Event::Act(side, act) => {
                    let copy = &mut copies[side.index()];
                    if let Ok(said) = copy.case.say(side, 7, act) {
                        copy.show();
                        under_way[side.other().index()].push(said);
                    }
                }
                Event::Arrive { to, which, again } => {
                    let letters = &mut under_way[to.index()];
                    if letters.is_empty() {
                        continue;
                    }
                    let at = which % letters.len();
                    let said = if again { letters[at].clone() } else { letters.remove(at) };
                    copies[to.index()].hear(to.other(), said);
                }
            }
        }
        for side in [Side::First, Side::Second] {
            for said in under_way[side.index()].drain(..).rev() {
                copies[side.index()].hear(side.other(), said);
            }
        }
        prop_assert_eq!(&copies[0].case, &copies[1].case);
        prop_assert!(copies.iter().all(|copy| copy.early.is_empty()));
        for copy in &copies {
            for step in copy.shown.windows(2) {
                let ((round, stage), (next_round, next)) = (step[0], step[1]);
                let legal = if round == next_round {
                    stage.may_become(next)
                } else {
                    next_round == round + 1 && next == Stage::Detected
                };
                prop_assert!(legal, "from {stage} in round {round} to {next} in round {next_round}");
            }
        }
    }

    /// Whatever a peer sends is taken in or refused, never a panic, and what was taken in before stays.
    #[test]
    fn a_hostile_peer_changes_nothing_that_it_may_not(
        numbers in prop::collection::vec((any::<u32>(), any::<u32>(), any_act()), 1..40)
    ) {
        let mut case = Case::default();
        case.say(Side::First, 0, Act::Acknowledge).unwrap();
        let own: Vec<Said> = case.said(Side::First).cloned().collect();
        for (number, heard, act) in numbers {
            let next = case.count(Side::Second) + 1;
            for (number, heard) in [(number, heard), (next, heard % 3)] {
                let said = Said { number, heard, at: -1, act: act.clone() };
                let _ = case.hear(Side::Second, &said);
            }
            prop_assert!(case.said(Side::First).eq(own.iter()));
            let _ = case.view();
        }
    }
}

#[test]
fn stages_are_read_as_they_are_written() {
    for (stage, word) in Stage::ALL {
        assert_eq!(Stage::parse(word), Some(stage));
    }
    assert_eq!(
        Stage::parse("Follow-Up-Requested"),
        Some(Stage::FollowUpRequested)
    );
    assert_eq!(Stage::parse("lost"), None);
}
