//! Private comparison: two nodes learn how many features of each field of two records agree.
//!
//! Keys find candidates; where they do not settle it, the two nodes compare field by field
//! (Diffie-Hellman PSI-cardinality: Huberman, Franklin and Hogg 1999; De Cristofaro, Gasti and Tsudik
//! 2012). Each field is a set of features, filled up with random points to the size that the schema
//! gives it. `H` hashes run, field and feature to ristretto255.
//!
//! | Message | From | Content, field by field |
//! |---|---|---|
//! | ask | first | `a*H(x)` for its features, sorted |
//! | answer | second | `b*H(y)` for its features, sorted; tags of `b*(a*H(x))`, sorted |
//! | close | first | `a*(b*H(y))`, sorted |
//!
//! The first counts which of `a*(b*H(y))` have a tag in the answer, the second which points of the close
//! do. Sorting blinded points is the shuffle: their order says nothing, and whatever is repeated stands
//! side by side. The answer has tags, hashes of points, so that the first cannot hand the points
//! back and claim that everything agrees. `a` and `b` are drawn for one run and forgotten after it.
//!
//! A party that keeps to the protocol learns the counts. One that does not can lower them, can learn
//! which of the features that it chose agree, and with one right guess in a field raise its count:
//! see `docs/decisions/0011-private-comparison.md`. Deliberately absent: who may compare what, how
//! often, and what counts mean.
//!
//! | Module | Room |
//! |---|---|
//! | `set` | features to blinded points, and hostile bytes to points |

mod set;

use std::collections::BTreeSet;

use curve25519_dalek::Scalar;
use rand_core::CryptoRngCore;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto;
use crate::encoding::{self, Digest};
use crate::identity::AgencyName;
use crate::linkage::comparison::FieldSet;
use crate::payload::RecordReference;
use crate::row::AgreementEpoch;

use set::{POINT_BYTES, TAG_BYTES};

/// Fields that one comparison has at most.
const MAX_FIELDS: usize = 64;
/// Slots of all fields together: their answer still fits the largest envelope, and takes both sides
/// about a tenth of a second.
const MAX_SLOTS: usize = 1024;

/// Why a comparison is refused.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum ComparisonError {
    /// The own features do not fit the layout; nothing was sent.
    #[error("the own features do not fit the schema: {0}")]
    OwnFeatures(&'static str),
    /// More or fewer bytes than the schema gives every record.
    #[error("the {message} has {found} bytes instead of {expected}")]
    WrongSize {
        /// Which message.
        message: &'static str,
        /// As the layout says.
        expected: usize,
        /// As it came.
        found: usize,
    },
    /// Not the canonical encoding of a point, or the identity.
    #[error("the {message} has an invalid point in field \"{field}\"")]
    BadPoint {
        /// Which message.
        message: &'static str,
        /// Label of the field.
        field: String,
    },
    /// Points or tags that are repeated or not sorted.
    #[error("the {message} repeats or disorders what it has in field \"{field}\"")]
    Disordered {
        /// Which message.
        message: &'static str,
        /// Label of the field.
        field: String,
    },
    /// Points that were sent before in this run, by either side.
    #[error("the {message} sends back points of this run in field \"{field}\"")]
    Reflected {
        /// Which message.
        message: &'static str,
        /// Label of the field.
        field: String,
    },
}

/// Fields and slots, the same for every record of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    fields: Vec<(String, usize)>,
    digest: Digest,
}

impl Layout {
    /// The layout of the sets that a schema makes of any record.
    pub fn of(schema: &Digest, sets: &[FieldSet]) -> Result<Self, ComparisonError> {
        let refuse = |reason| Err(ComparisonError::OwnFeatures(reason));
        let fields = sets.iter().map(|s| (s.label.clone(), usize::from(s.slots)));
        let fields: Vec<(String, usize)> = fields.collect();
        if fields.is_empty() || fields.len() > MAX_FIELDS {
            return refuse("1 to 64 fields can be compared");
        }
        let slots: usize = fields.iter().map(|(_, slots)| slots).sum();
        if slots > MAX_SLOTS || fields.iter().any(|(_, slots)| *slots == 0) {
            return refuse("each field has a slot or more, all together at most 1024");
        }
        let mut parts = vec![schema.0.to_vec()];
        for set in sets {
            parts.push(set.label.as_bytes().to_vec());
            parts.push(set.slots.to_be_bytes().to_vec());
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let digest = crypto::digest("symbolon comparison layout v1", &parts);
        Ok(Self { fields, digest })
    }

    /// What two nodes must have in common to compare.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Slots of all fields.
    pub fn slots(&self) -> usize {
        self.fields.iter().map(|(_, slots)| slots).sum()
    }

    /// Bytes of the answer, the longest of the three messages.
    pub fn longest_bytes(&self) -> usize {
        self.slots() * (POINT_BYTES + TAG_BYTES)
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    /// Whose record.
    pub agency: AgencyName,
    /// Its reference under the agreement.
    pub reference: RecordReference,
}

/// Which two records, and for whom. The lesser side is the first: it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    consortium: Digest,
    agreement: Digest,
    epoch: AgreementEpoch,
    sides: (Side, Side),
}

impl Pair {
    /// The pair of two sides in any order, under an agreement (its line) and an epoch of it.
    pub fn of(
        consortium: Digest,
        (agreement, epoch): (Digest, AgreementEpoch),
        one: Side,
        other: Side,
    ) -> Self {
        let sides = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        Self {
            consortium,
            agreement,
            epoch,
            sides,
        }
    }

    /// Whether this side asks.
    pub fn is_first(&self, side: &Side) -> bool {
        self.sides.0 == *side
    }

    /// The run: everything that both must mean alike, and 32 random bytes of the first side. All hashes
    /// of the run are bound to it.
    pub fn run(&self, layout: &Layout, version: u32, nonce: &[u8; 32]) -> Digest {
        self.run_under(&layout.digest, version, nonce)
    }

    /// The run of an ask that names its layout by digest: also one that this side does not have.
    pub fn run_under(&self, layout: &Digest, version: u32, nonce: &[u8; 32]) -> Digest {
        let (first, second) = &self.sides;
        crypto::digest(
            "symbolon comparison run v1",
            &[
                &self.consortium.0,
                &self.agreement.0,
                &self.epoch.0,
                first.agency.as_str().as_bytes(),
                &first.reference.0,
                second.agency.as_str().as_bytes(),
                &second.reference.0,
                &layout.0,
                &version.to_be_bytes(),
                nonce,
            ],
        )
    }
}

/// The first side's exponent, from its ask to its close.
pub struct Exponent(Zeroizing<Scalar>);

impl Exponent {
    fn random(rng: &mut impl CryptoRngCore) -> Self {
        // Zero has probability 2^-252.
        Self(Zeroizing::new(Scalar::random(rng)))
    }

    /// To seal it until the answer comes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// What [`Exponent::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let scalar: Option<Scalar> = Scalar::from_canonical_bytes(bytes.try_into().ok()?).into();
        let scalar = scalar.filter(|scalar| *scalar != Scalar::ZERO)?;
        Some(Self(Zeroizing::new(scalar)))
    }
}

impl std::fmt::Debug for Exponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exponent(redacted)")
    }
}

/// The first side: its features under a fresh exponent. Gives the ask.
pub fn ask(
    run: &Digest,
    layout: &Layout,
    sets: &[FieldSet],
    rng: &mut impl CryptoRngCore,
) -> Result<(Exponent, Vec<u8>), ComparisonError> {
    let exponent = Exponent::random(rng);
    let points = set::blind(run, layout, sets, &exponent.0, rng)?;
    Ok((exponent, points.concat()))
}

/// The second side: its own features, and the tags of what was asked. Its exponent ends here.
pub fn answer(
    run: &Digest,
    layout: &Layout,
    sets: &[FieldSet],
    asked: &[u8],
    rng: &mut impl CryptoRngCore,
) -> Result<Vec<u8>, ComparisonError> {
    let asked = set::parse(layout, "ask", asked)?;
    let exponent = Exponent::random(rng);
    let mut message = set::blind(run, layout, sets, &exponent.0, rng)?.concat();
    let twice = set::raise(layout, &asked, &exponent.0);
    for tag in set::sorted_tags(run, layout, &twice) {
        message.extend_from_slice(&tag);
    }
    Ok(message)
}

/// The first side again: counts, and the close.
pub fn close(
    run: &Digest,
    layout: &Layout,
    exponent: &Exponent,
    asked: &[u8],
    answer: &[u8],
) -> Result<(Vec<u16>, Vec<u8>), ComparisonError> {
    let (points, tags) = set::split_answer(layout, answer)?;
    set::check_fresh(layout, "answer", points, &[asked])?;
    let points = set::parse(layout, "answer", points)?;
    let twice = set::raise(layout, &points, &exponent.0);
    let counts = set::count(run, layout, &twice, tags);
    Ok((counts, twice.concat()))
}

/// The second side again: counts.
pub fn conclude(
    run: &Digest,
    layout: &Layout,
    asked: &[u8],
    answer: &[u8],
    closed: &[u8],
) -> Result<Vec<u16>, ComparisonError> {
    let (own, tags) = set::split_answer(layout, answer)?;
    set::check_fresh(layout, "close", closed, &[asked, own])?;
    set::parse(layout, "close", closed)?;
    let (points, _) = closed.as_chunks::<POINT_BYTES>();
    Ok(set::count(run, layout, points, tags))
}

/// The name of a pair at one side, whatever the epoch: an index for its owner.
pub fn pair_name(agreement: &Digest, own: &Side, other: &Side) -> Digest {
    let own_agency = own.agency.as_str().as_bytes();
    let other_agency = other.agency.as_str().as_bytes();
    crypto::digest(
        "symbolon comparison pair v1",
        &[
            &agreement.0,
            own_agency,
            &own.reference.0,
            other_agency,
            &other.reference.0,
        ],
    )
}

/// All features of a record as one string of bytes, to tell whether it changed.
pub fn canonical(layout: &Layout, sets: &[FieldSet]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(layout.digest.0.to_vec());
    for set in sets {
        let values: BTreeSet<&[u8]> = set.values.iter().map(|v| v.as_slice()).collect();
        let values: Vec<&[u8]> = values.into_iter().collect();
        let values = Zeroizing::new(encoding::parts(&values));
        out.extend_from_slice(&encoding::parts(&[set.label.as_bytes(), &values]));
    }
    out
}
