//! The hub over its sockets: what it takes in and answers on gRPC with mutual TLS. The hub is a process of its
//! own with its default settings, the members are in this one, all on the same cores.
//!
//! One member fills the index, the other asks with queries of 64 rows, a sixteenth of which meet something.
//! First alone and one after another; then several at once; then one after another while the first member
//! goes on submitting.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use symbolon_core::crypto;
use symbolon_core::identity::AgencyKind;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_core::sealed_file::Unlock;
use symbolon_node::hub_client::HubClient;
use symbolon_tests::consortium::Consortium;
use zeroize::Zeroizing;

use crate::report::Report;

const PART: &str = "wire";
const QUERY: usize = 64;
const MET: usize = 4;
const QUERIES: usize = 2_000;
const AT_ONCE: usize = 8;
/// Rows of a submission: what a hub takes by default.
const SUBMISSION: usize = 10_000;

fn unlock() -> Unlock {
    Unlock::KeyFile(Zeroizing::new(vec![7; 32]))
}

/// Rows that nobody has. One draw of random bytes for all of them, for the cores that make them are the
/// hub's as well.
fn fresh(epoch: AgreementEpoch, count: usize) -> Vec<Row> {
    let drawn: [u8; 8] = crypto::random().unwrap();
    let drawn = u64::from_be_bytes(drawn);
    let expiry = ExpiryMonth::of(time::OffsetDateTime::now_utc().unix_timestamp());
    let name = |number: usize| {
        let mut name = [0; 16];
        let (front, back) = name.split_at_mut(8);
        // Spread over the whole range, as tokens are: by the multiplier of a linear congruential generator.
        let spread = drawn
            .wrapping_add(number as u64)
            .wrapping_mul(6_364_136_223_846_793_005);
        front.copy_from_slice(&spread.rotate_left(32).to_be_bytes());
        back.copy_from_slice(&drawn.to_be_bytes());
        name
    };
    let rows = (0..count).map(|number| Row {
        agreement_epoch: epoch,
        token: Token(name(2 * number)),
        handle: Handle(name(2 * number + 1)),
        silent: false,
        expiry,
        payload: SealedPayload([number as u8; PAYLOAD_BYTES]),
    });
    rows.collect()
}

/// What a query is made of.
#[derive(Clone)]
struct Asker {
    hub: HubClient,
    epoch: AgreementEpoch,
    stored: Arc<Vec<Token>>,
}

impl Asker {
    /// Asks `count` times; milliseconds of each.
    async fn ask(&self, count: usize) -> Vec<f64> {
        let mut times = Vec::with_capacity(count);
        for number in 0..count {
            let mut rows = fresh(self.epoch, QUERY);
            let met = self.stored.iter().cycle().skip(number * MET);
            for (row, token) in rows.iter_mut().zip(met.take(MET)) {
                row.token = *token;
            }
            let start = Instant::now();
            let hits = self.hub.query(&rows).await.unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e3);
            assert_eq!(hits.len(), MET, "every row that is there is found");
        }
        times.sort_by(f64::total_cmp);
        times
    }
}

fn part(times: &[f64], share: f64) -> f64 {
    times[((times.len() - 1) as f64 * share) as usize]
}

pub fn measure(report: &mut Report, rows: usize) {
    // Members stand for machines of their own: what one encodes is not to hold another up.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(8).enable_all().build().unwrap();
    let place = tempfile::tempdir().unwrap();
    runtime.block_on(measure_in(report, rows, place.path()));
}

async fn measure_in(report: &mut Report, rows: usize, place: &Path) {
    let itself = std::env::current_exe().unwrap();
    let mut consortium = Consortium::found_with(&place.join("state"), unlock, Some(itself), None)
        .await
        .unwrap();
    for name in ["police", "refuge"] {
        consortium.enrol(name, AgencyKind::Ngo, name).await.unwrap();
    }
    consortium.appoint(2).await.unwrap();
    consortium
        .agree("bench", &["police", "refuge"])
        .await
        .unwrap();
    let police = consortium.node("police").unwrap();
    let agreement = police.agreement(Some("bench")).unwrap();
    let epoch = agreement.standing.epoch_id();
    let owner = consortium.node("refuge").unwrap().hub().await.unwrap();
    let (mut stored, mut took) = (Vec::new(), 0.0);
    for _ in 0..(rows / SUBMISSION).max(1) {
        let submission = fresh(epoch, SUBMISSION);
        stored.extend(submission.iter().take(1_000).map(|row| row.token));
        let start = Instant::now();
        owner.submit(&submission).await.unwrap();
        took += start.elapsed().as_secs_f64();
    }
    let total = (rows / SUBMISSION).max(1) * SUBMISSION;
    report.figure(PART, "ingest, one member", total as f64 / took, "rows/s");
    let asker = Asker {
        hub: police.hub().await.unwrap(),
        epoch,
        stored: Arc::new(stored),
    };
    queries(report, asker, owner).await;
    consortium.stop().await.unwrap();
}

async fn queries(report: &mut Report, asker: Asker, owner: HubClient) {
    asker.ask(200).await;
    let at_rest = asker.ask(QUERIES).await;
    report.figure(PART, "query at rest, median", part(&at_rest, 0.5), "ms");
    report.figure(PART, "query at rest, p99", part(&at_rest, 0.99), "ms");
    let start = Instant::now();
    let askers = (0..AT_ONCE).map(|_| {
        let asker = asker.clone();
        tokio::spawn(async move { asker.ask(QUERIES).await })
    });
    futures::future::try_join_all(askers).await.unwrap();
    let asked = (AT_ONCE * QUERIES * QUERY) as f64;
    let speed = asked / start.elapsed().as_secs_f64();
    report.figure(PART, "look-ups, eight askers", speed, "tokens/s");
    report.at_least(50_000.0, "asked for");
    let over = Arc::new(AtomicBool::new(false));
    let (ended, epoch) = (Arc::clone(&over), asker.epoch);
    let load = tokio::spawn(async move {
        let mut submitted = 0;
        while !ended.load(Ordering::Relaxed) {
            let submission = fresh(epoch, SUBMISSION);
            owner.submit(&submission).await.unwrap();
            submitted += SUBMISSION;
        }
        submitted
    });
    let start = Instant::now();
    let loaded = asker.ask(QUERIES).await;
    over.store(true, Ordering::Relaxed);
    let beside = load.await.unwrap() as f64 / start.elapsed().as_secs_f64();
    report.figure(PART, "rows stored meanwhile", beside, "rows/s");
    report.figure(PART, "query under load, median", part(&loaded, 0.5), "ms");
    report.figure(PART, "query under load, p99", part(&loaded, 0.99), "ms");
    report.at_most(10.0 * part(&at_rest, 0.99), "10 x p99 at rest");
}
