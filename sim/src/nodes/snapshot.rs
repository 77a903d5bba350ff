//! The carrier of snapshots of a host: on a thread of its own beside the store, and on the network.

use raft::NodeId;
use store::carrier::{Carrier, ChunkMessage, finish_open_intents};
use store::log_store::{LogReader, LogStore};
use store::range::flushed_applied;
use store::replica::{SnapshotEvent, StoreFault};
use store::store::{FIRST_RANGE, StoreCall};

use super::coverage::Mark;
use super::event::{Content, Event};
use super::world::World;
use crate::fault::CrashPoint;
use crate::world::Violation;

/// Steps of work at a time.
const STEPS: usize = 4;
/// The carrier looks at what is late so often in an election timeout.
const LOOKS: u64 = 8;

impl World {
    /// What a start does before the store is opened: installs that were interrupted are finished. It may stop
    /// again right then.
    pub(super) fn finish_intents(&mut self, host: usize) -> Result<(), StoreFault> {
        for again in [true, false] {
            let disk = &mut self.hosts[host].disk;
            let open = disk.log.reader().replicas().unwrap_or_default();
            if !open.iter().any(|(_, stored)| stored.intent.is_some()) {
                return Ok(());
            }
            let supported = self.plan.carrier.supported;
            finish_open_intents(&mut disk.log, &disk.engine, &disk.directory, supported)?;
            self.coverage.hit(Mark::IntentFinished);
            // The log that was damaged is gone.
            self.hosts[host].damaged = false;
            if again && self.rng.disk.coin() {
                self.hosts[host].disk.crash(&mut self.rng.disk);
            }
        }
        Ok(())
    }

    /// The carrier of a process that starts.
    pub(super) fn open_carrier(&mut self, host: usize) -> Result<(), StoreFault> {
        let state = &mut self.hosts[host];
        let (engine, directory) = (state.disk.engine.clone(), state.disk.directory.clone());
        state.carrier = Some(Carrier::open(engine, directory, self.plan.carrier, state.free)?);
        state.carried_at = self.now;
        self.carry_soon(host);
        Ok(())
    }

    /// What a store asks of its carrier.
    pub(super) fn snapshot_event(&mut self, host: usize, event: SnapshotEvent) -> Result<(), Violation> {
        match &event {
            SnapshotEvent::Installed { .. } => {
                self.coverage.hit(Mark::Installed);
                self.hosts[host].damaged = false;
            }
            SnapshotEvent::LogCut { base, .. } => {
                self.coverage.hit(Mark::LogCut);
                self.check_tails(host, *base)?;
                let flushed = flushed_applied(&self.hosts[host].disk.engine, FIRST_RANGE);
                if flushed.as_ref().is_ok_and(|flushed| *base > flushed.position.index) {
                    let detail = format!("h{host} cuts its log at {base}, flushed is {flushed:?}");
                    return Err(Violation::new("only what is flushed is cut from the log", detail));
                }
            }
            SnapshotEvent::Unwanted { to, .. } => self.follows_by_log(host, *to),
            SnapshotEvent::Unneeded { .. } => self.coverage.hit(Mark::Unneeded),
            _ => {}
        }
        self.trace.note(self.now, [20, host as u64, 0, 0], || format!("h{host} tells its carrier {event:?}"));
        self.hosts[host].carrier_events.push(event);
        self.carry_soon(host);
        Ok(())
    }

    /// The carrier gets on soon.
    fn carry_soon(&mut self, host: usize) {
        let at = self.now + self.rng.shell.below(500_000);
        self.carry_at(host, at);
    }

    fn carry_at(&mut self, host: usize, at: u64) {
        let state = &mut self.hosts[host];
        if state.carry_at == 0 || at < state.carry_at {
            state.carry_at = at;
            self.queue.push(at, Event::Carry { host });
        }
    }

    /// The carrier gets on.
    pub(super) fn carry(&mut self, host: usize) -> Result<(), Violation> {
        let state = &mut self.hosts[host];
        if state.carrier.is_none() || state.carry_at == 0 || state.carry_at > self.now {
            return Ok(());
        }
        state.carry_at = 0;
        let worked = self.work(host);
        let more = match worked {
            Ok(more) => more,
            Err(fault) => return self.stopped(host, &fault),
        };
        let Some(output) = self.hosts[host].carrier.as_mut().map(Carrier::take_output) else {
            return Ok(());
        };
        let ingested = output.calls.iter().any(|call| matches!(call, StoreCall::Ingested { .. }));
        let installing = self.status(host).is_some_and(|status| status.installing);
        if ingested && self.strikes(host, CrashPoint::AfterIngest)?
            || more && installing && self.strikes(host, CrashPoint::BeforeIngest)?
        {
            return Ok(());
        }
        for (to, message) in output.messages {
            self.send_chunk(host, to, message);
        }
        if !output.calls.is_empty() {
            let at = self.now + self.rng.shell.below(100_000);
            self.hosts[host].carrier_calls.extend(output.calls);
            self.queue.push(at, Event::CarrierCalls { host, process: self.hosts[host].process });
        }
        let pause = match (more, installing) {
            // Reads come meanwhile.
            (true, true) => self.rng.shell.below(self.plan.election),
            (true, false) => self.rng.shell.below(2_000_000),
            (false, _) => self.plan.election / LOOKS,
        };
        self.carry_at(host, self.now + pause + 1);
        Ok(())
    }

    /// Says whether more can be done now.
    fn work(&mut self, host: usize) -> Result<bool, StoreFault> {
        let state = &mut self.hosts[host];
        let elapsed = state.clock.at(self.now).since(state.clock.at(state.carried_at));
        state.carried_at = self.now;
        let Some(carrier) = &mut state.carrier else { return Ok(false) };
        for event in state.carrier_events.drain(..) {
            carrier.event(event)?;
        }
        carrier.tick(elapsed)?;
        let steps = 1 + self.rng.shell.index(STEPS);
        for _ in 0..steps {
            if !carrier.work(1 + self.rng.shell.below(3_000))? {
                return Ok(false);
            }
            // Between two steps of an install reads may come.
            if carrier.status().iter().any(|range| range.installing) {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// What a carrier wants of its store.
    pub(super) fn carrier_calls(&mut self, host: usize, process: u64) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        let now = self.hosts[host].now(self.now);
        for call in std::mem::take(&mut self.hosts[host].carrier_calls) {
            let ingested = matches!(call, StoreCall::Ingested { .. });
            self.trace.note(self.now, [21, host as u64, u64::from(ingested), 0], || {
                format!("h{host} is called by its carrier: {call:?}")
            });
            if let Some(store) = &mut self.hosts[host].store {
                store.snapshot_call(now, call);
            }
            if ingested {
                // What the log holds now is not what led there.
                self.hosts[host].applied = self.applied(host);
            }
        }
        self.pump(host)
    }

    fn send_chunk(&mut self, host: usize, to: NodeId, message: ChunkMessage) {
        if let Some(&target) = self.address.get(&to).filter(|target| **target != host) {
            let from = self.hosts[host].disk.node().unwrap_or_default();
            self.transmit(host, target, 1, Content::Chunk(from, message));
        }
    }

    /// A message of another host's carrier arrives.
    pub(super) fn receive_chunk(
        &mut self,
        host: usize,
        from: NodeId,
        message: ChunkMessage,
    ) -> Result<(), Violation> {
        let reply = matches!(message, ChunkMessage::Reply(_));
        self.trace.note(self.now, [22, host as u64, from.0, u64::from(reply)], || {
            format!("h{host} gets for its carrier from {from} {message:?}")
        });
        let Some(carrier) = &mut self.hosts[host].carrier else { return Ok(()) };
        if let Err(fault) = carrier.receive(from, message) {
            return self.stopped(host, &fault);
        }
        if reply && self.strikes(host, CrashPoint::MidTransfer)? {
            return Ok(());
        }
        self.carry_soon(host);
        Ok(())
    }
}
