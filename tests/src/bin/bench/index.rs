//! The hub's index: what a row costs as it grows, beside the bare store's insert of the same rows.
//!
//! Rows come in batches of 10,000, a tenth of them meeting a row of another member; the index stores a batch
//! in parts, as the hub does. Before it the bare store takes keys and values of as many rows into one
//! keyspace, with one synced write a batch. One after the other, since each has work in the background that
//! would slow the other. The bare store has the engine's own settings; a second time it has those of the hub,
//! which are faster.
//!
//! In the end members fetch what they were told, half of the rows are withdrawn and told of, the store tidies up
//! as the hub has it do, and as many new rows follow.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use fjall::{CompressionType, Database, KeyspaceCreateOptions, PersistMode};
use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::store::fjall::FjallStore;
use symbolon_hub::store::{Batch, Store};

use crate::report::Report;

const PART: &str = "index";
pub const BATCH: usize = 10_000;
const QUERY: usize = 64;
const QUERIES: usize = 500;
const MEMBERS: [&str; 2] = ["police", "refuge"];
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

pub fn measure(report: &mut Report, rows: usize) {
    let place = tempfile::tempdir().unwrap();
    let batches = (rows / BATCH).max(20);
    let total = (batches * BATCH) as f64;
    let path = place.path().join("bare");
    let bare = insert_bare(Database::builder(&path).open().unwrap(), batches);
    let bare_bytes = bytes_in(&path) / total;
    std::fs::remove_dir_all(&path).unwrap();
    let tuned = Database::builder(&path).worker_threads(1);
    let tuned = tuned.journal_compression(CompressionType::None).open();
    let tuned = insert_bare(tuned.unwrap(), batches);
    std::fs::remove_dir_all(&path).unwrap();
    let path = place.path().join("index");
    let store = FjallStore::open(&path).unwrap();
    let (took, known) = fill(&store, batches);
    ingest(report, PART, &bare, &took);
    let name = "bare store with the hub's settings";
    report.figure(PART, name, 1e6 / a_row(&tuned), "rows/s");
    look_ups(report, PART, &store, &known);
    drop(store);
    let payload = (16 + 16 + 16 + PAYLOAD_BYTES) as f64;
    report.figure(PART, "on disk", bytes_in(&path) / total, "bytes a row");
    report.figure(PART, "the row's own bytes", payload, "bytes a row");
    report.figure(PART, "bare store on disk", bare_bytes, "bytes a row");
    let start = Instant::now();
    let store = FjallStore::open(&path).unwrap();
    report.figure(PART, "start-up", start.elapsed().as_secs_f64(), "s");
    report.at_most(30.0, "seconds, not minutes");
    half_goes(report, &store, &path, batches);
}

/// Withdraws every other row, and stores as many new ones.
fn half_goes(report: &mut Report, store: &dyn Store, path: &Path, batches: usize) {
    let (mut withdrawn, mut seconds) = (0, 0.0);
    told_and_fetched(store);
    for member in MEMBERS.map(|name| name.parse::<AgencyName>().unwrap()) {
        let mut after = None;
        loop {
            let some = store.handles(&member, after, BATCH).unwrap();
            let Some(last) = some.last() else { break };
            after = Some(*last);
            let half: Vec<Handle> = some.into_iter().step_by(2).collect();
            let start = Instant::now();
            withdrawn += store.withdraw(&member, &half, 0).unwrap().withdrawn;
            seconds += start.elapsed().as_secs_f64();
        }
    }
    let total = (batches * BATCH) as f64;
    let a_row = seconds * 1e6 / withdrawn as f64;
    report.figure(PART, "a row withdrawn, of half of them", a_row, "us");
    told_and_fetched(store);
    let before = rested(path) / (total - withdrawn as f64);
    report.figure(PART, "on disk with that half gone", before, "bytes a row");
    tidied(report, store);
    let left = rested(path) / (total - withdrawn as f64);
    report.figure(PART, "on disk, tidied up", left, "bytes a row");
    fill(store, batches / 2);
    told_and_fetched(store);
    let again = rested(path) / total;
    report.figure(PART, "on disk with as many new ones", again, "bytes a row");
}

/// Has the store tidy up while somebody asks.
fn tidied(report: &mut Report, store: &dyn Store) {
    let (start, mut longest) = (Instant::now(), 0.0_f64);
    std::thread::scope(|scope| {
        let tidying = scope.spawn(|| assert!(store.tidy().unwrap(), "half of the rows are gone"));
        while !tidying.is_finished() {
            let rows = (0..QUERY).map(|_| row(fresh())).collect();
            let asked = Instant::now();
            store.query(&batch("police", rows)).unwrap();
            longest = longest.max(asked.elapsed().as_secs_f64());
        }
    });
    report.figure(PART, "tidying up", start.elapsed().as_secs_f64(), "s");
    report.figure(PART, "longest query meanwhile", longest * 1e3, "ms");
}

/// What is told later is told, and members fetch what waits for them.
fn told_and_fetched(store: &dyn Store) {
    while store.tell(BATCH, u64::MAX).unwrap().done > 0 {}
    for member in MEMBERS.map(|name| name.parse::<AgencyName>().unwrap()) {
        let mut cursor = 0;
        while let Some((last, _)) = store.deliveries(&member, cursor, BATCH).unwrap().pop() {
            store.acknowledge(&member, last, 0).unwrap();
            cursor = last;
        }
    }
}

/// Bytes in a directory, once nothing has changed there for a while.
fn rested(path: &Path) -> f64 {
    const WHILE: Duration = Duration::from_secs(5);
    let mut bytes = bytes_in(path);
    loop {
        std::thread::sleep(WHILE);
        let now = bytes_in(path);
        if now == bytes {
            return bytes;
        }
        bytes = now;
    }
}

/// Fills a store; gives the seconds of each batch, and tokens that are in it.
pub fn fill(store: &dyn Store, batches: usize) -> (Vec<f64>, Vec<Token>) {
    let mut made = Maker::default();
    let took = (0..batches).map(|number| {
        let (member, rows) = made.batch(number);
        let mut batch = batch(member, rows);
        let start = Instant::now();
        loop {
            // As the hub does it, so that a query waits for a part only.
            let rest = batch.split_off(store.rows_at_once());
            store.submit(&batch).unwrap();
            if rest.rows.is_empty() {
                return start.elapsed().as_secs_f64();
            }
            batch = rest;
        }
    });
    let took = took.collect();
    (took, made.known)
}

/// Makes batches: two members in turn, a tenth of the rows meeting one of the other's batch before.
#[derive(Default)]
pub struct Maker {
    known: Vec<Token>,
}

impl Maker {
    pub fn batch(&mut self, number: usize) -> (&'static str, Vec<Row>) {
        let member = MEMBERS[number % 2];
        let mut made: Vec<Row> = (0..BATCH).map(|_| row(fresh())).collect();
        for (row, met) in made.iter_mut().step_by(10).zip(self.known.drain(..)) {
            row.token = met;
        }
        let others = made.iter().skip(1).step_by(10);
        self.known = others.map(|row| row.token).collect();
        (member, made)
    }
}

/// Seconds of each batch in the bare store, one synced write each.
fn insert_bare(bare: Database, batches: usize) -> Vec<f64> {
    let keyspace = bare
        .keyspace("rows", KeyspaceCreateOptions::default)
        .unwrap();
    let mut made = Maker::default();
    let took = (0..batches).map(|number| {
        let (_, rows) = made.batch(number);
        let start = Instant::now();
        let mut write = bare.batch();
        for row in &rows {
            let key = [row.agreement_epoch.0, row.token.0, row.handle.0].concat();
            write.insert(&keyspace, key, row.payload.0);
        }
        write.commit().unwrap();
        bare.persist(PersistMode::SyncAll).unwrap();
        start.elapsed().as_secs_f64()
    });
    took.collect()
}

/// Microseconds.
fn a_row(batches: &[f64]) -> f64 {
    batches.iter().sum::<f64>() * 1e6 / (batches.len() * BATCH) as f64
}

/// What storing cost beside the bare store; the limits are those of the embedded one.
pub fn ingest(report: &mut Report, part: &'static str, bare: &[f64], index: &[f64]) {
    report.figure(part, "ingest with joining", 1e6 / a_row(index), "rows/s");
    if part == PART {
        let half = 0.5e6 / a_row(bare);
        report.at_least(half, "half of the bare store's insert of the rows");
    }
    report.figure(part, "bare store", 1e6 / a_row(bare), "rows/s");
    // With ten million rows in all: what a row costs at one million and at ten. Each of as many rows as a
    // tenth of all, since merges come and go within seconds.
    let tenth = index.len() / 10;
    let early = tenth - tenth / 2..tenth + tenth / 2;
    let late = index.len() - tenth..index.len();
    let at_a_tenth = a_row(&index[early.clone()]);
    report.figure(part, "a row at the end", a_row(&index[late.clone()]), "us");
    if part == PART {
        report.at_most(1.3 * at_a_tenth, "1.3 x a row at a tenth of the rows");
    }
    report.figure(part, "a row at a tenth of the rows", at_a_tenth, "us");
    for (name, when) in [("end", late), ("tenth", early)] {
        let name = format!("bare store, a row at the {name}");
        report.figure(part, &name, a_row(&bare[when]), "us");
    }
}

/// Queries of 64 tokens, four of them in the store.
pub fn look_ups(report: &mut Report, part: &'static str, store: &dyn Store, known: &[Token]) {
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
        part,
        "look-ups, queries of 64",
        (QUERIES * QUERY) as f64 / total,
        "tokens/s",
    );
    report.figure(part, "query, median", times[QUERIES / 2] * 1e3, "ms");
    report.figure(part, "query, p99", times[QUERIES * 99 / 100] * 1e3, "ms");
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
