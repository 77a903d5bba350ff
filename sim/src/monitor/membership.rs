//! Configurations and the ids in them (§4.1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use raft::{
    Change, ChangeResult, Configuration, Entry, LogIndex, MemberRole, NodeId, Payload, ReplicaId, Status,
};

use super::Breach;
use super::group::Group;
use super::replica::Replica;

/// The ids that committed configurations used up.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    last: Option<Arc<Configuration>>,
    /// Members once, or reserved and abandoned.
    gone: BTreeSet<NodeId>,
    replicas: BTreeMap<ReplicaId, NodeId>,
}

impl Ids {
    /// The next configuration is committed.
    pub(super) fn committed(&mut self, next: &Arc<Configuration>) -> Result<(), Breach> {
        if let Some(last) = &self.last {
            must!(
                next.next_node >= last.next_node && next.next_replica >= last.next_replica,
                "ids are never reused",
                "the counters fall from {:?} and {:?} to {:?} and {:?}",
                last.next_node,
                last.next_replica,
                next.next_node,
                next.next_replica
            );
            let before = last.members.keys().copied().chain(last.reserved);
            let lives = |node: &NodeId| next.members.contains_key(node) || next.reserved == Some(*node);
            self.gone.extend(before.filter(|node| !lives(node)));
        }
        for node in next.members.keys().copied().chain(next.reserved) {
            must!(!self.gone.contains(&node), "ids are never reused", "{node:?} comes back");
        }
        for (node, member) in &next.members {
            let owner = *self.replicas.entry(member.replica).or_insert(*node);
            must!(
                owner == *node,
                "ids are never reused",
                "{:?} of {owner:?} is given to {node:?}",
                member.replica
            );
        }
        self.last = Some(Arc::clone(next));
        Ok(())
    }
}

/// The one change that leads from a configuration to the next, if there is one.
fn step(before: &Configuration, next: &Configuration) -> Option<Change> {
    let added = next.members.iter().find(|(node, _)| !before.members.contains_key(node));
    if let Some((node, member)) = added {
        return Some(Change::AddLearner { node: *node, disk: member.disk, boot: member.boot });
    }
    for (node, member) in &before.members {
        match next.members.get(node) {
            None => return Some(Change::Remove { node: *node }),
            Some(now) if now.role == member.role => {}
            Some(now) if now.role == MemberRole::Voter => return Some(Change::Promote { node: *node }),
            Some(_) => return Some(Change::Demote { node: *node }),
        }
    }
    (next.next_node > before.next_node).then_some(Change::Reserve { abandon: before.reserved })
}

/// An entry about to follow the log of a replica.
pub(super) fn check_entry(replica: &Replica, entry: &Entry) -> Result<(), Breach> {
    let Payload::Configuration(next) = &entry.payload else { return Ok(()) };
    let (at, before) = replica.accepted.configuration();
    if entry.index == LogIndex(1) {
        // The bootstrap.
        return Ok(());
    }
    let follows = step(before, next)
        .is_some_and(|change| before.after(change).is_ok_and(|after| after.as_ref() == Some(&**next)));
    must!(
        follows,
        "one server at a time",
        "{:?} holds {next:?}, which is not one change from {before:?} of {at:?}",
        entry.position()
    );
    if replica.office != Some(entry.term) {
        return Ok(());
    }
    // Where the last commit makes way for this change, the same write says so.
    let committed = replica.commit.max(replica.hard_submitted.commit);
    // Two leaders could otherwise build on the same configuration, in disjoint majorities.
    must!(
        replica.accepted.term(committed) == Some(entry.term),
        "no change before an own entry is committed",
        "{:?} is appended while {committed:?} is committed, of {:?}",
        entry.position(),
        replica.accepted.term(committed)
    );
    must!(
        at.index <= committed,
        "one change at a time",
        "{:?} is appended while {at:?} is not committed",
        entry.position()
    );
    Ok(())
}

impl Group {
    /// What a status says of the configuration.
    pub(super) fn check_configuration(&mut self, node: NodeId, status: &Status) -> Result<(), Breach> {
        let replica = self.running(node)?;
        let (at, configuration) = replica.accepted.configuration();
        let same =
            Arc::ptr_eq(configuration, &status.configuration) || *configuration == status.configuration;
        must!(
            *at == status.configuration_at && same,
            "the latest configuration is in force",
            "{:?} of {:?} is in force; the latest in the log is {configuration:?} of {at:?}",
            status.configuration,
            status.configuration_at
        );
        for (at, configuration) in std::mem::take(&mut replica.told) {
            let committed = self.ledger.configuration_as_of(at.index).filter(|_| at.index <= status.commit);
            must!(
                committed.is_some_and(|(place, known)| *place == at && *known == configuration),
                "a change says what is committed",
                "it ended with {configuration:?} of {at:?}; committed is {committed:?}"
            );
        }
        Ok(())
    }

    /// A membership call ended with this; what is committed is known at the end of the event.
    pub(super) fn change_result(&mut self, node: NodeId, result: &ChangeResult) -> Result<(), Breach> {
        self.running(node)?.told.extend(result.configuration.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        Stage, breaks, command, configuration, configuration_entry, noop, place, with_learner,
    };
    use super::*;
    use raft::{DiskId, HardState, LogPosition, RoleKind};

    #[test]
    fn ids_are_never_reused() {
        let commit = |configurations: &[Configuration]| {
            let mut ids = Ids::default();
            configurations.iter().try_for_each(|next| ids.committed(&Arc::new(next.clone())))
        };
        let three = configuration(3);
        let reserved = three.after(Change::Reserve { abandon: None }).unwrap().unwrap();
        let again = reserved.after(Change::Reserve { abandon: Some(NodeId(4)) }).unwrap().unwrap();
        let without = three.after(Change::Remove { node: NodeId(3) }).unwrap().unwrap();
        let learner = Change::AddLearner { node: NodeId(4), disk: DiskId(9), boot: 1 };
        let added = reserved.after(learner).unwrap().unwrap();
        commit(&[three.clone(), reserved.clone(), added.clone(), added]).unwrap();
        breaks(commit(&[three.clone(), without.clone(), three.clone()]), "ids are never reused");
        breaks(commit(&[reserved.clone(), again, reserved.clone()]), "ids are never reused");
        breaks(commit(&[reserved, three.clone()]), "ids are never reused");
        let mut taken = three.clone();
        let member = taken.members[&NodeId(3)];
        taken.members.insert(NodeId(2), member);
        breaks(commit(&[three, taken]), "ids are never reused");
    }

    #[test]
    fn a_configuration_is_one_change_from_the_one_before() {
        let mut stage = Stage::led();
        let three = configuration(3);
        for change in [
            Change::Reserve { abandon: None },
            Change::Demote { node: NodeId(2) },
            Change::Remove { node: NodeId(2) },
        ] {
            let next = configuration_entry(3, 2, stage.changed(change));
            stage.clone().submit(1, None, None, std::slice::from_ref(&next)).unwrap();
            stage.clone().submit(2, None, None, &[next]).unwrap();
        }
        let mut two = three.clone();
        two.members.remove(&NodeId(1));
        two.members.remove(&NodeId(2));
        let mut minted = three.clone();
        minted.next_node = NodeId(9);
        for wrong in [three, with_learner(3), two, minted] {
            let next = configuration_entry(3, 2, wrong);
            breaks(stage.submit(2, None, None, &[next]), "one server at a time");
        }
    }

    #[test]
    fn a_leader_has_one_change_under_way() {
        let mut stage = Stage::led();
        let reserve = configuration_entry(3, 2, stage.changed(Change::Reserve { abandon: None }));
        stage.write(1, None, std::slice::from_ref(&reserve));
        let next = configuration_entry(4, 2, stage.changed(Change::Demote { node: NodeId(3) }));
        breaks(stage.clone().submit(1, None, None, std::slice::from_ref(&next)), "one change at a time");
        // A follower may get both at once, for it hears later of what is committed.
        stage.submit(2, None, None, &[reserve, next.clone()]).unwrap();
        stage.sync(2);
        let hard = HardState { commit: LogIndex(3), ..stage.hard(2, Some(1)) };
        stage.submit(1, Some(hard), None, &[next]).unwrap();
    }

    #[test]
    fn a_leader_changes_nothing_before_it_committed_something() {
        let mut stage = Stage::led();
        stage.elect(2, 3, &[3]);
        stage.write(2, None, &[noop(3, 3)]);
        let mut status = stage.status(2, RoleKind::Leader);
        stage.show(2, &status).unwrap();
        let reserve = configuration_entry(4, 3, stage.changed(Change::Reserve { abandon: None }));
        let early = stage.clone().submit(2, None, None, std::slice::from_ref(&reserve));
        breaks(early, "no change before an own entry is committed");
        stage.write(3, None, &[noop(3, 3)]);
        status.commit = LogIndex(3);
        stage.show(2, &status).unwrap();
        stage.submit(2, None, None, &[reserve]).unwrap();
    }

    #[test]
    fn the_latest_configuration_in_the_log_is_in_force() {
        let mut stage = Stage::led();
        let reserve = configuration_entry(3, 2, stage.changed(Change::Reserve { abandon: None }));
        stage.write(3, None, &[reserve]);
        let status = stage.follower_status(3);
        stage.show(3, &status).unwrap();
        let hard = stage.hard(3, None);
        stage.submit(3, Some(hard), Some(3), &[noop(3, 3)]).unwrap();
        stage.sync(3);
        let rolled_back = stage.follower_status(3);
        stage.clone().show(3, &rolled_back).unwrap();
        let (at, configuration) = (status.configuration_at, status.configuration);
        for wrong in [
            Status { configuration_at: at, ..rolled_back.clone() },
            Status { configuration: configuration.clone(), ..rolled_back },
        ] {
            breaks(stage.show(3, &wrong), "the latest configuration is in force");
        }
    }

    #[test]
    fn a_change_says_what_is_committed() {
        let told = |stage: &Stage, at: LogPosition, configuration: Configuration| {
            let mut stage = stage.clone();
            let configuration = Some((at, Arc::new(configuration)));
            let result = ChangeResult { token: 1, committed: 1, error: None, configuration };
            stage.group.change_result(NodeId(1), &result).unwrap();
            stage.show(1, &stage.leader_status())
        };
        let mut stage = Stage::led();
        let reserved = stage.changed(Change::Reserve { abandon: None });
        told(&stage, place(1, 1), configuration(3)).unwrap();
        breaks(told(&stage, place(1, 1), reserved.clone()), "a change says what is committed");
        stage.write(1, None, &[configuration_entry(3, 2, reserved.clone())]);
        breaks(told(&stage, place(3, 2), reserved.clone()), "a change says what is committed");
        stage.write(2, None, &[configuration_entry(3, 2, reserved.clone())]);
        stage.commit(&[2], &[command(4, 2, "a")]).unwrap();
        told(&stage, place(3, 2), reserved).unwrap();
    }
}
