//! Connections to a system under test: one HTTP/2 connection each, all of them made by the same library.

mod batch;
mod etcd;
mod unary;

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tonic::transport::{Channel, Endpoint};

pub use batch::BatchLink;
pub use etcd::{EtcdLink, api as etcd_api};
pub use unary::UnaryLink;

use crate::cluster::System;
use crate::error::BenchError;
use crate::workload::{Answer, Operation};

/// How a system is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// etcd's gRPC API.
    Etcd,
    /// kvcluster.v1, a call per operation.
    Unary,
    /// kvcluster.v1, all operations of a connection on one stream.
    Batch,
}

impl Protocol {
    /// Whose protocol it is.
    #[must_use]
    pub fn system(self) -> System {
        match self {
            Protocol::Etcd => System::Etcd,
            Protocol::Unary | Protocol::Batch => System::Ours,
        }
    }
}

/// Why an operation failed: the kind by which failures are counted.
pub type Failure = &'static str;

/// One connection; clones share it.
#[derive(Clone, Debug)]
pub enum Link {
    /// See [`Protocol::Etcd`].
    Etcd(EtcdLink),
    /// See [`Protocol::Unary`].
    Unary(UnaryLink),
    /// See [`Protocol::Batch`].
    Batch(BatchLink),
}

impl Link {
    /// Carries out one operation.
    ///
    /// # Errors
    /// The kind of the failure; a write may have happened in spite of it.
    pub async fn call(&mut self, operation: Operation) -> Result<Answer, Failure> {
        match self {
            Link::Etcd(link) => link.call(operation).await,
            Link::Unary(link) => link.call(operation).await,
            Link::Batch(link) => link.call(operation).await,
        }
    }
}

/// Opens `count` connections, by turns to the `addresses` (host:port).
///
/// # Errors
/// An address that is none. Whether anybody listens there shows with the first call.
pub fn connect(protocol: Protocol, addresses: &[String], count: usize) -> Result<Vec<Link>, BenchError> {
    addresses
        .iter()
        .cycle()
        .take(count)
        .map(|address| {
            let channel = channel(address)?;
            Ok(match protocol {
                Protocol::Etcd => Link::Etcd(EtcdLink::new(channel)),
                Protocol::Unary => Link::Unary(UnaryLink::new(channel)),
                Protocol::Batch => Link::Batch(BatchLink::new(channel)),
            })
        })
        .collect()
}

/// A connection to `address` (host:port), made at the first call and again after it broke.
///
/// # Errors
/// An address that is none.
pub fn channel(address: &str) -> Result<Channel, BenchError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| BenchError::Address { address: address.to_owned(), reason: error.to_string() })?;
    Ok(endpoint.connect_timeout(Duration::from_secs(1)).connect_lazy())
}

/// The name of a gRPC code, by which failures are counted.
fn code(status: &tonic::Status) -> Failure {
    match status.code() {
        tonic::Code::Ok => "ok",
        tonic::Code::Cancelled => "cancelled",
        tonic::Code::InvalidArgument => "invalid argument",
        tonic::Code::DeadlineExceeded => "deadline exceeded",
        tonic::Code::NotFound => "not found",
        tonic::Code::AlreadyExists => "already exists",
        tonic::Code::PermissionDenied => "permission denied",
        tonic::Code::ResourceExhausted => "resource exhausted",
        tonic::Code::FailedPrecondition => "failed precondition",
        tonic::Code::Aborted => "aborted",
        tonic::Code::OutOfRange => "out of range",
        tonic::Code::Unimplemented => "unimplemented",
        tonic::Code::Internal => "internal",
        tonic::Code::Unavailable => "unavailable",
        tonic::Code::DataLoss => "data loss",
        tonic::Code::Unauthenticated => "unauthenticated",
        tonic::Code::Unknown => "unknown",
    }
}
