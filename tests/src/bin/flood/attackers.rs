//! The attackers: this program again, at the lowest priority.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use symbolon_tests::consortium::{Consortium, eventually};
use symbolon_tests::flood::{Flood, Frames, Tally, Target};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// After this the slow clients have come, as far as they are let in.
const SETTLE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct Attack {
    main: SocketAddr,
    enrolment: SocketAddr,
    /// State of the member whose certificate is misused.
    node: PathBuf,
    slow: usize,
    /// Bad frames that are sent.
    floods: Vec<Frames>,
}

/// What came of it.
#[derive(Default, Serialize, Deserialize)]
pub struct Came {
    pub opened: u64,
    pub closed: u64,
    /// Slow connections that were open at the end.
    pub slow: u64,
    pub sent_mb: u64,
}

impl Came {
    /// What came of the same attackers at another time.
    pub fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.slow = other.slow;
        self.sent_mb += other.sent_mb;
    }
}

impl From<&Tally> for Came {
    fn from(tally: &Tally) -> Self {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            opened: read(&tally.opened),
            closed: read(&tally.closed),
            slow: read(&tally.slow),
            sent_mb: read(&tally.sent) / 1_000_000,
        }
    }
}

/// Attacks until nobody holds the other end of standard input.
pub fn run(attack: &Attack) {
    rustix::process::nice(19).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let addresses = (attack.main, attack.enrolment);
        let target = Target::new(addresses, &attack.node, &super::unlock()).unwrap();
        let flood = Flood::start(&target, attack.slow, &attack.floods);
        let begun = eventually("the first clients", async || {
            Ok((flood.tally.opened.load(Ordering::Relaxed) > 0).then_some(()))
        });
        begun.await.unwrap();
        tokio::time::sleep(SETTLE).await;
        println!("{{}}");
        let mut end = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(_)) = end.next_line().await {}
        let came = Came::from(&*flood.tally);
        flood.stop().await;
        println!("{}", serde_json::to_string(&came).unwrap());
    });
}

/// The attackers' process.
pub struct Attackers {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Attackers {
    pub async fn start(consortium: &Consortium, slow: usize, floods: &[Frames]) -> Self {
        let (main, enrolment) = consortium.addresses();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("attack")
            .args([main.to_string(), enrolment.to_string()])
            .arg(consortium.places.node("mallory"))
            .arg(slow.to_string())
            .args(floods.iter().map(|kind| kind.name()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next_line().await.unwrap().expect("attackers begin");
        Self { child, lines }
    }

    pub async fn stop(mut self) -> Came {
        drop(self.child.stdin.take());
        let came = self.lines.next_line().await.unwrap();
        let came = serde_json::from_str(&came.expect("attackers end")).unwrap();
        self.child.wait().await.unwrap();
        came
    }
}
