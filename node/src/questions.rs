//! Questions to the custodians that have no answer yet: written down before they are asked, so that one
//! whose answer did not reach this node is asked again as it was.
//!
//! A custodian gives the same answer to the same question and evaluates nothing twice
//! (`custodian/answers.rs`). A question is gone when its roots are kept, when a custodian refuses it, and
//! when its quorum cannot be reached any more while another one can: then its keys are asked for anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use symbolon_core::crypto;
use symbolon_core::oprf::client::BlindedBatch;
use symbolon_core::row::Handle;
use zeroize::Zeroizing;

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::oracle::{Oracle, Unanswered, blocking};
use crate::roots::Missing;
use crate::tables::{Blob, KeyTag, Secret, StoredRow};

/// How often a question is asked again in vain before its keys are asked for anew: a custodian that is on
/// the line and never answers must not hold them for ever.
const TRIES: u8 = 2;

/// A question, as it lies in the vault.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredQuestion {
    pub epoch: u32,
    pub generation: u32,
    pub quorum: Vec<u16>,
    /// 32 bytes for each key, like the elements.
    pub blinds: Secret,
    pub elements: Blob,
    /// The rows that wait for the root of each key.
    pub rows: Vec<Vec<Handle>>,
}

fn waits_for_root(row: &StoredRow) -> bool {
    row.root.is_none() && row.input.is_some()
}

/// Names a question.
pub(crate) type Name = KeyTag;

/// What this process knows of questions.
#[derive(Default)]
pub(crate) struct Questions(Mutex<State>);

#[derive(Default)]
struct State {
    /// They are being asked.
    under_way: BTreeSet<Name>,
    /// How often they were asked again in vain.
    tries: BTreeMap<Name, u8>,
}

/// A question that is being asked, until dropped.
pub(crate) struct Asked {
    node: Arc<Node>,
    name: Name,
}

impl Asked {
    /// Nobody else asks it meanwhile.
    fn begin(node: &Arc<Node>, name: Name) -> Option<Self> {
        let begun = node.stream.questions.lock().under_way.insert(name);
        begun.then(|| Self {
            node: Arc::clone(node),
            name,
        })
    }

    /// Which one.
    pub fn name(&self) -> Name {
        self.name
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.node
            .stream
            .questions
            .lock()
            .under_way
            .remove(&self.name);
    }
}

impl Questions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may be asked once more.
    fn once_more(&self, name: Name) -> bool {
        let mut state = self.lock();
        let tries = state.tries.entry(name).or_default();
        *tries = tries.saturating_add(1);
        *tries < TRIES
    }
}

impl Node {
    /// Writes a question down that is about to be asked.
    pub(crate) async fn write_question(
        self: &Arc<Self>,
        oracle: &Oracle,
        batch: &BlindedBatch,
        keys: &[Missing],
    ) -> Result<Asked, NodeError> {
        let name = KeyTag(crypto::random()?);
        let asked = Asked::begin(self, name).ok_or(NodeError::Internal("a name drawn twice"))?;
        let question = StoredQuestion {
            epoch: oracle.epoch(),
            generation: oracle.generation(),
            quorum: oracle.quorum().indices().to_vec(),
            blinds: Secret(batch.blinds().to_vec()),
            elements: Blob(batch.wire()),
            rows: keys.iter().map(|key| key.handles.clone()).collect(),
        };
        let node = Arc::clone(self);
        let written = blocking(move || {
            node.tables.questions.put(&name, &question)?;
            node.vault.flush()
        });
        written.await??;
        Ok(asked)
    }

    /// Forgets questions under other keys than these.
    pub(crate) fn forget_questions(&self, epochs: &[u32]) -> Result<(), NodeError> {
        for (name, question) in self.open_questions()? {
            if !epochs.contains(&question.epoch) {
                self.forget_question(&name)?;
            }
        }
        Ok(())
    }

    /// Forgets questions about a record that is erased: blinds and elements together tell what was asked.
    /// Their other keys are asked for anew, should the answer be lost.
    pub(crate) fn forget_questions_of(&self, record_id: &str) -> Result<(), NodeError> {
        let block = self.block_of_record(record_id);
        for (name, question) in self.open_questions()? {
            let rows = &self.tables.rows;
            // Also what was withdrawn before, and is no row of the record any more.
            if question
                .rows
                .iter()
                .flatten()
                .any(|row| rows.block_of(row) == block)
            {
                self.forget_question(&name)?;
            }
        }
        Ok(())
    }

    /// A question has its answer, or gets none.
    pub(crate) fn forget_question(&self, name: &Name) -> Result<(), NodeError> {
        self.stream.questions.lock().tries.remove(name);
        self.tables.questions.remove(name)
    }

    fn open_questions(&self) -> Result<Vec<(Name, StoredQuestion)>, NodeError> {
        if self.tables.questions.is_empty() {
            return Ok(Vec::new());
        }
        self.tables.questions.iter().collect()
    }

    /// Asks again, as they were, what may have been answered without the answer reaching us. All at once:
    /// a custodian that does not answer is waited for once.
    pub(crate) async fn ask_again(
        self: &Arc<Self>,
        hub: &HubClient,
        epoch: u32,
    ) -> Result<(), NodeError> {
        let node = Arc::clone(self);
        let mut questions = blocking(move || node.open_questions()).await??;
        questions.retain(|(_, question)| question.epoch == epoch);
        let again = questions.into_iter().filter_map(|(name, question)| {
            // Another pass may be at it.
            let asked = Asked::begin(self, name)?;
            Some(async move { self.ask_one_again(hub, &asked, question).await })
        });
        join_all(again).await.into_iter().collect()
    }

    async fn ask_one_again(
        self: &Arc<Self>,
        hub: &HubClient,
        asked: &Asked,
        question: StoredQuestion,
    ) -> Result<(), NodeError> {
        let (node, epoch) = (Arc::clone(self), question.epoch);
        let (question, keys) = blocking(move || {
            let keys = node.keys_of(&question)?;
            Ok::<_, NodeError>((question, keys))
        })
        .await??;
        if keys.iter().all(Option::is_none) {
            // A kill came between roots and this question's end, or the rows are withdrawn.
            return self.forget_question(&asked.name);
        }
        let Some(oracle) = self.same_oracle(hub, &question).await? else {
            return self.forget_question(&asked.name);
        };
        let elements = question.elements.0.clone();
        let evaluations = match self.answers(hub, &oracle, elements).await {
            Ok(evaluations) => evaluations,
            Err(Unanswered { error, lost }) => {
                if lost && self.stream.questions.once_more(asked.name) {
                    return Err(error);
                }
                tracing::info!(%error, "a question of before is not answered; its keys are asked for anew");
                return self.forget_question(&asked.name);
            }
        };
        let restored =
            blocking(move || BlindedBatch::restore(&question.blinds.0, &question.elements.0));
        let restored = restored.await??;
        // A key whose rows are gone, or have their root, needs none: its input is not known any more.
        let nothing = Zeroizing::default();
        let inputs = keys.iter();
        let inputs = inputs.map(|key| key.as_ref().map_or(&nothing, |key| &key.input).clone());
        let inputs = inputs.collect();
        let oracle = Arc::new(oracle);
        let finalised = self.finalised(&oracle, restored, inputs, evaluations);
        let roots = match finalised.await {
            Ok(roots) => roots,
            Err(error) => {
                tracing::warn!(%error, "a question that was asked again has a wrong answer");
                return self.forget_question(&asked.name);
            }
        };
        let (keys, roots) = keys
            .into_iter()
            .zip(roots)
            .filter_map(|(key, root)| Some((key?, root)))
            .unzip();
        self.keep_roots(epoch, (keys, roots), Some(asked)).await
    }

    /// Leaves out keys whose rows are gone or have their root: others may work between two requests.
    pub(crate) fn still_missing(&self, keys: Vec<Missing>) -> Result<Vec<Missing>, NodeError> {
        let all: Vec<Handle> = keys.iter().flat_map(|key| &key.handles).copied().collect();
        let rows = self.tables.rows.get_many(&all)?;
        let mut missing = Vec::with_capacity(keys.len());
        for mut key in keys {
            let handles = &mut key.handles;
            handles.retain(|handle| rows.get(handle).is_some_and(waits_for_root));
            if !handles.is_empty() {
                missing.push(key);
            }
        }
        Ok(missing)
    }

    /// The keys of a question as they are missing now.
    fn keys_of(&self, question: &StoredQuestion) -> Result<Vec<Option<Missing>>, NodeError> {
        let all: Vec<Handle> = question.rows.iter().flatten().copied().collect();
        let rows = self.tables.rows.get_many(&all)?;
        let missing = question.rows.iter().map(|handles| {
            let waiting = |handle: &&Handle| rows.get(*handle).is_some_and(waits_for_root);
            let handles: Vec<Handle> = handles.iter().filter(waiting).copied().collect();
            let row = rows.get(handles.first()?)?;
            Some(Missing {
                tag: row.tag,
                input: Zeroizing::new(row.input.as_ref()?.0.clone()),
                handles,
            })
        });
        Ok(missing.collect())
    }
}
