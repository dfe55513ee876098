//! Another force asks about a covert subject: it gets what it gets for somebody whom nobody holds.

use serde_json::Value;

use super::{Desk, Story, asks, both_confirm, case, case_in, received};

const KNOWN: [&str; 5] = [
    "Quillfeather",
    "Obadiahton",
    "1984-07-19",
    "7700900555",
    "Wibblethorpe",
];

/// By query it gets what it gets for somebody whom nobody holds.
async fn asks_by_query(council: &Desk) {
    let asked = "--given-names Obadiahton --surname Quillfeather --date-of-birth 1984-07-19 \
                 --phone '07700 900555'";
    let nobody = "--given-names Jemimaton --surname Quillfeather --date-of-birth 1985-08-20 \
                  --phone '07700 900556'";
    let about_subject = council.does(&format!("query {asked}")).await;
    let about_nobody = council.does(&format!("query {nobody}")).await;
    assert_eq!(about_subject, about_nobody);
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        lines(council.reads(&format!("query {asked}")).await),
        lines(council.reads(&format!("query {nobody}")).await),
    );
}

/// What is said in the case stays here; nothing of it can be sent.
async fn stays_here(story: &Story, ana: &Desk, sam: &Desk, id: &str) {
    let council = story.desk("council");
    ana.does(&format!("case acknowledge {id}")).await;
    ana.does(&format!("case confirm {id}")).await;
    let refused = ana
        .is_refused(&format!(
            "disclosure request {id} --field town --lawful-basis law"
        ))
        .await;
    assert!(refused.contains("silent"), "{refused}");
    story.settle().await;
    assert_eq!(council.does("queue --all").await, serde_json::json!([]));

    // It is given to somebody who is there, and to nobody else.
    let nobody = format!("case assign {id} --to eve-nowhere");
    let refused = sam.is_refused(&nobody).await;
    assert!(refused.contains("no account"), "{refused}");
    sam.does(&format!("case assign {id} --to ana")).await;
}

/// The control: the same subject, no longer covert, is seen at once. Opening it takes two people, and a
/// supervisor is the second.
async fn opened_by_two(story: &Story, ana: &Desk, sam: &Desk) {
    let council = story.desk("council");
    let refused = ana.is_refused("record edit S1 --level contact").await;
    assert!(refused.contains("two people"), "{refused}");
    for _ in 0..2 {
        let line = ana.does("level S1 contact").await;
        assert_eq!(line["level"], "silent");
        assert!(line["waits"].is_string(), "{line}");
    }
    story.settle().await;
    assert_eq!(council.does("queue --all").await, serde_json::json!([]));
    let line = sam.does("level S1 contact").await;
    assert_eq!(line["level"], "contact");
    let seen = |queue: &Value| case_in(queue, "C1", "police");
    council.until("the control", "queue", seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_covert_subject_is_asked_about_and_only_the_owner_knows() {
    let story = Story::begin().await;
    let (police, council, refuge) = (
        story.desk("police"),
        story.desk("council"),
        story.desk("refuge"),
    );
    let administrator = police.adds("olga-kern", "administrator").await;
    let ana = administrator.adds("ana", "caseworker").await;
    let sam = administrator.adds("sam", "supervisor").await;
    assert!(police.is_refused("queue").await.contains("login"));
    let subject = "--set given_names=Obadiahton --set surname=Quillfeather --set date_of_birth=1984-07-19 \
                   --set 'phone=07700 900555'";
    let covert = "--level silent --handling 1AC --agreement child-protection";
    ana.does(&format!(
        "record add S1 {subject} {covert} --set notes=Wibblethorpe"
    ))
    .await;
    story.settle().await;

    asks_by_query(&council).await;
    // And by a record of its own.
    let own = subject.replace("07700 900555", "+447700900555");
    council
        .does(&format!("record add C1 {own} --agreement child-protection"))
        .await;
    let told = ana
        .until("the owner being told", "matches S1", |matches| {
            let from = |query: bool| {
                let mut all = matches.as_array()?.iter();
                all.find(|m| m["from_query"] == query && m["agency"] == "council")
                    .cloned()
            };
            Some([from(true)?, from(false)?])
        })
        .await;
    assert!(told.iter().all(|m| m["silent"] == true));
    let quiet = ana
        .until("the case", "queue", |queue| case_in(queue, "S1", "council"))
        .await;
    assert_eq!(quiet["quiet"], true);
    story.settle().await;
    for line in [
        "queue --all",
        "matches",
        "network show C1",
        "disclosure list",
    ] {
        let shown = council.reads(line).await;
        assert!(!shown.contains("police"), "{line}: {shown}");
    }
    assert_eq!(refuge.does("queue --all").await, serde_json::json!([]));

    stays_here(&story, &ana, &sam, quiet["case"].as_str().unwrap()).await;
    opened_by_two(&story, &ana, &sam).await;
    story.end(&KNOWN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_a_record_was_covert_is_not_answered_after() {
    let story = Story::begin().await;
    let (police, refuge) = (story.desk("police"), story.desk("refuge"));
    let subject = "--set given_names=Obadiahton --set surname=Quillfeather --set date_of_birth=1984-07-19 \
                   --set 'phone=07700 900555' --agreement child-protection";
    refuge.does(&format!("record add R1 {subject}")).await;
    police.does(&format!("record add P1 {subject}")).await;
    let before = case(&police, "P1", "refuge").await;
    story.settle().await;
    both_confirm([&police, &refuge], &before).await;
    let asked = asks(&police, &refuge, &before, "--field phone").await;
    refuge.does("level R1 silent").await;
    let gone = |queue: &Value| case_in(queue, "P1", "refuge").is_none().then_some(());
    police.until("its end", "queue", gone).await;
    refuge.does("level R1 contact").await;
    let after = case(&police, "P1", "refuge").await;
    assert_ne!(before, after);
    refuge.does(&format!("disclosure show {asked}")).await;
    let refused = refuge
        .is_refused(&format!("disclosure release {asked} --field phone"))
        .await;
    assert!(refused.contains("another reference"), "{refused}");
    story.settle().await;
    assert_eq!(received(&police.does("disclosure received").await), []);
    // Asked anew it is answered.
    both_confirm([&police, &refuge], &after).await;
    let anew = asks(&police, &refuge, &after, "--field phone").await;
    // What is refused of the old one answers nothing of the new.
    refuge.does(&format!("disclosure refuse {asked}")).await;
    story.settle().await;
    let shown = police.does(&format!("case show {after}")).await;
    assert_eq!(shown["requests"][0]["state"], "open", "{shown}");
    refuge.does(&format!("disclosure show {anew}")).await;
    refuge
        .does(&format!("disclosure release {anew} --field phone"))
        .await;
    let came = |list: &Value| (!received(list).is_empty()).then_some(());
    police
        .until("the number", "disclosure received", came)
        .await;
    story
        .end(&["Obadiahton", "Quillfeather", "7700900555"])
        .await;
}
