//! Clients that wish the hub ill: slow ones, and those that send what no client sends. Loopback only, so
//! many at a time and no more, until they are told to stop.
//!
//! The scenarios have a few of them beside an honest node; `flood` has thousands and looks at the clock.

mod frames;
mod slow;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use symbolon_core::sealed_file::Unlock;
use tokio::io;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::consortium::Failure;
use crate::relay;

pub use frames::Frames;
pub use slow::Slow;

/// A slow client that was thrown out comes again after this, and one that floods.
const SLOW_AGAIN: Duration = Duration::from_secs(5);
const FLOOD_AGAIN: Duration = Duration::from_millis(100);
/// Addresses of the loopback network that clients come from: 127.1.0.1 and on.
const ADDRESSES: u32 = 250;

/// Whom to attack and with what.
#[derive(Clone)]
pub struct Target {
    /// The port of members.
    pub main: SocketAddr,
    /// The port of invitations, where nobody shows a certificate.
    pub enrolment: SocketAddr,
    member: TlsConnector,
    nobody: TlsConnector,
}

impl Target {
    /// With the certificate of an enrolled agency, whose stopped node lies at `node`.
    ///
    /// # Errors
    /// The node cannot be opened, or an address is not of this machine.
    pub fn new(
        (main, enrolment): (SocketAddr, SocketAddr),
        node: &Path,
        unlock: &Unlock,
    ) -> Result<Self, Failure> {
        if !(main.ip().is_loopback() && enrolment.ip().is_loopback()) {
            return Err("only this machine is attacked".into());
        }
        let identity = relay::identity(node, unlock)?;
        let mut roots = RootCertStore::empty();
        roots.add(identity.root.0.clone().into())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut nobody = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        nobody.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            main,
            enrolment,
            member: relay::connector(&identity)?,
            nobody: TlsConnector::from(Arc::new(nobody)),
        })
    }

    async fn as_member(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = dial(self.main, 0).await?;
        self.member.connect(name()?, stream).await
    }

    async fn as_nobody(&self, number: u32) -> io::Result<TlsStream<TcpStream>> {
        let stream = dial(self.enrolment, number).await?;
        self.nobody.connect(name()?, stream).await
    }
}

fn name() -> io::Result<ServerName<'static>> {
    ServerName::try_from("localhost").map_err(io::Error::other)
}

/// Connects from one of the addresses of the loopback network.
async fn dial(to: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if to.is_ipv4() {
        let base = Ipv4Addr::new(127, 1, 0, 1).to_bits();
        let from = Ipv4Addr::from_bits(base + number % ADDRESSES);
        socket.bind((from, 0).into())?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Connections of slow clients that are open now.
    pub slow: AtomicU64,
    /// Connections that were opened.
    pub opened: AtomicU64,
    /// Connections that the hub closed or refused.
    pub closed: AtomicU64,
    /// Bytes that floods could send.
    pub sent: AtomicU64,
}

fn one_more(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// An attack under way.
pub struct Flood {
    /// Counts as it goes.
    pub tally: Arc<Tally>,
    stop: CancellationToken,
    clients: TaskTracker,
}

impl Flood {
    /// So many slow clients, of each kind as many, and floods of bad frames of these kinds.
    #[must_use]
    pub fn start(target: &Target, slow: usize, floods: &[Frames]) -> Self {
        let (tally, stop) = (Arc::new(Tally::default()), CancellationToken::new());
        let clients = TaskTracker::new();
        let slow = (0..).zip(Slow::ALL.into_iter().cycle().take(slow));
        let slow = slow.map(|(number, kind)| Client::Slow(kind, number));
        let floods = floods.iter().copied().map(Client::Flood);
        for client in slow.chain(floods) {
            let (target, tally, stop) = (target.clone(), Arc::clone(&tally), stop.clone());
            clients.spawn(async move { client.keep(&target, &tally, &stop).await });
        }
        Self {
            tally,
            stop,
            clients,
        }
    }

    /// Ends every client.
    pub async fn stop(self) -> Arc<Tally> {
        self.stop.cancel();
        self.clients.close();
        self.clients.wait().await;
        self.tally
    }
}

/// One that attacks.
#[derive(Clone, Copy)]
enum Client {
    /// With its number.
    Slow(Slow, u32),
    Flood(Frames),
}

impl Client {
    /// Attacks again and again.
    async fn keep(self, target: &Target, tally: &Tally, stop: &CancellationToken) {
        let (first, again) = match self {
            // Not all in one moment: a fifth of a millisecond apart.
            Self::Slow(_, number) => (Duration::from_micros(200) * number, SLOW_AGAIN),
            Self::Flood(_) => (Duration::ZERO, FLOOD_AGAIN),
        };
        let mut wait = first;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = again;
            tokio::select! {
                () = stop.cancelled() => return,
                // However it ends, it was not by us.
                _ = self.attack(target, tally) => one_more(&tally.closed),
            }
        }
    }

    async fn attack(self, target: &Target, tally: &Tally) -> io::Result<()> {
        match self {
            Self::Slow(kind, number) => kind.attack(target, number, tally).await,
            Self::Flood(kind) => kind.attack(target, tally).await,
        }
    }
}
