//! Matching: rows and holdings.

use symbolon_core::row;

use crate::{WireError, field};

pub use crate::wire::matching::v1::*;

impl TryFrom<Row> for row::Row {
    type Error = WireError;

    fn try_from(wire: Row) -> Result<Self, WireError> {
        let Row {
            agreement_epoch,
            token,
            handle,
            silent,
            expiry_month,
            payload,
        } = wire;
        Ok(Self {
            agreement_epoch: field("row.agreement_epoch", agreement_epoch.as_slice())?,
            token: field("row.token", token.as_slice())?,
            handle: field("row.handle", handle.as_slice())?,
            silent,
            expiry: row::ExpiryMonth(expiry_month),
            payload: field("row.payload", payload.as_slice())?,
        })
    }
}

impl From<&row::Row> for Row {
    fn from(row: &row::Row) -> Self {
        let row::Row {
            agreement_epoch,
            token,
            handle,
            silent,
            expiry,
            payload,
        } = row;
        Self {
            agreement_epoch: agreement_epoch.0.to_vec(),
            token: token.0.to_vec(),
            handle: handle.0.to_vec(),
            silent: *silent,
            expiry_month: expiry.0,
            payload: payload.0.to_vec(),
        }
    }
}

impl TryFrom<Holdings> for row::Holdings {
    type Error = WireError;

    fn try_from(wire: Holdings) -> Result<Self, WireError> {
        let Holdings { count, digest } = wire;
        Ok(Self {
            count,
            digest: field("holdings.digest", digest)?,
        })
    }
}

impl From<row::Holdings> for Holdings {
    fn from(holdings: row::Holdings) -> Self {
        let row::Holdings { count, digest } = holdings;
        Self {
            count,
            digest: digest.to_vec(),
        }
    }
}
