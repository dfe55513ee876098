//! Scenarios: whole consortia over real sockets.
//!
//! One binary, so that it links once. Each module is a room of the product.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreement_terms;
mod agreements;
mod authorities;
mod bad_input;
mod canaries;
mod certificates;
mod comparison;
mod comparison_lies;
mod custody;
mod full_disk;
mod help;
mod kill;
mod malicious_hub;
mod matching;
mod mixing;
mod oracle;
mod outages;
mod support;
mod walk;
