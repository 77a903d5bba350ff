//! Reads, and answers that must wait as reads do: until the leadership is confirmed, and until what they show
//! cannot be lost any more.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use raft::{LogIndex, NodeId, ReadError, Time};

use super::error::{SHORT_MILLIS, StoreFault, not_read, refusal};
use super::host::{Gathered, Host};
use super::request::{Consistency, Query, Read, Reply, Token};
use super::{Replica, RequestError};
use crate::canary::{Canary, planted};
use crate::engine::Engine;
use crate::range::Tick;
use crate::range::read::{Admission, Reader, admit};
use crate::request::Limits;
use crate::timestamp::Timestamp;

/// An answer of a leader for which nothing was proposed.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) token: Token,
    pub(super) answer: Result<Reply, RequestError>,
    /// It shows what is in flight up to here.
    pub(super) on: LogIndex,
}

/// What waits for a confirmed index.
#[derive(Debug)]
pub(super) enum Waiting {
    Read { token: Token, query: Query, consistency: Consistency },
    Answer(Answer),
}

impl Waiting {
    fn token(&self) -> Token {
        match self {
            Waiting::Read { token, .. } | Waiting::Answer(Answer { token, .. }) => *token,
        }
    }
}

/// All that waits to be read.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// The core's token of the last one; also tells equal keys apart.
    last: u64,
    /// For a confirmed index, with the time at which it was asked for.
    asked: BTreeMap<u64, (Time, Waiting)>,
    /// Confirmed; for an index to be applied.
    answers: BTreeMap<(LogIndex, u64), Answer>,
    /// For a timestamp to be applied.
    timed: BTreeMap<(Timestamp, u64), (Token, Query)>,
    /// Confirmed and applied; for the next output, because this one is full.
    late: VecDeque<(Token, Query, Consistency)>,
    /// Everything that was committed anywhere at this time is applied here.
    fresh: Option<Time>,
}

impl Reads {
    pub(super) fn len(&self) -> usize {
        self.asked.len() + self.answers.len() + self.timed.len() + self.late.len()
    }

    /// Some wait for the next output.
    pub(super) fn are_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// How old what is read here may be.
    pub(super) fn staleness(&self, now: Time) -> Option<Duration> {
        self.fresh.map(|fresh| now.since(fresh))
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Replica {
    pub(super) fn read<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        token: Token,
        Read { query, consistency }: Read,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        if let Err(error) = self.check_read(host, &query) {
            out.refuse(token, error);
            return Ok(());
        }
        let applied = self.state.applied().timestamp;
        let at_once = match consistency {
            Consistency::Linearizable => false,
            Consistency::Snapshot(at) if at > applied && self.leadership.is_some() => {
                return self.read_after_tick(host, token, query, at, out);
            }
            Consistency::Snapshot(at) => at <= applied || planted(Canary::FollowerReadsAhead),
            Consistency::Stale(bound) => {
                self.reads.staleness(host.now.time).is_some_and(|staleness| staleness <= bound)
            }
        };
        if at_once {
            return self.serve_read(host, token, query, consistency, out);
        }
        if let Err(error) = self.confirm(host, Waiting::Read { token, query, consistency }) {
            out.refuse(token, error);
        }
        Ok(())
    }

    fn check_read<L, E>(&self, host: &Host<'_, L, E>, query: &Query) -> Result<(), RequestError> {
        if self.lost_disk {
            return Err(RequestError::NotLeader { leader: None });
        }
        if self.installing && !planted(Canary::ReadDuringInstall) {
            let what = "this replica takes in a snapshot";
            return Err(RequestError::Busy { what, delay_millis: 1_000 });
        }
        if self.reads.len() >= host.settings.waiting {
            return Err(RequestError::Busy {
                what: "the list of waiting reads is full",
                delay_millis: SHORT_MILLIS,
            });
        }
        let limit = host.settings.limits.key_bytes;
        match query {
            Query::Get { key } if key.is_empty() => {
                Err(RequestError::Invalid { what: "a key is empty: keys have one byte at least".into() })
            }
            Query::Get { key } if key.len() > limit => {
                Err(RequestError::TooLarge { what: "a key", size: key.len(), limit })
            }
            _ => Ok(()),
        }
    }

    /// Asks for a confirmed index.
    pub(super) fn confirm<L, E>(
        &mut self,
        host: &Host<'_, L, E>,
        waiting: Waiting,
    ) -> Result<(), RequestError> {
        if self.reads.len() >= host.settings.waiting {
            return Err(RequestError::Busy {
                what: "the list of waiting answers is full",
                delay_millis: SHORT_MILLIS,
            });
        }
        let id = self.reads.next();
        self.raft.read_index(host.now.time, id).map_err(not_read)?;
        self.reads.asked.insert(id, (host.now.time, waiting));
        Ok(())
    }

    /// A leader reads ahead of what is applied: first an entry of that time is.
    fn read_after_tick<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        token: Token,
        query: Query,
        at: Timestamp,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        let applied = self.state.applied().timestamp;
        let tick = self.evaluate(host, |evaluator, clock| {
            Ok(match admit(at, applied, clock.physical())? {
                Admission::Now => None,
                Admission::AfterTick if planted(Canary::ReadAhead) => None,
                Admission::AfterTick => match evaluator.tick(at, clock)? {
                    Tick::Propose(proposal) => Some(proposal),
                    Tick::InFlight(_) => None,
                },
            })
        })?;
        match tick.and_then(|proposal| self.propose(host, proposal, None)) {
            Ok(()) if planted(Canary::ReadAhead) => {
                self.serve_read(host, token, query, Consistency::Snapshot(at), out)?;
            }
            Ok(()) => {
                let id = self.reads.next();
                self.reads.timed.insert((at, id), (token, query));
            }
            Err(refused) => self.refuse(host, token, refused, out),
        }
        Ok(())
    }

    /// The index of a read is confirmed and applied.
    pub(super) fn read_ready<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        id: u64,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        let Some((asked, waiting)) = self.reads.asked.remove(&id) else { return Ok(()) };
        let since = if planted(Canary::StaleFromAnswer) { host.now.time } else { asked };
        self.reads.fresh = self.reads.fresh.max(Some(since));
        let (token, query, consistency) = match waiting {
            Waiting::Answer(answer) => {
                self.reads.answers.insert((answer.on, id), answer);
                self.release_answers(out);
                return Ok(());
            }
            Waiting::Read { token, query, consistency } => (token, query, consistency),
        };
        let refused = match consistency {
            Consistency::Linearizable => None,
            Consistency::Snapshot(at) if at > self.state.applied().timestamp => {
                // Only a leader can tell whether it lies too far ahead.
                Some(RequestError::NotLeader { leader: self.leader })
            }
            Consistency::Snapshot(_) => None,
            Consistency::Stale(bound) => {
                (host.now.time.since(asked) > bound).then_some(RequestError::TooStale)
            }
        };
        match refused {
            Some(error) => {
                out.refuse(token, error);
                Ok(())
            }
            None => self.serve_read(host, token, query, consistency, out),
        }
    }

    /// The core gave a read up.
    pub(super) fn read_failed(&mut self, id: u64, error: ReadError, out: &mut Gathered) {
        let Some((_, waiting)) = self.reads.asked.remove(&id) else { return };
        let error = match &waiting {
            Waiting::Answer(_) => RequestError::NotLeader { leader: self.leader },
            Waiting::Read { consistency: Consistency::Stale(_), .. } => RequestError::TooStale,
            Waiting::Read { .. } => not_read(error),
        };
        out.refuse(waiting.token(), error);
    }

    /// More is applied: answers and reads that waited for it.
    pub(super) fn reads_applied<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        self.release_answers(out);
        let applied = self.state.applied().timestamp;
        while let Some(entry) = self.reads.timed.first_entry().filter(|entry| entry.key().0 <= applied) {
            let ((at, _), (token, query)) = entry.remove_entry();
            self.serve_read(host, token, query, Consistency::Snapshot(at), out)?;
        }
        Ok(())
    }

    fn release_answers(&mut self, out: &mut Gathered) {
        let applied = self.state.applied().position.index;
        while let Some(entry) = self.reads.answers.first_entry().filter(|entry| entry.key().0 <= applied) {
            let answer = entry.remove();
            out.replies.push((answer.token, answer.answer));
        }
    }

    /// The planted bugs that answer without asking who leads: at once, or when what was looked at is applied.
    pub(super) fn answer_unconfirmed(&mut self, answer: Answer, out: &mut Gathered) {
        if planted(Canary::ConditionOnUncommitted) {
            out.replies.push((answer.token, answer.answer));
        } else {
            let id = self.reads.next();
            self.reads.answers.insert((answer.on, id), answer);
            self.release_answers(out);
        }
    }

    /// The leadership ended: what was in flight may be lost, and answers that show it with it.
    pub(super) fn abandon_reads(&mut self, out: &mut Gathered) {
        let leader = self.leader;
        let asked = self.reads.asked.extract_if(.., |_, (_, waiting)| matches!(waiting, Waiting::Answer(_)));
        let asked: Vec<_> = asked.map(|(_, (_, waiting))| waiting.token()).collect();
        let answers = std::mem::take(&mut self.reads.answers).into_values().map(|answer| answer.token);
        let timed = std::mem::take(&mut self.reads.timed).into_values().map(|(token, _)| token);
        for token in asked.into_iter().chain(answers).chain(timed) {
            out.refuse(token, not_leader(leader));
        }
    }

    /// Reads, or keeps it for the next output if this one is full.
    fn serve_read<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        token: Token,
        query: Query,
        consistency: Consistency,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        if self.reads.are_late() || out.reply_bytes >= host.settings.answer_bytes {
            self.reads.late.push_back((token, query, consistency));
            return Ok(());
        }
        self.answer_read(host, token, &query, consistency, out)
    }

    /// Those for which the last output had no room, as far as this one has.
    pub(super) fn serve_late_reads<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        while out.reply_bytes < host.settings.answer_bytes {
            let Some((token, query, consistency)) = self.reads.late.pop_front() else { break };
            // What was confirmed stays so; but there may be nothing to read any more.
            match self.check_read(host, &query) {
                Ok(()) => self.answer_read(host, token, &query, consistency, out)?,
                Err(error) => out.refuse(token, error),
            }
        }
        Ok(())
    }

    fn answer_read<L, E: Engine>(
        &self,
        host: &Host<'_, L, E>,
        token: Token,
        query: &Query,
        consistency: Consistency,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        let timestamp = match consistency {
            Consistency::Snapshot(at) => at,
            Consistency::Linearizable | Consistency::Stale(_) => self.state.applied().timestamp,
        };
        match self.read_at(host.engine, query, timestamp, &host.settings.limits) {
            Ok(reply) => out.reply(token, reply),
            Err(error) => out.refuse(token, refusal(error)?),
        }
        Ok(())
    }

    fn read_at<E: Engine>(
        &self,
        engine: &E,
        query: &Query,
        timestamp: Timestamp,
        limits: &Limits,
    ) -> Result<Reply, crate::range::RangeError> {
        let view = engine.view();
        let reader = Reader::new(&view, timestamp, || self.state.gc_threshold());
        match query {
            Query::Get { key } => reader.get(key).map(|found| Reply::Value { timestamp, found }),
            Query::Scan(scan) => reader.scan(scan, limits).map(|page| Reply::Page { timestamp, page }),
        }
    }
}

fn not_leader(leader: Option<NodeId>) -> RequestError {
    match leader {
        Some(_) => RequestError::NotLeader { leader },
        None => RequestError::NoLeader,
    }
}
