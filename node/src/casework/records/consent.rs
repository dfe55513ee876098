//! The consent ledger: lines are only added, and the newest for a purpose holds.

use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::dossier::Consent;

use super::change::ChangeReport;
use super::command::ConsentLine;
use super::with_reason;
use crate::error::NodeError;
use crate::node::Node;

impl Node {
    /// Adds a line to a record's ledger.
    pub(crate) fn note_consent(
        &self,
        acting: &Acting,
        record_id: &str,
        line: ConsentLine,
    ) -> Result<ChangeReport, NodeError> {
        acting.may(Permission::KeepRecords)?;
        with_reason(acting)?;
        let stored = self.kept_record(record_id)?;
        let before = self.state_of(&stored)?;
        let ConsentLine {
            purpose,
            given,
            by,
            how,
        } = line;
        let mut after = before.clone();
        // A clock that was put back must not make a withdrawal older than what it withdraws.
        let newest = before.dossier.consents.iter().map(|line| line.at).max();
        after.dossier.consents.push(Consent {
            purpose,
            given,
            by,
            how,
            at: self.clock.now().max(newest.unwrap_or(i64::MIN)),
            noted_by: acting.who.clone(),
        });
        let act = if given {
            "consent given"
        } else {
            "consent withdrawn"
        };
        let report = self.change_by_hand(acting, act, &stored, (before, after))?;
        Ok(ChangeReport {
            waiting: self.waiting_rows()?,
            ..report
        })
    }
}
