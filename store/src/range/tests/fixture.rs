//! A leader with one replica, whose log commits when a test says so.

use bytes::Bytes;
use raft::{Entry, LogIndex, LogPosition, Payload, RangeId, Term};

use crate::effects::{Body, ClusterVersion, Effects, encode};
use crate::engine::Engine;
use crate::memory::MemoryEngine;
use crate::range::{
    Evaluated, Evaluator, Overlay, Proposal, RangeError, RangeState, Reply, StateError, apply, read,
};
use crate::request::{
    Attempt, Condition, Limits, Operation, RequestError, Test, Versioned, Write, WriteOutcome,
};
use crate::timestamp::{MedianClock, Timestamp};

pub(super) const RANGE: RangeId = RangeId(7);
pub(super) const SUPPORTED: ClusterVersion = ClusterVersion(2);

pub(super) struct Leader {
    pub(super) engine: MemoryEngine,
    pub(super) state: RangeState,
    pub(super) overlay: Overlay,
    pub(super) log: Vec<Entry>,
    pub(super) term: Term,
    pub(super) clock: MedianClock,
    pub(super) limits: Limits,
}

pub(super) fn load(engine: &MemoryEngine) -> Result<RangeState, StateError> {
    RangeState::load(&engine.view(), RANGE, SUPPORTED)
}

/// Applies entries and writes the batch.
pub(super) fn write(engine: &MemoryEngine, state: &mut RangeState, entries: &[Entry]) -> Vec<Reply> {
    let applied = apply(state, entries).unwrap();
    engine.write(applied.batch).unwrap();
    applied.replies
}

impl Leader {
    pub(super) fn new() -> Self {
        let engine = MemoryEngine::default();
        let mut state = load(&engine).unwrap();
        let term = Term(1);
        let log = vec![Entry { index: LogIndex(1), term, payload: Payload::Noop }];
        write(&engine, &mut state, &log);
        let overlay = Overlay::begin(term, &state).unwrap();
        let (clock, limits) = (MedianClock::default(), Limits::default());
        let mut leader = Self { engine, state, overlay, log, term, clock, limits };
        leader.physical(1_000);
        leader
    }

    pub(super) fn physical(&mut self, millis: u64) {
        self.clock.observe(&mut [millis]);
    }

    pub(super) fn evaluate<T>(
        &mut self,
        call: impl FnOnce(&Evaluator<'_, MemoryEngine>, &mut MedianClock) -> T,
    ) -> T {
        let Self { state, overlay, engine, limits, clock, .. } = self;
        call(&Evaluator { state, overlay, engine, limits }, clock)
    }

    /// The log accepts a proposal.
    pub(super) fn accept(&mut self, proposal: Proposal) -> LogPosition {
        let position = LogPosition::new(LogIndex(self.log.len() as u64 + 1), self.term);
        let payload = Payload::Command(proposal.entry);
        self.log.push(Entry { index: position.index, term: self.term, payload });
        self.overlay.accept(&self.state, position, proposal.effects);
        position
    }

    /// What was evaluated by hand.
    pub(super) fn accept_body(&mut self, body: Body) -> Timestamp {
        let timestamp = self.overlay.timestamp().next();
        let effects = Effects { epoch: 1, timestamp, body };
        self.accept(Proposal { entry: encode(&effects), effects });
        timestamp
    }

    /// Everything in the log is committed and applied.
    pub(super) fn commit(&mut self) -> Vec<Reply> {
        let from = self.state.applied().position.index.0 as usize;
        let replies = write(&self.engine, &mut self.state, &self.log[from..]);
        self.overlay.applied(self.state.applied().position.index);
        replies
    }

    pub(super) fn try_write(&mut self, write: Write) -> Result<Evaluated, RangeError> {
        self.evaluate(|evaluator, clock| evaluator.write(write, clock))
    }

    /// A write that is to be refused.
    pub(super) fn refused(&mut self, write: Write) -> RequestError {
        match self.try_write(write) {
            Err(RangeError::Refused(error)) => error,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// A write that is to be proposed; it stays in flight.
    pub(super) fn propose(&mut self, write: Write) -> LogIndex {
        match self.try_write(write).unwrap() {
            Evaluated::Propose(proposal) => self.accept(proposal).index,
            answer => panic!("not proposed: {answer:?}"),
        }
    }

    /// A write that is to be answered at once: the answer, and the index that it depends on.
    pub(super) fn answer(&mut self, write: Write) -> (WriteOutcome, LogIndex) {
        match self.try_write(write).unwrap() {
            Evaluated::Answer { outcome, depends } => (outcome, depends.on),
            proposal => panic!("proposed: {proposal:?}"),
        }
    }

    /// A write that is proposed and committed.
    pub(super) fn done(&mut self, write: Write) -> WriteOutcome {
        self.propose(write);
        self.commit().pop().unwrap().outcome.unwrap()
    }

    pub(super) fn put(&mut self, key: &str, value: &str) -> Timestamp {
        timestamp(&self.done(Write { operations: vec![put(key, value)], ..Write::default() }))
    }

    pub(super) fn open_session(&mut self) -> Timestamp {
        let proposal = self.evaluate(|evaluator, clock| evaluator.open_session(clock)).unwrap();
        self.accept(proposal);
        self.commit().pop().unwrap().timestamp
    }

    pub(super) fn expire_sessions(&mut self, floor: Timestamp) {
        let proposal = self.evaluate(|evaluator, clock| evaluator.expire_sessions(floor, clock)).unwrap();
        self.accept(proposal.expect("something to expire"));
    }

    pub(super) fn raise_gc_threshold(&mut self, wanted: Timestamp) -> bool {
        let proposal = self.evaluate(|evaluator, clock| evaluator.raise_gc_threshold(wanted, clock)).unwrap();
        let proposed = proposal.is_some();
        if let Some(proposal) = proposal {
            self.accept(proposal);
        }
        proposed
    }

    /// What is applied.
    pub(super) fn get(&self, key: &str) -> Option<Versioned> {
        let view = self.engine.view();
        let threshold = || self.state.gc_threshold();
        read::Reader::new(&view, self.state.applied().timestamp, threshold).get(key.as_bytes()).unwrap()
    }

    pub(super) fn value(&self, key: &str) -> Option<Bytes> {
        self.get(key).map(|found| found.value)
    }
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn put(key: &str, value: &str) -> Operation {
    Operation::Put { key: bytes(key), value: bytes(value) }
}

pub(super) fn delete(key: &str) -> Operation {
    Operation::Delete { key: bytes(key) }
}

pub(super) fn delete_range(start: &str, end: &str) -> Operation {
    Operation::DeleteRange { start: bytes(start), end: bytes(end) }
}

pub(super) fn operations(operations: impl Into<Vec<Operation>>) -> Write {
    Write { operations: operations.into(), ..Write::default() }
}

pub(super) fn condition(key: &str, test: Test) -> Condition {
    Condition { key: bytes(key), test }
}

/// A put under conditions.
pub(super) fn put_if(conditions: impl Into<Vec<Condition>>, key: &str, value: &str) -> Write {
    Write { conditions: conditions.into(), operations: vec![put(key, value)], attempt: None }
}

pub(super) fn numbered(write: Write, session: Timestamp, number: u64, acknowledged_below: u64) -> Write {
    Write { attempt: Some(Attempt { session, number, acknowledged_below, retry: false }), ..write }
}

pub(super) fn retry(mut write: Write) -> Write {
    write.attempt.as_mut().unwrap().retry = true;
    write
}

pub(super) fn timestamp(outcome: &WriteOutcome) -> Timestamp {
    match outcome {
        WriteOutcome::Written { timestamp, .. } | WriteOutcome::ConditionFailed { timestamp, .. } => {
            *timestamp
        }
    }
}
