//! How large the log is, and up to where it may be cut.

use std::collections::VecDeque;

use raft::LogIndex;

use super::settings::Compaction;

/// Marks within a tail.
const MARKS: u64 = 16;

/// The size of the applied part of a log, with a mark every now and then.
#[derive(Clone, Debug)]
pub(super) struct LogSize {
    policy: Compaction,
    /// What the log begins after.
    begins_after: LogIndex,
    /// The last mark that is not behind that, and the bytes until there.
    base: (LogIndex, u64),
    /// The last applied entry, and the bytes until there.
    last: (LogIndex, u64),
    marks: VecDeque<(LogIndex, u64)>,
}

impl LogSize {
    pub(super) fn new(policy: Compaction, base: LogIndex) -> Self {
        Self { policy, begins_after: base, base: (base, 0), last: (base, 0), marks: VecDeque::new() }
    }

    /// The next entry is applied.
    pub(super) fn add(&mut self, index: LogIndex, bytes: usize) {
        self.last = (index, self.last.1 + bytes as u64);
        let mark = self.marks.back().copied().unwrap_or(self.base);
        let (entries, bytes) = (index.0 - mark.0.0, self.last.1 - mark.1);
        let Compaction { tail_bytes, tail_entries, .. } = self.policy;
        if entries >= tail_entries.div_ceil(MARKS) || bytes >= (tail_bytes as u64).div_ceil(MARKS) {
            self.marks.push_back(self.last);
        }
    }

    /// Up to where to cut: only what is durable in the data engine, and not the tail; nothing while the log
    /// is small.
    pub(super) fn cut(&self, flushed: impl FnOnce() -> LogIndex) -> Option<LogIndex> {
        let Compaction { bytes, entries, .. } = self.policy;
        let large = self.last.1 - self.base.1 >= bytes as u64 || self.last.0.0 - self.base.0.0 >= entries;
        if !large {
            return None;
        }
        let limit = flushed().min(self.tail());
        self.marks.iter().rev().find(|(index, _)| *index <= limit).map(|(index, _)| *index)
    }

    /// What the tail begins after, which always stays.
    pub(super) fn tail(&self) -> LogIndex {
        let Compaction { tail_bytes, tail_entries, .. } = self.policy;
        let outside = |(index, until): &(LogIndex, u64)| {
            self.last.1 - until > tail_bytes as u64 || self.last.0.0 - index.0 > tail_entries
        };
        // The first mark whose tail is small enough.
        let first = self.marks.partition_point(outside);
        self.marks.get(first).or(self.marks.back()).map_or(self.begins_after, |(index, _)| *index)
    }

    /// The bytes of the applied entries after `index`, or a little more.
    pub(super) fn bytes_after(&self, index: LogIndex) -> u64 {
        let behind = self.marks.partition_point(|(mark, _)| *mark <= index);
        let before = behind.checked_sub(1).and_then(|last| self.marks.get(last)).unwrap_or(&self.base);
        self.last.1 - before.1
    }

    /// The log begins after `base` now; says whether it did not before.
    pub(super) fn was_cut(&mut self, base: LogIndex) -> bool {
        while let Some(mark) = self.marks.pop_front_if(|(index, _)| *index <= base) {
            self.base = mark;
        }
        base > std::mem::replace(&mut self.begins_after, base)
    }

    /// What the log begins after.
    pub(super) fn begins_after(&self) -> LogIndex {
        self.begins_after
    }

    /// The bytes of all entries so far: how much comes after a moment is a difference of two.
    pub(super) fn total_bytes(&self) -> u64 {
        self.last.1
    }

    /// Applied entries and their bytes that are in the log.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.last.0.0 - self.base.0.0, self.last.1 - self.base.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Compaction =
        Compaction { bytes: 6_400, entries: 1_000, tail_bytes: 1_600, tail_entries: 320 };

    fn log(entries: u64, bytes: usize) -> LogSize {
        let mut log = LogSize::new(POLICY, LogIndex(10));
        for index in 0..entries {
            log.add(LogIndex(11 + index), bytes);
        }
        log
    }

    #[test]
    fn a_small_log_is_not_cut() {
        assert_eq!(log(63, 100).cut(|| panic!("not asked")), None);
    }

    #[test]
    fn a_log_of_many_bytes_keeps_a_tail() {
        // Its last entry is 74; 16 entries are a tail.
        assert_eq!(log(64, 100).cut(|| LogIndex(74)), Some(LogIndex(58)));
    }

    #[test]
    fn a_log_of_many_entries_keeps_a_tail() {
        assert_eq!(log(1_000, 1).cut(|| LogIndex(1_010)), Some(LogIndex(690)));
    }

    #[test]
    fn nothing_is_cut_beyond_what_is_flushed() {
        assert_eq!(log(64, 100).cut(|| LogIndex(30)), Some(LogIndex(30)));
        assert_eq!(log(64, 100).cut(|| LogIndex(10)), None);
    }

    #[test]
    fn what_was_cut_does_not_count() {
        let mut log = log(64, 100);
        assert!(log.was_cut(LogIndex(58)));
        assert!(!log.was_cut(LogIndex(58)));
        assert_eq!(log.size(), (16, 1_600));
        assert_eq!(log.cut(|| LogIndex(74)), None);
    }
}
