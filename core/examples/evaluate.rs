//! Precision and recall of a schema on sets with truth, for whoever works on the schema.
//!
//! `cargo run --release -p symbolon-core --features node --example evaluate -- [--schema FILE]
//! [--calibrate] DIRECTORY...`: each directory holds one `AGENCY.csv` for each agency and
//! `truth.csv` with the columns `left_agency`, `left_record`, `right_agency`, `right_record`. The
//! node's `evaluate` and `calibrate` commands do the same for people.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use symbolon_core::linkage::calibration::calibrate;
use symbolon_core::linkage::evaluation::{Evaluation, Quality, evaluate};
use symbolon_core::linkage::oracle::Pair;
use symbolon_core::linkage::{Record, Schema};

type Agencies = Vec<(String, Vec<(String, Record)>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut schema = Schema::default_schema().clone();
    let (mut estimate, mut detail, mut directories) = (false, false, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--schema" => {
                let file = arguments.next().ok_or("which schema?")?;
                schema = Schema::parse(&std::fs::read_to_string(file)?)?;
            }
            "--calibrate" => estimate = true,
            "--detail" => detail = true,
            _ => directories.push(argument),
        }
    }
    for directory in directories {
        let (agencies, truth) = read(Path::new(&directory))?;
        if estimate {
            let found = calibrate(&schema, &agencies, 1_000_000);
            println!("{}", serde_json::to_string(&found)?);
            continue;
        }
        let started = Instant::now();
        let evaluation = evaluate(&schema, &agencies, &truth);
        report(&directory, &evaluation, started.elapsed().as_secs_f64());
        if detail {
            println!("{}", serde_json::to_string(&evaluation)?);
        }
    }
    Ok(())
}

fn report(directory: &str, found: &Evaluation, seconds: f64) {
    let name = Path::new(directory).file_name().unwrap_or_default();
    let quality = |q: &Quality| {
        format!(
            "{:>5.1}: {:.4}/{:.4} F1 {:.4}",
            q.threshold, q.precision, q.recall, q.f1
        )
    };
    println!(
        "{:<12} default {} | best {} | strong {} | cand recall {:.4}, {:.2} a record, {:.1} keys, {:.1} s",
        name.to_string_lossy(),
        quality(&found.default),
        quality(&found.best),
        quality(&found.strong),
        found.candidate_recall,
        found.candidates_per_record,
        found.keys_per_record,
        seconds
    );
}

fn read(directory: &Path) -> Result<(Agencies, BTreeSet<Pair>), Box<dyn Error>> {
    let mut agencies = Agencies::new();
    let mut truth = BTreeSet::new();
    let mut entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for path in entries.iter().map(std::fs::DirEntry::path) {
        if path.extension().is_none_or(|e| e != "csv") {
            continue;
        }
        let agency = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut reader = csv::Reader::from_path(&path)?;
        let columns = reader.headers()?.clone();
        let mut records = Vec::new();
        for row in reader.records() {
            let row = row?;
            if agency == "truth" {
                let cell = |n: usize| row.get(n).unwrap_or_default().to_owned();
                let (left, right) = ((cell(0), cell(1)), (cell(2), cell(3)));
                truth.insert(if left <= right {
                    (left, right)
                } else {
                    (right, left)
                });
            } else {
                let (record, _) = Record::from_cells(columns.iter().zip(row.iter()))?;
                records.push((record.record_id.clone(), record));
            }
        }
        if agency != "truth" {
            agencies.push((agency.into_owned(), records));
        }
    }
    Ok((agencies, truth))
}
