//! What a private comparison costs each side, one core: all that a pair of records takes from the first
//! hash to the counts.
//!
//! Both records have as many features as the schema has slots, so that nothing is cheaper in the field. The
//! raw operation beside it is the scalar multiplication that no protocol of this kind avoids: two for each
//! slot and side.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::OsRng;
use symbolon_core::comparison::{self, Layout};
use symbolon_core::encoding::Digest;
use symbolon_core::linkage::comparison::FieldSet;
use zeroize::Zeroizing;

/// Slots of the fields: 120 together.
const SLOTS: [u16; 5] = [50, 26, 16, 26, 2];

fn sets(filled: impl Fn(u16) -> u16) -> Vec<FieldSet> {
    let field = |(number, &slots): (usize, &u16)| FieldSet {
        label: format!("field {number}"),
        slots,
        values: (0..filled(slots))
            .map(|value| Zeroizing::new(value.to_be_bytes().to_vec()))
            .collect(),
    };
    SLOTS.iter().enumerate().map(field).collect()
}

fn sides(criterion: &mut Criterion, name: &str, sets: &[FieldSet]) {
    let layout = Layout::of(&Digest([1; 32]), sets).unwrap();
    let run = Digest([2; 32]);
    let (exponent, asked) = comparison::ask(&run, &layout, sets, &mut OsRng).unwrap();
    let answer = comparison::answer(&run, &layout, sets, &asked, &mut OsRng).unwrap();
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
            let answered = comparison::answer(&run, &layout, sets, &asked, &mut OsRng).unwrap();
            let counts = comparison::conclude(&run, &layout, &asked, &answer, &closed);
            black_box((answered, counts.unwrap()))
        });
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    sides(
        criterion,
        "comparison, 120 slots full",
        &sets(|slots| slots),
    );
    sides(
        criterion,
        "comparison, 120 slots half full",
        &sets(|slots| slots / 2),
    );
    let point = RistrettoPoint::random(&mut OsRng);
    let scalar = Scalar::random(&mut OsRng);
    let mut group = criterion.benchmark_group("raw");
    group.sample_size(20);
    group.bench_function("240 scalar multiplications", |bencher| {
        bencher.iter(|| {
            for _ in 0..240 {
                black_box(black_box(&point) * black_box(&scalar));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, all);
criterion_main!(benches);
