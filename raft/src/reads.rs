//! Linearizable reads: by the lease, by a round of heartbeats, and from followers (§6.4).

use std::collections::VecDeque;

use crate::canary::Canary;
use crate::durability::Gate;
use crate::error::ReadError;
use crate::message::{Body, ReadReply, ReadRequest};
use crate::output::ReadReady;
use crate::raft::{Raft, ReplyTo, Role};
use crate::types::{LogIndex, ReadId, Round, Time};

/// Who asked.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A local caller, with its token.
    Local(u64),
    /// A follower, with the id of its request.
    Remote(ReplyTo, ReadId),
}

/// A leader's reads that wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeaderReads {
    /// Until an entry of the own term is committed: only then is the commit index known to be current.
    parked: Vec<Origin>,
    /// For the next round, with the commit index of their arrival.
    queued: Vec<(LogIndex, Origin)>,
    /// For the acks of a majority to a round that began after they arrived.
    asked: VecDeque<(Round, LogIndex, Origin)>,
}

impl LeaderReads {
    fn len(&self) -> usize {
        self.parked.len() + self.queued.len() + self.asked.len()
    }

    pub(crate) fn into_tokens(self) -> Vec<u64> {
        let waiting = self.queued.into_iter().map(|(_, origin)| origin);
        let asked = self.asked.into_iter().map(|(_, _, origin)| origin);
        let local = |origin| match origin {
            Origin::Local(token) => Some(token),
            Origin::Remote(..) => None,
        };
        self.parked.into_iter().chain(waiting).chain(asked).filter_map(local).collect()
    }
}

/// A follower's reads, sent to the leader in batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForwardedReads {
    queued: Vec<u64>,
    asked: VecDeque<(ReadId, Time, Vec<u64>)>,
}

impl ForwardedReads {
    fn len(&self) -> usize {
        self.queued.len() + self.asked.iter().map(|(_, _, tokens)| tokens.len()).sum::<usize>()
    }

    /// When the oldest unanswered batch was sent.
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.asked.front().map(|(_, at, _)| *at)
    }

    pub(crate) fn into_tokens(self) -> Vec<u64> {
        self.queued.into_iter().chain(self.asked.into_iter().flat_map(|(_, _, tokens)| tokens)).collect()
    }
}

impl Raft {
    /// Asks for a linearizable read, on any replica. `token` comes back in [`crate::Output::reads`] once the
    /// state machine here may serve it, or in [`crate::Output::failed_reads`].
    ///
    /// # Errors
    /// Nothing will come back.
    pub fn read_index(&mut self, now: Time, token: u64) -> Result<(), ReadError> {
        self.advance(now);
        self.check_read_budget()?;
        match &mut self.role {
            Role::Leader(_) => {
                self.read_as_leader(Origin::Local(token));
                Ok(())
            }
            Role::Follower(follower) if follower.leader.is_some() => {
                follower.reads.queued.push(token);
                Ok(())
            }
            Role::LostDisk => Err(ReadError::LostDisk),
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => Err(ReadError::NoLeader),
        }
    }

    fn check_read_budget(&self) -> Result<(), ReadError> {
        let of_role = match &self.role {
            Role::Leader(leader) => leader.reads.len(),
            Role::Follower(follower) => follower.reads.len(),
            Role::PreCandidate(_) | Role::Candidate(_) | Role::LostDisk => 0,
        };
        let limit = self.settings.pending_reads;
        if of_role + self.confirmed_reads.len() >= limit { Err(ReadError::Busy { limit }) } else { Ok(()) }
    }

    fn read_as_leader(&mut self, origin: Origin) {
        let before_noop = self.planted(Canary::ReadBeforeNoop) || self.planted(Canary::LeaseBeforeNoop);
        // The lease is looked at once, now that the request is here (§6.4.1).
        if let Some(index) = self.lease_read_index() {
            self.counters.lease_reads += 1;
            self.confirm(origin, index, true);
            return;
        }
        let (commit, stale) = (self.commit, self.planted(Canary::StaleReadIndex));
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.timeout_now_sent {
            self.counters.reads_after_transfer += 1;
        }
        if commit < leader.term_start && !before_noop {
            leader.reads.parked.push(origin);
        } else if stale {
            leader.reads.asked.push_back((leader.rounds.latest(), commit, origin));
            self.confirm_reads();
        } else {
            leader.reads.queued.push((commit, origin));
        }
    }

    /// The no-op is committed: the commit index is current from here on.
    pub(crate) fn unpark_reads(&mut self) {
        let commit = self.commit;
        if let Role::Leader(leader) = &mut self.role
            && commit >= leader.term_start
        {
            let parked = std::mem::take(&mut leader.reads.parked);
            leader.reads.queued.extend(parked.into_iter().map(|origin| (commit, origin)));
        }
    }

    /// Starts the round, or sends the request, that the reads since the last output wait for.
    pub(crate) fn send_reads(&mut self) {
        match &mut self.role {
            Role::Leader(leader) => {
                // While a round is under way the next reads gather, so that load makes batches, not rounds.
                if leader.reads.queued.is_empty() || !leader.reads.asked.is_empty() {
                    return;
                }
                self.begin_round();
                if let Role::Leader(leader) = &mut self.role {
                    let round = leader.rounds.latest();
                    let queued = std::mem::take(&mut leader.reads.queued);
                    leader
                        .reads
                        .asked
                        .extend(queued.into_iter().map(|(index, origin)| (round, index, origin)));
                }
                self.confirm_reads();
            }
            Role::Follower(follower) => {
                let Some(leader) = follower.leader.filter(|_| !follower.reads.queued.is_empty()) else {
                    return;
                };
                // Ids go on over the terms of this boot, so that a late reply answers nothing else.
                self.last_read = ReadId(self.last_read.0 + 1);
                let id = self.last_read;
                let tokens = std::mem::take(&mut follower.reads.queued);
                follower.reads.asked.push_back((id, self.now, tokens));
                let body = Body::ReadRequest(ReadRequest { id });
                self.send(leader.target, leader.replica, self.term(), body);
            }
            Role::PreCandidate(_) | Role::Candidate(_) | Role::LostDisk => {}
        }
    }

    /// Confirms every read whose round a majority acked: this was the leader when it arrived.
    pub(crate) fn confirm_reads(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.reads.asked.is_empty() {
            return;
        }
        let acked = leader.majority(Round(u64::MAX), |p| p.round, |p| p.voter);
        let done = leader.reads.asked.partition_point(|(round, _, _)| *round <= acked);
        let confirmed: Vec<_> = leader.reads.asked.drain(..done).collect();
        for (_, index, origin) in confirmed {
            self.counters.index_reads += 1;
            self.confirm(origin, index, false);
        }
    }

    fn confirm(&mut self, origin: Origin, index: LogIndex, by_lease: bool) {
        match origin {
            Origin::Local(token) => self.confirmed_reads.push((index, token, by_lease)),
            Origin::Remote(to, id) => self.reply(&to, Gate::HardState, |to_boot| {
                Body::ReadReply(ReadReply { to_boot, id, index: Some(index) })
            }),
        }
    }

    /// Hands out the confirmed reads whose index is applied; none while the state machine is being replaced.
    pub(crate) fn release_reads(&mut self) {
        if self.confirmed_reads.is_empty() || self.inbound.is_installing() {
            return;
        }
        let applied = self.applied;
        let ready = self.confirmed_reads.extract_if(.., |(index, _, _)| *index <= applied);
        self.out.add().reads.extend(ready.map(|(index, token, by_lease)| ReadReady {
            token,
            index,
            by_lease,
        }));
    }

    pub(crate) fn abort_reads(&mut self, tokens: Vec<u64>) {
        if !tokens.is_empty() {
            let failed = tokens.into_iter().map(|token| (token, ReadError::Aborted));
            self.out.add().failed_reads.extend(failed);
        }
    }

    pub(crate) fn on_read_request(&mut self, from: &ReplyTo, request: ReadRequest) {
        if matches!(self.role, Role::Leader(_)) && self.check_read_budget().is_ok() {
            self.read_as_leader(Origin::Remote(*from, request.id));
        } else {
            self.reply(from, Gate::HardState, |to_boot| {
                Body::ReadReply(ReadReply { to_boot, id: request.id, index: None })
            });
        }
    }

    pub(crate) fn on_read_reply(&mut self, reply: ReadReply) {
        let Role::Follower(follower) = &mut self.role else { return };
        let found = follower.reads.asked.iter().position(|(id, _, _)| *id == reply.id);
        let Some((_, _, tokens)) = found.and_then(|at| follower.reads.asked.remove(at)) else {
            self.counters.stale_replies += 1;
            return;
        };
        match reply.index {
            Some(index) => {
                self.confirmed_reads.extend(tokens.into_iter().map(|token| (index, token, false)));
            }
            None => self.abort_reads(tokens),
        }
    }

    /// Gives up what the leader did not answer within an election timeout.
    pub(crate) fn expire_forwarded_reads(&mut self) {
        let (now, timeout) = (self.now, self.settings.election_timeout);
        let Role::Follower(follower) = &mut self.role else { return };
        let mut expired = Vec::new();
        while follower.reads.oldest().is_some_and(|at| now.since(at) >= timeout) {
            expired.extend(follower.reads.asked.pop_front().into_iter().flat_map(|(_, _, tokens)| tokens));
        }
        self.abort_reads(expired);
    }
}
