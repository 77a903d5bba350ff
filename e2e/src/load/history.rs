//! What clients asked, and what they were told.

use std::time::Duration;

/// A request that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// The key that it was about.
    pub key: String,
    /// What was asked.
    pub request: Request,
    /// When it began, since the start of the load.
    pub invoked: Duration,
    /// When it ended, since the start of the load.
    pub returned: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// What was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// To set the key to this value, which nothing else ever writes.
    Put(String),
    /// To read the key, linearizably.
    Get,
}

/// How a request ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was done at this timestamp; a read saw this.
    Answered {
        /// Of the answer: a position in the order of everything that happens in the cluster.
        timestamp: u64,
        /// What a read found; nothing for a write.
        found: Option<Found>,
    },
    /// It may have been done, now or later.
    Unknown,
    /// It was surely not done.
    Failed,
}

/// A value that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The timestamp of the write that made it.
    pub version: u64,
    /// What that write wrote.
    pub value: String,
}

impl Done {
    /// The timestamp of the answer, if there was one.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Answered { timestamp, .. } => Some(timestamp),
            Outcome::Unknown | Outcome::Failed => None,
        }
    }

    /// How long it took.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.returned.saturating_sub(self.invoked)
    }

    /// It wrote.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.request, Request::Put(_))
    }
}
