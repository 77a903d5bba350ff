//! From a folder to running threads, and back.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use raft::DiskId;
use store::carrier::{self, Carrier, finish_open_intents};
use store::directory::Directory;
use store::engine::Engine;
use store::log_store::LogStore;
use store::range::Descriptor;
use store::replica::{Address, Settings};
use store::store::{FIRST_RANGE, Start, Store};
use tokio::sync::watch;

use super::clock;
use super::counters::Counters;
use super::fault::{Fault, Faults};
use super::flusher::Flusher;
use super::inbox::{Inbox, InboxLimits};
use super::log_writer::LogWriter;
use super::queue::{Owner, Queue};
use super::run::{Outbound, StoreLoop};
use super::summary::Publisher;
use super::upkeep::{SnapshotSummary, Upkeep, free_bytes};
use super::waiting::Waiting;
use super::watchdog::{Pulse, Watched, watch};
use crate::handle::Handle;
use crate::rocks::{DiskDirectory, EngineSettings, LogSettings, RocksEngine, RocksLogStore};

/// What a node's store is made from.
pub struct Parts {
    /// The folder of all data; made if it is not there.
    pub data: PathBuf,
    /// Memory of the data engine.
    pub engine: EngineSettings,
    /// Memory of the log.
    pub log: LogSettings,
    /// Of the store.
    pub settings: Settings,
    /// Of snapshots on their way.
    pub carrier: carrier::Settings,
    /// Of what waits for the loop.
    pub inbox: InboxLimits,
    /// Where envelopes go.
    pub outbound: Box<dyn Outbound>,
}

/// What all threads have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) inbox: Arc<Inbox>,
    pub(super) counters: Arc<Counters>,
    pub(super) faults: Faults,
}

/// Opens the data, finishes what a crash interrupted, and starts the threads.
///
/// # Errors
/// The process must stop, with [`Fault::exit_code`].
pub fn start(parts: Parts) -> Result<(Handle, Running), Fault> {
    let log = RocksLogStore::open(&parts.data.join("log"), &parts.log)?;
    let engine = RocksEngine::open(&parts.data.join("engine"), &parts.engine)?;
    let directory = DiskDirectory::open(&parts.data.join("snapshots"))?;
    let databases = [("log", log.gauge()), ("engine", engine.gauge())];
    let (mut handle, running) = start_on(log, engine, directory, parts)?;
    handle.databases = Arc::new(databases);
    Ok((handle, running))
}

pub(super) fn start_on<S, E, D>(
    mut log: S,
    engine: E,
    directory: D,
    parts: Parts,
) -> Result<(Handle, Running), Fault>
where
    S: LogStore<Reader: Send + 'static> + Send + 'static,
    E: Engine<View: Send> + Send + 'static,
    D: Directory + Send + 'static,
{
    let Parts { data, settings, carrier, inbox, outbound, .. } = parts;
    finish_open_intents(&mut log, &engine, &directory, settings.supported)?;
    let free_bytes = free_bytes(&data)?;
    let start = Start {
        now: clock::now(),
        disk: DiskId(rand::random()),
        nonce: rand::random(),
        seed: rand::random(),
        free_bytes,
    };
    let caught_up_entries = settings.raft.caught_up_entries;
    let store = Store::open(&mut log, engine.clone(), settings, start)?;
    let tick = carrier.tick;
    let carrier = Carrier::open(engine.clone(), directory, carrier, free_bytes)?;

    let counters = Arc::new(Counters::default());
    let inbox = Arc::new(Inbox::new(inbox, Arc::clone(&counters)));
    let faults = Faults::new(Arc::clone(&inbox));
    let shared = Shared { inbox, counters, faults };
    let (batches, tasks) = (Arc::new(Queue::new()), Arc::new(Queue::new()));
    let (flushes, to_flush) = mpsc::sync_channel(1);
    let (turns, writes) = (Arc::new(Pulse::default()), Arc::new(Pulse::default()));
    let publisher = Publisher::new(store.status(clock::now()), caught_up_entries);
    let snapshots = watch::Sender::new(SnapshotSummary::default());
    let handle = Handle {
        inbox: Arc::clone(&shared.inbox),
        summary: publisher.subscribe(),
        counters: Arc::clone(&shared.counters),
        upkeep: Arc::clone(&tasks),
        snapshots: snapshots.subscribe(),
        databases: Arc::new([]),
    };

    let store_loop = StoreLoop {
        store,
        whole: Address { range: FIRST_RANGE, epoch: Descriptor::whole().epoch },
        log: Owner(Arc::clone(&batches)),
        upkeep: Owner(Arc::clone(&tasks)),
        flushes,
        outbound,
        publisher,
        waiting: Waiting::new(),
        pulse: Arc::clone(&turns),
        shared: shared.clone(),
    };
    let log_writer = LogWriter { store: log, batches, pulse: Arc::clone(&writes), shared: shared.clone() };
    let flusher = Flusher { engine, flushes: to_flush, shared: shared.clone() };
    let upkeep = Upkeep {
        carrier,
        tick,
        tasks,
        data,
        waiting: Vec::new(),
        summary: snapshots,
        shared: shared.clone(),
    };
    let watched =
        vec![Watched::new(turns, "a turn of the store loop"), Watched::new(writes, "a write of the log")];
    let (stopped, stop) = mpsc::channel();
    let faults = shared.faults.clone();

    let mut running = Running { shared, threads: Vec::new(), watchdog: None };
    running.spawn("watch", move || watch(watched, &stop, &faults))?;
    running.watchdog = running.threads.pop().map(|thread| (stopped, thread));
    running.spawn("log", move || log_writer.run())?;
    running.spawn("flush", move || flusher.run())?;
    running.spawn("upkeep", move || upkeep.run())?;
    running.spawn("store", move || store_loop.run())?;
    Ok((handle, running))
}

/// The threads of a store. Dropped, it has them stop, and waits for none.
pub struct Running {
    shared: Shared,
    threads: Vec<JoinHandle<()>>,
    /// It ends when the sender is dropped.
    watchdog: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Running {
    fn spawn(&mut self, name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
        let guard = self.shared.faults.guard(name);
        let spawned = std::thread::Builder::new().name(name.into()).spawn(move || {
            // Goes last: when it tells, the thread has let go of everything else.
            let _guard = guard;
            body();
        });
        match spawned {
            Ok(thread) => {
                self.threads.push(thread);
                Ok(())
            }
            Err(error) => Err(Fault::NoThread { thread: name, detail: error.to_string() }),
        }
    }

    /// Why the process must stop, as soon as there is a reason: it is to exit at once, with
    /// [`Fault::exit_code`], and nothing more is answered.
    pub fn fault(&self) -> impl Future<Output = Fault> + Send + 'static {
        let mut told = self.shared.faults.watch();
        async move {
            match told.wait_for(Option::is_some).await.map(|told| told.clone()) {
                Ok(Some(fault)) => fault,
                // The node was stopped in order.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        }
    }

    /// Stops: everybody who waits is told so, what is on its way to the log becomes durable, and the data are closed
    /// when this returns. Blocks meanwhile, for ever if a thread is stuck: [`Running::fault`] tells that.
    ///
    /// # Errors
    /// Something failed, before or during the stop.
    pub fn stop(mut self) -> Result<(), Fault> {
        self.shared.inbox.close();
        for thread in std::mem::take(&mut self.threads) {
            // A panic was told as a fault.
            let _ = thread.join();
        }
        if let Some((stopped, watchdog)) = self.watchdog.take() {
            drop(stopped);
            let _ = watchdog.join();
        }
        let fault = self.shared.faults.watch().borrow().clone();
        fault.map_or(Ok(()), Err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.inbox.close();
    }
}
