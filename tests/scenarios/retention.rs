//! Retention: records end by their class, rows by their agreement, nothing under a legal hold.

use symbolon_node::casework::{EndingCommand, RetentionLine};
use symbolon_node::clock::{self, Clock};
use symbolon_node::command::ImportOptions;
use symbolon_node::config;

use crate::ending::{GIRL, done, erase_refused, import, queue, receipt, wait};
use crate::support::{Scene, scene, set_up, silent};

const DAY_S: i64 = 86_400;
const MEMBERS: [&str; 2] = ["police", "refuge"];

/// Gives the refuge a class of retention.
async fn set_class(scene: &mut Scene, class: &str) {
    scene.consortium.stop_node("refuge").await.unwrap();
    let place = scene.consortium.places.node("refuge");
    let file = place.join(config::FILE_NAME);
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{settings}{class}")).unwrap();
    scene.consortium.start_node("refuge").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_runs_by_itself_and_never_under_a_legal_hold() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    set_class(
        &mut scene,
        "[retention.short]\nreview_after_days = 5\nexpires_after_days = 10\n",
    )
    .await;
    import(&scene, "police", GIRL).await;
    let more = format!(
        "{GIRL}A2,Ada,Osei,1991-07-02,\nA3,Ana,Popescu,2001-02-03,\nA4,Eva,Ruiz,1999-01-09,\n"
    );
    import(&scene, "refuge", &more).await;
    let id = |id: &str| id.to_owned();
    for record in ["A1", "A2", "A3"] {
        let (record_id, class) = (id(record), "short".parse().unwrap());
        let line: RetentionLine =
            done(&scene, "refuge", EndingCommand::Class { record_id, class }).await;
        assert_eq!(line.state.to_string(), "kept");
    }
    let hold = |held| EndingCommand::Hold {
        record_id: "A2".to_owned(),
        held,
    };
    let _: RetentionLine = done(&scene, "refuge", hold(true)).await;
    scene.consortium.settle().await.unwrap();

    scene.consortium.clock.advance(6 * DAY_S);
    let lines: Vec<RetentionLine> = done(&scene, "refuge", EndingCommand::Retention).await;
    assert!(
        lines
            .iter()
            .all(|line| line.state.to_string() == "review due")
    );
    let now = Clock::now(scene.consortium.clock.as_ref());
    let keep = EndingCommand::Keep {
        record_id: id("A3"),
        until: now + 30 * DAY_S,
    };
    let kept: RetentionLine = done(&scene, "refuge", keep).await;
    assert_eq!(kept.state.to_string(), "kept");

    scene.consortium.clock.advance(5 * DAY_S);
    let refuge = scene.consortium.node("refuge").unwrap();
    wait("the first ending by itself", async || {
        Ok(refuge.records(Some("A1")).is_err().then_some(()))
    })
    .await;
    for stays in ["A2", "A3", "A4"] {
        assert!(refuge.records(Some(stays)).is_ok(), "{stays}");
    }
    assert_eq!(
        receipt(&scene, "refuge", "A1").await.tombstones[0].reason,
        "retention"
    );
    wait("the match ending at the police", async || {
        Ok(queue(&scene, "police").is_empty().then_some(()))
    })
    .await;

    // Held: by no way at all.
    let report = erase_refused(&scene, "refuge", "A2").await;
    assert_eq!(report.held, ["A2"]);
    let report = refuge
        .withdraw(&set_up(), &["A2".to_owned()], &silent())
        .await
        .unwrap();
    assert_eq!((report.held.len(), report.records.len()), (1, 0));
    let _: RetentionLine = done(&scene, "refuge", hold(false)).await;
    scene.consortium.clock.advance(3601);
    wait("it ending when the hold is lifted", async || {
        Ok(refuge.records(Some("A2")).is_err().then_some(()))
    })
    .await;
    scene.consortium.stop().await.unwrap();
}

/// An agreement under which rows lie at the hub for a month.
async fn agree_for_a_month(scene: &Scene) {
    let mut document = scene.consortium.document("short", &MEMBERS).unwrap();
    document.retention_months = 1;
    scene
        .consortium
        .admin
        .propose_agreement(&document)
        .await
        .unwrap();
    for member in MEMBERS {
        scene
            .consortium
            .node(member)
            .unwrap()
            .accept("short", &[])
            .await
            .unwrap();
    }
    wait("the agreement", async || {
        let mut ready = true;
        for member in MEMBERS {
            let mut views = scene.consortium.node(member)?.agreement_views().into_iter();
            ready &= views.any(|a| a.id == "short" && a.standing == "in force");
        }
        Ok(ready.then_some(()))
    })
    .await;
}

/// Lets months go by, with certificates that are renewed on the way.
async fn months_go_by(scene: &mut Scene) {
    // A certificate lasts 30 days and is renewed from the 20th on.
    for _ in 0..6 {
        scene.consortium.clock.advance(12 * DAY_S);
        // The hub sweeps at its start.
        scene.consortium.stop_hub().await.unwrap();
        scene.consortium.start_hub().await.unwrap();
        wait("certificates that last", async || {
            let now = Clock::now(scene.consortium.clock.as_ref());
            let lasting = clock::rfc3339(now + 13 * DAY_S);
            let mut ready = true;
            for member in MEMBERS {
                let status = scene.consortium.node(member)?.status()?;
                ready &= status.connected && status.certificate_expires > lasting;
            }
            Ok(ready.then_some(()))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_ended_by_agreement_come_back_only_within_an_own_retention() {
    let mut scene = scene(&MEMBERS, 2).await;
    set_class(
        &mut scene,
        "[retention.long]\nreview_after_days = 300\nexpires_after_days = 400\n",
    )
    .await;
    agree_for_a_month(&scene).await;
    let options = ImportOptions {
        file: scene.file("two.csv", &format!("{GIRL}A2,Ada,Osei,1991-07-02,\n")),
        agreements: Some(vec!["short".to_owned()]),
        ..Default::default()
    };
    let refuge = scene.consortium.node("refuge").unwrap();
    let report = refuge.import(&set_up(), &options, &silent()).await.unwrap();
    assert!(report.rows_registered > 0 && report.waiting == 0);
    let (record_id, class) = ("A2".to_owned(), "long".parse().unwrap());
    let _: RetentionLine = done(&scene, "refuge", EndingCommand::Class { record_id, class }).await;
    let rows = |scene: &Scene, id: &str| {
        let refuge = scene.consortium.node("refuge").unwrap();
        refuge.records(Some(id)).unwrap()[0].rows
    };
    assert!(rows(&scene, "A1") > 0 && rows(&scene, "A2") > 0);

    months_go_by(&mut scene).await;
    wait(
        "the rows of one ending, those of the other being made anew",
        async || {
            let waiting = scene.consortium.node("refuge")?.status()?.waiting;
            let ended = rows(&scene, "A1") == 0 && rows(&scene, "A2") > 0;
            Ok((ended && waiting == 0).then_some(()))
        },
    )
    .await;
    // What the hub holds is what the node knows, and a new connection changes nothing.
    scene.consortium.stop_node("refuge").await.unwrap();
    scene.consortium.start_node("refuge").await.unwrap();
    wait("the refuge being back", async || {
        let status = scene.consortium.node("refuge")?.status()?;
        Ok((status.connected && status.waiting == 0).then_some(()))
    })
    .await;
    assert_eq!(scene.consortium.node("refuge").unwrap().lost_rows(), 0);
    assert!(rows(&scene, "A1") == 0 && rows(&scene, "A2") > 0);
    let lines: Vec<RetentionLine> = done(&scene, "refuge", EndingCommand::Retention).await;
    let over: Vec<&str> = lines
        .iter()
        .filter(|line| line.over_under == ["short"])
        .map(|line| line.record_id.as_str())
        .collect();
    assert_eq!(over, ["A1"]);
    // A person who keeps it shares it again.
    let now = Clock::now(scene.consortium.clock.as_ref());
    let keep = EndingCommand::Keep {
        record_id: "A1".to_owned(),
        until: now + 90 * DAY_S,
    };
    let kept: RetentionLine = done(&scene, "refuge", keep).await;
    assert!(kept.over_under.is_empty());
    assert!(rows(&scene, "A1") > 0);
    scene.consortium.stop().await.unwrap();
}
