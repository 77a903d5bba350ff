//! Logs as chains of hashes: two logs that have the same chain at an index are the same up to there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use raft::{Configuration, Entry, LogIndex, LogPosition, MemberRole, Payload, SnapshotMeta, Term};

use super::Breach;

/// The chain before the first entry.
pub(super) const ORIGIN: u64 = 0x6b76_636c_7573_7465;

/// A configuration and the entry that holds it.
pub(super) type Placed = (LogPosition, Arc<Configuration>);

/// An entry in a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Link {
    pub(super) term: Term,
    /// Over this entry's index, term and payload, and the chain before it.
    pub(super) chain: u64,
}

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd6e8_feb8_6659_fd93);
    (product as u64) ^ (product >> 64) as u64
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = mix(bytes.len() as u64, 3);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

fn hash_configuration(configuration: &Configuration) -> u64 {
    let mut hash = mix(configuration.next_node.0, configuration.next_replica.0);
    hash = mix(hash, configuration.reserved.map_or(0, |node| node.0 + 1));
    for (node, member) in &configuration.members {
        let voter = u64::from(member.role == MemberRole::Voter);
        for word in
            [node.0, member.replica.0, member.disk.0 as u64, (member.disk.0 >> 64) as u64, member.boot, voter]
        {
            hash = mix(hash, word);
        }
    }
    hash
}

fn hash_payload(payload: &Payload) -> u64 {
    match payload {
        Payload::Noop => 1,
        Payload::Configuration(configuration) => mix(2, hash_configuration(configuration)),
        Payload::Command(bytes) => hash_bytes(bytes),
    }
}

/// The log of one replica, in memory or on its disk.
#[derive(Clone, Debug)]
pub(super) struct LogView {
    base: LogPosition,
    base_chain: u64,
    links: VecDeque<Link>,
    /// The one in force at the base, then those in the log.
    configurations: Vec<Placed>,
}

impl LogView {
    /// A log that begins after `meta`.
    pub(super) fn after(meta: &SnapshotMeta, base_chain: u64) -> Self {
        let configurations = vec![(meta.configuration_at, Arc::clone(&meta.configuration))];
        Self { base: meta.last, base_chain, links: VecDeque::new(), configurations }
    }

    pub(super) fn base(&self) -> LogPosition {
        self.base
    }

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.base.index.0 + self.links.len() as u64)
    }

    pub(super) fn last(&self) -> LogPosition {
        let term = self.links.back().map_or(self.base.term, |link| link.term);
        LogPosition::new(self.last_index(), term)
    }

    pub(super) fn link(&self, index: LogIndex) -> Option<Link> {
        match index.0.checked_sub(self.base.index.0)? {
            0 => Some(Link { term: self.base.term, chain: self.base_chain }),
            n => self.links.get(usize::try_from(n - 1).ok()?).copied(),
        }
    }

    pub(super) fn chain(&self, index: LogIndex) -> Option<u64> {
        self.link(index).map(|link| link.chain)
    }

    pub(super) fn term(&self, index: LogIndex) -> Option<Term> {
        self.link(index).map(|link| link.term)
    }

    pub(super) fn last_link(&self) -> Link {
        self.links.back().copied().unwrap_or(Link { term: self.base.term, chain: self.base_chain })
    }

    /// The configuration in force: the latest in the log (§4.1).
    pub(super) fn configuration(&self) -> &Placed {
        &self.configurations[self.configurations.len() - 1]
    }

    /// The configuration as of `index`, or that at the base if this is behind it.
    pub(super) fn configuration_as_of(&self, index: LogIndex) -> &Placed {
        let after = self.configurations.partition_point(|(at, _)| at.index <= index);
        &self.configurations[after.saturating_sub(1)]
    }

    pub(super) fn push(&mut self, entry: &Entry, link: Link) {
        self.links.push_back(link);
        if let Payload::Configuration(configuration) = &entry.payload {
            self.configurations.push((entry.position(), Arc::clone(configuration)));
        }
    }

    /// Removes `from`, which is behind the base, and all after it.
    pub(super) fn truncate(&mut self, from: LogIndex) {
        let keep = from.0.saturating_sub(self.base.index.0 + 1);
        self.links.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        while self.configurations.len() > 1 && self.configuration().0.index >= from {
            self.configurations.pop();
        }
    }

    /// Forgets everything up to `meta`, which is in the log.
    pub(super) fn compact(&mut self, meta: &SnapshotMeta) {
        let gone = meta.last.index.0.saturating_sub(self.base.index.0);
        let gone = usize::try_from(gone).unwrap_or(usize::MAX).min(self.links.len());
        self.base_chain = self.chain(meta.last.index).unwrap_or(self.base_chain);
        self.links.drain(..gone);
        self.base = meta.last;
        let covered = self.configurations.iter().filter(|(at, _)| at.index <= meta.last.index).count();
        self.configurations.drain(..covered.saturating_sub(1));
    }
}

/// An entry that some replica had in its log.
#[derive(Clone, Copy, Debug)]
struct Known {
    chain: u64,
    payload: u64,
    previous_term: Term,
}

/// Every entry that any replica ever had, by its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    known: BTreeMap<LogPosition, Known>,
    configurations: BTreeMap<LogPosition, Arc<Configuration>>,
}

impl Registry {
    /// Enters an entry that follows `previous` in some log.
    pub(super) fn enter(&mut self, previous: Link, entry: &Entry) -> Result<Link, Breach> {
        let (at, payload) = (entry.position(), hash_payload(&entry.payload));
        // Terms never fall along a log (§3.3).
        must!(
            entry.term >= previous.term,
            "terms rise along the log",
            "{at:?} follows an entry of {:?}",
            previous.term
        );
        let chain = mix(mix(mix(previous.chain, entry.index.0), entry.term.0), payload);
        let link = Link { term: entry.term, chain };
        let Some(known) = self.known.get(&at) else {
            self.known.insert(at, Known { chain, payload, previous_term: previous.term });
            if let Payload::Configuration(configuration) = &entry.payload {
                self.configurations.insert(at, Arc::clone(configuration));
            }
            return Ok(link);
        };
        // Log Matching (§3.5): the same index and term mean the same payload, and the same log up to there.
        must!(
            known.payload == payload,
            "log matching",
            "{at:?} has two payloads, one of them {:?}",
            entry.payload
        );
        must!(known.chain == chain, "log matching", "two logs hold {at:?} and differ before it");
        Ok(link)
    }

    /// Whether an entry is the one that stands at its place in the logs.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.known.get(&entry.position()).is_some_and(|known| known.payload == hash_payload(&entry.payload))
    }

    pub(super) fn chain(&self, at: LogPosition) -> Option<u64> {
        if at.index == LogIndex::ZERO {
            return Some(ORIGIN);
        }
        self.known.get(&at).map(|known| known.chain)
    }

    /// The place before `at` in every log that holds `at`.
    pub(super) fn before(&self, at: LogPosition) -> Option<LogPosition> {
        self.known.get(&at).map(|known| LogPosition::new(at.index.prev(), known.previous_term))
    }

    pub(super) fn configuration(&self, at: LogPosition) -> Option<&Arc<Configuration>> {
        self.configurations.get(&at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{breaks, command, configuration, noop, with_learner};
    use super::*;

    fn origin() -> Link {
        Link { term: Term(0), chain: ORIGIN }
    }

    #[test]
    fn the_same_entries_make_the_same_chain() {
        let mut registry = Registry::default();
        let mut chains = Vec::new();
        for _ in 0..2 {
            let first = registry.enter(origin(), &noop(1, 1)).unwrap();
            chains.push(registry.enter(first, &command(2, 1, "a")).unwrap());
        }
        assert_eq!(chains[0], chains[1]);
    }

    #[test]
    fn another_payload_breaks_log_matching() {
        let mut registry = Registry::default();
        registry.enter(origin(), &command(1, 1, "a")).unwrap();
        breaks(registry.enter(origin(), &command(1, 1, "b")), "log matching");
        let at = LogPosition::new(LogIndex(2), Term(1));
        let entry = |c: Configuration| Entry {
            index: at.index,
            term: at.term,
            payload: Payload::Configuration(Arc::new(c)),
        };
        let first = Link { term: Term(1), chain: 7 };
        registry.enter(first, &entry(configuration(3))).unwrap();
        breaks(registry.enter(first, &entry(with_learner(3))), "log matching");
    }

    #[test]
    fn another_prefix_breaks_log_matching() {
        let mut registry = Registry::default();
        let one = registry.enter(origin(), &noop(1, 1)).unwrap();
        let other = registry.enter(origin(), &noop(1, 2)).unwrap();
        registry.enter(one, &noop(2, 3)).unwrap();
        breaks(registry.enter(other, &noop(2, 3)), "log matching");
    }

    #[test]
    fn a_term_below_the_one_before_is_seen() {
        let mut registry = Registry::default();
        let one = registry.enter(origin(), &noop(1, 2)).unwrap();
        breaks(registry.enter(one, &noop(2, 1)), "terms rise along the log");
    }

    #[test]
    fn a_view_follows_truncation_and_compaction() {
        let mut registry = Registry::default();
        let mut view = LogView::after(&SnapshotMeta::empty(), ORIGIN);
        for index in 1..=5 {
            let entry = noop(index, 1);
            let link = registry.enter(view.last_link(), &entry).unwrap();
            view.push(&entry, link);
        }
        let third = view.chain(LogIndex(3));
        let base = LogPosition::new(LogIndex(3), Term(1));
        view.compact(&SnapshotMeta { last: base, ..SnapshotMeta::empty() });
        assert_eq!((view.base(), view.chain(LogIndex(3)), view.chain(LogIndex(2))), (base, third, None));
        view.truncate(LogIndex(5));
        assert_eq!((view.last_index(), view.term(LogIndex(5))), (LogIndex(4), None));
    }
}
