//! A node and an agreement with different linkage schemas say so, and which side must upgrade, instead
//! of silently never matching.

use std::collections::BTreeMap;

use symbolon_core::agreement::{Acceptance, AcceptanceBody, Document, Papers};
use symbolon_core::crypto::{SecretKey, SigningKey};
use symbolon_core::encoding::Digest;
use symbolon_node::command::ImportOptions;
use symbolon_node::node::Node;
use symbolon_node::preview::PreviewOptions;

use crate::agreement_forgery::stolen_key;
use crate::agreements::node;
use crate::malicious_agreements::{Lead, delivered};
use crate::support::{Scene, scene, set_up, silent};

/// Agreements with their schemas, and what a node says of each; the last one is the control.
const AGREEMENTS: [(&str, Option<&str>); 4] = [
    ("newer", Some("they would never match; upgrade this node")),
    (
        "older",
        Some("upgrade the other members' nodes and ask the administrator to propose it anew"),
    ),
    ("changed", Some("one of the two was changed")),
    ("same", None),
];

fn with_schema(mut document: Document) -> Document {
    match document.id.as_str() {
        "newer" => document.schema_version += 1,
        "older" => document.schema_version -= 1,
        "changed" => document.schema_digest = Digest([1; 32]),
        _ => {}
    }
    document
}

/// The acceptance of a member that is not the lead.
fn accepted(papers: &Papers, agency: &str, key: &SigningKey) -> Acceptance {
    let body = AcceptanceBody {
        agency: agency.parse().unwrap(),
        agreement: papers.proposal.digest(),
        at: 1,
        immigration: Default::default(),
        key: None,
    };
    Acceptance::new(&body, key).unwrap()
}

fn trouble(node: &Node, id: &str) -> Option<String> {
    let views = node.status().unwrap().agreements;
    let view = views.into_iter().find(|view| view.id == id).unwrap();
    view.trouble
}

/// Whether what was said is the sentence of this agreement, or nothing of schemas.
fn assert_said(said: Option<&str>, id: &str, sentence: Option<&str>) {
    match sentence {
        Some(sentence) => assert!(
            said.is_some_and(|said| said.contains(sentence)),
            "{id}: {said:?}"
        ),
        None => assert!(
            !said.is_some_and(|said| said.contains("schema")),
            "{id}: {said:?}"
        ),
    }
}

/// Proposes the four. The keys of both members are in the test's hands.
async fn propose(scene: &mut Scene) -> [SigningKey; 2] {
    let mut keys = Vec::new();
    for agency in ["police", "refuge"] {
        scene.consortium.stop_node(agency).await.unwrap();
        keys.push(stolen_key(scene.consortium.places.node(agency)));
    }
    scene.consortium.start_node("police").await.unwrap();
    for (id, _) in AGREEMENTS {
        let document = scene
            .consortium
            .document(id, &["refuge", "police"])
            .unwrap();
        let admin = &scene.consortium.admin;
        admin
            .propose_agreement(&with_schema(document))
            .await
            .unwrap();
    }
    keys.try_into().ok().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_must_upgrade_is_told_before_and_after_an_agreement_is_in_force() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let [own, others] = propose(&mut scene).await;
    let police = node(&scene, "police");
    // Proposed: it is not accepted, and every list says why.
    for (id, sentence) in AGREEMENTS {
        let said = police.accept(id, &[]).await.err().map(|e| e.to_string());
        assert_said(said.as_deref(), id, sentence);
        assert_eq!(said.is_some(), sentence.is_some(), "{id}: {said:?}");
        assert_said(trouble(police, id).as_deref(), id, sentence);
    }

    // In force: this node accepted it when it was another version of the program.
    let roster = scene.consortium.admin.roster().await.unwrap();
    let lead = Lead {
        roster: &roster,
        signing: others,
    };
    let mut shown = police.hub().await.unwrap().agreements().await.unwrap();
    for papers in &mut shown {
        let id = papers.proposal.document().unwrap().id;
        if !AGREEMENTS.iter().any(|(known, _)| *known == id.as_str()) {
            continue;
        }
        let secret = SecretKey::random().unwrap();
        let of_lead = delivered([secret.clone(), secret], papers, &lead);
        papers.acceptances.push(of_lead);
        if id.as_str() != "same" {
            let of_police = accepted(papers, "police", &own);
            papers.acceptances.push(of_police);
        }
    }
    police.take_agreements(shown).unwrap();
    for (id, sentence) in AGREEMENTS {
        in_force(&scene, id, sentence).await;
    }
    scene.consortium.stop().await.unwrap();
}

async fn in_force(scene: &Scene, id: &str, sentence: Option<&str>) {
    let police = node(scene, "police");
    let view = police.agreement_views().into_iter().find(|v| v.id == id);
    assert_eq!(view.unwrap().standing, "in force");
    assert_said(trouble(police, id).as_deref(), id, sentence);
    let text = format!("record_id,phone\nR-{id},07700 900123\n");
    let import = ImportOptions {
        file: scene.file("records.csv", &text),
        agreements: Some(vec![id.to_owned()]),
        ..Default::default()
    };
    let ask = PreviewOptions {
        import: import.clone(),
        ..Default::default()
    };
    let preview = police.preview(&ask).await.unwrap();
    let mut told = preview.records[0].agreements.iter();
    let told = told.find(|told| told.agreement == id).unwrap();
    assert_eq!(told.shared, sentence.is_none());
    assert_said(told.reason.as_deref(), id, sentence);
    let imported = police.import(&set_up(), &import, &silent()).await.unwrap();
    assert_eq!(imported.linkage_keys, 1);
    let note = imported.found.notes.first().map(String::as_str);
    assert_said(note, id, sentence);
    assert_eq!(note.is_some(), sentence.is_some());
    let columns = BTreeMap::from([("phone".to_owned(), "07700 900123".to_owned())]);
    let asked = police.query(&columns, Some(id)).await;
    assert_said(asked.err().map(|e| e.to_string()).as_deref(), id, sentence);
}
