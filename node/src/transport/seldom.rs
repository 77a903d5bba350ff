//! Log lines of what may happen again and again: the first, then one in a while.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(10);

/// Says when it is time for a line.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Something happened; how often since the last line, if there is to be one now.
    pub(super) fn count(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = &mut *state;
        *count += 1;
        if last.is_some_and(|last| last.elapsed() < PERIOD) {
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_next_are_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.count(), Some(1));
        assert_eq!(seldom.count(), None);
        assert_eq!(seldom.count(), None);
    }
}
