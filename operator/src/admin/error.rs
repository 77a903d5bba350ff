//! Why a node refused.

use std::net::SocketAddr;

use prost::Message;
use proto::admin::v1::AdminErrorDetail;
use proto::admin::v1::admin_error_detail::Kind;
use tonic::Status;

const TYPE: &str = "type.googleapis.com/kvcluster.admin.v1.AdminErrorDetail";

/// An administration call that changed nothing, or of which that is not known.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum AdminError {
    /// It did not answer, or not in the way of a node.
    #[error(
        "{call}: node at {address} cannot be reached: {message}; it is tried again: does its pod run, and is no network policy in the way?"
    )]
    Unreachable {
        /// What was asked.
        call: &'static str,
        /// Of whom.
        address: SocketAddr,
        /// What happened.
        message: String,
    },
    /// Another node leads.
    #[error("{call}: {message}")]
    NotLeader {
        /// What was asked.
        call: &'static str,
        /// What the node says.
        message: String,
    },
    /// The configuration is another one than the call was planned on.
    #[error("{call}: {message}")]
    Fenced {
        /// What was asked.
        call: &'static str,
        /// What the node says.
        message: String,
    },
    /// Something else is under way.
    #[error("{call}: {message}")]
    NotNow {
        /// What was asked.
        call: &'static str,
        /// What the node says.
        message: String,
    },
    /// The call makes no sense to the node.
    #[error("{call}: {message}")]
    Invalid {
        /// What was asked.
        call: &'static str,
        /// What the node says.
        message: String,
    },
    /// It would put the cluster at risk.
    #[error("{call}: {message}; silent: {silent:?}")]
    Unsafe {
        /// What was asked.
        call: &'static str,
        /// What the node says.
        message: String,
        /// The voters that do not answer.
        silent: Vec<u64>,
    },
}

impl AdminError {
    /// One word for metrics and events.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "NodeUnreachable",
            Self::NotLeader { .. } => "NotLeader",
            Self::Fenced { .. } => "Fenced",
            Self::NotNow { .. } => "NotNow",
            Self::Invalid { .. } => "RefusedByNode",
            Self::Unsafe { .. } => "Unsafe",
        }
    }

    /// What a status says.
    pub(super) fn of(call: &'static str, address: SocketAddr, status: &Status) -> Self {
        let Some(AdminErrorDetail { message, kind: Some(kind) }) = detail(status) else {
            return Self::Unreachable { call, address, message: cause(status) };
        };
        match kind {
            Kind::NotLeader(_) => Self::NotLeader { call, message },
            Kind::Fenced(_) => Self::Fenced { call, message },
            Kind::NotNow(_) => Self::NotNow { call, message },
            Kind::Invalid(_) => Self::Invalid { call, message },
            Kind::Unsafe(proto::admin::v1::Unsafe { silent }) => Self::Unsafe { call, message, silent },
        }
    }
}

/// The deepest reason: the outermost says only that the transport failed.
fn cause(status: &Status) -> String {
    let mut deepest = std::error::Error::source(status);
    while let Some(source) = deepest.and_then(std::error::Error::source) {
        deepest = Some(source);
    }
    match deepest {
        Some(source) => source.to_string(),
        None => format!("{}: {}", status.code(), status.message()),
    }
}

fn detail(status: &Status) -> Option<AdminErrorDetail> {
    let rich = tonic_types::Status::decode(status.details()).ok()?;
    let any = rich.details.into_iter().find(|any| any.type_url == TYPE)?;
    AdminErrorDetail::decode(any.value.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use proto::admin::v1::Unsafe;
    use tonic::Code;

    use super::*;

    const NODE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 7401));

    fn refusal(kind: Kind) -> Status {
        let detail = AdminErrorDetail { message: "no".to_owned(), kind: Some(kind) };
        let mut rich = tonic_types::Status { code: 9, message: "no".to_owned(), ..Default::default() };
        rich.details.resize_with(1, Default::default);
        for any in &mut rich.details {
            TYPE.clone_into(&mut any.type_url);
            any.value = detail.encode_to_vec();
        }
        Status::with_details(Code::FailedPrecondition, "no", rich.encode_to_vec().into())
    }

    #[test]
    fn a_refusal_says_why() {
        let error = AdminError::of("Remove", NODE, &refusal(Kind::Unsafe(Unsafe { silent: vec![2] })));
        let expected = AdminError::Unsafe { call: "Remove", message: "no".to_owned(), silent: vec![2] };
        assert_eq!(error, expected);
    }

    #[test]
    fn a_status_without_detail_did_not_come_from_a_node() {
        let error = AdminError::of("Remove", NODE, &Status::unavailable("refused"));
        assert_eq!(error.kind(), "NodeUnreachable");
        assert!(error.to_string().contains("10.0.0.1:7401"), "{error}");
    }
}
