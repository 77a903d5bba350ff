//! The clients: one operation at a time each, unique values, every outcome into the history.

use raft::canary::Canary;
use raft::{ProposeError, RangeId};

use crate::coverage::Mark;
use crate::event::{Answer, Event};
use crate::history::{OpId, Operation, Outcome};
use crate::host::Waiter;
use crate::machine::{Action, Command, Effect, KEYS};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::world::{Violation, World};

/// What a client does now.
#[derive(Clone, Copy, Debug)]
struct Current {
    op: u64,
    history: OpId,
    key: u8,
    /// None: a read.
    action: Option<Action>,
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    group: usize,
    /// The host that it believes to lead.
    leader: usize,
    /// The values that it last saw, for its compare-and-sets.
    seen: [u64; KEYS],
    current: Option<Current>,
    next: u64,
    /// Operations done well.
    done: u64,
    stopped: bool,
}

impl Client {
    /// All clients of a run.
    #[must_use]
    pub fn all(plan: &Plan, rng: &mut Rng) -> Vec<Client> {
        (0..plan.clients)
            .map(|number| Client {
                group: number % plan.groups,
                leader: rng.index(plan.voters),
                seen: [0; KEYS],
                current: None,
                next: 1,
                done: 0,
                stopped: false,
            })
            .collect()
    }

    /// Ends after the operation under way.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// How many operations it got done: it knows that they took effect, or what they read.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.current.is_none()
    }
}

/// Registers hold 0 for none.
fn value_of(register: u64) -> Option<u64> {
    (register != 0).then_some(register)
}

impl World {
    /// A client begins an operation.
    pub(crate) fn wake(&mut self, client: usize) -> Result<(), Violation> {
        let rng = &mut self.rng.client;
        let state = &mut self.clients[client];
        if state.stopped || state.current.is_some() {
            return Ok(());
        }
        let op = state.next;
        state.next += 1;
        let key = rng.below(self.plan.keys) as u8;
        // Unique and never 0.
        let value = ((client as u64 + 1) << 32) | op;
        let (action, operation) = if rng.per_mille(self.plan.reads) {
            (None, Operation::Read)
        } else {
            match rng.below(10) {
                0..=5 => (Some(Action::Write(value)), Operation::Write { value }),
                6..=8 => {
                    let expected = state.seen[usize::from(key)];
                    let operation = Operation::CompareAndSet { expected: value_of(expected), new: value };
                    (Some(Action::CompareAndSet(expected, value)), operation)
                }
                _ => (Some(Action::Delete), Operation::Delete),
            }
        };
        let register = (state.group * KEYS) as u64 + u64::from(key);
        let history = self.history.begin(client as u32, register, operation, self.now);
        state.current = Some(Current { op, history, key, action });
        let stray = rng.per_mille(self.plan.stray);
        let host = if stray { rng.index(self.hosts.len()) } else { state.leader };
        let at = self.now + rng.range(50_000, 1_500_000);
        self.queue.push(at, Event::Request { host, client, op });
        self.queue.push(self.now + self.plan.patience, Event::GiveUp { client, op });
        self.operations += 1;
        Ok(())
    }

    /// A request arrives at a host.
    pub(crate) fn request(&mut self, host: usize, client: usize, op: u64) -> Result<(), Violation> {
        let state = &self.clients[client];
        let Some(current) = state.current.filter(|c| c.op == op) else { return Ok(()) };
        let range = RangeId(state.group as u64 + 1);
        let waiter = Waiter { client, op, key: current.key, committed: self.monitor.committed(range) };
        if !self.hosts[host].up || !self.hosts[host].replicas.contains_key(&range) {
            self.answer(waiter, Answer::Refused(None));
            return Ok(());
        }
        match current.action {
            None => self.accept_read(host, range, waiter),
            Some(action) => self.accept_write(host, range, waiter, action)?,
        }
        self.pump(host)
    }

    fn accept_read(&mut self, host: usize, range: RangeId, waiter: Waiter) {
        let token = self.token();
        let now = self.local(host);
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return };
        match replica.raft.read_index(now, token) {
            Ok(()) => {
                let _ = replica.reads.insert(token, waiter);
            }
            Err(_) => self.answer(waiter, Answer::Refused(None)),
        }
    }

    fn accept_write(
        &mut self,
        host: usize,
        range: RangeId,
        waiter: Waiter,
        action: Action,
    ) -> Result<(), Violation> {
        let now = self.local(host);
        let id = ((waiter.client as u64 + 1) << 32) | waiter.op;
        let padding = self.rng.client.below(self.plan.padding + 1) as usize;
        let command = Command { key: waiter.key, id, action }.encode(padding);
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
        match replica.raft.propose(now, command) {
            Ok(at) => {
                if self.canary == Some(Canary::ReplyBeforeApply) {
                    self.monitor.acknowledged(range, at)?;
                }
                let _ = replica.writes.insert((at.index, at.term), waiter);
                self.trace.note(self.now, [11, waiter.client as u64, waiter.op, at.index.0], || {
                    format!(
                        "h{host} {range:?} proposes c{}#{} at {at:?}: {action:x?}",
                        waiter.client, waiter.op
                    )
                });
            }
            Err(error) => {
                let leader = match error {
                    ProposeError::NotLeader { leader } => leader.and_then(|n| self.address.get(&n).copied()),
                    ProposeError::Busy { .. } => {
                        self.coverage.hit(Mark::Busy);
                        Some(host)
                    }
                    ProposeError::TooLarge { .. } => {
                        self.coverage.hit(Mark::TooLarge);
                        Some(host)
                    }
                    ProposeError::Transferring { to } => self.address.get(&to).copied(),
                    ProposeError::LostDisk => None,
                };
                self.answer(waiter, Answer::Refused(leader));
            }
        }
        Ok(())
    }

    /// An answer arrives at a client.
    pub(crate) fn reply(&mut self, client: usize, op: u64, answer: Answer) -> Result<(), Violation> {
        let Some(current) = self.clients[client].current.filter(|c| c.op == op) else { return Ok(()) };
        let rng = &mut self.rng.client;
        let mut pause = rng.below(self.plan.think + 1);
        let outcome = match (answer, current.action) {
            (Answer::Applied(Effect::Mismatch(value)), _) => Outcome::CasFailed { actual: value_of(value) },
            (Answer::Applied(Effect::Done), Some(Action::CompareAndSet(..))) => Outcome::Swapped,
            (Answer::Applied(Effect::Done), _) => Outcome::Written,
            (Answer::Value(value), _) => Outcome::Value(value_of(value)),
            (Answer::Refused(_), _) | (Answer::Unknown, None) => Outcome::Failed,
            (Answer::Unknown, Some(_)) => Outcome::Unknown,
        };
        let state = &mut self.clients[client];
        let seen = &mut state.seen[usize::from(current.key)];
        match (answer, current.action) {
            (Answer::Value(value) | Answer::Applied(Effect::Mismatch(value)), _) => *seen = value,
            (Answer::Applied(Effect::Done), Some(Action::Write(value) | Action::CompareAndSet(_, value))) => {
                *seen = value;
            }
            (Answer::Applied(Effect::Done), _) => *seen = 0,
            (Answer::Refused(leader), _) => {
                state.leader = leader.unwrap_or_else(|| rng.index(self.hosts.len()));
                pause += rng.range(1_000_000, self.plan.election / 10);
            }
            (Answer::Unknown, _) => {}
        }
        self.end(client, current, outcome, pause);
        Ok(())
    }

    /// A client gives up.
    pub(crate) fn give_up(&mut self, client: usize, op: u64) -> Result<(), Violation> {
        let Some(current) = self.clients[client].current.filter(|c| c.op == op) else { return Ok(()) };
        self.clients[client].leader = self.rng.client.index(self.hosts.len());
        let outcome = if current.action.is_some() { Outcome::Unknown } else { Outcome::Failed };
        let pause = self.rng.client.below(self.plan.think + 1);
        self.end(client, current, outcome, pause);
        Ok(())
    }

    fn end(&mut self, client: usize, current: Current, outcome: Outcome, pause: u64) {
        self.coverage.hit_if(outcome == Outcome::Unknown, Mark::Unknown);
        let done = !matches!(outcome, Outcome::Failed | Outcome::Unknown);
        self.clients[client].done += u64::from(done);
        self.checked += u64::from(outcome != Outcome::Failed);
        self.trace.note(self.now, [12, client as u64, current.op, 0], || {
            format!("c{client}#{} k{} {:x?} ends: {outcome:x?}", current.op, current.key, current.action)
        });
        self.history.end(current.history, self.now, outcome);
        self.clients[client].current = None;
        self.queue.push(self.now + pause, Event::Wake { client });
    }
}
