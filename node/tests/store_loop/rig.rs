//! Nodes in this process, and the wires between them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use node::handle::Handle;
use node::rocks::{EngineSettings, LogSettings};
use node::store_loop::{Answer, Asker, InboxLimits, Outbound, Parts, Running, Summary, start};
use raft::{ClusterId, DiskId, NodeId};
use store::carrier;
use store::replica::{Compaction, Consistency, Query, Read, Reply, Request, Settings};
use store::request::{Operation, RequestError, Write};
use store::snapshot::{ChunkReply, ChunkRequest};
use store::store::{AdminRequest, NodeEnvelope};
use tempfile::TempDir;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_local;

/// Long enough for everything here, and for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test on one thread, as each runtime of a node does.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(async { tokio::time::timeout(PATIENCE, test).await.unwrap() }))
}

/// Faster elections than in production, small logs.
pub fn settings() -> Settings {
    let settings = Settings::default();
    let raft = raft::Settings {
        heartbeat: Duration::from_millis(50),
        election_timeout: Duration::from_millis(300),
        promise: Duration::from_millis(300),
        ..(*settings.raft).clone()
    };
    let compaction = Compaction { bytes: 1 << 20, entries: 100, tail_bytes: 1 << 16, tail_entries: 10 };
    let upkeep = Duration::from_millis(100);
    Settings { raft: Arc::new(raft), compaction, flush_entries: 50, upkeep, ..settings }
}

/// To nobody.
pub struct Nowhere;

impl Outbound for Nowhere {
    fn send(&mut self, _: Vec<NodeEnvelope>) {}
    fn fetch(&mut self, _: NodeId, _: ChunkRequest) {}
}

/// A running node and an asker for the test's runtime.
pub struct Node {
    pub handle: Handle,
    pub running: Running,
    pub asker: Asker,
}

impl Node {
    pub fn start(data: &Path, outbound: impl Outbound + 'static) -> Self {
        Self::start_with(data, outbound, InboxLimits::default())
    }

    pub fn start_with(data: &Path, outbound: impl Outbound + 'static, inbox: InboxLimits) -> Self {
        let carrier = carrier::Settings { tick: Duration::from_millis(20), ..carrier::Settings::default() };
        let (handle, running) = start(Parts {
            data: data.to_owned(),
            engine: EngineSettings::default(),
            log: LogSettings::default(),
            settings: settings(),
            carrier,
            inbox,
            outbound: Box::new(outbound),
        })
        .unwrap();
        let (asker, answers) = handle.asker();
        spawn_local(answers);
        Self { handle, running, asker }
    }

    pub fn disk(&self) -> DiskId {
        self.handle.summary().borrow().identity.disk
    }

    pub async fn bootstrap(&self, voters: Vec<(NodeId, DiskId)>) {
        let request = AdminRequest::Bootstrap { cluster: ClusterId(7), voters };
        self.handle.admin(request).await.unwrap();
    }

    /// Waits until the summary is so.
    pub async fn until(&self, is_so: impl FnMut(&Summary) -> bool) {
        self.handle.summary().wait_for(is_so).await.unwrap();
    }

    pub async fn until_it_leads(&self) {
        self.until(|summary| summary.serves_writes).await;
    }

    /// Blocks: nothing of this runtime may be needed to stop.
    pub fn stop(self) {
        self.running.stop().unwrap();
    }
}

pub fn put(key: &str, value: &str) -> Request {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    Request::Write(Write { operations: vec![Operation::Put { key, value }], ..Write::default() })
}

pub fn get(key: &str) -> Request {
    let query = Query::Get { key: Bytes::copy_from_slice(key.as_bytes()) };
    Request::Read(Read { query, consistency: Consistency::Linearizable })
}

/// What an answer to [`get`] found.
pub fn found(answer: Answer) -> Option<String> {
    match answer {
        Ok(Reply::Value { found, .. }) => found.map(|found| String::from_utf8(found.value.to_vec()).unwrap()),
        other => panic!("{other:?}"),
    }
}

type Handles = Arc<Mutex<Vec<Option<Handle>>>>;

/// Three nodes with node ids from 1, wired in this process.
pub struct Cluster {
    data: Vec<TempDir>,
    pub nodes: Vec<Option<Node>>,
    handles: Handles,
    /// While it is set, this node neither sends nor receives.
    pub cut_off: Vec<Arc<AtomicBool>>,
}

impl Cluster {
    pub async fn start() -> Self {
        let mut cluster = Self {
            data: (0..3).map(|_| TempDir::new().unwrap()).collect(),
            nodes: (0..3).map(|_| None).collect(),
            handles: Arc::new(Mutex::new(vec![None, None, None])),
            cut_off: (0..3).map(|_| Arc::default()).collect(),
        };
        (0..3).for_each(|place| cluster.start_node(place));
        let voters: Vec<_> = (0..3).map(|place| (id(place), cluster.node(place).disk())).collect();
        for place in 0..3 {
            cluster.node(place).bootstrap(voters.clone()).await;
        }
        cluster
    }

    pub fn start_node(&mut self, place: usize) {
        let (wire, handles) = (self.wire(place), Arc::clone(&self.handles));
        let node = Node::start(self.data[place].path(), wire);
        handles.lock().unwrap()[place] = Some(node.handle.clone());
        self.nodes[place] = Some(node);
    }

    pub fn stop_node(&mut self, place: usize) {
        self.handles.lock().unwrap()[place] = None;
        self.nodes[place].take().unwrap().stop();
    }

    pub fn stop(mut self) {
        (0..3).for_each(|place| self.stop_node(place));
    }

    pub fn node(&self, place: usize) -> &Node {
        self.nodes[place].as_ref().unwrap()
    }

    /// Reads at a node; waits until that knows a leader, and has no snapshot to take in.
    pub async fn get(&self, place: usize, key: &str) -> Option<String> {
        loop {
            match self.node(place).asker.ask(get(key)).await {
                Err(RequestError::NoLeader | RequestError::Busy { .. }) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                answer => return found(answer),
            }
        }
    }

    /// The place of a node that serves writes, `but` not this one.
    pub async fn leader(&self, but: Option<usize>) -> usize {
        loop {
            for (place, node) in self.nodes.iter().enumerate() {
                let Some(node) = node else { continue };
                if Some(place) != but && node.handle.summary().borrow().serves_writes {
                    return place;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Puts at whoever leads, however often that changes.
    pub async fn put(&self, but: Option<usize>, key: &str, value: &str) {
        loop {
            let leader = self.leader(but).await;
            if self.node(leader).asker.ask(put(key, value)).await.is_ok() {
                return;
            }
        }
    }

    fn wire(&self, me: usize) -> Wire {
        let lines = (0..3).map(|to| {
            let (line, mut received) = channel(1_000);
            let handles = Arc::clone(&self.handles);
            let cut_off = [Arc::clone(&self.cut_off[me]), Arc::clone(&self.cut_off[to])];
            spawn_local(async move {
                while let Some(sent) = received.recv().await {
                    if !cut_off.iter().any(|cut_off| cut_off.load(Ordering::Relaxed)) {
                        carry(&handles, me, to, sent).await;
                    }
                }
            });
            line
        });
        Wire { lines: lines.collect() }
    }
}

fn id(place: usize) -> NodeId {
    NodeId(place as u64 + 1)
}

enum Sent {
    Envelope(NodeEnvelope),
    Fetch(ChunkRequest),
}

async fn carry(handles: &Handles, from: usize, to: usize, sent: Sent) {
    let handle = |place: usize| handles.lock().unwrap()[place].clone();
    let Some(receiver) = handle(to) else { return };
    match sent {
        Sent::Envelope(envelope) => receiver.receive(envelope).await,
        Sent::Fetch(request) => {
            let Some(content) = receiver.chunk(id(from), request).await else { return };
            let ChunkRequest { range, id: snapshot, piece } = request;
            if let Some(asker) = handle(from) {
                asker.chunk_reply(id(to), ChunkReply { range, id: snapshot, piece, content });
            }
        }
    }
}

/// Drops what finds no room, as a real one does.
struct Wire {
    lines: Vec<Sender<Sent>>,
}

impl Wire {
    fn pass_on(&self, to: NodeId, sent: Sent) {
        if let Some(line) = self.lines.get(to.0 as usize - 1) {
            let _ = line.try_send(sent);
        }
    }
}

impl Outbound for Wire {
    fn send(&mut self, envelopes: Vec<NodeEnvelope>) {
        for envelope in envelopes {
            self.pass_on(envelope.envelope.header.to.node, Sent::Envelope(envelope));
        }
    }

    fn fetch(&mut self, from: NodeId, request: ChunkRequest) {
        self.pass_on(from, Sent::Fetch(request));
    }
}
