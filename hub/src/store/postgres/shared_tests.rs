//! What several hubs over one database must not lose or repeat, and what a lost connection must not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use symbolon_core::crypto::Signature;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use symbolon_core::log::Frontier;
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};

use super::trial::{Schemas, run, server};
use super::{PostgresStore, Settings};
use crate::log::{Event, LogEntry};
use crate::store::{Batch, Item, Store, StoreError};

const EPOCH: AgreementEpoch = AgreementEpoch([1; 16]);
const LIMIT: u32 = 50;

fn agency(name: &str) -> AgencyName {
    name.parse().unwrap()
}

fn bytes(kind: u8, number: u32) -> [u8; 16] {
    let mut out = [kind; 16];
    // Spread over the parts, and in another order than the numbers.
    out[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    out
}

fn row(token: u32, handle: u32, silent: bool) -> Row {
    Row {
        agreement_epoch: EPOCH,
        token: Token(bytes(1, token)),
        handle: Handle(bytes(2, handle)),
        silent,
        expiry: ExpiryMonth(100),
        payload: SealedPayload([7; PAYLOAD_BYTES]),
    }
}

fn batch(member: &str, rows: Vec<Row>) -> Batch {
    Batch {
        member: agency(member),
        rows,
        common_limits: [(EPOCH, LIMIT)].into(),
        mailbox_max_items: 1_000_000,
        at: 7,
    }
}

fn entry(event: Event) -> LogEntry {
    LogEntry {
        at: 7,
        event,
        member: None,
        count: 1,
        digest: None,
    }
}

fn mail(store: &PostgresStore, member: &str) -> Vec<Item> {
    let all = store.deliveries(&agency(member), 0, 1_000_000).unwrap();
    let numbers: Vec<u64> = all.iter().map(|(number, _)| *number).collect();
    let expected: Vec<u64> = (1..=all.len() as u64).collect();
    assert_eq!(numbers, expected, "every number once");
    all.into_iter().map(|(_, item)| item).collect()
}

/// How often a member was told of each pair of handles, less the cancellations.
fn standing(store: &PostgresStore, member: &str) -> BTreeMap<(Handle, Handle), i64> {
    let mut told = BTreeMap::new();
    for item in mail(store, member) {
        match item {
            Item::Notice {
                own_handle, handle, ..
            } => *told.entry((own_handle, handle)).or_default() += 1,
            Item::Cancellation { own_handle, handle } => {
                *told.entry((own_handle, handle)).or_default() -= 1;
            }
            other => panic!("{other:?}"),
        }
    }
    told.retain(|_, count| *count != 0);
    told
}

fn log_is_whole(store: &PostgresStore) {
    let mut rebuilt = Frontier::default();
    for entry in store.log_entries(0, 1_000_000).unwrap() {
        rebuilt.append(&entry.line().unwrap());
    }
    assert_eq!(rebuilt, store.frontier().unwrap());
}

/// Two hubs over one schema.
struct Two {
    one: Arc<PostgresStore>,
    other: Arc<PostgresStore>,
    url: String,
    schemas: Schemas,
    _dir: tempfile::TempDir,
}

impl Two {
    fn open(test: &str) -> Option<Self> {
        let schemas = Schemas::on(server(test)?);
        let dir = tempfile::tempdir().unwrap();
        let url = schemas.url(dir.path());
        // Both bring the schema forwards at once.
        let (one, other) = std::thread::scope(|scope| {
            let open = || scope.spawn(|| schemas.open(dir.path()));
            let (one, other) = (open(), open());
            (one.join().unwrap(), other.join().unwrap())
        });
        Some(Self {
            one,
            other,
            url,
            schemas,
            _dir: dir,
        })
    }
}

const BATCHES: u32 = 30;
const ROWS: u32 = 40;

/// Submits the same tokens as every other member, in an order of its own.
fn submit_all(store: &PostgresStore, member: &str, number: u32, silent: bool) {
    submit_each(store, member, number, silent, || {});
}

fn submit_each(store: &PostgresStore, member: &str, number: u32, silent: bool, before: impl Fn()) {
    for turn in 0..BATCHES {
        before();
        let lot = (turn * 7 + number * 11) % BATCHES;
        let rows = (0..ROWS).map(|place| {
            let token = lot * ROWS + place;
            row(token, token * 10 + number, silent)
        });
        store.submit(&batch(member, rows.collect())).unwrap();
    }
}

#[test]
fn no_pair_is_missed_or_told_twice() {
    let Some(hubs) = Two::open("no pair is missed or told twice") else {
        return;
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (one, other) = (&hubs.one, &hubs.other);
        let telling = [one, other].map(|store| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    store.tell(50, 1_000_000).unwrap();
                }
            })
        });
        let submitting = [
            scope.spawn(|| submit_all(one, "a", 1, false)),
            scope.spawn(|| submit_all(other, "b", 2, false)),
            scope.spawn(|| submit_all(one, "s", 3, true)),
            scope.spawn(|| submit_all(other, "t", 4, true)),
        ];
        submitting
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::SeqCst);
        telling
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    while hubs.one.tell(1_000, 1_000_000).unwrap().done > 0 {}
    let pairs = |own: u32, others: &[u32]| {
        let mut all = BTreeMap::new();
        for token in 0..BATCHES * ROWS {
            for other in others {
                let own = Handle(bytes(2, token * 10 + own));
                let other = Handle(bytes(2, token * 10 + other));
                all.insert((own, other), 1);
            }
        }
        all
    };
    // Open rows meet each other; a silent one learns of both and nobody of it.
    let truth = [("a", 1, vec![2]), ("b", 2, vec![1])];
    let silent = [("s", 3, vec![1, 2]), ("t", 4, vec![1, 2])];
    for (member, own, others) in truth.into_iter().chain(silent) {
        assert_eq!(standing(&hubs.one, member), pairs(own, &others), "{member}");
        let held = hubs.one.holdings(&agency(member)).unwrap();
        assert_eq!(held.count, u64::from(BATCHES * ROWS));
        assert_eq!(hubs.other.recount(&agency(member)).unwrap(), held);
    }
    log_is_whole(&hubs.one);
}

#[test]
fn what_comes_and_goes_at_once_is_cancelled() {
    let Some(hubs) = Two::open("what comes and goes at once is cancelled") else {
        return;
    };
    std::thread::scope(|scope| {
        let (one, other) = (&hubs.one, &hubs.other);
        let coming_and_going = |store: &PostgresStore, member: &str, number: u32, silent| {
            for turn in 0..60u32 {
                let tokens = (0..20u32).map(|place| (turn * 3 + place) % 40);
                let handle = |token: u32| turn * 1_000 + token * 10 + number;
                let rows: Vec<Row> = tokens.map(|t| row(t, handle(t), silent)).collect();
                let handles: Vec<Handle> = rows.iter().map(|row| row.handle).collect();
                store.submit(&batch(member, rows)).unwrap();
                store.tell(30, 1_000_000).unwrap();
                store.withdraw(&agency(member), &handles, 7).unwrap();
            }
        };
        scope.spawn(move || coming_and_going(one, "a", 1, false));
        scope.spawn(move || coming_and_going(other, "b", 2, false));
        scope.spawn(move || coming_and_going(other, "s", 3, true));
    });
    while hubs.other.tell(1_000, 1_000_000).unwrap().done > 0 {}
    // Everything is withdrawn, so nothing that was told of an open row stands. Of its own withdrawn rows a
    // member is not told.
    for member in ["a", "b", "s"] {
        let held = hubs.one.holdings(&agency(member)).unwrap();
        assert_eq!((held.count, held.digest), (0, [0; 32]), "{member}");
    }
    let left = "DO $$ BEGIN
        ASSERT (SELECT count(*) FROM rows) = 0, 'rows';
        ASSERT (SELECT count(*) FROM silent) = 0, 'silent';
        ASSERT (SELECT count(*) FROM tokens) = 0, 'tokens';
        ASSERT (SELECT count(*) FROM handles) = 0, 'handles';
        ASSERT (SELECT count(*) FROM links) = 0, 'links';
        ASSERT (SELECT count(*) FROM untold) = 0, 'untold';
        END $$";
    run(&hubs.url, left);
    log_is_whole(&hubs.one);
}

#[test]
fn a_stale_hub_meets_a_conflict() {
    let Some(hubs) = Two::open("a stale hub meets a conflict") else {
        return;
    };
    let (one, other) = (&hubs.one, &hubs.other);
    for store in [one, other] {
        store.follow(store.registry().unwrap().version);
    }
    let waits = |text: &str| SignedEntry {
        body: text.as_bytes().to_vec(),
        approvals: Vec::new(),
    };
    let approval = entry(Event::Approval);
    one.keep_waiting(&waits("first"), &approval).unwrap();
    one.keep_waiting(&waits("second"), &approval).unwrap();
    let refused = other.keep_waiting(&waits("fork"), &approval);
    assert!(matches!(refused, Err(StoreError::Conflict)));
    let logged = one.frontier().unwrap().size();
    assert_eq!(logged, 2, "what was refused left nothing");
    other.follow(other.registry().unwrap().version);
    other.keep_waiting(&waits("third"), &approval).unwrap();
    assert_eq!(one.registry().unwrap().waiting.len(), 3);
}

#[test]
fn a_newer_database_is_refused() {
    let Some(hubs) = Two::open("a newer database is refused") else {
        return;
    };
    let settings = Settings::new(hubs.url.clone().into());
    assert!(PostgresStore::open(&settings).is_ok());
    run(&hubs.url, "UPDATE schema_version SET version = 1000");
    let refused = PostgresStore::open(&settings).err().unwrap();
    assert!(matches!(refused, StoreError::Newer { found: 1000, .. }));
    let told = refused.to_string();
    assert!(told.contains("start the newer symbolon-hub"), "{told}");
}

#[test]
fn lost_connections_lose_and_repeat_nothing() {
    let Some(hubs) = Two::open("lost connections lose and repeat nothing") else {
        return;
    };
    let schema = hubs.schemas.schema(hubs._dir.path());
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = '{schema}' AND pid <> pg_backend_pid()"
    );
    // By another name than those that it ends.
    let url = hubs.url.replace(
        &format!("application_name={schema}"),
        "application_name=cutter",
    );
    let cuts = std::thread::scope(|scope| {
        let (one, other) = (&hubs.one, &hubs.other);
        // Rung as a verb begins, so that it is cut somewhere on its way; what is rung during a cut is not
        // cut again, so that verbs get done.
        let (bell, rung) = std::sync::mpsc::sync_channel(0);
        let cutting = scope.spawn(move || {
            let mut cuts = 0;
            while rung.recv().is_ok() {
                run(&url, &cut);
                cuts += 1;
            }
            cuts
        });
        let ring = move || {
            let _ = bell.try_send(());
        };
        let (ring_a, ring_b) = (ring.clone(), ring);
        let sending = scope.spawn(|| {
            for number in 0..200u8 {
                let envelope = Envelope {
                    from: agency("c"),
                    to: agency("d"),
                    id: [number; 16],
                    sealed: vec![number; 40],
                    signature: Signature([number; 64]),
                };
                // True, or false where the answer of the first time was lost.
                other.send(&envelope, 1_000_000, 7).unwrap();
            }
        });
        let submitting = [
            scope.spawn(move || submit_each(one, "a", 1, false, ring_a)),
            scope.spawn(move || submit_each(other, "b", 2, false, ring_b)),
        ];
        submitting
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        sending.join().unwrap();
        cutting.join().unwrap()
    });
    println!("connections were cut {cuts} times");
    assert!(cuts > 0);
    assert_eq!(mail(&hubs.one, "d").len(), 200);
    for (member, own, other) in [("a", 1, 2), ("b", 2, 1)] {
        let told = standing(&hubs.one, member);
        assert_eq!(told.len() as u32, BATCHES * ROWS);
        for token in 0..BATCHES * ROWS {
            let pair = (token * 10 + own, token * 10 + other);
            let pair = (Handle(bytes(2, pair.0)), Handle(bytes(2, pair.1)));
            assert_eq!(told.get(&pair), Some(&1));
        }
        let held = hubs.one.holdings(&agency(member)).unwrap();
        assert_eq!(held.count, u64::from(BATCHES * ROWS));
        assert_eq!(hubs.one.recount(&agency(member)).unwrap(), held);
    }
    log_is_whole(&hubs.one);
}

#[test]
fn a_database_that_is_away_is_named_without_its_password() {
    let settings = Settings {
        patience: std::time::Duration::ZERO,
        // Nothing listens on the port that means none.
        ..Settings::new(
            "postgres://hub:Hu7nter@127.0.0.1:1/registry"
                .to_owned()
                .into(),
        )
    };
    let refused = PostgresStore::open(&settings).err().unwrap();
    let told = format!("{refused} {refused:?}");
    assert!(told.contains("registry on 127.0.0.1:1"), "{told}");
    assert!(told.contains("look at the database server"), "{told}");
    assert!(!told.contains("Hu7nter"), "{told}");
}
