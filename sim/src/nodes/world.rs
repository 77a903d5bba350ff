//! The simulated world of whole nodes: hosts, network, clients and an operator around one queue of events.

use std::collections::BTreeMap;

use raft::{ClusterId, LogIndex, NodeId, RoleKind, Status};
use store::replica::{ReplicaStatus, Token};
use store::store::{AdminRequest, FIRST_RANGE};

use super::check::Check;
use super::client::Client;
use super::coverage::{Coverage, Mark};
use super::disks::Watch;
use super::event::Event;
use super::heal::Healing;
use super::history::Done;
use super::host::{Disk, Host};
use super::monitor::Monitor;
use super::operator::Operator;
use super::outside::Outside;
use super::plan::Plan;
use super::tails::Tails;
use crate::clock::Clock;
use crate::event::Queue;
use crate::fault;
use crate::network::Network;
use crate::run::Report;
use crate::trace::Trace;
use crate::world::{Streams, Violation, random_disk};

/// The wall clocks of all hosts are about this, in milliseconds.
const WALL: u64 = 1_700_000_000_000;

/// Everything.
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) now: u64,
    pub(crate) queue: Queue<Event>,
    pub(crate) trace: Trace,
    pub(crate) rng: Streams,
    pub(crate) net: Network,
    pub(crate) hosts: Vec<Host>,
    pub(crate) address: BTreeMap<NodeId, usize>,
    pub(crate) clients: Vec<Client>,
    /// Which client waits for the answer.
    pub(crate) waiting: BTreeMap<u64, usize>,
    pub(crate) operator: Operator,
    /// In place of the operator, one who drives this world from outside.
    pub(crate) outside: Option<Outside>,
    pub(crate) history: Vec<Done>,
    pub(crate) monitor: Monitor,
    pub(crate) tails: Tails,
    pub(crate) coverage: Coverage,
    pub(crate) cluster: ClusterId,
    pub(crate) watch: Option<Watch>,
    pub(crate) healing: Option<Healing>,
    pub(crate) tokens: u64,
    /// Counts beginnings and ends of requests.
    pub(crate) moments: u64,
    pub(crate) injected: u64,
    pub(crate) operations: u64,
    pub(crate) checked: u64,
    pub(crate) events: u64,
    pub(crate) done: bool,
}

impl World {
    /// The world as `plan` wants it, with a cluster that begins.
    ///
    /// # Errors
    /// A rule that does not even hold at the start.
    pub fn new(plan: Plan, seed: u64, trace: Trace) -> Result<World, Violation> {
        let mut rng = Streams::new(seed);
        let wild = rng.fault.below(8) as usize;
        let hosts = (0..plan.hosts).map(|host| {
            let local = rng.fault.range(1, 1 << 40);
            let clock = Clock::new(0, local, fault::drift(&mut rng.fault));
            let skew = rng.fault.below(if host == wild { 1 << 31 } else { 200 });
            let wall = WALL + skew - local / 1_000_000;
            Host::new(Disk::empty(random_disk(&mut rng.identity)), clock, wall, plan.hosts)
        });
        let hosts = hosts.collect();
        Ok(World {
            net: Network::new(plan.hosts, plan.weather),
            clients: Client::all(&plan, &mut rng.client),
            operator: Operator::new(plan.voters, plan.learners),
            outside: None,
            cluster: ClusterId(u128::from(rng.identity.next())),
            monitor: Monitor::new(&plan.settings)?,
            tails: Tails::default(),
            address: BTreeMap::new(),
            waiting: BTreeMap::new(),
            history: Vec::new(),
            queue: Queue::default(),
            coverage: Coverage::default(),
            watch: None,
            healing: None,
            now: 0,
            tokens: 0,
            moments: 0,
            injected: 0,
            operations: 0,
            checked: 0,
            events: 0,
            done: false,
            plan,
            trace,
            rng,
            hosts,
        })
    }

    /// All hosts start, and the first voters begin the cluster.
    ///
    /// # Errors
    /// A rule that does not even hold at the start.
    pub fn start(&mut self) -> Result<(), Violation> {
        for host in 0..self.hosts.len() {
            self.boot(host)?;
        }
        let voters: Vec<_> =
            (0..self.plan.voters).map(|h| (NodeId(h as u64 + 1), self.hosts[h].disk.id)).collect();
        for host in 0..self.plan.voters {
            self.address.insert(voters[host].0, host);
            let request = AdminRequest::Bootstrap { cluster: self.cluster, voters: voters.clone() };
            self.admin(host, request)?;
        }
        self.queue.push(self.plan.election * 2, Event::Operate);
        self.schedule();
        Ok(())
    }

    /// Clients, faults and their end are on their way.
    pub(crate) fn schedule(&mut self) {
        for client in 0..self.clients.len() {
            let at = self.plan.election / 2 + self.rng.client.below(self.plan.election);
            self.queue.push(at, Event::Wake { client });
        }
        for (number, fault) in self.plan.faults.iter().enumerate() {
            self.queue.push(fault.at, Event::Fault(number));
        }
        self.queue.push(self.plan.end, Event::Heal);
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first rule that did not hold.
    pub fn run(&mut self) -> Result<(), Violation> {
        while !self.done {
            self.step()?;
        }
        self.finish()
    }

    /// The next event.
    ///
    /// # Errors
    /// A rule does not hold.
    pub(crate) fn step(&mut self) -> Result<(), Violation> {
        let Some((at, event)) = self.queue.pop() else {
            return Err(Violation::new("liveness", "nothing will ever happen again".to_owned()));
        };
        assert!(at >= self.now, "time does not go back");
        self.now = at;
        self.dispatch(event)?;
        self.check_watch()
    }

    /// The end: states and histories are checked.
    ///
    /// # Errors
    /// A rule did not hold.
    pub(crate) fn finish(&mut self) -> Result<(), Violation> {
        for host in 0..self.hosts.len() {
            self.compare(host)?;
        }
        self.coverage.hit_if(self.monitor.rules.threshold > Default::default(), Mark::Collected);
        let threshold = self.monitor.rules.threshold;
        let (model, limits) = (&self.monitor.model, &self.plan.settings.limits);
        self.checked = Check { history: &self.history, model, limits, threshold }.run()?;
        Ok(())
    }

    /// Hands over what the run has to show.
    pub fn report(mut self, report: &mut Report) {
        for host in 0..self.hosts.len() {
            self.count_core(host);
        }
        self.coverage.add_history(&self.history);
        (report.events, report.simulated) = (self.events, self.now);
        (report.operations, report.checked, report.injected) = (self.operations, self.checked, self.injected);
        report.coverage = self.coverage.table();
        report.hash = self.trace.hash();
        report.text = self.trace.into_text();
    }

    /// Handles one event.
    pub(crate) fn dispatch(&mut self, event: Event) -> Result<(), Violation> {
        self.events += 1;
        if self.events > self.plan.most_events {
            return Err(Violation::new("liveness", format!("more than {} events", self.events - 1)));
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
            Event::Notice { host, process, seq } => self.notice(host, process, seq),
            Event::Flushed { host, process } => self.flushed(host, process),
            Event::Carry { host } => self.carry(host),
            Event::CarrierCalls { host, process } => self.carrier_calls(host, process),
            Event::Wake { client } => self.wake(client),
            Event::Request { host, token, request } => self.request(host, token, *request),
            Event::Reply { token, answer } => self.reply(token, *answer),
            Event::GiveUp { client, token } => self.give_up(client, token),
            Event::Fault(number) => self.inject(number),
            Event::Cut { pairs, length } => self.cut(pairs, length),
            Event::Mend(pairs) => self.mend(&pairs),
            Event::Calm => self.calm(),
            Event::Space => self.free_space(),
            Event::Boot { host } => self.boot(host),
            Event::Resume { host } => self.resume(host),
            Event::RollBack { host } => self.roll_back(host),
            Event::LoseData { host } => self.lose_data(host),
            Event::Operate => self.operate(),
            Event::Heal => self.heal(),
            Event::CheckHealed => self.check_healed(),
        }
    }

    /// Whether the process of an event still runs.
    pub(crate) fn runs(&self, host: usize, process: u64) -> bool {
        self.hosts[host].store.is_some() && self.hosts[host].process == process
    }

    /// What a host shows of its replica.
    pub(crate) fn status(&self, host: usize) -> Option<ReplicaStatus> {
        let state = &self.hosts[host];
        state.store.as_ref()?.replica_status(state.now(self.now), FIRST_RANGE)
    }

    /// Up to where a host has applied.
    pub(crate) fn applied(&self, host: usize) -> LogIndex {
        self.status(host).map_or(LogIndex::ZERO, |status| status.applied.position.index)
    }

    /// The host whose replica leads in the highest term, with its status.
    pub(crate) fn leader(&self) -> Option<(usize, Status)> {
        let mut found: Option<(usize, Status)> = None;
        for host in (0..self.hosts.len()).filter(|host| self.hosts[*host].is_live()) {
            let Some(status) = self.status(host).map(|status| status.raft) else { continue };
            if status.role == RoleKind::Leader && found.as_ref().is_none_or(|(_, f)| f.term < status.term) {
                found = Some((host, status));
            }
        }
        found
    }

    /// An unused number for a caller of a store.
    pub(crate) fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Asks a node as an administrator does; the answer goes to the operator.
    pub(crate) fn admin(&mut self, host: usize, request: AdminRequest) -> Result<u64, Violation> {
        let (token, now) = (self.token(), self.hosts[host].now(self.now));
        self.trace.note(self.now, [13, host as u64, token, 0], || {
            format!("h{host} is asked (request {token}) for {request:?}")
        });
        if let Some(store) = &mut self.hosts[host].store {
            store.admin(now, Token(token), request);
        }
        self.pump(host)?;
        Ok(token)
    }
}
