//! Scenarios: whole consortia over real sockets.
//!
//! One binary, so that it links once. Each module is a room of the product.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreement_terms;
mod agreements;
mod bad_input;
mod canaries;
mod full_disk;
mod help;
mod kill;
mod matching;
mod mixing;
mod outages;
mod support;
mod walk;
