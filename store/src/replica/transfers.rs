//! Followers on their way through a snapshot, from the first word of one until they go on by the log like all others:
//! what the log is kept for meanwhile, and whom it outgrows again and again.

use std::collections::BTreeMap;

use raft::{FollowerState, FollowerStatus, LogIndex, NodeId, TRANSFER_SILENCE};

use super::log_size::LogSize;
use crate::canary::{Canary, planted};

/// So many transfers in a row that the log outgrew say that a follower does not catch up.
const STALLED: u32 = 2;

/// As far as a leader knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers {
    /// What the snapshot in the making covers, and the bytes of all log entries when that was told.
    making: Option<(LogIndex, u64)>,
    followers: BTreeMap<NodeId, Transfer>,
    /// The core's count of transfers that the log outgrew, as of the last look.
    overtaken: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Transfer {
    stage: Stage,
    /// In a row.
    overtaken: u32,
}

/// How far a follower is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    /// It waits for a snapshot.
    #[default]
    Waiting,
    /// It is offered one: the core keeps the log behind it.
    Offered,
    /// It has one, and takes the entries that followed. It has the log up to here.
    Tail(LogIndex),
}

impl Transfers {
    /// A snapshot is made: the log behind it is needed.
    pub(super) fn making(&mut self, index: LogIndex, log_bytes: u64) {
        self.making = Some((index, log_bytes));
    }

    /// What must stay of the log beside what the core keeps: for the snapshot in the making, and for those who take
    /// what followed theirs; unless that is more than `cap` bytes.
    pub(super) fn pinned(&self, log: &LogSize, cap: usize) -> LogIndex {
        let cap = cap as u64;
        let within = |(_, before): &(LogIndex, u64)| log.total_bytes().saturating_sub(*before) <= cap;
        let making = self.making.filter(within).map_or(LogIndex(u64::MAX), |(index, _)| index);
        let tails = self.followers.values().filter_map(|transfer| match transfer.stage {
            Stage::Tail(from) if !planted(Canary::LogCutUnderTail) => Some(from),
            _ => None,
        });
        tails.filter(|from| log.bytes_after(*from) <= cap).fold(making, LogIndex::min)
    }

    /// The log begins after `base` now.
    pub(super) fn cut(&mut self, base: LogIndex) {
        let making = self.making.take_if(|(making, _)| *making < base).is_some();
        for transfer in self.followers.values_mut() {
            let outgrown = match transfer.stage {
                // Before it was complete.
                Stage::Waiting => making,
                Stage::Offered => false,
                Stage::Tail(from) => from < base,
            };
            if outgrown {
                transfer.overtaken = transfer.overtaken.saturating_add(1);
                transfer.stage = Stage::Waiting;
            }
        }
    }

    /// The core asks for snapshots; `overtaken` transfers were outgrown since its start.
    pub(super) fn wanted(&mut self, by: &[NodeId], overtaken: u64) {
        let outgrown = overtaken > std::mem::replace(&mut self.overtaken, overtaken);
        for node in by {
            let transfer = self.followers.entry(*node).or_default();
            if std::mem::take(&mut transfer.stage) == Stage::Offered && outgrown {
                transfer.overtaken = transfer.overtaken.saturating_add(1);
            }
        }
    }

    /// A snapshot at `index` is offered while the log begins after `base`.
    pub(super) fn offered(&mut self, to: NodeId, index: LogIndex, base: LogIndex) {
        self.making.take_if(|(making, _)| *making <= index);
        if let Some(transfer) = self.followers.get_mut(&to)
            && transfer.stage == Stage::Waiting
            && index >= base
        {
            transfer.stage = Stage::Offered;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.followers.is_empty()
    }

    /// Looks at how the followers are; says which are not sent a snapshot any more.
    pub(super) fn look(&mut self, followers: &[FollowerStatus], log: &LogSize) -> Vec<NodeId> {
        let mut unwanted = Vec::new();
        self.followers.retain(|node, transfer| {
            let of = followers.iter().find(|follower| follower.node == *node);
            if of.is_some_and(|of| of.state == FollowerState::Snapshot) {
                return true;
            }
            if !matches!(transfer.stage, Stage::Tail(_)) {
                unwanted.push(*node);
            }
            let Some(of) = of else { return false };
            transfer.stage = Stage::Tail(of.matched);
            // From where it is, the log is kept for anybody.
            let has_caught_up = of.state == FollowerState::Replicate && of.matched >= log.tail();
            !has_caught_up && of.silent_for < TRANSFER_SILENCE
        });
        unwanted
    }

    /// The leadership ended. What was offered can still be fetched.
    pub(super) fn lost(&mut self) {
        self.making = None;
        self.followers.clear();
    }

    /// Who does not catch up.
    pub(super) fn stalled(&self) -> Vec<NodeId> {
        let stalled = self.followers.iter().filter(|(_, transfer)| transfer.overtaken >= STALLED);
        stalled.map(|(node, _)| *node).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::replica::Compaction;

    const NODE: NodeId = NodeId(2);

    /// A log of entries 1 to `last` of ten bytes, with a tail of 16.
    fn log(last: u64) -> LogSize {
        let policy = Compaction { bytes: 320, entries: 1_000, tail_bytes: 160, tail_entries: 1_000 };
        let mut log = LogSize::new(policy, LogIndex::ZERO);
        for index in 1..=last {
            log.add(LogIndex(index), 10);
        }
        log
    }

    fn follower(state: FollowerState, matched: u64) -> FollowerStatus {
        FollowerStatus {
            node: NODE,
            matched: LogIndex(matched),
            next: LogIndex(matched + 1),
            state,
            silent_for: Duration::ZERO,
            answers: true,
            caught_up: false,
            held_back: false,
        }
    }

    fn installed() -> Transfers {
        let mut transfers = Transfers::default();
        transfers.wanted(&[NODE], 0);
        transfers.offered(NODE, LogIndex(20), LogIndex(5));
        transfers
    }

    #[test]
    fn two_in_a_row_are_a_stall_and_catching_up_ends_it() {
        let mut transfers = Transfers::default();
        transfers.wanted(&[NODE], 0);
        transfers.offered(NODE, LogIndex(9), LogIndex(5));
        transfers.wanted(&[NODE], 1);
        assert!(transfers.stalled().is_empty());
        transfers.wanted(&[NODE], 1);
        assert!(transfers.stalled().is_empty(), "it only asks again");
        transfers.making(LogIndex(12), 0);
        transfers.cut(LogIndex(12));
        assert!(transfers.stalled().is_empty(), "the log follows it still");
        transfers.cut(LogIndex(13));
        assert_eq!(transfers.stalled(), [NODE]);
        assert_eq!(transfers.look(&[follower(FollowerState::Replicate, 90)], &log(100)), [NODE]);
        assert!(transfers.stalled().is_empty());
    }

    #[test]
    fn a_transfer_that_ended_otherwise_does_not_count() {
        let mut transfers = Transfers::default();
        transfers.wanted(&[NODE], 0);
        for _ in 0..5 {
            transfers.offered(NODE, LogIndex(9), LogIndex(5));
            transfers.wanted(&[NODE], 0);
        }
        assert!(transfers.stalled().is_empty());
    }

    #[test]
    fn the_log_is_kept_for_a_snapshot_in_the_making_up_to_a_cap() {
        let mut transfers = Transfers::default();
        let none = LogIndex(u64::MAX);
        transfers.making(LogIndex(7), 100);
        assert_eq!(transfers.pinned(&log(20), 100), LogIndex(7));
        assert_eq!(transfers.pinned(&log(21), 100), none);
        transfers.cut(LogIndex(8));
        assert_eq!(transfers.pinned(&log(10), 100), none, "it is gone");
        transfers.making(LogIndex(8), 0);
        transfers.offered(NODE, LogIndex(7), LogIndex(1));
        assert_eq!(transfers.pinned(&log(0), 100), LogIndex(8));
        transfers.offered(NODE, LogIndex(8), LogIndex(1));
        assert_eq!(transfers.pinned(&log(0), 100), none);
    }

    #[test]
    fn the_log_is_kept_until_what_followed_the_snapshot_is_there_too() {
        let mut transfers = installed();
        assert!(transfers.look(&[follower(FollowerState::Snapshot, 0)], &log(100)).is_empty());
        assert_eq!(transfers.look(&[follower(FollowerState::Replicate, 20)], &log(100)), [NODE]);
        assert_eq!(transfers.pinned(&log(100), 1_000), LogIndex(20));
        assert!(transfers.look(&[follower(FollowerState::Probe, 95)], &log(100)).is_empty(), "told once");
        assert_eq!(transfers.pinned(&log(100), 1_000), LogIndex(95), "it does not go on yet");
        transfers.look(&[follower(FollowerState::Replicate, 83)], &log(100));
        assert_eq!(transfers.pinned(&log(100), 1_000), LogIndex(83), "one before the tail");
        transfers.look(&[follower(FollowerState::Replicate, 84)], &log(100));
        assert!(transfers.is_empty());
    }

    #[test]
    fn what_follows_a_snapshot_is_kept_up_to_a_cap_and_then_it_is_overtaken() {
        let mut transfers = installed();
        for overtaken in 0..2 {
            assert_eq!(transfers.stalled(), [], "{overtaken}");
            transfers.offered(NODE, LogIndex(20), LogIndex(5));
            transfers.look(&[follower(FollowerState::Replicate, 20)], &log(100));
            assert_eq!(transfers.pinned(&log(100), 800), LogIndex(20));
            assert_eq!(transfers.pinned(&log(100), 799), LogIndex(u64::MAX));
            transfers.cut(LogIndex(20));
            transfers.cut(LogIndex(84));
            transfers.wanted(&[NODE], 0);
        }
        assert_eq!(transfers.stalled(), [NODE]);
    }

    #[test]
    fn nothing_is_kept_for_one_that_is_gone() {
        let at_tail = follower(FollowerState::Replicate, 20);
        let mut transfers = installed();
        transfers.look(&[FollowerStatus { silent_for: TRANSFER_SILENCE / 2, ..at_tail }], &log(100));
        assert_eq!(transfers.pinned(&log(100), 1_000), LogIndex(20));
        transfers.look(&[FollowerStatus { silent_for: TRANSFER_SILENCE, ..at_tail }], &log(100));
        assert!(transfers.is_empty());
        let mut removed = installed();
        assert_eq!(removed.look(&[], &log(100)), [NODE]);
        assert!(removed.is_empty());
    }
}
