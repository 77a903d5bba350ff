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

/// Judges over time: the loss of a leader counts only when it lasts, and so does a distance to it.
#[derive(Debug)]
pub struct Judge {
    /// For so long a learner is to be near its leader before it is caught up, and whoever is caught up far from it
    /// before it is so no more.
    window: Duration,
    was_ready: bool,
    /// Since when no leader is known.
    leaderless: Option<Instant>,
    caught_up: bool,
    /// Since when the contrary of that is so.
    contrary: Option<Instant>,
}

impl Judge {
    /// Of a node whose election timeout this is.
    #[must_use]
    pub fn new(election_timeout: Duration) -> Self {
        Self {
            window: election_timeout,
            was_ready: false,
            leaderless: None,
            caught_up: false,
            contrary: None,
        }
    }

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
        let silence = self.leaderless.map(|since| now.saturating_duration_since(since));
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
        if summary.receiving_snapshot || silence.is_some_and(|silence| silence >= PATIENCE) {
            self.caught_up = false;
        }
        if summary.receiving_snapshot {
            return Readiness::not("receiving_snapshot", "a snapshot is being fetched or installed");
        }
        if let Some(silence) = silence.filter(|silence| !self.was_ready || *silence >= PATIENCE) {
            return Readiness::not("no_leader", format!("no leader for {} s", silence.as_secs()));
        }
        self.look_at_distance(summary.caught_up, member.role, now);
        if !self.caught_up {
            return Readiness::not("catching_up", "it is far behind the leader, or was a moment ago");
        }
        Readiness { ready: true, reason: "ready", message: String::new() }
    }

    /// A voter that is near its leader is caught up at once.
    fn look_at_distance(&mut self, near: Option<bool>, role: MemberRole, now: Instant) {
        let Some(near) = near.filter(|near| *near != self.caught_up) else {
            self.contrary = None;
            return;
        };
        let window = if near && role == MemberRole::Voter { Duration::ZERO } else { self.window };
        let since = *self.contrary.get_or_insert(now);
        if now.saturating_duration_since(since) >= window {
            self.caught_up = near;
            self.contrary = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use raft::{Boot, ClusterId, Configuration, DiskId, NodeId, Term};
    use store::log_store::DiskIdentity;

    use super::*;

    const ME: NodeId = NodeId(1);
    const WINDOW: Duration = Duration::from_secs(1);

    fn member(role: MemberRole) -> Summary {
        let disk = DiskId(7);
        let mut configuration = Configuration::bootstrap([(ME, disk), (NodeId(2), DiskId(8))]);
        configuration.members.get_mut(&ME).unwrap().role = role;
        let identity = DiskIdentity { disk, member: Some((ClusterId(1), ME)) };
        Summary {
            role: Some(RoleKind::Follower),
            term: Term(1),
            leader: Some(NodeId(2)),
            configuration: Some(Arc::new(configuration)),
            caught_up: Some(true),
            ..Summary::without_replica(identity, Boot::default())
        }
    }

    fn reason(summary: &Summary) -> &'static str {
        Judge::new(WINDOW).judge(summary, Instant::now()).reason
    }

    #[test]
    fn a_voter_and_a_caught_up_learner_are_ready() {
        assert_eq!(reason(&member(MemberRole::Voter)), "ready");
        let learner = member(MemberRole::Learner);
        let (mut judge, begin) = (Judge::new(WINDOW), Instant::now());
        assert_eq!(judge.judge(&learner, begin).reason, "catching_up", "for how long is not known");
        assert_eq!(judge.judge(&learner, begin + WINDOW).reason, "ready");
        let receiving = Summary { receiving_snapshot: true, ..learner.clone() };
        assert_eq!(judge.judge(&receiving, begin + WINDOW).reason, "receiving_snapshot");
        assert_eq!(judge.judge(&learner, begin + WINDOW).reason, "catching_up");
    }

    #[test]
    fn who_is_far_behind_the_leader_is_not_ready() {
        for role in [MemberRole::Voter, MemberRole::Learner] {
            let (near, begin) = (member(role), Instant::now());
            let far = Summary { caught_up: Some(false), ..near.clone() };
            let unknown = Summary { caught_up: None, ..near.clone() };
            assert_eq!([&far, &unknown].map(reason), ["catching_up"; 2]);
            let mut judge = Judge::new(WINDOW);
            judge.judge(&near, begin);
            assert!(judge.judge(&near, begin + WINDOW).ready);
            assert!(judge.judge(&unknown, begin + WINDOW * 5).ready, "a new leader says so in a moment");
            assert!(judge.judge(&far, begin + WINDOW * 6).ready, "it may be for a moment");
            assert_eq!(judge.judge(&far, begin + WINDOW * 7).reason, "catching_up");
        }
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
        let mut judge = Judge::new(WINDOW);
        assert!(!judge.judge(&leaderless, begin).ready);
        assert!(judge.judge(&led, begin).ready);
        assert!(judge.judge(&leaderless, begin + Duration::from_secs(1)).ready);
        assert!(judge.judge(&leaderless, begin + Duration::from_secs(10)).ready);
        let lost = judge.judge(&leaderless, begin + Duration::from_secs(11));
        assert_eq!((lost.ready, lost.reason), (false, "no_leader"));
        assert!(judge.judge(&led, begin + Duration::from_secs(12)).ready);
    }
}
