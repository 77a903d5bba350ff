//! What a member leaves behind that was removed, or that was never added and is not wanted any more.

use crate::action::Action;
use crate::canary::{Canary, planted};
use crate::ids::NodeId;
use crate::members::Members;
use crate::observed::{Claim, LeaderView, MemberObjects, Observed, Retention};
use crate::plan::Step;

pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    // A list that a majority stands behind: what is taken away here is taken from somebody.
    let Some(view) = members.changeable() else { return Step::Done };
    let removes_next = planted(Canary::ObjectsBeforeRemoval) && members.len() > members.wanted();
    for (node, objects) in &observed.objects {
        if members.get(*node).is_some() && (!removes_next || *node == view.leader) {
            continue;
        }
        let step = match view.reserved == Some(*node) {
            false => take_down(observed, *node, objects),
            true if members.len() < members.wanted() => Step::Done,
            true => drop_reservation(observed, view, *node, objects),
        };
        match step {
            Step::Done => {}
            step => return step,
        }
    }
    Step::Done
}

/// The volume goes first: only as long as the id is reserved it is certain that it never held anything. Then the id is
/// given up, because a disk was used with it; its StatefulSet, which is still there, says so.
fn drop_reservation(observed: &Observed, view: &LeaderView, node: NodeId, objects: &MemberObjects) -> Step {
    let why = format!("member {node} is not wanted any more");
    if let Some(claim) = observed.usable_claim(objects) {
        return Step::Act(delete_or_mark(observed, node, claim), why);
    }
    if planted(Canary::ReservationReused) {
        return take_down(observed, node, objects);
    }
    Step::Act(Action::Reserve { planned_on: view.configuration_at, abandon: Some(node) }, why)
}

fn take_down(observed: &Observed, node: NodeId, objects: &MemberObjects) -> Step {
    let own = observed.usable_claim(objects);
    let keeps = observed.spec.retention == Retention::Retain && !planted(Canary::RetentionIgnored);
    if let (Some(claim), true) = (own, keeps) {
        let action = Action::MarkRemoved { node, uid: claim.uid.clone() };
        return Step::Act(
            action,
            format!("member {node} was removed: its volume is kept, and never used again"),
        );
    }
    if let Some(set) = objects.set.as_ref().filter(|set| !set.deleting) {
        let uid = set.uid.clone();
        let why = format!("member {node} is no member any more");
        return match set.replicas {
            0 => Step::Act(Action::DeleteSet { node, uid }, why),
            _ => Step::Act(Action::ScaleSet { node, uid, replicas: 0 }, why),
        };
    }
    match own {
        Some(claim) => Step::Act(
            delete_or_mark(observed, node, claim),
            format!("the volume of member {node} is not needed any more"),
        ),
        None => Step::Done,
    }
}

/// Without the right to delete volumes one is kept for a person to delete: nothing else waits for it.
fn delete_or_mark(observed: &Observed, node: NodeId, claim: &Claim) -> Action {
    let uid = claim.uid.clone();
    match observed.remembered.undeletable.contains(&uid) {
        true => Action::MarkRemoved { node, uid },
        false => Action::DeleteClaim { node, uid },
    }
}
