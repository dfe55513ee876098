//! The hub's TLS: 1.3 only, no resumption, verifier and certificate exchanged while running.
//!
//! rustls is used directly, since a transport's own TLS neither reloads nor lets us look at the
//! client's certificate. Resumption is off because a resumed session would carry the chain that was
//! verified before an exchange.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use thiserror::Error;

use crate::clock::Clock;
use crate::files::{self, FileError};

/// Why the certificates in a directory cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not what its name says.
    #[error("{file} in the tls directory cannot be used: {detail}")]
    Unusable {
        /// Which.
        file: &'static str,
        /// Why.
        detail: String,
    },
    /// The library refused the configuration.
    #[error("tls cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

fn unusable(file: &'static str) -> impl FnOnce(String) -> TlsError {
    move |detail| TlsError::Unusable { file, detail }
}

/// What verifies clients and what the hub shows, exchangeable while connections come in.
#[derive(Debug)]
pub struct Credentials {
    verifier: RwLock<Arc<dyn ClientCertVerifier>>,
    server: RwLock<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

impl Credentials {
    /// Reads `root.pem`, `server.pem` and `server.key`.
    pub fn load(dir: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier(dir, &provider)?;
        let server = server_key(dir, &provider)?;
        Ok(Arc::new(Self {
            verifier: RwLock::new(verifier),
            server: RwLock::new(server),
            provider,
        }))
    }

    /// Reads the files again; connections that are already open stay as they are.
    pub fn reload(&self, dir: &Path) -> Result<(), TlsError> {
        let verifier = verifier(dir, &self.provider)?;
        let server = server_key(dir, &self.provider)?;
        *self
            .verifier
            .write()
            .unwrap_or_else(PoisonError::into_inner) = verifier;
        *self.server.write().unwrap_or_else(PoisonError::into_inner) = server;
        Ok(())
    }

    /// For members and administrators: a client certificate is required.
    pub fn mutual(self: &Arc<Self>, clock: Arc<dyn Clock>) -> Result<ServerConfig, TlsError> {
        let verifier = Arc::new(Delegating(Arc::clone(self)));
        let config = self.builder(clock)?.with_client_cert_verifier(verifier);
        Ok(self.finish(config))
    }

    /// For enrolment: only the hub shows a certificate.
    pub fn server_only(self: &Arc<Self>, clock: Arc<dyn Clock>) -> Result<ServerConfig, TlsError> {
        let config = self.builder(clock)?.with_no_client_auth();
        Ok(self.finish(config))
    }

    fn builder(
        &self,
        clock: Arc<dyn Clock>,
    ) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, TlsError> {
        let time = Arc::new(HubTime(clock));
        let builder = ServerConfig::builder_with_details(Arc::clone(&self.provider), time);
        Ok(builder.with_protocol_versions(&[&rustls::version::TLS13])?)
    }

    fn finish(
        self: &Arc<Self>,
        builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
    ) -> ServerConfig {
        let resolver = Arc::new(Resolver(Arc::clone(self)));
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config
    }

    fn present(&self) -> Arc<dyn ClientCertVerifier> {
        let verifier = self.verifier.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&verifier)
    }
}

fn verifier(
    dir: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let pem = files::read(&dir.join("root.pem"))?;
    let refuse = unusable("root.pem");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|der| roots.add(der).map_err(|error| error.to_string()));
        if let Err(detail) = added {
            return Err(refuse(detail));
        }
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| refuse(error.to_string()))
}

fn server_key(dir: &Path, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let pem = files::read(&dir.join("server.pem"))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable("server.pem")(error.to_string()))?;
    let key = zeroize::Zeroizing::new(files::read(&dir.join("server.key"))?);
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| unusable("server.key")(error.to_string()))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| unusable("server.key")(error.to_string()))?;
    Ok(Arc::new(key))
}

/// The hub's clock, as the library wants it.
#[derive(Debug)]
struct HubTime(Arc<dyn Clock>);

impl TimeProvider for HubTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

#[derive(Debug)]
struct Resolver(Arc<Credentials>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let server = self.0.server.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&server))
    }
}

/// Asks whichever verifier is in place at the moment of the handshake.
#[derive(Debug)]
struct Delegating(Arc<Credentials>);

impl ClientCertVerifier for Delegating {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hints: a client of this hub has one certificate only.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let present = self.0.present();
        present.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let present = self.0.present();
        present.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let present = self.0.present();
        present.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.present().supported_verify_schemes()
    }
}
