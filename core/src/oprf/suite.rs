//! The ciphersuite ristretto255-SHA512 of RFC 9497, section 4.1, and its hash functions.

use curve25519_dalek::{
    RistrettoPoint, Scalar, ristretto::CompressedRistretto, traits::IsIdentity,
};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

/// Protocol variant (RFC 9497, section 3.1); it separates the hash domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Without proof; only for the published vectors.
    Oprf,
    /// With proof: what the product uses.
    Voprf,
}

/// `contextString = "OPRFV1-" || I2OSP(mode, 1) || "-" || identifier` (section 3.1).
fn context_string(mode: Mode) -> [u8; 28] {
    let mut context = *b"OPRFV1-\x00-ristretto255-SHA512";
    context[7] = match mode {
        Mode::Oprf => 0,
        Mode::Voprf => 1,
    };
    context
}

/// `HashToGroup` (section 4.1): `expand_message_xmd` with SHA-512, then the ristretto255 map.
pub fn hash_to_group(mode: Mode, input: &[u8]) -> RistrettoPoint {
    let uniform = expand_message_xmd(&[input], &[b"HashToGroup-", &context_string(mode)]);
    RistrettoPoint::from_uniform_bytes(&uniform)
}

/// `hash_to_ristretto255` (RFC 9380, appendix B) under a domain separation tag of the caller's own, of
/// at most 255 bytes.
pub fn hash_to_ristretto255(tag: &[u8], message: &[&[u8]]) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&expand_message_xmd(message, &[tag]))
}

/// `HashToScalar` (section 4.1): the same expansion, reduced modulo the group order.
pub fn hash_to_scalar(mode: Mode, input: &[&[u8]]) -> Scalar {
    let uniform = expand_message_xmd(input, &[b"HashToScalar-", &context_string(mode)]);
    Scalar::from_bytes_mod_order_wide(&uniform)
}

/// The seed of the composites (section 2.2.1): hash of `B` and `"Seed-" || contextString`.
pub fn composite_seed(mode: Mode, public_key: &[u8; 32]) -> [u8; 64] {
    let context = context_string(mode);
    let mut hash = Sha512::new();
    hash.update(length(32));
    hash.update(public_key);
    hash.update(length(5 + context.len()));
    hash.update(b"Seed-");
    hash.update(context);
    hash.finalize().into()
}

/// The hash that ends `Finalize` (section 3.3.1):
/// `Hash(len(input) || input || len(element) || element || "Finalize")`.
pub fn finalize_hash(input: &[u8], unblinded: &[u8; 32]) -> Zeroizing<[u8; 64]> {
    let mut hash = Sha512::new();
    hash.update(length(input.len()));
    hash.update(input);
    hash.update(length(32));
    hash.update(unblinded);
    hash.update(b"Finalize");
    Zeroizing::new(hash.finalize().into())
}

/// `I2OSP(n, 2)`; every caller's lengths are below 65,536.
pub fn length(n: usize) -> [u8; 2] {
    (n as u16).to_be_bytes()
}

/// Parses a group element; refuses non-canonical encodings and the identity (section 2.1,
/// `DeserializeElement`).
pub fn parse_element(bytes: &[u8]) -> Option<RistrettoPoint> {
    let point = CompressedRistretto::from_slice(bytes).ok()?.decompress()?;
    (!point.is_identity()).then_some(point)
}

/// Parses a canonical scalar.
pub fn parse_scalar(bytes: &[u8]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(bytes.try_into().ok()?).into()
}

/// `expand_message_xmd` of RFC 9380, section 5.3.1, with SHA-512 for exactly 64 bytes (one block).
fn expand_message_xmd(message: &[&[u8]], tag: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    const BLOCK_BYTES: usize = 128;
    let tag_length = tag.iter().map(|part| part.len()).sum::<usize>() as u8;
    // msg_prime = Z_pad || msg || I2OSP(64, 2) || I2OSP(0, 1) || DST_prime
    let mut first = Sha512::new();
    first.update([0; BLOCK_BYTES]);
    message.iter().for_each(|part| first.update(part));
    first.update([0, 64, 0]);
    tag.iter().for_each(|part| first.update(part));
    first.update([tag_length]);
    // b_1 = H(b_0 || I2OSP(1, 1) || DST_prime)
    let mut second = Sha512::new();
    second.update(first.finalize());
    second.update([1]);
    tag.iter().for_each(|part| second.update(part));
    second.update([tag_length]);
    Zeroizing::new(second.finalize().into())
}
