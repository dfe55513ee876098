//! From values as people write them to the one form that is tokenised.
//!
//! Each submodule refuses what must not become a key (placeholders, check digits that do not fit)
//! with an [`IssueReason`](super::record::IssueReason). A change here changes tokens, so
//! [`NORMALISER_VERSION`] goes into every key: two versions then never match silently wrong.

pub mod dates;
pub mod emails;
pub mod identifiers;
pub mod names;
pub mod nicknames;
pub mod phones;
pub mod places;
pub mod postcodes;
pub mod text;

/// Raised with every change that can alter a normalised value.
pub const NORMALISER_VERSION: u16 = 1;

#[cfg(test)]
#[path = "normalise_tests.rs"]
mod tests;
