//! Followers that installed a snapshot and do not have yet what followed it: their leader keeps the log for them.

use std::collections::{BTreeMap, BTreeSet};

use raft::{LogIndex, NodeId, RoleKind, Term};
use store::replica::ReplicaStatus;

use super::world::World;
use crate::world::Violation;

/// A leader: its host, process and term.
type Leader = (usize, u64, Term);

/// What was seen of them.
#[derive(Debug, Default)]
pub struct Tails {
    /// The followers that take what followed their snapshots.
    behind: BTreeSet<(Leader, NodeId)>,
    /// How far each follower was at the last tick of a leader, and how far that had applied.
    seen: BTreeMap<usize, (LogIndex, Vec<(NodeId, LogIndex)>)>,
}

impl Tails {
    /// A leader is about to look after its log. Whoever has all but a tail of `tail` entries is like all others now.
    fn look(&mut self, leader: Leader, status: &ReplicaStatus, tail: u64) {
        let applied = status.applied.position.index;
        let has: Vec<_> = status.raft.followers.iter().map(|of| (of.node, of.matched)).collect();
        self.behind.retain(|(of, node)| *of != leader || is_behind(&has, *node, applied, tail));
        self.seen.insert(leader.0, (applied, has));
    }

    /// A leader sends a follower no snapshot any more.
    fn unwanted(&mut self, leader: Leader, node: NodeId, tail: u64) {
        if let Some((applied, has)) = self.seen.get(&leader.0)
            && is_behind(has, node, *applied, tail)
        {
            self.behind.insert((leader, node));
        }
    }

    /// The log of a leader begins after `base`: somebody for whom that is too late.
    fn left_behind(&self, leader: Leader, status: &ReplicaStatus, base: LogIndex) -> Option<NodeId> {
        let lacks =
            |node: &NodeId| status.raft.followers.iter().any(|of| of.node == *node && of.matched < base);
        self.behind.iter().filter(|(of, _)| *of == leader).map(|(_, node)| *node).find(lacks)
    }
}

fn is_behind(has: &[(NodeId, LogIndex)], node: NodeId, applied: LogIndex, tail: u64) -> bool {
    has.iter().any(|(of, matched)| *of == node && matched.0 + tail < applied.0)
}

impl World {
    /// Only where no transfer outgrows its cap.
    fn leader_with_tails(&self, host: usize) -> Option<(Leader, ReplicaStatus)> {
        let status = self.status(host).filter(|status| status.raft.role == RoleKind::Leader)?;
        let leader = (host, self.hosts[host].process, status.raft.term);
        (self.plan.settings.raft.transfer_log_bytes >= 1 << 20).then_some((leader, status))
    }

    /// A host is about to tick.
    pub(super) fn look_at_tails(&mut self, host: usize) {
        if let Some((leader, status)) = self.leader_with_tails(host) {
            self.tails.look(leader, &status, self.plan.settings.compaction.tail_entries);
        }
    }

    /// A host sends a follower no snapshot any more.
    pub(super) fn follows_by_log(&mut self, host: usize, node: NodeId) {
        if let Some((leader, _)) = self.leader_with_tails(host) {
            self.tails.unwanted(leader, node, self.plan.settings.compaction.tail_entries);
        }
    }

    /// A host has cut its log.
    pub(super) fn check_tails(&self, host: usize, base: LogIndex) -> Result<(), Violation> {
        let Some((leader, status)) = self.leader_with_tails(host) else { return Ok(()) };
        match self.tails.left_behind(leader, &status, base) {
            None => Ok(()),
            Some(node) => {
                let detail = format!("h{host} cuts its log at {base} under {node}");
                Err(Violation::new("the log is kept until what followed a snapshot arrived", detail))
            }
        }
    }
}
