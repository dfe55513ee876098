//! Whether the time of an answer tells a silent hit from a miss.
//!
//! A hub with mutual TLS and two agencies; one holds silent and open rows, the other asks. Queries of three
//! kinds go one after another in random order: some rows of each meet silent rows, or open ones, or none.
//! The times of the kinds are compared by Mann-Whitney and Kolmogorov-Smirnov. Silent hits and misses must
//! not be told apart at p < 0.001 by either, nor what comes just after them; open hits, and misses to which
//! a delay was added, must be: else the measurement sees nothing at all.
//!
//! ```text
//! TMPDIR=/dev/shm cargo run --release -p symbolon-tests --bin silent-timing -- --queries 10000 --seed 1
//! ```
//! With the temporary directory in memory nothing waits for a disk, whose noise would hide differences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use symbolon_core::crypto;
use symbolon_core::identity::AgencyKind;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_core::sealed_file::Unlock;
use symbolon_tests::consortium::Consortium;
use symbolon_tests::statistics::{kolmogorov_smirnov, mann_whitney};
use zeroize::Zeroizing;

/// Persons of each kind that are asked about.
const PERSONS: usize = 256;
/// Rows of a person that meet something, of the 64 of a query.
const KEYS: usize = 16;
const QUERY_ROWS: usize = 64;
/// Queries before anything is counted.
const WARM_UP: usize = 500;
const LEVEL: f64 = 0.001;

#[derive(Parser)]
struct Arguments {
    /// Queries that are silent hits or misses, half of each
    #[arg(long, default_value_t = 10_000)]
    queries: usize,
    /// For the order of the queries
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is added to a miss for the control, in microseconds
    #[arg(long, default_value_t = 50)]
    delay_us: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Miss,
    Silent,
    Open,
    Delayed,
}

fn unlock() -> Unlock {
    Unlock::KeyFile(Zeroizing::new(vec![7; 32]))
}

fn row(epoch: AgreementEpoch, token: Token, silent: bool) -> Row {
    Row {
        agreement_epoch: epoch,
        token,
        handle: Handle::random().unwrap(),
        silent,
        expiry: ExpiryMonth::of(time::OffsetDateTime::now_utc().unix_timestamp()),
        payload: SealedPayload(crypto::random::<PAYLOAD_BYTES>().unwrap()),
    }
}

fn tokens() -> Vec<Token> {
    let all = (0..PERSONS * KEYS).map(|_| Token(crypto::random().unwrap()));
    all.collect()
}

/// The order of the kinds: a shuffle by a linear congruential generator, the same for a seed.
fn order(queries: usize, seed: u64) -> Vec<Kind> {
    let half = queries / 2;
    let mut order = [
        vec![Kind::Miss; half],
        vec![Kind::Silent; half],
        vec![Kind::Open; half / 2],
        vec![Kind::Delayed; half / 2],
    ]
    .concat();
    let mut state = seed;
    for at in (1..order.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(at, (state >> 33) as usize % (at + 1));
    }
    order
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("{} queries, seed {}", arguments.queries, arguments.seed);
    let directory = tempfile::tempdir().unwrap();
    let mut consortium = Consortium::found(&directory.path().join("state"), unlock)
        .await
        .unwrap();
    for name in ["police", "refuge"] {
        consortium.enrol(name, AgencyKind::Ngo, name).await.unwrap();
    }
    consortium.appoint(2).await.unwrap();
    consortium
        .agree("timing", &["police", "refuge"])
        .await
        .unwrap();
    let (own, after) = measure(&consortium, &arguments).await;
    consortium.stop().await.unwrap();
    judge(&own, &after)
}

type Times = BTreeMap<Kind, Vec<f64>>;

/// Microseconds of each query by its kind, and by the kind of the query before it.
async fn measure(consortium: &Consortium, arguments: &Arguments) -> (Times, Times) {
    let police = consortium.node("police").unwrap();
    let agreement = police.agreement(Some("timing")).unwrap();
    let epoch = agreement.standing.epoch_id();
    let (miss, silent, open) = (tokens(), tokens(), tokens());
    let hub = consortium.node("refuge").unwrap().hub().await.unwrap();
    for (tokens, is_silent) in [(&silent, true), (&open, false)] {
        for part in tokens.chunks(1024) {
            let rows: Vec<Row> = part.iter().map(|t| row(epoch, *t, is_silent)).collect();
            hub.submit(&rows).await.unwrap();
        }
    }
    let hub = police.hub().await.unwrap();
    let (mut own, mut after) = (Times::new(), Times::new());
    let mut before = None;
    let mut kinds = order(arguments.queries, arguments.seed);
    let warm_up: Vec<Kind> = kinds.iter().copied().cycle().take(WARM_UP).collect();
    kinds.splice(0..0, warm_up);
    for (number, kind) in kinds.into_iter().enumerate() {
        let of_kind = match kind {
            Kind::Miss | Kind::Delayed => &miss,
            Kind::Silent => &silent,
            Kind::Open => &open,
        };
        let person = number % PERSONS;
        let known = of_kind.iter().skip(person * KEYS).take(KEYS).copied();
        let mut rows: Vec<Row> = known.map(|token| row(epoch, token, false)).collect();
        while rows.len() < QUERY_ROWS {
            rows.push(row(epoch, Token(crypto::random().unwrap()), false));
        }
        let start = Instant::now();
        let hits = hub.query(&rows).await.unwrap();
        if kind == Kind::Delayed {
            let until = Instant::now() + Duration::from_micros(arguments.delay_us);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
        let took = start.elapsed().as_secs_f64() * 1e6;
        assert_eq!(hits.len(), if kind == Kind::Open { KEYS } else { 0 });
        if number >= WARM_UP {
            own.entry(kind).or_default().push(took);
            // Only what follows by a miss or a silent hit, so that kinds of the second do not mix in.
            if let (Some(before), Kind::Miss | Kind::Silent) = (before, kind) {
                after.entry(before).or_default().push(took);
            }
        }
        before = Some(kind);
    }
    (own, after)
}

fn judge(own: &Times, after: &Times) -> ExitCode {
    let mut good = true;
    for (kind, times) in own {
        println!(
            "{kind:?}: {} queries, median {:.1} us",
            times.len(),
            median(times)
        );
    }
    let comparisons = [
        ("silent hit, miss", own, Kind::Silent, false),
        (
            "after a silent hit, after a miss",
            after,
            Kind::Silent,
            false,
        ),
        ("control: open hit, miss", own, Kind::Open, true),
        ("control: delayed miss, miss", own, Kind::Delayed, true),
    ];
    for (what, times, kind, must_differ) in comparisons {
        let (one, miss) = (&times[&kind], &times[&Kind::Miss]);
        let (_, p_u) = mann_whitney(one, miss);
        let (d, p_d) = kolmogorov_smirnov(one, miss);
        let differs = p_u < LEVEL || p_d < LEVEL;
        let right = differs == must_differ;
        good &= right;
        println!(
            "{what}: Mann-Whitney p = {p_u:.3e}, Kolmogorov-Smirnov D = {d:.4}, p = {p_d:.3e}: {}{}",
            if differs {
                "told apart"
            } else {
                "not told apart"
            },
            if right { "" } else { " (WRONG)" }
        );
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
