//! What a replica does by itself as time passes: sessions end, versions become garbage, the log is cut.

use std::time::Duration;

use raft::{LogIndex, Time};

use super::Replica;
use super::error::StoreFault;
use super::host::{Gathered, Host, SnapshotEvent};
use crate::canary::{Canary, planted};
use crate::engine::Engine;
use crate::key::user_span;
use crate::range::flushed_applied;
use crate::range::gc::{LEAST_RETENTION, flushed_threshold, gc_batch, wanted_threshold};
use crate::timestamp::Timestamp;

/// Where the removal of garbage is.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    /// The next key; none between two sweeps.
    from: Option<Vec<u8>>,
    /// Everything below was removed.
    done: Timestamp,
    /// The threshold of the present sweep.
    threshold: Timestamp,
}

impl Replica {
    /// When [`Replica::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Time {
        let deadline = self.raft.next_deadline().min(self.upkeep_due);
        self.awaited.deadline(self.patience).map_or(deadline, |given_up| deadline.min(given_up))
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// The process must stop.
    pub fn tick<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        let now = host.now.time;
        if self.raft.next_deadline() <= now {
            self.role_may_differ = true;
            self.raft.tick(now);
        }
        self.follow_role(host, out);
        let term = self.leadership.as_ref().map(|leadership| leadership.term);
        self.awaited.expire(now, self.patience, term, out);
        if self.upkeep_due <= now {
            self.upkeep_due = now + host.settings.upkeep;
            self.keep_up(host, out)?;
        }
        Ok(())
    }

    fn keep_up<L, E: Engine>(&mut self, host: &Host<'_, L, E>, out: &mut Gathered) -> Result<(), StoreFault> {
        if self.installing || self.lost_disk {
            return Ok(());
        }
        let (now, applied) = (host.now.time, self.state.applied().timestamp);
        self.versions.observe(now, applied);
        self.activity.observe(now, applied);
        if self.leadership.is_some() {
            self.hold_back(host);
            self.end_sessions(host)?;
            self.raise_threshold(host)?;
        }
        self.look_at_transfers(host, out);
        self.sweep(host)?;
        self.compact(host, out)
    }

    /// Whoever is short of space is sent no entries, as long as the others are a majority.
    fn hold_back<L, E>(&mut self, host: &Host<'_, L, E>) {
        let window = host.settings.raft.election_timeout;
        self.raft.hold_back(&host.peers.without_space(host.now, &self.configuration, window));
    }

    /// Sessions end by elapsed time alone: the timestamp that was applied so long ago is their floor.
    fn end_sessions<L, E: Engine>(&mut self, host: &Host<'_, L, E>) -> Result<(), StoreFault> {
        let Some(floor) = self.activity.older_than(host.now.time, host.settings.session_expiry) else {
            return Ok(());
        };
        let proposal = self.evaluate(host, |evaluator, clock| evaluator.expire_sessions(floor, clock))?;
        // What is refused now is tried again.
        let _ = proposal.and_then(|proposal| self.propose(host, proposal, None));
        Ok(())
    }

    fn raise_threshold<L, E: Engine>(&mut self, host: &Host<'_, L, E>) -> Result<(), StoreFault> {
        let retention = self.retention(host);
        let Some(wanted) = wanted_threshold(&self.versions, host.now.time, retention) else { return Ok(()) };
        let proposal = self.evaluate(host, |evaluator, clock| evaluator.raise_gc_threshold(wanted, clock))?;
        // What is refused now is tried again.
        let _ = proposal.and_then(|proposal| self.propose(host, proposal, None));
        Ok(())
    }

    /// As set; the least where space is short.
    fn retention<L, E>(&self, host: &Host<'_, L, E>) -> Duration {
        let window = host.settings.raft.election_timeout;
        match host.peers.short_of_space(host.now, &self.configuration, window) {
            Some(_) => LEAST_RETENTION,
            None => host.settings.retention,
        }
    }

    /// One step of the removal of what the flushed threshold lets go.
    fn sweep<L, E: Engine>(&mut self, host: &Host<'_, L, E>) -> Result<(), StoreFault> {
        let span = user_span(&self.state.descriptor().start, &self.state.descriptor().end);
        if self.sweeping.from.is_none() {
            let threshold = flushed_threshold(host.engine, self.state.range())?;
            if threshold <= self.sweeping.done {
                return Ok(());
            }
            self.sweeping.threshold = threshold;
            self.sweeping.from = Some(span.start.clone());
        }
        let Some(from) = self.sweeping.from.take() else { return Ok(()) };
        let threshold = self.sweeping.threshold;
        let step = gc_batch(&host.engine.view(), &span, &from, threshold, host.settings.sweep_versions)?;
        if !step.batch.is_empty() {
            host.engine.write(step.batch)?;
        }
        self.sweeping.from = step.next;
        if self.sweeping.from.is_none() {
            self.sweeping.done = threshold;
        }
        Ok(())
    }

    /// Cuts the log: each replica its own, behind what is durable in its data engine.
    fn compact<L, E: Engine>(&mut self, host: &Host<'_, L, E>, out: &mut Gathered) -> Result<(), StoreFault> {
        let pinned = self.transfers.pinned(&self.log_size, host.settings.raft.transfer_log_bytes);
        let mut failed = None;
        let cut = self.log_size.cut(|| {
            if planted(Canary::LogCutBeyondFlushed) {
                return self.state.applied().position.index;
            }
            flushed_applied(host.engine, self.state.range()).map_or_else(
                |error| {
                    failed = Some(error);
                    LogIndex::ZERO
                },
                |applied| applied.position.index.min(pinned),
            )
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        if let Some(Ok(base)) = cut.map(|upto| self.raft.compact(upto))
            && self.log_size.was_cut(base)
        {
            self.transfers.cut(base);
            let last = self.raft.status(host.now.time).last.index;
            out.snapshots.push(SnapshotEvent::LogCut { range: self.state.range(), base, last });
        }
        Ok(())
    }
}
