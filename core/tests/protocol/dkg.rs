//! Key generation: any order, any restart, and the cheats that it must find out.

use proptest::prelude::*;
use symbolon_core::encoding::Digest;
use symbolon_core::oprf::dkg::{Dkg, DkgError, Message};

use crate::common::{Posted, TestRng, finish_run, outputs, shared_key, start_run};

const RUN: Digest = Digest([5; 32]);

/// A message with its package replaced: `Round1` and `Round2` alike, as they would come off the wire.
fn with_package(message: &Message, package: &[u8]) -> Message {
    let mut json = serde_json::to_value(message).unwrap();
    json["package"] = data_encoding::BASE64URL_NOPAD.encode(package).into();
    serde_json::from_value(json).unwrap()
}

fn package(message: &Message) -> Vec<u8> {
    let json = serde_json::to_value(message).unwrap();
    let text = json["package"].as_str().unwrap();
    data_encoding::BASE64URL_NOPAD
        .decode(text.as_bytes())
        .unwrap()
}

fn start(index: u16, threshold: u16, custodians: u16, seed: u64) -> (Dkg, Vec<(u16, Message)>) {
    Dkg::start(RUN, index, threshold, custodians, &mut TestRng::new(seed)).unwrap()
}

fn to(messages: &[(u16, Message)], recipient: u16) -> Message {
    let found = messages.iter().find(|(to, _)| *to == recipient);
    found.unwrap().1.clone()
}

/// Three custodians who have all said their first message; none is delivered.
fn three() -> [(Dkg, Vec<(u16, Message)>); 3] {
    [start(1, 2, 3, 1), start(2, 2, 3, 2), start(3, 2, 3, 3)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn neither_order_nor_restarts_change_the_key(
        seed in any::<u64>(),
        orders in any::<[u64; 2]>(),
        shape in proptest::sample::select([(2_u16, 2_u16), (2, 3), (3, 4), (3, 5)].as_slice()),
    ) {
        let (threshold, custodians) = shape;
        let straight = finish_run(start_run(seed, threshold, custodians), orders[0], false);
        let restarted = finish_run(start_run(seed, threshold, custodians), orders[1], true);
        for (one, other) in straight.iter().zip(&restarted) {
            prop_assert_eq!(&one.key, &other.key);
            prop_assert_eq!(&one.key, &straight[0].key);
            prop_assert_eq!(one.transcript, straight[0].transcript);
            prop_assert_eq!(one.transcript, other.transcript);
            prop_assert_eq!(one.share.expose(), other.share.expose());
        }
        let other = finish_run(start_run(!seed, threshold, custodians), orders[0], false);
        prop_assert_ne!(&other[0].key, &straight[0].key);
    }

    #[test]
    fn hostile_packages_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        second in any::<bool>(),
    ) {
        let [(mut first, _), (mut other, others), (mut third, thirds)] = three();
        let mut valid = to(&others, 1);
        if second {
            other.receive(3, to(&thirds, 2)).unwrap();
            third.receive(2, to(&others, 3)).unwrap();
            valid = to(&other.receive(1, to(&start(1, 2, 3, 1).1, 2)).unwrap(), 1);
        }
        let mut altered = package(&valid);
        for (at, byte) in edits {
            let at = at.index(altered.len());
            altered[at] = byte;
        }
        let _ = first.receive(2, with_package(&valid, &bytes));
        let _ = first.receive(2, with_package(&valid, &altered));
        let _ = first.receive(3, with_package(&to(&thirds, 1), &bytes));
        let _ = first.receive(3, to(&thirds, 1));
        let _ = first.outcome();
    }

    #[test]
    fn hostile_messages_and_states_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = serde_json::from_slice::<Message>(&bytes);
        let _ = serde_json::from_slice::<Dkg>(&bytes);
    }
}

#[test]
fn whoever_shows_different_commitments_to_different_custodians_is_found_out() {
    let play = |cheat: bool| {
        let [
            (mut first, firsts),
            (mut second, seconds),
            (mut third, thirds),
        ] = three();
        // Custodian 3 runs twice and shows the second run's commitments to custodian 2.
        let (mut twin, twins) = if cheat {
            start(3, 2, 3, 33)
        } else {
            start(3, 2, 3, 3)
        };
        first.receive(2, to(&seconds, 1)).unwrap();
        second.receive(1, to(&firsts, 2)).unwrap();
        let from_first = first.receive(3, to(&thirds, 1)).unwrap();
        let from_second = second.receive(3, to(&twins, 2)).unwrap();
        third.receive(1, to(&firsts, 3)).unwrap();
        twin.receive(1, to(&firsts, 3)).unwrap();
        let from_third = third.receive(2, to(&seconds, 3)).unwrap();
        let from_twin = twin.receive(2, to(&seconds, 3)).unwrap();
        first.receive(2, to(&from_second, 1)).unwrap();
        first.receive(3, to(&from_third, 1)).unwrap();
        second.receive(1, to(&from_first, 2)).unwrap();
        second.receive(3, to(&from_twin, 2)).unwrap();
        [first, second].map(|state| state.outcome().map(|outcome| outcome.is_some()))
    };
    assert_eq!(play(false), [Ok(true), Ok(true)]);
    let differs = |index| Err(DkgError::TranscriptDiffers { index });
    assert_eq!(play(true), [differs(2), differs(1)]);
}

#[test]
fn a_package_that_is_not_one_names_its_custodian() {
    let [(mut first, _), (_, seconds), (_, thirds)] = three();
    let bad = DkgError::BadPackage { index: 2 };
    let garbage = with_package(&to(&seconds, 1), b"garbage");
    assert_eq!(first.receive(2, garbage), Err(bad.clone()));
    // As many commitments as another threshold has.
    let (_, others) = start(2, 3, 3, 2);
    assert_eq!(first.receive(2, to(&others, 1)), Err(bad.clone()));
    // Refused messages leave no trace: the good one is still taken.
    assert_eq!(first.receive(2, to(&seconds, 1)), Ok(Vec::new()));
    assert_eq!(first.receive(3, to(&thirds, 1)).unwrap().len(), 2);
}

#[test]
fn a_proof_of_knowledge_that_fails_names_its_custodian() {
    let [(mut first, _), (_, seconds), (_, thirds)] = three();
    // The commitments of custodian 3, as if custodian 2 knew what is behind them.
    assert_eq!(first.receive(2, to(&thirds, 1)), Ok(Vec::new()));
    let refused = first.receive(3, to(&thirds, 1));
    assert_eq!(refused, Err(DkgError::BadPackage { index: 2 }));
    assert_eq!(first.outcome().map(|o| o.is_some()), Ok(false));
    let [(mut first, _), _, _] = three();
    assert_eq!(first.receive(2, to(&seconds, 1)), Ok(Vec::new()));
    assert_eq!(first.receive(3, to(&thirds, 1)).unwrap().len(), 2);
}

#[test]
fn a_share_that_is_not_on_the_committed_polynomial_names_its_custodian() {
    let play = |cheat: bool| {
        let (mut states, posted) = start_run(5, 2, 3);
        let mut seconds: Vec<Posted> = Vec::new();
        for (from, to, message) in posted {
            let answers = states[usize::from(to) - 1].receive(from, message).unwrap();
            seconds.extend(answers.into_iter().map(|(next, m)| (to, next, m)));
        }
        // Custodian 3 gives custodian 1 the share that is for custodian 2.
        let misdirected = seconds.iter().find(|(from, to, _)| (*from, *to) == (3, 2));
        let misdirected = package(&misdirected.unwrap().2);
        for (from, to, message) in seconds.into_iter().filter(|(_, to, _)| *to == 1) {
            let message = match from {
                3 if cheat => with_package(&message, &misdirected),
                _ => message,
            };
            states[usize::from(to) - 1].receive(from, message).unwrap();
        }
        states[0].outcome().map(|outcome| outcome.is_some())
    };
    assert_eq!(play(false), Ok(true));
    assert_eq!(play(true), Err(DkgError::BadPackage { index: 3 }));
}

#[test]
fn messages_of_another_run_or_of_nobody_are_refused() {
    let [(mut first, _), (_, seconds), _] = three();
    let mut elsewhere = TestRng::new(2);
    let (_, others) = Dkg::start(Digest([6; 32]), 2, 2, 3, &mut elsewhere).unwrap();
    assert_eq!(first.receive(2, to(&others, 1)), Err(DkgError::OtherRun));
    for index in [0, 1, 4] {
        let refused = first.receive(index, to(&seconds, 1));
        assert_eq!(refused, Err(DkgError::NotACustodian { index }));
    }
    assert_eq!(first.receive(2, to(&seconds, 1)), Ok(Vec::new()));
    for index in [0, 4] {
        let refused = Dkg::start(RUN, index, 2, 3, &mut TestRng::new(1)).err();
        assert_eq!(refused, Some(DkgError::NotACustodian { index }));
    }
}

#[test]
fn a_repeated_message_changes_nothing_and_a_changed_one_is_named() {
    let [(mut first, _), (_, seconds), _] = three();
    let (_, changed) = start(2, 2, 3, 22);
    assert_eq!(first.receive(2, to(&seconds, 1)), Ok(Vec::new()));
    assert_eq!(first.receive(2, to(&seconds, 1)), Ok(Vec::new()));
    let refused = first.receive(2, to(&changed, 1));
    assert_eq!(refused, Err(DkgError::Equivocated { index: 2 }));
}

#[test]
fn a_run_gives_nothing_while_messages_are_missing() {
    let (mut states, posted) = start_run(9, 2, 2);
    assert!(states[0].outcome().unwrap().is_none());
    for (from, to, message) in posted {
        states[usize::from(to) - 1].receive(from, message).unwrap();
    }
    assert!(states[0].outcome().unwrap().is_none());
    let (shares, key) = shared_key(9, 2, 2);
    assert_eq!(
        outputs(&[&shares[0], &shares[1]], &key, &[vec![1]]).len(),
        1
    );
}
