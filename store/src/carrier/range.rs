//! The snapshots of one range, as far as the carrier is: who waits for one, and what is to be served, fetched and
//! installed.

use std::collections::{BTreeMap, VecDeque};

use raft::{LogIndex, NodeId, RangeId, SnapshotId};

use super::{ChunkMessage, Counters, Output, RangeDirectory, RangeStatus, Settings};
use crate::directory::Directory;
use crate::engine::{Engine, EngineError, View};
use crate::range::applied_in;
use crate::replica::StoreFault;
use crate::snapshot::{self, ChunkContent, ChunkReply, ChunkRequest, Failure, Receiving, Snapshots, Stage};
use crate::store::StoreCall;

/// What a range is given, and where it puts what is to be done.
pub(super) struct Surroundings<'a, E> {
    pub(super) engine: &'a E,
    pub(super) settings: &'a Settings,
    /// Not too many ranges are exported.
    pub(super) may_export: bool,
    /// Space above the reserve.
    pub(super) free: u64,
    pub(super) counters: &'a mut Counters,
    pub(super) output: &'a mut Output,
}

/// The snapshots of one range.
pub(super) struct Carried<V, D> {
    pub(super) range: RangeId,
    pub(super) snapshots: Snapshots<V, RangeDirectory<D>>,
    /// What the log begins after, as was told last.
    pub(super) base: LogIndex,
    /// Who needs a snapshot, and whether it waits for an offer.
    pub(super) followers: BTreeMap<NodeId, bool>,
    /// What is to be exported as soon as it is known what it covers.
    pub(super) view: Option<(LogIndex, V)>,
    /// The last entry of the log at its first cut after the start or the last fetch.
    pub(super) without_fetch: Option<LogIndex>,
    requests: VecDeque<(NodeId, ChunkRequest)>,
    /// To be told after so many ticks.
    failed: Option<(SnapshotId, u32)>,
    last_failure: Option<Failure>,
}

impl<V: View, D: Directory> Carried<V, D> {
    pub(super) fn open(
        range: RangeId,
        directory: RangeDirectory<D>,
        settings: snapshot::Settings,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            range,
            snapshots: Snapshots::open(range, directory, settings)?,
            base: LogIndex::ZERO,
            followers: BTreeMap::new(),
            view: None,
            without_fetch: None,
            requests: VecDeque::new(),
            failed: None,
            last_failure: None,
        })
    }

    pub(super) fn is_exporting(&self) -> bool {
        self.view.is_some() || self.snapshots.exporting().is_some()
    }

    pub(super) fn status(&self) -> RangeStatus {
        let stage = self.snapshots.installing();
        RangeStatus {
            range: self.range,
            exporting: self.is_exporting(),
            fetching: self.snapshots.is_fetching() || stage == Some(Stage::Received),
            installing: stage.is_some_and(|stage| stage != Stage::Received),
            last_failure: self.last_failure.clone(),
        }
    }

    pub(super) fn take_spent(&mut self) -> u64 {
        self.snapshots.take_spent()
    }

    pub(super) fn take_requests(&mut self, messages: &mut Vec<(NodeId, ChunkMessage)>) {
        let requests = self.snapshots.take_requests().into_iter();
        messages.extend(requests.map(|(to, request)| (to, ChunkMessage::Request(request))));
    }

    pub(super) fn request<E: Engine>(
        &mut self,
        from: NodeId,
        request: ChunkRequest,
        around: &mut Surroundings<'_, E>,
    ) {
        if self.requests.contains(&(from, request)) {
            return;
        }
        if self.requests.len() >= around.settings.requests {
            around.counters.dropped_requests += 1;
            return;
        }
        self.requests.push_back((from, request));
    }

    pub(super) fn reply<E: Engine>(
        &mut self,
        from: NodeId,
        reply: ChunkReply,
        around: &mut Surroundings<'_, E>,
    ) {
        if let ChunkContent::Chunk { data, .. } = &reply.content {
            around.counters.received_bytes += data.len() as u64;
        }
        self.snapshots.on_reply(from, reply);
    }

    pub(super) fn tick<E: Engine<View = V>>(
        &mut self,
        around: &mut Surroundings<'_, E>,
    ) -> Result<(), StoreFault> {
        self.snapshots.tick()?;
        if let Some((id, ticks)) = &mut self.failed {
            *ticks = ticks.saturating_sub(1);
            if *ticks == 0 {
                around.output.calls.push(StoreCall::Failed { range: self.range, id: *id });
                self.failed = None;
            }
        }
        self.offer_or_make(around)
    }

    /// Offers what there is to those who wait, or begins to make it.
    pub(super) fn offer_or_make<E: Engine<View = V>>(
        &mut self,
        around: &mut Surroundings<'_, E>,
    ) -> Result<(), StoreFault> {
        let range = self.range;
        if !self.followers.values().any(|waits| *waits) {
            return Ok(());
        }
        if let Some((id, meta)) = self.snapshots.reusable(self.base) {
            for (to, waits) in self.followers.iter_mut().filter(|(_, waits)| **waits) {
                *waits = false;
                self.snapshots.offered(*to, id);
                let meta = meta.clone();
                around.output.calls.push(StoreCall::Offer { range, to: *to, id, meta });
            }
        } else if !self.is_exporting() && around.may_export && self.snapshots.installing().is_none() {
            let view = around.engine.view();
            let index = applied_in(&view, range)?.position.index;
            self.view = Some((index, view));
            around.output.calls.push(StoreCall::Cover { range, index });
        }
        Ok(())
    }

    /// One step of an install, if the engine is to do one.
    pub(super) fn step_install<E: Engine>(
        &mut self,
        around: &mut Surroundings<'_, E>,
    ) -> Result<bool, StoreFault> {
        let Some((install, directory)) = self.snapshots.install() else { return Ok(false) };
        if !matches!(install.stage(), Stage::Remove | Stage::Ingest) {
            return Ok(false);
        }
        if install.step(around.engine, directory, around.settings.supported)?.is_some() {
            around.output.calls.push(StoreCall::Ingested { range: self.range });
        }
        Ok(true)
    }

    /// Serves, receives and exports, about `budget` bytes of each; says if there is more to do.
    pub(super) fn work<E: Engine<View = V>>(
        &mut self,
        budget: u64,
        around: &mut Surroundings<'_, E>,
    ) -> Result<bool, StoreFault> {
        self.serve(budget, around)?;
        let busy = self.fetch_on(budget, around)?;
        if let Some((id, _)) = self.snapshots.export_step(budget)? {
            debug_assert!(self.snapshots.reusable(LogIndex::ZERO).is_some_and(|(latest, _)| latest == id));
            around.counters.exported += 1;
            self.offer_or_make(around)?;
        }
        Ok(busy || !self.requests.is_empty() || self.snapshots.exporting().is_some())
    }

    fn serve<E: Engine<View = V>>(
        &mut self,
        budget: u64,
        around: &mut Surroundings<'_, E>,
    ) -> Result<(), StoreFault> {
        let mut served = 0;
        while served < budget
            && let Some((from, request)) = self.requests.pop_front()
        {
            let reply = self.snapshots.serve(from, request)?;
            match &reply.content {
                ChunkContent::Chunk { data, .. } => {
                    around.counters.sent_bytes += data.len() as u64;
                    served += data.len().max(1) as u64;
                }
                ChunkContent::Gone => {
                    served += 1;
                    // Only those whom the store named are made another one for.
                    if let Some(waits) = self.followers.get_mut(&from) {
                        *waits = true;
                        self.offer_or_make(around)?;
                    }
                }
            }
            around.output.messages.push((from, ChunkMessage::Reply(reply)));
        }
        Ok(())
    }

    fn fetch_on<E: Engine>(
        &mut self,
        budget: u64,
        around: &mut Surroundings<'_, E>,
    ) -> Result<bool, StoreFault> {
        let range = self.range;
        match self.snapshots.receive_step(budget, around.free)? {
            Receiving::Waiting => Ok(false),
            Receiving::Busy => Ok(true),
            Receiving::Received(id) => {
                around.counters.received += 1;
                self.last_failure = None;
                around.output.calls.push(StoreCall::Received { range, id });
                Ok(false)
            }
            Receiving::Failed(id, failure) => {
                around.counters.failed += 1;
                if matches!(failure, Failure::NoSpace { .. }) {
                    around.counters.no_space += 1;
                }
                match &failure {
                    Failure::Gone | Failure::TimedOut => {
                        around.output.calls.push(StoreCall::Failed { range, id });
                    }
                    // The next offer would end in the same way.
                    _ => self.failed = Some((id, around.settings.retry_ticks)),
                }
                self.last_failure = Some(failure);
                Ok(false)
            }
        }
    }
}
