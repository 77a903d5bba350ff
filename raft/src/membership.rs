//! Changes of the members, one server at a time, in force from the moment they are in the log (§4.1).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::canary::Canary;
use crate::configuration::{Change, Configuration};
use crate::entry::Payload;
use crate::error::ChangeError;
use crate::log::MAX_CONFIGURATIONS;
use crate::output::ChangeResult;
use crate::progress::Progress;
use crate::quorum::is_majority;
use crate::raft::{Leader, Raft, Role};
use crate::types::{LogIndex, LogPosition, NodeId, Time};

/// The most changes in one call.
const MAX_CHANGES: usize = 16;

/// A call under way: its changes run back to back, each after the one before is committed.
#[derive(Clone, Debug)]
pub(crate) struct ChangeCall {
    token: u64,
    rest: VecDeque<Change>,
    committed: usize,
    /// The entry of the change under way.
    waiting: Option<LogIndex>,
}

impl ChangeCall {
    /// The end that a call has when leadership ends.
    pub(crate) fn lost(&self) -> ChangeResult {
        let (token, committed) = (self.token, self.committed);
        ChangeResult { token, committed, error: Some(ChangeError::LeadershipLost), configuration: None }
    }
}

impl Raft {
    /// Changes the members: `changes` are executed back to back. `planned_on` is the committed configuration
    /// that the caller looked at; if another one is in force by now, the call is refused unless its result
    /// already holds. How it ended comes back in [`crate::Output::changes`] with `token`.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn propose_change(
        &mut self,
        now: Time,
        planned_on: LogPosition,
        changes: Vec<Change>,
        token: u64,
    ) -> Result<(), ChangeError> {
        self.advance(now);
        if changes.is_empty() || changes.len() > MAX_CHANGES {
            return Err(ChangeError::BadList { limit: MAX_CHANGES });
        }
        self.check_free_to_change()?;
        let (committed, configuration) = self.log.configuration().clone();
        if planned_on != committed {
            if changes.iter().any(|change| !matches!(configuration.after(*change), Ok(None))) {
                return Err(ChangeError::Fenced { planned: planned_on, committed });
            }
        } else {
            self.check_first(&configuration, &changes)?;
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.change = Some(ChangeCall { token, rest: changes.into(), committed: 0, waiting: None });
        }
        self.advance_change();
        Ok(())
    }

    /// The entry of a configuration that is in force and not committed.
    pub(crate) fn uncommitted_change(&self) -> Option<LogIndex> {
        let at = self.log.configuration().0.index;
        (at > self.commit).then_some(at)
    }

    fn check_free_to_change(&self) -> Result<(), ChangeError> {
        let leader = match &self.role {
            Role::Leader(leader) => leader,
            Role::LostDisk => return Err(ChangeError::LostDisk),
            _ => return Err(ChangeError::NotLeader { leader: self.known_leader() }),
        };
        if let Some(transfer) = &leader.transfer {
            return Err(ChangeError::Transferring { to: transfer.to });
        }
        // Two leaders could otherwise build on the same parent, in disjoint majorities (raft-dev, 2015).
        if self.commit < leader.term_start && !self.planted(Canary::ChangeBeforeNoop) {
            return Err(ChangeError::TermNotCommitted);
        }
        match self.uncommitted_change() {
            Some(at) if !self.planted(Canary::TwoChanges) => Err(ChangeError::InProgress { at }),
            _ => Ok(()),
        }
    }

    /// Refuses a call whose first real change is refused, so that an error means that nothing was done.
    fn check_first(&self, configuration: &Configuration, changes: &[Change]) -> Result<(), ChangeError> {
        for change in changes {
            if let Some(next) = configuration.after(*change)? {
                return self.guard(*change, &next);
            }
        }
        Ok(())
    }

    /// What a change needs beside being possible: nobody is left behind a quorum that is not there.
    fn guard(&self, change: Change, next: &Configuration) -> Result<(), ChangeError> {
        let Role::Leader(leader) = &self.role else {
            return Err(ChangeError::LeadershipLost);
        };
        if self.log.configurations() >= MAX_CONFIGURATIONS {
            return Err(ChangeError::TooManyConfigurations { limit: MAX_CONFIGURATIONS });
        }
        match change {
            Change::Reserve { .. } | Change::AddLearner { .. } => Ok(()),
            Change::Demote { .. } | Change::Remove { .. } => self.guard_quorum(leader, next),
            Change::Promote { node } => {
                self.guard_quorum(leader, next)?;
                let window = self.settings.election_timeout;
                let (last, behind) = (self.log.last().index, self.settings.caught_up_entries);
                let caught_up = leader.progress.iter().find(|p| p.node == node).is_some_and(|p| {
                    p.answered_within(self.now, window) && p.is_caught_up(self.now, last, behind, window)
                });
                if caught_up { Ok(()) } else { Err(ChangeError::NotCaughtUp { node, window }) }
            }
        }
    }

    fn guard_quorum(&self, leader: &Leader, next: &Configuration) -> Result<(), ChangeError> {
        let answers = |node: NodeId| {
            node == self.me.peer.node
                || leader
                    .progress
                    .iter()
                    .any(|p| p.node == node && p.answered_within(self.now, self.settings.election_timeout))
        };
        let voters = next.voters().count();
        let answering = next.voters().filter(|node| answers(*node)).count();
        if is_majority(answering, voters) { Ok(()) } else { Err(ChangeError::NoQuorum { answering, voters }) }
    }

    /// Goes on with the call under way: counts what is committed, appends the next change.
    pub(crate) fn advance_change(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(mut call) = leader.change.take() else { return };
        let result = loop {
            if let Some(at) = call.waiting {
                if at > self.commit {
                    break None;
                }
                call.waiting = None;
                call.committed += 1;
            }
            let Some(change) = call.rest.pop_front() else { break Some(None) };
            if !self.is_voter() && self.uncommitted_change().is_none() {
                // Its own removal or demotion is committed: it is about to leave office.
                break Some(Some(ChangeError::LeadershipLost));
            }
            match self.log.configuration().1.after(change) {
                Ok(None) => call.committed += 1,
                Ok(Some(next)) => match self.guard(change, &next) {
                    Ok(()) => call.waiting = Some(self.append_configuration(next)),
                    Err(error) => break Some(Some(error)),
                },
                Err(error) => break Some(Some(error)),
            }
        };
        match result {
            None => {
                if let Role::Leader(leader) = &mut self.role {
                    leader.change = Some(call);
                }
            }
            Some(error) => {
                let configuration = Some(self.log.configuration_as_of(self.commit).clone());
                let (token, committed) = (call.token, call.committed);
                self.out.add().changes.push(ChangeResult { token, committed, error, configuration });
            }
        }
    }

    fn append_configuration(&mut self, next: Configuration) -> LogIndex {
        let index = self.append_entry(Payload::Configuration(Arc::new(next)));
        self.adopt_configuration();
        // A majority may be there already: a single voter that adds a learner.
        index
    }

    /// Brings the leader's followers in line with the configuration in force.
    fn adopt_configuration(&mut self) {
        let (_, configuration) = self.log.configuration().clone();
        let (me, next) = (self.me.peer.node, self.log.last().index.next());
        let Role::Leader(leader) = &mut self.role else { return };
        leader.votes = configuration.is_voter(me);
        leader.progress.retain(|p| configuration.members.contains_key(&p.node));
        for (node, member) in configuration.members.iter().filter(|(node, _)| **node != me) {
            let voter = configuration.is_voter(*node);
            match leader.progress.iter_mut().find(|p| p.node == *node) {
                Some(progress) => progress.voter = voter,
                None => leader.progress.push(Progress { voter, ..Progress::new(*node, member, next) }),
            }
        }
        leader.progress.sort_by_key(|p| p.node);
        leader.replicate_due = true;
    }

    /// A leader that was removed or demoted leads until that is committed, without counting itself; then it
    /// makes way for the voter that holds most of the log (§4.2.2).
    pub(crate) fn step_down_if_not_voter(&mut self) {
        if self.is_voter() || self.uncommitted_change().is_some() {
            return;
        }
        // Tell everyone the commit index while we still may.
        self.replicate();
        let Role::Leader(leader) = &self.role else { return };
        let recent = |p: &&Progress| p.answered_within(self.now, self.settings.election_timeout);
        let has_all = |p: &&Progress| p.voter && p.matched >= self.commit;
        let best = leader.progress.iter().filter(has_all).filter(recent).max_by_key(|p| p.matched);
        if let Some(node) = best.map(|p| p.node) {
            self.send_timeout_now(node);
        }
        // A majority holds by now what only this replica held.
        self.holds_more = false;
        self.become_follower(self.term());
    }
}
