//! The steps of the demo, one function each.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use symbolon_casework::acting::Acting;
use symbolon_core::sealed_file::Unlock;
use symbolon_node::command::ImportOptions;
use symbolon_node::reports::{ImportReport, Progress, ProgressSink};
use zeroize::Zeroizing;

use super::compare::{self, Pairs};
use super::report::{Summary, match_table};
use super::sources::{self, Source};
use crate::consortium::{Consortium, Failure, eventually};

/// The passphrase of every vault and key of the demo; printed, since a demo has no secrets.
pub const PASSPHRASE: &str = "demo-passphrase";
/// The agreement of the demo.
pub const AGREEMENT: &str = "child-protection";
/// Matches shown for each agency.
const SHOWN: usize = 12;

/// How every vault of the demo is unlocked.
pub fn unlock() -> Unlock {
    Unlock::Passphrase(Zeroizing::new(PASSPHRASE.to_owned()))
}

/// Where the demo talks to: standard output for people, standard error beside `--json`.
pub struct Stage {
    /// Standard output belongs to the JSON object.
    pub json: bool,
    /// What was counted.
    pub summary: Summary,
    started: Instant,
}

impl Stage {
    /// An empty stage.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            summary: Summary::default(),
            started: Instant::now(),
        }
    }

    /// Says a line.
    pub fn say(&self, line: impl AsRef<str>) {
        if self.json {
            eprintln!("{}", line.as_ref());
        } else {
            println!("{}", line.as_ref());
        }
    }

    /// Ends a step: its seconds count from the end of the one before.
    fn step(&mut self, name: &'static str) {
        let seconds = (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        self.summary.seconds.insert(name, seconds);
        self.started = Instant::now();
    }
}

/// Founds, enrols, generates the key, agrees.
pub async fn set_up(
    stage: &mut Stage,
    state: &Path,
    sources: &[Source],
) -> Result<Consortium, Failure> {
    stage.summary.agencies = sources.len();
    let mut consortium = Consortium::found(state, unlock).await?;
    let (listen, _) = consortium.addresses();
    stage.say(format!(
        "1. Consortium founded; the hub listens on {listen}, mutual TLS only."
    ));
    stage.step("found");
    for source in sources {
        consortium
            .enrol(&source.name, source.kind, &source.title)
            .await?;
        stage.say(format!(
            "2. {} ({}) enrolled with its invitation.",
            source.title, source.kind
        ));
    }
    stage.step("enrol");
    let threshold = if sources.len() == 2 {
        2
    } else {
        sources.len() as u16 / 2 + 1
    };
    consortium.appoint(threshold).await?;
    stage.say(format!(
        "3. Key generated among {} custodians, {threshold} needed; nobody holds the whole key.",
        sources.len()
    ));
    stage.step("key_generation");
    let members: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    consortium.agree(AGREEMENT, &members).await?;
    stage.say(format!(
        "4. Data sharing agreement \"{AGREEMENT}\" accepted by every member."
    ));
    stage.step("agreement");
    Ok(consortium)
}

/// Imports every file; fails if a record was lost.
pub async fn import(
    stage: &mut Stage,
    consortium: &Consortium,
    sources: &[Source],
) -> Result<(), Failure> {
    let bars = MultiProgress::new();
    for source in sources {
        let options = ImportOptions {
            file: source.file.canonicalize()?,
            keep_invalid: true,
            agreements: Some(vec![AGREEMENT.to_owned()]),
            ..Default::default()
        };
        let bar = bar(&bars, &source.title);
        let node = consortium.node(&source.name)?;
        let report = node
            .import(&Acting::set_up(None, None)?, &options, &sink(&bar))
            .await?;
        bar.finish_and_clear();
        told(stage, source, &report);
        let status = node.status()?;
        let expected = report.found.read - report.found.skipped.len() as u64;
        if status.records != expected || report.waiting > 0 {
            let reason = report.waiting_reason.unwrap_or_default();
            return Err(format!(
                "{}: {} records of {expected} are in the vault and {} rows wait: {reason}",
                source.name, status.records, report.waiting
            )
            .into());
        }
        stage.summary.records += status.records;
        stage.summary.linkage_keys += report.linkage_keys;
        stage.summary.tokens += status.rows;
    }
    stage.step("import");
    consortium.settle().await?;
    stage.step("settle");
    Ok(())
}

fn told(stage: &Stage, source: &Source, report: &ImportReport) {
    let suppressed: u64 = report.suppressed.values().sum();
    stage.say(format!(
        "5. {}: {} records, {} linkage keys registered as {} rows; {} values not used for matching, {suppressed} too common, {} rows skipped.",
        source.title,
        report.found.new,
        report.linkage_keys,
        report.rows_registered,
        report.warnings.len(),
        report.found.skipped.len()
    ));
    for problem in &report.found.skipped {
        stage.say(format!(
            "   {} line {}: {}",
            source.name, problem.line, problem.reason
        ));
    }
}

fn bar(bars: &MultiProgress, title: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new(0));
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(title.to_owned());
    bar
}

fn sink(bar: &ProgressBar) -> ProgressSink {
    let bar = bar.clone();
    Arc::new(move |progress: Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    })
}

/// Shows each agency's queue, and counts pairs against oracle and truth.
pub fn matches(
    stage: &mut Stage,
    consortium: &Consortium,
    sources: &[Source],
    directory: &Path,
) -> Result<Pairs, Failure> {
    for source in sources {
        let shown = consortium.node(&source.name)?.matches(None)?;
        let strong = shown.iter().filter(|m| m.tier == "strong").count();
        stage.say(format!(
            "\n6. {}: {strong} strong and {} possible matches",
            source.title,
            shown.len() - strong
        ));
        stage.say(match_table(&shown, SHOWN));
    }
    let (found, same_on_both_sides) = compare::reported(consortium)?;
    let expected = compare::oracle(sources)?;
    stage.summary.found_pairs = found.len();
    stage.summary.oracle_equal = same_on_both_sides && found == expected;
    if let Some(truth) = sources::truth(directory)? {
        let accuracy = compare::accuracy(&found, &truth);
        stage.summary.true_pairs = Some(accuracy.true_pairs);
        stage.summary.true_positives = Some(accuracy.true_positives);
        stage.summary.false_positives = Some(accuracy.false_positives);
        stage.summary.precision = Some(accuracy.precision);
        stage.summary.recall = Some(accuracy.recall);
        stage.say(format!(
            "\nAgainst the truth: {} of {} true pairs found, {} false; precision {:.3}, recall {:.3}.",
            accuracy.true_positives,
            accuracy.true_pairs,
            accuracy.false_positives,
            accuracy.precision,
            accuracy.recall
        ));
    }
    let verdict = if stage.summary.oracle_equal {
        "exactly"
    } else {
        "NOT"
    };
    stage.say(format!(
        "What the nodes report is {verdict} what a join in clear finds."
    ));
    stage.summary.hub_bytes = bytes_below(&consortium.places.hub().join("store"))?;
    stage.step("compare");
    Ok(found)
}

/// A query that hits, one that misses, a withdrawal and what it did.
pub async fn by_example(
    stage: &mut Stage,
    consortium: &Consortium,
    sources: &[Source],
) -> Result<(), Failure> {
    let (Some(asker), Some(owner)) = (sources.last(), sources.first()) else {
        return Ok(());
    };
    let known = consortium.node(&owner.name)?.matches(None)?;
    let Some(example) = known.first() else {
        stage.say("\nThere are no matches, so there is nothing to query or withdraw.");
        return Ok(());
    };
    let records = sources::records(&owner.file)?;
    let record = records.iter().find(|(id, _)| *id == example.record_id);
    let (_, record) = record.ok_or("a match of a record that the file does not have")?;
    let mut columns = BTreeMap::new();
    let said = [
        ("given_names", &record.given_names),
        ("surname", &record.surname),
        ("date_of_birth", &record.date_of_birth),
        ("phone", &record.phone),
        ("nhs_number", &record.nhs_number),
        ("email", &record.email),
    ];
    for (name, values) in said {
        columns.insert(name.to_owned(), values.join(";"));
    }
    let asking = consortium.node(&asker.name)?;
    let hit = asking.query(&columns, Some(AGREEMENT)).await?;
    stage.say(format!(
        "\n{} asks about a person whom {} knows: {} found.",
        asker.title,
        owner.title,
        hit.matches.len()
    ));
    stage.say(match_table(&hit.matches, SHOWN));
    let nobody = BTreeMap::from([
        ("given_names".to_owned(), "Quillon".to_owned()),
        ("surname".to_owned(), "Nobodyknown".to_owned()),
        ("date_of_birth".to_owned(), "1987-11-23".to_owned()),
    ]);
    let miss = asking.query(&nobody, Some(AGREEMENT)).await?;
    stage.say(format!(
        "{} asks about somebody else: {} found.",
        asker.title,
        miss.matches.len()
    ));
    if hit.matches.is_empty() || !miss.matches.is_empty() {
        return Err("the query that must hit did not, or the one that must miss did not".into());
    }
    withdraw(stage, consortium, owner, &example.record_id).await?;
    stage.step("examples");
    Ok(())
}

async fn withdraw(
    stage: &Stage,
    consortium: &Consortium,
    owner: &Source,
    record: &str,
) -> Result<(), Failure> {
    let references = consortium.node(&owner.name)?.references()?;
    let gone: Vec<_> = references
        .iter()
        .filter(|(_, id)| *id == record)
        .map(|(r, _)| *r)
        .collect();
    let ids = [record.to_owned()];
    let silent: ProgressSink = Arc::new(|_| {});
    let done = consortium
        .node(&owner.name)?
        .withdraw(&Acting::set_up(None, None)?, &ids, &silent)
        .await?;
    stage.say(format!(
        "\n{} withdraws {record}: {} rows deleted at the hub, {} of its own matches ended, {} notices cancelled at other agencies.",
        owner.title, done.rows_withdrawn, done.matches_ended, done.notices_cancelled
    ));
    eventually("the withdrawal reaching the other agencies", async || {
        for name in consortium.names() {
            let matches = consortium.node(&name)?.scored_matches()?;
            if matches.iter().any(|(key, _)| gone.contains(&key.reference)) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    stage.say("No other agency shows it any more.");
    Ok(())
}

/// What to try next, with the paths of this run.
pub fn how_to_go_on(stage: &Stage, state: &Path, sources: &[Source]) {
    let Some(source) = sources.first() else {
        return;
    };
    let place = state.join(&source.name);
    stage.say(format!(
        "\nGo on by hand, in another terminal, while this runs (after `cargo build`):\n\
         \n  target/debug/symbolon-node --state {0} status\
         \n  target/debug/symbolon-node --state {0} matches\
         \n  target/debug/symbolon-node --state {0} records\
         \n  target/debug/symbolon-node --state {0} query --surname Nguyen --date-of-birth 2008-03-14 --given-names Linh\n\
         \nEvery passphrase here is \"{PASSPHRASE}\". The hub's log is {1}.",
        place.display(),
        state.join("hub.log").display()
    ));
}

fn bytes_below(directory: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            bytes_below(&entry.path())?
        } else {
            // Blocks, not length: the journal is preallocated and sparse.
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}
