//! One group: its committed log, its elections, its replicas.

use std::collections::BTreeMap;

use raft::{LogPosition, NodeId, RoleKind, Status, Term};

use super::Breach;
use super::apply::Hashes;
use super::election::Elections;
use super::ledger::Ledger;
use super::replica::Replica;

/// All that was seen of a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) ledger: Ledger,
    pub(super) elections: Elections,
    pub(super) replicas: BTreeMap<NodeId, Replica>,
    pub(super) hashes: Hashes,
    /// What a leader committed in this event, and no quorum was found for yet.
    pub(super) unproven: Option<(NodeId, LogPosition)>,
}

impl Group {
    /// A replica that runs.
    pub(super) fn running(&mut self, node: NodeId) -> Result<&mut Replica, Breach> {
        match self.replicas.get_mut(&node) {
            Some(replica) if replica.boot.is_some() => Ok(replica),
            _ => Err(Breach::new("only what runs acts", "this replica does not run".to_owned())),
        }
    }

    /// Someone showed that `at` is committed by the leader of `term`.
    pub(super) fn decide(&mut self, at: LogPosition, term: Term) -> Result<(), Breach> {
        if self.ledger.decide(at, term)? {
            self.elections.check_late(&self.ledger, at, term)?;
        }
        Ok(())
    }

    /// What a replica shows of itself at the end of an event.
    pub(super) fn status(&mut self, node: NodeId, real_now_ns: u64, status: &Status) -> Result<(), Breach> {
        self.check_shown(node, status)?;
        if status.role == RoleKind::Leader {
            self.office(node, status.term)?;
        }
        self.check_commit(node, status)?;
        self.check_applied(node, status)?;
        self.check_configuration(node, status)?;
        if status.lease {
            self.check_lease(node, real_now_ns, status)?;
        }
        let replica = self.running(node)?;
        replica.lost |= status.role == RoleKind::LostDisk;
        if status.role != RoleKind::Leader {
            replica.office = None;
        }
        Ok(())
    }

    /// What a replica shows is what it wrote or is writing.
    fn check_shown(&mut self, node: NodeId, status: &Status) -> Result<(), Breach> {
        let replica = self.running(node)?;
        let hard = replica.hard_submitted;
        // Everything that must survive a crash is on its way to the disk when the event is over.
        must!(
            (hard.term, hard.vote) == (status.term, status.vote),
            "memory is written",
            "in term {:?} with vote {:?}, but wrote {hard:?}",
            status.term,
            status.vote
        );
        must!(
            status.last == replica.accepted.last() && status.base == replica.accepted.base(),
            "memory is written",
            "its log is {:?} to {:?}, but it wrote {:?} to {:?}",
            status.base,
            status.last,
            replica.accepted.base(),
            replica.accepted.last()
        );
        // What it takes for durable is durable, as it is in memory (design §3; "ABA").
        let persisted = status.persisted;
        must!(
            persisted < replica.accepted.base().index
                || replica.accepted.chain(persisted) == replica.durable.chain(persisted),
            "persisted is durable",
            "it takes index {persisted} for durable; on disk the log ends with {:?}, in memory index \
             {persisted} is of {:?}, on disk of {:?}",
            replica.durable.last(),
            replica.accepted.term(persisted),
            replica.durable.term(persisted)
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, breaks, noop};
    use raft::{LogIndex, NodeId, Term};

    #[test]
    fn a_replica_that_does_not_run_does_nothing() {
        let mut stage = Stage::led();
        stage.stop(2);
        let status = stage.leader_status();
        breaks(stage.show(2, &status), "only what runs acts");
    }

    #[test]
    fn what_is_only_in_memory_is_seen() {
        let stage = Stage::led();
        let status = stage.leader_status();
        for wrong in 0..4 {
            let (mut stage, mut status) = (stage.clone(), status.clone());
            match wrong {
                0 => status.term = Term(3),
                1 => status.vote = Some(NodeId(2)),
                2 => status.last.index = LogIndex(9),
                _ => status.base.index = LogIndex(1),
            }
            breaks(stage.show(1, &status), "memory is written");
        }
    }

    #[test]
    fn persisted_is_compared_with_the_disk() {
        let mut stage = Stage::led();
        // Entry 3 of term 2 is durable at node 3; a newer leader replaces it, which is not durable yet.
        stage.write(3, None, &[noop(3, 2)]);
        let hard = stage.hard(3, None);
        stage.submit(3, Some(hard), Some(3), &[noop(3, 3)]).unwrap();
        let mut status = stage.follower_status(3);
        status.persisted = LogIndex(2);
        stage.show(3, &status).unwrap();
        status.persisted = LogIndex(3);
        breaks(stage.show(3, &status), "persisted is durable");
    }
}
