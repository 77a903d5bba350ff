//! The term of every entry in the log, as runs: terms change rarely, so the whole log costs a few words and
//! a term is known without reading the entry back.

use std::collections::VecDeque;

use crate::types::{LogIndex, LogPosition, Term};

/// Terms from the base of the log to its last entry.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Terms {
    last: LogPosition,
    base: LogPosition,
    /// The first entry of each run, in order.
    runs: VecDeque<LogPosition>,
}

impl Terms {
    pub(crate) fn new(base: LogPosition) -> Self {
        Self { base, last: base, runs: VecDeque::new() }
    }

    pub(crate) fn base(&self) -> LogPosition {
        self.base
    }

    pub(crate) fn last(&self) -> LogPosition {
        self.last
    }

    /// The term at `index`, or `None` outside the log: never a made-up 0.
    pub(crate) fn at(&self, index: LogIndex) -> Option<Term> {
        // Nearly every question is about the last entry, or about the last run.
        if index == self.last.index {
            return Some(self.last.term);
        }
        if index == self.base.index {
            return Some(self.base.term);
        }
        if index < self.base.index || index > self.last.index {
            return None;
        }
        if let Some(back) = self.runs.back()
            && back.index <= index
        {
            return Some(back.term);
        }
        let after = self.runs.partition_point(|run| run.index <= index);
        self.runs.get(after.checked_sub(1)?).map(|run| run.term)
    }

    /// Whether the log holds exactly this entry, or begins after it.
    pub(crate) fn contains(&self, position: LogPosition) -> bool {
        self.at(position.index) == Some(position.term)
    }

    pub(crate) fn push(&mut self, position: LogPosition) {
        assert_eq!(position.index, self.last.index.next(), "log entries are consecutive");
        assert!(position.term >= self.last.term, "terms never fall along the log");
        if self.runs.back().is_none_or(|run| run.term < position.term) {
            self.runs.push_back(position);
        }
        self.last = position;
    }

    /// Forgets `from` and everything after it.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        assert!(from > self.base.index, "the base is never truncated");
        while self.runs.back().is_some_and(|run| run.index >= from) {
            self.runs.pop_back();
        }
        let term = self.runs.back().map_or(self.base.term, |run| run.term);
        self.last = LogPosition::new(self.last.index.min(from.prev()), term);
    }

    /// Forgets everything up to `base`, which is in the log.
    pub(crate) fn compact(&mut self, base: LogPosition) {
        while self.runs.get(1).is_some_and(|run| run.index <= base.index.next()) {
            self.runs.pop_front();
        }
        if self.last.index == base.index {
            self.runs.clear();
        } else if let Some(first) = self.runs.front_mut() {
            first.index = first.index.max(base.index.next());
        }
        self.base = base;
    }

    /// The last index at or below `hint.index` whose term is at most `hint.term`: where two logs may still
    /// agree. Skips whole terms (§3.5).
    pub(crate) fn last_not_above(&self, hint: LogPosition) -> LogIndex {
        if self.base.term > hint.term {
            return self.base.index.prev().min(hint.index);
        }
        let above = self.runs.partition_point(|run| run.term <= hint.term);
        let last = self.runs.get(above).map_or(self.last.index, |run| run.index.prev());
        last.min(hint.index)
    }

    /// How many runs there are.
    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(index: u64, term: u64) -> LogPosition {
        LogPosition::new(LogIndex(index), Term(term))
    }

    /// The same as a plain vector.
    #[derive(Default)]
    struct Model {
        base: (u64, u64),
        terms: Vec<u64>,
    }

    impl Model {
        fn last(&self) -> u64 {
            self.base.0 + self.terms.len() as u64
        }
        fn at(&self, index: u64) -> Option<u64> {
            if index == self.base.0 {
                return Some(self.base.1);
            }
            let offset = index.checked_sub(self.base.0 + 1)?;
            self.terms.get(usize::try_from(offset).ok()?).copied()
        }
    }

    proptest! {
        #[test]
        fn equals_a_plain_vector(steps in prop::collection::vec((0u8..4, 0u64..6), 1..200)) {
            let mut terms = Terms::new(at(0, 0));
            let mut model = Model::default();
            for (step, n) in steps {
                match step {
                    0 | 1 => {
                        let term = model.at(model.last()).unwrap() + n / 4;
                        terms.push(at(model.last() + 1, term));
                        model.terms.push(term);
                    }
                    2 => {
                        let from = (model.base.0 + 1 + n).min(model.last() + 1);
                        terms.truncate(LogIndex(from));
                        model.terms.truncate((from - model.base.0 - 1) as usize);
                    }
                    _ => {
                        let to = (model.base.0 + n).min(model.last());
                        let term = model.at(to).unwrap();
                        terms.compact(at(to, term));
                        model.terms.drain(..(to - model.base.0) as usize);
                        model.base = (to, term);
                    }
                }
                prop_assert_eq!(terms.last(), at(model.last(), model.at(model.last()).unwrap()));
                for index in 0..model.last() + 3 {
                    prop_assert_eq!(terms.at(LogIndex(index)), model.at(index).map(Term));
                    let naive = (model.base.0..=index.min(model.last()))
                        .rev()
                        .find(|i| model.at(*i).is_some_and(|t| t <= n));
                    if let Some(naive) = naive {
                        prop_assert_eq!(terms.last_not_above(at(index, n)), LogIndex(naive));
                    }
                }
            }
        }
    }
}
