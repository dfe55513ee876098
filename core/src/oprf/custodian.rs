//! The custodian's side of an evaluation.
//!
//! Whoever asks is checked before this (signature, roster, expiry); here is only the arithmetic.
//! The custodian sees uniformly random points and learns how many there are.

use curve25519_dalek::RistrettoPoint;
use rand_core::CryptoRngCore;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::dleq::{self, Statement};
use super::points::{self, SHARE};
use super::suite::Mode;
use super::threshold::{KeyShare, Quorum};
use super::{ELEMENT_BYTES, MAX_BATCH, OprfError};

/// A custodian's answer to one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// `lambda_i / 4 * k_i * B` for each element, 32 bytes each, in order.
    pub elements: Vec<u8>,
    /// The batched DLEQ proof.
    pub proof: [u8; dleq::PROOF_BYTES],
}

/// Splits concatenated elements and parses each; refuses the identity and non-canonical bytes.
pub(super) fn parse_elements(
    bytes: &[u8],
) -> Result<(Vec<RistrettoPoint>, Vec<[u8; 32]>), OprfError> {
    let (encodings, rest) = bytes.as_chunks::<ELEMENT_BYTES>();
    if !rest.is_empty() || encodings.is_empty() || encodings.len() > MAX_BATCH {
        return Err(OprfError::BatchSize(bytes.len().div_ceil(ELEMENT_BYTES)));
    }
    Ok((points::parse(encodings)?, encodings.to_vec()))
}

/// `BlindEvaluate` (RFC 9497, section 3.3.2) with the key `lambda_i(quorum) / 4 * k_i`, batched. The node
/// sends twice what it blinded and doubles what it finalises: decision 0013.
pub fn evaluate(
    share: &KeyShare,
    quorum: &Quorum,
    blinded: &[u8],
    rng: &mut impl CryptoRngCore,
) -> Result<Evaluation, OprfError> {
    let (before, before_bytes) = parse_elements(blinded)?;
    let key = Zeroizing::new(quorum.weight(share.index())? * share.expose());
    let public = RistrettoPoint::mul_base(&key);
    let half_key = Zeroizing::new(points::half() * *key);
    let halves = before.par_iter().with_min_len(SHARE);
    let halves: Vec<RistrettoPoint> = halves.map(|point| point * *half_key).collect();
    let (after, after_bytes) = points::doubled(&halves);
    let statement = Statement {
        public: &public,
        before: (&before, &before_bytes),
        after: (&after, &after_bytes),
    };
    let proof = dleq::prove(Mode::Voprf, &key, &statement, rng).to_bytes();
    Ok(Evaluation {
        elements: after_bytes.concat(),
        proof,
    })
}
