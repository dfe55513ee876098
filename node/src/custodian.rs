//! The custodian's role: takes part in key generations, holds a share, evaluates for members.
//!
//! | Module | Room |
//! |---|---|
//! | [`gate`] | each request once, within the quota, written down |
//! | [`answers`] | each question evaluated once |
//! | `generation` | key generations and refreshes |
//! | `repair` | a lost share, made again by others |
//!
//! What custodians say to each other travels as envelopes; its state lies sealed in the vault, so
//! that a restart in between loses nothing. Secrets of a finished run are deleted.

pub mod answers;
pub mod gate;
mod generation;
pub(crate) mod repair;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use rand_core::OsRng;
use symbolon_core::crypto::Signature;
use symbolon_core::custody::{AgreedKey, Refusal, Request};
use symbolon_core::oprf::custodian::{Evaluation, evaluate};
use symbolon_core::oprf::dkg::DkgError;
use symbolon_core::oprf::threshold::KeyShare;
use symbolon_core::roster::Custody;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::hub_client::{Answer, HubClient, Task};
use crate::node::Node;

/// Oldest confirmation of the roster with which a custodian still evaluates, in seconds. Whoever was
/// suspended is refused after this at the latest, if the hub tells of it.
pub const ROSTER_FRESH_S: i64 = 60;
/// How long a custodian waits for the hub to confirm its roster before it refuses.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

/// In spans: failed precondition, whatever the word.
const CODE_OF_REFUSAL: i32 = 9;

impl Node {
    /// Our custody and share index, if the roster appoints us now.
    pub(crate) fn own_custody(&self) -> Option<(Custody, u16)> {
        let custody = self.membership(|m| m.roster.custody.clone())?;
        let index = custody.index_of(&self.identity.agency)?;
        Some((custody, index))
    }

    /// The key of an epoch that every custodian has stated, as far as we have been told.
    pub(crate) fn agreed(&self, epoch: u32) -> Option<AgreedKey> {
        self.membership(|m| m.custody_keys.get(&epoch).cloned())
    }

    /// Whether we hold a share of any key that the roster knows.
    pub(crate) fn holds_a_share(&self) -> Result<bool, NodeError> {
        let epochs: Vec<u32> =
            self.membership(|m| m.roster.custodies().map(|custody| custody.epoch).collect());
        for epoch in epochs {
            if self.newest_share(epoch)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether we hold a share of this custody epoch, of any generation.
    pub fn holds_share_of(&self, epoch: u32) -> Result<bool, NodeError> {
        Ok(self.newest_share(epoch)?.is_some())
    }

    /// What a person should know of a fault in making shares.
    pub(crate) fn note_custody_fault(&self, fault: String) {
        self.set_custody_fault(Some(fault));
    }

    /// Shares were made: what went wrong before no longer matters.
    pub(crate) fn forget_custody_fault(&self) {
        self.set_custody_fault(None);
    }

    fn set_custody_fault(&self, fault: Option<String>) {
        let known = self.custody_fault.lock();
        *known.unwrap_or_else(std::sync::PoisonError::into_inner) = fault;
    }

    fn name_culprit(&self, custody: &Custody, error: &DkgError) -> String {
        let culprit = match error {
            DkgError::BadPackage { index }
            | DkgError::Equivocated { index }
            | DkgError::TranscriptDiffers { index } => custody.custodian(*index),
            _ => None,
        };
        culprit.map_or_else(
            || error.to_string(),
            |name| format!("{error} (custodian {name})"),
        )
    }

    /// Evaluates with our own share, if we hold one of this epoch and generation.
    pub(crate) fn evaluate_here(&self, request: &Request) -> Result<Evaluation, Refusal> {
        let place = (request.epoch, request.generation);
        let stored = self.tables.shares.get(&place).map_err(|error| {
            tracing::error!(%error, "the share cannot be read");
            Refusal::NotReady
        })?;
        let stored = stored.ok_or(Refusal::OtherEpoch)?;
        let share =
            KeyShare::from_bytes(stored.index, &stored.secret.0).map_err(|_| Refusal::NotReady)?;
        evaluate(&share, &request.quorum, &request.elements, &mut OsRng)
            .map_err(|_| Refusal::Malformed)
    }

    /// Whether the hub has lately said that our roster is all of it.
    fn roster_is_fresh(&self, now: i64) -> bool {
        let confirmed = self.roster_confirmed_at.load(Ordering::Relaxed);
        // One in the future is a clock that was set back: no confirmation either.
        confirmed <= now && now.saturating_sub(confirmed) <= ROSTER_FRESH_S
    }

    /// Answers one request as a custodian: everything is checked and written down before anything is
    /// computed.
    pub fn answer(&self, request: &[u8], signature: &Signature) -> Result<Evaluation, Refusal> {
        let now = self.clock.now();
        if !self.roster_is_fresh(now) {
            return Err(Refusal::StaleRoster);
        }
        let (request, quota, index) = self.membership(|m| {
            let request = Request::verify(request, signature, &m.roster, now)?;
            let (member, _) = m
                .roster
                .active(&request.requester)
                .ok_or(Refusal::NotAMember)?;
            let custody = m.roster.custody_of(request.epoch);
            let index = custody.and_then(|custody| custody.index_of(&self.identity.agency));
            let quota = member.quota;
            Ok((request, quota, index.ok_or(Refusal::OtherEpoch)?))
        })?;
        if !request.quorum.contains(index) {
            return Err(Refusal::Malformed);
        }
        // What cannot be answered costs nothing.
        let place = (request.epoch, request.generation);
        if !self.tables.shares.contains(&place).unwrap_or(false) {
            return Err(Refusal::OtherEpoch);
        }
        let unreadable = |error: NodeError| {
            tracing::error!(%error, "answers of before cannot be read; nothing is evaluated");
            Refusal::NotReady
        };
        let before = self.answers.find(&self.tables, &request);
        let before = before.map_err(unreadable)?;
        let costs = before.is_none().then_some(quota);
        self.gate
            .admit((&self.vault, &self.tables), &request, costs, now)?;
        let (requester, elements) = (&request.requester, request.count());
        if let Some(answer) = before {
            tracing::info!(%requester, elements, "asked again, the answer of before");
            return Ok(answer);
        }
        tracing::info!(%requester, elements, "evaluation");
        let answer = self.evaluate_here(&request)?;
        if let Err(error) = self.answers.keep(&self.tables, &request, &answer) {
            tracing::warn!(%error, "an answer is not kept: asked again it would be evaluated again");
        }
        Ok(answer)
    }

    /// Answers off the asynchronous threads.
    async fn answer_apart(
        self: &Arc<Self>,
        request: &Arc<Vec<u8>>,
        signature: Signature,
    ) -> Result<Evaluation, Refusal> {
        let (node, request) = (Arc::clone(self), Arc::clone(request));
        let answered = tokio::task::spawn_blocking(move || node.answer(&request, &signature));
        answered.await.unwrap_or(Err(Refusal::NotReady))
    }

    /// Asks the hub for more of the roster; gives whether there was.
    async fn roster_grew(&self, hub: &HubClient) -> bool {
        let before = self.membership(|m| m.roster.length);
        let synced = tokio::time::timeout(CONFIRM_WITHIN, self.sync_roster(hub)).await;
        matches!(synced, Ok(Ok(()))) && self.membership(|m| m.roster.length) > before
    }

    /// Stands on the line and answers until it breaks.
    pub(crate) async fn attend(self: &Arc<Self>, hub: &HubClient) -> Result<(), NodeError> {
        // One answer at a time is computed; a few may wait to be sent.
        let (answers, receiver) = mpsc::channel(8);
        let mut tasks = std::pin::pin!(hub.attend(ReceiverStream::new(receiver)).await?);
        while let Some(task) = tasks.next().await {
            let Task {
                number,
                request,
                signature,
                parent,
            } = task?;
            let span = self.traces.answering("custodian", parent);
            if !self.roster_is_fresh(self.clock.now()) {
                let confirmed = tokio::time::timeout(CONFIRM_WITHIN, self.sync_roster(hub)).await;
                if !matches!(confirmed, Ok(Ok(()))) {
                    tracing::warn!("the hub does not confirm the roster; nothing is evaluated");
                }
            }
            let request = Arc::new(request);
            let mut outcome = self.answer_apart(&request, signature).await;
            if matches!(outcome, Err(Refusal::BadSignature)) && self.roster_grew(hub).await {
                // Whoever asks had exchanged its keys.
                outcome = self.answer_apart(&request, signature).await;
            }
            if let Err(refusal) = &outcome {
                let clock = rfc3339(self.clock.now());
                tracing::warn!(%refusal, clock, "evaluation refused");
            }
            span.end(outcome.as_ref().map_or(CODE_OF_REFUSAL, |_| 0));
            if answers.send(Answer { number, outcome }).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
