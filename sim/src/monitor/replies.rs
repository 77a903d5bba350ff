//! What waits for what: every message, as it leaves (the table in design section 3).

use raft::{
    Append, AppendAck, AppendReject, Body, HeartbeatAck, LogIndex, NodeId, Outgoing, Round, SnapshotReply,
    Term, Time,
};

use super::Breach;
use super::group::Group;
use super::replica::{Acked, Replica, chain_in};

/// Rounds of heartbeats remembered; an ack of an older one is not judged.
const ROUNDS: usize = 64;

/// A reply speaks of a durable term (§3.8 of the paper: term and vote survive a crash).
fn check_term(replica: &Replica, term: Term) -> Result<(), Breach> {
    must!(
        replica.hard.term == term,
        "a reply's term is durable",
        "it answers in {term:?}; on disk is {:?}",
        replica.hard.term
    );
    Ok(())
}

/// A promise to a leader binds: until it ends, nobody else is helped into office, not even the replica itself
/// (§6.4.1). A restarted one forgot whom it promised, and helps nobody at first. A forced vote is asked for by the
/// leader itself.
fn check_help(replica: &Replica, now: Time, candidate: NodeId) -> Result<(), Breach> {
    must!(
        now >= replica.embargo_until,
        "a promise outlives a restart",
        "at {now:?} it helps {candidate:?}; an earlier boot may have promised not to until {:?}",
        replica.embargo_until
    );
    let broken = replica.promises.iter().find(|(leader, until)| **leader != candidate && **until > now);
    must!(
        broken.is_none(),
        "a promise is kept",
        "at {now:?} it helps {candidate:?}; it promised not to: {broken:?}"
    );
    Ok(())
}

impl Group {
    /// A message leaves a replica.
    pub(super) fn sent(&mut self, node: NodeId, outgoing: &Outgoing, now: Time) -> Result<(), Breach> {
        let (to, term) = (outgoing.to.node, outgoing.message.term);
        let forced = self.elections.is_forced(term, to);
        let replica = self.running(node)?;
        must!(!replica.lost, "a lost disk is silent", "it sends {:?} to {to:?}", outgoing.message);
        match &outgoing.message.body {
            Body::PreVote(_) => check_help(replica, now, node),
            Body::Vote(request) => self.elections.campaigned(term, node, request),
            // It names the term that was asked for.
            Body::PreVoteReply(reply) if reply.granted => check_help(replica, now, to),
            Body::PreVoteReply(_) => check_term(replica, term),
            Body::VoteReply(reply) => {
                check_term(replica, term)?;
                if !reply.granted {
                    return Ok(());
                }
                if !forced {
                    check_help(replica, now, to)?;
                }
                self.check_vote(node, term, to)
            }
            Body::Append(append) => {
                self.office(node, term)?;
                self.check_append(node, append)
            }
            Body::AppendAck(ack) => {
                check_term(replica, term)?;
                self.check_ack(node, to, term, ack)
            }
            Body::AppendReject(reject) => {
                check_term(replica, term)?;
                check_reject(replica, reject)
            }
            Body::Heartbeat(heartbeat) => {
                self.office(node, term)?;
                self.check_told(node, to, heartbeat.commit)
            }
            Body::HeartbeatAck(ack) => {
                check_term(replica, term)?;
                check_heartbeat_ack(replica, to, ack)
            }
            Body::Commit(commit) => {
                self.office(node, term)?;
                self.check_told(node, to, commit.commit)
            }
            Body::TimeoutNow(_) => {
                self.office(node, term)?;
                self.running(node)?.handed_over_in = Some(term);
                self.elections.handed_over(term, to);
                Ok(())
            }
            Body::SnapshotOffer(offer) => {
                self.office(node, term)?;
                self.ledger.check_meta(&offer.meta)
            }
            Body::SnapshotReply(reply) => {
                check_term(replica, term)?;
                self.check_snapshot_reply(node, reply)
            }
            Body::ReadRequest(request) => self.read_asked(node, request.id),
            Body::ReadReply(reply) => {
                check_term(replica, term)?;
                self.check_read(to, reply)
            }
            Body::LostDisk(_) => self.office(node, term),
        }
    }

    /// A heartbeat arrives at a replica.
    pub(super) fn heard(&mut self, node: NodeId, from: NodeId, round: Round, now: Time) {
        if let Some(replica) = self.replicas.get_mut(&node) {
            // The first arrival counts: a promise is never longer than what the first one was asked for.
            if !replica.heartbeats.iter().any(|(leader, known, _)| (*leader, *known) == (from, round)) {
                replica.heartbeats.push_back((from, round, now));
                if replica.heartbeats.len() > ROUNDS {
                    replica.heartbeats.pop_front();
                }
            }
        }
    }

    /// An append carries the leader's log.
    fn check_append(&mut self, node: NodeId, append: &Append) -> Result<(), Breach> {
        let log = &self.running(node)?.accepted;
        let places = std::iter::once(append.prev).chain(append.entries.iter().map(raft::Entry::position));
        for at in places {
            must!(
                log.term(at.index).is_none_or(|term| term == at.term),
                "an append carries the leader's log",
                "it sends {at:?} and has an entry of {:?} there",
                log.term(at.index)
            );
        }
        self.committed(node, append.commit)
    }

    /// A follower is told no more of the commit index than it is known to hold.
    fn check_told(&mut self, node: NodeId, to: NodeId, commit: LogIndex) -> Result<(), Breach> {
        self.committed(node, commit)?;
        let holds = |replica: &Replica, chain| replica.holds(commit, chain, &self.ledger);
        let held = self.ledger.chain(commit).is_some_and(|chain| {
            commit == LogIndex::ZERO || self.replicas.get(&to).is_some_and(|replica| holds(replica, chain))
        });
        must!(
            held,
            "told only what it holds",
            "{to:?} is told that {commit:?} is committed and does not hold it"
        );
        Ok(())
    }

    /// An ack names what is durable here and the same as in the leader's log.
    fn check_ack(&mut self, node: NodeId, to: NodeId, term: Term, ack: &AppendAck) -> Result<(), Breach> {
        let Group { ledger, replicas, .. } = self;
        let leading = replicas.get(&to).filter(|leader| leader.office == Some(term));
        let of_leader = leading.map(|leader| chain_in(&leader.accepted, ack.matched, ledger));
        let Some(replica) = replicas.get_mut(&node) else { return Ok(()) };
        check_not_installing(replica, ack.matched)?;
        let Some(chain) = chain_in(&replica.durable, ack.matched, ledger) else {
            return Err(Breach::new(
                "acked is durable",
                format!("it acks {:?}; on disk the log ends with {:?}", ack.matched, replica.durable.last()),
            ));
        };
        must!(
            of_leader.is_none_or(|of_leader| of_leader == Some(chain)),
            "acked is the leader's",
            "it acks {:?} to {to:?}, the leader of {term:?}, whose log is another one",
            ack.matched
        );
        let news = replica.acked.is_none_or(|acked| (acked.term, acked.matched) < (term, ack.matched));
        if news {
            replica.acked = Some(Acked { term, matched: ack.matched });
        }
        Ok(())
    }

    /// An install is acknowledged when all of it is on disk (§5).
    fn check_snapshot_reply(&mut self, node: NodeId, reply: &SnapshotReply) -> Result<(), Breach> {
        let complete = self.running(node)?.installing.is_none() && self.has_committed(node, reply.index);
        must!(
            !reply.installed || complete,
            "installed is durable",
            "it acks the install of a snapshot up to {:?}, which is not on disk",
            reply.index
        );
        Ok(())
    }
}

/// The log is in doubt until the write that resets it is durable.
fn check_not_installing(replica: &Replica, index: LogIndex) -> Result<(), Breach> {
    must!(
        replica.installing.is_none(),
        "no append reply during an install",
        "it answers for {index:?}; a snapshot up to {:?} is being installed",
        replica.installing
    );
    Ok(())
}

fn check_reject(replica: &Replica, reject: &AppendReject) -> Result<(), Breach> {
    if reject.rejected == LogIndex::ZERO {
        // It only teaches a leader of the past the term.
        return Ok(());
    }
    check_not_installing(replica, reject.rejected)
}

fn check_heartbeat_ack(replica: &mut Replica, to: NodeId, ack: &HeartbeatAck) -> Result<(), Breach> {
    must!(
        ack.promised <= replica.hard.promise,
        "a promise is durable",
        "it promises {:?}; on disk is {:?}",
        ack.promised,
        replica.hard.promise
    );
    must!(
        ack.start.is_none_or(|start| start == replica.start),
        "a boot says how it began",
        "it says {:?} and began with {:?}",
        ack.start,
        replica.start
    );
    replica.promised = replica.promised.max(ack.promised);
    // It counts from the receipt of the heartbeat.
    let heard = replica.heartbeats.iter().rfind(|(from, round, _)| (*from, *round) == (to, ack.round));
    if let Some((_, _, at)) = heard {
        let until = replica.promises.entry(to).or_default();
        *until = (*until).max(*at + ack.promised);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, boot, breaks, command, noop, place, snapshot};
    use super::*;
    use raft::{
        BootStart, CampaignId, Commit, Entry, HardState, Heartbeat, ReadId, ReadReply, RoleKind, SnapshotId,
        SnapshotOffer, VoteReply,
    };
    use std::time::Duration;

    const PROMISE: Duration = Duration::from_millis(5);

    fn heartbeat_ack(promised: Duration, start: Option<BootStart>) -> Body {
        Body::HeartbeatAck(HeartbeatAck { to_boot: boot(1), round: Round(1), promised, start })
    }

    fn reject(rejected: u64) -> Body {
        let hint = place(1, 1);
        Body::AppendReject(AppendReject { to_boot: boot(1), rejected: LogIndex(rejected), hint })
    }

    fn installed(index: u64, installed: bool) -> Body {
        let (id, index) = (SnapshotId(1), LogIndex(index));
        Body::SnapshotReply(SnapshotReply { to_boot: boot(1), id, index, installed })
    }

    #[test]
    fn replies_wait_for_the_term() {
        let mut stage = Stage::led();
        let vote = VoteReply { to_boot: boot(1), campaign: CampaignId(1), granted: false };
        let replies = [
            Body::PreVoteReply(vote),
            Body::VoteReply(vote),
            Body::AppendAck(AppendAck { to_boot: boot(1), matched: LogIndex(1) }),
            reject(2),
            heartbeat_ack(Duration::ZERO, None),
            installed(9, false),
            Body::ReadReply(ReadReply { to_boot: boot(1), id: ReadId(1), index: None }),
        ];
        let hard = stage.hard(3, None);
        stage.submit(3, Some(hard), None, &[]).unwrap();
        for reply in &replies {
            breaks(stage.send(3, 1, 3, reply.clone()), "a reply's term is durable");
        }
        stage.sync(3);
        for reply in replies {
            stage.send(3, 1, 3, reply).unwrap();
        }
        // A pre-vote names the term asked for, which nobody is in.
        let granted = VoteReply { granted: true, ..vote };
        stage.send(3, 1, 9, Body::PreVoteReply(granted)).unwrap();
    }

    #[test]
    fn what_is_acked_is_on_disk() {
        let mut stage = Stage::led();
        stage.write(1, None, &[command(3, 2, "a")]);
        stage.submit(2, None, None, &[command(3, 2, "a")]).unwrap();
        breaks(stage.ack(2, 1, 3), "acked is durable");
        stage.sync(2);
        stage.ack(2, 1, 3).unwrap();
    }

    #[test]
    fn what_is_acked_is_the_leaders() {
        let mut stage = Stage::led();
        stage.write(3, None, &[command(3, 2, "a")]);
        stage.elect(2, 3, &[1]);
        stage.write(2, None, &[noop(3, 3)]);
        stage.show(2, &stage.status(2, RoleKind::Leader)).unwrap();
        let hard = stage.hard(3, None);
        stage.submit(3, Some(hard), None, &[]).unwrap();
        stage.sync(3);
        stage.ack(3, 2, 2).unwrap();
        breaks(stage.ack(3, 2, 3), "acked is the leader's");
    }

    #[test]
    fn no_append_is_answered_during_an_install() {
        let mut stage = Stage::led();
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        stage.group.installed(NodeId(3), &snapshot(3, 2)).unwrap();
        breaks(stage.ack(3, 1, 2), "no append reply during an install");
        breaks(stage.send(3, 1, 2, reject(9)), "no append reply during an install");
        // These go on: the lesson of the term, and heartbeats.
        stage.send(3, 1, 2, reject(0)).unwrap();
        stage.send(3, 1, 2, heartbeat_ack(Duration::ZERO, None)).unwrap();
    }

    #[test]
    fn an_install_is_acked_when_the_reset_is_durable() {
        let mut stage = Stage::led();
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        breaks(stage.send(3, 1, 2, installed(3, true)), "installed is durable");
        stage.send(3, 1, 2, installed(3, false)).unwrap();
        stage.group.installed(NodeId(3), &snapshot(3, 2)).unwrap();
        stage.move_base(3, snapshot(3, 2), true).unwrap();
        breaks(stage.send(3, 1, 2, installed(3, true)), "installed is durable");
        stage.sync(3);
        stage.send(3, 1, 2, installed(3, true)).unwrap();
    }

    #[test]
    fn a_promise_waits_for_the_disk_and_stays() {
        let mut stage = Stage::led();
        let hard = HardState { promise: PROMISE, ..stage.hard(2, Some(1)) };
        stage.submit(3, Some(hard), None, &[]).unwrap();
        breaks(stage.send(3, 1, 2, heartbeat_ack(PROMISE, None)), "a promise is durable");
        stage.sync(3);
        let less = stage.hard(2, Some(1));
        stage.clone().submit(3, Some(less), None, &[]).unwrap();
        stage.send(3, 1, 2, heartbeat_ack(PROMISE, None)).unwrap();
        breaks(stage.submit(3, Some(less), None, &[]), "a promise stays durable");
    }

    #[test]
    fn a_boot_says_how_it_began() {
        let mut stage = Stage::led();
        let start = BootStart { term: Term(1), last: place(1, 1) };
        stage.send(3, 1, 2, heartbeat_ack(Duration::ZERO, Some(start))).unwrap();
        let wrong = BootStart { term: Term(2), ..start };
        breaks(stage.send(3, 1, 2, heartbeat_ack(Duration::ZERO, Some(wrong))), "a boot says how it began");
    }

    #[test]
    fn appends_carry_the_leaders_log() {
        let mut stage = Stage::led();
        let append = |prev, entries: &[Entry]| {
            Body::Append(Append { prev, entries: entries.to_vec(), commit: LogIndex(1) })
        };
        stage.send(1, 2, 2, append(place(1, 1), &[noop(2, 2), command(3, 2, "new")])).unwrap();
        breaks(stage.send(1, 2, 2, append(place(1, 2), &[])), "an append carries the leader's log");
        breaks(stage.send(1, 2, 2, append(place(1, 1), &[noop(2, 1)])), "an append carries the leader's log");
        breaks(stage.send(2, 1, 2, append(place(1, 1), &[])), "one leadership a term");
    }

    #[test]
    fn a_follower_is_told_no_more_than_it_holds() {
        let mut stage = Stage::led();
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        let heartbeat = |commit| {
            let (round, promise) = (Round(1), Duration::ZERO);
            Body::Heartbeat(Heartbeat {
                round,
                commit: LogIndex(commit),
                promise,
                ask_start: false,
                behind: false,
            })
        };
        let commit = |commit| Body::Commit(Commit { commit: LogIndex(commit) });
        for body in [heartbeat(3), commit(3), heartbeat(0)] {
            stage.send(1, 2, 2, body).unwrap();
        }
        for body in [heartbeat(3), commit(3)] {
            breaks(stage.send(1, 3, 2, body), "told only what it holds");
        }
    }

    #[test]
    fn only_committed_state_is_offered() {
        let mut stage = Stage::led();
        stage.write(1, None, &[command(3, 2, "a")]);
        let offer = |meta| Body::SnapshotOffer(SnapshotOffer { id: SnapshotId(1), meta });
        stage.send(1, 2, 2, offer(snapshot(2, 2))).unwrap();
        breaks(stage.send(1, 2, 2, offer(snapshot(3, 2))), "snapshot meta");
    }

    #[test]
    fn a_lost_disk_is_silent() {
        let mut stage = Stage::led();
        stage.send(3, 1, 2, heartbeat_ack(Duration::ZERO, None)).unwrap();
        let status = stage.status(3, RoleKind::LostDisk);
        stage.show(3, &status).unwrap();
        breaks(stage.send(3, 1, 2, heartbeat_ack(Duration::ZERO, None)), "a lost disk is silent");
    }

    #[test]
    fn a_restarted_voter_waits_out_its_promises() {
        let mut stage = Stage::led();
        let hard = HardState { promise: Duration::from_secs(1), ..stage.hard(2, None) };
        stage.boot(4, 1, hard, &raft::SnapshotMeta::empty(), &[]).unwrap();
        let grant =
            Body::PreVoteReply(VoteReply { to_boot: boot(1), campaign: CampaignId(1), granted: true });
        stage.now = Time::from_nanos(999_999_999);
        breaks(stage.clone().send(4, 2, 3, grant.clone()), "a promise outlives a restart");
        stage.now = Time::from_nanos(1_000_000_000);
        stage.send(4, 2, 3, grant).unwrap();
    }

    #[test]
    fn a_promise_binds_to_its_leader() {
        let mut stage = Stage::led();
        let second = Duration::from_secs(1);
        let hard = HardState { promise: second, ..stage.hard(2, Some(1)) };
        stage.submit(3, Some(hard), None, &[]).unwrap();
        stage.sync(3);
        stage.now = Time::from_nanos(1_000_000_000);
        stage.group.heard(NodeId(3), NodeId(1), Round(9), stage.now);
        let ack = HeartbeatAck { to_boot: boot(1), round: Round(9), promised: second, start: None };
        stage.send(3, 1, 2, Body::HeartbeatAck(ack)).unwrap();
        let grant =
            Body::PreVoteReply(VoteReply { to_boot: boot(1), campaign: CampaignId(1), granted: true });
        stage.now = Time::from_nanos(1_999_999_999);
        stage.clone().send(3, 1, 3, grant.clone()).unwrap();
        breaks(stage.clone().send(3, 2, 3, grant.clone()), "a promise is kept");
        stage.now = Time::from_nanos(2_000_000_000);
        stage.send(3, 2, 3, grant).unwrap();
    }
}
