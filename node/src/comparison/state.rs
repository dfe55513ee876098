//! What the vault keeps of comparisons.

use serde::{Deserialize, Serialize};
use symbolon_core::encoding::Digest;
use symbolon_core::payload::RecordReference;
use symbolon_core::row::AgreementEpoch;

use super::letter::ComparisonLetter;
use crate::tables::{Blob, KeyTag, Secret};

/// A pair as one side knows it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct StoredComparison {
    /// The own record's reference. A record that was deleted and imported anew has another: another pair.
    pub(super) own: Option<RecordReference>,
    /// Its name in letters, once there was one.
    pub(super) name: Option<Digest>,
    /// Names what the own record says, to see when that changes.
    pub(super) features: Option<KeyTag>,
    /// Counts the changes, from 1.
    pub(super) version: u32,
    /// Newest of the other side, as it says; 0 if it has said nothing.
    pub(super) peer_version: u32,
    /// Newest of the own versions that went to the other side.
    pub(super) told: u32,
    /// As many an epoch as the settings allow; those of epochs that are over are deleted.
    pub(super) runs: Vec<Run>,
}

/// One run.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Run {
    pub epoch: AgreementEpoch,
    pub id: Digest,
    pub version: u32,
    /// 0 until the other side has answered.
    pub peer_version: u32,
    /// Digest of the last message that was taken from the other side.
    pub heard: Option<Digest>,
    pub stage: Stage,
}

/// How far it is.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Stage {
    /// We asked. Kept with the exponent that made the points: drawn anew, it would look like a second run.
    Asked {
        exponent: Secret,
        letter: Box<ComparisonLetter>,
        /// When it last went to the outbox; 0 for never.
        posted_at: i64,
    },
    /// We answered; no secret is left.
    Answered { asked: Blob, answer: Blob },
    /// We counted, and the close is not in the outbox yet.
    Closed {
        counts: Vec<u16>,
        letter: Box<ComparisonLetter>,
    },
    /// Both have counted.
    Done { counts: Vec<u16> },
    /// The other side broke the protocol.
    Refused,
    /// The other side refused it, whatever for.
    Declined,
    /// A record changed before the end.
    Over,
}

impl StoredComparison {
    /// A pair of which nothing has been said yet.
    pub(super) fn of(own: RecordReference) -> Self {
        Self {
            own: Some(own),
            ..Self::default()
        }
    }

    /// Marks what the own record says now; one that changed is a new version, and ends what was under way.
    pub(super) fn note_features(&mut self, features: KeyTag) {
        if self.features != Some(features) {
            self.features = Some(features);
            self.version += 1;
            self.end_open_runs();
        }
    }

    /// Marks a version of the other side; gives whether it is a newer one.
    pub(super) fn note_peer_version(&mut self, version: u32) -> bool {
        let newer = version > self.peer_version;
        if newer {
            self.peer_version = version;
        }
        newer
    }

    /// Ends what was answered: the other side's record is another one now, and it will ask anew.
    pub(super) fn end_answered_runs(&mut self) {
        for run in &mut self.runs {
            if matches!(run.stage, Stage::Answered { .. }) {
                run.stage = Stage::Over;
            }
        }
    }

    /// Ends runs that wait for the other side; their secrets go.
    fn end_open_runs(&mut self) {
        for run in &mut self.runs {
            if matches!(run.stage, Stage::Asked { .. } | Stage::Answered { .. }) {
                run.stage = Stage::Over;
            }
        }
    }

    /// The newest run of both records as they are now.
    pub(super) fn current(&self) -> Option<&Run> {
        let mut newest_first = self.runs.iter().rev();
        newest_first.find(|run| {
            let open = matches!(run.stage, Stage::Asked { .. });
            run.version == self.version && (open || run.peer_version == self.peer_version)
        })
    }

    pub(super) fn run_mut(&mut self, id: &Digest) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id == *id)
    }

    /// Counts of both records as they are now.
    pub(super) fn counts(&self) -> Option<&[u16]> {
        match &self.current()?.stage {
            Stage::Closed { counts, .. } | Stage::Done { counts } => Some(counts),
            _ => None,
        }
    }

    pub(super) fn runs_in(&self, epoch: &AgreementEpoch) -> usize {
        self.runs.iter().filter(|run| run.epoch == *epoch).count()
    }

    /// Whether the current run was refused.
    pub(super) fn is_refused(&self) -> bool {
        let current = self.current();
        current.is_some_and(|run| matches!(run.stage, Stage::Refused))
    }

    /// The other side refused a run. It ends, if it was open or had been counted, and stands for both
    /// records as they are: the pair is not asked about again until one of them changes.
    pub(super) fn note_declined(&mut self, id: &Digest) -> bool {
        let peer_version = self.peer_version;
        let Some(run) = self.run_mut(id) else {
            return false;
        };
        match run.stage {
            Stage::Over | Stage::Refused | Stage::Declined => return false,
            // It was asked for these versions, and no answer came that would say another.
            Stage::Asked { .. } => run.peer_version = peer_version,
            Stage::Answered { .. } | Stage::Closed { .. } | Stage::Done { .. } => {}
        }
        run.stage = Stage::Declined;
        true
    }

    /// Whether the other side refused the current run.
    pub(super) fn is_declined(&self) -> bool {
        let current = self.current();
        current.is_some_and(|run| matches!(run.stage, Stage::Declined))
    }

    /// A letter went to the outbox.
    pub(super) fn note_posted(&mut self, letter: &ComparisonLetter, now: i64) {
        self.told = self.told.max(letter.version().unwrap_or(0));
        for run in &mut self.runs {
            match &mut run.stage {
                Stage::Asked { posted_at, .. } if letter.asks() => *posted_at = now,
                Stage::Closed { counts, .. } if letter.closes(&run.id) => {
                    let counts = std::mem::take(counts);
                    run.stage = Stage::Done { counts };
                }
                _ => {}
            }
        }
    }
}

/// An ask that is not answered yet.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredAsk {
    pub(super) letter: ComparisonLetter,
    pub(super) received_at: i64,
}

/// Comparisons with one agency on one day.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Days since 1970, UTC.
    pub(super) day: i64,
    pub(super) used: u32,
    /// Refusals that it was told of.
    #[serde(default)]
    pub(super) refused: u32,
}

/// What an agency was refused for, last.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredRefusal {
    pub(super) times: u64,
    pub(super) last_at: i64,
    pub(super) reason: String,
}

#[cfg(test)]
mod tests {
    use super::super::letter::Step;
    use super::*;

    const EPOCH: AgreementEpoch = AgreementEpoch([1; 16]);

    fn run(id: u8, versions: (u32, u32), stage: Stage) -> Run {
        Run {
            epoch: EPOCH,
            id: Digest([id; 32]),
            version: versions.0,
            peer_version: versions.1,
            heard: None,
            stage,
        }
    }

    fn answered() -> Stage {
        Stage::Answered {
            asked: Blob(Vec::new()),
            answer: Blob(Vec::new()),
        }
    }

    #[test]
    fn counts_hold_for_both_records_as_they_are_now() {
        let mut state = StoredComparison::default();
        let (before, after) = (KeyTag([1; 16]), KeyTag([2; 16]));
        state.note_features(before);
        assert!(state.note_peer_version(1) && !state.note_peer_version(1));
        let done = Stage::Done { counts: vec![3] };
        state.runs.push(run(1, (1, 1), done));
        state.note_features(before);
        assert_eq!((state.version, state.counts()), (1, Some(&[3][..])));
        state.note_peer_version(2);
        assert_eq!(state.counts(), None, "the other record changed");
        state
            .runs
            .push(run(2, (1, 2), Stage::Done { counts: vec![4] }));
        assert_eq!(state.counts(), Some(&[4][..]));
        state.note_features(after);
        assert_eq!((state.version, state.counts()), (2, None));
        assert_eq!(state.runs_in(&EPOCH), 2, "runs that are over still count");
    }

    #[test]
    fn a_change_ends_what_is_under_way() {
        let mut state = StoredComparison::default();
        state.note_features(KeyTag([1; 16]));
        state.note_peer_version(1);
        state.runs.push(run(1, (1, 1), answered()));
        assert!(state.current().is_some() && !state.is_refused());
        state.note_features(KeyTag([2; 16]));
        assert!(matches!(state.runs[0].stage, Stage::Over));
        state.runs.push(run(3, (2, 1), answered()));
        state.end_answered_runs();
        assert!(matches!(state.runs[1].stage, Stage::Over));
        state.runs.push(run(2, (2, 1), Stage::Refused));
        assert!(state.is_refused());
    }

    #[test]
    fn a_declined_run_ends_until_a_record_changes() {
        let asked = || Stage::Asked {
            exponent: Secret(Vec::new()),
            letter: Box::new(letter()),
            posted_at: 0,
        };
        let mut state = StoredComparison::default();
        state.note_features(KeyTag([1; 16]));
        state.note_peer_version(3);
        state.runs.push(run(1, (1, 0), asked()));
        assert!(!state.note_declined(&Digest([2; 32])), "another run");
        assert!(state.current().is_some() && !state.is_declined());
        assert!(state.note_declined(&Digest([1; 32])) && state.is_declined());
        assert!(!state.note_declined(&Digest([1; 32])), "told twice");
        assert_eq!(state.runs_in(&EPOCH), 1, "it counts as a run");
        // Either record changing makes room for another run.
        state.note_peer_version(4);
        assert!(state.current().is_none());
        state
            .runs
            .push(run(2, (1, 4), Stage::Done { counts: vec![3] }));
        assert!(state.counts().is_some());
        assert!(state.note_declined(&Digest([2; 32])));
        assert_eq!((state.counts(), state.is_declined()), (None, true));
        state.note_features(KeyTag([2; 16]));
        assert!(state.current().is_none());
        // What ended otherwise stays as it ended.
        for stage in [Stage::Over, Stage::Refused] {
            let mut state = StoredComparison::default();
            state.runs.push(run(1, (0, 0), stage));
            assert!(!state.note_declined(&Digest([1; 32])));
        }
    }

    fn letter() -> ComparisonLetter {
        ComparisonLetter {
            agreement: Digest([0; 32]),
            own: RecordReference([0; 16]),
            other: RecordReference([1; 16]),
            step: Step::Changed { version: 1 },
        }
    }
}
