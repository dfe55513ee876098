//! A refresh of custody shares in which custodians are killed and messages get lost.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use prost::Message as _;
use symbolon_node::custody::CustodyCommand;
use symbolon_proto::mailbox::{Delivery, delivery};
use symbolon_tests::consortium::eventually;
use symbolon_tests::relay::{Lie, Way, honest};

use crate::custody::{THREE, at_generation, match_between, shares_on_disk};
use crate::malicious_hub::between;
use crate::support::{Scene, scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_custodian_killed_in_a_refresh_has_the_old_share_or_the_new_one() {
    let mut scene = scene(&THREE, 2).await;
    let node = scene.consortium.node("council").unwrap();
    node.custody(CustodyCommand::Refresh).await.unwrap();
    // Each kill falls wherever the last start has got to; the two others go on.
    for kill in 0..12 {
        scene.consortium.kill_node("refuge").await.unwrap();
        let shares = shares_on_disk(&scene, "refuge");
        let places: Vec<(u32, u32)> = shares.keys().copied().collect();
        let whole = [vec![(1, 0)], vec![(1, 0), (1, 1)], vec![(1, 1)]];
        assert!(whole.contains(&places), "kill {kill}: {places:?}");
        scene.consortium.start_node("refuge").await.unwrap();
        let node = scene.consortium.node("refuge").unwrap();
        // A little further each time: so many looks at how it stands.
        for _ in 0..kill {
            node.custody_status().await.unwrap();
        }
    }
    at_generation(&scene, &THREE, 1).await;
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 'a', ["police", "refuge"]).await;
    scene.consortium.stop().await.unwrap();
}

/// A custodian's node as a process of its own, killed with SIGKILL when dropped.
struct Process(Child);

impl Process {
    fn start(scene: &Scene, agency: &str) -> Self {
        let key = scene.directory.path().join("vault-key");
        std::fs::write(&key, [7; 32]).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_node-process"))
            .arg("serve")
            .arg("--state")
            .arg(scene.consortium.places.node(agency))
            .arg("--key-file")
            .arg(&key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself is gone already.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// What the relay lets through: so many envelopes, and no acknowledgement if it is told to keep them.
#[derive(Default)]
struct Gatekeeper {
    allowed: usize,
    through: usize,
    acknowledged: usize,
    keep_acknowledgements: bool,
}

fn let_through(gate: Arc<Mutex<Gatekeeper>>) -> Lie {
    Box::new(move |path, way, message| {
        let mut gate = gate.lock().unwrap();
        if path == "/symbolon.mailbox.v1.Mailbox/Acknowledge" && way == Way::Up {
            gate.acknowledged += 1;
            return if gate.keep_acknowledgements {
                Vec::new()
            } else {
                vec![message]
            };
        }
        if path != "/symbolon.mailbox.v1.Mailbox/Receive" {
            return vec![message];
        }
        if way == Way::Up {
            // A reception begins. What went down the one before, whose process is dead, counts no more.
            (gate.through, gate.acknowledged) = (0, 0);
            return vec![message];
        }
        let delivery = Delivery::decode(message.as_slice()).unwrap();
        if !matches!(delivery.item, Some(delivery::Item::Envelope(_))) {
            return vec![message];
        }
        if gate.through >= gate.allowed {
            return Vec::new();
        }
        gate.through += 1;
        vec![message]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn sigkill_at_each_step_of_a_refresh_leaves_whole_shares() {
    let mut scene = scene(&THREE, 2).await;
    let relay = between(&mut scene, "refuge").await;
    scene.consortium.stop_node("refuge").await.unwrap();
    let gate: Arc<Mutex<Gatekeeper>> = Arc::default();
    relay.tell(let_through(Arc::clone(&gate)));
    let node = scene.consortium.node("council").unwrap();
    node.custody(CustodyCommand::Refresh).await.unwrap();
    let whole = [vec![(1, 0)], vec![(1, 0), (1, 1)], vec![(1, 1)]];
    // Two first-round and two second-round messages come to this custodian. It is killed as soon as
    // one is delivered, when it is written down and the hub has not heard, and after that.
    let modes = [(true, false), (true, true), (false, true)];
    let mut kills = 0;
    for (keep, wait_for_acknowledgement) in modes.into_iter().cycle() {
        *gate.lock().unwrap() = Gatekeeper {
            allowed: 1,
            keep_acknowledgements: keep,
            ..Default::default()
        };
        let mut process = Process::start(&scene, "refuge");
        eventually("the step being reached", async || {
            if let Some(ended) = process.0.try_wait()? {
                return Err(format!("the node ended by itself: {ended}").into());
            }
            let gate = gate.lock().unwrap();
            let reached = gate.through > 0 && (!wait_for_acknowledgement || gate.acknowledged > 0);
            Ok(reached.then_some(()))
        })
        .await
        .unwrap();
        drop(process);
        kills += 1;
        let places: Vec<_> = shares_on_disk(&scene, "refuge").into_keys().collect();
        assert!(whole.contains(&places), "kill {kills}: {places:?}");
        if places.contains(&(1, 1)) {
            break;
        }
    }
    assert!(kills >= 4, "one at least for each message: {kills}");
    relay.tell(honest());
    scene.consortium.start_node("refuge").await.unwrap();
    at_generation(&scene, &THREE, 1).await;
    scene.consortium.everybody_attends().await.unwrap();
    match_between(&scene, 'a', ["police", "refuge"]).await;
    scene.consortium.stop_node("refuge").await.unwrap();
    let places: Vec<_> = shares_on_disk(&scene, "refuge").into_keys().collect();
    assert_eq!(places, [(1, 1)]);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_got_lost_comes_again() {
    let mut scene = scene(&THREE, 2).await;
    let relay = between(&mut scene, "refuge").await;
    // Whether the first envelope was swallowed, and whether the hub has heard that it was taken: it is
    // acknowledged with the next one that comes.
    let lost: Arc<Mutex<(bool, bool)>> = Arc::default();
    let told = Arc::clone(&lost);
    relay.tell(Box::new(move |path, way, message| {
        let mut lost = told.lock().unwrap();
        if path == "/symbolon.mailbox.v1.Mailbox/Acknowledge" && way == Way::Up {
            lost.1 |= lost.0;
        }
        if path != "/symbolon.mailbox.v1.Mailbox/Receive" || way == Way::Up || lost.0 {
            return vec![message];
        }
        let delivery = Delivery::decode(message.as_slice()).unwrap();
        if !matches!(delivery.item, Some(delivery::Item::Envelope(_))) {
            return vec![message];
        }
        lost.0 = true;
        Vec::new()
    }));
    let node = scene.consortium.node("council").unwrap();
    node.custody(CustodyCommand::Refresh).await.unwrap();
    eventually("the message being gone for good", async || {
        Ok(lost.lock().unwrap().1.then_some(()))
    })
    .await
    .unwrap();
    let node = scene.consortium.node("refuge").unwrap();
    let status = node.custody_status().await.unwrap();
    assert_eq!(status.generation, Some(0), "it waits for what was lost");
    for agency in ["council", "police"] {
        scene.consortium.stop_node(agency).await.unwrap();
        scene.consortium.start_node(agency).await.unwrap();
    }
    at_generation(&scene, &THREE, 1).await;
    scene.consortium.stop().await.unwrap();
}
