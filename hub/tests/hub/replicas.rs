//! Two hubs over one database: what happens at one is effective at the other, and a hub that is killed
//! loses and repeats nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, Holdings, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::{Clock, RunningHub};
use symbolon_proto::custody::custody_client::CustodyClient;
use symbolon_proto::custody::{
    Answer, AttendanceRequest, Evaluation, Refusal, Task, answer, evaluate_reply,
};
use symbolon_proto::mailbox::delivery;
use symbolon_proto::matching::matching_client::MatchingClient;
use symbolon_proto::matching::{HoldingsRequest, SubmitRequest};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;

use crate::approvals::copy;
use crate::consortium::{Consortium, Member, admin, start};
use crate::custody::{appointed, attend, request};
use crate::ports::free_address;
use crate::revocation::{ends, revoke};
use crate::services::{next, receive};
use crate::transport::{ask, is_shut_out};

/// A schema of its own on the server of `SYMBOLON_TEST_POSTGRES`; gone at the end.
struct Schema {
    server: String,
    name: String,
}

impl Schema {
    /// Without a server the test says so and passes, and where `CI` is set it fails.
    async fn make(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("SYMBOLON_TEST_POSTGRES") else {
            let told =
                "SKIPPED, no server: set SYMBOLON_TEST_POSTGRES to the URL of a PostgreSQL server";
            assert!(std::env::var("CI").is_err(), "{test}: {told}");
            eprintln!("{test}: {told}");
            return None;
        };
        let name = format!("replicas_{}_{test}", std::process::id());
        let schema = Self { server, name };
        schema.run(&format!("CREATE SCHEMA {}", schema.name)).await;
        Some(schema)
    }

    async fn run(&self, sql: &str) {
        let connected = tokio_postgres::connect(&self.server, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }

    fn setting(&self) -> String {
        let sign = if self.server.contains('?') { '&' } else { '?' };
        let (server, name) = (&self.server, &self.name);
        format!("store = \"{server}{sign}options=-csearch_path%3D{name}\"")
    }
}

/// Two hubs, the second with a copy of what the first one was founded with.
struct Two {
    consortium: Consortium,
    other: RunningHub,
    stop_other: CancellationToken,
    schema: Schema,
}

impl Two {
    async fn found(test: &str) -> Option<Self> {
        let schema = Schema::make(test).await?;
        let consortium = Consortium::found_written(&schema.setting()).await;
        let (first, second) = (
            consortium.dir.path().join("hub"),
            consortium.dir.path().join("hub-2"),
        );
        lay_out(&first, &second);
        let (other, stop_other) = start(second, &consortium.clock).await;
        Some(Self {
            consortium,
            other,
            stop_other,
            schema,
        })
    }

    /// The same member over the other hub.
    async fn at_other(&self, member: &Member) -> Member {
        let to = self.other.listen;
        let Member {
            chain_pem, key_pem, ..
        } = member;
        Member {
            name: member.name.clone(),
            signing: symbolon_core::crypto::SigningKey::from_seed(member.signing.seed().clone())
                .unwrap(),
            chain_pem: chain_pem.clone(),
            key_pem: key_pem.clone(),
            // Until this hub knows the member it is refused, and hears so with its first request.
            channel: eventually(async || {
                let connected = self.consortium.connect_to(to, chain_pem, key_pem).await;
                let channel = connected.ok()?;
                ask(channel.clone()).await.ok().map(|_| channel)
            })
            .await,
        }
    }

    async fn stop(self) {
        self.stop_other.cancel();
        self.other.wait().await.unwrap();
        let dir = self.consortium.stop().await;
        drop(dir);
        let gone = format!("DROP SCHEMA {} CASCADE", self.schema.name);
        self.schema.run(&gone).await;
    }
}

/// What another hub of the consortium needs: all but the store and the lock.
pub fn lay_out(from: &Path, to: &Path) {
    copy(from, to);
    let _ = std::fs::remove_dir_all(to.join("store"));
    let _ = std::fs::remove_file(to.join("lock"));
}

/// Asks again until there is an answer.
async fn eventually<T>(mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not within thirty seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn row(clock: &dyn Clock, epoch: AgreementEpoch, token: u32, handle: (u8, u32)) -> Row {
    let wide = |kind: u8, number: u32| {
        let mut bytes = [kind; 16];
        bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
        bytes
    };
    Row {
        agreement_epoch: epoch,
        token: Token(wide(0, token)),
        handle: Handle(wide(handle.0, handle.1)),
        silent: false,
        expiry: ExpiryMonth::of(clock.now()).plus(12),
        payload: SealedPayload([handle.0; PAYLOAD_BYTES]),
    }
}

pub async fn submit(channel: &Channel, rows: &[Row]) -> Result<(), tonic::Status> {
    let rows = rows.iter().map(Into::into).collect();
    let mut service = MatchingClient::new(channel.clone());
    service.submit(SubmitRequest { rows }).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_is_found_and_told_across_hubs() {
    let Some(hubs) = Two::found("matches").await else {
        return;
    };
    let consortium = &hubs.consortium;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    // Members, agreement and certificates came in at the first hub.
    let epoch = consortium.agree(&[&harbour, &police]).await;
    let police = hubs.at_other(&police).await;
    let mut line = receive(&harbour, 0).await.unwrap();
    let clock = consortium.clock.as_ref();
    submit(&harbour.channel, &[row(clock, epoch, 1, (1, 1))])
        .await
        .unwrap();
    let of_police = [row(clock, epoch, 1, (2, 1))];
    eventually(async || submit(&police.channel, &of_police).await.ok()).await;
    // Harbour is on the first hub's line, and is woken for what came in at the other.
    loop {
        if let Some(delivery::Item::Notice(notice)) = next(&mut line).await.item {
            assert_eq!(notice.agency, "police");
            break;
        }
    }
    // What administrators change goes on at either hub, each after the other.
    let other_admin = admin(consortium.dir.path().join("admin"), &hubs.other);
    for number in 0..3 {
        for at in [&consortium.admin, &other_admin] {
            let name: symbolon_core::identity::Name = format!("agency-{number}").parse().unwrap();
            let kind = symbolon_core::identity::AgencyKind::Ngo;
            let quota = symbolon_core::roster::Quota {
                initial: 1,
                per_day: 1,
            };
            let _ = eventually(async || {
                let invited = at.invite(name.clone(), kind, "Some agency", 3600, quota);
                match invited.await {
                    Ok(_) => Some(()),
                    // Its view was a moment old: it met a conflict, or the chain had moved on. That it is
                    // invited already is an answer too.
                    Err(error) => error.to_string().contains("already").then_some(()),
                }
            })
            .await;
        }
    }
    eventually(async || {
        let here = consortium.admin.roster().await.ok()?.length;
        let there = other_admin.roster().await.ok()?.length;
        (there == here).then_some(())
    })
    .await;
    drop((line, harbour, police));
    hubs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_at_one_hub_ends_connections_at_the_other() {
    let Some(hubs) = Two::found("revocations").await else {
        return;
    };
    let consortium = &hubs.consortium;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let (there, stays) = (hubs.at_other(&harbour).await, hubs.at_other(&police).await);
    let line = eventually(async || receive(&there, 0).await.ok()).await;
    let mut line = line;
    ask(stays.channel.clone()).await.unwrap();
    let serial = consortium.serial("harbour").await;
    let since = Instant::now();
    revoke(consortium, &serial).await;
    ends(&mut line, since).await;
    let to = hubs.other.listen;
    let again = consortium.connect_to(to, &harbour.chain_pem, &harbour.key_pem);
    assert!(is_shut_out(again.await).await);
    ask(stays.channel.clone()).await.unwrap();
    // The published list of the other hub has it too.
    let list = consortium.dir.path().join("hub-2/tls/crl.pem");
    eventually(async || {
        let text = std::fs::read(&list).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(&text).unwrap();
        let (_, list) = x509_parser::parse_x509_crl(&pem.contents).unwrap();
        (list.iter_revoked_certificates().count() == 1).then_some(())
    })
    .await;
    drop((line, harbour, police, there, stays));
    hubs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_goes_to_a_custodian_at_the_other_hub() {
    let Some(hubs) = Two::found("evaluations").await else {
        return;
    };
    let (harbour, police) = appointed(&hubs.consortium).await;
    let there = hubs.at_other(&harbour).await;
    let mut keeper = CustodyClient::new(there.channel.clone());
    let mut asking = CustodyClient::new(police.channel.clone());
    let absent = asking.evaluate(request("police")).await.unwrap_err();
    assert_eq!(absent.code(), Code::Unavailable);
    // The appointment came in at the first hub.
    let (answers, mut tasks) = eventually(async || attend(&mut keeper).await.ok()).await;
    eventually(async || {
        let present = asking.attendance(AttendanceRequest {}).await.unwrap();
        (present.into_inner().custodians == ["harbour"]).then_some(())
    })
    .await;
    let evaluated = Evaluation {
        elements: vec![1; 64],
        proof: vec![2; 64],
    };
    let refusal = Refusal {
        word: "over-quota".to_owned(),
        retry_at: 1_900_000_000,
    };
    let outcomes = [
        answer::Outcome::Evaluated(evaluated.clone()),
        answer::Outcome::Refused(refusal.clone()),
    ];
    let keeping = tokio::spawn(async move {
        for outcome in outcomes {
            let Task { number, .. } = tasks.message().await.unwrap().unwrap();
            let outcome = Some(outcome);
            answers.send(Answer { number, outcome }).await.unwrap();
        }
        (answers, tasks)
    });
    for expected in [
        evaluate_reply::Outcome::Evaluated(evaluated),
        evaluate_reply::Outcome::Refused(refusal),
    ] {
        let reply = asking.evaluate(request("police")).await.unwrap();
        assert_eq!(reply.into_inner().outcome, Some(expected));
    }
    // Off the line, it is off it everywhere.
    drop(keeping.await.unwrap());
    eventually(async || {
        let gone = asking.evaluate(request("police")).await.err()?;
        (gone.code() == Code::Unavailable).then_some(())
    })
    .await;
    drop((harbour, police, there, keeper, asking));
    hubs.stop().await;
}

const BATCHES: u32 = 60;
const ROWS: u32 = 40;

/// A hub in a process that can be killed.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL; one that is gone already is no failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_process(first: &Path, state: &Path) -> (Process, std::net::SocketAddr) {
    lay_out(first, state);
    let (listen, enrolment) = (free_address().unwrap(), free_address().unwrap());
    let file = state.join("hub.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let kept = written.lines().filter(|line| {
        let key = line.split('=').next().unwrap_or("").trim();
        key != "listen" && key != "enrolment_listen"
    });
    let kept: Vec<&str> = kept.collect();
    let own = format!("listen = \"{listen}\"\nenrolment_listen = \"{enrolment}\"\n");
    std::fs::write(&file, format!("{own}{}", kept.join("\n"))).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_symbolon-hub"))
        .arg("serve")
        .arg("--state")
        .arg(state)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(state.join("stderr.log")).unwrap())
        .spawn()
        .unwrap();
    (Process(child), listen)
}

/// Submits every batch until it is acknowledged, at one hub or the other.
async fn submit_all(
    member: u8,
    epoch: AgreementEpoch,
    clock: Arc<dyn Clock>,
    connect: impl AsyncFn(u32) -> Option<Channel>,
    acknowledged: Arc<AtomicUsize>,
) {
    let (mut channel, mut tries) = (None, 0);
    for turn in 0..BATCHES {
        let lot = (turn * 7 + u32::from(member) * 11) % BATCHES;
        let numbers = lot * ROWS..(lot + 1) * ROWS;
        let rows: Vec<Row> = numbers
            .map(|n| row(clock.as_ref(), epoch, n, (member, n)))
            .collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < deadline, "no hub takes the rows");
            let at = match channel.take() {
                Some(at) => at,
                None => match connect(tries).await {
                    Some(at) => at,
                    None => {
                        tries += 1;
                        continue;
                    }
                },
            };
            match submit(&at, &rows).await {
                Ok(()) => {
                    channel = Some(at);
                    break;
                }
                // Whether it was stored is not known: the same again, at the other hub.
                Err(_) => tries += 1,
            }
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// All that a member handed in is held, and each pair was told it once.
async fn assert_whole(
    consortium: &Consortium,
    epoch: AgreementEpoch,
    (kind, other, member): (u8, u8, &Member),
) {
    let mut truth = Holdings::default();
    for number in 0..BATCHES * ROWS {
        let own = row(consortium.clock.as_ref(), epoch, number, (kind, number));
        truth.add(&own.fingerprint());
    }
    let mut service = MatchingClient::new(member.channel.clone());
    let held = service.holdings(HoldingsRequest {}).await.unwrap();
    let held = held.into_inner().holdings.unwrap();
    assert_eq!(
        (held.count, held.digest),
        (truth.count, truth.digest.to_vec())
    );
    let mut line = receive(member, 0).await.unwrap();
    let mut told: BTreeMap<(Vec<u8>, Vec<u8>), u32> = BTreeMap::new();
    let mut last = 0;
    while last < u64::from(BATCHES * ROWS) {
        let delivered = next(&mut line).await;
        let Some(delivery::Item::Notice(notice)) = delivered.item else {
            continue;
        };
        last += 1;
        assert_eq!(delivered.sequence, last, "numbers without gaps");
        *told.entry((notice.own_handle, notice.handle)).or_default() += 1;
    }
    for number in 0..BATCHES * ROWS {
        let clock = consortium.clock.as_ref();
        let own = row(clock, epoch, number, (kind, number)).handle.0.to_vec();
        let met = row(clock, epoch, number, (other, number)).handle.0.to_vec();
        assert_eq!(told.remove(&(own, met)), Some(1), "{number}");
    }
    assert!(told.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_loses_and_repeats_nothing() {
    let Some(schema) = Schema::make("killed").await else {
        return;
    };
    let consortium = Consortium::found_written(&schema.setting()).await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let epoch = consortium.agree(&[&harbour, &police]).await;
    let (first, second) = (
        consortium.dir.path().join("hub"),
        consortium.dir.path().join("hub-2"),
    );
    let (process, address) = start_process(&first, &second);
    eventually(async || tokio::net::TcpStream::connect(address).await.ok()).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let load = |kind: u8, member: &Member| {
        let (chain, key) = (member.chain_pem.clone(), member.key_pem.clone());
        let (root, here) = (consortium.root_pem(), consortium.hub.listen);
        let connect = async move |tries: u32| {
            // At the one that will be killed first.
            let to = if tries.is_multiple_of(2) {
                address
            } else {
                here
            };
            let certificate = symbolon_hub::client::ClientCertificate {
                chain_pem: &chain,
                key_pem: &key,
            };
            let tls = symbolon_hub::client::tls_config(&root, Some(certificate)).unwrap();
            symbolon_hub::client::connect(&to.to_string(), tls)
                .await
                .ok()
        };
        let clock = Arc::clone(&consortium.clock) as Arc<dyn Clock>;
        submit_all(kind, epoch, clock, connect, Arc::clone(&acknowledged))
    };
    let killing = async {
        eventually(async || (acknowledged.load(Ordering::SeqCst) >= 20).then_some(())).await;
        drop(process);
    };
    tokio::join!(load(1, &harbour), load(2, &police), killing);
    for side in [(1, 2, &harbour), (2, 1, &police)] {
        assert_whole(&consortium, epoch, side).await;
    }
    assert_eq!(
        consortium.hub.waiting_deliveries().await.unwrap(),
        u64::from(2 * BATCHES * ROWS)
    );
    drop((harbour, police));
    let dir = consortium.stop().await;
    drop(dir);
    schema
        .run(&format!("DROP SCHEMA {} CASCADE", schema.name))
        .await;
}
