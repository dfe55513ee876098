//! Disclosure between real nodes: what would leave, what leaves, what does not, and for how long.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use symbolon_casework::acting::{Acting, Role};
use symbolon_casework::audit::AuditKind;
use symbolon_casework::chain::Entry;
use symbolon_casework::disclosure::Field;
use symbolon_casework::dossier::{Consent, Dossier, Level};
use symbolon_core::payload::Urgency;
use symbolon_node::casework::command::{CaseworkCommand, DisclosureCommand};
use symbolon_node::casework::{DisclosureView, ReceivedView};
use symbolon_node::tables::{Blob, Tables};
use symbolon_node::vault::Vault;
use symbolon_tests::consortium::eventually;

use crate::canaries::{collect_files, holds};
use crate::parcels::{acting, ask, case_digest, case_with, confirm, forge, quiet};
use crate::support::{Scene, scene, set_up, silent, unlock};

const DAY_S: i64 = 86_400;
pub const AT_POLICE: &str = "record_id,given_names,surname,date_of_birth,nhs_number\nP1,Linh,Nguyen,2008-03-14,943 476 5919\n";
pub const AT_REFUGE: &str = "record_id,given_names,surname,date_of_birth,nhs_number,phone,address,notes\nR1,Linh,Nguyen,2008-03-14,943 476 5919,07700 900713,17 Snorkwhistle Crescent,seen near Flibberton docks\n";

/// The police ask, the refuge owns; gives the case.
async fn story(scene: &Scene) -> String {
    let police = scene.file("police.csv", AT_POLICE);
    let refuge = scene.file("refuge.csv", AT_REFUGE);
    scene.import("police", &police).await;
    scene.import("refuge", &refuge).await;
    scene.consortium.settle().await.unwrap();
    let case = case_with(scene, "police", "refuge");
    confirm(scene, "police", &case, "the same number").await;
    case
}

/// Opens the vault of an agency's stopped node.
pub fn vault<T>(scene: &Scene, agency: &str, with: impl FnOnce(&Tables) -> T) -> T {
    let vault = Vault::open(&scene.consortium.places.node(agency), &unlock()).unwrap();
    let outcome = with(&Tables::open(&vault).unwrap());
    vault.flush().unwrap();
    outcome
}

/// What is kept beside the refuge's record from now on.
async fn set_dossier(scene: &mut Scene, dossier: &Dossier) {
    scene.consortium.stop_node("refuge").await.unwrap();
    vault(scene, "refuge", |tables| {
        tables.dossiers.put(&"R1".to_owned(), dossier).unwrap();
    });
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
}

pub async fn audit(scene: &mut Scene, agency: &str) -> Vec<Entry> {
    scene.consortium.stop_node(agency).await.unwrap();
    let mut lines = vault(scene, agency, |tables| {
        let lines = tables.audit.iter().map(Result::unwrap);
        lines.collect::<Vec<_>>()
    });
    scene.consortium.start_node(agency).await.unwrap();
    lines.sort_by_key(|(number, _)| *number);
    lines.into_iter().map(|(_, line)| line).collect()
}

pub fn fields(names: &[&str]) -> BTreeSet<Field> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub async fn view(
    scene: &Scene,
    agency: &str,
    who: &Acting,
    command: DisclosureCommand,
) -> Result<DisclosureView, String> {
    let value = ask(scene, agency, who, CaseworkCommand::Disclosure(command)).await?;
    Ok(serde_json::from_value(value).unwrap())
}

pub async fn request(scene: &Scene, agency: &str, case: &str, names: &[&str]) -> String {
    let command = DisclosureCommand::Request {
        case: case.to_owned(),
        fields: fields(names),
        lawful_basis: "public task".parse().unwrap(),
        urgency: Urgency::High,
    };
    let asker = acting("pat", &[Role::Analyst]);
    let id = view(scene, agency, &asker, command).await.unwrap().id;
    eventually("the request at its owner", async || {
        let views = list(scene, "refuge").await;
        Ok(views.iter().any(|view| view.id == id).then_some(()))
    })
    .await
    .unwrap();
    id
}

pub async fn list(scene: &Scene, agency: &str) -> Vec<DisclosureView> {
    let command = CaseworkCommand::Disclosure(DisclosureCommand::List { case: None });
    let who = acting("ana", &[Role::Analyst]);
    let views = ask(scene, agency, &who, command).await.unwrap();
    serde_json::from_value(views).unwrap()
}

pub async fn show(scene: &Scene, agency: &str, who: &Acting, id: &str) -> DisclosureView {
    let id = id.to_owned();
    view(scene, agency, who, DisclosureCommand::Show { id })
        .await
        .unwrap()
}

pub fn release(id: &str, names: &[&str]) -> DisclosureCommand {
    DisclosureCommand::Release {
        id: id.to_owned(),
        fields: fields(names),
        onward: false,
        keep_days: Some(2),
        conditions: None,
    }
}

pub async fn received(scene: &Scene, agency: &str) -> Vec<ReceivedView> {
    let command = CaseworkCommand::Disclosure(DisclosureCommand::Received { case: None });
    let who = acting("pat", &[Role::Analyst]);
    let views = ask(scene, agency, &who, command).await.unwrap();
    serde_json::from_value(views).unwrap()
}

/// Waits until so many fields have come, and gives them.
pub async fn come(scene: &Scene, agency: &str, number: usize) -> Vec<ReceivedView> {
    eventually("what was released", async || {
        let views = received(scene, agency).await;
        Ok((views.len() == number).then_some(views))
    })
    .await
    .unwrap()
}

pub fn words(view: &DisclosureView) -> Vec<(&str, &str)> {
    let fields = view.fields.iter();
    fields
        .map(|f| (f.field.as_str(), f.word.as_str()))
        .collect()
}

/// Not without a look, a role, a reason, and never a field that was not asked for.
async fn nothing_leaves_unseen(scene: &Scene, ana: &Acting, id: &str) {
    // Contact is the default: nothing leaves by itself.
    quiet(scene).await;
    assert!(received(scene, "police").await.is_empty());
    let refusal =
        async |who: &Acting, command| view(scene, "refuge", who, command).await.unwrap_err();
    let unseen = refusal(ana, release(id, &["phone"])).await;
    assert!(
        unseen.contains("look first at what would leave"),
        "{unseen}"
    );
    let shown = show(scene, "refuge", ana, id).await;
    let would: Vec<_> = shown
        .fields
        .iter()
        .map(|f| f.values.clone().unwrap())
        .collect();
    let expected: [&[&str]; 3] = [&["17 Snorkwhistle Crescent"], &[], &["07700 900713"]];
    assert_eq!(would, expected);
    assert!(shown.takes_two.is_empty() && shown.denied.is_none());
    let analyst = acting("ian", &[Role::Analyst]);
    show(scene, "refuge", &analyst, id).await;
    let role = refusal(&analyst, release(id, &["phone"])).await;
    assert!(role.contains("may not do this"), "{role}");
    let hasty = Acting {
        reason: None,
        ..ana.clone()
    };
    let why = refusal(&hasty, release(id, &["phone"])).await;
    assert!(why.contains("--reason"), "{why}");
    let more = refusal(ana, release(id, &["phone", "notes"])).await;
    assert!(more.contains("only fields that were asked for"), "{more}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_looked_at_leaves_field_by_field_and_nothing_else() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let case = story(&scene).await;
    let id = request(&scene, "police", &case, &["phone", "address", "email"]).await;
    let ana = acting("ana", &[Role::Caseworker]);
    nothing_leaves_unseen(&scene, &ana, &id).await;
    let refusal =
        async |who: &Acting, command| view(&scene, "refuge", who, command).await.unwrap_err();
    let done = view(&scene, "refuge", &ana, release(&id, &["phone"]))
        .await
        .unwrap();
    let expected = [
        ("address", "undecided"),
        ("email", "undecided"),
        ("phone", "released"),
    ];
    assert_eq!(words(&done), expected);
    let got = come(&scene, "police", 1).await;
    let got = got.first().unwrap();
    assert_eq!(
        (got.field.as_str(), &got.values),
        ("phone", &vec!["07700 900713".to_owned()])
    );
    assert_eq!(
        (got.agency.as_str(), got.onward, got.ended),
        ("refuge", false, false)
    );
    let final_word = refusal(&ana, release(&id, &["phone"])).await;
    assert!(final_word.contains("has left already"), "{final_word}");
    let refuse = DisclosureCommand::Refuse {
        id: id.clone(),
        fields: BTreeSet::new(),
    };
    let done = view(&scene, "refuge", &ana, refuse).await.unwrap();
    assert_eq!(done.state, "answered");
    let pat = acting("pat", &[Role::Analyst]);
    eventually("the refusal", async || {
        let asked = show(&scene, "police", &pat, &id).await;
        Ok((asked.state == "answered").then_some(()))
    })
    .await
    .unwrap();
    let asked = show(&scene, "police", &pat, &id).await;
    let expected = [
        ("address", "refused"),
        ("email", "refused"),
        ("phone", "released"),
    ];
    assert_eq!(words(&asked), expected);
    assert_eq!(asked.reasons, ["she is missing"]);
    assert_eq!(received(&scene, "police").await.len(), 1);
    onward_and_end(&mut scene).await;
    told(&mut scene).await;
    // With the own record goes what was received about it.
    let police = scene.consortium.node("police").unwrap();
    police
        .withdraw(&set_up(), &["P1".to_owned()], &silent())
        .await
        .unwrap();
    assert!(received(&scene, "police").await.is_empty());
    scene.consortium.stop().await.unwrap();
}

/// What was received is no record here, and ends.
async fn onward_and_end(scene: &mut Scene) {
    let police = scene.consortium.node("police").unwrap();
    let records = police.records(Some("P1")).unwrap();
    let shown = serde_json::to_string(&records).unwrap();
    assert!(shown.contains("Nguyen") && !shown.contains("900713"));
    scene.consortium.clock.advance(3 * DAY_S);
    let over = received(scene, "police").await;
    assert!(over.iter().all(|view| view.ended && view.values.is_empty()));
    // It is deleted while the node serves; a fresh line begins with it.
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    eventually("the node being back", async || {
        Ok(scene
            .consortium
            .node("police")?
            .status()?
            .connected
            .then_some(()))
    })
    .await
    .unwrap();
    let lines = audit(scene, "police").await;
    let mut ended = lines.iter().map(|line| line.event.what.as_str());
    assert!(ended.any(|what| what == "received data ended"));
    scene.consortium.stop_node("police").await.unwrap();
    vault(scene, "police", |tables| {
        let kept: Vec<_> = tables.received.iter().map(Result::unwrap).collect();
        let kept = serde_json::to_string(&kept).unwrap();
        assert!(kept.contains("phone") && !kept.contains("900713"));
    });
    scene.consortium.start_node("police").await.unwrap();
}

/// Everything is written down, without a value; the hub has none either.
async fn told(scene: &mut Scene) {
    let lines = audit(scene, "refuge").await;
    let of = |kind: AuditKind| {
        let lines = lines.iter().filter(|line| line.event.kind == kind);
        lines.map(|line| line.event.clone()).collect::<Vec<_>>()
    };
    let left = of(AuditKind::Disclosure);
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].fields.clone(), left[0].record.as_deref()),
        (vec!["phone".to_owned()], Some("R1"))
    );
    let kept = of(AuditKind::NotShared);
    assert_eq!((kept.len(), kept[0].fields.len()), (1, 2));
    assert_eq!(kept[0].who.as_ref().unwrap().as_str(), "ana");
    let all = serde_json::to_string(&lines).unwrap();
    assert!(!all.contains("900713") && !all.contains("Snorkwhistle"));
    let mut files = Vec::new();
    collect_files(&scene.consortium.places.hub(), &mut files);
    for needle in ["900713", "Snorkwhistle", "Flibberton", "she is missing"] {
        let found = files.iter().find(|file| holds(file, needle.as_bytes()));
        assert_eq!(found, None, "{needle} reached the hub");
    }
    assert!(files.iter().any(|file| holds(file, b"refuge")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_record_says_nothing_and_takes_two_people() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let case = story(&scene).await;
    let id = request(&scene, "police", &case, &["phone", "address"]).await;
    set_dossier(
        &mut scene,
        &Dossier {
            level: Level::Silent,
            handling: Some("1AC".parse().unwrap()),
            ..Dossier::default()
        },
    )
    .await;
    let ana = acting("ana", &[Role::Supervisor, Role::Caseworker]);
    let ben = acting("ben", &[Role::Supervisor]);
    let refuse = DisclosureCommand::Refuse {
        id: id.clone(),
        fields: fields(&["address"]),
    };
    view(&scene, "refuge", &ana, refuse).await.unwrap();
    let shown = show(&scene, "refuge", &ana, &id).await;
    assert_eq!(shown.takes_two, ["the record is silent"]);
    let waits = view(&scene, "refuge", &ana, release(&id, &["phone"]))
        .await
        .unwrap();
    assert_eq!(
        (waits.state.as_str(), waits.released_by.as_deref()),
        ("waits for a second person", Some("ana"))
    );
    let countersign = || DisclosureCommand::Countersign { id: id.clone() };
    let same = view(&scene, "refuge", &ana, countersign())
        .await
        .unwrap_err();
    assert!(same.contains("must be another one"), "{same}");
    let junior = acting("eve", &[Role::Caseworker]);
    let role = view(&scene, "refuge", &junior, countersign())
        .await
        .unwrap_err();
    assert!(role.contains("it takes the role supervisor"), "{role}");
    let unseen = view(&scene, "refuge", &ben, countersign())
        .await
        .unwrap_err();
    assert!(unseen.contains("look first"), "{unseen}");
    // What was refused is not told, and nothing else either.
    quiet(&scene).await;
    let pat = acting("pat", &[Role::Analyst]);
    let asked = show(&scene, "police", &pat, &id).await;
    assert_eq!(
        words(&asked),
        [("address", "nothing yet"), ("phone", "nothing yet")]
    );
    show(&scene, "refuge", &ben, &id).await;
    view(&scene, "refuge", &ben, countersign()).await.unwrap();
    let got = come(&scene, "police", 1).await;
    assert_eq!(got[0].handling.as_deref(), Some("1AC"));
    let lines = audit(&mut scene, "refuge").await;
    let left = lines
        .iter()
        .find(|line| line.event.kind == AuditKind::Disclosure);
    assert_eq!(left.unwrap().event.who.as_ref().unwrap().as_str(), "ben");
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_takes_two_consent_counts_and_a_stranger_gets_nothing() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    let case = story(&scene).await;
    let nine = [
        "phone", "address", "notes", "email", "town", "postcode", "sex", "alias", "account",
    ];
    let bulk = request(&scene, "police", &case, &nine).await;
    // In pieces it is one all the same, on the same day.
    let piece = request(&scene, "police", &case, &["email"]).await;
    let ana = acting("ana", &[Role::Caseworker]);
    for id in [&bulk, &piece] {
        let shown = show(&scene, "refuge", &ana, id).await;
        assert_eq!(shown.takes_two, ["it is a bulk request"]);
    }
    scene.consortium.clock.advance(2 * DAY_S);
    let few = request(&scene, "police", &case, &["phone"]).await;
    assert!(
        show(&scene, "refuge", &ana, &few)
            .await
            .takes_two
            .is_empty()
    );
    let mut dossier = Dossier {
        lawful_basis: Some("consent".parse().unwrap()),
        level: Level::Open,
        open_fields: vec!["phone".to_owned()],
        ..Dossier::default()
    };
    set_dossier(&mut scene, &dossier).await;
    let denied = show(&scene, "refuge", &ana, &few).await.denied.unwrap();
    assert!(denied.contains("rests on consent"), "{denied}");
    let refused = view(&scene, "refuge", &ana, release(&few, &["phone"]))
        .await
        .unwrap_err();
    assert_eq!(refused, denied);
    // Both have confirmed: open fields would go at once, but there is no consent.
    confirm(&scene, "refuge", &case, "the same number").await;
    quiet(&scene).await;
    assert!(received(&scene, "police").await.is_empty());
    dossier.consents.push(Consent {
        purpose: "safeguarding".parse().unwrap(),
        given: true,
        by: "herself".parse().unwrap(),
        how: "in writing".parse().unwrap(),
        at: 1,
        noted_by: "ana".parse().unwrap(),
    });
    set_dossier(&mut scene, &dossier).await;
    // Open fields at once, as often as it is tried; then the one that a person releases.
    confirm(&scene, "refuge", &case, "the same face").await;
    confirm(&scene, "refuge", &case, "the same voice").await;
    let got = come(&scene, "police", 1).await;
    assert_eq!(got[0].field, "phone");
    show(&scene, "refuge", &ana, &few).await;
    view(&scene, "refuge", &ana, release(&few, &["phone"]))
        .await
        .unwrap();
    come(&scene, "police", 2).await;
    only_what_was_asked(&scene, &bulk).await;
    scene.consortium.stop().await.unwrap();
}

/// Two fields have come to the police; what is forged brings none, and the same told rightly does.
async fn only_what_was_asked(scene: &Scene, asked: &str) {
    let name = case_digest(scene, "police", "refuge");
    let id = |byte| serde_json::to_value(Blob(vec![byte; 16])).unwrap();
    let letter = |request: &Value, step: Value| {
        let message = json!({ "case": name, "request": request, "step": step });
        json!({ "topic": "disclosure", "message": message })
    };
    let terms =
        json!({ "handling": null, "keep_until": i64::MAX, "onward": true, "conditions": null });
    let said = |released: Value| json!({ "released": released, "refused": [], "terms": terms, "reason": null });
    let answer = |released: Value| json!({ "answer": said(released) });
    // The council is no party to the case: it gives in vain, whatever it knows of it.
    let given = letter(&id(1), json!({ "given": said(json!({ "town": ["x"] })) }));
    forge(scene, "council", "police", &given).await;
    // Nor are the owner's words taken on what was not asked for.
    let request = hex_to_base64(asked);
    let more = letter(
        &request,
        answer(json!({ "notes": ["x"], "record_id": ["x"] })),
    );
    forge(scene, "refuge", "police", &more).await;
    let unasked = letter(&id(2), answer(json!({ "phone": ["x"] })));
    forge(scene, "refuge", "police", &unasked).await;
    quiet(scene).await;
    assert_eq!(received(scene, "police").await.len(), 2);
    // Controls.
    forge(scene, "refuge", "police", &given).await;
    let good = letter(&request, answer(json!({ "notes": ["x"] })));
    forge(scene, "refuge", "police", &good).await;
    forge(scene, "refuge", "police", &good).await;
    come(scene, "police", 4).await;
}

fn hex_to_base64(hex: &str) -> Value {
    let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap());
    serde_json::to_value(Blob(bytes.collect())).unwrap()
}
