//! Whether this process may change anything now.

use std::time::Instant;

use tokio::sync::watch;

/// The lease is not held, or not for long enough: another operator may act.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("the lease is not held: nothing is changed")]
pub struct NotHeld;

/// Held until a moment of the local clock that never jumps and goes on while the process is stopped.
#[derive(Clone, Debug)]
pub struct Claim(watch::Receiver<Option<Instant>>);

impl Claim {
    /// A claim, and what extends it.
    #[must_use]
    pub fn new() -> (watch::Sender<Option<Instant>>, Self) {
        let (held_until, claim) = watch::channel(None);
        (held_until, Self(claim))
    }

    /// To be called right before everything that changes something.
    ///
    /// # Errors
    /// The lease is not held.
    pub fn check(&self) -> Result<(), NotHeld> {
        self.check_at(Instant::now())
    }

    fn check_at(&self, now: Instant) -> Result<(), NotHeld> {
        if self.0.borrow().is_some_and(|until| now < until) { Ok(()) } else { Err(NotHeld) }
    }

    /// Waits until it is held for the first time.
    ///
    /// # Errors
    /// It never will be: the election has ended.
    pub async fn held(&mut self) -> Result<(), NotHeld> {
        self.0.wait_for(Option::is_some).await.map(drop).map_err(|_| NotHeld)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_that_was_stopped_past_its_lease_changes_nothing() {
        let (held_until, claim) = Claim::new();
        let start = Instant::now();
        assert_eq!(claim.check_at(start), Err(NotHeld));
        held_until.send_replace(Some(start + Duration::from_secs(10)));
        assert_eq!(claim.check_at(start + Duration::from_secs(9)), Ok(()));
        assert_eq!(claim.check_at(start + Duration::from_secs(10)), Err(NotHeld));
    }
}
