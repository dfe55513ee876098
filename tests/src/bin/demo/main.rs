//! `cargo demo`: a hub and several agencies on sample files, with real sockets, mutual TLS and a
//! threshold key.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use symbolon_tests::consortium::Failure;
use symbolon_tests::demo::sources::{self, committed_sample};
use symbolon_tests::demo::steps::{self, Stage};
use symbolon_tests::logs;

/// Runs a hub and three agencies in this process, with real sockets, mutual TLS and a key that
/// nobody holds alone; imports sample files; prints each agency's matches.
#[derive(Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// Stop after the matches instead of staying up until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Print one JSON object as the last line; everything else goes to standard error.
    #[arg(long)]
    json: bool,
    /// A directory with one AGENCY.csv for each agency and, optionally, a truth.csv.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep every party's state here, one folder each, with the hub's log beside it. It must be
    /// empty or new. Without this, a temporary directory is used and removed at the end.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!(
                "error: what the nodes report differs from a join in clear; please report this"
            );
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let temporary = tempfile::Builder::new()
        .prefix("symbolon-demo-")
        .tempdir()?;
    let state = match &arguments.state {
        Some(state) => {
            empty_directory(state)?;
            state.canonicalize()?
        }
        None => temporary.path().to_owned(),
    };
    logs::to_file(&state.join("hub.log"))?;
    let directory = arguments.data.clone().unwrap_or_else(committed_sample);
    let sources = sources::sources(&directory)?;
    let mut stage = Stage::new(arguments.json);
    let consortium = steps::set_up(&mut stage, &state, &sources).await?;
    steps::import(&mut stage, &consortium, &sources).await?;
    steps::matches(&mut stage, &consortium, &sources, &directory)?;
    steps::by_example(&mut stage, &consortium, &sources).await?;
    let equal = stage.summary.oracle_equal;
    if !arguments.once {
        steps::how_to_go_on(&stage, &state, &sources);
        stage.say("\nPress Ctrl-C to end.");
        tokio::signal::ctrl_c().await?;
        stage.say("Ending.");
    }
    consortium.stop().await?;
    if arguments.json {
        println!("{}", serde_json::to_string(&stage.summary)?);
    }
    Ok(equal)
}

fn empty_directory(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path)
        .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    if std::fs::read_dir(path)?.next().is_some() {
        return Err(format!("{} is not empty; name a new directory", path.display()).into());
    }
    Ok(())
}
