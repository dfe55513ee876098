//! What is done with certificates by hand, on files: the offline root, new issuers, other
//! administrators.
//!
//! The root key is opened on its own machine only, to sign an issuer. The hub's issuing key is made
//! where it is used; its request travels to the root and its certificate back. Issuers overlap: the
//! one before is kept, signs the list of revoked certificates while leaves of it may be about, and
//! issues nothing. A running hub takes all of it over on SIGHUP.

mod administrator;

use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, KeyPair,
};
use symbolon_core::crypto::CryptoError;
use symbolon_core::identity::{Name, NameError};
use symbolon_core::sealed_file::{self, SealedFileError, Unlock};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::certificates::{Authority, CertificateError, Root, server_leaf};
use crate::clock::rfc3339;
use crate::files::{self, FileError};
use crate::founding::ROOT_LABEL;

pub use administrator::{
    AdministratorReply, AdministratorRequest, install_administrator, new_administrator,
    renew_administrator, sign_administrator,
};

const DAY_S: i64 = 86_400;
/// Where issuers of before are kept, below the hub's `tls`.
pub const RETIRED: &str = "retired";
const NEXT_KEY: &str = "issuer-next.key";

/// Why it was not done; nothing was changed.
#[derive(Debug, Error)]
pub enum CaError {
    /// A file is missing, taken, or cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is something already.
    #[error("{} already exists; choose another directory or move it aside", .0.display())]
    Exists(PathBuf),
    /// The key stays closed.
    #[error("the key cannot be opened or sealed: {0}")]
    Seal(#[from] SealedFileError),
    /// Certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Keys and requests.
    #[error("the key or request cannot be used: {0}")]
    Request(#[from] rcgen::Error),
    /// Keys and randomness.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The certificate is not the answer to the hub's request.
    #[error("{0}")]
    Refused(String),
    /// A file is not what it must be.
    #[error("{0} is not what this program wrote, or was cut short")]
    Malformed(&'static str),
}

/// A new root on its own: `root.key`, sealed, and `root.pem`.
pub fn init(dir: &Path, consortium: &Name, unlock: &Unlock, now: i64) -> Result<i64, CaError> {
    let taken = dir.join("root.key");
    if taken.exists() {
        return Err(CaError::Exists(taken));
    }
    let root = Root::make(consortium, now)?;
    files::private_dir(dir)?;
    let sealed = sealed_file::seal(unlock, ROOT_LABEL, root.key_pem.as_bytes())?;
    files::private_file(&taken, &sealed)?;
    files::public_file(&dir.join("root.pem"), root.pem.as_bytes())?;
    Ok(root.expires_at)
}

/// A fresh issuing key at the hub; gives the request for its certificate, PEM.
pub fn new_issuer(state: &Path) -> Result<String, CaError> {
    let path = state.join("tls").join(NEXT_KEY);
    let key = if path.exists() {
        // Asked again before the answer came: the same key, so that an answer under way fits.
        KeyPair::from_pem(&Zeroizing::new(files::read_text(&path)?))?
    } else {
        let key = KeyPair::generate()?;
        let pem = Zeroizing::new(key.serialize_pem());
        files::private_file(&path, pem.as_bytes())?;
        key
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Symbolon issuer");
    Ok(params.serialize_request(&key)?.pem()?)
}

/// Signs an issuer with the root key; only the key is taken from the request. Gives PEM.
pub fn sign_issuer(
    root_dir: &Path,
    unlock: &Unlock,
    request_pem: &str,
    life_days: u32,
    now: i64,
) -> Result<String, CaError> {
    let sealed = files::read(&root_dir.join("root.key"))?;
    let opened = sealed_file::open(unlock, ROOT_LABEL, &sealed)?;
    let key = std::str::from_utf8(&opened).map_err(|_| CaError::Malformed("root.key"))?;
    let root_pem = files::read_text(&root_dir.join("root.pem"))?;
    let root = Root::open(&root_pem, key)?;
    let request = CertificateSigningRequestParams::from_pem(request_pem)?;
    Ok(root.sign_issuer(&request.public_key, now, i64::from(life_days) * DAY_S)?)
}

/// Puts a signed issuer into use: the one before is retired, the hub's own certificate made anew.
/// Gives the moment at which it ends.
pub fn install_issuer(state: &Path, certificate_pem: &str, now: i64) -> Result<i64, CaError> {
    let tls = state.join("tls");
    let next_key = tls.join(NEXT_KEY);
    let key_pem = Zeroizing::new(files::read_text(&next_key)?);
    let next = Authority::from_pem(certificate_pem, &key_pem)?;
    if !next.fits_its_key() {
        let reason =
            "the certificate is for another key than the one that `ca new-issuer` made here";
        return Err(CaError::Refused(reason.to_owned()));
    }
    if next.expires_at() <= now {
        let ended = rfc3339(next.expires_at());
        return Err(CaError::Refused(format!("the certificate ended {ended}")));
    }
    let roots = files::read_text(&tls.join("root.pem"))?;
    if !next.is_signed_by_one_of(&roots) {
        let reason = "the certificate is not by a root in the hub's root.pem; add the new root with `ca trust-root` first, and give nodes the time to learn it";
        return Err(CaError::Refused(reason.to_owned()));
    }
    let (old_pem, old_key) = (tls.join("issuer.pem"), tls.join("issuer.key"));
    let server = files::read_text(&tls.join("server.pem"))?;
    let server = server_leaf(&next, &server, now)?;
    let retired = tls.join(RETIRED);
    files::private_dir(&retired)?;
    let name = format!("issuer-{now}");
    let old = Zeroizing::new(files::read_text(&old_key)?);
    files::private_file(&retired.join(format!("{name}.key")), old.as_bytes())?;
    let old = files::read_text(&old_pem)?;
    files::public_file(&retired.join(format!("{name}.pem")), old.as_bytes())?;
    files::replace_private(&old_key, key_pem.as_bytes())?;
    files::replace_public(&old_pem, certificate_pem.as_bytes())?;
    files::replace_private(&tls.join("server.key"), server.key_pem.as_bytes())?;
    files::replace_public(&tls.join("server.pem"), server.chain_pem.as_bytes())?;
    files::remove(&next_key)?;
    Ok(next.expires_at())
}

/// Has the hub, and with their next renewal the nodes, trust one more root.
pub fn trust_root(state: &Path, root_pem: &str) -> Result<i64, CaError> {
    let ends = Root::check(root_pem)?;
    let path = state.join("tls").join("root.pem");
    let present = files::read_text(&path)?;
    if present.contains(root_pem.trim()) {
        return Ok(ends);
    }
    let both = format!("{}\n{}\n", present.trim_end(), root_pem.trim());
    files::replace_public(&path, both.as_bytes())?;
    Ok(ends)
}

/// The issuing authority of a hub, and those before it whose certificates have not ended.
pub fn authorities(tls: &Path, now: i64) -> Result<Vec<Authority>, CaError> {
    let read = |certificate: &Path, key: &Path| -> Result<Authority, CaError> {
        let key = Zeroizing::new(files::read_text(key)?);
        Ok(Authority::from_pem(&files::read_text(certificate)?, &key)?)
    };
    let mut all = vec![read(&tls.join("issuer.pem"), &tls.join("issuer.key"))?];
    let retired = tls.join(RETIRED);
    if retired.exists() {
        for key in files::list(&retired, "key")? {
            let authority = read(&key.with_extension("pem"), &key)?;
            // A list is kept a day beyond its last entry.
            if authority.expires_at() + 2 * DAY_S >= now {
                all.push(authority);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::founding::tests::founded;

    fn unlock() -> Unlock {
        Unlock::KeyFile(Zeroizing::new(vec![7; 32]))
    }

    #[test]
    fn an_issuer_is_replaced_and_the_one_before_stays_for_the_list() {
        let dir = tempfile::tempdir().unwrap();
        founded(dir.path());
        let (state, root) = (dir.path().join("hub"), dir.path().join("root"));
        let now = SystemClock.now();
        let request = new_issuer(&state).unwrap();
        assert_eq!(new_issuer(&state).unwrap().len(), request.len());
        let wrong = Unlock::KeyFile(Zeroizing::new(vec![8; 32]));
        assert!(sign_issuer(&root, &wrong, &request, 365, now).is_err());
        let stranger = dir.path().join("stranger");
        init(&stranger, &"north".parse().unwrap(), &unlock(), now).unwrap();
        let foreign = sign_issuer(&stranger, &unlock(), &request, 365, now).unwrap();
        let told = install_issuer(&state, &foreign, now)
            .unwrap_err()
            .to_string();
        assert!(
            told.contains("not by a root in the hub's root.pem"),
            "{told}"
        );
        let signed = sign_issuer(&root, &unlock(), &request, 365, now).unwrap();
        let ends = install_issuer(&state, &signed, now).unwrap();
        assert!((ends - now - 365 * DAY_S).abs() < 10);
        let tls = state.join("tls");
        let all = authorities(&tls, now).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].expires_at(), ends);
        assert_eq!(authorities(&tls, now + 400 * DAY_S).unwrap().len(), 1);
        assert!(install_issuer(&state, &signed, now).is_err(), "used up");

        // Another root, with overlap: trusted first, then it signs.
        let request = new_issuer(&state).unwrap();
        let signed = sign_issuer(&stranger, &unlock(), &request, 365, now).unwrap();
        assert!(install_issuer(&state, &signed, now + 1).is_err());
        let root_pem = files::read_text(&stranger.join("root.pem")).unwrap();
        for _ in 0..2 {
            trust_root(&state, &root_pem).unwrap();
        }
        let roots = files::read_text(&tls.join("root.pem")).unwrap();
        assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2);
        install_issuer(&state, &signed, now + 1).unwrap();
        assert_eq!(authorities(&tls, now).unwrap().len(), 3);
        assert!(trust_root(&state, &signed).is_err(), "an issuer is no root");
    }
}
