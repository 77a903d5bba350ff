//! Flushes the data engine while the loop goes on.

use std::sync::mpsc::Receiver;

use store::engine::Engine;

use super::clock::monotonic_nanos;
use super::inbox::Input;
use super::start::Shared;

/// Everything that the flush thread owns.
pub(super) struct Flusher<E> {
    pub(super) engine: E,
    pub(super) flushes: Receiver<()>,
    pub(super) shared: Shared,
}

impl<E: Engine> Flusher<E> {
    /// Until the loop has ended, or a flush fails.
    pub(super) fn run(self) {
        while self.flushes.recv().is_ok() {
            let begun = monotonic_nanos();
            if let Err(error) = self.engine.flush() {
                self.shared.faults.raise(error.into());
                return;
            }
            self.shared.counters.flushes.add(1);
            self.shared.counters.flush_nanos.add_nanos(monotonic_nanos().saturating_sub(begun));
            self.shared.inbox.send_now(Input::Flushed);
        }
    }
}
