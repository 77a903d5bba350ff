//! Random transfers: two senders whose logs grow, one receiver, a network that loses, repeats, delays and damages,
//! and crashes of everybody at any step.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::{LogIndex, NodeId};

use super::fixture::{ENOUGH, Log, Node, RANGE, Random, SUPPORTED, fetch_of};
use crate::directory::Directory;
use crate::engine::Engine;
use crate::key::user_span;
use crate::range::gc::{flushed_threshold, gc_batch};
use crate::range::{RangeState, state_hash};
use crate::snapshot::{
    ChunkContent, ChunkReply, ChunkRequest, Failure, Install, Piece, Receiving, Stage, finish_intent,
};

/// What the runs are for: each of them has to come about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Mark {
    Installed,
    InstalledAgain,
    CrashBeforeIntent,
    CrashAfterIntent,
    CrashBetweenRemovalAndIngest,
    CrashBeforeReset,
    CrashBeforeCleanUp,
    CrashDuringFinish,
    ReceiverCrash,
    SenderCrash,
    SenderRot,
    ReceiverRot,
    Resumed,
    OtherSender,
    TimedOut,
    Gone,
    NotNeeded,
    OwnExport,
}

const MARKS: usize = Mark::OwnExport as usize + 1;

enum Message {
    Request(NodeId, ChunkRequest),
    Reply(NodeId, ChunkReply),
}

struct World {
    random: Random,
    log: Log,
    senders: [Node; 2],
    receiver: Node,
    network: Vec<Message>,
    /// What a sender exported, as of then.
    exported: BTreeMap<LogIndex, (RangeState, [u8; 32])>,
    exporting: [Option<(RangeState, [u8; 32])>; 2],
    /// Durable at the receiver.
    intent: Option<Bytes>,
    base: LogIndex,
    /// What raft fetches: `None` is idle. And who sent before.
    fetching: Option<NodeId>,
    last_sender: Option<NodeId>,
    marks: BTreeMap<Mark, usize>,
}

impl World {
    fn new(seed: u64) -> Self {
        let log = Log::with(60, seed);
        let mut receiver = Node::new(3);
        receiver.apply(&log, LogIndex(seed % 30));
        Self {
            random: Random(seed),
            senders: [Node::at(1, &log), Node::at(2, &log)],
            receiver,
            log,
            network: Vec::new(),
            exported: BTreeMap::new(),
            exporting: [None, None],
            intent: None,
            base: LogIndex::ZERO,
            fetching: None,
            last_sender: None,
            marks: BTreeMap::new(),
        }
    }

    fn mark(&mut self, mark: Mark) {
        *self.marks.entry(mark).or_default() += 1;
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..30 => self.deliver(),
            30..60 => self.receive(),
            60..66 if self.random.one_in(10) => self.write(),
            66..76 => self.export(),
            76..80 => self.offer(),
            80..83 => self.tick(),
            83..94 => self.install(),
            94 => self.collect_garbage(),
            95 => self.own_export(),
            96 if self.random.one_in(16) => self.crash_receiver(),
            97 if self.random.one_in(16) => self.crash_sender(),
            98 if self.random.one_in(30) => self.rot_at_sender(),
            _ => {}
        }
    }

    fn write(&mut self) {
        self.log.grow(&mut self.random);
        for sender in &mut self.senders {
            sender.apply(&self.log, self.log.last());
        }
        if self.random.one_in(3) {
            let flushed = self.random.below(4);
            self.senders[flushed % 2].engine.flush_oldest(flushed);
        }
    }

    fn collect_garbage(&mut self) {
        let node = &self.senders[self.random.below(2)];
        node.engine.flush().unwrap();
        let (threshold, span) = (flushed_threshold(&node.engine, RANGE).unwrap(), user_span(b"", b""));
        let swept = gc_batch(&node.engine.view(), &span, &span.start, threshold, 1_000).unwrap();
        node.engine.write(swept.batch).unwrap();
    }

    // ---- the sender's side --------------------------------------------------------------------------

    fn export(&mut self) {
        let at = self.random.below(2);
        let sender = &mut self.senders[at];
        match sender.snapshots.exporting() {
            None if self.random.one_in(12) || self.exported.is_empty() => {
                self.exporting[at] = Some((sender.state.clone(), sender.hash()));
                sender.begin_export();
            }
            None => {}
            Some(_) => {
                if let Some((_, meta)) = sender.snapshots.export_step(1_500).unwrap() {
                    let was = self.exporting[at].take().unwrap();
                    assert_eq!(meta.last, was.0.applied().position);
                    self.exported.insert(meta.last.index, was);
                }
            }
        }
    }

    /// A leader offers what it has with every heartbeat; the core takes it if nothing is under way.
    fn offer(&mut self) {
        let at = self.random.below(2);
        let Some((id, meta)) = self.senders[at].snapshots.reusable(LogIndex::ZERO) else { return };
        let to = self.receiver.id;
        self.senders[at].snapshots.offered(to, id);
        let installs = self.receiver.snapshots.install().is_some();
        if self.fetching.is_some() || installs || meta.last.index <= self.receiver.applied() {
            return;
        }
        let from = self.senders[at].id;
        if self.receiver.directory.list().unwrap().iter().any(|(name, _)| name.ends_with(".table")) {
            self.mark(Mark::Resumed);
        }
        if self.last_sender.is_some_and(|last| last != from) {
            self.mark(Mark::OtherSender);
        }
        self.receiver.snapshots.fetch(fetch_of(from, id, meta));
        (self.fetching, self.last_sender) = (Some(from), Some(from));
    }

    fn crash_sender(&mut self) {
        let at = self.random.below(2);
        let Self { senders, random, log, exporting, .. } = self;
        senders[at].crash(&mut |bound| random.below(bound));
        senders[at].apply(log, log.last());
        exporting[at] = None;
        self.mark(Mark::SenderCrash);
    }

    fn rot_at_sender(&mut self) {
        let at = self.random.below(2);
        if flip_any(&self.senders[at], &mut self.random) {
            self.mark(Mark::SenderRot);
        }
    }

    // ---- the network --------------------------------------------------------------------------------

    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        // Mostly in order.
        let among = if self.random.one_in(3) { self.network.len() } else { 1 };
        let at = self.random.below(among);
        match self.network.remove(at) {
            _ if self.random.one_in(40) => {}
            Message::Request(to, request) => {
                if self.random.one_in(40) {
                    self.network.push(Message::Request(to, request));
                }
                let sender = &mut self.senders[usize::from(to == NodeId(2))];
                let reply = sender.snapshots.serve(self.receiver.id, request).unwrap();
                self.network.push(Message::Reply(to, reply));
            }
            Message::Reply(from, reply) => {
                if self.random.one_in(40) {
                    self.network.push(Message::Reply(from, reply.clone()));
                }
                let damages = self.random.one_in(40);
                let reply = if damages { self.damaged(reply) } else { reply };
                self.receiver.snapshots.on_reply(from, reply);
            }
        }
    }

    /// Sometimes by somebody who makes a new checksum, which the blocks of tables are safe from.
    fn damaged(&mut self, mut reply: ChunkReply) -> ChunkReply {
        if let ChunkContent::Chunk { data, crc, .. } = &mut reply.content
            && !data.is_empty()
        {
            let mut bytes = data.to_vec();
            let at = self.random.below(bytes.len());
            bytes[at] ^= 1 << self.random.below(8);
            *data = bytes.into();
            if matches!(reply.piece, Piece::Block { .. }) && self.random.one_in(2) {
                *crc = crc32fast::hash(data);
            }
        }
        reply
    }

    // ---- the receiver's side ------------------------------------------------------------------------

    fn tick(&mut self) {
        self.receiver.snapshots.tick().unwrap();
        for sender in &mut self.senders {
            sender.snapshots.tick().unwrap();
        }
    }

    fn receive(&mut self) {
        let budget = self.random.below(1_500) as u64;
        match self.receiver.snapshots.receive_step(budget, ENOUGH).unwrap() {
            Receiving::Waiting | Receiving::Busy => {}
            Receiving::Received(_) => {
                self.fetching = None;
                let (install, _) = self.receiver.snapshots.install().unwrap();
                if install.manifest().meta.last.index <= self.receiver.state.applied().position.index {
                    self.receiver.snapshots.end_install().unwrap();
                    self.mark(Mark::NotNeeded);
                }
            }
            Receiving::Failed(_, failure) => {
                self.fetching = None;
                self.mark(match failure {
                    Failure::Gone => Mark::Gone,
                    Failure::TimedOut => Mark::TimedOut,
                    other => panic!("{other}"),
                });
            }
        }
        let requests = self.receiver.snapshots.take_requests();
        self.network.extend(requests.into_iter().map(|(to, request)| Message::Request(to, request)));
    }

    /// The receiver leads for a moment, or goes on by the log.
    fn own_export(&mut self) {
        let installs = self.receiver.snapshots.install().is_some();
        if installs || self.receiver.applied() < LogIndex(1) {
            return;
        }
        let more = u64::from(self.random.one_in(10));
        let to = LogIndex(self.receiver.applied().0 + more).min(self.log.last());
        self.receiver.apply(&self.log, to);
        if self.random.one_in(6) {
            self.receiver.begin_export();
            self.mark(Mark::OwnExport);
        }
        self.receiver.snapshots.export_step(1_500).unwrap();
    }

    fn install(&mut self) {
        let crashes = self.random.one_in(12);
        let Node { engine, snapshots, state, .. } = &mut self.receiver;
        let Some((install, directory)) = snapshots.install() else { return };
        let (stage, last) = (install.stage(), install.manifest().meta.last.index);
        match stage {
            Stage::Received if crashes => {}
            Stage::Received => {
                self.intent = Some(install.intent());
                install.intent_persisted();
            }
            Stage::Remove | Stage::Ingest if crashes => {}
            Stage::Remove | Stage::Ingest => {
                if let Some(installed) = install.step(engine, directory, SUPPORTED).unwrap() {
                    *state = installed;
                }
            }
            Stage::ResetLog if crashes => {}
            Stage::ResetLog => {
                install.log_reset_persisted();
                self.log_is_reset(last);
            }
            Stage::Done if crashes => {}
            Stage::Done => snapshots.end_install().unwrap(),
        }
        if crashes {
            self.mark(match stage {
                Stage::Received => Mark::CrashBeforeIntent,
                Stage::Remove => Mark::CrashAfterIntent,
                Stage::Ingest => Mark::CrashBetweenRemovalAndIngest,
                Stage::ResetLog => Mark::CrashBeforeReset,
                Stage::Done => Mark::CrashBeforeCleanUp,
            });
            self.crash_receiver();
        }
    }

    /// One durable batch: from here on the leader counts on it.
    fn log_is_reset(&mut self, last: LogIndex) {
        (self.intent, self.base) = (None, last);
        self.check_installed(last);
        let again = self.marks.contains_key(&Mark::Installed);
        self.mark(if again { Mark::InstalledAgain } else { Mark::Installed });
    }

    fn check_installed(&self, last: LogIndex) {
        let (state, hash) = &self.exported[&last];
        assert_eq!(&self.receiver.state, state, "the range's state at {last:?}");
        let engine = &self.receiver.engine;
        assert_eq!(state_hash(&engine.view(), RANGE).as_ref(), Ok(hash), "the content at {last:?}");
        assert_eq!(RangeState::load(&engine.view(), RANGE, SUPPORTED).as_ref(), Ok(state));
    }

    fn crash_receiver(&mut self) {
        self.mark(Mark::ReceiverCrash);
        self.fetching = None;
        let applied = self.receiver.applied();
        self.lose_unsynced();
        // Nothing of a transfer is beyond doubt before the intent says so.
        if self.intent.is_none() && self.random.one_in(4) && flip_any(&self.receiver, &mut self.random) {
            self.mark(Mark::ReceiverRot);
        }
        let mut finished = None;
        while let Some(intent) = self.intent.clone() {
            let Node { engine, directory, .. } = &self.receiver;
            if self.random.one_in(3) {
                let mut install = Install::resume(&intent).unwrap();
                for _ in 0..self.random.below(3) {
                    install.step(engine, directory, SUPPORTED).unwrap();
                }
                self.lose_unsynced();
                self.mark(Mark::CrashDuringFinish);
                continue;
            }
            let (manifest, state) = finish_intent(engine, directory, &intent, SUPPORTED).unwrap();
            self.receiver.state = state;
            let last = manifest.meta.last.index;
            if self.random.one_in(3) {
                self.check_installed(last);
                self.lose_unsynced();
                continue;
            }
            self.log_is_reset(last);
            finished = Some(last);
        }
        let Node { id, engine, directory, .. } = &self.receiver;
        self.receiver = Node::start(*id, engine.clone(), directory.clone());
        assert!(self.receiver.applied() >= self.base, "the engine is behind its log: a lost disk");
        if let Some(last) = finished {
            self.check_installed(last);
            self.receiver.snapshots.clear_leftovers().unwrap();
        } else {
            self.receiver.apply(&self.log, applied);
        }
    }

    fn lose_unsynced(&mut self) {
        let Self { receiver, random, .. } = self;
        receiver.engine.crash(&mut |bound| random.below(bound));
        receiver.directory.crash(&mut |bound| random.below(bound));
    }
}

/// Flips a bit of any table.
fn flip_any(node: &Node, random: &mut Random) -> bool {
    let mut files = node.directory.list().unwrap();
    files.retain(|(name, length)| name.ends_with(".table") && *length > 0);
    if files.is_empty() {
        return false;
    }
    let (name, length) = &files[random.below(files.len())];
    node.directory.flip_bit(name, random.below(*length as usize) as u64, random.below(8) as u8)
}

#[test]
fn what_is_installed_is_what_the_sender_had() {
    let mut marks: BTreeMap<Mark, usize> = BTreeMap::new();
    for seed in 0..40 {
        let mut world = World::new(seed);
        for _ in 0..25_000 {
            world.step();
        }
        for (mark, times) in world.marks {
            *marks.entry(mark).or_default() += times;
        }
    }
    assert_eq!(marks.len(), MARKS, "not everything came about: {marks:?}");
    assert!(marks[&Mark::Installed] > 20 && marks[&Mark::InstalledAgain] > 20, "too few: {marks:?}");
}
