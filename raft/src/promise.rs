//! Promises given: for how long this replica helps nobody else into office (§6.4.1).

use std::time::Duration;

use crate::types::{NodeId, Time};

/// Leaders promised to at the same time; more get no promise.
const MAX_PROMISES: usize = 16;

/// What this boot promised, and what an earlier one may have.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Promises {
    /// An earlier boot promised to someone, forgotten whom, at most until here.
    embargo_until: Time,
    longest_of_boot: Duration,
    /// To whom, and until when; a place whose time has passed is free.
    given: [(NodeId, Time); MAX_PROMISES],
}

impl Promises {
    /// `durable` is the longest promise that earlier boots may have given.
    pub(crate) fn after_restart(now: Time, durable: Duration) -> Self {
        let given = Default::default();
        Self { given, embargo_until: now + durable, longest_of_boot: Duration::ZERO }
    }

    /// Promises to help only `leader` for `length`. A shorter one shortens nothing. Gives what was promised.
    pub(crate) fn give(&mut self, now: Time, leader: NodeId, length: Duration) -> Duration {
        if length.is_zero() {
            return length;
        }
        let same = self.given.iter().position(|(to, _)| *to == leader);
        let place = same.or_else(|| self.given.iter().position(|(_, until)| *until <= now));
        let Some(place) = place else { return Duration::ZERO };
        let (_, until) = self.given[place];
        self.given[place] = (leader, until.max(now + length));
        self.longest_of_boot = self.longest_of_boot.max(length);
        length
    }

    /// Whether `candidate` may be helped into office now.
    pub(crate) fn allow(&self, now: Time, candidate: NodeId) -> bool {
        self.embargo_until <= now
            && self.given.iter().all(|(leader, until)| *leader == candidate || *until <= now)
    }

    /// When everyone but `except` may be helped.
    pub(crate) fn free_at(&self, except: NodeId) -> Time {
        let given = self.given.iter().filter(|(leader, _)| *leader != except).map(|(_, until)| *until).max();
        given.unwrap_or_default().max(self.embargo_until)
    }

    /// Reads what the next promise uses.
    pub(crate) fn warm(&self) -> u64 {
        self.embargo_until.as_nanos() ^ self.given[0].1.as_nanos()
    }

    /// While an earlier boot's promise may hold.
    pub(crate) fn embargo_until(&self) -> Time {
        self.embargo_until
    }

    pub(crate) fn longest_of_boot(&self) -> Duration {
        self.longest_of_boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_shorter_promise_shortens_nothing() {
        let mut p = Promises::after_restart(Time::ZERO, Duration::ZERO);
        p.give(Time::ZERO, NodeId(1), SECOND * 2);
        p.give(Time::ZERO, NodeId(1), SECOND);
        assert!(!p.allow(Time::ZERO + SECOND, NodeId(2)));
        assert!(p.allow(Time::ZERO + SECOND, NodeId(1)));
        assert!(p.allow(Time::ZERO + SECOND * 2, NodeId(2)));
    }

    #[test]
    fn two_promises_bind_to_nobody() {
        let mut p = Promises::after_restart(Time::ZERO, Duration::ZERO);
        p.give(Time::ZERO, NodeId(1), SECOND);
        p.give(Time::ZERO, NodeId(2), SECOND);
        assert!(!p.allow(Time::ZERO, NodeId(1)) && !p.allow(Time::ZERO, NodeId(2)));
    }

    #[test]
    fn a_restart_waits_for_everyone() {
        let p = Promises::after_restart(Time::ZERO, SECOND);
        assert!(!p.allow(Time::ZERO, NodeId(1)));
        assert!(p.allow(Time::ZERO + SECOND, NodeId(1)));
    }

    #[test]
    fn promises_are_bounded() {
        let mut p = Promises::after_restart(Time::ZERO, Duration::ZERO);
        let given = (0..100).filter(|n| !p.give(Time::ZERO, NodeId(*n), SECOND).is_zero()).count();
        assert_eq!(given, MAX_PROMISES);
    }
}
