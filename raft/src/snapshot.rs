//! Snapshots: the offer, the fetch, the install (§5). The bytes travel outside the core.

use std::time::Duration;

use crate::canary::Canary;
use crate::durability::Gate;
use crate::entry::SnapshotMeta;
use crate::message::{AppendAck, Body, SnapshotOffer, SnapshotReply};
use crate::output::SnapshotFetch;
use crate::progress::Sending;
use crate::raft::{Raft, ReplyTo, Role};
use crate::types::{LogIndex, LogPosition, NodeId, SnapshotId, Time};

/// So long the log is kept for a transfer to a follower that is silent: a process may be started again meanwhile.
pub const TRANSFER_SILENCE: Duration = Duration::from_secs(300);

/// The one snapshot that a replica receives at a time.
#[derive(Clone, Debug)]
pub(crate) enum Inbound {
    Idle,
    /// The caller fetches it; the log goes on.
    Fetching {
        id: SnapshotId,
        meta: SnapshotMeta,
    },
    /// The caller replaces the state machine.
    Installing {
        id: SnapshotId,
        meta: SnapshotMeta,
    },
    /// The write that resets the log is under way.
    Resetting {
        id: SnapshotId,
        meta: SnapshotMeta,
    },
}

impl Inbound {
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Inbound::Idle)
    }

    /// Appends and snapshot messages are dropped; heartbeats and votes go on.
    pub(crate) fn is_installing(&self) -> bool {
        matches!(self, Inbound::Installing { .. } | Inbound::Resetting { .. })
    }
}

impl Raft {
    // ---- the sender's side --------------------------------------------------------------------------

    /// The caller has the snapshot `id` for `to`, in answer to [`crate::Output::snapshots_wanted`]. It is
    /// offered with every heartbeat until it is installed, and the log after it is kept, up to a cap.
    pub fn offer_snapshot(&mut self, now: Time, to: NodeId, id: SnapshotId, meta: SnapshotMeta) {
        self.advance(now);
        let base = self.log.base().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.progress.iter_mut().find(|p| p.node == to) else { return };
        if let Sending::Snapshot(snapshot) = &mut progress.sending
            && meta.last.index >= base
        {
            snapshot.offered = Some((id, meta));
            snapshot.offer_due = true;
            snapshot.log_bytes = 0;
            leader.replicate_due = true;
        }
    }

    /// What compaction may not pass: the log after a snapshot in transfer, unless that outgrew its cap or the
    /// follower is gone.
    pub(crate) fn pinned_by_transfers(&mut self) -> LogIndex {
        let (now, cap) = (self.now, self.settings.transfer_log_bytes);
        let mut pinned = LogIndex(u64::MAX);
        let Role::Leader(leader) = &mut self.role else { return pinned };
        for progress in &mut leader.progress {
            let Sending::Snapshot(snapshot) = &mut progress.sending else { continue };
            let Some(index) = snapshot.offered.as_ref().map(|(_, meta)| meta.last.index) else { continue };
            if now.since(progress.heard_at.unwrap_or(leader.elected_at)) >= TRANSFER_SILENCE {
                // When it answers again, it is offered one again.
                *snapshot = crate::progress::SnapshotSending { asked: true, ..Default::default() };
            } else if snapshot.log_bytes <= cap {
                pinned = pinned.min(index);
            } else {
                self.counters.snapshots_overtaken += 1;
                *snapshot = crate::progress::SnapshotSending::default();
                leader.replicate_due = true;
            }
        }
        pinned
    }

    pub(crate) fn on_snapshot_reply(&mut self, from: &ReplyTo, reply: SnapshotReply) {
        let (now, base, last) = (self.now, self.log.base().index, self.log.last().index);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.progress.iter_mut().find(|p| p.node == from.target.node) else { return };
        if progress.boots.unjudged() || reply.index > last {
            self.counters.stale_replies += 1;
            return;
        }
        progress.heard_at = Some(now);
        if reply.installed {
            let term = self.log.term_at(reply.index).unwrap_or_default();
            progress.boots.acked(LogPosition::new(reply.index, term));
            progress.acked(reply.index, base);
            leader.replicate_due = true;
            self.try_commit();
        }
    }

    // ---- the receiver's side ------------------------------------------------------------------------

    /// Only a snapshot beyond the log, or in conflict with it, is installed: one that the log covers would
    /// erase an acknowledged tail. Decided again at install time.
    fn needs(&self, meta: &SnapshotMeta) -> bool {
        let beyond = meta.last.index > self.commit && meta.last.index > self.log.base().index;
        beyond && (!self.log.contains(meta.last) || self.planted(Canary::SnapshotErasesTail))
    }

    pub(crate) fn on_snapshot_offer(&mut self, from: &ReplyTo, offer: SnapshotOffer) {
        if !self.follow(from) || self.inbound.is_installing() {
            return;
        }
        if !self.needs(&offer.meta) {
            self.counters.snapshots_refused += 1;
            self.answer_unneeded(from, &offer.meta);
            return;
        }
        if let Inbound::Fetching { id, .. } = &self.inbound {
            // One at a time: the one under way goes on, whoever leads now, until the caller gives it up.
            let (id, index) = (*id, offer.meta.last.index);
            self.reply(from, Gate::HardState, |to_boot| {
                Body::SnapshotReply(SnapshotReply { to_boot, id, index, installed: false })
            });
            return;
        }
        let (id, meta) = (offer.id, offer.meta);
        self.inbound = Inbound::Fetching { id, meta: meta.clone() };
        self.out.add().fetch = Some(SnapshotFetch { from: from.target, boot: from.boot, id, meta });
    }

    /// The snapshot is committed state: it only tells how far we may commit, and how far we match.
    fn answer_unneeded(&mut self, from: &ReplyTo, meta: &SnapshotMeta) {
        if self.log.contains(meta.last) {
            self.learn_commit(meta.last.index);
        }
        // What is committed equals the log of any later leader.
        let matched = self.commit;
        self.reply(from, Gate::Log, |to_boot| Body::AppendAck(AppendAck { to_boot, matched }));
    }

    /// The snapshot `id` was fetched whole and verified.
    pub fn snapshot_received(&mut self, now: Time, id: SnapshotId) {
        self.advance(now);
        let Inbound::Fetching { id: wanted, meta } = &self.inbound else { return };
        if *wanted != id {
            return;
        }
        let meta = meta.clone();
        if !self.needs(&meta) || !self.can_install() {
            self.counters.snapshots_refused += 1;
            self.inbound = Inbound::Idle;
            return;
        }
        if matches!(self.role, Role::PreCandidate(_) | Role::Candidate(_)) {
            // The log that it campaigns with goes.
            self.become_follower(self.term());
        }
        self.inbound = Inbound::Installing { id, meta: meta.clone() };
        self.out.add().install = Some(meta);
        if self.planted(Canary::SnapshotAckEarly) {
            self.acknowledge_install(id);
        }
    }

    fn can_install(&self) -> bool {
        match &self.role {
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => true,
            Role::Leader(_) | Role::LostDisk => false,
        }
    }

    /// The snapshot `id` cannot be fetched: the sender is gone, or does not have it any more.
    pub fn snapshot_failed(&mut self, now: Time, id: SnapshotId) {
        self.advance(now);
        if let Inbound::Fetching { id: wanted, .. } = &self.inbound
            && *wanted == id
        {
            self.inbound = Inbound::Idle;
        }
    }

    /// The state machine holds the snapshot. The next write resets the log and clears the intent in one batch.
    pub fn snapshot_ingested(&mut self, now: Time) {
        self.advance(now);
        let Inbound::Installing { id, meta } = &self.inbound else { return };
        let (id, meta) = (*id, meta.clone());
        // No trailing log is kept: it may be in conflict.
        self.durability.truncated(LogIndex(1));
        self.log.reset(&meta);
        self.durability.log_changed();
        self.commit = self.commit.max(meta.last.index);
        self.handed = meta.last.index;
        self.handed_before = meta.last.index;
        self.applied = meta.last.index;
        self.reading_apply = false;
        self.verified = LogIndex::ZERO;
        self.inbound = Inbound::Resetting { id, meta };
    }

    /// Called after every completed write: acknowledges an install that is now complete.
    pub(crate) fn finish_install(&mut self) {
        let Inbound::Resetting { id, meta } = &self.inbound else { return };
        if self.durability.is_done(Gate::Log) && self.durability.persisted() >= meta.last.index {
            let id = *id;
            self.counters.snapshots_installed += 1;
            if !self.planted(Canary::SnapshotAckEarly) {
                self.acknowledge_install(id);
            }
            self.inbound = Inbound::Idle;
        }
    }

    fn acknowledge_install(&mut self, id: SnapshotId) {
        let (Inbound::Resetting { meta, .. } | Inbound::Installing { meta, .. }) = &self.inbound else {
            return;
        };
        let index = meta.last.index;
        if let Role::Follower(follower) = &self.role
            && let Some(leader) = follower.leader
        {
            let to_boot = leader.boot;
            let body = Body::SnapshotReply(SnapshotReply { to_boot, id, index, installed: true });
            self.send(leader.target, leader.replica, self.term(), body);
        }
    }
}
