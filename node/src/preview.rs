//! Preview: what an import of a file would share, told before anything leaves.
//!
//! The file is read as [`crate::import`] reads it, keys are derived and counted together with those of
//! the vault, and the agreements are asked as they stand in this node. Nothing is written and nothing
//! is sent, so an agreement that the hub has shown to nobody yet is not known here either.

mod report;
mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use symbolon_casework::dossier::Dossier;
use symbolon_core::agreement::Category;
use symbolon_core::identity::Name;
use symbolon_core::linkage::derive::Derived;
use symbolon_core::linkage::record::{Issue, Record};

use crate::csv_file::{self, Entry};
use crate::error::NodeError;
use crate::import::{merged_with, read_row};
use crate::linkage::Linkage;
use crate::node::Node;
use crate::records::{Fate, Tagged, category_of};
use crate::reports::FileProblem;
use crate::tables::KeyTag;
pub use report::*;
use terms::Terms;

/// A record as an import would keep it. Of its values it holds only what was asked for.
struct Candidate {
    line: u64,
    record_id: String,
    state: &'static str,
    category: Category,
    agreements: Vec<Name>,
    keys: Vec<(u16, KeyTag)>,
    /// What the schema's bounds leave out.
    left_out: Vec<(u16, u32)>,
    /// What is beside the record, if that is there.
    dossier: Dossier,
    /// None of a record that is not shown.
    shown: Option<Shown>,
}

#[derive(Default)]
struct Shown {
    not_used: Vec<PreviewIssue>,
    values: BTreeMap<KeyTag, String>,
}

/// What one pass over the file found.
#[derive(Default)]
struct Pass {
    candidates: Vec<Candidate>,
    /// By how much the agency would hold each key more often, or less.
    changes: BTreeMap<KeyTag, i64>,
    seen: BTreeSet<String>,
    unreadable: bool,
    shown: u64,
}

impl Pass {
    fn count(&mut self, old: &[(u16, KeyTag)], new: &[(u16, KeyTag)]) {
        for (keys, by) in [(old, -1), (new, 1)] {
            let tags: BTreeSet<KeyTag> = keys.iter().map(|(_, tag)| *tag).collect();
            for tag in tags {
                *self.changes.entry(tag).or_insert(0) += by;
            }
        }
    }

    fn shows(&mut self, id: &str, options: &PreviewOptions) -> bool {
        let asked = options.record_id.as_deref().is_none_or(|only| only == id);
        let shows = asked && options.most.is_none_or(|most| self.shown < most);
        self.shown += u64::from(shows);
        shows
    }
}

impl Node {
    /// Says what an import with these options would share.
    pub async fn preview(
        self: &Arc<Self>,
        options: &PreviewOptions,
    ) -> Result<PreviewReport, NodeError> {
        self.config.role.refuse_records()?;
        // Half of an import that is in hand must not be counted.
        let _work = self.work.lock().await;
        let (node, options) = (Arc::clone(self), options.clone());
        crate::oracle::blocking(move || node.preview_file(&options)).await?
    }

    fn preview_file(&self, options: &PreviewOptions) -> Result<PreviewReport, NodeError> {
        let named = self.named_agreements(&options.import)?;
        let mut report = PreviewReport::default();
        report.found.file = options.import.file.display().to_string();
        let mut pass = self.read_candidates(options, named.as_deref(), &mut report)?;
        if options.import.remove_missing && pass.unreadable {
            report.found.notes.push(
                "nothing would be removed, since some rows cannot be read; correct them first"
                    .to_owned(),
            );
        } else if options.import.remove_missing {
            self.count_missing(&mut pass, &mut report)?;
        }
        let mut terms = Terms::of(self);
        let mut totals = KeyCounts::default();
        for candidate in pass.candidates {
            let fates = self.fates(&candidate.keys, &pass.changes)?;
            let any = fates.contains(&Fate::Shared);
            let agreements = agreements_of(&candidate, any, &mut terms);
            report.shared_with_nobody += u64::from(!agreements.iter().any(|a| a.shared));
            for ((kind, _), fate) in candidate.keys.iter().zip(&fates) {
                totals.add(*kind, *fate);
            }
            for (kind, number) in &candidate.left_out {
                totals.leave_out(*kind, *number);
                let kind = self.kind_name(*kind);
                report.found.leave_out(kind, u64::from(*number));
            }
            match candidate.shown {
                Some(_) => report
                    .records
                    .push(self.shown_record(candidate, &fates, agreements)),
                None => report.not_shown += 1,
            }
        }
        report.keys = totals.into_report(self);
        Ok(report)
    }

    fn read_candidates(
        &self,
        options: &PreviewOptions,
        named: Option<&[Name]>,
        report: &mut PreviewReport,
    ) -> Result<Pass, NodeError> {
        let file = csv_file::read(&options.import.file, &options.import.map)?;
        report.unused_columns = file.unused_columns().map(str::to_owned).collect();
        // As an import would read the nicknames now.
        let linkage = Linkage::load(self.schema, &self.config)?;
        let columns: BTreeSet<String> = file.columns().iter().cloned().collect();
        let mut pass = Pass::default();
        for item in file {
            report.found.read += 1;
            let row = match item? {
                Entry::RowProblem(problem) => {
                    pass.unreadable = true;
                    report.found.skipped.push(problem);
                    continue;
                }
                Entry::Row(row) => row,
            };
            pass.seen.insert(row.record_id().to_owned());
            match read_row(&row, options.import.keep_invalid) {
                Ok((record, issues)) => {
                    issues
                        .iter()
                        .for_each(|issue| report.found.unused.add(issue));
                    let told = issues.into_iter().map(|i| told(i, options.show_values));
                    let record = self.as_imported_over(record, &columns)?;
                    let derived = linkage.keys(&record);
                    let taken = (row.line, record, derived, told.collect());
                    self.take_candidate(taken, options, named, &mut pass, report)?;
                }
                Err(issue) => {
                    let problem = problem(row.line, told(issue, options.show_values));
                    if options.record_id.as_deref() == Some(row.record_id()) {
                        return Err(would_be_skipped(&report.found.file, &problem));
                    }
                    report.found.skipped.push(problem);
                }
            }
        }
        match &options.record_id {
            Some(only) if !pass.seen.contains(only) => Err(NodeError::Request(format!(
                "{} has no record {only} that could be imported",
                report.found.file
            ))),
            _ => Ok(pass),
        }
    }

    /// The record that an import of this row leaves: edits that the file knows nothing of stay.
    fn as_imported_over(
        &self,
        row: Record,
        columns: &BTreeSet<String>,
    ) -> Result<Record, NodeError> {
        Ok(match self.tables.records.get(&row.record_id)? {
            Some(old) => merged_with(&old, row, columns).record,
            None => row,
        })
    }

    fn take_candidate(
        &self,
        (line, record, derived, not_used): (u64, Record, Derived, Vec<PreviewIssue>),
        options: &PreviewOptions,
        named: Option<&[Name]>,
        pass: &mut Pass,
        report: &mut PreviewReport,
    ) -> Result<(), NodeError> {
        let old = self.tables.records.get(&record.record_id)?;
        let agreements = self.agreements_to_keep(named, old.as_ref());
        let Tagged {
            keys: tagged,
            left_out,
        } = self.tagged(&derived);
        let mut shown = pass.shows(&record.record_id, options).then(|| Shown {
            not_used,
            ..Default::default()
        });
        if let Some(shown) = shown.as_mut().filter(|_| options.show_values) {
            let values = derived
                .keys
                .iter()
                .map(|key| key.value.replace('\u{1f}', " | "));
            shown.values = tagged.iter().map(|(_, tag)| *tag).zip(values).collect();
        }
        let state = match &old {
            None => {
                report.found.new += 1;
                "new"
            }
            Some(old) if old.record == record && old.agreements == agreements => {
                report.found.unchanged += 1;
                "unchanged"
            }
            Some(_) => {
                report.found.changed += 1;
                "changed"
            }
        };
        // An unchanged record has the same keys, unless the nicknames have changed.
        let old_keys = old.map(|old| old.keys).unwrap_or_default();
        pass.count(&old_keys, &tagged);
        pass.candidates.push(Candidate {
            line,
            category: category_of(&record),
            dossier: self.dossier(&record.record_id)?,
            record_id: record.record_id,
            state,
            agreements,
            keys: tagged,
            left_out,
            shown,
        });
        Ok(())
    }

    fn count_missing(&self, pass: &mut Pass, report: &mut PreviewReport) -> Result<(), NodeError> {
        for entry in self.tables.records.iter() {
            let (id, stored) = entry?;
            if !pass.seen.contains(&id) && !self.tables.missing.contains(&id)? {
                pass.count(&stored.keys, &[]);
                report.found.removed += 1;
            }
        }
        Ok(())
    }

    /// What would become of each key, by how often the agency would then hold it.
    fn fates(
        &self,
        keys: &[(u16, KeyTag)],
        changes: &BTreeMap<KeyTag, i64>,
    ) -> Result<Vec<Fate>, NodeError> {
        let fate = |(kind, tag): &(u16, KeyTag)| {
            let more = changes.get(tag).copied().unwrap_or(0);
            self.fate(*kind, tag, more)
        };
        keys.iter().map(fate).collect()
    }

    fn shown_record(
        &self,
        candidate: Candidate,
        fates: &[Fate],
        agreements: Vec<PreviewAgreement>,
    ) -> PreviewRecord {
        let mut shown = candidate.shown.unwrap_or_default();
        let mut counts = KeyCounts::default();
        for ((kind, tag), fate) in candidate.keys.iter().zip(fates) {
            let keys = counts.add(*kind, *fate);
            keys.values.extend(shown.values.remove(tag).map(|value| {
                let kept_back = *fate != Fate::Shared;
                PreviewValue { value, kept_back }
            }));
        }
        for (kind, number) in &candidate.left_out {
            counts.leave_out(*kind, *number);
        }
        PreviewRecord {
            record_id: candidate.record_id,
            line: candidate.line,
            state: candidate.state.to_owned(),
            category: candidate.category.to_string(),
            keys: counts.into_report(self),
            not_used: shown.not_used,
            agreements,
        }
    }
}

/// Keys counted by kind.
#[derive(Default)]
struct KeyCounts(BTreeMap<u16, PreviewKeys>);

impl KeyCounts {
    fn leave_out(&mut self, kind: u16, number: u32) {
        self.0.entry(kind).or_default().left_out += u64::from(number);
    }

    fn add(&mut self, kind: u16, fate: Fate) -> &mut PreviewKeys {
        let keys = self.0.entry(kind).or_default();
        match fate {
            Fate::Shared => keys.shared += 1,
            Fate::OverCap => keys.over_cap += 1,
            Fate::Common => keys.common += 1,
        }
        keys
    }

    /// With the kinds' names, in the order of the schema: the most telling first.
    fn into_report(mut self, node: &Node) -> Vec<PreviewKeys> {
        let kinds = node.schema.kinds().iter();
        let named = kinds.filter_map(|kind| {
            let keys = self.0.remove(&kind.id.0)?;
            Some(PreviewKeys {
                kind: kind.name.clone(),
                label: kind.label.clone(),
                ..keys
            })
        });
        named.collect()
    }
}

/// The agreements that a record names, and those in force that it does not.
fn agreements_of(
    candidate: &Candidate,
    any_key: bool,
    terms: &mut Terms<'_>,
) -> Vec<PreviewAgreement> {
    let mut all = terms.in_force();
    all.extend(candidate.agreements.iter().cloned());
    let told = all.into_iter().map(|id| {
        let outcome = if !candidate.agreements.contains(&id) {
            Err("the record does not take part in it".to_owned())
        } else {
            terms
                .admit(&id, candidate.category)
                .and_then(|()| terms.consented(&id, &candidate.dossier))
        };
        let outcome = match outcome {
            Ok(()) if !any_key => Err("the record has no key to share".to_owned()),
            other => other,
        };
        PreviewAgreement {
            agreement: id.to_string(),
            shared: outcome.is_ok(),
            reason: outcome.err(),
        }
    });
    told.collect()
}

/// What is wrong with a value, without the value unless it was asked for.
fn told(issue: Issue, show_values: bool) -> PreviewIssue {
    PreviewIssue {
        column: issue.column.to_owned(),
        reason: issue.reason.to_string(),
        value: show_values.then_some(issue.value),
    }
}

fn problem(line: u64, issue: PreviewIssue) -> FileProblem {
    let reason = match issue.value {
        Some(value) => format!("\"{value}\" {}", issue.reason),
        None => issue.reason,
    };
    FileProblem {
        line,
        column: Some(issue.column),
        reason,
    }
}

fn would_be_skipped(file: &str, problem: &FileProblem) -> NodeError {
    let FileProblem {
        line,
        column,
        reason,
    } = problem;
    let column = column.as_deref().unwrap_or_default();
    NodeError::Request(format!(
        "an import would skip this record: {file} line {line}: {column} {reason}"
    ))
}
