//! The clocks of the machine.

use std::time::Duration;

use raft::Time;
use rustix::time::{ClockId, Timespec, clock_gettime};
use store::replica::Now;

/// This moment. The monotonic clock is the one that goes on during suspend: a lease that ignored the time in which
/// the machine slept would outlive the promises that it was made from.
#[must_use]
pub fn now() -> Now {
    let time = Time::from_nanos(nanos(clock_gettime(ClockId::Boottime)));
    let wall = duration(clock_gettime(ClockId::Realtime));
    Now { time, wall_millis: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
}

/// For how long things take: without suspend. In nanoseconds.
pub(super) fn monotonic_nanos() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// The same.
pub(super) fn monotonic() -> Duration {
    duration(clock_gettime(ClockId::Monotonic))
}

fn nanos(reading: Timespec) -> u64 {
    u64::try_from(duration(reading).as_nanos()).unwrap_or(u64::MAX)
}

/// A clock before its beginning shows its beginning.
fn duration(reading: Timespec) -> Duration {
    Duration::try_from(reading).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_go_on_and_the_wall_clock_counts_from_1970() {
        let (first, second) = (now(), now());
        assert!(first.time > Time::ZERO && first.time <= second.time);
        // 2020.
        assert!(first.wall_millis > 1_577_836_800_000);
    }
}
