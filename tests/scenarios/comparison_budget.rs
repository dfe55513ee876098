//! How much is compared: with one agency in a day, and of one pair in an epoch.

use symbolon_tests::consortium::eventually;

use crate::comparison::{AT_POLICE, AT_REFUGE, HEADER, compared_are, log, set_budget};
use crate::support::{Scene, scene};

/// Three pairs with a shared telephone each, at both.
async fn three_pairs(scene: &Scene) {
    for (agency, name) in [("police", "Ana"), ("refuge", "Anna")] {
        let mut text = HEADER.to_owned();
        for number in 1..=3 {
            text += &format!("X{number},{name},,,,07700 90010{number}\n");
        }
        let file = scene.file(&format!("{agency}.csv"), &text);
        scene.import(agency, &file).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_the_daily_budget_of_either_side_goes_on_the_next_day() {
    for small in ["police", "refuge"] {
        let mut scene = scene(&["police", "refuge"], 2).await;
        set_budget(&mut scene, small, 2).await;
        scene.consortium.start_node(small).await.unwrap();
        scene.consortium.everybody_attends().await.unwrap();
        three_pairs(&scene).await;
        compared_are(&scene, "police", 2).await;
        compared_are(&scene, "refuge", 2).await;
        // The budget is kept over a restart, and in the middle of a day it stays spent.
        scene.consortium.stop_node(small).await.unwrap();
        scene.consortium.start_node(small).await.unwrap();
        let node = scene.consortium.node(small).unwrap();
        eventually("the node being back", async || {
            Ok(node.status()?.connected.then_some(()))
        })
        .await
        .unwrap();
        let report = node.status().unwrap().comparisons;
        assert_eq!((report.done, report.waiting), (2, 1), "{small}");
        scene.consortium.clock.advance(86_400);
        compared_are(&scene, "police", 3).await;
        compared_are(&scene, "refuge", 3).await;
        assert!(node.status().unwrap().comparisons.refusals.is_empty());
        scene.consortium.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_is_compared_only_so_often_in_an_epoch() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    set_budget(&mut scene, "police", 100).await;
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let file = scene.file("refuge.csv", &format!("{HEADER}{AT_REFUGE}"));
    scene.import("refuge", &file).await;
    for (number, town) in (1..).zip(["Leeds", "Hull", "York", "Selby", "Whitby"]) {
        let row = AT_POLICE.replace("Leeds", town);
        let file = scene.file("police.csv", &format!("{HEADER}{row}"));
        scene.import("police", &file).await;
        eventually("the pair being compared, or not again", async || {
            let node = scene.consortium.node("police")?;
            let views = node.matches(None)?;
            let state = views.first().and_then(|view| view.comparison.clone());
            let expected = if number <= 4 { "done" } else { "spent" };
            let looked_at = log(&scene, "police").len() == 2 * number.min(4);
            Ok((looked_at && state.is_some_and(|s| s.state == expected)).then_some(()))
        })
        .await
        .unwrap();
    }
    assert_eq!(
        log(&scene, "police").len(),
        8,
        "four times asked and compared"
    );
    let status = scene.consortium.node("refuge").unwrap().status().unwrap();
    assert!(status.comparisons.refusals.is_empty(), "{status:?}");
    scene.consortium.stop().await.unwrap();
}
