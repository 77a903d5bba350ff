//! Why a call failed.

use std::time::Duration;

use prost::Message;
use proto::v1::ErrorDetail;
use proto::v1::error_detail::Kind;
use thiserror::Error;

/// Why a call failed, and what to do. Unless [`Error::outcome_unknown`] says otherwise, nothing was done and nothing
/// will be.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself is wrong: trying again does not help.
    #[error("{message}")]
    Invalid {
        /// What, and what would be right.
        message: String,
    },
    /// Over a limit.
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge {
        /// Of what.
        what: String,
        /// As asked.
        size: u64,
        /// At most.
        limit: u64,
    },
    /// The versions at the timestamp asked for may be gone.
    #[error("the timestamp is older than what is kept; the oldest that can be read is {oldest}")]
    TooOld {
        /// The oldest timestamp that can be read.
        oldest: u64,
    },
    /// The timestamp asked for lies too far ahead.
    #[error("the timestamp lies in the future; the latest is {latest}")]
    InTheFuture {
        /// The latest timestamp.
        latest: u64,
    },
    /// No node that was asked could show that it is fresh enough: accept more staleness, or read linearizably.
    #[error("no node could show that it is fresh enough: accept more staleness, or read linearizably")]
    TooStale,
    /// Space is short on a majority of the voters. Deletes are accepted.
    #[error("disk space is short on nodes {nodes:?}: only deletes are accepted until space is freed there")]
    DiskReserve {
        /// Where.
        nodes: Vec<u64>,
    },
    /// The cluster did not keep up.
    #[error("the cluster is busy: try again later, with less load")]
    Busy {
        /// Try again after so long.
        retry_after: Duration,
    },
    /// Nobody leads, for as long as was tried.
    #[error("no node leads: is a majority of the nodes running and connected?")]
    NoLeader,
    /// The node that was asked does not lead, and does not bring requests to the one that does.
    #[error("the leader, node {leader} ({address}), could not be reached")]
    NotLeader {
        /// Its node id; 0: not known.
        leader: u64,
        /// Where it serves clients; empty: not known.
        address: String,
    },
    /// No node could be reached.
    #[error("{address} could not be reached: {message}")]
    Unavailable {
        /// The node that was tried last.
        address: String,
        /// What went wrong there.
        message: String,
    },
    /// The time for the call is over.
    #[error("no answer within the deadline")]
    DeadlineExceeded,
    /// The write may or may not have been done, and may still be. Read to find out, or make it harmless to repeat,
    /// by a condition on the version.
    #[error("it is not known whether the write was or will be done: {message}")]
    OutcomeUnknown {
        /// Why the client stopped asking.
        message: String,
    },
    /// As [`Error::OutcomeUnknown`]: the session of the write was not used for so long that its records are gone.
    #[error("it is not known whether the write was done: its session has expired")]
    SessionExpired,
    /// As [`Error::OutcomeUnknown`]: the cluster has dropped the record of the write.
    #[error("it is not known whether the write was done: its record is gone")]
    AlreadyAcknowledged,
    /// The node answered something that this version of the client does not understand.
    #[error("{address} answered something unexpected: {message}")]
    Unexpected {
        /// The node.
        address: String,
        /// What.
        message: String,
    },
}

impl Error {
    /// Whether the write that failed may have been done, or may still be.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Error::OutcomeUnknown { .. } | Error::SessionExpired | Error::AlreadyAcknowledged)
    }

    /// Whether the same call may succeed later: the cluster was not able to serve it.
    #[must_use]
    pub fn unavailable(&self) -> bool {
        matches!(
            self,
            Error::Busy { .. }
                | Error::NoLeader
                | Error::NotLeader { .. }
                | Error::Unavailable { .. }
                | Error::DeadlineExceeded
                | Error::DiskReserve { .. }
                | Error::TooStale
        )
    }

    pub(crate) fn from_detail(detail: ErrorDetail, address: &str) -> Self {
        let ErrorDetail { message, kind } = detail;
        match kind {
            Some(Kind::NotLeader(other)) => {
                Error::NotLeader { leader: other.leader_node, address: other.leader_address }
            }
            Some(Kind::NoLeader(_)) => Error::NoLeader,
            Some(Kind::Busy(busy)) => {
                Error::Busy { retry_after: Duration::from_millis(busy.retry_after_millis) }
            }
            Some(Kind::Invalid(_)) => Error::Invalid { message },
            Some(Kind::TooLarge(large)) => {
                Error::TooLarge { what: large.what, size: large.size, limit: large.limit }
            }
            Some(Kind::TooOld(old)) => Error::TooOld { oldest: old.oldest },
            Some(Kind::InTheFuture(future)) => Error::InTheFuture { latest: future.latest },
            Some(Kind::TooStale(_)) => Error::TooStale,
            Some(Kind::DiskReserve(reserve)) => Error::DiskReserve { nodes: reserve.nodes },
            Some(Kind::SessionExpired(_)) => Error::SessionExpired,
            Some(Kind::AlreadyAcknowledged(_)) => Error::AlreadyAcknowledged,
            Some(Kind::DeadlineExceeded(_)) => Error::DeadlineExceeded,
            Some(Kind::OutcomeUnknown(_)) => Error::OutcomeUnknown { message },
            None => Error::Unexpected { address: address.to_owned(), message },
        }
    }
}

/// The typed detail of a failed call, if it carries one: `T` is a message of the contract, such as
/// `kvcluster.v1.ErrorDetail`, and `name` its full name.
#[must_use]
pub fn status_detail<T: Message + Default>(status: &tonic::Status, name: &str) -> Option<T> {
    let details = tonic_types::Status::decode(status.details()).ok()?.details;
    let named = |url: &str| url.rsplit('/').next() == Some(name);
    details.iter().find(|any| named(&any.type_url)).and_then(|any| T::decode(any.value.as_slice()).ok())
}

/// Why a call failed, with the causes below.
#[must_use]
pub fn status_message(status: &tonic::Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}
