//! What the linkage schema says of comparisons: the one place where this room names it.

use std::collections::BTreeSet;

use symbolon_core::agreement::ScoreThreshold;
use symbolon_core::comparison::{ComparisonError, Layout};
use symbolon_core::encoding::Digest;
use symbolon_core::linkage::comparison::{self, FieldSet};
use symbolon_core::linkage::normalise::NORMALISER_VERSION;
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::schema::{KeyKindId, Schema};
use symbolon_core::linkage::score::Score;

/// The sets of a record.
pub(super) fn sets(schema: &Schema, record: &Record) -> Vec<FieldSet> {
    comparison::field_sets(schema, record)
}

/// Fields and slots, the same for every record.
pub(super) fn layout(schema: &Schema) -> Result<Layout, ComparisonError> {
    let nobody = sets(schema, &Record::default());
    Layout::of(&Digest(schema.digest()), NORMALISER_VERSION, &nobody)
}

/// Whether keys leave it open.
pub(crate) fn wanted(
    schema: &Schema,
    kinds: &BTreeSet<KeyKindId>,
    threshold: Option<&ScoreThreshold>,
) -> bool {
    comparison::wants_comparison(schema, kinds, threshold)
}

/// The score by keys, and by counts where there are any.
pub(crate) fn score(
    schema: &Schema,
    kinds: &BTreeSet<KeyKindId>,
    counts: Option<&[u16]>,
    threshold: Option<&ScoreThreshold>,
) -> Score {
    comparison::score_compared(schema, kinds, counts, threshold)
}

/// How closely each field agrees, in words: its share of what the own record says there.
pub(super) fn words(own: &[FieldSet], counts: &[u16]) -> Vec<String> {
    let told = own
        .iter()
        .zip(counts)
        .filter(|(set, _)| !set.values.is_empty());
    told.map(|(set, count)| {
        let (agree, all) = (usize::from(*count), set.values.len());
        let word = match (agree * 10).checked_div(all) {
            Some(10..) => "agrees",
            Some(7..) => "nearly agrees",
            Some(4..) => "agrees in part",
            _ if agree == 0 => "is not known there, or differs",
            _ => "differs",
        };
        format!("{} {word}", set.label)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_how_closely_and_never_what() {
        let cells = [
            ("record_id", "a"),
            ("given_names", "Linh"),
            ("date_of_birth", "2008-03-14"),
        ];
        let (record, _) = Record::from_cells(cells).unwrap();
        let own = sets(Schema::default_schema(), &record);
        assert_eq!(
            words(&own, &[6, 8, 0, 0, 0]),
            ["name agrees", "date of birth nearly agrees"]
        );
        assert_eq!(
            words(&own, &[3, 0, 0, 0, 0]),
            [
                "name agrees in part",
                "date of birth is not known there, or differs"
            ]
        );
    }
}
