//! Random things happen to a cluster while the operator plans, with views that are late and calls that repeat.

mod world;

use std::collections::VecDeque;

use planner::{Action, NodeId, Observed, Retention, Template, plan, voters_of};
use proptest::prelude::*;
use world::{BAD, World};

/// Plans that a failure shows.
const HISTORY: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Event {
    Plan { late: bool, performed_twice: bool },
    GoesOn,
    Scale(u32),
    KillPod(usize),
    Wipe(usize),
    DeleteSet(usize),
    Template(u8),
    Retention(bool),
    Replace(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (any::<bool>(), any::<bool>()).prop_map(|(late, twice)| Event::Plan { late, performed_twice: twice }),
        8 => Just(Event::GoesOn),
        1 => (1..9_u32).prop_map(Event::Scale),
        1 => (0..9_usize).prop_map(Event::KillPod),
        1 => (0..9_usize).prop_map(Event::Wipe),
        1 => (0..9_usize).prop_map(Event::DeleteSet),
        1 => (0..4_u8).prop_map(Event::Template),
        1 => any::<bool>().prop_map(Event::Retention),
        1 => (0..9_usize).prop_map(Event::Replace),
    ]
}

/// What takes something away is planned once more on a live look, as the operator does it.
fn takes_away(action: &Action) -> bool {
    matches!(
        action,
        Action::ChangeMembers { .. }
            | Action::ScaleSet { .. }
            | Action::DeletePod { .. }
            | Action::DeleteSet { .. }
            | Action::DeleteClaim { .. }
            | Action::MarkRemoved { .. }
    )
}

/// The rules that every single action keeps.
fn check(world: &World, action: &Action) {
    let living = |skip: Option<NodeId>| {
        world.voters().into_iter().filter(|node| Some(*node) != skip && world.lives(*node)).count()
    };
    if let Action::DeletePod { node, .. } = action
        && world.lives(*node)
        && world.voters().contains(node)
        && world.voters().len() > 1
    {
        assert!(Some(*node) != world.leader(), "the leader's pod is deleted without a transfer");
        assert_eq!(
            living(Some(*node)),
            world.voters().len() - 1,
            "a voter is restarted while another is down"
        );
    }
}

fn step(world: &mut World, looked_at: &Observed, twice: bool) -> bool {
    let Some(action) = plan(looked_at).action else { return false };
    if takes_away(&action) && plan(&world.observe()).action.as_ref() != Some(&action) {
        return true;
    }
    check(world, &action);
    world.perform(&action);
    if twice {
        world.perform(&action);
    }
    world.note();
    true
}

fn member(world: &World, at: usize) -> Option<NodeId> {
    let members = world.members();
    members.get(at % members.len().max(1)).map(|(node, _)| *node)
}

/// Its loss leaves a majority of voters with their disks, and does not take the last living leader.
fn can_lose_disk(world: &World, node: NodeId) -> bool {
    let voters = world.voters();
    let kept = voters.iter().filter(|voter| **voter != node && world.has_disk(**voter)).count();
    !voters.contains(&node) || kept * 2 > voters.len()
}

fn happen(world: &mut World, event: Event, earlier: &mut Observed) {
    match event {
        Event::Plan { late, performed_twice } => {
            let now = world.observe();
            // The status is read from the API server, live: only objects and the leader's answers are late.
            let looked_at = if late {
                Observed { recorded: now.recorded.clone(), ..earlier.clone() }
            } else {
                now.clone()
            };
            step(world, &looked_at, performed_twice);
            *earlier = now;
        }
        Event::GoesOn => world.goes_on(),
        Event::Scale(replicas) => world.spec.replicas = replicas,
        Event::KillPod(at) => member(world, at).into_iter().for_each(|node| world.kill_pod(node)),
        Event::DeleteSet(at) => member(world, at).into_iter().for_each(|node| world.delete_set(node)),
        Event::Wipe(at) => {
            member(world, at)
                .filter(|node| can_lose_disk(world, *node))
                .into_iter()
                .for_each(|node| world.wipe(node));
        }
        Event::Template(0) => world.spec.template = Template(BAD.to_owned()),
        Event::Template(other) => world.spec.template = Template(other.to_string()),
        Event::Retention(keep) => {
            world.spec.retention = if keep { Retention::Retain } else { Retention::Delete }
        }
        Event::Replace(at) => member(world, at).into_iter().for_each(|node| world.ask_to_replace(node)),
    }
}

fn come_to_rest(world: &mut World) {
    let mut last = VecDeque::new();
    for _ in 0..1_000 {
        world.goes_on();
        world.note();
        let looked_at = world.observe();
        let planned = plan(&looked_at);
        if planned.settled {
            return;
        }
        last.push_back((planned.action, planned.doing));
        while last.len() > HISTORY {
            last.pop_front();
        }
        step(world, &looked_at, false);
    }
    panic!("never at rest: {last:#?}\n{world:#?}");
}

fn check_rest(world: &World) {
    let replicas = world.spec.replicas;
    assert_eq!(world.members().len(), replicas as usize, "the number of members");
    assert_eq!(world.voters().len(), voters_of(replicas), "the number of voters");
    for (node, _) in world.members() {
        assert!(world.lives(node), "member {node} does not run");
        assert_eq!(world.template_of(node), Some(&world.spec.template), "the template of member {node}");
    }
    for (node, claim) in world.claims() {
        let member = world.members().iter().any(|(other, _)| other == node);
        assert_ne!(member, claim.removed, "the volume of {node}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_put_at_risk_and_calm_brings_rest(
        replicas in 1..8_u32,
        begun in any::<bool>(),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut world = World::new(replicas);
        if begun {
            come_to_rest(&mut world);
        }
        let mut earlier = world.observe();
        for event in events {
            happen(&mut world, event, &mut earlier);
        }
        if world.spec.template.0 == BAD {
            world.spec.template = Template("corrected".to_owned());
        }
        come_to_rest(&mut world);
        check_rest(&world);
        let idle = plan(&world.observe());
        prop_assert_eq!(idle.action, None);
        prop_assert!(idle.doing.is_empty());
    }
}
