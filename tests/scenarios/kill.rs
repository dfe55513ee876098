//! kill -9 of the hub during ingest: nothing acknowledged is lost, nothing is delivered twice.

use symbolon_node::command::ImportOptions;
use symbolon_tests::consortium::eventually;
use symbolon_tests::demo::compare;

use crate::support::{AGREEMENT, scene_with_hub_process, set_up, silent};

/// How often the hub is killed.
const KILLS: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_during_ingest_lose_and_repeat_nothing() {
    let mut scene = scene_with_hub_process(&["council", "police", "refuge"], 2).await;
    let files = scene.sample(3, 260);
    let mut imports = Vec::new();
    for source in &files {
        let node = std::sync::Arc::clone(scene.consortium.node(&source.name).unwrap());
        let options = ImportOptions {
            file: source.file.clone(),
            keep_invalid: true,
            agreements: Some(vec![AGREEMENT.to_owned()]),
            ..Default::default()
        };
        imports.push(tokio::spawn(async move {
            node.import(&set_up(), &options, &silent()).await
        }));
    }
    for kill in 1..=KILLS {
        // Each kill waits for rows that were acknowledged since the last one, so that it always falls
        // into the ingest or, at the end of it, right behind.
        let before = registered(&scene);
        eventually("more rows being registered", async || {
            let all_done = imports.iter().all(tokio::task::JoinHandle::is_finished);
            let idle = all_done && waiting(&scene) == 0;
            Ok((registered(&scene) > before || idle).then_some(()))
        })
        .await
        .unwrap();
        scene.consortium.stop_hub().await.unwrap();
        scene.consortium.start_hub().await.unwrap();
        println!(
            "kill {kill}: {} rows registered before it",
            registered(&scene)
        );
    }
    for import in imports {
        // An import that the kill interrupted says that rows wait; they go on by themselves.
        import.await.unwrap().unwrap();
    }
    let expected = compare::oracle(&files).unwrap();
    eventually("every match arriving", async || {
        let (found, same) = compare::reported(&scene.consortium)?;
        Ok((found == expected && same && waiting(&scene) == 0).then_some(()))
    })
    .await
    .unwrap();
    assert!(expected.len() > 10);
    for source in &files {
        let node = scene.consortium.node(&source.name).unwrap();
        // The node compares holdings at each reconnection and counts what the hub had lost.
        assert_eq!(
            node.lost_rows(),
            0,
            "{}: acknowledged rows were lost",
            source.name
        );
        // Every piece of evidence is there once: kinds of a match are distinct per handle pair.
        let mut seen = std::collections::BTreeSet::new();
        for piece in node.evidence().unwrap() {
            assert!(seen.insert(piece), "a notice was taken in twice");
        }
    }
    scene.consortium.stop().await.unwrap();
}

fn registered(scene: &crate::support::Scene) -> u64 {
    let names = scene.consortium.names();
    names
        .iter()
        .map(|name| scene.consortium.node(name).unwrap().status().unwrap().rows)
        .sum()
}

fn waiting(scene: &crate::support::Scene) -> u64 {
    let names = scene.consortium.names();
    names
        .iter()
        .map(|name| {
            scene
                .consortium
                .node(name)
                .unwrap()
                .status()
                .unwrap()
                .waiting
        })
        .sum()
}
