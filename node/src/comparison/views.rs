//! What people see of comparisons, and what tests ask.

use std::collections::BTreeSet;

use symbolon_core::identity::AgencyName;
use symbolon_core::linkage::score::describe;

use super::ComparisonEntry;
use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;
use crate::reports::{ComparisonLine, ComparisonRefusal, ComparisonReport, ComparisonView};
use crate::tables::{MatchKey, StoredMatch};

/// A pair that its keys leave open, and what was counted.
pub type Compared = (MatchKey, Option<Vec<u16>>);

impl Node {
    /// How the comparison of a match stands; `None` if its keys decide.
    pub(crate) fn comparison_view(
        &self,
        key: &MatchKey,
        found: &StoredMatch,
    ) -> Result<Option<ComparisonView>, NodeError> {
        let Some(state) = self.comparison_state(key, found)? else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        if found.counts.is_some() {
            let scored = self.scored(found, None);
            fields = describe(self.schema, &scored);
            let against = scored.against.iter();
            fields.extend(against.map(|field| format!("{field} differs")));
        }
        let state = state.to_owned();
        Ok(Some(ComparisonView { state, fields }))
    }

    fn comparison_state(
        &self,
        key: &MatchKey,
        found: &StoredMatch,
    ) -> Result<Option<&'static str>, NodeError> {
        if !self.wants_comparison(found) {
            return Ok(None);
        }
        if found.counts.is_some() {
            return Ok(Some("done"));
        }
        let known = self.tables.comparisons.get(key)?.unwrap_or_default();
        let spent = known.current().is_none() && self.has_spent_runs(&known);
        Ok(Some(if known.is_refused() {
            "refused"
        } else if known.is_declined() {
            "declined"
        } else if spent {
            "spent"
        } else {
            "waiting"
        }))
    }

    /// How comparisons stand, for `status`.
    pub(crate) fn comparison_report(&self) -> Result<ComparisonReport, NodeError> {
        let mut report = ComparisonReport::default();
        for entry in self.tables.matches.iter() {
            let (key, found) = entry?;
            match self.comparison_state(&key, &found)? {
                Some("waiting") => report.waiting += 1,
                Some("done") => report.done += 1,
                Some("refused") => report.refused += 1,
                Some("declined") => report.declined += 1,
                _ => {}
            }
        }
        for entry in self.tables.comparison_refusals.iter() {
            let (agency, refusal) = entry?;
            report.refusals.push(ComparisonRefusal {
                agency: agency.to_string(),
                times: refusal.times,
                last: rfc3339(refusal.last_at),
                reason: refusal.reason,
            });
        }
        report.refusals.sort_by(|a, b| a.agency.cmp(&b.agency));
        Ok(report)
    }

    /// With whom something is still to be compared, or to be looked at.
    pub fn comparisons_wait_for(&self) -> Result<BTreeSet<AgencyName>, NodeError> {
        let mut waiting = BTreeSet::new();
        for entry in self.tables.matches.iter() {
            let (key, found) = entry?;
            if self.comparison_state(&key, &found)? == Some("waiting") {
                waiting.insert(key.agency);
            }
        }
        let now = self.clock.now();
        for entry in self.tables.comparison_due.iter() {
            let (key, at) = entry?;
            if at <= now {
                waiting.insert(key.agency);
            }
        }
        // A changed record may void any of its counts.
        if !self.tables.comparison_records.is_empty() {
            for entry in self.tables.comparisons.iter() {
                waiting.insert(entry?.0.agency);
            }
        }
        Ok(waiting)
    }

    /// Waits until whoever works now has finished its step: what it logged is posted then.
    pub async fn at_rest(&self) {
        drop(self.work.lock().await);
    }

    /// What comparisons counted: each pair that its keys leave open, with its counts.
    pub fn compared(&self) -> Result<Vec<Compared>, NodeError> {
        let mut all = Vec::new();
        for entry in self.tables.matches.iter() {
            let (key, found) = entry?;
            if self.wants_comparison(&found) {
                all.push((key, found.counts));
            }
        }
        Ok(all)
    }

    /// The log of comparisons for people, oldest first.
    pub fn comparison_lines(&self, only: Option<&str>) -> Result<Vec<ComparisonLine>, NodeError> {
        let records = self.references()?;
        let lines = self.comparison_log()?.into_iter().map(|entry| {
            let record_id = records.get(&entry.reference).cloned();
            ComparisonLine {
                at: rfc3339(entry.at),
                agency: entry.agency.to_string(),
                record_id,
                reference: entry.reference.short(),
                what: entry.what,
            }
        });
        let wanted = |line: &ComparisonLine| only.is_none() || line.record_id.as_deref() == only;
        Ok(lines.filter(wanted).collect())
    }

    /// The log of comparisons, oldest first.
    pub fn comparison_log(&self) -> Result<Vec<ComparisonEntry>, NodeError> {
        let mut lines: Vec<_> = self
            .tables
            .comparison_log
            .iter()
            .collect::<Result<_, _>>()?;
        lines.sort_by_key(|(number, _)| *number);
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}
