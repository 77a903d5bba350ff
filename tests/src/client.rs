//! A client: one request at a time, at a node of its choice, repeated until its outcome is known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use proto::v1::error_detail::Kind;
use proto::v1::kv_client::KvClient;
use rand::Rng;
use rand::rngs::StdRng;
use sim::nodes::history::{Done, Outcome, timestamp};
use store::replica::{Consistency, Query, Read, Reply, Request};
use store::request::{Attempt, Condition, Operation, RequestError, Scan, Test, Write, WriteOutcome};
use store::timestamp::Timestamp;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

use crate::load::Shared;
use crate::wire::{Failure, ask};

const KEYS: usize = 24;
/// Attempts of one request; with the pauses between them more than any fault lasts.
const ATTEMPTS: usize = 400;
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Client {
    pub(crate) name: usize,
    pub(crate) nodes: Vec<KvClient<Channel>>,
    pub(crate) random: StdRng,
    pub(crate) shared: Arc<Shared>,
    /// How long it waits for an answer.
    pub(crate) patience: Duration,
    /// It reads and does nothing else.
    pub(crate) only_reads: bool,
    /// Added to each value.
    pub(crate) padding: usize,
    pub(crate) state: State,
}

/// What it remembers.
#[derive(Default)]
pub(crate) struct State {
    writes: u64,
    session: Option<Timestamp>,
    number: u64,
    seen: Timestamp,
    version: Timestamp,
    value: Bytes,
}

impl Client {
    /// Asks until it is told to stop.
    pub(crate) async fn run(mut self) -> Vec<Done> {
        let mut history = Vec::new();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let request = self.choose();
            history.push(self.ask(request).await);
        }
        history
    }

    /// Asks for one thing.
    pub(crate) async fn ask(&mut self, request: Request) -> Done {
        let (invoked, invoked_at) = self.shared.now();
        let outcome = self.outcome(&request).await;
        let (returned, returned_at) = self.shared.now();
        self.note(&request, &outcome);
        let client = self.name;
        Done { client, request, invoked, invoked_at, returned, returned_at, outcome }
    }

    async fn outcome(&mut self, request: &Request) -> Outcome {
        // An attempt may be executed yet.
        let mut maybe = false;
        for _ in 0..ATTEMPTS {
            let mut asked = request.clone();
            if let Request::Write(Write { attempt: Some(attempt), .. }) = &mut asked {
                attempt.retry = maybe;
            }
            let node = self.random.random_range(0..self.nodes.len());
            let answer = timeout(self.patience, ask(&mut self.nodes[node], asked)).await;
            match answer.unwrap_or(Err(Failure::Broken)) {
                Ok(reply) => return Outcome::Answered(reply),
                Err(
                    Failure::NotSent
                    | Failure::Told(
                        Kind::NotLeader(_) | Kind::NoLeader(_) | Kind::Busy(_) | Kind::DiskReserve(_),
                    ),
                ) => {}
                Err(Failure::Broken | Failure::Told(Kind::OutcomeUnknown(_) | Kind::DeadlineExceeded(_))) => {
                    maybe |= !matches!(request, Request::Read(_));
                }
                Err(Failure::Told(kind)) => return refused(request, maybe, kind),
            }
            let repeatable = matches!(request, Request::Write(Write { attempt: Some(_), .. }));
            if maybe && !repeatable {
                return Outcome::Unknown;
            }
            // Nodes do not tell when they are ready.
            sleep(PAUSE.mul_f64(self.random.random_range(0.2..1.0))).await;
        }
        Outcome::Unknown
    }

    fn note(&mut self, request: &Request, outcome: &Outcome) {
        let state = &mut self.state;
        let in_session = matches!(request, Request::Write(Write { attempt: Some(_), .. }));
        let Outcome::Answered(reply) = outcome else {
            if in_session {
                // The outcome of this number will never be acknowledged.
                state.session = None;
            }
            return;
        };
        state.number += u64::from(in_session);
        if let Some(at) = timestamp(reply) {
            state.seen = at;
        }
        match reply {
            Reply::Session(session) => (state.session, state.number) = (Some(*session), 1),
            Reply::Write(WriteOutcome::Written { .. }) => self.shared.written(),
            Reply::Write(WriteOutcome::ConditionFailed { version, value, .. }) => {
                (state.version, state.value) = (*version, value.clone().unwrap_or_default());
            }
            Reply::Value { found: Some(found), .. } => {
                (state.version, state.value) = (found.version, found.value.clone());
            }
            _ => {}
        }
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.random.random_ratio(1, count)
    }

    fn choose(&mut self) -> Request {
        if !self.only_reads && self.state.session.is_none() && self.one_in(3) {
            return Request::OpenSession;
        }
        if self.only_reads || self.one_in(3) {
            Request::Read(self.read())
        } else {
            Request::Write(self.write())
        }
    }

    fn key(&mut self) -> Bytes {
        format!("key-{:02}", self.random.random_range(0..KEYS)).into()
    }

    fn range(&mut self) -> (Bytes, Bytes) {
        let (one, other) = (self.key(), self.key());
        match (one <= other, self.one_in(8)) {
            (_, true) => (one, Bytes::new()),
            (true, false) => (one, other),
            (false, false) => (other, one),
        }
    }

    fn write(&mut self) -> Write {
        let mut operations: Vec<Operation> = Vec::new();
        let mut keys: Vec<Bytes> = Vec::new();
        for _ in 0..self.random.random_range(1..=3) {
            let key = self.key();
            if keys.contains(&key) {
                continue;
            }
            keys.push(key.clone());
            self.state.writes += 1;
            let value = format!("{}-{}-{}", self.name, self.state.writes, "x".repeat(self.padding)).into();
            let delete = self.one_in(6);
            operations.push(if delete { Operation::Delete { key } } else { Operation::Put { key, value } });
        }
        if self.one_in(20) {
            let (start, end) = self.range();
            operations = vec![Operation::DeleteRange { start, end }];
        }
        let conditions = match self.random.random_range(0..6) {
            0 => vec![self.condition(), self.condition()],
            1 | 2 => vec![self.condition()],
            _ => Vec::new(),
        };
        let alone = self.one_in(4);
        let number = self.state.number;
        let attempt = self.state.session.filter(|_| !alone).map(|session| Attempt {
            session,
            number,
            acknowledged_below: number,
            retry: false,
        });
        Write { conditions, operations, attempt }
    }

    fn condition(&mut self) -> Condition {
        let test = match self.random.random_range(0..5) {
            0 => Test::Exists,
            1 => Test::Absent,
            2 => Test::ValueIs(self.state.value.clone()),
            3 => Test::VersionIs(Timestamp::ZERO),
            _ => Test::VersionIs(self.state.version),
        };
        Condition { key: self.key(), test }
    }

    fn read(&mut self) -> Read {
        let query = if self.one_in(2) {
            Query::Get { key: self.key() }
        } else {
            let (start, end) = self.range();
            let (reverse, keys_only) = (self.one_in(2), self.one_in(4));
            let limit = self.random.random_range(0..5);
            Query::Scan(Scan { start, end, reverse, limit, keys_only })
        };
        let seen = self.state.seen;
        let consistency = match self.random.random_range(0..8) {
            0 if seen > Timestamp::ZERO => Consistency::Snapshot(seen),
            1 if seen > Timestamp::ZERO => Consistency::Snapshot(Timestamp(seen.0 - 1)),
            2 => Consistency::Stale(Duration::from_millis(self.random.random_range(1..500))),
            _ => Consistency::Linearizable,
        };
        Read { query, consistency }
    }
}

/// The node will not do it.
fn refused(request: &Request, maybe: bool, kind: Kind) -> Outcome {
    let error = match (request, kind) {
        (Request::Write(_), Kind::SessionExpired(_)) if maybe => return Outcome::Unknown,
        (Request::Write(Write { attempt: Some(attempt), .. }), Kind::SessionExpired(_)) => {
            RequestError::SessionExpired { session: attempt.session }
        }
        (Request::Read(Read { consistency: Consistency::Snapshot(at), .. }), Kind::InTheFuture(told)) => {
            RequestError::InTheFuture { timestamp: *at, latest: Timestamp(told.latest) }
        }
        (Request::Read(Read { consistency: Consistency::Snapshot(at), .. }), Kind::TooOld(told)) => {
            RequestError::TooOld { timestamp: *at, oldest: Timestamp(told.oldest) }
        }
        (Request::Read(_), Kind::TooStale(_)) => RequestError::TooStale,
        (request, kind) => panic!("{request:?} must not end with {kind:?}"),
    };
    Outcome::Refused(error)
}
