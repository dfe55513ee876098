//! The primary of a PostgreSQL cluster dies under load: nothing acknowledged is lost, nothing is told twice.
//!
//! Two hubs over the cluster take submissions of two members that hold much in common. The primary is killed
//! with SIGKILL, the other server is promoted, the killed one comes back, follows, and is promoted in its turn
//! when the new primary is killed. Afterwards rows, notices and log are held against a join in clear of what
//! was submitted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use symbolon_core::crypto;
use symbolon_core::identity::AgencyName;
use symbolon_core::log::Frontier;
use symbolon_core::row::{
    AgreementEpoch, ExpiryMonth, Handle, Holdings, PAYLOAD_BYTES, Row, SealedPayload, Token,
};
use symbolon_hub::Clock;
use symbolon_hub::store::postgres::{PostgresStore, Settings};
use symbolon_hub::store::{Item, Store};
use tonic::transport::Channel;

use crate::cluster::{self, Cluster};
use crate::consortium::{Consortium, Member, start};
use crate::replicas::{lay_out, submit};

const MEMBERS: [&str; 2] = ["harbour", "police"];
const ROWS_OF_A_BATCH: u64 = 40;
/// Where a member's own tokens are counted from; two thirds of all tokens are common to both.
const OWN: [u64; 2] = [1_000_000_000, 2_000_000_000];
/// A wait for a condition that must come gives up after this.
const PATIENCE: Duration = Duration::from_secs(120);

fn agency(member: usize) -> AgencyName {
    MEMBERS[member].parse().unwrap()
}

fn bytes(kind: &str, number: u64) -> [u8; 16] {
    let digest = crypto::digest(kind, &[&number.to_be_bytes()]);
    *digest.0.first_chunk().unwrap()
}

/// What the rows of all members have in common.
#[derive(Clone, Copy)]
struct Kind {
    epoch: AgreementEpoch,
    expiry: ExpiryMonth,
}

impl Kind {
    /// The row of a member with a number: every third token is the member's own.
    fn row(self, member: usize, number: u64) -> Row {
        let own = if number.is_multiple_of(3) {
            OWN[member]
        } else {
            0
        };
        Row {
            agreement_epoch: self.epoch,
            token: Token(bytes("token", own + number)),
            handle: Handle(bytes(MEMBERS[member], number)),
            silent: false,
            expiry: self.expiry,
            payload: SealedPayload([7; PAYLOAD_BYTES]),
        }
    }

    fn rows(self, member: usize, batches: std::ops::Range<u64>) -> Vec<Row> {
        let numbers = batches.start * ROWS_OF_A_BATCH..batches.end * ROWS_OF_A_BATCH;
        numbers.map(|number| self.row(member, number)).collect()
    }
}

/// How many batches of each member were acknowledged, and whether it is enough.
#[derive(Default)]
struct Load {
    acknowledged: [AtomicU64; 2],
    end: AtomicBool,
}

impl Load {
    /// What a member's node does: it submits batch after batch, and the same one again until it is
    /// acknowledged, at one hub or the other.
    async fn submit(
        &self,
        member: usize,
        kind: Kind,
        connect: impl AsyncFn(usize) -> Option<Channel>,
    ) {
        let (mut channel, mut tries, mut number) = (None, member, 0);
        while !self.end.load(Ordering::SeqCst) {
            let (rows, begun) = (kind.rows(member, number..number + 1), Instant::now());
            loop {
                assert!(begun.elapsed() < PATIENCE, "no hub takes the rows");
                let at = match channel.take() {
                    Some(at) => Some(at),
                    None => connect(tries).await,
                };
                if let Some(at) = at
                    && submit(&at, &rows).await.is_ok()
                {
                    channel = Some(at);
                    break;
                }
                // Whether it was stored is not known: the same again, at the other hub.
                tries += 1;
            }
            number += 1;
            self.acknowledged[member].store(number, Ordering::SeqCst);
        }
    }

    fn acknowledged(&self) -> [u64; 2] {
        [0, 1].map(|member| self.acknowledged[member].load(Ordering::SeqCst))
    }

    /// Waits until each member has had some more batches acknowledged.
    async fn goes_on(&self) {
        let (before, begun) = (self.acknowledged(), Instant::now());
        let more = || {
            let [one, other] = self.acknowledged();
            (one - before[0]).min(other - before[1]) >= 10
        };
        while !more() {
            assert!(
                begun.elapsed() < PATIENCE,
                "nothing is acknowledged any more"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Who was told of what: own handle and the other's, and how often.
fn told(store: &dyn Store, member: usize) -> BTreeMap<(Handle, Handle), usize> {
    let mut told = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store.deliveries(&agency(member), after, 5_000).unwrap();
        for (number, item) in &page {
            after += 1;
            assert_eq!(*number, after, "every number of the mailbox once");
            let Item::Notice {
                own_handle, handle, ..
            } = item
            else {
                panic!("{item:?}");
            };
            *told.entry((*own_handle, *handle)).or_default() += 1;
        }
        if page.is_empty() {
            return told;
        }
    }
}

fn check(store: &dyn Store, kind: Kind, acknowledged: [u64; 2]) {
    let all = [0, 1].map(|member| kind.rows(member, 0..acknowledged[member]));
    for (member, rows) in all.iter().enumerate() {
        let mut expected = Holdings::default();
        rows.iter().for_each(|row| expected.add(&row.fingerprint()));
        assert_eq!(store.holdings(&agency(member)).unwrap(), expected);
        assert_eq!(store.recount(&agency(member)).unwrap(), expected);
    }
    // The join in clear.
    let by_token: HashMap<Token, Handle> =
        all[0].iter().map(|row| (row.token, row.handle)).collect();
    let pairs: BTreeSet<(Handle, Handle)> = all[1]
        .iter()
        .filter_map(|row| Some((*by_token.get(&row.token)?, row.handle)))
        .collect();
    assert!(pairs.len() > 100, "the members hold much in common");
    let once: BTreeMap<_, _> = pairs.iter().map(|pair| (*pair, 1)).collect();
    assert!(told(store, 0) == once, "each pair once, at the one side");
    let once: BTreeMap<_, _> = pairs
        .iter()
        .map(|(one, other)| ((*other, *one), 1))
        .collect();
    assert!(told(store, 1) == once, "each pair once, at the other side");
    check_log(store);
}

fn check_log(store: &dyn Store) {
    let mut rebuilt = Frontier::default();
    loop {
        let page = store.log_entries(rebuilt.size(), 5_000).unwrap();
        for entry in &page {
            rebuilt.append(&entry.line().unwrap());
        }
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(rebuilt, store.frontier().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_dies_under_load() {
    if !cluster::wanted("the primary dies under load") {
        return;
    }
    let cluster = tokio::task::block_in_place(Cluster::start);
    let consortium = Consortium::found_written(&format!("store = \"{}\"", cluster.url())).await;
    let [first, second] = ["hub", "hub-2"].map(|name| consortium.dir.path().join(name));
    lay_out(&first, &second);
    let (other, stop_other) = start(second, &consortium.clock).await;
    let harbour = consortium.enrol(MEMBERS[0]).await;
    let police = consortium.enrol(MEMBERS[1]).await;
    let kind = Kind {
        epoch: consortium.agree(&[&harbour, &police]).await,
        expiry: ExpiryMonth::of(consortium.clock.now()).plus(12),
    };
    let load = Load::default();
    let hubs = [consortium.hub.listen, other.listen];
    let submitting = |number: usize, member: &Member| {
        let (chain, key) = (member.chain_pem.clone(), member.key_pem.clone());
        let (consortium, load) = (&consortium, &load);
        async move {
            let connect = async |tries: usize| {
                let to = hubs[tries % 2];
                consortium.connect_to(to, &chain, &key).await.ok()
            };
            load.submit(number, kind, connect).await;
        }
    };
    let killing = async {
        load.goes_on().await;
        let killed = tokio::task::block_in_place(|| cluster.kill_primary());
        load.goes_on().await;
        tokio::task::block_in_place(|| cluster.restart());
        load.goes_on().await;
        let then = tokio::task::block_in_place(|| cluster.kill_primary());
        assert_ne!(killed, then, "the standby was promoted");
        load.goes_on().await;
        load.end.store(true, Ordering::SeqCst);
    };
    tokio::join!(submitting(0, &harbour), submitting(1, &police), killing);
    let acknowledged = load.acknowledged();
    println!("acknowledged batches of {ROWS_OF_A_BATCH} rows: {acknowledged:?}");
    drop((harbour, police));
    stop_other.cancel();
    other.wait().await.unwrap();
    let dir = consortium.stop().await;
    tokio::task::block_in_place(|| {
        let settings = Settings::new(cluster.url().to_owned().into());
        let store = PostgresStore::open(&settings).unwrap();
        check(&store, kind, acknowledged);
    });
    drop((dir, cluster));
}
