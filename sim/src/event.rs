//! What happens next: one queue, ordered by real time and then by the order in which it was queued.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use bytes::Bytes;
use raft::{Entry, Envelope, LogRead, NodeId, RangeId, SnapshotId, Target};

use crate::machine::Effect;

/// A packet between two hosts.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The sending host.
    pub from: usize,
    /// The sending process: packets of an earlier one come from an older connection.
    pub process: u64,
    /// What it carries.
    pub content: Content,
}

/// What a packet carries.
#[derive(Clone, Debug)]
pub enum Content {
    /// Messages of the core.
    Raft(Envelope),
    /// Give me a part of your snapshot.
    ChunkRequest {
        /// The range.
        range: RangeId,
        /// Whose snapshot.
        to: Target,
        /// Which.
        id: SnapshotId,
        /// From which byte.
        offset: usize,
    },
    /// A part of a snapshot; none if there is no such snapshot.
    Chunk {
        /// The range.
        range: RangeId,
        /// Whose snapshot.
        from: NodeId,
        /// Which.
        id: SnapshotId,
        /// From which byte.
        offset: usize,
        /// The bytes and how many there are in all.
        data: Option<(Bytes, usize)>,
    },
}

/// An answer to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It was applied.
    Applied(Effect),
    /// What was read.
    Value(u64),
    /// Nothing was done; perhaps that host knows better.
    Refused(Option<usize>),
    /// The connection broke.
    Unknown,
}

/// Something that is due. Those with a `process` die with it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet arrives.
    Deliver {
        /// At this host.
        host: usize,
        /// The packet.
        packet: Box<Packet>,
    },
    /// A host's timer.
    Tick {
        /// The host.
        host: usize,
    },
    /// A sync ends.
    Synced {
        /// The host.
        host: usize,
        /// Its process.
        process: u64,
    },
    /// The process hears of it.
    Notice {
        /// The host.
        host: usize,
        /// Its process.
        process: u64,
    },
    /// The state machine gets to what was handed to it.
    Apply {
        /// The host.
        host: usize,
        /// Its process.
        process: u64,
        /// The range.
        range: RangeId,
    },
    /// A log read is done.
    LogRead {
        /// The host.
        host: usize,
        /// Its process.
        process: u64,
        /// The range.
        range: RangeId,
        /// The request.
        read: LogRead,
        /// What was read, if it was read before it waited.
        entries: Option<Vec<Entry>>,
    },
    /// A snapshot for a follower is made.
    MakeSnapshot {
        /// The host.
        host: usize,
        /// Its process.
        process: u64,
        /// The range.
        range: RangeId,
        /// The follower.
        to: NodeId,
    },
    /// A transfer may need another request.
    Fetch {
        /// The receiving host.
        host: usize,
        /// Its process.
        process: u64,
        /// The range.
        range: RangeId,
        /// The snapshot.
        id: SnapshotId,
    },
    /// A snapshot goes into the state machine.
    Ingest {
        /// The host.
        host: usize,
        /// Its process.
        process: u64,
        /// The range.
        range: RangeId,
    },
    /// A client thinks of something.
    Wake {
        /// The client.
        client: usize,
    },
    /// Its request arrives.
    Request {
        /// At this host.
        host: usize,
        /// The client.
        client: usize,
        /// Its operation.
        op: u64,
    },
    /// The answer arrives.
    Reply {
        /// The client.
        client: usize,
        /// Its operation.
        op: u64,
        /// The answer.
        answer: Answer,
    },
    /// It gives up.
    GiveUp {
        /// The client.
        client: usize,
        /// Its operation.
        op: u64,
    },
    /// A fault of the schedule.
    Fault(usize),
    /// A partition begins.
    Cut {
        /// Between these, one way each.
        pairs: Vec<(usize, usize)>,
        /// How long it lasts.
        length: u64,
    },
    /// A partition ends.
    Mend(Vec<(usize, usize)>),
    /// A storm ends.
    Calm,
    /// A host starts.
    Boot {
        /// The host.
        host: usize,
    },
    /// A paused process goes on.
    Resume {
        /// The host.
        host: usize,
    },
    /// A disk copy is put back.
    RollBack {
        /// The host.
        host: usize,
    },
    /// The operator looks at a group.
    Operate {
        /// Which.
        group: usize,
    },
    /// All faults end.
    Heal,
    /// Is everything well again?
    CheckHealed,
}

impl Event {
    /// The host whose process handles it, if one does.
    #[must_use]
    pub fn process_host(&self) -> Option<usize> {
        match self {
            Event::Deliver { host, .. }
            | Event::Tick { host }
            | Event::Notice { host, .. }
            | Event::Apply { host, .. }
            | Event::LogRead { host, .. }
            | Event::MakeSnapshot { host, .. }
            | Event::Fetch { host, .. }
            | Event::Ingest { host, .. }
            | Event::Request { host, .. } => Some(*host),
            // The device works on while the process is stopped; the rest is not the host's.
            Event::Synced { .. }
            | Event::Wake { .. }
            | Event::Reply { .. }
            | Event::GiveUp { .. }
            | Event::Fault(_)
            | Event::Cut { .. }
            | Event::Mend(_)
            | Event::Calm
            | Event::Boot { .. }
            | Event::Resume { .. }
            | Event::RollBack { .. }
            | Event::Operate { .. }
            | Event::Heal
            | Event::CheckHealed => None,
        }
    }
}

#[derive(Debug)]
struct Due<E> {
    at: u64,
    sequence: u64,
    event: E,
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// The queue.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Due<E>>,
    sequence: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }
}

impl<E> Queue<E> {
    /// Adds an event at real time `at`.
    pub fn push(&mut self, at: u64, event: E) {
        self.sequence += 1;
        self.heap.push(Due { at, sequence: self.sequence, event });
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        self.heap.pop().map(|due| (due.at, due.event))
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|due| due.at)
    }

    /// Everything happens later by so much, in the same order.
    pub fn put_off(&mut self, by: u64) {
        let later = self.heap.drain().map(|due| Due { at: due.at + by, ..due });
        self.heap = later.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_off_keeps_its_order() {
        let mut queue = Queue::default();
        for (at, what) in [(5, 'b'), (3, 'a'), (5, 'c')] {
            queue.push(at, what);
        }
        queue.put_off(10);
        queue.push(14, 'x');
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [(13, 'a'), (14, 'x'), (15, 'b'), (15, 'c')]);
    }

    #[test]
    fn events_come_by_time_and_then_in_order() {
        let mut queue = Queue::default();
        for (at, host) in [(5, 1), (3, 2), (5, 3), (3, 4)] {
            queue.push(at, Event::Boot { host });
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|(at, event)| match event {
                Event::Boot { host } => (at, host),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(order, [(3, 2), (3, 4), (5, 1), (5, 3)]);
    }
}
