//! Random runs with faults of all kinds, under clients whose history is replayed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use store::engine::Engine;
use store::replica::{Consistency, Read, Reply, Request};
use store::request::{RequestError, WriteOutcome};
use store::store::{AdminRequest, FIRST_RANGE};

use crate::check::{Versions, check};
use crate::client::{Client, Done, Outcome};
use crate::world::{Faults, World};

/// A run with faults of all kinds.
fn run(seed: u64, reached: &mut BTreeMap<&'static str, u64>) {
    let size = if seed.is_multiple_of(4) { 5 } else { 3 };
    let mut world = World::new(seed, size);
    world.bootstrap(size);
    world.faults = Faults {
        loss: [0, 50, 10][world.random.below(3)],
        twice: [0, 20][world.random.below(2)],
        delay: [1, 5, 20][world.random.below(3)],
    };
    let mut clients: Vec<_> = (0..4).map(Client::new).collect();
    let (mut events, mut history): (u64, Vec<Done>) = (0, Vec::new());
    for step in 0..2_400 {
        let micros = 100 + world.random.below(5_000) as u64;
        world.pass(micros);
        if step > 100 {
            disturb(&mut world, seed % 4 < 2);
            disturb_snapshots(&mut world);
        }
        let stop = step > 2_200;
        if stop && step % 10 == 0 {
            world.cut.clear();
        }
        step_clients(&mut world, &mut clients, &mut events, &mut history, stop);
    }
    world.settle();
    for _ in 0..20_000 {
        if clients.iter().all(Client::is_idle) {
            break;
        }
        world.pass(1_000);
        step_clients(&mut world, &mut clients, &mut events, &mut history, true);
    }
    assert!(clients.iter().all(Client::is_idle), "a client waits for ever");
    world.settle();
    check(&history, &Versions::of(&world.nodes[0].engine.view()));
    count(&world, &history, reached);
}

fn step_clients(
    world: &mut World,
    clients: &mut [Client],
    events: &mut u64,
    history: &mut Vec<Done>,
    stop: bool,
) {
    for (token, answer) in std::mem::take(&mut world.replies) {
        for client in clients.iter_mut() {
            if client.answered(world, events, history, token, &answer) {
                break;
            }
        }
    }
    for client in clients {
        client.act(world, events, history, stop);
    }
}

/// With `long` cuts, nodes fall behind the logs of the others.
fn disturb(world: &mut World, long: bool) {
    let nodes = world.nodes.len();
    let at = world.random.below(nodes);
    if world.nodes[at].store.is_none() {
        if world.random.one_in(40) {
            world.start(at);
        }
    } else if world.random.one_in(400) {
        world.crash(at);
    }
    if world.random.one_in(300) {
        let other = world.random.below(nodes);
        world.cut.insert((at, other));
        if world.random.one_in(2) {
            world.cut.insert((other, at));
        }
    }
    if world.random.one_in(if long { 500 } else { 100 }) {
        world.cut.clear();
    }
    if world.random.one_in(200)
        && let Some(leader) = world.leader()
    {
        world.admin(leader, AdminRequest::Transfer { range: FIRST_RANGE, to: World::node_id(at) });
    }
    if world.random.one_in(500) {
        world.nodes[at].offset += world.random.below(20_000) as i64 - 10_000;
    }
}

/// Crashes while a snapshot is on its way, or takes the place of the data.
fn disturb_snapshots(world: &mut World) {
    for at in 0..world.nodes.len() {
        let Some(carrier) = &world.nodes[at].carrier else { continue };
        let status = carrier.status();
        let (one_in, anyone) = if status.iter().any(|range| range.installing) {
            (8, false)
        } else if status.iter().any(|range| range.fetching || range.exporting) {
            (80, true)
        } else {
            continue;
        };
        let damaged = world.random.below(world.nodes.len());
        if world.random.one_in(20) {
            world.damage_snapshot(damaged);
        }
        if world.random.one_in(one_in) {
            let at = if anyone { world.random.below(world.nodes.len()) } else { at };
            world.crash(at);
        }
    }
}

fn count(world: &World, history: &[Done], reached: &mut BTreeMap<&'static str, u64>) {
    let mut add = |what, count| *reached.entry(what).or_default() += count;
    add("snapshots installed", world.installed);
    for node in &world.nodes {
        let carried = node.carried();
        add("installs finished by a start", node.finished);
        add("snapshots exported", carried.exported);
        add("snapshots received", carried.received);
        add("snapshots not to be had", carried.failed);
    }
    for done in history {
        let what = match (&done.request, &done.outcome) {
            (_, Outcome::Unknown) => "unknown",
            (_, Outcome::Refused(RequestError::InTheFuture { .. })) => "in the future",
            (_, Outcome::Refused(RequestError::TooStale)) => "too stale",
            (_, Outcome::Refused(_)) => "expired",
            (_, Outcome::Answered(Reply::Write(WriteOutcome::ConditionFailed { .. }))) => "condition failed",
            (_, Outcome::Answered(Reply::Write(_))) => "written",
            (Request::Read(Read { consistency: Consistency::Snapshot(_), .. }), _) => "snapshot read",
            (Request::Read(Read { consistency: Consistency::Stale(_), .. }), _) => "stale read",
            (Request::Read(_), _) => "read",
            _ => "session",
        };
        add(what, 1);
    }
}

#[test]
fn random_histories_are_those_of_one_map() {
    let mut reached = BTreeMap::new();
    for seed in 0..200 {
        let ran = catch_unwind(AssertUnwindSafe(|| run(seed, &mut reached)));
        assert!(ran.is_ok(), "seed {seed}");
    }
    eprintln!("{reached:?}");
    for what in [
        "written",
        "read",
        "condition failed",
        "snapshot read",
        "stale read",
        "session",
        "unknown",
        "in the future",
        "too stale",
        "expired",
        "snapshots installed",
        "installs finished by a start",
        "snapshots exported",
        "snapshots received",
        "snapshots not to be had",
    ] {
        assert!(reached.get(what).is_some_and(|count| *count > 5), "{what}: {reached:?}");
    }
}
