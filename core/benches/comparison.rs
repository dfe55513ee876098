//! What a private comparison costs each side, one core: all that a pair of records takes from the first
//! hash to the counts.
//!
//! Two people of the committed list, by the default schema; and the worst case, as many features as the
//! schema has slots. The raw operation beside them is the scalar multiplication that no protocol of this
//! kind avoids: two for each slot and side.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::OsRng;
use symbolon_core::comparison::{self, Layout};
use symbolon_core::encoding::Digest;
use symbolon_core::linkage::comparison::{FieldSet, field_sets, field_sets_within};
use symbolon_core::linkage::{Record, Schema};
use zeroize::Zeroizing;

/// As many features as there are slots.
fn full() -> Vec<FieldSet> {
    let field = |set: FieldSet| FieldSet {
        label: set.label,
        slots: set.slots,
        values: (0..set.slots)
            .map(|value| Zeroizing::new(value.to_be_bytes().to_vec()))
            .collect(),
    };
    let sets = field_sets(Schema::default_schema(), &Record::default());
    sets.into_iter().map(field).collect()
}

/// The sets of the first two people of the list whose keys a test holds.
fn people() -> [Vec<FieldSet>; 2] {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/people.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let mut rows = reader.records();
    std::array::from_fn(|_| {
        let row = rows.next().unwrap().unwrap();
        let (record, _) = Record::from_cells(columns.iter().zip(row.iter())).unwrap();
        field_sets_within(Schema::default_schema(), &record, Some(10_000))
    })
}

fn sides(criterion: &mut Criterion, name: &str, [sets, other]: [&[FieldSet]; 2]) {
    let layout = Layout::of(&Digest([1; 32]), sets).unwrap();
    let run = Digest([2; 32]);
    let (exponent, asked) = comparison::ask(&run, &layout, sets, &mut OsRng).unwrap();
    let answer = comparison::answer(&run, &layout, other, &asked, &mut OsRng).unwrap();
    let (_, closed) = comparison::close(&run, &layout, &exponent, &asked, &answer).unwrap();

    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    group.bench_function("first side: ask and close", |bencher| {
        bencher.iter(|| {
            let asked = comparison::ask(&run, &layout, sets, &mut OsRng).unwrap();
            let close = comparison::close(&run, &layout, &exponent, &asked.1, &answer);
            black_box((asked, close.unwrap()))
        });
    });
    group.bench_function("second side: answer and conclude", |bencher| {
        bencher.iter(|| {
            let answered = comparison::answer(&run, &layout, other, &asked, &mut OsRng).unwrap();
            let counts = comparison::conclude(&run, &layout, &asked, &answer, &closed);
            black_box((answered, counts.unwrap()))
        });
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    let [one, other] = people();
    let slots: u16 = one.iter().map(|set| set.slots).sum();
    sides(criterion, "comparison, two people", [&one, &other]);
    let full = full();
    sides(criterion, "comparison, all slots full", [&full, &full]);
    let point = RistrettoPoint::random(&mut OsRng);
    let scalar = Scalar::random(&mut OsRng);
    let mut group = criterion.benchmark_group("raw");
    group.sample_size(20);
    group.bench_function(format!("{} scalar multiplications", 2 * slots), |bencher| {
        bencher.iter(|| {
            for _ in 0..2 * slots {
                black_box(black_box(&point) * black_box(&scalar));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, all);
criterion_main!(benches);
