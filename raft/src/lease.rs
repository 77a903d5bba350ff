//! The leader's lease: promises of a majority, counted from when it asked (§6.4.1).

use std::time::Duration;

use crate::canary::Canary;
use crate::progress::Progress;
use crate::quorum::reached_by_majority;
use crate::raft::{Leader, Raft, Role};
use crate::types::{LogIndex, NodeId, Round, Time};

/// Rounds whose send time is remembered; acks of older ones extend nothing.
const MAX_ROUNDS: usize = 64;

/// When each recent round of heartbeats was sent.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Rounds {
    latest: Round,
    /// Acks of rounds before this extend no lease: the clock jumped after them.
    lease_from: Round,
    /// By round, modulo their number.
    sent: [Time; MAX_ROUNDS],
}

fn place_of(round: Round) -> usize {
    round.0 as usize % MAX_ROUNDS
}

impl Rounds {
    /// Before the first.
    pub(crate) fn new() -> Self {
        Self { latest: Round(0), sent: [Time::ZERO; MAX_ROUNDS], lease_from: Round(1) }
    }

    pub(crate) fn latest(&self) -> Round {
        self.latest
    }

    pub(crate) fn begin(&mut self, now: Time) -> Round {
        self.latest = Round(self.latest.0 + 1);
        self.sent[place_of(self.latest)] = now;
        self.latest
    }

    fn sent_at(&self, round: Round) -> Option<Time> {
        let known = round >= self.lease_from && round <= self.latest;
        let recent = self.latest.0.saturating_sub(round.0) < MAX_ROUNDS as u64;
        (known && recent).then_some(self.sent[place_of(round)])
    }
}

impl Leader {
    /// The majority's value of something that each voter of the configuration in force reached; `own` counts
    /// only if this leader votes.
    pub(crate) fn majority<T: Ord + Copy + Default>(
        &self,
        own: T,
        of: impl Fn(&Progress) -> T,
        count: impl Fn(&Progress) -> bool,
    ) -> T {
        reached_by_majority(
            self.votes.then_some(own).into_iter().chain(self.progress.iter().filter(|p| count(p)).map(&of)),
        )
    }

    /// When the promises of a majority of the voters in force end.
    pub(crate) fn lease_until(&self) -> Time {
        self.majority(Time::from_nanos(u64::MAX), |p| p.promised_until, |p| p.voter)
    }

    /// A follower promised something in answer to `round`.
    pub(crate) fn promised(&mut self, node: NodeId, round: Round, usable: Duration, from_ack: Option<Time>) {
        let Some(sent) = self.rounds.sent_at(round) else { return };
        if let Some(progress) = self.progress.iter_mut().find(|p| p.node == node)
            && !usable.is_zero()
        {
            let until = from_ack.unwrap_or(sent) + usable;
            progress.promised_until = progress.promised_until.max(until);
        }
    }
}

impl Raft {
    /// The wall clock and the monotonic clock moved apart: whatever the monotonic clock says of the past is in
    /// doubt, so the lease is void until a later round of heartbeats.
    pub fn clock_jumped(&mut self, now: Time) {
        self.advance(now);
        self.counters.clock_jumps += 1;
        if let Role::Leader(leader) = &mut self.role {
            leader.rounds.lease_from = Round(leader.rounds.latest.0 + 1);
            for progress in &mut leader.progress {
                progress.promised_until = Time::ZERO;
            }
        }
    }

    /// Whether a read that arrived before `now` may be served without a round.
    pub(crate) fn lease_holds_at(&self, now: Time) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let own_term_applied = self.applied >= leader.term_start || self.planted(Canary::LeaseBeforeNoop);
        let relinquished = leader.timeout_now_sent && !self.planted(Canary::LeaseAfterTransfer);
        !self.settings.asked_promise().is_zero()
            && own_term_applied
            && !relinquished
            && leader.lease_until() > self.now.max(now)
    }

    /// What a read by the lease must see: everything committed when it arrived. Followers may have shown it
    /// already.
    pub(crate) fn lease_read_index(&self) -> Option<LogIndex> {
        self.lease_holds_at(self.now).then_some(self.commit)
    }
}
