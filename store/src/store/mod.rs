//! All replicas of a node: what comes in from peers, clients, administrators, the disk and the clock; and one
//! output that says what to send, write and answer.
//!
//! ```text
//! receive · request · admin · tick · log_persisted · flushed · snapshot_call
//!                │
//!            ┌───▼───┐ poll_output  ┌─ envelopes: send first, in parallel with the write
//!            │ Store ├─────────────►├─ log:       one synced batch ──► log_persisted
//!            └───────┘              ├─ replies:   to clients and administrators
//!                                   ├─ flush:     the data engine ──► flushed
//!                                   ├─ snapshots: for the carrier ──► snapshot_call
//!                                   └─ fault:     stop the process
//! ```
//!
//! The shell gives in whatever is there, then takes one output: that is what makes batches. Deterministic: no
//! clock, thread or source of randomness.

mod admin;
mod admission;
mod deadlines;
mod envelope;
mod flushing;
mod inputs;
mod log_writes;
mod mirror;
mod open;
mod output;
mod snapshots;
mod status;

pub use admin::{AdminError, AdminReply, AdminRequest, FIRST_RANGE};
pub use deadlines::SLOT;
pub use envelope::NodeEnvelope;
pub use log_writes::BatchSeq;
pub use output::Output;
pub use snapshots::StoreCall;
pub use status::{NodeCounters, NodeStatus};

use std::collections::{BTreeMap, BTreeSet};

use raft::{Boot, DiskId, Peer, RangeId};

use self::admission::Admission;
use self::deadlines::Deadlines;
use self::flushing::Flushing;
use self::log_writes::LogWrites;
use crate::log_store::DiskIdentity;
use crate::replica::{Gathered, Host, Now, Peers, Replica, Settings, StoreFault, Token};

/// What a start is given from outside.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// When it is.
    pub now: Now,
    /// The id of the disk if it is empty: random.
    pub disk: DiskId,
    /// Random: tells this boot from one of a copied disk.
    pub nonce: u64,
    /// Spreads election timeouts.
    pub seed: u64,
    /// Free space on the disk.
    pub free_bytes: u64,
}

/// The replicas of a node.
#[derive(Debug)]
pub struct Store<L, E> {
    log: L,
    engine: E,
    settings: Settings,
    seed: u64,
    identity: DiskIdentity,
    boot: Boot,
    admission: Admission,
    replicas: BTreeMap<RangeId, Replica>,
    peers: Peers,
    /// The last input.
    last: Now,
    /// Who may have something to be done.
    dirty: BTreeSet<RangeId>,
    deadlines: Deadlines,
    gathered: Gathered,
    admin_replies: Vec<(Token, Result<AdminReply, AdminError>)>,
    writes: LogWrites,
    /// To install snapshots, by the batch that makes them durable.
    intents: Vec<(BatchSeq, RangeId)>,
    flushing: Flushing,
    counters: NodeCounters,
    fault: Option<StoreFault>,
    fault_told: bool,
}

impl<L, E> Store<L, E> {
    #[expect(clippy::too_many_arguments, reason = "the parts of a store")]
    fn empty(
        log: L,
        engine: E,
        settings: Settings,
        seed: u64,
        now: Now,
        identity: DiskIdentity,
        boot: Boot,
        peers: Peers,
    ) -> Self {
        Self {
            log,
            engine,
            settings,
            seed,
            identity,
            boot,
            admission: Admission::default(),
            replicas: BTreeMap::new(),
            peers,
            last: now,
            dirty: BTreeSet::new(),
            deadlines: Deadlines::default(),
            gathered: Gathered::default(),
            admin_replies: Vec::new(),
            writes: LogWrites::new(),
            intents: Vec::new(),
            flushing: Flushing::default(),
            counters: NodeCounters::default(),
            fault: None,
            fault_told: false,
        }
    }

    fn peer(&self) -> Peer {
        let (_, node) = self.identity.member.unwrap_or_default();
        Peer { node, disk: self.identity.disk, boot: self.boot }
    }

    fn add(&mut self, range: RangeId, replica: Replica) {
        self.deadlines.schedule(range, replica.next_deadline());
        self.replicas.insert(range, replica);
        self.dirty.insert(range);
    }

    /// Calls a replica, which may have something to be done after that.
    fn with<T>(
        &mut self,
        now: Now,
        range: RangeId,
        call: impl FnOnce(&mut Replica, &Host<'_, L, E>, &mut Gathered) -> T,
    ) -> Option<T> {
        let replica = self.replicas.get_mut(&range)?;
        let Self { log, engine, settings, peers, gathered, .. } = self;
        self.dirty.insert(range);
        Some(call(replica, &Host { now, log, engine, settings, peers }, gathered))
    }

    fn fail(&mut self, result: Result<(), StoreFault>) {
        if let Err(fault) = result {
            // The first one is the cause of the others.
            self.fault.get_or_insert(fault);
        }
    }
}
