//! Earlier versions of a record: who changed what, when and why.

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::state::{FieldChange, RecordState};
use symbolon_casework::text::Text;
use symbolon_core::identity::Name;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::node::Node;

/// A change, with the state before it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredVersion {
    /// When, Unix seconds.
    pub at: i64,
    /// Since when the record stood as it was before.
    pub since: i64,
    /// Who; none for an import.
    pub by: Option<Name>,
    /// What was done, a fixed phrase.
    pub act: String,
    /// For what.
    pub purpose: Option<Text>,
    /// Why.
    pub reason: Option<Text>,
    /// Which fields changed.
    pub fields: Vec<String>,
    /// The state before; none if the record came with this.
    pub before: Option<RecordState>,
}

/// The versions of a record, oldest first.
#[derive(Clone, Serialize, Deserialize)]
pub struct HistoryReport {
    /// The record.
    pub record_id: String,
    /// Its versions.
    pub versions: Vec<VersionLine>,
}

/// One version.
#[derive(Clone, Serialize, Deserialize)]
pub struct VersionLine {
    /// From 1.
    pub number: u64,
    /// Since when, RFC 3339.
    pub at: String,
    /// Who made it; none for an import.
    pub by: Option<Name>,
    /// How.
    pub act: String,
    /// For what.
    pub purpose: Option<Text>,
    /// Why.
    pub reason: Option<Text>,
    /// Fields that it changed; empty for the first of an import.
    pub fields: Vec<String>,
    /// What stood there before and after, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
}

impl Node {
    /// The versions of a record, with values only if they are asked for; the look is written down.
    pub(crate) fn record_history(
        &self,
        acting: &Acting,
        record_id: &str,
        show_values: bool,
    ) -> Result<HistoryReport, NodeError> {
        acting.may(Permission::Consult)?;
        let stored = self.kept_record(record_id)?;
        let mut kept = Vec::new();
        for number in 1..=self.latest_version(record_id)? {
            if let Some(version) = self.tables.versions.get(&(record_id.to_owned(), number))? {
                kept.push((number, version));
            }
        }
        let first_of_all = kept.first().is_none_or(|(number, _)| *number > 1);
        let mut versions = Vec::new();
        if first_of_all {
            let since = kept.first().map(|(_, version)| version.since);
            versions.push(VersionLine {
                number: 1,
                at: rfc3339(since.unwrap_or(stored.imported_at)),
                by: None,
                act: "imported".to_owned(),
                purpose: None,
                reason: None,
                fields: Vec::new(),
                changes: Vec::new(),
            });
        }
        let now = self.state_of(&stored)?;
        let afters = kept
            .iter()
            .skip(1)
            .map(|(_, version)| version.before.clone());
        let afters: Vec<Option<RecordState>> = afters.chain([Some(now)]).collect();
        for ((number, version), after) in kept.into_iter().zip(afters) {
            let changes = match (show_values, &version.before, &after) {
                (true, Some(before), Some(after)) => before.changes_to(after),
                _ => Vec::new(),
            };
            versions.push(version.line(number, changes));
        }
        let what = if show_values {
            "record history shown with values"
        } else {
            "record history shown"
        };
        self.write_down(AuditEvent::by(acting, AuditKind::Consultation, what).record(record_id))?;
        Ok(HistoryReport {
            record_id: record_id.to_owned(),
            versions,
        })
    }

    /// The number of a record's newest version. The first of an imported record is not kept: it is the
    /// state before the second.
    pub(super) fn latest_version(&self, record_id: &str) -> Result<u64, NodeError> {
        let mut number = 1;
        while self
            .tables
            .versions
            .contains(&(record_id.to_owned(), number + 1))?
        {
            number += 1;
        }
        Ok(number)
    }
}

impl StoredVersion {
    fn line(self, number: u64, changes: Vec<FieldChange>) -> VersionLine {
        let Self {
            at,
            since: _,
            by,
            act,
            purpose,
            reason,
            fields,
            before: _,
        } = self;
        VersionLine {
            number,
            at: rfc3339(at),
            by,
            act,
            purpose,
            reason,
            fields,
            changes,
        }
    }
}
