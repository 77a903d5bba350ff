//! Refusals as gRPC statuses with an `AdminErrorDetail` in them.

use prost::Message;
use proto::admin::v1::admin_error_detail::Kind;
use proto::admin::v1::{AdminErrorDetail, Fenced, LogPosition, NotNow, Unsafe};
use proto::v1::{Invalid, NotLeader};
use raft::{ChangeError, NodeId, TransferError};
use store::store::AdminError;
use tonic::{Code, Status};

const TYPE: &str = "type.googleapis.com/kvcluster.admin.v1.AdminErrorDetail";

/// A status that says what and why.
fn status(code: Code, message: String, kind: Kind) -> Status {
    let detail = AdminErrorDetail { message: message.clone(), kind: Some(kind) };
    let mut rich =
        tonic_types::Status { code: i32::from(code), message: message.clone(), ..Default::default() };
    rich.details.resize_with(1, Default::default);
    for any in &mut rich.details {
        TYPE.clone_into(&mut any.type_url);
        any.value = detail.encode_to_vec();
    }
    Status::with_details(code, message, rich.encode_to_vec().into())
}

/// The call is wrong.
pub fn invalid(message: impl Into<String>) -> Status {
    status(Code::InvalidArgument, message.into(), Kind::Invalid(Invalid {}))
}

/// Nothing can be done on this node, ever.
pub fn impossible(message: impl Into<String>) -> Status {
    status(Code::FailedPrecondition, message.into(), Kind::Invalid(Invalid {}))
}

/// Another time it may work.
pub fn not_now(message: impl Into<String>) -> Status {
    status(Code::Unavailable, message.into(), Kind::NotNow(NotNow {}))
}

/// Where the leader takes administration calls is asked of `address`.
fn not_leader(message: String, leader: Option<NodeId>, address: impl Fn(NodeId) -> Option<String>) -> Status {
    let leader_address = leader.and_then(address).unwrap_or_default();
    let message =
        if leader_address.is_empty() { message } else { format!("{message}, which is at {leader_address}") };
    let detail = NotLeader { leader_node: leader.map_or(0, |leader| leader.0), leader_address };
    status(Code::FailedPrecondition, message, Kind::NotLeader(detail))
}

/// A refusal of the store. `silent`: the voters that do not answer, as far as this node knows; `address`: where a
/// node takes administration calls.
pub fn refused(
    error: &AdminError,
    silent: Vec<NodeId>,
    address: impl Fn(NodeId) -> Option<String>,
) -> Status {
    let message = error.to_string();
    match error {
        AdminError::Change(error) => change(error, message, silent, address),
        AdminError::Transfer(error) => match error {
            TransferError::NotLeader { leader } => not_leader(message, *leader, address),
            TransferError::Transferring { .. } | TransferError::ChangeInProgress { .. } => not_now(message),
            TransferError::NotVoter { .. } => impossible(message),
            TransferError::Silent { node } => is_unsafe(message, vec![*node]),
        },
        // Only members lead.
        AdminError::NoReplica { .. } => not_leader(message, None, address),
        AdminError::BecomingMember => not_now(message),
        AdminError::Member { .. } => impossible(message),
        AdminError::Voters { .. } => invalid(message),
    }
}

fn is_unsafe(message: String, silent: Vec<NodeId>) -> Status {
    let silent = silent.into_iter().map(|node| node.0).collect();
    status(Code::FailedPrecondition, message, Kind::Unsafe(Unsafe { silent }))
}

fn change(
    error: &ChangeError,
    message: String,
    silent: Vec<NodeId>,
    address: impl Fn(NodeId) -> Option<String>,
) -> Status {
    match error {
        ChangeError::NotLeader { leader } => not_leader(message, *leader, address),
        ChangeError::Fenced { planned, committed } => {
            let fenced =
                Fenced { planned_on: Some(position(*planned)), committed: Some(position(*committed)) };
            status(Code::Aborted, message, Kind::Fenced(fenced))
        }
        ChangeError::LeadershipLost
        | ChangeError::Transferring { .. }
        | ChangeError::TermNotCommitted
        | ChangeError::InProgress { .. }
        | ChangeError::NotCaughtUp { .. }
        | ChangeError::TooManyConfigurations { .. } => not_now(message),
        ChangeError::NoQuorum { .. } => is_unsafe(message, silent),
        ChangeError::BadList { .. } => invalid(message),
        ChangeError::LastVoter { .. }
        | ChangeError::NotMember { .. }
        | ChangeError::NotReserved { .. }
        | ChangeError::OtherDisk { .. }
        | ChangeError::DiskInUse { .. }
        | ChangeError::TooManyMembers { .. }
        | ChangeError::LostDisk => impossible(message),
    }
}

/// A place in the log, as the protocol has it.
#[must_use]
pub fn position(at: raft::LogPosition) -> LogPosition {
    LogPosition { index: at.index.0, term: at.term.0 }
}

#[cfg(test)]
mod tests {
    use raft::{LogIndex, Term};

    use super::*;

    fn detail(status: &Status) -> AdminErrorDetail {
        let rich = tonic_types::Status::decode(status.details()).unwrap();
        assert_eq!((rich.code, rich.message.as_str()), (i32::from(status.code()), status.message()));
        assert_eq!(rich.details[0].type_url, TYPE);
        AdminErrorDetail::decode(rich.details[0].value.as_slice()).unwrap()
    }

    fn of(error: impl Into<AdminError>) -> (Code, Option<Kind>) {
        let at = |node: NodeId| (node == NodeId(2)).then(|| "two:7401".to_owned());
        let status = refused(&error.into(), vec![NodeId(3)], at);
        (status.code(), detail(&status).kind)
    }

    #[test]
    fn a_refusal_names_the_leader_and_where_it_is() {
        let (code, kind) = of(ChangeError::NotLeader { leader: Some(NodeId(2)) });
        let leader = NotLeader { leader_node: 2, leader_address: "two:7401".into() };
        assert_eq!((code, kind), (Code::FailedPrecondition, Some(Kind::NotLeader(leader))));
        let (_, kind) = of(TransferError::NotLeader { leader: None });
        assert_eq!(kind, Some(Kind::NotLeader(NotLeader::default())));
    }

    #[test]
    fn a_fenced_call_is_told_where_the_configuration_is() {
        let planned = raft::LogPosition::new(LogIndex(4), Term(1));
        let committed = raft::LogPosition::new(LogIndex(9), Term(2));
        let (code, kind) = of(ChangeError::Fenced { planned, committed });
        let fenced = Fenced { planned_on: Some(position(planned)), committed: Some(position(committed)) };
        assert_eq!((code, kind), (Code::Aborted, Some(Kind::Fenced(fenced))));
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let (code, kind) = of(ChangeError::NoQuorum { answering: 1, voters: 3 });
        assert_eq!((code, kind), (Code::FailedPrecondition, Some(Kind::Unsafe(Unsafe { silent: vec![3] }))));
        assert_eq!(of(ChangeError::TermNotCommitted).0, Code::Unavailable);
        assert_eq!(of(ChangeError::LastVoter { node: NodeId(1) }).0, Code::FailedPrecondition);
        assert_eq!(of(AdminError::Voters { what: "x" }).0, Code::InvalidArgument);
    }
}
