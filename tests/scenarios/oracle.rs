//! The oracle's limits: quota, time of the next try, ledger, fresh roster, a custodian-only node.

use std::path::PathBuf;
use std::sync::Arc;

use symbolon_core::crypto::Signature;
use symbolon_core::custody::Refusal;
use symbolon_core::identity::AgencyKind;
use symbolon_core::roster::Quota;
use symbolon_node::clock::{Clock, SystemClock};
use symbolon_node::command::ImportOptions;
use symbolon_node::config::FILE_NAME;
use symbolon_tests::consortium::eventually;

use crate::support::{AGREEMENT, Scene, custodians_and_a_member, scene, set_up, silent};

/// Two custodians, and a member who is none and has this quota.
async fn limited(quota: Quota) -> Scene {
    let mut scene = custodians_and_a_member(quota).await;
    let names = ["council", "police", "refuge"];
    scene.consortium.agree(AGREEMENT, &names).await.unwrap();
    scene
}

/// A file of so many people who have nothing in common.
fn people(scene: &Scene, count: usize) -> PathBuf {
    let mut text = "record_id,given_names,surname,date_of_birth,phone\n".to_owned();
    let letters = |n: usize| {
        let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
        [n / 26, n, n * 7 / 26, n * 11]
            .map(letter)
            .iter()
            .collect::<String>()
    };
    for n in 0..count {
        text += &format!(
            "R{n},Ab{},Cd{},19{:02}-{:02}-{:02},07700900{n:03}\n",
            letters(n),
            letters(n * 3 + 1),
            50 + n % 50,
            1 + n % 12,
            1 + n % 28
        );
    }
    scene.file("people.csv", &text)
}

/// Elements that a custodian's ledger has for an agency.
fn spent(scene: &Scene, custodian: &str, agency: &str) -> u64 {
    let node = scene.consortium.node(custodian).unwrap();
    let lines = node.custody_log(u64::MAX).unwrap();
    let own = lines.iter().filter(|line| line.agency == agency);
    own.map(|line| line.elements).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_wait_for_the_quota_and_go_on_by_themselves() {
    // One hundred at once, then a hundred a second.
    let quota = Quota {
        initial: 100,
        per_day: 8_640_000,
    };
    let scene = limited(quota).await;
    let began = SystemClock.now();
    let file = people(&scene, 60);
    let report = scene.import("police", &file).await;
    assert!(report.linkage_keys > 200, "{report:?}");
    assert!(report.waiting > 0, "{report:?}");
    let reason = report.waiting_reason.unwrap();
    assert!(reason.contains("is used up until 20"), "{reason}");
    assert!(
        reason.contains("council") || reason.contains("refuge"),
        "{reason}"
    );
    eventually("every key being registered", async || {
        let status = scene.consortium.node("police")?.status()?;
        Ok((status.waiting == 0 && status.rows == report.linkage_keys).then_some(()))
    })
    .await
    .unwrap();
    let elapsed = u64::try_from(SystemClock.now() - began).unwrap() + 1;
    for custodian in ["council", "refuge"] {
        let spent = spent(&scene, custodian, "police");
        assert!(spent >= report.linkage_keys, "{custodian}: {spent}");
        assert!(spent <= 100 + 100 * elapsed, "{custodian}: {spent}");
    }
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_quota_in_the_roster_lets_waiting_keys_go_on() {
    let quota = Quota {
        initial: 40,
        per_day: 0,
    };
    let mut scene = limited(quota).await;
    let file = people(&scene, 20);
    let report = scene.import("police", &file).await;
    let reason = report.waiting_reason.unwrap();
    assert!(
        reason.contains("ask your administrator for a larger one"),
        "{reason}"
    );
    // What was left was used, in smaller batches, and no more.
    assert!(report.rows_registered > 0, "{}", report.rows_registered);
    for custodian in ["council", "refuge"] {
        assert!(spent(&scene, custodian, "police") <= 40);
        // Neither a restart of the custodian nor of the agency gives any more.
        scene.consortium.stop_node(custodian).await.unwrap();
        scene.consortium.start_node(custodian).await.unwrap();
    }
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    eventually("the wait being told again", async || {
        let status = scene.consortium.node("police")?.status()?;
        Ok(status.waiting_reason.filter(|r| r.contains("a larger one")))
    })
    .await
    .unwrap();
    for custodian in ["council", "refuge"] {
        assert!(spent(&scene, custodian, "police") <= 40);
    }
    // A fresh invitation of an enrolled agency changes its quota at once.
    let larger = Quota {
        initial: 100_000,
        per_day: 0,
    };
    let admin = &scene.consortium.admin;
    let name = "police".parse().unwrap();
    admin
        .invite(name, AgencyKind::Ngo, "police", 3600, larger)
        .await
        .unwrap();
    eventually("the waiting keys being registered", async || {
        let status = scene.consortium.node("police")?.status()?;
        Ok((status.waiting == 0 && status.rows == report.linkage_keys).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custodian_whose_roster_is_not_confirmed_refuses() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let clock = Arc::clone(&scene.consortium.clock);
    let refuge = Arc::clone(scene.consortium.node("refuge").unwrap());
    let garbage = || refuge.answer(b"garbage", &Signature([0; 64])).map(|_| ());
    eventually("the roster being confirmed", async || {
        Ok((garbage() == Err(Refusal::Malformed)).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.stop_hub().await.unwrap();
    clock.advance(30);
    assert_eq!(garbage(), Err(Refusal::Malformed), "confirmed lately");
    clock.advance(90);
    assert_eq!(garbage(), Err(Refusal::StaleRoster));
    // A clock that was set back is no confirmation either.
    clock.advance(-1120);
    assert_eq!(garbage(), Err(Refusal::StaleRoster));
    // With the hub it is confirmed again, and evaluates.
    clock.advance(1000);
    scene.consortium.start_hub().await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let file = people(&scene, 2);
    scene.import("police", &file).await;
    scene.consortium.settle().await.unwrap();
    assert!(spent(&scene, "refuge", "police") > 0);
    drop(refuge);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_a_host_of_its_own_is_a_custodian_and_keeps_no_records() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let place = scene.consortium.places.node("refuge");
    let settings = place.join(FILE_NAME);
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("role = \"custodian\"\n{text}")).unwrap();
    scene.consortium.stop_node("refuge").await.unwrap();
    scene.consortium.start_node("refuge").await.unwrap();
    let file = people(&scene, 3);
    let refuge = scene.consortium.node("refuge").unwrap();
    let options = ImportOptions {
        file: file.clone(),
        agreements: Some(vec![AGREEMENT.to_owned()]),
        ..Default::default()
    };
    let refused = refuge
        .import(&set_up(), &options, &silent())
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("is a custodian only"),
        "{refused}"
    );
    let columns = [("phone".to_owned(), "07700900123".to_owned())].into();
    let refused = refuge.query(&columns, None).await.unwrap_err();
    assert!(
        refused.to_string().contains("is a custodian only"),
        "{refused}"
    );
    // It answers others: each needs the other of two.
    scene.consortium.everybody_attends().await.unwrap();
    let report = scene.import("police", &file).await;
    assert_eq!((report.waiting, report.found.new), (0, 3));
    assert_eq!(spent(&scene, "refuge", "police"), report.linkage_keys);
    // A node that asks its own share spends nothing at itself.
    assert_eq!(spent(&scene, "police", "police"), 0);
    scene.consortium.stop().await.unwrap();
}
