//! What the node does in cases by itself.

use std::collections::BTreeSet;

use symbolon_casework::lifecycle::{Act, Stage, Verdict, View};
use symbolon_casework::text::Text;

use super::StoredCase;
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::MatchKey;

/// Cases that are looked at in one turn; then others may work.
const AT_ONCE: usize = 64;
const NEW_EVIDENCE: &str = "the evidence changed";

impl Node {
    /// Something about a match is new: its case is looked at.
    pub(crate) fn look_at_case(&self, key: &MatchKey) -> Result<(), NodeError> {
        self.tables.case_due.put(key, &())?;
        self.work_waits.notify_one();
        Ok(())
    }

    /// Whatever a kill left unsent goes now. Once, when the node begins to serve.
    pub(crate) fn post_unsent_sayings(&self) -> Result<(), NodeError> {
        for entry in self.tables.cases.iter() {
            let (_, mut stored) = entry?;
            if stored.posted < stored.case.count(self.side_in(&stored)) {
                self.post_sayings(&mut stored)?;
            }
        }
        Ok(())
    }

    /// Looks at cases whose match is new or changed; gives whether there are more.
    pub(crate) fn tend_cases(&self) -> Result<bool, NodeError> {
        let mut due = self.tables.case_due.iter();
        let mut keys = Vec::new();
        while keys.len() < AT_ONCE {
            match due.next() {
                Some(entry) => keys.push(entry?.0),
                None => break,
            }
        }
        let more = due.next().is_some();
        for key in keys {
            self.tend_case(&key)?;
            self.tables.case_due.remove(&key)?;
        }
        Ok(more)
    }

    fn tend_case(&self, key: &MatchKey) -> Result<(), NodeError> {
        let Some(found) = self.tables.matches.get(key)? else {
            return Ok(());
        };
        let thresholds = self.thresholds();
        let scored = self.scored(&found, thresholds.get(&key.agreement));
        if !scored.is_told() {
            return Ok(());
        }
        let Some(own) = self.own_reference(key)? else {
            return Ok(());
        };
        let mut stored = match self.case_of(key)? {
            Some(stored) => stored,
            None => StoredCase::new(key.clone(), own, self.clock.now()),
        };
        if !stored.found {
            stored.found = true;
            stored.kept_here = found.query;
            self.tables.cases.put(&stored.id(), &stored)?;
        }
        self.post_contact(&mut stored)?;
        let view = stored.case.view();
        let kinds: BTreeSet<u16> = found.kinds().into_iter().map(|kind| kind.0).collect();
        if is_outdated(&view, &kinds) {
            let reason: Text = NEW_EVIDENCE
                .parse()
                .map_err(|_| NodeError::Internal("the reason of a reopening"))?;
            self.say_by_node(&mut stored, Act::Reopen { reason })?;
        }
        Ok(())
    }

    pub(in crate::casework) fn say_by_node(
        &self,
        stored: &mut StoredCase,
        act: Act,
    ) -> Result<(), NodeError> {
        let (side, now) = (self.side_in(stored), self.clock.now());
        if stored.case.say(side, now, act).is_ok() {
            stored.note_round(now);
            self.tables.cases.put(&stored.id(), stored)?;
            self.post_sayings(stored)?;
        }
        Ok(())
    }
}

/// Whether keys agree that no refutation of the pair was given on.
fn is_outdated(view: &View, kinds: &BTreeSet<u16>) -> bool {
    let closed_on_it = view.verdict() == Some(Verdict::Refuted);
    if !closed_on_it || !matches!(view.stage, Stage::Refuted | Stage::Closed) {
        return false;
    }
    let words = view.words.iter().flatten();
    let judged: BTreeSet<u16> = words.flat_map(|word| word.kinds.iter().copied()).collect();
    !kinds.is_subset(&judged)
}
