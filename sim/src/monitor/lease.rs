//! Leases and read indexes (§6.4).

use raft::{LogIndex, NodeId, ReadId, ReadReply, Status};

use super::Breach;
use super::group::Group;

/// Read requests that are remembered, for each boot.
const REMEMBERED_READS: usize = 256;

impl Group {
    /// A leader shows a lease.
    pub(super) fn check_lease(
        &mut self,
        node: NodeId,
        real_now_ns: u64,
        status: &Status,
    ) -> Result<(), Breach> {
        self.check_newest(node, real_now_ns)?;
        let replica = self.running(node)?;
        let term = status.term;
        must!(replica.office == Some(term), "a lease is a leader's", "a lease in {term:?} without office");
        must!(
            replica.accepted.term(status.applied) == Some(term),
            "a lease needs an applied entry of its term",
            "a lease in {term:?}, and {:?} is applied, of {:?}",
            status.applied,
            replica.accepted.term(status.applied)
        );
        // The forced vote that TimeoutNow starts does not wait for promises (§6.4.1).
        must!(
            replica.handed_over_in != Some(term),
            "no lease after TimeoutNow",
            "a lease in {term:?}, in which TimeoutNow was sent"
        );
        Ok(())
    }

    /// While one leader's lease holds, nobody else can have been elected.
    fn check_newest(&self, node: NodeId, real_now_ns: u64) -> Result<(), Breach> {
        let office = self.replicas.get(&node).and_then(|replica| replica.office);
        let newest = self.elections.newest();
        must!(
            office.is_some() && office == newest,
            "leases never overlap",
            "at {real_now_ns} ns {node:?} has a lease as the leader of {office:?}; {newest:?} has a leader"
        );
        Ok(())
    }

    /// All leases at one instant.
    pub(super) fn lease_check(&mut self, real_now_ns: u64, leases: &[(NodeId, bool)]) -> Result<(), Breach> {
        let mut holder = None;
        for (node, _) in leases.iter().filter(|(_, lease)| *lease) {
            must!(
                holder.is_none(),
                "leases never overlap",
                "at {real_now_ns} ns {node:?} and {holder:?} would both serve a read by their lease"
            );
            holder = Some(*node);
            self.check_newest(*node, real_now_ns)?;
        }
        Ok(())
    }

    /// A follower asks for a read index: it must cover all that is committed by now.
    pub(super) fn read_asked(&mut self, node: NodeId, id: ReadId) -> Result<(), Breach> {
        let committed = self.ledger.last();
        let replica = self.running(node)?;
        replica.reads.insert(id, committed);
        if replica.reads.len() > REMEMBERED_READS {
            replica.reads.pop_first();
        }
        Ok(())
    }

    /// A read index is given.
    pub(super) fn check_read(&self, to: NodeId, reply: &ReadReply) -> Result<(), Breach> {
        let Some(index) = reply.index else { return Ok(()) };
        let asked = self.replicas.get(&to).filter(|replica| replica.boot == Some(reply.to_boot));
        let committed = asked.and_then(|replica| replica.reads.get(&reply.id)).copied();
        must!(
            index >= committed.unwrap_or(LogIndex::ZERO),
            "a read sees what was committed before",
            "{to:?} gets read index {index:?} for {:?}; when it asked, {committed:?} was committed",
            reply.id
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, boot, breaks, command, noop};
    use super::*;
    use raft::{Body, ReadRequest, RoleKind, TimeoutNow};

    /// Node 1 leads and may have a lease.
    fn scene() -> (Stage, Status) {
        let mut stage = Stage::led();
        let mut status = stage.leader_status();
        (status.applied, status.lease) = (LogIndex(2), true);
        stage.group.applied(NodeId(1), &Stage::first_entry()).unwrap();
        stage.group.applied(NodeId(1), &noop(2, 2)).unwrap();
        (stage, status)
    }

    #[test]
    fn a_lease_needs_office_and_an_applied_entry_of_the_term() {
        let (mut stage, mut status) = scene();
        stage.show(1, &status).unwrap();
        status.applied = LogIndex(1);
        breaks(stage.show(1, &status), "a lease needs an applied entry of its term");
        let mut status = stage.follower_status(2);
        status.lease = true;
        breaks(stage.show(2, &status), "leases never overlap");
    }

    #[test]
    fn timeout_now_ends_the_lease() {
        let (mut stage, status) = scene();
        stage.send(1, 2, 2, Body::TimeoutNow(TimeoutNow)).unwrap();
        breaks(stage.show(1, &status), "no lease after TimeoutNow");
    }

    #[test]
    fn a_newer_leader_finds_no_lease() {
        let (mut stage, mut status) = scene();
        stage.elect(2, 3, &[3]);
        stage.write(2, None, &[noop(3, 3)]);
        let newer = stage.status(2, RoleKind::Leader);
        stage.clone().show(1, &status).unwrap();
        stage.show(2, &newer).unwrap();
        breaks(stage.clone().show(1, &status), "leases never overlap");
        breaks(stage.group.lease_check(9, &[(NodeId(1), true), (NodeId(2), false)]), "leases never overlap");
        stage.group.lease_check(9, &[(NodeId(1), false), (NodeId(2), true)]).unwrap();
        status.lease = false;
        stage.show(1, &status).unwrap();
    }

    #[test]
    fn two_leases_overlap() {
        let (mut stage, _) = scene();
        stage.group.lease_check(9, &[(NodeId(1), true), (NodeId(2), false)]).unwrap();
        breaks(stage.group.lease_check(9, &[(NodeId(1), true), (NodeId(2), true)]), "leases never overlap");
    }

    #[test]
    fn a_read_index_covers_what_was_committed_when_it_was_asked_for() {
        let mut stage = Stage::led();
        let ask = |id| Body::ReadRequest(ReadRequest { id: ReadId(id) });
        let reply = |id, index: u64| {
            Body::ReadReply(ReadReply { to_boot: boot(1), id: ReadId(id), index: Some(LogIndex(index)) })
        };
        stage.send(2, 1, 2, ask(1)).unwrap();
        stage.commit(&[2, 3], &[command(3, 2, "a")]).unwrap();
        stage.send(2, 1, 2, ask(2)).unwrap();
        stage.send(1, 2, 2, reply(1, 2)).unwrap();
        breaks(stage.send(1, 2, 2, reply(2, 2)), "a read sees what was committed before");
        stage.send(1, 2, 2, reply(2, 3)).unwrap();
        let none = ReadReply { to_boot: boot(1), id: ReadId(2), index: None };
        stage.send(1, 2, 2, Body::ReadReply(none)).unwrap();
    }

    #[test]
    fn only_the_latest_requests_are_remembered() {
        let mut stage = Stage::led();
        for id in 0..1_000 {
            stage.group.read_asked(NodeId(2), ReadId(id)).unwrap();
        }
        assert_eq!(stage.group.replicas[&NodeId(2)].reads.len(), REMEMBERED_READS);
    }
}
