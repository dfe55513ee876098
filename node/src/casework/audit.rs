//! What is written down of every act.

use serde::{Deserialize, Serialize};
use symbolon_casework::audit::AuditEvent;

use crate::error::NodeError;
use crate::node::Node;

/// A line of the log; lines are only added.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredAudit {
    /// Unix seconds.
    pub at: i64,
    /// What was done.
    pub event: AuditEvent,
}

impl Node {
    /// Writes an act down. Whoever holds `work` calls it before it answers.
    pub(crate) fn write_down(&self, event: AuditEvent) -> Result<(), NodeError> {
        let number = self.tables.audit.len() as u64;
        let at = self.clock.now();
        self.tables.audit.put(&number, &StoredAudit { at, event })
    }
}
