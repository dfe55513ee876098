//! Asking the custodians: from linkage key inputs to roots.
//!
//! A quorum is this node itself, if it holds a share, and custodians that are on the line. Their
//! answers are asked for side by side; whoever answers wrongly is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use rand_core::OsRng;
use symbolon_core::crypto;
use symbolon_core::custody::{Refusal, Request};
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::OprfError;
use symbolon_core::oprf::client::{BlindedBatch, Evaluator};
use symbolon_core::oprf::custodian::Evaluation;
use symbolon_core::oprf::threshold::Quorum;
use symbolon_core::roster::Custody;
use symbolon_core::token::Root;
use symbolon_traces::Span;
use zeroize::Zeroizing;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::hub_client::{HubClient, HubError};
use crate::keys::Keys;
use crate::node::Node;
use crate::questions::StoredQuestion;

/// Seconds that a request lives: the relay's time-out and some difference of clocks.
const REQUEST_LIFE_S: i64 = 120;

/// Why a question has no answer.
pub(crate) struct Unanswered {
    pub error: NodeError,
    /// It may have been answered: the answer did not reach us.
    pub lost: bool,
}

impl From<NodeError> for Unanswered {
    fn from(error: NodeError) -> Self {
        let lost = false;
        Self { error, lost }
    }
}

/// A quorum that is ready to be asked.
pub(crate) struct Oracle {
    custody: Custody,
    generation: u32,
    evaluator: Evaluator,
    members: BTreeMap<u16, AgencyName>,
}

impl Oracle {
    /// The custody epoch.
    pub fn epoch(&self) -> u32 {
        self.custody.epoch
    }

    /// Of its shares.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Who answers.
    pub fn quorum(&self) -> &Quorum {
        self.evaluator.quorum()
    }
}

impl Node {
    /// Chooses a quorum of an epoch among those who can be reached; says who is missing if there are
    /// too few.
    pub(crate) async fn oracle(&self, hub: &HubClient, epoch: u32) -> Result<Oracle, NodeError> {
        let (custody, missing) = self.membership(|m| {
            (
                m.roster.custody_of(epoch).cloned(),
                m.custody_missing.clone(),
            )
        });
        let (Some(custody), Some(agreed)) = (custody, self.agreed(epoch)) else {
            let reason = missing.unwrap_or_default();
            return Err(NodeError::Waiting(format!(
                "there is no custody key yet ({reason}); the keys wait and go on by themselves"
            )));
        };
        let mut reachable: BTreeMap<u16, AgencyName> = BTreeMap::new();
        let place = (custody.epoch, agreed.generation);
        if let Some(index) = custody.index_of(&self.identity.agency)
            && self.tables.shares.contains(&place)?
        {
            reachable.insert(index, self.identity.agency.clone());
        }
        let needed = usize::from(custody.threshold);
        let paused = self.pauses.now(self.clock.now());
        let mut left_alone = Vec::new();
        if reachable.len() < needed {
            let mut present = hub.attendance().await?;
            present.retain(|name| *name != self.identity.agency);
            shuffle(&mut present)?;
            for name in present {
                let Some(index) = custody.index_of(&name) else {
                    continue;
                };
                match paused.get(&name) {
                    Some(pause) => left_alone.push((name, *pause)),
                    None if reachable.len() < needed => {
                        reachable.insert(index, name);
                    }
                    None => {}
                }
            }
        }
        if reachable.len() < needed {
            // With those whose quota is used up there would be enough: then it is they we wait for.
            let short = needed - reachable.len();
            left_alone.sort_by_key(|(_, pause)| pause.until);
            return Err(match left_alone.into_iter().nth(short - 1) {
                Some((custodian, pause)) => NodeError::OverQuota {
                    custodian,
                    retry_at: pause.retry_at,
                },
                None => too_few(&custody, &reachable),
            });
        }
        let quorum = Quorum::new(reachable.keys().copied(), custody.threshold)?;
        let evaluator = Evaluator::new(&agreed.key, &quorum)?;
        Ok(Oracle {
            custody,
            generation: agreed.generation,
            evaluator,
            members: reachable,
        })
    }

    /// The quorum of a question that was asked before. It is gone if one of it cannot be reached and
    /// others can.
    pub(crate) async fn same_oracle(
        &self,
        hub: &HubClient,
        question: &StoredQuestion,
    ) -> Result<Option<Oracle>, NodeError> {
        let custody = self.membership(|m| m.roster.custody_of(question.epoch).cloned());
        let (Some(custody), Some(agreed)) = (custody, self.agreed(question.epoch)) else {
            return Ok(None);
        };
        let quorum = Quorum::new(question.quorum.iter().copied(), custody.threshold)?;
        let members: Option<BTreeMap<u16, AgencyName>> = (quorum.indices().iter())
            .map(|index| Some((*index, custody.custodian(*index)?.clone())))
            .collect();
        let (Some(members), true) = (members, agreed.generation == question.generation) else {
            return Ok(None);
        };
        let present = hub.attendance().await?;
        let own = &self.identity.agency;
        if members
            .values()
            .any(|name| name != own && !present.contains(name))
        {
            // With too few for any quorum it is waited for these.
            self.oracle(hub, question.epoch).await?;
            return Ok(None);
        }
        let evaluator = Evaluator::new(&agreed.key, &quorum)?;
        Ok(Some(Oracle {
            custody,
            generation: agreed.generation,
            evaluator,
            members,
        }))
    }

    /// Roots of the inputs, in order. Nothing is written down: for what a person asks once.
    pub(crate) async fn evaluate(
        self: &Arc<Self>,
        hub: &HubClient,
        oracle: Arc<Oracle>,
        inputs: Vec<Zeroizing<Vec<u8>>>,
    ) -> Result<Vec<Root>, NodeError> {
        let (batch, inputs) = blinded(inputs).await?;
        let answers = self.answers(hub, &oracle, batch.wire()).await;
        let answers = answers.map_err(|unanswered| unanswered.error)?;
        self.finalised(&oracle, batch, inputs, answers).await
    }

    /// Has each of a quorum evaluate the elements.
    pub(crate) async fn answers(
        self: &Arc<Self>,
        hub: &HubClient,
        oracle: &Oracle,
        elements: Vec<u8>,
    ) -> Result<BTreeMap<u16, Evaluation>, Unanswered> {
        let request = Request {
            id: crypto::random().map_err(NodeError::from)?,
            requester: self.identity.agency.clone(),
            epoch: oracle.custody.epoch,
            generation: oracle.generation,
            quorum: oracle.evaluator.quorum().clone(),
            expires_at: self.clock.now() + REQUEST_LIFE_S,
            elements,
        };
        // One trace for a batch and no more: what it joins is the same request to several custodians, whose
        // bytes are the same. A submission, or a second batch, must not be joined to it.
        let span = self.traces.beginning("evaluate");
        let asked = oracle
            .members
            .iter()
            .map(|(index, name)| async { (*index, self.ask(hub, name, &request, &span).await) });
        let (mut evaluations, mut failed) = (BTreeMap::new(), None::<Unanswered>);
        for (index, evaluation) in join_all(asked).await {
            match evaluation {
                Ok(evaluation) => {
                    evaluations.insert(index, evaluation);
                }
                // One that refuses says more than one whose answer is lost.
                Err(other) if failed.as_ref().is_none_or(|known| known.lost) => {
                    failed = Some(other);
                }
                Err(_) => {}
            }
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        span.end(0);
        Ok(evaluations)
    }

    /// Checks answers and makes roots of them, in the order of the inputs.
    pub(crate) async fn finalised(
        &self,
        oracle: &Arc<Oracle>,
        batch: BlindedBatch,
        inputs: Vec<Zeroizing<Vec<u8>>>,
        evaluations: BTreeMap<u16, Evaluation>,
    ) -> Result<Vec<Root>, NodeError> {
        let (oracle, names) = (Arc::clone(oracle), oracle.members.clone());
        let finalised = blocking(move || oracle.evaluator.finalize(&batch, &inputs, &evaluations));
        let outputs = finalised.await?.map_err(|error| blame(error, &names))?;
        Ok(outputs
            .iter()
            .map(|output| Root::from_output(output))
            .collect::<Result<_, _>>()?)
    }

    async fn ask(
        self: &Arc<Self>,
        hub: &HubClient,
        name: &AgencyName,
        request: &Request,
        span: &Span,
    ) -> Result<Evaluation, Unanswered> {
        if *name == self.identity.agency {
            let (node, request) = (Arc::clone(self), request.clone());
            let computed = blocking(move || node.evaluate_here(&request)).await?;
            let unusable = |refusal| {
                NodeError::Waiting(format!("our own share cannot be used: {refusal}")).into()
            };
            return computed.map_err(unusable);
        }
        let encoded = request.encode();
        let sign = |keys: &Keys| Request::sign(&encoded, &self.identity.genesis, &keys.signing);
        let keys = self.keys();
        let signature = sign(&keys);
        let asking = hub.evaluate(name, encoded.clone(), &signature);
        let mut asked = span.within(asking).await;
        if matches!(asked, Ok(Err(Refusal::BadSignature))) && self.rekeyed(hub, &keys).await? {
            let signature = sign(&self.keys());
            asked = span.within(hub.evaluate(name, encoded, &signature)).await;
        }
        match asked {
            Ok(Ok(evaluation)) => Ok(evaluation),
            Ok(Err(refusal)) => {
                // Others of the quorum may have answered: with these it is worth asking again.
                let lost = matches!(
                    refusal,
                    Refusal::StaleRoster | Refusal::NotReady | Refusal::Busy
                );
                let error = self.refused(name, refusal);
                Err(Unanswered { error, lost })
            }
            Err(error) => {
                let lost = true;
                let error = match error {
                    HubError::Unavailable(reason) => NodeError::Waiting(format!(
                        "custodian {name} cannot be reached ({reason}); the keys wait and go on by themselves"
                    )),
                    other => other.into(),
                };
                Err(Unanswered { error, lost })
            }
        }
    }

    /// What a custodian's refusal means for the keys that wait.
    fn refused(&self, name: &AgencyName, refusal: Refusal) -> NodeError {
        match refusal {
            Refusal::OverQuota { retry_at } => {
                let custodian = name.clone();
                NodeError::OverQuota {
                    custodian,
                    retry_at,
                }
            }
            Refusal::OtherEpoch
            | Refusal::StaleRoster
            | Refusal::NotReady
            | Refusal::Busy
            | Refusal::Repeated => NodeError::Waiting(format!(
                "custodian {name} does not evaluate just now ({refusal}); the keys wait and go on by themselves"
            )),
            Refusal::Expired => {
                let now = self.clock.now();
                let (now, until) = (rfc3339(now), rfc3339(now + REQUEST_LIFE_S));
                NodeError::Waiting(format!(
                    "custodian {name} finds a request of now expired: by this node's clock it is {now}, and the request is good until {until}; set this node's clock or have the custodian set its own, the keys wait and go on by themselves"
                ))
            }
            Refusal::Malformed | Refusal::NotAMember | Refusal::BadSignature | Refusal::Unknown => {
                NodeError::Waiting(format!(
                    "custodian {name} does not evaluate for this agency ({refusal}); tell your administrator, the keys wait"
                ))
            }
        }
    }
}

/// Blinds inputs; gives them back.
pub(crate) async fn blinded(
    inputs: Vec<Zeroizing<Vec<u8>>>,
) -> Result<(BlindedBatch, Vec<Zeroizing<Vec<u8>>>), NodeError> {
    let blinded = blocking(move || (BlindedBatch::new(&inputs, &mut OsRng), inputs));
    let (batch, inputs) = blinded.await?;
    Ok((batch?, inputs))
}

fn too_few(custody: &Custody, reachable: &BTreeMap<u16, AgencyName>) -> NodeError {
    let absent: Vec<&str> = custody
        .custodians
        .iter()
        .filter(|name| !reachable.values().any(|present| present == *name))
        .map(AgencyName::as_str)
        .collect();
    NodeError::Waiting(format!(
        "{} of {} custodians are needed and {} can be reached (not connected: {}); the keys wait and go on by themselves",
        custody.threshold,
        custody.custodians.len(),
        reachable.len(),
        absent.join(", ")
    ))
}

/// Says which custodian answered wrongly, by name.
fn blame(error: OprfError, names: &BTreeMap<u16, AgencyName>) -> NodeError {
    match &error {
        OprfError::MalformedEvaluation { index } | OprfError::BadProof { index } => {
            let name = names
                .get(index)
                .map(AgencyName::to_string)
                .unwrap_or_default();
            NodeError::Waiting(format!(
                "the answer of custodian {name} is wrong and was not used ({error}); tell your administrator, the keys wait"
            ))
        }
        _ => error.into(),
    }
}

fn shuffle<T>(items: &mut [T]) -> Result<(), NodeError> {
    for last in (1..items.len()).rev() {
        // The bias of a 64-bit remainder over a few dozen custodians is below 2^-58.
        let random = u64::from_be_bytes(crypto::random()?);
        items.swap(last, (random % (last as u64 + 1)) as usize);
    }
    Ok(())
}

/// Runs arithmetic off the asynchronous threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NodeError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| NodeError::Internal("a computation was cut off"))
}
