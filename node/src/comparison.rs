//! Private comparison: what keys leave open, two nodes settle field by field, by themselves.
//!
//! The protocol is [`symbolon_core::comparison`]: an ask, an answer, a close, each an envelope. The side
//! with the lesser (agency, reference) asks. Here is who is compared with whom and how often:
//!
//! * a pair that both hold evidence of, under an epoch of an agreement that both are in, and that its keys
//!   leave open; never what a query found;
//! * one run for each pair, epoch and version of both records, and only so many an epoch, since each tells
//!   another set of counts;
//! * only so many a day with one agency; what is over waits for the next day.
//!
//! Everything lies in the vault, and what a letter was made from is flushed before the letter goes, so
//! that a restart resumes with the same bytes. Letters may come twice and in any order. A side whose record
//! changed says so (`changed`), and both forget the counts. Refusals name the agency, in the log and in
//! `status`; the other side of a pair that both know is told that the run is over (`refused`), without a
//! reason, and nothing answers that.
//!
//! | Module | Room |
//! |---|---|
//! | `letter` | what is written, and what became of it: answers, closes, changes |
//! | `asking` | the first side: what to ask about, and when |
//! | `answering` | the second side: whether to answer |
//! | `state` | what the vault keeps |
//! | `features` | what the schema says of comparisons |
//! | `views` | what people and tests see |

mod answering;
mod asking;
mod features;
mod letter;
mod state;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use symbolon_casework::audit::{AuditEvent, AuditKind};
use symbolon_core::comparison::Layout;
use symbolon_core::identity::AgencyName;
use symbolon_core::linkage::schema::Schema;
use symbolon_core::payload::RecordReference;
use symbolon_core::row::AgreementEpoch;
use tokio::sync::Notify;

use crate::clock::DAY_S;
use crate::error::NodeError;
use crate::letters::Letter;
use crate::node::Node;
use crate::tables::{KeyTag, MatchKey, StoredMatch, Tables};

use answering::Asked;
use asking::Next;
pub(crate) use features::{score, wanted};
pub use letter::ComparisonLetter;
pub use state::{Spent, StoredAsk, StoredComparison, StoredRefusal};
pub use views::Compared;

/// Comparisons in one turn, each some ten milliseconds; then others may work.
const AT_ONCE: usize = 8;
/// Refusals that one agency is told of in a day: as many as it can have asks waiting here.
const REFUSALS_TOLD_A_DAY: u32 = 1_000;
/// What waits for a time is looked at this often.
const LOOK: Duration = Duration::from_secs(5);
/// What a letter has around its points, at most: an ask with all its evidence takes 2,400.
const AROUND_POINTS_BYTES: usize = 3072;

/// A line of the log of comparisons: who, when, which own record. Lines are only added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonEntry {
    /// Unix seconds.
    pub at: i64,
    /// With whom.
    pub agency: AgencyName,
    /// The own record's reference.
    pub reference: RecordReference,
    /// `asked`, `answered`, `compared`, `declined`.
    pub what: String,
}

/// What a running node keeps at hand.
pub(crate) struct Comparisons {
    pub layout: Layout,
    /// Rung when a pair is to be looked at.
    pub waits: Notify,
    /// Asks that wait, by agency.
    held: Mutex<BTreeMap<AgencyName, u64>>,
    next_entry: AtomicU64,
}

impl Comparisons {
    pub fn open(schema: &Schema, tables: &Tables) -> Result<Self, NodeError> {
        let mut held = BTreeMap::new();
        for entry in tables.comparison_asks.iter() {
            let ((from, _), _) = entry?;
            *held.entry(from).or_insert(0) += 1;
        }
        Ok(Self {
            layout: features::layout(schema)?,
            waits: Notify::new(),
            held: Mutex::new(held),
            // Entries are never deleted and have no gaps.
            next_entry: AtomicU64::new(tables.comparison_log.len()?),
        })
    }

    fn may_hold(&self, from: &AgencyName, most: u64) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(from.clone()).or_insert(0);
        let room = *count < most;
        *count += u64::from(room);
        room
    }

    fn let_go(&self, from: &AgencyName) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(from) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Node {
    /// Compares whenever there is something to compare, until the line ends.
    pub(crate) async fn keep_comparing(self: &Arc<Self>) -> Result<(), NodeError> {
        {
            let _work = self.work.lock().await;
            self.look_at_all()?;
        }
        loop {
            let more = {
                let _work = self.work.lock().await;
                self.compare_some()?
            };
            if more {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = self.comparisons.waits.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Whatever waits for a time is looked at now: the budget may be another one.
    fn look_at_all(&self) -> Result<(), NodeError> {
        let due = self.tables.comparison_due.iter();
        let due: Vec<(MatchKey, i64)> = due.collect::<Result<_, _>>()?;
        let keys = due.iter().map(|(key, _)| (key, &0));
        self.tables.comparison_due.put_many(keys)
    }

    /// One turn; gives whether there is more to do now.
    fn compare_some(&self) -> Result<bool, NodeError> {
        self.look_at_changed_records()?;
        let mut letters: Vec<(MatchKey, Box<ComparisonLetter>)> = Vec::new();
        let (mut refusals, mut done_asks, mut looked_at) = (Vec::new(), Vec::new(), Vec::new());
        let mut more = false;
        for entry in self.tables.comparison_asks.iter() {
            let (place, ask) = entry?;
            if letters.len() + refusals.len() >= AT_ONCE {
                more = true;
                break;
            }
            match self.consider(&place.0, &ask)? {
                Asked::Keep => continue,
                Asked::Drop => {}
                Asked::Refuse(letter) => refusals.push((place.0.clone(), letter)),
                Asked::Answer(key, letter) => letters.push((key, letter)),
            }
            done_asks.push(place);
        }
        let now = self.clock.now();
        for entry in self.tables.comparison_due.iter() {
            let (key, at) = entry?;
            if at > now {
                continue;
            }
            if letters.len() >= AT_ONCE {
                more = true;
                break;
            }
            let again_at = match self.look_at(&key)? {
                Next::Rest => None,
                Next::Later(at) => Some(at),
                Next::Post(letter, at) => {
                    letters.push((key.clone(), letter));
                    at
                }
            };
            looked_at.push((key, again_at));
        }
        self.post_comparisons(letters)?;
        for (to, letter) in refusals {
            self.tell_refused(&to, letter)?;
        }
        for place in done_asks {
            self.tables.comparison_asks.remove(&place)?;
            self.comparisons.let_go(&place.0);
        }
        for (key, again_at) in looked_at {
            match again_at {
                Some(at) => self.tables.comparison_due.put(&key, &at)?,
                None => self.tables.comparison_due.remove(&key)?,
            }
        }
        Ok(more)
    }

    /// First what letters were made from, on the disk; then the letters; then that they went.
    fn post_comparisons(
        &self,
        letters: Vec<(MatchKey, Box<ComparisonLetter>)>,
    ) -> Result<(), NodeError> {
        if letters.is_empty() {
            return Ok(());
        }
        self.vault.flush()?;
        let now = self.clock.now();
        for (key, letter) in letters {
            let posted = (*letter).clone();
            self.post_comparison(&key.agency, letter)?;
            if let Some(mut state) = self.tables.comparisons.get(&key)? {
                state.note_posted(&posted, now);
                self.tables.comparisons.put(&key, &state)?;
            }
        }
        Ok(())
    }

    /// All letters of comparisons have one size.
    fn post_comparison(
        &self,
        to: &AgencyName,
        letter: Box<ComparisonLetter>,
    ) -> Result<(), NodeError> {
        let least = AROUND_POINTS_BYTES + self.comparisons.layout.longest_bytes().div_ceil(3) * 4;
        self.post_padded(to, &Letter::Comparison(letter), least)
    }

    /// Tells an agency that a run of a pair that both know was refused: nothing more, and only so often
    /// a day. An honest one asks again a day later and hears it then; nothing answers such a letter.
    fn tell_refused(
        &self,
        to: &AgencyName,
        letter: Box<ComparisonLetter>,
    ) -> Result<(), NodeError> {
        let mut spent = self.spent_today(to, self.clock.now())?;
        if spent.refused >= REFUSALS_TOLD_A_DAY {
            return Ok(());
        }
        spent.refused += 1;
        self.tables.comparison_budget.put(to, &spent)?;
        self.post_comparison(to, letter)
    }

    /// Whether keys leave a pair open.
    pub(super) fn wants_comparison(&self, found: &StoredMatch) -> bool {
        !found.query && !found.silent && wanted(self.schema, &found.kinds())
    }

    /// Something about a pair is new: the worker looks at it.
    pub(crate) fn look_again(&self, key: &MatchKey) -> Result<(), NodeError> {
        self.tables.comparison_due.put(key, &0)?;
        self.comparisons.waits.notify_one();
        Ok(())
    }

    /// A record was changed or deleted: the worker looks at its pairs.
    pub(crate) fn compare_anew(&self, record_id: &str) -> Result<(), NodeError> {
        self.tables
            .comparison_records
            .put(&record_id.to_owned(), &())?;
        self.comparisons.waits.notify_one();
        Ok(())
    }

    /// Every record may say something else now: the worker looks at all pairs.
    pub(crate) fn compare_all_anew(&self) -> Result<(), NodeError> {
        let pairs = self.tables.comparisons.iter().map(|entry| Ok(entry?.0));
        let pairs: Vec<MatchKey> = pairs.collect::<Result<_, NodeError>>()?;
        let due = pairs.iter().map(|key| (key, &0));
        self.tables.comparison_due.put_many(due)?;
        self.comparisons.waits.notify_one();
        Ok(())
    }

    fn look_at_changed_records(&self) -> Result<(), NodeError> {
        let changed = self.tables.comparison_records.iter();
        let changed: BTreeSet<String> = changed
            .map(|entry| entry.map(|(id, ())| id))
            .collect::<Result<_, _>>()?;
        if changed.is_empty() {
            return Ok(());
        }
        for entry in self.tables.comparisons.iter() {
            let (key, _) = entry?;
            if changed.contains(&key.record_id) {
                self.tables.comparison_due.put(&key, &0)?;
            }
        }
        let mut records = changed.iter();
        records.try_for_each(|id| self.tables.comparison_records.remove(id))
    }

    /// Marks in a pair's state what the own record says now.
    fn note_own_record(
        &self,
        key: &MatchKey,
        state: &mut StoredComparison,
    ) -> Result<(), NodeError> {
        if let Some(record) = self.tables.records.get(&key.record_id)? {
            let sets = self.linkage().own_sets(&record.record);
            let said = symbolon_core::comparison::canonical(&self.comparisons.layout, &sets);
            state.note_features(KeyTag(self.vault.tag("comparison", &said)));
        }
        Ok(())
    }

    /// The match shows the counts of both records as they are now, or none.
    fn show_counts(&self, key: &MatchKey, state: &StoredComparison) -> Result<(), NodeError> {
        let Some(mut found) = self.tables.matches.get(key)? else {
            return Ok(());
        };
        let counts = state.counts().map(<[u16]>::to_vec);
        if found.counts != counts {
            found.counts = counts;
            self.put_match(key, &mut found)?;
            self.look_at_case(key)?;
        }
        Ok(())
    }

    /// What is known of a pair, if the own record is still the one of then.
    fn stored_comparison(
        &self,
        key: &MatchKey,
        own: RecordReference,
    ) -> Result<Option<StoredComparison>, NodeError> {
        let stored = self.tables.comparisons.get(key)?;
        if stored.as_ref().is_some_and(|state| state.own != Some(own)) {
            self.forget_comparison(key)?;
            return Ok(None);
        }
        Ok(stored)
    }

    pub(crate) fn forget_comparison(&self, key: &MatchKey) -> Result<(), NodeError> {
        if let Some(name) = self.tables.comparisons.get(key)?.and_then(|s| s.name) {
            self.tables.comparison_pairs.remove(&name)?;
        }
        self.tables.comparisons.remove(key)
    }

    /// Whether a pair may be compared once more in an epoch.
    fn may_run_again(&self, state: &StoredComparison, epoch: &AgreementEpoch) -> bool {
        state.runs_in(epoch) < self.config.comparison.runs_per_pair as usize
    }

    /// Whether it may not, in the newest epoch that it was compared in.
    fn has_spent_runs(&self, state: &StoredComparison) -> bool {
        let newest = state.runs.last();
        newest.is_some_and(|run| !self.may_run_again(state, &run.epoch))
    }

    fn forget_closed_epochs(&self, state: &mut StoredComparison) {
        let current = state.current().map(|run| run.id);
        state
            .runs
            .retain(|run| Some(run.id) == current || !self.is_closed(&run.epoch));
    }

    /// Takes one comparison off the day's budget with an agency; gives whether there was one.
    fn spend(&self, agency: &AgencyName, now: i64) -> Result<bool, NodeError> {
        let mut spent = self.spent_today(agency, now)?;
        if spent.used >= self.config.comparison.daily_budget {
            return Ok(false);
        }
        spent.used += 1;
        self.tables.comparison_budget.put(agency, &spent)?;
        Ok(true)
    }

    fn spent_today(&self, agency: &AgencyName, now: i64) -> Result<Spent, NodeError> {
        let day = now.div_euclid(DAY_S);
        let spent = self.tables.comparison_budget.get(agency)?;
        let spent = spent.unwrap_or_default();
        // A clock that was set back brings nothing.
        Ok(if day > spent.day {
            Spent {
                day,
                ..Spent::default()
            }
        } else {
            spent
        })
    }

    /// Writes down that a pair was compared: with whom, which own record, never what.
    fn note_run(&self, key: &MatchKey, own: RecordReference, what: &str) -> Result<(), NodeError> {
        tracing::info!(agency = %key.agency, reference = %own.short(), "private comparison: {what}");
        let entry = ComparisonEntry {
            at: self.clock.now(),
            agency: key.agency.clone(),
            reference: own,
            what: what.to_owned(),
        };
        let event =
            AuditEvent::of_the_node(AuditKind::Disclosure, &format!("private comparison {what}"));
        self.write_down(event.record(&key.record_id).agency(&key.agency))?;
        let number = self.comparisons.next_entry.fetch_add(1, Ordering::Relaxed);
        self.tables.comparison_log.put(&number, &entry)
    }

    /// Refuses what an agency sent, by its name.
    fn refuse(
        &self,
        from: &AgencyName,
        own: Option<RecordReference>,
        reason: &str,
    ) -> Result<(), NodeError> {
        let reference = own.map(|own| own.short()).unwrap_or_default();
        tracing::warn!(agency = %from, %reference, reason, "private comparison refused");
        let known = self.tables.comparison_refusals.get(from)?;
        let refusal = StoredRefusal {
            times: known.map_or(1, |known| known.times.saturating_add(1)),
            last_at: self.clock.now(),
            reason: reason.to_owned(),
        };
        self.tables.comparison_refusals.put(from, &refusal)
    }
}
