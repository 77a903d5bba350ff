//! What a replica shows of itself.

use std::time::Duration;

use raft::{NodeId, RangeId};

use super::Replica;
use super::host::Host;
use super::peers::MAX_SKEW;
use crate::effects::ClusterVersion;
use crate::range::Applied;
use crate::timestamp::Timestamp;

/// A copy of the visible state of a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaStatus {
    /// The range.
    pub range: RangeId,
    /// Of its descriptor.
    pub epoch: u64,
    /// Of the consensus core.
    pub raft: raft::Status,
    /// Its events.
    pub counters: raft::Counters,
    /// How far it is.
    pub applied: Applied,
    /// The oldest timestamp that can be read.
    pub gc_threshold: Timestamp,
    /// Which effects may be proposed.
    pub cluster_version: ClusterVersion,
    /// Sessions that have not expired.
    pub sessions: usize,
    /// Whether it evaluates requests.
    pub serves_writes: bool,
    /// Clients that wait for a write.
    pub waiting_writes: usize,
    /// Reads and answers that wait.
    pub waiting_reads: usize,
    /// How old what is read here may be; none if that is not known.
    pub staleness: Option<Duration>,
    /// Applied entries and their bytes in the log.
    pub log: (u64, u64),
    /// How far each voter's clock is from the median, in milliseconds, where it is known.
    pub clocks: Vec<(NodeId, i64)>,
    /// The voters whose clocks are further away than [`MAX_SKEW`].
    pub skewed: Vec<NodeId>,
    /// The voters that are short of space, if they are too many for a quorum of the others.
    pub short_of_space: Vec<NodeId>,
    /// A snapshot takes the place of the data: nothing is served.
    pub installing: bool,
    /// The followers whose snapshots the log outgrew twice in a row: they will not catch up like this.
    pub catch_up_stalled: Vec<NodeId>,
}

impl Replica {
    /// A copy of the visible state.
    #[must_use]
    pub fn status<L, E>(&self, host: &Host<'_, L, E>) -> ReplicaStatus {
        let raft = self.raft.status(host.now.time);
        let clocks = offsets(host.peers.clocks(host.now, &raft.configuration));
        let is_skewed = |offset: &i64| Duration::from_millis(offset.unsigned_abs()) > MAX_SKEW;
        let skewed = clocks.iter().filter(|(_, offset)| is_skewed(offset)).map(|(node, _)| *node).collect();
        let window = host.settings.raft.election_timeout;
        let short = host.peers.short_of_space(host.now, &raft.configuration, window);
        ReplicaStatus {
            range: self.state.range(),
            epoch: self.state.descriptor().epoch,
            counters: *self.raft.counters(),
            applied: self.state.applied(),
            gc_threshold: self.state.gc_threshold(),
            cluster_version: self.state.cluster_version(),
            sessions: self.state.sessions().len(),
            serves_writes: self.leadership.as_ref().is_some_and(|leadership| leadership.overlay.is_some()),
            waiting_writes: self.awaited.len(),
            waiting_reads: self.reads.len(),
            staleness: self.reads.staleness(host.now.time),
            log: self.log_size.size(),
            clocks,
            skewed,
            short_of_space: short.unwrap_or_default(),
            installing: self.installing,
            catch_up_stalled: self.transfers.stalled(),
            raft,
        }
    }
}

/// The distances from the lower median.
fn offsets(clocks: Vec<(NodeId, u64)>) -> Vec<(NodeId, i64)> {
    let mut millis: Vec<_> = clocks.iter().map(|(_, millis)| *millis).collect();
    millis.sort_unstable();
    let Some(median) = millis.get(millis.len().saturating_sub(1) / 2).copied() else { return Vec::new() };
    let distance = |clock: u64| {
        let distance = i64::try_from(clock.abs_diff(median)).unwrap_or(i64::MAX);
        if clock < median { -distance } else { distance }
    };
    clocks.into_iter().map(|(node, millis)| (node, distance(millis))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_clock_does_not_move_the_median() {
        let found = offsets(vec![(NodeId(1), 5_000), (NodeId(2), 900_000), (NodeId(3), 4_000)]);
        assert_eq!(found, [(NodeId(1), 0), (NodeId(2), 895_000), (NodeId(3), -1_000)]);
        assert!(offsets(Vec::new()).is_empty());
    }
}
