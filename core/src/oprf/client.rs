//! The node's side of an evaluation: blind, verify and combine, unblind, finalise.
//!
//! Points are encoded in one batch, by doubling their halves (decision 0013), and every step runs on all
//! cores that rayon has.

use std::collections::BTreeMap;

use curve25519_dalek::{
    RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_TABLE,
    ristretto::RistrettoBasepointTable, traits::IsIdentity,
};
use rand_core::CryptoRngCore;
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::custodian::{self, Evaluation};
use super::dleq::{self, Proof, Statement};
use super::points::{self, SHARE};
use super::suite::{self, Mode};
use super::threshold::{CustodyKey, Quorum, VerifiedQuorum};
use super::{MAX_BATCH, MAX_INPUT_BYTES, OprfError};

/// The output of the function for one input: 64 bytes (RFC 9497, `Nh`).
pub type Output = Zeroizing<[u8; 64]>;

/// A batch on its way: the blinds, and the points that the custodians see.
pub struct BlindedBatch {
    blinds: Vec<Scalar>,
    points: Vec<RistrettoPoint>,
    encodings: Vec<[u8; 32]>,
}

impl BlindedBatch {
    /// Hashes each input to the group, adds a random multiple of the generator, and doubles the sum.
    pub fn new<I: AsRef<[u8]> + Sync>(
        inputs: &[I],
        rng: &mut impl CryptoRngCore,
    ) -> Result<Self, OprfError> {
        if inputs.is_empty() || inputs.len() > MAX_BATCH {
            return Err(OprfError::BatchSize(inputs.len()));
        }
        // Dropped, and so wiped, whatever comes of it.
        let mut batch = Self {
            blinds: inputs.iter().map(|_| Scalar::random(rng)).collect(),
            points: Vec::new(),
            encodings: Vec::new(),
        };
        // H(x) + r * G, half of what is sent.
        let half = |(input, blind): (&I, &Scalar)| {
            if input.as_ref().len() > MAX_INPUT_BYTES {
                return Err(OprfError::InvalidInput);
            }
            let element = suite::hash_to_group(Mode::Voprf, input.as_ref());
            if element.is_identity() {
                return Err(OprfError::InvalidInput);
            }
            Ok(element + blind * RISTRETTO_BASEPOINT_TABLE)
        };
        let halves = inputs
            .par_iter()
            .zip(&batch.blinds)
            .with_min_len(SHARE)
            .map(half);
        let halves: Vec<RistrettoPoint> = halves.collect::<Result<_, _>>()?;
        (batch.points, batch.encodings) = points::doubled(&halves);
        Ok(batch)
    }

    /// A batch of before, from [`Self::blinds`] and [`Self::wire`].
    pub fn restore(blinds: &[u8], wire: &[u8]) -> Result<Self, OprfError> {
        let (points, encodings) = custodian::parse_elements(wire)?;
        let (parts, rest) = blinds.as_chunks::<32>();
        if !rest.is_empty() || parts.len() != points.len() {
            return Err(OprfError::BatchSize(parts.len()));
        }
        let mut batch = Self {
            blinds: Vec::with_capacity(parts.len()),
            points,
            encodings,
        };
        for part in parts {
            let blind = suite::parse_scalar(part).ok_or(OprfError::InvalidInput)?;
            batch.blinds.push(blind);
        }
        Ok(batch)
    }

    /// The blinds, 32 bytes each, in order. With them the elements give away the inputs' hashes.
    pub fn blinds(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.blinds.len() * 32));
        let each = self.blinds.iter();
        each.for_each(|blind| bytes.extend_from_slice(blind.as_bytes()));
        bytes
    }

    /// The blinded elements as sent: 32 bytes each, in order.
    pub fn wire(&self) -> Vec<u8> {
        self.encodings.concat()
    }

    /// Elements in the batch.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is nothing to evaluate; a batch is never empty.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

impl Drop for BlindedBatch {
    fn drop(&mut self) {
        self.blinds.zeroize();
    }
}

/// A quorum of one custody key, ready to check evaluations: verified once, used for many batches.
pub struct Evaluator {
    quorum: VerifiedQuorum,
    /// Multiples of half the group key.
    half_key: RistrettoBasepointTable,
}

impl Evaluator {
    /// Refuses a quorum whose public shares do not interpolate to the group key.
    pub fn new(key: &CustodyKey, quorum: &Quorum) -> Result<Self, OprfError> {
        Ok(Self {
            quorum: key.verify_quorum(quorum)?,
            half_key: RistrettoBasepointTable::create(&(points::half() * key.group_point()?)),
        })
    }

    /// The quorum that requests must name.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum.quorum
    }

    /// Verifies every custodian's evaluation, adds them up, unblinds and finalises.
    ///
    /// `inputs` are those of the batch, in order. Fails naming the custodian whose answer is wrong.
    pub fn finalize<I: AsRef<[u8]> + Sync>(
        &self,
        batch: &BlindedBatch,
        inputs: &[I],
        evaluations: &BTreeMap<u16, Evaluation>,
    ) -> Result<Vec<Output>, OprfError> {
        if inputs.len() != batch.len() {
            return Err(OprfError::BatchSize(inputs.len()));
        }
        let custodians: Vec<_> = self.quorum.weighted.iter().collect();
        let verified = custodians.par_iter().map(|&(&index, public)| {
            let evaluation = evaluations
                .get(&index)
                .ok_or(OprfError::MalformedEvaluation { index })?;
            verify_partial(index, public, batch, evaluation)
        });
        let mut sums = vec![RistrettoPoint::default(); batch.len()];
        for partials in verified.collect::<Result<Vec<_>, _>>()? {
            sums.iter_mut()
                .zip(&partials)
                .for_each(|(sum, partial)| *sum += partial);
        }
        // k/4 * 2(H(x) + r * G) - r * K/2 = k/2 * H(x)
        let unblind = |(sum, blind): (&RistrettoPoint, &Scalar)| sum - blind * &self.half_key;
        let halves = sums.par_iter().zip(&batch.blinds).with_min_len(SHARE);
        let mut halves: Vec<RistrettoPoint> = halves.map(unblind).collect();
        let mut elements = points::doubled_encodings(&halves);
        halves.zeroize();
        let hash =
            |(element, input): (&[u8; 32], &I)| suite::finalize_hash(input.as_ref(), element);
        let outputs = elements.iter().zip(inputs).map(hash).collect();
        elements.zeroize();
        Ok(outputs)
    }
}

fn verify_partial(
    index: u16,
    public: &RistrettoPoint,
    batch: &BlindedBatch,
    evaluation: &Evaluation,
) -> Result<Vec<RistrettoPoint>, OprfError> {
    let malformed = OprfError::MalformedEvaluation { index };
    let (after, after_bytes) =
        custodian::parse_elements(&evaluation.elements).map_err(|_| malformed.clone())?;
    let proof = Proof::from_bytes(&evaluation.proof).ok_or(malformed.clone())?;
    if after.len() != batch.len() {
        return Err(malformed);
    }
    let statement = Statement {
        public,
        before: (&batch.points, &batch.encodings),
        after: (&after, &after_bytes),
    };
    if dleq::verify(Mode::Voprf, &statement, &proof) {
        Ok(after)
    } else {
        Err(OprfError::BadProof { index })
    }
}
