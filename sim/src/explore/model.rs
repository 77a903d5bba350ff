//! What is explored: a start, the inputs that may happen, and how many of each.

use raft::{Change, Configuration, DiskId, Entry, HardState, LogIndex, MemberRole, NodeId, Payload, Term};

/// An input that costs: each happens at most so many times in one schedule, over all nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cost {
    /// A node campaigns.
    Campaign,
    /// A command is proposed.
    Proposal,
    /// A membership change is proposed.
    Change,
    /// A node crashes, loses any suffix of its unsynced writes, and restarts.
    Crash,
    /// A leader's heartbeat is due.
    Heartbeat,
    /// A node hears nothing for an election timeout.
    Silence,
    /// Leadership is handed over.
    Transfer,
    /// A linearizable read is asked for.
    Read,
}

impl Cost {
    /// All of them.
    pub const ALL: [Cost; 8] = [
        Cost::Campaign,
        Cost::Proposal,
        Cost::Change,
        Cost::Crash,
        Cost::Heartbeat,
        Cost::Silence,
        Cost::Transfer,
        Cost::Read,
    ];
}

/// What the nodes hold at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Only the first configuration, in term 1.
    Fresh,
    /// Figure 8 (b) of the paper, with three nodes: node 1 led term 2, node 3 led term 3, and neither
    /// replicated its no-op. All know of term 3.
    Figure8,
}

/// A bounded world, to be explored to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The nodes 1 to `voters` vote.
    pub voters: u8,
    /// So many more only learn.
    pub learners: u8,
    /// What they hold.
    pub start: Start,
    /// How often each input may happen.
    pub limits: Vec<(Cost, u8)>,
    /// The changes that may be proposed.
    pub changes: Vec<Change>,
    /// Pre-votes are exchanged; otherwise every campaign counts as pre-elected.
    pub pre_vote: bool,
    /// Heartbeats arrive; otherwise all are lost.
    pub heartbeats: bool,
    /// Writes under way on one node at most: one more, and the oldest is complete. With 0 no write waits.
    pub writes_under_way: usize,
    /// An append carries one entry.
    pub short_appends: bool,
    /// Followers are asked for reads as well, not leaders alone.
    pub follower_reads: bool,
}

impl Model {
    /// How often this input may happen.
    #[must_use]
    pub fn limit(&self, cost: Cost) -> u8 {
        self.limits.iter().find(|(of, _)| *of == cost).map_or(0, |(_, limit)| *limit)
    }

    /// The number of nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        usize::from(self.voters + self.learners)
    }

    /// The first configuration.
    #[must_use]
    pub fn configuration(&self) -> Configuration {
        let all = (1..=self.voters + self.learners).map(|n| (NodeId(u64::from(n)), disk_of(n)));
        let mut configuration = Configuration::bootstrap(all);
        for (node, member) in &mut configuration.members {
            if node.0 > u64::from(self.voters) {
                member.role = MemberRole::Learner;
            }
        }
        configuration
    }

    /// What the disk of node `n`, from 1, holds at the start.
    #[must_use]
    pub fn disk(&self, n: u8) -> (HardState, Vec<Entry>) {
        let (hard_state, first) = raft::bootstrap(self.configuration());
        let noop = |term| Entry { index: LogIndex(2), term: Term(term), payload: Payload::Noop };
        let voted = |term, node| HardState { term: Term(term), vote: Some(NodeId(node)), ..hard_state };
        match (self.start, n) {
            (Start::Fresh, _) => (hard_state, vec![first]),
            (Start::Figure8, 1) => (HardState { term: Term(3), ..hard_state }, vec![first, noop(2)]),
            (Start::Figure8, 3) => (voted(3, 3), vec![first, noop(3)]),
            (Start::Figure8, _) => (voted(3, 3), vec![first]),
        }
    }

    /// The highest term at the start.
    #[must_use]
    pub fn first_term(&self) -> u8 {
        match self.start {
            Start::Fresh => 1,
            Start::Figure8 => 3,
        }
    }

    /// The highest term that can be reached: a campaign, a transfer and a leader's removal each begin one.
    #[must_use]
    pub fn last_term(&self) -> u8 {
        let begun = [Cost::Campaign, Cost::Transfer, Cost::Change].map(|cost| self.limit(cost));
        self.first_term() + begun.iter().sum::<u8>()
    }

    /// Whether the voters are mirror images of each other at the start. Then the first campaign may be node 1's
    /// without loss: every other schedule is one of these with nodes exchanged. The core looks at an id only to
    /// tell one node from another, except that a leader that was demoted or removed makes way for the
    /// highest of several equal voters.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        let picks_by_id = |change: &Change| matches!(change, Change::Demote { .. } | Change::Remove { .. });
        self.start == Start::Fresh && !self.changes.iter().any(picks_by_id)
    }
}

/// The disk of node `n`.
#[must_use]
pub fn disk_of(n: u8) -> DiskId {
    DiskId(0xd0 + u128::from(n))
}
