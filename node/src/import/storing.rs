//! The second reading of a file: stores each record, brings its rows in line, and counts what is shared.

use std::collections::{BTreeMap, BTreeSet};

use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::{COLUMNS, Issue, Record};

use super::counting::Survey;
use super::{Job, merged_with, read_row};
use crate::command::ImportOptions;
use crate::csv_file::{self, Entry};
use crate::error::NodeError;
use crate::membership::check_schema;
use crate::node::Node;
use crate::records::{Audience, Fate};
use crate::reports::{FileProblem, ImportReport, Progress};
use crate::tables::StoredRecord;

/// Records between two steps of progress, and between two looks at whether a window is full.
const STEP: u64 = 256;

impl Node {
    /// The second reading: stores records and brings their rows in line.
    pub(super) fn store_file(&self, job: &Job, survey: Survey) -> Result<ImportReport, NodeError> {
        let Survey {
            rows,
            stamp,
            crossed,
            mut report,
        } = survey;
        let removal = std::mem::take(&mut report.warnings);
        report.found.file = job.options.file.display().to_string();
        let mut file = csv_file::read(&job.options.file, &job.options.map)?;
        let columns: BTreeSet<String> = file.columns().iter().cloned().collect();
        let audiences = self.audiences();
        // First of all: what the file brings over its cap is not to be asked for on the way, though it may have
        // waited since an import that was cut off.
        self.reconcile_crossed(&crossed, &audiences)?;
        for item in file.by_ref() {
            report.found.read += 1;
            match item? {
                Entry::RowProblem(problem) => report.found.skipped.push(problem),
                Entry::Row(row) => {
                    let taken = self.take_row(&row, &job.options, &mut report);
                    if let Some(record) = taken {
                        let row = (row.line, record, &columns);
                        self.keep_record(job, row, &audiences, &mut report)?;
                    }
                    self.count_shared(row.record_id(), &audiences, &mut report)?;
                }
            }
            if report.found.read.is_multiple_of(STEP) {
                job.go_on()?;
                job.stored.notify_one();
                let (stage, done) = ("reading".to_owned(), report.found.read.min(rows));
                let total = rows;
                self.tell(&job.progress, Progress { stage, done, total });
            }
        }
        if file.stamp()? != stamp || report.found.read != rows {
            return Err(NodeError::Request(format!(
                "{} was changed while it was read; import it again",
                report.found.file
            )));
        }
        report.warnings.extend(removal);
        self.note_other_schemas(&mut report);
        self.unmark_importing()?;
        Ok(report)
    }

    /// One row of the file as a record, or a problem in the report.
    fn take_row(
        &self,
        row: &csv_file::Row,
        options: &ImportOptions,
        report: &mut ImportReport,
    ) -> Option<Record> {
        let (record, issues) = match read_row(row, options.keep_invalid) {
            Ok(read) => read,
            Err(issue) => {
                report.found.skipped.push(problem(row.line, &issue, ""));
                return None;
            }
        };
        for issue in &issues {
            report.found.unused.add(issue);
            report
                .warnings
                .push(problem(row.line, issue, "; kept, not used for matching"));
        }
        Some(record)
    }

    /// Puts a record into the vault unless it is there already, and brings its rows in line.
    fn keep_record(
        &self,
        job: &Job,
        (line, record, columns): (u64, Record, &BTreeSet<String>),
        audiences: &[Audience],
        report: &mut ImportReport,
    ) -> Result<(), NodeError> {
        let acting = &job.acting;
        let id = record.record_id.clone();
        let old = self.tables.records.get(&id)?;
        let agreements = self.agreements_to_keep(job.named.as_deref(), old.as_ref());
        for agreement in &agreements {
            if !report
                .agreements
                .iter()
                .any(|known| known == agreement.as_str())
            {
                report.agreements.push(agreement.to_string());
            }
        }
        let Some(old) = old else {
            report.found.new += 1;
            // Before the record: what a kill cuts off comes with the next import, and is written down again.
            let event = AuditEvent::by(acting, AuditKind::Collection, "record imported");
            self.write_down(event.record(&record.record_id))?;
            self.put_record(record, None, agreements, None)?;
            return self.reconcile(&id, audiences);
        };
        let merged = merged_with(&old, record, columns);
        report.edits_kept += u64::from(!merged.kept.is_empty());
        for column in &merged.replaced {
            report.warnings.push(FileProblem {
                line,
                column: Some(column.clone()),
                reason: format!(
                    "was edited here, and the file says something new: the file's value was taken, \
                     the edit is in `record history {}`",
                    old.record.record_id
                ),
            });
        }
        if old.record == merged.record && old.agreements == agreements {
            report.found.unchanged += 1;
            return self.keep_as_imported(&id, merged.as_imported);
        }
        report.found.changed += 1;
        let columns = changed_columns(&old, &merged.record, &agreements);
        let event = AuditEvent::by(acting, AuditKind::Alteration, "record changed by an import");
        let event = event.fields(columns.iter().copied());
        self.write_down(event.record(&old.record.record_id))?;
        self.import_over(acting, &old, merged, agreements)?;
        self.reconcile(&id, audiences)
    }

    fn count_shared(
        &self,
        id: &str,
        audiences: &[Audience],
        report: &mut ImportReport,
    ) -> Result<(), NodeError> {
        let Some(stored) = self.tables.records.get(&id.to_owned())? else {
            return Ok(());
        };
        for agreement in self.held_back(&self.part(&stored)?, audiences) {
            let held_back = report.held_back.entry(agreement.to_string());
            *held_back.or_insert(0) += 1;
        }
        for (kind, number) in &stored.left_out {
            let kind = self.kind_name(*kind);
            report.found.leave_out(kind, u64::from(*number));
        }
        for agreement in self.without_consent(&stored, audiences)? {
            let without = report.without_consent.entry(agreement.to_string());
            *without.or_insert(0) += 1;
        }
        for (kind, tag) in &stored.keys {
            let kept_back = match self.fate(*kind, tag, 0)? {
                Fate::OverCap => &mut report.suppressed,
                Fate::Common => &mut report.common,
                Fate::Shared => {
                    report.linkage_keys += 1;
                    continue;
                }
            };
            let kind = self.kind_name(*kind).to_owned();
            *kept_back.entry(kind).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Records take part in vain where this node and the agreement have different schemas.
    fn note_other_schemas(&self, report: &mut ImportReport) {
        for id in &report.agreements {
            let name = id.parse::<Name>().ok();
            let checked = self.membership(|m| {
                let known = name.as_ref().and_then(|name| m.agreements.get(name));
                known.map(|known| check_schema(self.schema, &known.standing.document))
            });
            if let Some(Err(error)) = checked {
                report.found.notes.push(error.to_string());
            }
        }
    }
}

/// Names of the columns that differ between a record and what comes in its place, and `agreements`.
fn changed_columns(
    old: &StoredRecord,
    new: &Record,
    agreements: &[Name],
) -> BTreeSet<&'static str> {
    let before: BTreeMap<&str, Vec<&str>> = old.record.columns().collect();
    let after: BTreeMap<&str, Vec<&str>> = new.columns().collect();
    let names = before.keys().chain(after.keys());
    let differ = names.filter(|name| before.get(*name) != after.get(*name));
    // What a file calls its other columns may be data.
    let known = |column: &&str| COLUMNS.into_iter().find(|name| name == column);
    let mut columns: BTreeSet<_> = differ.map(|name| known(name).unwrap_or("other")).collect();
    if old.agreements != agreements {
        columns.insert("agreements");
    }
    columns
}

fn problem(line: u64, issue: &Issue, done: &str) -> FileProblem {
    FileProblem {
        line,
        column: Some(issue.column.to_owned()),
        reason: format!("\"{}\" {}{done}", issue.value, issue.reason),
    }
}
