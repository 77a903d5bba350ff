//! Whether this process may change anything now.

use std::time::Instant;

use tokio::sync::watch;
use tokio::time::sleep_until;

/// The lease is not held, or not for long enough: another operator may act.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("the lease is not held: this operator changes nothing more, and another one goes on")]
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

    /// Awaits something that changes something, for as long as the lease is held: what takes longer is given up before
    /// another operator may act.
    ///
    /// # Errors
    /// The lease is not held, or ended meanwhile: then it is not known whether the change was made.
    pub async fn during<T>(&self, change: impl Future<Output = T>) -> Result<T, NotHeld> {
        self.check()?;
        tokio::select! {
            done = change => Ok(done),
            () = self.clone().ended() => Err(NotHeld),
        }
    }

    async fn ended(mut self) {
        loop {
            let until = *self.0.borrow_and_update();
            let Some(until) = until.filter(|until| Instant::now() < *until) else { return };
            tokio::select! {
                () = sleep_until(until.into()) => {}
                extended = self.0.changed() => if extended.is_err() {
                    // Nobody extends it any more.
                    sleep_until(until.into()).await;
                }
            }
        }
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

    #[tokio::test]
    async fn a_change_lasts_no_longer_than_the_lease() {
        let (held_until, claim) = Claim::new();
        assert_eq!(claim.during(async {}).await, Err(NotHeld));
        let soon = || Some(Instant::now() + Duration::from_millis(50));
        held_until.send_replace(soon());
        assert_eq!(claim.during(async { 7 }).await, Ok(7));
        assert_eq!(claim.during(std::future::pending::<()>()).await, Err(NotHeld));

        held_until.send_replace(soon());
        let extended = claim.during(async {
            held_until.send_replace(Some(Instant::now() + Duration::from_secs(60)));
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
        assert_eq!(extended.await, Ok(()), "it goes on while the lease is renewed");
        held_until.send_replace(soon());
        drop(held_until);
        assert_eq!(claim.during(std::future::pending::<()>()).await, Err(NotHeld));
    }
}
