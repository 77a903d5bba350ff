//! Who may commit what, and who must hold it (§3.6.2, §5.3 of the paper).

use raft::{Configuration, LogIndex, LogPosition, NodeId, RoleKind, Status};

use super::Breach;
use super::group::Group;

impl Group {
    /// A replica shows, in whatever way, that everything up to `index` is committed.
    pub(super) fn committed(&mut self, node: NodeId, index: LogIndex) -> Result<(), Breach> {
        let replica = self.running(node)?;
        let (base, last, office) = (replica.accepted.base(), replica.accepted.last(), replica.office);
        let Some(term) = replica.accepted.term(index) else {
            must!(
                index < base.index && index <= self.ledger.last(),
                "commit within the log",
                "{index:?} is taken for committed; the log goes from {base:?} to {last:?}"
            );
            return Ok(());
        };
        let at = LogPosition::new(index, term);
        replica.commit = replica.commit.max(index);
        if index <= self.ledger.last() {
            return self.decide(at, term);
        }
        // A follower learns what is committed, it never finds out by itself.
        let Some(leads) = office else {
            return Err(Breach::new(
                "only a leader commits",
                format!("{at:?} is taken for committed, which no leader did"),
            ));
        };
        self.decide(at, leads)?;
        self.unproven = Some((node, at));
        self.prove();
        Ok(())
    }

    /// Looks for the quorum that must hold what was committed last. In the event in which a leader appends a
    /// configuration, that one may count already although the disk was not handed it yet; so where there is
    /// none now, the end of the event decides.
    pub(super) fn prove(&mut self) {
        let Some((node, at)) = self.unproven else { return };
        let Some(replica) = self.replicas.get(&node) else { return };
        let (_, configuration) = replica.accepted.configuration();
        if self.is_held(at, configuration) {
            self.ledger.verified = at.index;
            self.unproven = None;
        }
    }

    /// Whether a majority of the voters hold an entry on disk. A disk that a fault took away counts for what
    /// it held, a learner never.
    fn is_held(&self, at: LogPosition, configuration: &Configuration) -> bool {
        let Some(chain) = self.ledger.chain(at.index) else { return false };
        let holds = |voter: &NodeId| {
            self.replicas.get(voter).is_some_and(|replica| replica.holds(at.index, chain, &self.ledger))
        };
        configuration.voters().filter(holds).count() * 2 > configuration.voters().count()
    }

    /// What a status says of the commit index.
    pub(super) fn check_commit(&mut self, node: NodeId, status: &Status) -> Result<(), Breach> {
        let replica = self.running(node)?;
        let (known, shown) = (replica.commit, std::mem::replace(&mut replica.shown_commit, status.commit));
        let term = replica.accepted.term(status.commit);
        must!(
            status.role != RoleKind::Leader || status.commit == shown || term == replica.office,
            "own term by counting",
            "the leader of {:?} commits {:?}, of {term:?}, by counting",
            replica.office,
            status.commit
        );
        must!(
            status.commit >= known,
            "commit never goes back",
            "it is at {:?} and was at {known:?} before",
            status.commit
        );
        must!(
            status.commit <= status.last.index && status.commit >= status.base.index,
            "commit within the log",
            "{:?} is committed; the log goes from {:?} to {:?}",
            status.commit,
            status.base,
            status.last
        );
        if status.commit > known {
            self.committed(node, status.commit)?;
        }
        self.prove();
        if let Some((_, at)) = self.unproven.take_if(|(leader, _)| *leader == node) {
            return Err(Breach::new(
                "committed is on a quorum",
                format!("{at:?} is committed and not durable at a majority of the voters in force"),
            ));
        }
        Ok(())
    }

    /// A client was told that its write is done.
    pub(super) fn acknowledged(&mut self, at: LogPosition) -> Result<(), Breach> {
        must!(
            self.ledger.contains(at) && at.index <= self.ledger.verified,
            "acknowledged is committed",
            "a client was told that {at:?} is done; committed on a quorum is up to {:?}",
            self.ledger.verified
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, breaks, command, configuration, configuration_entry, noop, place};
    use super::*;
    use raft::{Append, Body, Change, RoleKind, SnapshotMeta};

    #[test]
    fn a_majority_of_the_voters_must_hold_it_on_disk() {
        let entries = [command(3, 2, "a")];
        breaks(Stage::led().commit(&[], &entries), "committed is on a quorum");
        Stage::led().commit(&[3], &entries).unwrap();
        let mut stage = Stage::led();
        stage.submit(2, None, None, &entries).unwrap();
        breaks(stage.commit(&[], &entries), "committed is on a quorum");
    }

    #[test]
    fn the_leader_need_not_be_among_them() {
        let (mut stage, entries) = (Stage::led(), [command(3, 2, "a")]);
        stage.submit(1, None, None, &entries).unwrap();
        stage.write(2, None, &entries);
        stage.write(3, None, &entries);
        let mut status = stage.leader_status();
        status.commit = LogIndex(3);
        stage.show(1, &status).unwrap();
    }

    #[test]
    fn a_learner_does_not_count() {
        let entries = [command(5, 2, "a")];
        breaks(Stage::led_with_learner().commit(&[4], &entries), "committed is on a quorum");
        Stage::led_with_learner().commit(&[2], &entries).unwrap();
    }

    #[test]
    fn a_disk_that_was_taken_away_counts_for_what_it_held() {
        let (mut stage, entries) = (Stage::led(), [command(3, 2, "a")]);
        stage.write(2, None, &entries);
        stage.stop(2);
        stage.group.destroyed(NodeId(2)).unwrap();
        let (old, hard) = ([configuration_entry(1, 1, configuration(3))], stage.hard(1, None));
        stage.boot(2, 1, hard, &SnapshotMeta::empty(), &old).unwrap();
        stage.commit(&[], &entries).unwrap();
    }

    #[test]
    fn the_configuration_before_the_next_change_counts() {
        let mut stage = Stage::led();
        let third = configuration_entry(3, 2, stage.changed(Change::Demote { node: NodeId(3) }));
        stage.commit(&[2, 3], &[third]).unwrap();
        let alone = configuration_entry(4, 2, stage.changed(Change::Demote { node: NodeId(2) }));
        stage.write(1, None, &[alone]);
        // Committed by node 1 alone; the next change takes node 2 in again in the same write.
        let next = configuration_entry(5, 2, stage.changed(Change::Promote { node: NodeId(2) }));
        let mut hard = stage.hard(2, Some(1));
        hard.commit = LogIndex(4);
        stage.submit(1, Some(hard), None, &[next]).unwrap();
        stage.show(1, &stage.leader_status()).unwrap();
    }

    #[test]
    fn an_earlier_term_is_not_committed_by_counting() {
        let mut stage = Stage::led();
        for node in 1..=2 {
            stage.write(node, None, &[command(3, 2, "a")]);
        }
        stage.elect(2, 3, &[3]);
        stage.write(2, None, &[noop(4, 3)]);
        let mut status = stage.status(2, RoleKind::Leader);
        stage.show(2, &status).unwrap();
        stage.write(3, None, &[command(3, 2, "a")]);
        status.commit = LogIndex(3);
        breaks(stage.clone().show(2, &status), "own term by counting");
        stage.write(3, None, &[noop(4, 3)]);
        status.commit = LogIndex(4);
        stage.show(2, &status).unwrap();
    }

    #[test]
    fn a_follower_commits_nothing_itself() {
        let mut stage = Stage::led();
        for node in 1..=3 {
            stage.write(node, None, &[command(3, 2, "a")]);
        }
        let mut status = stage.follower_status(2);
        status.commit = LogIndex(3);
        breaks(stage.show(2, &status), "only a leader commits");
    }

    #[test]
    fn what_was_said_is_not_taken_back() {
        let mut stage = Stage::led();
        for node in 1..=3 {
            stage.write(node, None, &[command(3, 2, "a")]);
        }
        let status = stage.leader_status();
        let append = Append { prev: place(3, 2), entries: Vec::new(), commit: LogIndex(3) };
        stage.send(1, 2, 2, Body::Append(append)).unwrap();
        breaks(stage.show(1, &status), "commit never goes back");
        let mut status = stage.follower_status(2);
        status.commit = LogIndex(1);
        breaks(stage.show(2, &status), "commit never goes back");
    }

    #[test]
    fn nothing_beyond_the_log_is_committed() {
        let mut stage = Stage::led();
        let mut status = stage.follower_status(2);
        status.commit = LogIndex(9);
        breaks(stage.show(2, &status), "commit within the log");
    }

    #[test]
    fn clients_are_told_of_what_is_committed() {
        let mut stage = Stage::led();
        stage.group.acknowledged(place(2, 2)).unwrap();
        stage.write(1, None, &[command(3, 2, "a")]);
        breaks(stage.group.acknowledged(place(3, 2)), "acknowledged is committed");
        stage.group.committed(NodeId(1), LogIndex(3)).unwrap();
        breaks(stage.group.acknowledged(place(3, 2)), "acknowledged is committed");
        stage.write(2, None, &[command(3, 2, "a")]);
        stage.group.prove();
        stage.group.acknowledged(place(3, 2)).unwrap();
        breaks(stage.group.acknowledged(place(3, 1)), "acknowledged is committed");
    }
}
