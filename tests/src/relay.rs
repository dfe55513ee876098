//! A hub that lies to one node: a relay between that node and the real hub that may change, drop and
//! repeat each message.
//!
//! It shows the hub's own server certificate and goes to the hub with the node's certificate, so it
//! can do to that node whatever a malicious hub can, short of making signatures. It works on gRPC
//! messages and knows nothing of what is in them; what is done to them is said by the test.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use symbolon_core::sealed_file::Unlock;
use symbolon_node::tables::{StoredIdentity, Tables};
use symbolon_node::vault::Vault;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;

use crate::consortium::Failure;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the node to the hub.
    Up,
    /// From the hub to the node.
    Down,
}

/// What is done to a message: the method it belongs to, its way, its bytes; what goes on instead.
pub type Lie = Box<dyn FnMut(&str, Way, Vec<u8>) -> Vec<Vec<u8>> + Send>;

/// A running relay.
pub struct Relay {
    /// Where the node has to connect.
    pub address: SocketAddr,
    lie: Arc<Mutex<Lie>>,
    delay: Delay,
    _serving: AbortOnDropHandle<()>,
}

/// Which method's next answer comes late, and by how much.
type Delay = Arc<Mutex<Option<(&'static str, Duration)>>>;

/// Nothing is changed.
pub fn honest() -> Lie {
    Box::new(|_, _, message| vec![message])
}

impl Relay {
    /// Starts a relay for the agency whose stopped node lies at `node`. It is honest at first.
    pub async fn start(
        hub_state: &Path,
        hub: SocketAddr,
        node: &Path,
        unlock: &Unlock,
    ) -> Result<Self, Failure> {
        let identity = identity(node, unlock)?;
        let (acceptor, connector) = (acceptor(hub_state)?, connector(&identity)?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let lie = Arc::new(Mutex::new(honest()));
        let told = Arc::clone(&lie);
        let delay = Delay::default();
        let late = Arc::clone(&delay);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                let (lie, delay) = (Arc::clone(&told), Arc::clone(&late));
                tokio::spawn(async move {
                    // A line that breaks is the node's to notice.
                    let _ = connection(stream, acceptor, connector, hub, (lie, delay)).await;
                });
            }
        });
        Ok(Self {
            address,
            lie,
            delay,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// From now on it does this.
    pub fn tell(&self, lie: Lie) {
        *self.lie.lock().unwrap_or_else(PoisonError::into_inner) = lie;
    }

    /// The next answer of this method, as the hub gave it, comes only after this time.
    pub fn delay_next(&self, method: &'static str, by: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = Some((method, by));
    }

    /// Whether the answer that was to come late was given.
    pub fn delays(&self) -> bool {
        let delay = self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        delay.is_none()
    }
}

pub(crate) fn identity(node: &Path, unlock: &Unlock) -> Result<StoredIdentity, Failure> {
    let vault = Vault::open(node, unlock)?;
    let tables = Tables::open(&vault)?;
    let identity = tables.identity.iter().next().ok_or("no identity")??;
    Ok(identity.1)
}

fn acceptor(hub_state: &Path) -> Result<TlsAcceptor, Failure> {
    let tls = hub_state.join("tls");
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_file_iter(tls.join("server.pem"))? {
        chain.push(certificate?);
    }
    let key = PrivateKeyDer::from_pem_file(tls.join("server.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

pub(crate) fn connector(identity: &StoredIdentity) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(identity.root.0.clone()))?;
    let chain = identity.chain.iter();
    let chain = chain.map(|der| CertificateDer::from(der.0.clone()));
    let key = PrivatePkcs8KeyDer::from(identity.tls_key.0.clone());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.collect(), PrivateKeyDer::Pkcs8(key))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    hub: SocketAddr,
    (lie, delay): (Arc<Mutex<Lie>>, Delay),
) -> Result<(), Failure> {
    let from_node = acceptor.accept(stream).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    let to_hub = connector
        .connect(name, TcpStream::connect(hub).await?)
        .await?;
    let (sender, upstream) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(to_hub)).await?;
    let _upstream = AbortOnDropHandle::new(tokio::spawn(async move {
        let _ = upstream.await;
    }));
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut sender, lie, delay) = (sender.clone(), Arc::clone(&lie), Arc::clone(&delay));
        async move {
            let path = request.uri().path().to_owned();
            let (parts, body) = request.into_parts();
            let body = told(body, path.clone(), Way::Up, Arc::clone(&lie), None);
            let reply = sender
                .send_request(Request::from_parts(parts, body))
                .await?;
            let (parts, body) = reply.into_parts();
            let body = told(body, path, Way::Down, lie, Some(delay));
            Ok::<_, hyper::Error>(Response::from_parts(parts, body))
        }
    });
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(from_node), service)
        .await?;
    Ok(())
}

type Told = StreamBody<ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

/// How long an answer of this method is kept back; only one is.
fn lateness(delay: &Delay, path: &str) -> Option<Duration> {
    let mut delay = delay.lock().unwrap_or_else(PoisonError::into_inner);
    let late = delay.take_if(|(method, _)| *method == path);
    late.map(|(_, by)| by)
}

/// A body whose messages went through the lie.
fn told(
    mut body: Incoming,
    path: String,
    way: Way,
    lie: Arc<Mutex<Lie>>,
    delay: Option<Delay>,
) -> Told {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut waiting = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            let frames = match frame.into_data() {
                Ok(data) => {
                    waiting.extend_from_slice(&data);
                    let mut out = Vec::new();
                    while let Some(message) = next_message(&mut waiting) {
                        let mut lie = lie.lock().unwrap_or_else(PoisonError::into_inner);
                        for told in (*lie)(&path, way, message) {
                            out.extend_from_slice(&framed(&told));
                        }
                    }
                    vec![Frame::data(Bytes::from(out))]
                }
                Err(trailers) => vec![trailers],
            };
            if let Some(late) = delay.as_ref().and_then(|delay| lateness(delay, &path)) {
                tokio::time::sleep(late).await;
            }
            for frame in frames {
                if sender.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
        }
    });
    StreamBody::new(ReceiverStream::new(receiver))
}

/// Takes one gRPC message off the front: a flag byte, a length of four bytes, the message.
fn next_message(waiting: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head: [u8; 5] = waiting.get(..5)?.try_into().ok()?;
    let [_, length @ ..] = head;
    let end = 5 + u32::from_be_bytes(length) as usize;
    let message = waiting.get(5..end)?.to_vec();
    waiting.drain(..end);
    Some(message)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
    out
}
