//! Answers of custodians that get lost on their way: the question is asked again as it was, and evaluated once.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use prost::Message as _;
use symbolon_proto::custody::EvaluateRequest;
use symbolon_tests::consortium::eventually;
use symbolon_tests::relay::{Way, honest};

use crate::malicious_hub::{EVALUATE, between};
use crate::support::{Scene, scene};

/// An element on the wire; a request ends with its elements.
const ELEMENT_BYTES: usize = 32;

fn person(scene: &Scene, number: usize) -> PathBuf {
    let text = format!("record_id,phone\nQ{number},0770090010{number}\n");
    scene.file(&format!("person-{number}.csv"), &text)
}

/// Elements that the refuge evaluated, by its own ledger.
fn evaluated(scene: &Scene) -> u64 {
    let refuge = scene.consortium.node("refuge").unwrap();
    let lines = refuge.custody_log(u64::MAX).unwrap();
    lines.iter().map(|line| line.elements).sum()
}

async fn nothing_waits(scene: &Scene) {
    eventually("the keys being evaluated", async || {
        let status = scene.consortium.node("police")?.status()?;
        Ok((status.waiting == 0).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_got_lost_is_given_again_and_three_are_asked_for_anew() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let relay = between(&mut scene, "police").await;
    // The one element of each request that went out, and how many answers are lost.
    type Seen = (Vec<Vec<u8>>, usize);
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let loses = |answers: usize| {
        seen.lock().unwrap().1 = answers;
        let seen = Arc::clone(&seen);
        relay.tell(Box::new(move |path, way, message| {
            let mut seen = seen.lock().unwrap();
            if path == EVALUATE && way == Way::Up {
                let EvaluateRequest { request, .. } = EvaluateRequest::decode(&*message).unwrap();
                seen.0
                    .push(request[request.len() - ELEMENT_BYTES..].to_vec());
            } else if path == EVALUATE && seen.1 > 0 {
                seen.1 -= 1;
                return Vec::new();
            }
            vec![message]
        }));
    };
    loses(1);
    scene.import("police", &person(&scene, 0)).await;
    nothing_waits(&scene).await;
    let (asked, left) = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(left, 0);
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1], "the same question");
    assert_eq!(evaluated(&scene), 1);
    // One whose answer never comes holds its key for a while only.
    loses(3);
    scene.import("police", &person(&scene, 1)).await;
    nothing_waits(&scene).await;
    let (asked, _) = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(asked.len(), 4);
    assert!(asked[0] == asked[1] && asked[1] == asked[2]);
    assert_ne!(asked[2], asked[3], "blinded anew");
    assert_eq!(evaluated(&scene), 3);
    // Control: nothing is lost, and it is asked once.
    relay.tell(honest());
    scene.import("police", &person(&scene, 2)).await;
    nothing_waits(&scene).await;
    assert_eq!(evaluated(&scene), 4);
    scene.consortium.stop().await.unwrap();
}
