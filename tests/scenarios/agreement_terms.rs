//! The terms of an agreement: who may take part, and with which records.

use std::collections::BTreeMap;

use symbolon_core::agreement::{Category, RecordRole};
use symbolon_core::identity::{AgencyKind, AgencyName};
use symbolon_node::command::ImportOptions;
use symbolon_tests::consortium::Consortium;

use crate::agreements::{matched, node, pair};
use crate::support::{scene, set_up, silent, unlock};

#[tokio::test(flavor = "multi_thread")]
async fn immigration_enforcement_takes_part_by_the_explicit_word_of_each_member() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let mut consortium = Consortium::found(&state, unlock).await.unwrap();
    for (name, kind) in [
        ("border", AgencyKind::ImmigrationService),
        ("police", AgencyKind::LawEnforcement),
        ("refuge", AgencyKind::Ngo),
    ] {
        consortium.enrol(name, kind, name).await.unwrap();
    }
    let document = consortium
        .document("all", &["police", "refuge", "border"])
        .unwrap();
    consortium.admin.propose_agreement(&document).await.unwrap();
    let (border, police): (AgencyName, AgencyName) =
        ("border".parse().unwrap(), "police".parse().unwrap());
    let refuge = consortium.node("refuge").unwrap();
    let unnamed = refuge.accept("all", &[]).await.unwrap_err().to_string();
    assert!(
        unnamed.contains("accept with --accept-immigration border"),
        "{unnamed}"
    );
    let wrong = refuge
        .accept("all", &[border.clone(), police])
        .await
        .unwrap_err();
    assert!(
        wrong
            .to_string()
            .contains("police is no immigration service"),
        "{wrong}"
    );
    assert!(refuge.agreement_views()[0].accepted.is_empty());
    refuge
        .accept("all", std::slice::from_ref(&border))
        .await
        .unwrap();
    let police = consortium.node("police").unwrap();
    police.accept("all", &[border]).await.unwrap();
    let last = consortium
        .node("border")
        .unwrap()
        .accept("all", &[])
        .await
        .unwrap();
    assert_eq!(last.standing, "in force");
    // Without one, nothing is to be named.
    let document = consortium.document("two", &["police", "refuge"]).unwrap();
    consortium.admin.propose_agreement(&document).await.unwrap();
    for agency in ["police", "refuge"] {
        consortium
            .node(agency)
            .unwrap()
            .accept("two", &[])
            .await
            .unwrap();
    }
    consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_take_part_only_where_their_category_may() {
    let scene = scene(&["police", "refuge"], 2).await;
    let mut document = scene
        .consortium
        .document("roles", &["police", "refuge"])
        .unwrap();
    let role = RecordRole {
        submit: [Category::Missing].into(),
        receive: [Category::Missing, Category::Victim].into(),
    };
    document
        .record_roles
        .insert("refuge".parse().unwrap(), role);
    scene
        .consortium
        .admin
        .propose_agreement(&document)
        .await
        .unwrap();
    for agency in ["police", "refuge"] {
        node(&scene, agency).accept("roles", &[]).await.unwrap();
    }
    let rows = |suspect: &str| {
        format!(
            "record_id,given_names,surname,date_of_birth,category\n\
             M,Linh,Nguyen,2008-03-14,missing\nV,Ada,Osei,2001-11-02,victim\n\
             S,Tom,Hardy,1980-01-05,{suspect}\n"
        )
    };
    let import = async |agency: &str, text: String| {
        let options = ImportOptions {
            file: scene.file(&format!("{agency}.csv"), &text),
            agreements: Some(vec!["roles".to_owned()]),
            ..Default::default()
        };
        node(&scene, agency)
            .import(&set_up(), &options, &silent())
            .await
            .unwrap()
    };
    // The refuge may submit the missing person only; no category counts as other.
    let report = import("refuge", rows("")).await;
    assert_eq!(report.held_back, [("roles".to_owned(), 2)].into());
    // The police may submit all, but the refuge receives no suspect.
    let report = import("police", rows("suspect")).await;
    assert_eq!(report.held_back, [("roles".to_owned(), 1)].into());
    scene.consortium.settle().await.unwrap();
    let rows_of = |agency: &str| -> BTreeMap<String, (bool, bool)> {
        let records = node(&scene, agency).records(None).unwrap();
        let told = records.into_iter().map(|record| {
            let held_back = record.held_back == ["roles"];
            (record.record_id, (record.rows > 0, held_back))
        });
        told.collect()
    };
    let (shared, held) = ((true, false), (false, true));
    let expected = |of: [(&str, (bool, bool)); 3]| -> BTreeMap<String, (bool, bool)> {
        of.map(|(id, told)| (id.to_owned(), told)).into()
    };
    assert_eq!(
        rows_of("refuge"),
        expected([("M", shared), ("S", held), ("V", held)])
    );
    assert_eq!(
        rows_of("police"),
        expected([("M", shared), ("S", held), ("V", shared)])
    );
    assert_eq!(matched(&scene, "police"), [pair("M", "refuge")]);
    assert_eq!(matched(&scene, "refuge"), [pair("M", "police")]);
    scene.consortium.stop().await.unwrap();
}
