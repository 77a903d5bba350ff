//! One group in memory: proposals committed and applied on every replica, per second and CPU each.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft::codec::{decode_envelope, encode_envelope};
use raft::{Message, Raft, RangeId, RoleKind, Settings, Time};

use crate::cluster::{envelope, node_of, replica};
use crate::figures::{Rounds, cpu_time};

const PAYLOAD: usize = 256;
const SIZES: [usize; 2] = [3, 5];
const BATCHES: [usize; 3] = [1, 16, 256];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(300);
/// On the clock of the replicas, so that heartbeats have their usual share.
const BETWEEN_BATCHES: Duration = Duration::from_micros(100);

/// Whether envelopes go as bytes or as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Encoded,
    InMemory,
}

struct Group {
    replicas: Vec<Raft>,
    /// For each pair of sender and receiver, what is under way.
    outboxes: Vec<Vec<Vec<Message>>>,
    transport: Transport,
    now: Time,
}

impl Group {
    /// A group whose first replica leads.
    fn start(size: usize, transport: Transport) -> Result<Self, Box<dyn Error>> {
        let settings = Arc::new(Settings::default());
        let start = |node| replica(node, RangeId(1), size, &settings);
        let replicas = (0..size).map(start).collect::<Result<_, _>>()?;
        let outboxes = vec![vec![Vec::new(); size]; size];
        let mut group = Self { replicas, outboxes, transport, now: Time::ZERO };
        group.replicas[0].campaign(group.now);
        group.settle()?;
        assert_eq!(group.replicas[0].status(group.now).role, RoleKind::Leader);
        Ok(group)
    }

    /// Does what a replica wants done: the disk and the state machine are done at once.
    fn serve(&mut self, node: usize) {
        let replica = &mut self.replicas[node];
        while let Some(output) = replica.poll_output(self.now) {
            for outgoing in output.messages {
                self.outboxes[node][node_of(outgoing.to.node)].push(outgoing.message);
            }
            if let Some(write) = output.write {
                replica.log_persisted(self.now, write.seq);
            }
            if let Some(entry) = output.apply.last() {
                replica.applied(self.now, entry.index);
            }
        }
    }

    /// Until nobody has anything to say.
    fn settle(&mut self) -> Result<(), Box<dyn Error>> {
        self.serve(0);
        let mut moved = true;
        while moved {
            moved = false;
            for from in 0..self.replicas.len() {
                for to in 0..self.replicas.len() {
                    let messages = std::mem::take(&mut self.outboxes[from][to]);
                    if !messages.is_empty() {
                        self.deliver(from, to, messages)?;
                        moved = true;
                    }
                }
            }
        }
        Ok(())
    }

    fn deliver(&mut self, from: usize, to: usize, messages: Vec<Message>) -> Result<(), Box<dyn Error>> {
        let mut envelope = envelope(from, to, messages);
        if self.transport == Transport::Encoded {
            let mut bytes = Vec::new();
            encode_envelope(&envelope, &mut bytes);
            envelope = decode_envelope(Bytes::from(bytes))?;
        }
        for message in envelope.messages {
            self.replicas[to].step(self.now, &envelope.header, message);
        }
        self.serve(to);
        Ok(())
    }

    /// Proposes `batch` commands at once, and sees them applied everywhere.
    fn commit(&mut self, batch: usize, payload: &Bytes) -> Result<(), Box<dyn Error>> {
        self.now = self.now + BETWEEN_BATCHES;
        for _ in 0..batch {
            self.replicas[0].propose(self.now, payload.clone())?;
        }
        self.replicas[0].tick(self.now);
        self.settle()
    }

    /// Every replica applied the whole log.
    fn is_settled(&self) -> bool {
        let last = self.replicas[0].last_position().index;
        self.replicas.iter().all(|replica| replica.status(self.now).applied == last)
    }
}

struct Measured {
    per_second: Rounds,
    cpu_micros: Rounds,
}

fn measure(size: usize, batch: usize, transport: Transport) -> Result<Measured, Box<dyn Error>> {
    let mut group = Group::start(size, transport)?;
    let payload = Bytes::from(vec![b'x'; PAYLOAD]);
    let mut measured = Measured { per_second: Rounds::default(), cpu_micros: Rounds::default() };
    for _ in 0..ROUNDS {
        let first = group.replicas[0].last_position().index;
        let (started, cpu_before) = (Instant::now(), cpu_time()?);
        while started.elapsed() < ROUND {
            group.commit(batch, &payload)?;
        }
        let (elapsed, cpu) = (started.elapsed(), cpu_time()? - cpu_before);
        assert!(group.is_settled(), "what is counted is applied everywhere");
        let entries = (group.replicas[0].last_position().index.0 - first.0) as f64;
        measured.per_second.add(entries / elapsed.as_secs_f64());
        measured.cpu_micros.add(cpu.as_secs_f64() * 1e6 / entries);
    }
    Ok(measured)
}

/// Prints the table.
pub fn run() -> Result<(), Box<dyn Error>> {
    println!(
        "One group in one thread, entries of {PAYLOAD} bytes, applied by every replica; median (min-max) of \
         {ROUNDS} rounds\n\n\
         | replicas | batch | proposals/s | CPU µs per entry, all replicas | CPU µs without the codec |\n\
         |---|---|---|---|---|"
    );
    for size in SIZES {
        for batch in BATCHES {
            let encoded = measure(size, batch, Transport::Encoded)?;
            let in_memory = measure(size, batch, Transport::InMemory)?;
            println!(
                "| {size} | {batch} | {} | {:.2} | {:.2} |",
                encoded.per_second, encoded.cpu_micros, in_memory.cpu_micros
            );
        }
    }
    Ok(())
}
