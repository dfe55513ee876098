//! Import: from a file of the CSV contract to records in the vault and rows that wait.
//!
//! Importing a file again changes nothing; a changed row replaces the record. What cannot be used is
//! told by line and column, and the rest goes in. A kill in between leaves whole records only; the
//! mark `importing` makes the next start count the keys anew and bring every record in line.

use std::collections::BTreeSet;
use std::sync::Arc;

use symbolon_casework::tombstone::ReasonClass;
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Record;
use symbolon_core::linkage::record::{Issue, IssueReason};

use crate::command::ImportOptions;
use crate::csv_file::{self, Entry};
use crate::error::NodeError;
use crate::node::Node;
use crate::records::Crossed;
use crate::reports::{FileProblem, ImportReport, Progress, ProgressSink};
use crate::tables::StoredRecord;
use crate::tokenise::Done;

/// Records may be out of line with their rows; the next start brings them in line.
pub(crate) const IMPORTING: &str = "importing";
/// Records between two steps of progress.
const PROGRESS_EVERY: u64 = 100;

impl Node {
    /// Imports a file and registers its rows, as far as hub and custodians can be reached.
    pub async fn import(
        self: &Arc<Self>,
        options: &ImportOptions,
        progress: &ProgressSink,
    ) -> Result<ImportReport, NodeError> {
        self.config.role.refuse_records()?;
        // Agreements are checked against the hub if it can be reached; the import itself needs none.
        let line = self.hub().await;
        let work = self.work.lock().await;
        let before = self.few_pending()?;
        let mut report = {
            let (node, options, progress) =
                (Arc::clone(self), options.clone(), Arc::clone(progress));
            crate::oracle::blocking(move || node.import_file(&options, &progress)).await??
        };
        let few = self.few_pending()?;
        let _work = self.wait_for_company(work).await?;
        let mut done = Done::default();
        let worked = match line {
            Ok(hub) => self.work_off(&hub, progress, &mut done).await,
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
        options: &ImportOptions,
        progress: &ProgressSink,
    ) -> Result<ImportReport, NodeError> {
        let named = self.named_agreements(options)?;
        let mut report = ImportReport {
            file: options.file.display().to_string(),
            ..Default::default()
        };
        let file = csv_file::read(&options.file, &options.map)?;
        self.tables.numbers.put(&IMPORTING.to_owned(), &1)?;
        self.vault.flush()?;
        let mut crossed = Crossed::new();
        let (mut seen, mut touched) = (BTreeSet::new(), Vec::new());
        let mut unreadable = false;
        for item in file {
            report.read += 1;
            match item? {
                Entry::RowProblem(problem) => {
                    unreadable = true;
                    report.skipped.push(problem);
                }
                Entry::Row(row) => {
                    // A row that is skipped is not gone from the file: its record stays.
                    seen.insert(row.record_id().to_owned());
                    let taken = self.take_row(&row, options, &mut report);
                    let Some(record) = taken else { continue };
                    let id = record.record_id.clone();
                    if self.keep_record(record, named.as_deref(), &mut report, &mut crossed)? {
                        touched.push(id);
                    }
                }
            }
            if report.read.is_multiple_of(PROGRESS_EVERY) {
                let stage = "reading".to_owned();
                progress(Progress {
                    stage,
                    done: report.read,
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
            self.remove_missing(&seen, &mut report, &mut crossed)?;
        }
        self.bring_in_line(&touched, &crossed)?;
        self.count_shared(&seen, &mut report)?;
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
                report.skipped.push(problem(row.line, &issue, ""));
                return None;
            }
        };
        for issue in &issues {
            report.unused.add(issue);
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
        record: Record,
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
        match old {
            Some(old) if old.record == record && old.agreements == agreements => {
                report.unchanged += 1;
                return Ok(false);
            }
            Some(_) => report.changed += 1,
            None => report.new += 1,
        }
        self.put_record(record, agreements, crossed)?;
        Ok(true)
    }

    fn remove_missing(
        &self,
        seen: &BTreeSet<String>,
        report: &mut ImportReport,
        crossed: &mut Crossed,
    ) -> Result<(), NodeError> {
        let mut missing = Vec::new();
        for entry in self.tables.records.iter() {
            let (id, _) = entry?;
            if !seen.contains(&id) {
                missing.push(id);
            }
        }
        for id in missing {
            if self.dossier(&id)?.retention.legal_hold.is_some() {
                report.warnings.push(FileProblem {
                    line: 1,
                    column: None,
                    reason: format!("{id} is not in the file and stays: it is under legal hold"),
                });
                continue;
            }
            self.erase_record(&id, ReasonClass::Withdrawn, crossed)?;
            report.removed += 1;
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
            for agreement in self.held_back(&stored, &audiences) {
                let held_back = report.held_back.entry(agreement.to_string());
                *held_back.or_insert(0) += 1;
            }
            for (kind, tag) in &stored.keys {
                if self.is_suppressed(*kind, tag)? {
                    let kind = self
                        .schema
                        .kind(symbolon_core::linkage::schema::KeyKindId(*kind));
                    let name = kind.map(|kind| kind.name.clone()).unwrap_or_default();
                    *report.suppressed.entry(name).or_insert(0) += 1;
                } else {
                    report.linkage_keys += 1;
                }
            }
        }
        Ok(())
    }

    /// After a kill during an import: counts keys anew and brings every record in line. What then
    /// waits goes on by itself.
    pub(crate) fn finish_interrupted_import(&self) -> Result<(), NodeError> {
        if !self.tables.numbers.contains(&IMPORTING.to_owned())? {
            return Ok(());
        }
        let ids = self.recount_keys()?;
        let audiences = self.audiences();
        for id in &ids {
            self.reconcile(id, &audiences)?;
        }
        self.tables.numbers.remove(&IMPORTING.to_owned())?;
        self.vault.flush()?;
        tracing::info!(
            records = ids.len(),
            "an interrupted import was brought in line"
        );
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
