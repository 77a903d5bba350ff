//! When to look at which group: a wheel of slots, because deadlines move with every heartbeat and scanning
//! 10,000 groups costs more than the groups.

use std::time::Duration;

use raft::Time;

/// Deadlines are kept to this accuracy, and what falls due together goes out together.
pub const SLOT: Duration = Duration::from_millis(10);
/// What is further away is looked at earlier, and put back.
const SLOTS: u64 = 256;

/// Groups by the slot of their deadline.
pub struct Wheel {
    slots: Vec<Vec<usize>>,
    /// In which slot each group waits.
    waits_in: Vec<u64>,
    /// The slot that is next.
    next: u64,
}

fn slot_of(time: Time) -> u64 {
    time.as_nanos().div_ceil(SLOT.as_nanos() as u64)
}

impl Wheel {
    pub fn new(groups: usize) -> Self {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        let mut wheel = Self { slots, waits_in: vec![u64::MAX; groups], next: 0 };
        for group in 0..groups {
            wheel.schedule(group, Time::ZERO);
        }
        wheel
    }

    /// The deadline of a group may have moved. A later one is noticed when the earlier one is due.
    pub fn schedule(&mut self, group: usize, deadline: Time) {
        let slot = slot_of(deadline).clamp(self.next, self.next + SLOTS - 1);
        if slot < self.waits_in[group] {
            self.waits_in[group] = slot;
            self.slots[(slot % SLOTS) as usize].push(group);
        }
    }

    /// The groups that wait in the next slot. Each is to be scheduled again.
    pub fn turn(&mut self) -> Vec<usize> {
        let now = self.next;
        self.next += 1;
        let mut due = std::mem::take(&mut self.slots[(now % SLOTS) as usize]);
        due.retain(|group| self.waits_in[*group] == now);
        for group in &due {
            self.waits_in[*group] = u64::MAX;
        }
        due
    }
}
