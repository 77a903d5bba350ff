//! Starts and stops of the processes.

use raft::canary::Canary;
use raft::{Boot, Header, Identity, Message, Raft, RangeId, Restored, Time};

use crate::coverage::Mark;
use crate::disk::{Item, ReplicaDisk};
use crate::event::{Answer, Event};
use crate::fault::CrashPoint;
use crate::host::{Condition, Replica, Waiter};
use crate::monitor::OnDisk;
use crate::world::{Violation, World};

impl World {
    /// Starts a host's process from what its disk holds.
    pub(crate) fn boot(&mut self, host: usize) -> Result<(), Violation> {
        if self.hosts[host].up {
            return Ok(());
        }
        let nonce = self.rng.identity.next();
        let state = &mut self.hosts[host];
        state.up = true;
        state.process += 1;
        state.disk.boot += 1;
        state.boot = Boot { counter: state.disk.boot, nonce };
        state.heard.fill(0);
        state.tick_at = 0;
        let boot = state.boot;
        self.trace
            .note(self.now, [5, host as u64, boot.counter, 0], || format!("h{host} starts as {boot:?}"));
        if self.hosts[host].condition != Condition::Fine {
            return Ok(());
        }
        let ranges: Vec<RangeId> = self.hosts[host].disk.replicas.keys().copied().collect();
        for range in ranges {
            if let Some(disk) = self.hosts[host].disk.replicas.get_mut(&range)
                && disk.finish_intent()
            {
                self.coverage.hit(Mark::IntentFinished);
            }
            self.open(host, range)?;
        }
        self.pump(host)
    }

    /// Makes the core of one replica.
    fn open(&mut self, host: usize, range: RangeId) -> Result<(), Violation> {
        let now = self.local(host);
        let seed = self.rng.identity.next();
        let state = &mut self.hosts[host];
        let (Some(peer), Some(disk)) = (state.peer(), state.disk.replicas.get_mut(&range)) else {
            return Ok(());
        };
        let entries: &[raft::Entry] = disk.entries.make_contiguous();
        let found = OnDisk { hard: &disk.hard, base: &disk.base, entries };
        self.monitor.booted(range, peer.node, peer.boot, now, &found)?;
        let applied = disk.machine.applied().index;
        self.coverage.hit_if(disk.hard.commit > applied, Mark::Replayed);
        let restored = Restored::scan(disk.hard, disk.base.clone(), entries.iter().cloned(), applied);
        let identity = Identity { cluster: self.cluster, peer, range, replica: disk.replica };
        let machine = disk.machine;
        let settings = self.plan.settings.clone();
        let raft = restored.and_then(|restored| Raft::restore(now, seed, identity, settings, restored));
        let mut raft = raft
            .map_err(|error| Violation::new("restart", format!("h{host} {range:?} cannot start: {error}")))?;
        if let Some(canary) = self.canary {
            raft.plant(canary);
        }
        let _ = self.hosts[host].replicas.insert(range, Replica::new(raft, machine));
        Ok(())
    }

    /// Gives an empty disk its identity, or an unknown range a replica, where a message says so.
    pub(crate) fn admit(&mut self, host: usize, header: &Header, message: &Message) -> Result<(), Violation> {
        let careless = self.canary == Some(Canary::EmptyDiskAnswers);
        let state = &mut self.hosts[host];
        if state.condition != Condition::Fine || state.replicas.contains_key(&message.range) {
            return Ok(());
        }
        let named = header.to.disk == state.disk.id || (careless && state.disk.node.is_none());
        if !named || state.disk.node.is_some_and(|node| node != header.to.node) {
            return Ok(());
        }
        state.disk.node = Some(header.to.node);
        let _ = state.disk.replicas.insert(message.range, ReplicaDisk::empty(message.to));
        self.open(host, message.range)
    }

    /// Stops a host's process; it starts again after `down`.
    pub(crate) fn crash(&mut self, host: usize, down: u64) -> Result<(), Violation> {
        self.stop(host)?;
        self.queue.push(self.now + down, Event::Boot { host });
        Ok(())
    }

    /// Stops a host's process.
    pub(crate) fn stop(&mut self, host: usize) -> Result<(), Violation> {
        if !self.hosts[host].up {
            return Ok(());
        }
        let waiting = self.hosts[host].outbox.len();
        let sent = self.rng.shell.index(waiting + 1);
        self.coverage.hit_if(sent > 0 && sent < waiting, Mark::PartialSend);
        self.flush_outbox(host, sent);
        let state = &mut self.hosts[host];
        state.up = false;
        state.paused = false;
        state.backlog.clear();
        state.process += 1;
        state.armed = None;
        state.fsync_error = None;
        state.tick_at = 0;
        let queued = state.disk.queued();
        let (survivors, torn) = state.disk.crash(&mut self.rng.disk);
        self.coverage.hit_if(torn, Mark::TornRecord);
        self.coverage.hit_if(survivors.len() < queued, Mark::UnsyncedLost);
        self.coverage.hit_if(!survivors.is_empty(), Mark::UnsyncedKept);
        self.lose_partial_snapshots(host);
        self.trace.note(self.now, [6, host as u64, queued as u64, survivors.len() as u64], || {
            format!("h{host} stops; of {queued} writes {} survive", survivors.len())
        });
        let node = self.hosts[host].disk.node.unwrap_or_default();
        for item in survivors {
            if let Item::Log(range, write) = item {
                self.monitor.durable(range, node, &write)?;
            }
        }
        for (range, replica) in std::mem::take(&mut self.hosts[host].replicas) {
            self.coverage.add_core(replica.raft.counters());
            self.monitor.stopped(range, node)?;
            for waiter in replica.writes.into_values().chain(replica.reads.into_values()) {
                // Some connections break visibly, others just fall silent.
                if self.rng.shell.per_mille(700) {
                    self.answer(waiter, Answer::Unknown);
                }
            }
        }
        Ok(())
    }

    /// Whether an armed crash strikes here; then the process is down.
    pub(crate) fn strikes(&mut self, host: usize, point: CrashPoint) -> Result<bool, Violation> {
        let Some(armed) = self.hosts[host].armed else { return Ok(false) };
        if armed.point != point || self.watch.is_some() {
            return Ok(false);
        }
        self.hosts[host].armed = None;
        if armed.until < self.now {
            return Ok(false);
        }
        self.coverage.hit(Mark::Crash);
        self.injected += 1;
        self.coverage.hit(match point {
            CrashPoint::Now => Mark::Crash,
            CrashPoint::BeforeSubmit => Mark::CrashBeforeSubmit,
            CrashPoint::AfterSubmit => Mark::CrashAfterSubmit,
            CrashPoint::AfterSync => Mark::CrashAfterSync,
            CrashPoint::AfterNotice => Mark::CrashAfterNotice,
            CrashPoint::BeforeApply => Mark::CrashBeforeApply,
            CrashPoint::MidApply => Mark::CrashMidApply,
            CrashPoint::AfterFlush => Mark::CrashAfterFlush,
            CrashPoint::BeforeIngest => Mark::CrashBeforeIngest,
            CrashPoint::AfterIngest => Mark::CrashAfterIngest,
            CrashPoint::MidTransfer => Mark::CrashMidTransfer,
        });
        self.crash(host, armed.down)?;
        Ok(true)
    }

    /// A paused process goes on, and finds everything that waited in no particular order.
    pub(crate) fn resume(&mut self, host: usize) -> Result<(), Violation> {
        if !self.hosts[host].paused {
            return Ok(());
        }
        self.hosts[host].paused = false;
        let mut backlog = std::mem::take(&mut self.hosts[host].backlog);
        self.rng.shell.shuffle(&mut backlog);
        self.trace.note(self.now, [7, host as u64, backlog.len() as u64, 0], || format!("h{host} goes on"));
        for event in backlog {
            self.dispatch(event)?;
        }
        Ok(())
    }

    /// Sends an answer to a client.
    pub(crate) fn answer(&mut self, waiter: Waiter, answer: Answer) {
        let at = self.now + self.rng.shell.range(100_000, 1_500_000);
        self.queue.push(at, Event::Reply { client: waiter.client, op: waiter.op, answer });
    }

    /// Jumps a host's wall clock: the shell notices it against the monotonic one.
    pub(crate) fn jump_wall_clock(&mut self, host: usize) -> Result<(), Violation> {
        let now: Time = self.local(host);
        for replica in self.hosts[host].replicas.values_mut() {
            replica.raft.clock_jumped(now);
        }
        self.pump(host)
    }
}
