//! A trafficker's telephone stands in the cases of three agencies; what one of them releases leads on.

use serde_json::Value;

use super::{Story, asks, both_confirm, case};

const KNOWN: [&str; 9] = [
    "Ashdowner",
    "Brackenridge",
    "Colquhoun",
    "Grobnik",
    "Vandersnoot",
    "Threlkeldine",
    "7700900123",
    "XK19ZWV",
    "Snarkford",
];

/// Own records, and what the records of others are known by.
fn nodes(network: &Value, kind: &str, name: &str) -> Vec<String> {
    let nodes = network["nodes"].as_array().unwrap().iter();
    let those = nodes.filter(|node| node["type"] == *kind);
    those
        .map(|node| node[name].as_str().unwrap().to_owned())
        .collect()
}

/// A victim, the man and a car at the police; the man with the car at the council; a victim at the refuge.
async fn three_cases(story: &Story) {
    let header = "record_id,given_names,surname,date_of_birth,town,phone,vehicle,notes";
    let files = [
        (
            "police",
            "T1,Ignatius,Grobnik,1979-02-03,,07700 900123,,\n\
             P1,Zebedee,Ashdowner,2008-05-06,Leeds,+44 7700 900123,,\n\
             P3,Thomasina,Brackenridge,2001-09-10,Hull,,XK19 ZWV,\n",
        ),
        (
            "council",
            "C1,Ignatius,Grobnik,1979-02-03,Snarkford,0044 7700 900123,XK19 ZWV,seen by Threlkeldine\n",
        ),
        (
            "refuge",
            "R1,Perpetua,Vandersnoot,2009-11-21,,07700900123,,afraid of Colquhoun\n",
        ),
    ];
    for (agency, rows) in files {
        let file = story
            .scene
            .file(&format!("{agency}.csv"), &format!("{header}\n{rows}"));
        story.scene.import(agency, &file).await;
    }
    story.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traffickers_phone_links_three_cases_and_a_release_shows_by_what() {
    let story = Story::begin().await;
    let (police, council, refuge) = (
        story.desk("police"),
        story.desk("council"),
        story.desk("refuge"),
    );
    three_cases(&story).await;

    // Who holds the number, and nothing else of what they hold.
    let show = "network show T1 --depth 2";
    let before = police.does(&format!("{show} --format json")).await;
    assert_eq!(
        nodes(&before, "record", "record_id"),
        ["T1", "P1", "P3"],
        "the last by way of the council's record, nobody says by what"
    );
    assert_eq!(nodes(&before, "identifier", "value"), ["+447700900123"]);
    let mut others = nodes(&before, "other", "agency");
    others.sort();
    assert_eq!(others, ["council", "refuge"]);
    for format in ["text", "json", "dot", "svg"] {
        let drawn = police.reads(&format!("{show} --format {format}")).await;
        assert!(
            !drawn.contains("XK19ZWV") && drawn.contains("council"),
            "{drawn}"
        );
    }

    // The council has the same man, and releases what he drives.
    let same = case(&police, "T1", "council").await;
    both_confirm([&police, &council], &same).await;
    let asked = asks(&police, &council, &same, "--field vehicle").await;
    council.does(&format!("disclosure show {asked}")).await;
    council
        .does(&format!(
            "disclosure release {asked} --field vehicle --keep-days 10"
        ))
        .await;
    let joined = |network: &Value| {
        let edges = network["edges"].as_array()?.iter();
        let to_car = edges.filter(|edge| edge["to"] == "vehicle:XK19ZWV");
        let mut from: Vec<&str> = to_car.filter_map(|edge| edge["from"].as_str()).collect();
        from.sort_unstable();
        (from.len() == 2 && from[0].starts_with("other:council") && from[1] == "record:P3")
            .then_some(())
    };
    let drawn = format!("{show} --format json");
    police.until("the car", &drawn, joined).await;
    for format in ["text", "json", "dot", "svg"] {
        let drawn = police.reads(&format!("{show} --format {format}")).await;
        assert!(drawn.contains("XK19ZWV"), "{drawn}");
        assert!(
            !drawn.contains("Snarkford") && !drawn.contains("Vandersnoot"),
            "{drawn}"
        );
    }
    // It joins for as long as it may be kept. The council sees no more than before.
    story.scene.consortium.clock.advance(11 * 86_400);
    let after = police.does(&drawn).await;
    assert!(joined(&after).is_none());
    let theirs = council.reads("network show C1 --depth 6").await;
    assert!(
        !theirs.contains("Brackenridge") && !theirs.contains("Ashdowner"),
        "{theirs}"
    );
    // Nobody at the refuge was asked anything.
    assert_eq!(refuge.does("disclosure list").await, serde_json::json!([]));
    story.end(&KNOWN).await;
}
