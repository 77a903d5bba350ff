//! One log batch for all ranges at a time, numbered; and whose writes each completes.

use std::collections::VecDeque;

use raft::{RangeId, WriteSeq};

/// The number of a log batch; they become durable in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BatchSeq(pub u64);

/// The batches under way.
#[derive(Debug)]
pub(super) struct LogWrites {
    next: BatchSeq,
    under_way: VecDeque<(BatchSeq, Vec<(RangeId, WriteSeq)>)>,
}

impl LogWrites {
    pub(super) fn new() -> Self {
        Self { next: BatchSeq(1), under_way: VecDeque::new() }
    }

    /// The number of the next batch.
    pub(super) fn next(&self) -> BatchSeq {
        self.next
    }

    /// A batch is handed out.
    pub(super) fn submit(&mut self, writes: Vec<(RangeId, WriteSeq)>) -> BatchSeq {
        let seq = self.next;
        self.next = BatchSeq(seq.0 + 1);
        self.under_way.push_back((seq, writes));
        seq
    }

    /// The batches up to `seq` are durable: these writes are.
    pub(super) fn completed(&mut self, seq: BatchSeq) -> Vec<(RangeId, WriteSeq)> {
        let mut completed = Vec::new();
        while let Some((_, writes)) = self.under_way.pop_front_if(|(under_way, _)| *under_way <= seq) {
            completed.extend(writes);
        }
        completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_completes_itself_and_those_before() {
        let mut writes = LogWrites::new();
        let write = |range, seq| (RangeId(range), WriteSeq(seq));
        assert_eq!(writes.submit(vec![write(1, 1), write(2, 1)]), BatchSeq(1));
        assert_eq!(writes.submit(vec![write(1, 2)]), BatchSeq(2));
        assert_eq!(writes.submit(vec![write(2, 2)]), BatchSeq(3));
        assert_eq!(writes.completed(BatchSeq(2)), [write(1, 1), write(2, 1), write(1, 2)]);
        assert!(writes.completed(BatchSeq(2)).is_empty());
        assert_eq!(writes.completed(BatchSeq(3)), [write(2, 2)]);
    }
}
