//! From values as people write them to the one form that is tokenised.
//!
//! Each submodule refuses what must not become a key (placeholders, check digits that do not fit)
//! with an [`IssueReason`](super::record::IssueReason). A change here changes tokens, so
//! a version goes into every key: two versions then never match silently wrong.

pub mod dates;
pub mod emails;
pub mod identifiers;
pub mod names;
pub mod nicknames;
pub mod phones;
pub mod places;
pub mod postcodes;
pub mod text;

/// Each normaliser with its version, raised with every change that can alter a value that it gives.
pub const VERSIONS: &[(&str, u16)] = &[
    ("dates", 2),
    ("emails", 2),
    ("identifiers", 2),
    ("names", 2),
    ("phones", 1),
    ("places", 1),
    ("postcodes", 1),
];

/// Raised with every change of any of them.
pub const NORMALISER_VERSION: u16 = 2;

#[cfg(test)]
#[path = "normalise_tests.rs"]
mod tests;
