//! What happens next to whole nodes.

use raft::NodeId;
use store::carrier::ChunkMessage;
use store::replica::{Reply, Request};
use store::request::RequestError;
use store::store::{BatchSeq, NodeEnvelope};

/// A packet between two hosts.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The sending host.
    pub from: usize,
    /// The sending process: packets of an earlier one come from an older connection.
    pub process: u64,
    /// What it carries.
    pub content: Content,
}

/// What a packet carries.
#[derive(Clone, Debug)]
pub enum Content {
    /// For the store.
    Envelope(NodeEnvelope),
    /// From the carrier of this node, for the carrier.
    Chunk(NodeId, ChunkMessage),
}

/// Something that is due. Those with a `process` die with it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet arrives.
    Deliver { host: usize, packet: Box<Packet> },
    /// A host's timer.
    Tick { host: usize },
    /// A sync of the log ends.
    Synced { host: usize, process: u64 },
    /// The process hears of it.
    Notice { host: usize, process: u64, seq: BatchSeq },
    /// A flush of the data ends.
    Flushed { host: usize, process: u64 },
    /// The carrier of snapshots gets on.
    Carry { host: usize },
    /// The store hears from it.
    CarrierCalls { host: usize, process: u64 },
    /// A client thinks of something, or asks again.
    Wake { client: usize },
    /// Its request arrives.
    Request { host: usize, token: u64, request: Box<Request> },
    /// The answer arrives.
    Reply { token: u64, answer: Box<Result<Reply, RequestError>> },
    /// It waits no longer.
    GiveUp { client: usize, token: u64 },
    /// A fault of the schedule.
    Fault(usize),
    /// A partition begins, between these, one way each.
    Cut { pairs: Vec<(usize, usize)>, length: u64 },
    /// A partition ends.
    Mend(Vec<(usize, usize)>),
    /// A storm ends.
    Calm,
    /// Space is freed.
    Space,
    /// A host starts.
    Boot { host: usize },
    /// A paused process goes on.
    Resume { host: usize },
    /// A copy of a disk is put back.
    RollBack { host: usize },
    /// A copy of the data is put back beside the log.
    LoseData { host: usize },
    /// The operator looks.
    Operate,
    /// All faults end.
    Heal,
    /// Is everything well again?
    CheckHealed,
}

impl Event {
    /// The host whose process handles it, if one does.
    #[must_use]
    pub fn process_host(&self) -> Option<usize> {
        match self {
            Event::Deliver { host, .. }
            | Event::Tick { host }
            | Event::Notice { host, .. }
            | Event::Carry { host }
            | Event::CarrierCalls { host, .. }
            | Event::Request { host, .. } => Some(*host),
            // The device works on while the process is stopped; the rest is not the host's.
            Event::Synced { .. }
            | Event::Flushed { .. }
            | Event::Wake { .. }
            | Event::Reply { .. }
            | Event::GiveUp { .. }
            | Event::Fault(_)
            | Event::Cut { .. }
            | Event::Mend(_)
            | Event::Calm
            | Event::Space
            | Event::Boot { .. }
            | Event::Resume { .. }
            | Event::RollBack { .. }
            | Event::LoseData { .. }
            | Event::Operate
            | Event::Heal
            | Event::CheckHealed => None,
        }
    }
}
