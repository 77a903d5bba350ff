//! The group: its members, and what its leader accepts.

use std::collections::{BTreeMap, BTreeSet};

use planner::{Change, ClusterId, DiskId, LeaderView, NodeId, Observed, Position, Role, Uid};

use super::{Held, STEPS_TO_CATCH_UP, World, hold};

type Members = BTreeMap<NodeId, (DiskId, Role)>;

/// What the log says.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub members: Members,
    pub position: Position,
    pub reserved: Option<NodeId>,
    pub leader: Option<NodeId>,
    /// The configuration before the one in force, as long as that is not committed.
    pub uncommitted: Option<(Members, Position, Option<NodeId>)>,
    /// Nothing is committed for now.
    pub is_slow: bool,
    /// The next leader does not have what is not committed.
    pub next_leader_lacks_it: bool,
    /// What a leader before this one said last, and from which pod.
    pub deposed: Option<(LeaderView, Uid)>,
    /// Who this is, since it began.
    pub cluster: Option<ClusterId>,
    last_index: u64,
    term: u64,
    next_node: u64,
    /// Every id that was added, with its disk.
    joined: BTreeMap<NodeId, BTreeSet<DiskId>>,
}

impl Group {
    pub fn was_added(&self, node: NodeId) -> bool {
        self.joined.contains_key(&node)
    }

    /// In force, or again in force when what is not committed is lost.
    pub fn may_be_member(&self, node: NodeId) -> bool {
        self.members.contains_key(&node)
            || self.uncommitted.as_ref().is_some_and(|(before, ..)| before.contains_key(&node))
    }

    fn accepts(&self, planned_on: Position) -> bool {
        planned_on == self.position && self.leader.is_some() && self.uncommitted.is_none()
    }

    fn append(&mut self, members: Members, reserved: Option<NodeId>) {
        let before = (self.members.clone(), self.position, self.reserved);
        self.last_index += 1;
        self.position = Position { index: self.last_index, term: self.term };
        (self.members, self.reserved) = (members, reserved);
        self.uncommitted = Some(before);
    }
}

impl World {
    pub(super) fn bootstrap(&mut self, cluster: &ClusterId, node: NodeId, disk: &DiskId) -> Held {
        let Some(on) = self.disks.get_mut(&node) else { return Ok(()) };
        if on.id != *disk || on.holds.is_some() {
            return Ok(());
        }
        hold(self.group.cluster.is_none(), || "the cluster begins a second time".to_owned())?;
        on.holds = Some((cluster.clone(), node));
        let group = &mut self.group;
        group.cluster = Some(cluster.clone());
        group.members.insert(node, (disk.clone(), Role::Voter));
        group.joined.entry(node).or_default().insert(disk.clone());
        group.next_node = node.0 + 1;
        (group.last_index, group.term) = (1, 1);
        group.position = Position { index: 1, term: 1 };
        Ok(())
    }

    pub(super) fn reserve(&mut self, planned_on: Position, abandon: Option<NodeId>) {
        let group = &mut self.group;
        if group.accepts(planned_on) && (group.reserved.is_none() || group.reserved == abandon) {
            let node = NodeId(group.next_node);
            group.next_node += 1;
            group.append(group.members.clone(), Some(node));
            self.commit();
        }
    }

    pub(super) fn add(&mut self, planned_on: Position, node: NodeId, disk: &DiskId) -> Held {
        let group = &mut self.group;
        if !group.accepts(planned_on) || group.reserved != Some(node) {
            return Ok(());
        }
        let disks = group.joined.entry(node).or_default();
        disks.insert(disk.clone());
        hold(disks.len() == 1, || format!("id {node} is used with another disk"))?;
        let is_first = self.discarded.get(&node).is_none_or(|discarded| discarded == disk);
        hold(is_first, || format!("id {node} had another disk, which was deleted"))?;
        let mut next = group.members.clone();
        next.insert(node, (disk.clone(), Role::Learner));
        group.append(next, None);
        self.behind.insert(node, STEPS_TO_CATCH_UP);
        if let Some(on) = self.disks.get_mut(&node).filter(|on| on.id == *disk) {
            on.holds = self.recorded.cluster_id.clone().map(|cluster| (cluster, node));
        }
        self.commit();
        Ok(())
    }

    /// As the operator does before it removes somebody: a volume that is missing in a cache only is no reason.
    pub fn confirms_volumes(&self, looked_at: &Observed, changes: &[Change]) -> bool {
        let seen = |node| Some(&looked_at.objects.get(&node)?.claim.as_ref()?.uid);
        let live = |node| Some(&self.object(node)?.claim.as_ref()?.uid);
        changes.iter().all(|change| match change {
            Change::Remove(node) => seen(*node) == live(*node),
            Change::Promote(_) | Change::Demote(_) => true,
        })
    }

    /// Back to back: each once the one before is committed.
    pub(super) fn change(&mut self, planned_on: Position, changes: &[Change]) -> Held {
        if !self.group.accepts(planned_on) {
            return Ok(());
        }
        let leader = self.group.leader;
        for change in changes {
            let mut next = self.group.members.clone();
            match change {
                Change::Promote(node) => {
                    let able = self.is_caught_up(*node);
                    let Some(member) = next.get_mut(node).filter(|_| able) else { return Ok(()) };
                    member.1 = Role::Voter;
                }
                Change::Demote(node) => {
                    hold(leader != Some(*node), || "the leader is demoted without a transfer".to_owned())?;
                    let Some(member) = next.get_mut(node) else { return Ok(()) };
                    member.1 = Role::Learner;
                }
                Change::Remove(node) => {
                    hold(leader != Some(*node), || "the leader is removed without a transfer".to_owned())?;
                    next.remove(node);
                }
            }
            if self.group.uncommitted.is_some() || !self.majority(&next) {
                return Ok(());
            }
            self.group.append(next, self.group.reserved);
            self.commit();
        }
        Ok(())
    }

    pub(super) fn transfer(&mut self, to: NodeId) {
        if self.voters().contains(&to) && self.is_caught_up(to) && self.group.leader.is_some() {
            self.hand_over(to);
        }
    }

    pub(super) fn commit(&mut self) {
        if self.group.leader.is_some() && !self.group.is_slow && self.majority(&self.group.members) {
            self.group.uncommitted = None;
        }
    }

    fn lead(&mut self, node: NodeId) {
        if self.group.leader == Some(node) {
            return;
        }
        self.group.term += 1;
        self.group.leader = Some(node);
        if self.group.next_leader_lacks_it
            && let Some((members, position, reserved)) = self.group.uncommitted.take()
        {
            let group = &mut self.group;
            // Who was to be added never was.
            if let Some(node) = reserved.filter(|_| group.reserved.is_none()) {
                group.joined.remove(&node);
            }
            (group.members, group.position, group.reserved) = (members, position, reserved);
            // What it elects may be another one then.
            self.elect();
        }
    }

    /// Whoever can lead does, if the leader cannot.
    pub(super) fn elect(&mut self) {
        let voters = self.voters();
        let can_lead = |node: NodeId| voters.contains(&node) && self.lives(node);
        let is_heard = self.majority(&self.group.members);
        if self.group.leader.is_some_and(can_lead) && is_heard {
            return;
        }
        let next = voters.iter().copied().find(|node| can_lead(*node)).filter(|_| is_heard);
        match next {
            Some(next) => self.lead(next),
            None => self.group.leader = None,
        }
    }

    /// The leader goes on living, and may not know yet.
    fn hand_over(&mut self, to: NodeId) {
        if let Some(view) = self.view()
            && let Some(pod) = self.object(view.leader).and_then(|objects| objects.pod.as_ref())
        {
            self.group.deposed = Some((view, pod.uid.clone()));
        }
        self.lead(to);
    }

    /// Leadership moves to another voter, while its leader goes on living.
    pub fn depose(&mut self) {
        let leader = self.group.leader;
        let next = self.voters().into_iter().find(|node| Some(*node) != leader && self.is_caught_up(*node));
        if let Some(next) = next {
            self.hand_over(next);
        }
    }
}
