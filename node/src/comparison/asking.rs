//! The first side: which pairs to ask about, and when to look at a pair again.

use rand_core::OsRng;
use symbolon_core::comparison::{self, Pair, Side};
use symbolon_core::crypto;
use symbolon_core::payload::RecordReference;
use symbolon_core::row::{AgreementEpoch, Handle};

use super::DAY_S;
use super::letter::{Ask, ComparisonLetter, MAX_HANDLES, Step};
use super::state::{Run, Stage, StoredComparison};
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::{Blob, MatchKey, Secret, StoredMatch, StoredRecord};

/// What a look at a pair led to.
pub(super) enum Next {
    /// Nothing until something happens.
    Rest,
    /// Look again at this time.
    Later(i64),
    /// This letter goes, then look again at that time if there is one.
    Post(Box<ComparisonLetter>, Option<i64>),
}

/// An epoch, and rows of both under it that have one token: the own, the other's.
type Evidence = (AgreementEpoch, Vec<(Handle, Handle)>);

impl Node {
    /// Does what a pair needs now. What it writes is to be flushed before its letter goes.
    pub(super) fn look_at(&self, key: &MatchKey) -> Result<Next, NodeError> {
        let record = self.tables.records.get(&key.record_id)?;
        let silent = self.is_silent(&key.record_id)?;
        let own = record
            .as_ref()
            .and_then(|record| Some((record, *record.references.get(&key.agreement)?)));
        // Of a silent record nothing is asked or said, whatever was compared while it was open.
        let own = own.filter(|_| !silent);
        let Some((record, own)) = own else {
            self.forget_comparison(key)?;
            return Ok(Next::Rest);
        };
        let stored = self.stored_comparison(key, own)?;
        let known = stored.is_some();
        let mut state = stored.unwrap_or_else(|| StoredComparison::of(own));
        let found = self.tables.matches.get(key)?.filter(|found| !found.query);
        let Some(found) = found.filter(|found| self.wants_comparison(found)) else {
            if known {
                self.note_own_record(key, &mut state)?;
                self.tables.comparisons.put(key, &state)?;
            }
            return Ok(Next::Rest);
        };
        let first = self.own_side(own) <= self.other_side(key);
        if !known && !first {
            return Ok(Next::Rest);
        }
        self.note_own_record(key, &mut state)?;
        let next = if first {
            self.next_of_first(key, (record, own), &found, &mut state)?
        } else {
            Next::Rest
        };
        let next = match next {
            Next::Post(..) => next,
            // A record that changed voids what was counted, at both sides.
            next if state.version > 1 && state.told < state.version => {
                let at = if let Next::Later(at) = next {
                    Some(at)
                } else {
                    None
                };
                let version = state.version;
                Next::Post(
                    Box::new(letter_about(key, own, Step::Changed { version })),
                    at,
                )
            }
            next => next,
        };
        self.tables.comparisons.put(key, &state)?;
        self.show_counts(key, &state)?;
        Ok(next)
    }

    fn next_of_first(
        &self,
        key: &MatchKey,
        (record, own): (&StoredRecord, RecordReference),
        found: &StoredMatch,
        state: &mut StoredComparison,
    ) -> Result<Next, NodeError> {
        let now = self.clock.now();
        self.name_live_evidence(key, found, state)?;
        let Some(run) = state.current() else {
            return self.begin(key, (record, own), found, state);
        };
        Ok(match &run.stage {
            Stage::Asked {
                letter, posted_at, ..
            } => {
                // What the other side could not keep or has lost, it is asked again: the same bytes.
                let again_at = posted_at.saturating_add(DAY_S);
                if now >= again_at {
                    Next::Post(letter.clone(), Some(now.saturating_add(DAY_S)))
                } else {
                    Next::Later(again_at)
                }
            }
            Stage::Closed { letter, .. } => Next::Post(letter.clone(), None),
            Stage::Over => return self.begin(key, (record, own), found, state),
            // What was refused is not asked again under the same key of the agreement.
            Stage::Declined if self.is_closed(&run.epoch) => {
                return self.begin(key, (record, own), found, state);
            }
            Stage::Declined => Next::Later(now.saturating_add(DAY_S)),
            _ => Next::Rest,
        })
    }

    /// An ask whose evidence was withdrawn meanwhile proves nothing to the other side: it names what there
    /// is now, and goes again with the same points. Under another epoch it is another run.
    fn name_live_evidence(
        &self,
        key: &MatchKey,
        found: &StoredMatch,
        state: &mut StoredComparison,
    ) -> Result<(), NodeError> {
        let version = state.version;
        let open = state
            .runs
            .iter_mut()
            .rev()
            .find(|run| run.version == version);
        let Some(run) = open else {
            return Ok(());
        };
        let Stage::Asked {
            letter, posted_at, ..
        } = &mut run.stage
        else {
            return Ok(());
        };
        let Step::Ask(ask) = &mut letter.step else {
            return Ok(());
        };
        match self.evidence_to_name(key, found)? {
            Some((_, handles)) if handles == ask.handles => {}
            Some((epoch, handles)) if epoch == ask.epoch => {
                ask.handles = handles;
                *posted_at = 0;
            }
            Some(_) => run.stage = Stage::Over,
            None => {}
        }
        Ok(())
    }

    /// Begins a run, if epoch, limit and budget allow one.
    fn begin(
        &self,
        key: &MatchKey,
        (record, own): (&StoredRecord, RecordReference),
        found: &StoredMatch,
        state: &mut StoredComparison,
    ) -> Result<Next, NodeError> {
        let now = self.clock.now();
        let Some((epoch, handles)) = self.evidence_to_name(key, found)? else {
            return Ok(Next::Later(now.saturating_add(60)));
        };
        if !self.may_run_again(state, &epoch) {
            return Ok(Next::Rest);
        }
        if !self.spend(&key.agency, now)? {
            return Ok(Next::Later(next_day(now)));
        }
        let layout = &self.comparisons.layout;
        let pair = self.pair(key, own, epoch);
        let nonce = crypto::random()?;
        let id = pair.run(layout, state.version, &nonce);
        let sets = self
            .linkage()
            .sets(&record.record, self.tables.records.len()?);
        let (exponent, points) = comparison::ask(&id, layout, &sets, &mut OsRng)?;
        let ask = Ask {
            epoch,
            version: state.version,
            nonce,
            layout: layout.digest(),
            handles,
            points: Blob(points),
        };
        let letter = Box::new(letter_about(key, own, Step::Ask(Box::new(ask))));
        self.forget_closed_epochs(state);
        state.runs.push(Run {
            epoch,
            id,
            version: state.version,
            peer_version: 0,
            heard: None,
            stage: Stage::Asked {
                exponent: Secret(exponent.to_bytes().to_vec()),
                letter: letter.clone(),
                posted_at: 0,
            },
        });
        let name =
            comparison::pair_name(&key.agreement, &self.own_side(own), &self.other_side(key));
        state.name = Some(name);
        self.tables.comparison_pairs.put(&name, key)?;
        self.note_run(key, own, "asked")?;
        Ok(Next::Post(letter, Some(now.saturating_add(DAY_S))))
    }

    /// Evidence under an epoch that is served, the current one before the incoming one.
    fn evidence_to_name(
        &self,
        key: &MatchKey,
        found: &StoredMatch,
    ) -> Result<Option<Evidence>, NodeError> {
        let served: Vec<AgreementEpoch> = self.membership(|m| {
            let agreements = m.agreements.values();
            let mut of_line = agreements.filter(|a| a.standing.document.line() == key.agreement);
            let served = of_line
                .next()
                .map(|a| a.served.as_slice())
                .unwrap_or_default();
            let theirs = served.iter().filter(|s| s.members.contains(&key.agency));
            theirs.map(|served| served.id).collect()
        });
        for epoch in served {
            let mut handles = Vec::new();
            for (own, other, _) in found.evidence.iter().rev() {
                let row = self.tables.rows.get(own)?;
                // What is about to be withdrawn may be gone when the ask comes.
                if self.tables.withdrawals.contains(own)? {
                    continue;
                }
                if handles.len() < MAX_HANDLES && row.is_some_and(|row| row.epoch == epoch) {
                    handles.push((*own, *other));
                }
            }
            if !handles.is_empty() {
                return Ok(Some((epoch, handles)));
            }
        }
        Ok(None)
    }

    pub(super) fn pair(&self, key: &MatchKey, own: RecordReference, epoch: AgreementEpoch) -> Pair {
        let place = (key.agreement, epoch);
        let (own, other) = (self.own_side(own), self.other_side(key));
        Pair::of(self.identity.genesis, place, own, other)
    }

    pub(super) fn own_side(&self, reference: RecordReference) -> Side {
        Side {
            agency: self.identity.agency.clone(),
            reference,
        }
    }

    pub(super) fn other_side(&self, key: &MatchKey) -> Side {
        Side {
            agency: key.agency.clone(),
            reference: key.reference,
        }
    }
}

pub(super) fn letter_about(key: &MatchKey, own: RecordReference, step: Step) -> ComparisonLetter {
    ComparisonLetter {
        agreement: key.agreement,
        own,
        other: key.reference,
        step,
    }
}

/// When the day after this one begins, UTC.
pub(super) fn next_day(now: i64) -> i64 {
    now.div_euclid(DAY_S)
        .saturating_add(1)
        .saturating_mul(DAY_S)
}
