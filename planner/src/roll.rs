//! Pods get the template that the spec asks for.

use std::cmp::Reverse;

use crate::action::Action;
use crate::canary::{Canary, planted};
use crate::ids::NodeId;
use crate::members::Members;
use crate::observed::{MemberObjects, MemberView, Observed, Role};
use crate::plan::Step;
use crate::pods;

pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    for (node, objects) in &observed.objects {
        if may_vote(observed, members, *node) && !is_down(objects, members, *node) {
            continue;
        }
        match pods::renew(observed, *node, objects) {
            Step::Done => {}
            step => return step,
        }
    }
    voters(observed, members)
}

/// Only a committed list says who does not vote: one that was seen earlier may have changed.
fn may_vote(observed: &Observed, members: &Members<'_>, node: NodeId) -> bool {
    if members.view.is_none() && planted(Canary::RestartedUnseen) {
        return observed.recorded.voters.contains(&node);
    }
    members.changeable().is_none() || members.get(node).is_some_and(|member| member.role == Role::Voter)
}

/// Nothing is lost by a restart of it. Not being ready says too little, since without a leader nobody is; nor does the
/// word of a leader that hears nobody.
fn is_down(objects: &MemberObjects, members: &Members<'_>, node: NodeId) -> bool {
    let is_silent = || members.changeable().and(members.get(node)).is_some_and(|member| !member.answers);
    objects.stuck().is_some() || objects.pod.is_none() || (!objects.ready() && is_silent())
}

/// Healthy voters one at a time, the leader last.
fn voters(observed: &Observed, members: &Members<'_>) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    let mut order: Vec<&MemberView> = members.iter().filter(|member| member.role == Role::Voter).collect();
    order.sort_by_key(|member| (member.node == view.leader, Reverse(member.node)));
    let outdated = order.iter().find_map(|member| {
        let objects = observed.objects.get(&member.node)?;
        is_outdated(observed, objects).then_some((member.node, objects))
    });
    let Some((node, objects)) = outdated else { return Step::Done };

    let waits_for = order.iter().find(|other| other.node != node && !can_spare_others(observed, other));
    if let Some(other) = waits_for.filter(|_| !planted(Canary::SecondVoterRestarted)) {
        return Step::Wait(format!("member {node} is restarted when member {} has caught up", other.node));
    }
    // After a loss two voters may be left, until a third is promoted: one of them alone is no majority.
    if order.len() == 2 {
        return Step::Wait(format!("member {node} is restarted when there is a third voter"));
    }
    if node == view.leader && order.len() > 1 && !planted(Canary::LeaderRestarted) {
        return match members.successor(|other| other != node) {
            Some(to) => Step::Act(Action::Transfer { to }, format!("the leader, {node}, is to be restarted")),
            None => Step::Wait(format!("no voter can take over from member {node}")),
        };
    }
    pods::renew(observed, node, objects)
}

fn is_outdated(observed: &Observed, objects: &MemberObjects) -> bool {
    let wanted = &observed.spec.template;
    let set = objects.set.as_ref().is_some_and(|set| !set.deleting && set.template != *wanted);
    // A doomed one is replaced instead.
    let is_doomed = objects.is_doomed() && !planted(Canary::DoomedRestarted);
    (set || objects.outdated_pod(wanted).is_some()) && !is_doomed
}

fn can_spare_others(observed: &Observed, member: &MemberView) -> bool {
    member.answers && member.caught_up && observed.objects.get(&member.node).is_some_and(MemberObjects::ready)
}
