//! Asking the custodians: from linkage key inputs to roots.
//!
//! A quorum is this node itself, if it holds a share, and custodians that are on the line. Their
//! answers are asked for side by side; whoever answers wrongly is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use rand_core::OsRng;
use symbolon_core::crypto;
use symbolon_core::custody::Request;
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::OprfError;
use symbolon_core::oprf::client::{BlindedBatch, Evaluator};
use symbolon_core::oprf::custodian::Evaluation;
use symbolon_core::oprf::threshold::Quorum;
use symbolon_core::roster::Custody;
use symbolon_core::token::Root;
use zeroize::Zeroizing;

use crate::error::NodeError;
use crate::hub_client::{HubClient, HubError};
use crate::node::Node;

/// Seconds that a request lives: the relay's time-out and some difference of clocks.
const REQUEST_LIFE_S: i64 = 120;

/// A quorum that is ready to be asked.
pub(crate) struct Oracle {
    custody: Custody,
    evaluator: Evaluator,
    members: BTreeMap<u16, AgencyName>,
}

impl Node {
    /// Chooses a quorum among those who can be reached; says who is missing if there are too few.
    pub(crate) async fn oracle(&self, hub: &HubClient) -> Result<Oracle, NodeError> {
        let (custody, key, missing) = self.membership(|m| {
            (
                m.roster.custody.clone(),
                m.custody_key.clone(),
                m.custody_missing.clone(),
            )
        });
        let (Some(custody), Some(key)) = (custody, key) else {
            let reason = missing.unwrap_or_default();
            return Err(NodeError::Waiting(format!(
                "there is no custody key yet ({reason}); the keys wait and go on by themselves"
            )));
        };
        let mut reachable: BTreeMap<u16, AgencyName> = BTreeMap::new();
        let own = custody.index_of(&self.identity.agency);
        if let Some(index) =
            own.filter(|_| self.tables.shares.contains(&custody.epoch).unwrap_or(false))
        {
            reachable.insert(index, self.identity.agency.clone());
        }
        let needed = usize::from(custody.threshold);
        if reachable.len() < needed {
            let mut present = hub.attendance().await?;
            present.retain(|name| *name != self.identity.agency);
            shuffle(&mut present)?;
            for name in present {
                if let Some(index) = custody.index_of(&name)
                    && reachable.len() < needed
                {
                    reachable.insert(index, name);
                }
            }
        }
        if reachable.len() < needed {
            let absent: Vec<&str> = custody
                .custodians
                .iter()
                .filter(|name| !reachable.values().any(|present| present == *name))
                .map(AgencyName::as_str)
                .collect();
            return Err(NodeError::Waiting(format!(
                "{needed} of {} custodians are needed and {} can be reached (not connected: {}); the keys wait and go on by themselves",
                custody.custodians.len(),
                reachable.len(),
                absent.join(", ")
            )));
        }
        let quorum = Quorum::new(reachable.keys().copied(), custody.threshold)?;
        let evaluator = Evaluator::new(&key, &quorum)?;
        Ok(Oracle {
            custody,
            evaluator,
            members: reachable,
        })
    }

    /// Roots of the inputs, in order.
    pub(crate) async fn evaluate(
        self: &Arc<Self>,
        hub: &HubClient,
        oracle: Arc<Oracle>,
        inputs: Vec<Zeroizing<Vec<u8>>>,
    ) -> Result<Vec<Root>, NodeError> {
        let inputs = Arc::new(inputs);
        let blinding = Arc::clone(&inputs);
        let batch = blocking(move || BlindedBatch::new(&blinding, &mut OsRng)).await??;
        let request = Request {
            id: crypto::random()?,
            requester: self.identity.agency.clone(),
            epoch: oracle.custody.epoch,
            quorum: oracle.evaluator.quorum().clone(),
            expires_at: self.clock.now() + REQUEST_LIFE_S,
            elements: batch.wire(),
        };
        let asked = oracle
            .members
            .iter()
            .map(|(index, name)| async { (*index, self.ask(hub, name, &request).await) });
        let mut evaluations = BTreeMap::new();
        for (index, evaluation) in join_all(asked).await {
            evaluations.insert(index, evaluation?);
        }
        let names = oracle.members.clone();
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
    ) -> Result<Evaluation, NodeError> {
        if *name == self.identity.agency {
            let (node, request) = (Arc::clone(self), request.clone());
            let computed = blocking(move || node.evaluate_here(&request)).await?;
            return computed.map_err(|refusal| {
                NodeError::Waiting(format!("our own share cannot be used: {refusal}"))
            });
        }
        let encoded = request.encode();
        let signature = Request::sign(&encoded, &self.identity.genesis, &self.identity.signing);
        hub.evaluate(name, encoded, &signature).await.map_err(|error| match error {
            HubError::Refused(word) => NodeError::Waiting(format!(
                "custodian {name} does not evaluate for this agency ({word}); tell your administrator, the keys wait"
            )),
            HubError::Unavailable(reason) => NodeError::Waiting(format!(
                "custodian {name} cannot be reached ({reason}); the keys wait and go on by themselves"
            )),
            other => other.into(),
        })
    }
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
