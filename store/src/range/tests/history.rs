//! Random histories of two replicas and a leader, compared with the model after every step.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use raft::{Entry, LogIndex, LogPosition, Payload, Term};

use super::fixture::{RANGE, load};
use super::model::{Expected, Model, Refusal, Unmet, check_page};
use super::random::Random;
use crate::effects::{Body, decode};
use crate::engine::{Cursor, Engine, View};
use crate::key::{decode_value, split_version, user_span};
use crate::memory::MemoryEngine;
use crate::range::gc::{flushed_threshold, gc_batch};
use crate::range::read::Reader;
use crate::range::{
    Evaluated, Evaluator, Overlay, Proposal, RangeError, RangeState, Tick, apply, state_hash,
};
use crate::request::{Limits, RequestError, Write, WriteOutcome};
use crate::timestamp::{MedianClock, Timestamp};

struct Replica {
    engine: MemoryEngine,
    state: RangeState,
    /// Where its sweep goes on.
    sweep: Vec<u8>,
}

impl Replica {
    fn applied(&self) -> usize {
        self.state.applied().position.index.0 as usize
    }
}

struct History {
    random: Random,
    limits: Limits,
    clock: MedianClock,
    replicas: [Replica; 2],
    log: Vec<Entry>,
    /// The state before the log, and after each of its entries.
    models: Vec<Model>,
    committed: usize,
    leader: usize,
    term: Term,
    overlay: Overlay,
    /// Every numbered write that a client ever sent.
    sent: Vec<Write>,
}

impl History {
    fn new(seed: u64) -> Self {
        let replica = || {
            let engine = MemoryEngine::default();
            let state = load(&engine).unwrap();
            Replica { engine, state, sweep: user_span(b"", b"").start }
        };
        let mut replicas = [replica(), replica()];
        let term = Term(1);
        let log = vec![Entry { index: LogIndex(1), term, payload: Payload::Noop }];
        super::fixture::write(&replicas[0].engine, &mut replicas[0].state, &log);
        let overlay = Overlay::begin(term, &replicas[0].state).unwrap();
        let limits = Limits {
            batch_operations: 3,
            delete_range_keys: 3,
            page_keys: 3,
            page_bytes: 12,
            session_writes: 3,
            sessions: 3,
            holds: 2,
            ..Limits::default()
        };
        Self {
            random: Random::new(seed),
            limits,
            clock: MedianClock::default(),
            replicas,
            log,
            models: vec![Model::default(), Model::default()],
            committed: 1,
            leader: 0,
            term,
            overlay,
            sent: Vec::new(),
        }
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(100) {
                0..35 => self.write(),
                35..45 => self.system(),
                45..60 => self.committed += self.random.below(self.log.len() - self.committed + 1),
                60..75 => {
                    let (replica, most) = (self.random.below(2), self.random.below(6));
                    self.apply(replica, most);
                }
                75..85 => self.read(),
                85..90 => self.collect(),
                90..93 => {
                    let replica = self.random.below(2);
                    self.replicas[replica].engine.flush().unwrap();
                }
                93..95 => self.crash(),
                95..97 => self.change_leader(),
                _ => {
                    let millis = self.random.below(50) as u64;
                    self.clock.observe(&mut [millis]);
                }
            }
            if self.replicas[0].applied() == self.replicas[1].applied() {
                self.compare_hashes();
            }
        }
        self.finish();
    }

    fn tail(&self) -> &Model {
        &self.models[self.log.len()]
    }

    fn evaluate<T>(&mut self, call: impl FnOnce(&Evaluator<'_, MemoryEngine>, &mut MedianClock) -> T) -> T {
        let Replica { engine, state, .. } = &self.replicas[self.leader];
        call(&Evaluator { state, overlay: &self.overlay, engine, limits: &self.limits }, &mut self.clock)
    }

    /// The log accepts a proposal, or is full; `next` is the state after it.
    fn propose(&mut self, proposal: Proposal, next: impl FnOnce(&Model, Timestamp) -> Model) {
        if self.random.one_in(10) {
            return;
        }
        let timestamp = proposal.effects.timestamp;
        self.models.push(next(self.tail(), timestamp));
        let index = LogIndex(self.log.len() as u64 + 1);
        self.log.push(Entry { index, term: self.term, payload: Payload::Command(proposal.entry) });
        let position = LogPosition::new(index, self.term);
        self.overlay.accept(&self.replicas[self.leader].state, position, proposal.effects);
    }

    fn write(&mut self) {
        let write = self.random_write();
        if write.attempt.is_some() {
            self.sent.push(write.clone());
        }
        let expected = self.tail().expect(&write, &self.limits);
        let evaluated = self.evaluate(|evaluator, clock| evaluator.write(write.clone(), clock));
        let retry = write.attempt.is_some_and(|attempt| attempt.retry);
        match (expected, evaluated) {
            (Expected::Refused(refusal), Err(RangeError::Refused(error))) => {
                assert_eq!(refusal, Refusal::from(&error), "{write:?}");
            }
            (Expected::Stored(outcome), Ok(Evaluated::Answer { outcome: answer, depends })) => {
                assert_eq!(outcome, answer);
                let attempt = write.attempt.unwrap();
                let session = &self.models[depends.on.0 as usize].sessions[&attempt.session];
                assert_eq!(session.outcomes.get(&attempt.number), Some(&outcome), "it may be lost still");
            }
            (Expected::Unmet(unmet), Ok(Evaluated::Answer { outcome, depends })) if !retry => {
                self.check_failure(&write, &unmet, outcome, depends.on.0 as usize);
            }
            (Expected::Unmet(unmet), Ok(Evaluated::Propose(proposal))) if retry => {
                self.propose(proposal, |model, timestamp| model.written(&write, Some(unmet), timestamp));
            }
            (Expected::Executed, Ok(Evaluated::Propose(proposal))) => {
                self.propose(proposal, |model, timestamp| model.written(&write, None, timestamp));
            }
            (expected, evaluated) => panic!("{write:?}: {evaluated:?} instead of {expected:?}"),
        }
    }

    /// The answer holds in every state from the one that it waits for, whatever is lost behind that.
    fn check_failure(&self, write: &Write, unmet: &Unmet, outcome: WriteOutcome, on: usize) {
        let Unmet { index, version, value } = unmet.clone();
        let timestamp = self.models[on].timestamp;
        assert_eq!(outcome, WriteOutcome::ConditionFailed { timestamp, index, version, value });
        for model in &self.models[on..] {
            assert_eq!(model.unmet(&write.conditions).as_ref(), Some(unmet), "{write:?} depends on {on}");
        }
    }

    fn random_write(&mut self) -> Write {
        if !self.sent.is_empty() && self.random.one_in(4) {
            let at = self.random.below(self.sent.len());
            let mut write = self.sent[at].clone();
            write.attempt.as_mut().unwrap().retry = !self.random.one_in(8);
            return write;
        }
        let model = &self.models[self.log.len()];
        self.random.write(model)
    }

    fn system(&mut self) {
        let wanted = self.random_timestamp();
        match self.random.below(6) {
            0 => match self.evaluate(|evaluator, clock| evaluator.open_session(clock)) {
                Ok(proposal) => self.propose(proposal, |model, timestamp| {
                    let mut next = model.then(timestamp);
                    next.sessions.entry(timestamp).or_default().active = timestamp;
                    next
                }),
                Err(error) => {
                    assert!(matches!(error, RangeError::Refused(RequestError::Busy { .. })));
                    assert_eq!(self.tail().sessions.len(), self.limits.sessions);
                }
            },
            1 => {
                let idle = self.tail().sessions.values().any(|session| session.active < wanted);
                let expiry =
                    self.evaluate(|evaluator, clock| evaluator.expire_sessions(wanted, clock)).unwrap();
                assert_eq!(expiry.is_some(), idle && wanted > self.tail().session_floor);
                if let Some(proposal) = expiry {
                    self.propose(proposal, |model, timestamp| model.expired(wanted, timestamp));
                }
            }
            2 | 3 => self.raise_threshold(wanted),
            4 => {
                let duration = Duration::from_millis(self.random.below(20) as u64);
                let hold = self.evaluate(|evaluator, clock| evaluator.hold(wanted, duration, clock));
                if let Ok(proposal) = hold {
                    self.propose(proposal, |model, timestamp| {
                        let mut next = model.then(timestamp);
                        let millis = duration.as_millis() as u64;
                        let expires = Timestamp(timestamp.0 + Timestamp::from_millis(millis).0);
                        next.holds.insert(timestamp.0, (wanted, expires));
                        next
                    });
                }
            }
            _ => {
                let wanted = Timestamp(wanted.0 + self.random.below(3) as u64);
                match self.evaluate(|evaluator, clock| evaluator.tick(wanted, clock)).unwrap() {
                    Tick::Propose(proposal) => {
                        assert!(proposal.effects.timestamp >= wanted);
                        self.propose(proposal, Model::then);
                    }
                    Tick::InFlight(depends) => {
                        assert!(self.models[depends.on.0 as usize].timestamp >= wanted);
                    }
                }
            }
        }
    }

    fn raise_threshold(&mut self, wanted: Timestamp) {
        let raise = self.evaluate(|evaluator, clock| evaluator.raise_gc_threshold(wanted, clock)).unwrap();
        let applied = self.replicas[self.leader].state.applied().timestamp;
        let now = raise.as_ref().map_or(self.tail().timestamp, |proposal| proposal.effects.timestamp);
        let allowed = self.tail().allowed_threshold(wanted.min(applied), now);
        let idle = self.tail().threshold >= self.replicas[self.leader].state.applied().last_write;
        match raise {
            Some(proposal) => {
                assert!(allowed > self.tail().threshold && !idle);
                assert_eq!(proposal.effects.body, Body::GcThreshold { threshold: allowed });
                self.propose(proposal, |model, timestamp| model.collected(allowed, timestamp));
            }
            None => assert!(allowed <= self.tail().threshold || idle),
        }
    }

    /// Of some entry, or between two.
    fn random_timestamp(&mut self) -> Timestamp {
        let at = self.random.below(self.models.len());
        Timestamp(self.models[at].timestamp.0.saturating_sub(self.random.below(2) as u64))
    }

    fn apply(&mut self, at: usize, most: usize) {
        let replica = &mut self.replicas[at];
        let from = replica.applied();
        let to = self.committed.min(from + most);
        let applied = apply(&mut replica.state, &self.log[from.min(to)..to]).unwrap();
        replica.engine.write(applied.batch).unwrap();
        for reply in applied.replies {
            let model = &self.models[reply.position.index.0 as usize];
            assert_eq!((reply.timestamp, &reply.outcome), (model.timestamp, &model.outcome));
        }
        if at == self.leader {
            self.overlay.applied(replica.state.applied().position.index);
        }
        self.check_state(at);
    }

    /// What the replica knows about itself is what the model knows.
    fn check_state(&self, at: usize) {
        let Replica { engine, state, .. } = &self.replicas[at];
        let model = &self.models[state.applied().position.index.0 as usize];
        assert_eq!(state.applied().timestamp, model.timestamp);
        assert_eq!(state.gc_threshold(), model.threshold);
        assert_eq!(state.session_floor(), model.session_floor);
        let holds: Vec<_> =
            state.holds().iter().map(|(id, hold)| (*id, (hold.timestamp, hold.expires))).collect();
        assert_eq!(holds, model.holds.clone().into_iter().collect::<Vec<_>>());
        assert!(state.sessions().keys().eq(model.sessions.keys()));
        let view = engine.view();
        for ((id, session), expected) in state.sessions().iter().zip(model.sessions.values()) {
            assert_eq!((session.last_active, session.acknowledged_below), (expected.active, expected.floor));
            assert!(session.writes.iter().eq(expected.outcomes.keys()));
            for (number, outcome) in &expected.outcomes {
                assert_eq!(state.outcome(&view, *id, *number).as_ref(), Ok(outcome));
            }
        }
    }

    fn read(&mut self) {
        let replica = self.random.below(2);
        let at = self.random_timestamp();
        if at > self.replicas[replica].state.applied().timestamp {
            return;
        }
        let view = self.replicas[replica].engine.view();
        let threshold = self.replicas[replica].state.gc_threshold();
        let reader = Reader::new(&view, at, || threshold);
        // The timestamps of the log rise, no-ops apart: they have that of the entry before them.
        let model = &self.models[self.models.partition_point(|model| model.timestamp <= at) - 1];
        let key = self.random.key();
        match reader.get(&key) {
            Ok(found) => {
                assert!(at >= threshold);
                assert_eq!(found.as_ref(), model.keys.get(&key), "{key:?} at {at:?}");
            }
            Err(error) => {
                assert!(at < threshold, "{error}");
                return;
            }
        }
        let mut scan = self.random.scan();
        let mut rows = model.scan(&scan);
        loop {
            let page = match reader.scan(&scan, &self.limits) {
                Ok(page) => page,
                Err(RangeError::Refused(RequestError::Invalid { .. })) => {
                    assert!(scan.start > scan.end && !scan.end.is_empty());
                    break;
                }
                Err(error) => panic!("{error}"),
            };
            check_page(&page, &rows, &scan, &self.limits);
            rows.drain(..page.rows.len());
            let Some(resume) = page.resume else { break };
            if scan.reverse { scan.end = resume } else { scan.start = resume }
        }
        assert!(rows.is_empty() || scan.start > scan.end);
    }

    fn collect(&mut self) {
        let budget = 1 + self.random.below(4);
        let replica = self.random.below(2);
        self.sweep(replica, budget);
        if self.random.one_in(4) {
            self.replicas[replica].sweep = user_span(b"", b"").start;
        }
    }

    /// A step of a sweep; says if it was the last.
    fn sweep(&mut self, at: usize, budget: usize) -> bool {
        let replica = &mut self.replicas[at];
        let flushed = flushed_threshold(&replica.engine, RANGE).unwrap();
        let span = user_span(b"", b"");
        let step = gc_batch(&replica.engine.view(), &span, &replica.sweep, flushed, budget).unwrap();
        replica.engine.write(step.batch).unwrap();
        let over = step.next.is_none();
        replica.sweep = step.next.unwrap_or(span.start);
        over
    }

    fn crash(&mut self) {
        let at = self.random.below(2);
        let (random, replica) = (&mut self.random, &mut self.replicas[at]);
        replica.engine.crash(&mut |bound| random.below(bound));
        replica.state = load(&replica.engine).unwrap();
        replica.sweep = user_span(b"", b"").start;
        self.check_state(at);
        if at == self.leader {
            self.change_leader();
        }
    }

    /// What is not committed may be lost; the next leader begins when its first entry is applied.
    fn change_leader(&mut self) {
        let kept = self.committed + self.random.below(self.log.len() - self.committed + 1);
        self.log.truncate(kept);
        self.models.truncate(kept + 1);
        self.term = self.term.next();
        let index = LogIndex(kept as u64 + 1);
        self.log.push(Entry { index, term: self.term, payload: Payload::Noop });
        self.models.push(Model { outcome: None, ..self.models[kept].clone() });
        self.leader = self.random.below(2);
        self.committed = self.log.len();
        assert!(Overlay::begin(self.term, &self.replicas[self.leader].state).is_none());
        self.apply(self.leader, usize::MAX / 2);
        self.overlay = Overlay::begin(self.term, &self.replicas[self.leader].state).unwrap();
    }

    fn compare_hashes(&self) {
        let [one, other] = [0, 1].map(|at| state_hash(&self.replicas[at].engine.view(), RANGE).unwrap());
        assert_eq!(one, other, "at entry {}", self.replicas[0].applied());
    }

    /// Everything is committed, applied and swept.
    fn finish(&mut self) {
        self.committed = self.log.len();
        for at in [0, 1] {
            self.apply(at, self.log.len());
            assert_eq!(load(&self.replicas[at].engine).unwrap(), self.replicas[at].state);
        }
        self.compare_hashes();
        self.replicas[0].engine.flush().unwrap();
        self.replicas[0].sweep = user_span(b"", b"").start;
        while !self.sweep(0, 3) {}
        self.compare_hashes();
        self.check_swept();
        self.check_executed_once();
        assert!(self.overlay.is_empty());
    }

    /// At or below the threshold each key has one version at most, and no tombstone.
    fn check_swept(&self) {
        let Replica { engine, state, .. } = &self.replicas[0];
        let view = engine.view();
        let span = user_span(b"", b"");
        let mut cursor = view.cursor(&span);
        cursor.seek(&span.start).unwrap();
        let mut seen = BTreeSet::new();
        while let Some((key, stored)) = cursor.entry() {
            let (prefix, version) = split_version(key).unwrap();
            if version <= state.gc_threshold() {
                assert!(decode_value(stored).unwrap().is_some(), "a tombstone is left");
                assert!(seen.insert(prefix.to_vec()), "a shadowed version is left");
            }
            cursor.next().unwrap();
        }
    }

    /// No write of a session is in the log twice.
    fn check_executed_once(&self) {
        let mut executed = BTreeSet::new();
        for entry in &self.log {
            let Payload::Command(bytes) = &entry.payload else { continue };
            if let Some(record) = decode(bytes).unwrap().record() {
                assert!(executed.insert((record.session, record.number)), "{record:?} is executed twice");
            }
        }
    }
}

#[test]
fn random_histories_are_those_of_the_model() {
    for seed in 0..3_000 {
        let history = std::panic::catch_unwind(|| History::new(seed).run(200));
        assert!(history.is_ok(), "seed {seed}");
    }
}

/// What was asked must have been worth asking.
#[test]
fn histories_reach_what_they_are_for() {
    let mut reached = BTreeSet::new();
    let mut keys: BTreeSet<Bytes> = BTreeSet::new();
    for seed in 0..50 {
        let mut history = History::new(seed);
        history.run(200);
        for (at, model) in history.models.iter().enumerate() {
            keys.extend(model.keys.keys().cloned());
            let mut reach = |what, is: bool| is.then(|| reached.insert(what));
            reach("threshold", model.threshold > Timestamp::ZERO);
            reach("hold", !model.holds.is_empty());
            reach("expiry", model.session_floor > Timestamp::ZERO && !model.sessions.is_empty());
            reach("records", model.sessions.values().any(|session| session.outcomes.len() == 3));
            reach("floor", model.sessions.values().any(|session| session.floor > 1));
            let failed = matches!(model.outcome, Some(WriteOutcome::ConditionFailed { .. }));
            reach("recorded failure", failed);
            let many = matches!(model.outcome, Some(WriteOutcome::Written { deleted, .. }) if deleted > 2);
            reach("removed range", many);
            reach("leadership", at > 0 && history.log[at - 1].term > Term(3));
        }
    }
    assert_eq!(reached.len(), 8, "{reached:?}");
    assert_eq!(keys.len(), super::random::KEYS.len());
}
