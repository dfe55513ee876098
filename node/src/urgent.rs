//! What does not wait its turn: the rows of a missing person.
//!
//! They go by themselves, before whatever else waits and without waiting for company, padded like every
//! batch; what a found person's record no longer shares is withdrawn in the same way. The hub sees that
//! the rows of such a batch come together. Long work gives the work lock away between its batches, so
//! that a report never waits for more than one.

use std::sync::Arc;

use symbolon_core::row::Handle;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::tokenise::{Done, silent};

/// The work lock, held, by somebody who can give it away for a moment.
pub(crate) struct Work<'a> {
    lock: &'a Mutex<()>,
    guard: Option<MutexGuard<'a, ()>>,
}

impl<'a> Work<'a> {
    /// Whoever holds the lock.
    pub fn new(lock: &'a Mutex<()>, guard: MutexGuard<'a, ()>) -> Self {
        let guard = Some(guard);
        Self { lock, guard }
    }

    /// Who waits has the lock first: it is given in the order of asking.
    pub async fn let_others_in(&mut self) {
        self.guard = None;
        self.guard = Some(self.lock.lock().await);
    }
}

impl Node {
    /// Registers the waiting rows of a record and withdraws others of it, before all that waits.
    ///
    /// The caller holds the work lock.
    pub(crate) async fn send_first(
        self: &Arc<Self>,
        hub: &HubClient,
        record_id: &str,
        gone: &[Handle],
        done: &mut Done,
    ) -> Result<(), NodeError> {
        let registered = self.register_first(hub, record_id, done).await;
        let mut withdrawn = Ok(());
        if !gone.is_empty() {
            withdrawn = self.withdraw_batch(hub, gone, done).await;
        }
        self.vault.flush()?;
        registered.and(withdrawn)
    }

    async fn register_first(
        self: &Arc<Self>,
        hub: &HubClient,
        record_id: &str,
        done: &mut Done,
    ) -> Result<(), NodeError> {
        let mut first_error = None;
        for epoch in self.row_epochs()? {
            let blocks = vec![self.block_of_record(record_id)];
            let (registered, worked) = self.register_now(hub, epoch, blocks).await;
            done.registered += registered;
            first_error = first_error.or(worked.err());
        }
        first_error.map_or(Ok(()), Err)
    }

    /// One turn of the serving node over what waits: who is missing first, then the rest, unless others
    /// let their rows wait for company; withdrawals never wait.
    pub(crate) async fn take_turn(
        self: &Arc<Self>,
        hub: &HubClient,
        gathering: bool,
        work: MutexGuard<'_, ()>,
        done: &mut Done,
    ) -> Result<(), NodeError> {
        let mut work = Work::new(&self.work, work);
        let mut watches = Ok(());
        for record_id in self.watched()? {
            let sent = self.register_first(hub, &record_id, done).await;
            watches = watches.and(sent);
        }
        if gathering {
            self.withdraw_waiting(hub, &silent(), done).await?;
            self.vault.flush()?;
            return watches;
        }
        // What of the watches could not go waits with the rest, and is told with it.
        let turns = Some(&mut work);
        self.work_off_in_turns(hub, &silent(), done, turns).await
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_has_the_lock_between_two_batches() {
        let lock = Mutex::new(());
        let mut work = Work::new(&lock, lock.lock().await);
        work.let_others_in().await;
        assert!(
            lock.try_lock().is_err(),
            "nobody waits: it is held again at once"
        );
        let mut report = Box::pin(lock.lock());
        assert!(poll!(&mut report).is_pending());
        {
            let mut batches = Box::pin(work.let_others_in());
            assert!(poll!(&mut batches).is_pending());
            assert!(
                poll!(report).is_ready(),
                "the report has its turn, and is done with it"
            );
            assert!(poll!(&mut batches).is_ready());
        }
        assert!(lock.try_lock().is_err(), "and then the batches go on");
    }
}
