//! The commands of a scenario.

mod clients;
mod nodes;
mod transport;

use std::time::Duration;

use raft::{LogIndex, LogPosition, NodeId, Term};

use super::show;
use super::world::World;

type Words<'a> = std::str::SplitWhitespace<'a>;

/// Runs one command; gives what it shows.
pub(super) fn run(world: &mut World, line: &str) -> Result<Vec<String>, String> {
    let mut words = line.split_whitespace();
    let command = words.next().unwrap_or_default();
    let shown = match command {
        "state" | "log" | "terms" | "members" | "messages" | "disk" | "progress" | "counters" => {
            return look(world, command, &mut words);
        }
        "propose" | "read" | "change" | "transfer" | "hold-back" => clients::run(world, command, &mut words)?,
        "deliver" | "drop" | "duplicate" | "forge" | "delay" | "let-go" | "cut" | "heal" | "partition"
        | "stabilize" | "advance" | "run" | "heartbeat" | "tick" => {
            transport::run(world, command, &mut words)?
        }
        _ => nodes::run(world, command, &mut words)?,
    };
    end(&mut words)?;
    Ok(show::events(world.take_events()?, shown == Shown::Details))
}

/// How much of what happened a command shows.
#[derive(PartialEq, Eq)]
pub(super) enum Shown {
    Details,
    Milestones,
}

fn look(world: &mut World, command: &str, words: &mut Words<'_>) -> Result<Vec<String>, String> {
    let lines = match command {
        "state" => show::state(world),
        "log" => show::log(world),
        "terms" => show::terms(world),
        "members" => show::members(world),
        "messages" => show::messages(world),
        "disk" => show::disk(world.node(node(words)?)?),
        "progress" => {
            let (id, now) = (node(words)?, world.now);
            show::progress(&world.process(id)?.raft.status(now))
        }
        _ => counters(world, words)?,
    };
    end(words)?;
    Ok(lines)
}

/// The counters named, of one node.
fn counters(world: &mut World, words: &mut Words<'_>) -> Result<Vec<String>, String> {
    let id = node(words)?;
    let all = format!("{:?}", world.process(id)?.raft.counters());
    let fields: Vec<&str> = all.split(['{', '}', ',']).map(str::trim).collect();
    let mut lines = Vec::new();
    for name in words {
        let found = fields.iter().find(|field| field.split(':').next() == Some(name));
        let field = found.ok_or(format!("there is no counter \"{name}\""))?;
        lines.push(format!("n{id}: {field}"));
    }
    if lines.is_empty() { Err("name the counters".to_owned()) } else { Ok(lines) }
}

// ---- arguments ---------------------------------------------------------------------------------------

fn end(words: &mut Words<'_>) -> Result<(), String> {
    match words.next() {
        Some(word) => Err(format!("\"{word}\" is too much")),
        None => Ok(()),
    }
}

fn word<'a>(words: &mut Words<'a>) -> Result<&'a str, String> {
    words.next().ok_or("an argument is missing".to_owned())
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("\"{word}\" is not a number"))
}

fn node(words: &mut Words<'_>) -> Result<NodeId, String> {
    number(word(words)?).map(NodeId)
}

fn keyword(words: &mut Words<'_>, expected: &str) -> Result<(), String> {
    let found = word(words)?;
    if found == expected { Ok(()) } else { Err(format!("\"{expected}\" is missing before \"{found}\"")) }
}

fn duration(words: &mut Words<'_>) -> Result<Duration, String> {
    let word = word(words)?;
    if let Some(ms) = word.strip_suffix("ms") {
        return number(ms).map(Duration::from_millis);
    }
    let seconds = word.strip_suffix('s').ok_or(format!("\"{word}\" is not a time such as 100ms or 1s"))?;
    number(seconds).map(Duration::from_secs)
}

/// `index@tterm`.
fn position(word: &str) -> Result<LogPosition, String> {
    let (index, term) = word.split_once("@t").ok_or(format!("\"{word}\" is not a place such as 3@t2"))?;
    Ok(LogPosition::new(LogIndex(number(index)?), Term(number(term)?)))
}
