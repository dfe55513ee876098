//! Mixing: a few rows wait for others, so that the hub does not see which come from one record.

use std::time::Duration;

use symbolon_hub::log::Event;

use crate::support::{Scene, scene};

const HEADER: &str = "record_id,given_names,surname,date_of_birth,risk\n";

#[tokio::test(flavor = "multi_thread")]
async fn small_imports_within_the_interval_go_to_the_hub_together() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    // Control: without an interval an import's rows go at once, by themselves.
    for (number, name) in [("1", "first.csv"), ("2", "second.csv")] {
        let person = format!("{HEADER}C{number},Ada,Osei,1991-07-0{number},\n");
        let file = scene.file(name, &person);
        assert!(scene.import("police", &file).await.rows_registered > 0);
    }
    assert_eq!(submissions(&scene), 2);

    // The last of them may take as long as it likes to come in: it is awaited below.
    wait_for_others(&mut scene, Duration::from_millis(1500)).await;
    import_two(&scene).await;
    assert_eq!(submissions(&scene), 3, "both in one submission");

    // A record of high risk does not wait, however long the interval.
    wait_for_others(&mut scene, Duration::from_secs(3600)).await;
    let file = scene.file(
        "high.csv",
        &format!("{HEADER}D1,Mai,Tran,2010-05-04,high\n"),
    );
    assert!(scene.import("police", &file).await.rows_registered > 0);
    assert_eq!(submissions(&scene), 4);
    scene.consortium.stop().await.unwrap();
}

/// Two imports of one record each at the same time; each says that its own rows are there.
async fn import_two(scene: &Scene) {
    let one = scene.file("one.csv", &format!("{HEADER}A1,Linh,Nguyen,2008-03-14,\n"));
    let other = scene.file(
        "other.csv",
        &format!("{HEADER}B1,Ana,Popescu,2009-02-03,\n"),
    );
    let (one, other) = tokio::join!(scene.import("police", &one), scene.import("police", &other));
    for report in [one, other] {
        assert!(
            report.rows_registered > 0 && report.waiting == 0,
            "{report:?}"
        );
    }
}

async fn wait_for_others(scene: &mut Scene, interval: Duration) {
    scene.consortium.stop_node("police").await.unwrap();
    let toml = format!(
        "[tokenising]\nbatch_interval_ms = {}\n",
        interval.as_millis()
    );
    let state = scene.consortium.places.node("police");
    std::fs::write(state.join("node.toml"), toml).unwrap();
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
}

fn submissions(scene: &Scene) -> usize {
    let store = scene.consortium.hub().unwrap().matching.store.clone();
    let entries = store.log_entries(0, 10_000).unwrap();
    let submitted = entries
        .iter()
        .filter(|entry| entry.event == Event::Submission);
    submitted.count()
}
