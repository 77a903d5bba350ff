//! Snapshots on their way to followers: what the log is kept for while one is made, and whom the log outgrows
//! again and again.

use std::collections::BTreeMap;

use raft::{LogIndex, NodeId};

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
    offered: bool,
    /// In a row.
    overtaken: u32,
}

impl Transfers {
    /// A snapshot is made: the log behind it is needed.
    pub(super) fn making(&mut self, index: LogIndex, log_bytes: u64) {
        self.making = Some((index, log_bytes));
    }

    /// What must stay of the log for the snapshot in the making, unless more than `cap` bytes followed it.
    pub(super) fn pinned(&self, log_bytes: u64, cap: usize) -> LogIndex {
        let within = |(_, before): &(LogIndex, u64)| log_bytes.saturating_sub(*before) <= cap as u64;
        self.making.filter(within).map_or(LogIndex(u64::MAX), |(index, _)| index)
    }

    /// The log begins after `base` now.
    pub(super) fn cut(&mut self, base: LogIndex) {
        if self.making.take_if(|(making, _)| *making < base).is_some() {
            // Outgrown before it was complete.
            for transfer in self.followers.values_mut().filter(|transfer| !transfer.offered) {
                transfer.overtaken = transfer.overtaken.saturating_add(1);
            }
        }
    }

    /// The core asks for snapshots; `overtaken` transfers were outgrown since its start.
    pub(super) fn wanted(&mut self, by: &[NodeId], overtaken: u64) {
        let outgrown = overtaken > std::mem::replace(&mut self.overtaken, overtaken);
        for node in by {
            let transfer = self.followers.entry(*node).or_default();
            if std::mem::take(&mut transfer.offered) && outgrown {
                transfer.overtaken = transfer.overtaken.saturating_add(1);
            }
        }
    }

    /// A snapshot at `index` is offered while the log begins after `base`.
    pub(super) fn offered(&mut self, to: NodeId, index: LogIndex, base: LogIndex) {
        self.making.take_if(|(making, _)| *making <= index);
        if let Some(transfer) = self.followers.get_mut(&to) {
            transfer.offered |= index >= base;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.followers.is_empty()
    }

    /// Forgets the followers that are not sent a snapshot any more; says which.
    pub(super) fn retain(&mut self, is_sent: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        self.followers.extract_if(.., |node, _| !is_sent(*node)).map(|(node, _)| node).collect()
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
    use super::*;

    const NODE: NodeId = NodeId(2);

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
        assert_eq!(transfers.retain(|_| false), [NODE]);
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
        transfers.making(LogIndex(7), 100);
        assert_eq!(transfers.pinned(200, 100), LogIndex(7));
        assert_eq!(transfers.pinned(201, 100), LogIndex(u64::MAX));
        transfers.cut(LogIndex(8));
        assert_eq!(transfers.pinned(100, 100), LogIndex(u64::MAX), "it is gone");
        transfers.making(LogIndex(8), 0);
        transfers.offered(NODE, LogIndex(7), LogIndex(1));
        assert_eq!(transfers.pinned(0, 100), LogIndex(8));
        transfers.offered(NODE, LogIndex(8), LogIndex(1));
        assert_eq!(transfers.pinned(0, 100), LogIndex(u64::MAX));
    }
}
