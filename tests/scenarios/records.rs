//! Keeping records at real nodes: an edit at one gains and loses a match at another, consent opens and
//! closes the way, cases of the Human Trafficking Case Data Standard go through two nodes.

use serde_json::{Value, json};
use symbolon_node::casework::command::{CaseworkCommand, Claim};
use symbolon_node::command::{Command, Request};
use symbolon_node::control::CommandHandler;
use symbolon_node::handler::Commands;
use symbolon_tests::consortium::eventually;

use crate::support::{AGREEMENT, Scene, scene, set_up, silent};

const HEADER: &str = "record_id,given_names,surname,date_of_birth,town,phone\n";
const AT_POLICE: &str = "P1,Ana,Popescu,2009-03-04,Leeds,07700 900123\n";
const AT_REFUGE: &str = "R1,Irina,Vasilescu,,Bradford,07700 900456\n";

/// What somebody asks of a node, in the form that the control socket carries.
async fn ask(scene: &Scene, agency: &str, command: Value) -> Result<Value, String> {
    let command: CaseworkCommand = serde_json::from_value(command).unwrap();
    let request = Request {
        by: Claim {
            reason: Some("a test".parse().unwrap()),
            ..Claim::default()
        },
        command: Command::Casework(command),
    };
    let node = scene.consortium.node(agency).unwrap();
    let commands = Commands(node.clone());
    let answer = commands.handle(request, silent()).await;
    answer.map_err(|error| error.to_string())
}

async fn edit(scene: &Scene, id: &str, edit: Value) -> Value {
    let command = json!({"room": "record", "act": "edit", "record_id": id, "edit": edit});
    ask(scene, "refuge", command).await.unwrap()
}

async fn consent(scene: &Scene, purpose: &str, given: bool) {
    let line = json!({"purpose": purpose, "given": given, "by": "herself", "how": "in writing"});
    let command = json!({"room": "record", "act": "consent", "record_id": "R1", "line": line});
    ask(scene, "refuge", command).await.unwrap();
}

async fn show(scene: &Scene, agency: &str, id: &str) -> Value {
    let command = json!({"room": "record", "act": "show", "record_id": id});
    ask(scene, agency, command).await.unwrap()
}

/// Waits until an agency has this many matches.
async fn matches(scene: &Scene, agency: &str, expected: usize) {
    eventually("the matches", async || {
        let found = scene.consortium.node(agency)?.matches(None)?;
        Ok((found.len() == expected).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.settle().await.unwrap();
    let found = scene.consortium.node(agency).unwrap().matches(None);
    assert_eq!(found.unwrap().len(), expected);
}

/// The police's record and the refuge's, which have nothing in common yet.
async fn two_strangers() -> Scene {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    for (agency, rows) in [("police", AT_POLICE), ("refuge", AT_REFUGE)] {
        let file = scene.file(&format!("{agency}.csv"), &format!("{HEADER}{rows}"));
        scene.import(agency, &file).await;
    }
    matches(&scene, "police", 0).await;
    scene
}

fn known() -> Value {
    json!({
        "set": [["given_names", "Ana"], ["surname", "Popescu"], ["date_of_birth", "2009-03-04"]],
        "add": [["phone", "07700 900123"]],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_gains_and_loses_a_match_elsewhere_and_leaves_a_history() {
    let scene = two_strangers().await;
    let report = edit(&scene, "R1", known()).await;
    assert_eq!(report["version"], 2);
    let changed = ["date_of_birth", "given_names", "phone", "surname"];
    assert_eq!(report["fields"], json!(changed));
    matches(&scene, "police", 1).await;

    // The nightly file knows nothing of the edit, so the edit stays.
    let file = scene.file("again.csv", &format!("{HEADER}{AT_REFUGE}"));
    let imported = scene.import("refuge", &file).await;
    assert_eq!((imported.found.unchanged, imported.edits_kept), (1, 1));
    matches(&scene, "police", 1).await;
    // One that says something new about a column takes the edit's place there.
    let newer = AT_REFUGE.replace("Irina", "Anne");
    let file = scene.file("newer.csv", &format!("{HEADER}{newer}"));
    let imported = scene.import("refuge", &file).await;
    assert_eq!((imported.found.changed, imported.warnings.len()), (1, 1));
    assert_eq!(imported.warnings[0].column.as_deref(), Some("given_names"));
    let detail = show(&scene, "refuge", "R1").await;
    assert_eq!(detail["record"]["given_names"], json!(["Anne"]));
    assert_eq!(detail["record"]["surname"], json!(["Popescu"]));

    let back = json!({
        "set": [["given_names", "Irina"], ["surname", "Vasilescu"], ["date_of_birth", ""]],
        "remove": [["phone", "07700 900123"]],
    });
    edit(&scene, "R1", back.clone()).await;
    matches(&scene, "police", 0).await;
    // Doing what is so already makes no version, and what cannot be done changes nothing.
    let same = json!({"set": [["surname", "Vasilescu"]]});
    assert_eq!(edit(&scene, "R1", same).await["fields"], json!([]));
    let command = json!({"room": "record", "act": "edit", "record_id": "R1", "edit": back});
    let refused = ask(&scene, "refuge", command).await.unwrap_err();
    assert!(
        refused.contains("no such value") && !refused.contains("900123"),
        "{refused}"
    );

    let history = async |show_values: bool| {
        let command = json!({"room": "record", "act": "history", "record_id": "R1",
            "show_values": show_values});
        ask(&scene, "refuge", command).await.unwrap()
    };
    let told = history(false).await;
    let acts: Vec<&str> = told["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["act"].as_str().unwrap())
        .collect();
    assert_eq!(acts, ["imported", "edited", "imported", "edited"]);
    assert_eq!(told["versions"][1]["reason"], "a test");
    assert!(!told.to_string().contains("Popescu"));
    assert!(
        history(true).await.to_string().contains("Popescu"),
        "the control"
    );
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_rests_on_consent_is_shared_only_while_somebody_consents() {
    let scene = two_strangers().await;
    edit(&scene, "R1", known()).await;
    matches(&scene, "police", 1).await;
    let basis = |basis: &str| json!({"regime": {"to": "uk-gdpr"}, "lawful_basis": {"to": basis}});
    let report = edit(&scene, "R1", basis("consent")).await;
    assert_eq!(report["without_consent"], json!([AGREEMENT]));
    matches(&scene, "police", 0).await;
    // Consent to something else opens nothing.
    consent(&scene, "housing", true).await;
    matches(&scene, "police", 0).await;
    consent(&scene, "safeguarding", true).await;
    matches(&scene, "police", 1).await;
    consent(&scene, "Safeguarding", false).await;
    matches(&scene, "police", 0).await;
    let detail = show(&scene, "refuge", "R1").await;
    assert_eq!(detail["dossier"]["consents"].as_array().unwrap().len(), 3);
    // Consent that is taken back takes the record out of the agreement: only a person brings it back.
    assert_eq!(detail["agreements"], json!([]));
    consent(&scene, "safeguarding", true).await;
    matches(&scene, "police", 0).await;
    // A child at risk is shared on another basis, and the ledger is not asked.
    edit(&scene, "R1", basis("vital interests")).await;
    edit(&scene, "R1", json!({"agreements": [AGREEMENT]})).await;
    matches(&scene, "police", 1).await;
    // Out of the audience, out of the hub.
    edit(&scene, "R1", json!({"agreements": []})).await;
    matches(&scene, "police", 0).await;
    scene.consortium.stop().await.unwrap();
}

const CASES: &str = "\
sym_record_id,prs_First_Name,prs_MiddleName,prs_SecondName,prs_Birthdate,prs_Gender,prs_MobilePhone,vic_TraffickingStatus,vic_MethodsOfControl,con_Interview,shoe size
C1,Ana,Maria,Popescu,2009-03-04,Feminine,07700 900123,ActualVictimOfTrafficking,DebtBondage;Handcuffs,TRUE,38
,Nobody,,,,,,,,,
";

async fn export(scene: &Scene, agency: &str, format: &str) -> String {
    let command = json!({"room": "record", "act": "export-htcds", "format": format,
        "record_ids": ["C1"]});
    let export = ask(scene, agency, command).await.unwrap();
    export["text"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_goes_through_two_nodes_whole_and_matches() {
    let scene = two_strangers().await;
    let import = async |agency: &str, file: std::path::PathBuf| {
        let command = json!({"room": "record", "act": "import-htcds", "file": file,
            "id_field": null, "agreements": [AGREEMENT]});
        ask(&scene, agency, command).await.unwrap()
    };
    let report = import("refuge", scene.file("cases.csv", CASES)).await;
    assert_eq!(
        (&report["new"], &report["skipped"][0]["line"]),
        (&json!(1), &json!(3))
    );
    let told = &report["warnings"][0];
    assert_eq!(
        (&told["line"], &told["column"]),
        (&json!(2), &json!("vic_MethodsOfControl"))
    );
    matches(&scene, "police", 1).await;
    let edit_it = json!({"level": "silent", "handling": {"to": "1AC"}, "contact": {"to": "desk 4"},
        "set": [["passport", "GBR 925665416"]]});
    let command = json!({"room": "record", "act": "edit", "record_id": "C1", "edit": edit_it});
    ask(&scene, "refuge", command).await.unwrap();

    let (csv, json) = (
        export(&scene, "refuge", "csv").await,
        export(&scene, "refuge", "json").await,
    );
    for cell in [
        "Maria",
        "DebtBondage;Handcuffs",
        "con_Interview",
        "shoe size",
        "1AC",
        "desk 4",
    ] {
        assert!(csv.contains(cell), "{cell}: {csv}");
    }
    for (agency, file) in [
        ("council", ("from.csv", &csv)),
        ("police", ("from.json", &json)),
    ] {
        let report = import(agency, scene.file(file.0, file.1)).await;
        assert_eq!(report["new"], 1);
        assert_eq!(export(&scene, agency, "csv").await, csv, "{agency}");
        assert_eq!(export(&scene, agency, "json").await, json, "{agency}");
        let (there, here) = (
            show(&scene, agency, "C1").await,
            show(&scene, "refuge", "C1").await,
        );
        assert_eq!(there["record"], here["record"]);
        assert_eq!(there["dossier"], here["dossier"]);
        let again = import(agency, scene.file(file.0, file.1)).await;
        assert_eq!(again["unchanged"], 1);
    }
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn links_hold_between_own_records_and_end_with_them() {
    let scene = two_strangers().await;
    let second = json!({"room": "record", "act": "add", "record_id": "R2",
        "edit": {"set": [["surname", "Vasilescu"]]}});
    ask(&scene, "refuge", second.clone()).await.unwrap();
    assert!(
        ask(&scene, "refuge", second)
            .await
            .unwrap_err()
            .contains("already")
    );
    let link = |to: Value, kind: &str| {
        json!({"room": "record", "act": "link", "record_id": "R1", "link": {"kind": kind,
            "role": "twin", "to": to, "from": null, "until": null, "source": null}})
    };
    let nobody = link(json!({"record": "R9"}), "person");
    assert!(
        ask(&scene, "refuge", nobody)
            .await
            .unwrap_err()
            .contains("no record R9")
    );
    ask(&scene, "refuge", link(json!({"record": "R2"}), "person"))
        .await
        .unwrap();
    ask(
        &scene,
        "refuge",
        link(json!({"words": "a car wash"}), "organisation"),
    )
    .await
    .unwrap();
    assert_eq!(
        show(&scene, "refuge", "R2").await["linked_from"],
        json!(["R1"])
    );
    let node = scene.consortium.node("refuge").unwrap();
    assert_eq!(node.record_links().unwrap().len(), 1);
    node.withdraw(&set_up(), &["R2".to_owned()], &silent())
        .await
        .unwrap();
    let links = show(&scene, "refuge", "R1").await["dossier"]["links"].clone();
    assert_eq!(links.as_array().unwrap().len(), 1, "{links}");
    assert!(node.record_links().unwrap().is_empty());
    // A record of the same id is a new one: nothing of the old one is beside it.
    let second = json!({"room": "record", "act": "add", "record_id": "R2",
        "edit": {"set": [["surname", "Vasilescu"]]}});
    assert_eq!(ask(&scene, "refuge", second).await.unwrap()["version"], 1);
    scene.consortium.stop().await.unwrap();
}
