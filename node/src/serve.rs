//! Serving: keeps a node connected, takes in what the hub has for it, works off what waits.
//!
//! One loop holds the line; while it holds, six tasks run side by side: deliveries, waiting rows,
//! comparisons, the outbox, the custodian's line, and the certificate. The first that fails ends the line, and the
//! loop dials again with back-off. When the certificate is renewed the others move to the connection
//! that shows the new one, each between two steps of its work. Everything is resumed from the vault, so that a node that was away for a week
//! catches up from its cursor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::rfc3339;
use crate::error::NodeError;
use crate::hub_client::{Backoff, Delivered, Delivery, Hint, HubClient, HubError};
use crate::node::Node;
use crate::reports::StatusReport;
use crate::tokenise::Done;

const CURSOR: &str = "cursor";
/// Deliveries that are written down together before they are acknowledged.
const DELIVERIES_AT_ONCE: usize = 256;
/// Waiting work is tried again at least this often: a custodian may be back.
const RETRY: Duration = Duration::from_secs(2);
/// A full mailbox is tried again after this.
const FULL_MAILBOX: Duration = Duration::from_secs(15);
/// Attachments that stand still are looked at this often.
const LOOK: Duration = Duration::from_secs(5);
/// Membership is fetched at least this often, beside the hub's hints.
const SYNC: Duration = Duration::from_secs(30);

impl Node {
    /// Serves until the token is cancelled.
    pub async fn serve(self: Arc<Self>, shutdown: CancellationToken) {
        self.serving.store(true, Ordering::Relaxed);
        // What is over ends, whether the hub can be reached or not.
        tokio::join!(
            self.stay_connected(&shutdown),
            self.keep_retention(&shutdown)
        );
        // Whoever works now finishes its step; then everything is on the disk.
        let _work = self.work.lock().await;
        if let Err(error) = self.vault.flush() {
            tracing::error!(%error, "the vault could not be flushed");
        }
        self.traces.stop().await;
        self.serving.store(false, Ordering::Relaxed);
    }

    async fn stay_connected(self: &Arc<Self>, shutdown: &CancellationToken) {
        let mut backoff = Backoff::new();
        while !shutdown.is_cancelled() {
            let held = tokio::select! {
                () = shutdown.cancelled() => break,
                held = self.hold_line(&mut backoff) => held,
            };
            if let Err(error) = held {
                tracing::warn!(%error, "no line to the hub");
                self.set_line(Err(error.to_string()));
                self.first_try.notify_one();
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }

    async fn hold_line(self: &Arc<Self>, backoff: &mut Backoff) -> Result<(), NodeError> {
        let hub = self.dial().await?;
        self.lines_begun.fetch_add(1, Ordering::Relaxed);
        let became_usable = self.sync_membership(&hub).await?;
        self.begin_custody()?;
        self.repeat_runs()?;
        self.finish_custody(&hub).await?;
        {
            let _work = self.work.lock().await;
            self.heal(&hub).await?;
            self.end_received()?;
            if became_usable {
                self.agreement_became_usable()?;
            }
        }
        self.set_line(Ok(hub.clone()));
        self.first_try.notify_one();
        backoff.reset();
        tracing::info!(hub = %self.identity.hub, "connected");
        {
            let _work = self.work.lock().await;
            self.post_unsent_sayings()?;
        }
        let (lines, line) = watch::channel(hub);
        tokio::select! {
            ended = self.take_deliveries(line.clone()) => ended,
            ended = self.keep_working(line.clone()) => ended,
            ended = self.keep_comparing() => ended,
            ended = self.keep_sending(line.clone()) => ended,
            ended = self.keep_attending(line) => ended,
            ended = self.keep_certificate(&lines) => ended,
        }
    }

    /// Everything that the hub has for us, in order, each piece once.
    async fn take_deliveries(
        self: &Arc<Self>,
        mut line: watch::Receiver<HubClient>,
    ) -> Result<(), NodeError> {
        let mut hub = line.borrow_and_update().clone();
        let mut chunks = Box::pin(self.open_deliveries(&hub).await?);
        loop {
            tokio::select! {
                moved = line.changed() => {
                    moved.map_err(|_| NodeError::Internal("the line has no holder"))?;
                    hub = line.borrow_and_update().clone();
                    // The new stream is open before the old one goes. What the old one still had is
                    // after the cursor and comes again.
                    chunks = Box::pin(self.open_deliveries(&hub).await?);
                }
                chunk = chunks.next() => match chunk {
                    Some(chunk) => self.take_chunk(&hub, chunk).await?,
                    None => return Err(NodeError::Waiting("the hub ended the line".to_owned())),
                },
            }
        }
    }

    async fn open_deliveries(
        &self,
        hub: &HubClient,
    ) -> Result<impl Stream<Item = Vec<Result<Delivered, HubError>>> + use<>, NodeError> {
        let cursor = self.tables.numbers.get(&CURSOR.to_owned())?.unwrap_or(0);
        let stream = hub.receive(cursor).await?;
        Ok(stream.ready_chunks(DELIVERIES_AT_ONCE))
    }

    /// Takes deliveries in; writes the cursor; only then acknowledges.
    async fn take_chunk(
        self: &Arc<Self>,
        hub: &HubClient,
        chunk: Vec<Result<Delivered, HubError>>,
    ) -> Result<(), NodeError> {
        let mut last = 0;
        let mut broken = None;
        for delivered in chunk {
            match delivered {
                Ok((sequence, delivery)) => {
                    self.take_delivery(hub, delivery).await?;
                    last = last.max(sequence);
                }
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        let cursor = self.tables.numbers.get(&CURSOR.to_owned())?.unwrap_or(0);
        if last > cursor {
            self.tables.numbers.put(&CURSOR.to_owned(), &last)?;
            self.vault.flush()?;
            hub.acknowledge(last).await?;
        }
        broken.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn take_delivery(
        self: &Arc<Self>,
        hub: &HubClient,
        delivery: Delivery,
    ) -> Result<(), NodeError> {
        match delivery {
            Delivery::Notice { foreign, query } => {
                let _work = self.work.lock().await;
                self.take_notice(&foreign, query)
            }
            Delivery::Cancellation { own_handle, handle } => {
                let _work = self.work.lock().await;
                self.take_cancellation(own_handle, handle)
            }
            Delivery::Common { own_handle } => {
                let _work = self.work.lock().await;
                self.take_common(own_handle)?;
                self.work_waits.notify_one();
                Ok(())
            }
            Delivery::Envelope(envelope) => self.read_envelope(hub, &envelope).await,
            Delivery::Hint(hint) => self.take_hint(hub, hint).await,
            Delivery::Unreadable => {
                tracing::warn!("a delivery that this version does not know; skipped");
                Ok(())
            }
        }
    }

    async fn take_hint(self: &Arc<Self>, hub: &HubClient, hint: Hint) -> Result<(), NodeError> {
        tracing::debug!(?hint, "something changed at the hub");
        let became_usable = self.sync_membership(hub).await?;
        self.begin_custody()?;
        self.finish_custody(hub).await?;
        if became_usable {
            let _work = self.work.lock().await;
            self.agreement_became_usable()?;
        }
        self.work_waits.notify_one();
        Ok(())
    }

    /// Works off what waits, whenever it is rung and every few seconds.
    async fn keep_working(
        self: &Arc<Self>,
        line: watch::Receiver<HubClient>,
    ) -> Result<(), NodeError> {
        let mut sync = tokio::time::interval(SYNC);
        sync.tick().await;
        loop {
            tokio::select! {
                () = self.work_waits.notified() => {}
                () = tokio::time::sleep(RETRY) => {}
                _ = sync.tick() => {
                    let hub = line.borrow().clone();
                    self.take_hint(&hub, Hint::Roster).await?;
                    self.repeat_runs()?;
                }
            }
            {
                let _work = self.work.lock().await;
                self.further_replacement()?;
                self.end_received()?;
            }
            {
                let _work = self.work.lock().await;
                self.tend_cases()?;
            }
            let gathering = self.gathering.load(Ordering::Relaxed) > 0;
            let work = self.work.lock().await;
            let hub = line.borrow().clone();
            if self.waiting_rows()? == 0 {
                self.forget_questions(&[])?;
                self.tend_agreements(&hub).await?;
                continue;
            }
            let mut done = Done::default();
            let worked = self.take_turn(&hub, gathering, work, &mut done).await;
            if done != Done::default() {
                tracing::info!(
                    registered = done.registered,
                    withdrawn = done.withdrawn,
                    "worked off what waited"
                );
            }
            match worked {
                Ok(()) => {}
                Err(reason @ (NodeError::Waiting(_) | NodeError::OverQuota { .. })) => {
                    tracing::info!(%reason, "keys wait");
                }
                Err(error) => return Err(error),
            }
            if gathering {
                continue;
            }
            let _work = self.work.lock().await;
            self.tend_agreements(&hub).await?;
        }
    }

    async fn keep_sending(
        self: &Arc<Self>,
        line: watch::Receiver<HubClient>,
    ) -> Result<(), NodeError> {
        loop {
            let hub = line.borrow().clone();
            // Chunks of attachments a few at a time, between other letters.
            let fed = self.feed_parcels()?;
            let held = self.empty_outbox(&hub).await?;
            if fed {
                continue;
            }
            let wait = if held { FULL_MAILBOX } else { LOOK };
            tokio::select! {
                () = self.outbox_waits.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Stands on the custodian's line while the roster appoints us and we hold a share.
    ///
    /// Over a new connection it stands there at once; the hub ends the old line when the answers that
    /// are under way on it are in.
    async fn keep_attending(
        self: &Arc<Self>,
        mut line: watch::Receiver<HubClient>,
    ) -> Result<(), NodeError> {
        let mut standing = FuturesUnordered::new();
        let (mut last, mut attends) = (0_u64, false);
        loop {
            if !attends && self.may_attend()? {
                (last, attends) = (last + 1, true);
                let (node, number) = (Arc::clone(self), last);
                let hub = line.borrow_and_update().clone();
                standing.push(async move { (number, node.attend(&hub).await) });
            }
            tokio::select! {
                moved = line.changed() => {
                    moved.map_err(|_| NodeError::Internal("the line has no holder"))?;
                    attends = false;
                }
                Some((number, ended)) = standing.next() => {
                    if number == last {
                        ended?;
                        attends = false;
                        tokio::time::sleep(RETRY).await;
                    }
                }
                () = self.share_made.notified() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    fn may_attend(&self) -> Result<bool, NodeError> {
        Ok(self.config.custody.evaluate && self.holds_a_share()?)
    }

    /// How the node is.
    pub fn status(&self) -> Result<StatusReport, NodeError> {
        let (line_error, connected) = {
            let line = self
                .line
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            (line.error.clone(), line.client.is_some())
        };
        let rows = self.tables.rows.sums()?.registered;
        let waiting = self.waiting_rows()?;
        let custody = self.membership(|m| match (&m.roster.custody, &m.custody_missing) {
            (None, _) => "no custodians appointed".to_owned(),
            (Some(custody), missing) => {
                let size = format!("{} of {}", custody.threshold, custody.custodians.len());
                let weaker = if custody.threshold == 1 {
                    ", weaker: one custodian holds the whole key"
                } else {
                    ""
                };
                let own = custody.index_of(&self.identity.agency);
                let own = own.map_or(String::new(), |index| {
                    format!(", this node is custodian {index}")
                });
                match missing {
                    None => format!("{size}{own}{weaker}"),
                    Some(reason) => format!("{size}{own}, not ready: {reason}"),
                }
            }
        });
        let progress = self.replacement()?;
        let custody = match progress.replaces {
            Some(before) => format!(
                "{custody}, replaces custody epoch {before}: {} rows made anew, {} to go",
                progress.made, progress.to_make
            ),
            None => custody,
        };
        Ok(StatusReport {
            agency: self.identity.agency.to_string(),
            consortium: self.identity.consortium.to_string(),
            hub: self.identity.hub.clone(),
            serving: self.serving.load(Ordering::Relaxed),
            connected,
            connection_error: line_error,
            certificate_expires: rfc3339(self.credentials().validity.until),
            health: self.health(),
            records: self.tables.records.len()?,
            rows,
            waiting,
            waiting_reason: self.waiting().filter(|_| waiting > 0),
            underway: self
                .stream
                .underway
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .clone(),
            matches: self.matches(None)?.len() as u64,
            comparisons: self.comparison_report()?,
            custody,
            agreements: self.agreement_views(),
            roster_length: self.membership(|m| m.roster.length),
            rekey: self.waiting_rekey()?,
        })
    }
}

impl Node {
    /// Status after a word with the hub, if it can be reached.
    pub(crate) async fn fresh_status(&self) -> Result<StatusReport, NodeError> {
        if let Err(error) = self.hub().await
            && !self.serving.load(Ordering::Relaxed)
        {
            self.set_line(Err(error.to_string()));
        }
        self.status()
    }

    pub(crate) async fn fresh_agreements(
        &self,
    ) -> Result<Vec<crate::reports::AgreementView>, NodeError> {
        let hub = self.hub().await?;
        self.sync_membership(&hub).await?;
        Ok(self.agreement_views())
    }
}
