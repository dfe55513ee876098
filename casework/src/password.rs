//! Passwords of accounts: what is asked of one, and the hash that is kept in its place.
//!
//! Argon2id with 64 MiB, three passes and one lane: the memory and passes of RFC 9106's second
//! recommended option (section 4), well above OWASP's least (19 MiB, two passes), and what the vault's
//! passphrase is stretched with. One lane, since the library computes lanes one after another and more of
//! them would only help whoever has hardware that does not. A hash is a PHC string, which names its own
//! parameters: they can be raised without a change of format.
//!
//! Rules follow NIST SP 800-63B-4, section 3.1.1.2: length rather than kinds of characters, nothing that
//! the account's name gives away, no end by date.

use argon2::password_hash::{
    PasswordHash as Phc, PasswordHasher as _, PasswordVerifier as _, SaltString,
};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use symbolon_core::crypto;
use symbolon_core::identity::Name;
use thiserror::Error;
use zeroize::Zeroizing;

/// Shortest password, in characters. There is a lock-out, and the vault's own key is in front.
pub const MIN_CHARS: usize = 12;
/// Longest, in bytes: a sentence fits, and nobody has the node hash megabytes.
pub const MAX_BYTES: usize = 1024;
/// Fewer different characters are a pattern.
const MIN_DIFFERENT: usize = 5;

const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;

/// A hash of nothing that anybody types, with the parameters above: an account that is not there takes as
/// long to refuse as one that is.
const DUMMY: &str = "$argon2id$v=19$m=65536,t=3,p=1$c3ltYm9sb24gZHVtbXkgMQ\
                     $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Too short.
    #[error(
        "the password is too short: at least {MIN_CHARS} characters, better four or five words"
    )]
    TooShort,
    /// Too long.
    #[error("the password is longer than {MAX_BYTES} bytes; choose a shorter one")]
    TooLong,
    /// A pattern, as `aaaaaaaaaaaa`.
    #[error("the password repeats a few characters only; choose four or five words")]
    Pattern,
    /// The account's name is in it.
    #[error("the password has the account's name in it; choose four or five other words")]
    HasName,
    /// It is the one that is changed.
    #[error("the new password is the present one; choose another")]
    Unchanged,
    /// Hashing failed.
    #[error("the password could not be hashed; is memory short? try again")]
    Hashing,
}

/// A password as somebody typed it.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes it as it is.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// Whether it may be chosen for an account.
    pub fn check(&self, account: &Name) -> Result<(), PasswordError> {
        if self.0.chars().count() < MIN_CHARS {
            return Err(PasswordError::TooShort);
        }
        if self.0.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        let different: std::collections::BTreeSet<char> = self.0.chars().collect();
        if different.len() < MIN_DIFFERENT {
            return Err(PasswordError::Pattern);
        }
        let lower = Zeroizing::new(self.0.to_lowercase());
        let name = account.as_str();
        if name.len() >= 3 && lower.contains(name) {
            return Err(PasswordError::HasName);
        }
        Ok(())
    }

    /// The hash to keep. `salt` is drawn at random for each.
    pub fn hash(&self, salt: &[u8; 16]) -> Result<PasswordHash, PasswordError> {
        let failed = |_| PasswordError::Hashing;
        let salt = SaltString::encode_b64(salt).map_err(failed)?;
        let hashed = hasher()?.hash_password(self.0.as_bytes(), &salt);
        hashed
            .map(|phc| PasswordHash(phc.to_string()))
            .map_err(failed)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// What is kept of a password: a PHC string.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// What is compared with where there is no account.
    #[must_use]
    pub fn dummy() -> Self {
        Self(DUMMY.to_owned())
    }

    /// Whether it is the hash of this password. Takes the same time either way.
    #[must_use]
    pub fn fits(&self, password: &Password) -> bool {
        // Never longer than what may be chosen: a longer one cannot be right, and costs no more.
        let bytes = password.0.as_bytes();
        let bytes = bytes.get(..MAX_BYTES + 1).unwrap_or(bytes);
        let (Ok(phc), Ok(hasher)) = (Phc::new(&self.0), hasher()) else {
            return false;
        };
        hasher.verify_password(bytes, &phc).is_ok()
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES));
    let params = params.map_err(|_| PasswordError::Hashing)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A token that a person's program shows with each request of a session: 256 random bits. Only its digest is
/// kept, so that whoever reads the vault of yesterday cannot act today.
#[must_use]
pub fn token_digest(token: &[u8]) -> symbolon_core::encoding::Digest {
    crypto::digest("symbolon session v1", &[token])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_password_fits_its_hash_and_no_other_does() {
        let hash = password("correct horse battery").hash(&[1; 16]).unwrap();
        assert!(hash.fits(&password("correct horse battery")));
        assert!(!hash.fits(&password("correct horse batterz")));
        assert!(!hash.fits(&password("")));
        let salted = password("correct horse battery").hash(&[2; 16]).unwrap();
        assert_ne!(hash, salted);
        assert!(
            hash.0.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"),
            "{}",
            hash.0
        );
        assert_eq!(format!("{hash:?}"), "PasswordHash(redacted)");
    }

    #[test]
    fn the_dummy_costs_what_a_hash_costs_and_fits_nothing() {
        let parameters = |hash: &PasswordHash| {
            let phc = Phc::new(&hash.0).unwrap();
            let output = phc.hash.unwrap().len();
            let salt = phc.salt.unwrap().len();
            let params = Params::try_from(&phc).unwrap();
            let cost = (params.m_cost(), params.t_cost(), params.p_cost());
            (phc.algorithm.to_string(), cost, output, salt)
        };
        let hash = password("correct horse battery").hash(&[1; 16]).unwrap();
        assert_eq!(parameters(&PasswordHash::dummy()), parameters(&hash));
        assert!(!PasswordHash::dummy().fits(&password("correct horse battery")));
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        let check = |text: &str| password(text).check(&"ana-nowak".parse().unwrap());
        assert_eq!(check("four or five words"), Ok(()));
        assert_eq!(check("elevenchars"), Err(PasswordError::TooShort));
        assert_eq!(check("ăîșțâăîșțâăî"), Ok(()));
        assert_eq!(check("ababababababab"), Err(PasswordError::Pattern));
        assert_eq!(check("Ana-Nowak 2026!"), Err(PasswordError::HasName));
        assert_eq!(check(&"abcdef".repeat(200)), Err(PasswordError::TooLong));
    }
}
