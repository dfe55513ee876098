//! Ending and silence between real nodes: who is told what when a record is silent, erased, over or no
//! longer consented to, and what is left of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use symbolon_casework::dossier::{Consent, Dossier, Level};
use symbolon_casework::tombstone::{ReasonClass, SharedAs, Signed, Tombstone};
use symbolon_core::crypto::{SecretKey, SigningKey};
use symbolon_core::payload::RecordReference;
use symbolon_node::casework::command::{CaseworkCommand, Claim, EndingCommand};
use symbolon_node::casework::{Checked, ErasureReceipt, ReceivedTombstoneView, RetentionLine};
use symbolon_node::command::{Command, Request};
use symbolon_node::control::CommandHandler as _;
use symbolon_node::handler::Commands;
use symbolon_node::reports::{MatchView, WithdrawReport};
use symbolon_node::tables::{KeyTag, Secret, StoredEnvelope, Tables};
use symbolon_node::vault::Vault;
use symbolon_tests::consortium::{Failure, eventually};

use crate::canaries::PLANTED;
use crate::support::{Scene, scene, silent, unlock};

pub const GIRL: &str =
    "record_id,given_names,surname,date_of_birth,phone\nA1,Linh,Nguyen,2008-03-14,07700 900321\n";
/// The same telephone and little else: keys leave it open, and open records are compared.
const LITTLE: &str =
    "record_id,given_names,surname,date_of_birth,phone\nB1,Irina,Popa,2009-03-25,07700 900123\n";
const LITTLE_TOO: &str =
    "record_id,given_names,surname,date_of_birth,phone\nB1,Ana,Ionescu,2009-03-04,07700 900123\n";

pub async fn asked(scene: &Scene, agency: &str, command: EndingCommand) -> Result<Value, String> {
    let node = Arc::clone(scene.consortium.node(agency).unwrap());
    let request = Request {
        by: Claim {
            purpose: None,
            reason: Some("asked for in the test".parse().unwrap()),
            ..Claim::default()
        },
        command: Command::Casework(CaseworkCommand::Ending(command)),
    };
    let commands = Commands(node);
    let answer = commands.handle(request, silent()).await;
    answer.map_err(|error| error.to_string())
}

pub async fn done<T: DeserializeOwned>(scene: &Scene, agency: &str, command: EndingCommand) -> T {
    serde_json::from_value(asked(scene, agency, command).await.unwrap()).unwrap()
}

async fn set_level(scene: &Scene, agency: &str, id: &str, level: Level) {
    let record_id = id.to_owned();
    let _: RetentionLine = done(scene, agency, EndingCommand::Level { record_id, level }).await;
}

pub async fn receipt(scene: &Scene, agency: &str, id: &str) -> ErasureReceipt {
    let record_id = id.to_owned();
    done(scene, agency, EndingCommand::Receipt { record_id }).await
}

async fn received(scene: &Scene, agency: &str) -> Vec<ReceivedTombstoneView> {
    done(scene, agency, EndingCommand::Received).await
}

async fn erase(scene: &Scene, agency: &str, id: &str) -> WithdrawReport {
    let command = EndingCommand::Erase {
        record_ids: vec![id.to_owned()],
        class: ReasonClass::Request,
    };
    done(scene, agency, command).await
}

pub fn queue(scene: &Scene, agency: &str) -> Vec<MatchView> {
    scene
        .consortium
        .node(agency)
        .unwrap()
        .matches(None)
        .unwrap()
}

pub async fn wait<T>(what: &str, condition: impl AsyncFnMut() -> Result<Option<T>, Failure>) -> T {
    eventually(what, condition).await.unwrap()
}

fn person(given: &str, surname: &str, date: &str) -> BTreeMap<String, String> {
    let columns = [
        ("given_names", given),
        ("surname", surname),
        ("date_of_birth", date),
    ];
    columns.map(|(c, v)| (c.to_owned(), v.to_owned())).into()
}

pub async fn import(scene: &Scene, agency: &str, text: &str) {
    let file = scene.file(&format!("{agency}.csv"), text);
    scene.import(agency, &file).await;
}

async fn the_owner_alone_sees(scene: &Scene) {
    // The inquirer: by a query, and by records of its own.
    let police = scene.consortium.node("police").unwrap();
    let columns = person("Linh", "Nguyen", "2008-03-14");
    let hit = police.query(&columns, None).await.unwrap();
    assert!(hit.matches.is_empty());
    import(
        scene,
        "police",
        &format!("{GIRL}{}", LITTLE_TOO.split_once('\n').unwrap().1),
    )
    .await;
    let watched = wait("the owner seeing it", async || {
        let queue = queue(scene, "refuge");
        let of = |id: &str, asked: bool| {
            let mut all = queue.iter();
            all.any(|m| m.record_id == id && m.from_query == asked)
        };
        let all = of("A1", true) && of("A1", false) && of("B1", false);
        Ok(all.then_some(queue.clone()))
    })
    .await;
    assert!(watched.iter().all(|m| m.silent && m.agency == "police"));
    assert!(watched.iter().all(|m| m.comparison.is_none()));
    scene.consortium.settle().await.unwrap();
    let refuge = scene.consortium.node("refuge").unwrap();
    assert!(queue(scene, "police").is_empty());
    for node in [police, refuge] {
        assert!(node.comparison_log().unwrap().is_empty());
        assert_eq!(node.letters_waiting().unwrap(), 0);
        assert!(node.compared().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_record_sees_and_is_not_seen() {
    let scene = scene(&["police", "refuge"], 2).await;
    import(
        &scene,
        "refuge",
        &format!("{GIRL}{}", LITTLE.split_once('\n').unwrap().1),
    )
    .await;
    set_level(&scene, "refuge", "A1", Level::Silent).await;
    set_level(&scene, "refuge", "B1", Level::Silent).await;
    scene.consortium.settle().await.unwrap();

    the_owner_alone_sees(&scene).await;
    let police = scene.consortium.node("police").unwrap();

    // The control: the same records, open, are seen and compared.
    set_level(&scene, "refuge", "A1", Level::Contact).await;
    set_level(&scene, "refuge", "B1", Level::Contact).await;
    let open = wait("the other side seeing it, and comparing", async || {
        let queue = queue(&scene, "police");
        let seen = queue.iter().any(|m| m.record_id == "A1");
        let logged = scene.consortium.node("police")?.comparison_log()?;
        Ok((seen && !logged.is_empty()).then_some(queue))
    })
    .await;
    assert!(open.iter().all(|m| !m.silent));
    scene.consortium.settle().await.unwrap();
    let logged = police.comparison_log().unwrap().len();

    // Silent again: to the other side it is a withdrawal, and nothing else ever comes.
    set_level(&scene, "refuge", "A1", Level::Silent).await;
    set_level(&scene, "refuge", "B1", Level::Silent).await;
    wait("the match ending there and staying here", async || {
        let stays = queue(&scene, "refuge").iter().filter(|m| m.silent).count() >= 2;
        Ok((queue(&scene, "police").is_empty() && stays).then_some(()))
    })
    .await;
    let told = wait("the police being told", async || {
        let told = received(&scene, "police").await;
        Ok((told.len() == 2).then_some(told))
    })
    .await;
    assert!(told.iter().all(|stone| stone.reason == "withdrawn"));
    scene.consortium.settle().await.unwrap();
    assert_eq!(police.comparison_log().unwrap().len(), logged);
    let before: Vec<&str> = open.iter().map(|m| m.reference.as_str()).collect();
    set_level(&scene, "refuge", "A1", Level::Contact).await;
    let anew = wait("it coming back", async || Ok(queue(&scene, "police").pop())).await;
    assert!(
        !before.contains(&anew.reference.as_str()),
        "it comes back under another name"
    );
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_silent_records_neither_side_is_told() {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    for agency in ["police", "refuge"] {
        import(&scene, agency, GIRL).await;
        set_level(&scene, agency, "A1", Level::Silent).await;
    }
    scene.consortium.settle().await.unwrap();
    // The control is a third agency's open record, which both are told of; it came after.
    import(&scene, "council", GIRL).await;
    for agency in ["police", "refuge"] {
        let seen = wait("the open record being seen", async || {
            let queue = queue(&scene, agency);
            Ok((queue.iter().any(|m| m.agency == "council")).then_some(queue))
        })
        .await;
        assert_eq!(seen.len(), 1, "only the open one");
    }
    scene.consortium.settle().await.unwrap();
    assert!(queue(&scene, "council").is_empty());
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_signed_told_confirmed_and_leaves_no_value() {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    let header: Vec<&str> = PLANTED.iter().map(|(column, _)| *column).collect();
    let row: Vec<&str> = PLANTED.iter().map(|(_, value)| *value).collect();
    let planted = format!("{}\n{}\n", header.join(","), row.join(","));
    import(&scene, "refuge", &planted).await;
    import(&scene, "police", &planted).await;
    import(&scene, "council", GIRL).await;
    scene.consortium.settle().await.unwrap();
    let reference = queue(&scene, "police")[0].reference.clone();
    let refuge = scene.consortium.node("refuge").unwrap();
    // The control: before, the same search finds every value.
    for (column, value) in PLANTED {
        assert!(!refuge.held_in(value).unwrap().is_empty(), "{column}");
    }

    let report = erase(&scene, "refuge", "CANARY-7141").await;
    assert_eq!((report.records.len(), report.waiting), (1, 0));
    for (column, value) in PLANTED {
        let mut held = refuge.held_in(value).unwrap();
        if column == "record_id" {
            // What was done while it was there names it by the agency's own id; nothing else does.
            held.remove("audit");
        }
        assert!(held.is_empty(), "{column} is still in {held:?}");
    }
    assert!(refuge.records(Some("CANARY-7141")).is_err());

    // Whoever had a match is told, nobody else, and confirms.
    let told = wait("the police being told", async || {
        Ok(received(&scene, "police").await.pop())
    })
    .await;
    assert_eq!(
        (told.agency.as_str(), told.reason.as_str()),
        ("refuge", "request")
    );
    assert_eq!(told.reference.as_deref(), Some(reference.as_str()));
    assert_eq!(told.records, ["CANARY-7141"], "the police's own record");
    assert!(queue(&scene, "police").is_empty());
    assert!(received(&scene, "council").await.is_empty());
    let tombstone = told.digest.to_string();
    let _: ReceivedTombstoneView =
        done(&scene, "police", EndingCommand::Confirm { tombstone }).await;
    let receipt = wait("the confirmation coming back", async || {
        let receipt = receipt(&scene, "refuge", "CANARY-7141").await;
        let mut recipients = receipt.tombstones.iter().flat_map(|t| &t.recipients);
        let confirmed = recipients.any(|r| r.confirmation.is_some());
        Ok(confirmed.then_some(receipt))
    })
    .await;
    assert_eq!(receipt.rows_waiting, 0);
    the_receipt_holds(&scene, &receipt).await;

    scene.consortium.settle().await.unwrap();
    let again = erase_refused(&scene, "refuge", "CANARY-7141").await;
    assert_eq!(again.unknown, ["CANARY-7141"]);
    scene.consortium.stop().await.unwrap();
}

/// One tombstone without a value, whose signatures a third party checks.
async fn the_receipt_holds(scene: &Scene, receipt: &ErasureReceipt) {
    let [stone] = receipt.tombstones.as_slice() else {
        panic!("one tombstone, not {}", receipt.tombstones.len());
    };
    assert_eq!(stone.recipients.len(), 1);
    let signed = String::from_utf8(stone.tombstone.body.clone()).unwrap();
    for (column, value) in PLANTED {
        assert!(!signed.contains(value), "{column} stands in the tombstone");
    }

    // A third party checks both signatures; a forged one, or one in another's name, is refused.
    let mut text = serde_json::to_value(receipt).unwrap();
    let verify = |text: &Value| EndingCommand::Verify {
        text: text.to_string(),
    };
    let checked: Vec<Checked> = done(scene, "council", verify(&text)).await;
    let signers: Vec<&str> = checked.iter().map(|c| c.agency.as_str()).collect();
    assert_eq!(signers, ["refuge", "police"]);
    let other = Signed {
        body: signed.replace("\"refuge\"", "\"police\"").into_bytes(),
        ..stone.tombstone.clone()
    };
    text["tombstones"][0]["tombstone"] = serde_json::to_value(other).unwrap();
    let refused = asked(scene, "council", verify(&text)).await.unwrap_err();
    assert!(refused.contains("its signature is by no key"), "{refused}");
}

pub async fn erase_refused(scene: &Scene, agency: &str, id: &str) -> WithdrawReport {
    let report = erase(scene, agency, id).await;
    assert!(report.records.is_empty());
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_that_is_taken_back_ends_what_was_shared_for_it() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    for agency in ["police", "refuge"] {
        import(&scene, agency, GIRL).await;
    }
    scene.consortium.settle().await.unwrap();
    assert_eq!(queue(&scene, "police").len(), 1);
    ledger(&mut scene, &[("research", false)]).await;
    let refuge = scene.consortium.node("refuge").unwrap();
    let left = refuge.consent_changed("A1").unwrap();
    assert!(left.is_empty(), "the control: another purpose ends nothing");
    ledger(
        &mut scene,
        &[("Safeguarding", true), ("Safeguarding", false)],
    )
    .await;
    let refuge = scene.consortium.node("refuge").unwrap();
    let left = refuge.consent_changed("A1").unwrap();
    assert_eq!(left.len(), 1);
    wait("the match ending on both sides", async || {
        let left = queue(&scene, "police").len() + queue(&scene, "refuge").len();
        Ok((left == 0).then_some(()))
    })
    .await;
    let told = wait("the police being told", async || {
        Ok(received(&scene, "police").await.pop())
    })
    .await;
    assert_eq!(told.reason, "consent");
    assert!(
        refuge.records(Some("A1")).is_ok(),
        "the record itself stays"
    );
    scene.consortium.stop().await.unwrap();
}

/// Writes the consent ledger of the refuge's record as it would be kept.
async fn ledger(scene: &mut Scene, lines: &[(&str, bool)]) {
    scene.consortium.stop_node("refuge").await.unwrap();
    {
        let state = scene.consortium.places.node("refuge");
        let vault = Vault::open(&state, &unlock()).unwrap();
        let tables = Tables::open(&vault).unwrap();
        let consents = lines.iter().map(|(purpose, given)| Consent {
            purpose: purpose.parse().unwrap(),
            given: *given,
            by: "herself".parse().unwrap(),
            how: "in writing".parse().unwrap(),
            at: 1,
            noted_by: "ana".parse().unwrap(),
        });
        let dossier = Dossier {
            consents: consents.collect(),
            ..Dossier::default()
        };
        tables.dossiers.put(&"A1".to_owned(), &dossier).unwrap();
        vault.flush().unwrap();
    }
    scene.consortium.start_node("refuge").await.unwrap();
    eventually("the refuge being back", async || {
        let status = scene.consortium.node("refuge")?.status()?;
        Ok(status.connected.then_some(()))
    })
    .await
    .unwrap();
}

/// Puts tombstones for the council into a node's outbox, in this order.
fn post(tables: &Tables, stones: [Signed; 4]) {
    for (number, stone) in stones.into_iter().enumerate() {
        let message = json!({
            "topic": "ending",
            "message": { "step": "ended", "tombstone": stone },
        });
        let letter = StoredEnvelope {
            number: number as u64 + 1,
            to: "council".parse().unwrap(),
            message: Secret(message.to_string().into_bytes()),
        };
        let id = KeyTag([number as u8 + 1; 16]);
        tables.outbox.put(&id, &letter).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_hears_of_the_end_and_whoever_did_not_hears_nothing() {
    let scene = scene(&["council", "police", "refuge"], 2).await;
    import(&scene, "refuge", GIRL).await;
    scene.consortium.settle().await.unwrap();
    let police = scene.consortium.node("police").unwrap();
    let columns = person("Linh", "Nguyen", "2008-03-14");
    assert_eq!(police.query(&columns, None).await.unwrap().matches.len(), 1);
    wait("the owner seeing who asked", async || {
        Ok(queue(&scene, "refuge").pop().filter(|m| m.from_query))
    })
    .await;
    erase(&scene, "refuge", "A1").await;
    let told = wait("the asker being told", async || {
        Ok(received(&scene, "police").await.pop())
    })
    .await;
    assert_eq!(told.agency.as_str(), "refuge");
    assert!(told.records.is_empty(), "it asked, and holds nothing");
    assert!(received(&scene, "council").await.is_empty());
    scene.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_in_anothers_name_is_refused_and_one_of_ones_own_is_taken() {
    let mut scene = scene(&["council", "police", "refuge"], 2).await;
    for agency in ["council", "police", "refuge"] {
        import(&scene, agency, GIRL).await;
    }
    scene.consortium.settle().await.unwrap();
    erase(&scene, "refuge", "A1").await;
    let of_the_refuge = receipt(&scene, "refuge", "A1").await.tombstones.remove(0);
    let of_the_refuge = of_the_refuge.tombstone;
    for agency in ["council", "police"] {
        wait("the others being told", async || {
            Ok(received(&scene, agency).await.pop())
        })
        .await;
    }
    scene.consortium.stop_node("police").await.unwrap();
    let own = {
        let state = scene.consortium.places.node("police");
        let vault = Vault::open(&state, &unlock()).unwrap();
        let tables = Tables::open(&vault).unwrap();
        let identity = tables.identity.iter().next().unwrap().unwrap().1;
        let seed = SecretKey::try_from(identity.signing_seed.0.as_slice()).unwrap();
        let key = SigningKey::from_seed(seed).unwrap();
        let honest = of_the_refuge.read_tombstone().unwrap();
        // As if the refuge had said so: by the police's key.
        let forged = Signed::tombstone(&honest, &key).unwrap();
        let own = |reference| {
            let shared_as = honest
                .shared_as
                .map(|place| SharedAs { reference, ..place });
            let own = Tombstone {
                agency: "police".parse().unwrap(),
                shared_as,
                ..honest.clone()
            };
            Signed::tombstone(&own, &key).unwrap()
        };
        let record = tables.records.get(&"A1".to_owned()).unwrap().unwrap();
        let reference = *record.references.values().next().unwrap();
        // One of what the council never met.
        let made_up = own(RecordReference([7; 16]));
        let own = own(reference);
        // The refuge's own words, passed on; letters go in this order.
        post(&tables, [forged, of_the_refuge, made_up, own.clone()]);
        vault.flush().unwrap();
        own
    };
    scene.consortium.start_node("police").await.unwrap();
    let taken = wait("the honest one being taken", async || {
        let mut taken = received(&scene, "council").await;
        taken.retain(|stone| stone.agency.as_str() == "police");
        Ok((!taken.is_empty()).then_some(taken))
    })
    .await;
    assert_eq!(taken.len(), 1, "the three before it were not taken");
    assert_eq!(received(&scene, "council").await.len(), 2);
    assert_eq!(
        (&taken[0].tombstone, taken[0].agency.as_str()),
        (&own, "police")
    );
    scene.consortium.stop().await.unwrap();
}
