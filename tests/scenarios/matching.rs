//! Matching: what nodes report through the real hub is what a join in clear finds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use symbolon_node::command::ImportOptions;
use symbolon_tests::consortium::eventually;

use crate::support::{AGREEMENT, Scene, scene, set_up, silent};

#[tokio::test(flavor = "multi_thread")]
async fn three_agencies_report_what_a_join_in_clear_finds() {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    let files = scene.sample(1, 150);
    for source in &files {
        scene.import(&source.name, &source.file).await;
    }
    scene.consortium.settle().await.unwrap();
    let pairs = scene.assert_equal_to_oracle(&files);
    assert!(
        pairs > 10,
        "the sample has overlapping cases, found {pairs}"
    );

    // Importing again changes nothing.
    let again = scene.import(&files[0].name, &files[0].file).await;
    assert_eq!(
        (again.found.new, again.found.changed, again.rows_registered),
        (0, 0, 0)
    );
    assert_eq!(
        again.found.unchanged,
        again.found.read - again.found.skipped.len() as u64
    );
    scene.assert_equal_to_oracle(&files);
    scene.consortium.stop().await.unwrap();
}

#[test]
fn random_record_sets_match_as_in_clear() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // One consortium serves all cases: each case replaces every record with `remove_missing`, which
    // tries withdrawal along the way.
    let scene = runtime.block_on(scene(&["north", "south"], 2));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let people = proptest::collection::vec((0..6u8, 0..6u8, 0..4u8, 0..5u8, any::<bool>()), 0..14);
    runner
        .run(&(people.clone(), people), |(north, south)| {
            runtime.block_on(one_case(&scene, &[("north", north), ("south", south)]));
            Ok(())
        })
        .unwrap();
    runtime.block_on(scene.consortium.stop()).unwrap();
}

type Person = (u8, u8, u8, u8, bool);

async fn one_case(scene: &Scene, sets: &[(&str, Vec<Person>); 2]) {
    let mut files = Vec::new();
    for (agency, people) in sets {
        let mut text = "record_id,given_names,surname,date_of_birth,phone,postcode\n".to_owned();
        for (number, (given, surname, date, phone, swap)) in people.iter().enumerate() {
            let given = ["Maria", "Mariya", "Linh", "Ahmed", "Elizabeth", "Liz"][*given as usize];
            let surname = ["Popescu", "Nguyen", "Hassan", "Smith", "Smyth", ""][*surname as usize];
            let date = ["2009-03-04", "2009-04-03", "2008-11-30", ""][*date as usize];
            let phone = [
                "",
                "07700 900123",
                "+44 7700 900123",
                "07700900456",
                "00000000000",
            ][*phone as usize];
            let (given, surname) = if *swap {
                (surname, given)
            } else {
                (given, surname)
            };
            text += &format!("r{number},{given},{surname},{date},{phone},NS1 4AB\n");
        }
        let file = scene.file(&format!("{agency}.csv"), &text);
        let options = ImportOptions {
            file: file.clone(),
            remove_missing: true,
            keep_invalid: true,
            agreements: Some(vec![AGREEMENT.to_owned()]),
            ..Default::default()
        };
        let node = scene.consortium.node(agency).unwrap();
        node.import(&set_up(), &options, &silent()).await.unwrap();
        files.push(symbolon_tests::demo::sources::Source {
            name: (*agency).to_owned(),
            kind: symbolon_core::identity::AgencyKind::Ngo,
            title: String::new(),
            file,
        });
    }
    scene.consortium.settle().await.unwrap();
    scene.assert_equal_to_oracle(&files);
}

const GIRL: &str =
    "record_id,given_names,surname,date_of_birth,phone\nA1,Linh,Nguyen,2008-03-14,07700 900321\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_query_finds_stores_nothing_and_tells_the_owner() {
    let scene = scene(&["police", "refuge"], 2).await;
    let file = scene.file("refuge.csv", GIRL);
    scene.import("refuge", &file).await;
    let police = scene.consortium.node("police").unwrap();
    let before = police.hub().await.unwrap().holdings().await.unwrap();
    let person = |given: &str, surname: &str| {
        BTreeMap::from([
            ("given_names".to_owned(), given.to_owned()),
            ("surname".to_owned(), surname.to_owned()),
            ("date_of_birth".to_owned(), "14/03/2008".to_owned()),
        ])
    };
    let hit = police.query(&person("LINH", "nguyễn"), None).await.unwrap();
    assert_eq!(hit.matches.len(), 1);
    assert_eq!(hit.matches[0].agency, "refuge");
    let miss = police.query(&person("Ada", "Osei"), None).await.unwrap();
    assert!(miss.matches.is_empty());
    assert_eq!(
        police.hub().await.unwrap().holdings().await.unwrap(),
        before
    );

    scene.consortium.settle().await.unwrap();
    let told = scene
        .consortium
        .node("refuge")
        .unwrap()
        .matches(None)
        .unwrap();
    assert_eq!(told.len(), 1, "the owner learns that a colleague asked");
    assert!(told[0].from_query);
    assert_eq!(
        (told[0].record_id.as_str(), told[0].agency.as_str()),
        ("A1", "police")
    );
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_replaces_its_rows_and_a_missing_one_is_withdrawn() {
    let scene = scene(&["police", "refuge"], 2).await;
    for agency in ["police", "refuge"] {
        let file = scene.file(&format!("{agency}.csv"), GIRL);
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await.unwrap();
    let queue = |agency: &str| {
        scene
            .consortium
            .node(agency)
            .unwrap()
            .matches(None)
            .unwrap()
    };
    assert_eq!((queue("police").len(), queue("refuge").len()), (1, 1));
    assert_eq!(
        queue("police")[0].id,
        queue("refuge")[0].id,
        "one name on both sides"
    );

    let changed = GIRL.replace(
        "Linh,Nguyen,2008-03-14,07700 900321",
        "Ada,Osei,1991-07-02,",
    );
    let report = scene
        .import("police", &scene.file("police.csv", &changed))
        .await;
    assert_eq!(report.found.changed, 1);
    gone_everywhere(&scene).await;

    scene
        .import("police", &scene.file("police.csv", GIRL))
        .await;
    scene.consortium.settle().await.unwrap();
    assert_eq!((queue("police").len(), queue("refuge").len()), (1, 1));
    let options = ImportOptions {
        file: scene.file(
            "police.csv",
            &GIRL.replace("A1,Linh", "B2,Ada").replace("Nguyen", "Osei"),
        ),
        remove_missing: true,
        agreements: Some(vec![AGREEMENT.to_owned()]),
        ..Default::default()
    };
    let police = scene.consortium.node("police").unwrap();
    let report = police.import(&set_up(), &options, &silent()).await.unwrap();
    assert_eq!((report.found.new, report.found.removed), (1, 1));
    assert!(police.records(Some("A1")).is_err());
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_record_leaves_no_match_and_no_row() {
    let scene = scene(&["police", "refuge"], 2).await;
    for agency in ["police", "refuge"] {
        let file = scene.file(&format!("{agency}.csv"), GIRL);
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await.unwrap();
    let police = scene.consortium.node("police").unwrap();
    let ids = ["A1".to_owned(), "A9".to_owned()];
    let report = police.withdraw(&set_up(), &ids, &silent()).await.unwrap();
    assert_eq!(
        (report.records.len(), report.unknown.as_slice()),
        (1, &["A9".to_owned()][..])
    );
    assert!(report.rows_withdrawn > 0 && report.notices_cancelled > 0);
    assert_eq!((report.matches_ended, report.waiting), (1, 0));
    gone_everywhere(&scene).await;
    scene.consortium.stop().await.unwrap();
}

async fn gone_everywhere(scene: &Scene) {
    eventually("the match ending on both sides", async || {
        let mut left = 0;
        for agency in scene.consortium.names() {
            left += scene.consortium.node(&agency)?.matches(None)?.len();
        }
        Ok((left == 0).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_an_agreement_never_leaves() {
    let scene = scene(&["police", "refuge"], 2).await;
    let file = scene.file("refuge.csv", GIRL);
    let options = ImportOptions {
        file,
        ..Default::default()
    };
    let refuge = scene.consortium.node("refuge").unwrap();
    let report = refuge.import(&set_up(), &options, &silent()).await.unwrap();
    assert_eq!(
        (report.found.new, report.rows_registered, report.waiting),
        (1, 0, 0)
    );
    let held = refuge.hub().await.unwrap().holdings().await.unwrap();
    assert_eq!(held.count, 0);
    // The positive control: named for the agreement, the same record does go.
    scene.import("refuge", &options.file).await;
    let held = refuge.hub().await.unwrap().holdings().await.unwrap();
    assert!(held.count > 0);
    scene.consortium.stop().await.unwrap();
}
