//! What happens.

use planner::{NodeId, Retention, Template};
use proptest::prelude::*;

use crate::world::{BAD, World};

/// Whom the operator finds.
#[derive(Clone, Copy, Debug)]
pub enum Leader {
    Now,
    /// The one before, who does not know yet.
    Deposed,
    Unseen,
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A pass that sees all as it is.
    Plan {
        performed_twice: bool,
    },
    /// A pass that sees all as it was at the one before.
    PlanLate {
        performed_twice: bool,
    },
    /// A pass that sees some kinds of objects as they were.
    PlanThroughCaches {
        fresh: [bool; 3],
        leader: Leader,
        performed_twice: bool,
    },
    GoesOn,
    Scale(u32),
    Pause(bool),
    ReplaceAfter(Option<u64>),
    Template(u8),
    Retention(bool),
    MayDeleteClaims(bool),
    Recreate,
    Decide {
        adopt: bool,
    },
    /// Those members whose bits are set.
    Replace(u8),
    KillPod(usize),
    DeleteSet(usize),
    Doom(usize),
    Wipe(usize),
    Damage(usize),
    LoseMachine(usize),
    Depose,
    CommitsSlowly(bool),
    NextLeaderLacksIt(bool),
}

pub fn event() -> impl Strategy<Value = Event> {
    let leader = prop_oneof![4 => Just(Leader::Now), 2 => Just(Leader::Deposed), 1 => Just(Leader::Unseen)];
    let member = || 0..9_usize;
    prop_oneof![
        12 => any::<bool>().prop_map(|performed_twice| Event::Plan { performed_twice }),
        4 => any::<bool>().prop_map(|performed_twice| Event::PlanLate { performed_twice }),
        8 => (any::<[bool; 3]>(), leader, any::<bool>()).prop_map(|(fresh, leader, performed_twice)| {
            Event::PlanThroughCaches { fresh, leader, performed_twice }
        }),
        10 => Just(Event::GoesOn),
        2 => (1..9_u32).prop_map(Event::Scale),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => prop_oneof![Just(None), Just(Some(20_000))].prop_map(Event::ReplaceAfter),
        1 => (0..4_u8).prop_map(Event::Template),
        1 => any::<bool>().prop_map(Event::Retention),
        1 => any::<bool>().prop_map(Event::MayDeleteClaims),
        1 => Just(Event::Recreate),
        1 => any::<bool>().prop_map(|adopt| Event::Decide { adopt }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(some, of_them)| Event::Replace(some & of_them)),
        2 => member().prop_map(Event::KillPod),
        1 => member().prop_map(Event::DeleteSet),
        1 => member().prop_map(Event::Doom),
        1 => member().prop_map(Event::Wipe),
        1 => member().prop_map(Event::Damage),
        1 => member().prop_map(Event::LoseMachine),
        1 => Just(Event::Depose),
        1 => any::<bool>().prop_map(Event::CommitsSlowly),
        1 => any::<bool>().prop_map(Event::NextLeaderLacksIt),
    ]
}

/// What happens to the world, and not to its operator.
pub fn happen(world: &mut World, event: Event) {
    let members = world.members();
    let member = |at: usize| members.get(at % members.len().max(1)).map(|(node, _)| *node);
    let to_disk = |world: &mut World, at: usize, what: fn(&mut World, NodeId)| {
        member(at).filter(|node| world.can_lose_disk(*node)).into_iter().for_each(|node| what(world, node));
    };
    // The volume of some goes with the pod.
    let to_pod = |world: &mut World, at: usize, what: fn(&mut World, NodeId)| {
        let can = |node: &NodeId| !world.is_doomed(*node) || world.can_lose_disk(*node);
        member(at).filter(can).into_iter().for_each(|node| what(world, node));
    };
    match event {
        Event::Plan { .. } | Event::PlanLate { .. } | Event::PlanThroughCaches { .. } | Event::Recreate => {}
        Event::GoesOn => world.goes_on(),
        Event::Scale(replicas) => world.spec.replicas = replicas,
        Event::Pause(paused) => world.spec.paused = paused,
        Event::ReplaceAfter(after) => world.spec.replace_after_millis = after,
        Event::Template(0) => world.spec.template = Template(BAD.to_owned()),
        Event::Template(other) => world.spec.template = Template(other.to_string()),
        Event::Retention(keep) => {
            world.spec.retention = if keep { Retention::Retain } else { Retention::Delete }
        }
        Event::MayDeleteClaims(may) => world.may_delete_claims = may,
        Event::Decide { adopt } => world.decide(adopt),
        Event::Replace(bits) => {
            let chosen = members.iter().zip(0..u8::BITS).filter(|(_, bit)| bits >> bit & 1 == 1);
            chosen.for_each(|((node, _), _)| world.ask_to_replace(*node));
        }
        Event::KillPod(at) => to_pod(world, at, World::kill_pod),
        Event::DeleteSet(at) => to_pod(world, at, World::delete_set),
        Event::Doom(at) => to_disk(world, at, World::doom),
        Event::Wipe(at) => to_disk(world, at, World::wipe),
        Event::Damage(at) => to_disk(world, at, World::damage),
        Event::LoseMachine(at) => to_disk(world, at, World::lose_machine),
        Event::Depose => world.depose(),
        Event::CommitsSlowly(slow) => world.group.is_slow = slow,
        Event::NextLeaderLacksIt(lacks) => world.group.next_leader_lacks_it = lacks,
    }
}
