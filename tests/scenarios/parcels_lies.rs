//! A sender of attachments that lies, beside an honest one.

use serde_json::{Value, json};
use symbolon_core::crypto::sha256;
use symbolon_node::tables::Blob;
use symbolon_tests::consortium::eventually;

use crate::parcels::{
    attachment, becomes, case_digest, forge, listed, one_case, saved, send, state,
};
use crate::support::{Scene, scene};

const DAY_S: i64 = 86_400;
const CONTENT: [u8; 1000] = [7; 1000];

/// The police's own keys in the hands of somebody who writes what no honest node does.
struct Liar<'a> {
    scene: &'a Scene,
    /// The whole name of the case with the refuge.
    case: Value,
}

fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(Blob(bytes.to_vec())).unwrap()
}

fn hex(id: [u8; 16]) -> String {
    id.map(|byte| format!("{byte:02x}")).concat()
}

/// An honest manifest.
fn manifest(id: [u8; 16]) -> Value {
    json!({
        "parcel": base64(&id), "name": "a.pdf", "media_type": "application/pdf", "bytes": 1000,
        "sha256": sha256(&CONTENT), "chunks": 1, "onward": false,
        "handling": null, "keep_until": 4_000_000_000_i64,
    })
}

fn honest(_: &mut Value) {}

impl Liar<'_> {
    async fn say(&self, id: [u8; 16], step: Value) {
        let message = json!({ "parcel": base64(&id), "step": step });
        let letter = json!({ "topic": "parcel", "message": message });
        forge(self.scene, "police", "refuge", &letter).await;
    }

    async fn announces(&self, id: [u8; 16], change: &dyn Fn(&mut Value)) {
        let mut manifest = manifest(id);
        change(&mut manifest);
        let step = json!({ "manifest": { "case": self.case, "manifest": manifest } });
        self.say(id, step).await;
    }

    async fn sends(&self, id: [u8; 16], number: u32, bytes: &[u8]) {
        let chunk = json!({ "number": number, "bytes": base64(bytes) });
        self.say(id, json!({ "chunk": chunk })).await;
    }

    /// What contradicts itself, names a path, or belongs to no case.
    async fn says_what_is_never_kept(&self) {
        let changes: [&dyn Fn(&mut Value); 8] = [
            &|m| m["bytes"] = json!(0),
            &|m| m["chunks"] = json!(u32::MAX),
            &|m| m["bytes"] = json!(1_u64 << 60),
            &|m| m["bytes"] = json!(u64::MAX),
            &|m| m["name"] = json!("../../.ssh/authorized_keys"),
            &|m| m["name"] = json!("a\u{1b}[2J.pdf"),
            &|m| m["media_type"] = json!("text/html; x"),
            &|m| m["parcel"] = base64(&[99; 16]),
        ];
        for (number, change) in (1..).zip(changes) {
            self.announces([number; 16], change).await;
            self.sends([number; 16], 0, &CONTENT).await;
        }
        let stranger = json!({ "case": sha256(b"x"), "manifest": manifest([20; 16]) });
        self.say([20; 16], json!({ "manifest": stranger })).await;
    }

    /// A chunk out of range, of another size, of another content.
    async fn says_what_is_kept_as_refused(&self) {
        let wrong = [(1, vec![7; 1000]), (0, vec![7; 999]), (0, vec![8; 1000])];
        for (number, (place, bytes)) in (30..).zip(wrong) {
            self.announces([number; 16], &honest).await;
            self.sends([number; 16], place, &bytes).await;
        }
    }

    /// The truth, with everything twice and another manifest under the same name: the first counts.
    async fn says_the_truth(&self) {
        self.announces([40; 16], &honest).await;
        self.announces([40; 16], &|m| m["bytes"] = json!(500)).await;
        self.sends([40; 16], 0, &CONTENT).await;
        self.sends([40; 16], 0, &CONTENT).await;
        becomes(self.scene, "refuge", &hex([40; 16]), "whole").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_lies_is_refused_and_an_honest_one_beside_it_is_not() {
    let scene = scene(&["police", "refuge"], 2).await;
    let case = one_case(&scene, "police", "refuge").await;
    let liar = Liar {
        scene: &scene,
        case: case_digest(&scene, "police", "refuge"),
    };
    liar.says_what_is_never_kept().await;
    liar.says_what_is_kept_as_refused().await;
    liar.says_the_truth().await;
    let views = listed(&scene, "refuge").await;
    let mut states: Vec<(String, String)> = views
        .iter()
        .map(|view| (view.id[..2].to_owned(), view.state.clone()))
        .collect();
    states.sort();
    let expected = [
        ("1e", "a chunk came that it does not have"),
        ("1f", "a chunk came with another size than it must have"),
        ("20", "the chunks are not the file that the manifest names"),
        ("28", "whole"),
    ];
    let expected = expected.map(|(id, state)| (id.to_owned(), state.to_owned()));
    assert_eq!(states, expected);
    let kept = saved(&scene, "refuge", &hex([40; 16])).await.unwrap();
    assert_eq!(kept, CONTENT);
    half_received_ones_have_a_bound_and_an_end(&liar, &case).await;
    scene.consortium.stop().await.unwrap();
}

/// Sixteen, and no more; and they do not stay for ever.
async fn half_received_ones_have_a_bound_and_an_end(liar: &Liar<'_>, case: &str) {
    let scene = liar.scene;
    for number in 100..120 {
        liar.announces([number; 16], &honest).await;
    }
    let (file, _) = attachment(scene, "honest.pdf", 400);
    let honest = send(scene, "police", case, file).await.unwrap();
    eventually("all of it being read", async || {
        let police = scene.consortium.node("police")?;
        let sent = police.letters_waiting()? == 0;
        let taken = scene.consortium.hub()?.waiting_deliveries().await? == 0;
        Ok((sent && taken).then_some(()))
    })
    .await
    .unwrap();
    let count = listed(scene, "refuge").await;
    let under_way = count.iter().filter(|view| view.state == "under way");
    assert_eq!(under_way.count(), 16);
    assert_eq!(state(scene, "refuge", &honest).await, None, "no room");
    scene.consortium.clock.advance(15 * DAY_S);
    eventually("the half-received ones expiring", async || {
        let views = listed(scene, "refuge").await;
        let mut left = views.iter().filter(|view| view.state == "under way");
        Ok(left.all(|view| view.id == honest).then_some(()))
    })
    .await
    .unwrap();
    // The honest sender tries again by itself, a day after it last heard that there is no room: that may
    // have been a moment ago, when it was quicker than the end of the others.
    let mut polls = 0;
    eventually("the honest one coming again", async || {
        if polls % 500 == 0 {
            scene.consortium.clock.advance(DAY_S);
        }
        polls += 1;
        let now = state(scene, "refuge", &honest).await;
        Ok(now.is_some().then_some(()))
    })
    .await
    .unwrap();
    becomes(scene, "refuge", &honest, "whole").await;
    becomes(scene, "police", &honest, "delivered").await;
}
