//! The operator of each group: repairs first, then what the schedule asks for, one call at a time.

use std::collections::{BTreeSet, VecDeque};

use raft::{
    Change, ChangeError, ChangeResult, Configuration, LogPosition, MemberRole, NodeId, RangeId, Status,
};

use crate::coverage::Mark;
use crate::disk::Disk;
use crate::event::Event;
use crate::fault::MemberOp;
use crate::host::Condition;
use crate::rng::Rng;
use crate::world::{Violation, World, random_disk};

/// A call that was accepted and has not ended.
#[derive(Clone, Debug)]
struct Call {
    token: u64,
    process: (usize, u64),
    changes: Vec<Change>,
    on_leader: Option<NodeId>,
    repeated: bool,
}

/// What the operator knows of a group.
#[derive(Clone, Debug)]
pub struct Group {
    /// The range.
    pub range: RangeId,
    voters: usize,
    learners: usize,
    asked: VecDeque<(MemberOp, u32)>,
    call: Option<Call>,
    /// A configuration that was in force once.
    old_fence: LogPosition,
    /// The last call that was done.
    last_done: Option<Vec<Change>>,
    /// Ids that must not be added any more: their disk is gone.
    burnt: BTreeSet<NodeId>,
}

impl Group {
    /// A group that should have so many members.
    #[must_use]
    pub fn new(range: RangeId, voters: usize, learners: usize) -> Self {
        Self {
            range,
            voters,
            learners,
            asked: VecDeque::new(),
            call: None,
            old_fence: LogPosition::default(),
            last_done: None,
            burnt: BTreeSet::new(),
        }
    }

    /// Asks for something beside repairs.
    pub fn ask(&mut self, op: MemberOp, pick: u32) {
        self.asked.push_back((op, pick));
    }

    /// Drops what was asked for; the sizes wanted stay.
    pub fn settle(&mut self) {
        self.asked.clear();
    }

    /// Voters and learners that it should have.
    #[must_use]
    pub fn wanted(&self) -> (usize, usize) {
        (self.voters, self.learners)
    }

    /// Whether a call is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.call.is_some()
    }
}

/// A step towards the size that a group should have.
pub(crate) enum Step {
    /// This change.
    Change(Change),
    /// One more learner.
    Grow,
}

/// What a leader of `status` should be asked for, so that its group gets `wanted` voters and learners.
pub(crate) fn towards(status: &Status, wanted: (usize, usize), rng: &mut Rng) -> Option<Step> {
    let configuration = &status.configuration;
    let voters: Vec<NodeId> = configuration.voters().collect();
    let learners: Vec<NodeId> =
        configuration.members.keys().copied().filter(|n| !configuration.is_voter(*n)).collect();
    let (want_voters, want_learners) = wanted;
    if voters.len() < want_voters && !learners.is_empty() {
        let ready = status.followers.iter().find(|f| f.caught_up && learners.contains(&f.node));
        let hasty = rng.per_mille(50).then(|| learners[0]);
        let node = ready.map(|f| f.node).or(hasty)?;
        return Some(Step::Change(Change::Promote { node }));
    }
    if voters.len() + learners.len() < want_voters + want_learners {
        return Some(Step::Grow);
    }
    if voters.len() > want_voters {
        let node = voters[rng.index(voters.len())];
        let demote = rng.coin() && learners.len() < want_learners;
        return Some(Step::Change(if demote { Change::Demote { node } } else { Change::Remove { node } }));
    }
    if learners.len() > want_learners {
        return learners.first().map(|node| Step::Change(Change::Remove { node: *node }));
    }
    None
}

impl World {
    /// The operator looks at a group.
    pub(crate) fn operate(&mut self, group: usize) -> Result<(), Violation> {
        let again = self.now + self.rng.operator.range(self.plan.election / 8, self.plan.election / 2);
        self.queue.push(again, Event::Operate { group });
        if self.watch.is_some() {
            return Ok(());
        }
        let range = self.groups[group].range;
        let Some((host, status)) = self.leader(range) else { return Ok(()) };
        if let Some(call) = &self.groups[group].call {
            if self.runs(call.process.0, call.process.1) {
                return self.rival(host, range, &status);
            }
            self.groups[group].call = None;
        }
        if status.configuration_at.index > status.commit && !self.rng.operator.per_mille(100) {
            return Ok(());
        }
        self.retire()?;
        let Some((planned_on, changes, repeated)) = self.decide(group, &status) else { return Ok(()) };
        self.call(host, group, &status, planned_on, changes, repeated)
    }

    /// Sometimes somebody else asks for a change while one is under way.
    fn rival(&mut self, host: usize, range: RangeId, status: &Status) -> Result<(), Violation> {
        if !self.rng.operator.coin() {
            return Ok(());
        }
        let (token, now) = (self.token(), self.local(host));
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
        // Of all changes the one that takes nobody's vote away.
        let changes = vec![Change::Reserve { abandon: status.configuration.reserved }];
        if let Err(error) = replica.raft.propose_change(now, status.configuration_at, changes, token) {
            self.note_refusal(error);
        }
        self.pump(host)
    }

    fn call(
        &mut self,
        host: usize,
        group: usize,
        status: &Status,
        planned_on: LogPosition,
        changes: Vec<Change>,
        repeated: bool,
    ) -> Result<(), Violation> {
        let range = self.groups[group].range;
        let token = self.token();
        let now = self.local(host);
        let process = (host, self.hosts[host].process);
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
        let result = replica.raft.propose_change(now, planned_on, changes.clone(), token);
        self.trace.note(self.now, [13, host as u64, token, u64::from(result.is_ok())], || {
            format!("operator asks h{host} {range:?} on {planned_on:?} for {changes:?}: {result:?}")
        });
        let stale = planned_on != status.configuration_at
            && changes.iter().any(|change| !matches!(status.configuration.after(*change), Ok(None)));
        if stale && result.is_ok() {
            let detail =
                format!("planned on {planned_on:?}, in force is {:?}: {changes:?}", status.configuration_at);
            return Err(Violation::new("a call planned on another configuration is refused", detail));
        }
        match result {
            Ok(()) => {
                let on_leader = Some(status.node);
                self.groups[group].call = Some(Call { token, process, changes, on_leader, repeated });
            }
            Err(error) => self.note_refusal(error),
        }
        self.pump(host)
    }

    fn note_refusal(&mut self, error: ChangeError) {
        match error {
            ChangeError::Fenced { .. } => self.coverage.hit(Mark::Fenced),
            ChangeError::NoQuorum { .. } => self.coverage.hit(Mark::NoQuorum),
            ChangeError::NotCaughtUp { .. } => self.coverage.hit(Mark::NotCaughtUp),
            ChangeError::LeadershipLost => self.coverage.hit(Mark::ChangeLost),
            ChangeError::InProgress { .. } => self.coverage.hit(Mark::Rival),
            _ => {}
        }
    }

    /// A call ended.
    pub(crate) fn change_ended(&mut self, host: usize, range: RangeId, result: &ChangeResult) {
        let group = (range.0 - 1) as usize;
        self.trace.note(self.now, [14, host as u64, result.token, result.committed as u64], || {
            format!("h{host} {range:?} ends a change: {result:?}")
        });
        if let Some(error) = result.error {
            self.note_refusal(error);
        }
        let Some(call) = self.groups[group].call.take_if(|c| c.token == result.token) else { return };
        for change in call.changes.iter().take(result.committed) {
            let at_leader = |node: &NodeId| Some(*node) == call.on_leader;
            self.coverage.hit(match change {
                Change::Reserve { abandon: None } => Mark::Reserve,
                Change::Reserve { abandon: Some(_) } => Mark::Abandon,
                Change::AddLearner { .. } => Mark::AddLearner,
                Change::Promote { .. } => Mark::Promote,
                Change::Demote { node } if at_leader(node) => Mark::DemoteLeader,
                Change::Demote { .. } => Mark::Demote,
                Change::Remove { node } if at_leader(node) => Mark::RemoveLeader,
                Change::Remove { .. } => Mark::Remove,
            });
        }
        let done = result.committed == call.changes.len();
        self.coverage.hit_if(done && call.changes.len() > 1, Mark::List);
        self.coverage.hit_if(done && call.repeated, Mark::Repeated);
        if let Some((at, _)) = &result.configuration {
            self.groups[group].old_fence = self.groups[group].old_fence.max(*at);
        }
        if done {
            self.groups[group].last_done = Some(call.changes);
        }
    }

    /// What to ask for next.
    fn decide(&mut self, group: usize, status: &Status) -> Option<(LogPosition, Vec<Change>, bool)> {
        let fence = status.configuration_at;
        let members = &status.configuration.members;
        if let Some((gone, _)) = members.iter().find(|(node, m)| self.is_gone(**node, m.disk)) {
            self.coverage.hit(Mark::Replaced);
            return Some((fence, vec![Change::Remove { node: *gone }], false));
        }
        if let Some((op, pick)) = self.groups[group].asked.pop_front()
            && let Some(asked) = self.asked(group, status, op, pick)
        {
            return Some(asked);
        }
        let change = self.towards_size(group, status)?;
        Some((fence, vec![change], false))
    }

    fn asked(
        &mut self,
        group: usize,
        status: &Status,
        op: MemberOp,
        pick: u32,
    ) -> Option<(LogPosition, Vec<Change>, bool)> {
        let fence = status.configuration_at;
        let configuration = &status.configuration;
        let voters: Vec<NodeId> = configuration.voters().collect();
        let learner =
            configuration.members.iter().find(|(_, m)| m.role == MemberRole::Learner).map(|(n, _)| *n);
        let voter = voters[pick as usize % voters.len()];
        let node = status.node;
        let changes = match op {
            MemberOp::Scale { voters, learners } => {
                self.groups[group].voters = voters;
                self.groups[group].learners = learners;
                return None;
            }
            MemberOp::RemoveLeader => vec![Change::Remove { node }],
            MemberOp::DemoteLeader => vec![Change::Demote { node }],
            MemberOp::List => match learner {
                Some(learner) if pick & 1 == 0 => {
                    vec![Change::Promote { node: learner }, Change::Demote { node: voter }]
                }
                _ => vec![Change::Demote { node: voter }, Change::Promote { node: voter }],
            },
            MemberOp::StaleFence => {
                return Some((self.groups[group].old_fence, vec![Change::Demote { node: voter }], false));
            }
            MemberOp::Repeat => {
                let last = self.groups[group].last_done.clone()?;
                return Some((self.groups[group].old_fence, last, true));
            }
            MemberOp::Abandon => vec![Change::Reserve { abandon: Some(configuration.reserved?) }],
        };
        Some((fence, changes, false))
    }

    fn towards_size(&mut self, group: usize, status: &Status) -> Option<Change> {
        match towards(status, self.groups[group].wanted(), &mut self.rng.operator)? {
            Step::Change(change) => Some(change),
            Step::Grow => self.grow(group, &status.configuration),
        }
    }

    /// The next step of adding a learner on a spare host.
    fn grow(&mut self, group: usize, configuration: &Configuration) -> Option<Change> {
        let Some(node) = configuration.reserved else { return Some(Change::Reserve { abandon: None }) };
        if self.groups[group].burnt.contains(&node) {
            return Some(Change::Reserve { abandon: Some(node) });
        }
        let host = match self.address.get(&node) {
            Some(host) => *host,
            None => {
                let host = self.spare_host()?;
                self.address.insert(node, host);
                host
            }
        };
        let disk = &self.hosts[host].disk;
        if disk.node.is_some_and(|other| other != node) || self.hosts[host].condition != Condition::Fine {
            self.groups[group].burnt.insert(node);
            return None;
        }
        Some(Change::AddLearner { node, disk: disk.id, boot: disk.boot })
    }

    /// A running host with an empty disk that nobody reserved.
    pub(crate) fn spare_host(&self) -> Option<usize> {
        let free = |h: &usize| {
            let host = &self.hosts[*h];
            host.is_live() && host.disk.node.is_none() && !self.address.values().any(|a| a == h)
        };
        (0..self.hosts.len()).find(free)
    }

    /// Deletes the disks of hosts that no group knows any more, so that they can serve again.
    fn retire(&mut self) -> Result<(), Violation> {
        if !self.rng.operator.per_mille(300) {
            return Ok(());
        }
        let Some(known) = self.known_nodes() else { return Ok(()) };
        // A new disk that nobody was told of yet has no node; the address of an old one leads nowhere.
        let empty = |host: usize| self.hosts[host].disk.node.is_none();
        let stale: Vec<NodeId> = self
            .address
            .iter()
            .filter(|(node, host)| empty(**host) && !known.contains(node))
            .map(|(node, _)| *node)
            .collect();
        for node in stale {
            let _ = self.address.remove(&node);
        }
        let unknown = |h: &usize| self.hosts[*h].disk.node.is_some_and(|node| !known.contains(&node));
        let Some(host) = (0..self.hosts.len()).find(unknown) else { return Ok(()) };
        self.coverage.hit(Mark::Retired);
        self.replace_disk(host)?;
        self.boot(host)
    }

    /// The members of all groups, with the nodes that they reserved; none if somebody may know better than
    /// the leaders that are seen.
    fn known_nodes(&self) -> Option<BTreeSet<NodeId>> {
        let mut known = BTreeSet::new();
        for group in &self.groups {
            let (_, leader) = self.leader(group.range)?;
            let newer = |(at, _): &(LogPosition, _)| *at > leader.configuration_at;
            let committed = leader.configuration_at.index <= leader.commit;
            if !committed || self.configurations_in_force(group.range).iter().any(newer) {
                return None;
            }
            known.extend(leader.configuration.members.keys().copied());
            known.extend(leader.configuration.reserved);
        }
        Some(known)
    }

    /// Stops a host and gives it a new, empty disk; its old ids are never used again.
    pub(crate) fn replace_disk(&mut self, host: usize) -> Result<(), Violation> {
        self.stop(host)?;
        self.report_destroyed(host)?;
        let ids: Vec<NodeId> = self.address.iter().filter(|(_, h)| **h == host).map(|(n, _)| *n).collect();
        for group in &mut self.groups {
            group.burnt.extend(ids.iter().copied());
        }
        self.trace.note(self.now, [15, host as u64, 0, 0], || format!("h{host} gets an empty disk"));
        self.hosts[host].disk = Disk::empty(random_disk(&mut self.rng.identity));
        self.hosts[host].condition = Condition::Fine;
        self.hosts[host].rolled_back = false;
        self.hosts[host].checkpoint = None;
        Ok(())
    }
}
