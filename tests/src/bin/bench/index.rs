//! The hub's index: what a row costs as it grows, beside the bare store's insert of the same rows.
//!
//! Rows come in batches of 10,000 with one synced write each, a tenth of them meeting a row of another
//! member. The bare store takes the same keys and values into one keyspace, in turn with the index, so that
//! both meet the same disk.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::store::fjall::FjallStore;
use symbolon_hub::store::{Batch, Store};

use crate::report::Report;

const PART: &str = "index";
const BATCH: usize = 10_000;
const QUERY: usize = 64;
const QUERIES: usize = 500;
const EPOCH: AgreementEpoch = AgreementEpoch([1; 16]);

fn row(token: Token) -> Row {
    Row {
        agreement_epoch: EPOCH,
        token,
        handle: Handle::random().unwrap(),
        silent: false,
        expiry: ExpiryMonth(24_400),
        payload: SealedPayload(crypto::random::<PAYLOAD_BYTES>().unwrap()),
    }
}

fn fresh() -> Token {
    Token(crypto::random().unwrap())
}

fn batch(member: &str, rows: Vec<Row>) -> Batch {
    let member: AgencyName = member.parse().unwrap();
    Batch {
        member,
        rows,
        common_limits: HashMap::from([(EPOCH, 64)]),
        mailbox_max_items: u64::MAX,
        at: 0,
    }
}

/// Seconds of one batch, in the bare store and in the index.
struct Took {
    bare: f64,
    index: f64,
}

pub fn measure(report: &mut Report, rows: usize) {
    let place = tempfile::tempdir().unwrap();
    let bare = Database::builder(place.path().join("bare")).open().unwrap();
    let keyspace = bare
        .keyspace("rows", KeyspaceCreateOptions::default)
        .unwrap();
    let path = place.path().join("index");
    let store = FjallStore::open(&path).unwrap();
    let mut known: Vec<Token> = Vec::new();
    let mut took = Vec::new();
    let batches = (rows / BATCH).max(10);
    for number in 0..batches {
        // Two members in turn; a tenth of the rows meet one of the other's.
        let member = if number % 2 == 0 { "police" } else { "refuge" };
        let mut made: Vec<Row> = (0..BATCH).map(|_| row(fresh())).collect();
        for (row, met) in made.iter_mut().step_by(10).zip(known.drain(..)) {
            row.token = met;
        }
        known = made
            .iter()
            .skip(1)
            .step_by(10)
            .map(|row| row.token)
            .collect();
        let bare = insert_bare((&bare, &keyspace), &made);
        let start = Instant::now();
        store.submit(&batch(member, made)).unwrap();
        took.push(Took {
            bare,
            index: start.elapsed().as_secs_f64(),
        });
    }
    ingest(report, &took);
    look_ups(report, &store, &known);
    drop(store);
    drop(keyspace);
    drop(bare);
    let total = (batches * BATCH) as f64;
    let payload = (16 + 16 + 16 + PAYLOAD_BYTES) as f64;
    report.figure(PART, "on disk", bytes_in(&path) / total, "bytes a row");
    report.figure(PART, "the row's own bytes", payload, "bytes a row");
    let bare_bytes = bytes_in(&place.path().join("bare")) / total;
    report.figure(PART, "bare store on disk", bare_bytes, "bytes a row");
    let start = Instant::now();
    drop(FjallStore::open(&path).unwrap());
    report.figure(PART, "start-up", start.elapsed().as_secs_f64(), "s");
    report.at_most(30.0, "seconds, not minutes");
}

fn insert_bare((bare, keyspace): (&Database, &Keyspace), rows: &[Row]) -> f64 {
    let start = Instant::now();
    let mut write = bare.batch();
    for row in rows {
        let key = [row.agreement_epoch.0, row.token.0, row.handle.0].concat();
        write.insert(keyspace, key, row.payload.0);
    }
    write.commit().unwrap();
    bare.persist(PersistMode::SyncAll).unwrap();
    start.elapsed().as_secs_f64()
}

fn ingest(report: &mut Report, took: &[Took]) {
    let a_row = |part: &[Took], of: fn(&Took) -> f64| {
        part.iter().map(of).sum::<f64>() * 1e6 / (part.len() * BATCH) as f64
    };
    let (bare, index) = (a_row(took, |t| t.bare), a_row(took, |t| t.index));
    report.figure(PART, "ingest with joining", 1e6 / index, "rows/s");
    report.at_least(0.5e6 / bare, "half of the bare store's insert of the rows");
    report.figure(PART, "bare store", 1e6 / bare, "rows/s");
    let tenth = (took.len() / 10).max(1);
    let (early, late) = (&took[..tenth], &took[took.len() - tenth..]);
    report.figure(
        PART,
        "a row in the last tenth",
        a_row(late, |t| t.index),
        "us",
    );
    report.at_most(
        1.3 * a_row(early, |t| t.index),
        "1.3 x a row in the first tenth",
    );
}

fn look_ups(report: &mut Report, store: &FjallStore, known: &[Token]) {
    let mut times = Vec::new();
    for number in 0..QUERIES {
        let met = known.iter().cycle().skip(number * 4).take(4).copied();
        let mut rows: Vec<Row> = met.map(row).collect();
        rows.resize_with(QUERY, || row(fresh()));
        let start = Instant::now();
        store.query(&batch("police", rows)).unwrap();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let total: f64 = times.iter().sum();
    report.figure(
        PART,
        "look-ups, queries of 64",
        (QUERIES * QUERY) as f64 / total,
        "tokens/s",
    );
    report.figure(PART, "query, median", times[QUERIES / 2] * 1e3, "ms");
    report.figure(PART, "query, p99", times[QUERIES * 99 / 100] * 1e3, "ms");
}

fn bytes_in(path: &Path) -> f64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            bytes += bytes_in(&entry.path()) as u64;
        } else {
            use std::os::unix::fs::MetadataExt as _;
            bytes += metadata.blocks() * 512;
        }
    }
    bytes as f64
}
