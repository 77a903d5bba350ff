//! Clients: one request at a time each, under a session or without one, asked again until its outcome is known
//! or nobody will ever tell.

use bytes::Bytes;
use raft::NodeId;
use store::replica::{Consistency, Query, Read, Reply, Request};
use store::request::{RequestError, Scan, Write, WriteOutcome};
use store::timestamp::Timestamp;

use super::coverage::Mark;
use super::event::Event;
use super::history::{Done, Outcome};
use super::host::Host;
use super::plan::Plan;
use super::world::World;
use crate::rng::Rng;
use crate::world::Violation;

/// Attempts of one request,
const ATTEMPTS: usize = 25;
/// and of one that goes to the same host again and again.
const FEW_ATTEMPTS: usize = 2;

/// A request under way.
#[derive(Debug)]
struct Op {
    request: Request,
    invoked: u64,
    invoked_at: u64,
    attempts: usize,
    /// Of the present attempt; none: it waits before the next one.
    token: Option<u64>,
    /// An attempt may be executed yet.
    maybe: bool,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    pub(super) name: usize,
    /// The host that it believes to lead.
    leader: usize,
    /// Until the faults end it asks nobody but that host.
    pub(super) pinned: bool,
    /// Values written so far: each is unique.
    pub(super) writes: u64,
    pub(super) session: Option<Timestamp>,
    /// Of the next write of the session.
    pub(super) number: u64,
    /// Every number below is acknowledged.
    pub(super) acknowledged: u64,
    /// A timestamp that it saw; a version and a value.
    pub(super) seen: Timestamp,
    pub(super) version: Timestamp,
    pub(super) value: Bytes,
    /// A hold on garbage collection, and at what.
    pub(super) hold: Option<(u64, Timestamp)>,
    /// The rest of a scan, to be read at a timestamp.
    pub(super) rest: Option<(Scan, Timestamp)>,
    op: Option<Op>,
    /// Requests that ended well.
    done: u64,
    stopped: bool,
}

impl Client {
    /// All clients of a run.
    pub fn all(plan: &Plan, rng: &mut Rng) -> Vec<Client> {
        let client = |name| Client {
            name,
            leader: rng.index(plan.voters),
            pinned: rng.per_mille(plan.pinned),
            writes: 0,
            session: None,
            number: 1,
            acknowledged: 1,
            seen: Timestamp::ZERO,
            version: Timestamp::ZERO,
            value: Bytes::new(),
            hold: None,
            rest: None,
            op: None,
            done: 0,
            stopped: false,
        };
        (0..plan.clients).map(client).collect()
    }

    /// Asks whoever leads from now on.
    pub fn unpin(&mut self) {
        self.pinned = false;
    }

    /// Ends after the request under way.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// How many requests were answered.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.op.is_none()
    }

    fn note(&mut self, request: &Request, reply: &Reply) {
        match reply {
            Reply::Session(session) => {
                (self.session, self.number, self.acknowledged) = (Some(*session), 1, 1)
            }
            Reply::Write(WriteOutcome::Written { timestamp, .. }) => self.seen = *timestamp,
            Reply::Write(WriteOutcome::ConditionFailed { timestamp, version, value, .. }) => {
                (self.seen, self.version) = (*timestamp, *version);
                self.value = value.clone().unwrap_or_default();
            }
            Reply::Value { timestamp, found } => {
                self.seen = *timestamp;
                if let Some(found) = found {
                    (self.version, self.value) = (found.version, found.value.clone());
                }
            }
            Reply::Page { timestamp, page } => {
                self.seen = *timestamp;
                if let (Request::Read(Read { query: Query::Scan(scan), .. }), Some(resume)) =
                    (request, &page.resume)
                {
                    let (mut rest, resume) = (scan.clone(), resume.clone());
                    *(if scan.reverse { &mut rest.end } else { &mut rest.start }) = resume;
                    self.rest = Some((rest, *timestamp));
                }
            }
            Reply::Hold { id } => {
                if let Request::Hold { timestamp, .. } = request {
                    self.hold = Some((*id, *timestamp));
                }
            }
            Reply::Done => self.hold = None,
        }
        if is_numbered(request) {
            self.number += 1;
        }
    }
}

fn is_numbered(request: &Request) -> bool {
    matches!(request, Request::Write(Write { attempt: Some(_), .. }))
}

/// Any host that may run.
fn somewhere(hosts: &[Host], rng: &mut Rng) -> usize {
    let open: Vec<usize> = (0..hosts.len()).filter(|host| !hosts[*host].held).collect();
    open.get(rng.index(open.len())).copied().unwrap_or_default()
}

impl World {
    /// A client asks something, or asks again.
    pub(super) fn wake(&mut self, client: usize) -> Result<(), Violation> {
        if self.clients[client].op.as_ref().is_some_and(|op| op.token.is_none()) {
            return self.attempt(client);
        }
        if self.clients[client].stopped || !self.clients[client].is_idle() {
            return Ok(());
        }
        let Some(request) = self.choose(client) else { return Ok(()) };
        self.moments += 1;
        self.operations += 1;
        let (invoked, invoked_at) = (self.moments, self.now);
        self.clients[client].op =
            Some(Op { request, invoked, invoked_at, attempts: 0, token: None, maybe: false });
        self.attempt(client)
    }

    fn attempt(&mut self, client: usize) -> Result<(), Violation> {
        let token = self.token();
        let rng = &mut self.rng.client;
        let state = &mut self.clients[client];
        let Some(op) = &mut state.op else { return Ok(()) };
        op.attempts += 1;
        op.token = Some(token);
        let mut request = op.request.clone();
        if let Request::Write(Write { attempt: Some(attempt), .. }) = &mut request {
            attempt.retry = op.maybe;
        }
        let anywhere = match &request {
            Request::Read(Read { consistency: Consistency::Linearizable, .. }) => 300,
            Request::Read(_) => 700,
            _ => 0,
        };
        let stray = !state.pinned && rng.per_mille(self.plan.stray.max(anywhere));
        let host = if stray { somewhere(&self.hosts, rng) } else { state.leader };
        let late = if rng.per_mille(self.plan.late) { self.plan.patience * 6 } else { 1_500_000 };
        let at = self.now + rng.range(50_000, late);
        self.waiting.insert(token, client);
        self.queue.push(at, Event::Request { host, token, request: Box::new(request) });
        self.queue.push(self.now + self.plan.patience, Event::GiveUp { client, token });
        Ok(())
    }

    /// An attempt takes too long.
    pub(super) fn give_up(&mut self, client: usize, token: u64) -> Result<(), Violation> {
        self.waiting.remove(&token);
        let state = &mut self.clients[client];
        let Some(op) = state.op.as_mut().filter(|op| op.token == Some(token)) else { return Ok(()) };
        op.maybe |= !matches!(op.request, Request::Read(_));
        if !state.pinned {
            state.leader = somewhere(&self.hosts, &mut self.rng.client);
        }
        self.again(client)
    }

    /// Another attempt, where that is safe.
    fn again(&mut self, client: usize) -> Result<(), Violation> {
        let attempts = if self.clients[client].pinned { FEW_ATTEMPTS } else { ATTEMPTS };
        let Some(op) = &mut self.clients[client].op else { return Ok(()) };
        op.token = None;
        let safe = matches!(op.request, Request::Read(_)) || is_numbered(&op.request) || !op.maybe;
        if safe && op.attempts < attempts {
            let at = self.now + self.rng.client.range(1_000_000, self.plan.election / 6);
            self.queue.push(at, Event::Wake { client });
            return Ok(());
        }
        let outcome = if op.maybe { Outcome::Unknown } else { Outcome::Refused(RequestError::NoLeader) };
        if is_numbered(&op.request) {
            // Its outcome will never be acknowledged.
            self.clients[client].session = None;
        }
        self.end(client, outcome);
        Ok(())
    }

    fn end(&mut self, client: usize, outcome: Outcome) {
        let Some(op) = self.clients[client].op.take() else { return };
        self.moments += 1;
        self.trace.note(self.now, [10, client as u64, op.invoked, self.moments], || {
            format!("client {client} ends {:?}: {outcome:?}", op.request)
        });
        self.history.push(Done {
            client,
            request: op.request,
            invoked: op.invoked,
            invoked_at: op.invoked_at,
            returned: self.moments,
            returned_at: self.now,
            outcome,
        });
        let at = self.now + self.rng.client.below(self.plan.think);
        self.queue.push(at, Event::Wake { client });
    }

    /// An answer arrives.
    pub(super) fn reply(&mut self, token: u64, answer: Result<Reply, RequestError>) -> Result<(), Violation> {
        let Some(client) = self.waiting.remove(&token) else { return Ok(()) };
        let state = &mut self.clients[client];
        let Some(op) = state.op.as_mut().filter(|op| op.token == Some(token)) else { return Ok(()) };
        let error = match answer {
            Ok(reply) => {
                let request = op.request.clone();
                state.done += 1;
                state.note(&request, &reply);
                self.end(client, Outcome::Answered(reply));
                return Ok(());
            }
            Err(error) => error,
        };
        match &error {
            RequestError::NotLeader { leader } => {
                self.look_for_leader(client, *leader);
                self.again(client)
            }
            RequestError::NoLeader | RequestError::Busy { .. } => self.again(client),
            RequestError::DiskReserve { .. } => {
                self.coverage.hit(Mark::DiskReserve);
                self.again(client)
            }
            RequestError::OutcomeUnknown => {
                op.maybe = true;
                self.again(client)
            }
            RequestError::SessionExpired { session } => {
                if !self.monitor.rules.is_expired(*session) {
                    let detail = format!("client {client} is told: {error}");
                    return Err(Violation::new("only what has expired is refused as expired", detail));
                }
                self.refused(client, error)
            }
            RequestError::InTheFuture { .. } | RequestError::TooStale | RequestError::TooOld { .. } => {
                self.refused(client, error)
            }
            RequestError::TooLarge { .. } => {
                self.coverage.hit(Mark::TooLarge);
                self.refused(client, error)
            }
            RequestError::Invalid { .. }
            | RequestError::AlreadyAcknowledged { .. }
            | RequestError::WrongEpoch { .. } => {
                let detail = format!("client {client} is told: {error}");
                Err(Violation::new("clients are refused for a reason", detail))
            }
        }
    }

    fn refused(&mut self, client: usize, error: RequestError) -> Result<(), Violation> {
        let state = &mut self.clients[client];
        let Some(op) = &state.op else { return Ok(()) };
        let outcome = if op.maybe { Outcome::Unknown } else { Outcome::Refused(error.clone()) };
        let expired = matches!(error, RequestError::SessionExpired { .. });
        if expired || op.maybe && is_numbered(&op.request) {
            state.session = None;
        }
        self.end(client, outcome);
        Ok(())
    }

    fn look_for_leader(&mut self, client: usize, leader: Option<NodeId>) {
        if self.clients[client].pinned {
            return;
        }
        let known = leader.and_then(|leader| self.address.get(&leader).copied());
        let elsewhere = || somewhere(&self.hosts, &mut self.rng.client);
        self.clients[client].leader = known.unwrap_or_else(elsewhere);
    }
}
