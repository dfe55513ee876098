//! Canaries: no planted identifier reaches the hub, in any form.
//!
//! After a full run (import, match, query, withdrawal) every file of the hub, its log and every byte
//! that it received, decrypted, are searched for the planted values: as written, in either case,
//! without punctuation, and as the linkage keys that were made of them. The positive controls put a
//! value past the tokeniser, and into the log, and must be found by the very same search.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use symbolon_core::crypto;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::linkage::{Record, derive};
use symbolon_core::row::{ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token};
use symbolon_node::clock::Clock as _;
use symbolon_tests::consortium::eventually;
use symbolon_tests::logs;

use crate::support::{AGREEMENT, Scene, scene_observed, set_up, silent};

/// The planted person, column by column.
pub const PLANTED: [(&str, &str); 14] = [
    ("record_id", "CANARY-7141"),
    ("given_names", "Zebedeequill"),
    ("surname", "Quistorpvane"),
    ("alias", "Okonjawibble"),
    ("date_of_birth", "2007-09-23"),
    ("address", "17 Snorkwhistle Crescent"),
    ("town", "Upperthwacket"),
    ("postcode", "QX7 3ZZ"),
    ("phone", "07700 900713"),
    ("email", "zeb.quistorp@canary.example.org"),
    ("nhs_number", "943 476 5919"),
    ("passport", "GBR817264531"),
    ("account", "chatter:zebquill07"),
    ("notes", "Seen near Flibberton docks"),
];

/// Values that are too short or too common to say anything when found in random bytes.
const SHORTEST: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_identifier_reaches_the_hub() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&received);
    let observer = Arc::new(move |bytes: &[u8]| sink.lock().unwrap().extend_from_slice(bytes));
    let scene = scene_observed(&["police", "refuge"], 2, observer).await;
    let log = scene.directory.path().join("hub.log");
    logs::to_file(&log).unwrap();

    full_run(&scene).await;
    let traffic = scene.directory.path().join("received");
    let search = |what: &[u8]| -> BTreeSet<PathBuf> {
        std::fs::write(&traffic, received.lock().unwrap().as_slice()).unwrap();
        let mut files = vec![log.clone(), traffic.clone()];
        collect_files(&scene.consortium.places.hub(), &mut files);
        files.into_iter().filter(|file| holds(file, what)).collect()
    };
    for needle in needles() {
        let text = String::from_utf8_lossy(&needle).into_owned();
        assert_eq!(search(&needle), BTreeSet::new(), "{text} reached the hub");
    }
    // The traffic was recorded at all: the agencies' names do travel.
    assert!(search(b"refuge").contains(&traffic));

    // Positive control: a value put past the tokeniser, as a careless node would send it.
    bypass(&scene, b"Zebedeequill Quistorpvane").await;
    let found = search(b"zebedeequill quistorpvane");
    assert!(
        found.contains(&traffic),
        "the search finds what the hub receives"
    );
    let stored = found
        .iter()
        .any(|file| file.starts_with(scene.consortium.places.hub()));
    assert!(stored, "the search finds what the hub stores: {found:?}");
    // Positive control: a careless line of log.
    tracing::info!(target: "symbolon_hub::control", "record of Okonjawibble");
    assert!(
        search(b"okonjawibble").contains(&log),
        "the search finds what the hub logs"
    );
    scene.consortium.stop().await.unwrap();
}

async fn full_run(scene: &Scene) {
    let header: Vec<&str> = PLANTED.iter().map(|(column, _)| *column).collect();
    let row: Vec<&str> = PLANTED.iter().map(|(_, value)| *value).collect();
    let file = scene.file(
        "canary.csv",
        &format!("{}\n{}\n", header.join(","), row.join(",")),
    );
    for agency in ["police", "refuge"] {
        let report = scene.import(agency, &file).await;
        assert!(report.rows_registered > 10);
    }
    scene.consortium.settle().await.unwrap();
    let police = scene.consortium.node("police").unwrap();
    assert_eq!(police.matches(None).unwrap().len(), 1);
    let columns: BTreeMap<String, String> = PLANTED
        .iter()
        .filter(|(column, _)| !["record_id", "notes"].contains(column))
        .map(|(column, value)| ((*column).to_owned(), (*value).to_owned()))
        .collect();
    let hit = police.query(&columns, Some(AGREEMENT)).await.unwrap();
    assert_eq!(hit.matches.len(), 1);
    let ids = ["CANARY-7141".to_owned()];
    police.withdraw(&set_up(), &ids, &silent()).await.unwrap();
    eventually("the withdrawal", async || {
        let matches = scene.consortium.node("refuge")?.matches(None)?;
        Ok(matches.iter().all(|m| m.from_query).then_some(()))
    })
    .await
    .unwrap();
}

/// Every form in which a planted value might be found.
pub fn needles() -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    for (_, value) in PLANTED {
        forms.insert(value.to_owned());
        forms.extend(value.split([' ', '@', ':']).map(str::to_owned));
        forms.insert(value.chars().filter(char::is_ascii_alphanumeric).collect());
    }
    forms.insert("+447700900713".to_owned());
    let (record, _) = Record::from_cells(PLANTED).unwrap();
    let schema = Schema::default_schema();
    forms.extend(
        derive(schema, &record)
            .iter()
            .map(|key| key.value.to_string()),
    );
    let long = forms.into_iter().filter(|form| form.len() >= SHORTEST);
    long.map(|form| form.to_lowercase().into_bytes()).collect()
}

/// Whether a file holds the bytes, letters of either case being the same.
pub fn holds(file: &Path, needle: &[u8]) -> bool {
    let content = std::fs::read(file).unwrap_or_default().to_ascii_lowercase();
    let needle = needle.to_ascii_lowercase();
    let Some(first) = needle.first() else {
        return false;
    };
    let starts = content
        .iter()
        .enumerate()
        .filter(|(_, byte)| *byte == first);
    starts
        .into_iter()
        .any(|(at, _)| content[at..].starts_with(&needle))
}

pub fn collect_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Submits a row whose payload is a value in clear.
pub async fn bypass(scene: &Scene, value: &[u8]) {
    let node = scene.consortium.node("police").unwrap();
    let agreement = node.agreement(Some(AGREEMENT)).unwrap();
    let mut payload = [0; PAYLOAD_BYTES];
    payload[..value.len()].copy_from_slice(value);
    let row = Row {
        agreement_epoch: agreement.standing.epoch_id(),
        token: Token(crypto::random().unwrap()),
        handle: Handle::random().unwrap(),
        silent: false,
        expiry: ExpiryMonth::of(scene.consortium.clock.now()),
        payload: SealedPayload(payload),
    };
    node.hub().await.unwrap().submit(&[row]).await.unwrap();
}
