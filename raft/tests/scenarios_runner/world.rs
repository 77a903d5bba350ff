//! The nodes, the network and the clock of one scenario, and what happens at each step.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::{
    Configuration, Entry, LogIndex, LogPosition, LogWrite, NodeId, Outgoing, Output, RoleKind, Settings,
    SnapshotId, Status, Term, Time, bootstrap,
};

use super::disk::{Disk, Snapshot};
use super::invariants::{self, Invariants};
use super::network::{InFlight, Network, Pick, Selector};
use super::node::{Hold, Node, Process, disk_id};
use super::{show, text};

/// Deliveries after which a stabilizing network is taken to be running in circles.
const TOO_MANY: usize = 10_000;

/// Something that happened.
pub(super) enum Event {
    /// A whole line that only step by step output shows: a message sent, a write.
    Detail(String),
    /// What a node did.
    Milestone(NodeId, String),
}

/// Everything.
pub(super) struct World {
    pub(super) now: Time,
    pub(super) settings: Settings,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) network: Network,
    pub(super) presets: BTreeMap<NodeId, Disk>,
    pub(super) snapshots: BTreeMap<(NodeId, SnapshotId), Snapshot>,
    invariants: Invariants,
    events: Vec<Event>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Time::ZERO,
            settings: Settings::default(),
            nodes: BTreeMap::new(),
            network: Network::default(),
            presets: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            invariants: Invariants::default(),
            events: Vec::new(),
        }
    }

    /// Starts the first voters of a group, each from its preset disk or one that was bootstrapped.
    pub(super) fn bootstrap(&mut self, voters: u64) -> Result<(), String> {
        if !self.nodes.is_empty() {
            return Err("there are nodes already".to_owned());
        }
        let (hard_state, first) = bootstrap(Self::first_configuration(voters));
        for id in (1..=voters).map(NodeId) {
            let fresh = || Disk::new(hard_state, vec![first.clone()]);
            let mut disk = self.presets.remove(&id).unwrap_or_else(fresh);
            // Entry 1 of every log is the first configuration.
            if let Some(entry) = disk.entries.first_mut() {
                *entry = first.clone();
            }
            self.nodes.insert(id, Node::new(id, raft::ReplicaId(id.0), disk));
            self.start(id)?;
        }
        Ok(())
    }

    fn first_configuration(voters: u64) -> Configuration {
        Configuration::bootstrap((1..=voters).map(|id| (NodeId(id), disk_id(NodeId(id), 0))))
    }

    /// Creates an empty node that a configuration in force knows.
    pub(super) fn join(&mut self, id: NodeId) -> Result<(), String> {
        if self.nodes.contains_key(&id) {
            return Err(format!("n{id} is there already: restart it"));
        }
        let member = self.statuses().find_map(|status| status.configuration.members.get(&id).copied());
        let member = member.ok_or(format!("no configuration in force knows n{id}"))?;
        let disk = Disk::new(raft::HardState::default(), Vec::new());
        self.nodes.insert(id, Node::new(id, member.replica, disk));
        self.start(id)
    }

    pub(super) fn start(&mut self, id: NodeId) -> Result<(), String> {
        let (now, settings) = (self.now, self.settings.clone());
        let node = self.node(id)?;
        if node.process.is_some() {
            return Err(format!("n{id} runs already"));
        }
        match node.start(now, &settings) {
            Ok(()) => self.settle(id),
            Err(error) => {
                self.happened(id, format!("cannot start: {error}"));
                Ok(())
            }
        }
    }

    pub(super) fn node(&mut self, id: NodeId) -> Result<&mut Node, String> {
        self.nodes.get_mut(&id).ok_or(format!("there is no n{id}"))
    }

    pub(super) fn process(&mut self, id: NodeId) -> Result<&mut Process, String> {
        self.node(id)?.process()
    }

    /// Of the nodes that run.
    pub(super) fn statuses(&self) -> impl Iterator<Item = Status> {
        self.nodes.values().filter_map(|node| node.status(self.now))
    }

    pub(super) fn holds(&self, id: NodeId, hold: Hold) -> bool {
        self.nodes.get(&id).is_some_and(|node| node.holds.contains(&hold))
    }

    pub(super) fn happened(&mut self, id: NodeId, what: String) {
        self.events.push(Event::Milestone(id, what));
    }

    /// Everything since the last call, after a last look at all nodes together.
    pub(super) fn take_events(&mut self) -> Result<Vec<Event>, String> {
        let statuses: Vec<Status> = self.statuses().collect();
        invariants::one_lease(statuses.iter())?;
        Ok(std::mem::take(&mut self.events))
    }

    // ---- one node ------------------------------------------------------------------------------------

    /// Does what the node wants done until it wants nothing more, or it is held.
    pub(super) fn settle(&mut self, id: NodeId) -> Result<(), String> {
        loop {
            self.observe(id)?;
            let now = self.now;
            let output = self.process(id)?.raft.take_output(now);
            self.observe(id)?;
            if output.is_empty() {
                return Ok(());
            }
            self.perform(id, output)?;
        }
    }

    fn observe(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        let process = self.process(id)?;
        let status = process.raft.status(now);
        let seen = (status.role, status.term, status.leader);
        let changed = std::mem::replace(&mut process.shown, seen) != seen;
        let boot = process.boot;
        if changed {
            self.happened(id, show::role(&status));
        }
        self.invariants.observe(&status, boot)
    }

    fn perform(&mut self, id: NodeId, output: Output) -> Result<(), String> {
        for outgoing in output.messages {
            self.send(id, outgoing)?;
        }
        if let Some(write) = output.write {
            self.write(id, write)?;
        }
        self.process(id)?.to_apply.extend(output.apply);
        if !self.holds(id, Hold::Apply) {
            self.apply(id)?;
        }
        for read in output.reads {
            let by_lease = if read.by_lease { ", by its lease" } else { "" };
            self.happened(id, format!("serves read r{} at index {}{by_lease}", read.token, read.index));
        }
        for (token, error) in output.failed_reads {
            self.happened(id, format!("gives up read r{token}: {error}"));
        }
        for read in output.log_reads {
            let now = self.now;
            let node = self.node(id)?;
            let entries = node.disk.read(read.first, read.last, read.max_bytes);
            node.process()?.raft.log_read(now, read, entries);
        }
        self.perform_snapshots(id, output.snapshots_wanted, output.fetch, output.install)?;
        for change in output.changes {
            let end = change.error.map_or(String::new(), |error| format!(", then: {error}"));
            self.happened(id, format!("change ends: {} committed{end}", change.committed));
        }
        Ok(())
    }

    fn send(&mut self, id: NodeId, outgoing: Outgoing) -> Result<(), String> {
        let boot = self.process(id)?.boot;
        let header = self.node(id)?.header(boot, outgoing.to);
        let flight = InFlight { header, message: outgoing.message };
        let line = flight.text();
        let lost = if self.network.send(flight) { "" } else { "  (lost)" };
        self.events.push(Event::Detail(format!("{line}{lost}")));
        Ok(())
    }

    fn write(&mut self, id: NodeId, write: LogWrite) -> Result<(), String> {
        let held = self.holds(id, Hold::Disk);
        if held {
            self.events.push(Event::Detail(format!("n{id}: to disk: {}", text::write(&write))));
        }
        self.node(id)?.disk.pending.push_back(write);
        if held { Ok(()) } else { self.sync_one(id) }
    }

    /// The oldest pending write becomes durable.
    pub(super) fn sync_one(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        let node = self.node(id)?;
        let write = node.disk.sync_one().ok_or(format!("n{id} has no write under way"))?;
        node.process()?.raft.log_persisted(now, write.seq);
        Ok(())
    }

    /// Applies what is committed.
    pub(super) fn apply(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        while let Some(entry) = self.process(id)?.to_apply.pop_front() {
            self.invariants.applied(id, &entry)?;
            let process = self.process(id)?;
            if entry.index.0 != process.machine.len() as u64 + 1 {
                return Err(format!("n{id} applies {} out of order", text::entry(&entry)));
            }
            process.machine.push(entry.clone());
            process.raft.applied(now, entry.index);
            let client = client_answer(process.clients.remove(&entry.index), &entry);
            self.happened(id, format!("applies {}{client}", text::entry(&entry)));
        }
        Ok(())
    }

    // ---- all nodes -----------------------------------------------------------------------------------

    /// Hands a message to its receiver, if that runs.
    pub(super) fn deliver(&mut self, flight: InFlight) -> Result<(), String> {
        let (to, now) = (flight.to(), self.now);
        let Some(process) = self.nodes.get_mut(&to).and_then(|node| node.process.as_mut()) else {
            return Ok(());
        };
        process.raft.step(now, &flight.header, flight.message);
        self.settle(to)
    }

    /// Delivers in the order of sending until nothing is under way.
    pub(super) fn stabilize(&mut self) -> Result<(), String> {
        let first = Selector { from: None, to: None, kind: None, pick: Pick::First };
        for _ in 0..TOO_MANY {
            if self.network.under_way.is_empty() {
                return Ok(());
            }
            for flight in self.network.take(&first)? {
                self.deliver(flight)?;
            }
        }
        Err("the network does not come to rest".to_owned())
    }

    /// Campaigns, and lets everything come to rest; shows only that it leads then.
    pub(super) fn elect(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        self.process(id)?.raft.campaign(now);
        self.settle(id)?;
        self.stabilize()?;
        self.events.clear();
        let status = self.process(id)?.raft.status(now);
        if status.role != RoleKind::Leader {
            return Err(format!("n{id} is not elected: {}", show::role(&status)));
        }
        self.happened(id, show::role(&status));
        Ok(())
    }

    pub(super) fn tick(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        self.process(id)?.raft.tick(now);
        self.settle(id)
    }

    /// Lets time pass with a network that delivers at once. The timers of leaders fire; nobody campaigns, for
    /// when others do so is random.
    pub(super) fn run(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        self.stabilize()?;
        loop {
            let due = self.nodes.values().filter_map(|node| {
                let process = node.process.as_ref()?;
                let leads = node.status(self.now)?.role == RoleKind::Leader;
                leads.then(|| (process.raft.next_deadline(), node.id))
            });
            match due.min().filter(|(at, _)| *at <= end) {
                Some((at, id)) => {
                    self.now = self.now.max(at);
                    self.tick(id)?;
                    self.stabilize()?;
                }
                None => break,
            }
        }
        self.now = end;
        Ok(())
    }
}

/// What the client that waited at this index is told.
fn client_answer(waiting: Option<(Term, String)>, entry: &Entry) -> String {
    match waiting {
        Some((term, _)) if term == entry.term => "; its client is answered".to_owned(),
        Some((_, command)) => format!("; the client of {command} learns that it is lost"),
        None => String::new(),
    }
}

/// A log of these terms, each command named after its place, for the figures.
pub(super) fn preset_entries(terms: &[u64]) -> Vec<Entry> {
    let entry = |(index, term): (u64, &u64)| {
        let payload = raft::Payload::Command(format!("c{index}.{term}").into_bytes().into());
        let LogPosition { index, term } = LogPosition::new(LogIndex(index), Term(*term));
        Entry { index, term, payload }
    };
    (1..).zip(terms).map(entry).collect()
}
