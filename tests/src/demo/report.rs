//! What the demo says: the JSON object of `--json`, and tables for people.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::Serialize;
use symbolon_node::reports::MatchView;

/// The last line of `cargo demo -- --once --json`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Agencies that took part.
    pub agencies: usize,
    /// Records in their vaults.
    pub records: u64,
    /// Linkage keys of all records, without suppressed ones.
    pub linkage_keys: u64,
    /// Rows registered at the hub, without dummies.
    pub tokens: u64,
    /// Pairs in the truth; null without one.
    pub true_pairs: Option<usize>,
    /// Pairs that some node shows as strong or possible.
    pub found_pairs: usize,
    /// Found and true.
    pub true_positives: Option<usize>,
    /// Found and not true.
    pub false_positives: Option<usize>,
    /// True among the found.
    pub precision: Option<f64>,
    /// Found among the true.
    pub recall: Option<f64>,
    /// Whether the nodes report exactly what a join in clear finds.
    pub oracle_equal: bool,
    /// Seconds of each step.
    pub seconds: BTreeMap<&'static str, f64>,
    /// Bytes of the hub's store on disk.
    pub hub_bytes: u64,
}

/// Matches as a table; at most `most` rows.
pub fn match_table(matches: &[MatchView], most: usize) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "own record",
        "other agency",
        "what agreed",
        "bits",
        "certainty",
        "reference",
    ]);
    for shown in matches.iter().take(most) {
        table.add_row([
            shown.record_id.clone(),
            shown.agency.clone(),
            shown.agreed.join(", "),
            format!("{:.1}", shown.bits),
            shown.tier.clone(),
            shown.reference.clone(),
        ]);
    }
    let rest = matches.len().saturating_sub(most);
    let more = if rest > 0 {
        format!("\n  ... and {rest} more")
    } else {
        String::new()
    };
    format!("{table}{more}")
}
