//! Custodians whose quota for this agency is used up, and until when.
//!
//! The time is a custodian's word that came through the hub, and is believed only as a reason to wait
//! for a while: a day at most, and no longer than until the roster changes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use symbolon_core::identity::AgencyName;

/// The longest that a custodian is left alone on its word.
const LONGEST_S: i64 = 86_400;

/// One custodian's pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// When it is asked again.
    pub until: i64,
    /// When it said that the quota allows it; `None` if it said never.
    pub retry_at: Option<i64>,
}

/// Every custodian's.
#[derive(Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<AgencyName, Pause>>);

impl Pauses {
    /// A custodian refused for want of quota.
    pub fn set(&self, custodian: &AgencyName, retry_at: Option<i64>, now: i64) {
        let longest = now.saturating_add(LONGEST_S);
        let until = retry_at.map_or(longest, |at| at.clamp(now.saturating_add(1), longest));
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.insert(custodian.clone(), Pause { until, retry_at });
    }

    /// Those that hold now.
    pub fn now(&self, now: i64) -> BTreeMap<AgencyName, Pause> {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|_, pause| now < pause.until);
        pauses.clone()
    }

    /// Nobody is left alone any longer: the roster may give another quota.
    pub fn clear(&self) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_when_it_was_said_to_and_never_later_than_a_day() {
        let pauses = Pauses::default();
        let names: [AgencyName; 3] = ["a", "b", "c"].map(|name| name.parse().unwrap());
        pauses.set(&names[0], Some(110), 100);
        pauses.set(&names[1], Some(i64::MAX), 100);
        pauses.set(&names[2], None, 100);
        assert_eq!(pauses.now(109).len(), 3);
        assert_eq!(pauses.now(110).len(), 2);
        assert!(pauses.now(100 + LONGEST_S).is_empty());
        pauses.set(&names[0], Some(5), 100);
        assert_eq!(pauses.now(100).len(), 1);
        pauses.clear();
        assert!(pauses.now(100).is_empty());
    }
}
