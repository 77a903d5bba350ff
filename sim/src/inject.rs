//! Carries out the faults of the schedule, never more than the fault model allows: of the voters of any
//! configuration in force, at most a minority of disks is destroyed, and a disk is rolled back only where a
//! running leader can know.

use std::sync::Arc;

use raft::{Configuration, LogPosition, NodeId, Payload, RangeId, RoleKind, Term};

use crate::coverage::Mark;
use crate::event::Event;
use crate::fault::{CrashPoint, FaultKind, MemberOp, Shape};
use crate::host::{Armed, Condition};
use crate::world::{Violation, World};

/// A disk that was rolled back, and the leader that must recognise it.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    host: usize,
    range: RangeId,
    /// In office since before the roll-back.
    leader: NodeId,
    term: Term,
    /// Recognised by then; put off while the two are not connected.
    deadline: u64,
    /// Nobody waits longer.
    end: u64,
}

impl World {
    /// A fault of the schedule happens.
    pub(crate) fn inject(&mut self, number: usize) -> Result<(), Violation> {
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
            FaultKind::CrashMany { mask, down } => return self.crash_many(mask, down),
            FaultKind::Partition { shape, pick, length } => return Ok(self.partition(shape, pick, length)),
            FaultKind::Storm { weather, length } => {
                self.net.weather = weather;
                self.queue.push(self.now + length, Event::Calm);
                self.coverage.hit(Mark::Storm);
                return Ok(true);
            }
            FaultKind::Member { op, pick } => {
                let group = pick as usize % self.groups.len();
                self.groups[group].ask(op, pick >> 8);
                let scales = matches!(op, MemberOp::Scale { .. });
                return Ok(scales || self.leader(self.groups[group].range).is_some());
            }
            FaultKind::Transfer { pick } => return self.transfer(pick),
            _ => {}
        }
        let Some(host) = self.victim(kind) else { return Ok(false) };
        match kind {
            FaultKind::Crash { point: CrashPoint::Now, down, .. } => {
                self.coverage.hit(Mark::Crash);
                self.crash(host, down)?;
            }
            // Counted when it strikes.
            FaultKind::Crash { point, down, .. } => {
                let until = self.now + self.plan.election * 6;
                self.hosts[host].armed = Some(Armed { point, down, until });
                return Ok(false);
            }
            FaultKind::Pause { length, .. } => {
                self.hosts[host].paused = true;
                self.queue.push(self.now + length, Event::Resume { host });
                self.coverage.hit(Mark::Pause);
            }
            FaultKind::LaneStall { pick, lane, length } => {
                let Some(other) = self.other_victim(host, pick) else { return Ok(false) };
                self.net.stall(host, other, lane, self.now + length);
                self.coverage.hit(Mark::LaneStall);
            }
            FaultKind::Fade { late, after, length, .. } => self.fade(host, late, after, length),
            FaultKind::DiskStall { length, .. } => {
                let until = self.now + length;
                self.hosts[host].disk_stalled_until = self.hosts[host].disk_stalled_until.max(until);
                self.coverage.hit(Mark::DiskStall);
            }
            // Counted when it happens.
            FaultKind::FsyncError { down, .. } => {
                self.hosts[host].fsync_error = Some(down);
                return Ok(false);
            }
            FaultKind::BitFlip { down, .. } => {
                if !self.may_destroy(host) {
                    return Ok(false);
                }
                self.coverage.hit(Mark::BitFlip);
                self.crash(host, down)?;
                self.report_destroyed(host)?;
                self.hosts[host].condition = Condition::Corrupt;
            }
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
            FaultKind::Drift { rate, .. } => {
                self.hosts[host].clock.set_rate(self.now, rate);
                self.coverage.hit(Mark::Drift);
            }
            FaultKind::WallJump { .. } => {
                self.coverage.hit(Mark::WallJump);
                self.jump_wall_clock(host)?;
            }
            FaultKind::Campaign { .. } => {
                let now = self.local(host);
                for replica in self.hosts[host].replicas.values_mut() {
                    replica.raft.campaign(now);
                }
                self.coverage.hit(Mark::Campaign);
                self.pump(host)?;
            }
            FaultKind::CrashMany { .. }
            | FaultKind::Partition { .. }
            | FaultKind::Storm { .. }
            | FaultKind::Transfer { .. }
            | FaultKind::Member { .. }
            | FaultKind::SlowDisk { .. }
            | FaultKind::ShortOfSpace { .. }
            | FaultKind::DataLost { .. }
            | FaultKind::Suspend { .. }
            | FaultKind::Kube { .. } => {}
        }
        Ok(true)
    }

    /// A host that runs, of those that faults should meet.
    fn victim(&self, kind: FaultKind) -> Option<usize> {
        let (FaultKind::Crash { pick, .. }
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
        | FaultKind::Campaign { pick }) = kind
        else {
            return None;
        };
        // The leader's host more often than its share: most goes wrong there.
        if pick & 0x300 == 0
            && let Some((leader, _)) = self.leader(self.groups[pick as usize % self.groups.len()].range)
        {
            return Some(leader);
        }
        let live: Vec<usize> = self.victims().into_iter().filter(|h| self.hosts[*h].is_live()).collect();
        live.get((pick >> 10) as usize % live.len().max(1)).copied()
    }

    fn other_victim(&self, host: usize, pick: u32) -> Option<usize> {
        let others: Vec<usize> = self.victims().into_iter().filter(|h| *h != host).collect();
        others.get(pick as usize % others.len().max(1)).copied()
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
        let range = self.groups[pick as usize % self.groups.len()].range;
        let Some((host, status)) = self.leader(range) else { return Ok(false) };
        let voters: Vec<NodeId> = status.configuration.voters().filter(|node| *node != status.node).collect();
        let Some(to) = voters.get((pick >> 8) as usize % voters.len().max(1)) else { return Ok(false) };
        let now = self.local(host);
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(false) };
        let asked = replica.raft.transfer_leadership(now, *to).is_ok();
        self.coverage.hit_if(asked, Mark::Transfer);
        self.pump(host)?;
        Ok(asked)
    }

    // ---- partitions and weather ---------------------------------------------------------------------

    fn partition(&mut self, shape: Shape, pick: u32, length: u64) -> bool {
        let pairs = shape.cuts(self.hosts.len(), &self.victims(), pick);
        if pairs.is_empty() {
            return false;
        }
        self.coverage.hit(match shape {
            Shape::Symmetric => Mark::PartitionSymmetric,
            Shape::OneWay | Shape::IsolateOneWay => Mark::PartitionOneWay,
            Shape::Isolate => Mark::PartitionIsolate,
            Shape::Bridge => Mark::PartitionBridge,
            Shape::Pair => Mark::PartitionPair,
        });
        self.queue.push(self.now, Event::Cut { pairs, length });
        true
    }

    /// A partition begins.
    pub(crate) fn cut(&mut self, pairs: Vec<(usize, usize)>, length: u64) -> Result<(), Violation> {
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
    pub(crate) fn mend(&mut self, pairs: &[(usize, usize)]) -> Result<(), Violation> {
        for (from, to) in pairs {
            self.net.mend(*from, *to);
        }
        self.trace.note(self.now, [17, pairs.len() as u64, 0, 0], || format!("{} links mended", pairs.len()));
        Ok(())
    }

    /// A storm ends.
    pub(crate) fn calm(&mut self) -> Result<(), Violation> {
        if self.healing.is_none() {
            self.net.weather = self.plan.weather;
        }
        Ok(())
    }

    // ---- disks ----------------------------------------------------------------------------------------

    /// Whether a majority of good disks is left in every configuration that is in force anywhere, in memory
    /// or on a disk, if this host's disk goes; and nobody is about to make the group smaller, not knowing.
    fn may_destroy(&self, host: usize) -> bool {
        let Some(node) = self.hosts[host].disk.node else { return true };
        self.groups.iter().all(|group| {
            !group.is_busy()
                && self.configurations_in_force(group.range).iter().all(|(_, configuration)| {
                    let voters = configuration.voters().count();
                    let bad = configuration.voters().filter(|other| {
                        let member = &configuration.members[other];
                        *other == node || self.is_gone(*other, member.disk) || self.is_doomed(*other)
                    });
                    !configuration.is_voter(node) || bad.count() * 2 < voters
                })
        })
    }

    /// Its disk is rolled back, and nobody knows yet.
    fn is_doomed(&self, node: NodeId) -> bool {
        self.address.get(&node).is_some_and(|h| self.hosts[*h].rolled_back)
    }

    /// Every configuration that some replica holds for the one in force, in memory or on its disk.
    pub(crate) fn configurations_in_force(&self, range: RangeId) -> Vec<(LogPosition, Arc<Configuration>)> {
        let mut found = Vec::new();
        for (h, host) in self.hosts.iter().enumerate() {
            let Some(disk) = host.disk.replicas.get(&range) else { continue };
            let in_log = disk.entries.iter().rev().find_map(|entry| match &entry.payload {
                Payload::Configuration(configuration) => Some((entry.position(), Arc::clone(configuration))),
                Payload::Noop | Payload::Command(_) => None,
            });
            let at_base = || (disk.base.configuration_at, Arc::clone(&disk.base.configuration));
            found.push(in_log.unwrap_or_else(at_base));
            if let Some(replica) = host.replicas.get(&range) {
                let status = replica.raft.status(self.local(h));
                found.push((status.configuration_at, status.configuration));
            }
        }
        found
    }

    /// Puts an old copy of a disk back, if a leader in office can recognise it: an earlier boot of this disk
    /// acknowledged more to it in its term, or it knows of more boots.
    pub(crate) fn roll_back(&mut self, host: usize) -> Result<(), Violation> {
        let Some(copy) = self.hosts[host].checkpoint.take() else { return Ok(()) };
        let ranges: Vec<RangeId> = self.hosts[host].disk.replicas.keys().copied().collect();
        let ([range], None, None) = (ranges.as_slice(), &self.watch, &self.healing) else { return Ok(()) };
        let range = *range;
        if !self.hosts[host].is_live() || !self.may_destroy(host) {
            return Ok(());
        }
        let Some((leader, status)) = self.leader(range).filter(|(leader, _)| *leader != host) else {
            return Ok(());
        };
        let node = self.hosts[host].disk.node.unwrap_or_default();
        let (Some(follower), Some(old)) =
            (status.followers.iter().find(|f| f.node == node), copy.replicas.get(&range))
        else {
            return Ok(());
        };
        let lacks = old.hard.term < status.term || old.last() < follower.matched;
        let acked_in_this_term = follower.matched > raft::LogIndex::ZERO && old.intent.is_none();
        if !lacks || !acked_in_this_term || !self.hosts[leader].is_live() {
            return Ok(());
        }
        self.stop(host)?;
        self.report_destroyed(host)?;
        self.coverage.hit(Mark::Rollback);
        self.injected += 1;
        self.trace.note(self.now, [18, host as u64, 0, 0], || format!("h{host}'s disk is rolled back"));
        let state = &mut self.hosts[host];
        state.disk = *copy;
        state.rolled_back = true;
        let (deadline, end) = (self.now + self.plan.election * 8, self.now + self.plan.election * 30);
        self.watch = Some(Watch { host, range, leader: status.node, term: status.term, deadline, end });
        self.boot(host)
    }

    /// Looks after a rolled-back disk until it is recognised. Where the leader loses its office before, the
    /// disk is taken away before it could vote for a new one: nobody could know any more.
    pub(crate) fn check_watch(&mut self) -> Result<(), Violation> {
        let Some(watch) = self.watch else { return Ok(()) };
        let host = watch.host;
        let marked = self.hosts[host].disk.replicas.get(&watch.range).is_some_and(|disk| disk.hard.lost_disk);
        if marked {
            self.coverage.hit(Mark::LostDisk);
            self.hosts[host].condition = Condition::Lost;
            self.watch = None;
            return Ok(());
        }
        let leader = self.address.get(&watch.leader).copied().unwrap_or(host);
        let connected = !self.net.is_cut(leader, host) && !self.net.is_cut(host, leader);
        let overdue = self.now >= watch.deadline;
        if !connected && let Some(watch) = &mut self.watch {
            watch.deadline = watch.deadline.max(self.now + self.plan.election * 8);
        } else if overdue && self.hosts[host].is_live() {
            let detail = format!("h{host} runs from an older disk, and h{leader} has not told it");
            return Err(Violation::new("a disk rolled back is recognised", detail));
        }
        if self.now >= watch.end || self.office_is_in_doubt(&watch) {
            self.watch = None;
            self.replace_disk(host)?;
            self.queue.push(self.now + self.plan.election / 2, Event::Boot { host });
        }
        Ok(())
    }

    /// The leader of the watch is not in office any more, or somebody asks for votes, in whatever term: one that
    /// slept through changes of the members may still believe in a majority with the rolled-back disk.
    fn office_is_in_doubt(&self, watch: &Watch) -> bool {
        let mut in_office = false;
        for (h, host) in self.hosts.iter().enumerate().filter(|(_, host)| host.up) {
            let Some(replica) = host.replicas.get(&watch.range) else { continue };
            let is_the_leader = host.disk.node == Some(watch.leader) && replica.term == watch.term;
            match replica.role {
                RoleKind::Leader if is_the_leader => in_office = host.is_live(),
                RoleKind::Leader | RoleKind::Candidate => return true,
                RoleKind::PreCandidate if h == watch.host => return true,
                RoleKind::Follower | RoleKind::PreCandidate | RoleKind::LostDisk => {}
            }
        }
        !in_office
    }

    /// A core says that its disk lost data: nobody but a disk that was rolled back may be told so.
    pub(crate) fn lost_disk(&self, host: usize) -> Result<(), Violation> {
        if self.hosts[host].rolled_back {
            return Ok(());
        }
        let detail = format!("h{host} was told that its disk lost data, but it is whole");
        Err(Violation::new("only a lost disk is called lost", detail))
    }
}
