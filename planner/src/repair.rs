//! Members that are gone for certain, and live ones that are to be replaced.

use crate::action::{Action, Change};
use crate::canary::{Canary, planted};
use crate::ids::NodeId;
use crate::members::{Members, voters_of};
use crate::observed::{LeaderView, MemberView, Observed, ReportedState, Role};
use crate::plan::Step;

/// Silence towards the leader before a lost volume counts.
const SILENT_MILLIS: u64 = 10_000;

pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    let may_be_gone = |member: &&MemberView| member.node != view.leader && !planted(Canary::LossUnrepaired);
    for member in members.iter().filter(may_be_gone) {
        if let Some(reason) = gone_for_certain(observed, member) {
            let changes = vec![Change::Remove(member.node)];
            let action = Action::ChangeMembers { planned_on: view.configuration_at, changes };
            return Step::Act(action, format!("member {} is removed: {reason}", member.node));
        }
    }
    replace(observed, members, view)
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
    if claim.is_none() || planted(Canary::SilenceIsLoss) {
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
fn replace(observed: &Observed, members: &Members<'_>, view: &LeaderView) -> Step {
    // Learners first: they count in nothing.
    let Some(old) = members.leaving().min_by_key(|member| member.role == Role::Voter) else {
        return Step::Done;
    };
    let stays = |node: NodeId| members.leaving().all(|member| member.node != node);
    let staying = || members.iter().filter(|member| stays(member.node) && member.caught_up && member.answers);
    let new = staying().find(|member| member.role == Role::Learner).map(|member| member.node);
    let change = |changes: Vec<Change>| {
        let why = format!("another member takes the place of member {}", old.node);
        Step::Act(Action::ChangeMembers { planned_on: view.configuration_at, changes }, why)
    };
    let remove = Change::Remove(old.node);
    if old.node == view.leader {
        return match (members.successor(stays), new) {
            (Some(to), _) => {
                Step::Act(Action::Transfer { to }, format!("the leader, {}, is to be replaced", old.node))
            }
            (None, Some(new)) => change(vec![Change::Promote(new)]),
            (None, None) => waits_for_another(old.node),
        };
    }
    let complete = match old.role {
        Role::Voter => {
            let voters = staying().filter(|member| member.role == Role::Voter).count();
            voters >= voters_of(observed.spec.replicas)
        }
        // One more than wanted is here: it is the one to go, or nobody else could come.
        Role::Learner => members.len() > observed.spec.replicas as usize,
    };
    match (complete || planted(Canary::RemovedBeforeReplaced), old.role, new) {
        (true, _, _) => change(vec![remove]),
        (false, Role::Voter, Some(new)) => change(vec![Change::Promote(new), remove]),
        (false, _, _) => waits_for_another(old.node),
    }
}

fn waits_for_another(old: NodeId) -> Step {
    Step::Wait(format!("member {old} is replaced when another has caught up"))
}
