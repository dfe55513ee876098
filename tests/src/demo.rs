//! The demo: a consortium of agencies on sample files, from founding to matches, and what it counted.
//!
//! `cargo demo` prints it for people; `cargo demo -- --once --json` for machines. What the nodes report
//! through the real hub is held against the plaintext oracle, which joins the same linkage keys in
//! clear: any difference, and any record that was lost, is a failure.

pub mod compare;
pub mod report;
pub mod sources;
pub mod steps;
