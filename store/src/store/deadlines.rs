//! When to look at which range. Deadlines move with every heartbeat, so that they are kept lazily: a range waits
//! in one slot, and one that is looked at too early is put back.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::{RangeId, Time};

/// Deadlines are kept to this accuracy, and what falls due together goes out together.
pub const SLOT: Duration = Duration::from_millis(10);

/// Ranges by the slot of their deadline.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    slots: BTreeMap<u64, Vec<RangeId>>,
    /// In which slot each range waits.
    waits_in: BTreeMap<RangeId, u64>,
}

fn nanos() -> u64 {
    u64::try_from(SLOT.as_nanos()).unwrap_or(u64::MAX)
}

impl Deadlines {
    /// The deadline of a range may have moved. A later one is noticed when the earlier one is due.
    pub(super) fn schedule(&mut self, range: RangeId, deadline: Time) {
        let slot = deadline.as_nanos().div_ceil(nanos());
        if self.waits_in.get(&range).is_none_or(|waits_in| slot < *waits_in) {
            self.waits_in.insert(range, slot);
            self.slots.entry(slot).or_default().push(range);
        }
    }

    /// The ranges whose slots have come. Each is to be scheduled again.
    pub(super) fn due(&mut self, now: Time) -> Vec<RangeId> {
        let mut due = Vec::new();
        while let Some(entry) =
            self.slots.first_entry().filter(|entry| *entry.key() <= now.as_nanos() / nanos())
        {
            let (slot, ranges) = entry.remove_entry();
            for range in ranges {
                // One that moved to an earlier slot is not here any more.
                if self.waits_in.get(&range) == Some(&slot) {
                    self.waits_in.remove(&range);
                    due.push(range);
                }
            }
        }
        due
    }

    /// When the next slot comes.
    pub(super) fn next(&self) -> Option<Time> {
        self.slots.first_key_value().map(|(slot, _)| Time::from_nanos(slot.saturating_mul(nanos())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn what_falls_due_together_is_looked_at_together() {
        let mut deadlines = Deadlines::default();
        deadlines.schedule(RangeId(1), at(101));
        deadlines.schedule(RangeId(2), at(109));
        deadlines.schedule(RangeId(3), at(111));
        assert_eq!(deadlines.next(), Some(at(110)));
        assert!(deadlines.due(at(109)).is_empty());
        assert_eq!(deadlines.due(at(110)), [RangeId(1), RangeId(2)]);
        assert_eq!(deadlines.next(), Some(at(120)));
    }

    #[test]
    fn an_earlier_deadline_counts_and_a_later_one_is_noticed_later() {
        let mut deadlines = Deadlines::default();
        deadlines.schedule(RangeId(1), at(500));
        deadlines.schedule(RangeId(1), at(100));
        deadlines.schedule(RangeId(1), at(900));
        assert_eq!(deadlines.due(at(100)), [RangeId(1)]);
        deadlines.schedule(RangeId(1), at(900));
        assert!(deadlines.due(at(899)).is_empty());
        assert_eq!(deadlines.due(at(900)), [RangeId(1)]);
        assert_eq!(deadlines.next(), None);
    }
}
