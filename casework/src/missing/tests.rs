use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3600;

fn stamp(now: i64) -> Stamp {
    Stamp {
        who: "ana".parse().unwrap(),
        now,
    }
}

fn details(risk: Risk) -> Details {
    Details {
        risk,
        circumstances: "did not come back from school".parse().unwrap(),
        informant: None,
        missing_since: None,
        last_seen: None,
        photo: None,
        lead_reference: None,
        agreements: vec!["north".parse().unwrap()],
    }
}

fn found(outcome: Outcome, at: i64) -> Found {
    Found {
        outcome,
        at,
        note: None,
    }
}

fn end(at: i64) -> InterviewEnd {
    InterviewEnd {
        result: InterviewResult::Held,
        at,
        by: "a worker of the charity".parse().unwrap(),
        notes: None,
    }
}

#[test]
fn the_interview_is_due_72_hours_after_the_return_and_not_after_it_was_noted() {
    let mut file = MissingFile::default();
    file.report(&stamp(0), details(Risk::High)).unwrap();
    assert_eq!(file.watch().unwrap().risk, Risk::High);
    let back = found(Outcome::Returned, 10 * HOUR);
    let episode = file.found(&stamp(20 * HOUR), back, false).unwrap();
    let interview = episode.interview.as_ref().unwrap();
    assert_eq!(interview.due_at, 82 * HOUR);
    assert_eq!(interview.kind, InterviewKind::Return);
    assert!(!episode.is_overdue(82 * HOUR) && episode.is_overdue(82 * HOUR + 1));
    assert!(file.watch().is_none(), "the watch ends with the return");
    let closed = file
        .interviewed(&stamp(90 * HOUR), None, end(90 * HOUR))
        .unwrap();
    assert_eq!(closed.stage, Stage::Closed);
    assert!(!closed.is_overdue(i64::MAX));
}

#[test]
fn an_adult_has_a_prevention_interview_and_the_dead_none() {
    let mut file = MissingFile::default();
    file.report(&stamp(0), details(Risk::Low)).unwrap();
    let episode = file
        .found(&stamp(1), found(Outcome::Located, 1), true)
        .unwrap();
    let kind = episode.interview.as_ref().unwrap().kind;
    assert_eq!(kind, InterviewKind::Prevention);
    file.report(&stamp(2), details(Risk::Low)).unwrap();
    let episode = file
        .found(&stamp(3), found(Outcome::Died, 3), true)
        .unwrap();
    assert_eq!((episode.stage, &episode.interview), (Stage::Closed, &None));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut file = MissingFile::default();
    let mut since = details(Risk::Medium);
    since.missing_since = Some(101);
    let refused = file.report(&stamp(100), since.clone()).unwrap_err();
    assert!(matches!(refused, MissingError::Future(_)), "{refused}");
    since.missing_since = Some(50);
    file.report(&stamp(100), since.clone()).unwrap();
    let again = file.report(&stamp(100), since).unwrap_err();
    assert_eq!(again, MissingError::AlreadyOpen(1));
    let early = file.found(&stamp(100), found(Outcome::Returned, 49), false);
    assert!(matches!(early, Err(MissingError::Order(_, _))));
    let nothing = file.update(&stamp(100), Update::default());
    assert_eq!(nothing.unwrap_err(), MissingError::NothingNew);
    assert_eq!(
        file.interviewed(&stamp(100), None, end(100)).unwrap_err(),
        MissingError::NoInterviewDue
    );
    file.found(&stamp(100), found(Outcome::Returned, 60), false)
        .unwrap();
    let early = file.interviewed(&stamp(100), None, end(59));
    assert!(matches!(early, Err(MissingError::Order(_, _))));
    // Missing again while the interview is due, and back again: now two are.
    file.report(&stamp(110), details(Risk::High)).unwrap();
    file.found(&stamp(120), found(Outcome::Returned, 115), false)
        .unwrap();
    let several = file.interviewed(&stamp(130), None, end(130)).unwrap_err();
    assert_eq!(several, MissingError::SeveralDue("1, 2".to_owned()));
    file.interviewed(&stamp(130), Some(1), end(130)).unwrap();
    file.interviewed(&stamp(130), None, end(130)).unwrap();
    assert!(file.episodes().iter().all(|e| e.stage == Stage::Closed));
}

#[test]
fn an_episode_full_of_updates_can_still_be_ended() {
    let mut file = MissingFile::default();
    file.report(&stamp(0), details(Risk::Low)).unwrap();
    let update = Update {
        risk: Some(Risk::High),
        ..Update::default()
    };
    while file.update(&stamp(1), update.clone()).is_ok() {}
    assert_eq!(
        file.update(&stamp(1), update).unwrap_err(),
        MissingError::Full
    );
    file.found(&stamp(2), found(Outcome::Returned, 2), false)
        .unwrap();
    file.interviewed(&stamp(3), None, end(3)).unwrap();
    assert_eq!(file.episodes()[0].history.len(), MAX_LINES);
}

#[derive(Clone, Debug)]
enum Op {
    Report(i64),
    Update(Option<Risk>),
    Found(Outcome, i64, bool),
    Interview(Option<u32>, i64),
    Cancel,
}

fn op() -> impl Strategy<Value = Op> {
    let risk = prop_oneof![Just(Risk::VeryLow), Just(Risk::High)];
    let outcome = prop_oneof![
        4 => Just(Outcome::Returned),
        2 => Just(Outcome::Located),
        1 => Just(Outcome::Died)
    ];
    // Times around now: some lie in the future or before what they follow.
    prop_oneof![
        3 => (-5..3_i64).prop_map(Op::Report),
        2 => proptest::option::of(risk).prop_map(Op::Update),
        3 => (outcome, -5..3_i64, any::<bool>()).prop_map(|(o, at, a)| Op::Found(o, at, a)),
        3 => (proptest::option::of(1..4_u32), -5..3_i64).prop_map(|(n, at)| Op::Interview(n, at)),
        1 => Just(Op::Cancel),
    ]
}

fn apply(file: &mut MissingFile, op: &Op, now: i64) -> Result<(), MissingError> {
    let stamp = stamp(now);
    match op {
        Op::Report(ago) => {
            let mut details = details(Risk::Medium);
            details.missing_since = Some(now + ago);
            file.report(&stamp, details).map(drop)
        }
        Op::Update(risk) => {
            let update = Update {
                risk: *risk,
                ..Update::default()
            };
            file.update(&stamp, update).map(drop)
        }
        Op::Found(outcome, ago, adult) => file
            .found(&stamp, found(*outcome, now + ago), *adult)
            .map(drop),
        Op::Interview(number, ago) => file.interviewed(&stamp, *number, end(now + ago)).map(drop),
        Op::Cancel => file.cancel(&stamp, "a mistake".parse().unwrap()).map(drop),
    }
}

/// What the history alone says.
fn replayed(episode: &Episode) -> Stage {
    let mut stage = None;
    for line in &episode.history {
        stage = Some(match (&line.act, stage) {
            (Act::Reported(_), None) => Stage::Open,
            (Act::Updated(_), Some(Stage::Open)) => Stage::Open,
            (Act::Found(found), Some(Stage::Open)) if found.outcome == Outcome::Died => {
                Stage::Closed
            }
            (Act::Found(_), Some(Stage::Open)) => Stage::InterviewDue,
            (Act::Cancelled(_), Some(Stage::Open)) => Stage::Cancelled,
            (Act::Interviewed(_), Some(Stage::InterviewDue)) => Stage::Closed,
            (act, stage) => panic!("{act:?} after {stage:?}"),
        });
    }
    stage.expect("an episode begins with a report")
}

proptest! {
    #[test]
    fn any_acts_in_any_order_leave_a_sound_file(ops in proptest::collection::vec(op(), 0..60)) {
        let mut file = MissingFile::default();
        for (step, op) in ops.iter().enumerate() {
            let now = 100 + i64::try_from(step).unwrap();
            let before = file.clone();
            if apply(&mut file, op, now).is_err() {
                prop_assert_eq!(&file, &before, "what is refused changes nothing");
            }
            let open = file.episodes().iter().filter(|e| e.stage == Stage::Open).count();
            prop_assert_eq!(open, usize::from(file.watch().is_some()));
            for (place, episode) in file.episodes().iter().enumerate() {
                prop_assert_eq!(usize::try_from(episode.number).unwrap(), place + 1);
                prop_assert_eq!(episode.stage, replayed(episode));
                let (found, interview) = (&episode.found, &episode.interview);
                match episode.stage {
                    Stage::Open | Stage::Cancelled => {
                        prop_assert!(found.is_none() && interview.is_none());
                    }
                    Stage::InterviewDue => {
                        let due = interview.as_ref().unwrap();
                        prop_assert_eq!(due.due_at, found.as_ref().unwrap().at + 72 * HOUR);
                        prop_assert!(due.end.is_none());
                    }
                    Stage::Closed => {
                        let died = found.as_ref().unwrap().outcome == Outcome::Died;
                        prop_assert_eq!(died, interview.is_none());
                        prop_assert!(interview.iter().all(|i| i.end.is_some()));
                    }
                }
                // What was done stays as it was written.
                if let Some(was) = before.episodes().get(place) {
                    prop_assert!(episode.history.starts_with(&was.history));
                }
            }
        }
        let text = serde_json::to_string(&file).unwrap();
        prop_assert_eq!(serde_json::from_str::<MissingFile>(&text).unwrap(), file);
    }
}
