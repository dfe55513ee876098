//! Missing persons: the acts, kept and sent at once.
//!
//! The rules are [`symbolon_casework::missing`]. An act is written into the vault and flushed before
//! anything is sent, so that it stands whether the hub can be reached or not; then the record's rows go
//! before all others ([`crate::urgent`]). A report is never refused because nobody can be told.

mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use symbolon_casework::acting::{Acting, Permission};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_casework::missing::{
    Details, Found, InterviewEnd, MissingError, MissingFile, Stamp, Update, is_adult,
};
use symbolon_casework::text::Text;
use symbolon_core::identity::Name;
use symbolon_core::linkage::record::Record;
use symbolon_core::row::Handle;
use tokio::sync::MutexGuard;

use super::command::MissingCommand;
use super::json;
use crate::error::NodeError;
use crate::node::Node;

use crate::reports::MatchView;
use crate::tokenise::Done;

pub use views::{
    EpisodeView, HistoryView, InterviewView, MissingDetail, MissingReport, MissingView,
};

/// An act that is in the vault and has to be sent.
#[derive(Default)]
struct Change {
    record_id: String,
    /// Which episode.
    number: u32,
    /// The record was made with it.
    made: bool,
    /// Values of that record that make no key.
    warnings: Vec<String>,
    /// Rows that are no longer wanted.
    gone: Vec<Handle>,
    /// Matches that end with the watch.
    ended: Vec<MatchView>,
}

impl Node {
    /// Does what was asked. Whoever holds the work lock gives it: it is free while the line is dialled.
    pub(super) async fn missing_command(
        self: &Arc<Self>,
        acting: &Acting,
        command: MissingCommand,
        work: MutexGuard<'_, ()>,
    ) -> Result<Value, NodeError> {
        let change = match command {
            MissingCommand::List { all } => return json(self.missing_list(acting, all)?),
            MissingCommand::Show { record_id } => {
                return json(self.missing_detail(acting, &record_id)?);
            }
            MissingCommand::Report {
                record_id,
                columns,
                known,
            } => self.report_missing(acting, &record_id, &columns, *known)?,
            MissingCommand::Update { record_id, news } => {
                self.update_missing(acting, &record_id, *news)?
            }
            MissingCommand::Found {
                record_id,
                outcome,
                found_at,
                note,
            } => {
                let at = found_at.unwrap_or_else(|| self.clock.now());
                let found = Found { outcome, at, note };
                self.end_missing(acting, &record_id, found)?
            }
            MissingCommand::Cancel { record_id } => self.cancel_missing(acting, &record_id)?,
            MissingCommand::Interview {
                record_id,
                episode,
                result,
                held_at,
                interviewer,
                notes,
            } => {
                let end = InterviewEnd {
                    result,
                    at: held_at.unwrap_or_else(|| self.clock.now()),
                    by: interviewer,
                    notes,
                };
                self.end_interview(acting, &record_id, episode, end)?
            }
        };
        json(self.send_change(change, work).await?)
    }

    fn report_missing(
        &self,
        acting: &Acting,
        record_id: &str,
        columns: &BTreeMap<String, String>,
        known: Update,
    ) -> Result<Change, NodeError> {
        acting.may(Permission::KeepRecords)?;
        self.config.role.refuse_records()?;
        let there = self.tables.records.contains(&record_id.to_owned())?;
        let new = match (there, columns.is_empty()) {
            (true, true) => None,
            (false, false) => Some(new_record(record_id, columns)?),
            (true, false) => {
                return Err(NodeError::Request(format!(
                    "record {record_id} is there already; report it missing without further details of the person, or give another id"
                )));
            }
            (false, true) => {
                return Err(NodeError::Request(format!(
                    "there is no record {record_id}; say what is known of the person (--given-names, --surname, --date-of-birth, ...), or name a record that `symbolon-node records` lists"
                )));
            }
        };
        let (record, warnings) = new.unzip();
        let fields = known.fields();
        let details = self.details(known)?;
        let mut change = self.change_file(
            acting,
            record_id,
            record,
            ("reported missing", &fields),
            |file, stamp, _| Ok(file.report(stamp, details)?.number),
        )?;
        change.warnings = warnings.unwrap_or_default();
        Ok(change)
    }

    /// What is known, with the agreements of the settings where none were named.
    fn details(&self, known: Update) -> Result<Details, NodeError> {
        let Update {
            risk,
            circumstances,
            informant,
            missing_since,
            last_seen,
            photo,
            lead_reference,
            agreements,
        } = known;
        let (Some(risk), Some(circumstances)) = (risk, circumstances) else {
            let say = "say how high the risk is and what the circumstances are";
            return Err(NodeError::Request(say.to_owned()));
        };
        let agreements = match agreements {
            Some(named) => self.known_agreements(named)?,
            None => {
                let settings = self.config.missing.agreements.iter();
                settings.filter_map(|id| id.parse().ok()).collect()
            }
        };
        Ok(Details {
            risk,
            circumstances,
            informant,
            missing_since,
            last_seen,
            photo,
            lead_reference,
            agreements,
        })
    }

    fn known_agreements(&self, named: Vec<Name>) -> Result<Vec<Name>, NodeError> {
        for id in &named {
            self.agreement(Some(id.as_str()))?;
        }
        Ok(named)
    }

    fn update_missing(
        &self,
        acting: &Acting,
        record_id: &str,
        mut news: Update,
    ) -> Result<Change, NodeError> {
        acting.may(Permission::KeepRecords)?;
        if let Some(named) = news.agreements.take() {
            news.agreements = Some(self.known_agreements(named)?);
        }
        let fields = news.fields();
        self.change_file(
            acting,
            record_id,
            None,
            ("missing person updated", &fields),
            |file, stamp, _| Ok(file.update(stamp, news)?.number),
        )
    }

    fn end_missing(
        &self,
        acting: &Acting,
        record_id: &str,
        found: Found,
    ) -> Result<Change, NodeError> {
        acting.may(Permission::KeepRecords)?;
        self.change_file(
            acting,
            record_id,
            None,
            ("missing person found", &[]),
            |file, stamp, record| {
                // A child that came of age meanwhile is owed what a child is owed.
                let since = file.open().map_or(stamp.now, |open| open.missing_since());
                let adult = is_adult(record, since);
                Ok(file.found(stamp, found, adult)?.number)
            },
        )
    }

    fn cancel_missing(&self, acting: &Acting, record_id: &str) -> Result<Change, NodeError> {
        acting.may(Permission::KeepRecords)?;
        let Some(reason) = acting.reason.clone() else {
            let say = "say why the report was a mistake, with --reason";
            return Err(NodeError::Request(say.to_owned()));
        };
        self.change_file(
            acting,
            record_id,
            None,
            ("report of a missing person cancelled", &[]),
            |file, stamp, _| Ok(file.cancel(stamp, reason)?.number),
        )
    }

    fn end_interview(
        &self,
        acting: &Acting,
        record_id: &str,
        episode: Option<u32>,
        end: InterviewEnd,
    ) -> Result<Change, NodeError> {
        acting.may(Permission::KeepRecords)?;
        self.change_file(
            acting,
            record_id,
            None,
            ("interview on return ended", &[]),
            |file, stamp, _| Ok(file.interviewed(stamp, episode, end)?.number),
        )
    }

    /// Carries an act out on a person's file and brings the record's rows in line; writes it down.
    fn change_file(
        &self,
        acting: &Acting,
        record_id: &str,
        new: Option<Record>,
        (what, fields): (&str, &[&str]),
        act: impl FnOnce(&mut MissingFile, &Stamp, &Record) -> Result<u32, MissingError>,
    ) -> Result<Change, NodeError> {
        let id = record_id.to_owned();
        let stored = self.tables.records.get(&id)?;
        let Some(record) = new
            .as_ref()
            .or(stored.as_ref().map(|stored| &stored.record))
        else {
            return Err(NodeError::Request(format!(
                "there is no record {record_id}; `symbolon-node missing list --all` lists who was reported"
            )));
        };
        let mut file = self.tables.missing.get(&id)?.unwrap_or_default();
        let stamp = Stamp {
            who: acting.who.clone(),
            now: self.clock.now(),
        };
        let number = act(&mut file, &stamp, record)
            .map_err(|error| NodeError::Request(format!("record {record_id} {error}")))?;
        let (before, matches) = (self.rows_of(&id)?, self.matches(Some(record_id))?);
        let made = new.is_some();
        self.change_records(|crossed| {
            if let Some(record) = new {
                // Of itself it is shared with nobody: the watch says with whom, while it stands.
                self.put_record(record, None, Vec::new(), Some(crossed))?;
            }
            self.tables.missing.put(&id, &file)?;
            self.reconcile(&id, &self.audiences())
        })?;
        let kind = match made {
            true => AuditKind::Collection,
            false => AuditKind::Alteration,
        };
        let event = AuditEvent::by(acting, kind, what).record(record_id);
        self.write_down(event.fields(fields.iter().copied()))?;
        self.vault.flush()?;
        let after = self.rows_of(&id)?;
        Ok(Change {
            record_id: id,
            number,
            made,
            warnings: Vec::new(),
            gone: before.difference(&after).copied().collect(),
            ended: self.ended(matches)?,
        })
    }

    fn rows_of(&self, id: &String) -> Result<BTreeSet<Handle>, NodeError> {
        let stored = self.tables.records.get(id)?;
        Ok(stored.into_iter().flat_map(|stored| stored.rows).collect())
    }

    fn has_waiting_rows(&self, id: &String) -> Result<bool, NodeError> {
        for handle in self.rows_of(id)? {
            if self.tables.pending.contains(&handle)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which of a record's matches end, since it is no longer shared under their agreement.
    fn ended(&self, matches: Vec<MatchView>) -> Result<Vec<MatchView>, NodeError> {
        let Some(first) = matches.first() else {
            return Ok(matches);
        };
        let Some(stored) = self.tables.records.get(&first.record_id)? else {
            return Ok(matches);
        };
        let (part, audiences) = (self.part(&stored)?, self.audiences());
        let held_back = self.held_back(&part, &audiences);
        let shared = |m: &MatchView| {
            let mut shared = part.agreements.iter().filter(|a| !held_back.contains(a));
            shared.any(|agreement| agreement.as_str() == m.agreement)
        };
        Ok(matches.into_iter().filter(|m| !shared(m)).collect())
    }

    /// Sends what an act changed, before everything else that waits; what cannot go now waits.
    async fn send_change(
        self: &Arc<Self>,
        change: Change,
        work: MutexGuard<'_, ()>,
    ) -> Result<MissingReport, NodeError> {
        // Dialling takes a while where nobody answers; the act itself is in the vault.
        drop(work);
        let (mut done, mut sent) = (Done::default(), Ok(()));
        if !change.gone.is_empty() || self.has_waiting_rows(&change.record_id)? {
            let line = self.hub().await;
            let _work = self.work.lock().await;
            sent = match line {
                Ok(hub) => {
                    let (id, gone) = (&change.record_id, &change.gone);
                    self.send_first(&hub, id, gone, &mut done).await
                }
                Err(error) => Err(error),
            };
        }
        let waiting_reason = sent.err().map(|error| error.to_string());
        if let Some(reason) = &waiting_reason {
            self.set_waiting(Some(reason.clone()));
            self.work_waits.notify_one();
        }
        let file = self.tables.missing.get(&change.record_id)?;
        let file = file.unwrap_or_default();
        let episode = file.episodes().iter().find(|e| e.number == change.number);
        let episode = episode.ok_or(NodeError::Internal("an act without its episode"))?;
        let matches = self.matches(Some(&change.record_id))?.len() as u64;
        Ok(MissingReport {
            person: self.missing_view(&change.record_id, episode, matches)?,
            made: change.made,
            warnings: change.warnings,
            rows_registered: done.registered,
            rows_withdrawn: done.withdrawn,
            waiting_reason,
            ended: change.ended,
        })
    }
}

/// A record of what is known of a person, with the values that make no key.
fn new_record(
    record_id: &str,
    columns: &BTreeMap<String, String>,
) -> Result<(Record, Vec<String>), NodeError> {
    // Other ids come from files, which have their own rule.
    let id: Text = record_id
        .parse()
        .map_err(|error| NodeError::Request(format!("the record's id {error}")))?;
    let cells = columns.iter().map(|(name, cell)| (name.as_str(), cell));
    let id = id.to_string();
    let (record, issues) = Record::from_cells(cells.chain([("record_id", &id)]))
        .map_err(|issue| NodeError::Request(issue.to_string()))?;
    let warnings = issues.iter().map(|issue| {
        format!(
            "{} \"{}\" {}; kept, not used for matching",
            issue.column, issue.value, issue.reason
        )
    });
    let warnings = warnings.collect();
    Ok((record, warnings))
}
