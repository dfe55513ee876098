//! Outages: a hub that restarts, a node that was away, custodians that are missing.

use symbolon_tests::consortium::eventually;

use crate::support::scene;

const PERSON: &str = "record_id,given_names,surname,date_of_birth,nhs_number\nX1,Linh,Nguyen,2008-03-14,943 476 5919\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_restarts_finds_its_nodes_back() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let file = scene.file("people.csv", PERSON);
    scene.import("police", &file).await;
    scene.consortium.stop_hub().await.unwrap();
    eventually("the node noticing", async || {
        let status = scene.consortium.node("refuge")?.status()?;
        Ok((!status.connected && status.connection_error.is_some()).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.start_hub().await.unwrap();
    let names = scene.consortium.names();
    eventually("every node coming back", async || {
        for name in &names {
            if !scene.consortium.node(name)?.status()?.connected {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let report = scene.import("refuge", &file).await;
    assert_eq!((report.found.new, report.waiting), (1, 0));
    scene.consortium.settle().await.unwrap();
    assert_eq!(
        scene
            .consortium
            .node("police")
            .unwrap()
            .matches(None)
            .unwrap()
            .len(),
        1
    );
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_catches_up_with_nothing_lost_and_nothing_twice() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    let file = scene.file("people.csv", PERSON);
    scene.import("police", &file).await;
    scene.consortium.settle().await.unwrap();
    scene.consortium.stop_node("police").await.unwrap();
    scene.import("refuge", &file).await;
    scene.import("council", &file).await;
    scene.consortium.start_node("police").await.unwrap();
    let police = scene.consortium.node("police").unwrap();
    let matches = eventually("the matches of the time away", async || {
        let matches = police.matches(None)?;
        Ok((matches.len() == 2).then_some(matches))
    })
    .await
    .unwrap();
    scene.consortium.settle().await.unwrap();
    // Once more from the start of the cursor's history: a second restart brings nothing again.
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.settle().await.unwrap();
    let again = scene
        .consortium
        .node("police")
        .unwrap()
        .matches(None)
        .unwrap();
    assert_eq!(again, matches);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_wait_for_a_missing_custodian_and_go_on_by_themselves() {
    // Two of two: each needs the other.
    let mut scene = scene(&["police", "refuge"], 2).await;
    scene.consortium.stop_node("refuge").await.unwrap();
    let file = scene.file("people.csv", PERSON);
    let report = scene.import("police", &file).await;
    assert_eq!((report.found.new, report.rows_registered), (1, 0));
    assert!(report.waiting > 0);
    let reason = report.waiting_reason.unwrap();
    assert!(reason.contains("not connected: refuge"), "{reason}");
    let status = scene.consortium.node("police").unwrap().status().unwrap();
    assert_eq!((status.records, status.waiting), (1, report.waiting));
    assert!(status.waiting_reason.is_some());

    scene.consortium.start_node("refuge").await.unwrap();
    eventually("the waiting keys being registered", async || {
        let status = scene.consortium.node("police")?.status()?;
        Ok((status.waiting == 0 && status.rows == report.waiting).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_hub_lost_are_sent_again() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let file = scene.file("people.csv", PERSON);
    scene.import("police", &file).await;
    scene.import("refuge", &file).await;
    scene.consortium.settle().await.unwrap();
    // The hub's store forgets a row behind the node's back: a lost tail, as a damaged journal gives.
    let police = scene.consortium.node("police").unwrap();
    let line = police.hub().await.unwrap();
    let handles = line.handles(None, 100).await.unwrap();
    line.withdraw(&handles).await.unwrap();
    let rows = police.status().unwrap().rows;
    scene.consortium.stop_hub().await.unwrap();
    scene.consortium.start_hub().await.unwrap();
    eventually("the lost rows being sent again", async || {
        let police = scene.consortium.node("police")?;
        let status = police.status()?;
        let healed = police.lost_rows() > 0 && status.waiting == 0 && status.rows == rows;
        Ok((status.connected && healed).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.settle().await.unwrap();
    assert_eq!(
        scene
            .consortium
            .node("refuge")
            .unwrap()
            .matches(None)
            .unwrap()
            .len(),
        1
    );
    scene.consortium.stop().await.unwrap();
}
