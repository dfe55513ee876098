//! Missing children: a report is a standing watch, the return ends it, and an interview is due.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use symbolon_core::linkage::record::Risk;
use symbolon_node::casework::command::{CaseworkCommand, Claim, MissingCommand};
use symbolon_node::casework::{MissingDetail, MissingReport, MissingView};
use symbolon_node::command::{Command, ImportOptions, Request};
use symbolon_node::control::CommandHandler;
use symbolon_node::handler::Commands;
use symbolon_node::reports::MatchView;
use symbolon_tests::consortium::eventually;

use crate::canaries::{collect_files, holds};
use crate::support::{AGREEMENT, Scene, scene, set_up, silent};

/// Said in a report, and nowhere else: nothing of it may leave the node.
const SAID: [&str; 3] = ["Wibblethorpe station", "Grumbleswick", "PHOTO-55121"];

/// Asks a node as the command line does.
pub async fn ask(scene: &Scene, agency: &str, command: CaseworkCommand) -> Result<Value, String> {
    let by = Claim {
        reason: Some("a story".parse().unwrap()),
        ..Claim::default()
    };
    let request = Request {
        by,
        command: Command::Casework(command),
    };
    let node = Arc::clone(scene.consortium.node(agency).unwrap());
    let answer = Commands(node).handle(request, silent()).await;
    answer.map_err(|error| error.message)
}

async fn act(
    scene: &Scene,
    agency: &str,
    command: MissingCommand,
) -> Result<MissingReport, String> {
    let value = ask(scene, agency, CaseworkCommand::Missing(command)).await?;
    Ok(serde_json::from_value(value).unwrap())
}

async fn list(scene: &Scene, agency: &str, all: bool) -> Vec<MissingView> {
    let command = CaseworkCommand::Missing(MissingCommand::List { all });
    serde_json::from_value(ask(scene, agency, command).await.unwrap()).unwrap()
}

fn report(record_id: &str, person: &[(&str, &str)], risk: Risk) -> MissingCommand {
    let columns = person.iter();
    let known = serde_json::json!({
        "risk": risk,
        "circumstances": format!("last seen at {}", SAID[0]),
        "informant": { "name": SAID[1], "relation": "neighbour", "contact": null },
        "photo": SAID[2],
    });
    MissingCommand::Report {
        record_id: record_id.to_owned(),
        columns: columns
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        known: serde_json::from_value(known).unwrap(),
    }
}

fn told_under_the_agreement(mut command: MissingCommand) -> MissingCommand {
    if let MissingCommand::Report { known, .. } = &mut command {
        known.agreements = Some(vec![AGREEMENT.parse().unwrap()]);
    }
    command
}

fn found(record_id: &str) -> MissingCommand {
    let found =
        serde_json::json!({ "act": "found", "record_id": record_id, "outcome": "returned" });
    serde_json::from_value(found).unwrap()
}

const LINH: [(&str, &str); 4] = [
    ("given_names", "Linh"),
    ("surname", "Nguyen"),
    ("date_of_birth", "2012-03-14"),
    ("phone", "+44 7700 900321"),
];
const ANA: [(&str, &str); 4] = [
    ("given_names", "Ana"),
    ("surname", "Nowak"),
    ("date_of_birth", "2011-04-17"),
    ("phone", "07700 900654"),
];
const AT_REFUGE: &str = "record_id,given_names,surname,date_of_birth,phone\n";

fn row(id: &str, person: &[(&str, &str)]) -> String {
    let values: Vec<&str> = person.iter().map(|(_, value)| *value).collect();
    format!("{id},{}\n", values.join(","))
}

/// Gives a node other settings and starts it again.
async fn configure(scene: &mut Scene, agency: &str, settings: &str) {
    scene.consortium.stop_node(agency).await.unwrap();
    let path = scene.consortium.places.node(agency).join("node.toml");
    std::fs::write(path, settings).unwrap();
    scene.consortium.start_node(agency).await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
}

/// The match of a record, as soon as it is in the queue with this urgency.
async fn queued(scene: &Scene, agency: &str, record: &str, urgency: &str) -> MatchView {
    eventually(&format!("{record} in the queue of {agency}"), async || {
        let matches = scene.consortium.node(agency)?.matches(Some(record))?;
        let found = matches.into_iter().find(|m| m.urgency == urgency);
        Ok(found)
    })
    .await
    .unwrap()
}

async fn unqueued(scene: &Scene, agency: &str, record: &str) {
    eventually(&format!("no match of {record} at {agency}"), async || {
        let matches = scene.consortium.node(agency)?.matches(Some(record))?;
        Ok(matches.is_empty().then_some(()))
    })
    .await
    .unwrap();
}

fn shared(scene: &Scene, agency: &str, record: &str) -> (Option<String>, Vec<String>, u64) {
    let node = scene.consortium.node(agency).unwrap();
    let view = node.records(Some(record)).unwrap().remove(0);
    (view.category, view.agreements, view.rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_before_what_waits_and_the_return_withdraws_it() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    // Ordinary rows wait an hour for company here; reports go under the agreement of the settings.
    let settings = format!(
        "[tokenising]\nbatch_interval_ms = 3600000\n[missing]\nagreements = [\"{AGREEMENT}\"]\n[comparison]\ndaily_budget = 1000000\n"
    );
    configure(&mut scene, "police", &settings).await;
    let linh = scene.file("refuge.csv", &format!("{AT_REFUGE}{}", row("R1", &LINH)));
    scene.import("refuge", &linh).await;
    let waiting = import_that_waits(&scene).await;

    // Somebody whom the refuge has already.
    let told = act(&scene, "police", report("M1", &LINH, Risk::High))
        .await
        .unwrap();
    assert!(told.made && told.rows_registered > 0, "{told:?}");
    assert_eq!(
        (told.waiting_reason, told.person.shared_under.len()),
        (None, 1)
    );
    let at_police = queued(&scene, "police", "M1", "high").await;
    let at_refuge = queued(&scene, "refuge", "R1", "high").await;
    assert_eq!(at_police.id, at_refuge.id);
    assert_eq!(at_police.missing.as_deref(), Some("missing, high risk"));
    assert_eq!(
        at_refuge.missing, None,
        "what is known of the search stays with the police"
    );

    // Somebody whom the refuge takes in later: the watch stands.
    act(&scene, "police", report("M2", &ANA, Risk::Medium))
        .await
        .unwrap();
    let both = format!("{AT_REFUGE}{}{}", row("R1", &LINH), row("R2", &ANA));
    scene
        .import("refuge", &scene.file("refuge.csv", &both))
        .await;
    queued(&scene, "police", "M2", "medium").await;
    queued(&scene, "refuge", "R2", "medium").await;
    // All that while the ordinary record waited.
    let police = scene.consortium.node("police").unwrap();
    assert!(!waiting.is_finished() && police.status().unwrap().waiting > 0);
    assert_eq!(shared(&scene, "police", "P9").2, 0);

    // Judged anew, and then found.
    let news =
        serde_json::json!({ "act": "update", "record_id": "M2", "news": { "risk": "high" } });
    act(&scene, "police", serde_json::from_value(news).unwrap())
        .await
        .unwrap();
    queued(&scene, "refuge", "R2", "high").await;
    let back = act(&scene, "police", found("M1")).await.unwrap();
    assert!(
        back.rows_withdrawn > 0 && back.waiting_reason.is_none(),
        "{back:?}"
    );
    assert_eq!(back.ended.len(), 1);
    assert_eq!(back.ended[0].agency, "refuge");
    unqueued(&scene, "police", "M1").await;
    unqueued(&scene, "refuge", "R1").await;
    assert_eq!(shared(&scene, "police", "M1"), (None, vec![], 0));
    // The other watch stands.
    queued(&scene, "police", "M2", "high").await;
    hub_knows_nothing_of(&scene);
    waiting.abort();
    scene.consortium.stop().await.unwrap();
}

/// An import of one ordinary record at the police, which waits for company.
async fn import_that_waits(scene: &Scene) -> tokio::task::JoinHandle<()> {
    let text = "record_id,given_names,surname,date_of_birth\nP9,Ada,Osei,1991-07-02\n";
    let options = ImportOptions {
        file: scene.file("police.csv", text),
        agreements: Some(vec![AGREEMENT.to_owned()]),
        ..Default::default()
    };
    let node = Arc::clone(scene.consortium.node("police").unwrap());
    let importing = Arc::clone(&node);
    let task = tokio::spawn(async move {
        let _ = importing.import(&set_up(), &options, &silent()).await;
    });
    eventually("the import waiting for company", async || {
        Ok((node.status()?.waiting > 0).then_some(()))
    })
    .await
    .unwrap();
    task
}

/// What was said in reports is in no file of the hub.
fn hub_knows_nothing_of(scene: &Scene) {
    let mut files = Vec::new();
    collect_files(&scene.consortium.places.hub(), &mut files);
    let found = |needle: &str| {
        files.iter().any(|file: &std::path::PathBuf| {
            let file: &Path = file;
            holds(file, needle.as_bytes())
        })
    };
    for said in SAID {
        assert!(!found(said), "{said} reached the hub");
    }
    // The search finds what is there.
    assert!(found("refuge"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interview_is_due_for_72_hours_and_overdue_after_them() {
    let scene = scene(&["police", "refuge"], 2).await;
    let refused = act(&scene, "police", report("M1", &[], Risk::Low)).await;
    assert!(refused.unwrap_err().contains("there is no record M1"));
    // Nobody is named to be told: it is kept all the same.
    let alone = act(&scene, "police", report("M1", &LINH, Risk::High))
        .await
        .unwrap();
    assert_eq!(
        (alone.rows_registered, alone.person.shared_under),
        (0, vec![])
    );
    let again = act(&scene, "police", report("M1", &[], Risk::High)).await;
    assert!(again.unwrap_err().contains("is missing already (episode 1"));
    let mut adult = LINH;
    adult[2].1 = "1980-03-14";
    act(&scene, "police", report("M2", &adult, Risk::Low))
        .await
        .unwrap();
    let open = list(&scene, "police", false).await;
    let ids: Vec<&str> = open.iter().map(|p| p.record_id.as_str()).collect();
    assert_eq!(ids, ["M1", "M2"], "the higher risk first");

    for id in ["M1", "M2"] {
        act(&scene, "police", found(id)).await.unwrap();
    }
    let due = |people: Vec<MissingView>| -> Vec<(String, bool)> {
        let interviews = people.into_iter().map(|p| p.interview.unwrap());
        interviews.map(|i| (i.kind, i.overdue)).collect()
    };
    scene.consortium.clock.advance(71 * 3600);
    let kinds = ["return interview", "prevention interview"].map(str::to_owned);
    let [child, grown] = kinds;
    let before = vec![(child.clone(), false), (grown.clone(), false)];
    assert_eq!(due(list(&scene, "police", false).await), before);
    scene.consortium.clock.advance(2 * 3600);
    let after = vec![(child, true), (grown, true)];
    assert_eq!(due(list(&scene, "police", false).await), after);

    let held = serde_json::json!({
        "act": "interview", "record_id": "M1", "result": "held", "interviewer": "a youth worker",
        "notes": "safe at home",
    });
    act(&scene, "police", serde_json::from_value(held).unwrap())
        .await
        .unwrap();
    let left = list(&scene, "police", false).await;
    assert_eq!((left.len(), left[0].record_id.as_str()), (1, "M2"));
    assert_eq!(list(&scene, "police", true).await.len(), 2);

    every_act_stays(&scene).await;
    scene.consortium.stop().await.unwrap();
}

async fn every_act_stays(scene: &Scene) {
    // Missing again is another episode, and every act stays with who and when.
    act(scene, "police", report("M1", &[], Risk::Low))
        .await
        .unwrap();
    let cancel = serde_json::json!({ "act": "cancel", "record_id": "M1" });
    act(scene, "police", serde_json::from_value(cancel).unwrap())
        .await
        .unwrap();
    let show = MissingCommand::Show {
        record_id: "M1".to_owned(),
    };
    let detail = ask(scene, "police", CaseworkCommand::Missing(show))
        .await
        .unwrap();
    let detail: MissingDetail = serde_json::from_value(detail).unwrap();
    let acts = |episode: usize| -> Vec<(&str, &str)> {
        let lines = detail.episodes[episode].history.iter();
        lines.map(|l| (l.act.as_str(), l.by.as_str())).collect()
    };
    let by = detail.episodes[0].history[0].by.as_str();
    assert_eq!(
        acts(0),
        [("reported", by), ("found", by), ("interviewed", by)]
    );
    assert_eq!(acts(1), [("reported", by), ("cancelled", by)]);
    assert_eq!(detail.episodes[1].history[1].said["reason"], "a story");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_lies_over_a_record_and_leaves_it_as_it_was() {
    let scene = scene(&["police", "refuge"], 2).await;
    let header = "record_id,given_names,surname,date_of_birth,phone,category\n";
    let kept = |phone: &str| format!("{header}P1,Linh,Nguyen,2012-03-14,{phone},witness\n");
    let import = async |text: String, remove_missing: bool| {
        let options = ImportOptions {
            file: scene.file("police.csv", &text),
            remove_missing,
            ..Default::default()
        };
        let police = scene.consortium.node("police").unwrap();
        police.import(&set_up(), &options, &silent()).await.unwrap()
    };
    import(kept("07700 900321"), false).await;
    let witness = Some("witness".to_owned());
    assert_eq!(shared(&scene, "police", "P1"), (witness.clone(), vec![], 0));

    act(
        &scene,
        "police",
        told_under_the_agreement(report("P1", &[], Risk::High)),
    )
    .await
    .unwrap();
    let watched = |view: (Option<String>, Vec<String>, u64)| {
        let (category, agreements, rows) = view;
        category.as_deref() == Some("missing") && agreements == [AGREEMENT] && rows > 0
    };
    assert!(watched(shared(&scene, "police", "P1")));
    // No import ends it: neither a changed row nor a file that has the person no more.
    import(kept("07700 900322"), true).await;
    assert!(watched(shared(&scene, "police", "P1")));
    let other = format!("{header}P2,Ada,Osei,1991-07-02,,\nP3,Tom,Hale,1985-01-09,,\n");
    import(other, false).await;
    let without = import(format!("{header}P2,Ada,Osei,1991-07-02,,\n"), true).await;
    assert_eq!(without.found.removed, 1, "the positive control: P3 goes");
    assert!(
        without
            .warnings
            .iter()
            .any(|w| w.reason.contains("reported missing"))
    );
    assert!(watched(shared(&scene, "police", "P1")));

    act(&scene, "police", found("P1")).await.unwrap();
    assert_eq!(shared(&scene, "police", "P1"), (witness, vec![], 0));
    let ids = ["P1".to_owned()];
    let police = scene.consortium.node("police").unwrap();
    police.withdraw(&set_up(), &ids, &silent()).await.unwrap();
    assert!(
        list(&scene, "police", true).await.is_empty(),
        "it goes with its record"
    );
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_without_a_hub_is_kept_and_goes_when_it_is_back() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let linh = scene.file("refuge.csv", &format!("{AT_REFUGE}{}", row("R1", &LINH)));
    scene.import("refuge", &linh).await;
    scene.consortium.stop_hub().await.unwrap();
    let watch = told_under_the_agreement(report("M1", &LINH, Risk::High));
    let told = act(&scene, "police", watch).await.unwrap();
    assert!(told.made && told.waiting_reason.is_some(), "{told:?}");
    assert_eq!(
        (told.rows_registered, told.person.stage.as_str()),
        (0, "open")
    );
    scene.consortium.start_hub().await.unwrap();
    queued(&scene, "police", "M1", "high").await;
    queued(&scene, "refuge", "R1", "high").await;
    scene.consortium.stop().await.unwrap();
}
