//! Nodes, their disks and what is done by hand.

use raft::{HardState, LogIndex, NodeId, ReadMode, Target, Term};

use super::super::disk::Disk;
use super::super::node::Hold;
use super::super::world::{World, preset_entries};
use super::{Shown, Words, keyword, node, number, word};

pub(super) fn run(world: &mut World, command: &str, words: &mut Words<'_>) -> Result<Shown, String> {
    match command {
        "set" => set(world, words)?,
        "preset" => preset(world, words)?,
        "nodes" => world.bootstrap(number(word(words)?)?)?,
        "elect" => world.elect(node(words)?)?,
        "campaign" | "sync" | "apply" | "fetch" | "fetch-fails" | "install" | "offer" | "compact"
        | "clock-jumps" | "connect" => {
            let id = node(words)?;
            by_hand(world, command, id, words)?;
            world.settle(id)?;
        }
        "join" | "crash" | "restart" | "wipe" | "backup" | "rollback" | "hold" | "unhold" => {
            let id = node(words)?;
            administer(world, command, id, words)?;
        }
        other => return Err(format!("there is no command \"{other}\"")),
    }
    Ok(Shown::Details)
}

/// What the process is told.
fn by_hand(world: &mut World, command: &str, id: NodeId, words: &mut Words<'_>) -> Result<(), String> {
    let now = world.now;
    match command {
        "campaign" => world.process(id)?.raft.campaign(now),
        "sync" => {
            let writes = match words.next() {
                Some(word) => usize::try_from(number(word)?).map_err(|error| error.to_string())?,
                None => world.node(id)?.disk.pending.len().max(1),
            };
            for _ in 0..writes {
                world.sync_one(id)?;
            }
        }
        "apply" => world.apply(id)?,
        "fetch" => world.fetch(id)?,
        "fetch-fails" => world.fetch_fails(id)?,
        "install" => world.install(id)?,
        "offer" => world.offer(id, node(words)?)?,
        "compact" => compact(world, id, words)?,
        "clock-jumps" => world.process(id)?.raft.clock_jumped(now),
        // `connect 1 3`: n1 accepts a fresh connection of n3.
        _ => {
            let from = node(words)?;
            let target = Target { node: id, disk: world.node(id)?.disk_id() };
            let boot = world.process(from)?.boot;
            let header = world.node(from)?.header(boot, target);
            world.process(id)?.raft.connected(now, &header);
        }
    }
    Ok(())
}

/// Flushes the state machine, then drops the log up to an index.
fn compact(world: &mut World, id: NodeId, words: &mut Words<'_>) -> Result<(), String> {
    let upto = LogIndex(number(word(words)?)?);
    let machine = world.process(id)?.machine.clone();
    let node = world.node(id)?;
    node.disk.flushed = machine;
    match node.process()?.raft.compact(upto) {
        Ok(base) => world.happened(id, format!("log begins after {base}")),
        Err(error) => world.happened(id, format!("refuses: {error}")),
    }
    Ok(())
}

fn administer(world: &mut World, command: &str, id: NodeId, words: &mut Words<'_>) -> Result<(), String> {
    match command {
        "join" => world.join(id)?,
        "crash" => world.node(id)?.crash(),
        "restart" => {
            world.node(id)?.crash();
            world.start(id)?;
        }
        "wipe" => world.node(id)?.wipe(),
        "backup" => {
            let node = world.node(id)?;
            node.backup = Some(node.disk.clone());
        }
        "rollback" => {
            let node = world.node(id)?;
            node.crash();
            node.disk = node.backup.clone().ok_or(format!("n{id} has no backup"))?;
            node.disk.crash();
        }
        hold => {
            let what = match word(words)? {
                "disk" => Hold::Disk,
                "apply" => Hold::Apply,
                "offer" => Hold::Offer,
                "fetch" => Hold::Fetch,
                "install" => Hold::Install,
                other => return Err(format!("\"{other}\" cannot be held")),
            };
            let holds = &mut world.node(id)?.holds;
            if hold == "hold" {
                holds.insert(what)
            } else {
                holds.remove(&what)
            };
        }
    }
    Ok(())
}

/// `preset 3 term 7 log 1 1 4`: what is on the disk of n3 before it starts.
fn preset(world: &mut World, words: &mut Words<'_>) -> Result<(), String> {
    let id = node(words)?;
    keyword(words, "term")?;
    let term = Term(number(word(words)?)?);
    keyword(words, "log")?;
    let terms = words.by_ref().map(number).collect::<Result<Vec<u64>, String>>()?;
    let hard_state = HardState { term, ..HardState::default() };
    world.presets.insert(id, Disk::new(hard_state, preset_entries(&terms)));
    Ok(())
}

/// Settings of all nodes, before the first starts.
fn set(world: &mut World, words: &mut Words<'_>) -> Result<(), String> {
    let (name, value) = (word(words)?, word(words)?);
    if !world.nodes.is_empty() {
        return Err("settings come before the nodes".to_owned());
    }
    let settings = &mut world.settings;
    if name == "reads" {
        settings.read_mode = match value {
            "lease" => ReadMode::Lease,
            "index" => ReadMode::ReadIndex,
            other => return Err(format!("reads are by \"lease\" or \"index\", not \"{other}\"")),
        };
        return Ok(());
    }
    let value = number(value)?;
    let size = usize::try_from(value).map_err(|error| error.to_string())?;
    match name {
        "append_bytes" => settings.append_bytes = size,
        "window_messages" => settings.window_messages = size,
        "window_bytes" => settings.window_bytes = size,
        "entry_bytes" => settings.entry_bytes = size,
        "uncommitted_bytes" => settings.uncommitted_bytes = size,
        "unpersisted_bytes" => settings.unpersisted_bytes = size,
        "cache_bytes" => settings.cache_bytes = size,
        "apply_bytes" => settings.apply_bytes = size,
        "pending_reads" => settings.pending_reads = size,
        "transfer_log_bytes" => settings.transfer_log_bytes = size,
        "caught_up_entries" => settings.caught_up_entries = value,
        other => return Err(format!("there is no setting \"{other}\"")),
    }
    Ok(())
}
