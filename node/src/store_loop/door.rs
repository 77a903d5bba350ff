//! How many writes may be under way: as many as are answered within a bounded time. More would only wait longer, and
//! be given up by their clients while they are executed.
//!
//! The limit grows with each write that was answered soon, as the window of a connection does at its start, and falls
//! to what the measured rate allows when answers come late.

use std::time::Duration;

/// At the start: far less than a node bears for a second, far more than a burst of a few clients.
const FIRST: usize = 2_048;
/// However slow the answers are: from them it learns that they have become faster.
const LEAST: usize = 32;
const MOST: usize = 65_536;
/// When a client that was refused may try again, at the earliest and at the latest.
const DELAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Writes that were answered.
#[derive(Clone, Copy, Default)]
pub(super) struct WriteAnswers {
    /// All of them.
    pub(super) count: usize,
    /// Those that were executed,
    pub(super) executed: u32,
    /// and how long they waited together.
    pub(super) waited: Duration,
}

impl WriteAnswers {
    /// How long one waited; none if none was executed.
    fn mean(&self) -> Option<Duration> {
        self.waited.checked_div(self.executed)
    }
}

/// Lets writes in.
pub(super) struct Door {
    /// How long a write may wait.
    wait: Duration,
    limit: usize,
    under_way: usize,
    /// Answers since `since`, by the monotonic clock.
    recent: WriteAnswers,
    since: Duration,
    delay: Duration,
}

impl Door {
    pub(super) fn new(wait: Duration) -> Self {
        let (since, recent) = (Duration::ZERO, WriteAnswers::default());
        Self { wait, limit: FIRST, under_way: 0, recent, since, delay: DELAY.0 }
    }

    /// Lets one in.
    ///
    /// # Errors
    /// It would wait too long: when it may try again.
    pub(super) fn enter(&mut self) -> Result<(), Duration> {
        if self.under_way >= self.limit {
            return Err(self.delay);
        }
        self.under_way += 1;
        Ok(())
    }

    /// Some were answered.
    pub(super) fn answered(&mut self, answered: WriteAnswers, now: Duration) {
        let busy = self.under_way >= self.limit / 2;
        self.under_way -= answered.count;
        let Some(waited) = answered.mean() else { return };
        if busy && waited <= self.wait / 2 {
            self.limit = (self.limit + answered.executed as usize).min(MOST);
        }
        self.recent.executed += answered.executed;
        self.recent.waited += answered.waited;
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= self.wait / 4 {
            self.look(elapsed);
            (self.recent, self.since) = (WriteAnswers::default(), now);
        }
    }

    /// Follows what was measured in `elapsed`.
    fn look(&mut self, elapsed: Duration) {
        let waited = self.recent.mean().unwrap_or_default();
        self.delay = waited.clamp(DELAY.0, DELAY.1);
        if waited > self.wait {
            let in_time = f64::from(self.recent.executed) * self.wait.div_duration_f64(elapsed);
            // Below it, so that the queue gets shorter.
            self.limit = ((in_time * 0.75) as usize).clamp(LEAST, self.limit.max(LEAST));
        }
    }

    /// How many may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const WAIT: Duration = Duration::from_millis(500);
    const TURN: Duration = Duration::from_millis(10);

    /// A server that executes so many writes in a turn, in their order, while so many are offered.
    struct Server {
        door: Door,
        now: Duration,
        queue: VecDeque<Duration>,
    }

    impl Server {
        fn new() -> Self {
            Self { door: Door::new(WAIT), now: Duration::ZERO, queue: VecDeque::new() }
        }

        /// How many were executed, how many were refused, and the longest wait.
        fn run(&mut self, turns: usize, offered: usize, speed: usize) -> (usize, usize, Duration) {
            let (mut executed, mut refused, mut longest) = (0, 0, Duration::ZERO);
            for _ in 0..turns {
                for _ in 0..offered {
                    match self.door.enter() {
                        Ok(()) => self.queue.push_back(self.now),
                        Err(delay) => {
                            assert!(delay >= DELAY.0 && delay <= DELAY.1);
                            refused += 1;
                        }
                    }
                }
                self.now += TURN;
                let done = self.queue.drain(..speed.min(self.queue.len()));
                let waits: Vec<Duration> = done.map(|entered| self.now - entered).collect();
                longest = longest.max(waits.iter().max().copied().unwrap_or_default());
                executed += waits.len();
                let (count, executed) = (waits.len(), u32::try_from(waits.len()).unwrap());
                self.door.answered(WriteAnswers { count, executed, waited: waits.iter().sum() }, self.now);
            }
            (executed, refused, longest)
        }
    }

    #[test]
    fn ten_times_as_many_as_can_be_executed_wait_no_longer_than_they_may() {
        let mut server = Server::new();
        server.run(300, 150, 15);
        let (executed, refused, longest) = server.run(1_000, 150, 15);
        assert_eq!(executed, 15_000, "the server never runs dry");
        assert_eq!(refused, 150_000 - 15_000);
        assert!(longest <= WAIT + TURN, "{longest:?}");
        let (executed, refused, _) = server.run(1_000, 7, 15);
        assert!(executed >= 7_000 && refused == 0, "half as many are all let in at once");
    }

    #[test]
    fn a_fast_server_lets_thousands_wait() {
        let mut server = Server::new();
        server.run(100, 1_000, 200);
        let (_, refused, longest) = server.run(1, 1_000, 200);
        assert!(server.queue.len() >= 200 * 25 - 1_000, "{}", server.queue.len());
        assert!(refused > 0 && longest <= WAIT + TURN);
    }

    #[test]
    fn who_is_refused_by_the_store_says_nothing_of_its_speed() {
        let mut door = Door::new(WAIT);
        (0..FIRST).for_each(|_| door.enter().unwrap());
        assert!(door.enter().is_err());
        door.answered(WriteAnswers { count: FIRST, ..WriteAnswers::default() }, Duration::from_secs(9));
        assert_eq!((door.limit(), door.under_way()), (FIRST, 0));
        assert!(door.enter().is_ok());
    }

    #[test]
    fn after_a_stall_it_opens_again_at_once() {
        let mut server = Server::new();
        server.run(10, 100, 100);
        server.run(200, 100, 0);
        server.run(10, 100, 100);
        let (executed, refused, _) = server.run(100, 60, 100);
        assert!(refused == 0 && executed >= 6_000 - 100, "{executed} {refused}");
    }
}
