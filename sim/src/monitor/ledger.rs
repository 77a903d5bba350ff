//! The one log that the group committed, as far as anyone has shown it.

use std::sync::Arc;

use raft::{LogIndex, LogPosition, SnapshotMeta, Term};

use super::Breach;
use super::chain::{ORIGIN, Placed, Registry};
use super::membership::Ids;

/// A committed entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    term: Term,
    chain: u64,
    /// The term of the leader that committed it.
    committed_in: Term,
}

/// What is committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) registry: Registry,
    /// Entry i at i - 1.
    decided: Vec<Decided>,
    /// The configurations among them.
    configurations: Vec<Placed>,
    ids: Ids,
    /// Up to here a quorum was seen to hold it.
    pub(super) verified: LogIndex,
}

impl Ledger {
    /// The last committed index.
    pub(super) fn last(&self) -> LogIndex {
        LogIndex(self.decided.len() as u64)
    }

    fn at(&self, index: LogIndex) -> Option<&Decided> {
        self.decided.get(usize::try_from(index.0).ok()?.checked_sub(1)?)
    }

    /// The chain of the committed log.
    pub(super) fn chain(&self, index: LogIndex) -> Option<u64> {
        if index == LogIndex::ZERO {
            return Some(ORIGIN);
        }
        self.at(index).map(|decided| decided.chain)
    }

    /// The term of the leader that committed the entry at `index`.
    pub(super) fn committed_in(&self, index: LogIndex) -> Option<Term> {
        self.at(index).map(|decided| decided.committed_in)
    }

    /// Whether exactly this entry is committed.
    pub(super) fn contains(&self, at: LogPosition) -> bool {
        match self.at(at.index) {
            Some(decided) => decided.term == at.term,
            None => at == LogPosition::default(),
        }
    }

    /// The last entry that was committed in a term below `term`, with its chain.
    pub(super) fn last_before(&self, term: Term) -> Option<(LogIndex, u64)> {
        let index = self.decided.iter().rposition(|decided| decided.committed_in < term)?;
        Some((LogIndex(index as u64 + 1), self.decided[index].chain))
    }

    /// The committed configuration as of `index`.
    pub(super) fn configuration_as_of(&self, index: LogIndex) -> Option<&Placed> {
        let after = self.configurations.partition_point(|(at, _)| at.index <= index);
        self.configurations.get(after.checked_sub(1)?)
    }

    /// Someone showed that `at`, and with it all before, is committed by the leader of `term`. Says whether
    /// that is news.
    pub(super) fn decide(&mut self, at: LogPosition, term: Term) -> Result<bool, Breach> {
        if at.index <= self.last() {
            // State Machine Safety (§3.6.3): what was once committed never changes.
            must!(
                self.contains(at),
                "committed never changes",
                "{at:?} is taken for committed, but index {} is of {:?}",
                at.index,
                self.at(at.index).map(|decided| decided.term)
            );
            return Ok(false);
        }
        let mut path = Vec::new();
        let mut place = at;
        while place.index > self.last() {
            path.push(place);
            let Some(before) = self.registry.before(place) else {
                return Err(Breach::new("committed is known", format!("{place:?} was never in a log")));
            };
            place = before;
        }
        must!(
            self.contains(place),
            "committed never changes",
            "{at:?} is taken for committed and follows {place:?}, but index {} is of {:?}",
            place.index,
            self.at(place.index).map(|decided| decided.term)
        );
        for place in path.into_iter().rev() {
            let chain = self.registry.chain(place).unwrap_or_default();
            self.decided.push(Decided { term: place.term, chain, committed_in: term });
            if let Some(configuration) = self.registry.configuration(place) {
                self.ids.committed(configuration)?;
                self.configurations.push((place, Arc::clone(configuration)));
            }
        }
        Ok(true)
    }

    /// What a snapshot or a compaction says of itself (§5.1): the term is that of the entry at its index, not
    /// a later one; the configuration is the one as of that index.
    pub(super) fn check_meta(&self, meta: &SnapshotMeta) -> Result<(), Breach> {
        must!(
            self.contains(meta.last),
            "snapshot meta",
            "it ends with {:?}, which is not the committed entry there",
            meta.last
        );
        let empty = LogPosition::default();
        let (at, configuration) = match self.configuration_as_of(meta.last.index) {
            Some((at, configuration)) => (*at, Some(configuration)),
            None => (empty, None),
        };
        let same = match configuration {
            Some(configuration) => {
                Arc::ptr_eq(configuration, &meta.configuration) || **configuration == *meta.configuration
            }
            None => meta.configuration.members.is_empty(),
        };
        must!(
            at == meta.configuration_at && same,
            "snapshot meta",
            "as of {:?} the configuration is that of {at:?}, not {:?} of {:?}",
            meta.last,
            meta.configuration,
            meta.configuration_at
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::Link;
    use super::super::testing::{breaks, configuration, configuration_entry, noop, with_learner};
    use super::*;

    fn place(index: u64, term: u64) -> LogPosition {
        LogPosition::new(LogIndex(index), Term(term))
    }

    /// Two logs: entries 1 and 2 of term 1, then entry 3 of term 1 or of term 2.
    fn fork() -> Ledger {
        let mut ledger = Ledger::default();
        let origin = Link { term: Term(0), chain: ORIGIN };
        let one = ledger.registry.enter(origin, &configuration_entry(1, 1, configuration(3))).unwrap();
        let two = ledger.registry.enter(one, &noop(2, 1)).unwrap();
        for term in [1, 2] {
            ledger.registry.enter(two, &noop(3, term)).unwrap();
        }
        ledger
    }

    #[test]
    fn what_is_committed_grows() {
        let mut ledger = fork();
        assert!(ledger.decide(place(2, 1), Term(1)).unwrap());
        assert!(!ledger.decide(place(1, 1), Term(1)).unwrap());
        assert!(ledger.decide(place(3, 2), Term(2)).unwrap());
        assert_eq!(ledger.last(), LogIndex(3));
        assert_eq!(ledger.last_before(Term(2)).map(|(index, _)| index), Some(LogIndex(2)));
    }

    #[test]
    fn another_entry_at_a_committed_index_is_seen() {
        let mut ledger = fork();
        ledger.decide(place(3, 1), Term(1)).unwrap();
        breaks(ledger.decide(place(3, 2), Term(2)), "committed never changes");
    }

    #[test]
    fn a_fork_below_what_is_newly_committed_is_seen() {
        let mut ledger = fork();
        let previous = Link { term: Term(2), chain: ledger.registry.chain(place(3, 2)).unwrap() };
        ledger.registry.enter(previous, &noop(4, 2)).unwrap();
        ledger.decide(place(3, 1), Term(1)).unwrap();
        breaks(ledger.decide(place(4, 2), Term(2)), "committed never changes");
    }

    #[test]
    fn an_entry_that_nobody_had_is_not_committed() {
        breaks(fork().decide(place(4, 4), Term(4)), "committed is known");
    }

    #[test]
    fn meta_name_the_term_and_configuration_of_their_index() {
        let mut ledger = fork();
        ledger.decide(place(3, 2), Term(2)).unwrap();
        let good = SnapshotMeta {
            last: place(2, 1),
            configuration: Arc::new(configuration(3)),
            configuration_at: place(1, 1),
        };
        ledger.check_meta(&good).unwrap();
        ledger.check_meta(&SnapshotMeta::empty()).unwrap();
        let bad = [
            SnapshotMeta { last: place(2, 2), ..good.clone() },
            SnapshotMeta { last: place(4, 2), ..good.clone() },
            SnapshotMeta { configuration_at: place(2, 1), ..good.clone() },
            SnapshotMeta { configuration: Arc::new(with_learner(3)), ..good },
        ];
        for meta in bad {
            breaks(ledger.check_meta(&meta), "snapshot meta");
        }
    }
}
