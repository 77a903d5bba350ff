//! Fewer members, or fewer voters.

use std::cmp::Reverse;

use crate::action::{Action, Change};
use crate::canary::{Canary, planted};
use crate::ids::NodeId;
use crate::members::{Members, voters_of};
use crate::observed::{MemberView, Observed, Role};
use crate::plan::Step;

/// The dead first, then those to be replaced, then learners, then the highest id. The leader would be the last, so that
/// it stays: one member is wanted at least, and one voter.
pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    let surplus = members.len().saturating_sub(members.wanted());
    let mut order: Vec<&MemberView> = members.iter().collect();
    order.sort_by_key(|member| {
        (
            member.node == view.leader,
            alive(observed, member),
            !observed.is_leaving(member.node) || planted(Canary::ShrinkKeepsLeaving),
            member.role == Role::Voter,
            Reverse(member.node),
        )
    });
    let (go, stay) = order.split_at(surplus);
    let voters: Vec<NodeId> =
        stay.iter().filter(|member| member.role == Role::Voter).map(|member| member.node).collect();
    let wanted = voters_of(observed.spec.replicas);
    let demoted = &voters[..voters.len().saturating_sub(wanted)];

    // A voter that is to be replaced goes before those that stay, but not before another takes its place.
    let is_needed = |member: &MemberView| {
        member.role == Role::Voter
            && observed.is_leaving(member.node)
            && alive(observed, member)
            && voters.len() < wanted
    };
    let removals = go.iter().filter(|member| !is_needed(member)).map(|member| Change::Remove(member.node));
    let changes: Vec<Change> = removals.chain(demoted.iter().map(|node| Change::Demote(*node))).collect();
    if changes.is_empty() {
        return Step::Done;
    }
    let why = format!("{} members and {wanted} voters are wanted", members.wanted());
    Step::Act(Action::ChangeMembers { planned_on: view.configuration_at, changes }, why)
}

fn alive(observed: &Observed, member: &MemberView) -> bool {
    member.answers || observed.objects.get(&member.node).is_some_and(|objects| objects.ready())
}
