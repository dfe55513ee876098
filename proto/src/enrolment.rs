//! Enrolment: redeeming an invitation.

pub use crate::wire::enrolment::v1::*;
