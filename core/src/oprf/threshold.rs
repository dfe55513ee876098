//! Sharing the key: custody keys, quorums and their weights.
//!
//! Share `i` is the value at `i` of a polynomial of degree `t - 1` whose value at 0 is the key
//! (Shamir 1979). Indices are 1 to n, as in RFC 9591, section 4.2.

use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::{RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_TABLE};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{OprfError, points, suite};
use crate::encoding;

/// A custodian's secret share of the key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyShare {
    #[zeroize(skip)]
    index: u16,
    secret: Scalar,
}

impl KeyShare {
    /// The share with this index and canonical scalar encoding.
    pub fn from_bytes(index: u16, secret: &[u8]) -> Result<Self, OprfError> {
        let secret = suite::parse_scalar(secret).ok_or(OprfError::BadKey)?;
        if index == 0 || secret == Scalar::ZERO {
            return Err(OprfError::BadKey);
        }
        Ok(Self { index, secret })
    }

    /// The whole key in one hand: 1-of-1, for pilots. Same code path, weaker promise.
    pub fn single(rng: &mut impl CryptoRngCore) -> (Self, CustodyKey) {
        let share = Self {
            index: 1,
            secret: Scalar::random(rng),
        };
        let public = (&share.secret * RISTRETTO_BASEPOINT_TABLE)
            .compress()
            .to_bytes();
        let key = CustodyKey {
            threshold: 1,
            group: Element(public),
            shares: BTreeMap::from([(1, Element(public))]),
        };
        (share, key)
    }

    /// The share index, from 1.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Whether it is the secret of the public share that the key has under its index.
    pub fn fits(&self, key: &CustodyKey) -> bool {
        let public = (&self.secret * RISTRETTO_BASEPOINT_TABLE).compress();
        key.shares.get(&self.index) == Some(&Element(public.to_bytes()))
    }

    /// The secret scalar, to seal it or to multiply with it.
    pub fn expose(&self) -> &Scalar {
        &self.secret
    }
}

impl std::fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyShare({}, redacted)", self.index)
    }
}

/// The encoding of a public group element.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Element(#[serde(with = "encoding::base64")] pub [u8; 32]);

/// The public side of the shared key: what a node verifies evaluations against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustodyKey {
    /// Custodians needed.
    pub threshold: u16,
    /// The joint public key.
    pub group: Element,
    /// Public shares by index.
    pub shares: BTreeMap<u16, Element>,
}

/// The custodians who answer one request: exactly as many as the threshold says.
///
/// Deliberately not `Deserialize`: a quorum comes from [`Quorum::new`] only, which knows the threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum(Vec<u16>);

impl Quorum {
    /// A quorum of distinct indices, sorted.
    pub fn new(indices: impl IntoIterator<Item = u16>, threshold: u16) -> Result<Self, OprfError> {
        let listed: Vec<u16> = indices.into_iter().collect();
        let set: BTreeSet<u16> = listed.iter().copied().collect();
        let sound = set.len() == usize::from(threshold)
            && set.len() == listed.len()
            && threshold > 0
            && !set.contains(&0);
        if !sound {
            return Err(OprfError::BadQuorum { threshold });
        }
        Ok(Self(set.into_iter().collect()))
    }

    /// Share indices, rising.
    pub fn indices(&self) -> &[u16] {
        &self.0
    }

    /// Whether the custodian takes part.
    pub fn contains(&self, index: u16) -> bool {
        self.0.contains(&index)
    }

    /// What the custodian weighs its share with: a quarter of the Lagrange coefficient at 0 of `index`,
    /// which is the product of `j / (j - index)` over the others.
    pub fn weight(&self, index: u16) -> Result<Scalar, OprfError> {
        if !self.contains(index) {
            return Err(OprfError::NotInQuorum { index });
        }
        let own = Scalar::from(index);
        let others = self.0.iter().filter(|&&other| other != index);
        let (numerator, denominator) = others.fold(
            (Scalar::ONE, Scalar::ONE),
            |(numerator, denominator), &other| {
                let other = Scalar::from(other);
                (numerator * other, denominator * (other - own))
            },
        );
        Ok(numerator * denominator.invert() * points::quarter())
    }
}

/// A quorum whose public shares were found to interpolate to the group key.
pub struct VerifiedQuorum {
    /// The quorum.
    pub quorum: Quorum,
    /// `lambda_i / 4 * K_i` by index: the public keys that the partial evaluations prove against.
    pub weighted: BTreeMap<u16, RistrettoPoint>,
}

impl CustodyKey {
    /// The joint public key as a point.
    pub fn group_point(&self) -> Result<RistrettoPoint, OprfError> {
        suite::parse_element(&self.group.0).ok_or(OprfError::BadKey)
    }

    /// Checks, before any token is used, that the quorum's public shares interpolate to the group
    /// key. Shares of mixed refresh epochs prove correctly each and give a wrong sum.
    pub fn verify_quorum(&self, quorum: &Quorum) -> Result<VerifiedQuorum, OprfError> {
        let threshold = self.threshold;
        if quorum.0.len() != usize::from(threshold) {
            return Err(OprfError::BadQuorum { threshold });
        }
        let mut weighted = BTreeMap::new();
        for &index in &quorum.0 {
            let share = self
                .shares
                .get(&index)
                .ok_or(OprfError::BadQuorum { threshold })?;
            let share = suite::parse_element(&share.0).ok_or(OprfError::BadKey)?;
            weighted.insert(index, quorum.weight(index)? * share);
        }
        let sum: RistrettoPoint = weighted.values().sum();
        if sum * Scalar::from(4_u8) != self.group_point()? {
            return Err(OprfError::QuorumDoesNotInterpolate);
        }
        Ok(VerifiedQuorum {
            quorum: quorum.clone(),
            weighted,
        })
    }
}
