//! Faults that destroy a disk or a part of it: never of a majority of the voters, and a disk is rolled back only
//! where a running leader can know.

use std::sync::Arc;

use raft::{Configuration, DiskId, LogIndex, LogPosition, NodeId, Payload, RoleKind, Term};
use store::log_store::{LogReader, LogStore, StoredReplica};
use store::memory::MemoryEngine;
use store::range::flushed_applied;
use store::store::FIRST_RANGE;

use super::coverage::Mark;
use super::event::Event;
use super::host::Disk;
use super::world::World;
use crate::host::Condition;
use crate::world::{Violation, random_disk};

/// A disk that was rolled back, and the leader that must recognise it.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    host: usize,
    /// In office since before the roll-back.
    leader: NodeId,
    term: Term,
    /// Recognised by then; put off while the two are not connected.
    deadline: u64,
    /// Nobody waits longer.
    end: u64,
}

fn stored(disk: &Disk) -> Option<StoredReplica> {
    let replicas = disk.log.reader().replicas().ok()?;
    replicas.into_iter().find(|(range, _)| *range == FIRST_RANGE).map(|(_, stored)| stored)
}

impl World {
    /// Hosts on which replicas live or lived: those that faults should meet.
    pub(crate) fn victims(&self) -> Vec<usize> {
        let is_victim =
            |h: &usize| self.hosts[*h].condition == Condition::Fine && self.hosts[*h].disk.node().is_some();
        (0..self.hosts.len()).filter(is_victim).collect()
    }

    /// Whether a disk does not hold what the others know it for.
    pub(crate) fn is_gone(&self, node: NodeId, disk: DiskId) -> bool {
        let Some(host) = self.address.get(&node).map(|h| &self.hosts[*h]) else { return true };
        host.condition != Condition::Fine
            || host.disk.id != disk
            || host.disk.node().is_some_and(|other| other != node)
    }

    /// Whether a majority of good disks is left in every configuration that is in force anywhere if this host's
    /// disk goes; and nobody is about to make the group smaller, not knowing.
    pub(crate) fn may_destroy(&self, host: usize) -> bool {
        let Some(node) = self.hosts[host].disk.node() else { return true };
        let is_doomed = |host: &usize| self.hosts[*host].rolled_back || self.hosts[*host].damaged;
        let doomed = |other: NodeId| self.address.get(&other).is_some_and(is_doomed);
        !self.operator.is_busy()
            && !self.outside.as_ref().is_some_and(|outside| outside.is_busy)
            && self.configurations_in_force().iter().all(|(_, configuration)| {
                let voters = configuration.voters().count();
                let bad = configuration.voters().filter(|other| {
                    let member = &configuration.members[other];
                    *other == node || self.is_gone(*other, member.disk) || doomed(*other)
                });
                !configuration.is_voter(node) || bad.count() * 2 < voters
            })
    }

    /// Every configuration that some replica holds for the one in force, in memory or on its disk.
    pub(crate) fn configurations_in_force(&self) -> Vec<(LogPosition, Arc<Configuration>)> {
        let mut found = Vec::new();
        for host in 0..self.hosts.len() {
            if let Some(status) = self.status(host) {
                found.push((status.raft.configuration_at, status.raft.configuration));
            }
            let disk = &self.hosts[host].disk;
            let Some(stored) = stored(disk) else { continue };
            let first = stored.base.last.index.next();
            let entries = disk.log.reader().entries(FIRST_RANGE, first, stored.last, usize::MAX);
            let in_log = entries.unwrap_or_default().into_iter().rev().find_map(|entry| {
                let at = entry.position();
                match entry.payload {
                    Payload::Configuration(configuration) => Some((at, configuration)),
                    Payload::Noop | Payload::Command(_) => None,
                }
            });
            found.push(in_log.unwrap_or((stored.base.configuration_at, stored.base.configuration)));
        }
        found
    }

    /// Stops a host and gives it a new, empty disk; its old ids are never used again.
    pub(crate) fn replace_disk(&mut self, host: usize) -> Result<(), Violation> {
        self.stop(host)?;
        let ids: Vec<NodeId> = self.address.iter().filter(|(_, h)| **h == host).map(|(n, _)| *n).collect();
        self.operator.burn(ids);
        self.trace.note(self.now, [15, host as u64, 0, 0], || format!("h{host} gets an empty disk"));
        let state = &mut self.hosts[host];
        state.disk = Disk::empty(random_disk(&mut self.rng.identity));
        state.condition = Condition::Fine;
        (state.rolled_back, state.damaged) = (false, false);
        state.checkpoint = None;
        Ok(())
    }

    /// A bit of the log or of the data flips, the process stops, and the restart or a later use finds it.
    pub(crate) fn flip_bit(&mut self, host: usize, pick: u32, down: u64) -> Result<bool, Violation> {
        let Some(status) = self.status(host).filter(|_| self.may_destroy(host)) else { return Ok(false) };
        self.crash(host, down)?;
        let disk = &self.hosts[host].disk;
        let Some(stored) = stored(disk) else { return Ok(false) };
        let flushed = flushed_applied(&disk.engine, FIRST_RANGE).unwrap_or_default().position.index;
        let (first, last) = (stored.base.last.index.next(), stored.last);
        // One that the log's own checksum does not show must be used soon, and be known to others.
        let unused = flushed.next().max(first);
        let last_unused = status.raft.commit.min(last);
        let hit = if pick & 0x1000 == 0 && unused <= last_unused {
            let index = self.rng.fault.range(unused.0, last_unused.0);
            let bit = self.rng.fault.index(1 << 12);
            self.coverage.hit(Mark::EntryFlip);
            disk.log.flip_bit(FIRST_RANGE, LogIndex(index), bit)
        } else if first <= last {
            let index = self.rng.fault.range(first.0, last.0);
            self.coverage.hit(Mark::LogFlip);
            disk.log.damage(FIRST_RANGE, LogIndex(index))
        } else {
            false
        };
        self.trace.note(self.now, [18, host as u64, 2, flushed.0], || {
            format!("h{host}'s log {first} to {last} is damaged: {hit}; flushed {flushed}")
        });
        self.hosts[host].damaged |= hit;
        Ok(hit)
    }

    /// An old copy of the data, or nothing, is put back beside the present log.
    pub(crate) fn lose_data(&mut self, host: usize) -> Result<(), Violation> {
        let Some(copy) = self.hosts[host].checkpoint.take() else { return Ok(()) };
        let free = self.watch.is_none() && self.healing.is_none();
        if !free || !self.hosts[host].is_live() || self.hosts[host].damaged || !self.may_destroy(host) {
            return Ok(());
        }
        self.stop(host)?;
        let disk = &mut self.hosts[host].disk;
        let Some(stored) = stored(disk).filter(|stored| stored.intent.is_none()) else {
            return self.boot(host);
        };
        let nothing = self.rng.fault.per_mille(300);
        disk.engine = if nothing { MemoryEngine::default() } else { copy.engine };
        let applied = flushed_applied(&disk.engine, FIRST_RANGE).unwrap_or_default().position.index;
        let lost = nothing || applied < stored.base.last.index;
        self.coverage.hit_if(lost, Mark::DataLost);
        self.injected += 1;
        self.hosts[host].rolled_back = lost;
        self.trace.note(self.now, [18, host as u64, 1, applied.0], || {
            format!("h{host} starts with data at {applied} and a log behind {:?}", stored.base.last)
        });
        self.boot(host)?;
        if lost && self.hosts[host].condition != Condition::Lost {
            let detail = format!("h{host} takes part with data at {applied}, its log begins behind that");
            return Err(Violation::new("a disk that lost data is recognised", detail));
        }
        Ok(())
    }

    /// Puts an old copy of a disk back, if a leader in office can recognise it: an earlier boot of this disk
    /// acknowledged more to it in its term, or it knows of more boots.
    pub(crate) fn roll_back(&mut self, host: usize) -> Result<(), Violation> {
        let Some(copy) = self.hosts[host].checkpoint.take() else { return Ok(()) };
        let free = self.watch.is_none() && self.healing.is_none();
        if !free || !self.hosts[host].is_live() || self.hosts[host].damaged || !self.may_destroy(host) {
            return Ok(());
        }
        let Some((leader, status)) = self.leader().filter(|(leader, _)| *leader != host) else {
            return Ok(());
        };
        let node = self.hosts[host].disk.node().unwrap_or_default();
        let follower = status.followers.iter().find(|follower| follower.node == node);
        let (Some(follower), Some(old)) = (follower, stored(&copy)) else { return Ok(()) };
        let lacks = old.hard_state.term < status.term || old.last < follower.matched;
        let acked_in_this_term = follower.matched > LogIndex::ZERO && old.intent.is_none();
        let same = copy.node() == Some(node);
        if !lacks || !acked_in_this_term || !same || !self.hosts[leader].is_live() {
            return Ok(());
        }
        self.stop(host)?;
        self.coverage.hit(Mark::Rollback);
        self.injected += 1;
        self.trace.note(self.now, [18, host as u64, 0, 0], || format!("h{host}'s disk is rolled back"));
        let state = &mut self.hosts[host];
        state.disk = *copy;
        state.rolled_back = true;
        let (deadline, end) = (self.now + self.plan.election * 8, self.now + self.plan.election * 30);
        self.watch = Some(Watch { host, leader: status.node, term: status.term, deadline, end });
        self.boot(host)
    }

    /// A store says that its disk lost data: nobody but one whose disk did may say so.
    pub(crate) fn note_lost(&mut self, host: usize) -> Result<(), Violation> {
        let lost = self.status(host).is_some_and(|status| status.raft.role == RoleKind::LostDisk);
        if !lost {
            return Ok(());
        }
        if !self.hosts[host].rolled_back {
            let detail = format!("h{host} says that its disk lost data, but it is whole");
            return Err(Violation::new("only a lost disk is called lost", detail));
        }
        if self.hosts[host].condition == Condition::Fine {
            self.coverage.hit(Mark::LostDisk);
            self.hosts[host].condition = Condition::Lost;
        }
        self.watch = self.watch.filter(|watch| watch.host != host);
        Ok(())
    }

    /// Looks after a rolled-back disk until it is recognised. Where the leader loses its office before, the
    /// disk is taken away before it could vote for a new one: nobody could know any more.
    pub(crate) fn check_watch(&mut self) -> Result<(), Violation> {
        let Some(watch) = self.watch else { return Ok(()) };
        let host = watch.host;
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

    /// The leader of the watch is not in office any more, or somebody asks for votes, in whatever term.
    fn office_is_in_doubt(&self, watch: &Watch) -> bool {
        let mut in_office = false;
        for host in 0..self.hosts.len() {
            let Some(status) = self.status(host).map(|status| status.raft) else { continue };
            let is_the_leader = status.node == watch.leader && status.term == watch.term;
            match status.role {
                RoleKind::Leader if is_the_leader => in_office = self.hosts[host].is_live(),
                RoleKind::Leader | RoleKind::Candidate => return true,
                RoleKind::PreCandidate if host == watch.host => return true,
                RoleKind::Follower | RoleKind::PreCandidate | RoleKind::LostDisk => {}
            }
        }
        !in_office
    }
}
