//! Import: from a file of the CSV contract to records in the vault and rows at the hub.
//!
//! The file is read twice. The first reading only counts: how many own records will hold each key, and
//! which records the file no longer has. A value that the file holds too often must not be tokenised, and
//! that is known when all of it was counted. The second reading stores each record and brings its rows in
//! line at once, while those stored before are evaluated, sealed and submitted ([`crate::pipeline`]).
//!
//! Importing a file again changes nothing; a changed row replaces the columns that the file has, and the
//! record as it was becomes a version. An edit made by hand stays as long as the file says what it said
//! before (`symbolon_casework::merge`). What cannot be used is told by line and column, and the rest goes in. A kill in between leaves whole records only; the
//! mark `importing` makes the next start bring every record in line.

mod counting;
mod storing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use symbolon_casework::acting::Acting;
use symbolon_casework::merge::{Merged, merge};
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::{Issue, IssueReason, Record};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::command::ImportOptions;
use crate::csv_file;
use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::oracle::blocking;
use crate::pipeline::{Run, WINDOW};
use crate::records::Crossed;
use crate::reports::{ImportReport, ProgressSink};
use crate::tables::StoredRecord;
use crate::tokenise::{Done, silent};
use crate::urgent::Work;

pub(crate) const IMPORTING: &str = "importing";
/// How often a start that looks at all records says how far it is.
const TOLD_EVERY: usize = 50_000;
/// How long nothing is registered beside the reading after it failed, with a custodian that is away or a quota
/// that is used up: reading goes on meanwhile.
const REST: Duration = Duration::from_secs(60);

/// Who reads a file, until dropped: the threads stop then, and what they counted counts no more unless
/// they were done.
struct Reading {
    node: Arc<Node>,
    stop: Arc<AtomicBool>,
    done: bool,
}

impl Reading {
    fn begin(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
            stop: Arc::default(),
            done: false,
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if !self.done {
            self.node.forget_counts();
        }
        self.node.told_all();
    }
}

/// What the readings of one import share.
#[derive(Clone)]
struct Job {
    acting: Acting,
    options: ImportOptions,
    named: Option<Vec<Name>>,
    progress: ProgressSink,
    stop: Arc<AtomicBool>,
    /// Rung when records were stored.
    stored: Arc<Notify>,
}

impl Job {
    fn go_on(&self) -> Result<(), NodeError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(NodeError::Waiting("the import was interrupted".to_owned())),
            false => Ok(()),
        }
    }
}

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
        let mut reading = Reading::begin(self);
        let job = Job {
            acting: acting.clone(),
            options: options.clone(),
            named: self.named_agreements(options)?,
            progress: Arc::clone(progress),
            stop: Arc::clone(&reading.stop),
            stored: Arc::default(),
        };
        let (mut report, early) = self.import_file(job, line.as_ref().ok()).await?;
        reading.done = true;
        drop(reading);
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
            (Some(before), Some(few)) => early + self.registered(few.difference(&before))?,
            _ => early + done.registered,
        };
        report.rows_withdrawn = done.withdrawn;
        if let Err(error) = worked {
            self.set_waiting(Some(error.to_string()));
            report.waiting_reason = Some(error.to_string());
            self.work_waits.notify_one();
        }
        report.waiting = self.waiting_rows()?;
        Ok(report)
    }

    /// Counts, then stores and, beside it, registers what is stored by whole windows; gives how many rows
    /// went so.
    async fn import_file(
        self: &Arc<Self>,
        job: Job,
        hub: Option<&HubClient>,
    ) -> Result<(ImportReport, u64), NodeError> {
        let (node, counting) = (Arc::clone(self), job.clone());
        let survey = blocking(move || node.survey(&counting)).await??;
        let stored = Arc::clone(&job.stored);
        let node = Arc::clone(self);
        let mut reading = std::pin::pin!(blocking(move || node.store_file(&job, survey)));
        let (mut early, mut resting) = (0, None);
        loop {
            tokio::select! {
                report = &mut reading => return Ok((report??, early)),
                () = stored.notified() => {
                    let rests = resting.is_some_and(|until| Instant::now() < until);
                    let (Some(hub), false) = (hub, rests) else { continue };
                    let registering = self.stream.registering.try_lock();
                    if registering.is_ok() && self.tables.pending.len() >= WINDOW as u64 {
                        let mut run = Run::new(&silent(), None, WINDOW, self.tables.pending.len());
                        let worked = self.register_waiting(hub, &mut run).await;
                        early += run.registered();
                        if worked.is_err() || resting.is_some() {
                            self.set_waiting(worked.as_ref().err().map(NodeError::to_string));
                        }
                        resting = worked.err().map(|_| Instant::now() + REST);
                    }
                }
            }
        }
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

    /// The next start, or whoever calls [`Node::finish_interrupted_import`], brings all records in
    /// line.
    pub(crate) fn mark_importing(&self) -> Result<(), NodeError> {
        self.tables.numbers.put(&IMPORTING.to_owned(), &1)?;
        self.vault.flush()
    }

    /// Nothing is left to be brought in line.
    fn unmark_importing(&self) -> Result<(), NodeError> {
        self.tables.numbers.remove(&IMPORTING.to_owned())?;
        self.vault.flush()
    }

    /// Changes records, and then the rows of the others that hold keys which more or fewer hold now. After a
    /// kill or an error in between, all records are brought in line at the next start or import; so they are if
    /// an import before had failed. The caller holds the work lock.
    pub(crate) fn change_records<T>(
        &self,
        change: impl FnOnce(&mut Crossed) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let left_before = self.tables.numbers.contains(&IMPORTING.to_owned())?;
        self.mark_importing()?;
        let mut crossed = Crossed::new();
        let changed = change(&mut crossed).and_then(|changed| {
            self.reconcile_crossed(&crossed, &self.audiences())?;
            Ok(changed)
        });
        match changed {
            Ok(_) if left_before => self.vault.flush()?,
            Ok(_) => self.unmark_importing()?,
            // They may not be those of the records.
            Err(_) => self.forget_counts(),
        }
        changed
    }

    /// After a kill during an import, or after keys were made anew: counts keys anew and brings every
    /// record in line. What then waits goes on by itself.
    pub(crate) fn finish_interrupted_import(&self) -> Result<(), NodeError> {
        if !self.tables.numbers.contains(&IMPORTING.to_owned())? {
            return Ok(());
        }
        let ids = self.recount_keys()?;
        let audiences = self.audiences();
        let records = ids.len();
        tracing::info!(
            records,
            "an import was cut off; all records are looked at before this node serves"
        );
        for (looked_at, id) in ids.iter().enumerate() {
            if looked_at > 0 && looked_at.is_multiple_of(TOLD_EVERY) {
                tracing::info!(looked_at, records, "records are looked at");
            }
            // A kill may have come between a word on consent and what follows from it.
            if !self.dossier(id)?.consents.is_empty() {
                self.consent_changed(id)?;
            }
            self.reconcile(id, &audiences)?;
        }
        self.unmark_importing()?;
        self.work_waits.notify_one();
        tracing::info!(records, "all records were brought in line");
        Ok(())
    }

    /// Has keys counted anew; gives the records.
    pub(crate) fn recount_keys(&self) -> Result<Vec<String>, NodeError> {
        self.forget_counts();
        let ids = self.tables.records.iter().map(|entry| Ok(entry?.0));
        ids.collect()
    }
}

/// A known record and a row about it, as one.
pub(crate) fn merged_with(old: &StoredRecord, row: Record, columns: &BTreeSet<String>) -> Merged {
    let has = |column: &str| columns.contains(column);
    merge(&old.record, old.as_imported.as_ref(), row, &has)
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
