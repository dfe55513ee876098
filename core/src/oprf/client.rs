//! The node's side of an evaluation: blind, verify and combine, unblind, finalise.

use std::collections::BTreeMap;

use curve25519_dalek::{
    RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_TABLE,
    ristretto::RistrettoBasepointTable, traits::IsIdentity,
};
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

use super::custodian::{self, Evaluation};
use super::dleq::{self, Proof, Statement};
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
    /// Hashes each input to the group and adds a random multiple of the generator.
    pub fn new<I: AsRef<[u8]>>(
        inputs: &[I],
        rng: &mut impl CryptoRngCore,
    ) -> Result<Self, OprfError> {
        if inputs.is_empty() || inputs.len() > MAX_BATCH {
            return Err(OprfError::BatchSize(inputs.len()));
        }
        let mut batch = Self {
            blinds: Vec::with_capacity(inputs.len()),
            points: Vec::with_capacity(inputs.len()),
            encodings: Vec::with_capacity(inputs.len()),
        };
        for input in inputs {
            if input.as_ref().len() > MAX_INPUT_BYTES {
                return Err(OprfError::InvalidInput);
            }
            let element = suite::hash_to_group(Mode::Voprf, input.as_ref());
            if element.is_identity() {
                return Err(OprfError::InvalidInput);
            }
            let blind = Scalar::random(rng);
            let point = element + &blind * RISTRETTO_BASEPOINT_TABLE;
            batch.blinds.push(blind);
            batch.encodings.push(point.compress().to_bytes());
            batch.points.push(point);
        }
        Ok(batch)
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
    group_table: RistrettoBasepointTable,
}

impl Evaluator {
    /// Refuses a quorum whose public shares do not interpolate to the group key.
    pub fn new(key: &CustodyKey, quorum: &Quorum) -> Result<Self, OprfError> {
        Ok(Self {
            quorum: key.verify_quorum(quorum)?,
            group_table: RistrettoBasepointTable::create(&key.group_point()?),
        })
    }

    /// The quorum that requests must name.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum.quorum
    }

    /// Verifies every custodian's evaluation, adds them up, unblinds and finalises.
    ///
    /// `inputs` are those of the batch, in order. Fails naming the custodian whose answer is wrong.
    pub fn finalize<I: AsRef<[u8]>>(
        &self,
        batch: &BlindedBatch,
        inputs: &[I],
        evaluations: &BTreeMap<u16, Evaluation>,
    ) -> Result<Vec<Output>, OprfError> {
        if inputs.len() != batch.len() {
            return Err(OprfError::BatchSize(inputs.len()));
        }
        let mut sums = vec![RistrettoPoint::default(); batch.len()];
        for (&index, public) in &self.quorum.weighted {
            let evaluation = evaluations
                .get(&index)
                .ok_or(OprfError::MalformedEvaluation { index })?;
            let partials = verify_partial(index, public, batch, evaluation)?;
            sums.iter_mut()
                .zip(&partials)
                .for_each(|(sum, partial)| *sum += partial);
        }
        let unblind = |((sum, blind), input): ((&RistrettoPoint, &Scalar), &I)| {
            // k * (H(x) + r * G) - r * K = k * H(x)
            let mut element = (sum - blind * &self.group_table).compress().to_bytes();
            let output = suite::finalize_hash(input.as_ref(), &element);
            element.zeroize();
            output
        };
        Ok(sums
            .iter()
            .zip(&batch.blinds)
            .zip(inputs)
            .map(unblind)
            .collect())
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
