//! A node is off for a week, while two others write to it.

use serde_json::Value;
use symbolon_tests::consortium::eventually;

use super::{Story, both_confirm, case, stands_at};

const KNOWN: [&str; 5] = [
    "Temperancia",
    "Huckaback",
    "2010-12-01",
    "7700900444",
    "Flibberton",
];
const DAY_S: i64 = 86_400;

/// A new match, a request, a file; gives what is in the file.
async fn others_write(story: &Story, person: &str, known: &str) -> Vec<u8> {
    let (police, council) = (story.desk("police"), story.desk("council"));
    council.does(&format!("record add C1 {person}")).await;
    police
        .does(&format!(
            "disclosure request {known} --field phone --lawful-basis 'public task'"
        ))
        .await;
    let mut content = b"Temperancia was seen at Flibberton docks".to_vec();
    content.resize(500_000, 7);
    let large = story.scene.directory.path().join("statement.pdf");
    std::fs::write(&large, &content).unwrap();
    police
        .does(&format!(
            "attachment send {known} '{}' --keep-days 10",
            large.display()
        ))
        .await;
    let gone = |list: &Value| (list[0]["chunks"] == list[0]["of"]).then_some(());
    police
        .until("the file being gone", "attachment list", gone)
        .await;
    let node = story.scene.consortium.node("police").unwrap();
    eventually("the letters being gone", async || {
        Ok((node.letters_waiting()? == 0).then_some(()))
    })
    .await
    .unwrap();
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_off_for_a_week_gets_all_of_it_once() {
    let mut story = Story::begin().await;
    let (police, refuge) = (story.desk("police"), story.desk("refuge"));
    let person = "--set given_names=Temperancia --set surname=Huckaback --set date_of_birth=2010-12-01 \
                  --set 'phone=07700 900444' --agreement child-protection";
    refuge.does(&format!("record add R1 {person}")).await;
    police.does(&format!("record add P1 {person}")).await;
    story.settle().await;
    let known = case(&police, "P1", "refuge").await;
    both_confirm([&police, &refuge], &known).await;
    story.settle().await;

    story.scene.consortium.stop_node("refuge").await.unwrap();
    let content = others_write(&story, person, &known).await;

    story.scene.consortium.clock.advance(7 * DAY_S);
    story.scene.consortium.start_node("refuge").await.unwrap();
    let whole = |list: &Value| (list[0]["state"] == "whole").then(|| list.clone());
    refuge.until("the file", "attachment list", whole).await;
    case(&refuge, "R1", "council").await;
    stands_at(&[&police, &refuge], &known, "follow-up requested").await;
    story.settle().await;
    let counted = async || {
        let files = refuge.does("attachment list").await;
        let requests = refuge.does("disclosure list").await;
        let said = refuge.does(&format!("case show {known}")).await["said"].clone();
        [files, requests, said].map(|list| list.as_array().unwrap().len())
    };
    let once = counted().await;
    assert_eq!((once[0], once[1]), (1, 1));
    let places = story.scene.directory.path().join("saved.pdf");
    let listed = refuge.does("attachment list").await;
    let id = listed[0]["id"].as_str().unwrap();
    refuge
        .does(&format!("attachment save {id} --to '{}'", places.display()))
        .await;
    assert_eq!(std::fs::read(&places).unwrap(), content);

    // Nothing comes again, whoever restarts.
    for agency in ["police", "refuge", "council"] {
        story.scene.consortium.stop_node(agency).await.unwrap();
        story.scene.consortium.start_node(agency).await.unwrap();
    }
    story.scene.consortium.everybody_attends().await.unwrap();
    story.settle().await;
    assert_eq!(counted().await, once);

    // The file may be kept for ten days, and is not there after them.
    story.scene.consortium.clock.advance(11 * DAY_S);
    let over = refuge
        .is_refused(&format!(
            "attachment save {id} --to '{}.2'",
            places.display()
        ))
        .await;
    assert!(over.contains("time is over"), "{over}");
    let ended = |list: &Value| (list[0]["state"] == "over").then_some(());
    refuge.until("its end", "attachment list", ended).await;
    story.end(&KNOWN).await;
}
