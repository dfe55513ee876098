//! What a node does not accept from a custodian, nor a custodian from a node; the error says who.

use std::collections::BTreeMap;

use curve25519_dalek::{RistrettoPoint, Scalar};
use proptest::prelude::*;
use symbolon_core::oprf::client::{BlindedBatch, Evaluator, Output};
use symbolon_core::oprf::custodian::{self, Evaluation};
use symbolon_core::oprf::dleq::{self, Proof, Statement};
use symbolon_core::oprf::suite::{self, Mode};
use symbolon_core::oprf::threshold::{CustodyKey, KeyShare, Quorum};
use symbolon_core::oprf::{MAX_BATCH, MAX_INPUT_BYTES, OprfError};

use crate::common::{TestRng, evaluate, outputs, shared_key};

type Answers = BTreeMap<u16, Evaluation>;

/// A 2-of-3 key, a batch of three, and the honest answers of custodians 1 and 3.
struct Round {
    shares: Vec<KeyShare>,
    key: CustodyKey,
    quorum: Quorum,
    inputs: Vec<Vec<u8>>,
    batch: BlindedBatch,
    honest: Answers,
}

impl Round {
    fn new() -> Self {
        let (shares, key) = shared_key(7, 2, 3);
        let quorum = Quorum::new([1, 3], 2).unwrap();
        let inputs = vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
        let batch = BlindedBatch::new(&inputs, &mut TestRng::new(1)).unwrap();
        let honest = evaluate(&[&shares[0], &shares[2]], &quorum, &batch.wire());
        Self {
            shares,
            key,
            quorum,
            inputs,
            batch,
            honest,
        }
    }

    fn finalize(&self, answers: &Answers) -> Result<Vec<Output>, OprfError> {
        let evaluator = Evaluator::new(&self.key, &self.quorum).unwrap();
        evaluator.finalize(&self.batch, &self.inputs, answers)
    }

    /// Alters the answer of each custodian in turn, beside the honest one of the other.
    fn refuses(&self, what: &str, expected: fn(u16) -> OprfError, alter: impl Fn(&mut Evaluation)) {
        for index in [1, 3] {
            let mut answers = self.honest.clone();
            alter(answers.get_mut(&index).unwrap());
            assert_ne!(answers, self.honest, "{what}: nothing was altered");
            assert_eq!(self.finalize(&answers), Err(expected(index)), "{what}");
        }
        assert!(self.finalize(&self.honest).is_ok());
    }
}

fn bad_proof(index: u16) -> OprfError {
    OprfError::BadProof { index }
}

fn malformed(index: u16) -> OprfError {
    OprfError::MalformedEvaluation { index }
}

#[test]
fn a_wrong_answer_is_refused_and_its_custodian_named() {
    let round = Round::new();
    let point = RistrettoPoint::mul_base(&Scalar::from(5_u64))
        .compress()
        .to_bytes();
    round.refuses("another element", bad_proof, |answer| {
        answer.elements[32..64].copy_from_slice(&point);
    });
    round.refuses("swapped elements", bad_proof, |answer| {
        answer.elements.rotate_left(32);
    });
    round.refuses("another proof", bad_proof, |answer| {
        answer.proof.rotate_left(32);
    });
    let other = BlindedBatch::new(&round.inputs, &mut TestRng::new(2)).unwrap();
    let stale = evaluate(
        &[&round.shares[0], &round.shares[2]],
        &round.quorum,
        &other.wire(),
    );
    for stale in stale.values() {
        round.refuses("the proof of another batch", bad_proof, |answer| {
            answer.proof = stale.proof;
        });
    }
}

#[test]
fn an_answer_with_another_key_is_refused_and_its_custodian_named() {
    let round = Round::new();
    let wire = round.batch.wire();
    let answer = |share: &KeyShare, quorum: &Quorum| {
        custodian::evaluate(share, quorum, &wire, &mut TestRng::new(3)).unwrap()
    };
    // Custodian 3 with the share of custodian 2.
    let borrowed = KeyShare::from_bytes(3, round.shares[1].expose().as_bytes()).unwrap();
    // Custodian 3 with its own share, and the coefficient that it has beside custodian 2.
    let elsewhere = Quorum::new([2, 3], 2).unwrap();
    // Custodian 3 with its share of another key.
    let (others, _) = shared_key(8, 2, 3);
    let wrong = [
        answer(&borrowed, &round.quorum),
        answer(&round.shares[2], &elsewhere),
        answer(&others[2], &round.quorum),
        round.honest[&1].clone(),
    ];
    for evaluation in wrong {
        let mut answers = round.honest.clone();
        answers.insert(3, evaluation);
        assert_eq!(round.finalize(&answers), Err(bad_proof(3)));
        answers.insert(3, answer(&round.shares[2], &round.quorum));
        assert!(round.finalize(&answers).is_ok());
    }
}

#[test]
fn a_malformed_answer_is_refused_and_its_custodian_named() {
    let round = Round::new();
    round.refuses("too few", malformed, |a| a.elements.truncate(64));
    round.refuses("too many", malformed, |a| {
        a.elements.extend_from_within(..32)
    });
    round.refuses("none", malformed, |a| a.elements.clear());
    round.refuses("cut short", malformed, |a| a.elements.truncate(95));
    round.refuses("identity", malformed, |a| a.elements[..32].fill(0));
    round.refuses("not canonical", malformed, |a| a.elements[..32].fill(0xff));
    round.refuses("negative", malformed, |a| {
        a.elements[..32].fill(0);
        a.elements[0] = 1;
    });
    round.refuses("challenge above the order", malformed, |a| {
        a.proof[..32].fill(0xff)
    });
    round.refuses("response above the order", malformed, |a| {
        a.proof[32..].fill(0xff)
    });
    for index in [1, 3] {
        let mut answers = round.honest.clone();
        answers.remove(&index);
        assert_eq!(round.finalize(&answers), Err(malformed(index)));
    }
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let round = Round::new();
    let expected = round.finalize(&round.honest);
    let mut answers = round.honest.clone();
    answers.insert(2, round.honest[&1].clone());
    assert!(expected.is_ok());
    assert_eq!(round.finalize(&answers), expected);
}

#[test]
fn inputs_that_are_not_of_the_batch_are_refused_by_number() {
    let round = Round::new();
    let evaluator = Evaluator::new(&round.key, &round.quorum).unwrap();
    let finalize = |inputs: &[Vec<u8>]| evaluator.finalize(&round.batch, inputs, &round.honest);
    assert!(finalize(&round.inputs).is_ok());
    assert_eq!(finalize(&round.inputs[..2]), Err(OprfError::BatchSize(2)));
}

#[test]
fn a_batch_has_one_to_many_inputs_of_bounded_length() {
    let blind = |inputs: &[Vec<u8>]| BlindedBatch::new(inputs, &mut TestRng::new(5)).map(|_| ());
    assert_eq!(blind(&[vec![1; MAX_INPUT_BYTES]]), Ok(()));
    let refused = blind(&[vec![1], vec![1; MAX_INPUT_BYTES + 1]]);
    assert_eq!(refused, Err(OprfError::InvalidInput));
    assert_eq!(blind(&[]), Err(OprfError::BatchSize(0)));
    let too_many = vec![vec![1]; MAX_BATCH + 1];
    assert_eq!(blind(&too_many), Err(OprfError::BatchSize(MAX_BATCH + 1)));
    assert_eq!(blind(&too_many[1..]), Ok(()));
}

#[test]
fn a_custodian_refuses_what_is_not_a_batch_for_its_quorum() {
    let round = Round::new();
    let wire = round.batch.wire();
    let evaluate = |share: &KeyShare, wire: &[u8]| {
        custodian::evaluate(share, &round.quorum, wire, &mut TestRng::new(4)).map(|_| ())
    };
    let ask = |wire: &[u8]| evaluate(&round.shares[0], wire);
    assert_eq!(ask(&wire), Ok(()));
    let outsider = evaluate(&round.shares[1], &wire);
    assert_eq!(outsider, Err(OprfError::NotInQuorum { index: 2 }));
    assert_eq!(ask(&[]), Err(OprfError::BatchSize(0)));
    assert_eq!(ask(&wire[..95]), Err(OprfError::BatchSize(3)));
    let full = wire[..32].repeat(MAX_BATCH);
    assert_eq!(ask(&full[..64]), Ok(()));
    let too_many = wire[..32].repeat(MAX_BATCH + 1);
    assert_eq!(ask(&too_many), Err(OprfError::BatchSize(MAX_BATCH + 1)));
    for bad in [[0; 32], [0xff; 32]] {
        let mut altered = wire.clone();
        altered[32..64].copy_from_slice(&bad);
        assert_eq!(ask(&altered), Err(OprfError::BadElement { position: 1 }));
    }
}

#[test]
fn shares_of_two_runs_are_found_out_before_anything_is_finalised() {
    let (first, key) = shared_key(11, 2, 3);
    let (second, second_key) = shared_key(12, 2, 3);
    let mut mixed = key.clone();
    mixed.shares.insert(3, second_key.shares[&3]);
    let quorum = Quorum::new([1, 3], 2).unwrap();
    let whole = Quorum::new([1, 2], 2).unwrap();
    assert!(Evaluator::new(&key, &quorum).is_ok());
    assert!(Evaluator::new(&mixed, &whole).is_ok());
    let refused = Evaluator::new(&mixed, &quorum).err();
    assert_eq!(refused, Some(OprfError::QuorumDoesNotInterpolate));

    // What the check is for: without it each proof verifies, and the sum is silently wrong.
    let right = outputs(&[&first[0], &first[1]], &key, &[b"input".to_vec()]);
    let honest = unchecked(&key, &quorum, &[&first[0], &first[2]]);
    assert_eq!(honest, (true, *right[0]));
    let (verified, wrong) = unchecked(&mixed, &quorum, &[&first[0], &second[2]]);
    assert!(verified);
    assert_ne!(wrong, *right[0]);
}

#[test]
fn a_substituted_share_or_group_key_is_found_out() {
    let (_, key) = shared_key(13, 3, 5);
    let quorum = Quorum::new([1, 2, 5], 3).unwrap();
    assert!(Evaluator::new(&key, &quorum).is_ok());
    for index in [1, 2, 5] {
        let mut substituted = key.clone();
        substituted.shares.insert(index, key.shares[&3]);
        let refused = Evaluator::new(&substituted, &quorum).err();
        assert_eq!(refused, Some(OprfError::QuorumDoesNotInterpolate));
    }
    let mut substituted = key.clone();
    substituted.group = key.shares[&3];
    let refused = Evaluator::new(&substituted, &quorum).err();
    assert_eq!(refused, Some(OprfError::QuorumDoesNotInterpolate));
    let mut missing = key.clone();
    missing.shares.remove(&5);
    let refused = Evaluator::new(&missing, &quorum).err();
    assert_eq!(refused, Some(OprfError::BadQuorum { threshold: 3 }));
    let small = Quorum::new([1, 2], 2).unwrap();
    let refused = Evaluator::new(&key, &small).err();
    assert_eq!(refused, Some(OprfError::BadQuorum { threshold: 3 }));
}

/// An evaluation of one input as it would be without the check of the quorum: whether every proof
/// verifies, and the output.
fn unchecked(key: &CustodyKey, quorum: &Quorum, shares: &[&KeyShare]) -> (bool, [u8; 64]) {
    let blind = Scalar::from(77_u64);
    let blinded = suite::hash_to_group(Mode::Voprf, b"input") + RistrettoPoint::mul_base(&blind);
    let wire = blinded.compress().to_bytes();
    let mut sum = RistrettoPoint::default();
    let mut verified = true;
    for (index, answer) in evaluate(shares, quorum, &wire) {
        let share = suite::parse_element(&key.shares[&index].0).unwrap();
        let public = quorum.weight(index).unwrap() * share;
        let partial = suite::parse_element(&answer.elements).unwrap();
        let statement = Statement {
            public: &public,
            before: (&[blinded], &[wire]),
            after: (&[partial], &[partial.compress().to_bytes()]),
        };
        let proof = Proof::from_bytes(&answer.proof).unwrap();
        verified &= dleq::verify(Mode::Voprf, &statement, &proof);
        sum += partial;
    }
    let unblinded = sum * Scalar::from(4_u8) - blind * key.group_point().unwrap();
    let output = suite::finalize_hash(b"input", &unblinded.compress().to_bytes());
    (verified, *output)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_altered_bit_of_an_answer_is_refused(bit in 0..(96 + 64) * 8_usize, third in any::<bool>()) {
        let round = Round::new();
        let index = if third { 3 } else { 1 };
        let mut answers = round.honest.clone();
        let answer = answers.get_mut(&index).unwrap();
        let (byte, mask) = (bit / 8, 1 << (bit % 8));
        match byte.checked_sub(96) {
            None => answer.elements[byte] ^= mask,
            Some(byte) => answer.proof[byte] ^= mask,
        }
        let refused = round.finalize(&answers).unwrap_err();
        prop_assert!(refused == bad_proof(index) || refused == malformed(index));
        prop_assert!(round.finalize(&round.honest).is_ok());
    }
}
