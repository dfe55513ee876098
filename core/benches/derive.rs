//! What reading a record and deriving its linkage keys costs on one core, beside raw SHA-256.
//!
//! The input is the demo's sample, so that the mix of names, scripts, missing fields and dirt is that
//! of the tests. Derivation is reported per linkage key and again per record.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use symbolon_core::crypto;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::linkage::{Record, counts_in_clear, derive, field_sets, score_compared};

type Cells = Vec<(String, String)>;

fn sample() -> Vec<Cells> {
    let file = "../tests/data/demo/northshire-police.csv";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(file)
        .unwrap();
    let header = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| {
        let cells = header.iter().zip(row.iter());
        let cells = cells.filter(|(_, cell)| !cell.is_empty());
        cells
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
            .collect()
    };
    reader.records().map(|read| row(read.unwrap())).collect()
}

fn read(cells: &Cells) -> Record {
    let cells = cells
        .iter()
        .map(|(name, cell)| (name.as_str(), cell.as_str()));
    Record::from_cells(cells).unwrap().0
}

fn linkage(criterion: &mut Criterion) {
    let rows = sample();
    let records: Vec<Record> = rows.iter().map(read).collect();
    let schema = Schema::default_schema();
    let keys: usize = records
        .iter()
        .map(|record| derive(schema, record).len())
        .sum();
    let mut group = criterion.benchmark_group("linkage");
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("validate and normalise, per record", |bencher| {
        bencher.iter(|| rows.iter().for_each(|row| drop(black_box(read(row)))));
    });
    let all = || {
        records
            .iter()
            .for_each(|record| drop(black_box(derive(schema, record))))
    };
    group.bench_function("derive, per record", |bencher| bencher.iter(all));
    group.throughput(Throughput::Elements(keys as u64));
    group.bench_function("derive, per linkage key", |bencher| bencher.iter(all));
    let inputs: Vec<Vec<u8>> = records
        .iter()
        .flat_map(|record| derive(schema, record))
        .map(|key| key.input(schema).to_vec())
        .collect();
    let hash = |input: &Vec<u8>| {
        black_box(crypto::sha256(input));
    };
    group.bench_function("sha-256 of a linkage key's input", |bencher| {
        bencher.iter(|| inputs.iter().for_each(hash));
    });
    group.finish();
}

/// Scoring candidate pairs with the counts of their comparison, and making what is compared.
fn comparison(criterion: &mut Criterion) {
    let records: Vec<Record> = sample().iter().map(read).collect();
    let schema = Schema::default_schema();
    let sets: Vec<_> = records.iter().map(|r| field_sets(schema, r)).collect();
    let neighbours = || sets.iter().zip(sets.iter().skip(1));
    let counts: Vec<Vec<u16>> = neighbours().map(|(a, b)| counts_in_clear(a, b)).collect();
    let kinds = schema
        .kinds()
        .iter()
        .map(|kind| kind.id)
        .step_by(6)
        .collect();
    let mut group = criterion.benchmark_group("comparison");
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("sets, per record", |bencher| {
        bencher.iter(|| {
            let make = |record| drop(black_box(field_sets(schema, record)));
            records.iter().for_each(make);
        });
    });
    group.throughput(Throughput::Elements(counts.len() as u64));
    group.bench_function("score, per compared pair", |bencher| {
        bencher.iter(|| {
            for counts in &counts {
                black_box(score_compared(schema, &kinds, Some(counts), None));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, linkage, comparison);
criterion_main!(benches);
