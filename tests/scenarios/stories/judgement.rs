//! Two agencies judge one match: one says that it is somebody else, or both speak at once.

use serde_json::Value;
use symbolon_tests::consortium::eventually;

use super::{Story, case, case_in, stands_at};

const KNOWN: [&str; 4] = ["Wilhelmquist", "Oxbarrow", "2009-02-03", "7700900888"];
const HEADER: &str = "record_id,given_names,surname,date_of_birth,town,phone";

/// Everything that was said in a case, whoever said it.
fn said(shown: &Value) -> Vec<String> {
    let all = shown["said"].as_array().unwrap().iter();
    let words = all.map(|it| format!("{} {} {}", it["agency"], it["number"], it["what"]));
    let mut said: Vec<String> = words.collect();
    said.sort();
    said
}

/// All three hold somebody of this name and date.
async fn three_hold_one() -> Story {
    let story = Story::begin().await;
    for (agency, id) in [("police", "P1"), ("refuge", "R1"), ("council", "C1")] {
        let row = format!("{id},Wilhelmquist,Oxbarrow,2009-02-03,Leeds,07700 900888");
        let file = story
            .scene
            .file(&format!("{agency}.csv"), &format!("{HEADER}\n{row}\n"));
        story.scene.import(agency, &file).await;
    }
    story.settle().await;
    story
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_match_that_one_side_refutes_is_over_for_both_and_stays_so() {
    let story = three_hold_one().await;
    let (police, refuge) = (story.desk("police"), story.desk("refuge"));
    let id = case(&refuge, "R1", "police").await;
    case(&police, "P1", "refuge").await;
    refuge.does(&format!("case acknowledge {id}")).await;
    refuge
        .does(&format!(
            "case refute {id} --reason 'another scar, says Oxbarrow'"
        ))
        .await;
    stands_at(&[&police, &refuge], &id, "refuted").await;
    let shown = police.reads(&format!("case show {id}")).await;
    assert!(
        shown.contains("another scar"),
        "the police read why: {shown}"
    );
    let gone = |desk: Value, record, other| case_in(&desk, record, other).is_none();
    assert!(gone(police.does("queue").await, "P1", "refuge"));
    assert!(gone(refuge.does("queue").await, "R1", "police"));
    // It does not come back with the same file, nor after a restart; the council's matches stand.
    let file = story.scene.file(
        "again.csv",
        &format!("{HEADER}\nR1,Wilhelmquist,Oxbarrow,2009-02-03,Leeds,07700 900888\n"),
    );
    story.scene.import("refuge", &file).await;
    story.settle().await;
    assert!(gone(police.does("queue").await, "P1", "refuge"));
    case(&police, "P1", "council").await;
    case(&refuge, "R1", "council").await;
    story.end(&KNOWN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_acting_at_once_end_in_one_state() {
    let mut story = three_hold_one().await;
    let (police, refuge) = (story.desk("police"), story.desk("refuge"));
    let id = case(&refuge, "R1", "police").await;
    case(&police, "P1", "refuge").await;
    // At the same moment, again and again: each pair of words is said before either can have heard the
    // other's, or after it, as it happens.
    let pairs = [
        ("case acknowledge", "case confirm"),
        ("case confirm", "case refute"),
        ("case refute", "case inconclusive"),
        ("case confirm", "case confirm"),
        ("case outcome", "case outcome"),
        ("case close", "case close"),
        ("case reopen", "case reopen"),
    ];
    for (ours, theirs) in pairs {
        let line = |act: &str| match act {
            "case outcome" => format!("{act} {id} joint-work"),
            _ => format!("{act} {id}"),
        };
        let (ours, theirs) = (line(ours), line(theirs));
        // Whoever has heard the other's word in time may be refused; nothing else may happen.
        let (one, other) = tokio::join!(
            police.types(&ours, true, None),
            refuge.types(&theirs, true, None)
        );
        assert!(one.0 <= 1 && other.0 <= 1, "{one:?} {other:?}");
        let alike = async || {
            let at_police = police.does(&format!("case show {id}")).await;
            let at_refuge = refuge.does(&format!("case show {id}")).await;
            let same = ["stage", "round"].map(|part| at_police[part] == at_refuge[part]);
            Ok((same == [true; 2] && said(&at_police) == said(&at_refuge)).then_some(()))
        };
        eventually(&format!("one state after {ours} and {theirs}"), alike)
            .await
            .unwrap();
    }
    // And while one of them is away.
    story.scene.consortium.stop_node("refuge").await.unwrap();
    police.does(&format!("case acknowledge {id}")).await;
    police.does(&format!("case confirm {id}")).await;
    story.scene.consortium.start_node("refuge").await.unwrap();
    story.scene.consortium.everybody_attends().await.unwrap();
    refuge.does(&format!("case acknowledge {id}")).await;
    refuge.does(&format!("case confirm {id}")).await;
    stands_at(&[&police, &refuge], &id, "confirmed").await;
    story.end(&KNOWN).await;
}
