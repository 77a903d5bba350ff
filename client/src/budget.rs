//! How many attempts may be repeated.

use std::sync::Mutex;
use std::time::Instant;

use crate::lock;

/// What a client that was idle may repeat at once.
const MOST: f64 = 1_000.0;
/// What may be repeated in a second whatever the number of calls.
const EACH_SECOND: f64 = 10.0;

/// Bounds the attempts that are repeated because the cluster did not keep up, to a share of the calls: without it,
/// repeated attempts are most of the load once a cluster is overloaded, and keep it so.
#[derive(Debug)]
pub(crate) struct Budget {
    share: f64,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    attempts: f64,
    at: Instant,
}

impl Budget {
    /// `share`: repeated attempts for each call.
    pub(crate) fn new(share: f64, now: Instant) -> Self {
        Self { share, left: Mutex::new(Left { attempts: MOST, at: now }) }
    }

    /// A call begins.
    pub(crate) fn call(&self) {
        let mut left = lock(&self.left);
        left.attempts = (left.attempts + self.share).min(MOST);
    }

    /// Whether an attempt may be repeated; if so, it is counted.
    pub(crate) fn repeat(&self, now: Instant) -> bool {
        let mut left = lock(&self.left);
        let elapsed = now.saturating_duration_since(left.at).as_secs_f64();
        left.attempts = (left.attempts + elapsed * EACH_SECOND).min(MOST);
        left.at = now;
        let allowed = left.attempts >= 1.0;
        if allowed {
            left.attempts -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_tenth_of_the_calls_may_be_repeated() {
        let now = Instant::now();
        let budget = Budget::new(0.1, now);
        let repeated = |budget: &Budget, now| (0..10_000).filter(|_| budget.repeat(now)).count();
        assert_eq!(repeated(&budget, now), 1_000);
        (0..505).for_each(|_| budget.call());
        assert_eq!(repeated(&budget, now), 50);
        // An idle client may always try a few times.
        assert_eq!(repeated(&budget, now + Duration::from_secs(2)), 20);
    }
}
