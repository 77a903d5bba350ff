//! The state machine's side of the shell: applying, answering, flushing, compacting.

use raft::{Entry, LogIndex, LogPosition, RangeId, ReadReady, RoleKind};

use crate::coverage::Mark;
use crate::event::{Answer, Event};
use crate::fault::CrashPoint;
use crate::machine::Effect;
use crate::world::{Violation, World};

impl World {
    /// Hands committed entries to the state machine, which applies them now or a little later.
    pub(crate) fn hand_to_machine(
        &mut self,
        host: usize,
        range: RangeId,
        entries: Vec<Entry>,
    ) -> Result<(), Violation> {
        let process = self.hosts[host].process;
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
        let idle = replica.to_apply.is_empty();
        replica.to_apply.extend(entries);
        if self.plan.apply_delay == 0 {
            return self.apply_all(host, range);
        }
        if idle {
            let at = self.now + self.rng.shell.below(self.plan.apply_delay);
            self.queue.push(at, Event::Apply { host, process, range });
        }
        Ok(())
    }

    /// The state machine gets to what was handed to it.
    pub(crate) fn apply_now(&mut self, host: usize, process: u64, range: RangeId) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        self.apply_all(host, range)?;
        if self.runs(host, process) { self.pump(host) } else { Ok(()) }
    }

    fn apply_all(&mut self, host: usize, range: RangeId) -> Result<(), Violation> {
        if self.strikes(host, CrashPoint::BeforeApply)? {
            return Ok(());
        }
        let node = self.hosts[host].disk.node.unwrap_or_default();
        let mut last = LogIndex::ZERO;
        loop {
            let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
            let Some(entry) = replica.to_apply.pop_front() else { break };
            if entry.index != replica.machine.applied().index.next() {
                let detail = format!(
                    "h{host} {range:?}: entry {:?} after {:?}",
                    entry.position(),
                    replica.machine.applied()
                );
                return Err(Violation::new("apply order", detail));
            }
            let effect = replica.machine.apply(&entry);
            let hash = replica.machine.hash();
            last = entry.index;
            self.trace.note(self.now, [8 | range.0 << 8, host as u64, entry.index.0, hash], || {
                format!("h{host} {range:?} applies {entry:?}")
            });
            self.monitor.applied(range, node, &entry)?;
            self.monitor.state_hash(range, node, entry.index, hash)?;
            self.answer_writes(host, range, entry.position(), effect)?;
            if self.strikes(host, CrashPoint::MidApply)? {
                return Ok(());
            }
        }
        if last > LogIndex::ZERO {
            let now = self.local(host);
            if let Some(replica) = self.hosts[host].replicas.get_mut(&range) {
                replica.raft.applied(now, last);
            }
            if self.rng.shell.per_mille(self.plan.flush_per_mille) {
                self.flush(host, range)?;
            }
        }
        Ok(())
    }

    /// Answers whoever proposed something for the place that was just applied.
    fn answer_writes(
        &mut self,
        host: usize,
        range: RangeId,
        applied: LogPosition,
        effect: Effect,
    ) -> Result<(), Violation> {
        loop {
            let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
            let Some(first) = replica.writes.first_entry() else { return Ok(()) };
            let (at, proposed_in) = *first.key();
            if at > applied.index {
                return Ok(());
            }
            let waiter = first.remove();
            if at < applied.index {
                self.answer(waiter, Answer::Unknown);
            } else if proposed_in == applied.term {
                self.monitor.acknowledged(range, applied)?;
                self.answer(waiter, Answer::Applied(effect));
            } else {
                self.coverage.hit(Mark::Overwritten);
                self.answer(waiter, Answer::Refused(None));
            }
        }
    }

    /// Makes the state machine durable, then perhaps shortens the log.
    pub(crate) fn flush(&mut self, host: usize, range: RangeId) -> Result<(), Violation> {
        let state = &mut self.hosts[host];
        let (Some(replica), Some(disk)) =
            (state.replicas.get_mut(&range), state.disk.replicas.get_mut(&range))
        else {
            return Ok(());
        };
        // While a snapshot is on its way into it, the state machine is not the old one's any more.
        if disk.intent.is_some() || replica.install.is_some() {
            return Ok(());
        }
        disk.machine = replica.machine;
        let flushed = disk.machine.applied().index;
        if flushed.0 >= disk.base.last.index.0 + self.plan.compact_at {
            let upto = LogIndex(flushed.0.saturating_sub(self.plan.compact_tail));
            if let Ok(effective) = replica.raft.compact(upto) {
                self.coverage.hit_if(effective > disk.base.last.index, Mark::Compacted);
            }
        }
        self.strikes(host, CrashPoint::AfterFlush)?;
        Ok(())
    }

    /// Serves a read that the core released.
    pub(crate) fn serve_read(
        &mut self,
        host: usize,
        range: RangeId,
        ready: ReadReady,
    ) -> Result<(), Violation> {
        let now = self.local(host);
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
        let applied = replica.machine.applied().index;
        if applied < ready.index {
            let detail = format!("h{host} {range:?} is at {applied:?}, the read index is {:?}", ready.index);
            return Err(Violation::new("read after apply", detail));
        }
        let Some(waiter) = replica.reads.remove(&ready.token) else {
            return Err(Violation::new(
                "read answered once",
                format!("h{host} {range:?} token {}", ready.token),
            ));
        };
        if ready.index < waiter.committed {
            let detail = format!(
                "h{host} {range:?} reads at {:?}; {:?} was committed when the read arrived",
                ready.index, waiter.committed
            );
            return Err(Violation::new("a read sees what was committed before", detail));
        }
        let value = replica.machine.get(waiter.key);
        let status = replica.raft.status(now);
        self.coverage.hit(if ready.by_lease {
            Mark::ReadByLease
        } else if status.role == RoleKind::Leader {
            Mark::ReadByRound
        } else if status.configuration.is_voter(status.node) {
            Mark::ReadOnFollower
        } else {
            Mark::ReadOnLearner
        });
        self.trace.note(self.now, [9, host as u64, ready.index.0, value], || {
            format!(
                "h{host} {range:?} reads {value:x} of k{} for c{}#{}: {ready:?}",
                waiter.key, waiter.client, waiter.op
            )
        });
        self.answer(waiter, Answer::Value(value));
        Ok(())
    }

    /// A read was given up.
    pub(crate) fn fail_read(&mut self, host: usize, range: RangeId, token: u64) {
        let waiter = self.hosts[host].replicas.get_mut(&range).and_then(|r| r.reads.remove(&token));
        if let Some(waiter) = waiter {
            self.coverage.hit(Mark::ReadFailed);
            self.answer(waiter, Answer::Refused(None));
        }
    }
}
