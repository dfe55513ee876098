//! Precision and recall of the default schema on a set with truth.
//!
//! `cargo run -p symbolon-core --features node --example evaluate -- DIRECTORY`: the directory
//! holds one `AGENCY.csv` for each agency and `truth.csv` with the columns `left_agency`,
//! `left_record`, `right_agency`, `right_record`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use symbolon_core::linkage::oracle::{self, Handle, Pair};
use symbolon_core::linkage::{KeyKindId, LinkageKey, Record, Schema, Tier, derive, over_cap};

type Agencies = Vec<(String, Vec<(String, Record)>)>;
type Kept = BTreeMap<LinkageKey, Vec<Handle>>;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("which directory?")?;
    let (agencies, truth) = read(Path::new(&directory))?;
    let schema = Schema::default_schema();

    let records: usize = agencies.iter().map(|(_, records)| records.len()).sum();
    let started = Instant::now();
    let kept: Vec<Kept> = agencies.iter().map(|a| kept_keys(schema, a)).collect();
    let seconds = started.elapsed().as_secs_f64();
    let keys: usize = kept.iter().flat_map(BTreeMap::values).map(Vec::len).sum();
    println!("{records} records, {keys} keys, derived in {seconds:.2} s");

    let found = oracle::join(&agencies, schema);
    let strong = found.iter().filter(|(_, s)| s.tier == Some(Tier::Strong));
    report(
        "strong",
        &strong.map(|(pair, _)| pair.clone()).collect(),
        &truth,
    );
    report("found", &found.keys().cloned().collect(), &truth);

    let by_kind = candidates(&kept);
    let all: BTreeSet<Pair> = by_kind.values().flatten().cloned().collect();
    report("candidates", &all, &truth);
    println!(
        "\n{:<22} {:>6} {:>6} {:>6}  only through it",
        "kind", "true", "false", "recall"
    );
    for (kind, pairs) in &by_kind {
        let name = schema.kind(*kind).map_or("?", |kind| kind.name.as_str());
        let right = pairs.intersection(&truth).count();
        let others: BTreeSet<&Pair> = by_kind
            .iter()
            .filter(|(other, _)| *other != kind)
            .flat_map(|(_, pairs)| pairs)
            .collect();
        let only = pairs
            .iter()
            .filter(|p| !others.contains(p) && truth.contains(*p));
        let recall = oracle::precision_recall(pairs, &truth).1;
        let wrong = pairs.len() - right;
        println!(
            "{name:<22} {right:>6} {wrong:>6} {recall:>6.3}  {}",
            only.count()
        );
    }
    Ok(())
}

fn read(directory: &Path) -> Result<(Agencies, BTreeSet<Pair>), Box<dyn Error>> {
    let mut agencies = Agencies::new();
    let mut truth = BTreeSet::new();
    let entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
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

fn kept_keys(schema: &Schema, (agency, records): &(String, Vec<(String, Record)>)) -> Kept {
    let mut keys = Kept::new();
    for (reference, record) in records {
        for key in derive(schema, record) {
            let handle = (agency.clone(), reference.clone());
            keys.entry(key).or_default().push(handle);
        }
    }
    keys.retain(|key, held_by| !over_cap(schema, key.kind, held_by.len()));
    keys
}

/// The pairs that each kind of key joins.
fn candidates(kept: &[Kept]) -> BTreeMap<KeyKindId, BTreeSet<Pair>> {
    let mut by_kind: BTreeMap<KeyKindId, BTreeSet<Pair>> = BTreeMap::new();
    for (index, here) in kept.iter().enumerate() {
        for there in kept.iter().skip(index + 1) {
            for (key, left) in here {
                for right in there.get(key).into_iter().flatten() {
                    for left in left {
                        let (a, b) = (left.clone(), right.clone());
                        let pair = if a <= b { (a, b) } else { (b, a) };
                        by_kind.entry(key.kind).or_default().insert(pair);
                    }
                }
            }
        }
    }
    by_kind
}

fn report(what: &str, found: &BTreeSet<Pair>, truth: &BTreeSet<Pair>) {
    let (precision, recall) = oracle::precision_recall(found, truth);
    let f1 = 2.0 * precision * recall / (precision + recall);
    let pairs = found.len();
    println!(
        "{what:<10} {pairs:>6} pairs  precision {precision:.4}  recall {recall:.4}  F1 {f1:.4}"
    );
}
