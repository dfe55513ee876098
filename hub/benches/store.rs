//! What storing and joining a row costs at the hub, beside the bare store's insert of the same bytes.
//!
//! Batches of 10,000 rows, one synced write each, as members submit them; reported per row. Figures
//! of one run can be divided by each other; figures of different runs cannot.
//!
//! * `bare`: fjall alone: the key and the value of each row into one keyspace, one synced batch.
//! * `submit, nothing joins`: what the hub does: the row, its count by token, its handle, its expiry
//!   month, the member's holdings and the log.
//! * `submit, one in ten joins`: a tenth of the rows meet a row of another member: two notices and
//!   two links for each.
//! * `query`: 64 rows, half of which meet a stored row.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::store::fjall::FjallStore;
use symbolon_hub::store::{Batch, Store};

const BATCH: usize = 10_000;
const QUERY: usize = 64;
const EPOCH: AgreementEpoch = AgreementEpoch([1; 16]);

fn row() -> Row {
    Row {
        agreement_epoch: EPOCH,
        token: Token(crypto::random().unwrap()),
        handle: Handle::random().unwrap(),
        silent: false,
        expiry: ExpiryMonth(24_400),
        payload: SealedPayload(crypto::random::<PAYLOAD_BYTES>().unwrap()),
    }
}

fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|_| row()).collect()
}

/// Fresh rows, of which every `every`th has the token of a row in `known`.
fn meeting(known: &[Row], count: usize, every: usize) -> Vec<Row> {
    let mut made = rows(count);
    for (row, met) in made.iter_mut().step_by(every).zip(known.iter().cycle()) {
        row.token = met.token;
    }
    made
}

fn batch(member: &AgencyName, rows: Vec<Row>) -> Batch {
    Batch {
        member: member.clone(),
        rows,
        common_limits: HashMap::from([(EPOCH, u32::MAX)]),
        mailbox_max_items: u64::MAX,
        at: 0,
    }
}

fn store(criterion: &mut Criterion) {
    let place = tempfile::tempdir().unwrap();
    let (police, refuge): (AgencyName, AgencyName) =
        ("police".parse().unwrap(), "refuge".parse().unwrap());
    let mut group = criterion.benchmark_group("hub");
    group.sample_size(20);
    group.warm_up_time(Duration::from_secs(1));
    group.measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(BATCH as u64));

    let bare = Database::builder(place.path().join("bare")).open().unwrap();
    let keyspace = bare
        .keyspace("rows", KeyspaceCreateOptions::default)
        .unwrap();
    group.bench_function("bare fjall insert of the row's bytes", |bencher| {
        let insert = |rows: Vec<Row>| {
            let mut write = bare.batch();
            for row in &rows {
                let key = [row.agreement_epoch.0, row.token.0, row.handle.0].concat();
                write.insert(&keyspace, key, row.payload.0);
            }
            write.commit().unwrap();
            bare.persist(PersistMode::SyncAll).unwrap();
        };
        bencher.iter_batched(|| rows(BATCH), insert, BatchSize::PerIteration);
    });

    let hub = FjallStore::open(&place.path().join("hub")).unwrap();
    group.bench_function("submit, nothing joins", |bencher| {
        bencher.iter_batched(
            || batch(&police, rows(BATCH)),
            |batch| hub.submit(black_box(&batch)).unwrap(),
            BatchSize::PerIteration,
        );
    });

    let hub = FjallStore::open(&place.path().join("joining")).unwrap();
    let known = rows(10 * BATCH);
    for part in known.chunks(BATCH) {
        hub.submit(&batch(&refuge, part.to_vec())).unwrap();
    }
    // Each batch meets other rows, so that no token gathers more rows than in the field.
    let mut next = known.chunks(BATCH / 10).cycle();
    group.bench_function("submit, one in ten joins", |bencher| {
        bencher.iter_batched(
            || batch(&police, meeting(next.next().unwrap(), BATCH, 10)),
            |batch| hub.submit(black_box(&batch)).unwrap(),
            BatchSize::PerIteration,
        );
    });

    group.throughput(Throughput::Elements(QUERY as u64));
    let mut next = known.chunks(QUERY).cycle();
    group.bench_function("query, half of 64 rows meet a stored one", |bencher| {
        bencher.iter_batched(
            || batch(&police, meeting(next.next().unwrap(), QUERY, 2)),
            |batch| hub.query(black_box(&batch)).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
