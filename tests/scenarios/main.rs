//! Scenarios: whole consortia over real sockets.
//!
//! One binary, so that it links once. Each module is a room of the product.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod administrators;
mod agreement_forgery;
mod agreement_terms;
mod agreements;
mod authorities;
mod bad_input;
mod canaries;
mod certificates;
mod comparison;
mod comparison_lies;
mod custodian_host;
mod custody;
mod custody_kill;
mod ending;
mod exports;
mod full_disk;
mod health;
mod help;
mod kill;
mod malicious_agreements;
mod malicious_hub;
mod matching;
mod mixing;
mod oracle;
mod oracle_races;
mod outages;
mod preview;
mod rekey;
mod retention;
mod support;
mod walk;
