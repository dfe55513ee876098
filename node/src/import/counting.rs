//! The first reading of a file: counts the keys that records will hold, and deletes what the file no longer
//! has, if that was asked for. It writes nothing of what is in the file.

use std::collections::BTreeSet;
use std::time::SystemTime;

use rayon::prelude::*;
use symbolon_casework::acting::Acting;
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::tombstone::ReasonClass;

use super::{Job, merged_with, read_row};
use crate::csv_file::{self, Entry, Row};
use crate::error::NodeError;
use crate::linkage::Linkage;
use crate::node::Node;
use crate::records::Crossed;
use crate::reports::{FileProblem, ImportReport, Progress};
use crate::tables::KeyTag;

/// Rows whose keys are derived side by side.
const STEP: usize = 256;
/// Keys that have come to be shared are looked up among the rows when there are so many: some 15 MB.
const SHARED_AT_ONCE: usize = 500_000;

/// Keys before and after.
type KeyChange = (Vec<(u16, KeyTag)>, Vec<(u16, KeyTag)>);

/// What the first reading of a file found.
pub(super) struct Survey {
    pub rows: u64,
    pub stamp: (u64, SystemTime),
    /// Keys of records that were there before.
    pub crossed: Crossed,
    /// What was removed, and what there is to say of it.
    pub report: ImportReport,
}

impl Node {
    /// The first reading: counts keys, deletes what the file no longer has if that was asked for.
    pub(super) fn survey(&self, job: &Job) -> Result<Survey, NodeError> {
        let options = &job.options;
        let mut file = csv_file::read(&options.file, &options.map)?;
        let stamp = file.stamp()?;
        self.renew_linkage()?;
        self.mark_importing()?;
        let columns: BTreeSet<String> = file.columns().iter().cloned().collect();
        let linkage = self.linkage();
        let had_records = !self.tables.records.is_empty();
        let mut survey = Survey {
            rows: 0,
            stamp,
            crossed: Crossed::new(),
            report: ImportReport::default(),
        };
        let mut unreadable = false;
        loop {
            job.go_on()?;
            let (mut rows, before) = (Vec::with_capacity(STEP), survey.rows);
            for item in file.by_ref().take(STEP) {
                survey.rows += 1;
                match item? {
                    Entry::RowProblem(_) => unreadable = true,
                    Entry::Row(row) => rows.push(row),
                }
            }
            if survey.rows == before {
                break;
            }
            let changes: Vec<Option<KeyChange>> = rows
                .par_iter()
                .map(|row| self.key_change(row, options.keep_invalid, &columns, &linkage))
                .collect::<Result<_, _>>()?;
            for (old, new) in changes.into_iter().flatten() {
                self.count_keys(&old, &new, &mut survey.crossed)?;
            }
            if self.counted(|tally| tally.newly_shared())? > SHARED_AT_ONCE {
                self.gather_shared_roots()?;
            }
            let (stage, done, total) = ("counting".to_owned(), survey.rows, 0);
            self.tell(&job.progress, Progress { stage, done, total });
        }
        // Before any record names a shared key: what is evaluated from now on is looked up first.
        self.gather_shared_roots()?;
        if !had_records {
            survey.crossed.clear();
        }
        if options.remove_missing && unreadable {
            // Whose rows they are is not known, so nobody can be called missing.
            survey.report.warnings.push(FileProblem {
                line: 1,
                column: None,
                reason: "nothing was removed, since some rows could not be read; correct them and import again".to_owned(),
            });
        } else if options.remove_missing {
            self.remove_missing(&job.acting, &file, &mut survey)?;
        }
        Ok(survey)
    }

    /// The keys that a row's record had, and those that it will have; nothing if they are the same.
    fn key_change(
        &self,
        row: &Row,
        keep_invalid: bool,
        columns: &BTreeSet<String>,
        linkage: &Linkage,
    ) -> Result<Option<KeyChange>, NodeError> {
        let Ok((record, _)) = read_row(row, keep_invalid) else {
            return Ok(None);
        };
        let old = self.tables.records.get(&record.record_id)?;
        let Some(old) = old else {
            return Ok(Some((Vec::new(), self.tagged(&linkage.keys(&record)).keys)));
        };
        let merged = merged_with(&old, record, columns).record;
        if merged == old.record {
            return Ok(None);
        }
        Ok(Some((old.keys, self.tagged(&linkage.keys(&merged)).keys)))
    }

    fn remove_missing(
        &self,
        acting: &Acting,
        file: &csv_file::CsvFile,
        survey: &mut Survey,
    ) -> Result<(), NodeError> {
        let (report, crossed) = (&mut survey.report, &mut survey.crossed);
        let (mut gone, mut kept) = (Vec::new(), 0);
        for entry in self.tables.records.iter() {
            let (id, _) = entry?;
            if file.has_seen(&id) {
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
}
