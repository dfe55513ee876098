//! From the function's output to a root, and from a root to token and lock under one agreement.
//!
//! * `root = HKDF-SHA-256(output)`: the same for all agreements, cached sealed in the vault.
//! * `token = HMAC-SHA-256(K_a, "token" || root)[..16]`: what the hub compares.
//! * `lock = HMAC-SHA-256(K_a, "lock" || root)`: opens the payload; the hub never sees it.
//!
//! Two agreements' tokens are unlinkable without their keys, and a leak of custodians' shares is
//! useless without `K_a`.

use crate::crypto::{self, CryptoError, MacKey, SecretKey};
use crate::encoding::Digest;
use crate::row::{TOKEN_BYTES, Token};

/// The root of a linkage key: secret, since with `K_a` it gives the token.
#[derive(Clone, Debug)]
pub struct Root(SecretKey);

impl Root {
    /// Derives the root from the 64-byte output of the function.
    pub fn from_output(output: &[u8; 64]) -> Result<Self, CryptoError> {
        crypto::hkdf(b"symbolon root v1", output, &[]).map(Self)
    }

    /// Reads a root back from the vault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        SecretKey::try_from(bytes).map(Self)
    }

    /// The bytes, to seal them in the vault.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// An agreement's key `K_a`, held by its members only.
pub struct AgreementKey {
    secret: SecretKey,
    mac: MacKey,
}

impl AgreementKey {
    /// Takes a key that was drawn or opened.
    pub fn new(secret: SecretKey) -> Self {
        let mac = MacKey::new(&secret);
        Self { secret, mac }
    }

    /// The bytes, to seal them to a member or in the vault.
    pub fn expose(&self) -> &SecretKey {
        &self.secret
    }

    /// What the lead publishes so that every member can see that it holds the same key.
    pub fn commitment(&self, agreement: &Digest) -> Digest {
        Digest(*self.mac.tag(&[b"commitment", &agreement.0]))
    }

    /// Token and lock of a root.
    pub fn derive(&self, root: &Root) -> (Token, SecretKey) {
        let tag = self.mac.tag(&[b"token", root.expose()]);
        let mut token = [0; TOKEN_BYTES];
        token.copy_from_slice(&tag[..TOKEN_BYTES]);
        let lock = SecretKey::new(*self.mac.tag(&[b"lock", root.expose()]));
        (Token(token), lock)
    }
}

impl std::fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgreementKey(redacted)")
    }
}
