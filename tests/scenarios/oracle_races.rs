//! The oracle against a member with a program of its own: many clients at once, requests sent again
//! and again, clocks set wrong. All over real connections, through the hub to a serving custodian.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand_core::OsRng;
use symbolon_core::crypto::{self, SecretKey, Signature, SigningKey};
use symbolon_core::custody::{Refusal, Request};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyKind;
use symbolon_core::oprf::client::BlindedBatch;
use symbolon_core::oprf::threshold::Quorum;
use symbolon_core::roster::{Change, Quota};
use symbolon_hub::client::{self, ClientCertificate};
use symbolon_node::clock::Clock;
use symbolon_node::tables::{StoredIdentity, Tables};
use symbolon_node::vault::Vault;
use symbolon_proto::custody::custody_client::CustodyClient;
use symbolon_proto::custody::{EvaluateRequest, evaluate_reply};
use symbolon_tests::consortium::{Consortium, QUOTA, eventually};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;

use crate::support::{Scene, custodians_and_a_member, unlock};

const DAY_S: i64 = 86_400;
/// Elements of one request.
const ELEMENTS: usize = 7;

/// A signed request as it goes over the wire.
#[derive(Clone)]
struct Signed(EvaluateRequest);

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Evaluated,
    Refused(String),
}

/// A member that has its own program: its node is stopped, its keys are in use.
struct Outsider {
    consortium: Consortium,
    _directory: TempDir,
    identity: StoredIdentity,
    genesis: Digest,
    signing: SigningKey,
}

impl Outsider {
    /// Two custodians, the council and the refuge; the police have this quota.
    async fn with(quota: Quota) -> Self {
        let Scene {
            mut consortium,
            directory,
        } = custodians_and_a_member(quota).await;
        let length = consortium.admin.roster().await.unwrap().length;
        eventually("the custodians knowing the police", async || {
            let status = consortium.node("refuge")?.status()?;
            Ok((status.roster_length == length).then_some(()))
        })
        .await
        .unwrap();
        consortium.stop_node("police").await.unwrap();
        allow_lines(&mut consortium).await;
        let identity = {
            let vault = Vault::open(&consortium.places.node("police"), &unlock()).unwrap();
            let tables = Tables::open(&vault).unwrap();
            tables.identity.iter().next().unwrap().unwrap().1
        };
        let seed = SecretKey::try_from(identity.signing_seed.0.as_slice()).unwrap();
        Self {
            genesis: identity.genesis,
            identity,
            signing: SigningKey::from_seed(seed).unwrap(),
            consortium,
            _directory: directory,
        }
    }

    /// A connection of its own.
    async fn line(&self) -> CustodyClient<Channel> {
        let pem = |label: &str, der: &[u8]| symbolon_hub::certificates::pem(label, der);
        let chain = self.identity.chain.iter();
        let chain: String = chain.map(|der| pem("CERTIFICATE", &der.0)).collect();
        let key = pem("PRIVATE KEY", &self.identity.tls_key.0);
        let certificate = ClientCertificate {
            chain_pem: &chain,
            key_pem: &key,
        };
        let root = pem("CERTIFICATE", &self.identity.root.0);
        let tls = client::tls_config(&root, Some(certificate)).unwrap();
        let address = self.consortium.addresses().0.to_string();
        CustodyClient::new(client::connect(&address, tls).await.unwrap())
    }

    /// Not asked before: blinded anew.
    fn unsigned(&self) -> Request {
        let inputs: Vec<Vec<u8>> = (0..ELEMENTS).map(|n| vec![n as u8; 9]).collect();
        let batch = BlindedBatch::new(&inputs, &mut OsRng).unwrap();
        Request {
            id: crypto::random().unwrap(),
            requester: "police".parse().unwrap(),
            epoch: 1,
            generation: 0,
            quorum: Quorum::new([1, 2], 2).unwrap(),
            expires_at: Clock::now(self.consortium.clock.as_ref()) + 120,
            elements: batch.wire(),
        }
    }

    /// A fresh request to the refuge.
    fn request(&self) -> Signed {
        self.signed(&self.unsigned())
    }

    fn signed(&self, request: &Request) -> Signed {
        let request = request.encode();
        let Signature(signature) = Request::sign(&request, &self.genesis, &self.signing);
        Signed(EvaluateRequest {
            custodian: "refuge".to_owned(),
            request,
            signature: signature.to_vec(),
        })
    }

    /// What the refuge evaluated for the police, by its own ledger.
    fn spent(&self) -> u64 {
        let node = self.consortium.node("refuge").unwrap();
        let lines = node.custody_log(u64::MAX).unwrap();
        lines.iter().map(|line| line.elements).sum()
    }

    /// Sends it once, and says what the custodian said.
    async fn send(&self, request: &Signed) -> Told {
        send(&mut self.line().await, request).await
    }

    async fn restart_refuge(&mut self) {
        self.consortium.stop_node("refuge").await.unwrap();
        self.consortium.start_node("refuge").await.unwrap();
        self.consortium.everybody_attends().await.unwrap();
    }
}

/// As many connections of one member as these tests open; by default it is closer.
async fn allow_lines(consortium: &mut Consortium) {
    consortium.stop_hub().await.unwrap();
    let settings = consortium.places.hub().join("hub.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let line = "max_connections_per_member = ";
    let wide = text.replace(&format!("{line}16"), &format!("{line}80"));
    assert_ne!(wide, text);
    std::fs::write(&settings, wide).unwrap();
    consortium.start_hub().await.unwrap();
    consortium.everybody_attends().await.unwrap();
}

/// The hub takes a few requests of one agency at a time; the others are sent when it has room.
async fn send(line: &mut CustodyClient<Channel>, Signed(request): &Signed) -> Told {
    let taken = async {
        loop {
            match line.evaluate(request.clone()).await {
                Ok(reply) => return reply.into_inner(),
                Err(status) if status.code() == Code::ResourceExhausted => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err(status) => panic!("{status}"),
            }
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(60), taken).await;
    match reply.unwrap().outcome.unwrap() {
        evaluate_reply::Outcome::Evaluated(evaluation) => {
            assert_eq!(evaluation.elements.len(), 32 * ELEMENTS);
            Told::Evaluated
        }
        evaluate_reply::Outcome::Refused(refusal) => Told::Refused(refusal.word),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_on_lines_of_their_own_never_exceed_one_quota() {
    // Fourteen requests of seven fit, and two elements are left.
    let quota = Quota {
        initial: 100,
        per_day: 0,
    };
    let mut outsider = Outsider::with(quota).await;
    let evaluated = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let mut clients = Vec::new();
        for _ in 0..64 {
            let mut line = outsider.line().await;
            let requests = [outsider.request(), outsider.request()];
            let evaluated = Arc::clone(&evaluated);
            clients.push(async move {
                for request in &requests {
                    match send(&mut line, request).await {
                        Told::Evaluated => {
                            evaluated.fetch_add(1, Ordering::Relaxed);
                        }
                        Told::Refused(word) => assert_eq!(word, "over-quota"),
                    }
                }
            });
        }
        let racing: Vec<_> = clients.into_iter().map(tokio::spawn).collect();
        for client in racing {
            client.await.unwrap();
        }
        assert_eq!(evaluated.load(Ordering::Relaxed), 100 / ELEMENTS);
        assert_eq!(outsider.spent(), (100 / ELEMENTS * ELEMENTS) as u64);
        // A restart of the custodian gives nothing back.
        outsider.restart_refuge().await;
    }
    // The control: more quota, and there is more.
    let name = "police".parse().unwrap();
    let admin = &outsider.consortium.admin;
    admin
        .invite(name, AgencyKind::Ngo, "police", 3600, QUOTA)
        .await
        .unwrap();
    eventually("the larger quota", async || {
        let told = outsider.send(&outsider.request()).await;
        Ok((told == Told::Evaluated).then_some(()))
    })
    .await
    .unwrap();
    outsider.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_replays_across_restarts_are_never_evaluated() {
    const REPLAYS: usize = 10_000;
    const LINES: usize = 6;
    let mut outsider = Outsider::with(QUOTA).await;
    let mut originals = Vec::new();
    // One line for all: a member has sixteen, and the hub may not know yet that one was closed.
    let mut line = outsider.line().await;
    for _ in 0..10 {
        let request = outsider.request();
        assert_eq!(send(&mut line, &request).await, Told::Evaluated);
        originals.push(request);
    }
    drop(line);
    let spent = outsider.spent();
    for round in 0..2 {
        if round > 0 {
            outsider.restart_refuge().await;
            outsider.consortium.stop_hub().await.unwrap();
            outsider.consortium.start_hub().await.unwrap();
            outsider.consortium.everybody_attends().await.unwrap();
        }
        let mut clients = Vec::new();
        for _ in 0..LINES {
            let (mut line, originals) = (outsider.line().await, originals.clone());
            clients.push(async move {
                let mut refused = 0;
                for request in originals.iter().cycle().take(REPLAYS / 2 / LINES + 1) {
                    let told = send(&mut line, request).await;
                    assert_eq!(told, Told::Refused("repeated".to_owned()));
                    refused += 1;
                }
                refused
            });
        }
        let mut refused = 0;
        let racing: Vec<_> = clients.into_iter().map(tokio::spawn).collect();
        for client in racing {
            refused += client.await.unwrap();
        }
        assert!(refused >= REPLAYS / 2, "{refused}");
        assert_eq!(outsider.spent(), spent);
    }
    // The control: a fresh one is evaluated as before.
    assert_eq!(outsider.send(&outsider.request()).await, Told::Evaluated);
    assert_eq!(outsider.spent(), spent + ELEMENTS as u64);
    outsider.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custodian_checks_each_request_by_itself_and_refusals_cost_nothing() {
    let outsider = Outsider::with(QUOTA).await;
    let refuge = Arc::clone(outsider.consortium.node("refuge").unwrap());
    // Past the hub, which would stop some of these itself.
    let answer = |alter: &dyn Fn(&mut Request), key: &SigningKey| {
        let mut request = outsider.unsigned();
        alter(&mut request);
        let encoded = request.encode();
        let signature = Request::sign(&encoded, &outsider.genesis, key);
        refuge.answer(&encoded, &signature).map(|_| ())
    };
    let own = &outsider.signing;
    let as_it_is: &dyn Fn(&mut Request) = &|_| ();
    eventually("an answer", async || {
        match answer(as_it_is, own) {
            Ok(()) => Ok(Some(())),
            Err(Refusal::StaleRoster) => {
                // A request over the line has it ask the hub.
                outsider.send(&outsider.request()).await;
                Ok(None)
            }
            Err(other) => Err(other.to_string().into()),
        }
    })
    .await
    .unwrap();
    let spent = outsider.spent();
    let stranger = SigningKey::random().unwrap();
    assert_eq!(answer(as_it_is, &stranger), Err(Refusal::BadSignature));
    type Case<'a> = (&'a dyn Fn(&mut Request), Refusal);
    let cases: [Case; 7] = [
        (
            &|request| request.requester = "council".parse().unwrap(),
            Refusal::BadSignature,
        ),
        (
            &|request| request.requester = "nobody".parse().unwrap(),
            Refusal::NotAMember,
        ),
        (&|request| request.expires_at -= 121, Refusal::Expired),
        (&|request| request.expires_at += 600, Refusal::Expired),
        (&|request| request.epoch = 2, Refusal::OtherEpoch),
        (&|request| request.generation = 1, Refusal::OtherEpoch),
        (
            // Not one of the custodians.
            &|request| request.quorum = Quorum::new([2, 3], 2).unwrap(),
            Refusal::Malformed,
        ),
    ];
    for (alter, refusal) in cases {
        assert_eq!(answer(alter, own), Err(refusal));
    }
    assert_eq!(outsider.spent(), spent, "a refusal costs nothing");
    assert_eq!(answer(as_it_is, own), Ok(()));

    // Suspended, and soon refused; let in again, it is answered.
    let (agency, reason) = ("police".parse().unwrap(), "an inquiry".to_owned());
    let change = Change::Suspend { agency, reason };
    outsider.consortium.admin.propose(change).await.unwrap();
    let told = async |expected: Result<(), Refusal>| {
        eventually("the custodian knowing", async || {
            Ok((answer(as_it_is, own) == expected).then_some(()))
        })
        .await
        .unwrap();
    };
    told(Err(Refusal::NotAMember)).await;
    let (agency, reason) = ("police".parse().unwrap(), "found".to_owned());
    let change = Change::Reinstate { agency, reason };
    outsider.consortium.admin.propose(change).await.unwrap();
    told(Ok(())).await;
    drop(refuge);
    outsider.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_set_a_day_forward_and_back_get_nothing_evaluated_twice() {
    let outsider = Outsider::with(QUOTA).await;
    let clock = Arc::clone(&outsider.consortium.clock);
    // One line throughout: whoever comes anew has to wait for a fresh list of revoked certificates.
    let mut line = outsider.line().await;
    let evaluated = async |line: &mut CustodyClient<Channel>| {
        eventually("an evaluation", async || {
            let request = outsider.request();
            let told = send(line, &request).await;
            Ok((told == Told::Evaluated).then_some(request))
        })
        .await
        .unwrap()
    };
    let today = evaluated(&mut line).await;
    clock.advance(DAY_S);
    // The day before is over: what was asked then is not good any more, asked anew it is.
    let tomorrow = evaluated(&mut line).await;
    assert_eq!(
        send(&mut line, &today).await,
        Told::Refused("expired".to_owned())
    );
    clock.advance(-DAY_S);
    // Good once more by this clock, and answered once: not again.
    assert_eq!(
        send(&mut line, &today).await,
        Told::Refused("repeated".to_owned())
    );
    // Of a day that has not come.
    assert_eq!(
        send(&mut line, &tomorrow).await,
        Told::Refused("expired".to_owned())
    );
    assert_eq!(outsider.spent(), 2 * ELEMENTS as u64);
    // The control: the very next second a fresh request is evaluated.
    evaluated(&mut line).await;
    assert_eq!(outsider.spent(), 3 * ELEMENTS as u64);
    outsider.consortium.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_asked_again_gets_its_answer_again_and_costs_nothing() {
    // Two questions of seven fit.
    let quota = Quota {
        initial: 20,
        per_day: 0,
    };
    let mut outsider = Outsider::with(quota).await;
    let refuge = Arc::clone(outsider.consortium.node("refuge").unwrap());
    let question = outsider.unsigned();
    // The node that asked does not know whether it was answered: it asks the same in a new request.
    let again = |outsider: &Outsider| {
        let (id, elements) = (crypto::random().unwrap(), question.elements.clone());
        Request {
            id,
            elements,
            ..outsider.unsigned()
        }
    };
    let told = async |outsider: &Outsider, request: &Request| {
        outsider.send(&outsider.signed(request)).await
    };
    assert_eq!(told(&outsider, &question).await, Told::Evaluated);
    assert_eq!(outsider.spent(), ELEMENTS as u64);
    let direct = |outsider: &Outsider, request: &Request| {
        let encoded = request.encode();
        let signature = Request::sign(&encoded, &outsider.genesis, &outsider.signing);
        refuge.answer(&encoded, &signature).unwrap()
    };
    let first = direct(&outsider, &again(&outsider));
    assert_eq!(direct(&outsider, &again(&outsider)), first, "the very same");
    assert_eq!(outsider.spent(), ELEMENTS as u64);
    drop(refuge);
    outsider.restart_refuge().await;
    // With the quota used up, too; and the request itself counts once, like every other.
    let another = outsider.unsigned();
    assert_eq!(told(&outsider, &another).await, Told::Evaluated);
    let refused = |word: &str| Told::Refused(word.to_owned());
    assert_eq!(
        told(&outsider, &outsider.unsigned()).await,
        refused("over-quota")
    );
    let request = again(&outsider);
    assert_eq!(told(&outsider, &request).await, Told::Evaluated);
    assert_eq!(told(&outsider, &request).await, refused("repeated"));
    // Controls: one element more, or other shares of the quorum, and it is another question.
    let mut longer = again(&outsider);
    longer.elements.extend_from_slice(&another.elements[..32]);
    assert_eq!(told(&outsider, &longer).await, refused("over-quota"));
    assert_eq!(outsider.spent(), 2 * ELEMENTS as u64);
    outsider.consortium.stop().await.unwrap();
}
