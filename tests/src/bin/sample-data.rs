//! Writes the synthetic casework of [`symbolon_tests::sample`] as CSV files.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage (clap's own).

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use symbolon_tests::sample::{self, Sample, SampleSpec};

/// Well below the number of NHS numbers in the test range.
const MAX_PEOPLE: i64 = 500_000;

/// Write synthetic casework of three agencies, and the truth of who is who
#[derive(Debug, Parser)]
#[command(name = "sample-data", version)]
struct Arguments {
    /// Directory for AGENCY.csv and truth.csv; made when absent
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = SampleSpec::default().seed)]
    seed: u64,
    /// How many different people there are
    #[arg(long, default_value_t = SampleSpec::default().people as u32,
        value_parser = clap::value_parser!(u32).range(1..=MAX_PEOPLE))]
    people: u32,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is closed too.
            let _ = writeln!(io::stderr(), "error: {}: {error}", arguments.out.display());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let people = arguments.people as usize;
    let sample = sample::generate(&SampleSpec {
        seed: arguments.seed,
        people,
        ..SampleSpec::default()
    });
    sample::write(&sample, &arguments.out)?;
    report(arguments, &sample)
}

fn report(arguments: &Arguments, sample: &Sample) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let records: serde_json::Map<String, serde_json::Value> = sample
            .agencies
            .iter()
            .map(|(agency, rows)| (agency.clone(), json!(rows.len())))
            .collect();
        let report = json!({
            "out": arguments.out,
            "seed": arguments.seed,
            "people": arguments.people,
            "records": records,
            "true_pairs": sample.truth.len(),
            "dirt": sample.dirt,
        });
        return writeln!(out, "{report:#}");
    }
    for (agency, rows) in &sample.agencies {
        writeln!(out, "{agency}.csv: {} records", rows.len())?;
    }
    writeln!(out, "truth.csv: {} pairs", sample.truth.len())?;
    let slips: usize = sample.dirt.values().sum();
    writeln!(
        out,
        "{slips} slips and traps of {} kinds",
        sample.dirt.len()
    )?;
    writeln!(out, "written to {}", arguments.out.display())
}
