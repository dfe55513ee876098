//! Files of the Human Trafficking Case Data Standard: cases in, cases out.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::htcds::cells::{Imported, export, import};
use symbolon_casework::htcds::check::CellProblem;
use symbolon_casework::htcds::fields::canonical;
use symbolon_casework::htcds::{
    self, Case, Cells, Format, HtcdsError, MAX_FILE_BYTES, RECORD_ID, forget_changed,
};
use symbolon_casework::merge::merge;
use symbolon_casework::state::RecordState;
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::{IssueReason, Record};

use super::change::Change;
use super::command::HtcdsOptions;
use super::edit::checked_id;
use super::with_reason;
use crate::command::ImportOptions;
use crate::error::NodeError;
use crate::node::Node;
use crate::records::Crossed;
use crate::reports::FileProblem;

/// What an import of cases did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HtcdsReport {
    /// Cases read, good and bad.
    pub read: u64,
    /// Records that were new.
    pub new: u64,
    /// Records that a case changed.
    pub changed: u64,
    /// Records that were so already.
    pub unchanged: u64,
    /// Records with edits that stay, since the file says what it said before.
    pub edits_kept: u64,
    /// Cases that were skipped; `line` is the place in the list for JSON.
    pub skipped: Vec<FileProblem>,
    /// Cases that went in with a value that does not fit. It is kept.
    pub warnings: Vec<FileProblem>,
    /// Rows that wait to be registered or withdrawn.
    pub waiting: u64,
}

/// Records as cases.
#[derive(Clone, Serialize, Deserialize)]
pub struct HtcdsExport {
    /// How many.
    pub cases: u64,
    /// The file's text.
    pub text: String,
}

impl Node {
    /// Reads a file of cases into the vault.
    pub(crate) fn import_htcds(
        &self,
        acting: &Acting,
        options: &HtcdsOptions,
    ) -> Result<HtcdsReport, NodeError> {
        self.config.role.refuse_records()?;
        acting.may(Permission::KeepRecords)?;
        with_reason(acting)?;
        let named = self.named_agreements(&ImportOptions {
            agreements: options.agreements.clone(),
            ..ImportOptions::default()
        })?;
        let wrong =
            |error: HtcdsError| NodeError::Request(format!("{} {error}", options.file.display()));
        let cases = htcds::read(&bytes(&options.file)?).map_err(wrong)?;
        let id_field = options.id_field.as_deref().map(canonical);
        let id_field = id_field.unwrap_or_else(|| RECORD_ID.to_owned());
        let mut good = cases.iter().flatten().peekable();
        if good.peek().is_some() && !good.any(|case| case.cells.contains_key(&id_field)) {
            return Err(NodeError::Request(format!(
                "{} has no field {id_field} with your own id of each person; name the field that has \
                 it with --record-id FIELD",
                options.file.display()
            )));
        }
        let mut report = HtcdsReport::default();
        self.changing(|crossed| {
            let mut seen = BTreeSet::new();
            for case in cases {
                report.read += 1;
                let taken = case
                    .map_err(|bad| FileProblem {
                        line: bad.place,
                        column: bad.column,
                        reason: bad.reason,
                    })
                    .and_then(|case| identified(case, &id_field, &mut seen));
                match taken {
                    Ok((case, id)) => {
                        let place = (case, id.as_str());
                        self.take_case(acting, place, named.as_deref(), &mut report, crossed)?;
                    }
                    Err(problem) => report.skipped.push(problem),
                }
            }
            Ok(())
        })?;
        let good = report.new + report.changed + report.unchanged;
        if let (0, Some(first)) = (good, report.skipped.first()) {
            return Err(NodeError::Request(format!(
                "no case of {} could be read; the first one, at {}: {} {}",
                options.file.display(),
                first.line,
                first.column.as_deref().unwrap_or_default(),
                first.reason
            )));
        }
        report.waiting = self.waiting_rows()?;
        Ok(report)
    }

    /// One case of the file into the vault.
    fn take_case(
        &self,
        acting: &Acting,
        (case, id): (Case, &str),
        named: Option<&[Name]>,
        report: &mut HtcdsReport,
        crossed: &mut Crossed,
    ) -> Result<(), NodeError> {
        let old = self.tables.records.get(&id.to_owned())?;
        let agreements = self.agreements_to_keep(named, old.as_ref());
        let before = old.as_ref().map(|old| self.state_of(old)).transpose()?;
        let known = before.as_ref().map(|state| (&state.record, &state.dossier));
        let Imported {
            record,
            mut dossier,
            columns,
            problems,
        } = import(&case, id, known, self.clock.now());
        report
            .warnings
            .extend(warnings(case.place, &record, problems));
        let has = |column: &str| columns.contains(column);
        let (record, as_imported) = match &old {
            Some(old) => {
                let merged = merge(&old.record, old.as_imported.as_ref(), record.clone(), &has);
                report.edits_kept += u64::from(!merged.kept.is_empty());
                forget_changed(&mut dossier, &record, &merged.record);
                let place = (case.place, id);
                report.warnings.extend(gave_way(place, &merged.replaced));
                (merged.record, merged.as_imported)
            }
            None => (record, None),
        };
        if let Some(before) = &before
            && self.opens(&before.dossier, dossier.level)
        {
            // A file is no second person.
            dossier.level = before.dossier.level;
        }
        let after = RecordState {
            record,
            dossier,
            agreements,
        };
        if before.as_ref() == Some(&after) {
            report.unchanged += 1;
            return self.keep_as_imported(id, as_imported);
        }
        let kind = match &before {
            None => AuditKind::Collection,
            Some(_) => AuditKind::Alteration,
        };
        report.new += u64::from(before.is_none());
        report.changed += u64::from(before.is_some());
        let change = Change {
            acting: Some(acting),
            act: "imported from HTCDS",
            before,
            after,
            as_imported,
        };
        let fields = self.store_change(change, crossed)?;
        let event = AuditEvent::by(acting, kind, "record imported from HTCDS").record(id);
        self.write_down(event.fields(fields.iter().map(String::as_str)))
    }

    /// Writes records as cases; each is written down. It takes the right to keep records, since whole
    /// records leave the vault.
    pub(crate) fn export_htcds(
        &self,
        acting: &Acting,
        format: Format,
        record_ids: &[String],
    ) -> Result<HtcdsExport, NodeError> {
        acting.may(Permission::KeepRecords)?;
        with_reason(acting)?;
        let mut states = Vec::new();
        if record_ids.is_empty() {
            for entry in self.tables.records.iter() {
                let (_, stored) = entry?;
                states.push(self.state_of(&stored)?);
            }
        } else {
            let once: BTreeSet<&String> = record_ids.iter().collect();
            for id in once {
                states.push(self.state_of(&self.kept_record(id)?)?);
            }
        }
        states.sort_by(|a, b| a.record.record_id.cmp(&b.record.record_id));
        let cases: Vec<Cells> = states.iter().map(export).collect();
        let text = htcds::write(format, &cases);
        let text = text.map_err(|error| NodeError::Request(format!("the cases {error}")))?;
        for (state, cells) in states.iter().zip(&cases) {
            let what = "record exported as HTCDS";
            let event = AuditEvent::by(acting, AuditKind::Consultation, what);
            let event = event.record(&state.record.record_id);
            self.write_down(event.fields(cells.keys().map(String::as_str)))?;
        }
        Ok(HtcdsExport {
            cases: cases.len() as u64,
            text,
        })
    }
}

/// A case with the record's id; ids come once in a file.
fn identified(
    case: Case,
    id_field: &str,
    seen: &mut BTreeSet<String>,
) -> Result<(Case, String), FileProblem> {
    let problem = |reason: String| FileProblem {
        line: case.place,
        column: Some(id_field.to_owned()),
        reason,
    };
    let id = case.cells.get(id_field).map(String::as_str);
    let id = checked_id(id.unwrap_or_default()).map_err(|error| problem(error.to_string()))?;
    if !seen.insert(id.clone()) {
        return Err(problem(format!("\"{id}\" is there already, further up")));
    }
    Ok((case, id))
}

/// What of a case is kept as it is, since it does not fit.
fn warnings(place: u64, record: &Record, problems: Vec<CellProblem>) -> Vec<FileProblem> {
    let issues = record.validate();
    let date = issues.iter().find(|i| i.reason == IssueReason::NotADate);
    // Kept like every other cell that does not fit; it makes no key.
    let date = date.map(|issue| FileProblem {
        line: place,
        column: Some(issue.column.to_owned()),
        reason: format!(
            "\"{}\" {}; kept, not used for matching",
            issue.value, issue.reason
        ),
    });
    let told = problems.into_iter().map(|problem| told(place, problem));
    date.into_iter().chain(told).collect()
}

fn told(place: u64, problem: CellProblem) -> FileProblem {
    let CellProblem {
        column,
        value,
        reason,
    } = problem;
    FileProblem {
        line: place,
        column: Some(column),
        reason: format!("\"{value}\" {reason}; kept as it is"),
    }
}

/// Edits that the file's new values took the place of.
fn gave_way((line, id): (u64, &str), columns: &[String]) -> Vec<FileProblem> {
    let columns = columns.iter().map(|column| FileProblem {
        line,
        column: Some(column.clone()),
        reason: format!(
            "was edited here, and the file says something new: the file's value was taken, the edit is \
             in `record history {id}`"
        ),
    });
    columns.collect()
}

fn bytes(path: &Path) -> Result<Vec<u8>, NodeError> {
    let unreadable = |source| NodeError::File {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than is allowed tells that there are more.
    let most = MAX_FILE_BYTES as u64 + 1;
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}
