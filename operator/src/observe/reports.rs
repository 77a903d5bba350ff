//! What nodes say of themselves.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use planner::{ClusterId, DiskId, NodeId, Report, ReportedState};
use proto::admin::v1::{NodeState, NodeStatusResponse};

use super::Sight;

/// Asks every pod that has an address. One that does not answer in time says nothing: the result names these.
pub async fn ask(members: &mut BTreeMap<NodeId, Sight>) -> Vec<NodeId> {
    let asked = members.iter_mut().filter_map(|(node, sight)| Some((*node, sight.node.clone()?, sight)));
    let silent = join_all(asked.map(async |(node, at, sight)| match at.status().await {
        Ok(status) => {
            sight.status = Some(status);
            None
        }
        Err(error) => {
            tracing::debug!(%node, %error, "no report");
            Some(node)
        }
    }));
    silent.await.into_iter().flatten().collect()
}

/// A report, for a plan.
pub fn report(status: &NodeStatusResponse) -> Report {
    Report {
        cluster_id: some(&status.cluster_id).map(ClusterId),
        node: (status.node > 0).then_some(NodeId(status.node)),
        disk: some(&status.disk_id).map(DiskId),
        boot: status.boot_counter,
        state: match status.state() {
            NodeState::LostDisk => ReportedState::LostDisk,
            NodeState::Corruption => ReportedState::Corruption,
            NodeState::Waiting | NodeState::Unspecified => ReportedState::Waiting,
            NodeState::Follower | NodeState::Candidate | NodeState::Leader | NodeState::Learner => {
                ReportedState::Member
            }
        },
        fault: status.fault.clone(),
        below_reserve: status.free_bytes < status.reserve_bytes,
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_disk_is_one_without_cluster() {
        let mut status = NodeStatusResponse { disk_id: "d".to_owned(), ..NodeStatusResponse::default() };
        status.set_state(NodeState::Waiting);
        let report = report(&status);
        assert_eq!((report.cluster_id, report.node, report.state), (None, None, ReportedState::Waiting));
        assert_eq!(report.disk, Some(DiskId("d".to_owned())));
    }

    #[test]
    fn what_is_unknown_is_not_below_the_reserve() {
        assert!(!report(&NodeStatusResponse::default()).below_reserve);
        let status = NodeStatusResponse { free_bytes: 1, reserve_bytes: 2, ..NodeStatusResponse::default() };
        assert!(report(&status).below_reserve);
    }
}
