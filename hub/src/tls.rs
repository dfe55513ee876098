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
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use thiserror::Error;
use tracing::warn;

use crate::certificates::Peer;
use crate::clock::Clock;
use crate::files::{self, FileError};
use crate::membership::{Directory, NotAdmitted};

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
    trust: RwLock<Trust>,
    server: RwLock<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

/// Roots, lists of revoked certificates, and the verifier that follows from them.
#[derive(Debug)]
struct Trust {
    roots: Arc<RootCertStore>,
    root_ders: Vec<Vec<u8>>,
    lists: Vec<CertificateRevocationListDer<'static>>,
    /// None while there is no list: then nobody is let in.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl Credentials {
    /// Reads `root.pem`, `server.pem` and `server.key`. Nobody is let in before
    /// [`Self::install_lists`].
    pub fn load(dir: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (roots, root_ders) = read_roots(dir)?;
        let server = server_key(dir, &provider)?;
        Ok(Arc::new(Self {
            trust: RwLock::new(Trust {
                roots,
                root_ders,
                lists: Vec::new(),
                verifier: None,
            }),
            server: RwLock::new(server),
            provider,
        }))
    }

    /// Reads the files again; connections that are already open stay as they are.
    pub fn reload(&self, dir: &Path) -> Result<(), TlsError> {
        let (roots, root_ders) = read_roots(dir)?;
        let server = server_key(dir, &self.provider)?;
        let mut trust = self.trust.write().unwrap_or_else(PoisonError::into_inner);
        let verifier = verifier(&roots, &trust.lists, &self.provider)?;
        (trust.roots, trust.root_ders, trust.verifier) = (roots, root_ders, verifier);
        drop(trust);
        *self.server.write().unwrap_or_else(PoisonError::into_inner) = server;
        Ok(())
    }

    /// Other lists of revoked certificates (CRLs, DER), from the next handshake on.
    pub fn install_lists(&self, lists: &[Vec<u8>]) -> Result<(), TlsError> {
        let lists: Vec<_> = lists
            .iter()
            .map(|der| CertificateRevocationListDer::from(der.clone()))
            .collect();
        let mut trust = self.trust.write().unwrap_or_else(PoisonError::into_inner);
        trust.verifier = verifier(&trust.roots, &lists, &self.provider)?;
        trust.lists = lists;
        Ok(())
    }

    /// The roots that are trusted, DER.
    pub fn roots(&self) -> Vec<Vec<u8>> {
        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner);
        trust.root_ders.clone()
    }

    /// The certificate that the hub shows, DER.
    pub fn server_certificate(&self) -> Option<Vec<u8>> {
        let server = self.server.read().unwrap_or_else(PoisonError::into_inner);
        server.cert.first().map(|der| der.to_vec())
    }

    /// For members and administrators: a client certificate is required, and one that the directory
    /// admits.
    pub fn mutual(
        self: &Arc<Self>,
        clock: Arc<dyn Clock>,
        directory: Arc<Directory>,
    ) -> Result<ServerConfig, TlsError> {
        let verifier = Arc::new(Doorkeeper {
            credentials: Arc::clone(self),
            directory,
        });
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

    fn present(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner);
        trust.verifier.clone()
    }
}

fn read_roots(dir: &Path) -> Result<(Arc<RootCertStore>, Vec<Vec<u8>>), TlsError> {
    let pem = files::read(&dir.join("root.pem"))?;
    let refuse = unusable("root.pem");
    let (mut roots, mut ders) = (RootCertStore::empty(), Vec::new());
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|der| {
                ders.push(der.to_vec());
                roots.add(der).map_err(|error| error.to_string())
            });
        if let Err(detail) = added {
            return Err(refuse(detail));
        }
    }
    if roots.is_empty() {
        return Err(refuse("there is no certificate in it".to_owned()));
    }
    Ok((Arc::new(roots), ders))
}

/// Leaves are looked up in the lists; one whose issuer has no list, or whose list is over, is refused.
/// Issuers are not: what revokes an issuer is its root, by taking the root out of `root.pem`.
fn verifier(
    roots: &Arc<RootCertStore>,
    lists: &[CertificateRevocationListDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if lists.is_empty() {
        return Ok(None);
    }
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .with_crls(lists.iter().cloned())
        .only_check_end_entity_revocation()
        .enforce_revocation_expiration()
        .build()
        .map(Some)
        .map_err(|error| unusable("crl.pem")(error.to_string()))
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

/// Asks whichever verifier is in place at the moment of the handshake, and then the directory, so
/// that whoever may not come in is told so by an alert.
struct Doorkeeper {
    credentials: Arc<Credentials>,
    directory: Arc<Directory>,
}

impl std::fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Doorkeeper")
            .field(&self.credentials)
            .finish()
    }
}

impl Doorkeeper {
    fn admit(&self, end_entity: &CertificateDer<'_>) -> Result<(), CertificateError> {
        let refused = CertificateError::ApplicationVerificationFailure;
        let peer = Peer::read(end_entity).map_err(|error| {
            warn!(%error, "a certificate of our own issuer cannot be read");
            refused.clone()
        })?;
        match self.directory.check(&self.directory.state(), &peer) {
            Ok(_) => Ok(()),
            Err(reason) => {
                let Peer {
                    subject, serial, ..
                } = &peer;
                warn!(%subject, %serial, %reason, "a certificate was not admitted");
                Err(match reason {
                    NotAdmitted::Revoked => CertificateError::Revoked,
                    NotAdmitted::OutOfTime { .. } => CertificateError::Expired,
                    _ => refused,
                })
            }
        }
    }

    fn algorithms(&self) -> &rustls::crypto::WebPkiSupportedAlgorithms {
        &self.credentials.provider.signature_verification_algorithms
    }
}

impl ClientCertVerifier for Doorkeeper {
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
        let present = self.credentials.present();
        let present = present.ok_or(CertificateError::UnknownRevocationStatus)?;
        let verified = present.verify_client_cert(end_entity, intermediates, now)?;
        self.admit(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{Authority, CheckedRequest, Hierarchy, LIST_LIFE_S, RevocationList};
    use crate::store::Revocation;

    const NOW: i64 = 1_800_000_000;

    /// A verifier's word on a leaf at a moment, with the lists that a hub would have.
    fn word(lists: &[Vec<u8>], root_pem: &str, chain: &[Vec<u8>], at: i64) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("root.pem"), root_pem).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (roots, _) = read_roots(dir.path()).unwrap();
        let lists: Vec<_> = lists
            .iter()
            .map(|der| CertificateRevocationListDer::from(der.clone()))
            .collect();
        let Some(verifier) = verifier(&roots, &lists, &provider).unwrap() else {
            return Err("nobody is let in".to_owned());
        };
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(at.unsigned_abs()));
        let [leaf, issuer] = chain else {
            return Err("no chain".to_owned());
        };
        let leaf = CertificateDer::from(leaf.as_slice());
        let issuer = [CertificateDer::from(issuer.as_slice())];
        let verified = verifier.verify_client_cert(&leaf, &issuer, moment);
        verified.map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_missing_stale_or_foreign_list_and_an_entry_in_it_close_the_door() {
        let administrator = "ada".parse().unwrap();
        let make = |consortium: &str| {
            let consortium = consortium.parse().unwrap();
            Hierarchy::make(&consortium, &administrator, &["localhost".into()], NOW).unwrap()
        };
        let (made, other) = (make("north"), make("south"));
        let authority =
            |made: &Hierarchy| Authority::from_pem(&made.issuer_pem, &made.issuer_key_pem).unwrap();
        let (own, foreign) = (authority(&made), authority(&other));
        let subject = "symbolon://north/harbour".parse().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        let uri = "symbolon://north/harbour".to_owned().try_into().unwrap();
        params.subject_alt_names = vec![rcgen::SanType::URI(uri)];
        let request = params.serialize_request(&key).unwrap();
        let checked = CheckedRequest::check(request.der(), &subject).unwrap();
        let leaf = own.issue(&checked, NOW, 30 * 86_400).unwrap();
        let first = RevocationList::default();
        let list = |authority: &Authority, revoked: &[Revocation]| {
            let authorities = std::slice::from_ref(authority);
            first.next(authorities, revoked.iter(), NOW).unwrap().lists
        };
        let word = |lists: &[Vec<u8>], at| word(lists, &made.root_pem, &leaf.chain, at);
        let good = list(&own, &[]);
        assert_eq!(word(&good, NOW), Ok(()));
        assert_eq!(word(&good, NOW + LIST_LIFE_S - 1), Ok(()));
        let stale = word(&good, NOW + LIST_LIFE_S + 1).unwrap_err();
        assert!(stale.contains("revocation list expired"), "{stale}");
        assert!(word(&[], NOW).is_err(), "no list, nobody");
        let unknown = word(&list(&foreign, &[]), NOW).unwrap_err();
        assert!(unknown.contains("UnknownRevocationStatus"), "{unknown}");
        let revocation = Revocation {
            serial: leaf.serial.clone(),
            subject,
            expires_at: leaf.expires_at,
            at: NOW,
            reason: "lost".into(),
        };
        let revoked = word(&list(&own, &[revocation]), NOW).unwrap_err();
        assert!(revoked.contains("Revoked"), "{revoked}");
    }
}
