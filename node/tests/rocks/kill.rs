//! A process that is killed while it writes: what it said is there, and nothing of what it did not begin.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use node::rocks::{EngineSettings, LogSettings, RocksEngine, RocksLogStore};
use raft::{LogIndex, ReplicaId};
use store::engine::{Batch, Engine, View};
use store::log_store::{LogBatch, LogItem, LogReader, LogStore};
use tempfile::TempDir;

use crate::files::{RANGE, Rng, append, entry};

const FOLDER: &str = "KV_NODE_TEST_FOLDER";
const ROUNDS: usize = 6;

fn open(folder: &Path) -> (RocksLogStore, RocksEngine) {
    let log = RocksLogStore::open(&folder.join("log"), &LogSettings { memtable_bytes: 256 << 10 });
    let settings = EngineSettings { memtable_bytes: 256 << 10, cache_bytes: 1 << 20 };
    (
        log.expect("the log opens"),
        RocksEngine::open(&folder.join("engine"), &settings).expect("the engine opens"),
    )
}

fn number(value: Option<Bytes>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes(value[..].try_into().expect("a number")))
}

/// The process that is killed: writes until then, and says what is durable.
#[test]
#[ignore = "started by the test below"]
fn writes_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER).expect("the folder to write into");
    let (mut log, engine) = open(Path::new(&folder));
    let replicas = log.reader().replicas().expect("nothing is damaged");
    if replicas.is_empty() {
        log.write(&LogBatch { items: vec![LogItem::Create(RANGE, ReplicaId(1))] })
            .expect("it can be written");
    }
    let mut last = replicas.first().map_or(0, |(_, stored)| stored.last.0);
    let mut flush_at = last;
    loop {
        let next: Vec<_> = (last + 1..last + 4).map(entry).collect();
        last += next.len() as u64;
        log.write(&append(next)).expect("it can be written");
        println!("\nlog {last}");
        let mut batch = Batch::default();
        for key in [b"one", b"two"] {
            batch.put(key.to_vec(), last.to_be_bytes().to_vec());
        }
        batch.put(last.to_be_bytes().to_vec(), vec![7; 3_000]);
        engine.write(batch).expect("it can be written");
        if last > flush_at + 90 {
            flush_at = last;
            engine.flush().expect("it can be flushed");
            println!("\nengine {last}");
        }
    }
}

#[test]
fn what_was_reported_before_a_kill_is_there() {
    let folder = TempDir::new().expect("there is room for tests");
    let mut rng = Rng(7);
    let (mut in_log, mut in_engine) = (0, 0);
    for _ in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "kill::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut left = Some(20 + rng.below(200));
        for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
            let line = line.expect("text");
            match line.split_once(' ') {
                Some(("log", number)) => in_log = number.parse().expect("a number"),
                Some(("engine", number)) => in_engine = number.parse().expect("a number"),
                _ => continue,
            }
            left = left.and_then(|left| left.checked_sub(1));
            if left.is_none() {
                child.kill().expect("it runs");
            }
        }
        child.wait().expect("it was killed");
        assert!(left.is_none(), "it ended on its own");

        let (log, engine) = open(folder.path());
        let replicas = log.reader().replicas().expect("nothing is damaged");
        let last = replicas[0].1.last.0;
        assert!((in_log..=in_log + 3).contains(&last), "{in_log} was reported, {last} is there");
        let found = log.reader().entries(RANGE, LogIndex(1), LogIndex(last), usize::MAX);
        assert!(found.is_ok_and(|found| found == (1..=last).map(entry).collect::<Vec<_>>()));
        let view = engine.view();
        let [one, two] = [b"one", b"two"].map(|key| number(view.get(key).expect("nothing is damaged")));
        assert!((in_engine..=last).contains(&one) && one == two, "{in_engine} was flushed: {one}, {two}");
        assert_eq!(number(engine.read_persisted(b"one").expect("nothing is damaged")), one);
        assert_eq!(view.get(&one.to_be_bytes()).expect("nothing is damaged").is_some(), one > 0);
        assert_eq!(view.get(&(one + 3).to_be_bytes()), Ok(None));
    }
    assert!(in_log > 0 && in_engine > 0);
}
