//! Healing: finding out that the hub holds other rows than this node thinks, and mending it.
//!
//! A store may lose an acknowledged tail to a damaged journal and not know (design, section 6). Both
//! sides keep count and digest of the live rows; they are compared at each connection. Rows that the
//! hub lost wait to be sent again; rows that nobody here knows are withdrawn.

use std::collections::BTreeSet;

use symbolon_core::row::{Handle, Holdings, fingerprint};

use crate::error::NodeError;
use crate::hub_client::HubClient;
use crate::node::Node;

const PAGE: u32 = 10_000;

impl Node {
    /// What we think the hub holds.
    pub(crate) fn expected_holdings(&self) -> Result<Holdings, NodeError> {
        let mut holdings = Holdings::default();
        for entry in self.tables.rows.iter() {
            let (handle, row) = entry?;
            if let (true, Some(token)) = (row.registered, row.token) {
                holdings.add(&fingerprint(&row.epoch, &token, &handle));
            }
        }
        Ok(holdings)
    }

    /// Compares, and marks what has to be sent again or withdrawn. The caller holds the work lock.
    pub(crate) async fn heal(&self, hub: &HubClient) -> Result<(), NodeError> {
        if hub.holdings().await? == self.expected_holdings()? {
            return Ok(());
        }
        let held = self.all_handles(hub).await?;
        let (mut lost, mut late) = (0u64, 0u64);
        let mut known = BTreeSet::new();
        let rows: Vec<_> = self.tables.rows.iter().collect::<Result<_, _>>()?;
        for (handle, mut row) in rows {
            let there = held.contains(&handle);
            known.insert(handle);
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
                    self.tables.rows.put(&handle, &row)?;
                    self.tables.pending.put(&handle, &())?;
                    lost += 1;
                }
                // A dummy is not worth sending again.
                (_, false, false) => self.tables.rows.remove(&handle)?,
                // Submitted, but the answer was lost: sending it again is harmless and marks it.
                (false, true, true) => late += 1,
                (false, true, false) => {
                    row.registered = true;
                    self.tables.rows.put(&handle, &row)?;
                }
                _ => {}
            }
        }
        let mut unknown = 0u64;
        for handle in held.difference(&known) {
            self.tables.withdrawals.put(handle, &())?;
            unknown += 1;
        }
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

    async fn all_handles(&self, hub: &HubClient) -> Result<BTreeSet<Handle>, NodeError> {
        let mut all = BTreeSet::new();
        let mut after = None;
        loop {
            let page = hub.handles(after, PAGE).await?;
            let full = page.len() == PAGE as usize;
            let last = page.last().copied();
            all.extend(page);
            if !full || last <= after {
                return Ok(all);
            }
            after = last;
        }
    }
}
