//! What a linkage key costs at the node and at a custodian, beside the operations that no protocol of this
//! kind avoids and beside the stock path.
//!
//! Everything is measured on one core, in rounds that go through all operations in turn; of each the best
//! round counts, so that what other processes take shows in as few figures as possible.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::VartimeMultiscalarMul as _;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::OsRng;
use symbolon_core::oprf::client::{BlindedBatch, Evaluator};
use symbolon_core::oprf::custodian::{self, Evaluation};
use symbolon_core::oprf::suite::{self, Mode};
use symbolon_core::oprf::threshold::{CustodyKey, Element, KeyShare, Quorum};
use voprf::{Ristretto255, VoprfClient, VoprfServer};

use crate::report::Report;

const PART: &str = "crypto";
const ROUNDS: usize = 9;
const CUSTODIANS: f64 = 2.0;

/// Best microseconds for one key, by operation.
type Best = BTreeMap<&'static str, f64>;

struct Clock {
    best: Best,
    batch: usize,
}

impl Clock {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let outcome = black_box(work());
        let each = start.elapsed().as_secs_f64() * 1e6 / self.batch as f64;
        let best = self.best.entry(name).or_insert(f64::INFINITY);
        *best = best.min(each);
        outcome
    }
}

pub fn measure(report: &mut Report, batch: usize) {
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let best = alone.install(|| {
        let mut clock = Clock {
            best: Best::new(),
            batch,
        };
        for _ in 0..ROUNDS {
            raw(&mut clock);
            ours(&mut clock);
            stock(&mut clock);
        }
        clock.best
    });
    // The same on all cores, by the clock on the wall.
    let mut clock = Clock {
        best: Best::new(),
        batch,
    };
    (0..ROUNDS).for_each(|_| ours(&mut clock));
    judge(report, &best, &clock.best);
}

fn inputs(batch: usize) -> Vec<Vec<u8>> {
    let number = |i: usize| format!("identifier of plausible length, number {i}").into_bytes();
    (0..batch).map(number).collect()
}

fn raw(clock: &mut Clock) {
    let inputs = inputs(clock.batch);
    let hash = |input: &Vec<u8>| suite::hash_to_group(Mode::Voprf, input);
    let points: Vec<RistrettoPoint> =
        clock.time("hash to group", || inputs.iter().map(hash).collect());
    let scalars: Vec<Scalar> = inputs.iter().map(|_| Scalar::random(&mut OsRng)).collect();
    clock.time("fixed base", || {
        let all = scalars
            .iter()
            .map(|scalar| scalar * RISTRETTO_BASEPOINT_TABLE);
        all.for_each(|point| {
            black_box(point);
        });
    });
    clock.time("multiplication", || {
        let all = points
            .iter()
            .zip(&scalars)
            .map(|(point, scalar)| scalar * point);
        all.for_each(|point| {
            black_box(point);
        });
    });
    let encodings: Vec<CompressedRistretto> = points.iter().map(RistrettoPoint::compress).collect();
    clock.time("decompress", || {
        encodings.iter().for_each(|encoding| {
            black_box(encoding.decompress());
        });
    });
    clock.time("multiscalar term", || {
        RistrettoPoint::vartime_multiscalar_mul(&scalars, &points)
    });
}

/// A 2-of-3 key, dealt: points on a line.
fn two_of_three() -> (Vec<KeyShare>, CustodyKey) {
    let (key, slope) = (Scalar::random(&mut OsRng), Scalar::random(&mut OsRng));
    let public =
        |secret: &Scalar| Element((secret * RISTRETTO_BASEPOINT_TABLE).compress().to_bytes());
    let secrets = (1..=3_u16).map(|index| (index, key + slope * Scalar::from(index)));
    let secrets: BTreeMap<u16, Scalar> = secrets.collect();
    let shares = secrets
        .iter()
        .map(|(index, secret)| (*index, public(secret)));
    let custody = CustodyKey {
        threshold: 2,
        group: public(&key),
        shares: shares.collect(),
    };
    let shares = secrets.iter();
    let shares = shares.map(|(index, secret)| KeyShare::from_bytes(*index, secret.as_bytes()));
    (shares.collect::<Result<_, _>>().unwrap(), custody)
}

fn ours(clock: &mut Clock) {
    let inputs = inputs(clock.batch);
    let (shares, key) = two_of_three();
    let quorum = Quorum::new([1, 3], 2).unwrap();
    let evaluator = Evaluator::new(&key, &quorum).unwrap();
    let blinded = clock.time("blind", || BlindedBatch::new(&inputs, &mut OsRng).unwrap());
    let wire = blinded.wire();
    let evaluate = |share: &KeyShare| custodian::evaluate(share, &quorum, &wire, &mut OsRng);
    let first = clock.time("evaluate", || evaluate(&shares[0]).unwrap());
    let evaluations: BTreeMap<u16, Evaluation> =
        [(1, first), (3, evaluate(&shares[2]).unwrap())].into();
    clock.time("finalise", || {
        evaluator.finalize(&blinded, &inputs, &evaluations).unwrap()
    });
}

fn stock(clock: &mut Clock) {
    let inputs = inputs(clock.batch);
    let server = VoprfServer::<Ristretto255>::new(&mut OsRng).unwrap();
    let public = server.get_public_key();
    let blind = |input: &Vec<u8>| VoprfClient::<Ristretto255>::blind(input, &mut OsRng).unwrap();
    let blinded = clock.time("stock blind", || {
        inputs.iter().map(blind).collect::<Vec<_>>()
    });
    let (clients, blinded): (Vec<_>, Vec<_>) = blinded
        .into_iter()
        .map(|one| (one.state, one.message))
        .unzip();
    let (messages, proof) = clock.time("stock evaluate", || {
        let prepared: Vec<_> = server
            .batch_blind_evaluate_prepare(blinded.iter())
            .collect();
        let finished = server.batch_blind_evaluate_finish(&mut OsRng, blinded.iter(), &prepared);
        let finished = finished.unwrap();
        (finished.messages.collect::<Vec<_>>(), finished.proof)
    });
    clock.time("stock verify and finalise", || {
        let finished = VoprfClient::batch_finalize(&inputs, &clients, &messages, &proof, public);
        finished.unwrap().collect::<Vec<_>>()
    });
    let points: Vec<RistrettoPoint> = inputs
        .iter()
        .map(|input| suite::hash_to_group(Mode::Voprf, input))
        .collect();
    let weights = [Scalar::random(&mut OsRng), Scalar::random(&mut OsRng)];
    clock.time("stock Lagrange", || {
        let all = points
            .iter()
            .map(|point| weights[0] * point + weights[1] * point);
        all.for_each(|point| {
            black_box(point);
        });
    });
}

fn judge(report: &mut Report, best: &Best, wall: &Best) {
    for (name, us) in best {
        report.figure(PART, name, *us, "us a key");
    }
    let of = |name: &str| best[name];
    let node = of("blind") + of("finalise");
    let raw = of("hash to group")
        + 2.0 * of("fixed base")
        + CUSTODIANS * (of("decompress") + of("multiscalar term"));
    report.figure(PART, "node, 2 of 3 custodians", node, "us a key");
    report.at_most(
        1.5 * raw,
        "1.5 x (hash to group, 2 fixed bases, for each custodian decompress and a multiscalar term)",
    );
    let stock =
        of("stock blind") + CUSTODIANS * of("stock verify and finalise") + of("stock Lagrange");
    report.figure(PART, "stock path at the node / ours", stock / node, "times");
    report.at_least(
        4.0,
        "voprf 0.5: blind, verify and finalise for each custodian, Lagrange",
    );
    report.figure(PART, "custodian", of("evaluate"), "us a key");
    report.at_most(
        1.5 * (of("decompress") + of("multiplication") + of("multiscalar term")),
        "1.5 x (decompress, a multiplication, a multiscalar term)",
    );
    let all_cores = wall["blind"] + wall["finalise"];
    report.figure(
        PART,
        "node, on all cores, by the wall",
        all_cores,
        "us a key",
    );
    report.figure(
        PART,
        "one core / all cores, by the wall",
        node / all_cores,
        "times",
    );
}
