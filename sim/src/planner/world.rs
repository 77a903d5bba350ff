//! Everything around the nodes: the API server, Kubernetes, the user and two operators.

use std::collections::BTreeMap;

use planner::NodeId;

use super::canary::{Bug, Canary};
use super::coverage::{Coverage, Mark};
use super::draw::Draw;
use super::event::{Event, Process, Step};
use super::objects::{Claim, Cluster, Kind, Pod, Set, Status, is_bad, template};
use super::operator::{Lease, Operator};
use super::rules::Rules;
use crate::coverage::Table;
use crate::event::Queue;
use crate::host::Condition;
use crate::nodes::host::Host;
use crate::nodes::outside::Outside;
use crate::nodes::world::World as Nodes;
use crate::rng::Rng;
use crate::run::Report;
use crate::trace::Trace;
use crate::world::Violation;

/// The name under which the one KvCluster is kept.
pub const CLUSTER: NodeId = NodeId(0);

/// A call that a node works on.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// Who waits for the answer,
    pub process: Process,
    /// under this number.
    pub number: u64,
    /// The host and its process.
    pub host: (usize, u64),
}

/// Everything.
pub struct World {
    pub(super) nodes: Nodes,
    pub(super) draw: Draw,
    pub(super) canary: Option<Canary>,
    pub(super) rng: Rng,
    pub(super) queue: Queue<Event>,
    pub(super) clusters: Kind<Cluster>,
    pub(super) claims: Kind<Claim>,
    pub(super) sets: Kind<Set>,
    pub(super) pods: Kind<Pod>,
    /// The host on which the volume of a claim is.
    pub(super) volumes: BTreeMap<NodeId, usize>,
    pub(super) operators: [Operator; 2],
    pub(super) lease: Lease,
    /// The API server cannot be reached before.
    pub(super) away_until: u64,
    /// Calls that nodes work on, by the number of the request.
    pub(super) calls: BTreeMap<u64, Pending>,
    /// Calls on their way to nodes.
    pub(super) calls_under_way: usize,
    /// A disk is gone, which its peers may not know before.
    pub(super) in_doubt_until: u64,
    pub(super) templates: u64,
    pub(super) rules: Rules,
    pub(super) coverage: Coverage,
    settled: bool,
}

impl World {
    /// The world as `draw` wants it: a KvCluster was just applied.
    ///
    /// # Errors
    /// A rule that does not even hold at the start.
    pub fn new(draw: Draw, seed: u64, canary: Option<Canary>, trace: Trace) -> Result<World, Violation> {
        let mut nodes = Nodes::new(draw.nodes.clone(), seed, trace)?;
        nodes.outside = Some(Outside::default());
        nodes.hosts.iter_mut().for_each(|host| host.held = true);
        nodes.schedule();
        let mut clusters = Kind::new();
        clusters
            .create(CLUSTER, Cluster { spec: draw.spec.clone(), generation: 1, status: Status::default() });
        let mut world = World {
            nodes,
            canary,
            rng: Rng::new(seed, 12),
            queue: Queue::default(),
            clusters,
            claims: Kind::new(),
            sets: Kind::new(),
            pods: Kind::new(),
            volumes: BTreeMap::new(),
            operators: Default::default(),
            lease: Lease::default(),
            away_until: 0,
            calls: BTreeMap::new(),
            calls_under_way: 0,
            in_doubt_until: 0,
            templates: 0,
            rules: Rules::default(),
            coverage: Coverage::default(),
            settled: false,
            draw,
        };
        for event in [Event::Start(0), Event::Start(1), Event::Elect, Event::Probe] {
            world.queue.push(0, event);
        }
        Ok(world)
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first rule that did not hold.
    pub fn run(&mut self) -> Result<(), Violation> {
        while !self.nodes.done {
            match (self.queue.next_at(), self.nodes.queue.next_at()) {
                (Some(at), inner) if inner.is_none_or(|inner| at <= inner) => {
                    if let Some((at, event)) = self.queue.pop() {
                        self.nodes.now = at;
                        self.nodes.events += 1;
                        self.dispatch(event)?;
                    }
                }
                _ => self.nodes.step()?,
            }
            self.look_at_nodes()?;
        }
        self.nodes.finish()
    }

    /// Hands over what the run has to show.
    pub fn report(self, report: &mut Report) {
        let Self { nodes, coverage, .. } = self;
        nodes.report(report);
        // Not every fault of nodes is one of these schedules.
        let of_nodes = std::mem::take(&mut report.coverage).0.into_iter();
        let optional = of_nodes.map(|(words, count, _)| (words, count, false));
        report.coverage = Table(coverage.lines().chain(optional).collect());
    }

    /// The bug of the operator that is planted.
    pub(super) fn bug(&self) -> Option<Bug> {
        match self.canary? {
            Canary::Operator(bug) => Some(bug),
            Canary::Planner(_) => None,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.nodes.now
    }

    pub(super) fn election(&self) -> u64 {
        self.draw.nodes.election
    }

    /// No fault happens any more.
    pub(super) fn heals(&self) -> bool {
        self.nodes.healing.is_some()
    }

    pub(super) fn cluster(&self) -> Cluster {
        self.clusters.list()[&CLUSTER].object.clone()
    }

    /// `event` happens after `at_least` and at most so much more.
    pub(super) fn later(&mut self, at_least: u64, more: u64, event: Event) {
        let at = self.now() + at_least + self.rng.below(more + 1);
        self.queue.push(at, event);
    }

    pub(super) fn note(&mut self, numbers: [u64; 3], words: impl FnOnce() -> String) {
        let [a, b, c] = numbers;
        self.nodes.trace.note(self.nodes.now, [100, a, b, c], words);
    }

    fn dispatch(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Reconcile(node) => self.reconcile(node),
            Event::Probe => self.probe(),
            Event::Elect => {
                self.elect();
                Ok(())
            }
            Event::Start(operator) => {
                self.operators[operator].starts();
                Ok(())
            }
            Event::Step(process, step) => {
                self.step(process, step);
                Ok(())
            }
            Event::Write(process, number, write) => self.write(process, number, write),
            Event::Call(process, number, call) => self.call(process, number, call),
            Event::Correct => {
                self.correct_template();
                Ok(())
            }
        }
    }

    /// Takes what the nodes have for the outside.
    fn look_at_nodes(&mut self) -> Result<(), Violation> {
        let is_damaged = |host: &Host| host.damaged && host.condition == Condition::Fine;
        if self.nodes.watch.is_some() || self.nodes.hosts.iter().any(is_damaged) {
            self.doubt();
        }
        let Some(outside) = &mut self.nodes.outside else { return Ok(()) };
        let (answers, faults) = (std::mem::take(&mut outside.answers), std::mem::take(&mut outside.faults));
        for (token, answer) in answers {
            self.answered(token, answer)?;
        }
        for (fault, pick) in faults {
            self.strike(fault, pick)?;
        }
        if self.heals() && !self.settled {
            self.settled = true;
            self.away_until = 0;
            self.operators.iter_mut().for_each(Operator::goes_on);
            self.edit_spec(|spec| spec.paused = false);
            self.correct_template();
        }
        let nodes = &self.nodes;
        self.calls.retain(|_, pending| nodes.runs(pending.host.0, pending.host.1));
        let busy = self.calls_under_way > 0 || !self.calls.is_empty();
        if let Some(outside) = &mut self.nodes.outside {
            outside.is_busy = busy;
        }
        self.check_log()
    }

    pub(super) fn edit_spec(&mut self, change: impl FnOnce(&mut planner::Spec)) {
        self.clusters.edit(CLUSTER, |cluster| {
            cluster.generation += 1;
            change(&mut cluster.spec);
        });
        let spec = self.cluster().spec;
        self.rules.paused(spec.paused, self.nodes.now);
        self.note([1, u64::from(spec.replicas), 0], || format!("the user wants {spec:?}"));
    }

    pub(super) fn new_template(&mut self, bad: bool) {
        self.templates += 1;
        let number = self.templates;
        self.edit_spec(|spec| spec.template = template(number, bad));
    }

    fn correct_template(&mut self) {
        if is_bad(&self.cluster().spec.template) {
            self.new_template(false);
        }
    }

    /// An answer or an error for whoever sent a request, if it still runs.
    pub(super) fn tell(&mut self, process: Process, number: u64, result: Result<u64, &'static str>) {
        let delay = self.draw.delay;
        self.later(1, delay, Event::Step(process, Step::Told(number, result)));
    }

    pub(super) fn hit(&mut self, mark: Mark) {
        self.coverage.hit(mark);
    }
}
