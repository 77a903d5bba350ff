//! Who leads, and what it says of the members.

use std::collections::BTreeMap;
use std::time::Duration;

use planner::{DiskId, LeaderView, MemberView, NodeId, Position, Role};
use proto::admin::v1::{MemberRole, NodeState, NodeStatusResponse};

use super::Sight;

/// Of those that say that they lead this cluster the one of the latest term: the others do not know yet that they were
/// followed by another.
pub fn of(members: &BTreeMap<NodeId, Sight>, cluster_id: Option<&str>) -> Option<NodeId> {
    let leads = |sight: &Sight| {
        let status = sight.status.as_ref()?;
        let ours = cluster_id == Some(status.cluster_id.as_str());
        (ours && status.state() == NodeState::Leader).then_some(status.term)
    };
    let leaders = members.iter().filter_map(|(node, sight)| Some((leads(sight)?, *node)));
    leaders.max().map(|(_, node)| node)
}

/// What the leader says. `silence`: how long a member has been silent, given whether it answers and what the leader says.
pub fn view(
    leader: NodeId,
    status: &NodeStatusResponse,
    mut silence: impl FnMut(NodeId, bool, Duration) -> Duration,
) -> Option<LeaderView> {
    // A node under another's name is no leader of that name.
    if NodeId(status.node) != leader {
        return None;
    }
    let at = status.configuration_at.unwrap_or_default();
    let members = status.members.iter().map(|member| {
        let (node, progress) = (NodeId(member.node), member.progress.unwrap_or_default());
        let silent = silence(node, progress.answers, Duration::from_millis(progress.silent_millis));
        MemberView {
            node,
            disk: DiskId(member.disk_id.clone()),
            role: if member.role() == MemberRole::Voter { Role::Voter } else { Role::Learner },
            matched: progress.matched,
            silent_millis: super::millis(silent),
            answers: progress.answers,
            caught_up: progress.caught_up,
        }
    });
    Some(LeaderView {
        leader,
        members: members.collect(),
        configuration_at: Position { index: at.index, term: at.term },
        committed: status.configuration_committed,
        reserved: (status.reserved > 0).then_some(NodeId(status.reserved)),
        catch_up_stalled: ids(&status.catch_up_stalled),
        short_of_space: ids(&status.short_of_space),
        skewed_clocks: ids(&status.skewed_clocks),
    })
}

fn ids(nodes: &[u64]) -> Vec<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(cluster: &str, state: NodeState, term: u64) -> Sight {
        let mut status =
            NodeStatusResponse { cluster_id: cluster.to_owned(), term, ..NodeStatusResponse::default() };
        status.set_state(state);
        Sight { status: Some(status), ..Sight::default() }
    }

    #[test]
    fn the_leader_of_the_latest_term_of_this_cluster_is_believed() {
        let members = BTreeMap::from([
            (NodeId(1), sight("a", NodeState::Leader, 4)),
            (NodeId(2), sight("a", NodeState::Leader, 5)),
            (NodeId(3), sight("a", NodeState::Follower, 6)),
            (NodeId(4), sight("b", NodeState::Leader, 9)),
        ]);
        assert_eq!(of(&members, Some("a")), Some(NodeId(2)));
        assert_eq!(of(&members, None), None);
    }
}
