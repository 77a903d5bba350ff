//! Clients: one request at a time each, under a session or without one, retried until its outcome is known.

use bytes::Bytes;
use std::time::Duration;

use raft::Time;
use store::replica::{Consistency, Query, Read, Reply, Request, Token};
use store::request::{Attempt, Condition, Operation, RequestError, Scan, Test, Write, WriteOutcome};
use store::timestamp::Timestamp;

use crate::random::Random;
use crate::world::World;

const KEYS: [&str; 6] = ["a", "b", "b\0", "c", "d", "e"];
const PATIENCE: Duration = Duration::from_millis(450);
const ATTEMPTS: usize = 25;

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    Answered(Reply),
    /// It may have been done.
    Unknown,
    /// It was not done.
    Refused(RequestError),
}

/// A request that ended.
#[derive(Clone, Debug)]
pub struct Done {
    pub request: Request,
    /// Moments in the order of events, and on the clock.
    pub invoked: u64,
    pub invoked_at: Time,
    pub returned: u64,
    pub returned_at: Time,
    pub outcome: Outcome,
}

struct Op {
    request: Request,
    invoked: u64,
    invoked_at: Time,
    attempts: usize,
    sent_at: Time,
    token: Token,
    /// An attempt may be executed yet.
    maybe: bool,
}

pub struct Client {
    name: usize,
    writes: u64,
    session: Option<Timestamp>,
    number: u64,
    /// A timestamp seen.
    seen: Timestamp,
    /// A version seen.
    version: Timestamp,
    value: Bytes,
    op: Option<Op>,
    /// It does nothing before.
    pause: Time,
}

fn key(random: &mut Random) -> Bytes {
    Bytes::from_static(KEYS[random.below(KEYS.len())].as_bytes())
}

fn bound(random: &mut Random) -> Bytes {
    if random.one_in(4) { Bytes::new() } else { key(random) }
}

fn range(random: &mut Random) -> (Bytes, Bytes) {
    let (one, other) = (bound(random), bound(random));
    if one > other && !other.is_empty() { (other, one) } else { (one, other) }
}

impl Client {
    pub fn new(name: usize) -> Self {
        let (seen, version, value) = (Timestamp::ZERO, Timestamp::ZERO, Bytes::new());
        let (session, op, pause) = (None, None, Time::ZERO);
        Self { name, writes: 0, session, number: 1, seen, version, value, op, pause }
    }

    pub fn is_idle(&self) -> bool {
        self.op.is_none()
    }

    /// Asks something, if it has nothing under way; gives up on an attempt that takes too long.
    pub fn act(&mut self, world: &mut World, events: &mut u64, history: &mut Vec<Done>, stop: bool) {
        match &mut self.op {
            None if stop || world.time < self.pause => {}
            None if world.random.one_in(300) => {
                self.pause = world.time + Duration::from_millis(world.random.below(3_000) as u64);
            }
            None => {
                let request = self.choose(world);
                *events += 1;
                let op = Op {
                    request,
                    invoked: *events,
                    invoked_at: world.time,
                    attempts: 0,
                    sent_at: world.time,
                    token: Token(0),
                    maybe: false,
                };
                self.op = Some(op);
                self.send(world);
            }
            Some(op) if world.time.since(op.sent_at) > PATIENCE => {
                op.maybe |= !matches!(op.request, Request::Read(_));
                self.again(world, events, history);
            }
            Some(_) => {}
        }
    }

    fn send(&mut self, world: &mut World) {
        let Some(op) = &mut self.op else { return };
        op.attempts += 1;
        op.sent_at = world.time;
        let mut request = op.request.clone();
        if let Request::Write(Write { attempt: Some(attempt), .. }) = &mut request {
            attempt.retry = op.maybe;
        }
        let anyone = world.random.below(world.nodes.len());
        let at = match (&request, world.leader()) {
            (Request::Read(_), _) | (_, None) => anyone,
            (_, Some(leader)) => {
                if world.random.one_in(8) {
                    anyone
                } else {
                    leader
                }
            }
        };
        op.token = world.request(at, request);
    }

    /// Another attempt, where that is safe.
    fn again(&mut self, world: &mut World, events: &mut u64, history: &mut Vec<Done>) {
        let Some(op) = &self.op else { return };
        let safe = match &op.request {
            Request::Read(_) => true,
            Request::Write(write) => write.attempt.is_some() || !op.maybe,
            _ => !op.maybe,
        };
        if safe && op.attempts < ATTEMPTS {
            return self.send(world);
        }
        if matches!(&op.request, Request::Write(write) if write.attempt.is_some()) {
            // Its outcome will never be acknowledged.
            self.session = None;
        }
        self.end(world, events, history, Outcome::Unknown);
    }

    fn end(&mut self, world: &World, events: &mut u64, history: &mut Vec<Done>, outcome: Outcome) {
        let Some(op) = self.op.take() else { return };
        *events += 1;
        history.push(Done {
            request: op.request,
            invoked: op.invoked,
            invoked_at: op.invoked_at,
            returned: *events,
            returned_at: world.time,
            outcome,
        });
    }

    /// An answer came; says if it was for this client.
    pub fn answered(
        &mut self,
        world: &mut World,
        events: &mut u64,
        history: &mut Vec<Done>,
        token: Token,
        answer: &Result<Reply, RequestError>,
    ) -> bool {
        let Some(op) = self.op.as_mut().filter(|op| op.token == token) else { return false };
        match answer {
            Ok(reply) => {
                match reply {
                    Reply::Session(session) => (self.session, self.number) = (Some(*session), 1),
                    Reply::Write(outcome) => self.note(outcome),
                    Reply::Value { timestamp, found } => {
                        self.seen = *timestamp;
                        if let Some(found) = found {
                            (self.version, self.value) = (found.version, found.value.clone());
                        }
                    }
                    Reply::Page { timestamp, .. } => self.seen = *timestamp,
                    Reply::Hold { .. } | Reply::Done => {}
                }
                if matches!(
                    &self.op,
                    Some(Op { request: Request::Write(Write { attempt: Some(_), .. }), .. })
                ) {
                    self.number += 1;
                }
                self.end(world, events, history, Outcome::Answered(reply.clone()));
            }
            Err(
                RequestError::NotLeader { .. }
                | RequestError::NoLeader
                | RequestError::Busy { .. }
                | RequestError::DiskReserve { .. },
            ) => self.again(world, events, history),
            Err(RequestError::OutcomeUnknown) => {
                op.maybe = true;
                self.again(world, events, history);
            }
            Err(RequestError::SessionExpired { .. }) => {
                let outcome =
                    if op.maybe { Outcome::Unknown } else { Outcome::Refused(RequestError::OutcomeUnknown) };
                self.session = None;
                self.end(world, events, history, outcome);
            }
            Err(error @ (RequestError::InTheFuture { .. } | RequestError::TooStale)) => {
                self.end(world, events, history, Outcome::Refused(error.clone()));
            }
            Err(error) => panic!("{:?}: {error}", op.request),
        }
        true
    }

    fn note(&mut self, outcome: &WriteOutcome) {
        match outcome {
            WriteOutcome::Written { timestamp, .. } => self.seen = *timestamp,
            WriteOutcome::ConditionFailed { timestamp, version, value, .. } => {
                (self.seen, self.version) = (*timestamp, *version);
                self.value = value.clone().unwrap_or_default();
            }
        }
    }

    fn choose(&mut self, world: &mut World) -> Request {
        let random = &mut world.random;
        if self.session.is_none() && random.one_in(3) {
            return Request::OpenSession;
        }
        if random.one_in(2) { Request::Write(self.write(random)) } else { Request::Read(self.read(world)) }
    }

    fn write(&mut self, random: &mut Random) -> Write {
        let mut operations: Vec<Operation> = Vec::new();
        let mut keys: Vec<Bytes> = Vec::new();
        for _ in 0..1 + random.below(3) {
            let key = key(random);
            if keys.contains(&key) {
                continue;
            }
            keys.push(key.clone());
            self.writes += 1;
            let value = format!("{}-{}", self.name, self.writes).into();
            operations.push(if random.one_in(5) {
                Operation::Delete { key }
            } else {
                Operation::Put { key, value }
            });
        }
        if random.one_in(12) {
            let (start, end) = range(random);
            operations = vec![Operation::DeleteRange { start, end }];
        }
        let conditions = (0..random.below(3)).map(|_| self.condition(random)).collect();
        let attempt = self.session.filter(|_| !random.one_in(4)).map(|session| Attempt {
            session,
            number: self.number,
            acknowledged_below: self.number,
            retry: false,
        });
        Write { conditions, operations, attempt }
    }

    fn condition(&self, random: &mut Random) -> Condition {
        let test = match random.below(5) {
            0 => Test::Exists,
            1 => Test::Absent,
            2 => Test::ValueIs(self.value.clone()),
            3 => Test::VersionIs(Timestamp::ZERO),
            _ => Test::VersionIs(self.version),
        };
        Condition { key: key(random), test }
    }

    fn read(&self, world: &mut World) -> Read {
        let physical = world.now(1).wall_millis;
        let random = &mut world.random;
        let query = if random.one_in(2) {
            Query::Get { key: key(random) }
        } else {
            let (start, end) = range(random);
            let (reverse, limit, keys_only) = (random.one_in(2), random.below(4), random.one_in(4));
            Query::Scan(Scan { start, end, reverse, limit, keys_only })
        };
        let consistency = match random.below(8) {
            0 => Consistency::Snapshot(self.seen),
            1 => Consistency::Snapshot(Timestamp(self.seen.0.saturating_sub(1))),
            2 => Consistency::Snapshot(Timestamp::from_millis(physical + random.below(300) as u64)),
            3 => Consistency::Snapshot(Timestamp::from_millis(physical + 100_000_000)),
            4 => Consistency::Stale(Duration::from_millis(random.below(300) as u64)),
            _ => Consistency::Linearizable,
        };
        Read { query, consistency }
    }
}
