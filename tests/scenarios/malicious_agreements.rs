//! A hub, and a lead, that lie about agreements: documents, acceptances and keys that are exchanged on
//! the way, and a past that is taken back.

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::agreement::{
    Acceptance, AcceptanceBody, KeyDelivery, Papers, SealedKey, epoch_binding,
};
use symbolon_core::crypto::{SecretKey, SigningKey};
use symbolon_core::encoding;
use symbolon_core::identity::AgencyName;
use symbolon_core::roster::Roster;
use symbolon_core::sealing;
use symbolon_core::token::AgreementKey;
use symbolon_node::node::Node;
use symbolon_proto::membership::AgreementsReply;
use symbolon_tests::consortium::eventually;
use symbolon_tests::relay::{Lie, Way, honest};

use crate::agreement_forgery::stolen_key;
use crate::agreements::node;
use crate::malicious_hub::{between, complaint, connected, on, restarted};
use crate::support::{Scene, scene};

const AGREEMENTS: &str = "/symbolon.membership.v1.Membership/Agreements";

fn about(alter: impl FnMut(&mut AgreementsReply) + Send + 'static) -> Lie {
    on(AGREEMENTS, Way::Down, alter)
}

/// Proposes an agreement of its own name, led by the first.
async fn propose(scene: &Scene, id: &str, members: &[&str]) {
    let document = scene.consortium.document(id, members).unwrap();
    let proposed = scene.consortium.admin.propose_agreement(&document).await;
    proposed.unwrap();
}

fn trouble(node: &Node, id: &str) -> Option<String> {
    let views = node.agreement_views();
    let found = views.into_iter().find(|view| view.id == id);
    found.and_then(|view| view.trouble)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_takes_back_or_alters_what_was_agreed_is_told() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let relay = between(&mut scene, "police").await;
    let past = "another past of agreement child-protection";
    relay.tell(about(|reply| {
        for agreement in &mut reply.agreements {
            agreement.acceptances[0].signature[0] ^= 1;
        }
    }));
    restarted(&mut scene, "police").await;
    complaint(&scene, "police", past).await;
    relay.tell(about(|reply| reply.agreements.clear()));
    restarted(&mut scene, "police").await;
    complaint(&scene, "police", past).await;
    relay.tell(honest());
    connected(&scene, "police").await;

    // A document that nobody approved as it is shown.
    relay.tell(about(|reply| {
        for agreement in &mut reply.agreements {
            let proposal = agreement.proposal.as_mut().unwrap();
            let body = String::from_utf8(proposal.body.clone()).unwrap();
            if body.contains("\"id\":\"second\"") {
                let longer = body.replace("\"retention_months\":24", "\"retention_months\":99");
                assert_ne!(body, longer);
                proposal.body = longer.into_bytes();
            }
        }
    }));
    propose(&scene, "second", &["police", "refuge"]).await;
    eventually("the document being refused", async || {
        let refused = node(&scene, "police").accept("second", &[]).await;
        let told = refused.err().map(|error| error.to_string());
        Ok(told.filter(|told| told.contains("lacks the administrators' approvals")))
    })
    .await
    .unwrap();
    relay.tell(honest());
    node(&scene, "police").accept("second", &[]).await.unwrap();
    let accepted = node(&scene, "refuge").accept("second", &[]).await.unwrap();
    assert_eq!(accepted.standing, "in force");
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_exchanges_an_agreements_key_is_told_with_its_maker() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let relay = between(&mut scene, "police").await;
    propose(&scene, "second", &["refuge", "police"]).await;
    eventually("the proposal being there", async || {
        Ok(node(&scene, "police").agreement_detail("second").ok())
    })
    .await
    .unwrap();
    relay.tell(about(|reply| {
        let acceptances = reply.agreements.iter_mut().flat_map(|a| &mut a.acceptances);
        for acceptance in acceptances {
            let mut body: AcceptanceBody = serde_json::from_slice(&acceptance.body).unwrap();
            let sealed = body.key.iter_mut().flat_map(|key| key.sealed.values_mut());
            let mut exchanged = false;
            for sealing in sealed.filter(|_| body.agency.as_str() == "refuge") {
                sealing.0[0] ^= 1;
                exchanged = true;
            }
            if exchanged {
                acceptance.body = serde_json::to_vec(&body).unwrap();
            }
        }
    }));
    node(&scene, "refuge").accept("second", &[]).await.unwrap();
    eventually("the key being refused", async || {
        let told = trouble(node(&scene, "police"), "second");
        Ok(told.filter(|told| told.contains("claims to be from refuge is not valid")))
    })
    .await
    .unwrap();
    relay.tell(honest());
    let accepted = node(&scene, "police").accept("second", &[]).await.unwrap();
    assert_eq!(
        (accepted.standing.as_str(), accepted.trouble),
        ("in force", None)
    );
    scene.consortium.stop().await.unwrap();
}

/// What a lead delivers that commits to one key and seals another to a member, or the same.
pub fn delivered(secrets: [SecretKey; 2], papers: &Papers, lead: &Lead<'_>) -> Acceptance {
    let agreement = papers.proposal.digest();
    let binding = epoch_binding(&agreement, 1);
    let [committed, sealed] = secrets;
    let police: AgencyName = "police".parse().unwrap();
    let (_, keys) = lead.roster.enrolled(&police).unwrap();
    let context = b"symbolon agreement key v1";
    let info = encoding::parts(&[context, &binding.0, b"police"]);
    let sealing = sealing::seal_to(&keys.encryption, &info, sealed.expose()).unwrap();
    let body = AcceptanceBody {
        agency: "refuge".parse().unwrap(),
        agreement,
        at: 1,
        immigration: Default::default(),
        key: Some(KeyDelivery {
            commitment: AgreementKey::new(committed).commitment(&binding),
            sealed: [(police, SealedKey(sealing))].into(),
        }),
    };
    Acceptance::new(&body, &lead.signing).unwrap()
}

/// A lead whose keys are in other hands, and the roster.
pub struct Lead<'a> {
    pub roster: &'a Roster,
    pub signing: SigningKey,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_seals_another_key_than_it_committed_to_is_told() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    for id in ["honest", "lying"] {
        propose(&scene, id, &["refuge", "police"]).await;
        node(&scene, "police").accept(id, &[]).await.unwrap();
    }
    let roster = scene.consortium.admin.roster().await.unwrap();
    scene.consortium.stop_node("refuge").await.unwrap();
    let lead = Lead {
        roster: &roster,
        signing: stolen_key(scene.consortium.places.node("refuge")),
    };
    let police = node(&scene, "police");
    let mut shown = police.hub().await.unwrap().agreements().await.unwrap();
    for papers in &mut shown {
        let secret = SecretKey::random().unwrap();
        let document = papers.proposal.document().unwrap();
        let secrets = match document.id.as_str() {
            "honest" => [secret.clone(), secret],
            "lying" => [secret, SecretKey::random().unwrap()],
            _ => continue,
        };
        let acceptance = delivered(secrets, papers, &lead);
        papers.acceptances.push(acceptance);
    }
    police.take_agreements(shown).unwrap();
    let honest = police.agreement(Some("honest")).unwrap();
    assert!(honest.usable().is_some() && honest.trouble.is_none());
    let lying = police.agreement(Some("lying")).unwrap();
    assert!(lying.usable().is_none(), "nothing is made with such a key");
    let told = lying.trouble.unwrap();
    assert!(told.contains("refuge sent us no usable key"), "{told}");
    scene.consortium.stop().await.unwrap();
}

/// An answer that the hub gave before a word was said arrives after it was; the node must not fall back
/// to it, nor take it for a hub that denies what it has shown.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_late_takes_nothing_back() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let relay = between(&mut scene, "police").await;
    propose(&scene, "second", &["refuge", "police"]).await;
    node(&scene, "refuge").accept("second", &[]).await.unwrap();

    eventually("the word of refuge being known", async || {
        let views = node(&scene, "police").agreement_views();
        let second = views.into_iter().find(|view| view.id == "second");
        Ok(second.filter(|view| view.accepted == ["refuge"]))
    })
    .await
    .unwrap();
    // The node itself has asked for all that it was told of, so the late answer is to the question below.
    tokio::time::sleep(Duration::from_millis(500)).await;
    relay.delay_next(AGREEMENTS, Duration::from_secs(2));
    let police = Arc::clone(node(&scene, "police"));
    let late = tokio::spawn(async move {
        let hub = police.hub().await?;
        police.sync_membership(&hub).await
    });
    eventually("an answer being late", async || {
        Ok(relay.delays().then_some(()))
    })
    .await
    .unwrap();
    let accepted = node(&scene, "police").accept("second", &[]).await.unwrap();
    assert_eq!(accepted.standing, "in force");
    late.await.unwrap().unwrap();
    let detail = node(&scene, "police").agreement_detail("second").unwrap();
    assert_eq!(detail.summary.standing, "in force");
    scene.consortium.stop().await.unwrap();
}
