//! Mutual TLS 1.3 to the hub, on rustls directly.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use zeroize::Zeroizing;

use super::{HubClient, HubError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// What this node shows, and whom it trusts.
pub struct Credentials {
    /// The consortium's root certificate, DER.
    pub root: Vec<u8>,
    /// Our chain, leaf first, DER.
    pub chain: Vec<Vec<u8>>,
    /// Our private key, PKCS #8 DER.
    pub key: Zeroizing<Vec<u8>>,
}

/// Connects with our certificate.
pub async fn connect(address: &str, credentials: &Credentials) -> Result<HubClient, HubError> {
    let chain = credentials
        .chain
        .iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(credentials.key.to_vec()));
    let config = builder(&credentials.root)?
        .with_client_auth_cert(chain, key)
        .map_err(|error| HubError::Credentials(error.to_string()))?;
    open(address, config).await
}

/// Connects without a certificate, to the enrolment port.
pub async fn connect_for_enrolment(address: &str, root: &[u8]) -> Result<HubClient, HubError> {
    open(address, builder(root)?.with_no_client_auth()).await
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn builder(root: &[u8]) -> Result<Builder, HubError> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(root.to_vec()))
        .map_err(|error| HubError::Credentials(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| HubError::Credentials(error.to_string()))?;
    Ok(versions.with_root_certificates(roots))
}

async fn open(address: &str, mut config: ClientConfig) -> Result<HubClient, HubError> {
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
    Ok(HubClient { channel })
}

/// The innermost reason: what tonic wraps says more than its wrapping.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
