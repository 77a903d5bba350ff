//! Sessions: they number the writes, so that each is done once however often it is tried.

mod window;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use proto::v1::Attempt;
use tokio::sync::{Notify, Semaphore};

use crate::lock;
use window::Window;

/// Most sessions of a client: with `WIDTH` writes each, more than can be under way.
const MOST_SESSIONS: usize = 64;

/// The sessions of a client. A session with a write that takes long fills up; others take over.
#[derive(Debug)]
pub(crate) struct Sessions {
    pool: Mutex<Vec<Session>>,
    /// One caller at a time opens a session; the others wait, and mostly find room in it.
    pub opening: Semaphore,
    /// There is room again after all sessions were full.
    pub room: Notify,
}

#[derive(Debug)]
struct Session {
    id: u64,
    window: Window,
    used: Instant,
    /// Not used for so long: it may be gone soon.
    idle: Duration,
}

/// A number of a session, in use until this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    sessions: &'a Sessions,
    session: u64,
    number: u64,
}

/// Why there is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// Another session may be opened.
    Open,
    /// There are as many as there may be.
    Wait,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self { pool: Mutex::default(), opening: Semaphore::new(1), room: Notify::new() }
    }

    /// A number for a write.
    pub(crate) fn take(&self, now: Instant) -> Result<Ticket<'_>, Full> {
        let mut pool = lock(&self.pool);
        pool.retain(|session| now.saturating_duration_since(session.used) < session.idle);
        for session in &mut *pool {
            if let Some(number) = session.window.take() {
                session.used = now;
                return Ok(Ticket { sessions: self, session: session.id, number });
            }
        }
        Err(if pool.len() < MOST_SESSIONS { Full::Open } else { Full::Wait })
    }

    /// A session was opened, and ends when it is not used for so long.
    pub(crate) fn opened(&self, id: u64, expires_after: Duration, now: Instant) {
        let idle = expires_after / 2;
        lock(&self.pool).push(Session { id, window: Window::new(), used: now, idle });
    }

    /// A session has expired: no number of it is given out any more.
    pub(crate) fn expired(&self, id: u64) {
        lock(&self.pool).retain(|session| session.id != id);
    }
}

impl Ticket<'_> {
    /// The session.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// What an attempt carries that is made now. `retry`: an earlier one may still be executed.
    pub(crate) fn attempt(&self, retry: bool) -> Attempt {
        let pool = lock(&self.sessions.pool);
        let floor = pool.iter().find(|session| session.id == self.session).map(|s| s.window.floor());
        // Nothing is known of a session that was given up: a floor of 0 acknowledges nothing.
        let acknowledged_below = floor.unwrap_or(0);
        Attempt { session: self.session, number: self.number, acknowledged_below, retry }
    }
}

/// Done, failed or given up: no attempt with this number is made any more, so it counts as acknowledged.
impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut pool = lock(&self.sessions.pool);
        let Some(session) = pool.iter_mut().find(|session| session.id == self.session) else { return };
        session.window.give_back(self.number);
        drop(pool);
        self.sessions.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use window::WIDTH;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn numbers(ticket: &Ticket<'_>) -> (u64, u64, u64) {
        let attempt = ticket.attempt(false);
        (attempt.session, attempt.number, attempt.acknowledged_below)
    }

    #[test]
    fn a_number_is_acknowledged_when_it_and_all_before_are_dropped() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        assert_eq!(sessions.take(now).err(), Some(Full::Open));
        sessions.opened(7, HOUR, now);
        let first = sessions.take(now).unwrap();
        let second = sessions.take(now).unwrap();
        assert_eq!((numbers(&first), numbers(&second)), ((7, 1, 1), (7, 2, 1)));
        drop(second);
        let third = sessions.take(now).unwrap();
        assert_eq!(numbers(&third), (7, 3, 1));
        drop(first);
        assert_eq!(numbers(&third), (7, 3, 3));
        assert!(third.attempt(true).retry);
    }

    #[test]
    fn a_full_session_gives_way_to_others_up_to_a_bound() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let mut tickets = Vec::new();
        for id in 1..=MOST_SESSIONS as u64 {
            assert_eq!(sessions.take(now).err(), Some(Full::Open));
            sessions.opened(id, HOUR, now);
            tickets.extend((0..WIDTH).map(|_| sessions.take(now).unwrap()));
        }
        assert_eq!(sessions.take(now).err(), Some(Full::Wait));
        tickets.swap_remove(0);
        assert_eq!(numbers(&sessions.take(now).unwrap()), (1, WIDTH + 1, 2));
    }

    #[test]
    fn a_session_that_may_be_gone_is_not_used() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        sessions.opened(1, HOUR, now);
        drop(sessions.take(now + HOUR / 3).unwrap());
        let late = sessions.take(now + HOUR / 3 + HOUR / 2);
        assert_eq!(late.err(), Some(Full::Open));
        sessions.opened(2, HOUR, now);
        let ticket = sessions.take(now).unwrap();
        sessions.expired(2);
        assert_eq!(sessions.take(now).err(), Some(Full::Open));
        // Its attempts go on, and acknowledge nothing.
        assert_eq!(numbers(&ticket), (2, 1, 0));
    }
}
