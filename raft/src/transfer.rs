//! Handing leadership over (§3.10).

use crate::error::TransferError;
use crate::message::{Body, TimeoutNow};
use crate::raft::{Raft, Role};
use crate::types::{NodeId, Time};

/// A transfer under way; proposals are refused meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) to: NodeId,
    /// Given up then.
    pub(crate) deadline: Time,
}

impl Raft {
    /// Hands leadership to `to`: it is brought up to date, then told to campaign. Given up after an election
    /// timeout; watch the status for the outcome.
    ///
    /// # Errors
    /// Nothing was started.
    pub fn transfer_leadership(&mut self, now: Time, to: NodeId) -> Result<(), TransferError> {
        self.advance(now);
        let (now, timeout, me) = (self.now, self.settings.election_timeout, self.me.peer.node);
        let uncommitted = self.uncommitted_change();
        let leader_node = self.known_leader();
        let Role::Leader(leader) = &mut self.role else {
            return Err(TransferError::NotLeader { leader: leader_node });
        };
        if to == me {
            return Ok(());
        }
        if let Some(transfer) = &leader.transfer {
            let to_the_same = transfer.to == to;
            return if to_the_same { Ok(()) } else { Err(TransferError::Transferring { to: transfer.to }) };
        }
        if let Some(at) = uncommitted {
            return Err(TransferError::ChangeInProgress { at });
        }
        let Some(progress) = leader.progress_of(to).filter(|p| p.voter) else {
            return Err(TransferError::NotVoter { node: to });
        };
        if !progress.answered_within(now, timeout) {
            return Err(TransferError::Silent { node: to });
        }
        leader.transfer = Some(Transfer { to, deadline: now + timeout });
        leader.replicate_due = true;
        self.push_transfer();
        Ok(())
    }

    /// An ack came from `node`.
    pub(crate) fn push_transfer_if_caught_up(&mut self, node: NodeId) {
        if let Role::Leader(leader) = &self.role
            && leader.transfer.as_ref().is_some_and(|transfer| transfer.to == node)
        {
            self.push_transfer();
        }
    }

    /// Tells the target to campaign once it holds the whole log; again with every heartbeat, for the message
    /// may be lost.
    pub(crate) fn push_transfer(&mut self) {
        let last = self.log.last().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(to) = leader.transfer.as_ref().map(|transfer| transfer.to) else { return };
        match leader.progress_of(to) {
            Some(progress) if progress.voter && progress.matched == last => self.send_timeout_now(to),
            Some(progress) if progress.voter => {}
            _ => leader.transfer = None,
        }
    }

    /// The forced vote ignores promises, so from here on the lease is gone, whatever becomes of it (§6.4.1).
    pub(crate) fn send_timeout_now(&mut self, to: NodeId) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.timeout_now_sent = true;
        let Some(progress) = leader.progress_of(to) else { return };
        let (target, replica) = (progress.target, progress.replica);
        self.counters.transfers_sent += 1;
        self.send(target, replica, self.term(), Body::TimeoutNow(TimeoutNow));
    }
}
