//! What the linkage schema says of comparisons: the one place where this room names it. The sets of a
//! record come from [`crate::linkage`].

use std::collections::BTreeSet;

use symbolon_core::agreement::ScoreThreshold;
use symbolon_core::comparison::{ComparisonError, Layout};
use symbolon_core::encoding::Digest;
use symbolon_core::linkage::comparison::field_sets;
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::{KeyKindId, Schema};
use symbolon_core::linkage::score::{Score, Standing, score_compared, standing};

/// Fields and slots, the same for every record.
pub(super) fn layout(schema: &Schema) -> Result<Layout, ComparisonError> {
    let nobody = field_sets(schema, &Record::default());
    Layout::of(&Digest(schema.digest()), &nobody)
}

/// Whether keys leave it open.
pub(crate) fn wanted(schema: &Schema, kinds: &BTreeSet<KeyKindId>) -> bool {
    standing(schema, kinds) == Standing::Open
}

/// The score by keys, and by counts where there are any.
pub(crate) fn score(
    schema: &Schema,
    kinds: &BTreeSet<KeyKindId>,
    counts: Option<&[u16]>,
    threshold: Option<&ScoreThreshold>,
) -> Score {
    score_compared(schema, kinds, counts, threshold)
}
