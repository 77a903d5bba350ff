//! The order of priority.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::canary::{Canary, planted};
use crate::conditions::{self, Condition};
use crate::ids::NodeId;
use crate::members::{Members, voters_of};
use crate::observed::{MemberObjects, Observed, Role};
use crate::{grow, repair, retire, roll, shrink, start};

/// What to do next, and what to tell.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The one thing to do now; none: wait, or nothing is to be done.
    pub action: Option<Action>,
    /// What the action is for, or what is waited for, for people; empty: at rest.
    pub doing: Vec<String>,
    /// All conditions, in a fixed order.
    pub conditions: Vec<Condition>,
    /// Everything is as the spec wants it, and the operator may keep it so. Only then do conditions that say so carry this generation, so that
    /// `kubectl wait --for=condition=Available` never returns before a change is complete.
    pub settled: bool,
    /// Pods that clients may be sent to, if the cluster was available once.
    pub serving: bool,
    /// Of each member, for labels.
    pub roles: BTreeMap<NodeId, Role>,
    /// The disruption budget over voters; none: no budget.
    pub min_available: Option<u32>,
}

/// What a step of the plan found.
pub(crate) enum Step {
    /// Nothing to do here.
    Done,
    /// Do this now.
    Act(Action, String),
    /// Waits for something, and lets other steps go on.
    Wait(String),
    /// Waits for something that must come first.
    Stop(String),
}

type Rule = fn(&Observed, &Members<'_>) -> Step;

/// In the order of priority. A step that only waits yields to those after it.
const RULES: [Rule; 7] =
    [start::restore, repair::step, retire::step, grow::finish, shrink::step, roll::step, grow::step];

/// What to do next about a cluster.
pub fn plan(observed: &Observed) -> Plan {
    let members = Members::of(observed);
    let (action, doing) = next(observed, &members);
    let is_left_alone = (observed.spec.paused && !planted(Canary::PausedIsSettled)) || observed.spec.deleting;
    let settled = action.is_none()
        && doing.is_empty()
        && !is_left_alone
        && observed.recorded.became_available
        && members.view.is_some();
    Plan {
        conditions: conditions::all(observed, &members, &doing, settled),
        action,
        doing,
        settled,
        serving: observed.recorded.became_available,
        roles: members.iter().map(|member| (member.node, member.role)).collect(),
        // Without a leader the voters are those of the last look: a drain must not find the budget gone.
        min_available: min_available(match members.view {
            None if !planted(Canary::BudgetForgotten) => observed.recorded.voters.len(),
            _ => members.voters(),
        }),
    }
}

fn min_available(voters: usize) -> Option<u32> {
    u32::try_from(voters).ok().filter(|voters| *voters > 1).map(|voters| voters - 1)
}

fn next(observed: &Observed, members: &Members<'_>) -> (Option<Action>, Vec<String>) {
    // What a deleted cluster leaves is for the garbage collector: all objects but retained volumes name it as their owner.
    if observed.spec.deleting || (observed.spec.paused && !planted(Canary::PauseIgnored)) {
        return (None, Vec::new());
    }
    let mut doing = Vec::new();
    if !observed.recorded.bootstrapped {
        return match start::step(observed) {
            Step::Act(action, why) => (Some(action), vec![why]),
            Step::Wait(why) | Step::Stop(why) => (None, vec![why]),
            Step::Done => (None, doing),
        };
    }
    for rule in RULES {
        match rule(observed, members) {
            Step::Done => {}
            Step::Act(Action::ChangeMembers { changes, .. }, why) if !members.survives(&changes) => {
                doing.push(format!("{why}, when a majority would be left that answers"));
            }
            Step::Act(action, why) => return (Some(action), vec![why]),
            Step::Wait(why) => doing.push(why),
            Step::Stop(why) => {
                doing.push(why);
                return (None, doing);
            }
        }
    }
    let is_ready = |node| observed.objects.get(&node).is_some_and(MemberObjects::ready);
    let down = members.iter().filter(|member| !member.answers || !is_ready(member.node));
    doing.extend(down.map(|member| format!("waits until member {} is ready", member.node)));
    if !observed.recorded.became_available {
        let wanted = voters_of(observed.spec.replicas);
        let has_all = members.voters() == wanted && members.iter().all(|member| member.caught_up);
        if (doing.is_empty() && has_all) || planted(Canary::AvailableEarly) {
            return (Some(Action::RecordAvailable), vec!["the voters have reached their number".to_owned()]);
        }
    }
    (None, doing)
}
