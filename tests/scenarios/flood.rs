//! An honest node beside clients that wish the hub ill: it gets its answers, and they are thrown out.
//!
//! Nothing is said of time here; `flood` (in `tests/src/bin`) looks at the clock.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use symbolon_core::identity::AgencyKind;
use symbolon_tests::consortium::eventually;
use symbolon_tests::flood::{Flood, Frames, Target};

use crate::ending::import;
use crate::metrics::{get, value};
use crate::support::{AGREEMENT, Scene, scene, unlock};

const ROW: &str =
    "record_id,given_names,surname,date_of_birth\nA1,Zebedeequill,Quistorpvane,2007-09-23\n";
const SLOW: usize = 50;

/// Few places, so that few clients fill them.
const FEW_PLACES: &str = "max_handshakes = 16\nmax_handshakes_per_address = 8\nkeepalive_s = 1\nmax_connections_per_member = 4\n";
const FEW_CALLS: &str = "requests_per_s = 50\nrequests_burst = 20\n";
const RATE: &str = "symbolon_hub_refusals_total{reason=\"Rate\"}";

/// Starts the hub again with these limits, and metrics.
async fn limit(scene: &mut Scene, limits: &str) {
    scene.consortium.stop_hub().await.unwrap();
    let file = scene.consortium.places.hub().join("hub.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let (before, _) = settings.split_once("[limits]").unwrap();
    let settings = format!("metrics_listen = \"127.0.0.1:0\"\n{before}\n[limits]\n{limits}");
    std::fs::write(&file, settings).unwrap();
    scene.consortium.start_hub().await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
}

async fn asks_and_is_answered(scene: &Scene) {
    let person = [
        ("given_names", "Zebedeequill"),
        ("surname", "Quistorpvane"),
        ("date_of_birth", "2007-09-23"),
    ];
    let person = person.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let police = scene.consortium.node("police").unwrap();
    let answer = police.query(&BTreeMap::from(person), Some(AGREEMENT)).await;
    assert_eq!(answer.unwrap().matches.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_node_is_answered_beside_a_flood() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let kind = AgencyKind::Ngo;
    let places = scene.consortium.places.clone();
    scene
        .consortium
        .enrol("mallory", kind, "Mallory")
        .await
        .unwrap();
    scene.consortium.stop_node("mallory").await.unwrap();
    limit(&mut scene, FEW_PLACES).await;
    import(&scene, "refuge", ROW).await;
    scene.consortium.settle().await.unwrap();
    asks_and_is_answered(&scene).await;

    let hub = scene.consortium.hub().unwrap();
    let (addresses, metrics) = ((hub.listen, hub.enrolment), hub.metrics.unwrap());
    let target = Target::new(addresses, &places.node("mallory"), &unlock()).unwrap();
    let flood = Flood::start(&target, SLOW, &Frames::ALL);
    eventually("the flood", async || {
        let text = get(metrics, "/metrics").await;
        let displaced = "symbolon_hub_refusals_total{reason=\"Displaced\"}";
        let begun = text.contains(displaced) && value(&text, displaced) > 0.0;
        let floods = flood.tally.sent.load(Ordering::Relaxed) > 1 << 20;
        let thrown_out = flood.tally.closed.load(Ordering::Relaxed) > SLOW as u64;
        Ok((begun && floods && thrown_out).then_some(()))
    })
    .await
    .unwrap();
    for _ in 0..20 {
        asks_and_is_answered(&scene).await;
    }
    // Those whom nobody knows yet come in as well.
    scene
        .consortium
        .enrol("council", kind, "Council")
        .await
        .unwrap();
    let tally = flood.stop().await;
    let slow = tally.slow.load(Ordering::Relaxed);
    assert_eq!(slow, 0, "{tally:?}");
    asks_and_is_answered(&scene).await;
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_calls_too_fast_waits_and_loses_nothing() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    limit(&mut scene, FEW_CALLS).await;
    let metrics = scene.consortium.hub().unwrap().metrics.unwrap();
    import(&scene, "refuge", ROW).await;
    scene.consortium.settle().await.unwrap();
    let lines = scene.consortium.node("police").unwrap().lines_begun();
    // Three calls each, of which the hub takes twenty at once.
    for _ in 0..20 {
        asks_and_is_answered(&scene).await;
    }
    let refused = value(&get(metrics, "/metrics").await, RATE);
    assert!(refused > 0.0);
    let police = scene.consortium.node("police").unwrap();
    assert_eq!(police.lines_begun(), lines, "the line was lost");
    scene.consortium.stop().await.unwrap();
}
