//! The time of a consortium, which tests move.

use std::sync::atomic::{AtomicI64, Ordering};

use symbolon_node::clock;

/// The system's clock with a hand on it; hub, nodes and administrator of a consortium share one.
#[derive(Debug, Default)]
pub struct SharedClock(AtomicI64);

impl SharedClock {
    /// Sets it forward, or back.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn shifted(&self) -> i64 {
        symbolon_node::clock::Clock::now(&clock::SystemClock) + self.0.load(Ordering::SeqCst)
    }
}

impl symbolon_hub::Clock for SharedClock {
    fn now(&self) -> i64 {
        self.shifted()
    }
}

impl symbolon_node::clock::Clock for SharedClock {
    fn now(&self) -> i64 {
        self.shifted()
    }
}
