//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential, with full jitter: anything from nothing to the bound, so that clients that failed together do not
/// come back together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Backoff {
    /// The bound after the first failure.
    pub first: Duration,
    /// The bound after many.
    pub most: Duration,
}

impl Backoff {
    /// The bound after so many failures.
    pub(crate) fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }

    /// A random pause.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        self.bound(failures).mul_f64(rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_most() {
        let backoff = Backoff { first: Duration::from_millis(10), most: Duration::from_secs(1) };
        let bounds = [1, 2, 3, 7, 8, 1_000].map(|failures| backoff.bound(failures).as_millis());
        assert_eq!(bounds, [10, 20, 40, 640, 1_000, 1_000]);
        assert!((0..1_000).all(|_| backoff.pause(3) <= backoff.bound(3)));
    }
}
