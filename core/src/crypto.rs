//! Hashes, MACs, authenticated encryption and signatures: the one module that names `ring`.
//!
//! Everything here is a thin, typed view of `ring` 0.17: SHA-256 (FIPS 180-4), HMAC (RFC 2104),
//! HKDF (RFC 5869), ChaCha20-Poly1305 (RFC 8439) and Ed25519 (RFC 8032). Key derivation from
//! passphrases is Argon2id (RFC 9106). Nonces are drawn at random; no key of this product seals
//! more than 2^32 messages, the bound of SP 800-38D for random 96-bit nonces.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::SecureRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::encoding::{self, Digest};

/// What can go wrong here. Deliberately says nothing of the material at hand.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum CryptoError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// Wrong key, wrong context or altered bytes.
    #[error("the sealed bytes do not open: wrong key, or they were altered")]
    DoesNotOpen,
    /// A key that cannot be used.
    #[error("the key is malformed")]
    BadKey,
    /// A signature that does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// Argon2id refused its parameters.
    #[error("the passphrase could not be stretched")]
    Stretch,
}

/// Thirty-two secret bytes: zeroised when dropped, redacted when shown, never serialised.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// Takes ownership of key bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a fresh key.
    pub fn random() -> Result<Self, CryptoError> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes, to seal them or to feed them to a derivation.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for SecretKey {
    type Error = CryptoError;

    fn try_from(bytes: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(bytes.try_into().map_err(|_| CryptoError::BadKey)?))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// Fills a buffer from the operating system's generator.
pub fn fill_random(buffer: &mut [u8]) -> Result<(), CryptoError> {
    ring::rand::SystemRandom::new()
        .fill(buffer)
        .map_err(|_| CryptoError::Randomness)
}

/// `N` random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}

/// SHA-256 of `context` and `fields`, injectively encoded.
pub fn digest(context: &str, fields: &[&[u8]]) -> Digest {
    let mut all = vec![context.as_bytes()];
    all.extend_from_slice(fields);
    sha256(&encoding::parts(&all))
}

/// SHA-256 of the bytes as they are.
pub fn sha256(bytes: &[u8]) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_ref());
    Digest(out)
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone)]
pub struct Hasher(ring::digest::Context);

impl Hasher {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// The next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        Digest(out)
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// A ready HMAC-SHA-256 key, for when one key serves many messages.
pub struct MacKey(ring::hmac::Key);

impl MacKey {
    /// Prepares `key` (its padded blocks are hashed once).
    pub fn new(key: &SecretKey) -> Self {
        Self(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.expose()))
    }

    /// HMAC-SHA-256 of the concatenation of `fields`; callers keep the field lengths fixed.
    pub fn tag(&self, fields: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut context = ring::hmac::Context::with_key(&self.0);
        for field in fields {
            context.update(field);
        }
        let tag = context.sign();
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(tag.as_ref());
        out
    }
}

/// HKDF-SHA-256 (RFC 5869) with 32 bytes of output.
pub fn hkdf(
    salt: &[u8],
    input_key_material: &[u8],
    info: &[&[u8]],
) -> Result<SecretKey, CryptoError> {
    let salt = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, salt);
    let extracted = salt.extract(input_key_material);
    let mut out = SecretKey([0; 32]);
    extracted
        .expand(info, ring::hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out.0))
        .map_err(|_| CryptoError::BadKey)?;
    Ok(out)
}

/// Bytes that sealing adds: the nonce in front, the tag behind.
pub const SEAL_OVERHEAD: usize = NONCE_LEN + 16;

/// Seals `plaintext` under `key`, bound to `context`: nonce, ciphertext, tag.
pub fn seal(key: &SecretKey, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let nonce = random::<NONCE_LEN>()?;
    let mut out = Vec::with_capacity(plaintext.len() + SEAL_OVERHEAD);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plaintext);
    let tag = aead_key(key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            out.get_mut(NONCE_LEN..).ok_or(CryptoError::BadKey)?,
        )
        .map_err(|_| CryptoError::BadKey)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

/// Opens what [`seal`] made under the same key and context.
pub fn open(
    key: &SecretKey,
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let (nonce, rest) = sealed
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(CryptoError::DoesNotOpen)?;
    let mut buffer = Zeroizing::new(rest.to_vec());
    let length = aead_key(key)?
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(context),
            &mut buffer,
        )
        .map_err(|_| CryptoError::DoesNotOpen)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

fn aead_key(key: &SecretKey) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&CHACHA20_POLY1305, key.expose())
        .map(LessSafeKey::new)
        .map_err(|_| CryptoError::BadKey)
}

/// Argon2id cost: RFC 9106's second recommended option (64 MiB, three passes, one lane).
const ARGON2_MEMORY_KIB: u32 = 64 * 1024;
const ARGON2_PASSES: u32 = 3;

/// Stretches a passphrase to a key with Argon2id.
pub fn stretch(passphrase: &[u8], salt: &[u8; 16]) -> Result<SecretKey, CryptoError> {
    let params = argon2::Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, 1, Some(32))
        .map_err(|_| CryptoError::Stretch)?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut out = SecretKey([0; 32]);
    argon2
        .hash_password_into(passphrase, salt, &mut out.0)
        .map_err(|_| CryptoError::Stretch)?;
    Ok(out)
}

/// An Ed25519 verification key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VerifyingKey(#[serde(with = "encoding::base64")] pub [u8; 32]);

impl VerifyingKey {
    /// Whether the key binds anybody: a point of the curve, and not one of the eight of small order,
    /// for which signatures can be made without a private key.
    pub fn is_sound(&self) -> bool {
        CompressedEdwardsY(self.0)
            .decompress()
            .is_some_and(|point| !point.is_small_order())
    }

    /// Checks `signature` over `context` and `message`.
    pub fn verify(
        &self,
        context: &str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), CryptoError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&signed_bytes(context, message), &signature.0)
            .map_err(|_| CryptoError::BadSignature)
    }

    /// Checks `signature` over exactly `message`, with no context of ours.
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), CryptoError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, &signature.0)
            .map_err(|_| CryptoError::BadSignature)
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = data_encoding::BASE64URL_NOPAD.encode(&self.0);
        write!(f, "VerifyingKey({text})")
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "encoding::base64")] pub [u8; 64]);

impl TryFrom<&[u8]> for Signature {
    type Error = CryptoError;

    fn try_from(bytes: &[u8]) -> Result<Self, CryptoError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| CryptoError::BadSignature)
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// An Ed25519 signing key, kept as its seed.
pub struct SigningKey {
    seed: SecretKey,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// Draws a fresh key.
    pub fn random() -> Result<Self, CryptoError> {
        Self::from_seed(SecretKey::random()?)
    }

    /// The key of an RFC 8032 seed.
    pub fn from_seed(seed: SecretKey) -> Result<Self, CryptoError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| CryptoError::BadKey)?;
        Ok(Self { seed, pair })
    }

    /// The seed, to seal it.
    pub fn seed(&self) -> &SecretKey {
        &self.seed
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// Signs `message` under `context`; contexts keep one kind of statement from passing for another.
    pub fn sign(&self, context: &str, message: &[u8]) -> Signature {
        self.sign_raw(&signed_bytes(context, message))
    }

    /// Signs exactly `message`: for formats that prescribe the signed bytes.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        let signature = self.pair.sign(message);
        let mut bytes = [0; 64];
        bytes.copy_from_slice(signature.as_ref());
        Signature(bytes)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.verifying_key())
    }
}

fn signed_bytes(context: &str, message: &[u8]) -> Vec<u8> {
    encoding::parts(&[context.as_bytes(), message])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_with_key_and_context_and_unaltered() {
        let key = SecretKey::random().unwrap();
        let sealed = seal(&key, b"table/key", b"value").unwrap();
        assert_eq!(
            open(&key, b"table/key", &sealed).unwrap().as_slice(),
            b"value"
        );
        assert!(open(&key, b"table/other", &sealed).is_err());
        assert!(open(&SecretKey::random().unwrap(), b"table/key", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                open(&key, b"table/key", &altered),
                Err(CryptoError::DoesNotOpen)
            );
        }
        for length in 0..sealed.len() {
            assert!(open(&key, b"table/key", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn a_signature_holds_for_its_context_only() {
        let key = SigningKey::random().unwrap();
        let signature = key.sign("a", b"message");
        let public = key.verifying_key();
        assert!(public.verify("a", b"message", &signature).is_ok());
        assert!(public.verify("b", b"message", &signature).is_err());
        assert!(public.verify("a", b"massage", &signature).is_err());
    }

    #[test]
    fn a_key_of_small_order_is_unsound_since_anybody_signs_for_it() {
        // The neutral element as key and as R, zero as s: R = s * B - h * A for every message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let weak = VerifyingKey(neutral);
        assert!(weak.verify("a", b"anything", &Signature(signature)).is_ok());
        assert!(!weak.is_sound());
        assert!(!VerifyingKey([2; 32]).is_sound(), "not a point");
        assert!(SigningKey::random().unwrap().verifying_key().is_sound());
    }

    #[test]
    fn hkdf_agrees_with_rfc_5869_case_1() {
        let salt = data_encoding::HEXLOWER
            .decode(b"000102030405060708090a0b0c")
            .unwrap();
        let info = data_encoding::HEXLOWER
            .decode(b"f0f1f2f3f4f5f6f7f8f9")
            .unwrap();
        let okm = hkdf(&salt, &[0x0b; 22], &[&info]).unwrap();
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf";
        assert_eq!(Digest(*okm.expose()).to_string(), expected);
    }
}
