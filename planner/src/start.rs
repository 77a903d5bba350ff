//! The beginning of a cluster, and the objects that every member needs.

use crate::action::Action;
use crate::canary::{Canary, planted};
use crate::ids::{ClusterId, DiskId, NodeId};
use crate::members::Members;
use crate::observed::{Observed, Report, ReportedState, RetainedVolumes};
use crate::plan::Step;
use crate::pods;

/// From nothing to one voter. The disk that begins the cluster is recorded before it begins: whatever crashes, no second
/// disk can begin it again.
pub(crate) fn step(observed: &Observed) -> Step {
    let Some(cluster_id) = &observed.recorded.cluster_id else { return choose(observed) };
    let node = first_node(observed);
    let objects = observed.objects.get(&node).cloned().unwrap_or_default();
    match &objects.claim {
        None if observed.recorded.first.is_some() => {
            return Step::Stop(format!(
                "the volume of member {node} is gone before the cluster was known to have begun"
            ));
        }
        None => {
            return Step::Act(
                Action::CreateClaim { node },
                format!("the first member, {node}, needs a volume"),
            );
        }
        Some(claim) if claim.deleting => {
            return Step::Wait(format!("the volume claim of member {node} is being deleted"));
        }
        Some(claim) if !observed.owns(claim) => {
            return Step::Stop(format!("the volume claim of member {node} is not of this cluster"));
        }
        Some(_) => {}
    }
    match pods::run(observed, node, &objects) {
        Step::Done => {}
        step => return step,
    }
    let waits = || Step::Wait(pods::waits(node, &objects));
    let Some(report) = &objects.report else { return waits() };
    match (&observed.recorded.first, &report.disk) {
        (_, None) => waits(),
        (None, Some(disk)) if report.has_empty_disk() && planted(Canary::BeginsUnrecorded) => {
            begin(cluster_id, node, disk, report)
        }
        (None, Some(disk)) if report.has_empty_disk() => Step::Act(
            Action::RecordFirst { node, disk: disk.clone() },
            format!("the empty disk {disk} will begin the cluster"),
        ),
        (None, Some(_)) => {
            Step::Stop(format!("the volume of member {node} holds the data of another cluster"))
        }
        (Some((_, first)), Some(disk)) if first != disk => {
            Step::Stop(format!("member {node} has another disk than the one recorded to begin the cluster"))
        }
        (Some((_, first)), Some(_)) => begin(cluster_id, node, first, report),
    }
}

fn begin(cluster_id: &ClusterId, node: NodeId, first: &DiskId, report: &Report) -> Step {
    if report.has_empty_disk() {
        let action = Action::Bootstrap { cluster_id: cluster_id.clone(), node, disk: first.clone() };
        return Step::Act(action, format!("member {node} begins the cluster"));
    }
    if report.cluster_id.as_ref() == Some(cluster_id) && report.state == ReportedState::Member {
        return Step::Act(Action::RecordBootstrapped, format!("member {node} has begun the cluster"));
    }
    Step::Stop(format!("member {node} reports neither an empty disk nor this cluster: {}", report.fault))
}

/// Which cluster this is to be: volumes of an earlier one are not touched unasked.
fn choose(observed: &Observed) -> Step {
    let kept = || {
        observed.objects.values().filter_map(|objects| objects.claim.as_ref()).filter(|claim| !claim.deleting)
    };
    let may_begin = observed.spec.retained_volumes == Some(RetainedVolumes::StartNew)
        || planted(Canary::BeginsBesideVolumes);
    if kept().next().is_none() || may_begin {
        return Step::Act(Action::RecordClusterId, "a new cluster begins".to_owned());
    }
    let mut earlier: Vec<&ClusterId> =
        kept().filter(|claim| !claim.removed).filter_map(|claim| claim.cluster_id.as_ref()).collect();
    earlier.sort();
    earlier.dedup();
    match (observed.spec.retained_volumes, earlier.as_slice()) {
        (None, _) => Step::Stop(
            "volumes of an earlier cluster of this name exist: set spec.retainedVolumes".to_owned(),
        ),
        (_, [one]) => Step::Act(
            Action::RecordAdoption { cluster_id: (*one).clone() },
            format!("the earlier cluster {one} runs again on its volumes"),
        ),
        (_, []) => Step::Stop("no volume of a member of an earlier cluster can be adopted".to_owned()),
        (_, _) => Step::Stop(
            "volumes of several earlier clusters exist: delete those that are not to be adopted".to_owned(),
        ),
    }
}

/// Higher than every id that a volume of an earlier cluster has, since names of volumes are made of ids.
fn first_node(observed: &Observed) -> NodeId {
    if let Some((node, _)) = &observed.recorded.first {
        return *node;
    }
    let claims =
        || observed.objects.iter().filter_map(|(node, objects)| Some((node, objects.claim.as_ref()?)));
    let own = claims().find(|(_, claim)| observed.owns(claim)).map(|(node, _)| *node);
    own.unwrap_or_else(|| NodeId(claims().map(|(node, _)| node.0).max().unwrap_or(0) + 1))
}

/// Every member with a volume has its StatefulSet, whoever deleted it, and with or without a leader.
pub(crate) fn restore(observed: &Observed, members: &Members<'_>) -> Step {
    for (node, objects) in &observed.objects {
        let usable = observed.usable_claim(objects).is_some();
        let member = members.view.is_none() || members.get(*node).is_some();
        if !usable || !member {
            continue;
        }
        match &objects.set {
            // Without a leader it may be one that was removed, and whose volume is about to go.
            None if members.view.is_none() && !voted(observed, *node) => {}
            None => {
                return Step::Act(
                    Action::CreateSet { node: *node },
                    format!("member {node} has no StatefulSet"),
                );
            }
            // Without a leader it may be one that was removed and is being taken down: only voters are needed to get one.
            Some(set)
                if set.replicas == 0
                    && !set.deleting
                    && (members.view.is_some() || voted(observed, *node)) =>
            {
                let action = Action::ScaleSet { node: *node, uid: set.uid.clone(), replicas: 1 };
                return Step::Act(action, format!("member {node} needs its pod"));
            }
            Some(_) => {}
        }
    }
    match members.view {
        None => Step::Wait("waits for a leader".to_owned()),
        Some(view) if !view.committed => {
            Step::Wait("waits until the last change of the members is committed".to_owned())
        }
        Some(_) if !members.has_quorum() => {
            Step::Wait("waits until a majority of the voters answers the leader".to_owned())
        }
        Some(_) => Step::Done,
    }
}

/// It was a voter when a leader was last seen; after an adoption none was seen yet.
fn voted(observed: &Observed, node: NodeId) -> bool {
    observed.recorded.voters.is_empty() || observed.recorded.voters.contains(&node)
}
