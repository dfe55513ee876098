//! How fast one caller may go.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::caller::Caller;

/// Beyond this many callers, those that have been quiet are forgotten. There are never more than the roster
/// has members and administrators, of all times.
const KEPT: usize = 1024;

/// A rate and a burst for each caller, by the generic cell rate algorithm (ITU-T I.371).
pub struct Pace<C: Clock = MonotonicClock> {
    callers: RateLimiter<Caller, DefaultKeyedStateStore<Caller>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl Pace {
    /// So many calls a second, and so many at once.
    pub fn new(a_second: u32, burst: u32) -> Self {
        Self::with_clock(a_second, burst, MonotonicClock)
    }
}

impl<C: Clock + Clone> Pace<C> {
    fn with_clock(a_second: u32, burst: u32, clock: C) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(a_second)).allow_burst(at_least_one(burst));
        let store = DefaultKeyedStateStore::default();
        let callers = RateLimiter::new(quota, store, clock.clone());
        Self { callers, clock }
    }

    /// Counts a call; how long to wait if it comes too fast. A call that is refused does not count.
    pub fn check(&self, caller: &Caller) -> Result<(), Duration> {
        let checked = self.callers.check_key(caller);
        if self.callers.len() > KEPT {
            self.callers.retain_recent();
        }
        checked.map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn agency(name: &str) -> Caller {
        Caller::Agency(name.parse().unwrap())
    }

    #[test]
    fn one_caller_takes_nothing_from_another_and_may_come_again() {
        let clock = FakeRelativeClock::default();
        let pace = Pace::with_clock(10, 3, clock.clone());
        let (harbour, refuge) = (agency("harbour"), agency("refuge"));
        for _ in 0..3 {
            assert_eq!(pace.check(&harbour), Ok(()));
        }
        assert_eq!(pace.check(&harbour), Err(Duration::from_millis(100)));
        assert_eq!(pace.check(&refuge), Ok(()));
        clock.advance(Duration::from_millis(100));
        assert_eq!(pace.check(&harbour), Ok(()));
        assert!(pace.check(&harbour).is_err());
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate_and_the_wait_is_enough(
            a_second in 1..200_u32, burst in 1..50_u32,
            steps_ms in proptest::collection::vec(0..400_u64, 1..200),
        ) {
            let clock = FakeRelativeClock::default();
            let pace = Pace::with_clock(a_second, burst, clock.clone());
            let caller = agency("harbour");
            let (mut passed, mut elapsed) = (0_u64, Duration::ZERO);
            for step in steps_ms {
                clock.advance(Duration::from_millis(step));
                elapsed += Duration::from_millis(step);
                if let Err(wait) = pace.check(&caller) {
                    prop_assert!(wait > Duration::ZERO);
                    clock.advance(wait);
                    elapsed += wait;
                    prop_assert_eq!(pace.check(&caller), Ok(()));
                }
                passed += 1;
                let most = f64::from(burst) + elapsed.as_secs_f64() * f64::from(a_second) + 1.0;
                prop_assert!(passed as f64 <= most, "{passed} in {elapsed:?}");
            }
        }
    }
}
