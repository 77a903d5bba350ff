//! Pods get the template that the spec asks for.

use std::cmp::Reverse;

use crate::action::Action;
use crate::ids::NodeId;
use crate::members::Members;
use crate::observed::{MemberObjects, MemberView, Observed, Role};
use crate::plan::Step;

pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    for (node, objects) in &observed.objects {
        let voter = match members.get(*node) {
            Some(member) => member.role == Role::Voter,
            None => observed.recorded.voters.contains(node),
        };
        if !voter || is_down(objects, members.get(*node)) {
            match renew(observed, *node, objects) {
                Step::Done => {}
                step => return step,
            }
        }
    }
    voters(observed, members)
}

/// Nothing is lost by a restart of it. Not being ready says too little: without a leader nobody is.
fn is_down(objects: &MemberObjects, member: Option<&MemberView>) -> bool {
    objects.stuck().is_some()
        || objects.pod.is_none()
        || (!objects.ready() && member.is_some_and(|member| !member.answers))
}

fn renew(observed: &Observed, node: NodeId, objects: &MemberObjects) -> Step {
    let wanted = &observed.spec.template;
    let Some(set) = objects.set.as_ref().filter(|set| !set.deleting && set.replicas > 0) else {
        return Step::Done;
    };
    if set.template != *wanted {
        let action = Action::UpdateSet { node, uid: set.uid.clone() };
        return Step::Act(action, format!("member {node} gets the current template"));
    }
    match objects.outdated_pod(wanted) {
        Some(pod) => {
            let action = Action::DeletePod { node, uid: pod.uid.clone() };
            Step::Act(action, format!("the pod of member {node} is restarted with the current template"))
        }
        None => Step::Done,
    }
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
    if let Some(other) = waits_for {
        return Step::Wait(format!("member {node} is restarted when member {} has caught up", other.node));
    }
    // After a loss two voters may be left, until a third is promoted: one of them alone is no majority.
    if order.len() == 2 {
        return Step::Wait(format!("member {node} is restarted when there is a third voter"));
    }
    if node == view.leader && order.len() > 1 {
        return match members.successor(|other| other != node) {
            Some(to) => Step::Act(Action::Transfer { to }, format!("the leader, {node}, is to be restarted")),
            None => Step::Wait(format!("no voter can take over from member {node}")),
        };
    }
    renew(observed, node, objects)
}

fn is_outdated(observed: &Observed, objects: &MemberObjects) -> bool {
    let wanted = &observed.spec.template;
    let set = objects.set.as_ref().is_some_and(|set| !set.deleting && set.template != *wanted);
    set || objects.outdated_pod(wanted).is_some()
}

fn can_spare_others(observed: &Observed, member: &MemberView) -> bool {
    member.answers && member.caught_up && observed.objects.get(&member.node).is_some_and(MemberObjects::ready)
}
