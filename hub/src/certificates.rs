//! Certificates: making a hierarchy, issuing leaves, reading whom a leaf speaks for.
//!
//! Root (kept offline) to issuer (at the hub, path length 0) to leaves, all ECDSA P-256. A leaf for a
//! member carries exactly one SAN URI (`symbolon_core::identity::Subject`) and clientAuth; of a
//! certificate request only the public key is ever taken over.

mod hierarchy;
mod ledger;
mod list;
mod service;

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
    SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use symbolon_core::crypto::{self, CryptoError};
use symbolon_core::identity::Subject;
use symbolon_health::Lifetime;
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;

pub use hierarchy::{Hierarchy, MadeLeaf, Root, server_leaf};
pub use ledger::{Ledger, REMEMBERED_S};
pub use list::{LIST_LIFE_S, RevocationList};
pub use service::{CertificateReport, Certificates, CertificatesError};

/// Clocks differ: a fresh certificate is already valid for those that run behind.
const BACKDATE_S: i64 = 300;
/// Largest certificate request in bytes; one with a P-256 key takes about 400.
const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// Why a certificate is not made or not read.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// Not a certificate request, or not signed by its key.
    #[error("the certificate request is malformed or its signature does not verify")]
    Request,
    /// A key of another kind.
    #[error("the certificate request must have an ecdsa p-256 key")]
    Key,
    /// For somebody else.
    #[error("the certificate request must name {0} as its only subject alternative name")]
    Subject(Subject),
    /// A leaf that names no member, or more than one.
    #[error("the certificate does not name exactly one member")]
    NotAMember,
    /// A leaf for another use.
    #[error("the certificate is not for client authentication")]
    Usage,
    /// Bytes that are no certificate.
    #[error("the certificate cannot be read")]
    Malformed,
    /// The issuing certificate is over.
    #[error("the issuing certificate has expired; make a new one with the root key")]
    IssuerExpired,
    /// Making it failed.
    #[error("the certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// No randomness for a serial number.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Whom a verified leaf speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The one SAN URI.
    pub subject: Subject,
    /// Hexadecimal.
    pub serial: String,
    /// Unix seconds.
    pub valid_from: i64,
    /// Unix seconds.
    pub expires_at: i64,
}

impl Peer {
    /// Reads a leaf that TLS has already verified.
    pub fn read(leaf: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let malformed = |_| CertificateError::Malformed;
        let (rest, certificate) =
            x509_parser::parse_x509_certificate(leaf).map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        let usage = certificate.extended_key_usage().map_err(malformed)?;
        if !usage.is_some_and(|usage| usage.value.client_auth) {
            return Err(CertificateError::Usage);
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(malformed)?
            .ok_or(CertificateError::NotAMember)?;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
            return Err(CertificateError::NotAMember);
        };
        Ok(Self {
            subject: uri.parse().map_err(|_| CertificateError::NotAMember)?,
            serial: data_encoding::HEXLOWER.encode(certificate.raw_serial()),
            valid_from: certificate.validity().not_before.timestamp(),
            expires_at: certificate.validity().not_after.timestamp(),
        })
    }
}

/// A request that was checked: all that is left of it is its key.
pub struct CheckedRequest {
    key: rcgen::PublicKey,
    subject: Subject,
}

impl CheckedRequest {
    /// Checks the proof of possession, the kind of key and the name.
    pub fn check(der: &[u8], subject: &Subject) -> Result<Self, CertificateError> {
        if der.len() > MAX_REQUEST_BYTES {
            return Err(CertificateError::Request);
        }
        let der = CertificateSigningRequestDer::from(der);
        let CertificateSigningRequestParams { params, public_key } =
            CertificateSigningRequestParams::from_der(&der)
                .map_err(|_| CertificateError::Request)?;
        // SEC 1, section 2.3.3: an uncompressed point of a 256-bit curve is 0x04 and 64 bytes.
        let is_p256 = *public_key.algorithm() == rcgen::PKCS_ECDSA_P256_SHA256
            && matches!(public_key.der_bytes(), [4, point @ ..] if point.len() == 64);
        if !is_p256 {
            return Err(CertificateError::Key);
        }
        match params.subject_alt_names.as_slice() {
            [SanType::URI(uri)] if uri.as_str() == subject.to_string() => Ok(Self {
                key: public_key,
                subject: subject.clone(),
            }),
            _ => Err(CertificateError::Subject(subject.clone())),
        }
    }
}

/// A leaf that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Hexadecimal.
    pub serial: String,
    /// Unix seconds.
    pub expires_at: i64,
    /// Leaf first, then the issuer; DER.
    pub chain: Vec<Vec<u8>>,
}

/// The issuing key with its certificate.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    lifetime: Lifetime,
}

impl Authority {
    /// Reads certificate and key from PEM.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| CertificateError::Malformed)?;
        let lifetime = lifetime(&certificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, KeyPair::from_pem(key)?)?;
        Ok(Self {
            issuer,
            certificate,
            lifetime,
        })
    }

    /// Whether the certificate is for the key.
    pub fn fits_its_key(&self) -> bool {
        fits(&self.certificate, self.issuer.key())
    }

    /// Whether one of the roots in a PEM file signed it.
    pub fn is_signed_by_one_of(&self, roots_pem: &str) -> bool {
        is_signed_by_one_of(&self.certificate, roots_pem)
    }

    /// When the issuing certificate ends.
    pub fn expires_at(&self) -> i64 {
        self.lifetime.until
    }

    /// From when until when it is good.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Issues a leaf that a member authenticates with; it never outlives the issuer.
    pub fn issue(
        &self,
        request: &CheckedRequest,
        now: i64,
        life_s: i64,
    ) -> Result<Leaf, CertificateError> {
        let expires_at = now.saturating_add(life_s).min(self.lifetime.until);
        if expires_at <= now {
            return Err(CertificateError::IssuerExpired);
        }
        let serial = serial()?;
        let mut params = leaf_params(&request.subject.to_string(), now, expires_at, &serial)?;
        params.subject_alt_names = vec![SanType::URI(request.subject.to_string().try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = params.signed_by(&request.key, &self.issuer)?;
        Ok(Leaf {
            serial: data_encoding::HEXLOWER.encode(&serial),
            expires_at,
            chain: vec![leaf.der().to_vec(), self.certificate.to_vec()],
        })
    }
}

/// From when until when a certificate is good.
pub fn lifetime(der: &[u8]) -> Result<Lifetime, CertificateError> {
    let (_, parsed) =
        x509_parser::parse_x509_certificate(der).map_err(|_| CertificateError::Malformed)?;
    let validity = parsed.validity();
    Ok(Lifetime {
        from: validity.not_before.timestamp(),
        until: validity.not_after.timestamp(),
    })
}

/// A PEM block, RFC 7468.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut block = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        block.extend(line.iter().map(|byte| char::from(*byte)));
        block.push('\n');
    }
    block + &format!("-----END {label}-----\n")
}

/// Whether a chain's leaf is for this key.
pub fn chain_fits_key(chain_pem: &str, key_pem: &str) -> Result<bool, CertificateError> {
    let leaf = CertificateDer::from_pem_slice(chain_pem.as_bytes())
        .map_err(|_| CertificateError::Malformed)?;
    Ok(fits(&leaf, &KeyPair::from_pem(key_pem)?))
}

fn fits(certificate: &CertificateDer<'_>, key: &KeyPair) -> bool {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    parsed.is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info())
}

/// Whether one of the roots in a PEM file signed a certificate.
fn is_signed_by_one_of(certificate: &CertificateDer<'_>, roots_pem: &str) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
        return false;
    };
    CertificateDer::pem_slice_iter(roots_pem.as_bytes()).any(|root| {
        let Ok(root) = root else { return false };
        let parsed = x509_parser::parse_x509_certificate(&root);
        parsed.is_ok_and(|(_, root)| {
            certificate
                .verify_signature(Some(root.public_key()))
                .is_ok()
                && certificate.issuer() == root.subject()
        })
    })
}

/// A random serial number: positive and of one length, so that its DER is these very bytes.
fn serial() -> Result<[u8; 16], CryptoError> {
    let mut serial = crypto::random::<16>()?;
    serial[0] = (serial[0] & 0x3f) | 0x40;
    Ok(serial)
}

fn leaf_params(
    name: &str,
    now: i64,
    expires_at: i64,
    serial: &[u8; 16],
) -> Result<CertificateParams, CertificateError> {
    let mut params = dated_params(name, now, expires_at)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn dated_params(
    name: &str,
    now: i64,
    expires_at: i64,
) -> Result<CertificateParams, CertificateError> {
    let moment =
        |at| OffsetDateTime::from_unix_timestamp(at).map_err(|_| CertificateError::Malformed);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(now - BACKDATE_S)?;
    params.not_after = moment(expires_at)?;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn authority() -> Authority {
        let consortium = "north".parse().unwrap();
        let administrator = "ada".parse().unwrap();
        let made = Hierarchy::make(&consortium, &administrator, &["localhost".into()], NOW);
        let made = made.unwrap();
        Authority::from_pem(&made.issuer_pem, &made.issuer_key_pem).unwrap()
    }

    fn request(sans: &[SanType]) -> (KeyPair, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans.to_vec();
        let der = params.serialize_request(&key).unwrap().der().to_vec();
        (key, der)
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.to_owned().try_into().unwrap())
    }

    #[test]
    fn a_leaf_says_who_its_owner_is_and_ends_with_the_issuer() {
        let subject: Subject = "symbolon://north/harbour".parse().unwrap();
        let (_, der) = request(&[uri("symbolon://north/harbour")]);
        let checked = CheckedRequest::check(&der, &subject).unwrap();
        let authority = authority();
        let leaf = authority.issue(&checked, NOW, 30 * 86_400).unwrap();
        let peer = Peer::read(&CertificateDer::from(leaf.chain[0].as_slice())).unwrap();
        assert_eq!(peer.subject, subject);
        assert_eq!(peer.serial, leaf.serial);
        assert_eq!(peer.expires_at, NOW + 30 * 86_400);
        let last_day = authority.expires_at() - 86_400;
        let leaf = authority.issue(&checked, last_day, 30 * 86_400).unwrap();
        assert_eq!(leaf.expires_at, authority.expires_at());
        assert!(
            authority
                .issue(&checked, authority.expires_at(), 60)
                .is_err()
        );
    }

    #[test]
    fn requests_for_another_name_or_with_more_names_are_refused() {
        let subject: Subject = "symbolon://north/harbour".parse().unwrap();
        let own = uri("symbolon://north/harbour");
        let dns = SanType::DnsName("localhost".to_owned().try_into().unwrap());
        let foreign = [
            vec![],
            vec![uri("symbolon://north/other")],
            vec![own.clone(), own.clone()],
            vec![own.clone(), dns],
        ];
        for sans in foreign {
            let (_, der) = request(&sans);
            let refused = CheckedRequest::check(&der, &subject);
            assert!(matches!(refused, Err(CertificateError::Subject(_))));
        }
        let (_, mut der) = request(&[own]);
        if let Some(last) = der.last_mut() {
            *last ^= 1;
        }
        let refused = CheckedRequest::check(&der, &subject);
        assert!(matches!(refused, Err(CertificateError::Request)));
        assert!(CheckedRequest::check(b"hello", &subject).is_err());
    }

    #[test]
    fn requests_with_a_key_of_another_kind_are_refused() {
        let subject: Subject = "symbolon://north/harbour".parse().unwrap();
        let check = |algorithm| {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![uri("symbolon://north/harbour")];
            let der = params.serialize_request(&key).unwrap().der().to_vec();
            CheckedRequest::check(&der, &subject).map(|_| ())
        };
        assert!(check(&rcgen::PKCS_ECDSA_P256_SHA256).is_ok());
        for other in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
            assert!(matches!(check(other), Err(CertificateError::Key)));
        }
    }

    proptest::proptest! {
        // Each case draws keys and signs, which takes a while.
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn hostile_bytes_never_panic(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600),
            at in proptest::prelude::any::<proptest::sample::Index>(),
            value in proptest::prelude::any::<u8>(),
        ) {
            let subject: Subject = "symbolon://north/harbour".parse().unwrap();
            let _ = CheckedRequest::check(&bytes, &subject);
            let _ = Peer::read(&CertificateDer::from(bytes));
            let (key, mut der) = request(&[uri("symbolon://north/harbour")]);
            let place = at.index(der.len());
            der[place] = value;
            let _ = CheckedRequest::check(&der, &subject);
            let mut leaf = CertificateParams::default().self_signed(&key).unwrap().der().to_vec();
            let place = at.index(leaf.len());
            leaf[place] = value;
            let _ = Peer::read(&CertificateDer::from(leaf));
        }
    }

    #[test]
    fn leaves_with_a_malformed_name_or_another_use_are_refused() {
        let cases: [(Vec<SanType>, ExtendedKeyUsagePurpose); 5] = [
            (vec![], ExtendedKeyUsagePurpose::ClientAuth),
            (
                vec![uri("symbolon://north")],
                ExtendedKeyUsagePurpose::ClientAuth,
            ),
            (
                vec![uri("https://north/a")],
                ExtendedKeyUsagePurpose::ClientAuth,
            ),
            (
                vec![uri("symbolon://north/a"), uri("symbolon://north/b")],
                ExtendedKeyUsagePurpose::ClientAuth,
            ),
            (
                vec![uri("symbolon://north/a")],
                ExtendedKeyUsagePurpose::ServerAuth,
            ),
        ];
        for (sans, usage) in cases {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.subject_alt_names = sans;
            params.extended_key_usages = vec![usage];
            let leaf = params.self_signed(&key).unwrap();
            assert!(Peer::read(leaf.der()).is_err());
        }
    }
}
