//! Import: from a file of the CSV contract to records in the vault and rows that wait.
//!
//! Importing a file again changes nothing; a changed row replaces the columns that the file has, and the
//! record as it was becomes a version. An edit made by hand stays as long as the file says what it said
//! before (`symbolon_casework::merge`). What cannot be used is told by line and column, and the rest goes in. A kill in between leaves whole records only; the
//! mark `importing` makes the next start count the keys anew and bring every record in line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use symbolon_casework::acting::Acting;
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::merge::{Merged, merge};
use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::{COLUMNS, Issue, IssueReason, Record};

use crate::command::ImportOptions;
use crate::csv_file::{self, Entry};
use crate::error::NodeError;
use crate::membership::check_schema;
use crate::node::Node;
use crate::records::{Crossed, Fate};
use crate::reports::{FileProblem, ImportReport, Progress, ProgressSink};
use crate::tables::StoredRecord;
use crate::tokenise::Done;
use crate::urgent::Work;

pub(crate) const IMPORTING: &str = "importing";
/// Records between two steps of progress.
const PROGRESS_EVERY: u64 = 100;

impl Node {
    /// Imports a file and registers its rows, as far as hub and custodians can be reached.
    pub async fn import(
        self: &Arc<Self>,
        acting: &Acting,
        options: &ImportOptions,
        progress: &ProgressSink,
    ) -> Result<ImportReport, NodeError> {
        self.config.role.refuse_records()?;
        // Agreements are checked against the hub if it can be reached; the import itself needs none.
        let line = self.hub().await;
        let work = self.work.lock().await;
        let before = self.few_pending()?;
        let mut report = {
            let (node, acting) = (Arc::clone(self), acting.clone());
            let (options, progress) = (options.clone(), Arc::clone(progress));
            crate::oracle::blocking(move || node.import_file(&acting, &options, &progress))
                .await??
        };
        let few = self.few_pending()?;
        let mut work = Work::new(&self.work, self.wait_for_company(work).await?);
        let mut done = Done::default();
        let worked = match line {
            Ok(hub) => {
                let turns = Some(&mut work);
                self.work_off_in_turns(&hub, progress, &mut done, turns)
                    .await
            }
            Err(error) => Err(error),
        };
        // A few rows may have gone with another import's; what counts is that they are there.
        report.rows_registered = match (before, few) {
            (Some(before), Some(few)) => self.registered(few.difference(&before))?,
            _ => done.registered,
        };
        report.rows_withdrawn = done.withdrawn;
        if let Err(error) = worked {
            self.set_waiting(Some(error.to_string()));
            report.waiting_reason = Some(error.to_string());
            self.work_waits.notify_one();
        }
        report.waiting = self.waiting_rows();
        Ok(report)
    }

    fn import_file(
        &self,
        acting: &Acting,
        options: &ImportOptions,
        progress: &ProgressSink,
    ) -> Result<ImportReport, NodeError> {
        let named = self.named_agreements(options)?;
        let mut report = ImportReport::default();
        report.found.file = options.file.display().to_string();
        let file = csv_file::read(&options.file, &options.map)?;
        self.renew_linkage()?;
        self.mark_importing()?;
        let mut crossed = Crossed::new();
        let (mut seen, mut touched) = (BTreeSet::new(), Vec::new());
        let mut unreadable = false;
        let columns: BTreeSet<String> = file.columns().iter().cloned().collect();
        for item in file {
            report.found.read += 1;
            match item? {
                Entry::RowProblem(problem) => {
                    unreadable = true;
                    report.found.skipped.push(problem);
                }
                Entry::Row(row) => {
                    // A row that is skipped is not gone from the file: its record stays.
                    seen.insert(row.record_id().to_owned());
                    let taken = self.take_row(&row, options, &mut report);
                    let Some(record) = taken else { continue };
                    let id = record.record_id.clone();
                    let row = (row.line, record, &columns);
                    let named = named.as_deref();
                    if self.keep_record(acting, row, named, &mut report, &mut crossed)? {
                        touched.push(id);
                    }
                }
            }
            if report.found.read.is_multiple_of(PROGRESS_EVERY) {
                let stage = "reading".to_owned();
                progress(Progress {
                    stage,
                    done: report.found.read,
                    total: 0,
                });
            }
        }
        if options.remove_missing && unreadable {
            // Whose rows they are is not known, so nobody can be called missing.
            report.warnings.push(FileProblem {
                line: 1,
                column: None,
                reason: "nothing was removed, since some rows could not be read; correct them and import again".to_owned(),
            });
        } else if options.remove_missing {
            self.remove_missing(acting, &seen, &mut report, &mut crossed)?;
        }
        self.bring_in_line(&touched, &crossed)?;
        self.count_shared(&seen, &mut report)?;
        self.note_other_schemas(&mut report);
        self.tables.numbers.remove(&IMPORTING.to_owned())?;
        self.vault.flush()?;
        Ok(report)
    }

    pub(crate) fn named_agreements(
        &self,
        options: &ImportOptions,
    ) -> Result<Option<Vec<Name>>, NodeError> {
        let Some(ids) = &options.agreements else {
            return Ok(None);
        };
        let named: Result<Vec<Name>, NodeError> = ids
            .iter()
            .map(|id| Ok(self.agreement(Some(id))?.standing.document.id.clone()))
            .collect();
        named.map(Some)
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

    /// The agreements that a record takes part in: those named, else those that it has, else for a new
    /// one the node's default.
    pub(crate) fn agreements_to_keep(
        &self,
        named: Option<&[Name]>,
        old: Option<&StoredRecord>,
    ) -> Vec<Name> {
        match (named, old) {
            (Some(named), _) => named.to_vec(),
            (None, Some(old)) => old.agreements.clone(),
            (None, None) => {
                let defaults = self.config.sharing.default_agreements.iter();
                defaults.filter_map(|id| id.parse().ok()).collect()
            }
        }
    }

    /// Puts a record into the vault unless it is there already; gives whether anything changed.
    fn keep_record(
        &self,
        acting: &Acting,
        (line, record, columns): (u64, Record, &BTreeSet<String>),
        named: Option<&[Name]>,
        report: &mut ImportReport,
        crossed: &mut Crossed,
    ) -> Result<bool, NodeError> {
        let old = self.tables.records.get(&record.record_id)?;
        let agreements = self.agreements_to_keep(named, old.as_ref());
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
            self.put_record(record, None, agreements, crossed)?;
            return Ok(true);
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
            self.keep_as_imported(&old.record.record_id, merged.as_imported)?;
            return Ok(false);
        }
        report.found.changed += 1;
        let columns = changed_columns(&old, &merged.record, &agreements);
        let event = AuditEvent::by(acting, AuditKind::Alteration, "record changed by an import");
        let event = event.fields(columns.iter().copied());
        self.write_down(event.record(&old.record.record_id))?;
        self.import_over(acting, &old, merged, agreements, crossed)?;
        Ok(true)
    }

    fn remove_missing(
        &self,
        acting: &Acting,
        seen: &BTreeSet<String>,
        report: &mut ImportReport,
        crossed: &mut Crossed,
    ) -> Result<(), NodeError> {
        let (mut gone, mut kept) = (Vec::new(), 0);
        for entry in self.tables.records.iter() {
            let (id, _) = entry?;
            if seen.contains(&id) {
                continue;
            }
            // A report of a missing person may have made the record: no file says that it is over.
            if self.tables.missing.contains(&id)? {
                kept += 1;
            } else {
                gone.push(id);
            }
        }
        if kept > 0 {
            report.warnings.push(FileProblem {
                line: 1,
                column: None,
                reason: format!("kept {kept} that the file does not have, since the persons were reported missing here; `withdraw` deletes such a record"),
            });
        }
        for id in gone {
            if self.dossier(&id)?.retention.legal_hold.is_some() {
                report.warnings.push(FileProblem {
                    line: 1,
                    column: None,
                    reason: format!("{id} is not in the file and stays: it is under legal hold"),
                });
                continue;
            }
            let what = "record withdrawn, the file no longer has it";
            let mark = self.mark_of(&id).to_string();
            self.write_down(AuditEvent::by(acting, AuditKind::Erasure, what).record(&mark))?;
            self.erase_record(&id, ReasonClass::Withdrawn, crossed)?;
            report.found.removed += 1;
        }
        Ok(())
    }

    fn bring_in_line(&self, touched: &[String], crossed: &Crossed) -> Result<(), NodeError> {
        let audiences = self.audiences();
        for id in touched {
            self.reconcile(id, &audiences)?;
        }
        self.reconcile_crossed(crossed, &audiences)
    }

    fn count_shared(
        &self,
        seen: &BTreeSet<String>,
        report: &mut ImportReport,
    ) -> Result<(), NodeError> {
        let audiences = self.audiences();
        for id in seen {
            let Some(stored) = self.tables.records.get(id)? else {
                continue;
            };
            for agreement in self.held_back(&self.part(&stored)?, &audiences) {
                let held_back = report.held_back.entry(agreement.to_string());
                *held_back.or_insert(0) += 1;
            }
            for (kind, number) in &stored.left_out {
                let kind = self.kind_name(*kind);
                report.found.leave_out(kind, u64::from(*number));
            }
            for agreement in self.without_consent(&stored, &audiences)? {
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

    /// The next start, or whoever calls [`Node::finish_interrupted_import`], brings all records in
    /// line.
    pub(crate) fn mark_importing(&self) -> Result<(), NodeError> {
        self.tables.numbers.put(&IMPORTING.to_owned(), &1)?;
        self.vault.flush()
    }

    /// After a kill during an import, or after keys were made anew: counts keys anew and brings every
    /// record in line. What then waits goes on by itself.
    pub(crate) fn finish_interrupted_import(&self) -> Result<(), NodeError> {
        if !self.tables.numbers.contains(&IMPORTING.to_owned())? {
            return Ok(());
        }
        let ids = self.recount_keys()?;
        let audiences = self.audiences();
        for id in &ids {
            // A kill may have come between a word on consent and what follows from it.
            if !self.dossier(id)?.consents.is_empty() {
                self.consent_changed(id)?;
            }
            self.reconcile(id, &audiences)?;
        }
        self.tables.numbers.remove(&IMPORTING.to_owned())?;
        self.vault.flush()?;
        self.work_waits.notify_one();
        tracing::info!(records = ids.len(), "all records were brought in line");
        Ok(())
    }

    /// Counts anew how many records hold each key; gives the records.
    pub(crate) fn recount_keys(&self) -> Result<Vec<String>, NodeError> {
        let mut counts = std::collections::BTreeMap::new();
        let mut ids = Vec::new();
        for entry in self.tables.records.iter() {
            let (id, stored) = entry?;
            let tags: BTreeSet<_> = stored.keys.iter().map(|(_, tag)| *tag).collect();
            for tag in tags {
                *counts.entry(tag).or_insert(0u32) += 1;
            }
            ids.push(id);
        }
        let old: Vec<_> = self
            .tables
            .frequency
            .iter()
            .collect::<Result<Vec<_>, _>>()?;
        for (tag, _) in old {
            self.tables.frequency.remove(&tag)?;
        }
        self.tables.frequency.put_many(counts.iter())?;
        Ok(ids)
    }
}

/// A known record and a row about it, as one.
pub(crate) fn merged_with(old: &StoredRecord, row: Record, columns: &BTreeSet<String>) -> Merged {
    let has = |column: &str| columns.contains(column);
    merge(&old.record, old.as_imported.as_ref(), row, &has)
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

/// A row as a record, with the values that make no key; or why it is skipped.
pub(crate) fn read_row(
    row: &csv_file::Row,
    keep_invalid: bool,
) -> Result<(Record, Vec<Issue>), Issue> {
    let cells = row
        .cells
        .iter()
        .map(|(name, cell)| (name.as_str(), cell.as_str()));
    let (mut record, issues) = Record::from_cells(cells)?;
    let bad_date = issues
        .iter()
        .find(|issue| issue.reason == IssueReason::NotADate);
    if let Some(issue) = bad_date.filter(|_| !keep_invalid) {
        return Err(issue.clone());
    }
    // The same record whichever way its values were listed in the file.
    record.extra.retain(|_, value| !value.is_empty());
    Ok((record, issues))
}

fn problem(line: u64, issue: &Issue, done: &str) -> FileProblem {
    FileProblem {
        line,
        column: Some(issue.column.to_owned()),
        reason: format!("\"{}\" {}{done}", issue.value, issue.reason),
    }
}
