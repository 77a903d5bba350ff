//! What a member leaves behind that was removed, or that was never added and is not wanted any more.

use crate::action::Action;
use crate::ids::NodeId;
use crate::members::Members;
use crate::observed::{MemberObjects, Observed, Retention};
use crate::plan::Step;

pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    // A list that a majority stands behind: what is taken away here is taken from somebody.
    let Some(view) = members.changeable() else { return Step::Done };
    for (node, objects) in &observed.objects {
        let reserved = view.reserved == Some(*node);
        if members.get(*node).is_some() || (reserved && members.len() < members.wanted()) {
            continue;
        }
        match take_down(observed, *node, objects, reserved) {
            Step::Done => {}
            step => return step,
        }
    }
    Step::Done
}

fn take_down(observed: &Observed, node: NodeId, objects: &MemberObjects, never_added: bool) -> Step {
    let own = observed.usable_claim(objects);
    let keep = observed.spec.retention == Retention::Retain && !never_added;
    if let (Some(claim), true) = (own, keep) {
        let action = Action::MarkRemoved { node, uid: claim.uid.clone() };
        return Step::Act(
            action,
            format!("member {node} was removed: its volume is kept, and never used again"),
        );
    }
    if let Some(set) = objects.set.as_ref().filter(|set| !set.deleting) {
        let uid = set.uid.clone();
        let why = if never_added { "is not wanted any more" } else { "was removed" };
        let why = format!("member {node} {why}");
        return match set.replicas {
            0 => Step::Act(Action::DeleteSet { node, uid }, why),
            _ => Step::Act(Action::ScaleSet { node, uid, replicas: 0 }, why),
        };
    }
    match own {
        Some(claim) => Step::Act(
            Action::DeleteClaim { node, uid: claim.uid.clone() },
            format!("the volume of member {node} is not needed any more"),
        ),
        None => Step::Done,
    }
}
