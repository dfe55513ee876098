//! Many points at a time: on all cores, and encoded together.
//!
//! To encode a point takes an inverse square root. The encoding of twice a point takes an inversion
//! instead (`double_and_compress_batch` of curve25519-dalek), and a batch shares one. So whoever encodes
//! computes half of the point that is meant: decision 0013.

use std::sync::LazyLock;

use curve25519_dalek::{RistrettoPoint, Scalar};
use rayon::prelude::*;

use super::{ELEMENT_BYTES, OprfError, suite};

/// Points that one core takes at a time at least: fewer are not worth handing over.
pub(super) const SHARE: usize = 16;

/// The scalar 1/2.
pub(super) fn half() -> Scalar {
    static HALF: LazyLock<Scalar> = LazyLock::new(|| Scalar::from(2_u8).invert());
    *HALF
}

/// The scalar 1/4.
pub(super) fn quarter() -> Scalar {
    half() * half()
}

/// Twice each point, and its encoding.
pub(super) fn doubled(
    halves: &[RistrettoPoint],
) -> (Vec<RistrettoPoint>, Vec<[u8; ELEMENT_BYTES]>) {
    let points = halves.iter().map(|half| half + half).collect();
    (points, doubled_encodings(halves))
}

/// The encodings of twice each point.
pub(super) fn doubled_encodings(halves: &[RistrettoPoint]) -> Vec<[u8; ELEMENT_BYTES]> {
    let parts = halves.par_chunks(SHARE.max(halves.len().div_ceil(rayon::current_num_threads())));
    let encoded = parts.flat_map_iter(|part| {
        let encoded = RistrettoPoint::double_and_compress_batch(part);
        encoded.into_iter().map(|encoding| encoding.to_bytes())
    });
    encoded.collect()
}

/// Parses each encoding; refuses the identity and non-canonical bytes.
pub(super) fn parse(encodings: &[[u8; ELEMENT_BYTES]]) -> Result<Vec<RistrettoPoint>, OprfError> {
    let one = |(position, encoding): (usize, &[u8; ELEMENT_BYTES])| {
        suite::parse_element(encoding).ok_or(OprfError::BadElement { position })
    };
    let all = encodings.par_iter().enumerate().with_min_len(SHARE);
    all.map(one).collect()
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn doubled_points_are_encoded_as_one_by_one() {
        assert_eq!(quarter() * Scalar::from(4_u8), Scalar::ONE);
        let identity = RistrettoPoint::default();
        for number in [0, 1, 15, 16, 17, 100, 513] {
            let mut halves: Vec<RistrettoPoint> = (0..number)
                .map(|_| RistrettoPoint::random(&mut OsRng))
                .collect();
            if let Some(first) = halves.first_mut() {
                // It must not spoil those that share its inversion.
                *first = identity;
            }
            let (points, encodings) = doubled(&halves);
            for ((half, point), encoding) in halves.iter().zip(&points).zip(&encodings) {
                assert_eq!(*point, half * Scalar::from(2_u8));
                assert_eq!(point.compress().as_bytes(), encoding);
            }
            assert_eq!(encodings.len(), number);
        }
    }
}
