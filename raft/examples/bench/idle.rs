//! Three nodes with 10,000 idle groups: what heartbeats alone cost a node.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft::codec::{decode_envelope, encode_envelope};
use raft::{Message, Raft, RangeId, ReadMode, RoleKind, Settings, Time};

use crate::cluster::{envelope, node_of, replica};
use crate::figures::{Rounds, cpu_time};
use crate::wheel::{SLOT, Wheel};

const NODES: usize = 3;
const GROUPS: usize = 10_000;
/// Share of a core per node, in percent.
const LIMIT: f64 = 5.0;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
/// Replicas that are fetched from memory together.
const WARM: usize = 8;
/// An envelope is closed here, far below the codec's limit and a mebibyte.
const ENVELOPE_MESSAGES: usize = 16 * 1024;

/// A node as a shell would drive it.
struct Node {
    replicas: Vec<Raft>,
    wheel: Wheel,
    /// For each other node, what goes to it next.
    outboxes: [Vec<Message>; NODES],
}

impl Node {
    fn start(node: usize, settings: &Arc<Settings>) -> Result<Self, raft::RestoreError> {
        let start = |range| replica(node, RangeId(range as u64), NODES, settings);
        let replicas = (0..GROUPS).map(start).collect::<Result<_, _>>()?;
        Ok(Self { replicas, wheel: Wheel::new(GROUPS), outboxes: Default::default() })
    }

    /// Does what a replica wants done. The disk is done at once.
    fn serve(&mut self, group: usize, now: Time) {
        let replica = &mut self.replicas[group];
        while let Some(output) = replica.poll_output(now) {
            for outgoing in output.messages {
                self.outboxes[node_of(outgoing.to.node)].push(outgoing.message);
            }
            let idle = output.write.is_none() && output.apply.is_empty();
            if let Some(write) = output.write {
                replica.log_persisted(now, write.seq);
            }
            if let Some(entry) = output.apply.last() {
                replica.applied(now, entry.index);
            }
            if idle {
                break;
            }
        }
        self.wheel.schedule(group, replica.next_deadline());
    }

    fn tick(&mut self, now: Time) {
        for groups in self.wheel.turn().chunks(WARM) {
            for group in groups {
                self.replicas[*group].warm();
            }
            for group in groups {
                let replica = &mut self.replicas[*group];
                if replica.next_deadline() <= now {
                    replica.tick(now);
                    self.serve(*group, now);
                } else {
                    self.wheel.schedule(*group, replica.next_deadline());
                }
            }
        }
    }

    fn receive(&mut self, bytes: Bytes, now: Time) -> Result<(), raft::codec::DecodeError> {
        let envelope = decode_envelope(bytes)?;
        let mut messages = envelope.messages.into_iter();
        while messages.len() > 0 {
            for message in messages.as_slice().iter().take(WARM) {
                self.replicas[message.range.0 as usize].warm();
            }
            for message in messages.by_ref().take(WARM) {
                let group = message.range.0 as usize;
                self.replicas[group].step(now, &envelope.header, message);
                self.serve(group, now);
            }
        }
        Ok(())
    }
}

struct Cluster {
    nodes: Vec<Node>,
    now: Time,
    messages: u64,
    envelopes: u64,
    bytes: u64,
}

impl Cluster {
    fn start(settings: &Arc<Settings>) -> Result<Self, raft::RestoreError> {
        let nodes = (0..NODES).map(|node| Node::start(node, settings)).collect::<Result<_, _>>()?;
        Ok(Self { nodes, now: Time::ZERO, messages: 0, envelopes: 0, bytes: 0 })
    }

    /// Encodes what waits in the outboxes, and delivers it. False if there was nothing.
    fn deliver(&mut self) -> Result<bool, raft::codec::DecodeError> {
        let mut any = false;
        for from in 0..NODES {
            for to in 0..NODES {
                let outbox = &mut self.nodes[from].outboxes[to];
                let next = Vec::with_capacity(outbox.len());
                let mut messages = std::mem::replace(outbox, next);
                while !messages.is_empty() {
                    let rest = messages.split_off(messages.len().min(ENVELOPE_MESSAGES));
                    self.messages += messages.len() as u64;
                    let mut bytes = Vec::new();
                    encode_envelope(&envelope(from, to, messages), &mut bytes);
                    self.envelopes += 1;
                    self.bytes += bytes.len() as u64;
                    self.nodes[to].receive(Bytes::from(bytes), self.now)?;
                    messages = rest;
                    any = true;
                }
            }
        }
        Ok(any)
    }

    fn run_until(&mut self, end: Time) -> Result<(), raft::codec::DecodeError> {
        while self.now < end {
            for node in &mut self.nodes {
                node.tick(self.now);
            }
            while self.deliver()? {}
            self.now = self.now + SLOT;
        }
        Ok(())
    }

    /// Elects leaders, evenly over the nodes, a part of them in each slot.
    fn elect(&mut self, settings: &Arc<Settings>) -> Result<(), Box<dyn Error>> {
        let slots = settings.heartbeat.as_millis() as usize / SLOT.as_millis() as usize;
        for slot in 0..slots {
            for group in (slot..GROUPS).step_by(slots) {
                let node = &mut self.nodes[group % NODES];
                node.replicas[group].campaign(self.now);
                node.serve(group, self.now);
            }
            self.run_until(self.now + SLOT)?;
        }
        self.run_until(self.now + settings.election_timeout)?;
        for node in 0..NODES {
            let leaders = (0..GROUPS)
                .filter(|group| self.nodes[node].replicas[*group].status(self.now).role == RoleKind::Leader);
            assert_eq!(
                leaders.count(),
                GROUPS.div_ceil(NODES) - usize::from(node >= GROUPS % NODES),
                "{node}"
            );
        }
        Ok(())
    }
}

fn measure(settings: &Arc<Settings>) -> Result<bool, Box<dyn Error>> {
    let mut cluster = Cluster::start(settings)?;
    cluster.elect(settings)?;
    (cluster.messages, cluster.envelopes, cluster.bytes) = (0, 0, 0);
    let mut percent = Rounds::default();
    for _ in 0..ROUNDS {
        let before = cpu_time()?;
        cluster.run_until(cluster.now + ROUND)?;
        let used = cpu_time()? - before;
        percent.add(100.0 * used.as_secs_f64() / ROUND.as_secs_f64() / NODES as f64);
    }
    let seconds = ROUND.as_secs_f64() * ROUNDS as f64;
    let (node_messages, pairs) = (cluster.messages as f64 / seconds / NODES as f64, NODES * (NODES - 1));
    let nanos = percent.median() * 1e7 / node_messages;
    let pair = |total: u64| total as f64 / seconds / pairs as f64;
    let passed = percent.median() <= LIMIT;
    println!(
        "| {:?} | {percent:.2} | {} | {node_messages:.0} | {nanos:.0} | {:.0} | {:.0} |",
        settings.read_mode,
        if passed { "PASS" } else { "OVER BUDGET" },
        pair(cluster.envelopes),
        pair(cluster.bytes) / 1024.0,
    );
    Ok(passed)
}

/// Prints the table; true if the limit is kept.
pub fn run() -> Result<bool, Box<dyn Error>> {
    println!(
        "{GROUPS} idle groups on {NODES} nodes, default heartbeat; limit {LIMIT} % of a core per node\n\n\
         | reads | % of a core per node: median (min-max) | | messages sent per node and second \
         | ns per message | envelopes per node pair and second | KiB per node pair and second |\n\
         |---|---|---|---|---|---|---|"
    );
    let mut passed = true;
    for read_mode in [ReadMode::Lease, ReadMode::ReadIndex] {
        passed &= measure(&Arc::new(Settings { read_mode, ..Settings::default() }))?;
    }
    Ok(passed)
}
