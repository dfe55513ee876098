//! The hub over real sockets: who gets in, and what members can do there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approvals;
mod authorities;
mod clocks;
mod cluster;
mod consortium;
mod custody;
mod doors;
mod enrolment;
mod failover;
mod health;
mod limits;
mod migration;
mod openssl;
#[path = "../../../tests/src/ports.rs"]
mod ports;
mod renewal;
mod replicas;
mod revocation;
mod roles;
mod services;
mod sessions;
mod silence;
mod transport;
