//! What the operator remembers of a cluster between two passes. All of it may be lost at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use planner::{NodeId, Remembered, Uid};

use crate::admin::Node;

/// Of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// When a leader was seen last, or looked for first.
    leader_seen: Option<Instant>,
    /// Since when a member does not answer its leader, across leaders.
    silent_since: BTreeMap<NodeId, Instant>,
    /// Whether the machine of a volume is gone, and when that was found.
    pinned_to_lost: BTreeMap<NodeId, (bool, Instant)>,
    /// Connections to nodes.
    nodes: BTreeMap<NodeId, Node>,
    /// What is waited for, and since when.
    waits: Option<(Vec<String>, Instant)>,
    /// Claims that the operator has no right to delete.
    undeletable: BTreeSet<Uid>,
    /// The version of the KvCluster after the last pass.
    pub written: Option<String>,
    /// When its status was written last.
    pub status_written: Option<Instant>,
    /// The generation that was refused because it cannot be read, and why.
    pub refused: Option<(Option<i64>, String)>,
    /// Passes that failed in a row.
    pub failures: u32,
    /// How the last pass failed.
    pub last_failure: Option<&'static str>,
}

/// How long an answer about machines is believed.
const LOST_IS_BELIEVED: Duration = Duration::from_secs(10);

impl Memory {
    /// How long no leader was seen, given whether one is seen now.
    pub fn leaderless(&mut self, is_led: bool, now: Instant) -> Duration {
        let seen = if is_led { now } else { self.leader_seen.unwrap_or(now) };
        self.leader_seen = Some(seen);
        now.saturating_duration_since(seen)
    }

    /// How long a member has been silent, given what its leader says. A new leader begins to count anew, this does not.
    pub fn silence(&mut self, node: NodeId, answers: bool, by_leader: Duration, now: Instant) -> Duration {
        if answers {
            self.silent_since.remove(&node);
            return by_leader;
        }
        let since = *self.silent_since.entry(node).or_insert(now);
        by_leader.max(now.saturating_duration_since(since))
    }

    /// The answer about the volume of a member, if it is fresh.
    pub fn known_lost(&self, node: NodeId, now: Instant) -> Option<bool> {
        let (is_lost, at) = self.pinned_to_lost.get(&node)?;
        (now.saturating_duration_since(*at) < LOST_IS_BELIEVED).then_some(*is_lost)
    }

    /// Remembers such an answer.
    pub fn learn_lost(&mut self, node: NodeId, is_lost: bool, now: Instant) {
        self.pinned_to_lost.insert(node, (is_lost, now));
    }

    /// The node in the pod with this IP address: connected since the last look, or to be connected.
    pub fn node(&mut self, node: NodeId, pod_ip: &str) -> Option<Node> {
        let known = self.nodes.remove(&node).filter(|known| known.is_at(pod_ip));
        let found = known.or_else(|| Node::at(pod_ip))?;
        self.nodes.insert(node, found.clone());
        Some(found)
    }

    /// Its connection is not to be used again: it may be one that nobody answers any more.
    pub fn disconnect(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// How long exactly this has been waited for.
    pub fn waiting(&mut self, waits: &[String], now: Instant) -> Duration {
        match &self.waits {
            Some((known, since)) if known == waits => now.saturating_duration_since(*since),
            _ => {
                self.waits = Some((waits.to_vec(), now));
                Duration::ZERO
            }
        }
    }

    /// The API server forbade to delete this claim.
    pub fn cannot_delete(&mut self, claim: Uid) {
        self.undeletable.insert(claim);
    }

    /// What a plan depends on.
    #[must_use]
    pub fn remembered(&self, now: Instant) -> Remembered {
        let (doing, since) = self.waits.clone().unwrap_or((Vec::new(), now));
        let doing_millis = u64::try_from(now.saturating_duration_since(since).as_millis());
        Remembered {
            doing,
            doing_millis: doing_millis.unwrap_or(u64::MAX),
            undeletable: self.undeletable.clone(),
        }
    }

    /// Forgets members that are gone.
    pub fn keep(&mut self, is_known: impl Fn(NodeId) -> bool) {
        self.silent_since.retain(|node, _| is_known(*node));
        self.pinned_to_lost.retain(|node, _| is_known(*node));
        self.nodes.retain(|node, _| is_known(*node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(3);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn silence_goes_on_under_a_new_leader_and_ends_with_an_answer() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        assert_eq!(memory.silence(NODE, false, seconds(5), start), seconds(5));
        // The new leader counts from its election.
        assert_eq!(memory.silence(NODE, false, seconds(1), start + seconds(20)), seconds(20));
        assert_eq!(memory.silence(NODE, true, seconds(0), start + seconds(21)), seconds(0));
        assert_eq!(memory.silence(NODE, false, seconds(1), start + seconds(30)), seconds(1));
    }

    #[test]
    fn the_time_without_leader_counts_from_the_last_one() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        assert_eq!(memory.leaderless(false, start), seconds(0));
        assert_eq!(memory.leaderless(false, start + seconds(4)), seconds(4));
        assert_eq!(memory.leaderless(true, start + seconds(5)), seconds(0));
        assert_eq!(memory.leaderless(false, start + seconds(7)), seconds(2));
    }

    #[test]
    fn another_wait_counts_anew() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let [a, b] = ["a", "b"].map(|text| vec![text.to_owned()]);
        memory.waiting(&a, start);
        assert_eq!(memory.waiting(&a, start + seconds(3)), seconds(3));
        assert_eq!(memory.remembered(start + seconds(3)).doing_millis, 3_000);
        assert_eq!(memory.waiting(&b, start + seconds(4)), seconds(0));
    }
}
