//! Messages, entries and configurations as short text.

use std::fmt::Write as _;
use std::time::Duration;

use raft::{
    Body, Configuration, Entry, LogPosition, LogWrite, MemberRole, Message, NodeId, Payload, VoteReply,
    VoteRequest,
};

/// `index@tterm`.
pub(super) fn position(position: LogPosition) -> String {
    format!("{}@t{}", position.index, position.term)
}

/// The voters, the learners after a `+`, and the id that is reserved.
pub(super) fn configuration(configuration: &Configuration) -> String {
    let of_role = |role| {
        let members = configuration.members.iter().filter(move |(_, member)| member.role == role);
        members.map(|(node, _)| node.to_string()).collect::<Vec<_>>().join(" ")
    };
    let mut text = format!("({}", of_role(MemberRole::Voter));
    let learners = of_role(MemberRole::Learner);
    if !learners.is_empty() {
        let _ = write!(text, " + {learners}");
    }
    if let Some(reserved) = configuration.reserved {
        let _ = write!(text, "; reserved {reserved}");
    }
    text.push(')');
    text
}

pub(super) fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Noop => "no-op".to_owned(),
        Payload::Configuration(members) => configuration(members),
        Payload::Command(command) => shortened(&String::from_utf8_lossy(command)),
    }
}

/// A long command as its first character and how often it is there.
pub(super) fn shortened(command: &str) -> String {
    match command.chars().next() {
        Some(first) if command.len() > 8 && command.chars().all(|c| c == first) => {
            format!("{first}*{}", command.len())
        }
        _ => command.to_owned(),
    }
}

pub(super) fn entry(entry: &Entry) -> String {
    format!("{} {}", position(entry.position()), payload(&entry.payload))
}

pub(super) fn entries(entries: &[Entry]) -> String {
    entries.iter().map(entry).collect::<Vec<_>>().join(", ")
}

pub(super) fn vote(vote: Option<NodeId>) -> String {
    vote.map_or("no vote".to_owned(), |node| format!("vote n{node}"))
}

/// What a write holds.
pub(super) fn write(write: &LogWrite) -> String {
    let mut parts = Vec::new();
    if let Some(hard_state) = &write.hard_state {
        parts.push(format!("t{} {}", hard_state.term, vote(hard_state.vote)));
        parts.push(format!("commit {}", hard_state.commit));
        if hard_state.promise > Duration::ZERO {
            parts.push(format!("promise {:?}", hard_state.promise));
        }
        if hard_state.lost_disk {
            parts.push("lost disk".to_owned());
        }
    }
    if let Some(base) = &write.base {
        let what = if base.reset { "reset to" } else { "begins after" };
        parts.push(format!("log {what} {}", position(base.meta.last)));
    }
    if let Some(from) = write.truncate_from {
        parts.push(format!("truncate from {from}"));
    }
    if !write.entries.is_empty() {
        parts.push(entries(&write.entries));
    }
    parts.join(", ")
}

/// The name of a kind of message, as commands use it.
pub(super) fn kind(body: &Body) -> &'static str {
    match body {
        Body::PreVote(_) => "PreVote",
        Body::PreVoteReply(_) => "PreVoteReply",
        Body::Vote(_) => "Vote",
        Body::VoteReply(_) => "VoteReply",
        Body::Append(_) => "Append",
        Body::AppendAck(_) => "AppendAck",
        Body::AppendReject(_) => "AppendReject",
        Body::Heartbeat(_) => "Heartbeat",
        Body::HeartbeatAck(_) => "HeartbeatAck",
        Body::Commit(_) => "Commit",
        Body::TimeoutNow(_) => "TimeoutNow",
        Body::SnapshotOffer(_) => "SnapshotOffer",
        Body::SnapshotReply(_) => "SnapshotReply",
        Body::ReadRequest(_) => "ReadRequest",
        Body::ReadReply(_) => "ReadReply",
        Body::LostDisk(_) => "LostDisk",
    }
}

/// Kind, term and content.
pub(super) fn message(message: &Message) -> String {
    let content = content(&message.body);
    let space = if content.is_empty() { "" } else { " " };
    format!("{} t{}{space}{content}", kind(&message.body), message.term)
}

fn content(body: &Body) -> String {
    match body {
        Body::PreVote(request) | Body::Vote(request) => vote_request(request),
        Body::PreVoteReply(reply) | Body::VoteReply(reply) => vote_reply(reply).to_owned(),
        Body::Append(append) => {
            let sent =
                if append.entries.is_empty() { "nothing".to_owned() } else { entries(&append.entries) };
            format!("after {}: {sent}; commit {}", position(append.prev), append.commit)
        }
        Body::AppendAck(ack) => format!("matched {}", ack.matched),
        Body::AppendReject(reject) => format!("of {}, hint {}", reject.rejected, position(reject.hint)),
        Body::Heartbeat(heartbeat) => {
            let mut text = format!("round {} commit {}", heartbeat.round, heartbeat.commit);
            if heartbeat.promise > Duration::ZERO {
                let _ = write!(text, " asks {:?}", heartbeat.promise);
            }
            if heartbeat.ask_start {
                text.push_str(" and how this boot began");
            }
            text
        }
        Body::HeartbeatAck(ack) => {
            let mut text = format!("round {}", ack.round);
            if ack.promised > Duration::ZERO {
                let _ = write!(text, " promises {:?}", ack.promised);
            }
            if let Some(start) = ack.start {
                let _ = write!(text, ", began in t{} with {}", start.term, position(start.last));
            }
            text
        }
        Body::Commit(commit) => format!("up to {}", commit.commit),
        Body::SnapshotOffer(offer) => {
            let members = configuration(&offer.meta.configuration);
            format!("s{} up to {} members {members}", offer.id, position(offer.meta.last))
        }
        Body::SnapshotReply(reply) => {
            let what = if reply.installed { "installed" } else { "not yet" };
            format!("s{} up to {} {what}", reply.id, reply.index)
        }
        Body::ReadRequest(request) => format!("q{}", request.id),
        Body::ReadReply(reply) => {
            let index = reply.index.map_or("ask again".to_owned(), |index| format!("index {index}"));
            format!("q{} {index}", reply.id)
        }
        Body::TimeoutNow(_) | Body::LostDisk(_) => String::new(),
    }
}

fn vote_request(request: &VoteRequest) -> String {
    let forced = if request.forced { ", forced" } else { "" };
    format!("last {}{forced}", position(request.last))
}

fn vote_reply(reply: &VoteReply) -> &'static str {
    if reply.granted { "granted" } else { "refused" }
}
