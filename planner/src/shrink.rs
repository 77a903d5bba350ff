//! Fewer members, or fewer voters.

use std::cmp::Reverse;

use crate::action::{Action, Change};
use crate::ids::NodeId;
use crate::members::{Members, voters_of};
use crate::observed::{MemberView, Observed, Role};
use crate::plan::Step;

/// The dead first, then learners, then the highest id, the leader last.
pub(crate) fn step(observed: &Observed, members: &Members<'_>) -> Step {
    let Some(view) = members.changeable() else { return Step::Done };
    let surplus = members.len().saturating_sub(members.wanted());
    let mut order: Vec<&MemberView> = members.iter().collect();
    order.sort_by_key(|member| {
        (
            member.node == view.leader,
            alive(observed, member),
            member.role == Role::Voter,
            Reverse(member.node),
        )
    });
    let (go, stay) = order.split_at(surplus);
    let voters: Vec<NodeId> =
        stay.iter().filter(|member| member.role == Role::Voter).map(|member| member.node).collect();
    let too_many = voters.len().saturating_sub(voters_of(observed.spec.replicas));
    let demoted = &voters[..too_many];

    let removals = go.iter().map(|member| Change::Remove(member.node));
    let changes: Vec<Change> = removals.chain(demoted.iter().map(|node| Change::Demote(*node))).collect();
    if changes.is_empty() {
        return Step::Done;
    }
    let leaves = |node: NodeId| go.iter().any(|member| member.node == node) || demoted.contains(&node);
    if leaves(view.leader) {
        return match members.successor(|node| !leaves(node)) {
            Some(to) => {
                Step::Act(Action::Transfer { to }, format!("the leader, {}, is to leave", view.leader))
            }
            None => Step::Wait(format!("no voter that stays can take over from member {}", view.leader)),
        };
    }
    let why =
        format!("{} members and {} voters are wanted", members.wanted(), voters_of(observed.spec.replicas));
    Step::Act(Action::ChangeMembers { planned_on: view.configuration_at, changes }, why)
}

fn alive(observed: &Observed, member: &MemberView) -> bool {
    member.answers || observed.objects.get(&member.node).is_some_and(|objects| objects.ready())
}
