//! Batched proof that two pairs of points have the same discrete logarithm (RFC 9497, section 2.2).
//!
//! The prover is a custodian, the verifier a node. The weights of the batch and the challenge are
//! hashes of public values; verification therefore may and does run in variable time.

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_TABLE,
    traits::{MultiscalarMul, VartimeMultiscalarMul},
};
use rand_core::CryptoRngCore;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::points::SHARE;
use super::suite::{self, Mode};

/// Bytes of a proof: challenge and response.
pub const PROOF_BYTES: usize = 64;

/// A Fiat-Shamir proof `(c, s)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    challenge: Scalar,
    response: Scalar,
}

impl Proof {
    /// `c || s`.
    pub fn to_bytes(self) -> [u8; PROOF_BYTES] {
        let mut out = [0; PROOF_BYTES];
        out[..32].copy_from_slice(self.challenge.as_bytes());
        out[32..].copy_from_slice(self.response.as_bytes());
        out
    }

    /// Parses two canonical scalars.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != PROOF_BYTES {
            return None;
        }
        Some(Self {
            challenge: suite::parse_scalar(bytes.get(..32)?)?,
            response: suite::parse_scalar(bytes.get(32..)?)?,
        })
    }
}

/// One statement: `key * G = public` and `key * before[i] = after[i]` for every `i`.
///
/// Points come with their encodings, which both sides have at hand anyway.
pub struct Statement<'a> {
    /// The public key, `B` in the RFC.
    pub public: &'a RistrettoPoint,
    /// `C`, and its encodings.
    pub before: (&'a [RistrettoPoint], &'a [[u8; 32]]),
    /// `D`, and its encodings.
    pub after: (&'a [RistrettoPoint], &'a [[u8; 32]]),
}

/// `GenerateProof` (section 2.2.1).
pub fn prove(
    mode: Mode,
    key: &Scalar,
    statement: &Statement,
    rng: &mut impl CryptoRngCore,
) -> Proof {
    let nonce = hedged_nonce(mode, key, statement, rng);
    prove_with_nonce(mode, key, statement, &nonce)
}

/// The random scalar `r` of the proof, from fresh randomness, the key and the statement together.
///
/// Two proofs of one key with one nonce give the key away. A generator that repeats itself (a virtual
/// machine set back to a snapshot) then repeats the nonce only for the same statement, whose proof
/// is the same too. With sound randomness the scalar is uniform, as the RFC asks.
fn hedged_nonce(
    mode: Mode,
    key: &Scalar,
    statement: &Statement,
    rng: &mut impl CryptoRngCore,
) -> Zeroizing<Scalar> {
    let mut fresh = Zeroizing::new([0; 64]);
    rng.fill_bytes(fresh.as_mut());
    let key = Zeroizing::new(key.to_bytes());
    let mut transcript: Vec<&[u8]> = vec![b"symbolon dleq nonce v1", fresh.as_ref(), key.as_ref()];
    for (before, after) in statement.before.1.iter().zip(statement.after.1) {
        transcript.extend([before.as_slice(), after.as_slice()]);
    }
    Zeroizing::new(suite::hash_to_scalar(mode, &transcript))
}

/// [`prove`] with the random scalar `r` given, for the published vectors.
pub(crate) fn prove_with_nonce(
    mode: Mode,
    key: &Scalar,
    statement: &Statement,
    nonce: &Scalar,
) -> Proof {
    // (M, Z) = ComputeCompositesFast(k, B, C, D)
    let weights = weights(mode, statement);
    let m = RistrettoPoint::vartime_multiscalar_mul(&weights, statement.before.0);
    let z = RistrettoPoint::multiscalar_mul([key], [&m]);
    // t2 = r * A, t3 = r * M
    let t2 = nonce * RISTRETTO_BASEPOINT_TABLE;
    let t3 = nonce * m;
    let challenge = challenge(mode, statement.public, &m, &z, &t2, &t3);
    // s = r - c * k
    let response = nonce - challenge * key;
    Proof {
        challenge,
        response,
    }
}

/// `VerifyProof` (section 2.2.2).
pub fn verify(mode: Mode, statement: &Statement, proof: &Proof) -> bool {
    if statement.before.0.len() != statement.after.0.len() {
        return false;
    }
    let weights = weights(mode, statement);
    let (m, z) = rayon::join(
        || RistrettoPoint::vartime_multiscalar_mul(&weights, statement.before.0),
        || RistrettoPoint::vartime_multiscalar_mul(&weights, statement.after.0),
    );
    // t2 = s * A + c * B, t3 = s * M + c * Z
    let t2 = RistrettoPoint::vartime_double_scalar_mul_basepoint(
        &proof.challenge,
        statement.public,
        &proof.response,
    );
    let t3 = RistrettoPoint::vartime_multiscalar_mul([proof.response, proof.challenge], [m, z]);
    challenge(mode, statement.public, &m, &z, &t2, &t3) == proof.challenge
}

/// The weights `di` of `ComputeComposites` (section 2.2.1).
fn weights(mode: Mode, statement: &Statement) -> Vec<Scalar> {
    let seed = suite::composite_seed(mode, statement.public.compress().as_bytes());
    let pairs = statement.before.1.par_iter().zip(statement.after.1);
    pairs
        .enumerate()
        .with_min_len(SHARE)
        .map(|(i, (before, after))| {
            let element = suite::length(32);
            // compositeTranscript = len(seed) || seed || I2OSP(i, 2) || len(Ci) || Ci || len(Di) || Di || "Composite"
            suite::hash_to_scalar(
                mode,
                &[
                    &suite::length(64),
                    &seed,
                    &suite::length(i),
                    &element,
                    before,
                    &element,
                    after,
                    b"Composite",
                ],
            )
        })
        .collect()
}

/// The challenge: hash of `B, M, Z, t2, t3`, each with its length, and `"Challenge"`.
fn challenge(
    mode: Mode,
    public: &RistrettoPoint,
    m: &RistrettoPoint,
    z: &RistrettoPoint,
    t2: &RistrettoPoint,
    t3: &RistrettoPoint,
) -> Scalar {
    let mut transcript = Vec::with_capacity(5 * 34 + 9);
    for point in [public, m, z, t2, t3] {
        transcript.extend_from_slice(&suite::length(32));
        transcript.extend_from_slice(point.compress().as_bytes());
    }
    transcript.extend_from_slice(b"Challenge");
    suite::hash_to_scalar(mode, &[&transcript])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator that a snapshot set back: it gives the same bytes each time.
    struct Repeating;

    impl rand_core::RngCore for Repeating {
        fn next_u32(&mut self) -> u32 {
            7
        }

        fn next_u64(&mut self) -> u64 {
            7
        }

        fn fill_bytes(&mut self, buffer: &mut [u8]) {
            buffer.fill(7);
        }

        fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), rand_core::Error> {
            buffer.fill(7);
            Ok(())
        }
    }

    impl rand_core::CryptoRng for Repeating {}

    fn nonce_for(key: &Scalar, before: u64, rng: &mut impl CryptoRngCore) -> Scalar {
        let public = RistrettoPoint::mul_base(key);
        let before = RistrettoPoint::mul_base(&Scalar::from(before));
        let after = key * before;
        let statement = Statement {
            public: &public,
            before: (&[before], &[before.compress().to_bytes()]),
            after: (&[after], &[after.compress().to_bytes()]),
        };
        *hedged_nonce(Mode::Voprf, key, &statement, rng)
    }

    #[test]
    fn a_generator_that_repeats_itself_does_not_repeat_the_nonce_of_another_statement() {
        let key = Scalar::from(5_u64);
        let nonce = nonce_for(&key, 2, &mut Repeating);
        assert_eq!(nonce, nonce_for(&key, 2, &mut Repeating));
        assert_ne!(nonce, nonce_for(&key, 3, &mut Repeating));
        assert_ne!(nonce, nonce_for(&Scalar::from(6_u64), 2, &mut Repeating));
        assert_ne!(nonce, nonce_for(&key, 2, &mut rand_core::OsRng));
    }
}
