//! How many linkage keys go in one request to the custodians.
//!
//! The rule: a request begins with the size of the settings. After a full request that was answered within
//! a second the size is doubled, as long as larger requests do not give fewer keys a second: one that gives
//! less than nine tenths of the rate of the size before goes back to that size, and it is not exceeded
//! again. After an answer that took longer than eight seconds, and after a failure, the size is halved.
//! It never leaves the bounds.

use std::time::Duration;

/// Answers that come sooner let requests grow.
const QUICK: Duration = Duration::from_secs(1);
/// Answers that come later make them smaller: the relay gives up after thirty seconds.
const SLOW: Duration = Duration::from_secs(8);
/// Requests do not grow if the rate falls below this part of what it was.
const WORTH_IT: f64 = 0.9;

/// The size of requests, and what it follows from.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    size: usize,
    least: usize,
    most: usize,
    /// The size before the last growth, and keys a second then.
    smaller: Option<(usize, f64)>,
}

impl Pace {
    /// Begins with a size, within bounds.
    pub fn new(size: usize, least: usize, most: usize) -> Self {
        let most = most.max(1);
        let least = least.clamp(1, most);
        Self {
            size: size.clamp(least, most),
            least,
            most,
            smaller: None,
        }
    }

    /// Keys in the next request.
    pub fn size(&self) -> usize {
        self.size
    }

    /// So many keys were answered after so long.
    pub fn answered(&mut self, keys: usize, took: Duration) {
        if took > SLOW {
            return self.halve();
        }
        // A request that is not full, or was sent before the size changed, says nothing of it.
        if keys != self.size {
            return;
        }
        let rate = keys as f64 / took.as_secs_f64().max(1e-6);
        if let Some((size, before)) = self.smaller.take()
            && rate < WORTH_IT * before
        {
            (self.size, self.most) = (size, size);
            return;
        }
        if took < QUICK && self.size < self.most {
            self.smaller = Some((self.size, rate));
            self.size = (self.size * 2).min(self.most);
        }
    }

    /// A request failed: somebody has too much to do, or a limit was met.
    pub fn failed(&mut self) {
        self.halve();
    }

    /// No more than so many any more.
    pub fn limit(&mut self, most: usize) {
        self.most = most.clamp(1, self.most);
        self.least = self.least.min(self.most);
        (self.size, self.smaller) = (self.most, None);
    }

    fn halve(&mut self) {
        self.size = (self.size / 2).max(self.least);
        self.smaller = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pace: &mut Pace, rate: f64) -> usize {
        let took = Duration::from_secs_f64(pace.size() as f64 / rate);
        pace.answered(pace.size(), took);
        pace.size()
    }

    #[test]
    fn grows_while_answers_come_quickly_and_stays_within_bounds() {
        let mut pace = Pace::new(512, 16, 4096);
        let sizes: Vec<usize> = (0..5).map(|_| after(&mut pace, 100_000.0)).collect();
        assert_eq!(sizes, [1024, 2048, 4096, 4096, 4096]);
        // At 1,500 keys a second a request of 1,024 takes less than a second, and one of 2,048 more.
        let mut pace = Pace::new(512, 16, 4096);
        let sizes: Vec<usize> = (0..4).map(|_| after(&mut pace, 1500.0)).collect();
        assert_eq!(sizes, [1024, 2048, 2048, 2048]);
        assert_eq!(Pace::new(0, 16, 4096).size(), 16);
        assert_eq!(Pace::new(9999, 16, 4096).size(), 4096);
        assert_eq!(Pace::new(9999, 16, 0).size(), 1);
    }

    #[test]
    fn goes_back_where_larger_requests_give_less_and_stays_there() {
        let mut pace = Pace::new(512, 16, 4096);
        assert_eq!(after(&mut pace, 10_000.0), 1024);
        assert_eq!(after(&mut pace, 8_000.0), 512);
        assert_eq!(after(&mut pace, 10_000.0), 512);
        // Control: a little less is no reason.
        let mut pace = Pace::new(512, 16, 4096);
        assert_eq!(after(&mut pace, 10_000.0), 1024);
        assert_eq!(after(&mut pace, 9_500.0), 2048);
    }

    #[test]
    fn shrinks_after_failures_and_slow_answers_and_grows_again() {
        let mut pace = Pace::new(1024, 16, 4096);
        pace.answered(300, Duration::from_secs(9));
        assert_eq!(pace.size(), 512);
        pace.failed();
        assert_eq!(pace.size(), 256);
        (0..9).for_each(|_| pace.failed());
        assert_eq!(pace.size(), 16);
        // What is not full says nothing.
        pace.answered(15, Duration::from_millis(1));
        assert_eq!(pace.size(), 16);
        assert_eq!(after(&mut pace, 10_000.0), 32);
    }
}
