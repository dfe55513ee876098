//! The certificates that founding makes: root, issuer, and the first two leaves.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use symbolon_core::identity::{Name, Subject};
use zeroize::Zeroizing;

use super::{CertificateError, dated_params, leaf_params, serial};

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
        let name = format!("Symbolon {consortium} root");
        let params = authority_params(&name, now, now + ROOT_LIFE_S, 1)?;
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
