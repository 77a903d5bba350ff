//! The messages between replicas. Each is its own struct; a reply echoes the boot that asked.

use std::time::Duration;

use crate::entry::{Entry, SnapshotMeta};
use crate::identity::{Boot, DiskId, Header};
use crate::types::{
    CampaignId, LogIndex, LogPosition, MAX_NUMBER, RangeId, ReadId, ReplicaId, Round, SnapshotId, Term,
};

/// A message of one replica to another of the same range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The range of both.
    pub range: RangeId,
    /// The sender's replica.
    pub from: ReplicaId,
    /// The receiver's replica.
    pub to: ReplicaId,
    /// The sender's term, or for a pre-vote the term that it would campaign in.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// All that one node tells another at once, for any number of ranges.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// Sender and receiver.
    pub header: Header,
    /// In the order in which they were sent.
    pub messages: Vec<Message>,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Would you vote for me? (dissertation §9.6)
    PreVote(VoteRequest),
    /// The answer.
    PreVoteReply(VoteReply),
    /// Vote for me (§3.4).
    Vote(VoteRequest),
    /// The answer.
    VoteReply(VoteReply),
    /// Entries, or a probe without any (§3.5).
    Append(Append),
    /// Everything up to an index is durable.
    AppendAck(AppendAck),
    /// The entry before the first does not match.
    AppendReject(AppendReject),
    /// Leadership goes on; asks for a promise and confirms reads (§6.4).
    Heartbeat(Heartbeat),
    /// The answer.
    HeartbeatAck(HeartbeatAck),
    /// More is committed; no answer.
    Commit(Commit),
    /// Campaign at once (§3.10).
    TimeoutNow(TimeoutNow),
    /// A snapshot is there to be fetched (§5).
    SnapshotOffer(SnapshotOffer),
    /// It is installed, or will not be fetched now.
    SnapshotReply(SnapshotReply),
    /// A follower asks for a read index (§6.4).
    ReadRequest(ReadRequest),
    /// The answer.
    ReadReply(ReadReply),
    /// The receiver's disk lost what it had acknowledged.
    LostDisk(LostDisk),
}

/// `PreVote` and `Vote`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoteRequest {
    /// Echoed by the reply.
    pub campaign: CampaignId,
    /// The candidate's last entry.
    pub last: LogPosition,
    /// The leader asked for this campaign: promises to it do not count (§4.2.3).
    pub forced: bool,
}

/// The answer to a `PreVote` (its message's term is the one asked for when granted) or a `Vote`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoteReply {
    /// The boot that asked.
    pub to_boot: Boot,
    /// The campaign that asked.
    pub campaign: CampaignId,
    /// Yes or no.
    pub granted: bool,
}

/// Entries that follow `prev`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Append {
    /// The entry before the first.
    pub prev: LogPosition,
    /// Consecutive.
    pub entries: Vec<Entry>,
    /// The leader's commit index.
    pub commit: LogIndex,
}

/// The receiver's log equals the leader's up to `matched`, durably.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AppendAck {
    /// The boot that asked.
    pub to_boot: Boot,
    /// The last matching index.
    pub matched: LogIndex,
}

/// The receiver has no entry `rejected`, or one of another term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AppendReject {
    /// The boot that asked.
    pub to_boot: Boot,
    /// The index of the append's `prev`.
    pub rejected: LogIndex,
    /// The receiver's best guess of a common entry.
    pub hint: LogPosition,
}

/// The leader is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Echoed by the ack.
    pub round: Round,
    /// At most what this receiver is known to hold.
    pub commit: LogIndex,
    /// How long the receiver is asked not to help anyone else; zero where reads use no lease.
    pub promise: Duration,
    /// The leader has not seen how this boot of the receiver began.
    pub ask_start: bool,
    /// The receiver is not known to hold all but `caught_up_entries` of what is committed. Only shown.
    pub behind: bool,
}

/// The receiver's answer to a heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeartbeatAck {
    /// The boot that asked.
    pub to_boot: Boot,
    /// The round that asked.
    pub round: Round,
    /// What was promised, from the receipt of the heartbeat.
    pub promised: Duration,
    /// How this boot began, if asked.
    pub start: Option<BootStart>,
}

/// What was durable when a boot began; the leader compares it with what earlier boots acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BootStart {
    /// The durable term.
    pub term: Term,
    /// The last durable entry.
    pub last: LogPosition,
}

/// The commit index, sent when it moved and nothing else carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commit {
    /// At most what this receiver is known to hold.
    pub commit: LogIndex,
}

/// The receiver is to campaign in the next term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutNow;

/// A snapshot of the sender that the receiver needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotOffer {
    /// Its id with the sender.
    pub id: SnapshotId,
    /// What it covers.
    pub meta: SnapshotMeta,
}

/// The answer to an offer that was needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotReply {
    /// The boot that asked.
    pub to_boot: Boot,
    /// The snapshot.
    pub id: SnapshotId,
    /// The last index it covers.
    pub index: LogIndex,
    /// Complete; otherwise the receiver still fetches or installs this or another one.
    pub installed: bool,
}

/// A follower's reads, batched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadRequest {
    /// Echoed by the reply.
    pub id: ReadId,
}

/// The index that the follower must have applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadReply {
    /// The boot that asked.
    pub to_boot: Boot,
    /// The request.
    pub id: ReadId,
    /// The read index, or none: ask again.
    pub index: Option<LogIndex>,
}

/// The receiver's disk holds less than an earlier boot of it acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostDisk {
    /// Exactly this disk.
    pub disk: DiskId,
    /// Exactly this boot.
    pub boot: Boot,
}

impl Body {
    /// The boot that a reply answers; `None` for what is no reply.
    pub(crate) fn to_boot(&self) -> Option<Boot> {
        match self {
            Body::PreVoteReply(reply) | Body::VoteReply(reply) => Some(reply.to_boot),
            Body::AppendAck(ack) => Some(ack.to_boot),
            Body::AppendReject(reject) => Some(reject.to_boot),
            Body::HeartbeatAck(ack) => Some(ack.to_boot),
            Body::SnapshotReply(reply) => Some(reply.to_boot),
            Body::ReadReply(reply) => Some(reply.to_boot),
            Body::PreVote(_)
            | Body::Vote(_)
            | Body::Append(_)
            | Body::Heartbeat(_)
            | Body::Commit(_)
            | Body::TimeoutNow(_)
            | Body::SnapshotOffer(_)
            | Body::ReadRequest(_)
            | Body::LostDisk(_) => None,
        }
    }
}

/// Whether numbers and structure of a remote message are within bounds.
pub(crate) fn is_sound(message: &Message) -> bool {
    let small = |position: &LogPosition| position.index.0 < MAX_NUMBER && position.term.0 < MAX_NUMBER;
    if message.term.0 >= MAX_NUMBER {
        return false;
    }
    match &message.body {
        Body::PreVote(request) | Body::Vote(request) => small(&request.last),
        Body::Append(append) => {
            let mut previous = append.prev;
            small(&append.prev)
                && append.commit.0 < MAX_NUMBER
                && append.entries.iter().all(|entry| {
                    let follows = entry.index == previous.index.next() && entry.term >= previous.term;
                    previous = entry.position();
                    follows && entry.term <= message.term && entry.is_sound()
                })
        }
        Body::SnapshotOffer(offer) => {
            let meta = &offer.meta;
            small(&meta.last)
                && meta.last.term <= message.term
                && meta.configuration_at.index <= meta.last.index
                && meta.configuration_at.term <= meta.last.term
                && meta.configuration.is_sound()
        }
        Body::AppendAck(ack) => ack.matched.0 < MAX_NUMBER,
        Body::AppendReject(reject) => reject.rejected.0 < MAX_NUMBER && small(&reject.hint),
        Body::Heartbeat(heartbeat) => heartbeat.commit.0 < MAX_NUMBER,
        Body::HeartbeatAck(ack) => ack.start.is_none_or(|start| small(&start.last)),
        Body::Commit(commit) => commit.commit.0 < MAX_NUMBER,
        Body::SnapshotReply(reply) => reply.index.0 < MAX_NUMBER,
        Body::ReadReply(reply) => reply.index.is_none_or(|index| index.0 < MAX_NUMBER),
        Body::PreVoteReply(_)
        | Body::VoteReply(_)
        | Body::TimeoutNow(_)
        | Body::ReadRequest(_)
        | Body::LostDisk(_) => true,
    }
}
