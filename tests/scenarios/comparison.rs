//! Private comparison between real nodes: counts as in clear, through restarts, absence and budgets, with
//! envelopes of one size.

use std::collections::BTreeMap;

use symbolon_core::linkage::comparison::{counts_in_clear, field_sets_within};
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::linkage::score::Tier;
use symbolon_core::row::Handle;
use symbolon_hub::store::Item;
use symbolon_node::config;
use symbolon_node::tables::{MatchKey, StoredMatch, Tables};
use symbolon_node::vault::Vault;
use symbolon_tests::consortium::eventually;
use symbolon_tests::demo::sources;

use crate::support::{Scene, scene, set_up, silent, unlock};

pub const HEADER: &str = "record_id,given_names,surname,date_of_birth,town,phone\n";
/// The same telephone and little else: keys leave it open.
pub const AT_POLICE: &str = "P1,Ana Elena,Popescu,2009-03-04,Leeds,07700 900123\n";
pub const AT_REFUGE: &str = "R1,Irina,Vasilescu,2009-03-25,Bradford,07700 900123\n";

/// Files of one agency after another, by record id.
fn records_of(text: &str) -> BTreeMap<String, Record> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.csv");
    std::fs::write(&path, text).unwrap();
    sources::records(&path).unwrap().into_iter().collect()
}

fn in_clear(one: &Record, other: &Record) -> Vec<u16> {
    let schema = Schema::default_schema();
    // Every register here is of the smallest size that is told apart.
    let sets = |record| field_sets_within(schema, record, Some(1));
    counts_in_clear(&sets(one), &sets(other))
}

/// The counts of the only pair at an agency, if there is one that keys leave open.
fn counts(scene: &Scene, agency: &str) -> Option<Vec<u16>> {
    let compared = scene.consortium.node(agency).unwrap().compared().unwrap();
    compared.into_iter().next().and_then(|(_, counts)| counts)
}

/// What an agency's log of comparisons says, in order.
pub fn log(scene: &Scene, agency: &str) -> Vec<String> {
    let node = scene.consortium.node(agency).unwrap();
    let lines = node.comparison_log().unwrap();
    lines.into_iter().map(|line| line.what).collect()
}

async fn logged(scene: &Scene, agency: &str, expected: &[&str]) {
    eventually("a comparison going on", async || {
        Ok((log(scene, agency) == expected).then_some(()))
    })
    .await
    .unwrap();
    // The log is written before the letter.
    scene.consortium.node(agency).unwrap().at_rest().await;
}

/// Letters of an agency that are still in its outbox.
async fn outbox_empty(scene: &Scene, agency: &str) {
    eventually("the outbox being empty", async || {
        Ok((scene.consortium.node(agency)?.letters_waiting()? == 0).then_some(()))
    })
    .await
    .unwrap();
}

/// Stops a node and sets what it compares with one agency in a day.
pub async fn set_budget(scene: &mut Scene, agency: &str, daily: u32) {
    scene.consortium.stop_node(agency).await.unwrap();
    let settings =
        format!("[tokenising]\nbatch_interval_ms = 0\n[comparison]\ndaily_budget = {daily}\n");
    let state = scene.consortium.places.node(agency);
    std::fs::write(state.join(config::FILE_NAME), settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn real_nodes_count_exactly_what_is_counted_in_clear() {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    let files = scene.sample(5, 120);
    let mut records = BTreeMap::new();
    for source in &files {
        scene.import(&source.name, &source.file).await;
        let of_agency = sources::records(&source.file).unwrap().into_iter();
        records.extend(of_agency.map(|(id, record)| ((source.name.clone(), id), record)));
    }
    scene.consortium.settle().await.unwrap();
    let mut owners = BTreeMap::new();
    for name in scene.consortium.names() {
        let references = scene.consortium.node(&name).unwrap().references().unwrap();
        owners.extend(
            references
                .into_iter()
                .map(|(r, id)| ((name.clone(), r), id)),
        );
    }
    let mut compared = 0;
    for name in scene.consortium.names() {
        for (key, counts) in scene.consortium.node(&name).unwrap().compared().unwrap() {
            let other = key.agency.to_string();
            let other_id = owners[&(other.clone(), key.reference)].clone();
            let own = &records[&(name.clone(), key.record_id.clone())];
            let clear = in_clear(own, &records[&(other, other_id)]);
            assert_eq!(counts, Some(clear), "{name}: {key:?}");
            compared += 1;
        }
    }
    assert!(
        compared >= 6,
        "the sample has pairs that keys leave open: {compared}"
    );
    scene.assert_equal_to_oracle(&files);
    for name in scene.consortium.names() {
        let status = scene.consortium.node(&name).unwrap().status().unwrap();
        assert_eq!(status.comparisons.waiting, 0);
        assert!(status.comparisons.refusals.is_empty(), "{status:?}");
    }
    scene.consortium.stop().await.unwrap();
}

/// A pair that both know; the second side does not answer yet.
async fn asked(scene: &mut Scene) {
    set_budget(scene, "refuge", 0).await;
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    let refuge = scene.file("refuge.csv", &format!("{HEADER}{AT_REFUGE}"));
    let police = scene.file("police.csv", &format!("{HEADER}{AT_POLICE}"));
    scene.import("refuge", &refuge).await;
    scene.import("police", &police).await;
    logged(scene, "police", &["asked"]).await;
    outbox_empty(scene, "police").await;
    eventually("the notice at the other side", async || {
        let found = scene.consortium.node("refuge")?.matches(None)?;
        Ok((!found.is_empty()).then_some(()))
    })
    .await
    .unwrap();
}

/// Lets one node run alone until its log of comparisons is this, and kills it.
async fn alone(scene: &mut Scene, agency: &str, log: &[&str]) {
    scene.consortium.start_node(agency).await.unwrap();
    logged(scene, agency, log).await;
    outbox_empty(scene, agency).await;
    eventually("all mail being taken over", async || {
        let store = scene.consortium.hub()?.matching.store.clone();
        let waiting = store.deliveries(&agency.parse()?, 0, 1)?;
        Ok(waiting.is_empty().then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.kill_node(agency).await.unwrap();
}

/// One pair is compared at both, nobody is blamed, and the log names the other and the own reference.
fn assert_done_and_logged(scene: &Scene) {
    for agency in ["police", "refuge"] {
        let status = scene.consortium.node(agency).unwrap().status().unwrap();
        assert_eq!(
            (status.comparisons.waiting, status.comparisons.done),
            (0, 1)
        );
        assert!(status.comparisons.refusals.is_empty(), "{status:?}");
        for line in scene
            .consortium
            .node(agency)
            .unwrap()
            .comparison_log()
            .unwrap()
        {
            assert_ne!(line.agency.as_str(), agency);
            let known = scene.consortium.node(agency).unwrap().references().unwrap();
            assert!(
                known.contains_key(&line.reference),
                "the own record's reference"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_survives_kills_between_all_messages_and_nodes_that_never_meet() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    asked(&mut scene).await;
    let view = scene
        .consortium
        .node("refuge")
        .unwrap()
        .matches(None)
        .unwrap();
    let comparison = view[0].comparison.clone().unwrap();
    assert_eq!(
        comparison.state, "waiting",
        "a shared telephone shows, compared or not"
    );
    let of_tier = |least| {
        let refuge = scene.consortium.node("refuge").unwrap();
        refuge.matches_from(None, least).unwrap().len()
    };
    assert_eq!((of_tier(Tier::Possible), of_tier(Tier::Strong)), (1, 0));
    let status = scene.consortium.node("refuge").unwrap().status().unwrap();
    assert_eq!(
        (status.comparisons.waiting, status.comparisons.done),
        (1, 0)
    );
    scene.consortium.kill_node("police").await.unwrap();
    set_budget(&mut scene, "refuge", 10).await;

    alone(&mut scene, "refuge", &["answered"]).await;
    alone(&mut scene, "refuge", &["answered"]).await;
    alone(&mut scene, "police", &["asked", "compared"]).await;
    alone(&mut scene, "police", &["asked", "compared"]).await;
    scene.consortium.start_node("refuge").await.unwrap();
    logged(&scene, "refuge", &["answered", "compared"]).await;
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.settle().await.unwrap();

    let one = records_of(&format!("{HEADER}{AT_POLICE}"));
    let other = records_of(&format!("{HEADER}{AT_REFUGE}"));
    let clear = Some(in_clear(&one["P1"], &other["R1"]));
    assert_eq!(counts(&scene, "police"), clear);
    assert_eq!(counts(&scene, "refuge"), clear);
    assert_done_and_logged(&scene);
    let view = scene
        .consortium
        .node("police")
        .unwrap()
        .matches(None)
        .unwrap();
    let comparison = view[0].comparison.clone().unwrap();
    assert_eq!(comparison.state, "done");
    let told = [
        "phone",
        "month and year of birth",
        "name differs",
        "place differs",
    ];
    assert_eq!(comparison.fields, told);
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_record_is_compared_anew_and_a_withdrawn_one_no_more() {
    let scene = scene(&["police", "refuge"], 2).await;
    for (agency, row) in [("police", AT_POLICE), ("refuge", AT_REFUGE)] {
        let file = scene.file(&format!("{agency}.csv"), &format!("{HEADER}{row}"));
        scene.import(agency, &file).await;
    }
    scene.consortium.settle().await.unwrap();
    let before = counts(&scene, "police");
    assert!(before.is_some() && before == counts(&scene, "refuge"));
    // Importing the same again begins nothing.
    let same = scene.file("same.csv", &format!("{HEADER}{AT_REFUGE}"));
    scene.import("refuge", &same).await;
    scene.consortium.settle().await.unwrap();
    assert_eq!(log(&scene, "refuge"), ["answered", "compared"]);
    // Each side corrects its record once; the pair is compared again by what the records say now.
    let corrected = AT_REFUGE.replace("2009-03-25", "2009-03-14");
    let file = scene.file("refuge.csv", &format!("{HEADER}{corrected}"));
    scene.import("refuge", &file).await;
    scene.consortium.settle().await.unwrap();
    let one = records_of(&format!("{HEADER}{AT_POLICE}"));
    let other = records_of(&format!("{HEADER}{corrected}"));
    let clear = Some(in_clear(&one["P1"], &other["R1"]));
    assert_ne!(clear, before);
    assert_eq!(
        (counts(&scene, "police"), counts(&scene, "refuge")),
        (clear.clone(), clear)
    );
    let moved = AT_POLICE.replace("Leeds", "Bradford");
    let file = scene.file("police.csv", &format!("{HEADER}{moved}"));
    scene.import("police", &file).await;
    scene.consortium.settle().await.unwrap();
    let one = records_of(&format!("{HEADER}{moved}"));
    let clear = Some(in_clear(&one["P1"], &other["R1"]));
    assert_eq!(
        (counts(&scene, "police"), counts(&scene, "refuge")),
        (clear.clone(), clear)
    );
    let ask_and_count = ["asked", "compared"].repeat(3);
    assert_eq!(
        log(&scene, "police"),
        ask_and_count,
        "one run for each version"
    );

    let police = scene.consortium.node("police").unwrap();
    police
        .withdraw(&set_up(), &["P1".to_owned()], &silent())
        .await
        .unwrap();
    eventually("the pair ending on both sides", async || {
        let mut left = 0;
        for agency in scene.consortium.names() {
            left += scene.consortium.node(&agency)?.compared()?.len();
        }
        Ok((left == 0).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.settle().await.unwrap();
    for agency in ["police", "refuge"] {
        let status = scene.consortium.node(agency).unwrap().status().unwrap();
        assert_eq!(status.comparisons, Default::default(), "{agency}");
    }
    scene.consortium.stop().await.unwrap();
}

/// Waits until an agency has compared so many pairs.
pub async fn compared_are(scene: &Scene, agency: &str, pairs: u64) {
    eventually("as many comparisons as the budget allows", async || {
        let report = scene.consortium.node(agency)?.status()?.comparisons;
        Ok((report.done == pairs).then_some(()))
    })
    .await
    .unwrap();
}

/// Sizes of the envelopes that wait for an agency.
fn sizes_waiting(scene: &Scene, agency: &str) -> Vec<usize> {
    let store = scene.consortium.hub().unwrap().matching.store.clone();
    let waiting = store
        .deliveries(&agency.parse().unwrap(), 0, 10_000)
        .unwrap();
    let envelopes = waiting.into_iter().filter_map(|(_, item)| match item {
        Item::Envelope(envelope) => Some(envelope.sealed.len()),
        _ => None,
    });
    envelopes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_envelopes_have_one_size_whatever_the_records_hold() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    // One pair with next to nothing, one with everything: both are only asked about, at first.
    set_budget(&mut scene, "police", 0).await;
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    for (agency, row) in [("police", AT_POLICE), ("refuge", AT_REFUGE)] {
        let full = row
            .replace("Popescu", "Maximiliana Wilhelmina Theodora Popescu")
            .replace("Vasilescu", "Jurgenschmidt Bergerdorff Kowalczyk Vasilescu");
        let bare = "B1,,,,,07700 900456";
        let text = format!("{HEADER}{full}{bare}\n");
        let file = scene.file(&format!("{agency}.csv"), &text);
        scene.import(agency, &file).await;
    }
    eventually("both knowing both pairs", async || {
        let mut known = 0;
        for agency in scene.consortium.names() {
            known += scene.consortium.node(&agency)?.compared()?.len();
        }
        Ok((known == 4).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.stop_node("refuge").await.unwrap();
    set_budget(&mut scene, "police", 10).await;
    let mut sizes = Vec::new();
    for (agency, other, log) in [
        ("police", "refuge", &["asked", "asked"][..]),
        ("refuge", "police", &["answered", "answered"]),
        (
            "police",
            "refuge",
            &["asked", "asked", "compared", "compared"],
        ),
    ] {
        alone(&mut scene, agency, log).await;
        let envelopes = sizes_waiting(&scene, other);
        assert_eq!(envelopes.len(), 2, "{agency}: {log:?}");
        sizes.extend(envelopes);
    }
    // The bucket of 16 KiB, the encapsulated key, the tag.
    assert_eq!(sizes, [(16 << 10) + 1120 + 16; 6]);
    // Control: the hub does tell other letters from these, by their size.
    assert_ne!(sizes[0], (1 << 10) + 1120 + 16);
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.start_node("police").await.unwrap();
    scene.consortium.settle().await.unwrap();
    compared_are(&scene, "refuge", 2).await;
    scene.consortium.stop().await.unwrap();
}

/// The ask comes before the notice: it waits, and is answered when the pair is known.
#[tokio::test(flavor = "multi_thread")]
async fn the_asked_side_may_hear_of_the_pair_after_the_ask() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    asked(&mut scene).await;
    // The second side forgets the evidence, as if the notice were still on its way.
    set_budget(&mut scene, "refuge", 10).await;
    let forgotten = evidence(&scene, None);
    scene.consortium.start_node("refuge").await.unwrap();
    eventually("the node being back", async || {
        Ok(scene
            .consortium
            .node("refuge")?
            .status()?
            .connected
            .then_some(()))
    })
    .await
    .unwrap();
    assert!(
        log(&scene, "refuge").is_empty(),
        "nothing is answered without evidence"
    );
    scene.consortium.stop_node("refuge").await.unwrap();
    evidence(&scene, Some(forgotten));
    scene.consortium.start_node("refuge").await.unwrap();
    scene.consortium.settle().await.unwrap();
    logged(&scene, "refuge", &["answered", "compared"]).await;
    assert!(counts(&scene, "police").is_some());
    scene.consortium.stop().await.unwrap();
}

type Evidence = (
    Vec<((Handle, Handle), MatchKey)>,
    Vec<(MatchKey, StoredMatch)>,
);

/// Takes evidence and matches out of the vault of refuge's stopped node, or puts them back.
fn evidence(scene: &Scene, put_back: Option<Evidence>) -> Evidence {
    let vault = Vault::open(&scene.consortium.places.node("refuge"), &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let evidence: Vec<_> = tables.evidence.iter().map(Result::unwrap).collect();
    let matches: Vec<_> = tables.matches.iter().map(Result::unwrap).collect();
    for (pair, key) in &evidence {
        tables.evidence.remove(pair).unwrap();
        tables.matches.remove(key).unwrap();
    }
    if let Some((evidence, matches)) = put_back {
        for (pair, key) in &evidence {
            tables.evidence.put(pair, key).unwrap();
            tables.comparison_due.put(key, &0).unwrap();
        }
        for (key, found) in &matches {
            tables.matches.put(key, found).unwrap();
        }
    }
    vault.flush().unwrap();
    (evidence, matches)
}
