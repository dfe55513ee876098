//! From values as people write them to the one form that is tokenised.
//!
//! Each submodule refuses what must not become a key (placeholders, check digits that do not fit)
//! with an [`IssueReason`](super::record::IssueReason). A change here changes tokens, so
//! each normaliser has a [version](super::schema::Normaliser::version) that goes into every key and
//! into the schema's digest: two versions then never match silently wrong.

pub mod dates;
pub mod emails;
pub mod identifiers;
pub mod names;
pub mod nicknames;
pub mod phones;
pub mod places;
pub mod postcodes;
mod tables;
pub mod text;

#[cfg(test)]
#[path = "normalise_tests.rs"]
mod tests;
