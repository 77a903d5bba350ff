//! The rules that every plan and every single action keeps.

use std::collections::BTreeMap;

use planner::{
    Action, Change, LeaderView, NodeId, Observed, Plan, RetainedVolumes, Retention, Role, plan, voters_of,
};

use crate::world::{Held, World, hold};

/// Members that catch up at once.
const MOST_CATCHING_UP: usize = 2;

/// A plan, given what it was made on.
pub fn of_plan(looked_at: &Observed, planned: &Plan) -> Held {
    if looked_at.spec.paused {
        hold(planned.action.is_none(), || format!("paused, and yet {:?}", planned.action))?;
        hold(!planned.settled, || "paused, and told to be as the spec wants it".to_owned())?;
    }
    let recorded = &looked_at.recorded;
    match &looked_at.leader {
        None => {
            let budget = u32::try_from(recorded.voters.len().saturating_sub(1)).ok().filter(|most| *most > 0);
            hold(planned.min_available == budget, || "the budget is not of the known voters".to_owned())
        }
        Some(view) if view.configuration_at < recorded.configuration_at => {
            let unseen = Observed { leader: None, ..looked_at.clone() };
            hold(planned.action == plan(&unseen).action, || "an older list is believed".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// A plan that was made on all as it is.
pub fn of_truth(world: &World, planned: &Plan) -> Held {
    if planned.settled {
        super::fulfilled(world).map_err(|differs| format!("told to be as the spec wants it: {differs}"))?;
    }
    if planned.action == Some(Action::RecordAvailable) {
        let voters = world.voters();
        let complete =
            voters.len() == voters_of(world.spec.replicas) && voters.iter().all(|node| world.lives(*node));
        hold(complete, || "clients are let in before the voters reached their number".to_owned())?;
    }
    Ok(())
}

/// An action, given what it was planned on and what is true.
pub fn of_action(world: &World, looked_at: &Observed, action: &Action) -> Held {
    match action {
        Action::RecordClusterId => {
            let may_begin = looked_at.spec.retained_volumes == Some(RetainedVolumes::StartNew)
                || world.claims().all(|(_, claim)| claim.deleting);
            hold(may_begin, || "a cluster begins beside volumes unasked".to_owned())
        }
        Action::Bootstrap { node, disk, .. } => {
            hold(looked_at.recorded.first == Some((*node, disk.clone())), || {
                "the cluster begins on a disk that is not recorded".to_owned()
            })
        }
        Action::DeletePod { node, uid } if world.is_pod(*node, uid) => restart(world, looked_at, *node),
        Action::DeleteClaim { node, .. } => {
            let keeps = looked_at.spec.retention == Retention::Retain && world.group.was_added(*node);
            hold(!keeps, || format!("the volume of member {node} is deleted, and was to be kept"))
        }
        Action::Transfer { to } => {
            let voters = view(looked_at)?.members.iter().filter(|member| member.role == Role::Voter);
            let can = voters.filter(|member| member.caught_up).any(|member| member.node == *to);
            hold(can, || format!("leadership goes to {to}, which cannot lead"))?;
            hold(!is_leaving(looked_at, *to), || format!("leadership goes to {to}, which is to be replaced"))
        }
        Action::Reserve { abandon: None, .. } => {
            let learners = view(looked_at)?.members.iter().filter(|member| member.role == Role::Learner);
            let catching_up = learners.filter(|member| !member.caught_up).count();
            hold(catching_up < MOST_CATCHING_UP, || "too many members catch up".to_owned())
        }
        Action::ChangeMembers { changes, .. } => change(world, looked_at, changes),
        _ => Ok(()),
    }
}

fn view(looked_at: &Observed) -> Result<&LeaderView, String> {
    let view = looked_at.leader.as_ref().ok_or("a change without a leader")?;
    hold(view.committed, || "a change of a list that is not committed".to_owned())?;
    Ok(view)
}

fn is_leaving(looked_at: &Observed, node: NodeId) -> bool {
    looked_at.objects.get(&node).is_some_and(|objects| {
        objects.set.as_ref().is_some_and(|set| set.replace)
            || objects.claim.as_ref().is_some_and(|claim| claim.deleting || claim.removed)
    })
}

/// One living voter at a time, and the leader after a transfer.
fn restart(world: &World, looked_at: &Observed, node: NodeId) -> Held {
    if !world.lives(node) || !world.members().iter().any(|(member, _)| *member == node) {
        return Ok(());
    }
    let claim = looked_at.objects.get(&node).and_then(|objects| objects.claim.as_ref());
    hold(!claim.is_some_and(|claim| claim.deleting), || {
        format!("member {node} loses its volume by a restart")
    })?;
    let voters = world.voters();
    if !voters.contains(&node) || voters.len() == 1 {
        return Ok(());
    }
    hold(looked_at.leader.is_some(), || "a voter is restarted while no leader is seen".to_owned())?;
    hold(Some(node) != world.group.leader, || "the leader is restarted without a transfer".to_owned())?;
    let others = voters.iter().filter(|other| **other != node);
    hold(others.copied().all(|other| world.is_caught_up(other)), || {
        format!("voter {node} is restarted while another is down")
    })
}

/// Members by id.
type Roles = BTreeMap<NodeId, Role>;

fn voters(members: &Roles) -> Vec<NodeId> {
    members.iter().filter(|(_, role)| **role == Role::Voter).map(|(node, _)| *node).collect()
}

/// A majority answers after each change, nobody is promoted early, and no even number of voters waits for somebody.
fn change(world: &World, looked_at: &Observed, changes: &[Change]) -> Held {
    let view = view(looked_at)?;
    let seen = |node: NodeId| view.members.iter().find(|member| member.node == node);
    let before: Roles = view.members.iter().map(|one| (one.node, one.role)).collect();
    let mut after = before.clone();
    for change in changes {
        match change {
            Change::Promote(node) => {
                let can = seen(*node).is_some_and(|member| member.caught_up);
                hold(can, || format!("{node} is promoted before it has caught up"))?;
                after.insert(*node, Role::Voter);
            }
            Change::Demote(node) => _ = after.insert(*node, Role::Learner),
            Change::Remove(node) => _ = after.remove(node),
        }
        let voters = voters(&after);
        let answering =
            voters.iter().filter(|node| seen(**node).is_some_and(|member| member.answers)).count();
        hold(answering * 2 > voters.len(), || format!("{changes:?} leaves no majority that answers"))?;
    }
    // What was planned on another list is refused by the leader.
    if view.configuration_at != world.group.position {
        return Ok(());
    }
    let only_promotes = changes.iter().all(|change| matches!(change, Change::Promote(_)));
    let is_odd = |members: &Roles| voters(members).len() % 2 == 1;
    let becomes_even = only_promotes && is_odd(&before) && !is_odd(&after);
    // A leader that is to be replaced hands over to somebody.
    hold(!becomes_even || is_leaving(looked_at, view.leader), || {
        format!("{changes:?}: an even number of voters")
    })?;
    changes.iter().try_for_each(|change| match change {
        Change::Remove(node) => removal(world, looked_at, *node, &before, &after),
        Change::Promote(_) | Change::Demote(_) => Ok(()),
    })
}

/// A member goes only if its data are gone, or another took its place, or there are too many; then those to be replaced
/// go first.
fn removal(world: &World, looked_at: &Observed, node: NodeId, before: &Roles, after: &Roles) -> Held {
    let view = view(looked_at)?;
    let silent =
        view.members.iter().find(|member| member.node == node).map_or(0, |member| member.silent_millis);
    let is_given_up = looked_at.spec.replace_after_millis.is_some_and(|after| silent >= after);
    if !world.has_disk(node) || is_given_up {
        return Ok(());
    }
    let leaves = is_leaving(looked_at, node);
    hold(leaves || before.len() > looked_at.spec.replicas as usize, || {
        format!("member {node} is removed, and nothing is wrong with it")
    })?;
    if !world.lives(node) {
        return Ok(());
    }
    let enough = voters(before).len().min(voters_of(looked_at.spec.replicas));
    let is_missed = before.get(&node) == Some(&Role::Voter) && voters(after).len() < enough;
    hold(!is_missed, || format!("voter {node} is removed before another took its place"))?;
    let mut others = after.keys().filter(|other| **other != view.leader && is_leaving(looked_at, **other));
    hold(leaves || others.next().is_none(), || {
        format!("member {node} is removed, and one that is to be replaced stays")
    })
}
