//! Carriers that talk to each other, and a test in the place of their stores.

use std::time::Duration;

use raft::{LogIndex, NodeId};

use crate::carrier::{Carrier, ChunkMessage, Output, Settings};
use crate::memory::{MemoryDirectory, MemoryEngine};
use crate::replica::SnapshotEvent;
use crate::snapshot::tests::fixture::{self, Log, Node, RANGE, SUPPORTED, fetch_of, meta};
use crate::store::StoreCall;

pub(super) const TICK: Duration = Duration::from_millis(10);

pub(super) fn settings() -> Settings {
    Settings {
        snapshots: fixture::SETTINGS,
        supported: SUPPORTED,
        tick: TICK,
        retry_ticks: 4,
        reserve_bytes: 1_000,
        ..Settings::default()
    }
}

pub(super) struct Side {
    pub(super) node: Node,
    pub(super) carrier: Carrier<MemoryEngine, MemoryDirectory>,
}

impl Side {
    /// A node that has applied so many entries.
    pub(super) fn new(id: u64, entries: usize, settings: Settings, free_bytes: u64) -> Self {
        let node = Node::at(id, &Log::with(entries, 1));
        let directory = MemoryDirectory::default();
        let carrier = Carrier::open(node.engine.clone(), directory, settings, free_bytes).unwrap();
        Self { node, carrier }
    }

    pub(super) fn event(&mut self, event: SnapshotEvent) {
        self.carrier.event(event).unwrap();
    }

    /// Everything that can be done now.
    pub(super) fn run(&mut self) -> Output {
        while self.carrier.work(200).unwrap() {}
        self.carrier.take_output()
    }

    pub(super) fn calls(&mut self) -> Vec<StoreCall> {
        self.run().calls
    }

    /// A snapshot for `to`, made and offered.
    pub(super) fn offer(&mut self, to: NodeId) -> StoreCall {
        let index = self.node.applied();
        self.event(SnapshotEvent::Wanted { range: RANGE, to, base: LogIndex::ZERO });
        assert_eq!(self.calls(), [StoreCall::Cover { range: RANGE, index }]);
        self.event(SnapshotEvent::Covers { range: RANGE, index, meta: Some(meta(index)) });
        let [offer] = <[_; 1]>::try_from(self.calls()).unwrap();
        offer
    }

    /// Takes an offer.
    pub(super) fn fetch(&mut self, from: NodeId, offer: &StoreCall) {
        let StoreCall::Offer { id, meta, .. } = offer else { panic!("{offer:?}") };
        self.event(SnapshotEvent::Fetch { range: RANGE, fetch: fetch_of(from, *id, meta.clone()) });
    }
}

/// Carries messages until the receiver calls its store; says how many ticks that took.
pub(super) fn carry(from: &mut Side, to: &mut Side) -> (StoreCall, u32) {
    for ticks in 0..10_000 {
        for _ in 0..20 {
            let [_, calls] = round(from, to);
            if let Some(call) = calls.into_iter().next() {
                return (call, ticks);
            }
        }
        from.carrier.tick(TICK).unwrap();
        to.carrier.tick(TICK).unwrap();
    }
    panic!("the transfer does not end");
}

/// Carries all that is on its way there, and the answers back; gives what the sender and the receiver then want of
/// their stores.
pub(super) fn round(from: &mut Side, to: &mut Side) -> [Vec<StoreCall>; 2] {
    let asked = to.run();
    for (_, message) in asked.messages {
        assert!(matches!(message, ChunkMessage::Request(_)));
        from.carrier.receive(to.node.id, message).unwrap();
    }
    let answered = from.run();
    for (_, message) in answered.messages {
        to.carrier.receive(from.node.id, message).unwrap();
    }
    [answered.calls, asked.calls]
}
