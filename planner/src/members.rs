//! The members as the leader lists them, and what the spec makes of their number.

use std::collections::BTreeMap;

use crate::action::Change;
use crate::canary::{Canary, planted};
use crate::ids::{NodeId, Template};
use crate::observed::{
    Claim, LeaderView, MemberObjects, MemberView, Observed, Pod, Report, ReportedState, Role,
};

/// More voters than this make writes slower and nothing safer.
pub const MOST_VOTERS: u32 = 7;

/// How many of so many members vote: the largest odd number that fits. At least one.
pub fn voters_of(replicas: u32) -> usize {
    let most = replicas.clamp(1, MOST_VOTERS);
    (most - (most + 1) % 2) as usize
}

/// The members, if a leader was seen whose list can be believed.
pub(crate) struct Members<'a> {
    /// The leader's view; none: no leader, or one that does not know the latest list yet.
    pub view: Option<&'a LeaderView>,
    observed: &'a Observed,
}

impl<'a> Members<'a> {
    pub fn of(observed: &'a Observed) -> Self {
        let latest = observed.recorded.configuration_at;
        let is_latest =
            |view: &&LeaderView| view.configuration_at >= latest || planted(Canary::OlderListBelieved);
        Self { view: observed.leader.as_ref().filter(is_latest), observed }
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a MemberView> + use<'a> {
        self.view.map(|view| view.members.as_slice()).unwrap_or_default().iter()
    }

    pub fn len(&self) -> usize {
        self.iter().count()
    }

    pub fn get(&self, node: NodeId) -> Option<&'a MemberView> {
        self.iter().find(|member| member.node == node)
    }

    pub fn voters(&self) -> usize {
        self.iter().filter(|member| member.role == Role::Voter).count()
    }

    /// A view that changes may be planned on: committed, of a leader that hears a majority, so that no other one can have
    /// gone on without it.
    pub fn changeable(&self) -> Option<&'a LeaderView> {
        let is_firm = |view: &&LeaderView| view.committed && self.has_quorum();
        self.view.filter(|view| is_firm(view) || planted(Canary::UncommittedBelieved))
    }

    pub fn has_quorum(&self) -> bool {
        let answering = self.iter().filter(|member| member.role == Role::Voter && member.answers).count();
        answering * 2 > self.voters()
    }

    /// Whether a majority answers after each of these changes. The leader refuses the others, again and again.
    pub fn survives(&self, changes: &[Change]) -> bool {
        if planted(Canary::QuorumUnguarded) {
            return true;
        }
        let mut voters: BTreeMap<NodeId, bool> = self
            .iter()
            .filter(|member| member.role == Role::Voter)
            .map(|member| (member.node, member.answers))
            .collect();
        changes.iter().all(|change| {
            match change {
                Change::Promote(node) => {
                    voters.insert(*node, self.get(*node).is_some_and(|member| member.answers));
                }
                Change::Demote(node) | Change::Remove(node) => {
                    voters.remove(node);
                }
            }
            voters.values().filter(|answers| **answers).count() * 2 > voters.len()
        })
    }

    /// Members to be replaced: each keeps its place until another has taken it.
    pub fn leaving(&self) -> impl Iterator<Item = &'a MemberView> + use<'a> {
        let observed = self.observed;
        self.iter().filter(move |member| observed.is_leaving(member.node))
    }

    /// How many members there should be now: one more while one is being replaced.
    pub fn wanted(&self) -> usize {
        self.observed.spec.replicas.max(1) as usize + usize::from(self.leaving().next().is_some())
    }

    /// The best next leader among those for which `stays` holds, and who are not to be replaced.
    pub fn successor(&self, stays: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        self.iter()
            .filter(|member| {
                member.role == Role::Voter && member.caught_up && member.answers && stays(member.node)
            })
            .filter(|member| !self.observed.is_leaving(member.node) || planted(Canary::TransferToLeaving))
            .max_by_key(|member| (member.matched, std::cmp::Reverse(member.node)))
            .map(|member| member.node)
    }
}

impl MemberObjects {
    pub(crate) fn ready(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.ready && !pod.deleting)
    }

    /// Its volume goes as soon as no pod uses it: a claim that is being deleted cannot be kept any more.
    pub(crate) fn is_doomed(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.deleting)
    }

    pub(crate) fn stuck(&self) -> Option<&str> {
        self.pod.as_ref().filter(|pod| !pod.deleting)?.stuck.as_deref()
    }

    /// The pod, if it was made from another template and is not on its way out already.
    pub(crate) fn outdated_pod(&self, template: &Template) -> Option<&Pod> {
        self.pod.as_ref().filter(|pod| pod.template != *template && !pod.deleting)
    }
}

impl Report {
    pub(crate) fn has_empty_disk(&self) -> bool {
        self.state == ReportedState::Waiting && self.cluster_id.is_none()
    }
}

impl Observed {
    /// Another member is to take the place of this one: the user asks for it, or its volume is about to go, or is not to
    /// be used again.
    pub(crate) fn is_leaving(&self, node: NodeId) -> bool {
        let Some(objects) = self.objects.get(&node) else { return false };
        let is_asked_for = objects.set.as_ref().is_some_and(|set| set.replace && !set.deleting);
        is_asked_for || objects.is_doomed() || objects.claim.as_ref().is_some_and(|claim| claim.removed)
    }

    /// The claim of a member, if this cluster may go on using it.
    pub(crate) fn usable_claim<'a>(&self, objects: &'a MemberObjects) -> Option<&'a Claim> {
        objects.claim.as_ref().filter(|claim| self.owns(claim) && !claim.removed && !claim.deleting)
    }

    /// The voters of the last look at a leader; before the first look it is the one that began the cluster.
    pub(crate) fn known_voters(&self) -> Vec<NodeId> {
        let recorded = &self.recorded;
        match (recorded.voters.as_slice(), &recorded.first) {
            ([], Some((first, _))) => vec![*first],
            (voters, _) => voters.to_vec(),
        }
    }

    /// The claim was made for this cluster.
    pub(crate) fn owns(&self, claim: &Claim) -> bool {
        claim.cluster_id.is_some() && claim.cluster_id == self.recorded.cluster_id
    }
}
