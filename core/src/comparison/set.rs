//! Sets of blinded points: made of features, read from a peer's bytes, raised, tagged, counted.
//!
//! A set travels as its encodings one after the other, field by field, rising within each field.

use std::collections::BTreeSet;

use curve25519_dalek::{
    RistrettoPoint, Scalar, ristretto::CompressedRistretto, traits::IsIdentity,
};
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

use super::{ComparisonError, Layout};
use crate::crypto;
use crate::encoding::{self, Digest};
use crate::linkage::comparison::FieldSet;
use crate::oprf::suite;

/// Bytes of an encoded point.
pub const POINT_BYTES: usize = 32;
/// Bytes of a tag. Two of the at most 1024 points of a run collide with probability 2^-109.
pub const TAG_BYTES: usize = 16;

/// Domain separation (RFC 9380, section 3.1) with the suite's name (appendix B).
const HASH_TAG: &[u8] = b"symbolon-comparison-v1-ristretto255_XMD:SHA-512_R255MAP_RO_";

type Encoding = [u8; POINT_BYTES];
type Tag = [u8; TAG_BYTES];

/// `exponent * H(feature)` for each feature, random points for the slots that are left, sorted.
///
/// A random point is what a hashed and blinded one looks like to whoever has not got the exponent, so
/// dummies are drawn as they are sent.
pub fn blind(
    run: &Digest,
    layout: &Layout,
    sets: &[FieldSet],
    exponent: &Scalar,
    rng: &mut impl CryptoRngCore,
) -> Result<Vec<Encoding>, ComparisonError> {
    check_own(layout, sets)?;
    let half = halved(exponent);
    let mut points = Vec::with_capacity(layout.slots());
    for set in sets {
        for value in &set.values {
            points.push(hash(run, &set.label, value) * *half);
        }
        let dummies = usize::from(set.slots).saturating_sub(set.values.len());
        points.extend((0..dummies).map(|_| RistrettoPoint::random(rng)));
    }
    let encodings = encode_doubles(layout, &points);
    points.zeroize();
    Ok(encodings)
}

/// `exponent * point` for each, sorted within its field.
pub fn raise(layout: &Layout, points: &[RistrettoPoint], exponent: &Scalar) -> Vec<Encoding> {
    let half = halved(exponent);
    let raised: Vec<RistrettoPoint> = points.iter().map(|point| point * *half).collect();
    encode_doubles(layout, &raised)
}

/// Half the exponent: doubling and encoding many points at once is cheaper than encoding each.
fn halved(exponent: &Scalar) -> Zeroizing<Scalar> {
    Zeroizing::new(exponent * Scalar::from(2_u8).invert())
}

fn encode_doubles(layout: &Layout, points: &[RistrettoPoint]) -> Vec<Encoding> {
    let doubled = RistrettoPoint::double_and_compress_batch(points);
    let mut encodings: Vec<Encoding> = doubled.into_iter().map(|p| p.to_bytes()).collect();
    let mut rest = encodings.as_mut_slice();
    for (_, slots) in &layout.fields {
        let Some((field, after)) = rest.split_at_mut_checked(*slots) else {
            break;
        };
        field.sort_unstable();
        rest = after;
    }
    encodings
}

fn hash(run: &Digest, label: &str, value: &[u8]) -> RistrettoPoint {
    let message = Zeroizing::new(encoding::parts(&[&run.0, label.as_bytes(), value]));
    suite::hash_to_ristretto255(HASH_TAG, &[&message])
}

fn check_own(layout: &Layout, sets: &[FieldSet]) -> Result<(), ComparisonError> {
    let refuse = |reason| Err(ComparisonError::OwnFeatures(reason));
    let fields = sets
        .iter()
        .map(|s| (s.label.as_str(), usize::from(s.slots)));
    let expected = layout.fields.iter().map(|(label, n)| (label.as_str(), *n));
    if !fields.eq(expected) {
        return refuse("fields or slots differ");
    }
    for set in sets {
        let distinct: BTreeSet<&[u8]> = set.values.iter().map(|v| v.as_slice()).collect();
        if distinct.len() != set.values.len() {
            return refuse("a feature is repeated");
        }
        if set.values.len() > usize::from(set.slots) {
            return refuse("a field has more features than slots");
        }
    }
    Ok(())
}

/// Reads a peer's set: exactly as many points as the layout has slots, each valid, rising within each
/// field.
pub fn parse(
    layout: &Layout,
    message: &'static str,
    bytes: &[u8],
) -> Result<Vec<RistrettoPoint>, ComparisonError> {
    check_size(message, layout.slots() * POINT_BYTES, bytes.len())?;
    let (encodings, _) = bytes.as_chunks::<POINT_BYTES>();
    check_rising(layout, message, encodings)?;
    let mut points = Vec::with_capacity(encodings.len());
    for (field, encodings) in by_field(layout, encodings) {
        for encoding in encodings {
            let point = CompressedRistretto(*encoding).decompress();
            let point = point.filter(|point| !point.is_identity());
            points.push(point.ok_or_else(|| ComparisonError::BadPoint {
                message,
                field: field.to_owned(),
            })?);
        }
    }
    Ok(points)
}

/// Takes an answer apart: the encodings of its points, its tags.
pub fn split_answer<'a>(
    layout: &Layout,
    bytes: &'a [u8],
) -> Result<(&'a [u8], &'a [Tag]), ComparisonError> {
    check_size("answer", layout.longest_bytes(), bytes.len())?;
    let split = bytes.split_at_checked(layout.slots() * POINT_BYTES);
    let (points, tags) = split.unwrap_or((bytes, &[]));
    let (tags, _) = tags.as_chunks::<TAG_BYTES>();
    check_rising(layout, "answer", tags)?;
    Ok((points, tags))
}

/// Refuses points that were sent before in the run.
pub fn check_fresh(
    layout: &Layout,
    message: &'static str,
    bytes: &[u8],
    before: &[&[u8]],
) -> Result<(), ComparisonError> {
    let sent: BTreeSet<&Encoding> = before.iter().flat_map(|b| b.as_chunks().0).collect();
    let (encodings, _) = bytes.as_chunks::<POINT_BYTES>();
    for (field, encodings) in by_field(layout, encodings) {
        if encodings.iter().any(|encoding| sent.contains(encoding)) {
            let field = field.to_owned();
            return Err(ComparisonError::Reflected { message, field });
        }
    }
    Ok(())
}

/// The tags of points, sorted within each field.
pub fn sorted_tags(run: &Digest, layout: &Layout, points: &[Encoding]) -> Vec<Tag> {
    let mut all = Vec::with_capacity(points.len());
    for (number, (_, points)) in by_field(layout, points).enumerate() {
        let mut tags: Vec<Tag> = points.iter().map(|p| tag(run, number, p)).collect();
        tags.sort_unstable();
        all.append(&mut tags);
    }
    all
}

/// How many points of each field have their tag in the answer.
pub fn count(run: &Digest, layout: &Layout, points: &[Encoding], tags: &[Tag]) -> Vec<u16> {
    let fields = by_field(layout, points).zip(by_field(layout, tags));
    let counts = fields
        .enumerate()
        .map(|(number, ((_, points), (_, tags)))| {
            let tags: BTreeSet<&Tag> = tags.iter().collect();
            let agree = points
                .iter()
                .filter(|p| tags.contains(&tag(run, number, p)));
            // At most 1024 slots.
            u16::try_from(agree.count()).unwrap_or(u16::MAX)
        });
    counts.collect()
}

fn tag(run: &Digest, field: usize, point: &Encoding) -> Tag {
    let number = (field as u64).to_be_bytes();
    let digest = crypto::digest("symbolon comparison tag v1", &[&run.0, &number, point]);
    let mut tag = [0; TAG_BYTES];
    tag.iter_mut()
        .zip(digest.0)
        .for_each(|(to, from)| *to = from);
    tag
}

fn by_field<'a, T>(layout: &'a Layout, items: &'a [T]) -> impl Iterator<Item = (&'a str, &'a [T])> {
    let mut rest = items;
    layout.fields.iter().map_while(move |(label, slots)| {
        let (field, after) = rest.split_at_checked(*slots)?;
        rest = after;
        Some((label.as_str(), field))
    })
}

fn check_size(message: &'static str, expected: usize, found: usize) -> Result<(), ComparisonError> {
    if expected == found {
        return Ok(());
    }
    Err(ComparisonError::WrongSize {
        message,
        expected,
        found,
    })
}

fn check_rising<T: Ord>(
    layout: &Layout,
    message: &'static str,
    items: &[T],
) -> Result<(), ComparisonError> {
    for (field, items) in by_field(layout, items) {
        if !items.is_sorted_by(|before, after| before < after) {
            let field = field.to_owned();
            return Err(ComparisonError::Disordered { message, field });
        }
    }
    Ok(())
}
