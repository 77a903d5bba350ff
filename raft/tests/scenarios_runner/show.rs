//! What a scenario sees: events, and the state of nodes, as lines.

use std::fmt::Write as _;
use std::time::Duration;

use raft::{FollowerState, LogPosition, NodeId, RoleKind, Status};

use super::node::Node;
use super::text;
use super::world::{Event, World};

/// Role and term.
pub(super) fn role(status: &Status) -> String {
    let term = status.term;
    match (status.role, status.leader) {
        (RoleKind::Follower, Some(leader)) => format!("follows n{leader} in t{term}"),
        (RoleKind::Follower, None) => format!("follower in t{term}, no leader"),
        (RoleKind::PreCandidate, _) => format!("pre-candidate in t{term}"),
        (RoleKind::Candidate, _) => format!("candidate in t{term}"),
        (RoleKind::Leader, _) => format!("leads t{term}"),
        (RoleKind::LostDisk, _) => "takes no part: its disk lost data".to_owned(),
    }
}

/// One line an event; without details, what several nodes did is one line.
pub(super) fn events(events: Vec<Event>, details: bool) -> Vec<String> {
    let mut milestones: Vec<(Vec<NodeId>, String)> = Vec::new();
    let mut lines = Vec::new();
    for event in events {
        match event {
            Event::Detail(line) if details => lines.push(line),
            Event::Detail(_) => {}
            Event::Milestone(node, what) if details => lines.push(format!("n{node}: {what}")),
            Event::Milestone(node, what) => {
                match milestones.iter_mut().find(|(nodes, same)| *same == what && !nodes.contains(&node)) {
                    Some((nodes, _)) => nodes.push(node),
                    None => milestones.push((vec![node], what)),
                }
            }
        }
    }
    lines.extend(milestones.into_iter().map(|(mut nodes, what)| {
        nodes.sort();
        let nodes: Vec<String> = nodes.iter().map(|node| format!("n{node}")).collect();
        format!("{}: {what}", nodes.join(", "))
    }));
    lines
}

/// Every node in a line.
pub(super) fn state(world: &World) -> Vec<String> {
    world.nodes.values().map(|node| format!("n{}: {}", node.id, node_state(world, node))).collect()
}

fn node_state(world: &World, node: &Node) -> String {
    let Some(status) = node.status(world.now) else { return "down".to_owned() };
    let mut text = role(&status);
    let last = text::position(status.last);
    let _ = write!(text, "; commit {}, applied {}, last {last}", status.commit, status.applied);
    if status.persisted < status.last.index {
        let _ = write!(text, ", durable {}", status.persisted);
    }
    if status.lease {
        text.push_str(", lease");
    }
    if status.uncommitted_bytes > 0 {
        let _ = write!(text, ", {} bytes uncommitted", status.uncommitted_bytes);
    }
    if let Some(to) = status.transfer_to {
        let _ = write!(text, ", transfer to n{to}");
    }
    if status.receiving_snapshot {
        text.push_str(", receives a snapshot");
    }
    text
}

/// The whole log of every node; `|` follows the last entry known to be committed, `~` what is durable.
pub(super) fn log(world: &World) -> Vec<String> {
    world.nodes.values().map(|node| format!("n{}: {}", node.id, node_log(world, node))).collect()
}

fn node_log(world: &World, node: &Node) -> String {
    let (base, entries) = node.disk.log_after_pending();
    let status = node.status(world.now);
    let commit = status.as_ref().map_or(node.disk.hard_state.commit, |status| status.commit);
    let durable = status.map(|status| status.persisted);
    let mut text = String::new();
    if base.last != LogPosition::default() {
        let _ = write!(text, "[up to {}]", text::position(base.last));
    }
    for (at, entry) in entries.iter().enumerate() {
        let after_commit = entry.index == commit.next() && commit >= base.last.index;
        let not_durable = durable.is_some_and(|durable| entry.index == durable.next());
        let comma = if at > 0 && !after_commit && !not_durable { "," } else { "" };
        let bar = if after_commit { " |" } else { "" };
        let wave = if not_durable { " ~" } else { "" };
        let _ = write!(text, "{comma}{bar}{wave} {}", text::entry(entry));
    }
    text.trim_start().to_owned()
}

/// The terms of all entries, as in figure 7 of the paper.
pub(super) fn terms(world: &World) -> Vec<String> {
    let line = |node: &Node| {
        let (_, entries) = node.disk.log_after_pending();
        let terms: Vec<String> = entries.iter().map(|entry| entry.term.to_string()).collect();
        format!("n{}: {}", node.id, terms.join(" "))
    };
    world.nodes.values().map(line).collect()
}

/// What is durable, and what is under way to the disk.
pub(super) fn disk(node: &Node) -> Vec<String> {
    let hard_state = &node.disk.hard_state;
    let mut first = format!("n{}: t{} {}", node.id, hard_state.term, text::vote(hard_state.vote));
    let _ = write!(first, ", commit {}", hard_state.commit);
    if hard_state.promise > Duration::ZERO {
        let _ = write!(first, ", promise {:?}", hard_state.promise);
    }
    let base = node.disk.base.last;
    if base != LogPosition::default() {
        let _ = write!(first, ", [up to {}]", text::position(base));
    }
    if node.disk.intent.is_some() {
        first.push_str(", intent to install");
    }
    let _ = write!(first, ", log: {}", text::entries(&node.disk.entries));
    let pending = node.disk.pending.iter().map(|write| format!("  under way: {}", text::write(write)));
    std::iter::once(first.trim_end().to_owned()).chain(pending).collect()
}

/// What a leader knows of the others.
pub(super) fn progress(status: &Status) -> Vec<String> {
    let line = |follower: &raft::FollowerStatus| {
        let state = match follower.state {
            FollowerState::Probe => "probe",
            FollowerState::Replicate => "replicate",
            FollowerState::Snapshot => "snapshot",
        };
        let voter = if status.configuration.is_voter(follower.node) { "voter" } else { "learner" };
        let caught_up = if follower.caught_up { ", caught up" } else { "" };
        format!(
            "n{}: {voter}, {state}, matched {}, next {}{caught_up}",
            follower.node, follower.matched, follower.next
        )
    };
    status.followers.iter().map(line).collect()
}

/// The configuration in force at every node that runs.
pub(super) fn members(world: &World) -> Vec<String> {
    let line = |status: Status| {
        let at = text::position(status.configuration_at);
        format!("n{}: {} of {at}", status.node, text::configuration(&status.configuration))
    };
    world.statuses().map(line).collect()
}

/// Messages under way, and those delayed.
pub(super) fn messages(world: &World) -> Vec<String> {
    let under_way = world.network.under_way.iter().map(|flight| flight.text());
    let delayed = world.network.delayed.iter().map(|flight| format!("{}  (delayed)", flight.text()));
    let lines: Vec<String> = under_way.chain(delayed).collect();
    if lines.is_empty() { vec!["none".to_owned()] } else { lines }
}
