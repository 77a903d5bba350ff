//! What the threads of a node count.

use std::fmt;

use super::page::{Labels, Page};
use crate::handle::Handle;
use crate::store_loop::Counters;

/// Name, help and value.
type Value = (&'static str, &'static str, fn(&Counters) -> f64);

const RISING: [Value; 9] = [
    ("loop_turns", "Turns of the store loop", |of| of.turns.get() as f64),
    ("loop_requests", "Requests of clients that the store took", |of| of.requests.get() as f64),
    ("loop_refused_requests", "Requests of clients refused at the door", |of| {
        of.refused_requests.get() as f64
    }),
    ("loop_envelopes_received", "Envelopes of peers that the store took", |of| {
        of.envelopes_received.get() as f64
    }),
    ("loop_envelopes_sent", "Envelopes handed to the transport", |of| of.envelopes_sent.get() as f64),
    ("log_batches", "Log batches that the store made", |of| of.log_batches.get() as f64),
    ("log_syncs", "Synced writes that made them durable", |of| of.log_syncs.get() as f64),
    ("engine_flushes", "Flushes of the data engine", |of| of.flushes.get() as f64),
    ("engine_flush_seconds", "Time that flushes took", |of| seconds(of.flush_nanos.get())),
];

const DEPTHS: [Value; 7] = [
    ("inbox_foreground_requests", "Requests of clients that wait for the store", |of| {
        of.foreground_depth.get() as f64
    }),
    ("inbox_foreground_bytes", "Bytes of requests that wait for the store", |of| {
        of.foreground_bytes.get() as f64
    }),
    ("inbox_writes_under_way", "Writes of clients from the door to their answers", |of| {
        of.writes_under_way.get() as f64
    }),
    ("inbox_writes_limit", "Writes of clients that may be under way now", |of| of.writes_limit.get() as f64),
    ("inbox_system_inputs", "Envelopes and calls that wait for the store", |of| of.system_depth.get() as f64),
    ("inbox_system_bytes", "Bytes of envelopes and calls that wait for the store", |of| {
        of.system_bytes.get() as f64
    }),
    ("log_waiting_batches", "Log batches that wait for the log writer", |of| of.log_depth.get() as f64),
];

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

pub(super) fn write(page: &mut Page<'_>, handle: &Handle) -> fmt::Result {
    for (name, help, value) in RISING {
        page.counters(name, help, [(Labels::new(), value(handle.counters()))])?;
    }
    for (name, help, value) in DEPTHS {
        page.gauge(name, help, value(handle.counters()))?;
    }
    let syncs = [(Labels::new(), &handle.counters().log_sync_times)];
    page.histograms("log_sync_seconds", "How long synced writes took", syncs)
}
