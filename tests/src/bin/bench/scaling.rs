//! A register far past one machine, reckoned from what a row, a key and a query cost on this one.
//!
//! The first load is arithmetic. For the hours after it there is a simulation: requests arrive at random
//! moments (a Poisson process) at peak hour, each goes to the shards that its tokens hash to, and each shard
//! works off what it has one after another, since it has one writer. An answer is complete when the last
//! shard has answered. Service times are drawn from two measured figures, the median and the 99th percentile,
//! as a log-normal distribution has them. The same seed gives the same figures.

use crate::report::Report;

const PART: &str = "scaling";
/// Shards that are simulated, one after another.
const SHARDS: [usize; 5] = [1, 2, 4, 8, 16];
const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 86_400.0;
/// Requests of one simulated run.
const REQUESTS: usize = 200_000;
/// Rows of a query, and of the submission of a changed record.
const ROWS: usize = 64;
/// 99th percentile of a normal distribution, in standard deviations.
const Z99: f64 = 2.326;

/// What is asked for, and what things cost. The defaults of the costs are those of `docs/benchmarks.md`.
#[derive(clap::Args, Clone)]
pub struct Scale {
    /// Persons, each held by one agency
    #[arg(long, default_value_t = 70e6)]
    people: f64,
    /// Linkage keys of a person
    #[arg(long, default_value_t = 30.0)]
    keys: f64,
    /// Agencies
    #[arg(long, default_value_t = 200.0)]
    agencies: f64,
    /// Part of the records that changes in a day
    #[arg(long, default_value_t = 0.001)]
    changes: f64,
    /// Queries of one agency in a day
    #[arg(long, default_value_t = 5_000.0)]
    queries: f64,
    /// The busiest hour has so many times the mean
    #[arg(long, default_value_t = 5.0)]
    peak: f64,
    /// Custodians in all, of whom two answer
    #[arg(long, default_value_t = 3.0)]
    custodians: f64,
    /// Microseconds of a key at its node, one core
    #[arg(long, default_value_t = 65.8)]
    node_us: f64,
    /// Microseconds of a key at a custodian, one core
    #[arg(long, default_value_t = 39.8)]
    custodian_us: f64,
    /// Microseconds of a row at the hub, in large batches
    #[arg(long, default_value_t = 6.7)]
    row_us: f64,
    /// Bytes of a row on the hub's disk
    #[arg(long, default_value_t = 477.0)]
    row_bytes: f64,
    /// Milliseconds of a small request at one shard: half of them take less
    #[arg(long, default_value_t = 0.36)]
    median_ms: f64,
    /// And 99 in 100 less than this
    #[arg(long, default_value_t = 4.27)]
    p99_ms: f64,
    /// For the simulation
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub fn reckon(report: &mut Report, scale: &Scale) {
    let rows = scale.people * scale.keys;
    report.figure(PART, "rows", rows / 1e9, "thousand million");
    let own = rows / scale.agencies;
    let hours = own * scale.node_us / 1e6 / HOUR_S;
    report.figure(PART, "first load, one agency's node", hours, "core hours");
    let each = rows * 2.0 / scale.custodians * scale.custodian_us / 1e6 / HOUR_S;
    report.figure(PART, "first load, each custodian", each, "core hours");
    // 32 bytes there and 32 back for each of two custodians.
    let relayed = rows * 2.0 * 64.0 / 1e9;
    report.figure(
        PART,
        "first load, points that the hub relays",
        relayed,
        "GB",
    );
    for shards in SHARDS {
        let count = shards as f64;
        let hours = rows * scale.row_us / 1e6 / HOUR_S / count;
        let name = format!("first load, {shards} shards");
        report.figure(PART, &name, hours, "hours");
        let disk = rows * scale.row_bytes / 1e12 / count;
        report.figure(
            PART,
            &format!("disk of each of {shards} shards"),
            disk,
            "TB",
        );
    }
    let per_day = scale.agencies * scale.queries + scale.people * scale.changes;
    let rate = per_day / DAY_S * scale.peak;
    report.figure(PART, "requests at peak", rate, "a second");
    for shards in SHARDS {
        simulate(report, scale, rate, shards);
    }
}

/// Requests at a rate on so many shards.
fn simulate(report: &mut Report, scale: &Scale, rate: f64, shards: usize) {
    let mut random = Random(scale.seed);
    let sigma = (scale.p99_ms / scale.median_ms).ln() / Z99;
    let mut free_at = vec![0.0_f64; shards];
    let mut busy = 0.0;
    let mut waited = Vec::with_capacity(REQUESTS);
    let mut now = 0.0;
    for _ in 0..REQUESTS {
        now += -(1.0 - random.uniform()).ln() / rate;
        // Which shards have at least one of the rows, and what part of the work.
        let mut parts = vec![0_usize; shards];
        (0..ROWS).for_each(|_| parts[random.below(shards)] += 1);
        let mut done = now;
        for (free, rows) in free_at
            .iter_mut()
            .zip(&parts)
            .filter(|(_, rows)| **rows > 0)
        {
            let whole = scale.median_ms / 1e3 * (sigma * random.normal()).exp();
            // Half of a small request is its synced write, which it costs however few its rows are.
            let takes = whole * (0.5 + 0.5 * *rows as f64 / ROWS as f64);
            *free = free.max(now) + takes;
            busy += takes;
            done = done.max(*free);
        }
        waited.push((done - now) * 1e3);
    }
    waited.sort_by(f64::total_cmp);
    let used = busy / (now * shards as f64) * 100.0;
    let at = |part: usize| waited[(waited.len() * part / 100).min(waited.len() - 1)];
    report.figure(PART, &format!("{shards} shards: in use at peak"), used, "%");
    report.figure(
        PART,
        &format!("{shards} shards: answer, median"),
        at(50),
        "ms",
    );
    report.figure(PART, &format!("{shards} shards: answer, p99"), at(99), "ms");
}

/// A linear congruential generator (Knuth's MMIX constants): the same figures for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 11
    }

    /// From 0 to below 1.
    fn uniform(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, number: usize) -> usize {
        ((self.uniform() * number as f64) as usize).min(number - 1)
    }

    /// Box and Muller's method.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
