//! An agency's own nicknames: who has the file is found by the other's name, who has none needs none.

use std::collections::BTreeMap;

use symbolon_core::sealed_file::Unlock;
use symbolon_node::clock;
use symbolon_node::command::ImportOptions;
use symbolon_node::config::{self, NodeConfig};
use symbolon_node::node::Node;
use symbolon_node::preview::PreviewOptions;
use symbolon_tests::consortium::eventually;

use crate::agreements::node;
use crate::support::{AGREEMENT, Scene, scene, set_up, silent, unlock};

const HEADER: &str = "record_id,given_names,surname,postcode\n";
/// No letters of one given name are like the other's. A common surname and a postcode are too little to
/// be shown, before and after the nodes have compared.
const AT_POLICE: &str = "P1,Peanut,Smith,SW1A 1AA\n";
const AT_REFUGE: &str = "R1,Llywelyn,Smith,SW1A 1AA\n";
const LIST: &str = "# Families here say\nllywelyn llew peanut\n";

fn write_list(scene: &Scene, text: &str) {
    let path = scene.consortium.places.node("police").join("names.txt");
    std::fs::write(path, text).unwrap();
}

/// Stops the police's node and gives it settings that name the list.
async fn name_the_list(scene: &mut Scene) {
    scene.consortium.stop_node("police").await.unwrap();
    let settings = "[tokenising]\nbatch_interval_ms = 0\n[linkage]\nnicknames = \"names.txt\"\n";
    let state = scene.consortium.places.node("police");
    std::fs::write(state.join(config::FILE_NAME), settings).unwrap();
}

fn options(scene: &Scene) -> ImportOptions {
    ImportOptions {
        file: scene.file("police.csv", &format!("{HEADER}{AT_POLICE}")),
        agreements: Some(vec![AGREEMENT.to_owned()]),
        ..Default::default()
    }
}

/// What matches each of the two shows, by the other's name.
fn matched(scene: &Scene) -> [Vec<String>; 2] {
    ["police", "refuge"].map(|agency| {
        let found = node(scene, agency).matches(None).unwrap();
        // Whoever is asked about sees the question as a match too.
        let held = found.into_iter().filter(|view| !view.from_query);
        held.map(|view| view.agency).collect()
    })
}

async fn both_matched(scene: &Scene, expected: bool) {
    let expected = if expected {
        [vec!["refuge".to_owned()], vec!["police".to_owned()]]
    } else {
        [Vec::new(), Vec::new()]
    };
    eventually("the match coming or going", async || {
        Ok((matched(scene) == expected).then_some(()))
    })
    .await
    .unwrap();
}

/// How many matches a question with the nickname brings.
async fn asked(scene: &Scene) -> usize {
    let columns = [
        ("given_names", "Peanut"),
        ("surname", "Smith"),
        ("postcode", "SW1A 1AA"),
    ];
    let columns = columns.map(|(name, cell)| (name.to_owned(), cell.to_owned()));
    let police = node(scene, "police");
    let found = police.query(&BTreeMap::from(columns), None).await.unwrap();
    found.matches.len()
}

/// The keys that a preview of the police's file counts.
async fn previewed(scene: &Scene) -> u64 {
    let ask = PreviewOptions {
        import: options(scene),
        ..Default::default()
    };
    let report = node(scene, "police").preview(&ask).await.unwrap();
    assert_eq!(report.found.unchanged, 1);
    report.keys.iter().map(|keys| keys.shared).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_makes_a_match_and_a_changed_list_takes_effect() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let refuge = scene.file("refuge.csv", &format!("{HEADER}{AT_REFUGE}"));
    scene.import("refuge", &refuge).await;
    let imported = node(&scene, "police");
    let imported = imported
        .import(&set_up(), &options(&scene), &silent())
        .await
        .unwrap();
    scene.consortium.settle().await.unwrap();
    both_matched(&scene, false).await;
    assert_eq!(asked(&scene).await, 0);

    // The record is there already; with the list its keys are made anew at the start.
    name_the_list(&mut scene).await;
    write_list(&scene, LIST);
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    both_matched(&scene, true).await;
    assert_eq!(asked(&scene).await, 1);

    // While the node serves, an import reads the list again. A preview tells before.
    write_list(&scene, "llywelyn llew\n");
    assert_eq!(previewed(&scene).await, imported.linkage_keys);
    both_matched(&scene, true).await;
    let police = node(&scene, "police");
    let again = police
        .import(&set_up(), &options(&scene), &silent())
        .await
        .unwrap();
    assert_eq!(
        (again.found.unchanged, again.linkage_keys),
        (1, imported.linkage_keys)
    );
    both_matched(&scene, false).await;
    scene.consortium.settle().await.unwrap();

    write_list(&scene, LIST);
    let more = previewed(&scene).await;
    assert!(more > imported.linkage_keys);
    let police = node(&scene, "police");
    let again = police
        .import(&set_up(), &options(&scene), &silent())
        .await
        .unwrap();
    assert_eq!((again.found.unchanged, again.linkage_keys), (1, more));
    both_matched(&scene, true).await;
    scene.consortium.settle().await.unwrap();
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_list_is_refused_and_changes_nothing() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let refuge = scene.file("refuge.csv", &format!("{HEADER}{AT_REFUGE}"));
    scene.import("refuge", &refuge).await;
    name_the_list(&mut scene).await;
    write_list(&scene, LIST);
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let police = node(&scene, "police");
    police
        .import(&set_up(), &options(&scene), &silent())
        .await
        .unwrap();
    both_matched(&scene, true).await;
    scene.consortium.settle().await.unwrap();

    write_list(&scene, "llywelyn peanut\nalone\n");
    let refusal = "names.txt: line 2 has only one name";
    let police = node(&scene, "police");
    let error = police.import(&set_up(), &options(&scene), &silent()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains(refusal), "{error}");
    let ask = PreviewOptions {
        import: options(&scene),
        ..Default::default()
    };
    let error = police.preview(&ask).await.unwrap_err().to_string();
    assert!(error.contains(refusal), "{error}");
    both_matched(&scene, true).await;
    assert_eq!(
        asked(&scene).await,
        1,
        "the node goes on with the list it has"
    );

    scene.consortium.stop_node("police").await.unwrap();
    let state = scene.consortium.places.node("police");
    let open = |unlock: Unlock| {
        let config = NodeConfig::load(&state).unwrap();
        Node::open(&state, config, &unlock, clock::system())
    };
    let error = open(unlock()).err().unwrap().to_string();
    assert!(error.contains(refusal), "{error}");
    // Control: with the line corrected the same vault opens, and the match is still there.
    write_list(&scene, LIST);
    drop(open(unlock()).unwrap());
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    both_matched(&scene, true).await;
    scene.consortium.stop().await.unwrap();
}
