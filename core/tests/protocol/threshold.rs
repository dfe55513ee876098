//! Threshold evaluation is the function of RFC 9497: every quorum of a generated key gives what a
//! single server with the joint key would give, ours and the one of the `voprf` crate alike.

use std::collections::BTreeMap;

use curve25519_dalek::{RistrettoPoint, Scalar};
use proptest::prelude::*;
use symbolon_core::oprf::client::{BlindedBatch, Evaluator};
use symbolon_core::oprf::threshold::{CustodyKey, Element, KeyShare, Quorum};
use voprf::{Ristretto255, VoprfClient, VoprfServer};

use crate::common::{TestRng, evaluate, outputs, shared_key};

/// Threshold and number of custodians.
const SHAPES: [(u16, u16); 10] = [
    (1, 1),
    (2, 2),
    (2, 3),
    (3, 3),
    (2, 4),
    (3, 4),
    (4, 4),
    (2, 5),
    (3, 5),
    (5, 5),
];

/// Every way to choose `threshold` of the shares.
fn quorums(shares: &[KeyShare], threshold: u16) -> Vec<Vec<&KeyShare>> {
    let chosen = |mask: &u32| mask.count_ones() == u32::from(threshold);
    let pick = |mask: u32| {
        let held = shares.iter().enumerate();
        let held = held.filter(|(i, _)| mask >> i & 1 == 1);
        held.map(|(_, share)| share).collect()
    };
    (0..1_u32 << shares.len())
        .filter(chosen)
        .map(pick)
        .collect()
}

/// The key that nobody ever holds outside of this test.
fn reconstruct(quorum: &[&KeyShare], threshold: u16) -> Scalar {
    let indices = quorum.iter().map(|share| share.index());
    let named = Quorum::new(indices, threshold).unwrap();
    let terms = quorum
        .iter()
        .map(|share| named.weight(share.index()).unwrap() * share.expose());
    // Weights are quarters.
    terms.sum::<Scalar>() * Scalar::from(4_u8)
}

fn single_server(secret: &Scalar) -> (KeyShare, CustodyKey) {
    let public = Element(RistrettoPoint::mul_base(secret).compress().to_bytes());
    let key = CustodyKey {
        threshold: 1,
        group: public,
        shares: BTreeMap::from([(1, public)]),
    };
    (KeyShare::from_bytes(1, secret.as_bytes()).unwrap(), key)
}

/// The same input through the stock implementation: blind, evaluate with proof, finalise.
fn stock_output(secret: &Scalar, input: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let server = VoprfServer::<Ristretto255>::new_with_key(secret.as_bytes()).unwrap();
    let blinded = VoprfClient::<Ristretto255>::blind(input, rng).unwrap();
    let answer = server.blind_evaluate(rng, &blinded.message);
    let public = server.get_public_key();
    let output = blinded
        .state
        .finalize(input, &answer.message, &answer.proof, public);
    output.unwrap().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_quorum_gives_the_output_of_the_joint_key(
        shape in proptest::sample::select(SHAPES.as_slice()),
        seed in any::<u64>(),
        inputs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..80), 1..4),
    ) {
        let (threshold, custodians) = shape;
        let (shares, key) = shared_key(seed, threshold, custodians);
        let quorums = quorums(&shares, threshold);
        let secret = reconstruct(&quorums[0], threshold);
        let mut rng = TestRng::new(seed);
        let expected: Vec<Vec<u8>> = inputs
            .iter()
            .map(|input| stock_output(&secret, input, &mut rng))
            .collect();
        let (single, single_key) = single_server(&secret);
        prop_assert_eq!(single_key.group, key.group);
        let ours = outputs(&[&single], &single_key, &inputs);
        prop_assert!(ours.iter().map(|output| output.to_vec()).eq(expected.iter().cloned()));
        for quorum in quorums {
            let joint = outputs(&quorum, &key, &inputs);
            prop_assert!(joint.iter().map(|output| output.to_vec()).eq(expected.iter().cloned()));
        }
    }
}

#[test]
fn another_key_gives_another_output() {
    let inputs = [b"identifier".to_vec()];
    let (shares, key) = shared_key(1, 2, 3);
    let (others, other_key) = shared_key(2, 2, 3);
    let output = outputs(&[&shares[0], &shares[1]], &key, &inputs);
    assert_eq!(output, outputs(&[&shares[2], &shares[0]], &key, &inputs));
    assert_ne!(
        output,
        outputs(&[&others[0], &others[1]], &other_key, &inputs)
    );
}

#[test]
fn a_batch_goes_on_from_its_blinds_and_elements() {
    let inputs = [b"one".to_vec(), b"two".to_vec()];
    let (shares, key) = shared_key(5, 2, 3);
    let shares = [&shares[0], &shares[2]];
    let quorum = Quorum::new([1, 3], 2).unwrap();
    let batch = BlindedBatch::new(&inputs, &mut TestRng::new(7)).unwrap();
    let (blinds, wire) = (batch.blinds(), batch.wire());
    drop(batch);
    let restored = BlindedBatch::restore(&blinds, &wire).unwrap();
    assert_eq!(restored.wire(), wire);
    let answers = evaluate(&shares, &quorum, &wire);
    let evaluator = Evaluator::new(&key, &quorum).unwrap();
    let finalised = evaluator.finalize(&restored, &inputs, &answers).unwrap();
    assert_eq!(finalised, outputs(&shares, &key, &inputs));
    // With other blinds the proofs hold and the outputs are others: blinds are kept with their elements.
    let swapped = [&blinds[32..], &blinds[..32]].concat();
    let other = BlindedBatch::restore(&swapped, &wire).unwrap();
    let wrong = evaluator.finalize(&other, &inputs, &answers).unwrap();
    assert_ne!(wrong, finalised);
    for (blinds, wire) in [
        (&blinds[..32], &wire[..]),
        (&blinds[..33], &wire[..32]),
        (&blinds[..], &wire[..40]),
        (&[][..], &[][..]),
        (&[255; 64][..], &wire[..]),
    ] {
        assert!(BlindedBatch::restore(blinds, wire).is_err());
    }
}

#[test]
fn a_quorum_is_as_many_distinct_custodians_as_the_threshold_says() {
    assert_eq!(Quorum::new([3, 1], 2).unwrap().indices(), [1, 3]);
    for wrong in [vec![1], vec![1, 1], vec![1, 2, 3], vec![0, 1], vec![]] {
        assert!(Quorum::new(wrong.clone(), 2).is_err(), "{wrong:?}");
    }
    assert!(Quorum::new([], 0).is_err());
}
