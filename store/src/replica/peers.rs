//! What other nodes report about themselves beside Raft: their clocks and their free space.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::{Configuration, DiskId, NodeId, Target, Time};

use crate::effects::ClusterVersion;

/// The moment of an input: time is never read, it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// A monotonic clock that goes on during suspend.
    pub time: Time,
    /// The wall clock, in milliseconds since 1970.
    pub wall_millis: u64,
}

/// A wall clock further than this from the median is named.
pub const MAX_SKEW: Duration = Duration::from_secs(1);

/// The latest reports of all nodes, this one included.
#[derive(Clone, Debug)]
pub struct Peers {
    reports: BTreeMap<NodeId, Report>,
    me: Option<Target>,
    free_bytes: u64,
    /// Of this node's disk: those of others differ.
    reserve_bytes: u64,
    supported: ClusterVersion,
}

/// What a node said of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) disk: DiskId,
    pub(crate) at: Time,
    pub(crate) clock_millis: u64,
    /// Free space beyond its own reserve; 0: it is short of space.
    pub(crate) spare_bytes: u64,
    /// The newest cluster version that it understands.
    pub(crate) supported: ClusterVersion,
}

impl Peers {
    pub(crate) fn new(free_bytes: u64, reserve_bytes: u64, supported: ClusterVersion) -> Self {
        Self { reports: BTreeMap::new(), me: None, free_bytes, reserve_bytes, supported }
    }

    pub(crate) fn set_me(&mut self, me: Target) {
        self.me = Some(me);
    }

    pub(crate) fn set_free_bytes(&mut self, free_bytes: u64) {
        self.free_bytes = free_bytes;
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        self.free_bytes
    }

    /// What this node reports: how large a reserve is depends on the disk, so nobody else can tell whether it is
    /// there.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.free_bytes.saturating_sub(self.reserve_bytes)
    }

    /// A node reports. Only what members report is ever looked at, and there are not many nodes; strangers
    /// must not grow the table.
    pub(crate) fn heard(&mut self, node: NodeId, report: Report) {
        if self.reports.len() >= 4 * raft::MAX_MEMBERS && !self.reports.contains_key(&node) {
            let oldest = self.reports.iter().min_by_key(|(_, report)| report.at).map(|(node, _)| *node);
            oldest.map(|node| self.reports.remove(&node));
        }
        self.reports.insert(node, report);
    }

    /// The report of a member, by the disk that the configuration names.
    fn report(&self, now: Now, configuration: &Configuration, node: NodeId) -> Option<Report> {
        let disk = configuration.members.get(&node)?.disk;
        if self.me == Some(Target { node, disk }) {
            let (at, clock_millis, spare_bytes) = (now.time, now.wall_millis, self.spare_bytes());
            return Some(Report { disk, at, clock_millis, spare_bytes, supported: self.supported });
        }
        self.reports.get(&node).copied().filter(|report| report.disk == disk)
    }

    /// The wall clocks of the voters, as they would be now.
    pub(crate) fn clocks(&self, now: Now, configuration: &Configuration) -> Vec<(NodeId, u64)> {
        let clock = |node| {
            let report = self.report(now, configuration, node)?;
            let since = u64::try_from(now.time.since(report.at).as_millis()).unwrap_or(u64::MAX);
            Some((node, report.clock_millis.saturating_add(since)))
        };
        configuration.voters().filter_map(clock).collect()
    }

    /// The voters that did not report spare space within `window`, if they are too many for a quorum of the
    /// others.
    pub(crate) fn short_of_space(
        &self,
        now: Now,
        configuration: &Configuration,
        window: Duration,
    ) -> Option<Vec<NodeId>> {
        let has_space = |node: &NodeId| {
            self.report(now, configuration, *node)
                .is_some_and(|report| report.spare_bytes > 0 && now.time.since(report.at) < window)
        };
        let voters = configuration.voters().count();
        let short: Vec<_> = configuration.voters().filter(|node| !has_space(node)).collect();
        (2 * (voters - short.len()) <= voters).then_some(short)
    }

    /// The other members that reported, within `window`, that they are short of space.
    pub(crate) fn without_space(
        &self,
        now: Now,
        configuration: &Configuration,
        window: Duration,
    ) -> Vec<NodeId> {
        let is_short = |node: &NodeId| {
            self.report(now, configuration, *node)
                .is_some_and(|report| report.spare_bytes == 0 && now.time.since(report.at) < window)
        };
        let others = configuration.members.keys().filter(|node| self.me.is_none_or(|me| me.node != **node));
        others.copied().filter(is_short).collect()
    }

    /// The members that did not report, since this node started, that they understand `version`.
    pub(crate) fn without_version(
        &self,
        now: Now,
        configuration: &Configuration,
        version: ClusterVersion,
    ) -> Vec<NodeId> {
        let understands = |node: &NodeId| {
            self.report(now, configuration, *node).is_some_and(|report| report.supported >= version)
        };
        configuration.members.keys().filter(|node| !understands(node)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVE: u64 = 100;
    const WINDOW: Duration = Duration::from_secs(1);

    fn disk(node: u64) -> DiskId {
        DiskId(u128::from(node) + 70)
    }

    fn at(millis: u64) -> Now {
        Now { time: Time::ZERO + Duration::from_millis(millis), wall_millis: 50_000 + millis }
    }

    fn report(node: u64, millis: u64, spare_bytes: u64) -> Report {
        let (at, supported) = (at(millis).time, ClusterVersion(node as u32));
        Report { disk: disk(node), at, clock_millis: 40_000, spare_bytes, supported }
    }

    fn three() -> (Peers, Configuration) {
        let mut peers = Peers::new(RESERVE + 1, RESERVE, ClusterVersion(9));
        peers.set_me(Target { node: NodeId(1), disk: disk(1) });
        (peers, Configuration::bootstrap([1, 2, 3].map(|node| (NodeId(node), disk(node)))))
    }

    #[test]
    fn a_quorum_must_have_reported_its_space_lately() {
        let (mut peers, configuration) = three();
        let short = |peers: &Peers, millis| peers.short_of_space(at(millis), &configuration, WINDOW);
        assert_eq!(short(&peers, 0), Some(vec![NodeId(2), NodeId(3)]), "silence is no space");
        peers.heard(NodeId(2), report(2, 0, 0));
        assert_eq!(short(&peers, 0), Some(vec![NodeId(2), NodeId(3)]));
        peers.heard(NodeId(3), report(3, 0, 1));
        assert_eq!(short(&peers, 999), None);
        assert_eq!(short(&peers, 1_000), Some(vec![NodeId(2), NodeId(3)]), "too long ago");
    }

    #[test]
    fn only_who_reported_to_be_short_of_space_lately_is() {
        let (mut peers, configuration) = three();
        let short = |peers: &Peers, millis| peers.without_space(at(millis), &configuration, WINDOW);
        peers.set_free_bytes(0);
        assert_eq!(short(&peers, 0), [], "silence is no report, and nobody holds back itself");
        peers.heard(NodeId(2), report(2, 0, 0));
        peers.heard(NodeId(3), report(3, 0, 1));
        assert_eq!(short(&peers, 999), [NodeId(2)]);
        assert_eq!(short(&peers, 1_000), [], "too long ago");
    }

    #[test]
    fn a_node_is_short_of_space_by_the_reserve_of_its_own_disk() {
        let (mut peers, configuration) = three();
        let [small, large] = [(150, RESERVE), (1 << 40, 2 << 40)]
            .map(|(free, reserve)| Peers::new(free, reserve, ClusterVersion(9)).spare_bytes());
        peers.heard(NodeId(2), report(2, 0, small));
        peers.heard(NodeId(3), report(3, 0, large));
        assert_eq!(peers.without_space(at(0), &configuration, WINDOW), [NodeId(3)]);
    }

    #[test]
    fn another_disk_is_not_the_member() {
        let (mut peers, configuration) = three();
        peers.heard(NodeId(2), Report { disk: disk(5), ..report(2, 0, 1) });
        assert_eq!(peers.clocks(at(0), &configuration), [(NodeId(1), 50_000)]);
    }

    #[test]
    fn a_clock_goes_on_after_it_was_heard() {
        let (mut peers, configuration) = three();
        peers.heard(NodeId(2), report(2, 0, 1));
        assert_eq!(peers.clocks(at(30), &configuration), [(NodeId(1), 50_030), (NodeId(2), 40_030)]);
    }

    #[test]
    fn all_members_must_understand_a_version() {
        let (mut peers, configuration) = three();
        peers.heard(NodeId(2), report(2, 0, 0));
        let without = |peers: &Peers, version| peers.without_version(at(0), &configuration, version);
        assert_eq!(without(&peers, ClusterVersion(2)), [NodeId(3)]);
        peers.heard(NodeId(3), report(3, 0, 0));
        assert!(without(&peers, ClusterVersion(2)).is_empty());
        assert_eq!(without(&peers, ClusterVersion(3)), [NodeId(2)]);
    }

    #[test]
    fn strangers_do_not_grow_the_table() {
        let (mut peers, _) = three();
        for node in 0..1_000 {
            peers.heard(NodeId(node), report(node, node, 0));
        }
        assert_eq!(peers.reports.len(), 4 * raft::MAX_MEMBERS);
        assert!(peers.reports.contains_key(&NodeId(999)));
    }
}
