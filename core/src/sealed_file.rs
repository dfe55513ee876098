//! Small secrets at rest: a key sealed under a passphrase or under a key file.
//!
//! Layout: the magic `SYMB1`, one byte for the way the key is made (0 passphrase, 1 key file),
//! a 16-byte salt, then the AEAD sealing of the secret bound to its label.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::{self, CryptoError, SecretKey};

const MAGIC: &[u8; 5] = b"SYMB1";
/// A key file is not stretched: a shorter one, or an empty one, could be guessed.
const MIN_KEY_FILE_BYTES: usize = 32;

/// How a secret at rest is opened.
pub enum Unlock {
    /// Stretched by Argon2id.
    Passphrase(Zeroizing<String>),
    /// Thirty-two or more random bytes that an operator keeps elsewhere.
    KeyFile(Zeroizing<Vec<u8>>),
}

impl Unlock {
    fn way(&self) -> u8 {
        match self {
            Self::Passphrase(_) => 0,
            Self::KeyFile(_) => 1,
        }
    }

    fn key(&self, salt: &[u8; 16]) -> Result<SecretKey, CryptoError> {
        match self {
            Self::Passphrase(passphrase) => crypto::stretch(passphrase.as_bytes(), salt),
            Self::KeyFile(bytes) if bytes.len() < MIN_KEY_FILE_BYTES => Err(CryptoError::BadKey),
            Self::KeyFile(bytes) => crypto::hkdf(salt, bytes, &[b"symbolon key file"]),
        }
    }
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unlock(redacted)")
    }
}

/// Why a sealed secret stays closed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SealedFileError {
    /// Not one of our files.
    #[error("not a sealed Symbolon secret, or cut short")]
    Format,
    /// Sealed the other way round.
    #[error("it was sealed with a {0}")]
    OtherWay(&'static str),
    /// The usual case.
    #[error("wrong passphrase or key file, or the file was altered")]
    WrongKey,
    /// Randomness or stretching failed.
    #[error(transparent)]
    Crypto(CryptoError),
}

/// Seals `secret` for keeping in a file; `label` says what it is and is authenticated.
pub fn seal(unlock: &Unlock, label: &str, secret: &[u8]) -> Result<Vec<u8>, SealedFileError> {
    let salt = crypto::random::<16>().map_err(SealedFileError::Crypto)?;
    let key = unlock.key(&salt).map_err(SealedFileError::Crypto)?;
    let sealed = crypto::seal(&key, label.as_bytes(), secret).map_err(SealedFileError::Crypto)?;
    let mut out = MAGIC.to_vec();
    out.push(unlock.way());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Opens what [`seal`] made.
pub fn open(
    unlock: &Unlock,
    label: &str,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealedFileError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(SealedFileError::Format)?;
    let (&way, rest) = rest.split_first().ok_or(SealedFileError::Format)?;
    let (salt, sealed) = rest
        .split_first_chunk::<16>()
        .ok_or(SealedFileError::Format)?;
    if way != unlock.way() {
        let other = if way == 0 { "passphrase" } else { "key file" };
        return Err(SealedFileError::OtherWay(other));
    }
    let key = unlock.key(salt).map_err(SealedFileError::Crypto)?;
    crypto::open(&key, label.as_bytes(), sealed).map_err(|_| SealedFileError::WrongKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Unlock {
        Unlock::Passphrase(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn opens_with_the_same_passphrase_and_label_only() {
        let sealed = seal(&passphrase("correct horse"), "vault", b"secret").unwrap();
        let opened = open(&passphrase("correct horse"), "vault", &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"secret");
        let wrong = open(&passphrase("wrong horse"), "vault", &sealed);
        assert_eq!(wrong, Err(SealedFileError::WrongKey));
        let other = open(&passphrase("correct horse"), "approval", &sealed);
        assert_eq!(other, Err(SealedFileError::WrongKey));
        let key_file = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
        let way = open(&key_file, "vault", &sealed);
        assert_eq!(way, Err(SealedFileError::OtherWay("passphrase")));
    }
}
