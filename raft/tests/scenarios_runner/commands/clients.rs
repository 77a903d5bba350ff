//! What clients and administrators ask of a node.

use bytes::Bytes;
use raft::{Change, NodeId};

use super::super::node::disk_id;
use super::super::world::World;
use super::{Shown, Words, node, number, position, word};
use crate::scenarios_runner::text;

/// Every call ends before the next begins, so all have the same token.
const CHANGE_TOKEN: u64 = 1;

pub(super) fn run(world: &mut World, command: &str, words: &mut Words<'_>) -> Result<Shown, String> {
    let id = node(words)?;
    match command {
        "propose" => {
            for command in words.by_ref() {
                propose(world, id, command)?;
            }
        }
        "read" => read(world, id, words)?,
        "change" => change(world, id, words)?,
        "hold-back" => {
            let nodes: Vec<_> =
                words.by_ref().map(|word| number(word).map(NodeId)).collect::<Result<_, _>>()?;
            world.process(id)?.raft.hold_back(&nodes);
        }
        _ => {
            let (to, now) = (node(words)?, world.now);
            if let Err(error) = world.process(id)?.raft.transfer_leadership(now, to) {
                world.happened(id, format!("refuses: {error}"));
            }
        }
    }
    world.settle(id)?;
    Ok(Shown::Details)
}

/// Proposes one command; `x*100` is a hundred times `x`.
fn propose(world: &mut World, id: NodeId, command: &str) -> Result<(), String> {
    let command = match command.split_once('*') {
        Some((text, times)) => text.repeat(usize::try_from(number(times)?).map_err(|e| e.to_string())?),
        None => command.to_owned(),
    };
    let now = world.now;
    let process = world.process(id)?;
    match process.raft.propose(now, Bytes::from(command.clone().into_bytes())) {
        Ok(at) => {
            process.clients.insert(at.index, (at.term, text::shortened(&command)));
        }
        Err(error) => {
            let command = text::shortened(&command);
            world.happened(id, format!("refuses {command}: {error}"));
        }
    }
    Ok(())
}

fn read(world: &mut World, id: NodeId, words: &mut Words<'_>) -> Result<(), String> {
    let (name, now) = (word(words)?, world.now);
    let token = number(name.strip_prefix('r').ok_or(format!("\"{name}\" is not a read such as r1"))?)?;
    if let Err(error) = world.process(id)?.raft.read_index(now, token) {
        world.happened(id, format!("refuses {name}: {error}"));
    }
    Ok(())
}

/// `change 1 promote 4, demote 1 on 5@t2`: without `on`, planned on the configuration in force there.
fn change(world: &mut World, id: NodeId, words: &mut Words<'_>) -> Result<(), String> {
    let now = world.now;
    let text = words.by_ref().collect::<Vec<_>>().join(" ");
    let (list, planned_on) = match text.split_once(" on ") {
        Some((list, at)) => (list, position(at)?),
        None => (text.as_str(), world.process(id)?.raft.status(now).configuration_at),
    };
    let mut changes = Vec::new();
    for item in list.split(',') {
        changes.push(one_change(world, item)?);
    }
    let asked = world.process(id)?.raft.propose_change(now, planned_on, changes, CHANGE_TOKEN);
    if let Err(error) = asked {
        world.happened(id, format!("refuses: {error}"));
    }
    Ok(())
}

fn one_change(world: &World, item: &str) -> Result<Change, String> {
    let mut words = item.split_whitespace();
    let what = word(&mut words)?;
    if what == "reserve" {
        let abandon = match words.next() {
            Some(_) => Some(node(&mut words)?),
            None => None,
        };
        return Ok(Change::Reserve { abandon });
    }
    let node = node(&mut words)?;
    match what {
        "add" => {
            let there = world.nodes.get(&node);
            let (generation, boots) = there.map_or((0, 0), |node| (node.generation, node.disk.boots));
            let boot = match words.next() {
                Some(_) => number(word(&mut words)?)?,
                None => boots,
            };
            Ok(Change::AddLearner { node, disk: disk_id(node, generation), boot })
        }
        "promote" => Ok(Change::Promote { node }),
        "demote" => Ok(Change::Demote { node }),
        "remove" => Ok(Change::Remove { node }),
        other => Err(format!("there is no change \"{other}\"")),
    }
}
