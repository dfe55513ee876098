//! `store migrate` as a command: what it takes, what it refuses, what it answers.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Output};

use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::store::fjall::FjallStore;
use symbolon_hub::store::{Batch, Store};

fn migrate(from: &str, to: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_symbolon-hub"))
        .args(["store", "migrate", "--json", "--from", from, "--to", to])
        .output()
        .unwrap()
}

fn reason(done: &Output) -> String {
    String::from_utf8(done.stderr.clone()).unwrap()
}

fn fill(dir: &Path) {
    let store = FjallStore::open(&dir.join("store")).unwrap();
    let epoch = AgreementEpoch([1; 16]);
    for (number, member) in [(1, "harbour"), (2, "police")] {
        let rows = (0..50).map(|token| Row {
            agreement_epoch: epoch,
            token: Token([token; 16]),
            handle: Handle([number * 100 + token; 16]),
            silent: token % 7 == 0,
            expiry: ExpiryMonth(100_000),
            payload: SealedPayload([number; PAYLOAD_BYTES]),
        });
        let batch = Batch {
            member: member.parse().unwrap(),
            rows: rows.collect(),
            common_limits: HashMap::from([(epoch, 10)]),
            mailbox_max_items: 1000,
            at: 7,
        };
        store.submit(&batch).unwrap();
    }
}

#[test]
fn carries_over_what_is_at_rest_into_what_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("old")).unwrap();
    fill(&at("old"));
    let store = |name: &str| format!("fjall:{}", at(name).display());

    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(at("old").join("lock"))
        .unwrap();
    lock.lock().unwrap();
    let refused = migrate(&store("old"), &store("new"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        reason(&refused).contains("already serves"),
        "{}",
        reason(&refused)
    );
    drop(lock);

    let done = migrate(&store("old"), &store("new"));
    assert!(done.status.success(), "{}", reason(&done));
    assert!(done.stderr.is_empty(), "no progress where nobody looks");
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer["kinds"]["rows"]["count"], 100);
    assert_eq!(answer["kinds"]["log"]["count"], answer["log"]["size"]);
    assert_eq!(
        (&answer["recounted"], &answer["resumed"]),
        (&2.into(), &false.into())
    );

    let again = migrate(&store("old"), &store("new"));
    assert_eq!(again.status.code(), Some(1));
    assert!(reason(&again).contains("not empty"), "{}", reason(&again));
    let nowhere = migrate(&store("none"), &store("other"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(
        !at("none").exists() && !at("other").exists(),
        "nothing was made"
    );
    assert_eq!(migrate("sled:x", &store("other")).status.code(), Some(2));

    let police = "police".parse().unwrap();
    let [old, new] = ["old", "new"].map(|name| FjallStore::open(&at(name).join("store")).unwrap());
    assert_eq!(
        old.deliveries(&police, 0, 1000).unwrap(),
        new.deliveries(&police, 0, 1000).unwrap()
    );
    assert_eq!(old.frontier().unwrap(), new.frontier().unwrap());
}
