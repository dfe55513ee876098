//! Mutual TLS 1.3 to the hub, on rustls directly.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use symbolon_traces::Traces;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use zeroize::Zeroizing;

use super::line::Line;
use super::{HubClient, HubError};
use crate::certificates::Validity;
use crate::clock::{Clock, rfc3339};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// What this node shows, and whom it trusts.
pub struct Credentials {
    /// Of the leaf.
    pub validity: Validity,
    /// When it came, by our clock.
    pub issued_at: i64,
    /// The consortium's root certificates, DER.
    pub roots: Vec<Vec<u8>>,
    /// Our chain, leaf first, DER.
    pub chain: Vec<Vec<u8>>,
    /// Our private key, PKCS #8 DER.
    pub key: Zeroizing<Vec<u8>>,
}

/// Connects with our certificate.
pub async fn connect(
    address: &str,
    credentials: &Credentials,
    clock: &Arc<dyn Clock>,
    traces: &Traces,
) -> Result<HubClient, HubError> {
    let chain = credentials
        .chain
        .iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(credentials.key.to_vec()));
    let time = Arc::new(NodeTime(Arc::clone(clock)));
    let config = builder(&credentials.roots, time)?
        .with_client_auth_cert(chain, key)
        .map_err(|error| HubError::Credentials(error.to_string()))?;
    open(address, config, traces.clone()).await
}

/// Connects without a certificate, to the enrolment port.
pub async fn connect_for_enrolment(address: &str, root: &[u8]) -> Result<HubClient, HubError> {
    let config = builder(&[root.to_vec()], Arc::new(DefaultTimeProvider))?;
    open(address, config.with_no_client_auth(), Traces::off()).await
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// This node's clock, as the library wants it.
struct NodeTime(Arc<dyn Clock>);

impl std::fmt::Debug for NodeTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeTime")
    }
}

impl TimeProvider for NodeTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn builder(trusted: &[Vec<u8>], time: Arc<dyn TimeProvider>) -> Result<Builder, HubError> {
    let mut roots = RootCertStore::empty();
    for root in trusted {
        roots
            .add(CertificateDer::from(root.clone()))
            .map_err(|error| HubError::Credentials(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| HubError::Credentials(error.to_string()))?;
    Ok(versions.with_root_certificates(roots))
}

async fn open(
    address: &str,
    mut config: ClientConfig,
    traces: Traces,
) -> Result<HubClient, HubError> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    // The hub gives no tickets; we ask for none either.
    config.resumption = rustls::client::Resumption::disabled();
    let unreachable = |reason: String| HubError::Unreachable {
        address: address.to_owned(),
        reason,
    };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(host).map_err(|_| unreachable("not a host:port".to_owned()))?;
    let connector = TlsConnector::from(Arc::new(config));
    let target = address.to_owned();
    let dial = tower::service_fn(move |_: tonic::transport::Uri| {
        let (connector, name, target) = (connector.clone(), name.clone(), target.clone());
        async move {
            let stream = TcpStream::connect(&target).await?;
            stream.set_nodelay(true)?;
            connector.connect(name, stream).await.map(TokioIo::new)
        }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| unreachable(error.to_string()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let connected: Result<Channel, _> = endpoint.connect_with_connector(dial).await;
    let channel = connected.map_err(|error| unreachable(root_cause(&error)))?;
    let line = Line::new(channel, traces);
    Ok(HubClient { line })
}

/// The innermost reason: what tonic wraps says more than its wrapping.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let io = cause.downcast_ref::<std::io::Error>();
    let wrapped = io.and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>());
    match wrapped.or_else(|| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(reason)) => out_of_time(reason),
        _ => None,
    }
    .unwrap_or_else(|| cause.to_string())
}

/// A wrong clock is the usual reason why a sound certificate is refused: both times are told.
fn out_of_time(reason: &CertificateError) -> Option<String> {
    let moment = |time: &UnixTime| rfc3339(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    match reason {
        CertificateError::ExpiredContext { time, not_after } => Some(format!(
            "the hub's certificate ended {}, and by this machine's clock it is {}",
            moment(not_after),
            moment(time)
        )),
        CertificateError::NotValidYetContext { time, not_before } => Some(format!(
            "the hub's certificate is good from {} on, and by this machine's clock it is {}: set the clock",
            moment(not_before),
            moment(time)
        )),
        _ => None,
    }
}
