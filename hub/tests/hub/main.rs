//! The hub over real sockets: who gets in, and what members can do there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approvals;
mod consortium;
mod custody;
mod enrolment;
mod services;
mod transport;
