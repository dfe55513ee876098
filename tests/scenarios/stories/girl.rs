//! A girl is missing, and a refuge holds a record of her: at contact level, and only with her consent.

use serde_json::Value;

use super::{Desk, Story, asks, both_confirm, case, case_in, received};

const KNOWN: [&str; 9] = [
    "Zebedeequill",
    "Okonjawibble",
    "2012-03-14",
    "7700900321",
    "Flibberton",
    "Snorkwhistle",
    "Upperthwacket",
    "Grumbleswick",
    "Mugglewick",
];

/// She consented to her safety and to nothing else.
async fn asked_for_more([police, refuge]: [&Desk; 2], match_id: &str) {
    let appeal = asks(
        police,
        refuge,
        match_id,
        "--field town --purpose 'press appeal'",
    )
    .await;
    refuge.does(&format!("disclosure show {appeal}")).await;
    let refused = refuge
        .is_refused(&format!("disclosure release {appeal} --field town"))
        .await;
    assert!(refused.contains("consent"), "{refused}");
    refuge.does(&format!("disclosure refuse {appeal}")).await;
    let asked = asks(police, refuge, match_id, "--field phone --field town").await;
    refuge.does(&format!("disclosure show {asked}")).await;
    refuge
        .does(&format!("disclosure release {asked} --field phone"))
        .await;
    refuge
        .does(&format!("disclosure refuse {asked} --field town"))
        .await;
    let came = |list: &Value| (!received(list).is_empty()).then(|| received(list));
    let came = police
        .until("the number", "disclosure received", came)
        .await;
    assert_eq!(
        came,
        [("phone".to_owned(), "[\"07700 900321\"]".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_girl_is_found_through_a_refuge_that_tells_whom_to_call() {
    let story = Story::begin().await;
    let (police, refuge, council) = (
        story.desk("police"),
        story.desk("refuge"),
        story.desk("council"),
    );
    let girl = "--set given_names=Zebedeequill --set surname=Okonjawibble --set date_of_birth=2012-03-14 \
                --set 'phone=07700 900321' --set town=Upperthwacket --set 'notes=sleeps at Flibberton'";
    let terms = "--level contact --lawful-basis consent --contact 'duty desk Snorkwhistle'";
    refuge
        .does(&format!(
            "record add R1 {girl} {terms} --agreement child-protection"
        ))
        .await;
    // She has not been asked: her record is nowhere but here.
    let rows = |records: &Value| records[0]["rows"].as_u64();
    assert_eq!(rows(&refuge.does("records R1").await), Some(0));
    let report = "missing report M1 --risk high --circumstances 'not home from Grumbleswick' \
                  --informant Mugglewick --given-names Zebedeequill --surname Okonjawibble \
                  --date-of-birth 2012-03-14 --phone 07700900321 --agreement child-protection";
    police.does(report).await;
    story.settle().await;
    assert!(case_in(&police.does("queue").await, "M1", "refuge").is_none());

    // She says yes, and both sides have it at the top of their lists.
    let yes = "record consent R1 --for safeguarding --given --by herself --how 'in writing'";
    refuge.does(yes).await;
    let called = police
        .until("whom to call", "queue", |queue| {
            let case = case_in(queue, "M1", "refuge")?;
            case["contact"].as_str().map(|_| case.clone())
        })
        .await;
    assert_eq!(called["contact"], "duty desk Snorkwhistle");
    assert_eq!(called["urgency"], "high");
    let of_police = refuge.until("the police's case", "queue", |queue| {
        case_in(queue, "R1", "police")
    });
    assert_eq!(of_police.await["urgency"], "high");
    let match_id = case(&police, "M1", "refuge").await;
    // Agency and contact are all that came, in every form of it.
    for line in ["queue", "matches M1", "network show M1"] {
        let shown = police.reads(line).await;
        assert!(
            !shown.contains("Flibberton") && !shown.contains("Upperthwacket"),
            "{shown}"
        );
    }
    both_confirm([&police, &refuge], &match_id).await;
    story.settle().await;
    assert_eq!(received(&police.does("disclosure received").await), []);

    asked_for_more([&police, &refuge], &match_id).await;

    // She is back: the watch is over on both sides, and somebody has to talk with her.
    let found = police.does("missing found M1 --how returned").await;
    assert_eq!(found["person"]["stage"], "interview due");
    assert_eq!(found["person"]["interview"]["kind"], "return interview");
    let left = found["person"]["interview"]["left_s"].as_i64().unwrap();
    assert!((71 * 3600..=72 * 3600).contains(&left), "{left}");
    for (desk, record, other) in [(&police, "M1", "refuge"), (&refuge, "R1", "police")] {
        let gone = |queue: &Value| case_in(queue, record, other).is_none().then_some(());
        desk.until("the match being over", "queue", gone).await;
    }
    assert_eq!(
        council.does("queue --all").await.as_array().unwrap().len(),
        0
    );
    story.end(&KNOWN).await;
}
