//! How many bytes may be moved now.

use std::time::Duration;

/// So much of a second may be saved up.
const BURST: u32 = 4;

/// Bytes that time brings and work takes. What cannot be divided may take more than there is: what comes next
/// waits for that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    per_second: u64,
    /// In bytes; below zero: owed.
    left: i128,
    /// Parts of a byte, in nanoseconds of `per_second`.
    rest: u128,
}

const SECOND: u128 = 1_000_000_000;

impl Allowance {
    pub(super) fn new(per_second: u64) -> Self {
        let per_second = per_second.max(1);
        Self { per_second, left: Self::most(per_second), rest: 0 }
    }

    fn most(per_second: u64) -> i128 {
        i128::from(per_second / u64::from(BURST)).max(1)
    }

    pub(super) fn refill(&mut self, elapsed: Duration) {
        let brought = elapsed.as_nanos().saturating_mul(u128::from(self.per_second)) + self.rest;
        self.rest = brought % SECOND;
        let bytes = i128::try_from(brought / SECOND).unwrap_or(i128::MAX);
        self.left = self.left.saturating_add(bytes).min(Self::most(self.per_second));
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.left -= i128::from(bytes);
    }

    pub(super) fn left(&self) -> u64 {
        u64::try_from(self.left.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_too_much_is_owed() {
        let mut allowance = Allowance::new(1_000);
        assert_eq!(allowance.left(), 250, "a quarter of a second");
        allowance.spend(750);
        assert_eq!(allowance.left(), 0);
        allowance.refill(Duration::from_millis(500));
        assert_eq!(allowance.left(), 0);
        allowance.refill(Duration::from_micros(1_500));
        assert_eq!(allowance.left(), 1);
        allowance.refill(Duration::from_micros(500));
        assert_eq!(allowance.left(), 2, "parts of a byte add up");
        allowance.refill(Duration::from_secs(1_000));
        assert_eq!(allowance.left(), 250, "no more is saved up");
    }
}
