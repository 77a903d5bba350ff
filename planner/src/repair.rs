//! Members that are gone for certain, and live ones that the user wants replaced.

use crate::action::{Action, Change};
use crate::ids::NodeId;
use crate::members::Members;
use crate::observed::{MemberView, Observed, ReportedState, Role};
use crate::plan::Step;

/// Silence towards the leader before a lost volume counts.
const SILENT_MILLIS: u64 = 10_000;

pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    let gone = members.iter().filter(|member| member.node != view.leader);
    for member in gone {
        if let Some(reason) = gone_for_certain(observed, member) {
            let changes = vec![Change::Remove(member.node)];
            let action = Action::ChangeMembers { planned_on: view.configuration_at, changes };
            return Step::Act(action, format!("member {} is removed: {reason}", member.node));
        }
    }
    replace(members, view.leader)
}

/// Removing such a member never lowers the number of failures that are survived, and needs no pod of it.
fn gone_for_certain(observed: &Observed, member: &MemberView) -> Option<String> {
    let objects = observed.objects.get(&member.node);
    let report = objects.and_then(|objects| objects.report.as_ref());
    match report.map(|report| report.state) {
        Some(ReportedState::LostDisk) => return Some("its disk lost data".to_owned()),
        Some(ReportedState::Corruption) => return Some("its data are damaged".to_owned()),
        _ => {}
    }
    if member.answers || member.silent_millis < SILENT_MILLIS {
        return None;
    }
    let claim = objects.and_then(|objects| objects.claim.as_ref());
    if claim.is_none() {
        return Some("it is silent and its volume is gone".to_owned());
    }
    if claim.is_some_and(|claim| claim.pinned_to_lost_node) {
        return Some("it is silent and its volume is on a machine that is gone".to_owned());
    }
    if report.and_then(|report| report.disk.as_ref()).is_some_and(|disk| *disk != member.disk) {
        return Some("it has another disk than the one that it joined with".to_owned());
    }
    let limit = observed.spec.replace_after_millis?;
    (member.silent_millis >= limit).then(|| "it has been silent for longer than spec.replaceAfter".to_owned())
}

/// The new one first, then the old one goes.
fn replace(members: &Members<'_>, leader: NodeId) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    let Some(old) = members.leaving().next() else { return Step::Done };
    let staying = |node: NodeId| members.leaving().all(|member| member.node != node);
    let new = members.iter().find(|member| {
        member.role == Role::Learner && member.caught_up && member.answers && staying(member.node)
    });
    let Some(new) = new else {
        return Step::Wait(format!("member {} is replaced when another has caught up", old.node));
    };
    if old.node == leader {
        return match members.successor(staying) {
            Some(to) => {
                Step::Act(Action::Transfer { to }, format!("the leader, {}, is to be replaced", old.node))
            }
            None => Step::Wait(format!("no voter can take over from member {}", old.node)),
        };
    }
    let changes = match old.role {
        Role::Voter => vec![Change::Promote(new.node), Change::Remove(old.node)],
        Role::Learner => vec![Change::Remove(old.node)],
    };
    let why = format!("member {} takes the place of member {}", new.node, old.node);
    Step::Act(Action::ChangeMembers { planned_on: view.configuration_at, changes }, why)
}
