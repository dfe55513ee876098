//! `calibrate` without a file: weights estimated on the records of the vault.
//!
//! The estimate needs pairs of records of one person, and pairs of strangers. Both are in an agency's
//! own records where some people are in them twice; the file is taken in two halves, as a CSV file is.
//! The node's *matches* are deliberately not read. What was compared with other nodes are the pairs
//! that keys leave open: those that agree in both names and the date, or in an identity number, are
//! decided by their keys and never compared. A share that is counted without them is the share of a
//! selection by the very fields that are to be weighed, and would make every exact level look rare.

use std::sync::Arc;

use symbolon_core::linkage::calibration::{Calibration, calibrate};

use crate::error::NodeError;
use crate::node::Node;

/// Random pairs of records, nearly all of strangers.
pub const RANDOM_PAIRS: usize = 1_000_000;

/// Estimated pairs of one person below which nothing is said. With a hundred, a level that half of
/// them show is known to a quarter of a bit, one that a tenth of them show to seven tenths (two
/// standard errors of a share).
pub const LEAST_PAIRS: f64 = 100.0;

impl Node {
    /// Estimates the weights of the linkage from the records of this node.
    pub async fn calibrate(self: &Arc<Self>) -> Result<Calibration, NodeError> {
        self.config.role.refuse_records()?;
        let node = Arc::clone(self);
        crate::oracle::blocking(move || node.calibrate_records()).await?
    }

    fn calibrate_records(&self) -> Result<Calibration, NodeError> {
        let linkage = self.linkage();
        let mut records = Vec::new();
        for entry in self.tables.records.iter() {
            let (id, stored) = entry?;
            records.push((id, linkage.with_nicknames(&stored.record)));
        }
        // The table has no order of its own; the halves are the same each time.
        records.sort_by(|(a, _), (b, _)| a.cmp(b));
        let held = records.len();
        // No more than there are.
        let random = held.saturating_mul(held).min(RANDOM_PAIRS);
        let found = calibrate(self.schema, &[("records".to_owned(), records)], random);
        enough(&found, held)?;
        Ok(found)
    }
}

/// Refuses what too few pairs stand behind.
fn enough(found: &Calibration, records: usize) -> Result<(), NodeError> {
    if found.pairs_of_one_person() >= LEAST_PAIRS {
        return Ok(());
    }
    Err(NodeError::Request(format!(
        "too few to learn from: of {records} records {} pairs share a linkage key, of which about {:.0} are one person, and {LEAST_PAIRS:.0} are needed; give a file in which people are twice, or a directory with files of several agencies (--data)",
        found.candidates,
        found.pairs_of_one_person()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(candidates: usize, matches: f64) -> Calibration {
        Calibration {
            candidates,
            random_pairs: 1,
            matches,
            iterations: 1,
            levels: Vec::new(),
        }
    }

    #[test]
    fn too_few_pairs_are_refused_with_their_number() {
        assert!(enough(&found(200, 0.5), 1000).is_ok());
        for (candidates, matches) in [(0, 0.0), (199, 0.5), (5000, 0.01)] {
            let refused = enough(&found(candidates, matches), 1000);
            let told = refused.unwrap_err().to_string();
            assert!(
                told.contains(&format!("{candidates} pairs share")),
                "{told}"
            );
            assert!(told.contains("100 are needed"), "{told}");
        }
    }
}
