//! Exchange of an agency's keys: handed in by its node, approved by an administrator, in use when the
//! roster shows them; what was signed with and sealed to the old ones goes on.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use symbolon_core::crypto::SigningKey;
use symbolon_core::identity::AgencyKeys;
use symbolon_core::roster::{Change, SignedEntry};
use symbolon_node::command::Command;
use symbolon_node::custody::CustodyCommand;
use symbolon_node::node::Node;
use symbolon_node::reports::{ImportReport, RekeyReport};
use symbolon_node::tables::Tables;
use symbolon_node::vault::Vault;
use symbolon_node::{config, control};
use symbolon_tests::consortium::{Failure, QUOTA, eventually};

use crate::agreements::node;
use crate::support::{AGREEMENT, Scene, scene, silent, unlock};

const THREE: [&str; 3] = ["council", "police", "refuge"];
const DAY_S: i64 = 86_400;

/// People who have nothing in common.
const PEOPLE: [&str; 7] = [
    "Linh,Nguyen,2008-03-14,07700900301",
    "Tomasz,Kowalski,1991-07-02,07700900402",
    "Amira,Haddad,2001-11-22,07700900503",
    "Kofi,Mensah,1979-02-17,07700900604",
    "Elena,Popescu,2010-09-05,07700900705",
    "Bao,Tran,1986-12-29,07700900806",
    "Ada,Osei,1995-05-11,07700900907",
];

/// One person more at two agencies, and the match at both. What waits, because the hub has not yet
/// noticed that a custodian's line was cut, goes on by itself.
async fn match_between<'a>(
    scene: &Scene,
    person: usize,
    agencies: [&'a str; 2],
) -> Vec<(&'a str, ImportReport)> {
    let id = format!("X{person}");
    let row = format!("{id},{}\n", PEOPLE[person]);
    let text = format!("record_id,given_names,surname,date_of_birth,phone\n{row}");
    let file = scene.file(&format!("person-{person}.csv"), &text);
    let mut reports = Vec::new();
    for agency in agencies {
        reports.push((agency, scene.import(agency, &file).await));
    }
    eventually("the match on both sides", async || {
        for (own, other) in [(0, 1), (1, 0)] {
            let found = scene.consortium.node(agencies[own])?.matches(Some(&id))?;
            if found.len() != 1 || found[0].agency != agencies[other] {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
    reports
}

/// The same with no key that waits: no custodian refused, or was gone.
async fn match_at_once(scene: &Scene, person: usize, agencies: [&str; 2]) {
    for (agency, report) in match_between(scene, person, agencies).await {
        assert_eq!(report.waiting, 0, "{agency}: {:?}", report.waiting_reason);
    }
}

fn keys(node: &Node) -> AgencyKeys {
    node.keys().public().clone()
}

fn is_waiting(node: &Node) -> Option<String> {
    node.status().unwrap().rekey.map(|waiting| waiting.state)
}

/// What the roster shows of an agency, by the administrator's own program.
async fn shown(scene: &Scene, agency: &str) -> AgencyKeys {
    let roster = scene.consortium.admin.roster().await.unwrap();
    let member = roster.members[&agency.parse().unwrap()].clone();
    member.keys.unwrap()
}

async fn approve(scene: &Scene, report: &RekeyReport) {
    let short: String = report.entry.chars().take(8).collect();
    let done = scene.consortium.admin.approve(&short).await.unwrap();
    assert!(done.is_appended());
}

/// Waits until an agency's node uses what the roster shows, and that is not what it was.
async fn gone_over(scene: &Scene, agency: &str, before: &AgencyKeys) {
    eventually("the node going over to its new keys", async || {
        Ok((keys(scene.consortium.node(agency)?) != *before).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(keys(node(scene, agency)), shown(scene, agency).await);
    assert_eq!(is_waiting(node(scene, agency)), None);
}

async fn rekeyed(scene: &Scene, agency: &str) {
    let before = keys(node(scene, agency));
    let report = node(scene, agency).rekey().await.unwrap();
    assert_eq!(report.state, "waiting");
    approve(scene, &report).await;
    gone_over(scene, agency, &before).await;
}

async fn at_generation(scene: &Scene, generation: u32) {
    for agency in THREE {
        eventually("the new generation of shares", async || {
            let status = scene.consortium.node(agency)?.custody_status().await?;
            let there = status.generation == Some(generation) && status.own_share == "held";
            Ok(there.then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_wait_for_an_administrator_and_everything_goes_on_with_them() {
    let mut scene = scene(&THREE, 2).await;
    match_at_once(&scene, 0, ["police", "refuge"]).await;
    let police = std::sync::Arc::clone(node(&scene, "police"));
    let before = keys(&police);

    // Through the control socket of the serving node, as a person would.
    let socket = control::socket_path(&scene.consortium.places.node("police")).unwrap();
    let answer = control::call(&socket, &Command::Rekey.into(), silent()).await;
    let first: RekeyReport = serde_json::from_value(answer.unwrap().unwrap()).unwrap();
    assert_eq!((first.state.as_str(), first.made), ("waiting", true));
    assert_eq!((first.approvals, first.needed), (0, 1));
    assert_eq!(first.administrators, ["administrator"]);
    let again = police.rekey().await.unwrap();
    assert_eq!(
        again,
        RekeyReport {
            made: false,
            ..first.clone()
        },
        "the same keys in the same entry"
    );
    let waiting = scene.consortium.admin.waiting().await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].digest.to_string(), first.entry);
    assert_eq!(is_waiting(&police).as_deref(), Some("waiting"));
    assert_eq!(
        keys(&police),
        before,
        "in use until the roster shows others"
    );
    match_at_once(&scene, 1, ["police", "refuge"]).await;

    approve(&scene, &first).await;
    gone_over(&scene, "police", &before).await;
    assert_eq!(keys(&police).signing, first.signing_key);
    assert_eq!(police.status().unwrap().health.state, "green");
    drop(police);

    // Evaluations verify with the new key; agreements and the old matches are as they were.
    match_at_once(&scene, 2, ["police", "council"]).await;
    match_at_once(&scene, 3, ["refuge", "police"]).await;
    assert_eq!(node(&scene, "police").matches(Some("X0")).unwrap().len(), 1);
    // Envelopes are signed with it.
    let refresh = node(&scene, "police").custody(CustodyCommand::Refresh);
    refresh.await.unwrap();
    at_generation(&scene, 1).await;
    // What was signed with the old key counts at a node that verifies everything anew.
    for agency in THREE {
        scene.consortium.stop_node(agency).await.unwrap();
        scene.consortium.start_node(agency).await.unwrap();
    }
    at_generation(&scene, 1).await;
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 4, ["police", "refuge"]).await;
    let agreement = node(&scene, "refuge").agreement_views().remove(0);
    assert_eq!(
        (agreement.standing.as_str(), agreement.trouble),
        ("in force", None)
    );

    // The certificate has a key of its own and is renewed as ever.
    let until = |scene: &Scene| node(scene, "police").status().unwrap().certificate_expires;
    let ends = until(&scene);
    scene.consortium.clock.advance(21 * DAY_S);
    eventually("the renewal", async || {
        Ok((until(&scene) > ends).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 5, ["police", "refuge"]).await;
    // A second exchange follows the first.
    rekeyed(&scene, "police").await;
    match_between(&scene, 6, ["refuge", "police"]).await;
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_custodians_statement_signed_with_an_old_key_counts() {
    let mut scene = scene(&THREE, 2).await;
    // Both, so that no evaluation goes past a custodian that has exchanged its keys.
    for agency in ["council", "refuge"] {
        rekeyed(&scene, agency).await;
    }
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    at_generation(&scene, 0).await;
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 0, ["police", "refuge"]).await;
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_to_or_signed_with_the_old_key_is_still_opened() {
    let mut scene = scene(&THREE, 2).await;
    let before = keys(node(&scene, "police"));
    // Away is a custodian that reads what the police signed only after the exchange; then the police
    // itself, while keys and letters are sealed to its old key.
    scene.consortium.stop_node("refuge").await.unwrap();
    let second = scene.consortium.document("second", &["council", "police"]);
    let admin = &scene.consortium.admin;
    admin.propose_agreement(&second.unwrap()).await.unwrap();
    let police = node(&scene, "police");
    police.accept("second", &[]).await.unwrap();
    let refresh = police.custody(CustodyCommand::Refresh).await;
    refresh.unwrap();
    let report = police.rekey().await.unwrap();
    scene.consortium.stop_node("police").await.unwrap();
    let council = node(&scene, "council");
    council.accept("second", &[]).await.unwrap();
    let joined = eventually("the council joining the refresh", async || {
        let status = scene.consortium.node("council")?.custody_status().await?;
        Ok((status.refreshing == Some(1)).then_some(()))
    });
    joined.await.unwrap();
    approve(&scene, &report).await;
    scene.consortium.start_node("police").await.unwrap();
    gone_over(&scene, "police", &before).await;
    scene.consortium.start_node("refuge").await.unwrap();
    at_generation(&scene, 1).await;
    eventually("the key sealed to the old key being used", async || {
        let agreement = scene.consortium.node("police")?.agreement(Some("second"))?;
        Ok(agreement.usable().is_some().then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 0, ["police", "refuge"]).await;
    scene.consortium.stop().await.unwrap();
}

/// The seeds on a stopped node's disk: in use, and waiting.
fn on_disk(scene: &Scene, agency: &str) -> (Vec<u8>, Option<Vec<u8>>) {
    let vault = Vault::open(&scene.consortium.places.node(agency), &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let (_, identity) = tables.identity.iter().next().unwrap().unwrap();
    let waiting = identity.rekey.map(|rekey| rekey.signing_seed.0.clone());
    (identity.signing_seed.0.clone(), waiting)
}

/// Takes one more entry of the roster into a stopped node's vault, and nothing else.
fn learn(scene: &Scene, agency: &str, entries: &[SignedEntry]) {
    let vault = Vault::open(&scene.consortium.places.node(agency), &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let last = entries.len() as u64 - 1;
    assert!(!tables.roster.contains(&last).unwrap());
    tables.roster.put(&last, entries.last().unwrap()).unwrap();
    vault.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_leaves_the_old_keys_in_use_or_the_new_ones() {
    let mut scene = scene(&THREE, 2).await;
    let before = keys(node(&scene, "police"));
    // Made, not handed in.
    let (entry, fresh) = node(&scene, "police").prepare_rekey().unwrap();
    assert!(fresh);
    scene.consortium.kill_node("police").await.unwrap();
    let (old, new) = on_disk(&scene, "police");
    let new = new.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    let police = node(&scene, "police");
    assert_eq!(is_waiting(police).as_deref(), Some("not handed in"));
    let waiting = scene.consortium.admin.waiting().await.unwrap();
    assert!(waiting.is_empty(), "nobody has heard of them");
    // Handed in, not approved.
    let report = police.rekey().await.unwrap();
    assert!(!report.made);
    assert_eq!(report.entry, entry.digest().to_string());
    scene.consortium.kill_node("police").await.unwrap();
    assert_eq!(on_disk(&scene, "police"), (old.clone(), Some(new.clone())));
    scene.consortium.start_node("police").await.unwrap();
    let police = node(&scene, "police");
    assert_eq!(is_waiting(police).as_deref(), Some("waiting"));
    assert_eq!(keys(police), before);
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 0, ["police", "refuge"]).await;
    // Approved; the roster's entry is written down, the exchange is not.
    scene.consortium.kill_node("police").await.unwrap();
    approve(&scene, &report).await;
    let entries = scene.consortium.admin.entries().await.unwrap();
    learn(&scene, "police", &entries);
    assert_eq!(on_disk(&scene, "police"), (old, Some(new.clone())));
    scene.consortium.stop_hub().await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    let police = node(&scene, "police");
    assert_eq!(keys(police).signing, report.signing_key, "without the hub");
    assert_eq!(is_waiting(police), None);
    scene.consortium.kill_node("police").await.unwrap();
    assert_eq!(on_disk(&scene, "police"), (new, None));
    scene.consortium.start_hub().await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    gone_over(&scene, "police", &before).await;
    match_between(&scene, 1, ["refuge", "police"]).await;
    scene.consortium.stop().await.unwrap();
}

/// The program on a node that nobody serves.
fn program(scene: &Scene, arguments: &[&str]) -> serde_json::Value {
    let key_file = scene.directory.path().join("key");
    std::fs::write(&key_file, [7; 32]).unwrap();
    let done = Process::new(env!("CARGO_BIN_EXE_node-process"))
        .arg("--state")
        .arg(scene.consortium.places.node("police"))
        .arg("--key-file")
        .arg(&key_file)
        .arg("--json")
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {told}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_serving_process_the_next_command_takes_the_keys_into_use() {
    let mut scene = scene(&THREE, 2).await;
    let before = keys(node(&scene, "police"));
    scene.consortium.stop_node("police").await.unwrap();
    let report: RekeyReport = serde_json::from_value(program(&scene, &["rekey"])).unwrap();
    assert_eq!((report.state.as_str(), report.made), ("waiting", true));
    let status = program(&scene, &["status"]);
    assert_eq!(status["rekey"]["state"], "waiting");
    assert_eq!(status["rekey"]["entry"], report.entry.as_str());
    approve(&scene, &report).await;
    let done: RekeyReport = serde_json::from_value(program(&scene, &["rekey"])).unwrap();
    assert_eq!((done.state.as_str(), done.made), ("done", false));
    assert_eq!(done.signing_key, report.signing_key);
    assert!(program(&scene, &["status"])["rekey"].is_null());
    scene.consortium.start_node("police").await.unwrap();
    gone_over(&scene, "police", &before).await;
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 0, ["police", "refuge"]).await;
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overtaken_is_handed_in_again_with_the_same_keys() {
    let scene = scene(&["council", "police"], 2).await;
    let police = node(&scene, "police");
    let before = keys(police);
    let first = police.rekey().await.unwrap();
    let change = Change::Quota {
        agency: "council".parse().unwrap(),
        quota: QUOTA,
    };
    let other = scene.consortium.admin.propose(change).await.unwrap();
    assert!(other.is_appended());
    let waiting = scene.consortium.admin.waiting().await.unwrap();
    assert!(waiting.is_empty(), "another change voids what waits");
    eventually("the node saying that it was overtaken", async || {
        let police = scene.consortium.node("police")?;
        Ok((is_waiting(police).as_deref() == Some("overtaken")).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(keys(police), before);
    let second = police.rekey().await.unwrap();
    assert_eq!((second.state.as_str(), second.made), ("waiting", false));
    assert_eq!(second.signing_key, first.signing_key);
    assert_ne!(second.entry, first.entry, "at another place of the chain");
    approve(&scene, &second).await;
    gone_over(&scene, "police", &before).await;
    match_at_once(&scene, 0, ["police", "council"]).await;
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_third_party_hands_in_are_refused() {
    let scene = scene(&["council", "police"], 2).await;
    let before = shown(&scene, "police").await;
    let (council, police) = (node(&scene, "council"), node(&scene, "police"));
    let (entry, _) = police.prepare_rekey().unwrap();
    let body = entry.read().unwrap();
    let hub = council.hub().await.unwrap();
    let refused = hub.append(entry.clone()).await;
    assert!(refused.is_err(), "the entry itself, by another member");
    let stranger = SigningKey::random().unwrap();
    let unproven = SignedEntry::new(&body, &[&stranger]).unwrap();
    let hub = police.hub().await.unwrap();
    let refused = hub.append(unproven).await;
    assert!(refused.is_err(), "by somebody who does not have the key");
    let by_administrator = scene.consortium.admin.propose(body.change).await;
    assert!(by_administrator.is_err(), "who does not have it either");
    assert!(scene.consortium.admin.waiting().await.unwrap().is_empty());
    assert_eq!(shown(&scene, "police").await, before);
    // The positive control: the very same entry from the agency's own node.
    assert_eq!(hub.append(entry.clone()).await, Ok((0, 1)));
    let report = police.rekey().await.unwrap();
    assert_eq!(report.entry, entry.digest().to_string());
    approve(&scene, &report).await;
    gone_over(&scene, "police", &before).await;
    scene.consortium.stop().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn restore(backup: &Path, state: &PathBuf) {
    std::fs::remove_dir_all(state).unwrap();
    copy(backup, state);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_before_the_exchange_says_so_and_gets_keys_again() -> Result<(), Failure> {
    let mut scene = scene(&["council", "police"], 2).await;
    let state = scene.consortium.places.node("police");
    let backup = scene.directory.path().join("backup");
    scene.consortium.stop_node("police").await?;
    copy(&state, &backup);
    assert!(backup.join(config::FILE_NAME).exists());
    scene.consortium.start_node("police").await?;
    rekeyed(&scene, "police").await;
    scene.consortium.stop_node("police").await?;

    // By an exchange, while its certificate is good.
    restore(&backup, &state);
    scene.consortium.start_node("police").await?;
    eventually("the node saying that its keys are old", async || {
        let health = scene.consortium.node("police")?.status()?.health;
        let told = health.reasons.iter().any(|r| r.contains("other keys"));
        Ok((told && health.state == "red").then_some(()))
    })
    .await?;
    rekeyed(&scene, "police").await;
    assert_eq!(node(&scene, "police").status()?.health.state, "green");
    scene.consortium.everybody_attends().await?;
    match_between(&scene, 0, ["police", "council"]).await;
    scene.consortium.stop_node("police").await?;

    // By a fresh invitation.
    restore(&backup, &state);
    let kind = symbolon_core::identity::AgencyKind::Ngo;
    let admin = &scene.consortium.admin;
    let (invitation, _) = admin
        .invite("police".parse()?, kind, "police", 3600, QUOTA)
        .await?;
    assert!(scene.consortium.redeem("police", &invitation).await?);
    scene.consortium.start_node("police").await?;
    scene.consortium.everybody_attends().await?;
    assert_eq!(keys(node(&scene, "police")), shown(&scene, "police").await);
    match_between(&scene, 1, ["police", "council"]).await;
    let agreement = node(&scene, "police").agreement(Some(AGREEMENT))?;
    assert!(agreement.usable().is_some());
    scene.consortium.stop().await
}
