//! Certificates of nodes: renewed while matches flow, healed by a fresh invitation, told in good time.

use std::sync::Arc;

use symbolon_core::identity::AgencyKind;
use symbolon_hub::ca;
use symbolon_node::clock::Clock;
use symbolon_node::config::NodeConfig;
use symbolon_node::node::Node;
use symbolon_tests::consortium::{Consortium, QUOTA, SharedClock, eventually};

use crate::support::{Scene, scene, unlock};

const DAY_S: i64 = 86_400;
const HEADER: &str = "record_id,given_names,surname,date_of_birth,nhs_number\n";
/// Valid NHS numbers (modulus 11).
const NUMBERS: [&str; 6] = [
    "943 476 5919",
    "984 850 6950",
    "943 476 5870",
    "987 654 3210",
    "401 023 2137",
    "928 430 8860",
];

const NAMES: [&str; 6] = [
    "Linh,Nguyen",
    "Tomasz,Kowalski",
    "Amira,Haddad",
    "Kofi,Mensah",
    "Elena,Popescu",
    "Bao,Tran",
];

impl Scene {
    /// One person more, imported on both sides: one match more on each.
    async fn person(&self, number: usize) {
        let (id, name, nhs) = (number + 1, NAMES[number], NUMBERS[number]);
        let row = format!("X{id},{name},2008-0{id}-14,{nhs}\n");
        let file = self.file(&format!("person-{id}.csv"), &format!("{HEADER}{row}"));
        for agency in ["police", "refuge"] {
            self.import(agency, &file).await;
        }
    }

    async fn matches(&self, expected: usize) {
        eventually("the matches", async || {
            for agency in ["police", "refuge"] {
                if self.consortium.node(agency)?.matches(None)?.len() != expected {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
        .unwrap();
    }
}

fn until(consortium: &Consortium, agency: &str) -> String {
    let status = consortium.node(agency).unwrap().status().unwrap();
    status.certificate_expires
}

/// Waits until the certificate ends later than it did.
async fn renewed(consortium: &Consortium, agency: &str, before: &str) {
    eventually("the renewal", async || {
        Ok((until(consortium, agency).as_str() > before).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_while_matches_flow_and_no_line_is_dropped() {
    let scene = scene(&["police", "refuge"], 2).await;
    let consortium = &scene.consortium;
    scene.person(0).await;
    scene.matches(1).await;
    let before: Vec<String> = ["police", "refuge"]
        .iter()
        .map(|name| until(consortium, name))
        .collect();
    consortium.clock.advance(20 * DAY_S - 60);
    scene.person(1).await;
    assert_eq!(
        until(consortium, "police"),
        before[0],
        "not before its time"
    );
    consortium.clock.advance(120);
    // Evaluations, submissions and deliveries go on while both nodes move to new connections.
    for number in 2..5 {
        scene.person(number).await;
    }
    renewed(consortium, "police", &before[0]).await;
    renewed(consortium, "refuge", &before[1]).await;
    scene.matches(5).await;
    // The first certificates end; nobody notices.
    consortium.clock.advance(11 * DAY_S);
    scene.person(5).await;
    scene.matches(6).await;
    for agency in ["police", "refuge"] {
        let node = consortium.node(agency).unwrap();
        assert_eq!(node.lines_begun(), 1, "{agency} lost its line");
        let status = node.status().unwrap();
        assert!(
            status.connected && status.health.state == "green",
            "{status:?}"
        );
    }
    let all = consortium.admin.certificates().await.unwrap();
    let of = |name: &str| all.iter().filter(|one| one.subject.ends_with(name)).count();
    assert_eq!((of("/police"), of("/refuge")), (2, 2));
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_certificate_ended_heals_by_a_fresh_invitation() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    scene.person(0).await;
    scene.matches(1).await;
    scene.consortium.settle().await.unwrap();
    scene.consortium.stop_node("police").await.unwrap();
    for _ in 0..2 {
        let before = until(&scene.consortium, "refuge");
        scene.consortium.clock.advance(21 * DAY_S);
        renewed(&scene.consortium, "refuge", &before).await;
    }
    scene.consortium.start_node("police").await.unwrap();
    let told = eventually("the node saying why it is shut out", async || {
        Ok(scene.consortium.node("police")?.status()?.connection_error)
    });
    let told = told.await.unwrap();
    assert!(
        told.contains("fresh invitation") && told.contains("clock it is"),
        "{told}"
    );
    let health = scene
        .consortium
        .node("police")
        .unwrap()
        .status()
        .unwrap()
        .health;
    assert!(
        health.state == "red" && health.reasons[0].contains("ended"),
        "{health:?}"
    );
    scene.consortium.stop_node("police").await.unwrap();

    let invite = async |consortium: &Consortium, name: &str| {
        let (kind, name) = (AgencyKind::Ngo, name.parse().unwrap());
        let invited = consortium.admin.invite(name, kind, "Anew", 3600, QUOTA);
        invited.await.unwrap().0
    };
    let other = invite(&scene.consortium, "council").await;
    let refused = scene.consortium.redeem("police", &other).await.unwrap_err();
    assert!(
        refused.to_string().contains("of another agency"),
        "{refused}"
    );
    let fresh = invite(&scene.consortium, "police").await;
    assert!(scene.consortium.redeem("police", &fresh).await.unwrap());
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let status = scene.consortium.node("police").unwrap().status().unwrap();
    assert_eq!((status.records, status.matches), (1, 1), "nothing was lost");
    assert_eq!(status.health.state, "green", "{status:?}");
    scene.person(1).await;
    scene.matches(2).await;
    scene.consortium.stop().await.unwrap();
}

/// Opens a stopped node with a clock of its own.
async fn open(consortium: &Consortium, agency: &str, days: i64) -> Arc<Node> {
    let clock = SharedClock::default();
    clock.advance(days * DAY_S);
    let state = consortium.places.node(agency);
    let config = NodeConfig::load(&state).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let opened = tokio::task::spawn_blocking(move || Node::open(&state, config, &unlock(), clock));
    opened.await.unwrap().unwrap()
}

async fn enrolled(base: &std::path::Path) -> Consortium {
    let mut consortium = Consortium::found(&base.join("state"), unlock)
        .await
        .unwrap();
    consortium
        .enrol("police", AgencyKind::Ngo, "Police")
        .await
        .unwrap();
    consortium.stop_node("police").await.unwrap();
    consortium
}

#[tokio::test(flavor = "multi_thread")]
async fn health_turns_red_before_anything_ends() {
    let directory = tempfile::tempdir().unwrap();
    let consortium = enrolled(directory.path()).await;
    let cases = [
        (0, "green", ""),
        (24, "green", ""),
        (26, "red", "the certificate of this node ends"),
        (31, "red", "the certificate of this node ended"),
        (310, "red", "the hub's issuing certificate ends"),
        (3600, "red", "the consortium's root certificate ends"),
        (-1, "red", "set the clock"),
    ];
    for (days, state, reason) in cases {
        let health = open(&consortium, "police", days)
            .await
            .status()
            .unwrap()
            .health;
        assert_eq!(health.state, state, "after {days} days: {health:?}");
        let told = health.reasons.join("\n");
        assert!(told.contains(reason), "after {days} days: {told}");
    }
    consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_keeps_a_node_out_and_both_times_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let consortium = enrolled(directory.path()).await;
    open(&consortium, "police", 0).await.hub().await.unwrap();
    // The node's clock.
    for days in [-1, 31] {
        let node = open(&consortium, "police", days).await;
        let Err(error) = node.hub().await else {
            panic!("let in with a clock that is {days} days off");
        };
        let told = error.to_string();
        assert!(
            told.contains("is good from") && told.contains("clock it is"),
            "{told}"
        );
    }
    // The hub's.
    for days in [-1, 31] {
        consortium.clock.advance(days * DAY_S);
        let node = open(&consortium, "police", 0).await;
        eventually("the refusal", async || {
            let Err(error) = node.hub().await else {
                return Err("let in".into());
            };
            Ok(error
                .to_string()
                .contains("by the hub's clock")
                .then_some(()))
        })
        .await
        .unwrap();
        consortium.clock.advance(-days * DAY_S);
    }
    let node = open(&consortium, "police", 0).await;
    node.hub().await.unwrap();
    consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_learn_a_new_root_before_the_hub_moves_to_it() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let consortium = &scene.consortium;
    let (state, now) = (consortium.places.hub(), consortium.clock.as_ref());
    let now = || Clock::now(now);
    let root = scene.directory.path().join("root-2");
    ca::init(&root, &"demo".parse().unwrap(), &unlock(), now()).unwrap();
    let root_pem = std::fs::read_to_string(root.join("root.pem")).unwrap();
    ca::trust_root(&state, &root_pem).unwrap();
    consortium
        .hub()
        .unwrap()
        .reload_certificates()
        .await
        .unwrap();
    let before = until(consortium, "police");
    consortium.clock.advance(20 * DAY_S + 60);
    for name in ["police", "refuge"] {
        renewed(consortium, name, &before).await;
    }
    let request = ca::new_issuer(&state).unwrap();
    let signed = ca::sign_issuer(&root, &unlock(), &request, 365, now()).unwrap();
    ca::install_issuer(&state, &signed, now()).unwrap();
    consortium
        .hub()
        .unwrap()
        .reload_certificates()
        .await
        .unwrap();
    // From now on the hub shows a certificate by the new root: nodes that start anew know it.
    for name in ["police", "refuge"] {
        scene.consortium.stop_node(name).await.unwrap();
        scene.consortium.start_node(name).await.unwrap();
    }
    scene.consortium.everybody_attends().await.unwrap();
    scene.person(0).await;
    scene.matches(1).await;
    scene.consortium.stop().await.unwrap();
}
