//! What is written, in which order, and what may never be removed again.

use raft::{BaseWrite, Entry, HardState, LogIndex, LogWrite, NodeId, Payload, SnapshotMeta, Term, Time};

use super::Breach;
use super::chain::{LogView, ORIGIN};
use super::group::Group;
use super::ledger::Ledger;
use super::membership;
use super::replica::{Pending, Replica};

impl Group {
    /// A write is handed to the disk.
    pub(super) fn submitted(&mut self, node: NodeId, write: &LogWrite, now: Time) -> Result<(), Breach> {
        self.running(node)?;
        let Group { ledger, replicas, .. } = self;
        let Some(replica) = replicas.get_mut(&node) else { return Ok(()) };
        must!(
            write.seq.0 == replica.last_seq.0 + 1,
            "writes in order",
            "{:?} follows {:?}",
            write.seq,
            replica.last_seq
        );
        replica.last_seq = write.seq;
        let before = replica.hard_submitted;
        let hard = write.hard_state.unwrap_or(before);
        check_hard(replica, &hard, now)?;
        replica.hard_submitted = hard;
        let mut base_chain = ORIGIN;
        if let Some(base) = &write.base {
            base_chain = move_base(replica, ledger, base)?;
        }
        if let Some(from) = write.truncate_from {
            check_truncation(replica, ledger, from)?;
            replica.accepted.truncate(from);
        }
        // What a leader commits counts by the configuration before those that it appends then.
        if hard.commit <= replica.accepted.last_index() {
            self.committed(node, hard.commit)?;
        }
        self.append(node, write, base_chain)?;
        if (hard.term, hard.vote) != (before.term, before.vote) {
            self.check_new_vote(node, &hard)?;
        }
        self.committed(node, hard.commit)?;
        self.prove();
        Ok(())
    }

    /// Adds entries to the log in memory.
    fn append(&mut self, node: NodeId, write: &LogWrite, base_chain: u64) -> Result<(), Breach> {
        let Group { ledger, replicas, .. } = self;
        let Some(replica) = replicas.get_mut(&node) else { return Ok(()) };
        let mut links = Vec::with_capacity(write.entries.len());
        for entry in &write.entries {
            check_entry(replica, entry)?;
            membership::check_entry(replica, entry)?;
            let link = ledger.registry.enter(replica.accepted.last_link(), entry)?;
            replica.accepted.push(entry, link);
            links.push(link);
        }
        replica.pending.push_back(Pending { seq: write.seq, links, base_chain });
        Ok(())
    }

    /// A vote for another is written: to be granted, so the candidate's log must deserve it.
    fn check_new_vote(&mut self, node: NodeId, hard: &HardState) -> Result<(), Breach> {
        let own = self.running(node)?.accepted.last();
        match hard.vote.filter(|candidate| *candidate != node) {
            Some(candidate) => self.elections.check_log(hard.term, candidate, own),
            None => Ok(()),
        }
    }

    /// A write is durable.
    pub(super) fn durable(&mut self, node: NodeId, write: &LogWrite) -> Result<(), Breach> {
        let replica = self.running(node)?;
        let Some(pending) = replica.pending.pop_front().filter(|pending| pending.seq == write.seq) else {
            return Err(Breach::new("writes in order", format!("{:?} is durable too early", write.seq)));
        };
        if let Some(base) = &write.base {
            if base.reset {
                replica.durable = LogView::after(&base.meta, pending.base_chain);
                replica.installing = None;
            } else {
                replica.durable.compact(&base.meta);
            }
        }
        if let Some(from) = write.truncate_from {
            replica.durable.truncate(from);
        }
        for (entry, link) in write.entries.iter().zip(pending.links) {
            replica.durable.push(entry, link);
        }
        if let Some(hard) = write.hard_state {
            replica.hard = hard;
            if let Some(candidate) = hard.vote {
                self.elections.voted(hard.term, node, candidate);
            }
        }
        Ok(())
    }
}

/// Term, vote and the like, after those before.
fn check_hard(replica: &Replica, hard: &HardState, now: Time) -> Result<(), Breach> {
    let before = &replica.hard_submitted;
    must!(hard.term >= before.term, "terms never fall", "{hard:?} follows {before:?}");
    must!(
        hard.term > before.term || before.vote.is_none() || hard.vote == before.vote,
        "one vote a term",
        "{hard:?} follows {before:?}"
    );
    must!(hard.commit >= before.commit, "commit never goes back", "{hard:?} follows {before:?}");
    must!(hard.lost_disk || !before.lost_disk, "a lost disk stays lost", "{hard:?} follows {before:?}");
    must!(
        hard.promise >= replica.promised && (hard.promise >= before.promise || now >= replica.embargo_until),
        "a promise stays durable",
        "this boot promised {:?}, earlier ones hold until {:?}; at {now:?} {hard:?} follows {before:?}",
        replica.promised,
        replica.embargo_until
    );
    Ok(())
}

/// Moves the start of the log; gives the chain there.
fn move_base(replica: &mut Replica, ledger: &Ledger, base: &BaseWrite) -> Result<u64, Breach> {
    let meta = &base.meta;
    let chain = ledger.chain(meta.last.index).unwrap_or_default();
    if !base.reset {
        let known = (replica.accepted.term(meta.last.index), replica.durable.term(meta.last.index));
        must!(
            known == (Some(meta.last.term), Some(meta.last.term))
                && meta.last.index <= replica.applied.unwrap_or(replica.applied_ever),
            "only what is applied is compacted",
            "{:?} is compacted; applied is {:?}, on disk the log ends with {:?}",
            meta.last,
            replica.applied,
            replica.durable.last()
        );
        ledger.check_meta(meta)?;
        replica.accepted.compact(meta);
        return Ok(chain);
    }
    must!(
        replica.installing == Some(meta.last.index),
        "a reset follows an install",
        "the log is reset to {:?}; installed is {:?}",
        meta.last,
        replica.installing
    );
    check_reset(replica, ledger, meta)?;
    replica.accepted = LogView::after(meta, chain);
    Ok(chain)
}

/// Only a snapshot beyond the log or in conflict with it replaces the log: another one would erase a tail that
/// was acknowledged.
pub(super) fn check_reset(replica: &Replica, ledger: &Ledger, meta: &SnapshotMeta) -> Result<(), Breach> {
    ledger.check_meta(meta)?;
    let log = &replica.accepted;
    must!(
        meta.last.index > log.base().index && log.term(meta.last.index) != Some(meta.last.term),
        "a snapshot erases nothing",
        "the log from {:?} to {:?} is reset to {:?}, which it holds",
        log.base(),
        log.last(),
        meta.last
    );
    check_acked(replica, meta.last.index.next(), replica.hard_submitted.term)
}

fn check_truncation(replica: &Replica, ledger: &Ledger, from: LogIndex) -> Result<(), Breach> {
    let log = &replica.accepted;
    let term = replica.hard_submitted.term;
    must!(
        from > log.base().index && from <= log.last_index(),
        "truncation is inside the log",
        "from {from:?}; the log goes from {:?} to {:?}",
        log.base(),
        log.last()
    );
    // A leader only appends (§3.5).
    must!(
        replica.office.is_none_or(|office| office < term),
        "a leader only appends",
        "the leader of {term:?} truncates from {from:?}"
    );
    let committed = replica.commit;
    // What a later leader committed a replica may still lose to an earlier one, for it did not count then.
    let counted = ledger.chain(from) == log.chain(from)
        && ledger.committed_in(from).is_some_and(|committed_in| committed_in <= term);
    must!(
        from > committed && !counted,
        "committed stays",
        "it truncates from {from:?} in {term:?}; up to {committed:?} it knows to be committed, and the group \
         committed up to {:?}",
        ledger.last()
    );
    check_acked(replica, from, term)
}

/// Entries from `from` on go: none that was acknowledged to the leader of this term.
fn check_acked(replica: &Replica, from: LogIndex, term: Term) -> Result<(), Breach> {
    let Some(acked) = replica.acked else { return Ok(()) };
    must!(
        acked.matched < from || acked.term < term,
        "acked stays",
        "entries from {from:?} go in {term:?}; up to {:?} was acked in {:?}",
        acked.matched,
        acked.term
    );
    Ok(())
}

/// An entry about to follow the log of a replica.
fn check_entry(replica: &Replica, entry: &Entry) -> Result<(), Breach> {
    let last = replica.accepted.last();
    must!(
        entry.index == last.index.next() && entry.term <= replica.hard_submitted.term,
        "entries follow the log",
        "{:?} follows {last:?} in {:?}",
        entry.position(),
        replica.hard_submitted.term
    );
    // A leader's first entry is the no-op that lets it commit (§6.4); the bootstrap has no leader.
    must!(
        entry.term == last.term || entry.payload == Payload::Noop || entry.index == LogIndex(1),
        "a term begins with a no-op",
        "{entry:?} follows {last:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, breaks, command, noop, snapshot};
    use super::*;
    use raft::{Status, WriteSeq};

    fn nothing(seq: u64) -> LogWrite {
        let seq = WriteSeq(seq);
        LogWrite { seq, hard_state: None, base: None, truncate_from: None, entries: Vec::new() }
    }

    #[test]
    fn the_hard_state_goes_forward() {
        let mut stage = Stage::led();
        let before = HardState { commit: LogIndex(2), lost_disk: true, ..stage.hard(5, Some(1)) };
        stage.elect(1, 5, &[]);
        stage.ask(1, 3, 5, false).unwrap();
        stage.submit(3, Some(before), None, &[]).unwrap();
        let wrong = [
            (HardState { term: Term(4), ..before }, "terms never fall"),
            (HardState { vote: None, ..before }, "one vote a term"),
            (HardState { vote: Some(NodeId(2)), ..before }, "one vote a term"),
            (HardState { commit: LogIndex(1), ..before }, "commit never goes back"),
            (HardState { commit: LogIndex(3), ..before }, "commit within the log"),
            (HardState { lost_disk: false, ..before }, "a lost disk stays lost"),
        ];
        for (hard, invariant) in wrong {
            breaks(stage.clone().submit(3, Some(hard), None, &[]), invariant);
        }
        let next = HardState { term: Term(6), vote: None, ..before };
        stage.submit(3, Some(next), None, &[]).unwrap();
    }

    #[test]
    fn writes_go_in_and_come_out_in_order() {
        let stage = Stage::led();
        let next = stage.group.replicas[&NodeId(2)].last_seq.0 + 1;
        let mut group = stage.group;
        breaks(group.clone().submitted(NodeId(2), &nothing(next + 1), Time::ZERO), "writes in order");
        breaks(group.clone().submitted(NodeId(2), &nothing(next - 1), Time::ZERO), "writes in order");
        group.submitted(NodeId(2), &nothing(next), Time::ZERO).unwrap();
        group.submitted(NodeId(2), &nothing(next + 1), Time::ZERO).unwrap();
        breaks(group.clone().durable(NodeId(2), &nothing(next + 1)), "writes in order");
        group.durable(NodeId(2), &nothing(next)).unwrap();
    }

    #[test]
    fn entries_follow_each_other() {
        let mut stage = Stage::led();
        for wrong in [command(4, 2, "gap"), command(2, 2, "again"), noop(3, 3)] {
            breaks(stage.clone().submit(2, None, None, &[wrong]), "entries follow the log");
        }
        let hard = stage.hard(3, None);
        breaks(
            stage.clone().submit(2, Some(hard), None, &[command(3, 3, "a")]),
            "a term begins with a no-op",
        );
        stage.submit(2, Some(hard), None, &[noop(3, 3), command(4, 3, "a")]).unwrap();
    }

    #[test]
    fn committed_entries_stay() {
        let mut stage = Stage::led();
        stage.commit(&[2, 3], &[command(3, 2, "a")]).unwrap();
        // Node 3 has not heard that entry 3 is committed, but was counted for it.
        let hard = stage.hard(3, None);
        for from in [1, 2, 3] {
            breaks(stage.clone().submit(3, Some(hard), Some(from), &[]), "committed stays");
        }
        for from in [0, 4] {
            breaks(stage.clone().submit(3, Some(hard), Some(from), &[]), "truncation is inside the log");
        }
    }

    #[test]
    fn what_a_later_leader_committed_an_earlier_one_may_remove_where_it_did_not_count() {
        let mut stage = Stage::led();
        // Entry 3 of term 2 is at nodes 1 and 3; a leader of term 3 without it never reaches node 3 in time.
        stage.write(1, None, &[command(3, 2, "a")]);
        stage.write(3, None, &[command(3, 2, "a")]);
        stage.elect(1, 4, &[2]);
        stage.write(1, None, &[noop(4, 4)]);
        let mut status = stage.leader_status();
        stage.show(1, &status).unwrap();
        stage.write(2, None, &[command(3, 2, "a"), noop(4, 4)]);
        status.commit = LogIndex(4);
        stage.show(1, &status).unwrap();
        let hard = stage.hard(3, None);
        stage.clone().submit(3, Some(hard), Some(3), &[noop(3, 3)]).unwrap();
        let hard = stage.hard(4, None);
        breaks(stage.submit(3, Some(hard), Some(3), &[]), "committed stays");
    }

    #[test]
    fn acked_entries_stay_until_a_later_leader() {
        let mut stage = Stage::led();
        stage.write(1, None, &[command(3, 2, "a")]);
        stage.write(3, None, &[command(3, 2, "a")]);
        stage.clone().submit(3, None, Some(3), &[]).unwrap();
        stage.ack(3, 1, 3).unwrap();
        breaks(stage.clone().submit(3, None, Some(3), &[]), "acked stays");
        let hard = stage.hard(3, None);
        stage.submit(3, Some(hard), Some(3), &[noop(3, 3)]).unwrap();
    }

    #[test]
    fn a_leader_only_appends() {
        let mut stage = Stage::led();
        stage.write(1, None, &[command(3, 2, "a")]);
        breaks(stage.clone().submit(1, None, Some(3), &[]), "a leader only appends");
        let hard = stage.hard(3, None);
        stage.submit(1, Some(hard), Some(3), &[noop(3, 3)]).unwrap();
    }

    #[test]
    fn only_what_is_applied_is_compacted() {
        let mut stage = Stage::led();
        stage.show(2, &stage.follower_status(2)).unwrap();
        breaks(stage.clone().move_base(2, snapshot(2, 2), false), "only what is applied is compacted");
        for entry in [Stage::first_entry(), noop(2, 2)] {
            stage.group.applied(NodeId(2), &entry).unwrap();
        }
        breaks(stage.clone().move_base(2, snapshot(2, 1), false), "only what is applied is compacted");
        let other = SnapshotMeta { configuration_at: snapshot(2, 2).last, ..snapshot(2, 2) };
        breaks(stage.clone().move_base(2, other, false), "snapshot meta");
        stage.move_base(2, snapshot(2, 2), false).unwrap();
        stage.sync(2);
        stage.show(2, &stage.follower_status(2)).unwrap();
    }

    #[test]
    fn a_snapshot_resets_only_a_log_that_does_not_hold_it() {
        let mut stage = Stage::led();
        stage.write(3, None, &[command(3, 2, "a"), command(4, 2, "b")]);
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        breaks(stage.clone().move_base(3, snapshot(3, 2), true), "a reset follows an install");
        stage.group.installed(NodeId(3), &snapshot(3, 2)).unwrap();
        breaks(stage.move_base(3, snapshot(3, 2), true), "a snapshot erases nothing");
    }

    #[test]
    fn a_snapshot_resets_a_shorter_log_and_one_in_conflict() {
        for conflict in [false, true] {
            let mut stage = Stage::led();
            if conflict {
                stage.elect(3, 3, &[]);
                stage.write(3, None, &[noop(3, 3), command(4, 3, "b")]);
            }
            stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
            stage.group.installed(NodeId(3), &snapshot(3, 2)).unwrap();
            stage.move_base(3, snapshot(3, 2), true).unwrap();
            stage.sync(3);
            let status = stage.follower_status(3);
            assert_eq!((status.base, status.last), (snapshot(3, 2).last, snapshot(3, 2).last));
            stage.show(3, &Status { commit: LogIndex(3), ..status }).unwrap();
        }
    }
}
