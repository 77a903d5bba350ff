//! The state machines: the same entries in the same order give the same state everywhere.

use std::collections::BTreeMap;

use raft::{Entry, LogIndex, NodeId, SnapshotMeta, Status};

use super::Breach;
use super::group::Group;
use super::replica::chain_in;

/// The hash of the state at each index, as whoever got there first had it.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashes {
    known: BTreeMap<LogIndex, u64>,
}

impl Group {
    /// The state machine of a replica applied an entry.
    pub(super) fn applied(&mut self, node: NodeId, entry: &Entry) -> Result<(), Breach> {
        let at = entry.position();
        let replica = self.running(node)?;
        must!(
            replica.installing.is_none(),
            "no apply during an install",
            "{at:?} is applied while the log does not follow the snapshot yet"
        );
        let in_order = match replica.applied {
            Some(applied) => at.index == applied.next(),
            // A start goes on where the state machine was flushed, at the latest where it ever got.
            None => at.index > replica.accepted.base().index && at.index <= replica.applied_ever.next(),
        };
        must!(
            in_order,
            "applied in order",
            "{at:?} is applied after {:?}; the furthest ever was {:?}",
            replica.applied,
            replica.applied_ever
        );
        replica.applied = Some(at.index);
        replica.applied_ever = replica.applied_ever.max(at.index);
        self.committed(node, at.index)?;
        must!(
            self.ledger.contains(at) && self.ledger.registry.holds(entry),
            "applied is committed",
            "{entry:?} is applied and is not the committed entry"
        );
        let durable = &self.running(node)?.durable;
        must!(
            durable.term(at.index) == Some(at.term),
            "applied is durable",
            "{at:?} is applied; on disk the log goes from {:?} to {:?}",
            durable.base(),
            durable.last()
        );
        Ok(())
    }

    /// The state machine of a replica was replaced by a snapshot.
    pub(super) fn installed(&mut self, node: NodeId, meta: &SnapshotMeta) -> Result<(), Breach> {
        let replica = self.running(node)?;
        let index = meta.last.index;
        must!(
            replica.office.is_none(),
            "a leader installs nothing",
            "{:?} is installed by the leader of {:?}",
            meta.last,
            replica.office
        );
        must!(
            replica.commit < index && replica.applied.is_none_or(|applied| applied < index),
            "an install goes forward",
            "{:?} is installed over {:?}; {:?} was committed",
            meta.last,
            replica.applied,
            replica.commit
        );
        replica.installing = Some(index);
        replica.applied = Some(index);
        replica.applied_ever = replica.applied_ever.max(index);
        self.ledger.check_meta(meta)
    }

    /// The hash of a state machine that holds everything up to `index`.
    pub(super) fn state_hash(&mut self, index: LogIndex, hash: u64) -> Result<(), Breach> {
        let first = *self.hashes.known.entry(index).or_insert(hash);
        must!(
            first == hash,
            "state machines agree",
            "after {index:?} one has the hash {hash:016x}, another had {first:016x}"
        );
        Ok(())
    }

    /// What a status says of the state machine.
    pub(super) fn check_applied(&mut self, node: NodeId, status: &Status) -> Result<(), Breach> {
        let replica = self.running(node)?;
        let most = replica.applied.unwrap_or(replica.applied_ever);
        must!(
            status.applied <= most && status.applied <= status.commit,
            "applied is committed",
            "{:?} is said to be applied; it is {most:?}, and {:?} is committed",
            status.applied,
            status.commit
        );
        replica.applied.get_or_insert(status.applied);
        Ok(())
    }

    /// Whether what a disk holds at `index` is the committed entry.
    pub(super) fn has_committed(&self, node: NodeId, index: LogIndex) -> bool {
        let chain = self.ledger.chain(index);
        let durable = self.replicas.get(&node).map(|replica| &replica.durable);
        chain.is_some() && durable.and_then(|durable| chain_in(durable, index, &self.ledger)) == chain
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, breaks, command, noop, snapshot};
    use super::*;

    #[test]
    fn entries_are_applied_one_after_the_other() {
        let mut stage = Stage::led();
        let group = &mut stage.group;
        breaks(group.clone().applied(NodeId(2), &noop(2, 2)), "applied in order");
        group.applied(NodeId(2), &Stage::first_entry()).unwrap();
        breaks(group.clone().applied(NodeId(2), &Stage::first_entry()), "applied in order");
        group.applied(NodeId(2), &noop(2, 2)).unwrap();
    }

    #[test]
    fn a_start_goes_on_at_most_where_the_state_machine_ever_got() {
        let mut stage = Stage::led();
        stage.group.applied(NodeId(2), &Stage::first_entry()).unwrap();
        stage.stop(2);
        let hard = stage.hard(2, Some(1));
        stage.boot(2, 2, hard, &SnapshotMeta::empty(), &[Stage::first_entry(), noop(2, 2)]).unwrap();
        stage.group.clone().applied(NodeId(2), &Stage::first_entry()).unwrap();
        stage.group.clone().applied(NodeId(2), &noop(2, 2)).unwrap();
        let mut status = stage.follower_status(2);
        (status.commit, status.applied) = (LogIndex(2), LogIndex(2));
        breaks(stage.show(2, &status), "applied is committed");
        stage.commit(&[2, 3], &[command(3, 2, "a")]).unwrap();
        breaks(stage.group.applied(NodeId(2), &command(3, 2, "a")), "applied in order");
    }

    #[test]
    fn only_what_is_committed_and_on_disk_is_applied() {
        let mut stage = Stage::led();
        for node in 2..=3 {
            stage.group.applied(NodeId(node), &Stage::first_entry()).unwrap();
        }
        breaks(stage.group.clone().applied(NodeId(2), &command(2, 2, "b")), "applied is committed");
        for node in 2..=3 {
            stage.group.applied(NodeId(node), &noop(2, 2)).unwrap();
        }
        let next = command(3, 2, "a");
        stage.submit(3, None, None, std::slice::from_ref(&next)).unwrap();
        let mut early = stage.clone();
        early.sync(3);
        breaks(early.group.applied(NodeId(3), &next), "only a leader commits");
        stage.commit(&[2], std::slice::from_ref(&next)).unwrap();
        stage.group.applied(NodeId(2), &next).unwrap();
        breaks(stage.group.applied(NodeId(3), &next), "applied is durable");
    }

    #[test]
    fn nothing_is_applied_while_an_install_is_open() {
        let mut stage = Stage::led();
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        stage.group.installed(NodeId(3), &snapshot(3, 2)).unwrap();
        breaks(stage.group.applied(NodeId(3), &command(4, 2, "b")), "no apply during an install");
    }

    #[test]
    fn an_install_is_of_something_committed_and_newer() {
        let mut stage = Stage::led();
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        breaks(stage.group.clone().installed(NodeId(1), &snapshot(3, 2)), "a leader installs nothing");
        breaks(stage.group.clone().installed(NodeId(3), &snapshot(2, 2)), "an install goes forward");
        breaks(stage.group.clone().installed(NodeId(3), &snapshot(4, 2)), "snapshot meta");
    }

    #[test]
    fn the_same_index_has_the_same_state() {
        let mut group = Group::default();
        group.state_hash(LogIndex(1), 7).unwrap();
        group.state_hash(LogIndex(2), 8).unwrap();
        group.state_hash(LogIndex(1), 7).unwrap();
        breaks(group.state_hash(LogIndex(2), 7), "state machines agree");
    }

    #[test]
    fn what_a_status_says_of_the_state_machine_is_so() {
        let mut stage = Stage::led();
        stage.group.applied(NodeId(2), &Stage::first_entry()).unwrap();
        let mut status = stage.follower_status(2);
        stage.show(2, &status).unwrap();
        status.applied = LogIndex(2);
        breaks(stage.show(2, &status), "applied is committed");
    }
}
