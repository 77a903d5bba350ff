//! The simulated world: hosts, network, clients and operator around one event queue.

use std::collections::BTreeMap;

use raft::canary::Canary;
use raft::{ClusterId, Configuration, DiskId, NodeId, RangeId, RoleKind, Status, Time, bootstrap};

use crate::client::Client;
use crate::clock::Clock;
use crate::coverage::{Coverage, Mark};
use crate::disk::{Disk, ReplicaDisk};
use crate::event::{Event, Queue};
use crate::fault;
use crate::heal::Healing;
use crate::history::History;
use crate::host::{Condition, Host};
use crate::inject::Watch;
use crate::monitor::{Breach, Monitor};
use crate::network::Network;
use crate::operator::Group;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::run::Report;
use crate::trace::Trace;

/// Node ids of further groups are minted from here on, times the number of the group.
const NODES_OF_A_GROUP: u64 = 1_000;
/// More events than any run needs: beyond, something spins.
const MOST_EVENTS: u64 = 3_000_000;

/// A rule that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: String,
    /// What was seen.
    pub detail: String,
}

impl Violation {
    /// `detail` breaks `invariant`.
    #[must_use]
    pub fn new(invariant: &str, detail: String) -> Self {
        Self { invariant: invariant.to_owned(), detail }
    }
}

impl From<Breach> for Violation {
    fn from(breach: Breach) -> Self {
        Self::new(breach.invariant, breach.to_string())
    }
}

/// Random numbers, a stream for each part.
#[derive(Debug)]
pub(crate) struct Streams {
    pub net: Rng,
    pub disk: Rng,
    pub shell: Rng,
    pub client: Rng,
    pub operator: Rng,
    pub fault: Rng,
    pub identity: Rng,
}

impl Streams {
    pub(crate) fn new(seed: u64) -> Self {
        let stream = |number| Rng::new(seed, number);
        Self {
            net: stream(1),
            disk: stream(2),
            shell: stream(3),
            client: stream(4),
            operator: stream(5),
            fault: stream(6),
            identity: stream(7),
        }
    }
}

/// Everything.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) canary: Option<Canary>,
    pub(crate) now: u64,
    pub(crate) queue: Queue<Event>,
    pub(crate) trace: Trace,
    pub(crate) rng: Streams,
    pub(crate) net: Network,
    pub(crate) hosts: Vec<Host>,
    pub(crate) address: BTreeMap<NodeId, usize>,
    pub(crate) clients: Vec<Client>,
    pub(crate) groups: Vec<Group>,
    pub(crate) history: History,
    pub(crate) monitor: Monitor,
    pub(crate) coverage: Coverage,
    pub(crate) cluster: ClusterId,
    pub(crate) watch: Option<Watch>,
    pub(crate) healing: Option<Healing>,
    pub(crate) next_token: u64,
    pub(crate) injected: u64,
    pub(crate) operations: u64,
    pub(crate) checked: u64,
    pub(crate) events: u64,
    pub(crate) done: bool,
}

impl World {
    /// The world as `plan` wants it, with the first groups on its disks.
    ///
    /// # Errors
    /// A rule that does not even hold at the start.
    pub fn new(plan: Plan, seed: u64, canary: Option<Canary>, trace: Trace) -> Result<World, Violation> {
        let mut rng = Streams::new(seed);
        let hosts = (0..plan.hosts)
            .map(|_| {
                let clock = Clock::new(0, rng.fault.range(1, 1 << 40), fault::drift(&mut rng.fault));
                Host::new(Disk::empty(random_disk(&mut rng.identity)), clock, plan.hosts)
            })
            .collect();
        let ranges: Vec<RangeId> = (1..=plan.groups as u64).map(RangeId).collect();
        let mut world = World {
            net: Network::new(plan.hosts, plan.weather),
            groups: ranges.iter().map(|range| Group::new(*range, plan.voters, plan.learners)).collect(),
            clients: Client::all(&plan, &mut rng.client),
            cluster: ClusterId(u128::from(rng.identity.next())),
            monitor: Monitor::new(&ranges),
            address: BTreeMap::new(),
            history: History::default(),
            queue: Queue::default(),
            coverage: Coverage::default(),
            watch: None,
            healing: None,
            now: 0,
            next_token: 1,
            injected: 0,
            operations: 0,
            checked: 0,
            events: 0,
            done: false,
            plan,
            canary,
            trace,
            rng,
            hosts,
        };
        world.bootstrap();
        world.start()?;
        Ok(world)
    }

    fn bootstrap(&mut self) {
        let disks: Vec<(NodeId, DiskId)> =
            (0..self.plan.voters).map(|h| (NodeId(h as u64 + 1), self.hosts[h].disk.id)).collect();
        for (h, (node, _)) in disks.iter().enumerate() {
            self.hosts[h].disk.node = Some(*node);
            self.address.insert(*node, h);
        }
        for group in 0..self.plan.groups {
            let mut first = Configuration::bootstrap(disks.iter().copied());
            first.next_node = NodeId(first.next_node.0 + NODES_OF_A_GROUP * group as u64);
            let replicas: Vec<_> = first.members.values().map(|m| m.replica).collect();
            let (hard, entry) = bootstrap(first);
            for (h, replica) in replicas.into_iter().enumerate() {
                let mut disk = ReplicaDisk::empty(replica);
                disk.hard = hard;
                disk.entries.push_back(entry.clone());
                self.hosts[h].disk.replicas.insert(self.groups[group].range, disk);
            }
        }
        self.coverage.hit_if(self.plan.groups > 1, Mark::ManyGroups);
    }

    fn start(&mut self) -> Result<(), Violation> {
        for host in 0..self.hosts.len() {
            self.boot(host)?;
        }
        for client in 0..self.clients.len() {
            let at = self.plan.election / 2 + self.rng.client.below(self.plan.election);
            self.queue.push(at, Event::Wake { client });
        }
        for group in 0..self.groups.len() {
            self.queue.push(self.plan.election * 2, Event::Operate { group });
        }
        for (number, fault) in self.plan.faults.iter().enumerate() {
            self.queue.push(fault.at, Event::Fault(number));
        }
        self.queue.push(self.plan.end, Event::Heal);
        Ok(())
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first rule that did not hold.
    pub fn run(&mut self) -> Result<(), Violation> {
        while !self.done {
            let Some((at, event)) = self.queue.pop() else {
                return Err(Violation::new("liveness", "nothing will ever happen again".to_owned()));
            };
            assert!(at >= self.now, "time does not go back");
            self.now = at;
            self.dispatch(event)?;
            self.check_watch()?;
        }
        Ok(())
    }

    /// Hands over what the run has to show.
    pub(crate) fn report(mut self, report: &mut Report) {
        for host in &self.hosts {
            for replica in host.replicas.values() {
                self.coverage.add_core(replica.raft.counters());
            }
        }
        (report.events, report.simulated) = (self.events, self.now);
        (report.operations, report.checked, report.injected) = (self.operations, self.checked, self.injected);
        report.coverage = self.coverage.table();
        report.hash = self.trace.hash();
        report.text = self.trace.into_text();
    }

    /// Handles one event.
    pub(crate) fn dispatch(&mut self, event: Event) -> Result<(), Violation> {
        self.events += 1;
        if self.events > MOST_EVENTS {
            return Err(Violation::new("liveness", format!("more than {MOST_EVENTS} events")));
        }
        if let Some(host) = event.process_host()
            && self.hosts[host].paused
        {
            self.hosts[host].backlog.push(event);
            return Ok(());
        }
        match event {
            Event::Deliver { host, packet } => self.deliver(host, *packet),
            Event::Tick { host } => self.tick(host),
            Event::Synced { host, process } => self.synced(host, process),
            Event::Notice { host, process } => self.notice(host, process),
            Event::Apply { host, process, range } => self.apply_now(host, process, range),
            Event::LogRead { host, process, range, read, entries } => {
                self.log_read(host, process, range, read, entries)
            }
            Event::MakeSnapshot { host, process, range, to } => self.make_snapshot(host, process, range, to),
            Event::Fetch { host, process, range, id } => self.fetch_again(host, process, range, id),
            Event::Ingest { host, process, range } => self.ingest(host, process, range),
            Event::Wake { client } => self.wake(client),
            Event::Request { host, client, op } => self.request(host, client, op),
            Event::Reply { client, op, answer } => self.reply(client, op, answer),
            Event::GiveUp { client, op } => self.give_up(client, op),
            Event::Fault(number) => self.inject(number),
            Event::Cut { pairs, length } => self.cut(pairs, length),
            Event::Mend(pairs) => self.mend(&pairs),
            Event::Calm => self.calm(),
            Event::Boot { host } => self.boot(host),
            Event::Resume { host } => self.resume(host),
            Event::RollBack { host } => self.roll_back(host),
            Event::Operate { group } => self.operate(group),
            Event::Heal => self.heal(),
            Event::CheckHealed => self.check_healed(),
        }
    }

    /// What a host's clock shows.
    pub(crate) fn local(&self, host: usize) -> Time {
        self.hosts[host].clock.at(self.now)
    }

    /// Whether the process of an event still runs.
    pub(crate) fn runs(&self, host: usize, process: u64) -> bool {
        self.hosts[host].up && self.hosts[host].process == process
    }

    /// The host whose replica leads a group in the highest term, with its status.
    pub(crate) fn leader(&self, range: RangeId) -> Option<(usize, Status)> {
        let mut found: Option<(usize, Status)> = None;
        for (h, host) in self.hosts.iter().enumerate().filter(|(_, host)| host.is_live()) {
            let Some(replica) = host.replicas.get(&range) else { continue };
            let status = replica.raft.status(host.clock.at(self.now));
            if status.role == RoleKind::Leader && found.as_ref().is_none_or(|(_, f)| f.term < status.term) {
                found = Some((h, status));
            }
        }
        found
    }

    /// Hosts on which replicas live or lived: those that faults should meet.
    pub(crate) fn victims(&self) -> Vec<usize> {
        (0..self.hosts.len())
            .filter(|h| self.hosts[*h].disk.node.is_some() && self.hosts[*h].condition == Condition::Fine)
            .collect()
    }

    /// Whether a disk does not hold what the group knows it for.
    pub(crate) fn is_gone(&self, node: NodeId, disk: DiskId) -> bool {
        let Some(host) = self.address.get(&node).map(|h| &self.hosts[*h]) else { return true };
        host.condition != Condition::Fine
            || host.disk.id != disk
            || host.disk.node.is_some_and(|other| other != node)
    }

    /// Tells the monitor that a host's disk is gone.
    pub(crate) fn report_destroyed(&mut self, host: usize) -> Result<(), Violation> {
        let Some(node) = self.hosts[host].disk.node else { return Ok(()) };
        let ranges: Vec<RangeId> = self.hosts[host].disk.replicas.keys().copied().collect();
        for range in ranges {
            self.monitor.destroyed(range, node)?;
        }
        Ok(())
    }

    /// An unused number for the caller of a core.
    pub(crate) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }
}

/// A disk id as a new disk draws it.
pub(crate) fn random_disk(rng: &mut Rng) -> DiskId {
    DiskId((u128::from(rng.next()) << 64) | u128::from(rng.next()))
}
