//! Accepting connections: bounded, with a time limit on the handshake, surviving every error.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::certificates::Peer;
use crate::connections::Lease;
use crate::membership::Directory;

/// A client that takes longer is not one of ours.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A refused client gets so long to read why, and so many reads of what it went on sending.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 16;
/// After an error such as too many open files: long enough not to spin, short enough not to be felt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Accepted connections that the server has not yet taken.
const BACKLOG: usize = 16;

/// Sees every byte that members send, decrypted. Tests hold it against planted identifiers; the
/// program itself never sets one.
pub type Observer = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A connection whose handshake is done.
pub struct Accepted {
    /// The encrypted stream.
    pub stream: TlsStream<TcpStream>,
    /// Whom the certificate speaks for; none at enrolment.
    pub peer: Option<Peer>,
    /// Until when; none at enrolment.
    pub lease: Option<Lease>,
    /// Who watches what comes in.
    pub observer: Option<Observer>,
    /// Counts the connection while it lives.
    pub _permit: OwnedSemaphorePermit,
}

/// How connections are taken in.
pub struct Intake {
    /// Says "main" or "enrolment" in the log.
    pub name: &'static str,
    /// Certificates and verifier.
    pub tls: Arc<ServerConfig>,
    /// Who must be behind the certificate; nobody at enrolment.
    pub directory: Option<Arc<Directory>>,
    /// Most live connections.
    pub max_connections: usize,
    /// Most handshakes under way.
    pub max_handshakes: usize,
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
) -> mpsc::Receiver<Result<Accepted, Error>> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let intake = Arc::new(intake);
    for listener in listeners {
        let (sender, intake, shutdown) = (sender.clone(), Arc::clone(&intake), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = accept_all(&listener, &intake, &sender) => {}
            }
            info!(listener = intake.name, "no more connections are taken");
        });
    }
    receiver
}

async fn accept_all(
    listener: &TcpListener,
    intake: &Intake,
    sender: &mpsc::Sender<Result<Accepted, Error>>,
) {
    let connections = Arc::new(Semaphore::new(intake.max_connections));
    let handshakes = Arc::new(Semaphore::new(intake.max_handshakes));
    loop {
        // Waiting for a place leaves newcomers in the kernel's queue.
        let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(listener = intake.name, %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            warn!(listener = intake.name, %from, "too many connections, this one is closed");
            continue;
        };
        let (name, directory) = (intake.name, intake.directory.clone());
        let acceptor = TlsAcceptor::from(Arc::clone(&intake.tls));
        let (sender, observer) = (sender.clone(), intake.observer.clone());
        tokio::spawn(async move {
            let _handshake = handshake;
            match shake_hands(stream, acceptor, directory.as_deref()).await {
                Ok((stream, member)) => {
                    debug!(listener = name, %from, "connected");
                    let (peer, lease) = member.unzip();
                    let accepted = Accepted {
                        stream,
                        peer,
                        lease,
                        observer,
                        _permit: permit,
                    };
                    // The server has stopped: the connection is dropped.
                    let _ = sender.send(Ok(accepted)).await;
                }
                Err(reason) => log_refusal(name, from, &reason),
            }
        });
    }
}

type Member = Option<(Peer, Lease)>;

async fn shake_hands(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    directory: Option<&Directory>,
) -> Result<(TlsStream<TcpStream>, Member), String> {
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let accepting = acceptor.accept(stream).into_fallible();
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, stream))) => {
            let _ = tokio::time::timeout(LINGER, linger(stream)).await;
            return Err(error.to_string());
        }
        Err(_) => return Err("the handshake took too long".to_owned()),
    };
    let Some(directory) = directory else {
        return Ok((stream, None));
    };
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let leaf = leaf.ok_or_else(|| "no certificate was shown".to_owned())?;
    let peer = Peer::read(leaf).map_err(|error| error.to_string())?;
    let lease = directory
        .open_connection(&peer)
        .map_err(|error| error.to_string())?;
    Ok((stream, Some((peer, lease))))
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

fn log_refusal(listener: &'static str, from: SocketAddr, reason: &str) {
    warn!(listener, %from, reason, "a connection was refused");
}
