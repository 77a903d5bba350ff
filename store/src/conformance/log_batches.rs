//! Random log batches: such as the rules allow, and such as they do not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft::{
    BaseWrite, ClusterId, Configuration, DiskId, Entry, HardState, LogIndex, LogPosition, LogWrite, Member,
    MemberRole, NodeId, Payload, RangeId, ReplicaId, SnapshotMeta, Term, WriteSeq,
};

use super::Rng;
use super::log_model::LogModel;
use crate::log_store::{DiskIdentity, LogBatch, LogItem};

/// Ranges are numbered below this.
pub(super) const RANGES: usize = 3;
const DISK: DiskId = DiskId(0xd15c);
const MEMBER: (ClusterId, NodeId) = (ClusterId(0xc1), NodeId(7));

pub(super) fn random_range(rng: &mut Rng) -> RangeId {
    RangeId(1 + rng.below(RANGES) as u64)
}

/// A batch that a store in the state of `model` has to take.
pub(super) fn allowed(rng: &mut Rng, model: &LogModel) -> LogBatch {
    let mut after = model.clone();
    let mut batch = LogBatch::default();
    for _ in 0..1 + rng.below(4) {
        let item = allowed_item(rng, &after);
        after.apply(&LogBatch { items: vec![item.clone()] });
        batch.items.push(item);
    }
    batch
}

fn allowed_item(rng: &mut Rng, model: &LogModel) -> LogItem {
    let Some(identity) = model.identity else {
        return LogItem::Identity(DiskIdentity { disk: DISK, member: None });
    };
    let range = random_range(rng);
    let Some(log) = model.logs.get(&range) else {
        return LogItem::Create(range, ReplicaId(10 + range.0));
    };
    match rng.below(16) {
        0 => LogItem::Boot(model.boot + 1 + rng.below(3) as u64),
        1 => LogItem::Identity(DiskIdentity { disk: identity.disk, member: Some(MEMBER) }),
        2 => LogItem::Intent(range, Bytes::from(rng.bytes(30))),
        _ => LogItem::Write(range, random_write(rng, log.stored.base.last.index, log.stored.last)),
    }
}

/// A batch that has to be refused whole; `None` if there is none of the kind that was drawn.
pub(super) fn refused(rng: &mut Rng, model: &LogModel) -> Option<LogBatch> {
    let mut batch = allowed(rng, model);
    let mut after = model.clone();
    after.apply(&batch);
    let range = random_range(rng);
    let identity = after.identity?;
    let log = after.logs.get(&range);
    let write = |write: LogWrite| LogItem::Write(range, write);
    let breach = match rng.below(8) {
        0 => LogItem::Identity(DiskIdentity { disk: DiskId(1), ..identity }),
        1 => {
            identity.member?;
            LogItem::Identity(DiskIdentity { member: None, ..identity })
        }
        2 => LogItem::Boot(after.boot),
        3 => LogItem::Create(*after.logs.keys().next()?, ReplicaId(99)),
        4 if log.is_none() => write(empty_write()),
        5 if log.is_none() => LogItem::Intent(range, Bytes::new()),
        6 => {
            let wrong = LogIndex(log?.stored.last.0 + 2 * rng.below(2) as u64);
            let entry = random_entry(rng, wrong);
            write(LogWrite { entries: vec![entry], ..empty_write() })
        }
        _ => {
            let stored = &log?.stored;
            let to =
                if rng.once_in(2) { stored.last.0 + 1 } else { stored.base.last.index.0.checked_sub(1)? };
            let base = BaseWrite { meta: random_meta(rng, LogIndex(to)), reset: false };
            let truncate_from = rng.once_in(3).then_some(stored.base.last.index);
            match truncate_from {
                Some(_) => write(LogWrite { truncate_from, ..empty_write() }),
                None => write(LogWrite { base: Some(base), ..empty_write() }),
            }
        }
    };
    batch.items.push(breach);
    Some(batch)
}

fn empty_write() -> LogWrite {
    LogWrite { seq: WriteSeq(1), hard_state: None, base: None, truncate_from: None, entries: Vec::new() }
}

fn random_write(rng: &mut Rng, base: LogIndex, last: LogIndex) -> LogWrite {
    let mut write = empty_write();
    let (mut base, mut last) = (base, last);
    if rng.once_in(3) {
        write.hard_state = Some(random_hard_state(rng));
    }
    if rng.once_in(8) {
        let reset = rng.once_in(3);
        let room = if reset { 30 } else { last.0 - base.0 + 1 };
        let to = LogIndex(base.0 + rng.next() % room);
        write.base = Some(BaseWrite { meta: random_meta(rng, to), reset });
        last = if reset { to } else { last };
        base = to;
    }
    if rng.once_in(4) {
        let from = LogIndex(base.0 + 1 + rng.next() % (last.0 - base.0 + 2));
        write.truncate_from = Some(from);
        last = last.min(from.prev());
    }
    for index in (last.0 + 1..).take(rng.below(5)) {
        write.entries.push(random_entry(rng, LogIndex(index)));
    }
    write
}

fn random_hard_state(rng: &mut Rng) -> HardState {
    HardState {
        term: Term(rng.next() >> 10),
        vote: rng.once_in(2).then(|| NodeId(rng.next() >> 20)),
        promise: Duration::from_nanos(rng.next() >> 20),
        commit: LogIndex(rng.next() >> 40),
        lost_disk: rng.once_in(9),
    }
}

fn random_entry(rng: &mut Rng, index: LogIndex) -> Entry {
    let payload = match rng.below(6) {
        0 => Payload::Noop,
        1 => Payload::Configuration(random_configuration(rng)),
        2 => Payload::Command(Bytes::from(vec![7; rng.below(3_000)])),
        _ => Payload::Command(Bytes::from(rng.bytes(20))),
    };
    Entry { index, term: Term(1 + rng.next() % 1_000), payload }
}

fn random_meta(rng: &mut Rng, last: LogIndex) -> SnapshotMeta {
    SnapshotMeta {
        last: LogPosition::new(last, Term(rng.next() % 50)),
        configuration: random_configuration(rng),
        configuration_at: LogPosition::new(last.prev(), Term(rng.next() % 50)),
    }
}

fn random_configuration(rng: &mut Rng) -> Arc<Configuration> {
    let mut configuration = Configuration::default();
    for id in 0..rng.below(4) as u64 {
        let member = Member {
            replica: ReplicaId(id + 1),
            disk: DiskId(u128::from(rng.next())),
            boot: rng.next() % 9,
            role: if rng.once_in(3) { MemberRole::Learner } else { MemberRole::Voter },
        };
        configuration.members.insert(NodeId(id + 1), member);
    }
    Arc::new(configuration)
}
