//! Agreements over their life: declined, amended, left; keys that change without a new evaluation,
//! rows of which nothing is left.

use std::collections::BTreeMap;

use symbolon_core::crypto;
use symbolon_core::identity::{AgencyName, Name};
use symbolon_core::roster::Change;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::log::Event;
use symbolon_node::node::Node;
use symbolon_node::reports::AgreementView;
use symbolon_tests::consortium::{Failure, eventually};

use crate::support::{AGREEMENT, Scene, scene};

const PERSON: &str = "record_id,given_names,surname,date_of_birth,nhs_number,category\n\
                      X1,Linh,Nguyen,2008-03-14,943 476 5919,missing\n";
const OTHER: &str = "record_id,given_names,surname,date_of_birth,phone,category\n\
                     X2,Ada,Osei,2001-11-02,07700 900123,victim\n";

pub fn node<'a>(scene: &'a Scene, agency: &str) -> &'a std::sync::Arc<Node> {
    scene.consortium.node(agency).unwrap()
}

pub fn view(node: &Node) -> AgreementView {
    let views = node.agreement_views();
    let found = views.into_iter().find(|view| view.id == AGREEMENT);
    found.unwrap()
}

pub fn matched(scene: &Scene, agency: &str) -> Vec<(String, String)> {
    let matches = node(scene, agency).matches(None).unwrap();
    let mut pairs: Vec<_> = matches
        .into_iter()
        .map(|found| (found.record_id, found.agency))
        .collect();
    pairs.sort();
    pairs
}

pub fn pair(record: &str, agency: &str) -> (String, String) {
    (record.to_owned(), agency.to_owned())
}

/// Waits until these agencies share under the given epoch alone and nothing of an older one is left.
async fn gone_over(scene: &Scene, agencies: &[&str], number: u32) {
    eventually("everybody going over to the new key", async || {
        for agency in agencies {
            let view = view(scene.consortium.node(agency)?);
            let epochs: Vec<u32> = view.epochs.iter().map(|epoch| epoch.number).collect();
            let clean = view.closed.iter().all(|closed| closed.confirmed);
            if epochs != [number] || view.closed.is_empty() || !clean {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
    for agency in agencies {
        for closed in view(node(scene, agency)).closed {
            assert_eq!(
                (closed.withdrawn, closed.left),
                (closed.before, 0),
                "{agency}"
            );
        }
    }
}

/// No piece of evidence joins rows of two epochs.
fn assert_never_across(scene: &Scene) {
    let mut epochs: BTreeMap<Handle, AgreementEpoch> = BTreeMap::new();
    let names = scene.consortium.names();
    for name in &names {
        epochs.extend(node(scene, name).epochs_of_rows().unwrap());
    }
    for name in &names {
        for (own, other) in node(scene, name).evidence().unwrap() {
            let (own, other) = (epochs.get(&own), epochs.get(&other));
            // A row that its owner has just withdrawn is in nobody's list any more.
            if let (Some(own), Some(other)) = (own, other) {
                assert_eq!(own, other, "{name} was told of a row under another key");
            }
        }
    }
}

fn some_row(epoch: AgreementEpoch) -> Row {
    Row {
        agreement_epoch: epoch,
        token: Token(crypto::random().unwrap()),
        handle: Handle::random().unwrap(),
        silent: false,
        expiry: ExpiryMonth::of(time::OffsetDateTime::now_utc().unix_timestamp()),
        payload: SealedPayload([1; PAYLOAD_BYTES]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_version_is_dead_and_another_may_take_its_name() {
    let scene = scene(&["police", "refuge"], 2).await;
    let (police, refuge) = (node(&scene, "police"), node(&scene, "refuge"));
    let mut document = scene
        .consortium
        .document("second", &["police", "refuge"])
        .unwrap();
    scene
        .consortium
        .admin
        .propose_agreement(&document)
        .await
        .unwrap();
    police.accept("second", &[]).await.unwrap();
    let early = refuge.leave("second", "no").await.unwrap_err();
    assert!(early.to_string().contains("can be declined"), "{early}");
    let declined = refuge.decline("second", "no lawful basis").await.unwrap();
    assert_eq!(declined.standing, "declined");
    assert_eq!(declined.declined, ["refuge: no lawful basis"]);
    let late = refuge.accept("second", &[]).await.unwrap_err();
    assert!(late.to_string().contains("the hub refused"), "{late}");
    let other = refuge.decline(AGREEMENT, "no").await.unwrap_err();
    assert!(other.to_string().contains("can be left"), "{other}");

    document.title = "With a basis".to_owned();
    scene
        .consortium
        .admin
        .propose_agreement(&document)
        .await
        .unwrap();
    police.accept("second", &[]).await.unwrap();
    let accepted = refuge.accept("second", &[]).await.unwrap();
    assert_eq!(
        (accepted.standing.as_str(), accepted.title.as_str()),
        ("in force", "With a basis")
    );
    let detail = police.agreement_detail("second").unwrap();
    assert_eq!(detail.terms, document);
    let export = police.export_agreement("second").unwrap();
    assert_eq!(export["papers"].as_array().unwrap().len(), 2);
    let admins = scene
        .consortium
        .admin
        .export_agreement(&"second".parse().unwrap())
        .await;
    assert_eq!(admins.unwrap().papers.len(), 2);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_takes_over_after_every_acceptance_and_matches_go_on() {
    let scene = scene(&["police", "refuge"], 2).await;
    let file = scene.file("people.csv", PERSON);
    scene.import("police", &file).await;
    scene.import("refuge", &file).await;
    scene.consortium.settle().await.unwrap();
    let before = node(&scene, "police").matches(None).unwrap();
    assert_eq!(before.len(), 1);

    let id: Name = AGREEMENT.parse().unwrap();
    let present = scene
        .consortium
        .admin
        .agreement_in_force(&id)
        .await
        .unwrap();
    let mut next = present.document.clone();
    (next.version, next.epoch) = (2, 2);
    next.replaces = Some(present.digest);
    next.retention_months = 6;
    scene
        .consortium
        .admin
        .propose_agreement(&next)
        .await
        .unwrap();
    node(&scene, "police").accept(AGREEMENT, &[]).await.unwrap();
    let waiting = view(node(&scene, "police"));
    assert_eq!(
        (waiting.version, waiting.standing.as_str()),
        (1, "in force")
    );
    assert_eq!(waiting.open.unwrap().accepted, ["police"]);
    assert_eq!(matched(&scene, "police"), [pair("X1", "refuge")]);

    node(&scene, "refuge").accept(AGREEMENT, &[]).await.unwrap();
    gone_over(&scene, &["police", "refuge"], 2).await;
    for agency in ["police", "refuge"] {
        let now = view(node(&scene, agency));
        assert_eq!((now.version, now.retention_months), (2, 6));
        assert!(now.open.is_none());
    }
    eventually("the match under the new version", async || {
        let now = node(&scene, "police").matches(None)?;
        Ok((now.len() == 1 && now[0].id == before[0].id).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(matched(&scene, "refuge"), [pair("X1", "police")]);
    // New records go on matching.
    let file = scene.file("more.csv", OTHER);
    scene.import("police", &file).await;
    scene.import("refuge", &file).await;
    scene.consortium.settle().await.unwrap();
    assert_eq!(matched(&scene, "police").len(), 2);
    assert_never_across(&scene);
    scene.consortium.stop().await.unwrap();
}

/// Batches that custodians evaluated so far, by the hub's log.
fn evaluated(scene: &Scene) -> usize {
    let store = &scene.consortium.hub().unwrap().matching.store;
    let entries = store.log_entries(0, 100_000).unwrap();
    let evaluations = entries.iter().filter(|e| e.event == Event::Evaluation);
    evaluations.count()
}

/// Lets the lead leave; asserts that it is shut out of the old key and never has the new one, which
/// the next in the document makes. Gives both.
async fn depart(scene: &Scene, agency: &str, author: &str) -> (AgreementEpoch, AgreementEpoch) {
    let leaver = node(scene, agency);
    let old = leaver
        .agreement(Some(AGREEMENT))
        .unwrap()
        .standing
        .epoch_id();
    let line = leaver.hub().await.unwrap();
    line.submit(&[some_row(old)]).await.unwrap();

    let left = leaver
        .leave(AGREEMENT, "merged with another")
        .await
        .unwrap();
    assert_eq!(left.standing, "left");
    let refused = line.submit(&[some_row(old)]).await.unwrap_err();
    assert!(
        refused.to_string().contains("no agreement in force"),
        "{refused}"
    );
    eventually("the departed's rows going", async || {
        let none = line.holdings().await?.count == 0;
        Ok(none.then_some(()))
    })
    .await
    .unwrap();
    let mut all = None;
    eventually("the new key", async || {
        let agreement = leaver.agreement(Some(AGREEMENT))?;
        let newest = agreement.line.versions[0].epochs.last().cloned();
        all = newest.filter(|epoch| epoch.number == 2);
        Ok(all.is_some().then_some(()))
    })
    .await
    .unwrap();
    let new = all.unwrap();
    assert_eq!(new.author.as_str(), author);
    let name: AgencyName = agency.parse().unwrap();
    assert!(!new.key.sealed.contains_key(&name), "it never gets the key");
    assert!(leaver.agreement(Some(AGREEMENT)).unwrap().served.is_empty());
    let refused = line.submit(&[some_row(new.id)]).await.unwrap_err();
    assert!(
        refused.to_string().contains("no agreement in force"),
        "{refused}"
    );
    assert!(matched(scene, agency).is_empty());
    (old, new.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_is_gone_and_the_others_go_on_under_a_new_key() {
    // Every custodian is needed, and the one that leaves will be away: nothing can be evaluated.
    let mut scene = scene(&["council", "police", "refuge"], 3).await;
    let file = scene.file("people.csv", PERSON);
    for agency in ["council", "police", "refuge"] {
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await.unwrap();
    assert_eq!(matched(&scene, "police").len(), 2);
    let evaluations = evaluated(&scene);
    assert!(evaluations > 0);
    let (old, new) = depart(&scene, "council", "police").await;
    scene.consortium.stop_node("council").await.unwrap();

    gone_over(&scene, &["police", "refuge"], 2).await;
    eventually("the match of those who remain", async || {
        let police = matched(&scene, "police") == [pair("X1", "refuge")];
        let refuge = matched(&scene, "refuge") == [pair("X1", "police")];
        Ok((police && refuge).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(evaluated(&scene), evaluations, "roots were cached");
    let late = node(&scene, "police").hub().await.unwrap();
    let refused = late.submit(&[some_row(old)]).await.unwrap_err();
    assert!(
        refused.to_string().contains("no agreement in force"),
        "{refused}"
    );
    late.submit(&[some_row(new)]).await.unwrap();
    assert_never_across(&scene);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_keys_are_served_until_the_last_member_has_gone_over() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    let file = scene.file("people.csv", PERSON);
    for agency in ["council", "police", "refuge"] {
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await.unwrap();
    // Away: it cannot go over, so the old key stays.
    scene.consortium.stop_node("refuge").await.unwrap();
    node(&scene, "police")
        .leave(AGREEMENT, "closed")
        .await
        .unwrap();
    eventually("the council being done", async || {
        let view = view(scene.consortium.node("council")?);
        let newest = view.epochs.last().cloned();
        Ok(newest
            .filter(|e| e.number == 2 && e.done == ["council"])
            .map(|_| ()))
    })
    .await
    .unwrap();
    let serving = view(node(&scene, "council"));
    assert_eq!(serving.epochs.len(), 2);
    assert!(serving.closed.is_empty());
    eventually("the old key still telling who matches", async || {
        Ok((matched(&scene, "council") == [pair("X1", "refuge")]).then_some(()))
    })
    .await
    .unwrap();
    // What comes in meanwhile is found under either.
    let other = scene.file("more.csv", OTHER);
    scene.import("council", &other).await;
    assert_never_across(&scene);

    // The hub restarts in the middle, and the last member comes back.
    scene.consortium.stop_hub().await.unwrap();
    scene.consortium.start_hub().await.unwrap();
    scene.consortium.start_node("refuge").await.unwrap();
    scene.import("refuge", &other).await;
    gone_over(&scene, &["council", "refuge"], 2).await;
    eventually("the matches of those who remain", async || {
        let council = matched(&scene, "council");
        let refuge = matched(&scene, "refuge");
        let here = [pair("X1", "refuge"), pair("X2", "refuge")];
        let there = [pair("X1", "council"), pair("X2", "council")];
        Ok((council == here && refuge == there).then_some(()))
    })
    .await
    .unwrap();
    assert_never_across(&scene);
    for agency in ["council", "refuge"] {
        assert_eq!(node(&scene, agency).lost_rows(), 0);
    }
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_roster_removes_departs_from_its_agreements() -> Result<(), Failure> {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    let file = scene.file("people.csv", PERSON);
    for agency in ["council", "police", "refuge"] {
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await?;
    let refuge = node(&scene, "refuge").hub().await?;
    assert!(refuge.holdings().await?.count > 0);
    let (agency, reason) = ("refuge".parse()?, "trust".to_owned());
    let removal = Change::Remove { agency, reason };
    scene.consortium.admin.propose(removal).await?;
    gone_over(&scene, &["council", "police"], 2).await;
    eventually("the removed member's rows going", async || {
        let members = scene.consortium.admin.members().await?;
        let gone = members
            .iter()
            .any(|m| m.agency == "refuge" && m.live_rows == 0);
        Ok(gone.then_some(()))
    })
    .await?;
    eventually("the match of those who remain", async || {
        Ok((matched(&scene, "police") == [pair("X1", "council")]).then_some(()))
    })
    .await?;
    assert!(
        refuge.submit(&[]).await.is_err(),
        "it is not admitted any more"
    );
    scene.consortium.stop().await
}
