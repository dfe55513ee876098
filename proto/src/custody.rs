//! Custody: evaluation requests on their way to custodians, and the custodians' statements.

pub use crate::wire::custody::v1::*;
