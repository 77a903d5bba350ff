//! Who may act: decided from what the Lease says and from the local clock that never jumps. No input or output.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

/// How long things take. A holder stops acting (`renew_deadline`) before another may take over (`duration`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Another may take the lease when it saw no renewal for so long.
    pub duration: Duration,
    /// The holder acts for so long after the beginning of its last renewal that succeeded.
    pub renew_deadline: Duration,
    /// An attempt to renew or to take it is given up after so long,
    pub attempt: Duration,
    /// and so long after it ended the next one begins.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let [duration, renew_deadline, attempt, retry] = [15, 10, 3, 2].map(Duration::from_secs);
        Self { duration, renew_deadline, attempt, retry }
    }
}

/// What to do about the lease.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    /// Write this in its place, if nobody else wrote meanwhile.
    Write(LeaseSpec),
    /// Another holds it.
    Wait,
}

/// One candidate.
#[derive(Debug)]
pub struct Elector {
    identity: String,
    timing: Timing,
    /// What was read last, and since when it is like that.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Elector {
    /// A candidate of this name, which no other process has.
    #[must_use]
    pub fn new(identity: String, timing: Timing) -> Self {
        Self { identity, timing, seen: None }
    }

    /// Whether `lease` names this candidate.
    #[must_use]
    pub fn holds(&self, lease: &LeaseSpec) -> bool {
        lease.holder_identity.as_deref() == Some(self.identity.as_str())
    }

    /// What to do, given the lease as it was read. `now` is the local clock, `wall` only goes into the lease: the
    /// clocks of two machines are never compared.
    pub fn decide(&mut self, lease: Option<&LeaseSpec>, now: Instant, wall: Timestamp) -> Decision {
        let Some(lease) = lease else { return Decision::Write(self.taken(0, wall)) };
        if self.holds(lease) {
            self.seen = None;
            return Decision::Write(self.renewed(lease, wall));
        }
        let since = match &self.seen {
            Some((seen, since)) if seen == lease => *since,
            _ => now,
        };
        self.seen = Some((lease.clone(), since));
        let theirs = u64::try_from(lease.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
        let is_free = lease.holder_identity.as_deref().is_none_or(str::is_empty);
        let is_over = now.saturating_duration_since(since) >= Duration::from_secs(theirs);
        if !is_free && !is_over {
            return Decision::Wait;
        }
        let transitions = lease.lease_transitions.unwrap_or_default().saturating_add(1);
        Decision::Write(self.taken(transitions, wall))
    }

    /// The lease as it is when nobody holds it any more, from the one that this candidate holds.
    #[must_use]
    pub fn released(&self, lease: &LeaseSpec) -> LeaseSpec {
        LeaseSpec { holder_identity: None, lease_duration_seconds: Some(1), ..lease.clone() }
    }

    fn taken(&self, transitions: i32, wall: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(self.duration_seconds()),
            acquire_time: Some(MicroTime(wall)),
            renew_time: Some(MicroTime(wall)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    fn renewed(&self, lease: &LeaseSpec, wall: Timestamp) -> LeaseSpec {
        let lease_duration_seconds = Some(self.duration_seconds());
        LeaseSpec { renew_time: Some(MicroTime(wall)), lease_duration_seconds, ..lease.clone() }
    }

    fn duration_seconds(&self) -> i32 {
        i32::try_from(self.timing.duration.as_secs()).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Clock(Instant);

    impl Clock {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }
    }

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn elector(name: &str) -> Elector {
        Elector::new(name.to_owned(), Timing::default())
    }

    fn written(decision: Decision) -> LeaseSpec {
        let Decision::Write(lease) = decision else { panic!("does not write") };
        lease
    }

    #[test]
    fn the_first_takes_it_and_the_second_waits_for_as_long_as_it_is_renewed() {
        let clock = Clock(Instant::now());
        let (mut a, mut b) = (elector("a"), elector("b"));
        let mut lease = written(a.decide(None, clock.at(0), wall(0)));
        assert!(a.holds(&lease) && !b.holds(&lease));
        for second in (0..100).step_by(10) {
            let at = u64::try_from(second).unwrap();
            assert_eq!(b.decide(Some(&lease), clock.at(at), wall(second)), Decision::Wait);
            lease = written(a.decide(Some(&lease), clock.at(at), wall(second + 1)));
        }
        assert_eq!(lease.lease_transitions, Some(0));
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_taken_after_its_duration_and_not_before() {
        let clock = Clock(Instant::now());
        let mut b = elector("b");
        let lease = written(elector("a").decide(None, clock.at(0), wall(0)));
        // However old it is by the clock of its holder: it counts from when it was first seen.
        assert_eq!(b.decide(Some(&lease), clock.at(100), wall(9_999)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease), clock.at(114), wall(9_999)), Decision::Wait);
        let taken = written(b.decide(Some(&lease), clock.at(115), wall(9_999)));
        assert_eq!((b.holds(&taken), taken.lease_transitions), (true, Some(1)));
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let clock = Clock(Instant::now());
        let mut a = elector("a");
        let lease = written(a.decide(None, clock.at(0), wall(0)));
        let taken = written(elector("b").decide(Some(&a.released(&lease)), clock.at(0), wall(0)));
        assert_eq!(taken.holder_identity.as_deref(), Some("b"));
        assert_eq!(a.decide(Some(&taken), clock.at(1), wall(1)), Decision::Wait);
    }
}
