//! Entries from the leader to the followers, and the commit index (§3.5, §3.6.2).

use crate::canary::Canary;
use crate::durability::Gate;
use crate::entry::{Entry, Payload};
use crate::error::ProposeError;
use crate::identity::Identity;
use crate::log::{Log, MAX_CONFIGURATIONS, MAX_TERMS};
use crate::message::{
    Append, AppendAck, AppendReject, Body, Commit, Heartbeat, HeartbeatAck, LostDisk, Message, SnapshotOffer,
};
use crate::output::{Gathered, LogRead, Outgoing, ReadPurpose};
use crate::progress::{Progress, Sending, SnapshotSending};
use crate::quorum::is_majority;
use crate::raft::{Raft, ReplyTo, Role};
use crate::settings::Settings;
use crate::status::Counters;
use crate::types::{LogIndex, LogPosition, NodeId, Term, Time};

/// What sending needs of the replica beside the follower's progress.
struct Sender<'a> {
    me: &'a Identity,
    term: Term,
    commit: LogIndex,
    log: &'a Log,
    settings: &'a Settings,
    out: &'a mut Gathered,
    counters: &'a mut Counters,
}

impl Sender<'_> {
    fn send(&mut self, to: &Progress, body: Body) {
        let message =
            Message { range: self.me.range, from: self.me.replica, to: to.replica, term: self.term, body };
        self.out.add().messages.push(Outgoing { to: to.target, message });
    }

    /// Sends what the follower's state and window allow.
    fn serve(&mut self, progress: &mut Progress) {
        if progress.held_back {
            return;
        }
        while self.serve_once(progress) {}
        let known = self.commit.min(progress.matched);
        if matches!(progress.sending, Sending::Replicate(_)) && progress.commit_sent < known {
            progress.commit_sent = known;
            self.send(progress, Body::Commit(Commit { commit: known }));
        }
    }

    /// True if there may be more to send.
    fn serve_once(&mut self, progress: &mut Progress) -> bool {
        let last = self.log.last().index;
        match &mut progress.sending {
            Sending::Probe { paused: true } => return false,
            Sending::Probe { paused: false } => {}
            Sending::Replicate(window) => {
                let full = window.is_full(self.settings.window_messages, self.settings.window_bytes);
                if full || progress.next > last {
                    return false;
                }
            }
            Sending::Snapshot(_) => {
                self.serve_snapshot(progress);
                return false;
            }
        }
        if progress.reading {
            return false;
        }
        let Some(prev_term) = self.log.term_at(progress.next.prev()) else {
            progress.sending = Sending::Snapshot(SnapshotSending::default());
            return true;
        };
        let first = progress.next;
        match self.log.cached(first, last, self.settings.append_bytes) {
            Some(entries) => {
                let prev = LogPosition::new(first.prev(), prev_term);
                self.append(progress, prev, entries);
                true
            }
            None => {
                progress.reading = true;
                self.counters.log_reads += 1;
                let (purpose, max_bytes) = (ReadPurpose::Send(progress.node), self.settings.append_bytes);
                self.out.add().log_reads.push(LogRead { purpose, first, last, max_bytes });
                false
            }
        }
    }

    fn append(&mut self, progress: &mut Progress, prev: LogPosition, entries: Vec<Entry>) {
        let sent_to = entries.last().map_or(prev.index, |entry| entry.index);
        match &mut progress.sending {
            Sending::Replicate(window) => {
                window.sent(sent_to, entries.iter().map(Entry::size).sum());
                progress.next = sent_to.next();
            }
            Sending::Probe { paused } => *paused = true,
            Sending::Snapshot(_) => {}
        }
        progress.commit_sent = progress.commit_sent.max(self.commit.min(sent_to));
        self.send(progress, Body::Append(Append { prev, entries, commit: self.commit }));
    }

    fn serve_snapshot(&mut self, progress: &mut Progress) {
        let Sending::Snapshot(snapshot) = &mut progress.sending else { return };
        if !snapshot.asked {
            snapshot.asked = true;
            self.out.add().snapshots_wanted.push(progress.node);
        }
        if std::mem::take(&mut snapshot.offer_due)
            && let Some((id, meta)) = snapshot.offered.clone()
        {
            self.send(progress, Body::SnapshotOffer(SnapshotOffer { id, meta }));
        }
    }
}

impl Raft {
    pub(crate) fn append_command(&mut self, command: bytes::Bytes) -> Result<LogPosition, ProposeError> {
        let leader = match &self.role {
            Role::Leader(leader) => leader,
            Role::LostDisk => return Err(ProposeError::LostDisk),
            _ => return Err(ProposeError::NotLeader { leader: self.known_leader() }),
        };
        if let Some(transfer) = &leader.transfer {
            return Err(ProposeError::Transferring { to: transfer.to });
        }
        let (size, limit) = (crate::entry::ENTRY_OVERHEAD + command.len(), self.settings.entry_bytes);
        if size > limit {
            return Err(ProposeError::TooLarge { size, limit });
        }
        let (pending, budget) = (leader.uncommitted_bytes, self.settings.uncommitted_bytes);
        if pending + size > budget {
            return Err(ProposeError::Busy { pending, budget });
        }
        let index = self.append_entry(Payload::Command(command));
        Ok(LogPosition::new(index, self.term()))
    }

    /// Appends to the leader's own log.
    pub(crate) fn append_entry(&mut self, payload: Payload) -> LogIndex {
        let index = self.log.last().index.next();
        let entry = Entry { index, term: self.term(), payload };
        if let Role::Leader(leader) = &mut self.role {
            let size = entry.size();
            leader.uncommitted_bytes += size;
            leader.replicate_due = true;
            for progress in &mut leader.progress {
                if let Sending::Snapshot(snapshot) = &mut progress.sending {
                    snapshot.log_bytes += size;
                }
            }
        }
        self.log.append(entry);
        self.durability.log_changed();
        index
    }

    /// Sends entries to all followers but these: they are short of disk space (Design §5). They still vote and
    /// answer heartbeats. Holds for this leadership until the next call; does nothing elsewhere, nor where those
    /// that are left, with this one, are no majority of the voters.
    pub fn hold_back(&mut self, nodes: &[NodeId]) {
        let Role::Leader(leader) = &mut self.role else { return };
        let voters = leader.progress.iter().filter(|progress| progress.voter);
        let served = voters.clone().filter(|progress| !nodes.contains(&progress.node)).count();
        let me = usize::from(leader.votes);
        let served_is_majority = is_majority(served + me, voters.count() + me);
        for progress in &mut leader.progress {
            progress.held_back = served_is_majority && nodes.contains(&progress.node);
        }
        leader.replicate_due = true;
    }

    /// Sends everyone what they can take.
    pub(crate) fn replicate(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        if !std::mem::take(&mut leader.replicate_due) {
            return;
        }
        let mut sender = Sender {
            me: &self.me,
            term: self.hard_state.term,
            commit: self.commit,
            log: &self.log,
            settings: &self.settings,
            out: &mut self.out,
            counters: &mut self.counters,
        };
        for progress in &mut leader.progress {
            sender.serve(progress);
        }
    }

    /// Entries for `node` were read back; they are sent if they are still what it needs.
    pub(crate) fn send_read_back(&mut self, node: NodeId, first: LogIndex, entries: Vec<Entry>) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.replicate_due = true;
        let Some(progress) = leader.progress.iter_mut().find(|p| p.node == node) else { return };
        progress.reading = false;
        let wanted = progress.next == first
            && !progress.held_back
            && !matches!(progress.sending, Sending::Snapshot(_) | Sending::Probe { paused: true });
        let current = entries.iter().all(|entry| self.log.contains(entry.position()));
        let Some(prev_term) = self.log.term_at(first.prev()) else { return };
        if !wanted || !current || entries.first().is_none_or(|entry| entry.index != first) {
            return;
        }
        let mut sender = Sender {
            me: &self.me,
            term: self.hard_state.term,
            commit: self.commit,
            log: &self.log,
            settings: &self.settings,
            out: &mut self.out,
            counters: &mut self.counters,
        };
        sender.append(progress, LogPosition::new(first.prev(), prev_term), entries);
    }

    // ---- the follower's side ------------------------------------------------------------------------

    /// Follows the sender, the leader of this term. False if that cannot be.
    pub(crate) fn follow(&mut self, from: &ReplyTo) -> bool {
        match &self.role {
            Role::Leader(_) | Role::LostDisk => {
                // Two leaders of one term: the sender is broken.
                self.counters.bad_messages += 1;
                return false;
            }
            Role::PreCandidate(_) | Role::Candidate(_) => self.become_follower(self.term()),
            Role::Follower(_) => {}
        }
        let now = self.now;
        if let Role::Follower(follower) = &mut self.role {
            if follower.leader.is_some_and(|leader| leader.target.node != from.target.node) {
                self.counters.bad_messages += 1;
                return false;
            }
            follower.leader = Some(*from);
            follower.heard_at = Some(now);
        }
        self.holds_more = false;
        self.reset_election_timer();
        true
    }

    pub(crate) fn on_append(&mut self, from: &ReplyTo, append: Append) {
        if !self.follow(from) {
            return;
        }
        if self.inbound.is_installing() && !self.planted(Canary::AppendDuringInstall) {
            return;
        }
        if !self.agrees_with_base(&append) {
            self.counters.bad_messages += 1;
            return;
        }
        let Some(append) = self.beyond_base(append) else {
            // All of it is inside the snapshot that the log begins after: committed, so equal.
            let matched = self.log.base().index;
            self.reply(from, Gate::Log, |to_boot| Body::AppendAck(AppendAck { to_boot, matched }));
            return;
        };
        if !self.log.contains(append.prev) {
            self.reject(from, append.prev);
            return;
        }
        if self.would_overload(&append) {
            self.counters.overload_drops += 1;
            return;
        }
        let matched = append.entries.last().map_or(append.prev.index, |entry| entry.index);
        let leader_commit = append.commit;
        if !self.accept(append.entries) {
            self.counters.bad_messages += 1;
            return;
        }
        self.verified = self.verified.max(matched);
        // Not beyond what this append showed to be equal: behind it may stand an older leader's entries.
        self.learn_commit(leader_commit.min(matched));
        self.reply(from, Gate::Log, |to_boot| Body::AppendAck(AppendAck { to_boot, matched }));
    }

    /// What the log's base covers is committed: no leader has another entry there.
    fn agrees_with_base(&self, append: &Append) -> bool {
        let base = self.log.base();
        append.entries.iter().all(|entry| entry.index != base.index || entry.term == base.term)
    }

    /// The append without what the log's base covers; `None` if nothing is left.
    fn beyond_base(&self, mut append: Append) -> Option<Append> {
        let base = self.log.base();
        if append.prev.index >= base.index {
            return Some(append);
        }
        let covered = usize::try_from(base.index.0 - append.prev.index.0).unwrap_or(usize::MAX);
        if covered > append.entries.len() {
            return None;
        }
        // With the sender's own term: where it is another than the base's, the sender is broken.
        append.prev = append.entries.drain(..covered).next_back().map_or(base, |entry| entry.position());
        Some(append)
    }

    /// Says where the logs may still agree, so that the leader skips whole terms (§3.5).
    fn reject(&mut self, from: &ReplyTo, prev: LogPosition) {
        let index = self.log.last_not_above(prev).max(self.log.base().index);
        let term = self.log.term_at(index).unwrap_or_default();
        let (rejected, hint) = (prev.index, LogPosition::new(index, term));
        self.reply(from, Gate::Log, |to_boot| Body::AppendReject(AppendReject { to_boot, rejected, hint }));
    }

    fn would_overload(&self, append: &Append) -> bool {
        let waiting = self.log.unsubmitted_bytes() + self.durability.in_flight_bytes();
        let bytes: usize = append.entries.iter().map(Entry::size).sum();
        let configurations =
            append.entries.iter().filter(|entry| matches!(entry.payload, Payload::Configuration(_))).count();
        let too_many = configurations > 0 && self.log.configurations() + configurations > MAX_CONFIGURATIONS
            || bytes > 0 && self.log.terms() >= MAX_TERMS;
        too_many || waiting > 0 && waiting + bytes > self.settings.unpersisted_bytes
    }

    /// Adds what is new, after truncating from the first conflict on (§3.5). False if the conflict is with a
    /// committed entry: the sender is broken.
    fn accept(&mut self, entries: Vec<Entry>) -> bool {
        let conflict_or_new = entries.iter().position(|entry| !self.log.contains(entry.position()));
        let Some(first_new) = conflict_or_new else { return true };
        let from = entries[first_new].index;
        if from <= self.commit {
            return false;
        }
        if from <= self.log.last().index {
            self.counters.truncated += self.log.last().index.0 - from.prev().0;
            let roll_back = !self.planted(Canary::NoConfigurationRollback);
            self.counters.configuration_rollbacks += self.log.truncate(from, roll_back) as u64;
            self.durability.truncated(from);
            // What was verified against this leader is never in conflict with it, and reads that were handed
            // out are applied: neither moves back.
        }
        for entry in entries.into_iter().skip(first_new) {
            self.log.append(entry);
        }
        self.durability.log_changed();
        true
    }

    pub(crate) fn learn_commit(&mut self, commit: LogIndex) {
        self.commit = self.commit.max(commit.min(self.log.last().index));
    }

    pub(crate) fn on_heartbeat(&mut self, from: &ReplyTo, heartbeat: Heartbeat) {
        if !self.follow(from) {
            return;
        }
        let wanted = heartbeat.promise.min(self.settings.longest_promise);
        let promised = if self.planted(Canary::LeaseWithoutPromises) {
            wanted
        } else {
            self.promises.give(self.now, from.target.node, wanted)
        };
        if promised > self.hard_state.promise && !self.planted(Canary::LeaseWithoutPromises) {
            self.hard_state.promise = promised;
            self.durability.hard_state_changed();
        }
        self.learn_verified_commit(heartbeat.commit);
        if let Role::Follower(follower) = &mut self.role {
            follower.behind = Some(heartbeat.behind);
        }
        let start = heartbeat.ask_start.then_some(self.start);
        let round = heartbeat.round;
        self.reply(from, Gate::HardState, |to_boot| {
            Body::HeartbeatAck(HeartbeatAck { to_boot, round, promised, start })
        });
    }

    pub(crate) fn on_commit(&mut self, from: &ReplyTo, commit: Commit) {
        if self.follow(from) {
            self.learn_verified_commit(commit.commit);
        }
    }

    /// Only as far as the log is known to equal this leader's, which an earlier boot's acks do not show.
    fn learn_verified_commit(&mut self, commit: LogIndex) {
        if self.inbound.is_installing() {
            return;
        }
        let limit =
            if self.planted(Canary::CommitBeyondMatch) { self.log.last().index } else { self.verified };
        self.learn_commit(commit.min(limit));
    }

    // ---- the leader's side --------------------------------------------------------------------------

    pub(crate) fn on_append_ack(&mut self, from: &ReplyTo, ack: AppendAck) {
        let (now, last, base) = (self.now, self.log.last().index, self.log.base().index);
        let judges = !self.planted(Canary::RolledBackDisk);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.progress.iter_mut().find(|p| p.node == from.target.node) else { return };
        if judges && progress.boots.unjudged() {
            self.counters.stale_replies += 1;
            return;
        }
        if ack.matched > last {
            self.counters.bad_messages += 1;
            return;
        }
        progress.heard_at = Some(now);
        let term = self.log.term_at(ack.matched).unwrap_or_default();
        progress.boots.acked(LogPosition::new(ack.matched, term));
        progress.acked(ack.matched, base);
        progress.measure(now, last, self.settings.caught_up_entries);
        leader.replicate_due = true;
        self.try_commit();
        self.push_transfer_if_caught_up(from.target.node);
    }

    pub(crate) fn on_append_reject(&mut self, from: &ReplyTo, reject: AppendReject) {
        let now = self.now;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.progress.iter_mut().find(|p| p.node == from.target.node) else { return };
        if progress.boots.unjudged() {
            return;
        }
        progress.heard_at = Some(now);
        progress.boots.acked(LogPosition::default());
        let current = match &progress.sending {
            Sending::Probe { .. } => reject.rejected == progress.next.prev(),
            Sending::Replicate(_) => reject.rejected > progress.matched,
            Sending::Snapshot(_) => false,
        };
        if !current {
            self.counters.stale_replies += 1;
            return;
        }
        let common = self.log.last_not_above(reject.hint);
        progress.probe_from(common.next().min(reject.rejected));
        leader.replicate_due = true;
    }

    pub(crate) fn on_heartbeat_ack(&mut self, from: &ReplyTo, ack: HeartbeatAck) {
        if !self.judge_boot(from, &ack) {
            return;
        }
        let (now, last) = (self.now, self.log.last().index);
        let from_ack = self.planted(Canary::LeaseFromAck).then_some(now);
        let usable = if self.planted(Canary::LeaseWithoutPromises) {
            self.settings.asked_promise() * 2
        } else {
            // Nobody promises more than it was asked for.
            self.settings.less_margin(ack.promised.min(self.settings.asked_promise()))
        };
        let Role::Leader(leader) = &mut self.role else { return };
        if ack.round > leader.rounds.latest() {
            self.counters.bad_messages += 1;
            return;
        }
        leader.promised(from.target.node, ack.round, usable, from_ack);
        let Some(progress) = leader.progress.iter_mut().find(|p| p.node == from.target.node) else { return };
        progress.heard_at = Some(now);
        progress.round = progress.round.max(ack.round);
        progress.boots.acked(LogPosition::default());
        progress.measure(now, last, self.settings.caught_up_entries);
        let stuck = progress.matched == progress.matched_at_heartbeat;
        progress.matched_at_heartbeat = progress.matched;
        match &mut progress.sending {
            // It answers, so what was sent before is lost or about to be answered: one more try.
            Sending::Probe { paused } => {
                *paused = false;
                leader.replicate_due = true;
            }
            Sending::Replicate(window) if stuck && !window.is_empty() => {
                let prev_index = progress.next.prev();
                match self.log.term_at(prev_index) {
                    Some(term) => {
                        let prev = LogPosition::new(prev_index, term);
                        let body = Body::Append(Append { prev, entries: Vec::new(), commit: self.commit });
                        let (target, replica) = (progress.target, progress.replica);
                        self.send(target, replica, self.term(), body);
                    }
                    // The log was compacted past what the window holds.
                    None => {
                        progress.sending = Sending::Snapshot(SnapshotSending::default());
                        leader.replicate_due = true;
                    }
                }
            }
            Sending::Replicate(_) => {}
            Sending::Snapshot(snapshot) => {
                snapshot.asked = snapshot.offered.is_some();
                snapshot.offer_due = true;
                leader.replicate_due = true;
            }
        }
        self.confirm_reads();
    }

    /// Compares how a boot began with what earlier boots acknowledged. False if this ack is not to count.
    fn judge_boot(&mut self, from: &ReplyTo, ack: &HeartbeatAck) -> bool {
        if self.planted(Canary::RolledBackDisk) {
            return true;
        }
        let term = self.term();
        let Role::Leader(leader) = &mut self.role else { return false };
        let Some(progress) = leader.progress_of(from.target.node) else { return false };
        if !progress.boots.unjudged() {
            return true;
        }
        let lost =
            progress.boots.is_lost() || ack.start.is_some_and(|start| progress.boots.judge(term, start));
        if lost {
            // It holds nothing that one could count on, its promise included.
            progress.matched = LogIndex::ZERO;
            progress.promised_until = Time::ZERO;
            self.tell_lost_disk(from);
            return false;
        }
        ack.start.is_some()
    }

    pub(crate) fn tell_lost_disk(&mut self, to: &ReplyTo) {
        self.counters.lost_disks += 1;
        let lost = LostDisk { disk: to.target.disk, boot: to.boot };
        self.send(to.target, to.replica, self.term(), Body::LostDisk(lost));
    }

    /// A heartbeat to everyone, which also asks for promises and confirms reads.
    pub(crate) fn begin_round(&mut self) {
        let (now, term) = (self.now, self.term());
        let beyond_match = self.planted(Canary::CommitBeyondMatch);
        let Role::Leader(leader) = &mut self.role else { return };
        let round = leader.rounds.begin(now);
        let promise = self.settings.asked_promise();
        for progress in &mut leader.progress {
            let commit = self.commit.min(progress.matched);
            progress.commit_sent = progress.commit_sent.max(commit);
            let commit = if beyond_match { self.commit } else { commit };
            let ask_start = progress.boots.unjudged();
            let behind = self.commit.0.saturating_sub(progress.matched.0) > self.settings.caught_up_entries;
            let body = Body::Heartbeat(Heartbeat { round, commit, promise, ask_start, behind });
            let message =
                Message { range: self.me.range, from: self.me.replica, to: progress.replica, term, body };
            self.out.add().messages.push(Outgoing { to: progress.target, message });
        }
    }

    /// Advances the commit index to what a majority of the voters in force holds durably, if that entry is of
    /// the own term (§3.6.2).
    pub(crate) fn try_commit(&mut self) {
        let own = if self.planted(Canary::LeaderAckBeforeSync) {
            self.log.last().index
        } else {
            self.durability.persisted()
        };
        let all = self.planted(Canary::LearnerCounts);
        let Role::Leader(leader) = &self.role else { return };
        let reached = leader.majority(own, |p| p.matched, |p| p.voter || all);
        let own_term = self.log.term_at(reached) == Some(self.term()) || self.planted(Canary::CommitOldTerm);
        if reached > self.commit && own_term {
            self.commit_to(reached);
        }
    }

    fn commit_to(&mut self, index: LogIndex) {
        let Role::Leader(leader) = &mut self.role else { return };
        let first = self.commit.next().max(leader.term_start);
        let freed: usize = self.log.cached_between(first, index).map(Entry::size).sum();
        leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(freed);
        leader.replicate_due = true;
        self.commit = index;
        self.unpark_reads();
        self.advance_change();
        self.step_down_if_not_voter();
    }
}
