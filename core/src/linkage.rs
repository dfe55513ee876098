//! Linkage: from a case record to the keys that two agencies may find they share.
//!
//! A record is validated and normalised, its *linkage keys* are derived by a versioned schema, and
//! the kinds of key that two records turn out to share are scored as evidence (Fellegi and Sunter,
//! "A theory for record linkage", 1969). Everything here is pure: no clock, no I/O, no randomness,
//! so that two nodes with the same schema reach the same keys and the same score.
//!
//! Deliberately absent: tokens. Nothing in this room is blinded or keyed, so nothing it returns may
//! leave the node before it went through the oblivious function.

pub mod calibration;
mod common;
pub mod comparison;
pub mod derive;
pub mod evaluation;
mod feature;
pub mod languages;
pub mod normalise;
pub mod oracle;
pub mod record;
pub mod schema;
pub mod score;

pub use comparison::{FieldSet, counts_in_clear, field_sets};
pub use derive::{LinkageKey, derive, over_cap};
pub use record::{Category, Issue, IssueReason, Record, Risk, Sex};
pub use schema::{FieldName, KeyKind, KeyKindId, Level, Schema, SchemaError};
pub use score::{Score, Standing, Tier, describe, score, score_compared, standing};
