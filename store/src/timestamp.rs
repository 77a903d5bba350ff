//! Timestamps of versions, and where they come from.

use std::fmt;

/// Bits of a timestamp below the milliseconds.
const LOGICAL_BITS: u32 = 18;
/// Clocks that show more, the year 3084, count as showing this: however wrong a majority of them is, there are
/// timestamps left for every command to come.
const LATEST_MILLIS: u64 = 1 << 45;

/// The moment of a command: 46 bits of milliseconds since 1970, then 18 bits that tell commands of one
/// millisecond apart. To be compared and nothing else; they rise strictly along the log of a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Before every command.
    pub const ZERO: Timestamp = Timestamp(0);
    /// After every command.
    pub const MAX: Timestamp = Timestamp(u64::MAX);

    /// The first timestamp of a millisecond since 1970; of the year 3084 for all that come later.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Timestamp(millis.min(LATEST_MILLIS) << LOGICAL_BITS)
    }

    /// Its millisecond since 1970.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0 >> LOGICAL_BITS
    }

    /// The one after it; [`Timestamp::MAX`] stays.
    #[must_use]
    pub fn next(self) -> Self {
        Timestamp(self.0.saturating_add(1))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.millis(), self.0 & ((1 << LOGICAL_BITS) - 1))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a leader takes the timestamp of the next command from.
pub trait TimestampSource {
    /// Above `last`, and as near to the physical time as that allows.
    fn next(&mut self, last: Timestamp) -> Timestamp;
}

/// The physical time as the voters' clocks have it: their lower median, so that one wild clock moves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct MedianClock {
    physical: Timestamp,
}

impl MedianClock {
    /// Takes the voters' clocks, in milliseconds since 1970, as they were last heard.
    pub fn observe(&mut self, clocks: &mut [u64]) {
        clocks.sort_unstable();
        if let Some(median) = clocks.get(clocks.len().saturating_sub(1) / 2) {
            self.physical = Timestamp::from_millis(*median);
        }
    }

    /// The physical time, as last observed.
    #[must_use]
    pub fn physical(&self) -> Timestamp {
        self.physical
    }
}

impl TimestampSource for MedianClock {
    fn next(&mut self, last: Timestamp) -> Timestamp {
        self.physical.max(last.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_rise_even_when_clocks_do_not() {
        let mut clock = MedianClock::default();
        clock.observe(&mut [50, 7, 9_000_000]);
        let first = clock.next(Timestamp::ZERO);
        assert_eq!(first, Timestamp::from_millis(50));
        assert_eq!(clock.next(first), Timestamp(first.0 + 1));
        clock.observe(&mut [1, 2, 3]);
        assert!(clock.next(first) > first);
    }

    #[test]
    fn absurd_clocks_leave_timestamps_for_later() {
        let mut clock = MedianClock::default();
        clock.observe(&mut [u64::MAX, u64::MAX]);
        let first = clock.next(Timestamp::ZERO);
        assert!(first <= Timestamp(1 << 63) && clock.next(first) > first);
    }

    #[test]
    fn the_median_is_the_lower_one() {
        let mut clock = MedianClock::default();
        clock.observe(&mut [4, 1, 3, 2]);
        assert_eq!(clock.physical().millis(), 2);
        clock.observe(&mut []);
        assert_eq!(clock.physical().millis(), 2);
    }
}
