//! A refusal in a comparison ends the run that it names, and nothing else.

use serde_json::json;
use symbolon_core::encoding::Digest;
use symbolon_node::config;
use symbolon_tests::consortium::eventually;

use crate::comparison_lies::{base64, lines, read_vault, take_over};
use crate::support::{Scene, scene};

/// Every count of a victim's report on comparisons: waiting, done, refused, declined.
fn standing(scene: &Scene, victim: &str) -> (u64, u64, u64, u64) {
    let status = scene.consortium.node(victim).unwrap().status().unwrap();
    let report = status.comparisons;
    assert!(report.refusals.is_empty(), "{report:?}");
    (report.waiting, report.done, report.refused, report.declined)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_the_run_that_it_names_and_nothing_else() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    let second = take_over(&mut scene, "refuge", "police", 3).await;
    scene.consortium.stop_node("council").await.unwrap();
    let stranger = read_vault(&scene, "council").await;
    let refusal =
        |pair: usize, run: Digest| second.letter(pair, json!({ "step": "refused", "run": run }));
    let runs = [1, 2, 3].map(|pair| second.answer(pair).0);

    // Forged by an agency that is no side of the pair; of another pair's run; of a run that never was.
    stranger.send("police", &refusal(1, runs[0])).await;
    second.send("police", &refusal(1, runs[1])).await;
    second.send("police", &refusal(1, Digest([7; 32]))).await;
    // Control, which is read after these: of the pair's own run, twice.
    second.send("police", &refusal(3, runs[2])).await;
    second.send("police", &refusal(3, runs[2])).await;
    eventually("the refusal being taken in", async || {
        Ok((lines(&scene, "police", "declined") == 1).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(standing(&scene, "police"), (2, 0, 0, 1));

    // The others go on as if nothing had been said, and no letter answered a refusal.
    let mut after = 0;
    for pair in [1, 2] {
        let (run, _, points) = second.answer(pair);
        let step = json!({
            "step": "answer", "run": run, "version": 1, "points": base64(&points),
        });
        second.send("police", &second.letter(pair, step)).await;
        let (letter, _) = second.receive(&mut after).await;
        assert_eq!(letter["step"]["step"], "close");
    }
    assert_eq!(standing(&scene, "police"), (0, 2, 0, 1));
    let views = scene.consortium.node("police").unwrap();
    let views = views.matches(Some("X3")).unwrap();
    assert_eq!(views[0].comparison.as_ref().unwrap().state, "declined");

    // It is not asked about again, however long one waits, until a record changes.
    scene.consortium.clock.advance(3 * 86_400);
    let changed = "record_id,given_names,phone\nX3,Joanna,07700 900103\n";
    let file = scene.file("changed.csv", changed);
    scene.import("police", &file).await;
    let (letter, _) = second.receive(&mut after).await;
    let step = &letter["step"];
    assert_eq!(
        (&step["step"], &step["version"]),
        (&json!("ask"), &json!(2))
    );
    assert_eq!(letter["other"], json!(second.pairs[&3].own));
    assert_eq!(standing(&scene, "police"), (1, 2, 0, 0));
    drop((second, stranger));
    scene.consortium.stop().await.unwrap();
}

/// Stops a node and sets how often it compares a pair.
async fn set_runs(scene: &mut Scene, agency: &str, runs: u32) {
    scene.consortium.stop_node(agency).await.unwrap();
    let settings =
        format!("[tokenising]\nbatch_interval_ms = 0\n[comparison]\nruns_per_pair = {runs}\n");
    let state = scene.consortium.places.node(agency);
    std::fs::write(state.join(config::FILE_NAME), settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_asker_hears_that_it_was_refused() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    // Here a pair is compared once; the police would do so four times.
    set_runs(&mut scene, "refuge", 1).await;
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let header = "record_id,given_names,phone\n";
    for (agency, name) in [("police", "Ana"), ("refuge", "Anna")] {
        let text = format!("{header}X1,{name},07700 900101\n");
        let file = scene.file(&format!("{agency}.csv"), &text);
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await.unwrap();
    assert_eq!(standing(&scene, "police"), (0, 1, 0, 0));

    let file = scene.file("police.csv", &format!("{header}X1,Joanna,07700 900101\n"));
    scene.import("police", &file).await;
    eventually("the asker hearing of it", async || {
        Ok((lines(&scene, "police", "declined") == 1).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.settle().await.unwrap();
    assert_eq!(standing(&scene, "police"), (0, 0, 0, 1));
    let police = scene.consortium.node("police").unwrap();
    let said = police.comparison_lines(Some("X1")).unwrap();
    let said: Vec<&str> = said.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(said, ["asked", "compared", "asked", "declined"]);
    // The reason stands at the one who refused.
    let status = scene.consortium.node("refuge").unwrap().status().unwrap();
    let refusal = &status.comparisons.refusals[0];
    assert!(refusal.reason.contains("more runs than an epoch allows"));
    scene.consortium.stop().await.unwrap();
}
