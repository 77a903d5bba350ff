//! Calls of the administration service.

use std::time::Duration;

use client::{status_detail, status_message};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::admin_error_detail::Kind;
use proto::admin::v1::{AdminErrorDetail, NodeState, NodeStatusRequest, NodeStatusResponse};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::failure::Failure;

pub struct Node {
    endpoint: String,
    pub client: AdminClient<Channel>,
}

impl Node {
    pub fn connect(endpoint: &str, timeout: Duration) -> Result<Self, Failure> {
        let wrong =
            |error| Failure::Usage(format!("{endpoint:?} is not an endpoint, which is host:port: {error}"));
        let channel = Endpoint::from_shared(format!("http://{endpoint}")).map_err(wrong)?;
        let channel = channel.connect_timeout(timeout).timeout(timeout).connect_lazy();
        Ok(Self { endpoint: endpoint.to_owned(), client: AdminClient::new(channel) })
    }

    pub async fn status(&mut self) -> Result<NodeStatusResponse, Failure> {
        let answer = self.client.node_status(NodeStatusRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(|status| match refusal(status) {
            Failure::Unavailable(why) => Failure::Unavailable(format!("{}: {why}", self.endpoint)),
            other => other,
        })
    }
}

/// The leader, found from whichever of these answers.
pub async fn leader(endpoints: &[String], timeout: Duration) -> Result<(Node, NodeStatusResponse), Failure> {
    let mut last = None;
    for endpoint in endpoints {
        match leader_from(endpoint, timeout).await {
            Ok(found) => return Ok(found),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::Usage("give --admin-endpoint".to_owned())))
}

async fn leader_from(endpoint: &str, timeout: Duration) -> Result<(Node, NodeStatusResponse), Failure> {
    let mut node = Node::connect(endpoint, timeout)?;
    let status = node.status().await?;
    if status.state() == NodeState::Leader {
        return Ok((node, status));
    }
    let leads = |member: &&proto::admin::v1::Member| member.node == status.leader;
    let address = match status.members.iter().find(leads) {
        Some(leader) if !leader.peer_address.is_empty() => &leader.peer_address,
        Some(leader) => {
            let what = format!("node {} leads, and {endpoint} does not know where it is", leader.node);
            return Err(Failure::Unavailable(format!("{what}: give its --admin-endpoint")));
        }
        None => return Err(Failure::Unavailable(format!("{endpoint} knows of no leader"))),
    };
    let mut leader = Node::connect(address, timeout)?;
    let status = leader.status().await?;
    if status.state() == NodeState::Leader {
        return Ok((leader, status));
    }
    Err(Failure::Unavailable(format!("leadership moves: {address} does not lead any more; try again")))
}

/// Why a call failed.
pub fn refusal(status: Status) -> Failure {
    let detail: Option<AdminErrorDetail> = status_detail(&status, "kvcluster.admin.v1.AdminErrorDetail");
    if let Some(AdminErrorDetail { message, kind: Some(kind) }) = detail {
        return match kind {
            Kind::NotLeader(_) => Failure::Unavailable(format!("leadership moves: {message}; try again")),
            Kind::Fenced(_) => {
                Failure::Refused(format!("the members have just changed: {message}; look, try again"))
            }
            Kind::NotNow(_) => Failure::Refused(format!("not now: {message}; try again later")),
            Kind::Invalid(_) => Failure::Refused(message),
            Kind::Unsafe(at_risk) => Failure::Refused(format!("{message} (silent: {:?})", at_risk.silent)),
        };
    }
    let message = status_message(&status);
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            Failure::Unavailable(message)
        }
        _ => Failure::Refused(message),
    }
}
