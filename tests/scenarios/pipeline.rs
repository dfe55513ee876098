//! The stream from a file to acknowledged rows: whole over several windows, and over kills of the node at
//! random moments. No record and no row is lost or repeated, and no key is evaluated twice.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use symbolon_core::linkage::derive::derive;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::roster::Quota;
use symbolon_core::row::Handle;
use symbolon_node::command::ImportOptions;
use symbolon_node::config::FILE_NAME;
use symbolon_node::node::Node;
use symbolon_node::reports::{Progress, ProgressSink};
use symbolon_tests::consortium::{QUOTA, eventually};
use symbolon_tests::demo::sources;

use crate::support::{AGREEMENT, Scene, custodians_and_a_member, node_program, set_up};

const KILLS: u64 = 12;
/// Keys in a request at first; it grows to four times as many.
const BATCH: u64 = 32;
const SEED: u64 = 20_261_127;

/// The node's program, killed with SIGKILL when dropped.
struct Program(Child);

impl Program {
    fn start(scene: &Scene, words: &[&str]) -> Self {
        let child = node_program(scene, words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended by itself is gone already.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// Numbers that are the same for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Two custodians and the police with this quota, under one agreement.
async fn agreed(quota: Quota) -> Scene {
    let mut scene = custodians_and_a_member(quota).await;
    let names = ["council", "police", "refuge"];
    scene.consortium.agree(AGREEMENT, &names).await.unwrap();
    scene
}

/// A file of people whose phone is all that makes a key: letter and number of each, and the end of the phone.
fn people(rows: impl IntoIterator<Item = (char, u64, u64)>) -> String {
    let mut text = "record_id,given_names,surname,phone\n".to_owned();
    for (letter, number, phone) in rows {
        text += &format!("{letter}{number},Ada,Osei,0770{phone:07}\n");
    }
    text
}

/// Elements that a custodian's ledger has for an agency.
fn evaluated(scene: &Scene, custodian: &str, agency: &str) -> u64 {
    let node = scene.consortium.node(custodian).unwrap();
    let lines = node.custody_log(u64::MAX).unwrap();
    let own = lines.iter().filter(|line| line.agency == agency);
    own.map(|line| line.elements).sum()
}

/// Different linkage keys of a file.
fn distinct_keys(file: &Path) -> u64 {
    let schema = Schema::default_schema();
    let records = sources::records(file).unwrap();
    let keys = records
        .iter()
        .flat_map(|(_, record)| derive(schema, record));
    let inputs: BTreeSet<Vec<u8>> = keys.map(|key| key.input(schema).to_vec()).collect();
    inputs.len() as u64
}

/// Asserts that the hub holds exactly the rows that the police think it does.
async fn assert_held(scene: &Scene) -> usize {
    let node = scene.consortium.node("police").unwrap();
    let kept: BTreeSet<Handle> = node.epochs_of_rows().unwrap().into_keys().collect();
    let hub = node.hub().await.unwrap();
    let (mut held, mut after) = (BTreeSet::new(), None);
    loop {
        let page = hub.handles(after, 10_000).await.unwrap();
        let Some(last) = page.last().copied() else {
            break;
        };
        held.extend(page);
        after = Some(last);
    }
    assert!(
        held == kept,
        "{} at the hub, {} here",
        held.len(),
        kept.len()
    );
    held.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_several_windows_goes_whole_and_is_asked_for_once() {
    const PEOPLE: u64 = 5_000;
    let scene = agreed(QUOTA).await;
    let mut text = people((0..PEOPLE).map(|number| ('R', number, number)));
    // Two have a phone in common: it is asked for once, whether they are in one window or not.
    text += "S1,Ben,Osei,07700000001\nS2,Cem,Osei,07700004999\n";
    let file = scene.file("people.csv", &text);
    let report = scene.import("police", &file).await;
    assert_eq!(report.waiting, 0, "{:?}", report.waiting_reason);
    assert_eq!(report.rows_registered, PEOPLE + 2);
    assert!(assert_held(&scene).await as u64 >= PEOPLE + 2);
    for custodian in ["council", "refuge"] {
        assert_eq!(evaluated(&scene, custodian, "police"), PEOPLE);
    }
    // A later record with a phone that only one had: its root is found with the other's row.
    let later = "record_id,given_names,surname,phone\nL1,Dan,Osei,07700000077\n";
    let file = scene.file("later.csv", later);
    assert_eq!(scene.import("police", &file).await.rows_registered, 1);
    assert_eq!(evaluated(&scene, "council", "police"), PEOPLE);
    // Control: one with a phone that nobody had.
    let other = "record_id,given_names,surname,phone\nL2,Dan,Osei,07711000077\n";
    let file = scene.file("other.csv", other);
    assert_eq!(scene.import("police", &file).await.rows_registered, 1);
    assert_eq!(evaluated(&scene, "council", "police"), PEOPLE + 1);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_brings_over_its_cap_goes_before_anything_is_asked_for() {
    let scene = agreed(QUOTA).await;
    // Nine have one phone in common, then ten more, and hundreds have each their own.
    let of =
        |letter, numbers: Range<u64>| people(numbers.map(|number| (letter, number, number.max(9))));
    let first = scene.file("first.csv", &of('A', 0..9));
    assert_eq!(scene.import("police", &first).await.rows_registered, 9);
    let node = Arc::clone(scene.consortium.node("police").unwrap());
    let registered = |node: &Node| {
        let views = node.records(None).unwrap().into_iter();
        let first = views.filter(|view| view.record_id.starts_with('A'));
        first.map(|view| view.rows).sum::<u64>()
    };
    assert_eq!(registered(&node), 9, "control");
    let options = ImportOptions {
        file: scene.file("second.csv", &of('B', 0..600)),
        agreements: Some(vec![AGREEMENT.to_owned()]),
        ..Default::default()
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (seeing, looking) = (Arc::clone(&seen), Arc::clone(&node));
    let sink: ProgressSink = Arc::new(move |progress: Progress| {
        if progress.stage == "reading" {
            seeing.lock().unwrap().push(registered(&looking));
        }
    });
    let report = node.import(&set_up(), &options, &sink).await.unwrap();
    assert_eq!(report.suppressed["phone"], 10);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert!(
        seen.len() > 1 && seen.iter().all(|rows| *rows == 0),
        "{seen:?}"
    );
    assert_eq!(evaluated(&scene, "council", "police"), 1 + 590);
    drop((node, sink));
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_says_at_once_why_rows_wait() {
    const PEOPLE: u64 = 3_000;
    const FEW: Quota = Quota {
        initial: 10,
        per_day: 10,
    };
    let scene = agreed(FEW).await;
    let text = people((0..PEOPLE).map(|number| ('R', number, number)));
    let node = Arc::clone(scene.consortium.node("police").unwrap());
    let options = ImportOptions {
        file: scene.file("people.csv", &text),
        agreements: Some(vec![AGREEMENT.to_owned()]),
        ..Default::default()
    };
    let said = Arc::new(Mutex::new(Vec::new()));
    let (saying, asked) = (Arc::clone(&said), Arc::clone(&node));
    let sink: ProgressSink = Arc::new(move |progress: Progress| {
        // A window is full, and more of the file is to be read: that waits here for what registering says.
        if progress.stage == "reading" && progress.done >= 2_560 {
            let reason = (0..200).find_map(|_| {
                std::thread::sleep(Duration::from_millis(50));
                asked.status().unwrap().waiting_reason
            });
            saying.lock().unwrap().extend(reason);
        }
    });
    let report = node.import(&set_up(), &options, &sink).await.unwrap();
    assert_eq!(report.waiting, PEOPLE, "control: the quota is too small");
    let said = std::mem::take(&mut *said.lock().unwrap());
    assert_eq!(said.first(), report.waiting_reason.as_ref());
    assert!(!said.is_empty());
    drop((node, sink));
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_was_cut_off_gives_the_others_their_rows() {
    let mut scene = agreed(QUOTA).await;
    // A phone of 60 is over its cap; the other 1,500 have each their own.
    let with_it = (0..60).map(|number| ('S', number, 0));
    let text = people(with_it.chain((0..1_500).map(|number| ('R', number, number + 1))));
    let file = scene.file("people.csv", &text);
    let report = scene.import("police", &file).await;
    assert_eq!(
        (report.suppressed["phone"], report.rows_registered),
        (60, 1_500)
    );
    scene.consortium.stop_node("police").await.unwrap();
    // Five keep the phone, and the kill comes while the others are being withdrawn.
    let gone = (5..60).map(|number| format!("S{number}"));
    let gone: Vec<String> = gone.chain((0..1_500).map(|n| format!("R{n}"))).collect();
    let words = ["withdraw", "--yes"].into_iter();
    let words: Vec<&str> = words.chain(gone.iter().map(String::as_str)).collect();
    let mut wait = Duration::ZERO;
    let views = loop {
        wait += Duration::from_millis(50);
        let serving = serve(&scene).await;
        let withdrawing = Program::start(&scene, &words);
        tokio::time::sleep(wait).await;
        drop((serving, withdrawing));
        scene.consortium.start_node("police").await.unwrap();
        scene.consortium.settle().await.unwrap();
        let views = scene
            .consortium
            .node("police")
            .unwrap()
            .records(None)
            .unwrap();
        if views.len() < 1_500 {
            break views;
        }
        scene.consortium.stop_node("police").await.unwrap();
    };
    assert!(
        views.len() > 5,
        "control: all were withdrawn before the kill"
    );
    assert!(views.iter().all(|view| view.rows == 1), "{views:?}");
    assert_held(&scene).await;
    scene.consortium.stop().await.unwrap();
}

/// Starts the node's program, and waits until it serves.
async fn serve(scene: &Scene) -> Program {
    let serving = Program::start(scene, &["serve"]);
    let socket = scene.consortium.places.node("police").join("control.sock");
    eventually("the node serving", async || {
        let answers = tokio::net::UnixStream::connect(&socket).await;
        Ok(answers.is_ok().then_some(()))
    })
    .await
    .unwrap();
    serving
}

/// Starts the node and an import, and kills both after a while.
async fn import_and_kill(scene: &Scene, words: &[&str], (kill, wait): (u64, Duration)) {
    let before = evaluated(scene, "council", "police");
    let serving = serve(scene).await;
    let importing = Program::start(scene, words);
    tokio::time::sleep(wait).await;
    drop((serving, importing));
    println!(
        "kill {kill} after {wait:?}: {} keys were evaluated since the one before",
        evaluated(scene, "council", "police") - before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_moments_of_an_import_lose_and_repeat_nothing() {
    let mut scene = agreed(QUOTA).await;
    let files = scene.sample(5, 800);
    for agency in ["council", "refuge"] {
        let file = files.iter().find(|file| file.name == agency).unwrap();
        scene.import(agency, &file.file).await;
    }
    // Control: without a kill no key is evaluated twice.
    let council = &files
        .iter()
        .find(|file| file.name == "council")
        .unwrap()
        .file;
    let (asked, keys) = (
        evaluated(&scene, "refuge", "council"),
        distinct_keys(council),
    );
    assert!(asked > keys / 2 && asked <= keys, "{asked} of {keys}");
    scene.consortium.stop_node("police").await.unwrap();
    let settings = format!(
        "[tokenising]\nbatch = {BATCH}\nbatch_interval_ms = 0\n[comparison]\ndaily_budget = 1000000\nruns_per_pair = 10000\n"
    );
    let state = scene.consortium.places.node("police");
    std::fs::write(state.join(FILE_NAME), settings).unwrap();
    let file = &files
        .iter()
        .find(|file| file.name == "police")
        .unwrap()
        .file;

    println!("seed {SEED}");
    let mut random = Random(SEED);
    let path = file.to_str().unwrap();
    let words = ["import", path, "--keep-invalid", "--agreement", AGREEMENT];
    for kill in 1..=KILLS {
        // The moment is random: in the reading or between requests, or right at the end.
        let wait = Duration::from_millis(random.below(700));
        import_and_kill(&scene, &words, (kill, wait)).await;
    }
    scene.consortium.start_node("police").await.unwrap();
    let report = scene.import("police", file).await;
    assert_eq!(report.waiting, 0, "{:?}", report.waiting_reason);
    scene.consortium.settle().await.unwrap();

    let node = scene.consortium.node("police").unwrap();
    let records = sources::records(file).unwrap();
    assert_eq!(node.status().unwrap().records, records.len() as u64);
    assert_eq!(node.lost_rows(), 0);
    assert_held(&scene).await;
    let keys = distinct_keys(file);
    for custodian in ["council", "refuge"] {
        let evaluated = evaluated(&scene, custodian, "police");
        println!("{custodian}: {evaluated} evaluations of {keys} keys");
        assert!(evaluated > keys / 2 && evaluated <= keys);
    }
    assert!(scene.assert_equal_to_oracle(&files) > 10);

    // What is cached is not asked for again: neither by another import nor by a start.
    let before = evaluated(&scene, "council", "police");
    scene.import("police", file).await;
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    scene.import("police", file).await;
    assert_eq!(evaluated(&scene, "council", "police"), before);
    scene.consortium.stop().await.unwrap();
}
