//! The operators: one holds the lease and acts, pass by pass; each may crash between any two steps.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use planner::{Action, LeaderView, NodeId, Plan, Recorded, Remembered, plan};

use super::canary::Bug;
use super::coverage::Mark;
use super::event::{Event, Process, Step, Write};
use super::look::Said;
use super::objects::{Claim, Cluster, List, Pod, Set, Stored};
use super::world::{CLUSTER, World};

/// The lease is free again so many election timeouts after it was renewed last,
const LEASE: u64 = 6;
/// and its holder does nothing any more after so many: what it asked for before arrives in between.
const CLAIM: u64 = 4;
/// A node is given so many to answer a call.
const ANSWER: u64 = 3;

/// Who may act.
#[derive(Debug, Default)]
pub struct Lease {
    holder: Option<usize>,
    until: u64,
}

/// What an operator remembers between two passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    leader_seen: Option<u64>,
    silent_since: BTreeMap<NodeId, u64>,
    /// What it worked at or waited for, and since when.
    doing: (Vec<String>, u64),
    /// The version of the KvCluster that it wrote last.
    written: Option<u64>,
    /// A list of members, and how often it was looked at since.
    old_view: Option<(u32, LeaderView)>,
    /// Only of the operator that forgets: volumes that it means to be removed.
    removed: BTreeSet<NodeId>,
}

/// An operator.
#[derive(Debug, Default)]
pub struct Operator {
    start: u64,
    up: bool,
    stopped_until: u64,
    leads: bool,
    held_until: u64,
    /// Which states of the lists it has seen: of KvClusters, claims, StatefulSets and pods.
    seen: [u64; 4],
    memory: Memory,
    pass: Option<Pass>,
    /// Counts its calls.
    calls: u64,
}

/// A pass over the cluster.
#[derive(Clone, Debug)]
pub struct Pass {
    cluster: Stored<Cluster>,
    /// As listed.
    pub claims: Rc<List<Claim>>,
    /// The same.
    pub sets: Rc<List<Set>>,
    /// The same.
    pub pods: Rc<List<Pod>>,
    /// By those who answered.
    pub said: BTreeMap<NodeId, Said>,
    /// Who leads,
    pub leader: Option<NodeId>,
    /// and what it says.
    pub view: Option<LeaderView>,
    /// How long nobody did, in milliseconds.
    pub leaderless: u64,
    /// Of the passes before.
    pub remembered: Remembered,
    /// Members that it means to be removed, marks or not.
    pub removed: BTreeSet<NodeId>,
    plan: Option<Plan>,
    /// The call that it waits for.
    waits_for: Option<u64>,
    /// What is done then.
    then: Option<Action>,
}

impl Pass {
    /// As it was read last.
    pub fn cluster(&self) -> &Stored<Cluster> {
        &self.cluster
    }
}

impl Operator {
    pub(super) fn leads(&self) -> bool {
        self.up && self.leads
    }

    pub(super) fn starts(&mut self) {
        self.up = true;
    }

    /// Its process is stopped by a signal.
    pub(super) fn stops(&mut self, until: u64) {
        self.stopped_until = self.stopped_until.max(until);
    }

    pub(super) fn goes_on(&mut self) {
        self.stopped_until = 0;
    }

    pub(super) fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }
}

impl World {
    /// Operators renew the lease, or take it.
    pub(super) fn elect(&mut self) {
        let (now, election) = (self.now(), self.election());
        for at in 0..self.operators.len() {
            let operator = &self.operators[at];
            if !operator.up || operator.stopped_until > now {
                continue;
            }
            let fails = !self.heals() && self.rng.per_mille(self.draw.refused);
            let reached = self.away_until <= now && !fails;
            let operator = &mut self.operators[at];
            let free = self.lease.until <= now || self.lease.holder == Some(at);
            if reached && free {
                let taken = self.lease.holder.is_some_and(|other| other != at);
                self.lease = Lease { holder: Some(at), until: now + election * LEASE };
                operator.held_until = now + election * CLAIM;
                if !operator.leads {
                    operator.leads = true;
                    self.coverage.hit_if(taken, Mark::HandedOver);
                    self.begin(at);
                }
            } else if operator.leads && operator.held_until <= now {
                // It ends, and begins anew.
                self.crash(at);
            }
        }
        self.later(election / 4, election / 8, Event::Elect);
    }

    /// The first pass of a process that may act.
    fn begin(&mut self, at: usize) {
        // The KvCluster is in its list from the first state on that an operator can see.
        let mut seen = self.last_states().map(|last| last.saturating_sub(self.lag()));
        seen[0] = seen[0].max(1);
        self.operators[at].seen = seen;
        self.note([10, at as u64, 0], || format!("operator {at} begins, from lists at {seen:?}"));
        self.next_step(at, 0, Step::Look);
    }

    fn last_states(&self) -> [u64; 4] {
        [self.clusters.last(), self.claims.last(), self.sets.last(), self.pods.last()]
    }

    fn lag(&mut self) -> u64 {
        if self.heals() { 0 } else { self.rng.below(self.draw.lag + 1) }
    }

    /// Its process ends at once, and starts again.
    pub(super) fn crash(&mut self, at: usize) {
        self.note([11, at as u64, 0], || format!("operator {at} ends"));
        let start = self.operators[at].start + 1;
        self.operators[at] = Operator { start, ..Operator::default() };
        // A new process may go by the old name.
        if self.lease.holder == Some(at) && self.rng.coin() {
            self.lease.holder = None;
        }
        let election = self.election();
        self.later(election / 4, election, Event::Start(at));
    }

    fn process(&self, at: usize) -> Process {
        Process { operator: at, start: self.operators[at].start }
    }

    fn next_step(&mut self, at: usize, at_least: u64, step: Step) {
        let (process, more) = (self.process(at), self.draw.delay);
        self.later(at_least, more, Event::Step(process, step));
    }

    /// An operator gets on.
    pub(super) fn step(&mut self, process: Process, step: Step) {
        let at = process.operator;
        let operator = &self.operators[at];
        if operator.start != process.start || !operator.up {
            return;
        }
        if operator.stopped_until > self.now() {
            self.queue.push(operator.stopped_until, Event::Step(process, step));
            return;
        }
        match step {
            Step::Look => self.look(at),
            Step::Ask(node) => self.ask(at, node),
            Step::Plan => self.heard(at),
            Step::ReadAgain => self.read_again(at),
            Step::Act(action) => self.act(at, &action),
            Step::Told(number, result) => self.told(at, number, result),
            Step::GiveUp(number) => {
                if self.waits_for(at, number) {
                    self.hit(Mark::GaveUp);
                    self.fail(at, "no answer");
                }
            }
        }
    }

    fn waits_for(&self, at: usize, number: u64) -> bool {
        self.operators[at].pass.as_ref().is_some_and(|pass| pass.waits_for == Some(number))
    }

    fn look(&mut self, at: usize) {
        let last = self.last_states();
        for (kind, last) in last.into_iter().enumerate() {
            let newest = last.saturating_sub(self.lag());
            let seen = &mut self.operators[at].seen[kind];
            *seen = newest.max(*seen);
        }
        let seen = self.operators[at].seen;
        self.coverage.hit_if(seen != last, Mark::StaleList);
        let cluster = self.clusters.as_of(seen[0])[&CLUSTER].clone();
        let pods = self.pods.as_of(seen[3]);
        let wait = self.election() / 4;
        for node in pods.keys().copied() {
            let ask = self.rng.below(wait);
            self.next_step(at, ask, Step::Ask(node));
        }
        let (doing, since) = self.operators[at].memory.doing.clone();
        let doing_millis = self.millis(self.now() - since);
        self.operators[at].pass = Some(Pass {
            cluster,
            claims: self.claims.as_of(seen[1]),
            sets: self.sets.as_of(seen[2]),
            pods,
            said: BTreeMap::new(),
            leader: None,
            view: None,
            leaderless: 0,
            remembered: Remembered { doing, doing_millis, ..Remembered::default() },
            removed: self.operators[at].memory.removed.clone(),
            plan: None,
            waits_for: None,
            then: None,
        });
        self.next_step(at, wait + self.draw.delay, Step::Plan);
    }

    fn ask(&mut self, at: usize, node: NodeId) {
        let lost = !self.heals() && self.rng.per_mille(self.draw.refused);
        let now = self.pods.get(node).map(|pod| pod.uid);
        let said = self.said(node).filter(|_| !lost);
        let Some(pass) = &mut self.operators[at].pass else { return };
        // The address of an earlier pod leads nowhere.
        if let (Some(said), true) = (said, pass.pods.get(&node).map(|pod| pod.uid) == now) {
            pass.said.insert(node, said);
        }
    }

    /// It has asked all nodes.
    fn heard(&mut self, at: usize) {
        let (now, canary) = (self.now(), self.bug());
        let second = self.election() / 1_000;
        let Operator { pass: Some(pass), memory, .. } = &mut self.operators[at] else { return };
        let ours = pass.cluster.object.status.recorded.cluster_id.clone();
        let leads = |(node, said): (&NodeId, &Said)| {
            let (term, _) = said.leads.as_ref().filter(|_| said.report.cluster_id == ours)?;
            Some((*term, *node))
        };
        pass.leader = pass.said.iter().filter_map(leads).max().map(|(_, node)| node);
        let view = pass.leader.and_then(|node| pass.said[&node].leads.clone()).map(|(_, view)| view);
        pass.view = view.filter(|view| Some(view.leader) == pass.leader);
        if let Some(view) = &mut pass.view {
            for member in &mut view.members {
                if member.answers {
                    memory.silent_since.remove(&member.node);
                } else {
                    let since = *memory.silent_since.entry(member.node).or_insert(now);
                    member.silent_millis = member.silent_millis.max((now - since) / second);
                }
            }
            memory.leader_seen = Some(now);
        }
        pass.leaderless = (now - *memory.leader_seen.get_or_insert(now)) / second;
        if canary == Some(Bug::OldMemberList) {
            pass.view = memory.aged(pass.view.take());
            pass.cluster.object.status.recorded.configuration_at = planner::Position::default();
        }
        if canary == Some(Bug::ForgetsRemoved)
            && let Some(view) = &pass.view
        {
            let gone = pass.claims.keys().filter(|node| {
                view.reserved != Some(**node) && view.members.iter().all(|member| member.node != **node)
            });
            memory.removed.extend(gone);
            pass.removed = memory.removed.clone();
        }
        let (leaderless, written) = (pass.view.is_none(), memory.written);
        self.coverage.hit_if(leaderless, Mark::Leaderless);
        let Some(pass) = self.operators[at].pass.clone() else { return };
        let planned = plan(&self.observed(&pass, &pass.cluster.object));
        let again = planned.action.is_some() || written != Some(pass.cluster.version);
        self.planned(at, planned);
        if again && canary != Some(Bug::WritesBlindly) {
            self.next_step(at, 1, Step::ReadAgain);
        } else {
            self.carry_out(at);
        }
    }

    fn planned(&mut self, at: usize, planned: Plan) {
        let (action, doing) = (planned.action.is_some(), planned.doing.join("; "));
        self.note([12, at as u64, u64::from(action)], || {
            format!("operator {at} plans {:?} ({doing})", planned.action)
        });
        if let Some(pass) = &mut self.operators[at].pass {
            pass.plan = Some(planned);
        }
    }

    fn read_again(&mut self, at: usize) {
        if self.away_until > self.now() {
            return self.fail(at, "the API server is away");
        }
        let live = self.clusters.list()[&CLUSTER].clone();
        let Some(pass) = &mut self.operators[at].pass else { return };
        let changed = pass.cluster.version != live.version;
        pass.cluster = live;
        if changed {
            let pass = pass.clone();
            let planned = plan(&self.observed(&pass, &pass.cluster.object));
            self.planned(at, planned);
        }
        self.carry_out(at);
    }

    /// It writes the status if it differs, and then acts.
    fn carry_out(&mut self, at: usize) {
        let drawn = self.rng.next();
        let canary = self.bug();
        let Some(pass) = &mut self.operators[at].pass else { return };
        let Some(planned) = &pass.plan else { return };
        let mut wanted = pass.cluster.object.status.clone();
        wanted.conditions.clone_from(&planned.conditions);
        let waits = canary == Some(Bug::SettledTooSoon) && planned.action.is_none();
        if planned.settled || waits {
            wanted.settled = pass.cluster.object.generation;
        }
        if let Some(view) = &pass.view
            && view.committed
            && view.configuration_at.index >= wanted.recorded.configuration_at.index
        {
            let voters = view.members.iter().filter(|member| member.role == planner::Role::Voter);
            wanted.recorded.voters = voters.map(|member| member.node).collect();
            wanted.recorded.configuration_at = view.configuration_at;
        }
        if let Some(action) = &planned.action {
            record(&mut wanted.recorded, action, drawn);
        }
        let action = planned.action.clone();
        if wanted == pass.cluster.object.status && canary != Some(Bug::WritesAtRest) {
            self.operators[at].memory.written = Some(pass.cluster.version);
            return self.act_or_end(at, action);
        }
        pass.then = action;
        let blind = canary == Some(Bug::WritesBlindly);
        let over = (!blind).then_some((pass.cluster.uid, pass.cluster.version));
        pass.cluster.object.status = wanted.clone();
        self.send(at, Write::Status(over, Box::new(wanted)));
    }

    fn act_or_end(&mut self, at: usize, action: Option<Action>) {
        match action {
            Some(action) => self.next_step(at, 1, Step::Act(action)),
            None => self.end_pass(at),
        }
    }

    /// It hears what became of its call.
    fn told(&mut self, at: usize, number: u64, result: Result<u64, &'static str>) {
        if !self.waits_for(at, number) {
            return;
        }
        if self.crashes(at, Mark::CrashUnseen) {
            return;
        }
        let version = match result {
            Ok(version) => version,
            Err(error) => return self.fail(at, error),
        };
        let Some(pass) = &mut self.operators[at].pass else { return };
        pass.waits_for = None;
        match pass.then.take() {
            Some(action) => {
                pass.cluster.version = version;
                self.operators[at].memory.written = Some(version);
                self.next_step(at, 1, Step::Act(action));
            }
            None => self.end_pass(at),
        }
    }

    /// The next pass is due after a while.
    pub(super) fn end_pass(&mut self, at: usize) {
        let election = self.election();
        let plan = self.operators[at].pass.take().and_then(|pass| pass.plan);
        let doing = plan.as_ref().map(|plan| plan.doing.clone()).unwrap_or_default();
        if doing != self.operators[at].memory.doing.0 {
            self.operators[at].memory.doing = (doing, self.now());
        }
        let due = match plan {
            Some(plan) if plan.action.is_some() => election / 10,
            Some(plan) if plan.doing.is_empty() => election * 2,
            _ => election / 2,
        };
        self.next_step(at, due, Step::Look);
    }

    /// The pass ended early: the next begins anew.
    pub(super) fn fail(&mut self, at: usize, why: &'static str) {
        self.note([13, at as u64, 0], || format!("operator {at} fails: {why}"));
        self.operators[at].pass = None;
        if self.bug() == Some(Bug::GivesUp) && !self.heals() {
            return;
        }
        let due = self.election() / 2;
        self.next_step(at, due, Step::Look);
    }

    /// Whether it crashes here.
    fn crashes(&mut self, at: usize, mark: Mark) -> bool {
        let crashes = !self.heals() && self.rng.per_mille(self.draw.crashes);
        if crashes {
            self.hit(mark);
            self.crash(at);
        }
        crashes
    }

    /// Sends a write to the API server, if it may.
    pub(super) fn send(&mut self, at: usize, write: Write) {
        self.issue(at, |process, number| Event::Write(process, number, write));
    }

    /// Sends something that changes something, if it may.
    pub(super) fn issue(&mut self, at: usize, event: impl FnOnce(Process, u64) -> Event) {
        if self.operators[at].held_until <= self.now() {
            self.hit(Mark::NotHeld);
            return self.fail(at, "the lease is not held");
        }
        if self.crashes(at, Mark::CrashBefore) {
            return;
        }
        let (process, patience) = (self.process(at), self.election() * ANSWER);
        self.operators[at].calls += 1;
        let number = self.operators[at].calls;
        if let Some(pass) = &mut self.operators[at].pass {
            pass.waits_for = Some(number);
        }
        self.later(patience, 1, Event::Step(process, Step::GiveUp(number)));
        let event = event(process, number);
        self.calls_under_way += usize::from(matches!(event, Event::Call(..)));
        let delay = self.draw.delay;
        self.later(1, delay, event);
        self.crashes(at, Mark::CrashDuring);
    }
}

impl Memory {
    /// What it believes that has not looked at the list for a while.
    fn aged(&mut self, view: Option<LeaderView>) -> Option<LeaderView> {
        let view = view?;
        match &mut self.old_view {
            Some((looks, old)) if *looks < 30 => {
                *looks += 1;
                let mut old = old.clone();
                // What it does to members goes to the present leader.
                (old.leader, old.configuration_at) = (view.leader, view.configuration_at);
                Some(old)
            }
            _ => {
                self.old_view = Some((0, view.clone()));
                Some(view)
            }
        }
    }
}

/// Writes into the status what an action records there.
fn record(recorded: &mut Recorded, action: &Action, drawn: u64) {
    match action {
        Action::RecordClusterId => recorded.cluster_id = Some(planner::ClusterId(format!("{drawn:032x}"))),
        Action::RecordAdoption { cluster_id } => {
            recorded.cluster_id = Some(cluster_id.clone());
            recorded.bootstrapped = true;
        }
        Action::RecordFirst { node, disk } => recorded.first = Some((*node, disk.clone())),
        Action::RecordBootstrapped => recorded.bootstrapped = true,
        Action::RecordAvailable => recorded.became_available = true,
        _ => {}
    }
}
