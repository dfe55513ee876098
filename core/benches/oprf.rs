//! What a linkage key costs on one core, beside the raw operations that bound it and the stock path.
//!
//! Everything runs on batches of 512 and is reported per element, so that figures of one run can be
//! added up and divided by each other. Figures of different runs cannot: machines are noisy.
//!
//! * `raw`: the group and hash operations that no protocol of this kind avoids.
//! * `symbolon`: blind, evaluate with proof, verify and combine and finalise 2 of 3, token and seal.
//! * `stock`: the `voprf` crate, once per custodian.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::OsRng;
use symbolon_core::crypto::{self, MacKey, SecretKey};
use symbolon_core::encoding::Digest;
use symbolon_core::oprf::client::{BlindedBatch, Evaluator};
use symbolon_core::oprf::custodian::{self, Evaluation};
use symbolon_core::oprf::dkg::Dkg;
use symbolon_core::oprf::suite::{self, Mode};
use symbolon_core::oprf::threshold::{CustodyKey, KeyShare, Quorum};
use symbolon_core::payload::{self, Payload, RecordReference, Urgency};
use symbolon_core::row::{AgreementEpoch, Handle};
use symbolon_core::token::{AgreementKey, Root};
use voprf::{Proof, Ristretto255, VoprfClient, VoprfServer};

const BATCH: usize = 512;

fn inputs() -> Vec<Vec<u8>> {
    let number = |i: usize| format!("identifier of plausible length, number {i}").into_bytes();
    (0..BATCH).map(number).collect()
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group
}

/// Runs `operation` on every one of a batch.
fn each<T, R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    items: &[T],
    operation: impl Fn(&T) -> R,
) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            items
                .iter()
                .for_each(|item| drop(black_box(operation(item))))
        });
    });
}

/// A 2-of-3 key, by the key generation that custodians run.
fn two_of_three() -> (Vec<KeyShare>, CustodyKey) {
    let mut states = Vec::new();
    let mut posted = Vec::new();
    for index in 1..=3 {
        let (state, messages) = Dkg::start(Digest([1; 32]), index, 2, 3, &mut OsRng).unwrap();
        states.push(state);
        posted.extend(
            messages
                .into_iter()
                .map(|(to, message)| (index, to, message)),
        );
    }
    while let Some((from, to, message)) = posted.pop() {
        let answers = states[usize::from(to) - 1].receive(from, message).unwrap();
        posted.extend(
            answers
                .into_iter()
                .map(|(next, message)| (to, next, message)),
        );
    }
    let outcomes = states.iter().map(|state| state.outcome().unwrap().unwrap());
    let outcomes: Vec<_> = outcomes.collect();
    let key = outcomes[0].key.clone();
    (
        outcomes.into_iter().map(|outcome| outcome.share).collect(),
        key,
    )
}

fn raw(criterion: &mut Criterion) {
    let mut group = group(criterion, "raw");
    let inputs = inputs();
    let hash = |input: &Vec<u8>| suite::hash_to_group(Mode::Voprf, input);
    let points: Vec<RistrettoPoint> = inputs.iter().map(hash).collect();
    let encodings: Vec<CompressedRistretto> = points.iter().map(RistrettoPoint::compress).collect();
    let scalars: Vec<Scalar> = inputs.iter().map(|_| Scalar::random(&mut OsRng)).collect();
    let pairs: Vec<(Scalar, RistrettoPoint)> =
        scalars.iter().copied().zip(points.clone()).collect();
    let mac = MacKey::new(&SecretKey::new([1; 32]));

    each(&mut group, "hash to group", &inputs, hash);
    each(
        &mut group,
        "scalar multiplication, variable base",
        &pairs,
        |(scalar, point)| scalar * point,
    );
    each(
        &mut group,
        "scalar multiplication, fixed base",
        &scalars,
        |scalar| scalar * RISTRETTO_BASEPOINT_TABLE,
    );
    each(&mut group, "compress", &points, RistrettoPoint::compress);
    each(
        &mut group,
        "decompress",
        &encodings,
        CompressedRistretto::decompress,
    );
    each(
        &mut group,
        "hmac-sha-256 of 37 bytes",
        &encodings,
        |encoding| mac.tag(&[b"token", encoding.as_bytes()]),
    );
    each(&mut group, "sha-256 of 32 bytes", &encodings, |encoding| {
        crypto::sha256(encoding.as_bytes())
    });
    group.finish();
}

fn symbolon(criterion: &mut Criterion) {
    let mut group = group(criterion, "symbolon");
    let inputs = inputs();
    let (shares, key) = two_of_three();
    let quorum = Quorum::new([1, 3], 2).unwrap();
    let evaluator = Evaluator::new(&key, &quorum).unwrap();
    let batch = BlindedBatch::new(&inputs, &mut OsRng).unwrap();
    let wire = batch.wire();
    let evaluate =
        |share: &KeyShare| custodian::evaluate(share, &quorum, &wire, &mut OsRng).unwrap();
    let evaluations: BTreeMap<u16, Evaluation> = [&shares[0], &shares[2]]
        .map(|share| (share.index(), evaluate(share)))
        .into();

    group.bench_function("blind", |bencher| {
        bencher.iter(|| BlindedBatch::new(black_box(&inputs), &mut OsRng).unwrap());
    });
    group.bench_function("evaluate with proof, one custodian", |bencher| {
        bencher.iter(|| evaluate(black_box(&shares[0])));
    });
    group.bench_function("verify, combine and finalise, 2 of 3", |bencher| {
        bencher.iter(|| {
            evaluator
                .finalize(&batch, &inputs, black_box(&evaluations))
                .unwrap()
        });
    });

    let outputs = evaluator.finalize(&batch, &inputs, &evaluations).unwrap();
    let agreement = AgreementKey::new(SecretKey::new([2; 32]));
    let payload = Payload {
        agency: "harbour-refuge".parse().unwrap(),
        reference: RecordReference([3; 16]),
        kind: 1,
        schema_version: 1,
        urgency: Urgency::Standard,
        query: false,
    };
    each(
        &mut group,
        "root, token and sealed payload",
        &outputs,
        |output| {
            let root = Root::from_output(output).unwrap();
            let (token, lock) = agreement.derive(&root);
            let handle = Handle::random().unwrap();
            payload::seal(&payload, &lock, &AgreementEpoch([4; 16]), &token, &handle).unwrap()
        },
    );
    group.finish();
}

fn stock(criterion: &mut Criterion) {
    let mut group = group(criterion, "stock");
    let inputs = inputs();
    let server = VoprfServer::<Ristretto255>::new(&mut OsRng).unwrap();
    let public = server.get_public_key();
    let blind = |input: &Vec<u8>| VoprfClient::<Ristretto255>::blind(input, &mut OsRng).unwrap();
    let (clients, blinded): (Vec<_>, Vec<_>) = inputs
        .iter()
        .map(blind)
        .map(|blinded| (blinded.state, blinded.message))
        .unzip();
    let evaluate = || {
        let prepared: Vec<_> = server
            .batch_blind_evaluate_prepare(blinded.iter())
            .collect();
        let finished = server.batch_blind_evaluate_finish(&mut OsRng, blinded.iter(), &prepared);
        let finished = finished.unwrap();
        let messages: Vec<_> = finished.messages.collect();
        (messages, finished.proof)
    };
    let (messages, proof): (Vec<_>, Proof<Ristretto255>) = evaluate();

    each(&mut group, "blind", &inputs, blind);
    group.bench_function("evaluate with proof, one custodian", |bencher| {
        bencher.iter(|| black_box(evaluate()));
    });
    group.bench_function("verify and finalise, one custodian", |bencher| {
        bencher.iter(|| {
            let finished =
                VoprfClient::batch_finalize(&inputs, &clients, &messages, &proof, public);
            let outputs: Vec<_> = finished.unwrap().collect();
            black_box(outputs)
        });
    });
    group.finish();
}

criterion_group!(benches, raw, symbolon, stock);
criterion_main!(benches);
