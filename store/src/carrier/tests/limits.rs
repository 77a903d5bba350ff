//! What is bounded.

use raft::{LogIndex, NodeId, RangeId, SnapshotId};

use super::fixture::{Side, TICK, carry, settings};
use crate::carrier::{Carrier, ChunkMessage, Settings};
use crate::directory::Directory;
use crate::replica::SnapshotEvent;
use crate::snapshot::tests::fixture::RANGE;
use crate::snapshot::{ChunkReply, ChunkRequest, Failure, Piece};
use crate::store::StoreCall;

const FREE: u64 = 1 << 40;

#[test]
fn bytes_are_throttled_on_either_side() {
    for slow_sender in [false, true] {
        let slow = Settings { bytes_per_second: 10_000, ..settings() };
        let (of_sender, of_receiver) = if slow_sender { (slow, settings()) } else { (settings(), slow) };
        let mut sender = Side::new(1, 150, settings(), FREE);
        let offer = sender.offer(NodeId(3));
        // The snapshot is there already.
        let directory = sender.carrier.directory.clone();
        let engine = sender.node.engine.clone();
        sender.carrier = Carrier::open(engine, directory, of_sender, FREE).unwrap();
        let mut receiver = Side::new(3, 40, of_receiver, FREE);
        receiver.fetch(sender.node.id, &offer);
        let (call, ticks) = carry(&mut sender, &mut receiver);
        assert!(matches!(call, StoreCall::Received { .. }), "{call:?}");
        let bytes = receiver.carrier.counters().received_bytes;
        // 100 bytes a tick, and a quarter of a second that was saved up.
        let least = u32::try_from((bytes - 2_500) / 100).unwrap();
        assert!(bytes > 5_000 && ticks >= least / 2, "{bytes} bytes in {ticks} ticks");
    }
}

#[test]
fn what_does_not_fit_is_not_fetched_and_that_is_told_late() {
    let mut sender = Side::new(1, 150, settings(), FREE);
    let mut receiver = Side::new(3, 40, settings(), 2_000);
    let offer = sender.offer(receiver.node.id);
    receiver.fetch(sender.node.id, &offer);
    let StoreCall::Offer { id, .. } = offer.clone() else { panic!() };
    let (call, ticks) = carry(&mut sender, &mut receiver);
    assert_eq!(call, StoreCall::Failed { range: RANGE, id });
    assert!(ticks >= settings().retry_ticks, "{ticks}");
    assert_eq!(receiver.carrier.directory.list(), Ok(Vec::new()));
    let status = &receiver.carrier.status()[0];
    assert!(matches!(status.last_failure, Some(Failure::NoSpace { free: 1_000, .. })), "{status:?}");
    assert_eq!(receiver.carrier.counters().no_space, 1);
    receiver.carrier.set_free_bytes(FREE);
    receiver.fetch(sender.node.id, &offer);
    assert!(matches!(carry(&mut sender, &mut receiver).0, StoreCall::Received { .. }));
    assert_eq!(receiver.carrier.status()[0].last_failure, None);
}

#[test]
fn requests_that_wait_are_bounded_and_strangers_find_nothing() {
    let mut side = Side::new(1, 150, Settings { requests: 3, ..settings() }, FREE);
    let request =
        |range, number| ChunkRequest { range, id: SnapshotId(number), piece: Piece::Manifest { offset: 0 } };
    let unknown = request(RangeId(99), 1);
    side.carrier.receive(NodeId(9), ChunkMessage::Request(unknown)).unwrap();
    let gone = ChunkMessage::Reply(ChunkReply::gone(unknown));
    assert_eq!(side.run().messages, [(NodeId(9), gone)]);
    assert!(side.carrier.status().is_empty(), "strangers make no state");
    side.offer(NodeId(3));
    for number in [1, 1, 2, 3, 4, 5] {
        side.carrier.receive(NodeId(9), ChunkMessage::Request(request(RANGE, number))).unwrap();
    }
    assert_eq!(side.carrier.counters().dropped_requests, 2);
    let output = side.run();
    assert_eq!(output.messages.len(), 3);
    assert!(output.calls.is_empty(), "nothing is made for a stranger");
}

#[test]
fn so_many_ranges_are_exported_at_a_time() {
    let mut side = Side::new(1, 150, Settings { exports: 1, ..settings() }, FREE);
    let (other, to, base) = (RangeId(8), NodeId(3), LogIndex::ZERO);
    let index = side.node.applied();
    side.event(SnapshotEvent::Wanted { range: RANGE, to, base });
    side.event(SnapshotEvent::Wanted { range: other, to, base });
    assert_eq!(side.calls(), [StoreCall::Cover { range: RANGE, index }]);
    side.event(SnapshotEvent::Covers { range: RANGE, index, meta: None });
    side.carrier.tick(TICK).unwrap();
    assert_eq!(side.calls(), [StoreCall::Cover { range: other, index: LogIndex::ZERO }]);
}
