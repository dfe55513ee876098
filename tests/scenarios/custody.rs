//! The life of a custody key: refresh, repair, backup, replacement.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use symbolon_core::oprf::threshold::KeyShare;
use symbolon_node::custody::{BackupReport, CustodyCommand, CustodyStatus};
use symbolon_node::tables::{Secret, Tables};
use symbolon_node::vault::Vault;
use symbolon_tests::consortium::eventually;

use crate::support::{Scene, scene, unlock};

pub(crate) const THREE: [&str; 3] = ["council", "police", "refuge"];

/// A file with one person, and another with the same one recorded elsewhere.
fn person(scene: &Scene, letter: char) -> PathBuf {
    let text = format!(
        "record_id,given_names,surname,date_of_birth,phone\nX{letter},Linh,Nguyen{letter},2008-03-14,07700900{:03}\n",
        letter as u32
    );
    scene.file(&format!("person-{letter}.csv"), &text)
}

/// Imports the same person at two agencies and waits for the match at the first.
pub(crate) async fn match_between(scene: &Scene, letter: char, agencies: [&str; 2]) {
    let file = person(scene, letter);
    for agency in agencies {
        let report = scene.import(agency, &file).await;
        assert_eq!(report.waiting, 0, "{agency}: {:?}", report.waiting_reason);
    }
    matched(scene, letter, agencies[0]).await;
}

async fn matched(scene: &Scene, letter: char, agency: &str) {
    let id = format!("X{letter}");
    eventually("the match", async || {
        let found = scene.consortium.node(agency)?.matches(Some(&id))?;
        Ok((!found.is_empty()).then_some(()))
    })
    .await
    .unwrap();
}

async fn status(scene: &Scene, agency: &str) -> CustodyStatus {
    let node = scene.consortium.node(agency).unwrap();
    node.custody_status().await.unwrap()
}

pub(crate) async fn at_generation(scene: &Scene, agencies: &[&str], at_least: u32) {
    for agency in agencies {
        eventually("the new generation", async || {
            let status = scene.consortium.node(agency)?.custody_status().await?;
            let reached = status.generation.is_some_and(|g| g >= at_least);
            Ok((reached && status.own_share == "held").then_some(()))
        })
        .await
        .unwrap();
    }
}

/// What a stopped custodian has on its disk: every share, each found to fit its own public key.
pub(crate) fn shares_on_disk(scene: &Scene, agency: &str) -> BTreeMap<(u32, u32), Vec<u8>> {
    // A copy: the lock of a process that was just killed may still be there.
    let copy = tempfile::tempdir().unwrap();
    copy_directory(&scene.consortium.places.node(agency), copy.path());
    let vault = Vault::open(copy.path(), &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let mut found = BTreeMap::new();
    for entry in tables.shares.iter() {
        let (place, stored) = entry.unwrap();
        let share = KeyShare::from_bytes(stored.index, &stored.secret.0).unwrap();
        assert!(share.fits(&stored.key), "{agency} {place:?}");
        found.insert(place, stored.secret.0.clone());
    }
    found
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_directory(&entry.path(), &target);
        } else if kind.is_file() && entry.file_name() != "lock" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn lose_shares(scene: &Scene, agency: &str) {
    let vault = Vault::open(&scene.consortium.places.node(agency), &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let places: Vec<_> = tables.shares.iter().map(|e| e.unwrap().0).collect();
    assert!(!places.is_empty());
    for place in places {
        tables.shares.remove(&place).unwrap();
    }
    vault.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_changes_the_shares_and_no_token() {
    let mut scene = scene(&THREE, 2).await;
    let file = person(&scene, 'a');
    scene.import("police", &file).await;
    let node = scene.consortium.node("council").unwrap();
    node.custody(CustodyCommand::Refresh).await.unwrap();
    at_generation(&scene, &THREE, 1).await;
    // A row of before the refresh and one of after it have the same tokens.
    let report = scene.import("refuge", &file).await;
    assert_eq!(report.waiting, 0, "{:?}", report.waiting_reason);
    matched(&scene, 'a', "police").await;
    match_between(&scene, 'b', ["council", "police"]).await;
    for agency in THREE {
        scene.consortium.stop_node(agency).await.unwrap();
        let places: Vec<_> = shares_on_disk(&scene, agency).into_keys().collect();
        assert_eq!(places, [(1, 1)], "{agency}: the old share is gone");
    }
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_share_is_made_again_by_the_others() {
    let mut scene = scene(&THREE, 2).await;
    scene.consortium.stop_node("refuge").await.unwrap();
    let before = shares_on_disk(&scene, "refuge");
    lose_shares(&scene, "refuge");
    scene.consortium.start_node("refuge").await.unwrap();
    eventually("the loss being told", async || {
        let status = scene.consortium.node("refuge")?.custody_status().await?;
        Ok((status.own_share == "lost").then_some(()))
    })
    .await
    .unwrap();
    let repair = CustodyCommand::Repair;
    let whole = scene.consortium.node("police").unwrap();
    let refused = whole.custody(repair.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("has its share"), "{refused}");
    let node = scene.consortium.node("refuge").unwrap();
    eventually("the helpers being there", async || {
        Ok(node.custody(repair.clone()).await.ok())
    })
    .await
    .unwrap();
    at_generation(&scene, &["refuge"], 0).await;
    // It answers: without the council it is needed.
    scene.consortium.everybody_attends().await.unwrap();
    scene.consortium.stop_node("council").await.unwrap();
    match_between(&scene, 'a', ["police", "refuge"]).await;
    scene.consortium.stop_node("refuge").await.unwrap();
    assert_eq!(shares_on_disk(&scene, "refuge"), before);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_a_share_until_a_refresh() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let secret = |text: &str| Secret(text.as_bytes().to_vec());
    let passphrase = || secret("correct horse battery staple");
    let node = scene.consortium.node("refuge").unwrap();
    let made = node.custody(CustodyCommand::Backup {
        passphrase: passphrase(),
    });
    let BackupReport { sealed, index, .. } = serde_json::from_value(made.await.unwrap()).unwrap();
    assert_eq!(index, 2);
    let restore = |passphrase: Secret| CustodyCommand::Restore {
        sealed: sealed.clone(),
        passphrase,
    };
    let held = node.custody(restore(passphrase())).await.unwrap_err();
    assert!(held.to_string().contains("has its share"), "{held}");
    // Another custodian's backup is not taken.
    let other = scene.consortium.node("police").unwrap();
    let foreign = other.custody(restore(passphrase())).await.unwrap_err();
    assert!(
        foreign.to_string().contains("is not this node's"),
        "{foreign}"
    );

    scene.consortium.stop_node("refuge").await.unwrap();
    lose_shares(&scene, "refuge");
    scene.consortium.start_node("refuge").await.unwrap();
    let node = scene.consortium.node("refuge").unwrap();
    let wrong = node.custody(restore(secret("something else"))).await;
    assert!(wrong.unwrap_err().to_string().contains("wrong passphrase"));
    // Two of two: nobody else could make it again.
    let repair = node.custody(CustodyCommand::Repair).await.unwrap_err();
    assert!(repair.to_string().contains("restore a backup"), "{repair}");
    node.custody(restore(passphrase())).await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 'a', ["police", "refuge"]).await;

    let node = scene.consortium.node("police").unwrap();
    node.custody(CustodyCommand::Refresh).await.unwrap();
    at_generation(&scene, &["police", "refuge"], 1).await;
    scene.consortium.stop_node("refuge").await.unwrap();
    lose_shares(&scene, "refuge");
    scene.consortium.start_node("refuge").await.unwrap();
    let node = scene.consortium.node("refuge").unwrap();
    let old = node.custody(restore(passphrase())).await.unwrap_err();
    assert!(old.to_string().contains("holds generation 0"), "{old}");
    scene.consortium.stop().await.unwrap();
}

fn assert_all_under_the_second_key(scene: &Scene, agency: &str) {
    let vault = Vault::open(&scene.consortium.places.node(agency), &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let shared = tables.roots.iter().map(|entry| entry.unwrap().0.0);
    let epochs = tables.rows.roots().map(|entry| entry.unwrap().0.0);
    assert!(epochs.chain(shared).all(|epoch| epoch == 2), "{agency}");
    let rows = tables.rows.iter().map(|entry| entry.unwrap().1);
    let mut real = rows.filter(|row| row.record_id.is_some());
    assert!(
        real.all(|row| row.custody == 2 && row.root.is_some()),
        "{agency}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn custodians_are_replaced_while_matching_goes_on() {
    let mut scene = scene(&THREE, 2).await;
    match_between(&scene, 'a', ["police", "council"]).await;
    let rows = scene
        .consortium
        .node("police")
        .unwrap()
        .status()
        .unwrap()
        .rows;
    // One member is away: nobody may give the old rows up meanwhile.
    scene.import("refuge", &person(&scene, 'b')).await;
    scene.consortium.settle().await.unwrap();
    scene.consortium.stop_node("refuge").await.unwrap();
    let new = ["council", "police"];
    scene.consortium.appoint_these(2, &new).await.unwrap();
    for agency in new {
        eventually("the rows being made anew", async || {
            let status = scene.consortium.node(agency)?.custody_status().await?;
            let remade = status.rows_to_make == 0 && status.rows_made > 0;
            let waits = status.waiting_for.iter().any(|name| name == "refuge");
            Ok((status.replaces == Some(1) && remade && waits).then_some(()))
        })
        .await
        .unwrap();
    }
    let both = scene
        .consortium
        .node("police")
        .unwrap()
        .status()
        .unwrap()
        .rows;
    assert_eq!(both, 2 * rows, "rows under both keys");
    // Its old rows are found by what is imported under both keys.
    match_between(&scene, 'b', ["council", "police"]).await;
    scene.consortium.start_node("refuge").await.unwrap();
    matched(&scene, 'b', "refuge").await;
    for agency in THREE {
        eventually("the old key being given up", async || {
            let node = scene.consortium.node(agency)?;
            let custody = node.custody_status().await?;
            let idle = node.status()?.waiting == 0;
            Ok((custody.epoch == 2 && custody.replaces.is_none() && idle).then_some(()))
        })
        .await
        .unwrap();
    }
    scene.consortium.settle().await.unwrap();
    // Everything is still found, and under the new key only.
    for (letter, agency) in [('a', "police"), ('b', "refuge"), ('b', "council")] {
        matched(&scene, letter, agency).await;
    }
    match_between(&scene, 'c', ["refuge", "police"]).await;
    assert_eq!(status(&scene, "refuge").await.own_share, "none");
    for agency in THREE {
        eventually("the old share being deleted", async || {
            let node = scene.consortium.node(agency)?;
            node.custody_status().await?;
            Ok((!node.holds_share_of(1)?).then_some(()))
        })
        .await
        .unwrap();
        scene.consortium.stop_node(agency).await.unwrap();
        assert_all_under_the_second_key(&scene, agency);
    }
    scene.consortium.stop().await.unwrap();
}
