//! What goes between nodes.

use std::fmt;

use store::carrier::{Counters, RangeStatus};

use super::page::{Labels, Page};
use crate::store_loop::SnapshotSummary;
use crate::transport::TransportCounters;

/// Name, help and value.
type Event = (&'static str, &'static str, fn(&TransportCounters) -> u64);
type SnapshotEvent = (&'static str, &'static str, fn(&Counters) -> u64);
type SnapshotState = (&'static str, &'static str, fn(&RangeStatus) -> bool);

const EVENTS: [Event; 8] = [
    ("transport_sent_envelopes", "Envelopes sent to peers", |of| of.sent.get()),
    ("transport_sent_bytes", "Bytes of envelopes sent to peers", |of| of.sent_bytes.get()),
    ("transport_received_envelopes", "Envelopes received from peers", |of| of.received.get()),
    ("transport_received_bytes", "Bytes of envelopes received from peers", |of| of.received_bytes.get()),
    ("transport_dropped_envelopes", "Envelopes dropped because their peer did not take them", |of| {
        of.dropped.get()
    }),
    ("transport_reconnects", "Streams to peers that ended", |of| of.reconnects.get()),
    ("transport_refused_streams", "Streams and calls of peers that were refused", |of| of.refused.get()),
    ("transport_failed_fetches", "Pieces of snapshots asked for in vain", |of| of.failed_fetches.get()),
];

const SNAPSHOT_EVENTS: [SnapshotEvent; 8] = [
    ("snapshot_exports", "Snapshots exported", |of| of.exported),
    ("snapshot_sent_bytes", "Bytes of snapshots sent to peers", |of| of.sent_bytes),
    ("snapshot_received_bytes", "Bytes of snapshots received", |of| of.received_bytes),
    ("snapshot_receipts", "Snapshots received in full", |of| of.received),
    ("snapshot_installs", "Snapshots installed", |of| of.installed),
    ("snapshot_failures", "Transfers given up", |of| of.failed),
    ("snapshot_no_space", "Transfers given up for want of space", |of| of.no_space),
    ("snapshot_dropped_requests", "Peers' requests for pieces dropped: too many waited", |of| {
        of.dropped_requests
    }),
];

const SNAPSHOT_STATES: [SnapshotState; 3] = [
    ("snapshot_exporting", "1: a snapshot is exported", |of| of.exporting),
    ("snapshot_fetching", "1: a snapshot is fetched", |of| of.fetching),
    ("snapshot_installing", "1: a snapshot is installed", |of| of.installing),
];

pub(super) fn write(page: &mut Page<'_>, transport: &TransportCounters) -> fmt::Result {
    for (name, help, value) in EVENTS {
        page.counters(name, help, [(Labels::new(), value(transport) as f64)])?;
    }
    Ok(())
}

pub(super) fn write_snapshots(page: &mut Page<'_>, snapshots: &SnapshotSummary) -> fmt::Result {
    for (name, help, value) in SNAPSHOT_EVENTS {
        page.counters(name, help, [(Labels::new(), value(&snapshots.counters) as f64)])?;
    }
    for (name, help, holds) in SNAPSHOT_STATES {
        let ranges = snapshots.ranges.iter();
        let samples =
            ranges.map(|of| (vec![("range", of.range.0.to_string())], f64::from(u8::from(holds(of)))));
        page.gauges(name, help, samples)?;
    }
    Ok(())
}
