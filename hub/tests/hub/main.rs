//! The hub over real sockets: who gets in, and what members can do there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approvals;
mod authorities;
mod clocks;
mod consortium;
mod custody;
mod doors;
mod enrolment;
mod health;
mod limits;
mod openssl;
mod renewal;
mod revocation;
mod roles;
mod services;
mod sessions;
mod silence;
mod transport;
