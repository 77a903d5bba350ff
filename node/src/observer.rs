//! Follows the store: publishes whether the node should be given traffic, and logs what changes.

use std::time::{Duration, Instant};

use raft::RoleKind;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::health::{Judge, Readiness};
use crate::store_loop::Summary;

/// A silence counts in seconds.
const PERIOD: Duration = Duration::from_secs(1);

/// Follows until the store stops. What is published after it was told to stop is not its business any more.
pub async fn observe(
    mut summaries: watch::Receiver<Summary>,
    readiness: watch::Sender<Readiness>,
    election_timeout: Duration,
) {
    let mut judge = Judge::new(election_timeout);
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = summaries.borrow_and_update().clone();
    tracing::info!(
        disk = %crate::admin::hex::write(before.identity.disk.0),
        node = before.identity.member.map(|(_, node)| node.0),
        boot = before.boot.counter,
        "the data are open"
    );
    loop {
        let summary = summaries.borrow_and_update().clone();
        log_changes(&before, &summary);
        let verdict = judge.judge(&summary, Instant::now());
        readiness.send_if_modified(|shown| {
            let changed = *shown != verdict && *shown != Readiness::stopping();
            if changed {
                if shown.ready != verdict.ready || shown.reason != verdict.reason {
                    tracing::info!(ready = verdict.ready, reason = verdict.reason, "readiness changed");
                }
                shown.clone_from(&verdict);
            }
            changed
        });
        before = summary;
        tokio::select! {
            biased;
            changed = summaries.changed() => if changed.is_err() { return },
            _ = period.tick() => {}
        }
    }
}

fn log_changes(before: &Summary, now: &Summary) {
    let (node, term) = (now.identity.member.map_or(0, |(_, node)| node.0), now.term.0);
    if before.identity.member != now.identity.member
        && let Some((cluster, node)) = now.identity.member
    {
        let cluster = crate::admin::hex::write(cluster.0);
        tracing::info!(cluster, node = node.0, "this disk is a member now");
    }
    if now.role == Some(RoleKind::LostDisk) && before.role != now.role {
        tracing::error!(node, "this disk lost acknowledged data: the node takes no part, replace it");
    }
    if before.leader != now.leader || before.term != now.term {
        match now.leader {
            Some(leader) => tracing::info!(node, term, leader = leader.0, "a leader is known"),
            None if before.leader.is_some() => tracing::info!(node, term, "no leader is known"),
            None => {}
        }
    }
    if before.configuration != now.configuration
        && let Some(configuration) = &now.configuration
    {
        let voters: Vec<u64> = configuration.voters().map(|voter| voter.0).collect();
        let members: Vec<u64> = configuration.members.keys().map(|member| member.0).collect();
        tracing::info!(node, ?voters, ?members, "the members changed");
    }
    match (before.receiving_snapshot, now.receiving_snapshot) {
        (false, true) => tracing::info!(node, "a snapshot is being received"),
        (true, false) => tracing::info!(node, "the snapshot is no longer being received"),
        _ => {}
    }
}
