//! What the operator remembers of a cluster between two passes. All of it may be lost at any time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use planner::NodeId;

/// Of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// When a leader was seen last, or looked for first.
    leader_seen: Option<Instant>,
    /// Since when a member does not answer its leader, across leaders.
    silent_since: BTreeMap<NodeId, Instant>,
    /// Whether the machine of a volume is gone, and when that was found.
    pinned_to_lost: BTreeMap<NodeId, (bool, Instant)>,
    /// What is waited for, and since when.
    waits: Option<(Vec<String>, Instant)>,
    /// The version of the KvCluster after the last pass.
    pub written: Option<String>,
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

    /// Forgets members that are gone.
    pub fn keep(&mut self, is_known: impl Fn(NodeId) -> bool) {
        self.silent_since.retain(|node, _| is_known(*node));
        self.pinned_to_lost.retain(|node, _| is_known(*node));
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
        assert_eq!(memory.waiting(&b, start + seconds(4)), seconds(0));
    }
}
