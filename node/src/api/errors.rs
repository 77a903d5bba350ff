//! Refusals, as clients are told them: an `ErrorDetail`, in a `google.rpc.Status` where the call is unary.

use prost::Message;
use proto::v1::error_detail::Kind;
use proto::v1::{
    AlreadyAcknowledged, Busy, DeadlineExceeded, DiskReserve, ErrorDetail, InTheFuture, Invalid, NoLeader,
    NotLeader, OutcomeUnknown, SessionExpired, TooLarge, TooOld, TooStale,
};
use raft::NodeId;
use store::request::RequestError;
use tonic::{Code, Status};
use tonic_types::pb::RetryInfo;

const TYPE: &str = "type.googleapis.com/kvcluster.v1.ErrorDetail";
const RETRY_TYPE: &str = "type.googleapis.com/google.rpc.RetryInfo";
/// When to try again where nothing better is known, in milliseconds.
const RETRY_MILLIS: u64 = 50;

/// The request itself is wrong.
pub(super) fn invalid(message: impl Into<String>) -> ErrorDetail {
    ErrorDetail { message: message.into(), kind: Some(Kind::Invalid(Invalid {})) }
}

/// The time is over.
pub(super) fn deadline() -> ErrorDetail {
    let message = "the time for this request is over; a write may still take effect";
    ErrorDetail { message: message.into(), kind: Some(Kind::DeadlineExceeded(DeadlineExceeded {})) }
}

/// There will be no answer: this node stops.
pub(super) fn lost(changes: bool) -> ErrorDetail {
    let error = if changes { RequestError::OutcomeUnknown } else { RequestError::NoLeader };
    detail(&error, |_| None)
}

/// The client does not read its answers.
pub(super) fn unread_answers() -> ErrorDetail {
    let message = "too many answers wait to be read on this stream: read them, or ask for less at once";
    ErrorDetail { message: message.into(), kind: Some(Kind::Busy(Busy { retry_after_millis: RETRY_MILLIS })) }
}

/// A refusal of the store. `address` is where a node serves clients.
pub(super) fn detail(error: &RequestError, address: impl Fn(NodeId) -> Option<String>) -> ErrorDetail {
    let kind = match error {
        RequestError::Invalid { .. } => Kind::Invalid(Invalid {}),
        RequestError::TooLarge { what, size, limit } => {
            Kind::TooLarge(TooLarge { what: (*what).into(), size: *size as u64, limit: *limit as u64 })
        }
        RequestError::NotLeader { leader: None } | RequestError::NoLeader => Kind::NoLeader(NoLeader {}),
        RequestError::NotLeader { leader: Some(leader) } => Kind::NotLeader(NotLeader {
            leader_node: leader.0,
            leader_address: address(*leader).unwrap_or_default(),
        }),
        RequestError::Busy { delay_millis, .. } => Kind::Busy(Busy { retry_after_millis: *delay_millis }),
        RequestError::TooOld { oldest, .. } => Kind::TooOld(TooOld { oldest: oldest.0 }),
        RequestError::InTheFuture { latest, .. } => Kind::InTheFuture(InTheFuture { latest: latest.0 }),
        RequestError::TooStale => Kind::TooStale(TooStale {}),
        RequestError::SessionExpired { .. } => Kind::SessionExpired(SessionExpired {}),
        RequestError::AlreadyAcknowledged { .. } => Kind::AlreadyAcknowledged(AlreadyAcknowledged {}),
        RequestError::DiskReserve { nodes } => {
            Kind::DiskReserve(DiskReserve { nodes: nodes.iter().map(|node| node.0).collect() })
        }
        RequestError::OutcomeUnknown => Kind::OutcomeUnknown(OutcomeUnknown {}),
        // The node addresses the range; clients know of none.
        RequestError::WrongEpoch { .. } => Kind::Busy(Busy { retry_after_millis: RETRY_MILLIS }),
    };
    ErrorDetail { message: error.to_string(), kind: Some(kind) }
}

fn code(kind: Option<&Kind>) -> Code {
    match kind {
        None | Some(Kind::Invalid(_) | Kind::TooLarge(_) | Kind::AlreadyAcknowledged(_)) => {
            Code::InvalidArgument
        }
        Some(Kind::NotLeader(_) | Kind::NoLeader(_)) => Code::Unavailable,
        Some(Kind::Busy(_) | Kind::DiskReserve(_)) => Code::ResourceExhausted,
        Some(Kind::TooOld(_) | Kind::InTheFuture(_)) => Code::OutOfRange,
        Some(Kind::TooStale(_) | Kind::SessionExpired(_)) => Code::FailedPrecondition,
        Some(Kind::DeadlineExceeded(_)) => Code::DeadlineExceeded,
        // Nothing that a proxy repeats by itself.
        Some(Kind::OutcomeUnknown(_)) => Code::Unknown,
    }
}

/// The refusal of a unary call.
pub(super) fn status(detail: ErrorDetail) -> Status {
    let code = code(detail.kind.as_ref());
    let message = detail.message.clone();
    let mut rich = tonic_types::Status { code: code.into(), message: message.clone(), ..Default::default() };
    let mut add = |kind: &str, value: Vec<u8>| {
        rich.details.push(Default::default());
        if let Some(any) = rich.details.last_mut() {
            kind.clone_into(&mut any.type_url);
            any.value = value;
        }
    };
    add(TYPE, detail.encode_to_vec());
    if let Some(Kind::Busy(busy)) = &detail.kind {
        let mut retry = RetryInfo { retry_delay: Some(Default::default()) };
        if let Some(delay) = &mut retry.retry_delay {
            delay.nanos = i32::try_from(busy.retry_after_millis % 1_000).unwrap_or_default() * 1_000_000;
            delay.seconds = i64::try_from(busy.retry_after_millis / 1_000).unwrap_or(i64::MAX);
        }
        add(RETRY_TYPE, retry.encode_to_vec());
    }
    Status::with_details(code, message, rich.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::timestamp::Timestamp;

    #[test]
    fn every_refusal_has_its_kind_and_code() {
        let session = Timestamp(5);
        let nodes = vec![NodeId(1), NodeId(2)];
        let cases: [(RequestError, Code, &str); 15] = [
            (RequestError::Invalid { what: "x".into() }, Code::InvalidArgument, "Invalid"),
            (RequestError::TooLarge { what: "a key", size: 9, limit: 8 }, Code::InvalidArgument, "TooLarge"),
            (RequestError::NotLeader { leader: Some(NodeId(2)) }, Code::Unavailable, "node-2"),
            (RequestError::NotLeader { leader: None }, Code::Unavailable, "NoLeader"),
            (RequestError::NoLeader, Code::Unavailable, "NoLeader"),
            (RequestError::Busy { what: "x", delay_millis: 1_070 }, Code::ResourceExhausted, "1070"),
            (RequestError::TooOld { timestamp: session, oldest: session }, Code::OutOfRange, "oldest: 5"),
            (
                RequestError::InTheFuture { timestamp: session, latest: session },
                Code::OutOfRange,
                "latest: 5",
            ),
            (RequestError::TooStale, Code::FailedPrecondition, "TooStale"),
            (RequestError::SessionExpired { session }, Code::FailedPrecondition, "SessionExpired"),
            (
                RequestError::AlreadyAcknowledged { session, number: 1 },
                Code::InvalidArgument,
                "AlreadyAcknowledged",
            ),
            (RequestError::DiskReserve { nodes }, Code::ResourceExhausted, "[1, 2]"),
            (RequestError::OutcomeUnknown, Code::Unknown, "OutcomeUnknown"),
            (RequestError::WrongEpoch { epoch: 3 }, Code::ResourceExhausted, "Busy"),
            (RequestError::Busy { what: "x", delay_millis: 5 }, Code::ResourceExhausted, "Busy"),
        ];
        for (error, code, shown) in cases {
            let status = status(detail(&error, |node| Some(format!("node-{node}"))));
            assert_eq!(status.code(), code, "{error}");
            assert_eq!(status.message(), error.to_string());
            let rich = tonic_types::Status::decode(status.details()).unwrap();
            let first = ErrorDetail::decode(&rich.details[0].value[..]).unwrap();
            assert!(format!("{first:?}").contains(shown), "{first:?}");
            if let Some(retry) = rich.details.get(1) {
                let retry = RetryInfo::decode(&retry.value[..]).unwrap().retry_delay.unwrap();
                let millis = retry.seconds * 1_000 + i64::from(retry.nanos) / 1_000_000;
                assert!(millis == 1_070 || millis == 5 || millis == 50);
            }
        }
    }
}
