//! What a leader knows of each follower, and how it sends to it (§3.5, §10.2.1).

use std::collections::VecDeque;
use std::time::Duration;

use crate::configuration::Member;
use crate::identity::{Boot, Target};
use crate::message::BootStart;
use crate::status::FollowerState;
use crate::types::{LogIndex, LogPosition, NodeId, ReplicaId, Round, SnapshotId, Term, Time};

/// How entries go to a follower.
#[derive(Clone, Debug)]
pub(crate) enum Sending {
    /// One append at a time, until a common entry is known.
    Probe {
        /// Wait for an answer or a heartbeat ack.
        paused: bool,
    },
    /// As many as the window takes.
    Replicate(Window),
    /// The log no longer reaches it.
    Snapshot(SnapshotSending),
}

/// Appends under way: bounded by count and bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    appends: VecDeque<(LogIndex, usize)>,
    bytes: usize,
}

impl Window {
    pub(crate) fn is_full(&self, messages: usize, bytes: usize) -> bool {
        self.appends.len() >= messages || self.bytes >= bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.appends.is_empty()
    }

    pub(crate) fn sent(&mut self, last: LogIndex, bytes: usize) {
        self.appends.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// Everything up to `matched` arrived.
    pub(crate) fn acked(&mut self, matched: LogIndex) {
        while let Some((last, bytes)) = self.appends.front().copied()
            && last <= matched
        {
            self.appends.pop_front();
            self.bytes -= bytes;
        }
    }
}

/// A snapshot on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotSending {
    /// The caller was asked for one.
    pub(crate) asked: bool,
    /// What is offered with every heartbeat until it is installed.
    pub(crate) offered: Option<(SnapshotId, crate::entry::SnapshotMeta)>,
    /// The offer is to be sent with the next output.
    pub(crate) offer_due: bool,
    /// Bytes proposed since the offer: what the log is kept for.
    pub(crate) log_bytes: usize,
}

/// One follower.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Progress {
    pub(crate) node: NodeId,
    /// Whether it counts, by the configuration in force.
    pub(crate) voter: bool,
    /// Entries are being read back for it.
    pub(crate) reading: bool,
    /// It is short of disk space: it is sent no entries.
    pub(crate) held_back: bool,
    /// The last message of this term.
    pub(crate) heard_at: Option<Time>,
    /// Durable there and equal to ours.
    pub(crate) matched: LogIndex,
    /// The commit index that it was last told.
    pub(crate) commit_sent: LogIndex,
    pub(crate) replica: ReplicaId,
    pub(crate) target: Target,
    pub(crate) boots: Boots,
    /// The latest heartbeat round that it acked.
    pub(crate) round: Round,
    /// Its promise, as far as this leader counts on it.
    pub(crate) promised_until: Time,
    /// Since when it has been at most `caught_up_entries` behind.
    pub(crate) caught_up_since: Option<Time>,
    /// `matched` when the last heartbeat ack came: no advance since means that something was lost.
    pub(crate) matched_at_heartbeat: LogIndex,
    /// The next entry to send; always above `matched`.
    pub(crate) next: LogIndex,
    pub(crate) sending: Sending,
}

/// The boots of a follower, and what earlier ones acknowledged to this leader in this term.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Boots {
    /// Acknowledged before `current`; `current` must not hold less.
    earlier: Option<LogPosition>,
    /// A boot was judged to hold less than what was acknowledged. A later one may have got it back, but nobody
    /// knows what else the disk forgot.
    lost: bool,
    pub(crate) current: Option<Boot>,
    /// Acknowledged at all in this term.
    acked: Option<LogPosition>,
}

impl Boots {
    /// A message came from `boot`. True if this is a new boot after acks of an earlier one.
    pub(crate) fn heard(&mut self, boot: Boot) -> bool {
        if self.current == Some(boot) {
            return false;
        }
        self.current = Some(boot);
        self.earlier = self.acked;
        self.earlier.is_some()
    }

    /// The follower's acks count for nothing until it said how its boot began.
    pub(crate) fn unjudged(&self) -> bool {
        self.lost || self.earlier.is_some()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// The current boot acknowledged our log up to `position` (zero: only the term). Terms never fall along
    /// the log, so a term that is not known any more is at least that of an earlier ack.
    pub(crate) fn acked(&mut self, position: LogPosition) {
        let earlier = self.acked.unwrap_or_default();
        let (index, term) = (earlier.index.max(position.index), earlier.term.max(position.term));
        self.acked = Some(LogPosition::new(index, term));
    }

    /// Whether a boot that began with `start` lost what an earlier one acknowledged in `term`.
    pub(crate) fn judge(&mut self, term: Term, start: BootStart) -> bool {
        let Some(acked) = self.earlier.take() else { return false };
        self.lost = start.term < term || start.last.index < acked.index || start.last.term < acked.term;
        self.lost
    }
}

impl Progress {
    pub(crate) fn new(node: NodeId, member: &Member, next: LogIndex) -> Self {
        Self {
            node,
            target: Target { node, disk: member.disk },
            replica: member.replica,
            voter: false,
            matched: LogIndex::ZERO,
            next,
            sending: Sending::Probe { paused: false },
            commit_sent: LogIndex::ZERO,
            matched_at_heartbeat: LogIndex::ZERO,
            reading: false,
            held_back: false,
            heard_at: None,
            round: Round(0),
            promised_until: Time::ZERO,
            caught_up_since: None,
            boots: Boots::default(),
        }
    }

    /// Reads what a heartbeat and its ack use.
    pub(crate) fn warm(&self) -> u64 {
        self.matched.0 ^ self.target.node.0 ^ u64::from(self.boots.lost) ^ self.round.0 ^ self.next.0
    }

    pub(crate) fn answered_within(&self, now: Time, window: Duration) -> bool {
        self.heard_at.is_some_and(|at| now.since(at) < window)
    }

    /// Starts over from the entry after `matched`.
    pub(crate) fn probe_from(&mut self, next: LogIndex) {
        self.next = next.max(self.matched.next());
        self.sending = Sending::Probe { paused: false };
    }

    /// Takes an ack; true if it said something new.
    pub(crate) fn acked(&mut self, matched: LogIndex, log_base: LogIndex) -> bool {
        let news = matched > self.matched;
        self.matched = self.matched.max(matched);
        self.next = self.next.max(self.matched.next());
        match &mut self.sending {
            Sending::Replicate(window) => window.acked(matched),
            // An ack of a probe, or of anything that the log can go on from.
            Sending::Probe { .. } => self.replicate(),
            Sending::Snapshot(_) if self.matched >= log_base => self.replicate(),
            Sending::Snapshot(snapshot) => {
                let offered = snapshot.offered.as_ref().map(|(_, meta)| meta.last.index);
                if offered.is_some_and(|index| index <= self.matched) {
                    // It has this one, and the log moved on meanwhile: it needs another.
                    *snapshot = SnapshotSending::default();
                }
            }
        }
        news
    }

    fn replicate(&mut self) {
        self.next = self.matched.next();
        self.sending = Sending::Replicate(Window::default());
    }

    /// Notes how far behind it is.
    pub(crate) fn measure(&mut self, now: Time, last: LogIndex, caught_up_entries: u64) {
        let behind = last.0.saturating_sub(self.matched.0);
        if behind > caught_up_entries {
            self.caught_up_since = None;
        } else if self.caught_up_since.is_none() {
            self.caught_up_since = Some(now);
        }
    }

    /// Whether it was for a whole `window`, and still is: the log may have gone on since it was measured.
    pub(crate) fn is_caught_up(
        &self,
        now: Time,
        last: LogIndex,
        caught_up_entries: u64,
        window: Duration,
    ) -> bool {
        last.0.saturating_sub(self.matched.0) <= caught_up_entries
            && self.caught_up_since.is_some_and(|since| now.since(since) >= window)
    }

    pub(crate) fn state(&self) -> FollowerState {
        match self.sending {
            Sending::Probe { .. } => FollowerState::Probe,
            Sending::Replicate(_) => FollowerState::Replicate,
            Sending::Snapshot(_) => FollowerState::Snapshot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64, term: u64) -> LogPosition {
        LogPosition::new(LogIndex(index), Term(term))
    }

    fn start(term: u64, last: LogPosition) -> BootStart {
        BootStart { term: Term(term), last }
    }

    #[test]
    fn a_boot_that_holds_what_was_acked_is_sound() {
        let mut boots = Boots::default();
        assert!(!boots.heard(Boot { counter: 1, nonce: 1 }));
        boots.acked(at(7, 3));
        assert!(boots.heard(Boot { counter: 2, nonce: 2 }));
        assert!(boots.unjudged());
        assert!(!boots.judge(Term(3), start(3, at(9, 3))));
        assert!(!boots.unjudged());
    }

    #[test]
    fn a_boot_that_holds_less_lost_its_disk() {
        for lost in [start(3, at(6, 3)), start(2, at(9, 2)), start(3, at(9, 2))] {
            let mut boots = Boots::default();
            boots.heard(Boot { counter: 1, nonce: 1 });
            boots.acked(at(7, 3));
            boots.heard(Boot { counter: 2, nonce: 2 });
            assert!(boots.judge(Term(3), lost), "{lost:?}");
        }
    }

    #[test]
    fn an_ack_of_a_compacted_entry_counts() {
        let mut boots = Boots::default();
        boots.heard(Boot { counter: 1, nonce: 1 });
        boots.acked(at(7, 3));
        boots.acked(at(9, 0));
        boots.heard(Boot { counter: 2, nonce: 2 });
        assert!(boots.judge(Term(3), start(3, at(8, 3))));
    }

    #[test]
    fn the_window_frees_what_was_acked() {
        let mut window = Window::default();
        window.sent(LogIndex(3), 10);
        window.sent(LogIndex(5), 10);
        assert!(window.is_full(2, 100) && window.is_full(9, 20));
        window.acked(LogIndex(4));
        assert!(!window.is_full(2, 100) && !window.is_empty());
        window.acked(LogIndex(5));
        assert!(window.is_empty());
    }
}
