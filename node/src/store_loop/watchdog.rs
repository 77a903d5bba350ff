//! Notices a thread that does not get on, because the disk does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::fault::{Fault, Faults};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// After so long a process with a disk that does not answer is of no use.
pub const STUCK: Duration = Duration::from_secs(20);

/// What a thread shows of its work.
#[derive(Default)]
pub(super) struct Pulse {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Pulse {
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// The piece of work that is under way.
    fn under_way(&self) -> Option<u64> {
        let ended = self.ended.load(Ordering::Relaxed);
        let begun = self.begun.load(Ordering::Relaxed);
        (begun != ended).then_some(begun)
    }
}

/// A thread that is watched.
pub(super) struct Watched {
    pulse: Arc<Pulse>,
    /// What it does.
    what: &'static str,
    /// What was under way at the last look, and at how many looks in a row.
    seen: (Option<u64>, u32),
}

impl Watched {
    pub(super) fn new(pulse: Arc<Pulse>, what: &'static str) -> Self {
        Self { pulse, what, seen: (None, 0) }
    }

    /// At how many looks in a row the same piece of work was under way. Looks, not seconds, are counted: while the
    /// whole process is held up, nothing is stuck.
    fn look(&mut self) -> u32 {
        let under_way = self.pulse.under_way();
        let (seen, looks) = self.seen;
        let looks = if under_way.is_some() && under_way == seen { looks + 1 } else { 0 };
        self.seen = (under_way, looks);
        looks
    }
}

/// Looks at threads until `ended` is disconnected.
pub(super) fn watch(mut watched: Vec<Watched>, ended: &Receiver<()>, faults: &Faults) {
    let most = u32::try_from(STUCK.as_secs() / PERIOD.as_secs()).unwrap_or(u32::MAX);
    while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        for thread in &mut watched {
            if thread.look() >= most {
                faults.raise(Fault::Stuck { what: thread.what, stuck_for: STUCK });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_piece_of_work_counts() {
        let pulse = Arc::new(Pulse::default());
        let mut watched = Watched::new(Arc::clone(&pulse), "a write");
        assert_eq!(watched.look(), 0, "it rests");
        pulse.begin();
        assert_eq!(watched.look(), 0);
        assert_eq!(watched.look(), 1);
        assert_eq!(watched.look(), 2);
        pulse.end();
        pulse.begin();
        assert_eq!(watched.look(), 0, "another one");
        assert_eq!(watched.look(), 1);
        pulse.end();
        assert_eq!(watched.look(), 0);
        assert_eq!(watched.look(), 0);
    }
}
