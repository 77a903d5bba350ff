//! A replica from what its disk holds.

use std::sync::Arc;

use crate::configuration::Configuration;
use crate::entry::{Entry, Payload, SnapshotMeta};
use crate::error::RestoreError;
use crate::identity::{Header, Identity, Peer, Target};
use crate::log::Log;
use crate::message::LostDisk;
use crate::output::HardState;
use crate::peers;
use crate::raft::{Raft, ReplyTo, Role};
use crate::settings::Settings;
use crate::types::{LogIndex, LogPosition, Term, Time};

/// What was durable, checked and indexed.
#[derive(Debug)]
pub struct Restored {
    hard_state: HardState,
    log: Log,
    applied: LogIndex,
}

/// What a bootstrap writes to an empty disk: the configuration as entry 1 of term 1 (§4.4). Every later member
/// gets it by replication.
#[must_use]
pub fn bootstrap(configuration: Configuration) -> (HardState, Entry) {
    let term = Term(1);
    let payload = Payload::Configuration(Arc::new(configuration));
    (HardState { term, ..HardState::default() }, Entry { index: LogIndex(1), term, payload })
}

impl Restored {
    /// Reads the whole durable log once. `applied` is what the state machine has durably flushed.
    ///
    /// # Errors
    /// The log has a gap or falling terms, or log and state machine do not fit together.
    pub fn scan(
        hard_state: HardState,
        base: SnapshotMeta,
        entries: impl IntoIterator<Item = Entry>,
        applied: LogIndex,
    ) -> Result<Self, RestoreError> {
        if applied < base.last.index {
            return Err(RestoreError::DataBehindLog { applied, base: base.last.index });
        }
        let mut log = Log::new(&base);
        let commit = hard_state.commit.max(applied);
        for entry in entries {
            let last = log.last();
            let damage = |what| Err(RestoreError::DamagedLog { at: entry.index, what });
            if entry.index != last.index.next() {
                return damage("there is a gap before it");
            }
            if entry.term < last.term {
                return damage("its term is lower than the one before");
            }
            if entry.term > hard_state.term {
                return damage("its term is above the stored term");
            }
            // What is not committed may have to be sent and counted by this node as a leader.
            let keep = entry.index > commit;
            log.restore(entry, keep);
        }
        let last = log.last().index;
        if applied > last {
            return Err(RestoreError::LogBehindData { applied, last });
        }
        if hard_state.commit > last {
            let what = "the stored commit index is beyond the last entry";
            return Err(RestoreError::DamagedLog { at: last, what });
        }
        Ok(Self { hard_state, log, applied })
    }
}

impl Raft {
    /// Starts a replica. `seed` spreads its election timeouts. Replicas may share their settings.
    ///
    /// # Errors
    /// The settings break a rule.
    pub fn restore(
        now: Time,
        seed: u64,
        identity: Identity,
        settings: impl Into<Arc<Settings>>,
        restored: Restored,
    ) -> Result<Self, RestoreError> {
        let settings = settings.into();
        settings.validate()?;
        let Restored { hard_state, log, applied } = restored;
        Ok(Self::from_parts(now, seed, identity, settings, hard_state, log, applied))
    }

    /// A fresh connection from a peer was accepted: it shows the boot that runs now. One below what the log or
    /// this leader has seen of the same disk means that the disk was rolled back.
    pub fn connected(&mut self, now: Time, header: &Header) {
        self.advance(now);
        let me = self.me;
        let mine = header.cluster == me.cluster
            && header.to.node == me.peer.node
            && header.to.disk == me.peer.disk
            && !self.planted(crate::canary::Canary::RolledBackDisk);
        if mine {
            self.tell_if_rolled_back(header.from);
        }
    }

    /// Tells a boot of the past so, each time that it is heard, for the message may be lost. If it is only late,
    /// nobody is there whom the message names.
    pub(crate) fn tell_if_rolled_back(&mut self, peer: Peer) {
        let Some(member) = self.configuration().members.get(&peer.node).copied() else { return };
        if member.disk != peer.disk || !matches!(self.role, Role::Leader(_)) {
            return;
        }
        let below = peers::is_below_recorded(self.configuration(), peer.node, peer.boot);
        if below || self.peers.is_past(peer.node, peer.boot) {
            let target = Target { node: peer.node, disk: peer.disk };
            self.tell_lost_disk(&ReplyTo { target, replica: member.replica, boot: peer.boot });
        }
    }

    /// The leader says that this disk holds less than an earlier boot of it acknowledged.
    pub(crate) fn on_lost_disk(&mut self, lost: LostDisk) {
        if lost.disk != self.me.peer.disk || lost.boot != self.me.peer.boot {
            self.counters.stale_replies += 1;
            return;
        }
        self.hard_state.lost_disk = true;
        self.durability.hard_state_changed();
        let old = std::mem::replace(&mut self.role, Role::LostDisk);
        self.end_role(old);
    }

    /// The last position of the log.
    #[must_use]
    pub fn last_position(&self) -> LogPosition {
        self.log.last()
    }
}
