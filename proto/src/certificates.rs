//! Certificates: renewing and revoking.

pub use crate::wire::certificates::v1::*;
