//! The rules that every run must keep, checked after every event.
//!
//! The monitor sees what the world sees of each replica: what it hands to its disk and what of that became
//! durable, what it sends, what it applies, what it shows of itself. It never looks inside. Each file holds
//! one family of rules; the first that is broken ends the run.
//!
//! | file | rules about |
//! |---|---|
//! | `boot` | starts: what they find on the disk |
//! | `disk` | what is written, in which order, and what may never be removed again |
//! | `chain`, `ledger` | log matching by payload; the one committed log |
//! | `commit` | who may commit what, and who must hold it |
//! | `election` | one leadership a term, votes, office, leader completeness |
//! | `replies` | what waits for what |
//! | `apply` | the state machines |
//! | `membership` | configurations and ids |
//! | `lease` | leases and read indexes |
//!
//! When the world calls what: `booted` before the first output of a boot is performed; for each output `sent`
//! before `submitted` before anything is applied; `durable` before the core is told; `status` once every
//! output of the event was performed; in a crash `durable` for what survived of the writes, then `stopped`.

use std::collections::BTreeMap;
use std::fmt;

use raft::{
    Boot, ChangeResult, Entry, HardState, LogIndex, LogPosition, LogWrite, NodeId, Outgoing, RangeId, Round,
    SnapshotMeta, Status, Time,
};

/// Ends the check with a breach unless the condition holds.
macro_rules! must {
    ($condition:expr, $invariant:expr, $($detail:tt)+) => {
        if !$condition {
            return Err($crate::monitor::Breach::new($invariant, format!($($detail)+)));
        }
    };
}

mod apply;
mod boot;
mod chain;
mod commit;
mod disk;
mod election;
mod group;
mod lease;
mod ledger;
mod membership;
mod replica;
mod replies;
#[cfg(test)]
mod testing;

use group::Group;

/// A rule that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// Which.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Breach {
    fn new(invariant: &'static str, detail: String) -> Self {
        Self { invariant, detail }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

impl std::error::Error for Breach {}

/// What a start finds of a replica.
#[derive(Clone, Copy, Debug)]
pub struct OnDisk<'a> {
    /// Term, vote and the like.
    pub hard: &'a HardState,
    /// What the log begins after.
    pub base: &'a SnapshotMeta,
    /// The log.
    pub entries: &'a [Entry],
}

/// All that was seen of all groups of a run.
#[derive(Clone, Debug)]
pub struct Monitor {
    groups: BTreeMap<RangeId, Group>,
}

impl Monitor {
    /// For these groups.
    #[must_use]
    pub fn new(groups: &[RangeId]) -> Self {
        Self { groups: groups.iter().map(|range| (*range, Group::default())).collect() }
    }

    fn check(
        &mut self,
        group: RangeId,
        node: NodeId,
        rule: impl FnOnce(&mut Group) -> Result<(), Breach>,
    ) -> Result<(), Breach> {
        rule(self.groups.entry(group).or_default())
            .map_err(|breach| Breach::new(breach.invariant, format!("{group:?} {node:?}: {}", breach.detail)))
    }

    /// A replica starts with this on its disk, after an open install was finished. Its clock shows `now`.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn booted(
        &mut self,
        group: RangeId,
        node: NodeId,
        boot: Boot,
        now: Time,
        disk: &OnDisk<'_>,
    ) -> Result<(), Breach> {
        self.check(group, node, |g| g.booted(node, boot, now, disk))
    }

    /// A replica stopped or crashed: what it had in memory is gone. What survived of writes under way was
    /// reported with `durable` before.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn stopped(&mut self, group: RangeId, node: NodeId) -> Result<(), Breach> {
        self.check(group, node, |g| g.stopped(node))
    }

    /// A replica's disk is gone, corrupt or about to be rolled back, by a fault: from here on it may show
    /// anything, and it counts as a holder of all that it held.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn destroyed(&mut self, group: RangeId, node: NodeId) -> Result<(), Breach> {
        self.check(group, node, |g| g.destroyed(node))
    }

    /// A message leaves the core. The clock of its node shows `now`.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn sent(
        &mut self,
        group: RangeId,
        node: NodeId,
        outgoing: &Outgoing,
        now: Time,
    ) -> Result<(), Breach> {
        self.check(group, node, |g| g.sent(node, outgoing, now))
    }

    /// A heartbeat arrives at a replica, whose clock shows `now`.
    pub fn heard(&mut self, group: RangeId, node: NodeId, from: NodeId, round: Round, now: Time) {
        self.groups.entry(group).or_default().heard(node, from, round, now);
    }

    /// A write is handed to the disk. The clock of its node shows `now`.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn submitted(
        &mut self,
        group: RangeId,
        node: NodeId,
        write: &LogWrite,
        now: Time,
    ) -> Result<(), Breach> {
        self.check(group, node, |g| g.submitted(node, write, now))
    }

    /// A write is durable; the core does not know it yet.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn durable(&mut self, group: RangeId, node: NodeId, write: &LogWrite) -> Result<(), Breach> {
        self.check(group, node, |g| g.durable(node, write))
    }

    /// The state machine applied an entry.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn applied(&mut self, group: RangeId, node: NodeId, entry: &Entry) -> Result<(), Breach> {
        self.check(group, node, |g| g.applied(node, entry))
    }

    /// The state machine was replaced by a snapshot, whose intent is durable; the core is not told yet.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn installed(&mut self, group: RangeId, node: NodeId, meta: &SnapshotMeta) -> Result<(), Breach> {
        self.check(group, node, |g| g.installed(node, meta))
    }

    /// Up to where somebody has committed the log of a group: what a read that arrives now must see.
    #[must_use]
    pub fn committed(&self, group: RangeId) -> LogIndex {
        self.groups.get(&group).map_or(LogIndex::ZERO, |group| group.ledger.last())
    }

    /// The hash of the state machine that holds everything up to `index`.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn state_hash(
        &mut self,
        group: RangeId,
        node: NodeId,
        index: LogIndex,
        hash: u64,
    ) -> Result<(), Breach> {
        self.check(group, node, |g| g.state_hash(index, hash))
    }

    /// What a replica shows of itself at the end of an event that touched it, all its output performed.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn status(
        &mut self,
        group: RangeId,
        node: NodeId,
        real_now_ns: u64,
        status: &Status,
    ) -> Result<(), Breach> {
        self.check(group, node, |g| g.status(node, real_now_ns, status))
    }

    /// A client is told that the write at this place is done.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn acknowledged(&mut self, group: RangeId, at: LogPosition) -> Result<(), Breach> {
        self.check(group, NodeId(0), |g| g.acknowledged(at))
    }

    /// A membership call ended.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn change_result(
        &mut self,
        group: RangeId,
        node: NodeId,
        result: &ChangeResult,
    ) -> Result<(), Breach> {
        self.check(group, node, |g| g.change_result(node, result))
    }

    /// Which nodes of a group would serve a read by their lease at this one instant. To be called at any
    /// time, for all nodes that run.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn lease_check(
        &mut self,
        group: RangeId,
        real_now_ns: u64,
        leases: &[(NodeId, bool)],
    ) -> Result<(), Breach> {
        self.check(group, NodeId(0), |g| g.lease_check(real_now_ns, leases))
    }
}
