//! The loop: takes what is there, gives it to the store, and does what the store wants done.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use raft::NodeId;
use store::engine::Engine;
use store::log_store::{LogBatch, LogReader};
use store::replica::{Address, Now, StoreFault};
use store::snapshot::ChunkRequest;
use store::store::{BatchSeq, NodeEnvelope, Output, Store};

use super::clock;
use super::inbox::{Errand, Input, Question, Taken};
use super::queue::Owner;
use super::start::Shared;
use super::summary::Publisher;
use super::upkeep::Task;
use super::waiting::Waiting;
use super::watchdog::Pulse;

/// Requests of clients that the store is given before its output is taken: a heartbeat need not wait longer.
const REQUESTS_PER_TURN: usize = 512;
/// The longest sleep; a node without a replica waits for nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Where a node's envelopes go. Called on the thread of the loop, so it must not block.
pub trait Outbound: Send {
    /// Sends envelopes, each to the node in its header, those to one node in order. What finds no room is dropped:
    /// Raft sends again.
    fn send(&mut self, envelopes: Vec<NodeEnvelope>);

    /// Asks a node for a piece of a snapshot; the answer goes to
    /// [`Handle::chunk_reply`](crate::handle::Handle::chunk_reply). What finds no room, and what fails, is dropped:
    /// it is asked for again.
    fn fetch(&mut self, from: NodeId, request: ChunkRequest);
}

/// Everything that the thread of the loop owns.
pub(super) struct StoreLoop<L, E> {
    pub(super) store: Store<L, E>,
    /// All keys are in one range.
    pub(super) whole: Address,
    pub(super) log: Owner<(BatchSeq, LogBatch)>,
    pub(super) upkeep: Owner<Task>,
    pub(super) flushes: SyncSender<()>,
    pub(super) outbound: Box<dyn Outbound>,
    pub(super) publisher: Publisher,
    pub(super) waiting: Waiting,
    pub(super) pulse: Arc<Pulse>,
    pub(super) shared: Shared,
}

impl<L: LogReader, E: Engine> StoreLoop<L, E> {
    /// Until the inbox is closed, or the store has a fault.
    pub(super) fn run(mut self) {
        let mut taken = Taken::default();
        let mut idle = false;
        while self.shared.inbox.take(&mut taken, idle.then(|| self.patience())) {
            self.pulse.begin();
            match self.turn(&mut taken) {
                Ok(busy) => idle = !busy,
                Err(fault) => {
                    self.shared.faults.raise(fault.into());
                    break;
                }
            }
            self.pulse.end();
        }
        self.end(taken);
    }

    /// How long there is nothing to do if nothing comes in.
    fn patience(&self) -> Duration {
        let next = [self.store.next_deadline(), self.publisher.due()].into_iter().flatten().min();
        next.map_or(LONGEST_SLEEP, |next| next.since(clock::now().time).min(LONGEST_SLEEP))
    }

    /// Says whether there may be more to do at once.
    fn turn(&mut self, taken: &mut Taken) -> Result<bool, StoreFault> {
        // After everything was taken: what is asked is asked before this moment.
        let now = clock::now();
        self.shared.counters.turns.add(1);
        let due = self.store.next_deadline().is_some_and(|deadline| deadline <= now.time);
        if due || !taken.is_empty() {
            self.publisher.touch();
        }
        self.store.tick(now);
        if let Some(seq) = taken.persisted.take() {
            self.store.log_persisted(now, seq);
        }
        for input in taken.system.drain(..) {
            self.input(now, input);
        }
        let questions = taken.foreground.len().min(REQUESTS_PER_TURN);
        self.shared.counters.requests.add(questions);
        for question in taken.foreground.drain(..questions) {
            taken.done.count += 1;
            taken.done.bytes += question.bytes;
            self.question(now, question);
        }
        for errand in taken.elastic.drain(..) {
            match errand {
                Errand::Call(call) => self.store.snapshot_call(now, call),
                Errand::Fetch(from, request) => self.outbound.fetch(from, request),
            }
        }
        let output = self.store.poll_output(now);
        let busy = output.is_some() || !taken.foreground.is_empty();
        output.map_or(Ok(()), |output| self.perform(output))?;
        taken.answered = self.waiting.take_answered();
        let Self { publisher, store, .. } = self;
        publisher.publish(now.time, || store.status(now));
        Ok(busy)
    }

    fn input(&mut self, now: Now, input: Input) {
        match input {
            Input::Envelope(envelope) => {
                self.shared.counters.envelopes_received.add(1);
                self.store.receive(now, envelope);
            }
            Input::Connected(header) => self.store.connected(now, &header),
            Input::Admin(request, answered) => {
                let token = self.waiting.add_administrator(answered);
                self.store.admin(now, token, request);
            }
            Input::Status(answered) => {
                // Whoever asked may have given up.
                let _ = answered.send(self.store.status(now));
            }
            Input::Asker(mailbox) => self.waiting.add_runtime(mailbox),
            Input::FreeBytes(free_bytes) => self.store.set_free_bytes(free_bytes),
            Input::Flushed => self.store.flushed(),
        }
    }

    fn question(&mut self, now: Now, Question { asker, request, asked, then, .. }: Question) {
        let token = self.waiting.add_client(asker, &request, asked, then);
        self.store.request(now, token, self.whole, request);
    }

    fn perform(&mut self, output: Output) -> Result<(), StoreFault> {
        if let Some(fault) = output.fault {
            return Err(fault);
        }
        // Sent first, so that others write their logs while this node writes its own.
        if !output.envelopes.is_empty() {
            self.shared.counters.envelopes_sent.add(output.envelopes.len());
            self.outbound.send(output.envelopes);
        }
        if let Some(batch) = output.log {
            self.shared.counters.log_batches.add(1);
            // The core bounds what is under way. Closed, the log writer has failed: the inbox is closed too.
            let depth = self.log.0.push(batch, usize::MAX);
            self.shared.counters.log_depth.set(depth.unwrap_or_default());
        }
        if !output.replies.is_empty() {
            let now = clock::monotonic();
            for (token, answer) in output.replies {
                self.waiting.answer(token, answer, now);
            }
            self.waiting.deliver();
        }
        for (token, answer) in output.admin {
            self.waiting.answer_administrator(token, answer);
        }
        for event in output.snapshots {
            self.upkeep.0.push(Task::Event(event), usize::MAX);
        }
        if output.flush {
            // There is room: the store asks for one flush at a time.
            let _ = self.flushes.try_send(());
        }
        Ok(())
    }

    /// Tells everybody who waits that there will be no answer.
    fn end(mut self, taken: Taken) {
        self.shared.inbox.close();
        let mut rest = Taken::default();
        self.shared.inbox.take(&mut rest, None);
        let mut unseen = Vec::new();
        for Taken { system, foreground, .. } in [taken, rest] {
            for input in system {
                if let Input::Asker(mailbox) = input {
                    self.waiting.add_runtime(mailbox);
                }
            }
            unseen.extend(foreground.into_iter().map(|question| (question.asker, question.then)));
        }
        self.waiting.end(unseen);
    }
}
