//! Weights estimated on a node's own records: on how many pairs, and not on too few.

use std::fmt::Write as _;

use symbolon_node::command::ImportOptions;

use crate::agreements::node;
use crate::support::{Scene, scene, set_up, silent};

/// People with made-up names, each of them twice; every third is misspelt the second time.
fn twice(people: usize) -> String {
    let letter = |n: usize| char::from(b'b' + u8::try_from(n % 20).unwrap());
    let mut text = "record_id,given_names,surname,date_of_birth\n".to_owned();
    for n in 0..people {
        let given = format!("{}a{}o{}i", letter(n), letter(n / 20), letter(n / 7));
        let surname = format!("{}u{}e{}n", letter(n / 3), letter(n / 11), letter(n / 5));
        let date = format!("{}-{:02}-{:02}", 1950 + n % 60, 1 + n % 12, 2 + n % 26);
        let slip = if n % 3 == 0 { "x" } else { "" };
        writeln!(text, "p{n:03}a,{given},{surname},{date}").unwrap();
        writeln!(text, "p{n:03}b,{given},{surname}{slip},{date}").unwrap();
    }
    text
}

/// Imports it for no agreement: nothing leaves the node.
async fn import(scene: &Scene, text: &str) {
    let options = ImportOptions {
        file: scene.file("records.csv", text),
        ..Default::default()
    };
    let police = node(scene, "police");
    police.import(&set_up(), &options, &silent()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_a_node_say_what_levels_weigh_if_there_are_enough() {
    let scene = scene(&["police", "refuge"], 2).await;
    import(&scene, &twice(60)).await;
    let refused = node(&scene, "police").calibrate().await;
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("of 120 records"), "{told}");
    assert!(told.contains("100 are needed"), "{told}");

    import(&scene, &twice(150)).await;
    let found = node(&scene, "police").calibrate().await.unwrap();
    assert!(found.pairs_of_one_person() >= 100.0 && found.candidates >= 150);
    assert_eq!(found.random_pairs, 300 * 300);
    let bits = |field: &str, level: &str| {
        let mut levels = found.levels.iter();
        let found = levels.find(|l| l.field == field && l.level == level);
        found.unwrap().bits
    };
    assert!(bits("date of birth", "exact") > 5.0);
    assert!(bits("name", "differ") < 0.0);
    let again = node(&scene, "police").calibrate().await.unwrap();
    assert_eq!(again, found, "the same records, the same figures");
    scene.consortium.stop().await.unwrap();
}
