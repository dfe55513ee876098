//! Refresh and repair of shares: the key stays, old and new shares never meet, cheats are found.

use std::collections::BTreeMap;

use proptest::prelude::*;
use symbolon_core::custody::{CustodyError, Statement, StatementBody, agreed_key};
use symbolon_core::encoding::Digest;
use symbolon_core::oprf::OprfError;
use symbolon_core::oprf::client::Evaluator;
use symbolon_core::oprf::dkg::{Bytes, Dkg, DkgError, Message, Outcome};
use symbolon_core::oprf::repair::{self, RepairError};
use symbolon_core::oprf::threshold::{CustodyKey, KeyShare, Quorum};

use crate::common::{Consortium, Posted, TestRng, finish_run, name, outputs, shared_key};

const RUN: Digest = Digest([9; 32]);

fn start(shares: &[KeyShare], key: &CustodyKey, seed: u64) -> (Vec<Dkg>, Vec<Posted>) {
    let (mut states, mut posted) = (Vec::new(), Vec::new());
    for share in shares {
        let mut rng = TestRng::new(seed ^ (u64::from(share.index()) << 32));
        let (state, messages) = Dkg::refresh(RUN, share, key, &mut rng).unwrap();
        states.push(state);
        posted.extend(messages.into_iter().map(|(to, m)| (share.index(), to, m)));
    }
    (states, posted)
}

fn refreshed(shares: &[KeyShare], key: &CustodyKey, seed: u64) -> (Vec<KeyShare>, CustodyKey) {
    let outcomes: Vec<Outcome> = finish_run(start(shares, key, seed), seed, true);
    let new = outcomes[0].key.clone();
    for outcome in &outcomes {
        assert_eq!(outcome.key, new);
        assert_eq!(outcome.transcript, outcomes[0].transcript);
    }
    (outcomes.into_iter().map(|o| o.share).collect(), new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_refresh_changes_every_share_and_no_output(
        seed in any::<u64>(),
        shape in proptest::sample::select([(2_u16, 2_u16), (2, 3), (3, 4)].as_slice()),
    ) {
        let (threshold, custodians) = shape;
        let (shares, key) = shared_key(seed, threshold, custodians);
        let (new, new_key) = refreshed(&shares, &key, seed ^ 1);
        prop_assert_eq!(new_key.group, key.group);
        prop_assert_eq!(new_key.threshold, key.threshold);
        for (old, new) in shares.iter().zip(&new) {
            prop_assert_ne!(old.expose(), new.expose());
            prop_assert!(new.fits(&new_key) && !new.fits(&key));
        }
        let inputs = [b"one".to_vec(), b"two".to_vec()];
        let quorum = |shares: &[KeyShare]| shares.iter().rev().take(threshold.into()).cloned().collect::<Vec<_>>();
        let (before, after) = (quorum(&shares), quorum(&new));
        prop_assert_eq!(
            outputs(&before.iter().collect::<Vec<_>>(), &key, &inputs),
            outputs(&after.iter().collect::<Vec<_>>(), &new_key, &inputs)
        );
        // And once more from there.
        let (_, third) = refreshed(&new, &new_key, seed ^ 2);
        prop_assert_eq!(third.group, key.group);
    }
}

#[test]
fn shares_of_two_generations_are_refused_before_anything_is_evaluated() {
    let (shares, key) = shared_key(4, 2, 3);
    let (_, new_key) = refreshed(&shares, &key, 5);
    let quorum = Quorum::new([1, 2], 2).unwrap();
    assert!(Evaluator::new(&key, &quorum).is_ok());
    assert!(Evaluator::new(&new_key, &quorum).is_ok());
    let mut mixed = key;
    mixed.shares.insert(2, new_key.shares[&2]);
    let refused = Evaluator::new(&mixed, &quorum).map(|_| ());
    assert_eq!(refused, Err(OprfError::QuorumDoesNotInterpolate));
}

#[test]
fn a_key_generations_package_does_not_pass_in_a_refresh_nor_the_reverse() {
    let (shares, key) = shared_key(4, 2, 3);
    let (mut first, _) = Dkg::refresh(RUN, &shares[0], &key, &mut TestRng::new(1)).unwrap();
    let (_, good) = Dkg::refresh(RUN, &shares[1], &key, &mut TestRng::new(2)).unwrap();
    let (mut fresh, bad) = Dkg::start(RUN, 2, 2, 3, &mut TestRng::new(3)).unwrap();
    let bad_package = Err(DkgError::BadPackage { index: 2 });
    // One that would move the key by a constant of its author's choice.
    assert_eq!(first.receive(2, bad[0].1.clone()).map(|_| ()), bad_package);
    assert!(first.receive(2, good[0].1.clone()).is_ok());
    let (_, third) = Dkg::refresh(RUN, &shares[2], &key, &mut TestRng::new(2)).unwrap();
    let refused = fresh.receive(3, third[1].1.clone()).map(|_| ());
    assert_eq!(refused, Err(DkgError::BadPackage { index: 3 }));
}

#[test]
fn whoever_shows_different_packages_in_a_refresh_is_found_out() {
    let play = |cheat: bool| {
        let (shares, key) = shared_key(4, 2, 3);
        let (mut states, posted) = start(&shares, &key, 7);
        let (mut twins, twin_posted) = start(&shares, &key, if cheat { 8 } else { 7 });
        let (mut twin, mut second) = (twins.swap_remove(2), Vec::new());
        for (from, to, message) in posted {
            // Custodian 3 shows its other package to custodian 2.
            let message = if (from, to) == (3, 2) {
                let other = twin_posted.iter().find(|(f, t, _)| (*f, *t) == (3, 2));
                other.unwrap().2.clone()
            } else {
                message
            };
            if to == 3 {
                let answers = twin.receive(from, message.clone()).unwrap();
                let to_second = answers.into_iter().filter(|(to, _)| *to == 2);
                second.extend(to_second.map(|(to, m)| (3, to, m)));
            }
            let answers = states[usize::from(to) - 1].receive(from, message).unwrap();
            let kept = answers.into_iter().map(|(next, m)| (to, next, m));
            second.extend(kept.filter(|(from, to, _)| (*from, *to) != (3, 2)));
        }
        for (from, to, message) in second {
            states[usize::from(to) - 1].receive(from, message).unwrap();
        }
        states[0].outcome().map(|_| ())
    };
    assert_eq!(play(false), Ok(()));
    assert_eq!(play(true), Err(DkgError::TranscriptDiffers { index: 2 }));
}

#[test]
fn a_refresh_begins_only_from_a_share_that_fits() {
    let (shares, key) = shared_key(4, 2, 3);
    let (_, other) = shared_key(5, 2, 3);
    let begin = |share: &KeyShare, key: &CustodyKey| {
        Dkg::refresh(RUN, share, key, &mut TestRng::new(1)).map(|_| ())
    };
    assert_eq!(begin(&shares[0], &key), Ok(()));
    assert_eq!(begin(&shares[0], &other), Err(DkgError::OtherShare));
    let (single, single_key) = shared_key(6, 1, 1);
    assert_eq!(begin(&single[0], &single_key), Err(DkgError::SingleShare));
}

fn repair(
    shares: &[KeyShare],
    key: &CustodyKey,
    helpers: &[u16],
    alter: impl Fn(&mut BTreeMap<u16, Bytes>),
) -> Result<KeyShare, RepairError> {
    let mut received: BTreeMap<u16, Vec<Bytes>> = BTreeMap::new();
    for &helper in helpers {
        let share = &shares[usize::from(helper) - 1];
        let mut rng = TestRng::new(u64::from(helper));
        let mut made = repair::deltas(helpers, 1, share, key, &mut rng)?;
        alter(&mut made);
        for (to, delta) in made {
            received.entry(to).or_default().push(delta);
        }
    }
    let sigmas: Result<Vec<Bytes>, _> = received.values().map(repair::sigma).collect();
    repair::repaired(&sigmas?, 1, key)
}

#[test]
fn a_lost_share_is_made_again_and_a_wrong_one_is_not_taken() {
    let (shares, key) = shared_key(11, 2, 3);
    let made = repair(&shares, &key, &[2, 3], |_| ()).unwrap();
    assert_eq!(made.expose(), shares[0].expose());
    let wrong = repair(&shares, &key, &[2, 3], |deltas| {
        let other = deltas[&3].clone();
        deltas.insert(2, other);
    });
    assert_eq!(wrong.map(|_| ()), Err(RepairError::DoesNotFit));
    let malformed = repair(&shares, &key, &[2, 3], |deltas| {
        deltas.insert(2, Bytes::from(vec![255; 32]));
    });
    assert_eq!(malformed.map(|_| ()), Err(RepairError::Malformed));
    // A helper of another generation of shares spoils it, and that is seen.
    let (new, _) = refreshed(&shares, &key, 12);
    let mixed = [shares[0].clone(), shares[1].clone(), new[2].clone()];
    let spoilt = repair(&mixed, &key, &[2, 3], |_| ());
    assert_eq!(spoilt.map(|_| ()), Err(RepairError::DoesNotFit));
    for helpers in [&[2_u16][..], &[1, 2], &[2, 3, 1]] {
        let refused = repair(&shares, &key, helpers, |_| ());
        assert_eq!(refused.map(|_| ()), Err(RepairError::Helpers));
    }
}

#[test]
fn a_generation_counts_when_every_custodian_has_stated_it() {
    let mut consortium = Consortium::of(&["police", "refuge"]);
    consortium.appoint(2, &["police", "refuge"]).unwrap();
    let custody = consortium.roster.custody.clone().unwrap();
    let (shares, key) = shared_key(4, 2, 2);
    let (_, new_key) = refreshed(&shares, &key, 5);
    let state = |custodian: &str, generation: u32, key: &CustodyKey| {
        let body = StatementBody {
            custodian: name(custodian),
            entry: custody.entry,
            epoch: 1,
            generation,
            transcript: Digest([generation as u8; 32]),
            key: key.clone(),
        };
        Statement::new(&body, &consortium.agency(custodian).signing).unwrap()
    };
    let agreed = |statements: &[Statement]| {
        agreed_key(&consortium.roster, &custody, statements).map(|a| (a.generation, a.key))
    };
    let mut statements = vec![state("police", 0, &key), state("refuge", 0, &key)];
    statements.push(state("police", 3, &new_key));
    assert_eq!(agreed(&statements), Ok((0, key.clone())));
    statements.push(state("refuge", 3, &new_key));
    assert_eq!(agreed(&statements), Ok((3, new_key.clone())));
    assert_eq!(agreed(&statements[2..]), Ok((3, new_key)));
    assert_eq!(
        agreed(&statements[3..]),
        Err(CustodyError::Missing(name("police")))
    );
    // A refresh that comes out with another group key is no refresh.
    let (_, strange) = shared_key(6, 2, 2);
    statements.extend([state("police", 4, &strange), state("refuge", 4, &strange)]);
    assert_eq!(agreed(&statements), Err(CustodyError::OtherGroup));
}

#[test]
fn hostile_bytes_in_a_refresh_never_panic() {
    let (shares, key) = shared_key(4, 2, 2);
    let (mut state, _) = Dkg::refresh(RUN, &shares[0], &key, &mut TestRng::new(1)).unwrap();
    let message = |round: &str, bytes: &[u8]| -> Message {
        let package = data_encoding::BASE64URL_NOPAD.encode(bytes);
        serde_json::from_value(serde_json::json!({
            "round": round, "run": RUN, "transcript": RUN, "package": package,
        }))
        .or_else(|_| {
            serde_json::from_value(serde_json::json!({
                "round": round, "run": RUN, "package": package,
            }))
        })
        .unwrap()
    };
    for length in 0..120 {
        for round in ["Round1", "Round2"] {
            let _ = state.receive(2, message(round, &vec![0; length]));
            let _ = state.receive(2, message(round, &vec![255; length]));
            let _ = state.outcome();
        }
    }
}
