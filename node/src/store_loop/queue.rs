//! A queue whose reader takes everything at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks what is changed in one piece: a panic elsewhere leaves nothing half done in it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From several threads to one.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
    /// The reader sleeps, and nobody has woken it yet.
    sleeps: bool,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State { items: Vec::new(), closed: false, sleeps: false };
        Self { state: Mutex::new(state), filled: Condvar::new() }
    }

    /// Adds an item, unless `most` wait or the queue is closed. Says how many wait now.
    pub(crate) fn push(&self, item: T, most: usize) -> Option<usize> {
        let mut state = lock(&self.state);
        if state.closed || state.items.len() >= most {
            return None;
        }
        state.items.push(item);
        let waiting = state.items.len();
        self.wake(state);
        Some(waiting)
    }

    /// Nothing more comes in.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        self.wake(state);
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        let wake = std::mem::take(&mut state.sleeps);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Moves everything into `taken`, which is empty; waits for something for `patience` or, without that, for
    /// as long as it takes. False: the queue is closed, and this was the last of it.
    pub(super) fn take(&self, taken: &mut Vec<T>, patience: Option<Duration>) -> bool {
        let mut state = lock(&self.state);
        let mut waits = true;
        while waits && state.items.is_empty() && !state.closed {
            state.sleeps = true;
            match patience {
                None => state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let woken = self.filled.wait_timeout(state, patience);
                    let (locked, end) = woken.unwrap_or_else(PoisonError::into_inner);
                    (state, waits) = (locked, !end.timed_out());
                }
            }
            state.sleeps = false;
        }
        std::mem::swap(&mut state.items, taken);
        !state.closed || !taken.is_empty()
    }
}

/// Closes the queue when it goes, however its thread ends.
pub(super) struct Owner<T>(pub(super) Arc<Queue<T>>);

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_out_once_and_in_order_also_after_the_close() {
        let queue = Queue::new();
        let mut all = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..10_000).for_each(|item| assert!(queue.push(item, usize::MAX).is_some()));
                queue.close();
            });
            let mut taken = Vec::new();
            while queue.take(&mut taken, None) {
                all.append(&mut taken);
            }
        });
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
        assert_eq!(queue.push(0, usize::MAX), None, "it is closed");
    }

    #[test]
    fn no_more_wait_than_allowed() {
        let queue = Queue::new();
        assert_eq!(queue.push(1, 2), Some(1));
        assert_eq!(queue.push(2, 2), Some(2));
        assert_eq!(queue.push(3, 2), None);
    }

    #[test]
    fn patience_ends() {
        let mut taken = Vec::<u8>::new();
        assert!(Queue::new().take(&mut taken, Some(Duration::from_millis(1))));
        assert!(taken.is_empty());
    }
}
