//! What two nodes write to each other when they compare, and the first look at what came.
//!
//! A letter names the pair by both references. Whatever breaks the protocol is refused by the sender's
//! name: its envelope is signed. What can be a late or repeated delivery is passed over.

use serde::{Deserialize, Serialize};
use symbolon_core::comparison::{self, Exponent, Side};
use symbolon_core::crypto;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::AgencyName;
use symbolon_core::payload::RecordReference;
use symbolon_core::row::{AgreementEpoch, Handle};

use super::asking::letter_about;
use super::state::{Run, Stage, StoredAsk, StoredComparison};
use crate::error::NodeError;
use crate::node::Node;
use crate::tables::{Blob, MatchKey};

/// Pieces of evidence that an ask names, as many as a record has keys: one that both have is enough.
pub(super) const MAX_HANDLES: usize = 32;
/// Asks of one agency that wait here, for evidence or for another day. It asks again a day later.
const MAX_ASKS: u64 = 1_000;

/// A letter about one pair.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonLetter {
    /// Line of the agreement.
    pub(super) agreement: Digest,
    /// The sender's reference for its record.
    pub(super) own: RecordReference,
    /// The recipient's.
    pub(super) other: RecordReference,
    pub(super) step: Step,
}

/// Which message.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Step {
    /// The first side's features.
    Ask(Box<Ask>),
    /// The second side's, and tags of the first's.
    Answer {
        run: Digest,
        version: u32,
        points: Blob,
    },
    /// The second side's features once more.
    Close { run: Digest, points: Blob },
    /// The sender's record says something else than when it was last compared.
    Changed { version: u32 },
    /// The sender refused what was said in this run, and does not say why: it is over. Never answered.
    Refused { run: Digest },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    pub epoch: AgreementEpoch,
    /// Of the sender's record.
    pub version: u32,
    #[serde(with = "encoding::base64")]
    pub nonce: [u8; 32],
    /// Fields and slots.
    pub layout: Digest,
    /// Rows of both that have one token: the sender's, the recipient's.
    pub handles: Vec<(Handle, Handle)>,
    pub points: Blob,
}

impl ComparisonLetter {
    /// The version of the sender's record, if the letter says it.
    pub(super) fn version(&self) -> Option<u32> {
        match &self.step {
            Step::Ask(ask) => Some(ask.version),
            Step::Answer { version, .. } | Step::Changed { version } => Some(*version),
            Step::Close { .. } | Step::Refused { .. } => None,
        }
    }

    pub(super) fn asks(&self) -> bool {
        matches!(self.step, Step::Ask(_))
    }

    pub(super) fn closes(&self, id: &Digest) -> bool {
        matches!(&self.step, Step::Close { run, .. } if run == id)
    }
}

impl Node {
    /// Takes in a letter. The caller holds the work lock.
    pub(crate) fn comparison_letter(
        &self,
        from: &AgencyName,
        letter: ComparisonLetter,
    ) -> Result<(), NodeError> {
        if letter.asks() {
            return self.keep_ask(from, letter);
        }
        let name = self.pair_name(from, &letter);
        let Some(key) = self.tables.comparison_pairs.get(&name)? else {
            // Withdrawn meanwhile: the other side will hear so from the hub.
            tracing::info!(%from, "letter about a pair that is not compared here; passed over");
            return Ok(());
        };
        let own = letter.other;
        if self.is_silent(&key.record_id)? {
            return Ok(());
        }
        let Some(mut state) = self.stored_comparison(&key, own)? else {
            return Ok(());
        };
        self.note_own_record(&key, &mut state)?;
        match letter.step {
            Step::Answer {
                run,
                version,
                points,
            } => self.take_answer((&key, own), &mut state, (run, version), &points.0)?,
            Step::Close { run, points } => {
                self.take_close((&key, own), &mut state, run, &points.0)?;
            }
            Step::Changed { version } => {
                // What we asked and have no answer to yet is answered for that version or a newer one,
                // or has been answered for the one before and is over when that comes.
                if state.note_peer_version(version) {
                    state.end_answered_runs();
                }
            }
            Step::Refused { run } => {
                if state.note_declined(&run) {
                    self.note_run(&key, own, "declined")?;
                }
            }
            Step::Ask(_) => {}
        }
        self.tables.comparisons.put(&key, &state)?;
        self.show_counts(&key, &state)?;
        self.look_again(&key)
    }

    pub(super) fn pair_name(&self, from: &AgencyName, letter: &ComparisonLetter) -> Digest {
        let own = Side {
            agency: self.identity.agency.clone(),
            reference: letter.other,
        };
        let other = Side {
            agency: from.clone(),
            reference: letter.own,
        };
        comparison::pair_name(&letter.agreement, &own, &other)
    }

    /// An ask waits until its pair is known here and the day's budget allows it; the worker looks.
    fn keep_ask(&self, from: &AgencyName, letter: ComparisonLetter) -> Result<(), NodeError> {
        let place = (from.clone(), self.pair_name(from, &letter));
        let there = self.tables.comparison_asks.get(&place)?;
        // Letters may overtake each other.
        if there
            .as_ref()
            .is_some_and(|ask| ask.letter.version() > letter.version())
        {
            return Ok(());
        }
        if there.is_none() && !self.comparisons.may_hold(from, MAX_ASKS) {
            tracing::warn!(%from, "more asks than are kept; it will ask again");
            return Ok(());
        }
        let ask = StoredAsk {
            letter,
            received_at: self.clock.now(),
        };
        self.tables.comparison_asks.put(&place, &ask)?;
        self.comparisons.waits.notify_one();
        Ok(())
    }

    /// The second side has answered: count, and close.
    fn take_answer(
        &self,
        (key, own): (&MatchKey, RecordReference),
        state: &mut StoredComparison,
        (id, version): (Digest, u32),
        points: &[u8],
    ) -> Result<(), NodeError> {
        let known = state.peer_version;
        let Some(run) = state.run_mut(&id) else {
            let reason = "it answers a run that was not asked for";
            return self.refuse_run(key, own, id, reason);
        };
        let heard = Some(crypto::sha256(points));
        let Stage::Asked {
            exponent, letter, ..
        } = &run.stage
        else {
            return self.refuse_unless_again(key, own, run, (heard, "it answers a run twice"));
        };
        if version < known.max(1) {
            run.stage = Stage::Over;
            return Ok(());
        }
        let Step::Ask(ask) = &letter.step else {
            return Err(NodeError::Internal("an ask is kept that is none"));
        };
        let exponent = Exponent::from_bytes(&exponent.0);
        let exponent = exponent.ok_or(NodeError::Internal("an exponent is malformed"))?;
        let layout = &self.comparisons.layout;
        match comparison::close(&id, layout, &exponent, &ask.points.0, points) {
            Ok((counts, closing)) => {
                let letter = ComparisonLetter {
                    agreement: key.agreement,
                    own,
                    other: key.reference,
                    step: Step::Close {
                        run: id,
                        points: Blob(closing),
                    },
                };
                run.peer_version = version;
                run.heard = heard;
                run.stage = Stage::Closed {
                    counts,
                    letter: Box::new(letter),
                };
                state.note_peer_version(version);
                self.note_run(key, own, "compared")
            }
            Err(error) => {
                run.peer_version = version;
                run.stage = Stage::Refused;
                state.note_peer_version(version);
                self.refuse_run(key, own, id, &error.to_string())
            }
        }
    }

    /// The first side has closed: count.
    fn take_close(
        &self,
        (key, own): (&MatchKey, RecordReference),
        state: &mut StoredComparison,
        id: Digest,
        points: &[u8],
    ) -> Result<(), NodeError> {
        let Some(run) = state.run_mut(&id) else {
            let reason = "it closes a run that it did not ask for";
            return self.refuse_run(key, own, id, reason);
        };
        let heard = Some(crypto::sha256(points));
        let Stage::Answered { asked, answer } = &run.stage else {
            return self.refuse_unless_again(key, own, run, (heard, "it closes a run twice"));
        };
        let layout = &self.comparisons.layout;
        match comparison::conclude(&id, layout, &asked.0, &answer.0, points) {
            Ok(counts) => {
                run.heard = heard;
                run.stage = Stage::Done { counts };
                self.note_run(key, own, "compared")
            }
            Err(error) => {
                run.stage = Stage::Refused;
                self.refuse_run(key, own, id, &error.to_string())
            }
        }
    }

    /// Refuses a run of a pair that both know, and tells the other side that it is over.
    fn refuse_run(
        &self,
        key: &MatchKey,
        own: RecordReference,
        run: Digest,
        reason: &str,
    ) -> Result<(), NodeError> {
        self.refuse(&key.agency, Some(own), reason)?;
        let letter = letter_about(key, own, Step::Refused { run });
        self.tell_refused(&key.agency, Box::new(letter))
    }

    /// The same message again is a delivery that came twice; another one is a second try.
    fn refuse_unless_again(
        &self,
        key: &MatchKey,
        own: RecordReference,
        run: &Run,
        (heard, reason): (Option<Digest>, &str),
    ) -> Result<(), NodeError> {
        let ended = matches!(run.stage, Stage::Over | Stage::Refused | Stage::Declined);
        if ended || run.heard == heard {
            return Ok(());
        }
        self.refuse(&key.agency, Some(own), reason)
    }
}
