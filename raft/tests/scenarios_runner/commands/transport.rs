//! Messages, links and time.

use std::time::Duration;

use raft::{Append, Body, Heartbeat, LogIndex, Message, NodeId, RangeId, ReplicaId, Round, Target, Term};

use super::super::network::{InFlight, Pick, Selector};
use super::super::world::World;
use super::{Shown, Words, duration, keyword, node, number, position, word};

/// What `heartbeat` lets pass: the default time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(100);

pub(super) fn run(world: &mut World, command: &str, words: &mut Words<'_>) -> Result<Shown, String> {
    match command {
        "deliver" => {
            for flight in world.network.take(&selector(words)?)? {
                world.deliver(flight)?;
            }
        }
        "drop" => drop(world.network.take(&selector(words)?)?),
        "duplicate" => world.network.duplicate(&selector(words)?)?,
        "forge" => forge(world, words)?,
        "delay" => world.network.delay(&selector(words)?)?,
        "let-go" => world.network.let_go(&selector(words)?)?,
        "cut" => {
            for (from, to) in links(world, words)? {
                world.network.cut(from, to);
            }
        }
        "heal" => {
            for (from, to) in links(world, words)? {
                world.network.heal(from, to);
            }
        }
        "partition" => {
            for (from, to) in across(words)? {
                world.network.cut(from, to);
            }
        }
        "stabilize" => {
            world.stabilize()?;
            return details(words);
        }
        "advance" => world.now = world.now + duration(words)?,
        "run" => {
            world.run(duration(words)?)?;
            return details(words);
        }
        "heartbeat" => {
            world.now = world.now + HEARTBEAT;
            world.tick(node(words)?)?;
        }
        _ => {
            for word in words.by_ref() {
                world.tick(NodeId(number(word)?))?;
            }
        }
    }
    Ok(Shown::Details)
}

/// Milestones alone, unless `loudly`.
fn details(words: &mut Words<'_>) -> Result<Shown, String> {
    match words.next() {
        None => Ok(Shown::Milestones),
        Some("loudly") => Ok(Shown::Details),
        Some(other) => Err(format!("\"{other}\" is neither \"loudly\" nor nothing")),
    }
}

/// `*`, or `1>2` with `*` for either end; then a kind, and `first` or `last`, if wanted.
fn selector(words: &mut Words<'_>) -> Result<Selector, String> {
    let link = word(words)?;
    let (from, to) = if link == "*" {
        (None, None)
    } else {
        let (from, to) = link.split_once('>').ok_or(format!("\"{link}\" is not a link such as 1>2"))?;
        let end = |word: &str| if word == "*" { Ok(None) } else { number(word).map(|id| Some(NodeId(id))) };
        (end(from)?, end(to)?)
    };
    let mut chosen = Selector { from, to, kind: None, pick: Pick::All };
    for word in words {
        match word {
            "first" => chosen.pick = Pick::First,
            "last" => chosen.pick = Pick::Last,
            kind => chosen.kind = Some(kind.to_owned()),
        }
    }
    Ok(chosen)
}

/// `1>2` is one way, `1 2` both; `1` is all links of a node, nothing is all links.
fn links(world: &World, words: &mut Words<'_>) -> Result<Vec<(NodeId, NodeId)>, String> {
    let all: Vec<NodeId> = world.nodes.keys().copied().collect();
    let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
    let Some(first) = words.next() else { return Ok(pairs.collect()) };
    if let Some((from, to)) = first.split_once('>') {
        return Ok(vec![(NodeId(number(from)?), NodeId(number(to)?))]);
    }
    let one = NodeId(number(first)?);
    match words.next() {
        Some(second) => {
            let two = NodeId(number(second)?);
            Ok(vec![(one, two), (two, one)])
        }
        None => Ok(pairs.filter(|(from, to)| *from == one || *to == one).collect()),
    }
}

/// Every link between the two sides of `1 2 | 3 4 5`, both ways.
fn across(words: &mut Words<'_>) -> Result<Vec<(NodeId, NodeId)>, String> {
    let text = words.by_ref().collect::<Vec<_>>().join(" ");
    let (left, right) = text.split_once('|').ok_or("a partition is written 1 2 | 3 4 5".to_owned())?;
    let side = |text: &str| {
        text.split_whitespace().map(|word| number(word).map(NodeId)).collect::<Result<Vec<_>, _>>()
    };
    let (left, right) = (side(left)?, side(right)?);
    let one_way = left.iter().flat_map(|from| right.iter().map(move |to| (*from, *to)));
    Ok(one_way.flat_map(|(from, to)| [(from, to), (to, from)]).collect())
}

/// `forge 1>3 t2 append 4@t2 commit 5` or `forge 1>3 t2 heartbeat commit 5`: what a correct leader would not send.
fn forge(world: &mut World, words: &mut Words<'_>) -> Result<(), String> {
    let link = word(words)?;
    let (from, to) = link.split_once('>').ok_or(format!("\"{link}\" is not a link such as 1>2"))?;
    let (from, to) = (NodeId(number(from)?), NodeId(number(to)?));
    let term = word(words)?;
    let term = Term(number(term.strip_prefix('t').ok_or(format!("\"{term}\" is not a term such as t2"))?)?);
    let kind = word(words)?;
    let prev = if kind == "append" { Some(position(word(words)?)?) } else { None };
    keyword(words, "commit")?;
    let commit = LogIndex(number(word(words)?)?);
    let body = match prev {
        Some(prev) => Body::Append(Append { prev, entries: Vec::new(), commit }),
        None => {
            let (round, promise) = (Round(1), Duration::ZERO);
            Body::Heartbeat(Heartbeat { round, commit, promise, ask_start: false, behind: false })
        }
    };
    let (from_replica, to_replica) = (ReplicaId(from.0), ReplicaId(to.0));
    let message = Message { range: RangeId(1), from: from_replica, to: to_replica, term, body };
    let target = Target { node: to, disk: world.node(to)?.disk_id() };
    let boot = world.process(from)?.boot;
    let header = world.node(from)?.header(boot, target);
    world.network.send(InFlight { header, message });
    Ok(())
}
