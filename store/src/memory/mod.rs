//! The storage of a node as models in memory, for the simulator: what a crash takes, and which faults there are,
//! is for the caller to choose, so that a run can be repeated.
//!
//! All of them are handles: a clone is the same disk. After a failure every later call fails in the same way,
//! until [`MemoryEngine::crash`] and its like start anew: whoever retries finds no mercy here.

mod directory;
mod engine;
mod log;
mod sorted;
#[cfg(test)]
mod tests;

pub use directory::MemoryDirectory;
pub use engine::{MemoryCursor, MemoryEngine, MemoryView};
pub use log::{MemoryLogReader, MemoryLogStore};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Chooses a number below a bound, which is at least one: the simulator's random numbers, or a test's.
pub type Choose<'a> = &'a mut dyn FnMut(usize) -> usize;

/// How the disk fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskFault {
    /// The device or the file system refuses.
    Io,
    /// No space is left.
    NoSpace,
}

/// The fault to come, and the one that came.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// After so many more calls that change the disk.
    armed: Option<(usize, DiskFault)>,
    struck: Option<DiskFault>,
}

impl Faults {
    /// Counts one call; says if it fails.
    fn strike(&mut self) -> Option<DiskFault> {
        if self.struck.is_none()
            && let Some((left, fault)) = &mut self.armed
        {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => {
                    self.struck = Some(*fault);
                    self.armed = None;
                }
            }
        }
        self.struck
    }
}

/// A panic elsewhere is that thread's business: every change below is done in one piece.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
