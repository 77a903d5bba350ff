//! A node's monotonic clock: it drifts against real time, within the bound of the fault model.

use raft::Time;

/// Parts per million of a clock that runs true.
pub const TRUE_RATE: u64 = 1_000_000;

/// Maps real time to one node's readings and back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    real: u64,
    local: u64,
    rate: u64,
}

impl Clock {
    /// A clock that shows `local` at real time `real` and runs at `rate` parts per million.
    #[must_use]
    pub fn new(real: u64, local: u64, rate: u64) -> Self {
        Self { real, local, rate }
    }

    /// What it shows at real time `now`.
    #[must_use]
    pub fn at(&self, now: u64) -> Time {
        Time::from_nanos(self.local + now.saturating_sub(self.real) * self.rate / TRUE_RATE)
    }

    /// The real time at which it shows `reading`, or later by less than two nanoseconds.
    #[must_use]
    pub fn real_time_of(&self, reading: Time) -> u64 {
        let ahead = reading.as_nanos().saturating_sub(self.local);
        let ahead = u128::from(ahead) * u128::from(TRUE_RATE) / u128::from(self.rate);
        self.real.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX / 2)).saturating_add(1)
    }

    /// Runs at another rate from `now` on; the reading does not jump.
    pub fn set_rate(&mut self, now: u64, rate: u64) {
        *self = Self::new(now, self.at(now).as_nanos(), rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_when_its_event_fires() {
        for rate in [955_000, 1_000_000, 1_044_999] {
            let clock = Clock::new(1_000, 77, rate);
            for reading in [0, 77, 78, 1_234_567, 99_999_999_999] {
                let reading = Time::from_nanos(reading);
                assert!(clock.at(clock.real_time_of(reading)) >= reading);
            }
        }
    }

    #[test]
    fn a_new_rate_does_not_jump() {
        let mut clock = Clock::new(0, 0, 955_000);
        let before = clock.at(5_000_000);
        clock.set_rate(5_000_000, 1_045_000);
        assert_eq!(clock.at(5_000_000), before);
    }
}
