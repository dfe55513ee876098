//! How long an honest member waits for its answers beside thousands that wish the hub ill.
//!
//! ```text
//! TMPDIR=/dev/shm cargo run --release -p symbolon-tests --bin flood -- --slow 5000 --seconds 20 --rounds 3
//! ```
//! The hub's store lies in the temporary directory: in memory, a disk that is slow just then is not measured.
//! The hub is a process of its own, with its default settings; so are the attackers, which run at the lowest
//! priority: they stand for other machines, and their own work must not be measured. All on loopback. The
//! honest member asks with 64 rows, so many times a second; the clock runs from when a query was due. The
//! limit is twice the 99th percentile at rest, measured in turn with the parts and after them.
//!
//! Slow clients: some say nothing, some drip TLS byte by byte on either port, some drip a frame of HTTP/2. One
//! that is thrown out comes again after five seconds. Floods: a member with a good certificate sends each
//! kind of bad frames over a connection of its own, as fast as it can, and comes again after 100 ms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod attackers;
mod measure;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use symbolon_core::identity::AgencyKind;
use symbolon_core::sealed_file::Unlock;
use symbolon_tests::consortium::Consortium;
use symbolon_tests::flood::Frames;
use zeroize::Zeroizing;

use attackers::{Attackers, Came};
use measure::Times;

// As the programs that are measured have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A hundred times as many would have little to do with 5,000.
const MOST_SLOW: usize = 9000;
const MOST_SECONDS: u64 = 600;
const MOST_ROUNDS: u32 = 20;
/// How much later an honest member may be answered.
const FACTOR: f64 = 2.0;

#[derive(Parser)]
#[command(about = "Measures what an honest member waits beside a flood")]
struct Arguments {
    #[command(flatten)]
    measured: Measured,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Args)]
struct Measured {
    /// Slow clients, up to 9000
    #[arg(long, default_value_t = 5000)]
    slow: usize,
    /// Seconds of each part, up to 600
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How often each part is measured, in turn, up to 20
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Queries a second of the honest member
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Beside each kind of bad frames by itself as well
    #[arg(long)]
    by_kind: bool,
    /// Print one JSON value instead of a table
    #[arg(long)]
    json: bool,
}

impl Measured {
    fn is_in_bounds(&self) -> bool {
        self.slow <= MOST_SLOW
            && (1..=MOST_SECONDS).contains(&self.seconds)
            && (1..=MOST_ROUNDS).contains(&self.rounds)
    }

    /// What is measured beside nothing: names, slow clients and bad frames.
    fn parts(&self) -> Vec<(String, usize, Vec<Frames>)> {
        let all = Frames::ALL.to_vec();
        let mut parts = vec![
            ("slow clients".to_owned(), self.slow, Vec::new()),
            ("bad frames".to_owned(), 0, all.clone()),
            ("both".to_owned(), self.slow, all),
        ];
        if self.by_kind {
            parts.extend(Frames::ALL.map(|kind| (kind.name(), 0, vec![kind])));
        }
        parts
    }
}

/// What this program is when it starts itself.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Attack(attackers::Attack),
}

#[derive(Serialize)]
struct Report {
    cores: usize,
    open_files: u64,
    queries_a_second: u32,
    slow_clients: usize,
    rounds: u32,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    name: String,
    queries: usize,
    p50_ms: f64,
    p99_ms: f64,
    limit_ms: Option<f64>,
    within: bool,
    came: Came,
}

fn main() -> ExitCode {
    // The harness starts the hub so.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return symbolon_hub::cli::main();
    }
    let Arguments { measured, role } = Arguments::parse();
    let open_files = raise_open_files();
    match role {
        Some(Role::Attack(attack)) => {
            attackers::run(&attack);
            ExitCode::SUCCESS
        }
        None if !measured.is_in_bounds() => {
            eprintln!(
                "--slow goes up to {MOST_SLOW}, --seconds from 1 to {MOST_SECONDS}, --rounds from 1 to {MOST_ROUNDS}"
            );
            ExitCode::from(2)
        }
        None => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let report = runtime.block_on(run(&measured, open_files));
            report.print(measured.json);
            match report.parts.iter().all(|part| part.within) {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
    }
}

/// As many files as this user may have open; those that are started inherit it.
fn raise_open_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.current.unwrap_or(u64::MAX)
}

pub fn unlock() -> Unlock {
    Unlock::KeyFile(Zeroizing::new(vec![7; 32]))
}

async fn run(measured: &Measured, open_files: u64) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let itself = std::env::current_exe().unwrap();
    let state = directory.path().join("state");
    let mut consortium = Consortium::found_with(&state, unlock, Some(itself), None)
        .await
        .unwrap();
    for name in ["police", "refuge"] {
        consortium.enrol(name, AgencyKind::Ngo, name).await.unwrap();
    }
    consortium.appoint(2).await.unwrap();
    consortium
        .agree("flood", &["police", "refuge"])
        .await
        .unwrap();
    let kind = AgencyKind::Ngo;
    consortium.enrol("mallory", kind, "mallory").await.unwrap();
    consortium.stop_node("mallory").await.unwrap();

    let ask = async |times: &mut Times| times.take(&consortium, measured).await;
    let mut rest = Times::default();
    // What is opened and filled at first is not measured.
    ask(&mut Times::default()).await;
    let mut beside: Vec<_> = measured
        .parts()
        .into_iter()
        .map(|part| (part, Times::default(), Came::default()))
        .collect();
    // In turn, so that what else the machine does meanwhile falls on all of them.
    for _ in 0..measured.rounds {
        ask(&mut rest).await;
        for ((_, slow, floods), times, came) in &mut beside {
            let attackers = Attackers::start(&consortium, *slow, floods).await;
            ask(times).await;
            came.add(&attackers.stop().await);
        }
    }
    ask(&mut rest).await;
    consortium.stop().await.unwrap();

    let limit = rest.percentile(0.99) * FACTOR;
    let mut parts = vec![part("at rest".to_owned(), &rest, None, Came::default())];
    for ((name, ..), times, came) in beside {
        parts.push(part(name, &times, Some(limit), came));
    }
    Report {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        open_files,
        queries_a_second: measured.rate,
        slow_clients: measured.slow,
        rounds: measured.rounds,
        parts,
    }
}

fn part(name: String, times: &Times, limit_ms: Option<f64>, came: Came) -> Part {
    let p99_ms = times.percentile(0.99);
    Part {
        name,
        queries: times.count(),
        p50_ms: times.percentile(0.5),
        p99_ms,
        limit_ms,
        within: limit_ms.is_none_or(|limit| p99_ms <= limit),
        came,
    }
}

impl Report {
    fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string_pretty(self).unwrap());
            return;
        }
        let Self {
            cores,
            open_files,
            queries_a_second,
            slow_clients,
            rounds,
            parts,
        } = self;
        println!(
            "{cores} cores, up to {open_files} open files, {queries_a_second} queries a second, {slow_clients} slow clients, {rounds} rounds\n"
        );
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header([
            "beside",
            "queries",
            "p50 ms",
            "p99 ms",
            "limit ms",
            "",
            "opened",
            "thrown out",
            "slow and open",
            "sent MB",
        ]);
        for part in parts {
            let Came {
                opened,
                closed,
                slow,
                sent_mb,
            } = &part.came;
            table.add_row([
                part.name.clone(),
                part.queries.to_string(),
                format!("{:.2}", part.p50_ms),
                format!("{:.2}", part.p99_ms),
                part.limit_ms
                    .map_or(String::new(), |limit| format!("{limit:.2}")),
                if part.within { "" } else { "OVER" }.to_owned(),
                opened.to_string(),
                closed.to_string(),
                slow.to_string(),
                sent_mb.to_string(),
            ]);
        }
        println!("{table}");
    }
}
