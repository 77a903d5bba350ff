//! The operator: replaces members whose disk is gone, then does what the schedule asks for, one call at a time.

use std::collections::{BTreeSet, VecDeque};

use raft::{Change, ChangeError, Configuration, LogPosition, MemberRole, NodeId, Status};
use store::store::{AdminError, AdminReply, AdminRequest, FIRST_RANGE};

use super::coverage::Mark;
use super::event::Event;
use super::world::World;
use crate::fault::MemberOp;
use crate::host::Condition;
use crate::operator::{Step, towards};
use crate::world::Violation;

/// A call that has not ended.
#[derive(Debug)]
struct Call {
    token: u64,
    process: (usize, u64),
}

/// What the operator knows.
#[derive(Debug)]
pub struct Operator {
    voters: usize,
    learners: usize,
    asked: VecDeque<(MemberOp, u32)>,
    call: Option<Call>,
    /// Ids that must not be added any more: their disk is gone.
    burnt: BTreeSet<NodeId>,
}

impl Operator {
    /// One that wants so many members.
    pub fn new(voters: usize, learners: usize) -> Self {
        Self { voters, learners, asked: VecDeque::new(), call: None, burnt: BTreeSet::new() }
    }

    /// Asks for something beside repairs.
    pub fn ask(&mut self, op: MemberOp, pick: u32) {
        self.asked.push_back((op, pick));
    }

    /// Drops what was asked for; the sizes wanted stay.
    pub fn settle(&mut self) {
        self.asked.clear();
    }

    /// Voters and learners that it wants.
    pub fn wanted(&self) -> (usize, usize) {
        (self.voters, self.learners)
    }

    /// Whether a call is under way.
    pub fn is_busy(&self) -> bool {
        self.call.is_some()
    }

    /// These ids are never added again.
    pub fn burn(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        self.burnt.extend(nodes);
    }
}

impl World {
    /// The operator looks.
    pub(super) fn operate(&mut self) -> Result<(), Violation> {
        let again = self.now + self.rng.operator.range(self.plan.election / 8, self.plan.election / 2);
        self.queue.push(again, Event::Operate);
        if self.watch.is_some() {
            return Ok(());
        }
        let Some((host, status)) = self.leader() else { return Ok(()) };
        if let Some(call) = &self.operator.call {
            if self.runs(call.process.0, call.process.1) {
                return Ok(());
            }
            self.operator.call = None;
        }
        if status.configuration_at.index > status.commit {
            return Ok(());
        }
        self.retire()?;
        let Some(changes) = self.decide(&status) else { return Ok(()) };
        let planned_on = status.configuration_at;
        let process = (host, self.hosts[host].process);
        // The answer may come at once.
        self.operator.call = Some(Call { token: self.tokens + 1, process });
        let request = AdminRequest::Change { range: FIRST_RANGE, planned_on, changes };
        self.admin(host, request)?;
        Ok(())
    }

    /// An answer of a store.
    pub(super) fn operator_told(&mut self, host: usize, token: u64, answer: &Result<AdminReply, AdminError>) {
        self.trace.note(self.now, [14, host as u64, token, u64::from(answer.is_ok())], || {
            format!("h{host} answers request {token} with {answer:?}")
        });
        if let Some(outside) = &mut self.outside {
            outside.answers.push((token, answer.clone()));
            return;
        }
        if self.operator.call.take_if(|call| call.token == token).is_none() {
            return;
        }
        match answer {
            Ok(AdminReply::Changed(result)) if result.error.is_none() => self.coverage.hit(Mark::Changed),
            Ok(AdminReply::Changed(result)) => {
                let lost = matches!(result.error, Some(ChangeError::LeadershipLost));
                self.coverage.hit_if(lost, Mark::ChangeLost);
            }
            Err(_) => self.coverage.hit(Mark::ChangeRefused),
            Ok(_) => {}
        }
    }

    fn decide(&mut self, status: &Status) -> Option<Vec<Change>> {
        let mut members = status.configuration.members.iter();
        if let Some((gone, _)) = members.find(|(node, member)| self.is_gone(**node, member.disk)) {
            self.coverage.hit(Mark::Replaced);
            return Some(vec![Change::Remove { node: *gone }]);
        }
        // It would not make a group smaller of whose members one is about to fall out.
        if self.hosts.iter().any(|host| host.damaged && host.condition == Condition::Fine) {
            return None;
        }
        while let Some((op, pick)) = self.operator.asked.pop_front() {
            if let Some(changes) = self.asked(status, op, pick) {
                return Some(changes);
            }
        }
        match towards(status, self.operator.wanted(), &mut self.rng.operator)? {
            Step::Change(change) => Some(vec![change]),
            Step::Grow => self.grow(&status.configuration).map(|change| vec![change]),
        }
    }

    fn asked(&mut self, status: &Status, op: MemberOp, pick: u32) -> Option<Vec<Change>> {
        let configuration = &status.configuration;
        let voters: Vec<NodeId> = configuration.voters().collect();
        let learner = configuration.members.iter().find(|(_, member)| member.role == MemberRole::Learner);
        let voter = *voters.get(pick as usize % voters.len().max(1))?;
        match op {
            MemberOp::Scale { voters, learners } => {
                (self.operator.voters, self.operator.learners) = (voters.min(5), learners.min(1));
                None
            }
            MemberOp::RemoveLeader => Some(vec![Change::Remove { node: status.node }]),
            MemberOp::DemoteLeader => Some(vec![Change::Demote { node: status.node }]),
            MemberOp::List => Some(match learner {
                Some((learner, _)) if pick & 1 == 0 => {
                    vec![Change::Promote { node: *learner }, Change::Demote { node: voter }]
                }
                _ => vec![Change::Demote { node: voter }, Change::Promote { node: voter }],
            }),
            // The core's own business.
            MemberOp::StaleFence | MemberOp::Repeat | MemberOp::Abandon => None,
        }
    }

    /// The next step of adding a learner on a spare host.
    fn grow(&mut self, configuration: &Configuration) -> Option<Change> {
        let Some(node) = configuration.reserved else { return Some(Change::Reserve { abandon: None }) };
        if self.operator.burnt.contains(&node) {
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
        if disk.node().is_some_and(|other| other != node) || self.hosts[host].condition != Condition::Fine {
            self.operator.burnt.insert(node);
            return None;
        }
        Some(Change::AddLearner { node, disk: disk.id, boot: disk.boots() })
    }

    /// A running host with an empty disk that nobody reserved.
    pub(super) fn spare_host(&self) -> Option<usize> {
        (0..self.hosts.len()).find(|host| {
            let state = &self.hosts[*host];
            state.is_live() && state.disk.node().is_none() && !self.address.values().any(|a| a == host)
        })
    }

    /// Deletes the disks of hosts that nobody knows any more, so that they can serve again.
    fn retire(&mut self) -> Result<(), Violation> {
        if !self.rng.operator.per_mille(300) {
            return Ok(());
        }
        let Some(known) = self.known_nodes() else { return Ok(()) };
        // A new disk that nobody was told of yet has no node; the address of an old one leads nowhere.
        let nodes: Vec<Option<NodeId>> = self.hosts.iter().map(|host| host.disk.node()).collect();
        self.address.retain(|node, host| nodes[*host].is_some() || known.contains(node));
        let unknown = nodes.iter().position(|node| node.is_some_and(|node| !known.contains(&node)));
        let Some(host) = unknown else { return Ok(()) };
        self.coverage.hit(Mark::Retired);
        self.replace_disk(host)?;
        self.boot(host)
    }

    /// The members, with the node that is reserved; none if somebody may know better than the leader.
    fn known_nodes(&self) -> Option<BTreeSet<NodeId>> {
        let (_, leader) = self.leader()?;
        let newer = |(at, _): &(LogPosition, _)| *at > leader.configuration_at;
        let committed = leader.configuration_at.index <= leader.commit;
        if !committed || self.configurations_in_force().iter().any(newer) {
            return None;
        }
        let mut known: BTreeSet<NodeId> = leader.configuration.members.keys().copied().collect();
        known.extend(leader.configuration.reserved);
        Some(known)
    }
}
