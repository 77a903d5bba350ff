//! The table of members.

use std::collections::BTreeSet;

use planner::NodeId;
use proto::admin::v1::{Member, MemberRole, NodeStatusResponse};

use crate::api::{self, KvCluster, MemberStatus};
use crate::objects::names;
use crate::observe::{Seen, Sight, is_ready};

/// Node ids of the voters, as the leader lists them.
pub(super) fn voters(leader: &NodeStatusResponse) -> Vec<u64> {
    let voters = leader.members.iter().filter(|member| member.role() == MemberRole::Voter);
    voters.map(|member| member.node).collect()
}

/// Members, and those that are on their way in or out: with a StatefulSet.
pub(super) fn table(cluster: &KvCluster, seen: &Seen, before: &[MemberStatus]) -> Vec<MemberStatus> {
    let leader = seen.leader_status();
    let listed = leader.map(|leader| leader.members.as_slice()).unwrap_or_default();
    let present = seen.members.iter().filter(|(_, sight)| sight.set.is_some()).map(|(node, _)| node.0);
    let nodes: BTreeSet<u64> = listed.iter().map(|member| member.node).chain(present).collect();
    let none = Sight::default();
    let row = |node: u64| {
        let sight = seen.members.get(&NodeId(node)).unwrap_or(&none);
        let member = listed.iter().find(|member| member.node == node);
        let old = before.iter().find(|old| old.node == node);
        row(cluster, node, member, sight, old, (leader.is_some(), seen.leader == Some(NodeId(node))))
    };
    nodes.into_iter().map(row).collect()
}

fn row(
    cluster: &KvCluster,
    node: u64,
    member: Option<&Member>,
    sight: &Sight,
    old: Option<&MemberStatus>,
    (is_led, leads): (bool, bool),
) -> MemberStatus {
    let progress = member.and_then(|member| member.progress);
    let status = sight.status.as_ref();
    let disk = status.map(|status| status.disk_id.clone()).filter(|disk| !disk.is_empty());
    // Without a leader the list of members is as it was.
    let role = if is_led { member.map(role) } else { old.and_then(|old| old.role) };
    let free = status.map(|status| status.free_bytes).filter(|free| *free > 0);
    MemberStatus {
        node,
        role,
        leader: leads,
        ready: sight.pod.as_ref().is_some_and(|pod| is_ready(pod)),
        // What moves all the time is told only as long as it matters.
        lag: progress.map(|progress| if progress.caught_up { 0 } else { progress.lag_entries }),
        disk: disk.or_else(|| member.map(|member| member.disk_id.clone())).or_else(|| old?.disk.clone()),
        free_bytes: free.map(|free| steady(free, old.and_then(|old| old.free_bytes))),
        version: status.map(|status| status.version.clone()).or_else(|| old?.version.clone()),
        pod: sight.pod.as_ref().map(|_| names::pod(cluster, node)),
    }
}

fn role(member: &Member) -> api::MemberRole {
    if member.role() == MemberRole::Voter { api::MemberRole::Voter } else { api::MemberRole::Learner }
}

/// Free space, which moves a little all the time: told anew when it moved by more than a sixteenth.
fn steady(free: u64, told: Option<u64>) -> u64 {
    const UNIT: u64 = 1 << 20;
    let rounded = free / UNIT * UNIT;
    told.filter(|told| told.abs_diff(free) <= told / 16).unwrap_or(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn free_space_is_told_when_it_moved_much() {
        assert_eq!(steady(GIB + 5, None), GIB);
        assert_eq!(steady(GIB - GIB / 20, Some(GIB)), GIB);
        assert_eq!(steady(GIB / 2 + 1, Some(GIB)), GIB / 2);
        assert_eq!(steady(2 * GIB, Some(GIB)), 2 * GIB);
    }
}
