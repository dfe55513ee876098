//! What the parts cost, each figure beside its limit, all in one run.
//!
//! ```text
//! cargo run --release -p symbolon-tests --bin bench -- all --json
//! ```
//! Machines and runs differ: figures of one run can be divided by each other, those of two cannot. So every
//! limit is measured in the run whose figure it bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod crypto;
mod index;
mod pipeline;
mod postgres;
mod report;
mod scaling;
mod wire;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use report::Report;

// As the programs that are measured have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures the parts of Symbolon beside their limits")]
struct Arguments {
    #[command(subcommand)]
    part: Part,
    /// Print one JSON value instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Part {
    /// Every part; PostgreSQL too, if a database is given
    All {
        #[command(flatten)]
        sizes: Sizes,
        /// URL of a PostgreSQL database in which a schema can be made
        #[arg(long, env = "SYMBOLON_TEST_POSTGRES", hide_env_values = true)]
        url: Option<String>,
    },
    /// Linkage keys: blind, evaluate, verify, finalise
    Crypto(Sizes),
    /// The hub's index: ingest, look-ups, disk, start-up
    Index(Sizes),
    /// The same index in PostgreSQL, beside bare COPY of the same bytes
    Postgres(postgres::Database),
    /// The hub over its sockets: ingest, look-ups, queries beside a load
    Wire(Sizes),
    /// An import, from a file to acknowledged rows, with the node in a process of its own
    Pipeline(Sizes),
    /// A national register, reckoned from what things cost here
    Scaling(scaling::Scale),
}

#[derive(Args, Clone)]
struct Sizes {
    /// Linkage keys in one request
    #[arg(long, default_value_t = 1024)]
    batch: usize,
    /// Rows in the index at the end
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    #[command(flatten)]
    pipeline: pipeline::Size,
}

fn main() -> ExitCode {
    // The harness starts the hub so.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return symbolon_hub::cli::main();
    }
    let Arguments { part, json } = Arguments::parse();
    let mut report = Report::default();
    match &part {
        Part::All { sizes, url } => {
            crypto::measure(&mut report, sizes.batch);
            index::measure(&mut report, sizes.rows);
            if let Some(url) = url {
                postgres::measure(&mut report, url, sizes.rows);
            }
            wire::measure(&mut report, sizes.rows);
            measure_pipeline(&mut report, sizes);
        }
        Part::Crypto(sizes) => crypto::measure(&mut report, sizes.batch),
        Part::Index(sizes) => index::measure(&mut report, sizes.rows),
        Part::Postgres(database) => postgres::measure(&mut report, &database.url, database.rows),
        Part::Wire(sizes) => wire::measure(&mut report, sizes.rows),
        Part::Pipeline(sizes) => {
            crypto::measure(&mut report, sizes.batch);
            measure_pipeline(&mut report, sizes);
        }
        Part::Scaling(scale) => scaling::reckon(&mut report, scale),
    }
    report.print(json);
    if report.is_within() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Two custodians evaluate, and the node does the rest.
fn measure_pipeline(report: &mut Report, sizes: &Sizes) {
    let cost = |name: &str| report.value("crypto", name);
    let crypto_us = cost("node, 2 of 3 custodians") + 2.0 * cost("custodian");
    pipeline::measure(report, &sizes.pipeline, crypto_us);
}
