//! Whether a node should be given traffic.

use std::time::{Duration, Instant};

use raft::{MemberRole, RoleKind};
use serde::Serialize;

use crate::store_loop::Summary;

/// A node that was ready stays so for as long without a leader: an election must not take it out of service.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether, and if not, why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Readiness {
    /// It should be given traffic.
    pub ready: bool,
    /// One word for programs.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Readiness {
    /// It should not be given traffic.
    #[must_use]
    pub fn not(reason: &'static str, message: impl Into<String>) -> Self {
        Self { ready: false, reason, message: message.into() }
    }

    /// Nothing is known yet.
    #[must_use]
    pub fn starting() -> Self {
        Self::not("starting", "the data are being opened")
    }

    /// It is about to end.
    #[must_use]
    pub fn stopping() -> Self {
        Self::not("stopping", "the process is stopping")
    }
}

/// Judges over time: the loss of a leader counts only when it lasts.
#[derive(Debug, Default)]
pub struct Judge {
    was_ready: bool,
    /// Since when no leader is known.
    leaderless: Option<Instant>,
}

impl Judge {
    /// What is so now.
    pub fn judge(&mut self, summary: &Summary, now: Instant) -> Readiness {
        let verdict = self.verdict(summary, now);
        self.was_ready = verdict.ready;
        verdict
    }

    fn verdict(&mut self, summary: &Summary, now: Instant) -> Readiness {
        self.leaderless = match summary.leader {
            Some(_) => None,
            None => self.leaderless.or(Some(now)),
        };
        let (Some(role), Some(configuration)) = (summary.role, &summary.configuration) else {
            return Readiness::not("waiting", "the disk is empty: waiting for a bootstrap, or for a leader");
        };
        if role == RoleKind::LostDisk {
            return Readiness::not("lost_disk", "the disk lost acknowledged data: replace this node");
        }
        let me = summary.identity.member.map(|(_, node)| node);
        let Some(member) = me.and_then(|me| configuration.members.get(&me)) else {
            return Readiness::not("not_a_member", "the cluster does not have this node as a member");
        };
        if summary.receiving_snapshot {
            return Readiness::not("receiving_snapshot", "a snapshot is being fetched or installed");
        }
        if member.role == MemberRole::Learner && !summary.caught_up {
            return Readiness::not("catching_up", "a learner that is still behind");
        }
        if let Some(since) = self.leaderless {
            let silence = now.saturating_duration_since(since);
            if !self.was_ready || silence >= PATIENCE {
                let message = format!("no leader for {} s", silence.as_secs());
                return Readiness::not("no_leader", message);
            }
        }
        Readiness { ready: true, reason: "ready", message: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use raft::{Boot, ClusterId, Configuration, DiskId, NodeId, Term};
    use store::log_store::DiskIdentity;
    use store::timestamp::Timestamp;

    use super::*;

    const ME: NodeId = NodeId(1);

    fn member(role: MemberRole) -> Summary {
        let disk = DiskId(7);
        let mut configuration = Configuration::bootstrap([(ME, disk), (NodeId(2), DiskId(8))]);
        configuration.members.get_mut(&ME).unwrap().role = role;
        Summary {
            identity: DiskIdentity { disk, member: Some((ClusterId(1), ME)) },
            boot: Boot::default(),
            role: Some(RoleKind::Follower),
            term: Term(1),
            leader: Some(NodeId(2)),
            configuration: Some(Arc::new(configuration)),
            serves_writes: false,
            caught_up: false,
            receiving_snapshot: false,
            applied_timestamp: Timestamp::ZERO,
        }
    }

    fn reason(summary: &Summary) -> &'static str {
        Judge::default().judge(summary, Instant::now()).reason
    }

    #[test]
    fn a_voter_and_a_caught_up_learner_are_ready() {
        assert_eq!(reason(&member(MemberRole::Voter)), "ready");
        let mut learner = member(MemberRole::Learner);
        assert_eq!(reason(&learner), "catching_up");
        learner.caught_up = true;
        assert_eq!(reason(&learner), "ready");
        learner.receiving_snapshot = true;
        assert_eq!(reason(&learner), "receiving_snapshot");
    }

    #[test]
    fn who_takes_no_part_is_not_ready() {
        let voter = member(MemberRole::Voter);
        assert_eq!(reason(&Summary { role: None, configuration: None, ..voter.clone() }), "waiting");
        assert_eq!(reason(&Summary { role: Some(RoleKind::LostDisk), ..voter.clone() }), "lost_disk");
        let others = Configuration::bootstrap([(NodeId(2), DiskId(8))]);
        assert_eq!(reason(&Summary { configuration: Some(Arc::new(others)), ..voter }), "not_a_member");
    }

    #[test]
    fn an_election_takes_no_node_out_of_service_unless_it_lasts() {
        let (led, leaderless) =
            (member(MemberRole::Voter), Summary { leader: None, ..member(MemberRole::Voter) });
        let begin = Instant::now();
        let mut judge = Judge::default();
        assert!(!judge.judge(&leaderless, begin).ready);
        assert!(judge.judge(&led, begin).ready);
        assert!(judge.judge(&leaderless, begin + Duration::from_secs(1)).ready);
        assert!(judge.judge(&leaderless, begin + Duration::from_secs(10)).ready);
        let lost = judge.judge(&leaderless, begin + Duration::from_secs(11));
        assert_eq!((lost.ready, lost.reason), (false, "no_leader"));
        assert!(judge.judge(&led, begin + Duration::from_secs(12)).ready);
    }
}
