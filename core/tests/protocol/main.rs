//! The protocol core from outside: what honest parties reach, and what each kind of cheat meets.
//!
//! Every refusal is tested beside its positive control, the same statement unaltered, so that no
//! test passes because nothing is accepted at all.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreement;
mod agreement_epochs;
mod agreement_versions;
mod agreement_words;
mod common;
mod comparison;
mod custody;
mod dkg;
mod hostile;
mod payload;
mod refresh;
mod rejection;
mod roster;
mod standing;
mod threshold;
