//! Random requests from few keys and values, so that they meet.

use bytes::Bytes;

use super::model::Model;
use crate::request::{Attempt, Condition, Operation, Scan, Test, Write};
use crate::timestamp::Timestamp;

pub(super) const KEYS: [&[u8]; 8] = [b"\0", b"\0\0", b"a", b"a\0", b"a\0\0", b"a\0b", b"b", b"\xff"];

/// Numbers from a seed (splitmix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn key(&mut self) -> Bytes {
        Bytes::from_static(KEYS[self.below(KEYS.len())])
    }

    /// A bound of a range.
    fn bound(&mut self) -> Bytes {
        if self.one_in(3) { Bytes::new() } else { self.key() }
    }

    fn value(&mut self) -> Bytes {
        Bytes::from_static(&b"xyzxyzxyz"[..self.below(10)])
    }

    pub(super) fn scan(&mut self) -> Scan {
        let (start, end) = (self.bound(), self.bound());
        Scan { start, end, reverse: self.one_in(2), limit: self.below(4), keys_only: self.one_in(4) }
    }

    fn operation(&mut self) -> Operation {
        match self.below(8) {
            0 => Operation::DeleteRange { start: self.bound(), end: self.bound() },
            1 | 2 => Operation::Delete { key: self.key() },
            _ => Operation::Put { key: self.key(), value: self.value() },
        }
    }

    /// Half of the conditions are made to hold.
    fn condition(&mut self, model: &Model) -> Condition {
        let key = self.key();
        let found = model.keys.get(&key).filter(|_| self.one_in(2));
        let test = match (self.below(4), found) {
            (0, _) => Test::Exists,
            (1, _) => Test::Absent,
            (2, Some(found)) => Test::ValueIs(found.value.clone()),
            (2, None) => Test::ValueIs(self.value()),
            (_, Some(found)) => Test::VersionIs(found.version),
            (_, None) => Test::VersionIs(Timestamp::ZERO),
        };
        Condition { key, test }
    }

    fn attempt(&mut self, model: &Model) -> Option<Attempt> {
        if model.sessions.is_empty() || self.one_in(2) {
            return None;
        }
        let at = self.below(model.sessions.len());
        let (session, known) = model.sessions.iter().nth(at)?;
        let highest = known.outcomes.keys().last().copied().unwrap_or(known.floor);
        let number = (highest + self.below(3) as u64).saturating_sub(self.below(2) as u64);
        let acknowledged_below = number.saturating_sub(self.below(4) as u64);
        Some(Attempt { session: *session, number, acknowledged_below, retry: self.one_in(4) })
    }

    pub(super) fn write(&mut self, model: &Model) -> Write {
        let conditions = (0..self.below(3)).map(|_| self.condition(model)).collect();
        let operations = match self.below(30) {
            0 => 0,
            1 => 4,
            _ => 1 + self.below(3),
        };
        let operations = (0..operations).map(|_| self.operation()).collect();
        Write { conditions, operations, attempt: self.attempt(model) }
    }
}
