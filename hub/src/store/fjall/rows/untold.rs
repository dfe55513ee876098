//! What is left behind for owners of silent rows: lots of rows of one member.

use symbolon_core::encoding;
use symbolon_core::identity::AgencyName;
use symbolon_core::row::{HANDLE_BYTES, Handle, PAYLOAD_BYTES, SealedPayload};

use crate::store::fjall::codec::{Place, parse_name};

const PLACE_BYTES: usize = size_of::<Place>();
/// In the place of a stored row's, from another store that did not say it: its handle is looked up when it is
/// told. No agreement's epoch is all zero.
pub(in crate::store::fjall) const UNSAID: Place = [0; PLACE_BYTES];

/// What owners of silent rows may have to be told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::fjall) enum Untold {
    /// Open rows were stored.
    Stored {
        member: AgencyName,
        rows: Vec<(Place, Handle)>,
    },
    /// Somebody asked.
    Asked {
        member: AgencyName,
        rows: Vec<(Place, Handle, SealedPayload)>,
    },
    /// Open rows are no more.
    Gone {
        member: AgencyName,
        rows: Vec<(Place, Handle)>,
    },
}

impl Untold {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Asked { rows, .. } => rows.len(),
            Self::Stored { rows, .. } | Self::Gone { rows, .. } => rows.len(),
        }
    }

    /// Takes the first `count` off.
    pub(in crate::store::fjall) fn split(&mut self, count: usize) -> Self {
        let count = count.min(self.len());
        match self {
            Self::Stored { member, rows } => Self::Stored {
                member: member.clone(),
                rows: rows.drain(..count).collect(),
            },
            Self::Asked { member, rows } => Self::Asked {
                member: member.clone(),
                rows: rows.drain(..count).collect(),
            },
            Self::Gone { member, rows } => Self::Gone {
                member: member.clone(),
                rows: rows.drain(..count).collect(),
            },
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut fixed = Vec::new();
        let (kind, member) = match self {
            Self::Stored { member, rows } => {
                fixed_rows(&mut fixed, rows);
                (b"s", member)
            }
            Self::Asked { member, rows } => {
                for (place, handle, payload) in rows {
                    fixed.extend(place);
                    fixed.extend(handle.0);
                    fixed.extend(payload.0);
                }
                (b"a", member)
            }
            Self::Gone { member, rows } => {
                fixed_rows(&mut fixed, rows);
                (b"g", member)
            }
        };
        encoding::parts(&[kind, member.as_str().as_bytes(), &fixed])
    }

    pub(in crate::store::fjall) fn parse(bytes: &[u8]) -> Option<Self> {
        const ASKED: usize = PLACE_BYTES + HANDLE_BYTES + PAYLOAD_BYTES;
        let fields = encoding::split_parts(bytes)?;
        let [kind, member, fixed] = fields.as_slice() else {
            return None;
        };
        let member = parse_name(member)?;
        match *kind {
            b"s" => {
                let rows = parse_rows(fixed)?;
                Some(Self::Stored { member, rows })
            }
            b"a" => {
                let rows = whole::<ASKED>(fixed)?.iter().map(|row| {
                    let (place, rest) = row.split_first_chunk::<PLACE_BYTES>()?;
                    let (handle, payload) = rest.split_first_chunk::<HANDLE_BYTES>()?;
                    let payload = SealedPayload::try_from(payload).ok()?;
                    Some((*place, Handle(*handle), payload))
                });
                let rows = rows.collect::<Option<_>>()?;
                Some(Self::Asked { member, rows })
            }
            b"g" => {
                let rows = parse_rows(fixed)?;
                Some(Self::Gone { member, rows })
            }
            _ => None,
        }
    }
}

fn fixed_rows(fixed: &mut Vec<u8>, rows: &[(Place, Handle)]) {
    for (place, handle) in rows {
        fixed.extend(place);
        fixed.extend(handle.0);
    }
}

fn parse_rows(fixed: &[u8]) -> Option<Vec<(Place, Handle)>> {
    let rows = whole::<{ PLACE_BYTES + HANDLE_BYTES }>(fixed)?.iter();
    rows.map(|row| {
        let (place, handle) = row.split_first_chunk::<PLACE_BYTES>()?;
        Some((*place, Handle::try_from(handle).ok()?))
    })
    .collect()
}

fn whole<const N: usize>(bytes: &[u8]) -> Option<&[[u8; N]]> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then_some(chunks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_behind_comes_back_and_is_worked_off_in_parts() {
        let member: AgencyName = "police".parse().unwrap();
        let place = [3; PLACE_BYTES];
        let handles = [Handle([1; 16]), Handle([2; 16]), Handle([3; 16])];
        let payload = SealedPayload([9; PAYLOAD_BYTES]);
        for mut untold in [
            Untold::Stored {
                member: member.clone(),
                rows: handles.iter().map(|h| (place, *h)).collect(),
            },
            Untold::Asked {
                member: member.clone(),
                rows: handles.iter().map(|h| (place, *h, payload)).collect(),
            },
            Untold::Gone {
                member: member.clone(),
                rows: handles.iter().map(|h| (place, *h)).collect(),
            },
        ] {
            assert_eq!(Untold::parse(&untold.to_bytes()).as_ref(), Some(&untold));
            assert_eq!((untold.split(2).len(), untold.len()), (2, 1));
            assert_eq!((untold.split(2).len(), untold.len()), (1, 0));
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Untold::parse(&bytes);
        }
    }
}
