//! What the ranges of a node show.

use std::fmt;

use raft::{Counters, FollowerState, RoleKind};
use store::replica::ReplicaStatus;

use super::page::{Labels, Page};

/// Name, help and value of something that only rises.
type Event = (&'static str, &'static str, fn(&Counters) -> u64);
/// Name, help and value of something else.
type Level = (&'static str, &'static str, fn(&ReplicaStatus) -> f64);

const EVENTS: [Event; 20] = [
    ("raft_identity_drops", "Messages dropped: not of or for whom the log says", |of| of.identity_drops),
    ("raft_bad_messages", "Messages dropped: malformed or impossible", |of| of.bad_messages),
    ("raft_stale_replies", "Replies dropped: to another boot, campaign or round", |of| of.stale_replies),
    ("raft_overload_drops", "Appends dropped: too much waited for the disk", |of| of.overload_drops),
    ("raft_campaigns", "Campaigns started, pre-votes included", |of| of.campaigns),
    ("raft_elections_won", "Offices taken", |of| of.elections_won),
    ("raft_quorum_lost", "Leaderships given up because no quorum answered", |of| of.quorum_lost),
    ("raft_disk_stalls", "Leaderships given up because the own disk stalled", |of| of.disk_stalls),
    ("raft_lease_reads", "Reads served by the lease", |of| of.lease_reads),
    ("raft_index_reads", "Reads confirmed by a round of heartbeats", |of| of.index_reads),
    ("raft_reads_after_transfer", "Reads by a round because leadership is leaving", |of| {
        of.reads_after_transfer
    }),
    ("raft_truncated_entries", "Entries truncated", |of| of.truncated),
    ("raft_configuration_rollbacks", "Configurations rolled back", |of| of.configuration_rollbacks),
    ("raft_snapshots_installed", "Snapshots installed", |of| of.snapshots_installed),
    ("raft_snapshots_refused", "Snapshots offered that were not needed", |of| of.snapshots_refused),
    ("raft_snapshots_overtaken", "Transfers that the log outgrew", |of| of.snapshots_overtaken),
    ("raft_transfers_sent", "Hand-overs of leadership begun", |of| of.transfers_sent),
    ("raft_lost_disks", "Peers told that their disk lost data", |of| of.lost_disks),
    ("raft_log_reads", "Reads of entries back from the disk", |of| of.log_reads),
    ("raft_clock_jumps", "Leases voided by a jump of the clock", |of| of.clock_jumps),
];

const LEVELS: [Level; 19] = [
    ("raft_term", "The current term", |of| of.raft.term.0 as f64),
    ("raft_leader", "The node that leads, 0: none known", |of| {
        of.raft.leader.map_or(0.0, |leader| leader.0 as f64)
    }),
    ("raft_is_leader", "1: this node leads", |of| flag(of.raft.role == RoleKind::Leader)),
    ("raft_lost_disk", "1: the disk lost data, this node takes no part", |of| {
        flag(of.raft.role == RoleKind::LostDisk)
    }),
    ("raft_lease_held", "1: the lease would serve a read now", |of| flag(of.raft.lease)),
    ("raft_commit_index", "Known committed", |of| of.raft.commit.0 as f64),
    ("raft_applied_index", "Applied", |of| of.raft.applied.0 as f64),
    ("raft_persisted_index", "Durable in the own log", |of| of.raft.persisted.0 as f64),
    ("raft_last_index", "The last entry of the log", |of| of.raft.last.index.0 as f64),
    ("raft_base_index", "What the log begins after", |of| of.raft.base.index.0 as f64),
    ("raft_uncommitted_bytes", "Own proposals not yet committed", |of| of.raft.uncommitted_bytes as f64),
    ("raft_receiving_snapshot", "1: a snapshot is fetched or installed", |of| {
        flag(of.raft.receiving_snapshot)
    }),
    ("raft_members", "Members, voters and learners", |of| of.raft.configuration.members.len() as f64),
    ("raft_voters", "Voters", |of| of.raft.configuration.voters().count() as f64),
    ("store_sessions", "Sessions that have not expired", |of| of.sessions as f64),
    ("store_waiting_writes", "Clients that wait for a write", |of| of.waiting_writes as f64),
    ("store_waiting_reads", "Reads and answers that wait", |of| of.waiting_reads as f64),
    ("store_log_entries", "Applied entries in the log", |of| of.log.0 as f64),
    ("store_log_bytes", "Applied entries in the log", |of| of.log.1 as f64),
];

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn of_range(replica: &ReplicaStatus) -> Labels {
    vec![("range", replica.range.0.to_string())]
}

/// Labels for a value about another node.
fn and(replica: &ReplicaStatus, name: &'static str, value: impl ToString) -> Labels {
    let mut labels = of_range(replica);
    labels.push((name, value.to_string()));
    labels
}

pub(super) fn write(page: &mut Page<'_>, replicas: &[ReplicaStatus]) -> fmt::Result {
    for (name, help, value) in EVENTS {
        let samples = replicas.iter().map(|replica| (of_range(replica), value(&replica.counters) as f64));
        page.counters(name, help, samples)?;
    }
    for (name, help, value) in LEVELS {
        page.gauges(name, help, replicas.iter().map(|replica| (of_range(replica), value(replica))))?;
    }
    write_peers(page, replicas)
}

fn write_peers(page: &mut Page<'_>, replicas: &[ReplicaStatus]) -> fmt::Result {
    let ages = replicas.iter().filter_map(|replica| Some((replica, replica.staleness?)));
    let ages = ages.map(|(replica, age)| (of_range(replica), age.as_secs_f64()));
    page.gauges("store_staleness_seconds", "How old what is read here may be", ages)?;
    let clocks = replicas.iter().flat_map(|replica| {
        let offset =
            move |(node, millis): &(raft::NodeId, i64)| (and(replica, "node", node), *millis as f64 / 1e3);
        replica.clocks.iter().map(offset)
    });
    page.gauges("clock_offset_seconds", "How far a voter's clock is from the median", clocks)?;
    let short = replicas
        .iter()
        .flat_map(|replica| replica.short_of_space.iter().map(move |node| (and(replica, "node", node), 1.0)));
    page.gauges("disk_reserve_node", "1: writes are refused because this voter is short of space", short)?;
    let followers =
        || replicas.iter().flat_map(|replica| replica.raft.followers.iter().map(move |of| (replica, of)));
    let matched = followers().map(|(replica, of)| (and(replica, "follower", of.node), of.matched.0 as f64));
    page.gauges("raft_follower_matched_index", "Durable at a follower, on the leader", matched)?;
    let silent =
        followers().map(|(replica, of)| (and(replica, "follower", of.node), of.silent_for.as_secs_f64()));
    page.gauges("raft_follower_silent_seconds", "Silence of a follower, on the leader", silent)?;
    let snapshots = followers()
        .map(|(replica, of)| (and(replica, "follower", of.node), flag(of.state == FollowerState::Snapshot)));
    page.gauges("raft_follower_snapshot", "1: a follower is sent a snapshot, on the leader", snapshots)
}
