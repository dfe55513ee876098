//! A TLS 1.3 connection to a hub, for the administrator's commands and for tests.
//!
//! The root certificate that founding made is the only trust anchor; the system's are not used.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Root, certificate or key cannot be used.
    #[error("the tls files cannot be used: {0}")]
    Material(String),
    /// Not `host:port`.
    #[error("{0} is not an address of the form host:port")]
    Address(String),
    /// Nobody answers, or not with the right certificate.
    #[error("cannot connect to {address}: {detail}; is the hub running, and is this its address?")]
    Connect {
        /// Where.
        address: String,
        /// Why not.
        detail: String,
    },
}

fn material(error: impl std::fmt::Display) -> ClientError {
    ClientError::Material(error.to_string())
}

/// What a client shows: its chain and its key, PEM.
#[derive(Clone, Copy)]
pub struct ClientCertificate<'a> {
    /// Leaf first.
    pub chain_pem: &'a str,
    /// PKCS #8.
    pub key_pem: &'a str,
}

/// TLS 1.3 with one trust anchor and, except at enrolment, a client certificate.
pub fn tls_config(
    root_pem: &str,
    certificate: Option<ClientCertificate<'_>>,
) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(root_pem.as_bytes()) {
        roots.add(root.map_err(material)?).map_err(material)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(material)?
        .with_root_certificates(roots);
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some(ClientCertificate { chain_pem, key_pem }) => {
            let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .map_err(material)?;
            let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(material)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(material)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Splits `host:port`; an IPv6 host stands in brackets.
pub fn host_of(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty()).then_some(host)
}

type Connecting = Pin<
    Box<
        dyn Future<Output = std::io::Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>>>
            + Send,
    >,
>;

/// Connects to `host:port`.
pub async fn connect(address: &str, config: ClientConfig) -> Result<Channel, ClientError> {
    let malformed = || ClientError::Address(address.to_owned());
    let host = host_of(address).ok_or_else(malformed)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| malformed())?;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| malformed())?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT);
    let connector = TlsConnector::from(Arc::new(config));
    let target = address.to_owned();
    let open = tower::service_fn(move |_: Uri| -> Connecting {
        let (connector, target, name) = (connector.clone(), target.clone(), name.clone());
        Box::pin(async move {
            let stream = TcpStream::connect(&target).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(connector.connect(name, stream).await?))
        })
    });
    let connected = endpoint.connect_with_connector(open).await;
    connected.map_err(|error| ClientError::Connect {
        address: address.to_owned(),
        detail: innermost(&error),
    })
}

/// The last cause of an error: the transport's own words say only that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(host_of("hub.example:7443"), Some("hub.example"));
        assert_eq!(host_of("[::1]:7443"), Some("::1"));
        for bad in ["hub", "hub:", ":7443", "hub:70000"] {
            assert_eq!(host_of(bad), None, "{bad}");
        }
    }
}
