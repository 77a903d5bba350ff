//! Carries out the faults of the schedule on whole nodes, never more than the fault model allows.

use raft::NodeId;
use store::memory::DiskFault;
use store::store::{AdminRequest, FIRST_RANGE};

use super::coverage::Mark;
use super::event::Event;
use super::world::World;
use crate::fault::{CrashPoint, FaultKind, Shape};
use crate::host::Armed;
use crate::world::Violation;

impl World {
    /// A fault of the schedule happens.
    pub(super) fn inject(&mut self, number: usize) -> Result<(), Violation> {
        if self.healing.is_some() {
            return Ok(());
        }
        if self.watch.is_some() {
            // Until a rolled-back disk is recognised its leader must stay: nothing else may go wrong.
            self.queue.push(self.now + self.plan.election / 4, Event::Fault(number));
            return Ok(());
        }
        let kind = self.plan.faults[number].kind;
        let hit = self.carry_out(kind)?;
        self.injected += u64::from(hit);
        self.trace.note(self.now, [16, number as u64, u64::from(hit), 0], || {
            format!("fault {number} {}: {kind:?}", if hit { "happens" } else { "waits or finds no victim" })
        });
        Ok(())
    }

    /// True if it found a victim.
    fn carry_out(&mut self, kind: FaultKind) -> Result<bool, Violation> {
        match kind {
            FaultKind::CrashMany { mask, down } => self.crash_many(mask, down),
            FaultKind::Partition { shape, pick, length } => Ok(self.partition(shape, pick, length)),
            FaultKind::Storm { weather, length } => {
                self.net.weather = weather;
                self.queue.push(self.now + length, Event::Calm);
                self.coverage.hit(Mark::Storm);
                Ok(true)
            }
            FaultKind::Member { op, pick } => {
                self.operator.ask(op, pick);
                Ok(true)
            }
            FaultKind::Transfer { pick } => self.transfer(pick),
            FaultKind::ShortOfSpace { mask, length } => Ok(self.short_of_space(mask, length)),
            FaultKind::Suspend { length } => {
                self.suspend(length);
                Ok(true)
            }
            FaultKind::Kube { fault, pick } => {
                if let Some(outside) = &mut self.outside {
                    outside.faults.push((fault, pick));
                }
                Ok(false)
            }
            FaultKind::Crash { pick, .. }
            | FaultKind::Pause { pick, .. }
            | FaultKind::LaneStall { pick, .. }
            | FaultKind::Fade { pick, .. }
            | FaultKind::DiskStall { pick, .. }
            | FaultKind::FsyncError { pick, .. }
            | FaultKind::BitFlip { pick, .. }
            | FaultKind::Wipe { pick, .. }
            | FaultKind::Rollback { pick, .. }
            | FaultKind::Drift { pick, .. }
            | FaultKind::WallJump { pick }
            | FaultKind::Campaign { pick }
            | FaultKind::SlowDisk { pick, .. }
            | FaultKind::DataLost { pick, .. } => match self.victim(pick, kind) {
                Some(host) => self.strike(host, pick, kind),
                None => Ok(false),
            },
        }
    }

    /// One host is struck.
    fn strike(&mut self, host: usize, pick: u32, kind: FaultKind) -> Result<bool, Violation> {
        match kind {
            // What is applied goes to the data in one piece: a crash around that is one at any moment.
            FaultKind::Crash {
                point: CrashPoint::Now | CrashPoint::BeforeApply | CrashPoint::MidApply,
                down,
                ..
            } => {
                self.coverage.hit(Mark::Crash);
                self.crash(host, down)?;
            }
            // Counted when it strikes.
            FaultKind::Crash { point, down, .. } => {
                let until = self.now + self.plan.election * 6;
                let rare = matches!(
                    point,
                    CrashPoint::BeforeIngest | CrashPoint::AfterIngest | CrashPoint::MidTransfer
                );
                for (at, host_state) in self.hosts.iter_mut().enumerate() {
                    // Whoever comes there first, where few do.
                    if at == host || rare && host_state.armed.is_none() {
                        host_state.armed = Some(Armed { point, down, until });
                    }
                }
                return Ok(false);
            }
            FaultKind::Pause { length, .. } => {
                self.hosts[host].paused = true;
                self.queue.push(self.now + length, Event::Resume { host });
                self.coverage.hit(Mark::Pause);
            }
            FaultKind::LaneStall { lane, length, .. } => {
                let Some(other) = self.victims().into_iter().find(|other| *other != host) else {
                    return Ok(false);
                };
                self.net.stall(host, other, lane, self.now + length);
                self.coverage.hit(Mark::LaneStall);
            }
            FaultKind::Fade { late, after, length, .. } => self.fade(host, late, after, length),
            FaultKind::DiskStall { length, .. } => {
                let until = self.now + length;
                self.hosts[host].stalled_until = self.hosts[host].stalled_until.max(until);
                self.coverage.hit(Mark::DiskStall);
            }
            FaultKind::SlowDisk { length, .. } => {
                self.hosts[host].slow_until = self.now + length;
                self.coverage.hit(Mark::SlowDisk);
            }
            // Counted when it happens.
            FaultKind::FsyncError { down, .. } => {
                let fault = if pick & 0x400 == 0 { DiskFault::Io } else { DiskFault::NoSpace };
                let state = &mut self.hosts[host];
                state.failing = Some(down);
                let calls = pick as usize >> 16 & 7;
                match pick >> 11 & 3 {
                    0 | 1 => state.disk.log.fail_after(calls, fault),
                    2 => state.disk.engine.fail_after(calls, fault),
                    _ => state.disk.directory.fail_after(calls, fault),
                }
                return Ok(false);
            }
            FaultKind::BitFlip { down, .. } => return self.flip_bit(host, pick, down),
            FaultKind::Wipe { down, .. } => {
                if !self.may_destroy(host) {
                    return Ok(false);
                }
                self.coverage.hit(Mark::Wipe);
                self.replace_disk(host)?;
                self.queue.push(self.now + down, Event::Boot { host });
            }
            FaultKind::Rollback { age, .. } => {
                self.hosts[host].checkpoint = Some(Box::new(self.hosts[host].disk.durable_copy()));
                self.queue.push(self.now + age, Event::RollBack { host });
                return Ok(false);
            }
            FaultKind::DataLost { age, .. } => {
                self.hosts[host].checkpoint = Some(Box::new(self.hosts[host].disk.durable_copy()));
                self.queue.push(self.now + age, Event::LoseData { host });
                return Ok(false);
            }
            FaultKind::Drift { rate, .. } => {
                self.hosts[host].clock.set_rate(self.now, rate);
                self.coverage.hit(Mark::Drift);
            }
            FaultKind::WallJump { .. } => {
                let far = if pick & 0x400 == 0 { 10_000 } else { 1_000_000_000 };
                let state = &mut self.hosts[host];
                state.wall = state.wall.saturating_add(self.rng.fault.below(far * 2)).saturating_sub(far);
                self.coverage.hit(Mark::WallJump);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A host that runs, of those that faults should meet.
    fn victim(&self, pick: u32, kind: FaultKind) -> Option<usize> {
        // The leader's host more often than its share: most goes wrong there, above all if it is cut off and does
        // not know.
        let rarely = !matches!(kind, FaultKind::Fade { .. } | FaultKind::Pause { .. });
        if pick & (if rarely { 0x300 } else { 0x100 }) == 0
            && let Some((leader, _)) = self.leader()
        {
            return Some(leader);
        }
        let live: Vec<usize> = self.victims().into_iter().filter(|h| self.hosts[*h].is_live()).collect();
        live.get((pick >> 10) as usize % live.len().max(1)).copied()
    }

    fn crash_many(&mut self, mask: u32, down: u64) -> Result<bool, Violation> {
        let up: Vec<usize> = (0..self.hosts.len()).filter(|h| self.hosts[*h].up).collect();
        let struck: Vec<usize> = up.iter().copied().filter(|h| mask >> (h % 32) & 1 == 1).collect();
        for host in &struck {
            let down = down + self.rng.fault.below(self.plan.election);
            self.crash(*host, down)?;
        }
        self.coverage.hit_if(struck.len() > 1, Mark::CrashSeveral);
        self.coverage.hit_if(struck.len() > 1 && struck.len() == up.len(), Mark::CrashAll);
        Ok(!struck.is_empty())
    }

    fn transfer(&mut self, pick: u32) -> Result<bool, Violation> {
        let Some((host, status)) = self.leader() else { return Ok(false) };
        let voters: Vec<NodeId> = status.configuration.voters().filter(|node| *node != status.node).collect();
        let Some(to) = voters.get((pick >> 8) as usize % voters.len().max(1)) else { return Ok(false) };
        self.coverage.hit(Mark::Transfer);
        self.admin(host, AdminRequest::Transfer { range: FIRST_RANGE, to: *to })?;
        Ok(true)
    }

    fn partition(&mut self, shape: Shape, pick: u32, length: u64) -> bool {
        let pairs = shape.cuts(self.hosts.len(), &self.victims(), pick);
        if pairs.is_empty() {
            return false;
        }
        let one_way = matches!(shape, Shape::OneWay | Shape::IsolateOneWay);
        self.coverage.hit(if one_way { Mark::PartitionOneWay } else { Mark::Partition });
        self.queue.push(self.now, Event::Cut { pairs, length });
        true
    }

    /// A partition begins.
    pub(super) fn cut(&mut self, pairs: Vec<(usize, usize)>, length: u64) -> Result<(), Violation> {
        if self.healing.is_none() {
            for (from, to) in &pairs {
                self.net.cut(*from, *to);
            }
            self.queue.push(self.now + length, Event::Mend(pairs));
        }
        Ok(())
    }

    /// The answers to `host` are late, then it is not heard: whatever it believes of its peers is out of date
    /// and looks fresh.
    fn fade(&mut self, host: usize, late: u64, after: u64, length: u64) {
        let others = (0..self.hosts.len()).filter(|other| *other != host);
        let pairs: Vec<(usize, usize)> = others.map(|other| (host, other)).collect();
        for (_, other) in &pairs {
            self.net.stall(*other, host, 0, self.now + late);
        }
        self.queue.push(self.now + after, Event::Cut { pairs, length });
        self.coverage.hit(Mark::Fade);
    }

    /// A partition ends.
    pub(super) fn mend(&mut self, pairs: &[(usize, usize)]) -> Result<(), Violation> {
        for (from, to) in pairs {
            self.net.mend(*from, *to);
        }
        self.trace.note(self.now, [17, pairs.len() as u64, 0, 0], || format!("{} links mended", pairs.len()));
        Ok(())
    }

    /// A storm ends.
    pub(super) fn calm(&mut self) -> Result<(), Violation> {
        if self.healing.is_none() {
            self.net.weather = self.plan.weather;
        }
        Ok(())
    }

    /// Hosts report no free space.
    fn short_of_space(&mut self, mask: u32, length: u64) -> bool {
        for host in (0..self.hosts.len()).filter(|host| mask >> (host % 32) & 1 == 1) {
            self.set_free(host, 0);
        }
        self.queue.push(self.now + length, Event::Space);
        self.coverage.hit(Mark::ShortOfSpace);
        true
    }

    fn set_free(&mut self, host: usize, free: u64) {
        let state = &mut self.hosts[host];
        state.free = free;
        if let Some(store) = &mut state.store {
            store.set_free_bytes(free);
        }
        if let Some(carrier) = &mut state.carrier {
            carrier.set_free_bytes(free);
        }
    }

    /// Space is freed everywhere.
    pub(super) fn free_space(&mut self) -> Result<(), Violation> {
        (0..self.hosts.len()).for_each(|host| self.set_free(host, u64::MAX));
        Ok(())
    }

    /// The machines of all sleep together, with everything that is under way between them; clocks go on.
    fn suspend(&mut self, length: u64) {
        self.queue.put_off(length);
        self.coverage.hit(Mark::Suspend);
    }
}
