//! The StatefulSet and the pod of one member.

use crate::action::Action;
use crate::canary::{Canary, planted};
use crate::ids::NodeId;
use crate::observed::{MemberObjects, Observed};
use crate::plan::Step;

/// A pod with the current template, for a node that does nothing yet that a restart could hurt.
pub(crate) fn run(observed: &Observed, node: NodeId, objects: &MemberObjects) -> Step {
    let Some(set) = &objects.set else {
        return Step::Act(Action::CreateSet { node }, format!("member {node} needs a StatefulSet"));
    };
    if set.deleting {
        return Step::Wait(format!("the StatefulSet of member {node} is being deleted"));
    }
    if set.replicas == 0 {
        let action = Action::ScaleSet { node, uid: set.uid.clone(), replicas: 1 };
        return Step::Act(action, format!("member {node} needs its pod"));
    }
    renew(observed, node, objects)
}

/// The current template for the next pod; then the pod of another one goes, and the StatefulSet makes the next.
pub(crate) fn renew(observed: &Observed, node: NodeId, objects: &MemberObjects) -> Step {
    let wanted = &observed.spec.template;
    let Some(set) = objects.set.as_ref().filter(|set| !set.deleting && set.replicas > 0) else {
        return Step::Done;
    };
    if objects.is_doomed() && !planted(Canary::DoomedRestarted) {
        return Step::Done;
    }
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

/// What is told while a pod does not report.
pub(crate) fn waits(node: NodeId, objects: &MemberObjects) -> String {
    match objects.stuck() {
        Some(reason) => format!("the pod of member {node} cannot run: {reason}"),
        None => format!("waits for the pod of member {node}"),
    }
}
