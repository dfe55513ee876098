//! Scenarios: whole consortia over real sockets.
//!
//! One binary, so that it links once. Each module is a room of the product.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accountability;
mod administrators;
mod agreement_forgery;
mod agreement_terms;
mod agreements;
mod authorities;
mod bad_input;
mod calibrate;
mod canaries;
mod cases;
mod cases_lies;
mod certificates;
mod comparison;
mod comparison_budget;
mod comparison_lies;
mod comparison_refusals;
mod custodian_host;
mod custody;
mod custody_kill;
mod disclosure;
mod ending;
mod exports;
mod flood;
mod full_disk;
mod health;
mod help;
mod immigration;
mod kill;
mod malicious_agreements;
mod malicious_hub;
mod matching;
mod metrics;
mod missing;
mod mixing;
mod network;
mod nicknames;
mod oracle;
mod oracle_races;
mod outages;
mod parcels;
mod parcels_lies;
mod people;
mod pipeline;
mod preview;
mod questions;
mod records;
mod rekey;
mod retention;
mod schemas;
mod stories;
mod support;
mod traces;
mod turns;
mod walk;
