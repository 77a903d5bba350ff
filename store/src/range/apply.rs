//! Entries to one batch, blindly and in order: whatever is to be decided was decided by the leader.

use raft::{Entry, LogIndex, LogPosition, Payload};
use thiserror::Error;

use super::state::{Hold, RangeState, Session, codec};
use crate::canary::{Canary, planted};
use crate::effects::{Body, ClusterVersion, DecodeError, Effects, Record, decode};
use crate::engine::Batch;
use crate::key::{Local, encode_value, local, version};
use crate::request::WriteOutcome;
use crate::timestamp::Timestamp;

/// What entries do to the engine, and what is to be told to those who wait for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppliedEntries {
    /// To be written before anything else of this range is.
    pub batch: Batch,
    /// One for each entry that holds a command.
    pub replies: Vec<Reply>,
}

/// What is to be told to whoever proposed an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The entry. Another term than that of the proposal: the proposal was lost, and this is somebody else's.
    pub position: LogPosition,
    /// Its moment; the id of the session or the hold that it opened.
    pub timestamp: Timestamp,
    /// If it is a write.
    pub outcome: Option<WriteOutcome>,
}

/// Why a replica must stop before an entry.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{at} cannot be applied: {fault}")]
pub struct ApplyError {
    /// The entry. Neither it nor an entry after it was written.
    pub at: LogPosition,
    /// Why.
    pub fault: ApplyFault,
}

/// What is wrong with an entry.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ApplyFault {
    /// It is damaged, of a newer version, or malformed.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// It raises the cluster version beyond this program.
    #[error("the cluster moves on to version {}, this program supports {}: start a newer version", found.0, supported.0)]
    NewerClusterVersion {
        /// From now on.
        found: ClusterVersion,
        /// Of this program.
        supported: ClusterVersion,
    },
    /// It was evaluated for another shape of the range: a bug of the proposer.
    #[error("it is for epoch {found}, the range is at {epoch}")]
    WrongEpoch {
        /// In the entry.
        found: u64,
        /// Of the descriptor.
        epoch: u64,
    },
    /// Its timestamp does not rise: a bug of the proposer.
    #[error("its timestamp {found} is not above {applied}")]
    TimestampBack {
        /// In the entry.
        found: Timestamp,
        /// Of the entry before it.
        applied: Timestamp,
    },
    /// It records a write of a session that is not there: a bug of the proposer.
    #[error("session {session} does not exist")]
    NoSession {
        /// The session.
        session: Timestamp,
    },
}

/// Applies committed entries: to `state` at once, to the engine by the batch that is returned, which moves the
/// applied position together with everything else.
///
/// # Errors
/// An entry cannot be applied. Nothing is to be written, and the replica must stop: `state` is of no use.
///
/// # Panics
/// The entries do not follow the applied position.
pub fn apply(state: &mut RangeState, entries: &[Entry]) -> Result<AppliedEntries, ApplyError> {
    let mut batch = Batch::default();
    let mut replies = Vec::with_capacity(entries.len());
    if state.applied.position.index == LogIndex::ZERO && !entries.is_empty() {
        batch.put(local(state.range, Local::Descriptor), codec::encode_descriptor(&state.descriptor));
        let version = codec::encode_cluster_version(state.cluster_version);
        batch.put(local(state.range, Local::ClusterVersion), version);
    }
    for entry in entries {
        let at = entry.position();
        let before = state.applied.position;
        assert_eq!(at.index, before.index.next(), "entries are applied in order, each once");
        assert!(at.term >= before.term, "terms do not fall along the log");
        if let Payload::Command(bytes) = &entry.payload {
            let effects = decode(bytes).map_err(|error| ApplyError { at, fault: error.into() })?;
            let (timestamp, outcome) = (effects.timestamp, effects.outcome());
            state.command(effects, outcome.as_ref(), &mut batch).map_err(|fault| ApplyError { at, fault })?;
            replies.push(Reply { position: at, timestamp, outcome });
        }
        state.applied.position = at;
    }
    if !entries.is_empty() {
        batch.put(local(state.range, Local::Applied), codec::encode_applied(&state.applied));
    }
    Ok(AppliedEntries { batch, replies })
}

impl RangeState {
    fn command(
        &mut self,
        effects: Effects,
        outcome: Option<&WriteOutcome>,
        batch: &mut Batch,
    ) -> Result<(), ApplyFault> {
        let timestamp = effects.timestamp;
        if effects.epoch != self.descriptor.epoch {
            return Err(ApplyFault::WrongEpoch { found: effects.epoch, epoch: self.descriptor.epoch });
        }
        if timestamp <= self.applied.timestamp && !planted(Canary::TimestampsGoBack) {
            let applied = self.applied.timestamp;
            return Err(ApplyFault::TimestampBack { found: timestamp, applied });
        }
        if let (Some(record), Some(outcome)) = (effects.record(), outcome) {
            self.record(record, outcome, timestamp, batch)?;
        }
        match effects.body {
            Body::Tick | Body::ConditionFailed(_) => {}
            Body::Written(written) => {
                if !written.changes.is_empty() {
                    self.applied.last_write = timestamp;
                }
                for change in &written.changes {
                    batch.put(version(&change.key, timestamp), encode_value(change.value.as_deref()));
                }
            }
            Body::OpenSession => self.open_session(timestamp, batch),
            Body::ExpireSessions { floor } => self.expire_sessions(floor, batch),
            Body::GcThreshold { threshold } => self.raise_threshold(threshold, timestamp, batch),
            Body::Hold { id, timestamp, expires } => {
                let hold = Hold { timestamp, expires };
                batch.put(local(self.range, Local::Hold(id)), codec::encode_hold(&hold));
                self.holds.insert(id, hold);
            }
            Body::ReleaseHold { id } => {
                batch.delete(local(self.range, Local::Hold(id)));
                self.holds.remove(&id);
            }
            Body::SetClusterVersion { version } => self.raise_cluster_version(version, batch)?,
        }
        self.applied.timestamp = timestamp;
        Ok(())
    }

    fn record(
        &mut self,
        record: &Record,
        outcome: &WriteOutcome,
        timestamp: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), ApplyFault> {
        let Record { session: id, number, acknowledged_below } = *record;
        if planted(Canary::ExpiredSessionExecutes) && !self.sessions.contains_key(&id) {
            self.open_session(id, batch);
        }
        let session = self.sessions.get_mut(&id).ok_or(ApplyFault::NoSession { session: id })?;
        session.last_active = timestamp;
        if acknowledged_below > session.acknowledged_below {
            session.acknowledged_below = acknowledged_below;
            while let Some(acknowledged) = session.writes.first().copied().filter(|n| *n < acknowledged_below)
            {
                session.writes.remove(&acknowledged);
                batch.delete(local(self.range, Local::SessionWrite(id, acknowledged)));
            }
        }
        session.writes.insert(number);
        batch.put(local(self.range, Local::Session(id)), codec::encode_session(session));
        batch.put(local(self.range, Local::SessionWrite(id, number)), codec::encode_outcome(outcome));
        Ok(())
    }

    fn open_session(&mut self, id: Timestamp, batch: &mut Batch) {
        let session = Session { last_active: id, acknowledged_below: 0, writes: Default::default() };
        batch.put(local(self.range, Local::Session(id)), codec::encode_session(&session));
        self.sessions.insert(id, session);
    }

    fn expire_sessions(&mut self, floor: Timestamp, batch: &mut Batch) {
        let range = self.range;
        self.sessions.retain(|id, session| {
            let active = session.last_active >= floor;
            if !active {
                batch.delete(local(range, Local::Session(*id)));
                for number in &session.writes {
                    batch.delete(local(range, Local::SessionWrite(*id, *number)));
                }
            }
            active
        });
        self.session_floor = self.session_floor.max(floor);
        let floor = codec::encode_timestamp(self.session_floor);
        batch.put(local(range, Local::SessionFloor), floor);
    }

    fn raise_threshold(&mut self, threshold: Timestamp, now: Timestamp, batch: &mut Batch) {
        let range = self.range;
        self.holds.retain(|id, hold| {
            let holds = hold.expires > now;
            if !holds {
                batch.delete(local(range, Local::Hold(*id)));
            }
            holds
        });
        self.gc_threshold = self.gc_threshold.max(threshold);
        batch.put(local(range, Local::GcThreshold), codec::encode_timestamp(self.gc_threshold));
    }

    fn raise_cluster_version(&mut self, found: ClusterVersion, batch: &mut Batch) -> Result<(), ApplyFault> {
        let supported = self.supported;
        if found > supported {
            return Err(ApplyFault::NewerClusterVersion { found, supported });
        }
        self.cluster_version = self.cluster_version.max(found);
        let version = codec::encode_cluster_version(self.cluster_version);
        batch.put(local(self.range, Local::ClusterVersion), version);
        Ok(())
    }
}
