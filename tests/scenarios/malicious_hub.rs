//! A hub that lies to one node: each lie is caught, and the node says about whom.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use prost::Message as _;
use symbolon_node::config::FILE_NAME;
use symbolon_proto::custody::{
    EvaluateReply, EvaluateRequest, Evaluation, Refusal, StatementsReply, Task, evaluate_reply,
};
use symbolon_proto::mailbox::{Delivery, delivery};
use symbolon_proto::membership::RosterReply;
use symbolon_tests::consortium::eventually;
use symbolon_tests::relay::{Lie, Relay, Way, honest};

use crate::support::{Scene, scene, unlock};

const ROSTER: &str = "/symbolon.membership.v1.Membership/Roster";
const STATEMENTS: &str = "/symbolon.custody.v1.Custody/Statements";
pub const EVALUATE: &str = "/symbolon.custody.v1.Custody/Evaluate";
const ATTEND: &str = "/symbolon.custody.v1.Custody/Attend";
const RECEIVE: &str = "/symbolon.mailbox.v1.Mailbox/Receive";

/// Puts a relay between an agency's node and the hub; the node starts again behind it.
pub async fn between(scene: &mut Scene, agency: &str) -> Relay {
    scene.consortium.stop_node(agency).await.unwrap();
    let places = scene.consortium.places.clone();
    let (hub, node) = (scene.consortium.addresses().0, places.node(agency));
    let relay = Relay::start(&places.hub(), hub, &node, &unlock())
        .await
        .unwrap();
    let settings = node.join(FILE_NAME);
    let text = std::fs::read_to_string(&settings).unwrap();
    let line = format!("hub = \"{}\"\n{text}", relay.address);
    std::fs::write(&settings, line).unwrap();
    scene.consortium.start_node(agency).await.unwrap();
    connected(scene, agency).await;
    relay
}

pub async fn connected(scene: &Scene, agency: &str) {
    eventually("the node being connected", async || {
        let status = scene.consortium.node(agency)?.status()?;
        Ok(status.connected.then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.everybody_attends().await.unwrap();
}

/// Decodes messages of one method and way, alters them, and leaves all others alone.
pub fn on<M: prost::Message + Default>(
    method: &'static str,
    way: Way,
    mut alter: impl FnMut(&mut M) + Send + 'static,
) -> Lie {
    Box::new(move |path, at, message| {
        if path != method || at != way {
            return vec![message];
        }
        let mut decoded = M::decode(message.as_slice()).unwrap();
        alter(&mut decoded);
        vec![decoded.encode_to_vec()]
    })
}

fn person(scene: &Scene, id: usize) -> PathBuf {
    let text = format!(
        "record_id,given_names,surname,date_of_birth\nX{id},Linh,Nguyen{},2008-03-14\n",
        char::from(b'a' + id as u8)
    );
    scene.file(&format!("person-{id}.csv"), &text)
}

pub async fn restarted(scene: &mut Scene, agency: &str) {
    scene.consortium.stop_node(agency).await.unwrap();
    scene.consortium.start_node(agency).await.unwrap();
}

/// Why the node has no line, once it says what is expected.
pub async fn complaint(scene: &Scene, agency: &str, expected: &str) {
    eventually(expected, async || {
        let error = scene.consortium.node(agency)?.status()?.connection_error;
        Ok(error.filter(|error| error.contains(expected)))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_that_was_altered_or_rolled_back_is_refused() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let relay = between(&mut scene, "police").await;

    // Another past.
    relay.tell(on(ROSTER, Way::Down, |reply: &mut RosterReply| {
        let entry = reply.entries.first_mut().unwrap();
        let position = entry.body.len() / 2;
        entry.body[position] ^= 1;
    }));
    restarted(&mut scene, "police").await;
    complaint(&scene, "police", "does not follow the entry before it").await;

    // Rolled back.
    relay.tell(on(ROSTER, Way::Down, |reply: &mut RosterReply| {
        reply.entries.clear();
    }));
    complaint(&scene, "police", "it was rolled back").await;

    // A new entry that nobody approved: a custodian exchanged on the way.
    relay.tell(on(ROSTER, Way::Down, |reply: &mut RosterReply| {
        if let [_, new, ..] = reply.entries.as_mut_slice() {
            let body = String::from_utf8(new.body.clone()).unwrap();
            new.body = body.replace("council", "counci1").into_bytes();
        }
    }));
    let admin = &scene.consortium.admin;
    let quota = symbolon_tests::consortium::QUOTA;
    let kind = symbolon_core::identity::AgencyKind::Ngo;
    admin
        .invite("council".parse().unwrap(), kind, "Council", 3600, quota)
        .await
        .unwrap();
    complaint(&scene, "police", "valid approvals").await;

    // The control: told the truth, the node goes on.
    relay.tell(honest());
    connected(&scene, "police").await;
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_custody_statement_is_refused_and_its_supposed_author_named() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let relay = between(&mut scene, "police").await;
    relay.tell(on(STATEMENTS, Way::Down, |reply: &mut StatementsReply| {
        for statement in &mut reply.statements {
            let body = String::from_utf8(statement.body.clone()).unwrap();
            if body.contains("\"custodian\":\"refuge\"") {
                statement.body = body
                    .replace("\"threshold\":2", "\"threshold\":1")
                    .into_bytes();
            }
        }
    }));
    restarted(&mut scene, "police").await;
    eventually("the statement being refused", async || {
        let custody = scene.consortium.node("police")?.status()?.custody;
        Ok(custody
            .contains("claims to be from refuge is not valid")
            .then_some(()))
    })
    .await
    .unwrap();
    let report = scene.import("police", &person(&scene, 0)).await;
    assert_eq!(report.rows_registered, 0);
    let reason = report.waiting_reason.unwrap();
    assert!(reason.contains("refuge"), "{reason}");
    relay.tell(honest());
    scene.consortium.settle().await.unwrap();
    scene.consortium.stop().await.unwrap();
}

/// What is done, what the node must say of it, and how it is done.
type Attempt = (&'static str, &'static str, Lie);

fn request_lies() -> Vec<Attempt> {
    let quorum = |request: &mut EvaluateRequest| {
        // The quorum 1, 2, 3 is the only place with these bytes.
        let quorum = [0, 1, 0, 2, 0, 3];
        let at = request.request.windows(6).position(|w| w == quorum);
        request.request[at.unwrap() + 5] = 2;
    };
    let element = |request: &mut EvaluateRequest| {
        let last = request.request.len() - 1;
        request.request[last] ^= 1;
    };
    vec![
        (
            "another quorum",
            "bad-signature",
            on(EVALUATE, Way::Up, quorum),
        ),
        (
            "another element",
            "bad-signature",
            on(EVALUATE, Way::Up, element),
        ),
    ]
}

fn answer_lies() -> Vec<Attempt> {
    let elements = |change: fn(&mut Vec<u8>)| {
        on(EVALUATE, Way::Down, move |reply: &mut EvaluateReply| {
            if let Some(evaluate_reply::Outcome::Evaluated(evaluated)) = &mut reply.outcome {
                change(&mut evaluated.elements);
            }
        })
    };
    let mut kept: Option<EvaluateReply> = None;
    let exchanged = on(
        EVALUATE,
        Way::Down,
        move |reply: &mut EvaluateReply| match kept.take() {
            Some(other) => *reply = other,
            None => kept = Some(reply.clone()),
        },
    );
    // An honest answer of before; the first of them is none at all.
    let mut before = EvaluateReply {
        outcome: Some(evaluate_reply::Outcome::Evaluated(Evaluation {
            elements: Vec::new(),
            proof: vec![0; 64],
        })),
    };
    let replayed = on(EVALUATE, Way::Down, move |reply: &mut EvaluateReply| {
        std::mem::swap(&mut before, reply);
    });
    // As from a custodian whose clock differs: both times are told.
    let expired = on(EVALUATE, Way::Down, |reply: &mut EvaluateReply| {
        let (word, retry_at) = ("expired".to_owned(), 0);
        reply.outcome = Some(evaluate_reply::Outcome::Refused(Refusal { word, retry_at }));
    });
    let wrong = "was not used";
    vec![
        (
            "a clock that differs",
            "by this node's clock it is",
            expired,
        ),
        ("swapped bytes", wrong, elements(|bytes| bytes.swap(0, 32))),
        (
            "another order",
            wrong,
            elements(|bytes| bytes.rotate_left(32)),
        ),
        ("the answer of another custodian", wrong, exchanged),
        ("an answer of before", wrong, replayed),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_requests_and_answers_are_refused_and_the_custodian_is_named() {
    let mut scene = scene(&["council", "police", "refuge"], 3).await;
    let relay = between(&mut scene, "police").await;
    let lies = request_lies().into_iter().chain(answer_lies());
    for (number, (what, expected, lie)) in lies.enumerate() {
        relay.tell(lie);
        let report = scene.import("police", &person(&scene, number)).await;
        assert!(report.waiting > 0, "{what}");
        let reason = report.waiting_reason.unwrap();
        assert!(reason.contains(expected), "{what}: {reason}");
        let named = ["council", "refuge"]
            .iter()
            .any(|name| reason.contains(name));
        assert!(named, "{what}: {reason}");
        relay.tell(honest());
        scene.consortium.settle().await.unwrap();
    }
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_hub_repeats_is_answered_once() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let relay = between(&mut scene, "refuge").await;
    let seen: Arc<Mutex<(u64, Vec<Task>)>> = Arc::default();
    let recording = Arc::clone(&seen);
    relay.tell(Box::new(move |path, way, message| {
        if path != ATTEND || way != Way::Down {
            return vec![message];
        }
        let task = Task::decode(message.as_slice()).unwrap();
        let mut seen = recording.lock().unwrap();
        seen.1.push(task.clone());
        // Each request, and every one before it, twice more under other numbers.
        let mut all = vec![message];
        for again in seen
            .1
            .clone()
            .into_iter()
            .flat_map(|task| [task.clone(), task])
        {
            seen.0 += 1;
            let number = 1_000_000 + seen.0;
            all.push(Task { number, ..again }.encode_to_vec());
        }
        all
    }));
    for number in 0..4 {
        let report = scene.import("police", &person(&scene, number)).await;
        assert_eq!(report.waiting, 0, "{:?}", report.waiting_reason);
    }
    // After a restart of the custodian the old requests come once more with the next one.
    scene.consortium.stop_node("refuge").await.unwrap();
    eventually("its line being gone", async || {
        let hub = scene.consortium.node("police")?.hub().await?;
        let there = hub.attendance().await?;
        Ok((!there.iter().any(|name| name.as_str() == "refuge")).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let report = scene.import("police", &person(&scene, 4)).await;
    assert_eq!(report.waiting, 0, "{:?}", report.waiting_reason);
    let requests: BTreeSet<Vec<u8>> = {
        let seen = seen.lock().unwrap();
        assert!(seen.0 >= 2 * (1 + 2 + 3 + 4 + 5), "{}", seen.0);
        seen.1.iter().map(|task| task.request.clone()).collect()
    };
    let ledger = scene.consortium.node("refuge").unwrap();
    let ledger = ledger.custody_log(u64::MAX).unwrap();
    assert_eq!(ledger.len(), requests.len());
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn key_generation_messages_that_are_altered_or_exchanged_are_refused() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    let relay = between(&mut scene, "police").await;
    // Envelopes of one custodian are shown as another's.
    relay.tell(on(RECEIVE, Way::Down, |delivery: &mut Delivery| {
        if let Some(delivery::Item::Envelope(envelope)) = &mut delivery.item {
            let other = if envelope.from == "council" {
                "refuge"
            } else {
                "council"
            };
            envelope.from = other.to_owned();
        }
    }));
    let node = scene.consortium.node("police").unwrap();
    let refresh = symbolon_node::custody::CustodyCommand::Refresh;
    node.custody(refresh.clone()).await.unwrap();
    eventually("the envelope being refused", async || {
        let problem = node.custody_status().await?.problem;
        Ok(problem.filter(|p| p.contains("claims to be from") && p.contains("refused")))
    })
    .await
    .unwrap();
    assert_eq!(node.custody_status().await.unwrap().generation, Some(0));
    // The old shares are as good as before, and told the truth a new attempt succeeds.
    relay.tell(honest());
    node.custody(refresh).await.unwrap();
    eventually("the refresh", async || {
        let status = scene.consortium.node("police")?.custody_status().await?;
        Ok((status.generation > Some(0)).then_some(()))
    })
    .await
    .unwrap();
    let report = scene.import("police", &person(&scene, 0)).await;
    assert_eq!(report.waiting, 0, "{:?}", report.waiting_reason);
    scene.consortium.stop().await.unwrap();
}
