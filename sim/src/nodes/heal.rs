//! The end of a run: all faults end, and the nodes must recover by themselves.

use raft::Status;

use super::event::Event;
use super::world::World;
use crate::host::Condition;
use crate::network::Weather;
use crate::world::Violation;

/// Elections that recovery may take.
const PATIENCE: u64 = 120;
/// The same where somebody outside has more to do than the operator.
const LONG_PATIENCE: u64 = 800;
/// Requests that each client must get answered after the faults.
const PROGRESS: u64 = 3;

/// How far recovery is.
#[derive(Clone, Debug)]
pub struct Healing {
    deadline: u64,
    /// By client, requests answered when the faults ended.
    done_before: Vec<u64>,
    /// Clients have stopped; replicas must become equal.
    settling: bool,
}

impl World {
    /// All faults end; whatever is down starts.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.trace.note(self.now, [19, 0, 0, 0], || "all faults end".to_owned());
        self.net.heal();
        self.net.weather = Weather { loss: 0, duplicate: 0, reorder: 0, straggle: 0, ..self.plan.weather };
        let done_before = self.clients.iter().map(|client| client.done()).collect();
        let patience = if self.outside.is_some() { LONG_PATIENCE } else { PATIENCE };
        let deadline = self.now + self.plan.election * patience;
        self.healing = Some(Healing { deadline, done_before, settling: false });
        self.operator.settle();
        self.clients.iter_mut().for_each(super::client::Client::unpin);
        self.free_space()?;
        for host in 0..self.hosts.len() {
            let state = &mut self.hosts[host];
            state.armed = None;
            (state.stalled_until, state.slow_until) = (self.now, self.now);
            state.checkpoint = None;
            self.resume(host)?;
            self.boot(host)?;
        }
        self.queue.push(self.now + self.plan.election, Event::CheckHealed);
        Ok(())
    }

    /// Is everything well again?
    pub(super) fn check_healed(&mut self) -> Result<(), Violation> {
        let Some(mut healing) = self.healing.take() else { return Ok(()) };
        let trouble = if healing.settling { self.unsettled() } else { self.unwell(&healing) };
        match trouble {
            None if healing.settling => self.done = true,
            None => {
                healing.settling = true;
                self.clients.iter_mut().for_each(super::client::Client::stop);
            }
            Some(trouble) if self.now > healing.deadline => {
                let since = self.plan.end / self.plan.election;
                let late = self.now / self.plan.election - since;
                let detail = format!("{late} election timeouts after the last fault, {trouble}");
                return Err(Violation::new("liveness", detail));
            }
            Some(_) => {}
        }
        self.healing = Some(healing);
        self.queue.push(self.now + self.plan.election / 2, Event::CheckHealed);
        Ok(())
    }

    /// What is missing before clients may stop.
    fn unwell(&self, healing: &Healing) -> Option<String> {
        let Some((_, leader)) = self.leader() else { return Some("there is no leader".to_owned()) };
        if self.operator.is_busy() || leader.configuration_at.index > leader.commit {
            return Some("a membership change does not end".to_owned());
        }
        let mut members = leader.configuration.members.iter();
        if let Some((node, _)) = members.find(|(node, member)| self.is_gone(**node, member.disk)) {
            return Some(format!("{node:?}, whose disk is gone, is still a member"));
        }
        let stuck = self.clients.iter().zip(&healing.done_before);
        let stuck = stuck.enumerate().find(|(_, (client, before))| client.done() < *before + PROGRESS);
        stuck.map(|(client, _)| format!("client {client} cannot get {PROGRESS} requests answered"))
    }

    /// What is missing before the run is over: every member holds everything.
    fn unsettled(&self) -> Option<String> {
        if let Some(client) = self.clients.iter().position(|client| !client.is_idle()) {
            return Some(format!("client {client} waits for an answer"));
        }
        let Some((_, leader)) = self.leader() else { return Some("there is no leader".to_owned()) };
        let trouble = match &self.outside {
            Some(outside) => outside.trouble.clone(),
            None => self.wrong_size(&leader),
        };
        trouble.or_else(|| self.behind(&leader))
    }

    /// What is missing for the size that was asked for, as far as there are hosts.
    fn wrong_size(&self, leader: &Status) -> Option<String> {
        let (voters, members) = (leader.configuration.voters().count(), leader.configuration.members.len());
        let (want_voters, want_learners) = self.operator.wanted();
        let learner_waits = voters < want_voters && members > voters;
        let host_waits = members < want_voters + want_learners && self.spare_host().is_some();
        let too_many = voters > want_voters && members >= want_voters + want_learners;
        (learner_waits || host_waits || too_many).then(|| {
            format!("{voters} voters of {members} members, not {want_voters} and {want_learners} learners")
        })
    }

    fn behind(&self, leader: &Status) -> Option<String> {
        if leader.applied < leader.last.index {
            return Some(format!("{:?} does not commit and apply {:?}", leader.node, leader.last));
        }
        leader.configuration.members.keys().find_map(|node| {
            let Some(host) = self.address.get(node).copied() else {
                return Some(format!("{node:?} is nowhere"));
            };
            let fine = self.hosts[host].up && self.hosts[host].condition == Condition::Fine;
            let applied = self.applied(host);
            (!fine || applied < leader.last.index)
                .then(|| format!("{node:?} has applied {applied:?} of {:?}", leader.last))
        })
    }
}
