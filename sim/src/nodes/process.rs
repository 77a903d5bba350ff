//! Starts and stops of the processes.

use raft::LogIndex;
use store::replica::{ExitCode, StoreFault};
use store::store::{Start, Store};

use super::coverage::Mark;
use super::event::Event;
use super::world::World;
use crate::fault::CrashPoint;
use crate::host::Condition;
use crate::world::Violation;

impl World {
    /// Starts a host's process from what its disk holds.
    pub(crate) fn boot(&mut self, host: usize) -> Result<(), Violation> {
        if self.hosts[host].up || self.hosts[host].held {
            return Ok(());
        }
        let (nonce, seed) = (self.rng.identity.next(), self.rng.identity.next());
        let state = &mut self.hosts[host];
        state.up = true;
        state.process += 1;
        state.heard.fill(0);
        state.tick_at = 0;
        if state.condition != Condition::Fine {
            return Ok(());
        }
        let now = state.now(self.now);
        if let Err(fault) = self.finish_intents(host).and_then(|()| self.open_carrier(host)) {
            return self.stopped(host, &fault);
        }
        let state = &mut self.hosts[host];
        let start = Start { now, disk: state.disk.id, nonce, seed, free_bytes: state.free };
        let (engine, settings) = (state.disk.engine.clone(), self.plan.settings.clone());
        let opened = Store::open(&mut state.disk.log, engine, settings, start);
        self.trace.note(self.now, [5, host as u64, nonce, u64::from(opened.is_ok())], || {
            format!("h{host} starts: {}", opened.as_ref().map_or_else(ToString::to_string, |_| "well".into()))
        });
        match opened {
            Ok(store) => self.hosts[host].store = Some(store),
            Err(fault) => return self.stopped(host, &fault),
        }
        let applied = self.applied(host);
        self.hosts[host].applied = applied;
        self.coverage.hit_if(applied > LogIndex::ZERO, Mark::Restarted);
        self.note_lost(host)?;
        self.compare(host)?;
        self.pump(host)
    }

    /// The store says that the process must stop.
    pub(crate) fn stopped(&mut self, host: usize, fault: &StoreFault) -> Result<(), Violation> {
        let (code, state) = (fault.exit_code(), &mut self.hosts[host]);
        match (code, state.failing.take()) {
            (ExitCode::Sync, Some(down)) => {
                self.coverage.hit(Mark::DiskFailed);
                self.injected += 1;
                self.crash(host, down)
            }
            (ExitCode::Corruption, _) if state.damaged => {
                self.coverage.hit(Mark::DamageFound);
                self.stop(host)?;
                self.hosts[host].condition = Condition::Corrupt;
                self.boot(host)
            }
            _ => Err(Violation::new("a process stops for a reason", format!("h{host}: {fault}"))),
        }
    }

    /// A part of the disk failed where the shell itself called it.
    pub(crate) fn failed(&mut self, host: usize, fault: impl Into<StoreFault>) -> Result<(), Violation> {
        self.stopped(host, &fault.into())
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
        self.count_core(host);
        if let Some(status) = self.status(host) {
            self.note_applied(host, &status)?;
        }
        let state = &mut self.hosts[host];
        state.up = false;
        state.paused = false;
        state.backlog.clear();
        state.process += 1;
        state.store = None;
        state.begun.clear();
        state.syncing = 0;
        state.carrier = None;
        state.carrier_events.clear();
        state.carrier_calls.clear();
        state.carry_at = 0;
        state.armed = None;
        state.failing = None;
        state.tick_at = 0;
        let (batches, unflushed) = (state.disk.log.incomplete(), state.disk.engine.unflushed());
        let torn = state.disk.crash(&mut self.rng.disk);
        self.coverage.hit_if(torn, Mark::TornRecord);
        self.coverage.hit_if(batches > 0, Mark::UnsyncedLost);
        self.coverage.hit_if(unflushed > 0, Mark::UnflushedLost);
        self.trace.note(self.now, [6, host as u64, batches as u64, unflushed as u64], || {
            format!("h{host} stops, {batches} writes not synced, {unflushed} batches not flushed")
        });
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
        self.injected += 1;
        self.coverage.hit(match point {
            CrashPoint::BeforeSubmit => Mark::CrashBeforeSubmit,
            CrashPoint::AfterSubmit => Mark::CrashAfterSubmit,
            CrashPoint::AfterSync => Mark::CrashAfterSync,
            CrashPoint::AfterNotice => Mark::CrashAfterNotice,
            CrashPoint::AfterFlush => Mark::CrashAfterFlush,
            CrashPoint::BeforeIngest => Mark::CrashBeforeIngest,
            CrashPoint::AfterIngest => Mark::CrashAfterIngest,
            CrashPoint::MidTransfer => Mark::CrashMidTransfer,
            CrashPoint::Now | CrashPoint::BeforeApply | CrashPoint::MidApply => Mark::Crash,
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
        if self.rng.shell.coin() {
            // Clients may be heard before the peers and the clock.
            backlog.sort_by_key(|event| !matches!(event, Event::Request { .. }));
        }
        self.trace.note(self.now, [7, host as u64, backlog.len() as u64, 0], || format!("h{host} goes on"));
        for event in backlog {
            self.dispatch(event)?;
        }
        Ok(())
    }

    /// Adds what the core of a process that ends has counted.
    pub(crate) fn count_core(&mut self, host: usize) {
        let now = self.hosts[host].now(self.now);
        let Some(store) = &self.hosts[host].store else { return };
        let status = store.status(now);
        self.coverage.add_node(&status);
        if let Some(carrier) = &self.hosts[host].carrier {
            self.coverage.add_carrier(carrier.counters());
        }
    }
}
