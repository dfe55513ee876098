//! What is left behind to be told, as bytes.

use symbolon_core::row::{HANDLE_BYTES, Handle, PAYLOAD_BYTES, Row, SealedPayload, TOKEN_BYTES};

use super::super::{DAMAGED, Place, place_of};
use crate::store::postgres::fault::Fault;

pub const EPOCH_BYTES: usize = size_of::<i64>();
pub const GONE_BYTES: usize = TOKEN_BYTES + EPOCH_BYTES + HANDLE_BYTES;
pub const ASKED_BYTES: usize = GONE_BYTES + PAYLOAD_BYTES;
pub const WATCHING_BYTES: usize = HANDLE_BYTES + size_of::<u32>();

/// What a lot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Open rows were stored.
    Stored = 1,
    /// Somebody asked.
    Asked = 2,
    /// Open rows are no more.
    Gone = 3,
    /// Silent rows were stored, and joined what was there.
    Watching = 4,
}

impl Kind {
    pub fn of(number: i16) -> Option<Self> {
        let all = [Self::Stored, Self::Asked, Self::Gone, Self::Watching];
        all.into_iter().find(|kind| *kind as i16 == number)
    }

    pub fn record_bytes(self) -> usize {
        match self {
            Self::Stored => HANDLE_BYTES,
            Self::Asked => ASKED_BYTES,
            Self::Gone => GONE_BYTES,
            Self::Watching => WATCHING_BYTES,
        }
    }
}

/// What owners of silent rows may have to be told, of rows of one member.
pub struct Lot {
    pub kind: Kind,
    pub member: i64,
    pub records: Vec<u8>,
}

impl Lot {
    pub fn stored(member: i64, handles: &[Handle]) -> Self {
        let records = handles.iter().flat_map(|handle| handle.0).collect();
        Self::new(Kind::Stored, member, records)
    }

    pub fn asked<'a>(member: i64, rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut records = Vec::new();
        for row in rows {
            push_place(&mut records, &place_of(row), &row.handle);
            records.extend_from_slice(&row.payload.0);
        }
        Self::new(Kind::Asked, member, records)
    }

    pub fn gone<'a>(member: i64, rows: impl Iterator<Item = (&'a Place, &'a Handle)>) -> Self {
        let mut records = Vec::new();
        rows.for_each(|(place, handle)| push_place(&mut records, place, handle));
        Self::new(Kind::Gone, member, records)
    }

    pub fn watching(member: i64, rows: &[(Handle, u32)]) -> Self {
        let mut records = Vec::new();
        for (handle, limit) in rows {
            records.extend_from_slice(&handle.0);
            records.extend_from_slice(&limit.to_be_bytes());
        }
        Self::new(Kind::Watching, member, records)
    }

    pub fn new(kind: Kind, member: i64, records: Vec<u8>) -> Self {
        Self {
            kind,
            member,
            records,
        }
    }

    /// Whether both are of one kind and of one member.
    pub fn is_of_one_with(&self, other: &Self) -> bool {
        self.kind == other.kind && self.member == other.member
    }

    /// Puts another lot of the same kind and member behind it.
    pub fn append(&mut self, other: Self) {
        self.records.extend(other.records);
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.records.len() as u64
    }
}

fn push_place(records: &mut Vec<u8>, (token, epoch): &Place, handle: &Handle) {
    records.extend_from_slice(token);
    records.extend_from_slice(&epoch.to_be_bytes());
    records.extend_from_slice(&handle.0);
}

/// A record of a lot.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    pub place: Option<Place>,
    pub handle: Handle,
    pub payload: Option<SealedPayload>,
    pub limit: i32,
}

pub fn parse(kind: Kind, bytes: &[u8]) -> Option<Record> {
    let (place, rest) = match kind {
        Kind::Stored | Kind::Watching => (None, bytes),
        Kind::Asked | Kind::Gone => {
            let (token, rest) = bytes.split_first_chunk::<TOKEN_BYTES>()?;
            let (epoch, rest) = rest.split_first_chunk::<EPOCH_BYTES>()?;
            (Some((*token, i64::from_be_bytes(*epoch))), rest)
        }
    };
    let (handle, rest) = rest.split_first_chunk::<HANDLE_BYTES>()?;
    let (payload, limit) = match kind {
        Kind::Asked => (Some(SealedPayload::try_from(rest).ok()?), 0),
        Kind::Watching => {
            let limit = u32::from_be_bytes(rest.try_into().ok()?);
            (None, i32::try_from(limit).unwrap_or(i32::MAX))
        }
        Kind::Stored | Kind::Gone => (None, 0),
    };
    Some(Record {
        place,
        handle: Handle(*handle),
        payload,
        limit,
    })
}

/// What a lot still has to tell, for a store of another kind.
pub enum Left {
    /// An open row was stored.
    Stored(Handle),
    /// Somebody asked.
    Asked(Place, Handle, SealedPayload),
    /// An open row is no more.
    Gone(Place, Handle),
}

impl Left {
    /// The epoch that it names.
    pub fn epoch(&self) -> Option<i64> {
        match self {
            Self::Stored(_) => None,
            Self::Asked((_, epoch), ..) | Self::Gone((_, epoch), _) => Some(*epoch),
        }
    }
}

/// Reads a lot, of which `done` records are told.
pub fn left(kind: i16, done: i32, records: &[u8]) -> Result<Vec<Left>, Fault> {
    let kind = Kind::of(kind).ok_or(DAMAGED)?;
    let done = usize::try_from(done).map_err(|_| DAMAGED)?;
    let records = records.chunks(kind.record_bytes()).skip(done);
    let left = records.map(|record| {
        let record = parse(kind, record).ok_or(DAMAGED)?;
        let place = record.place.ok_or(DAMAGED);
        match kind {
            Kind::Stored => Ok(Left::Stored(record.handle)),
            Kind::Asked => {
                let payload = record.payload.ok_or(DAMAGED)?;
                Ok(Left::Asked(place?, record.handle, payload))
            }
            Kind::Gone => Ok(Left::Gone(place?, record.handle)),
            Kind::Watching => Err(Fault::Damaged(
                "silent rows came in while it was carried over; stop every hub that uses it",
            )),
        }
    });
    left.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Token};

    use super::*;

    #[test]
    fn what_is_left_behind_comes_back() {
        let row = Row {
            agreement_epoch: AgreementEpoch([1; 16]),
            token: Token([2; 16]),
            handle: Handle([3; 16]),
            silent: false,
            expiry: ExpiryMonth(1),
            payload: SealedPayload([4; PAYLOAD_BYTES]),
        };
        let place = place_of(&row);
        let lots = [
            Lot::stored(7, &[row.handle, row.handle]),
            Lot::asked(7, [&row, &row].into_iter()),
            Lot::gone(
                7,
                [(&place, &row.handle), (&place, &row.handle)].into_iter(),
            ),
            Lot::watching(7, &[(row.handle, 9), (row.handle, 9)]),
        ];
        for lot in lots {
            let size = lot.kind.record_bytes();
            assert_eq!(lot.records.len(), 2 * size);
            assert_eq!(Kind::of(lot.kind as i16), Some(lot.kind));
            for bytes in lot.records.chunks(size) {
                let record = parse(lot.kind, bytes).unwrap();
                assert_eq!(record.handle, row.handle);
                let placed = matches!(lot.kind, Kind::Asked | Kind::Gone);
                assert_eq!(record.place, placed.then_some(place));
                let paid = lot.kind == Kind::Asked;
                assert_eq!(record.payload, paid.then_some(row.payload));
                assert_eq!(record.limit == 9, lot.kind == Kind::Watching);
            }
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(
            kind in 0..6i16,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Some(kind) = Kind::of(kind) {
                let _ = parse(kind, &bytes);
            }
        }
    }
}
