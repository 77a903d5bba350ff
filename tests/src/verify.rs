//! What the clients saw, held against what the nodes have on their disks.

use node::rocks::{EngineSettings, LogSettings, RocksEngine, RocksLogStore};
use raft::{Entry, LogIndex, Payload};
use rustix::process::Signal;
use sim::nodes::check::Check;
use sim::nodes::model::Model;
use sim::nodes::rules::Rules;
use store::effects::{ClusterVersion, decode};
use store::engine::Engine;
use store::log_store::{LogReader, LogStore};
use store::memory::MemoryEngine;
use store::range::{RangeState, apply, state_hash};
use store::replica::Settings;
use store::request::Limits;
use store::store::FIRST_RANGE;
use testing::{Cluster, NodeProcess, wait_until};

use crate::load::Seen;

/// Entries that are read or applied at once.
const STEP: usize = 1_000;
const READ_BYTES: usize = 4 << 20;

/// Stops the `members` of a cluster and checks that what clients saw is what their logs did, that their logs agree and
/// lead to the same data on each, and prints the longest time without a successful write.
///
/// # Panics
/// Something is wrong.
pub async fn verify(fault: &str, cluster: &mut Cluster, members: &[u64], seen: Seen) {
    let committed = settled(cluster, members).await;
    for member in members {
        cluster.node(*member).signal(Signal::TERM);
    }
    for member in members {
        assert_eq!(cluster.node_mut(*member).wait().await.code(), Some(0), "node {member} stops");
    }
    let logs: Vec<_> = members.iter().map(|member| Log::read(cluster.node(*member))).collect();
    let engines: Vec<_> = members.iter().map(|member| open_engine(cluster.node(*member))).collect();
    let applied = engines.iter().map(|(_, state)| state.applied().position.index.0).max();
    let end = applied.unwrap_or_default().max(committed);
    let entries = common(&logs, committed, end);

    let settings = Settings::default();
    let (mut model, mut rules) = (Model::default(), Rules::new(settings.session_expiry, settings.retention));
    for entry in &entries {
        if let Payload::Command(bytes) = &entry.payload {
            let effects = decode(bytes).unwrap();
            let at = effects.timestamp.millis() * 1_000_000;
            rules.command(at, &effects).unwrap_or_else(|violation| panic!("{fault}: {violation:?}"));
            model.add(effects);
        }
    }
    let (limits, threshold) = (&Limits::default(), rules.threshold);
    let checked = Check { history: &seen.history, model: &model, limits, threshold }.run();
    let checked = checked.unwrap_or_else(|violation| panic!("{fault}: {violation:?}"));

    let empty = MemoryEngine::default();
    let state = RangeState::load(&empty.view(), FIRST_RANGE, ClusterVersion::FIRST).unwrap();
    let expected = replay(&empty, state, &entries);
    for (member, (engine, state)) in members.iter().zip(engines) {
        assert_eq!(replay(&engine, state, &entries), expected, "the data of node {member} at index {end}");
    }
    let (longest, written) = (seen.longest.as_secs_f64(), seen.written);
    println!(
        "{fault}: longest time without a successful write {longest:.2} s; {written} writes, {checked} answers and \
         {} entries checked",
        entries.len()
    );
}

/// Waits until all have applied what was committed before; up to where that is.
async fn settled(cluster: &Cluster, members: &[u64]) -> u64 {
    let mut committed = 0;
    for member in members {
        let status = wait_until("a member answers", async || cluster.node(*member).status().await).await;
        committed = committed.max(status.commit_index);
    }
    for member in members {
        wait_until("a member has applied everything", async || {
            let status = cluster.node(*member).status().await?;
            (status.applied_index >= committed).then_some(())
        })
        .await;
    }
    committed
}

/// What a node has of the log.
struct Log {
    base: u64,
    entries: Vec<Entry>,
}

impl Log {
    fn read(node: &NodeProcess) -> Self {
        let log = RocksLogStore::open(&node.data().join("log"), &LogSettings::default()).unwrap();
        let reader = log.reader();
        let replicas = reader.replicas().unwrap();
        let (_, replica) = replicas.iter().find(|(range, _)| *range == FIRST_RANGE).expect("the range");
        let base = replica.base.last.index.0;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let next = LogIndex(base + entries.len() as u64 + 1);
            if next > replica.last {
                return Self { base, entries };
            }
            entries.extend(reader.entries(FIRST_RANGE, next, replica.last, READ_BYTES).unwrap());
        }
    }

    fn get(&self, index: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(index.checked_sub(self.base + 1)?).ok()?)
    }

    fn last(&self) -> u64 {
        self.base + self.entries.len() as u64
    }
}

/// The log up to `end`, of which all logs must have `committed` and none may have another entry.
fn common(logs: &[Log], committed: u64, end: u64) -> Vec<Entry> {
    assert!(logs.iter().all(|log| log.last() >= committed), "every member has what is committed");
    let mut entries = Vec::new();
    for index in 1..=end {
        let mut found: Vec<&Entry> = Vec::new();
        for log in logs {
            found.extend(log.get(index));
        }
        let first = *found.first().unwrap_or_else(|| panic!("nobody has entry {index} any more"));
        // Behind what is known to be committed a log may end with what never will be.
        assert!(
            index > committed || found.iter().all(|entry| *entry == first),
            "the logs differ at index {index}: {found:?}"
        );
        entries.push(first.clone());
    }
    entries
}

fn open_engine(node: &NodeProcess) -> (RocksEngine, RangeState) {
    let engine = RocksEngine::open(&node.data().join("engine"), &EngineSettings::default()).unwrap();
    let state = RangeState::load(&engine.view(), FIRST_RANGE, ClusterVersion::FIRST).unwrap();
    (engine, state)
}

/// The hash of the data after all entries, of which some are applied already.
fn replay<E: Engine>(engine: &E, mut state: RangeState, entries: &[Entry]) -> [u8; 32] {
    let applied = usize::try_from(state.applied().position.index.0).unwrap();
    for step in entries[applied..].chunks(STEP) {
        engine.write(apply(&mut state, step).unwrap().batch).unwrap();
    }
    state_hash(&engine.view(), FIRST_RANGE).unwrap()
}
