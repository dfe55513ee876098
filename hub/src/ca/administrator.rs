//! Administrators on other machines: their keys, the request they hand over, the answer they get.
//!
//! Two things must come together before one may do anything: the roster must name it with its approval
//! key, which administrators decide, and its certificate must be one that was signed at the hub's host
//! for that very key. The hub looks at both at each request.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair, SanType};
use serde::{Deserialize, Serialize};
use symbolon_core::crypto::{SecretKey, Signature, SigningKey, VerifyingKey};
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::{Name, Subject};
use symbolon_core::sealed_file::{self, Unlock};
use zeroize::Zeroizing;

use super::CaError;
use crate::certificates::{CheckedRequest, pem};
use crate::files;
use crate::founding::{APPROVAL_LABEL, AdminConfig};
use crate::membership::AdministratorCertificate;

const CONTEXT: &str = "symbolon administrator request v1";
const NEXT_KEY: &str = "admin-next.key";

/// What an administrator hands over: public, but to be brought by a way that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdministratorRequest {
    /// The consortium.
    pub consortium: Name,
    /// The administrator.
    pub name: Name,
    /// As the roster names it, or shall.
    pub approval_key: VerifyingKey,
    /// PKCS #10, DER.
    #[serde(with = "encoding::base64")]
    pub certificate_request: Vec<u8>,
    /// By the approval key, over all of it.
    pub signature: Signature,
}

/// What it gets back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdministratorReply {
    /// Its `admin.toml`.
    pub config: AdminConfig,
    /// Root certificates.
    pub root_pem: String,
    /// Leaf first.
    pub chain_pem: String,
}

impl AdministratorRequest {
    fn signed(consortium: &Name, name: &Name, request: &[u8]) -> Vec<u8> {
        let names = [consortium.as_str().as_bytes(), name.as_str().as_bytes()];
        encoding::parts(&[names[0], names[1], request])
    }

    /// Whether the holder of the approval key made it.
    pub fn verify(&self) -> Result<(), CaError> {
        let Self {
            consortium,
            name,
            approval_key,
            certificate_request,
            signature,
        } = self;
        let signed = Self::signed(consortium, name, certificate_request);
        approval_key
            .verify(CONTEXT, &signed, signature)
            .map_err(|_| CaError::Malformed("the request"))
    }
}

/// A new administrator's directory: a sealed approval key, a TLS key, and the request.
pub fn new_administrator(
    dir: &Path,
    consortium: &Name,
    name: &Name,
    unlock: &Unlock,
) -> Result<AdministratorRequest, CaError> {
    let path = dir.join("approval.key");
    if path.exists() {
        return Err(CaError::Exists(path));
    }
    files::private_dir(&dir.join("tls"))?;
    let approval = SigningKey::random()?;
    let sealed = sealed_file::seal(unlock, APPROVAL_LABEL, approval.seed().expose())?;
    files::private_file(&path, &sealed)?;
    request(dir, consortium, name, &approval)
}

/// A fresh TLS key and request for an administrator that has its directory.
pub fn renew_administrator(dir: &Path, unlock: &Unlock) -> Result<AdministratorRequest, CaError> {
    let text = files::read_text(&dir.join("admin.toml"))?;
    let config: AdminConfig =
        toml::from_str(&text).map_err(|_| CaError::Malformed("admin.toml"))?;
    let sealed = files::read(&dir.join("approval.key"))?;
    let seed = sealed_file::open(unlock, APPROVAL_LABEL, &sealed)?;
    let approval = SigningKey::from_seed(SecretKey::try_from(seed.as_slice())?)?;
    request(dir, &config.consortium, &config.administrator, &approval)
}

fn request(
    dir: &Path,
    consortium: &Name,
    name: &Name,
    approval: &SigningKey,
) -> Result<AdministratorRequest, CaError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    let subject = Subject::Administrator(consortium.clone(), name.clone());
    params.subject_alt_names = vec![SanType::URI(subject.to_string().try_into()?)];
    let der = params.serialize_request(&key)?.der().to_vec();
    let pem = Zeroizing::new(key.serialize_pem());
    files::replace_private(&dir.join("tls").join(NEXT_KEY), pem.as_bytes())?;
    let signed = AdministratorRequest::signed(consortium, name, &der);
    Ok(AdministratorRequest {
        consortium: consortium.clone(),
        name: name.clone(),
        approval_key: approval.verifying_key(),
        certificate_request: der,
        signature: approval.sign(CONTEXT, &signed),
    })
}

/// At the hub's host: a certificate for an administrator, which the hub knows from its next SIGHUP on.
pub fn sign_administrator(
    state: &Path,
    request: &AdministratorRequest,
    (hub, enrolment, genesis): (String, String, Digest),
    now: i64,
) -> Result<AdministratorReply, CaError> {
    request.verify()?;
    let AdministratorRequest {
        consortium,
        name,
        approval_key,
        certificate_request,
        ..
    } = request;
    let subject = Subject::Administrator(consortium.clone(), name.clone());
    let checked = CheckedRequest::check(certificate_request, &subject)?;
    let tls = state.join("tls");
    let authorities = super::authorities(&tls, now)?;
    let authority = authorities
        .first()
        .ok_or(CaError::Malformed("issuer.pem"))?;
    // It ends with the issuer, as the first administrator's does.
    let leaf = authority.issue(&checked, now, authority.expires_at().saturating_sub(now))?;
    let list = tls.join("administrators.json");
    let known = files::read(&list)?;
    let mut known: Vec<AdministratorCertificate> =
        serde_json::from_slice(&known).map_err(|_| CaError::Malformed("administrators.json"))?;
    known.push(AdministratorCertificate {
        name: name.clone(),
        key: *approval_key,
        serial: leaf.serial,
    });
    let text = serde_json::to_vec_pretty(&known);
    let text = text.map_err(|_| CaError::Malformed("administrators.json"))?;
    files::replace_public(&list, &text)?;
    Ok(AdministratorReply {
        config: AdminConfig {
            consortium: consortium.clone(),
            administrator: name.clone(),
            hub,
            enrolment,
            genesis,
        },
        root_pem: files::read_text(&tls.join("root.pem"))?,
        chain_pem: leaf
            .chain
            .iter()
            .map(|der| pem("CERTIFICATE", der))
            .collect(),
    })
}

/// At the administrator: takes the reply over. A genesis that is known already must be the same.
pub fn install_administrator(dir: &Path, reply: &AdministratorReply) -> Result<(), CaError> {
    let path = dir.join("admin.toml");
    if path.exists() {
        let present: Result<AdminConfig, _> = toml::from_str(&files::read_text(&path)?);
        if !present.is_ok_and(|present| present.genesis == reply.config.genesis) {
            return Err(CaError::Refused(
                "the reply is of another consortium than admin.toml".to_owned(),
            ));
        }
    }
    let tls = dir.join("tls");
    let next = tls.join(NEXT_KEY);
    let key = Zeroizing::new(files::read_text(&next)?);
    if !crate::certificates::chain_fits_key(&reply.chain_pem, &key)? {
        let reason = "the reply is for another key; ask for a certificate with the last request";
        return Err(CaError::Refused(reason.to_owned()));
    }
    let text = toml::to_string(&reply.config).map_err(|_| CaError::Malformed("the reply"))?;
    files::replace_public(&tls.join("root.pem"), reply.root_pem.as_bytes())?;
    files::replace_public(&tls.join("admin.pem"), reply.chain_pem.as_bytes())?;
    files::replace_private(&tls.join("admin.key"), key.as_bytes())?;
    files::replace_public(&path, text.as_bytes())?;
    Ok(files::remove(&next)?)
}
