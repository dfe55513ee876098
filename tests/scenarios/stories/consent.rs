//! A survivor takes her consent back, and then wants to be forgotten.

use serde_json::Value;

use super::{Story, asks, both_confirm, case, case_in, received};

const KNOWN: [&str; 6] = [
    "Perpetuabelle",
    "Vandersnoot",
    "1996-11-21",
    "7700900713",
    "Snorkwhistle",
    "Flibberton",
];

/// She wants to be forgotten. What stays is signed, and says nothing of her.
async fn forgotten(story: &Story) {
    let (council, refuge) = (story.desk("council"), story.desk("refuge"));
    refuge.does("erase R1 --yes --class request").await;
    let node = story.scene.consortium.node("refuge").unwrap();
    for value in &KNOWN {
        let held = node.held_in(value).unwrap();
        assert!(held.is_empty(), "{value} is still in {held:?}");
    }
    let whole = |receipt: &Value| {
        let stones = receipt["tombstones"].as_array()?.iter();
        let recipients =
            stones.flat_map(|stone| stone["recipients"].as_array().into_iter().flatten());
        let confirmed = recipients.filter(|one| !one["confirmation"].is_null());
        (confirmed.count() == 2).then(|| receipt.clone())
    };
    let receipt = refuge
        .until("both confirmations", "erasure receipt R1", whole)
        .await;
    assert_eq!(receipt["rows_waiting"], 0);
    let text = receipt.to_string();
    let file = story.scene.file("receipt.json", &text);
    council
        .does(&format!("erasure verify '{}'", file.display()))
        .await;
    let forged = story.scene.file(
        "forged.json",
        &text.replace("\"body\":\"", "\"body\":\"AAAA"),
    );
    council
        .is_refused(&format!("erasure verify '{}'", forged.display()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survivor_takes_her_consent_back_and_everybody_who_was_told_hears_of_it() {
    let story = Story::begin().await;
    let (police, council, refuge) = (
        story.desk("police"),
        story.desk("council"),
        story.desk("refuge"),
    );
    let person = "--set given_names=Perpetuabelle --set surname=Vandersnoot --set date_of_birth=1996-11-21 \
                  --agreement child-protection";
    let of_refuge = "--set 'phone=07700 900713' --set 'address=17 Snorkwhistle Crescent' \
                     --set notes=Flibberton --lawful-basis consent";
    refuge
        .does(&format!("record add R1 {person} {of_refuge}"))
        .await;
    let consent = "record consent R1 --for safeguarding --by herself --how 'in writing'";
    refuge.does(&format!("{consent} --given")).await;
    police.does(&format!("record add P1 {person}")).await;
    council.does(&format!("record add C1 {person}")).await;
    story.settle().await;
    let with_police = case(&police, "P1", "refuge").await;
    case(&council, "C1", "refuge").await;
    both_confirm([&police, &refuge], &with_police).await;
    let asked = asks(&police, &refuge, &with_police, "--field phone").await;
    refuge.does(&format!("disclosure show {asked}")).await;
    refuge
        .does(&format!("disclosure release {asked} --field phone"))
        .await;
    let came = |list: &Value| (!received(list).is_empty()).then_some(());
    police
        .until("the number", "disclosure received", came)
        .await;
    let network = "network show P1 --format json";
    assert!(police.reads(network).await.contains("7700900713"));

    refuge.does(&format!("{consent} --withdrawn")).await;
    let mut confirmed = Vec::new();
    for (desk, record) in [(&police, "P1"), (&council, "C1")] {
        let gone = |queue: &Value| case_in(queue, record, "refuge").is_none().then_some(());
        desk.until("the match being over", "queue", gone).await;
        let told = desk
            .until("the tombstone", "erasure received", |list| {
                list.as_array()?.first().cloned()
            })
            .await;
        assert_eq!(
            (&told["reason"], &told["records"][0]),
            (&"consent".into(), &record.into())
        );
        let digest = told["digest"].as_str().unwrap().to_owned();
        desk.does(&format!("erasure confirm {digest}")).await;
        confirmed.push(digest);
    }
    // Both knew it by one reference, under one agreement.
    assert_eq!(confirmed[0], confirmed[1]);
    assert!(!police.reads(network).await.contains("7700900713"));
    // Police and council still have each other.
    case(&police, "P1", "council").await;
    // Nothing more leaves, whoever decides.
    let again = format!("disclosure release {asked} --field phone");
    refuge.is_refused(&again).await;
    assert_eq!(refuge.does("records R1").await[0]["rows"], 0);

    forgotten(&story).await;
    story.end(&KNOWN).await;
}
