//! Roots, issuers, and the leaves of the hub and its first administrator.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKey, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use symbolon_core::identity::{Name, Subject};
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use super::{Authority, CertificateError, dated_params, leaf_params, serial};
use crate::clock::rfc3339;

const DAY_S: i64 = 86_400;
/// The root outlives several issuers.
const ROOT_LIFE_S: i64 = 3652 * DAY_S;
const ISSUER_LIFE_S: i64 = 365 * DAY_S;

/// A leaf with the key that was made for it.
pub struct MadeLeaf {
    /// Leaf, then issuer.
    pub chain_pem: String,
    /// PKCS #8.
    pub key_pem: Zeroizing<String>,
    /// Hexadecimal.
    pub serial: String,
    /// Unix seconds.
    pub expires_at: i64,
}

/// All certificates and keys of a new consortium.
pub struct Hierarchy {
    /// The trust anchor.
    pub root_pem: String,
    /// Kept offline.
    pub root_key_pem: Zeroizing<String>,
    /// Signed by the root.
    pub issuer_pem: String,
    /// Kept at the hub.
    pub issuer_key_pem: Zeroizing<String>,
    /// What the hub shows.
    pub server: MadeLeaf,
    /// What the administrator shows.
    pub administrator: MadeLeaf,
}

type Signer = CertifiedIssuer<'static, KeyPair>;

impl Hierarchy {
    /// Makes fresh keys and certificates; `hosts` are DNS names and addresses of the hub.
    pub fn make(
        consortium: &Name,
        administrator: &Name,
        hosts: &[String],
        now: i64,
    ) -> Result<Self, CertificateError> {
        let params = root_params(consortium, now)?;
        let root: Signer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let name = format!("Symbolon {consortium} issuer");
        let ends = now + ISSUER_LIFE_S;
        let mut params = authority_params(&name, now, ends, 0)?;
        params.use_authority_key_identifier_extension = true;
        let issuer: Signer = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &root)?;

        let first = hosts.first().map_or("hub", String::as_str);
        let sans = CertificateParams::new(hosts)?.subject_alt_names;
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let server = leaf(&issuer, first, sans, usage, now, ends)?;

        let subject = Subject::Administrator(consortium.clone(), administrator.clone());
        let name = subject.to_string();
        let sans = vec![SanType::URI(name.clone().try_into()?)];
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        let administrator = leaf(&issuer, &name, sans, usage, now, ends)?;
        Ok(Self {
            root_pem: root.pem(),
            root_key_pem: Zeroizing::new(root.key().serialize_pem()),
            issuer_pem: issuer.pem(),
            issuer_key_pem: Zeroizing::new(issuer.key().serialize_pem()),
            server,
            administrator,
        })
    }
}

/// A root by itself.
pub struct Root {
    /// The certificate.
    pub pem: String,
    /// PKCS #8.
    pub key_pem: Zeroizing<String>,
    /// Unix seconds.
    pub expires_at: i64,
}

/// A root whose key is open, for signing one issuer.
pub struct OpenRoot {
    issuer: Issuer<'static, KeyPair>,
    consortium: String,
    expires_at: i64,
}

impl Root {
    /// Makes a fresh one.
    pub fn make(consortium: &Name, now: i64) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let certificate = root_params(consortium, now)?.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
            expires_at: now + ROOT_LIFE_S,
        })
    }

    /// Reads one with its key.
    pub fn open(pem: &str, key_pem: &str) -> Result<OpenRoot, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| CertificateError::Malformed)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&der).map_err(|_| CertificateError::Malformed)?;
        let name = parsed.subject().iter_common_name().next();
        let name = name.and_then(|name| name.as_str().ok());
        let consortium = name
            .and_then(|name| name.strip_prefix("Symbolon ")?.strip_suffix(" root"))
            .ok_or(CertificateError::Malformed)?
            .to_owned();
        let expires_at = parsed.validity().not_after.timestamp();
        let key = KeyPair::from_pem(key_pem)?;
        if !super::fits(&der, &key) {
            return Err(CertificateError::Key);
        }
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(OpenRoot {
            issuer,
            consortium,
            expires_at,
        })
    }

    /// Whether a PEM file is one root certificate, signed by itself; says when it ends.
    pub fn check(pem: &str) -> Result<i64, CertificateError> {
        let malformed = CertificateError::Malformed;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| malformed)?;
        let parsed = x509_parser::parse_x509_certificate(&der);
        let (_, parsed) = parsed.map_err(|_| CertificateError::Malformed)?;
        let one = CertificateDer::pem_slice_iter(pem.as_bytes()).count() == 1;
        if !one || !parsed.is_ca() || !super::is_signed_by_one_of(&der, pem) {
            return Err(CertificateError::Malformed);
        }
        Ok(parsed.validity().not_after.timestamp())
    }
}

impl OpenRoot {
    /// Signs an issuer, which never outlives the root; PEM.
    pub fn sign_issuer(
        &self,
        key: &PublicKey,
        now: i64,
        life_s: i64,
    ) -> Result<String, CertificateError> {
        let ends = now.saturating_add(life_s).min(self.expires_at);
        // A name of its own: lists of revoked certificates are found by the name of their issuer.
        let name = format!("Symbolon {} issuer {}", self.consortium, rfc3339(now));
        let mut params = authority_params(&name, now, ends, 0)?;
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

/// The hub's own certificate by another issuer, for the names that stand in the present one.
pub fn server_leaf(
    authority: &Authority,
    present_pem: &str,
    now: i64,
) -> Result<MadeLeaf, CertificateError> {
    let present = CertificateDer::from_pem_slice(present_pem.as_bytes())
        .map_err(|_| CertificateError::Malformed)?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(&present).map_err(|_| CertificateError::Malformed)?;
    let names = parsed
        .subject_alternative_name()
        .ok()
        .flatten()
        .ok_or(CertificateError::Malformed)?;
    let hosts: Vec<String> = names.value.general_names.iter().filter_map(host).collect();
    let first = hosts.first().map_or("hub", String::as_str).to_owned();
    let sans = CertificateParams::new(hosts)?.subject_alt_names;
    let (key, serial) = (KeyPair::generate()?, serial()?);
    let mut params = leaf_params(&first, now, authority.expires_at(), &serial)?;
    params.subject_alt_names = sans;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &authority.issuer)?;
    let issuer = super::pem("CERTIFICATE", &authority.certificate);
    Ok(MadeLeaf {
        chain_pem: format!("{}{issuer}", certificate.pem()),
        key_pem: Zeroizing::new(key.serialize_pem()),
        serial: data_encoding::HEXLOWER.encode(&serial),
        expires_at: authority.expires_at(),
    })
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address = match bytes.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
            };
            Some(address.to_string())
        }
        _ => None,
    }
}

fn root_params(consortium: &Name, now: i64) -> Result<CertificateParams, CertificateError> {
    let name = format!("Symbolon {consortium} root");
    authority_params(&name, now, now + ROOT_LIFE_S, 1)
}

fn authority_params(
    name: &str,
    now: i64,
    expires_at: i64,
    path_length: u8,
) -> Result<CertificateParams, CertificateError> {
    let mut params = dated_params(name, now, expires_at)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf(
    issuer: &Signer,
    name: &str,
    sans: Vec<SanType>,
    usage: ExtendedKeyUsagePurpose,
    now: i64,
    expires_at: i64,
) -> Result<MadeLeaf, CertificateError> {
    let key = KeyPair::generate()?;
    let serial = serial()?;
    let mut params = leaf_params(name, now, expires_at, &serial)?;
    params.subject_alt_names = sans;
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, issuer)?;
    Ok(MadeLeaf {
        chain_pem: format!("{}{}", certificate.pem(), issuer.pem()),
        key_pem: Zeroizing::new(key.serialize_pem()),
        serial: data_encoding::HEXLOWER.encode(&serial),
        expires_at,
    })
}
