//! What is durable, what is on its way to the disk, and the replies that wait for it (§10.2.1).
//!
//! Writes complete in order. An entry that is overwritten while its write is under way must not be taken for
//! durable when that write completes, although index and term may look right again by then ("ABA"): each
//! write under way remembers how far it still counts.

use std::collections::VecDeque;

use crate::output::{HardState, Outgoing};
use crate::types::{LogIndex, Time, WriteSeq};

/// Replies held back at most; more are dropped, and whoever asked asks again.
const MAX_WITHHELD: usize = 16 * 1024;

/// Writes handed out and not reported back at most; later changes wait and go with the next one.
const MAX_IN_FLIGHT: usize = 1024;

/// A write handed out and not reported back.
#[derive(Clone, Debug)]
struct InFlight {
    seq: WriteSeq,
    /// The last entry of the log that is durable with it.
    last: LogIndex,
    /// Entry bytes in it.
    bytes: usize,
    hard_state: HardState,
    since: Time,
}

/// Cursors and gates.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Durability {
    next: WriteSeq,
    completed: WriteSeq,
    /// The write that holds, or will hold, the latest term, vote and promise.
    hard_state_in: WriteSeq,
    /// The write that holds, or will hold, the latest change of the log.
    log_in: WriteSeq,
    /// Entries up to here are durable and as they are in memory.
    persisted: LogIndex,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    /// What the disk certainly holds.
    durable: HardState,
    withheld: Vec<(WriteSeq, Outgoing)>,
    /// Completions ignore truncations: the planted bug `AppendAba`.
    pub(crate) aba: bool,
}

/// What a reply waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gate {
    /// Term, vote and promise.
    HardState,
    /// These, and every change of the log.
    Log,
}

impl Durability {
    pub(crate) fn new(durable: HardState, persisted: LogIndex) -> Self {
        Self {
            next: WriteSeq(1),
            completed: WriteSeq(0),
            persisted,
            durable,
            hard_state_in: WriteSeq(0),
            log_in: WriteSeq(0),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            withheld: Vec::new(),
            aba: false,
        }
    }

    pub(crate) fn persisted(&self) -> LogIndex {
        self.persisted
    }

    pub(crate) fn durable(&self) -> &HardState {
        &self.durable
    }

    /// The hard state changed in memory.
    pub(crate) fn hard_state_changed(&mut self) {
        self.hard_state_in = self.next;
    }

    /// Entries were added or the base moved.
    pub(crate) fn log_changed(&mut self) {
        self.log_in = self.next;
    }

    /// Entries from `from` on were deleted: no write under way makes them durable any more.
    pub(crate) fn truncated(&mut self, from: LogIndex) {
        self.log_in = self.next;
        if self.aba {
            return;
        }
        self.persisted = self.persisted.min(from.prev());
        for write in &mut self.in_flight {
            write.last = write.last.min(from.prev());
        }
    }

    pub(crate) fn hard_state_is_dirty(&self) -> bool {
        self.hard_state_in == self.next
    }

    pub(crate) fn is_done(&self, gate: Gate) -> bool {
        let wanted = match gate {
            Gate::HardState => self.hard_state_in,
            Gate::Log => self.hard_state_in.max(self.log_in),
        };
        wanted <= self.completed
    }

    /// Keeps a reply until its gate opens.
    pub(crate) fn withhold(&mut self, gate: Gate, reply: Outgoing) {
        if self.withheld.len() >= MAX_WITHHELD {
            return;
        }
        let until = match gate {
            Gate::HardState => self.hard_state_in,
            Gate::Log => self.hard_state_in.max(self.log_in),
        };
        self.withheld.push((until, reply));
    }

    /// Whether the disk has enough to do.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.len() >= MAX_IN_FLIGHT
    }

    pub(crate) fn next_seq(&self) -> WriteSeq {
        self.next
    }

    /// A write was handed out that ends with the entry `last`.
    pub(crate) fn submitted(&mut self, now: Time, last: LogIndex, bytes: usize, hard_state: HardState) {
        self.in_flight.push_back(InFlight { seq: self.next, last, bytes, hard_state, since: now });
        self.in_flight_bytes += bytes;
        self.next = WriteSeq(self.next.0 + 1);
    }

    /// Everything up to `seq` is durable; gives the replies that waited for it.
    pub(crate) fn completed(&mut self, seq: WriteSeq) -> Vec<Outgoing> {
        assert!(seq < self.next, "only what was handed out can complete");
        while self.in_flight.front().is_some_and(|write| write.seq <= seq) {
            if let Some(write) = self.in_flight.pop_front() {
                self.persisted = if self.aba { self.persisted.max(write.last) } else { write.last };
                self.durable = write.hard_state;
                self.in_flight_bytes -= write.bytes;
            }
        }
        self.completed = self.completed.max(seq);
        let completed = self.completed;
        self.withheld.extract_if(.., |(until, _)| *until <= completed).map(|(_, reply)| reply).collect()
    }

    /// Counts writes from the last completed one, and keeps each withheld reply once.
    #[cfg(feature = "canary")]
    pub(crate) fn forget_history(&mut self) {
        let done = self.completed.0;
        let since = |seq: &mut WriteSeq| *seq = WriteSeq(seq.0.saturating_sub(done));
        let own = [&mut self.next, &mut self.completed, &mut self.hard_state_in, &mut self.log_in];
        own.into_iter().for_each(since);
        self.in_flight.iter_mut().for_each(|write| since(&mut write.seq));
        self.withheld.iter_mut().for_each(|(until, _)| since(until));
        let replies = std::mem::take(&mut self.withheld);
        for reply in replies {
            if !self.withheld.contains(&reply) {
                self.withheld.push(reply);
            }
        }
    }

    /// Since when the oldest write has been under way.
    pub(crate) fn oldest_in_flight(&self) -> Option<Time> {
        self.in_flight.front().map(|write| write.since)
    }

    /// Reads what is used even when nothing changes.
    pub(crate) fn warm(&self) -> u64 {
        self.next.0 ^ self.in_flight.len() as u64
    }

    /// Entry bytes under way to the disk.
    pub(crate) fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overwritten_write_does_not_count() {
        let mut d = Durability::new(HardState::default(), LogIndex(4));
        d.log_changed();
        d.submitted(Time::ZERO, LogIndex(5), 1, HardState::default()); // entry 5 of term 1
        d.truncated(LogIndex(5));
        d.submitted(Time::ZERO, LogIndex(5), 1, HardState::default()); // entry 5 of term 2
        d.truncated(LogIndex(5));
        d.submitted(Time::ZERO, LogIndex(6), 1, HardState::default()); // entry 5 of term 1 again
        d.completed(WriteSeq(1));
        assert_eq!(d.persisted(), LogIndex(4));
        d.completed(WriteSeq(2));
        assert_eq!(d.persisted(), LogIndex(4));
        d.completed(WriteSeq(3));
        assert_eq!(d.persisted(), LogIndex(6));
    }
}
