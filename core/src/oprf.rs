//! The oblivious pseudorandom function that turns an identifier into a root.
//!
//! RFC 9497, ciphersuite ristretto255-SHA512, mode VOPRF. The key is shared t-of-n among custodians,
//! so that nobody ever holds it:
//!
//! 1. The node hashes each input to the group and blinds it ([`client`]). Custodians and the hub see
//!    uniformly random points.
//! 2. Each custodian `i` of the quorum `Q` named in the request multiplies by
//!    `lambda_i(Q) / 4 * k_i`, its Lagrange coefficient applied, and proves so with one batched
//!    DLEQ proof ([`custodian`], [`dleq`]).
//! 3. The node checks that the public shares of `Q` interpolate to the group key, verifies every
//!    proof, adds the points, takes the blind off and hashes ([`client`], [`threshold`]).
//!
//! Key generation and the refresh of shares are FROST's DKG ([`dkg`]); a lost share is made again by
//! others ([`repair`]). The output for an input is the RFC's `Finalize` output
//! under the joint key, equal to that of a single server which held it.
//!
//! The blind is additive, `H(x) + r*G`, taken off as `r*K`: both multiplications are by fixed bases. The
//! custodian sees a uniformly random point either way, and `K` is authenticated by the custodians'
//! statements; see `docs/decisions/0002-additive-blinding.md`. What goes over the wire is twice that, and
//! weights are quarters, so that points are encoded in batches: `0013-halves.md`.

pub mod client;
pub mod custodian;
pub mod dkg;
pub mod dleq;
mod frost_keys;
mod points;
pub mod repair;
pub mod suite;
pub mod threshold;
#[cfg(test)]
mod vectors;

use thiserror::Error;

/// Largest batch: the RFC's composite proof numbers elements with 16 bits; memory bounds it sooner.
pub const MAX_BATCH: usize = 4096;
/// Longest input: `Finalize` writes its length with 16 bits (RFC 9497, section 1.2).
pub const MAX_INPUT_BYTES: usize = 65_535;
/// Bytes of a group element or a scalar on the wire.
pub const ELEMENT_BYTES: usize = 32;

/// What can go wrong in an evaluation; names the custodian by share index where one is to blame.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[allow(missing_docs)]
pub enum OprfError {
    #[error("an input is longer than {MAX_INPUT_BYTES} bytes or hashes to the identity element")]
    InvalidInput,
    #[error("the batch has {0} elements, allowed are 1 to {MAX_BATCH}")]
    BatchSize(usize),
    #[error("element {position} is not a valid non-identity group element")]
    BadElement { position: usize },
    #[error("the quorum is not {threshold} distinct custodians of this key")]
    BadQuorum { threshold: u16 },
    #[error("custodian {index} is not in the quorum of this request")]
    NotInQuorum { index: u16 },
    #[error(
        "the public shares of the quorum do not interpolate to the group key: mixed epochs, or a substituted share"
    )]
    QuorumDoesNotInterpolate,
    #[error(
        "custodian {index} answered with a malformed element or proof, or the wrong number of them"
    )]
    MalformedEvaluation { index: u16 },
    #[error("custodian {index} answered with a proof that does not verify")]
    BadProof { index: u16 },
    #[error("the custody key is malformed")]
    BadKey,
}
