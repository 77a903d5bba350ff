//! The end of a run: all faults end, and the groups must recover by themselves.

use raft::{LogIndex, LogPosition, RangeId, Status, Term};

use crate::event::Event;
use crate::host::Condition;
use crate::network::Weather;
use crate::world::{Violation, World};

/// Elections that recovery may take.
const PATIENCE: u64 = 120;
/// Operations that each client must finish well after the faults.
const PROGRESS: u64 = 3;
/// Elections for which a group that is well must keep its leader.
const CALM: u64 = 10;
/// Elections after which no packet from before the end of the faults is under way any more: a late TimeoutNow, for
/// example, is obeyed.
const LATE: u64 = 6;

/// How far recovery is.
#[derive(Clone, Debug)]
pub struct Healing {
    deadline: u64,
    /// By client, operations done well when the faults ended.
    done_before: Vec<u64>,
    /// Clients have stopped; replicas must become equal.
    settling: bool,
    /// Since when every group has been well under these leaderships and configurations.
    calm: Option<(u64, Vec<(Term, LogPosition)>)>,
}

impl World {
    /// All faults end; whatever is down starts.
    pub(crate) fn heal(&mut self) -> Result<(), Violation> {
        self.trace.note(self.now, [19, 0, 0, 0], || "all faults end".to_owned());
        self.net.heal();
        self.net.weather = Weather { loss: 0, duplicate: 0, reorder: 0, straggle: 0, ..self.plan.weather };
        let done_before = self.clients.iter().map(|client| client.done()).collect();
        let deadline = self.now + self.plan.election * PATIENCE;
        self.healing = Some(Healing { deadline, done_before, settling: false, calm: None });
        for group in &mut self.groups {
            group.settle();
        }
        for host in 0..self.hosts.len() {
            let state = &mut self.hosts[host];
            state.armed = None;
            state.fsync_error = None;
            state.disk_stalled_until = self.now;
            state.checkpoint = None;
            self.resume(host)?;
            self.boot(host)?;
        }
        self.queue.push(self.now + self.plan.election, Event::CheckHealed);
        Ok(())
    }

    /// Is everything well again?
    pub(crate) fn check_healed(&mut self) -> Result<(), Violation> {
        let Some(mut healing) = self.healing.take() else { return Ok(()) };
        let trouble = if healing.settling { self.unsettled() } else { self.unwell(&healing) };
        match trouble {
            None if healing.settling => self.done = self.stays_calm(&mut healing)?,
            None => {
                healing.settling = true;
                self.clients.iter_mut().for_each(crate::client::Client::stop);
            }
            Some(trouble) if self.now > healing.deadline => {
                let elections = PATIENCE;
                let detail = format!("{elections} election timeouts after the last fault, {trouble}");
                return Err(Violation::new("liveness", detail));
            }
            Some(_) => {}
        }
        self.healing = Some(healing);
        self.queue.push(self.now + self.plan.election / 2, Event::CheckHealed);
        Ok(())
    }

    /// A group that is well keeps its leader: nobody disturbs it. True when that was seen for long enough.
    fn stays_calm(&self, healing: &mut Healing) -> Result<bool, Violation> {
        if self.now + self.plan.election * (PATIENCE - LATE) < healing.deadline {
            return Ok(false);
        }
        let leaders = self.groups.iter().filter_map(|group| self.leader(group.range));
        let now: Vec<_> = leaders.map(|(_, leader)| (leader.term, leader.configuration_at)).collect();
        let Some((since, then)) = &healing.calm else {
            healing.calm = Some((self.now, now));
            return Ok(false);
        };
        if now == *then {
            return Ok(self.now >= since + self.plan.election * CALM);
        }
        let same_members = now.len() == then.len() && now.iter().zip(then).all(|(a, b)| a.1 == b.1);
        if same_members {
            let detail = format!("leaderships and configurations were {then:?}, then {now:?}");
            return Err(Violation::new("a group that is well keeps its leader", detail));
        }
        healing.calm = Some((self.now, now));
        Ok(false)
    }

    /// What is missing before clients may stop.
    fn unwell(&self, healing: &Healing) -> Option<String> {
        for group in &self.groups {
            let range = group.range;
            let Some((_, leader)) = self.leader(range) else {
                return Some(format!("{range:?} has no leader"));
            };
            if group.is_busy() || leader.configuration_at.index > leader.commit {
                return Some(format!("a membership change of {range:?} does not end"));
            }
            let mut members = leader.configuration.members.iter();
            if let Some((node, _)) = members.find(|(node, member)| self.is_gone(**node, member.disk)) {
                return Some(format!("{node:?}, whose disk is gone, is still in {range:?}"));
            }
        }
        let stuck = self.clients.iter().zip(&healing.done_before);
        let stuck = stuck.enumerate().find(|(_, (client, before))| client.done() < *before + PROGRESS);
        stuck.map(|(client, _)| format!("client {client} cannot get {PROGRESS} operations done"))
    }

    /// What is missing for the size that was asked for, as far as there are hosts. Under load a learner may
    /// never catch up, where the settings allow it one entry at a time.
    fn wrong_size(&self, group: &crate::operator::Group, leader: &Status) -> Option<String> {
        let (voters, members) = (leader.configuration.voters().count(), leader.configuration.members.len());
        let (want_voters, want_learners) = group.wanted();
        let learner_waits = voters < want_voters && members > voters;
        let host_waits = members < want_voters + want_learners && self.spare_host().is_some();
        let too_many = voters > want_voters && members >= want_voters + want_learners;
        (learner_waits || host_waits || too_many).then(|| {
            let range = group.range;
            format!("{range:?} has {voters} voters of {members} members, not {want_voters} and {want_learners} learners")
        })
    }

    /// What is missing before the run is over: every member holds everything.
    fn unsettled(&self) -> Option<String> {
        if let Some(client) = self.clients.iter().position(|client| !client.is_idle()) {
            return Some(format!("client {client} waits for an answer"));
        }
        self.groups.iter().find_map(|group| match self.leader(group.range) {
            None => Some(format!("{:?} has no leader", group.range)),
            Some((_, leader)) => {
                self.wrong_size(group, &leader).or_else(|| self.behind(group.range, &leader))
            }
        })
    }

    fn behind(&self, range: RangeId, leader: &Status) -> Option<String> {
        if leader.applied < leader.last.index {
            return Some(format!("{:?} does not commit and apply {:?}", leader.node, leader.last));
        }
        leader.configuration.members.keys().find_map(|node| {
            let Some(host) = self.address.get(node).map(|h| &self.hosts[*h]) else {
                return Some(format!("{node:?} is nowhere"));
            };
            let fine = host.up && host.condition == Condition::Fine;
            let applied = host.replicas.get(&range).map_or(LogIndex::ZERO, |r| r.machine.applied().index);
            (!fine || applied < leader.last.index)
                .then(|| format!("{node:?} has applied {applied:?} of {:?} {:?}", range, leader.last))
        })
    }
}
