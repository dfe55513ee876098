//! Accepting connections: bounded, with a time limit on the handshake, surviving every error.
//!
//! Each port takes in so many in a second and no more: a thousand that come at once would keep every thread
//! from those who ask. The others wait in the system's queue.
//!
//! Until its handshake is done a connection is a stranger's ([`crate::strangers`]). Then it takes one of the
//! port's places, and is one of so many of its member. At enrolment it stays a stranger's.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::accepted::{Accepted, Held};
use crate::certificates::Peer;
use crate::frames::{Meter, OfMembers};
use crate::membership::Directory;
use crate::metrics::{Refusal, Refusals};
use crate::outcasts::Outcasts;
use crate::strangers::{Place, Strangers};

/// A refused client gets so long to read why, and so many reads of what it went on sending.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 16;
/// After an error such as too many open files: long enough not to spin, short enough not to be felt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Accepted connections that the server has not yet taken.
const BACKLOG: usize = 16;
/// Redeeming an invitation takes two calls.
pub const ENROLMENT_LIFE: Duration = Duration::from_secs(60);
/// Refused connections that are told of in a second; the metrics count all of them.
const LINES_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// Connections of members that are taken in within a second: 200 nodes are back in a fifth of one.
pub const MEMBERS_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);
/// The same at enrolment, where whoever comes can have the hub sign a handshake.
pub const INVITED_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// So many of them may be taken in at once.
const ACCEPTS_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);

/// Sees every byte that members send, decrypted. Tests hold it against planted identifiers; the
/// program itself never sets one.
pub type Observer = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Connections on their way to a server.
pub type Incoming<S> = mpsc::Receiver<Result<Accepted<S>, Error>>;

/// How connections are taken in.
pub struct Intake {
    /// Says "main" or "enrolment" in the log.
    pub name: &'static str,
    /// Certificates and verifier.
    pub tls: Arc<ServerConfig>,
    /// Addresses that are closed to for a while.
    pub outcasts: Arc<Outcasts>,
    /// Who must be behind the certificate, and how many connections each may have; nobody at enrolment.
    pub members: Option<(Arc<Directory>, usize)>,
    /// Places for live connections of members.
    pub places: Arc<Semaphore>,
    /// Places for those of whom nothing is known yet.
    pub strangers: Arc<Strangers>,
    /// How many are taken in within a second.
    pub a_second: NonZeroU32,
    /// A client that takes longer is not one of ours.
    pub handshake_timeout: Duration,
    /// A connection on which nothing came for so long is closed.
    pub quiet: Duration,
    /// How many frames that carry nothing each member may send.
    pub frames: Arc<OfMembers>,
    /// Counts who was refused.
    pub refusals: Refusals,
    /// Who watches what comes in.
    pub observer: Option<Observer>,
}

/// Binds an address, or says what is in the way.
pub async fn bind(address: &str, setting: &'static str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: the address is in use; stop the other program or change `{setting}` in hub.toml"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "cannot listen on {address}: this machine has no such address; change `{setting}` in hub.toml"
        ),
        ErrorKind::PermissionDenied => format!(
            "cannot listen on {address}: permission denied; choose a port above 1023 as `{setting}` in hub.toml"
        ),
        _ => format!("cannot listen on {address}: {error}; change `{setting}` in hub.toml"),
    })
}

/// Accepts on every listener until shutdown; connections come out of the receiver.
pub fn accept(
    listeners: Vec<TcpListener>,
    intake: Intake,
    shutdown: &CancellationToken,
) -> Incoming<TlsStream<TcpStream>> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let accepts = Quota::per_second(intake.a_second).allow_burst(ACCEPTS_AT_ONCE);
    let door = Arc::new(Door {
        intake,
        accepts: RateLimiter::direct(accepts),
        lines: RateLimiter::direct(Quota::per_second(LINES_A_SECOND)),
    });
    for listener in listeners {
        let (sender, door, shutdown) = (sender.clone(), Arc::clone(&door), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = accept_all(&listener, &door, &sender) => {}
            }
            info!(listener = door.intake.name, "no more connections are taken");
        });
    }
    receiver
}

/// A port.
struct Door {
    intake: Intake,
    /// Connections that are taken in.
    accepts: DefaultDirectRateLimiter,
    /// Refusals that are told of.
    lines: DefaultDirectRateLimiter,
}

async fn accept_all(
    listener: &TcpListener,
    door: &Arc<Door>,
    sender: &mpsc::Sender<Result<Accepted<TlsStream<TcpStream>>, Error>>,
) {
    loop {
        door.accepts.until_ready().await;
        let (stream, from) = match next(listener, door.intake.name).await {
            Some(accepted) => accepted,
            None => continue,
        };
        if !door.intake.outcasts.admits(from.ip(), Instant::now()) {
            door.intake.refusals.note(Refusal::Outcast);
            continue;
        }
        let (place, displaced) = door.intake.strangers.enter(from.ip());
        if displaced {
            door.intake.refusals.note(Refusal::Displaced);
        }
        let (door, sender) = (Arc::clone(door), sender.clone());
        tokio::spawn(async move {
            let Door { intake, lines, .. } = &*door;
            match take_in((stream, from), place, intake).await {
                Ok(accepted) => {
                    debug!(listener = intake.name, %from, "connected");
                    // The server has stopped: the connection is dropped.
                    let _ = sender.send(Ok(accepted)).await;
                }
                Err((refusal, reason)) => {
                    // Those are counted when they are displaced, at enrolment also later than here.
                    if refusal != Refusal::Displaced {
                        intake.refusals.note(refusal);
                    }
                    // Whoever floods the port must not fill the disk.
                    if lines.check().is_ok() {
                        warn!(listener = intake.name, %from, reason, "a connection was refused");
                    }
                }
            }
        });
    }
}

async fn next(listener: &TcpListener, name: &'static str) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            warn!(listener = name, %error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

type Refused = (Refusal, String);

async fn take_in(
    (stream, from): (TcpStream, SocketAddr),
    place: Place,
    intake: &Intake,
) -> Result<Accepted<TlsStream<TcpStream>>, Refused> {
    let shaken = tokio::select! {
        shaken = shake_hands(stream, intake) => shaken,
        () = place.displaced() => {
            let reason = "others took its place before the handshake was done";
            return Err((Refusal::Displaced, reason.to_owned()));
        }
    };
    let (stream, peer) = shaken?;
    let (held, meter) = match (&intake.members, &peer) {
        (Some((directory, most)), Some(peer)) => {
            let permit = Arc::clone(&intake.places).try_acquire_owned();
            let full = |_| (Refusal::Connections, "too many connections".to_owned());
            let permit = permit.map_err(full)?;
            let opened = directory.open_connection(peer, *most);
            let (lease, ended) =
                opened.map_err(|error| (Refusal::Certificate, error.to_string()))?;
            if ended > 0 {
                info!(subject = %peer.subject, ended, "too many connections, the oldest end");
                intake.refusals.note(Refusal::Connections);
            }
            let held = Held::Member {
                lease,
                _place: permit,
                outcasts: (Arc::clone(&intake.outcasts), from.ip()),
            };
            (held, Meter::of_member(&intake.frames, peer.subject.clone()))
        }
        _ => {
            let life = tokio::time::sleep(ENROLMENT_LIFE);
            let held = Held::Stranger(place, Some(Box::pin(life)));
            (held, Meter::of_stranger())
        }
    };
    let observer = intake.observer.clone();
    let parts = (peer, held, meter);
    Ok(Accepted::new(stream, parts, intake.quiet, observer))
}

async fn shake_hands(
    stream: TcpStream,
    intake: &Intake,
) -> Result<(TlsStream<TcpStream>, Option<Peer>), Refused> {
    let failed = |reason: String| (Refusal::Handshake, reason);
    let delay = stream.set_nodelay(true);
    delay.map_err(|error| failed(error.to_string()))?;
    let acceptor = TlsAcceptor::from(Arc::clone(&intake.tls));
    let accepting = acceptor.accept(stream).into_fallible();
    let stream = match tokio::time::timeout(intake.handshake_timeout, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, stream))) => {
            let _ = tokio::time::timeout(LINGER, linger(stream)).await;
            return Err(failed(error.to_string()));
        }
        Err(_) => {
            let reason = "the handshake took too long".to_owned();
            return Err((Refusal::Slow, reason));
        }
    };
    if intake.members.is_none() {
        return Ok((stream, None));
    }
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let leaf = leaf.ok_or_else(|| failed("no certificate was shown".to_owned()))?;
    let peer = Peer::read(leaf).map_err(|error| (Refusal::Certificate, error.to_string()))?;
    Ok((stream, Some(peer)))
}

/// Accepts without TLS, for those who watch the machine.
pub fn accept_watchers(
    listener: TcpListener,
    (most, quiet): (usize, Duration),
    shutdown: &CancellationToken,
) -> Incoming<TcpStream> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let (strangers, shutdown) = (Strangers::new(most, most), shutdown.clone());
    match listener.local_addr() {
        Ok(address) if !address.ip().is_loopback() => {
            warn!(%address, "whoever reaches this address may ask for health over gRPC");
        }
        _ => {}
    }
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = next(&listener, "health") => accepted,
            };
            let Some((stream, from)) = accepted else {
                continue;
            };
            let (place, _) = strangers.enter(from.ip());
            let held = Held::Stranger(place, None);
            let parts = (None, held, Meter::of_stranger());
            let watcher = Accepted::new(stream, parts, quiet, None);
            if sender.send(Ok(watcher)).await.is_err() {
                return;
            }
        }
    });
    receiver
}

/// Takes what the client has sent meanwhile, so that the alert with the reason reaches it: closing a
/// socket with unread bytes makes the system throw away what was not yet delivered.
async fn linger(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    if stream.shutdown().await.is_err() {
        return;
    }
    for _ in 0..LINGER_READS {
        if matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {
            return;
        }
    }
}
