//! A peer that lies in a private comparison is refused and named, and learns nothing by it.
//!
//! The liar is an agency whose node does nothing by itself: the test speaks with its keys. Beside each lie
//! stands the same message told honestly, which is taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use rand_core::OsRng;
use serde_json::{Value, json};
use symbolon_core::comparison::{self, Exponent, Layout, Pair, Side};
use symbolon_core::crypto::{SecretKey, SigningKey, random};
use symbolon_core::encoding::Digest;
use symbolon_core::envelope::Envelope;
use symbolon_core::linkage::comparison::{FieldSet, field_sets};
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::payload::RecordReference;
use symbolon_core::roster::Roster;
use symbolon_core::row::{AgreementEpoch, Handle};
use symbolon_core::sealing::DecryptionKey;
use symbolon_node::clock;
use symbolon_node::config::NodeConfig;
use symbolon_node::hub_client::{Delivery, HubClient};
use symbolon_node::membership::load_roster;
use symbolon_node::node::Node;
use symbolon_node::tables::{Blob, MatchKey, Tables};
use symbolon_node::vault::Vault;
use symbolon_tests::consortium::eventually;

use crate::comparison::set_budget;
use crate::support::{Scene, scene, unlock};

/// The bucket of 16 KiB, the encapsulated key, the tag.
const ENVELOPE_BYTES: usize = (16 << 10) + 1120 + 16;

/// One pair of the liar's, seen from its side.
#[derive(Clone)]
pub struct Known {
    key: MatchKey,
    pub own: RecordReference,
    handles: Vec<(Handle, Handle)>,
    epoch: AgreementEpoch,
}

/// An agency whose keys the test holds.
pub struct Liar {
    node: Arc<Node>,
    hub: HubClient,
    signing: SigningKey,
    decryption: DecryptionKey,
    genesis: Digest,
    roster: Roster,
    /// By the number in the record's id.
    pub pairs: BTreeMap<usize, Known>,
    /// Asks that came, by the asker's reference.
    asks: BTreeMap<RecordReference, Value>,
    layout: Layout,
}

pub fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(Blob(bytes.to_vec())).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let blob: Blob = serde_json::from_value(value.clone()).unwrap();
    blob.0
}

fn sets() -> Vec<FieldSet> {
    let cells = [
        ("record_id", "x"),
        ("given_names", "Anna"),
        ("town", "Leeds"),
    ];
    let (record, _) = Record::from_cells(cells).unwrap();
    field_sets(Schema::default_schema(), &record)
}

/// Both agencies hold `pairs` records with a shared telephone each; then the liar's node is taken over.
pub async fn take_over(scene: &mut Scene, liar: &str, victim: &str, pairs: usize) -> Liar {
    set_budget(scene, liar, 0).await;
    scene.consortium.start_node(liar).await.unwrap();
    scene.consortium.everybody_attends().await.unwrap();
    for (agency, name) in [(liar, "Anna"), (victim, "Ana")] {
        let mut text = "record_id,given_names,phone\n".to_owned();
        for number in 1..=pairs {
            text += &format!("X{number},{name},07700 9001{number:02}\n");
        }
        let file = scene.file(&format!("{agency}.csv"), &text);
        scene.import(agency, &file).await;
    }
    let asks_come = victim < liar;
    eventually("both knowing the pairs", async || {
        let mut known = 0;
        for agency in [liar, victim] {
            known += scene.consortium.node(agency)?.compared()?.len();
        }
        let asked = scene.consortium.node(victim)?;
        // The log is written before the letters.
        asked.at_rest().await;
        let asked =
            !asks_come || asked.comparison_log()?.len() == pairs && asked.letters_waiting()? == 0;
        let taken = scene.consortium.hub()?.waiting_deliveries().await? == 0;
        Ok((known == 2 * pairs && asked && taken).then_some(()))
    })
    .await
    .unwrap();
    scene.consortium.stop_node(liar).await.unwrap();
    read_vault(scene, liar).await
}

pub async fn read_vault(scene: &Scene, liar: &str) -> Liar {
    let place = scene.consortium.places.node(liar);
    let vault = Vault::open(&place, &unlock()).unwrap();
    let tables = Tables::open(&vault).unwrap();
    let identity = tables.identity.iter().next().unwrap().unwrap().1;
    let entries: BTreeMap<u64, _> = tables.roster.iter().map(Result::unwrap).collect();
    let entries: Vec<_> = entries.into_values().collect();
    let roster = load_roster(&entries, &identity.genesis).unwrap();
    let mut pairs = BTreeMap::new();
    for entry in tables.matches.iter() {
        let (key, found) = entry.unwrap();
        let record = tables.records.get(&key.record_id).unwrap().unwrap();
        let handles: Vec<_> = found.evidence.iter().map(|(a, b, _)| (*a, *b)).collect();
        let epoch = tables.rows.get(&handles[0].0).unwrap().unwrap().epoch;
        let own = record.references[&key.agreement];
        let number = key.record_id[1..].parse().unwrap();
        let known = Known {
            key,
            own,
            handles,
            epoch,
        };
        pairs.insert(number, known);
    }
    let mut asks = BTreeMap::new();
    for entry in tables.comparison_asks.iter() {
        let (_, ask) = entry.unwrap();
        let letter = serde_json::to_value(&ask).unwrap()["letter"].clone();
        let reference = serde_json::from_value(letter["own"].clone()).unwrap();
        asks.insert(reference, letter);
    }
    let secret = |bytes: &[u8]| SecretKey::try_from(bytes).unwrap();
    let signing = SigningKey::from_seed(secret(&identity.signing_seed.0)).unwrap();
    let decryption = DecryptionKey::from_seed(secret(&identity.encryption_seed.0)).unwrap();
    drop((tables, vault));
    let config = NodeConfig::load(&place).unwrap();
    let node = Node::open(&place, config, &unlock(), clock::system()).unwrap();
    let hub = node.hub().await.unwrap();
    let schema = Schema::default_schema();
    let layout = Layout::of(&Digest(schema.digest()), &sets()).unwrap();
    Liar {
        node,
        hub,
        signing,
        decryption,
        genesis: identity.genesis,
        roster,
        pairs,
        asks,
        layout,
    }
}

impl Liar {
    pub fn letter(&self, pair: usize, step: Value) -> Value {
        let Known { key, own, .. } = &self.pairs[&pair];
        json!({ "agreement": key.agreement, "own": own, "other": key.reference, "step": step })
    }

    pub async fn send(&self, to: &str, letter: &Value) {
        let to = to.parse().unwrap();
        let (_, keys) = self.roster.active(&to).unwrap();
        let message = json!({ "topic": "comparison", "message": letter }).to_string();
        let from = (self.node.agency(), &self.signing);
        let id = random().unwrap();
        let sealed = Envelope::seal(from, (&to, &keys.encryption), id, message.as_bytes());
        self.hub.send(sealed.unwrap()).await.unwrap();
    }

    /// The next letter that comes, and the size of its envelope.
    pub async fn receive(&self, after: &mut u64) -> (Value, usize) {
        let mut mail = std::pin::pin!(self.hub.receive(*after).await.unwrap());
        loop {
            let (sequence, delivery) = mail.next().await.unwrap().unwrap();
            *after = sequence.max(*after);
            if let Delivery::Envelope(envelope) = delivery {
                let (_, keys) = self.roster.active(&envelope.from).unwrap();
                let opened = envelope.open(&keys.signing, &self.decryption).unwrap();
                let letter: Value = serde_json::from_slice(&opened).unwrap();
                return (letter["message"].clone(), envelope.sealed.len());
            }
        }
    }

    /// The next letter that is no refusal, and the runs that were refused before it.
    async fn receive_after(&self, after: &mut u64) -> (Value, Vec<Digest>) {
        let mut refused = Vec::new();
        loop {
            let (letter, size) = self.receive(after).await;
            assert_eq!(size, ENVELOPE_BYTES, "every letter has one size");
            let step = &letter["step"];
            if step["step"] != "refused" {
                return (letter, refused);
            }
            assert_eq!(
                step.as_object().unwrap().len(),
                2,
                "the run and nothing else"
            );
            refused.push(serde_json::from_value(step["run"].clone()).unwrap());
        }
    }

    fn pair(&self, number: usize) -> Pair {
        let Known {
            key, own, epoch, ..
        } = &self.pairs[&number];
        let own = Side {
            agency: self.node.agency().clone(),
            reference: *own,
        };
        let other = Side {
            agency: key.agency.clone(),
            reference: key.reference,
        };
        Pair::of(self.genesis, (key.agreement, *epoch), own, other)
    }

    /// An honest ask about a pair: the letter's step, the run and the exponent.
    fn ask(&self, number: usize) -> (Value, Digest, Exponent) {
        let nonce = random::<32>().unwrap();
        let run = self.pair(number).run(&self.layout, 1, &nonce);
        let (exponent, points) = comparison::ask(&run, &self.layout, &sets(), &mut OsRng).unwrap();
        let known = &self.pairs[&number];
        let step = json!({
            "step": "ask", "epoch": known.epoch, "version": 1, "nonce": base64(&nonce),
            "layout": self.layout.digest(), "handles": known.handles, "points": base64(&points),
        });
        (step, run, exponent)
    }

    /// The run that the other side asked for, its points, and an honest answer to it.
    pub fn answer(&self, number: usize) -> (Digest, Vec<u8>, Vec<u8>) {
        let ask = &self.asks[&self.pairs[&number].key.reference]["step"];
        let nonce: [u8; 32] = bytes(&ask["nonce"]).try_into().unwrap();
        let run = self.pair(number).run(&self.layout, 1, &nonce);
        let asked = bytes(&ask["points"]);
        let answer = comparison::answer(&run, &self.layout, &sets(), &asked, &mut OsRng).unwrap();
        (run, asked, answer)
    }
}

/// Waits until the victim has refused the liar this often, and that for this reason.
async fn named(scene: &Scene, victim: &str, liar: &str, times: u64, reason: &str) {
    eventually(reason, async || {
        let report = scene.consortium.node(victim)?.status()?.comparisons;
        let refusal = report.refusals.iter().find(|r| r.agency == liar);
        Ok(refusal.filter(|r| r.times == times).cloned())
    })
    .await
    .map(|refusal| assert!(refusal.reason.contains(reason), "{refusal:?}"))
    .unwrap();
}

/// How many lines of one kind the victim's log of comparisons has.
pub fn lines(scene: &Scene, victim: &str, what: &str) -> usize {
    let log = scene
        .consortium
        .node(victim)
        .unwrap()
        .comparison_log()
        .unwrap();
    log.iter().filter(|line| line.what == what).count()
}

async fn compared(scene: &Scene, victim: &str, pairs: usize) {
    eventually("the honest ones being compared", async || {
        Ok((lines(scene, victim, "compared") == pairs).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_side_that_lies_is_refused_and_named() {
    let mut scene = scene(&["police", "refuge"], 2).await;
    let liar = take_over(&mut scene, "refuge", "police", 6).await;
    let answer = |pair: usize, run: Digest, points: &[u8]| {
        let step = json!({ "step": "answer", "run": run, "version": 1, "points": base64(points) });
        liar.letter(pair, step)
    };
    let refused = async |times, reason| named(&scene, "police", "refuge", times, reason).await;

    // Control: told honestly, it is taken; the same once more is a delivery that came twice.
    let (run, _, honest) = liar.answer(1);
    let (mut after, letter) = (0, answer(1, run, &honest));
    liar.send("police", &letter).await;
    compared(&scene, "police", 1).await;
    liar.send("police", &letter).await;

    let (run, asked, honest) = liar.answer(2);
    liar.send("police", &answer(2, run, &honest[..honest.len() - 16]))
        .await;
    refused(1, "bytes instead of").await;
    // What was refused stays refused, honest or not, and without another word.
    liar.send("police", &answer(2, run, &honest)).await;
    let _ = asked;

    let (run, _, mut bad) = liar.answer(3);
    bad[..32].fill(0);
    liar.send("police", &answer(3, run, &bad)).await;
    refused(2, "an invalid point").await;

    let (run, _, mut repeated) = liar.answer(4);
    repeated.copy_within(..32, 32);
    liar.send("police", &answer(4, run, &repeated)).await;
    refused(3, "repeats or disorders").await;

    let (run, asked, honest) = liar.answer(5);
    let reflected = [asked.as_slice(), &honest[asked.len()..]].concat();
    liar.send("police", &answer(5, run, &reflected)).await;
    refused(4, "sends back points of this run").await;

    // A second answer to a run that ended, and an answer of another run.
    let (run, _, second) = liar.answer(1);
    liar.send("police", &answer(1, run, &second)).await;
    refused(5, "answers a run twice").await;
    let (elsewhere, _, honest) = liar.answer(6);
    liar.send("police", &answer(1, elsewhere, &honest)).await;
    refused(6, "answers a run that was not asked for").await;
    let (step, ..) = liar.ask(6);
    liar.send("police", &liar.letter(6, step)).await;
    refused(7, "asks where it is asked").await;
    liar.send("police", &answer(6, elsewhere, &honest)).await;
    compared(&scene, "police", 2).await;

    let (close, before) = liar.receive_after(&mut after).await;
    assert_eq!((&close["step"]["step"], before.len()), (&json!("close"), 0));
    // Told of the four runs that ended by a lie and of the run that was never asked for; the second
    // answer to a run that ended well changes nothing there and is not spoken of.
    let (close, refused) = liar.receive_after(&mut after).await;
    assert_eq!(close["step"]["step"], "close");
    let lied: Vec<Digest> = [2, 3, 4, 5, 6].map(|pair| liar.answer(pair).0).into();
    assert_eq!(refused, lied);
    let report = scene.consortium.node("police").unwrap().status().unwrap();
    let comparisons = report.comparisons;
    assert_eq!(
        (comparisons.done, comparisons.refused, comparisons.waiting),
        (2, 4, 0)
    );
    let views = scene
        .consortium
        .node("police")
        .unwrap()
        .matches(None)
        .unwrap();
    let states = views.iter().filter_map(|v| v.comparison.as_ref());
    assert_eq!(states.filter(|c| c.state == "refused").count(), 4);
    drop(liar);
    scene.consortium.stop().await.unwrap();
}

/// One lie in each ask, after two refusals. Gives the runs.
async fn lies_in_asks(scene: &Scene, liar: &Liar) -> Vec<Digest> {
    let (mut times, mut runs) = (2, Vec::new());
    for (pair, what, reason) in [
        (2, "size", "bytes instead of"),
        (3, "identity", "an invalid point"),
        (4, "repeat", "repeats or disorders"),
        (5, "layout", "another schema"),
        (6, "handles", "evidence of another pair"),
    ] {
        let (mut step, mut run, _) = liar.ask(pair);
        let mut points = bytes(&step["points"]);
        match what {
            "size" => points.truncate(points.len() - 32),
            "identity" => points[..32].fill(0),
            "repeat" => points.copy_within(..32, 32),
            "layout" => {
                step["layout"] = json!(Digest([1; 32]));
                let nonce: [u8; 32] = bytes(&step["nonce"]).try_into().unwrap();
                run = liar.pair(pair).run_under(&Digest([1; 32]), 1, &nonce);
            }
            _ => step["handles"] = json!(liar.pairs[&7].handles),
        }
        step["points"] = base64(&points);
        liar.send("police", &liar.letter(pair, step)).await;
        times += 1;
        named(scene, "police", "council", times, reason).await;
        runs.push(run);
    }
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_side_that_lies_is_refused_and_named() {
    let mut scene = scene(&["council", "police"], 2).await;
    let liar = take_over(&mut scene, "council", "police", 8).await;
    let refused = async |times, reason| named(&scene, "police", "council", times, reason).await;
    let mut after = 0;

    // Control: told honestly it is answered, and asked once more it is given the same answer.
    let (step, run, exponent) = liar.ask(1);
    let ask = liar.letter(1, step.clone());
    liar.send("police", &ask).await;
    let (first, size) = liar.receive(&mut after).await;
    liar.send("police", &ask).await;
    let (again, _) = liar.receive(&mut after).await;
    assert_eq!((&first["step"]["step"], &first), (&json!("answer"), &again));
    assert_eq!(size, ENVELOPE_BYTES);
    assert_eq!(lines(&scene, "police", "answered"), 1);
    let (second_run, second, _) = liar.ask(1);
    liar.send("police", &liar.letter(1, second_run)).await;
    refused(1, "a second run of one pair").await;

    let asked = bytes(&step["points"]);
    let answered = bytes(&first["step"]["points"]);
    let (_, closed) = comparison::close(&run, &liar.layout, &exponent, &asked, &answered).unwrap();
    let close = |pair: usize, run: Digest, points: &[u8]| {
        let step = json!({ "step": "close", "run": run, "points": base64(points) });
        liar.letter(pair, step)
    };
    liar.send("police", &close(1, run, &closed)).await;
    compared(&scene, "police", 1).await;
    liar.send("police", &close(1, run, &closed)).await;
    liar.send("police", &close(1, run, &asked)).await;
    refused(2, "closes a run twice").await;

    let mut lied = lies_in_asks(&scene, &liar).await;

    // Lies in the close, each of an honest run.
    let (step, run, _) = liar.ask(7);
    liar.send("police", &liar.letter(7, step)).await;
    let (answer, told) = liar.receive_after(&mut after).await;
    // Who names evidence of another pair has shown none of this one: nothing is said to it.
    lied.pop();
    lied.insert(0, second);
    assert_eq!(told, lied);
    let reflected = bytes(&answer["step"]["points"]);
    let close = close(7, run, &reflected[..asked.len()]);
    liar.send("police", &close).await;
    refused(8, "sends back points of this run").await;
    liar.send(
        "police",
        &liar.letter(
            7,
            json!({ "step": "close", "run": Digest([9; 32]), "points": "" }),
        ),
    )
    .await;
    refused(9, "closes a run that it did not ask for").await;

    // Evidence that nobody has: nothing is answered, and nobody is blamed, for it may be on its way.
    let (mut step, ..) = liar.ask(8);
    step["handles"] = json!([[Handle::random().unwrap(), Handle::random().unwrap()]]);
    liar.send("police", &liar.letter(8, step)).await;
    let (step, ..) = liar.ask(8);
    liar.send("police", &liar.letter(8, step)).await;
    let (answer, told) = liar.receive_after(&mut after).await;
    assert_eq!(
        told,
        [run, Digest([9; 32])],
        "of the closes that were refused"
    );
    assert_eq!(
        answer["other"],
        json!(liar.pairs[&8].own),
        "control: with evidence it is answered"
    );
    assert_eq!(lines(&scene, "police", "answered"), 3);
    refused(9, "closes a run that it did not ask for").await;
    drop(liar);
    scene.consortium.stop().await.unwrap();
}
