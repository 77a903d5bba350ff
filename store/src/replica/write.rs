//! The leader's requests: evaluated, proposed once, and awaited; or answered when that is safe.

use raft::{LogIndex, LogPosition};

use super::awaited::Awaits;
use super::error::{SHORT_MILLIS, StoreFault, not_proposed, refusal};
use super::host::{Gathered, Host};
use super::leadership::ready;
use super::read::{Answer, Waiting};
use super::request::{Reply, Request, Token};
use super::{Replica, RequestError};
use crate::canary::{Canary, planted};
use crate::effects::{ClusterVersion, Effects};
use crate::engine::Engine;
use crate::range::{Evaluated, Evaluator, Proposal, RangeError};
use crate::request::{Operation, Write};
use crate::timestamp::MedianClock;

/// Why nothing is proposed.
#[derive(Debug)]
pub(super) enum Refused {
    /// Whatever the state is.
    AtOnce(RequestError),
    /// By what the state is, as far as this leader knows: another one may lead by now, and what is in flight
    /// may be lost.
    ByState(RequestError),
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Refused::AtOnce(error)
    }
}

impl Replica {
    /// Takes a request; the answer comes in `out`, now or later.
    ///
    /// # Errors
    /// The process must stop.
    pub fn request<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        token: Token,
        request: Request,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        self.follow_role(host, out);
        let refused = match request {
            Request::Read(read) => return self.read(host, token, read, out),
            Request::Write(write) => self.write(host, token, write, out)?,
            Request::OpenSession => self
                .evaluate(host, |evaluator, clock| evaluator.open_session(clock).map(Some))?
                .and_then(|proposal| self.propose(host, proposal, Some(Awaits::Session(token)))),
            Request::Hold { timestamp, duration } => self
                .evaluate(host, |evaluator, clock| evaluator.hold(timestamp, duration, clock).map(Some))?
                .and_then(|proposal| self.propose(host, proposal, Some(Awaits::Hold(token)))),
            Request::ReleaseHold { id } => {
                let proposal = self.evaluate(host, |evaluator, clock| evaluator.release_hold(id, clock))?;
                proposal.and_then(|proposal| self.propose_or_answer(host, token, proposal))
            }
            Request::SetClusterVersion { version } => {
                let proposal =
                    self.evaluate(host, |evaluator, clock| evaluator.set_cluster_version(version, clock))?;
                let proposal = proposal.and_then(|proposal| {
                    self.check_version(host, version)?;
                    Ok(proposal)
                });
                proposal.and_then(|proposal| self.propose_or_answer(host, token, proposal))
            }
        };
        if let Err(refused) = refused {
            self.refuse(host, token, refused, out);
        }
        Ok(())
    }

    /// A refusal that shows state waits as every answer does that shows it.
    pub(super) fn refuse<L, E>(
        &mut self,
        host: &Host<'_, L, E>,
        token: Token,
        refused: Refused,
        out: &mut Gathered,
    ) {
        let refused = match refused {
            Refused::AtOnce(error) => Err(error),
            Refused::ByState(error) => {
                let on = self.raft.last_position().index;
                self.confirm(host, Waiting::Answer(Answer { token, answer: Err(error), on }))
            }
        };
        if let Err(error) = refused {
            out.refuse(token, error);
        }
    }

    fn write<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        token: Token,
        write: Write,
        out: &mut Gathered,
    ) -> Result<Result<(), Refused>, StoreFault> {
        let puts = write.operations.iter().any(|operation| matches!(operation, Operation::Put { .. }));
        let evaluated = self.evaluate(host, |evaluator, clock| evaluator.write(write, clock))?;
        Ok(evaluated.and_then(|evaluated| match evaluated {
            Evaluated::Propose(proposal) => {
                if puts {
                    self.check_space(host)?;
                }
                self.propose(host, Some(proposal), Some(Awaits::Write(token)))
            }
            Evaluated::Answer { outcome, depends } => {
                let on = if planted(Canary::ConditionBeforeApplied) { LogIndex::ZERO } else { depends.on };
                let answer = Answer { token, answer: Ok(Reply::Write(outcome)), on };
                if planted(Canary::ConditionOnUncommitted) || planted(Canary::ConditionWithoutConfirmation) {
                    self.answer_unconfirmed(answer, out);
                    return Ok(());
                }
                Ok(self.confirm(host, Waiting::Answer(answer))?)
            }
        }))
    }

    /// What needs space is refused where a majority may be short of it; what frees space is not.
    fn check_space<L, E>(&self, host: &Host<'_, L, E>) -> Result<(), RequestError> {
        let window = host.settings.raft.election_timeout;
        match host.peers.short_of_space(host.now, &self.configuration, window) {
            Some(nodes) => Err(RequestError::DiskReserve { nodes }),
            None => Ok(()),
        }
    }

    /// A member that does not understand a version would have to stop.
    fn check_version<L, E>(
        &self,
        host: &Host<'_, L, E>,
        version: ClusterVersion,
    ) -> Result<(), RequestError> {
        let without = host.peers.without_version(host.now, &self.configuration, version);
        if without.is_empty() {
            return Ok(());
        }
        let what =
            format!("cluster version {} is not reported by {without:?}: upgrade them first", version.0);
        Err(RequestError::Invalid { what })
    }

    /// Evaluates on what is applied and in flight; refused if this replica cannot.
    pub(super) fn evaluate<L, E: Engine, T>(
        &mut self,
        host: &Host<'_, L, E>,
        call: impl FnOnce(&Evaluator<'_, E>, &mut MedianClock) -> Result<T, RangeError>,
    ) -> Result<Result<T, Refused>, StoreFault> {
        let Self { state, leadership, .. } = self;
        let (overlay, clock) = match ready(leadership.as_mut(), host, &self.configuration) {
            Some(ready) => ready,
            None => return Ok(Err(self.not_ready().into())),
        };
        let (engine, limits) = (host.engine, &host.settings.limits);
        Ok(match call(&Evaluator { state, overlay, engine, limits }, clock) {
            Ok(evaluated) => Ok(evaluated),
            Err(error) => Err(match refusal(error)? {
                error @ RequestError::Busy { .. } => Refused::AtOnce(error),
                error => Refused::ByState(error),
            }),
        })
    }

    /// Proposes what was just evaluated, if it is anything. Until the log has accepted it, nothing else is
    /// evaluated; what the log refuses never was.
    pub(super) fn propose<L, E>(
        &mut self,
        host: &Host<'_, L, E>,
        proposal: Option<Proposal>,
        awaits: Option<Awaits>,
    ) -> Result<(), Refused> {
        let Some(Proposal { effects, entry }) = proposal else { return Ok(()) };
        if awaits.is_some() && self.awaited.len() >= host.settings.waiting {
            let what = "the list of waiting writes is full";
            return Err(RequestError::Busy { what, delay_millis: SHORT_MILLIS }.into());
        }
        let position = self.raft.propose(host.now.time, entry).map_err(not_proposed)?;
        self.accept(position, effects);
        if let Some(awaits) = awaits {
            self.awaited.add(position, awaits);
        }
        Ok(())
    }

    fn accept(&mut self, position: LogPosition, effects: Effects) {
        if let Some(overlay) = self.leadership.as_mut().and_then(|leadership| leadership.overlay.as_mut()) {
            overlay.accept(&self.state, position, effects);
        }
    }

    /// What there was nothing to propose for is so already, or will be when what is in flight is applied.
    fn propose_or_answer<L, E>(
        &mut self,
        host: &Host<'_, L, E>,
        token: Token,
        proposal: Option<Proposal>,
    ) -> Result<(), Refused> {
        if proposal.is_some() {
            return self.propose(host, proposal, Some(Awaits::Done(token)));
        }
        let on = self.raft.last_position().index;
        Ok(self.confirm(host, Waiting::Answer(Answer { token, answer: Ok(Reply::Done), on }))?)
    }
}
