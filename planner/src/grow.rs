//! More members, or more voters.

use crate::action::{Action, Change};
use crate::canary::{Canary, planted};
use crate::ids::NodeId;
use crate::members::{Members, voters_of};
use crate::observed::{LeaderView, MemberView, Observed, ReportedState, Role};
use crate::plan::Step;
use crate::pods;

/// Members that catch up at once.
const MOST_CATCHING_UP: usize = 2;

/// What has been started: the reserved member is added, learners that caught up are promoted.
pub(crate) fn finish(observed: &Observed, members: &Members<'_>) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    match promote(observed, members, view) {
        Step::Done => {}
        step @ (Step::Act(..) | Step::Stop(_)) => return step,
        Step::Wait(why) => {
            // The next member can be made while one catches up.
            return match add(observed, members, view) {
                act @ Step::Act(..) => act,
                _ => Step::Wait(why),
            };
        }
    }
    add(observed, members, view)
}

/// A new id, if there are too few members.
pub(crate) fn step(_: &Observed, members: &Members<'_>) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    let catching_up =
        members.iter().filter(|member| member.role == Role::Learner && !member.caught_up).count();
    let too_many = catching_up >= MOST_CATCHING_UP && !planted(Canary::CatchUpUnbounded);
    if members.len() >= members.wanted() || view.reserved.is_some() || too_many {
        return Step::Done;
    }
    let why = format!("{} members are wanted, and there are {}", members.wanted(), members.len());
    Step::Act(Action::Reserve { planned_on: view.configuration_at, abandon: None }, why)
}

/// From an odd number of voters to the next: both of two learners back to back, so that an even number never waits for
/// somebody; or one that makes an even number odd, after a loss.
fn promote(observed: &Observed, members: &Members<'_>, view: &LeaderView) -> Step {
    let wanted = voters_of(observed.spec.replicas);
    let voters = members.voters();
    let missing = wanted.saturating_sub(voters);
    let learners =
        || members.iter().filter(|member| member.role == Role::Learner && !observed.is_leaving(member.node));
    let is_able =
        |member: &&MemberView| (member.caught_up || planted(Canary::PromotedEarly)) && member.answers;
    let able: Vec<NodeId> = learners().filter(is_able).map(|member| member.node).collect();
    let step = if voters.is_multiple_of(2) || planted(Canary::EvenVoters) { 1 } else { 2 };
    if missing >= step && able.len() >= step {
        let changes: Vec<Change> = able[..step].iter().map(|node| Change::Promote(*node)).collect();
        let why = format!("{wanted} voters are wanted, and there are {voters}");
        return Step::Act(Action::ChangeMembers { planned_on: view.configuration_at, changes }, why);
    }
    match learners().find(|member| !member.caught_up) {
        Some(MemberView { node, .. }) => Step::Wait(format!("member {node} catches up")),
        None if missing > 0 && members.len() >= members.wanted() => {
            Step::Wait("waits for learners".to_owned())
        }
        None => Step::Done,
    }
}

/// The reserved id gets a volume and a pod, whose disk is then added: a pod that cannot run never touches the members.
fn add(observed: &Observed, members: &Members<'_>, view: &LeaderView) -> Step {
    let Some(node) = view.reserved.filter(|_| members.len() < members.wanted()) else { return Step::Done };
    let planned_on = view.configuration_at;
    let other_id = |why: &str| {
        let action = Action::Reserve { planned_on, abandon: Some(node) };
        Step::Act(action, format!("another id than {node} is needed: {why}"))
    };
    let objects = observed.objects.get(&node).cloned().unwrap_or_default();
    match &objects.claim {
        // It had one, with a disk of which another call may still tell the leader.
        None if objects.set.is_some() && !planted(Canary::ReservationReused) => {
            return other_id("its volume is gone");
        }
        None => {
            return Step::Act(Action::CreateClaim { node }, format!("the new member {node} needs a volume"));
        }
        Some(claim) if claim.deleting => return other_id("its volume is being deleted"),
        Some(claim) if claim.pinned_to_lost_node => {
            return other_id("its volume is on a machine that is gone");
        }
        Some(claim) if claim.removed || !observed.owns(claim) => {
            return other_id("a volume of that name was used before");
        }
        Some(_) => {}
    }
    match pods::run(observed, node, &objects) {
        Step::Done => {}
        step => return step,
    }
    let waits = || Step::Wait(pods::waits(node, &objects));
    let Some(report) = &objects.report else { return waits() };
    // One that takes part was added by a leader that lost office before that was committed: the same is asked for again.
    let takes_part = report.state == ReportedState::Member
        && report.node == Some(node)
        && report.cluster_id == observed.recorded.cluster_id;
    if !report.has_empty_disk() && !takes_part {
        return other_id("its disk is damaged, or holds something else");
    }
    match &report.disk {
        Some(disk) => Step::Act(
            Action::AddLearner { planned_on, node, disk: disk.clone(), boot: report.boot },
            format!("the new member {node} is added as a learner"),
        ),
        None => waits(),
    }
}
