//! What clients asked, and what they were told.

use std::time::Duration;

use store::replica::{Consistency, Reply, Request};
use store::request::{RequestError, WriteOutcome};
use store::timestamp::Timestamp;

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was answered.
    Answered(Reply),
    /// It may have been done, now or later.
    Unknown,
    /// It was not done.
    Refused(RequestError),
}

/// A request that ended.
#[derive(Clone, Debug)]
pub struct Done {
    /// Of this client.
    pub client: usize,
    /// As asked.
    pub request: Request,
    /// Its place in the order of all beginnings and ends.
    pub invoked: u64,
    /// In nanoseconds.
    pub invoked_at: u64,
    /// The end, in the same order.
    pub returned: u64,
    /// In nanoseconds.
    pub returned_at: u64,
    /// How it ended.
    pub outcome: Outcome,
}

impl Done {
    /// The moment that the answer shows, if it is one at or after which the request was made.
    pub fn shows_present(&self) -> Option<Timestamp> {
        let Outcome::Answered(reply) = &self.outcome else { return None };
        match &self.request {
            // A snapshot says nothing of the present.
            Request::Read(read) if matches!(read.consistency, Consistency::Snapshot(_)) => None,
            _ => timestamp(reply),
        }
    }
}

/// The moment that an answer names.
pub fn timestamp(reply: &Reply) -> Option<Timestamp> {
    match reply {
        Reply::Write(
            WriteOutcome::Written { timestamp, .. } | WriteOutcome::ConditionFailed { timestamp, .. },
        )
        | Reply::Value { timestamp, .. }
        | Reply::Page { timestamp, .. }
        | Reply::Session(timestamp) => Some(*timestamp),
        Reply::Hold { id } => Some(Timestamp(*id)),
        Reply::Done => None,
    }
}

/// Everything that was seen, in the order of its return, with the highest moment seen so far.
pub struct Seen {
    by_event: Vec<(u64, Timestamp)>,
    by_time: Vec<(u64, Timestamp)>,
}

impl Seen {
    /// What the clients of a history saw.
    pub fn new(history: &[Done]) -> Self {
        let (mut highest, mut by_event, mut by_time) = (Timestamp::ZERO, Vec::new(), Vec::new());
        let mut in_order: Vec<_> = history.iter().collect();
        in_order.sort_by_key(|done| done.returned);
        for done in in_order {
            if let Some(timestamp) = done.shows_present() {
                highest = highest.max(timestamp);
                by_event.push((done.returned, highest));
                by_time.push((done.returned_at, highest));
            }
        }
        Self { by_event, by_time }
    }

    /// What was seen before an event.
    pub fn before(&self, event: u64) -> Timestamp {
        let count = self.by_event.partition_point(|(returned, _)| *returned < event);
        count.checked_sub(1).map_or(Timestamp::ZERO, |at| self.by_event[at].1)
    }

    /// What was seen `bound` before `time`, on clocks that drift.
    pub fn until(&self, time: u64, bound: Duration) -> Timestamp {
        let bound = bound.as_nanos() as u64;
        let time = time.saturating_sub(bound + bound / 20 + 1);
        let count = self.by_time.partition_point(|(returned, _)| *returned <= time);
        count.checked_sub(1).map_or(Timestamp::ZERO, |at| self.by_time[at].1)
    }
}
