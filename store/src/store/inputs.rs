//! What goes in. After a fault nothing does.

use std::time::Duration;

use raft::{Body, Header, Message, Payload, RangeId, Time};

use super::Store;
use super::admin::{AdminError, AdminReply, AdminRequest};
use super::envelope::NodeEnvelope;
use super::log_writes::BatchSeq;
use crate::canary::{Canary, planted};
use crate::effects;
use crate::engine::Engine;
use crate::log_store::LogReader;
use crate::replica::{Address, Now, Replica, Report, Request, Token};
use crate::request::RequestError;

/// Replicas that are fetched from memory together.
const WARM: usize = 8;
/// The wall clock was set if it moves so much against the monotonic one between two inputs.
const JUMP: Duration = Duration::from_millis(100);

impl<L: LogReader, E: Engine> Store<L, E> {
    /// Takes an envelope of a peer.
    pub fn receive(&mut self, now: Now, received: NodeEnvelope) {
        self.advance(now);
        let NodeEnvelope { envelope, clock_millis, spare_bytes, supported } = received;
        let header = envelope.header;
        if self.fault.is_some() || !self.is_for_me(&header) {
            self.counters.identity_drops += 1;
            return;
        }
        let (disk, at) = (header.from.disk, now.time);
        self.peers.heard(header.from.node, Report { disk, at, clock_millis, spare_bytes, supported });
        let mut messages = envelope.messages.into_iter();
        while messages.len() > 0 {
            messages.as_slice().iter().take(WARM).for_each(|message| self.warm(message.range));
            for message in messages.by_ref().take(WARM) {
                self.step(now, &header, message);
            }
        }
    }

    fn warm(&self, range: RangeId) {
        if let Some(replica) = self.replicas.get(&range) {
            replica.warm();
        }
    }

    fn step(&mut self, now: Now, header: &Header, message: Message) {
        // Damage must not reach the log: once appended, it would be acknowledged.
        if !is_intact(&message) && !planted(Canary::AppendsDamaged) {
            self.counters.damaged_messages += 1;
        } else if self.replicas.contains_key(&message.range) {
            self.with(now, message.range, |replica, _, _| replica.step(now, header, message));
        } else {
            self.admit(header, &message);
        }
    }

    /// Exactly this disk, as far as it knows itself.
    fn is_for_me(&self, header: &Header) -> bool {
        header.to.disk == self.identity.disk
            && self.identity.member.is_none_or(|member| member == (header.cluster, header.to.node))
    }

    /// A fresh connection from a peer was accepted.
    pub fn connected(&mut self, now: Now, header: &Header) {
        self.advance(now);
        if self.is_for_me(header) {
            self.each(now, |replica| replica.connected(now, header));
        }
    }

    /// Takes a request of a client; the answer comes with `token`.
    pub fn request(&mut self, now: Now, token: Token, address: Address, request: Request) {
        self.advance(now);
        if self.fault.is_some() {
            return;
        }
        let Address { range, epoch } = address;
        let taken = self.with(now, range, |replica, host, out| {
            let present = replica.state().descriptor().epoch;
            if epoch != present {
                out.refuse(token, RequestError::WrongEpoch { epoch: present });
                return Ok(());
            }
            replica.request(host, token, request, out)
        });
        match taken {
            Some(result) => self.fail(result),
            None => self.gathered.refuse(token, RequestError::NotLeader { leader: None }),
        }
    }

    /// Takes a request of an administrator; the answer comes with `token`.
    pub fn admin(&mut self, now: Now, token: Token, request: AdminRequest) {
        self.advance(now);
        if self.fault.is_some() {
            return;
        }
        let answer = match request {
            AdminRequest::Bootstrap { cluster, voters } => self.bootstrap(token, cluster, voters),
            AdminRequest::Change { range, planned_on, changes } => {
                match self.with(now, range, |replica, _, _| replica.change(now, token, planned_on, changes)) {
                    Some(Ok(())) => None,
                    Some(Err(error)) => Some(Err(error.into())),
                    None => Some(Err(AdminError::NoReplica { range })),
                }
            }
            AdminRequest::Transfer { range, to } => {
                Some(match self.with(now, range, |replica, _, _| replica.transfer_leadership(now, to)) {
                    Some(Ok(())) => Ok(AdminReply::TransferStarted),
                    Some(Err(error)) => Err(error.into()),
                    None => Err(AdminError::NoReplica { range }),
                })
            }
        };
        self.admin_replies.extend(answer.map(|answer| (token, answer)));
    }

    /// Lets time pass. To be called at [`Store::next_deadline`]; more often does no harm.
    pub fn tick(&mut self, now: Now) {
        self.advance(now);
        if self.fault.is_some() {
            return;
        }
        for ranges in self.deadlines.due(now.time).chunks(WARM) {
            ranges.iter().for_each(|range| self.warm(*range));
            for range in ranges {
                let ticked = self.with(now, *range, |replica, host, out| replica.tick(host, out));
                self.fail(ticked.unwrap_or(Ok(())));
            }
        }
    }

    /// When [`Store::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// The log batches up to `seq` are durable.
    pub fn log_persisted(&mut self, now: Now, seq: BatchSeq) {
        self.advance(now);
        for (range, write) in self.writes.completed(seq) {
            self.with(now, range, |replica, _, _| replica.log_persisted(now, write));
        }
        self.intents_persisted(seq);
        let admitted = self.admission_persisted(now, seq);
        self.fail(admitted);
    }

    /// A flush of the data engine that an output asked for is complete.
    pub fn flushed(&mut self) {
        self.flushing.done();
    }

    /// So much space is free on the disk.
    pub fn set_free_bytes(&mut self, free_bytes: u64) {
        self.peers.set_free_bytes(free_bytes);
    }

    /// Notices a wall clock that was set: what the monotonic one says of the past is in doubt then.
    pub(super) fn advance(&mut self, now: Now) {
        let elapsed = now.time.since(self.last.time);
        let wall = Duration::from_millis(now.wall_millis.abs_diff(self.last.wall_millis));
        let back = now.wall_millis < self.last.wall_millis;
        let apart = if back { wall + elapsed } else { wall.abs_diff(elapsed) };
        self.last = Now { time: self.last.time.max(now.time), ..now };
        if apart > JUMP {
            self.counters.clock_jumps += 1;
            self.each(now, |replica| replica.clock_jumped(now));
        }
    }

    fn each(&mut self, now: Now, call: impl Fn(&mut Replica)) {
        let ranges: Vec<RangeId> = self.replicas.keys().copied().collect();
        for range in ranges {
            self.with(now, range, |replica, _, _| call(replica));
        }
    }
}

/// Whether the commands of a message are as they were proposed.
fn is_intact(message: &Message) -> bool {
    let Body::Append(append) = &message.body else { return true };
    append.entries.iter().all(|entry| match &entry.payload {
        Payload::Command(command) => effects::verify(command).is_ok(),
        Payload::Noop | Payload::Configuration(_) => true,
    })
}
