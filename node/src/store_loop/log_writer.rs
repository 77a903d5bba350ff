//! Makes log batches durable: all that wait with one synced write.

use std::sync::Arc;

use store::log_store::{LogBatch, LogStore, LogStoreError};
use store::store::BatchSeq;

use super::clock;
use super::queue::Queue;
use super::start::Shared;
use super::watchdog::Pulse;

/// Everything that the thread of the log writer owns.
pub(super) struct LogWriter<S> {
    pub(super) store: S,
    pub(super) batches: Arc<Queue<(BatchSeq, LogBatch)>>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) shared: Shared,
}

impl<S: LogStore> LogWriter<S> {
    /// Until the queue is closed, and what was in it is durable; or until a write fails.
    pub(super) fn run(mut self) {
        let mut waiting = Vec::new();
        while self.batches.take(&mut waiting, None) {
            self.shared.counters.log_depth.set(0);
            let Some((seq, batch)) = merge(&mut waiting) else { continue };
            match self.write(&batch) {
                Ok(()) => self.shared.inbox.persisted(seq),
                Err(error) => {
                    self.shared.faults.raise(error.into());
                    return;
                }
            }
        }
    }

    fn write(&mut self, batch: &LogBatch) -> Result<(), LogStoreError> {
        let begun = clock::monotonic();
        self.pulse.begin();
        let written = self.store.write(batch);
        self.pulse.end();
        self.shared.counters.log_sync_times.add(clock::monotonic().saturating_sub(begun));
        self.shared.counters.log_syncs.add(1);
        written
    }
}

/// All batches as one, under the number of the last.
fn merge(batches: &mut Vec<(BatchSeq, LogBatch)>) -> Option<(BatchSeq, LogBatch)> {
    batches.drain(..).reduce(|(_, mut merged), (seq, mut batch)| {
        merged.items.append(&mut batch.items);
        (seq, merged)
    })
}
