//! Attachments between real nodes: a recipient that is away, a line that loses, a full mailbox, a sender
//! that lies.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use symbolon_casework::acting::{Acting, Role};
use symbolon_casework::lifecycle::{CaseId, Verdict};
use symbolon_casework::parcel::CHUNK_BYTES;
use symbolon_core::crypto::random;
use symbolon_core::envelope::Envelope;
use symbolon_core::roster::Roster;
use symbolon_hub::store::Item;
use symbolon_node::casework::command::{AttachmentCommand, CaseworkCommand};
use symbolon_node::casework::{AttachmentView, CaseCommand};
use symbolon_proto::mailbox::{Delivery, delivery};
use symbolon_tests::consortium::eventually;
use symbolon_tests::relay::Way;

use crate::canaries::{collect_files, holds};
use crate::malicious_hub::between;
use crate::support::{Scene, scene};

const PERSON: &str = "record_id,given_names,surname,date_of_birth,nhs_number\nX1,Linh,Nguyen,2008-03-14,943 476 5919\n";
const RECEIVE: &str = "/symbolon.mailbox.v1.Mailbox/Receive";
const DAY_S: i64 = 86_400;

/// Somebody with these roles, who says for what and why.
pub fn acting(who: &str, roles: &[Role]) -> Acting {
    Acting {
        who: who.parse().unwrap(),
        roles: roles.iter().copied().collect(),
        purpose: Some("safeguarding".parse().unwrap()),
        reason: Some("she is missing".parse().unwrap()),
    }
}

/// What an agency's person asks for; the report or what was said against it.
pub async fn ask(
    scene: &Scene,
    agency: &str,
    who: &Acting,
    command: CaseworkCommand,
) -> Result<Value, String> {
    let node = scene.consortium.node(agency).unwrap();
    let answer = node.act(who, command).await;
    answer.map_err(|error| error.to_string())
}

/// The police and others hold the same person; gives the id of the case with each other agency.
pub async fn one_case(scene: &Scene, agency: &str, other: &str) -> String {
    let file = scene.file("people.csv", PERSON);
    scene.import(agency, &file).await;
    scene.import(other, &file).await;
    scene.consortium.settle().await.unwrap();
    let case = case_with(scene, agency, other);
    confirm(scene, agency, &case, "the same number").await;
    case
}

/// A person takes a case on, if nobody has yet, and says that it is one person; the other side has heard.
pub async fn confirm(scene: &Scene, agency: &str, case: &str, why: &str) {
    let who = Acting {
        reason: Some(why.parse().unwrap()),
        ..acting("pat", &[Role::Analyst])
    };
    let of = CaseworkCommand::Case;
    eventually("the case", async || {
        let case = case.to_owned();
        let taken = ask(scene, agency, &who, of(CaseCommand::Acknowledge { case })).await;
        let there = taken.map_or_else(|why| why.contains("already"), |_| true);
        Ok(there.then_some(()))
    })
    .await
    .unwrap();
    let judge = CaseCommand::Judge {
        case: case.to_owned(),
        verdict: Verdict::Confirmed,
    };
    ask(scene, agency, &who, of(judge)).await.unwrap();
    quiet(scene).await;
}

/// Nothing is on its way any more to anybody who is there.
pub async fn quiet(scene: &Scene) {
    eventually("nothing being on its way", async || {
        let mut letters = 0;
        for name in scene.consortium.names() {
            letters += scene.consortium.node(&name)?.letters_waiting()?;
        }
        let waiting = scene.consortium.hub()?.waiting_deliveries().await?;
        Ok((letters == 0 && waiting == 0).then_some(()))
    })
    .await
    .unwrap();
}

pub fn case_with(scene: &Scene, agency: &str, other: &str) -> String {
    let matches = scene
        .consortium
        .node(agency)
        .unwrap()
        .matches(None)
        .unwrap();
    let found = matches.into_iter().find(|found| found.agency == other);
    found.unwrap().id
}

/// A file with a needle in it that no compression and no chance makes.
pub fn attachment(scene: &Scene, name: &str, bytes: usize) -> (PathBuf, Vec<u8>) {
    let mut content: Vec<u8> = random::<32>().unwrap().repeat(bytes / 32 + 1);
    let needle = b"Zebedeequill was seen at Flibberton docks";
    content[..needle.len()].copy_from_slice(needle);
    for (place, byte) in content.iter_mut().enumerate().skip(needle.len()) {
        *byte = byte.wrapping_add((place / 7) as u8);
    }
    content.truncate(bytes);
    let path = scene.directory.path().join(name);
    std::fs::write(&path, &content).unwrap();
    (path, content)
}

pub async fn send(
    scene: &Scene,
    agency: &str,
    case: &str,
    file: PathBuf,
) -> Result<String, String> {
    let command = AttachmentCommand::Send {
        case: case.to_owned(),
        file,
        name: None,
        media_type: "application/pdf".parse().unwrap(),
        onward: false,
        keep_days: Some(30),
    };
    let who = acting("ana", &[Role::Caseworker]);
    let view = ask(scene, agency, &who, CaseworkCommand::Attachment(command)).await?;
    Ok(view["id"].as_str().unwrap().to_owned())
}

pub async fn listed(scene: &Scene, agency: &str) -> Vec<AttachmentView> {
    let command = CaseworkCommand::Attachment(AttachmentCommand::List { case: None });
    let who = acting("ana", &[Role::Analyst]);
    let views = ask(scene, agency, &who, command).await.unwrap();
    serde_json::from_value(views).unwrap()
}

pub async fn state(scene: &Scene, agency: &str, id: &str) -> Option<String> {
    let views = listed(scene, agency).await;
    let found = views.into_iter().find(|view| view.id == id);
    found.map(|view| view.state)
}

pub async fn becomes(scene: &Scene, agency: &str, id: &str, expected: &str) {
    let what = format!("an attachment becoming {expected:?} at {agency}");
    eventually(&what, async || {
        let now = state(scene, agency, id).await;
        Ok((now.as_deref() == Some(expected)).then_some(()))
    })
    .await
    .unwrap();
}

pub async fn saved(scene: &Scene, agency: &str, id: &str) -> Result<Vec<u8>, String> {
    let to = scene.directory.path().join(format!("saved-{agency}"));
    std::fs::create_dir_all(&to).unwrap();
    let command = AttachmentCommand::Save {
        id: id.to_owned(),
        to,
    };
    let who = acting("ana", &[Role::Analyst]);
    let saved = ask(scene, agency, &who, CaseworkCommand::Attachment(command)).await?;
    Ok(std::fs::read(saved["path"].as_str().unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_is_off_for_a_week_gets_all_of_it_once() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let case = one_case(&scene, "police", "refuge").await;
    scene.consortium.stop_node("refuge").await.unwrap();
    let (large, content) = attachment(&scene, "large.pdf", 3 * CHUNK_BYTES as usize + 77);
    let (small, other) = attachment(&scene, "small.pdf", 400);
    let first = send(&scene, "police", &case, large).await.unwrap();
    let second = send(&scene, "police", &case, small).await.unwrap();
    eventually("everything being at the hub", async || {
        let police = scene.consortium.node("police")?;
        let gone = listed(&scene, "police").await;
        let gone = gone.iter().all(|view| view.chunks == view.of);
        Ok((gone && police.letters_waiting()? == 0).then_some(()))
    })
    .await
    .unwrap();
    // One parcel after the other, each chunk as full as an envelope gets.
    let sizes = sizes_waiting(&scene, "refuge");
    let (small, large) = (1 << 10, 256 << 10);
    let expected = [small, large, large, large, small, small, small];
    assert_eq!(sizes, expected.map(|bucket: usize| bucket + 1120 + 16));
    // The sender may be off too: it is the hub that waits.
    scene.consortium.stop_node("police").await.unwrap();
    scene.consortium.clock.advance(7 * DAY_S);
    scene.consortium.start_node("refuge").await.unwrap();
    becomes(&scene, "refuge", &second, "whole").await;
    becomes(&scene, "refuge", &first, "whole").await;
    assert_eq!(saved(&scene, "refuge", &first).await.unwrap(), content);
    assert_eq!(saved(&scene, "refuge", &second).await.unwrap(), other);
    // A file that is there is not written over.
    let again = saved(&scene, "refuge", &first).await.unwrap_err();
    assert!(again.contains("large.pdf"), "{again}");
    scene.consortium.start_node("police").await.unwrap();
    for id in [&first, &second] {
        becomes(&scene, "police", id, "delivered").await;
    }
    scene.consortium.settle().await.unwrap();
    let views = listed(&scene, "refuge").await;
    assert_eq!(views.len(), 2, "once: {views:?}");
    // After another restart of both nothing comes again.
    for agency in ["police", "refuge"] {
        scene.consortium.stop_node(agency).await.unwrap();
        scene.consortium.start_node(agency).await.unwrap();
    }
    scene.consortium.settle().await.unwrap();
    assert_eq!(listed(&scene, "refuge").await, views);
    let mut files = Vec::new();
    collect_files(&scene.consortium.places.hub(), &mut files);
    for needle in ["Zebedeequill", "large.pdf", "Flibberton"] {
        let found = files.iter().find(|file| holds(file, needle.as_bytes()));
        assert_eq!(found, None, "{needle} reached the hub");
    }
    // Control: what the hub may know it has in clear.
    assert!(files.iter().any(|file| holds(file, b"refuge")));
    scene.consortium.stop().await.unwrap();
}

/// Sizes of the envelopes that wait for an agency, in order.
fn sizes_waiting(scene: &Scene, agency: &str) -> Vec<usize> {
    let store = scene.consortium.hub().unwrap().matching.store.clone();
    let waiting = store.deliveries(&agency.parse().unwrap(), 0, 1_000);
    let envelopes = waiting
        .unwrap()
        .into_iter()
        .filter_map(|(_, item)| match item {
            Item::Envelope(envelope) => Some(envelope.sealed.len()),
            _ => None,
        });
    envelopes.collect()
}

/// Whether a delivery is a chunk, by its size.
fn is_chunk(delivery: &Delivery) -> bool {
    match &delivery.item {
        Some(delivery::Item::Envelope(envelope)) => envelope.sealed.len() > 200_000,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_loses_repeats_and_reorders_brings_the_same_file() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let case = one_case(&scene, "police", "refuge").await;
    let relay = between(&mut scene, "refuge").await;
    // The first chunk is held back behind the third, the second never comes, the third comes twice.
    let seen = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&seen);
    let mut held = None;
    relay.tell(Box::new(move |path: &str, way: Way, message: Vec<u8>| {
        use prost::Message as _;
        let delivery = Delivery::decode(message.as_slice()).ok();
        let chunk = path == RECEIVE && way == Way::Down && delivery.as_ref().is_some_and(is_chunk);
        if !chunk {
            return vec![message];
        }
        let mut number = counted.lock().unwrap();
        *number += 1;
        match *number {
            1 => {
                held = Some(message);
                Vec::new()
            }
            2 => Vec::new(),
            3 => {
                let mut all = vec![message.clone(), message];
                all.extend(held.take());
                all
            }
            _ => vec![message],
        }
    }));
    let (file, content) = attachment(&scene, "file.pdf", 4 * CHUNK_BYTES as usize);
    let id = send(&scene, "police", &case, file).await.unwrap();
    eventually("what comes at first", async || {
        let views = listed(&scene, "refuge").await;
        Ok(views.iter().any(|view| view.chunks == 3).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(state(&scene, "refuge", &id).await.unwrap(), "under way");
    let unfinished = saved(&scene, "refuge", &id).await.unwrap_err();
    assert!(unfinished.contains("not all of this attachment is here"));
    // Nothing comes for a while: the recipient says what it has.
    scene.consortium.clock.advance(400);
    becomes(&scene, "refuge", &id, "whole").await;
    becomes(&scene, "police", &id, "delivered").await;
    assert_eq!(saved(&scene, "refuge", &id).await.unwrap(), content);
    assert_eq!(*seen.lock().unwrap(), 5, "only the lost chunk went again");
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_holds_up_nobody_else_and_goes_on_by_itself() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    let case = one_case(&scene, "police", "refuge").await;
    let file = scene.file("people.csv", PERSON);
    scene.import("council", &file).await;
    scene.consortium.settle().await.unwrap();
    let council = case_with(&scene, "police", "council");
    let (small, _) = attachment(&scene, "small.pdf", 400);
    eventually("a case that is not confirmed", async || {
        let early = send(&scene, "police", &council, small.clone()).await;
        Ok(early
            .unwrap_err()
            .contains("confirm it first")
            .then_some(()))
    })
    .await
    .unwrap();
    confirm(&scene, "police", &council, "the same number").await;
    scene.consortium.stop_node("refuge").await.unwrap();
    scene.consortium.stop_hub().await.unwrap();
    let settings = scene.consortium.places.hub().join("hub.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let tight = text.replace("mailbox_max_items = 1000000", "mailbox_max_items = 5");
    assert_ne!(tight, text);
    std::fs::write(&settings, tight).unwrap();
    scene.consortium.start_hub().await.unwrap();
    let (large, content) = attachment(&scene, "large.pdf", 7 * CHUNK_BYTES as usize);
    let large = send(&scene, "police", &case, large).await.unwrap();
    eventually("the mailbox being full", async || {
        let waiting = scene.consortium.hub()?.waiting_deliveries().await?;
        let held = scene.consortium.node("police")?.letters_waiting()?;
        Ok((waiting == 5 && held > 0).then_some(()))
    })
    .await
    .unwrap();
    // Another agency's letters pass.
    let small = send(&scene, "police", &council, small).await.unwrap();
    becomes(&scene, "council", &small, "whole").await;
    becomes(&scene, "police", &small, "delivered").await;
    assert!(
        scene
            .consortium
            .node("police")
            .unwrap()
            .status()
            .unwrap()
            .connected
    );
    assert_eq!(state(&scene, "police", &large).await.unwrap(), "under way");
    scene.consortium.start_node("refuge").await.unwrap();
    becomes(&scene, "refuge", &large, "whole").await;
    becomes(&scene, "police", &large, "delivered").await;
    assert_eq!(saved(&scene, "refuge", &large).await.unwrap(), content);
    scene.consortium.stop().await.unwrap();
}

/// Speaks with an agency's keys, past its node.
pub async fn forge(scene: &Scene, from: &str, to: &str, letter: &Value) {
    let node = scene.consortium.node(from).unwrap();
    let hub = node.hub().await.unwrap();
    let entries = hub.roster(0).await.unwrap();
    let roster = Roster::verify(&entries, &scene.consortium.admin.genesis()).unwrap();
    let to = to.parse().unwrap();
    let (_, keys) = roster.active(&to).unwrap();
    let message = serde_json::to_vec(letter).unwrap();
    let sender = (node.agency(), &node.keys().signing);
    let id = random().unwrap();
    let envelope = Envelope::seal(sender, (&to, &keys.encryption), id, &message).unwrap();
    hub.send(envelope).await.unwrap();
}

/// The whole name of a case, of which people see eight digits.
pub fn case_digest(scene: &Scene, agency: &str, other: &str) -> Value {
    let node = scene.consortium.node(agency).unwrap();
    let references = node.references().unwrap();
    let (key, _) = node
        .scored_matches()
        .unwrap()
        .into_iter()
        .find(|(key, _)| key.agency.as_str() == other)
        .unwrap();
    let own = references.iter().find(|(_, id)| **id == key.record_id);
    let case = CaseId::of(&key.agreement, *own.unwrap().0, key.reference);
    serde_json::to_value(case).unwrap()
}
