//! Starts and ends: a start finds what was durable.

use raft::{Boot, BootStart, Entry, HardState, NodeId, SnapshotMeta, Time};

use super::chain::{LogView, Registry};
use super::disk::check_reset;
use super::group::Group;
use super::ledger::Ledger;
use super::replica::Replica;
use super::{Breach, OnDisk};

impl Group {
    /// A replica starts with this on its disk.
    pub(super) fn booted(
        &mut self,
        node: NodeId,
        boot: Boot,
        now: Time,
        disk: &OnDisk<'_>,
    ) -> Result<(), Breach> {
        let OnDisk { hard, base, entries } = *disk;
        let Group { ledger, elections, replicas, .. } = self;
        let known = replicas.contains_key(&node);
        let replica = replicas.entry(node).or_insert_with(Replica::new);
        must!(
            replica.boot.is_none(),
            "one start at a time",
            "it starts as {boot:?} and runs as {:?}",
            replica.boot
        );
        if !known || replica.destroyed {
            replica.take_disk(read_log(&mut ledger.registry, base, entries)?);
            if let Some(candidate) = hard.vote {
                elections.voted(hard.term, node, candidate);
            }
        } else {
            must!(
                boot.counter > replica.last_boot.counter,
                "boots count up",
                "{boot:?} follows {:?}",
                replica.last_boot
            );
            check_same_disk(replica, ledger, hard, base, entries)?;
        }
        replica.boot = Some(boot);
        replica.last_boot = boot;
        replica.hard = *hard;
        replica.hard_submitted = *hard;
        (replica.commit, replica.shown_commit) = (hard.commit, hard.commit);
        replica.lost = hard.lost_disk;
        replica.embargo_until = now + hard.promise;
        replica.start = BootStart { term: hard.term, last: replica.durable.last() };
        Ok(())
    }

    /// A replica stopped or crashed.
    pub(super) fn stopped(&mut self, node: NodeId) -> Result<(), Breach> {
        let replica = self.running(node)?;
        replica.forget_boot();
        if let Some((_, at)) = self.unproven.take_if(|(leader, _)| *leader == node) {
            // The configuration that counted for it went with the crash.
            self.ledger.verified = at.index;
        }
        Ok(())
    }

    /// A fault takes a disk away.
    pub(super) fn destroyed(&mut self, node: NodeId) -> Result<(), Breach> {
        if let Some(replica) = self.replicas.get_mut(&node) {
            replica.destroyed = true;
        }
        Ok(())
    }
}

/// The log of a disk that nothing was known of.
fn read_log(registry: &mut Registry, base: &SnapshotMeta, entries: &[Entry]) -> Result<LogView, Breach> {
    let Some(base_chain) = registry.chain(base.last) else {
        return Err(Breach::new(
            "log matching",
            format!("a log begins after {:?}, which nobody had", base.last),
        ));
    };
    let mut log = LogView::after(base, base_chain);
    for entry in entries {
        let link = registry.enter(log.last_link(), entry)?;
        log.push(entry, link);
    }
    Ok(log)
}

/// A start finds what was durable, or the snapshot whose install was open.
fn check_same_disk(
    replica: &mut Replica,
    ledger: &Ledger,
    hard: &HardState,
    base: &SnapshotMeta,
    entries: &[Entry],
) -> Result<(), Breach> {
    let finished = base.last != replica.durable.base();
    let last = entries.last().map_or(base.last, Entry::position);
    let commit = if finished { replica.hard.commit.max(base.last.index) } else { replica.hard.commit };
    must!(
        *hard == HardState { commit, ..replica.hard },
        "a start finds what was durable",
        "it finds {hard:?}; durable was {:?}",
        replica.hard
    );
    if finished {
        check_reset(replica, ledger, base)?;
        replica.durable = LogView::after(base, ledger.chain(base.last.index).unwrap_or_default());
        replica.applied_ever = replica.applied_ever.max(base.last.index);
    }
    must!(
        last == replica.durable.last(),
        "a start finds what was durable",
        "its log ends with {last:?}; durable was {:?}",
        replica.durable.last()
    );
    replica.accepted = replica.durable.clone();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, breaks, command, noop, snapshot};
    use super::*;
    use raft::LogIndex;

    #[test]
    fn a_start_finds_what_was_durable() {
        let mut stage = Stage::led();
        let log = [Stage::first_entry(), noop(2, 2)];
        let (empty, hard) = (SnapshotMeta::empty(), stage.hard(2, Some(1)));
        stage.submit(3, None, None, &[command(3, 2, "lost")]).unwrap();
        breaks(stage.boot(3, 2, hard, &empty, &log), "one start at a time");
        stage.stop(3);
        breaks(stage.clone().boot(3, 1, hard, &empty, &log), "boots count up");
        let older = stage.hard(1, None);
        breaks(stage.clone().boot(3, 2, older, &empty, &log), "a start finds what was durable");
        breaks(stage.clone().boot(3, 2, hard, &empty, &log[..1]), "a start finds what was durable");
        stage.boot(3, 2, hard, &empty, &log).unwrap();
        stage.show(3, &stage.follower_status(3)).unwrap();
    }

    #[test]
    fn a_start_may_finish_an_install() {
        let mut stage = Stage::led();
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        let hard = HardState { commit: LogIndex(3), ..stage.hard(2, Some(1)) };
        for node in 2..=3 {
            stage.stop(node);
        }
        breaks(stage.boot(2, 2, hard, &snapshot(3, 2), &[]), "a snapshot erases nothing");
        stage.boot(3, 2, hard, &snapshot(3, 2), &[]).unwrap();
        stage.show(3, &stage.follower_status(3)).unwrap();
    }

    #[test]
    fn a_disk_that_a_fault_met_may_start_with_anything() {
        let mut stage = Stage::led();
        stage.stop(3);
        stage.group.destroyed(NodeId(3)).unwrap();
        let hard = stage.hard(1, None);
        stage.boot(3, 1, hard, &SnapshotMeta::empty(), &[Stage::first_entry()]).unwrap();
        stage.show(3, &stage.follower_status(3)).unwrap();
        // From then on its new state counts.
        stage.stop(3);
        breaks(stage.boot(3, 2, hard, &SnapshotMeta::empty(), &[]), "a start finds what was durable");
    }
}
