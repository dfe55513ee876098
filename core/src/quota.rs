//! The token bucket that a custodian keeps for each agency.
//!
//! It starts with [`Quota::initial`], holds [`Quota::capacity`] at most, and fills up by
//! [`Quota::per_day`] a day, continuously. It is kept in 86,400ths of an evaluation, so that what a
//! second brings is a whole number and nothing is lost by rounding. No clock here: whoever asks says
//! what time it is; a clock that goes back brings nothing and takes nothing.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::roster::Quota;

const DAY_S: u128 = 86_400;

/// What an agency has left at one custodian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// As the roster had it when the bucket was last touched.
    quota: Quota,
    /// Whole evaluations.
    left: u64,
    /// 86,400ths of one more.
    part: u64,
    /// When this was true, Unix seconds.
    at: i64,
}

/// There is not enough left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("over quota")]
pub struct OverQuota {
    /// Unix seconds from which on there will be; `None` if the quota as it is never allows as much.
    pub retry_at: Option<i64>,
}

impl Bucket {
    /// The bucket of an agency that has asked for nothing yet.
    pub fn new(quota: Quota, now: i64) -> Self {
        Self {
            quota,
            left: quota.initial,
            part: 0,
            at: now,
        }
    }

    /// Whole evaluations left when it was last touched.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes `count` evaluations out, under the quota that the roster gives now; all or none.
    ///
    /// A quota that was raised or lowered moves what is left by the difference of `initial`; the same
    /// one said again changes nothing, so that repeating it fills nothing up.
    pub fn spend(&mut self, quota: Quota, count: u64, now: i64) -> Result<(), OverQuota> {
        let mut units = self.units_at(now);
        if quota != self.quota {
            let more = u128::from(quota.initial.saturating_sub(self.quota.initial)) * DAY_S;
            let less = u128::from(self.quota.initial.saturating_sub(quota.initial)) * DAY_S;
            units = (units + more).saturating_sub(less);
            units = units.min(u128::from(quota.capacity()) * DAY_S);
            self.quota = quota;
        }
        self.at = self.at.max(now);
        let asked = u128::from(count) * DAY_S;
        let enough = units.checked_sub(asked);
        let rest = enough.unwrap_or(units);
        self.left = u64::try_from(rest / DAY_S).unwrap_or(u64::MAX);
        self.part = u64::try_from(rest % DAY_S).unwrap_or(0);
        match enough {
            Some(_) => Ok(()),
            None => Err(OverQuota {
                retry_at: self.when(asked, units),
            }),
        }
    }

    fn units_at(&self, now: i64) -> u128 {
        let elapsed = u128::try_from(i128::from(now) - i128::from(self.at)).unwrap_or(0);
        let held = u128::from(self.left) * DAY_S + u128::from(self.part);
        let brought = elapsed.saturating_mul(u128::from(self.quota.per_day));
        let filled = held.saturating_add(brought);
        filled.min(u128::from(self.quota.capacity()) * DAY_S)
    }

    /// When `asked` units will be there, if ever.
    fn when(&self, asked: u128, units: u128) -> Option<i64> {
        if asked > u128::from(self.quota.capacity()) * DAY_S || self.quota.per_day == 0 {
            return None;
        }
        let wait = (asked - units).div_ceil(u128::from(self.quota.per_day));
        Some(self.at.saturating_add(i64::try_from(wait).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn quota(initial: u64, per_day: u64) -> Quota {
        Quota { initial, per_day }
    }

    #[test]
    fn it_starts_with_the_initial_amount_and_fills_continuously() {
        let q = quota(100, 8640);
        let mut bucket = Bucket::new(q, NOW);
        assert_eq!(bucket.spend(q, 100, NOW), Ok(()));
        let refused = bucket.spend(q, 1, NOW).unwrap_err();
        // One evaluation comes every ten seconds.
        assert_eq!(refused.retry_at, Some(NOW + 10));
        assert!(bucket.spend(q, 1, NOW + 9).is_err());
        assert_eq!(bucket.spend(q, 1, NOW + 10), Ok(()));
        // After a long time it is full, and no fuller.
        assert_eq!(
            bucket.spend(q, q.capacity() + 1, NOW + 900_000),
            Err(OverQuota { retry_at: None })
        );
        assert_eq!(bucket.spend(q, q.capacity(), NOW + 900_000), Ok(()));
        assert!(bucket.spend(q, 1, NOW + 900_000).is_err());
    }

    #[test]
    fn a_changed_quota_takes_effect_and_a_repeated_one_does_not() {
        let (small, large) = (quota(10, 0), quota(50, 0));
        let mut bucket = Bucket::new(small, NOW);
        assert_eq!(bucket.spend(small, 10, NOW), Ok(()));
        assert_eq!(
            bucket.spend(small, 1, NOW),
            Err(OverQuota { retry_at: None })
        );
        assert_eq!(bucket.spend(large, 40, NOW), Ok(()));
        assert!(bucket.spend(large, 1, NOW).is_err());
        assert!(bucket.spend(small, 1, NOW).is_err());
        let mut full = Bucket::new(large, NOW);
        assert_eq!(
            full.spend(small, 11, NOW),
            Err(OverQuota { retry_at: None })
        );
        assert_eq!(full.spend(small, 10, NOW), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing() {
        let q = quota(0, 86_400);
        let mut bucket = Bucket::new(q, NOW);
        assert_eq!(bucket.spend(q, 5, NOW + 5), Ok(()));
        assert!(bucket.spend(q, 1, NOW).is_err());
        assert!(bucket.spend(q, 1, NOW + 5).is_err());
        assert_eq!(bucket.spend(q, 1, NOW + 6), Ok(()));
    }

    proptest! {
        #[test]
        fn no_order_of_requests_spends_more_than_the_quota(
            initial in 0u64..1000,
            per_day in 0u64..10_000_000,
            asks in proptest::collection::vec((0u64..500, 0i64..1000), 0..100),
        ) {
            let q = quota(initial, per_day);
            let (mut bucket, mut now, mut spent) = (Bucket::new(q, NOW), NOW, 0u128);
            for (count, later) in asks {
                now += later;
                match bucket.spend(q, count, now) {
                    Ok(()) => spent += u128::from(count),
                    Err(OverQuota { retry_at: Some(at) }) => {
                        prop_assert!(at > now);
                        prop_assert!(bucket.clone().spend(q, count, at - 1).is_err());
                        prop_assert!(bucket.clone().spend(q, count, at).is_ok());
                    }
                    Err(OverQuota { retry_at: None }) => {
                        prop_assert!(per_day == 0 || count > q.capacity());
                    }
                }
                let elapsed = u128::try_from(now - NOW).unwrap();
                prop_assert!(spent * DAY_S <= u128::from(initial) * DAY_S + elapsed * u128::from(per_day));
            }
        }

        #[test]
        fn extremes_never_panic(
            initial in any::<u64>(), per_day in any::<u64>(),
            count in any::<u64>(), start in any::<i64>(), now in any::<i64>(),
        ) {
            let q = quota(initial, per_day);
            let mut bucket = Bucket::new(q, start);
            let _ = bucket.spend(q, count, now);
            let _ = bucket.spend(quota(per_day, initial), count, start);
        }
    }
}
