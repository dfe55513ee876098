//! Healing: finding out that the hub holds other rows than this node thinks, and mending it.
//!
//! A store may lose an acknowledged tail to a damaged journal and not know (design, section 6). Both
//! sides keep count and digest of the live rows; they are compared at each connection. Rows that the
//! hub lost wait to be sent again; rows that nobody here knows are withdrawn.
//!
//! After a kill the two differ, since rows were submitted and not yet marked here. These are submitted once
//! more, as they were, and only if the two differ still are all handles compared, a million at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use symbolon_core::row::{Handle, Holdings};

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;
use crate::pipeline::WINDOW;

const PAGE: u32 = 10_000;
/// Handles that are compared in one look at all rows; some thirty megabytes.
const AT_ONCE: usize = 1_000_000;

/// What a comparison found.
#[derive(Default)]
struct Found {
    lost: u64,
    late: u64,
    unknown: u64,
}

impl Node {
    /// What we think the hub holds.
    pub(crate) fn expected_holdings(&self) -> Result<Holdings, NodeError> {
        Ok(self.tables.rows.sums()?.holdings)
    }

    /// Compares, and marks what has to be sent again or withdrawn. The caller holds the work lock.
    pub(crate) async fn heal(self: &Arc<Self>, hub: &HubClient) -> Result<(), NodeError> {
        if hub.holdings().await? == self.expected_holdings()? {
            return Ok(());
        }
        self.send_again(hub).await?;
        if hub.holdings().await? == self.expected_holdings()? {
            return self.vault.flush();
        }
        let mut found = Found::default();
        let mut after = None;
        loop {
            let (held, last) = self.handles_after(hub, after).await?;
            self.compare_handles((after, last), held, &mut found)?;
            if last.is_none() {
                break;
            }
            after = last;
        }
        let Found {
            lost,
            late,
            unknown,
        } = found;
        self.lost_rows
            .fetch_add(lost, std::sync::atomic::Ordering::Relaxed);
        if lost + unknown > 0 {
            tracing::warn!(
                lost,
                unknown,
                late,
                "the hub held other rows than this node; mending it"
            );
        }
        self.vault.flush()
    }

    /// Submits what waits and has its root: it may be there already. What cannot go now waits on.
    async fn send_again(self: &Arc<Self>, hub: &HubClient) -> Result<(), NodeError> {
        for epoch in self.row_epochs()? {
            let mut cursor = None;
            loop {
                let (blocks, last) = self.tables.pending.blocks(cursor, WINDOW)?;
                if blocks.is_empty() {
                    break;
                }
                cursor = last;
                let (rows, sent) = self.send_window(hub, epoch, blocks).await;
                if rows > 0 {
                    tracing::info!(
                        rows,
                        "rows whose acknowledgement may be lost were sent again"
                    );
                }
                if let Err(error) = sent {
                    tracing::info!(%error, "rows wait");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Compares what the hub holds behind one handle and up to another with the rows there.
    fn compare_handles(
        &self,
        (after, last): (Option<Handle>, Option<Handle>),
        mut held: BTreeSet<Handle>,
        found: &mut Found,
    ) -> Result<(), NodeError> {
        let here = |handle: &Handle| {
            after.is_none_or(|after| *handle > after) && last.is_none_or(|last| *handle <= last)
        };
        for entry in self.tables.rows.iter() {
            let (handle, mut row) = entry?;
            if !here(&handle) {
                continue;
            }
            let there = held.remove(&handle);
            // What is over is withdrawn and counted as it is, whether the hub still has it or not.
            if self.tables.withdrawals.contains(&handle)? || self.is_closed(&row.epoch) {
                continue;
            }
            match (row.registered, there, row.record_id.is_some()) {
                // Lost at the hub: send it again. Its root is cached, so nothing is evaluated.
                // Unless its time was over: what ended by agreement does not come back by itself.
                (true, false, true) if self.row_is_over(&row)? => {
                    self.tables.withdrawals.put(&handle, &())?;
                }
                (true, false, true) => {
                    row.registered = false;
                    self.tables.rows.put_waiting([(handle, row)])?;
                    found.lost += 1;
                }
                // A dummy is not worth sending again.
                (_, false, false) => self.tables.rows.remove_many(&[handle], 0)?,
                // Submitted, but the answer was lost: sending it again is harmless and marks it.
                (false, true, true) => found.late += 1,
                (false, true, false) => {
                    row.registered = true;
                    self.tables.rows.put(&handle, &row)?;
                }
                _ => {}
            }
        }
        // What is left nobody here knows.
        for handle in held {
            self.tables.withdrawals.put(&handle, &())?;
            found.unknown += 1;
        }
        Ok(())
    }

    /// Handles that the hub holds behind one, and the last of them if there may be more.
    async fn handles_after(
        &self,
        hub: &HubClient,
        mut after: Option<Handle>,
    ) -> Result<(BTreeSet<Handle>, Option<Handle>), NodeError> {
        let mut held = BTreeSet::new();
        while held.len() < AT_ONCE {
            let page = hub.handles(after, PAGE).await?;
            let full = page.len() == PAGE as usize;
            let last = page.last().copied();
            held.extend(page);
            if !full || last <= after {
                return Ok((held, None));
            }
            after = last;
        }
        Ok((held, after))
    }
}
