//! The second side: whether an ask is answered, waits, or is refused.

use rand_core::OsRng;
use symbolon_core::comparison;
use symbolon_core::crypto;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;

use super::DAY_S;
use super::asking::letter_about;
use super::letter::{Ask, ComparisonLetter, MAX_HANDLES, Step};
use super::state::{Run, Stage, StoredAsk, StoredComparison};
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::{Blob, MatchKey};

/// An ask about a pair that is not known here waits this long: the other side may have heard of it
/// first, this one may have been away.
const KEEP_ASKS_S: i64 = 30 * DAY_S;

/// What became of an ask.
pub(super) enum Asked {
    /// It waits.
    Keep,
    /// It is done with: stale, or refused without a word.
    Drop,
    /// It is refused, and this says so.
    Refuse(Box<ComparisonLetter>),
    /// This is the answer.
    Answer(MatchKey, Box<ComparisonLetter>),
}

impl Node {
    pub(super) fn consider(
        &self,
        from: &AgencyName,
        stored: &StoredAsk,
    ) -> Result<Asked, NodeError> {
        let letter = &stored.letter;
        let Step::Ask(ask) = &letter.step else {
            return Ok(Asked::Drop);
        };
        let own = letter.other;
        let refuse = |reason: &str| {
            self.refuse(from, Some(own), reason)?;
            Ok(Asked::Drop)
        };
        if ask.handles.is_empty() || ask.handles.len() > MAX_HANDLES || ask.version == 0 {
            return refuse("its ask is malformed");
        }
        if self.own_side(own) <= self.other_side_of(from, letter) {
            return refuse("it asks where it is asked");
        }
        let now = self.clock.now();
        if self.is_closed(&ask.epoch) || now > stored.received_at.saturating_add(KEEP_ASKS_S) {
            return Ok(Asked::Drop);
        }
        let served = self.served_epoch(&ask.epoch);
        let Some(served) = served.filter(|s| s.document.line() == letter.agreement) else {
            return Ok(Asked::Keep);
        };
        if !served.members.contains(from) {
            return refuse("it is no party to the agreement");
        }
        let key = match self.evidenced(from, letter, ask)? {
            Evidenced::Not => return Ok(Asked::Keep),
            Evidenced::Otherwise => return refuse("it names evidence of another pair"),
            Evidenced::By(key) => key,
        };
        // From here on the asker has shown that both know of the pair: it is told of a refusal.
        if ask.layout != self.comparisons.layout.digest() {
            return self.refuse_ask(from, letter, ask, "it compares by another schema, though the agreement names one; compare `symbolon-node schema` on both sides");
        }
        let found = self.tables.matches.get(&key)?;
        // An ask about a silent record waits like one about a record that is not here, and is forgotten.
        if self.is_silent(&key.record_id)? {
            return Ok(Asked::Keep);
        }
        if !found.is_some_and(|found| !found.query && self.wants_comparison(&found)) {
            return Ok(Asked::Keep);
        }
        self.consider_known(&key, letter, ask)
    }

    fn consider_known(
        &self,
        key: &MatchKey,
        letter: &ComparisonLetter,
        ask: &Ask,
    ) -> Result<Asked, NodeError> {
        let own = letter.other;
        let stored = self.stored_comparison(key, own)?;
        let mut state = stored.unwrap_or_else(|| StoredComparison::of(own));
        self.note_own_record(key, &mut state)?;
        let layout = &self.comparisons.layout;
        let id = self
            .pair(key, own, ask.epoch)
            .run(layout, ask.version, &ask.nonce);
        let refuse = |reason: &str| self.refuse_ask(&key.agency, letter, ask, reason);
        if let Some(run) = state.runs.iter().find(|run| run.id == id) {
            return Ok(self.answer_again(key, letter, run));
        }
        if ask.version < state.peer_version {
            tracing::info!(agency = %key.agency, "ask for an older record; passed over");
            return Ok(Asked::Drop);
        }
        let again = state.runs.iter().any(|run| {
            let versions = (run.version, run.peer_version) == (state.version, ask.version);
            run.epoch == ask.epoch && versions
        });
        if again {
            return refuse("it asks for a second run of one pair");
        }
        if !self.may_run_again(&state, &ask.epoch) {
            return refuse("it asks for more runs than an epoch allows");
        }
        if !self.spend(&key.agency, self.clock.now())? {
            return Ok(Asked::Keep);
        }
        self.answer_ask(key, letter, ask, (id, &mut state))
    }

    /// Refuses an ask about a pair of which both have evidence.
    fn refuse_ask(
        &self,
        from: &AgencyName,
        letter: &ComparisonLetter,
        ask: &Ask,
        reason: &str,
    ) -> Result<Asked, NodeError> {
        self.refuse(from, Some(letter.other), reason)?;
        let place = (letter.agreement, ask.epoch);
        let sides = (
            self.own_side(letter.other),
            self.other_side_of(from, letter),
        );
        let pair = comparison::Pair::of(self.identity.genesis, place, sides.0, sides.1);
        let run = pair.run_under(&ask.layout, ask.version, &ask.nonce);
        Ok(refusal(letter, run))
    }

    /// An ask that came before: the same answer, if the run is still there.
    fn answer_again(&self, key: &MatchKey, letter: &ComparisonLetter, run: &Run) -> Asked {
        match &run.stage {
            Stage::Answered { answer, .. } => {
                let step = Step::Answer {
                    run: run.id,
                    version: run.version,
                    points: answer.clone(),
                };
                Asked::Answer(key.clone(), Box::new(letter_about(key, letter.other, step)))
            }
            // What was said then may not have arrived.
            Stage::Refused => refusal(letter, run.id),
            _ => Asked::Drop,
        }
    }

    fn answer_ask(
        &self,
        key: &MatchKey,
        letter: &ComparisonLetter,
        ask: &Ask,
        (id, state): (Digest, &mut StoredComparison),
    ) -> Result<Asked, NodeError> {
        let own = letter.other;
        let Some(record) = self.tables.records.get(&key.record_id)? else {
            return Ok(Asked::Keep);
        };
        let layout = &self.comparisons.layout;
        let sets = self
            .linkage()
            .sets(&record.record, self.tables.records.len()?);
        let asked = &ask.points.0;
        let answered = comparison::answer(&id, layout, &sets, asked, &mut OsRng);
        // What is under way is for a record that the other side has no more.
        state.end_answered_runs();
        state.note_peer_version(ask.version);
        self.forget_closed_epochs(state);
        let mut run = Run {
            epoch: ask.epoch,
            id,
            version: state.version,
            peer_version: ask.version,
            heard: Some(crypto::sha256(asked)),
            stage: Stage::Refused,
        };
        let outcome = match answered {
            Ok(answer) => {
                run.stage = Stage::Answered {
                    asked: ask.points.clone(),
                    answer: Blob(answer),
                };
                self.note_run(key, own, "answered")?;
                self.answer_again(key, letter, &run)
            }
            Err(error) => {
                self.refuse(&key.agency, Some(own), &error.to_string())?;
                refusal(letter, id)
            }
        };
        state.runs.push(run);
        let name = self.pair_name(&key.agency, letter);
        state.name = Some(name);
        self.tables.comparison_pairs.put(&name, key)?;
        self.tables.comparisons.put(key, state)?;
        self.show_counts(key, state)?;
        Ok(outcome)
    }

    /// Whether the ask names evidence that is here too, and of this pair.
    fn evidenced(
        &self,
        from: &AgencyName,
        letter: &ComparisonLetter,
        ask: &Ask,
    ) -> Result<Evidenced, NodeError> {
        for (theirs, ours) in &ask.handles {
            let Some(key) = self.tables.evidence.get(&(*ours, *theirs))? else {
                continue;
            };
            let record = self.tables.records.get(&key.record_id)?;
            let own = record.and_then(|r| r.references.get(&key.agreement).copied());
            // What is being withdrawn proves nothing any longer, and is nobody's fault.
            let (Some(own), Some(row)) = (own, self.tables.rows.get(ours)?) else {
                continue;
            };
            let named = key.agency == *from
                && key.reference == letter.own
                && key.agreement == letter.agreement
                && own == letter.other
                && row.epoch == ask.epoch;
            return Ok(if named {
                Evidenced::By(key)
            } else {
                Evidenced::Otherwise
            });
        }
        Ok(Evidenced::Not)
    }

    fn other_side_of(&self, from: &AgencyName, letter: &ComparisonLetter) -> comparison::Side {
        comparison::Side {
            agency: from.clone(),
            reference: letter.own,
        }
    }
}

/// Says to the sender of an ask that its run is over.
fn refusal(ask: &ComparisonLetter, run: Digest) -> Asked {
    Asked::Refuse(Box::new(ComparisonLetter {
        agreement: ask.agreement,
        own: ask.other,
        other: ask.own,
        step: Step::Refused { run },
    }))
}

enum Evidenced {
    Not,
    Otherwise,
    By(MatchKey),
}
