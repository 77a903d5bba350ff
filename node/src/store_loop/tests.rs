//! What happens when the log fails under a running node.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use raft::{ClusterId, NodeId};
use store::carrier;
use store::log_store::{LogBatch, LogStore, LogStoreError};
use store::replica::{ExitCode, Request, Settings, StoreFault};
use store::request::{Operation, RequestError, Write};
use store::snapshot::ChunkRequest;
use store::store::{AdminRequest, NodeEnvelope};
use tempfile::TempDir;

use super::start::start_on;
use super::{Asker, Fault, InboxLimits, Outbound, Parts, Running};
use crate::handle::Handle;
use crate::rocks::{DiskDirectory, EngineSettings, LogSettings, RocksEngine, RocksLogReader, RocksLogStore};

const WELL: u8 = 0;
const FAILS: u8 = 1;
const PANICS: u8 = 2;

/// A real log that a test makes fail.
struct FailingLog {
    log: RocksLogStore,
    mode: Arc<AtomicU8>,
}

impl LogStore for FailingLog {
    type Reader = RocksLogReader;

    fn write(&mut self, batch: &LogBatch) -> Result<(), LogStoreError> {
        match self.mode.load(Ordering::Relaxed) {
            FAILS => Err(sync_error()),
            PANICS => panic!("as the test wants"),
            _ => self.log.write(batch),
        }
    }

    fn reader(&self) -> RocksLogReader {
        self.log.reader()
    }
}

fn sync_error() -> LogStoreError {
    LogStoreError::Sync { detail: "as the test wants".into() }
}

struct Nowhere;

impl Outbound for Nowhere {
    fn send(&mut self, _: Vec<NodeEnvelope>) {}
    fn fetch(&mut self, _: NodeId, _: ChunkRequest) {}
}

fn start(data: &Path, mode: &Arc<AtomicU8>) -> (Handle, Running) {
    let parts = Parts {
        data: data.to_owned(),
        engine: EngineSettings::default(),
        log: LogSettings::default(),
        settings: Settings::default(),
        carrier: carrier::Settings::default(),
        inbox: InboxLimits::default(),
        outbound: Box::new(Nowhere),
    };
    let log = RocksLogStore::open(&data.join("log"), &parts.log).unwrap();
    let engine = RocksEngine::open(&data.join("engine"), &parts.engine).unwrap();
    let directory = DiskDirectory::open(&data.join("snapshots")).unwrap();
    start_on(FailingLog { log, mode: Arc::clone(mode) }, engine, directory, parts).unwrap()
}

async fn put(asker: &Asker) -> Result<(), RequestError> {
    let operations = vec![Operation::Put { key: Bytes::from("key"), value: Bytes::from("value") }];
    asker.ask(Request::Write(Write { operations, ..Write::default() })).await.map(|_| ())
}

/// Brings a node up, has its log fail during a put, and gives what came of it.
fn put_while_the_log(mode_then: u8) -> (Result<(), RequestError>, Fault, Running) {
    let (data, mode) = (TempDir::new().unwrap(), Arc::new(AtomicU8::new(WELL)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let test = async {
        let (handle, running) = start(data.path(), &mode);
        let (asker, answers) = handle.asker();
        tokio::spawn(answers);
        let voters = vec![(NodeId(1), handle.summary().borrow().identity.disk)];
        handle.admin(AdminRequest::Bootstrap { cluster: ClusterId(1), voters }).await.unwrap();
        handle.summary().wait_for(|summary| summary.serves_writes).await.unwrap();
        put(&asker).await.unwrap();
        mode.store(mode_then, Ordering::Relaxed);
        let answer = put(&asker).await;
        assert_eq!(put(&asker).await, Err(RequestError::NoLeader), "nothing is let in any more");
        (answer, running.fault().await, running)
    };
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), test).await.unwrap() })
}

#[test]
fn a_write_that_is_not_durable_is_not_acknowledged_and_the_process_is_told_to_stop() {
    let (answer, fault, running) = put_while_the_log(FAILS);
    assert_eq!(answer, Err(RequestError::OutcomeUnknown));
    assert_eq!(fault, Fault::Store(StoreFault::Log(sync_error())));
    assert_eq!(fault.exit_code(), ExitCode::Sync);
    assert_eq!(running.stop(), Err(fault));
}

#[test]
fn a_panic_of_a_thread_is_a_fault() {
    let (answer, fault, running) = put_while_the_log(PANICS);
    assert_eq!(answer, Err(RequestError::OutcomeUnknown));
    assert_eq!(fault, Fault::Panicked { thread: "log" });
    assert_eq!(running.stop(), Err(fault));
}
