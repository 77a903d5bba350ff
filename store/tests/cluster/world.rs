//! Nodes, the network between them, and time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raft::{Body, ClusterId, LogIndex, Message, NodeId, Payload, RoleKind, Time};
use store::carrier::ChunkMessage;
use store::directory::Directory;
use store::engine::Engine;
use store::range::{flushed_applied, state_hash};
use store::replica::{Address, Now, ReplicaStatus, Reply, Request, SnapshotEvent, Token};
use store::request::RequestError;
use store::store::{AdminError, AdminReply, AdminRequest, FIRST_RANGE, NodeEnvelope};

use crate::node::{Node, disk, id};
use crate::random::Random;

pub const CLUSTER: ClusterId = ClusterId(0xc1);
pub const WHOLE: Address = Address { range: FIRST_RANGE, epoch: 1 };

/// What the network does to messages; one in so many, 0: never.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub loss: usize,
    pub twice: usize,
    /// In milliseconds, at most.
    pub delay: usize,
}

/// What is on its way.
#[derive(Clone)]
enum Packet {
    Envelope(NodeEnvelope),
    Chunk(usize, ChunkMessage),
}

pub struct World {
    pub random: Random,
    pub time: Time,
    pub nodes: Vec<Node>,
    pub faults: Faults,
    pub cut: BTreeSet<(usize, usize)>,
    /// A bit of every command flips on its way.
    pub damage: bool,
    /// Chunks of snapshots are lost.
    pub no_chunks: bool,
    network: BTreeMap<(Time, u64), (usize, Packet)>,
    sent: u64,
    pub installed: u64,
    pub replies: Vec<(Token, Result<Reply, RequestError>)>,
    pub admin: Vec<(Token, Result<AdminReply, AdminError>)>,
    tokens: u64,
    hashes: BTreeMap<LogIndex, [u8; 32]>,
}

impl World {
    /// Empty nodes that run.
    pub fn new(seed: u64, nodes: usize) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            time: Time::from_nanos(1_000_000),
            nodes: Vec::new(),
            faults: Faults { delay: 1, ..Faults::default() },
            cut: BTreeSet::new(),
            damage: false,
            no_chunks: false,
            network: BTreeMap::new(),
            sent: 0,
            installed: 0,
            replies: Vec::new(),
            admin: Vec::new(),
            tokens: 0,
            hashes: BTreeMap::new(),
        };
        for at in 0..nodes {
            let wild = world.random.one_in(4) && at == 0;
            let offset = world.random.below(100) as i64 - 50 + if wild { 1_000_000 } else { 0 };
            world.nodes.push(Node::new(offset));
            world.start(at);
        }
        world
    }

    /// A cluster of these voters, each asked to bootstrap.
    pub fn bootstrap(&mut self, voters: usize) {
        for at in 0..voters {
            let voters = (0..voters).map(|at| (id(at), disk(at))).collect();
            self.admin(at, AdminRequest::Bootstrap { cluster: CLUSTER, voters });
        }
    }

    pub fn now(&self, at: usize) -> Now {
        let millis = 1_000_000_000 + self.nodes[at].offset + (self.time.as_nanos() / 1_000_000) as i64;
        Now { time: self.time, wall_millis: millis as u64 }
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    pub fn request(&mut self, at: usize, request: Request) -> Token {
        let (now, token) = (self.now(at), self.token());
        if let Some(store) = &mut self.nodes[at].store {
            store.request(now, token, WHOLE, request);
            self.pump(at);
        }
        token
    }

    pub fn admin(&mut self, at: usize, request: AdminRequest) -> Token {
        let (now, token) = (self.now(at), self.token());
        if let Some(store) = &mut self.nodes[at].store {
            store.admin(now, token, request);
            self.pump(at);
        }
        token
    }

    pub fn status(&self, at: usize) -> Option<ReplicaStatus> {
        self.nodes[at].store.as_ref()?.replica_status(self.now(at), FIRST_RANGE)
    }

    pub fn leader(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|at| self.status(*at).is_some_and(|status| status.serves_writes))
    }

    pub fn start(&mut self, at: usize) {
        let now = self.now(at);
        self.nodes[at].start(at, now, &mut self.random);
        self.pump(at);
    }

    pub fn crash(&mut self, at: usize) {
        self.nodes[at].crash(&mut self.random);
    }

    /// A bit of a file of a sender flips.
    pub fn damage_snapshot(&mut self, at: usize) {
        let Self { nodes, random, .. } = self;
        let Some(carrier) = &nodes[at].carrier else { return };
        if carrier.status().iter().any(|range| range.fetching || range.installing) {
            return;
        }
        let files = nodes[at].directory.list().unwrap();
        if !files.is_empty() {
            let (name, length) = &files[random.below(files.len())];
            nodes[at].directory.flip_bit(name, random.number() % length.max(&1), 3);
        }
    }

    /// Time passes; what falls due happens.
    pub fn pass(&mut self, micros: u64) {
        self.time = self.time + Duration::from_micros(micros);
        while let Some(entry) = self.network.first_entry().filter(|entry| entry.key().0 <= self.time) {
            let (to, packet) = entry.remove();
            self.deliver(to, packet);
        }
        for at in 0..self.nodes.len() {
            self.disk(at);
            let now = self.now(at);
            if let Some(store) = &mut self.nodes[at].store {
                if store.next_deadline().is_some_and(|deadline| deadline <= now.time) {
                    store.tick(now);
                }
                self.pump(at);
            }
            self.carry(at, Duration::from_micros(micros));
        }
    }

    fn deliver(&mut self, to: usize, packet: Packet) {
        let now = self.now(to);
        let node = &mut self.nodes[to];
        match packet {
            Packet::Envelope(envelope) => {
                let Some(store) = &mut node.store else { return };
                store.receive(now, envelope);
                if self.random.one_in(2) {
                    self.pump(to);
                }
            }
            Packet::Chunk(from, message) => {
                let Some(carrier) = &mut node.carrier else { return };
                carrier.receive(id(from), message).unwrap();
            }
        }
    }

    /// The disk gets on with what it has to do.
    fn disk(&mut self, at: usize) {
        let now = self.now(at);
        let node = &mut self.nodes[at];
        let Some(store) = &mut node.store else { return };
        if !node.begun.is_empty() && !self.random.one_in(3) {
            let writes = 1 + self.random.below(node.begun.len());
            node.log.complete(writes).unwrap();
            let done = node.begun.drain(..writes).next_back().unwrap();
            store.log_persisted(now, done);
        }
    }

    /// The carrier gets on, and so do the queues between it and the store.
    fn carry(&mut self, at: usize, elapsed: Duration) {
        let now = self.now(at);
        let node = &mut self.nodes[at];
        let (Some(store), Some(carrier)) = (&mut node.store, &mut node.carrier) else { return };
        let events = self.random.below(node.events.len() + 1);
        for event in node.events.drain(..events) {
            carrier.event(event).unwrap();
        }
        carrier.tick(elapsed).unwrap();
        for _ in 0..self.random.below(3) {
            if !carrier.work(1 + self.random.below(3_000) as u64).unwrap() {
                break;
            }
        }
        let output = carrier.take_output();
        node.calls.extend(output.calls);
        let calls = self.random.below(node.calls.len() + 1);
        for call in node.calls.drain(..calls) {
            store.snapshot_call(now, call);
        }
        for (to, message) in output.messages {
            if !self.no_chunks {
                self.transmit(at, to.0 as usize - 1, Packet::Chunk(at, message));
            }
        }
        if calls > 0 {
            self.pump(at);
        }
    }

    /// Does what a store wants done.
    pub fn pump(&mut self, at: usize) {
        let now = self.now(at);
        while let Some(output) = self.nodes[at].store.as_mut().and_then(|store| store.poll_output(now)) {
            assert_eq!(output.fault, None, "node {at}");
            for envelope in output.envelopes {
                self.send(at, envelope);
            }
            let node = &mut self.nodes[at];
            if let Some((seq, batch)) = output.log {
                node.log.begin(batch).unwrap();
                node.begun.push_back(seq);
            }
            self.replies.extend(output.replies);
            self.admin.extend(output.admin);
            if output.flush {
                node.engine.flush().unwrap();
                node.store.as_mut().unwrap().flushed();
            }
            for event in output.snapshots {
                self.snapshot(at, event);
            }
        }
        if self.random.one_in(16) {
            self.compare(at);
        }
    }

    /// Envelopes travel as bytes.
    fn send(&mut self, from: usize, mut envelope: NodeEnvelope) {
        let to = envelope.envelope.header.to.node.0 as usize - 1;
        let mut bytes = Vec::new();
        envelope.encode(&mut bytes);
        assert_eq!(NodeEnvelope::decode(bytes.into()).as_ref(), Ok(&envelope));
        if self.damage {
            envelope.envelope.messages.iter_mut().for_each(damage);
        }
        self.transmit(from, to, Packet::Envelope(envelope));
    }

    fn transmit(&mut self, from: usize, to: usize, packet: Packet) {
        let Faults { loss, twice, delay } = self.faults;
        if self.cut.contains(&(from, to)) || loss > 0 && self.random.one_in(loss) {
            return;
        }
        let copies = if twice > 0 && self.random.one_in(twice) { 2 } else { 1 };
        for _ in 0..copies {
            let micros = 100 + self.random.below(1_000 * delay) as u64;
            self.sent += 1;
            let at = self.time + Duration::from_micros(micros);
            self.network.insert((at, self.sent), (to, packet.clone()));
        }
    }

    fn snapshot(&mut self, at: usize, event: SnapshotEvent) {
        let node = &mut self.nodes[at];
        match &event {
            SnapshotEvent::Installed { .. } => self.installed += 1,
            SnapshotEvent::LogCut { base, .. } => {
                let flushed = flushed_applied(&node.engine, FIRST_RANGE).unwrap();
                assert!(*base <= flushed.position.index, "the log is cut beyond what is flushed");
            }
            _ => {}
        }
        node.events.push_back(event);
    }

    /// At an equal index all replicas are equal.
    fn compare(&mut self, at: usize) {
        let Some(status) = self.status(at).filter(|status| !status.installing) else { return };
        let index = status.applied.position.index;
        let hash = state_hash(&self.nodes[at].engine.view(), FIRST_RANGE).unwrap();
        assert_eq!(*self.hashes.entry(index).or_insert(hash), hash, "node {at} at {index}");
    }

    /// No more faults: every node runs, and all come to the same end.
    pub fn settle(&mut self) {
        self.faults = Faults { delay: 1, ..Faults::default() };
        self.cut.clear();
        for at in 0..self.nodes.len() {
            if self.nodes[at].store.is_none() {
                self.start(at);
            }
        }
        for _ in 0..20_000 {
            self.pass(1_000);
            let ends: BTreeSet<_> = (0..self.nodes.len())
                .map(|at| self.status(at).map(|s| (s.applied.position, s.raft.last == s.applied.position)))
                .collect();
            let ended = matches!(ends.first(), Some(Some((_, true)))) && ends.len() == 1;
            if ended && self.leader().is_some() {
                for at in 0..self.nodes.len() {
                    self.compare(at);
                    assert_ne!(self.status(at).unwrap().raft.role, RoleKind::LostDisk, "node {at}");
                }
                return;
            }
        }
        let ends: Vec<_> = (0..self.nodes.len()).map(|at| self.status(at)).collect();
        panic!("the replicas come to no end: {ends:#?}");
    }

    /// Until a request is answered, on the leader as it is then.
    pub fn done(&mut self, request: Request) -> Reply {
        for _ in 0..1_000 {
            let Some(leader) = self.leader() else {
                self.pass(5_000);
                continue;
            };
            let token = self.request(leader, request.clone());
            for _ in 0..200 {
                if let Some((_, answer)) = self.replies.iter().find(|(of, _)| *of == token) {
                    match answer.clone() {
                        Ok(reply) => return reply,
                        Err(RequestError::NotLeader { .. } | RequestError::Busy { .. }) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                self.pass(1_000);
            }
        }
        panic!("{request:?} is not answered");
    }

    pub fn answer(&mut self, at: usize, request: Request) -> Result<Reply, RequestError> {
        let token = self.request(at, request);
        for _ in 0..1_000 {
            if let Some((_, answer)) = self.replies.iter().find(|(of, _)| *of == token) {
                return answer.clone();
            }
            self.pass(1_000);
        }
        panic!("no answer")
    }

    pub fn administer(&mut self, at: usize, request: AdminRequest) -> Result<AdminReply, AdminError> {
        let token = self.admin(at, request);
        for _ in 0..2_000 {
            if let Some((_, answer)) = self.admin.iter().find(|(of, _)| *of == token) {
                return answer.clone();
            }
            self.pass(1_000);
        }
        panic!("no answer")
    }

    pub fn node_id(at: usize) -> NodeId {
        id(at)
    }
}

fn damage(message: &mut Message) {
    let Body::Append(append) = &mut message.body else { return };
    for entry in &mut append.entries {
        if let Payload::Command(command) = &mut entry.payload {
            let mut bytes = command.to_vec();
            bytes[3] ^= 1;
            *command = bytes.into();
        }
    }
}
