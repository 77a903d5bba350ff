//! Votes and office: one leadership a term, taken by the durable votes of a majority, with everything that is
//! committed (§3.4, §3.6).

use std::collections::{BTreeMap, BTreeSet};

use raft::{Boot, LogPosition, NodeId, Term, VoteRequest};

use super::Breach;
use super::group::Group;
use super::ledger::Ledger;
use super::replica::chain_in;

/// A leadership.
#[derive(Clone, Copy, Debug)]
struct Office {
    node: NodeId,
    boot: Boot,
    /// The end of its log when it began.
    last: LogPosition,
}

/// All elections of a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Elections {
    offices: BTreeMap<Term, Office>,
    /// Durable votes: term, voter, candidate.
    votes: BTreeSet<(Term, NodeId, NodeId)>,
    /// The logs with which candidates asked.
    campaigns: BTreeMap<(Term, NodeId), LogPosition>,
    /// Campaigns that the leader before asked for.
    forced: BTreeSet<(Term, NodeId)>,
    /// Who was told to campaign by the leader of which term.
    handovers: BTreeSet<(Term, NodeId)>,
}

impl Elections {
    /// The highest term that has a leader.
    pub(super) fn newest(&self) -> Option<Term> {
        self.offices.last_key_value().map(|(term, _)| *term)
    }

    /// A vote is durable.
    pub(super) fn voted(&mut self, term: Term, voter: NodeId, candidate: NodeId) {
        self.votes.insert((term, voter, candidate));
    }

    /// A leader told a follower to campaign.
    pub(super) fn handed_over(&mut self, term: Term, to: NodeId) {
        self.handovers.insert((term, to));
    }

    /// A candidate asks for votes.
    pub(super) fn campaigned(
        &mut self,
        term: Term,
        node: NodeId,
        request: &VoteRequest,
    ) -> Result<(), Breach> {
        self.campaigns.insert((term, node), request.last);
        if request.forced {
            self.forced.insert((term, node));
        }
        // The force holds for one campaign, in exactly the next term (§3.10, §4.2.3).
        must!(
            !request.forced || self.handovers.contains(&(Term(term.0.saturating_sub(1)), node)),
            "forced only when asked",
            "it asks for forced votes in {term:?}; the leader of the term before did not hand over to it"
        );
        Ok(())
    }

    /// Whether the leader before asked for this campaign.
    pub(super) fn is_forced(&self, term: Term, candidate: NodeId) -> bool {
        self.forced.contains(&(term, candidate))
    }

    /// A vote is granted by someone whose log ends with `own` (§3.6.1).
    pub(super) fn check_log(&self, term: Term, candidate: NodeId, own: LogPosition) -> Result<(), Breach> {
        let asked = self.campaigns.get(&(term, candidate));
        // With entries of this term the log is already the elected candidate's.
        must!(
            own.term == term || asked.is_some_and(|last| *last >= own),
            "votes go to complete logs",
            "{candidate:?} gets a vote in {term:?}: its log ends with {asked:?}, the voter's with {own:?}"
        );
        Ok(())
    }

    /// The leader of `term` committed `at`, and leaders of later terms may have been elected before that was
    /// seen: they must have it as well (§3.6.3).
    pub(super) fn check_late(&self, ledger: &Ledger, at: LogPosition, term: Term) -> Result<(), Breach> {
        for (later, office) in self.offices.range(term.next()..) {
            let mut place = Some(office.last);
            while let Some(here) = place.filter(|here| here.index > at.index) {
                place = ledger.registry.before(here);
            }
            must!(
                place == Some(at),
                "leader completeness",
                "{at:?} is committed in {term:?}; the log of {:?}, elected in {later:?}, has {place:?} there",
                office.node
            );
        }
        Ok(())
    }
}

impl Group {
    /// A replica acts as the leader of a term.
    pub(super) fn office(&mut self, node: NodeId, term: Term) -> Result<(), Breach> {
        let replica = self.running(node)?;
        if replica.office == Some(term) {
            return Ok(());
        }
        let boot = replica.boot;
        let other = self.elections.offices.get(&term).map(|office| (office.node, office.boot));
        must!(
            other.is_none(),
            "one leadership a term",
            "it leads {term:?} as {boot:?}; {other:?} did already"
        );
        self.check_elected(node, term)?;
        let replica = self.running(node)?;
        replica.office = Some(term);
        let office = Office { node, boot: boot.unwrap_or_default(), last: replica.accepted.last() };
        self.elections.offices.insert(term, office);
        Ok(())
    }

    fn check_elected(&self, node: NodeId, term: Term) -> Result<(), Breach> {
        let Some(replica) = self.replicas.get(&node) else { return Ok(()) };
        // Otherwise it could vote for another in the same term after a crash.
        must!(
            (replica.hard.term, replica.hard.vote) == (term, Some(node)),
            "office after the own vote is durable",
            "it leads {term:?}; on disk is {:?}",
            replica.hard
        );
        let (at, configuration) = replica.accepted.configuration();
        // Who is no voter may still be the only one that holds what the next leader must have: an entry, or the
        // change that removed it (§4.2.2).
        let (_, committed) = replica.accepted.configuration_as_of(replica.commit);
        must!(
            configuration.members.contains_key(&node) || committed.members.contains_key(&node),
            "only members lead",
            "it leads {term:?} and is no member in {at:?}"
        );
        let voters = configuration.voters().count();
        let granted =
            configuration.voters().filter(|v| self.elections.votes.contains(&(term, *v, node))).count();
        must!(
            granted * 2 > voters,
            "office by a majority",
            "it leads {term:?} with durable votes of {granted} of {voters} voters of {at:?}"
        );
        if let Some((index, chain)) = self.ledger.last_before(term) {
            must!(
                chain_in(&replica.accepted, index, &self.ledger) == Some(chain),
                "leader completeness",
                "it leads {term:?}; its log goes from {:?} to {:?} and does not have the committed {index:?}",
                replica.accepted.base(),
                replica.accepted.last()
            );
        }
        Ok(())
    }

    /// A vote is granted: it is durable, and so the only one of its term.
    pub(super) fn check_vote(&mut self, node: NodeId, term: Term, to: NodeId) -> Result<(), Breach> {
        let replica = self.running(node)?;
        must!(
            (replica.hard.term, replica.hard.vote) == (term, Some(to)),
            "a vote is durable",
            "it votes for {to:?} in {term:?}; on disk is {:?}",
            replica.hard
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stage, breaks, command, configuration_entry, noop};
    use super::*;
    use raft::{Body, Change, LogIndex, RoleKind, SnapshotMeta, TimeoutNow};

    #[test]
    fn a_term_has_one_leadership() {
        let mut stage = Stage::led();
        stage.elect(2, 3, &[3]);
        stage.group.office(NodeId(2), Term(3)).unwrap();
        stage.group.office(NodeId(2), Term(3)).unwrap();
        breaks(stage.clone().group.office(NodeId(3), Term(3)), "one leadership a term");
        // The next boot of the same node is another leadership.
        stage.stop(2);
        let hard = stage.hard(3, Some(2));
        let log = [Stage::first_entry(), noop(2, 2)];
        stage.boot(2, 2, hard, &SnapshotMeta::empty(), &log).unwrap();
        breaks(stage.group.office(NodeId(2), Term(3)), "one leadership a term");
    }

    #[test]
    fn office_needs_the_own_vote_on_disk() {
        let mut stage = Stage::led();
        let hard = stage.hard(3, Some(2));
        stage.submit(2, Some(hard), None, &[]).unwrap();
        breaks(stage.clone().group.office(NodeId(2), Term(3)), "office after the own vote is durable");
        stage.sync(2);
        breaks(stage.group.office(NodeId(2), Term(3)), "office by a majority");
        stage.ask(2, 3, 3, false).unwrap();
        stage.submit(3, Some(hard), None, &[]).unwrap();
        breaks(stage.group.office(NodeId(2), Term(3)), "office by a majority");
        stage.sync(3);
        stage.group.office(NodeId(2), Term(3)).unwrap();
    }

    #[test]
    fn the_vote_of_a_learner_does_not_count() {
        let mut stage = Stage::led_with_learner();
        stage.elect(2, 3, &[4]);
        breaks(stage.clone().group.office(NodeId(2), Term(3)), "office by a majority");
        stage.elect(4, 4, &[2]);
        breaks(stage.clone().group.office(NodeId(4), Term(4)), "office by a majority");
        stage.elect(4, 4, &[2, 3]);
        stage.group.office(NodeId(4), Term(4)).unwrap();
    }

    #[test]
    fn a_voter_may_lead_until_its_removal_is_committed() {
        let mut stage = Stage::led();
        let removed = configuration_entry(3, 2, stage.changed(Change::Remove { node: NodeId(2) }));
        stage.write(2, None, std::slice::from_ref(&removed));
        stage.elect(2, 3, &[3]);
        // Its own vote does not count.
        breaks(stage.clone().group.office(NodeId(2), Term(3)), "office by a majority");
        stage.elect(2, 3, &[1]);
        stage.clone().group.office(NodeId(2), Term(3)).unwrap();
        let mut stage = Stage::led();
        stage.commit(&[2, 3], &[removed]).unwrap();
        stage.group.committed(NodeId(2), LogIndex(3)).unwrap();
        stage.elect(2, 3, &[1, 3]);
        breaks(stage.group.office(NodeId(2), Term(3)), "only members lead");
    }

    #[test]
    fn the_configuration_in_the_candidates_log_counts() {
        let mut stage = Stage::led();
        let two = configuration_entry(3, 2, stage.changed(Change::Demote { node: NodeId(3) }));
        stage.write(2, None, &[two]);
        stage.elect(2, 3, &[3]);
        breaks(stage.group.office(NodeId(2), Term(3)), "office by a majority");
    }

    #[test]
    fn a_leader_has_what_was_committed_before() {
        let mut stage = Stage::led();
        stage.commit(&[2], &[command(3, 2, "a")]).unwrap();
        stage.elect(3, 3, &[]);
        stage.group.elections.voted(Term(3), NodeId(1), NodeId(3));
        breaks(stage.group.office(NodeId(3), Term(3)), "leader completeness");
    }

    #[test]
    fn a_commit_that_is_seen_late_is_in_the_logs_of_later_leaders() {
        let mut stage = Stage::led();
        for node in 1..=2 {
            stage.write(node, None, &[command(3, 2, "a")]);
        }
        // Node 3 is elected without entry 3, which a majority holds already.
        stage.elect(3, 3, &[]);
        stage.group.elections.voted(Term(3), NodeId(2), NodeId(3));
        stage.group.office(NodeId(3), Term(3)).unwrap();
        breaks(stage.group.committed(NodeId(1), LogIndex(3)), "leader completeness");
    }

    #[test]
    fn a_commit_that_is_seen_late_passes_if_the_later_leader_has_it() {
        let mut stage = Stage::led();
        for node in 1..=2 {
            stage.write(node, None, &[command(3, 2, "a")]);
        }
        stage.elect(2, 3, &[3]);
        stage.group.office(NodeId(2), Term(3)).unwrap();
        stage.group.committed(NodeId(1), LogIndex(3)).unwrap();
    }

    #[test]
    fn a_vote_goes_to_a_log_at_least_as_long() {
        let mut stage = Stage::led();
        stage.write(2, None, &[command(3, 2, "a")]);
        stage.ask(3, 2, 3, false).unwrap();
        let hard = stage.hard(3, Some(3));
        breaks(stage.clone().submit(2, Some(hard), None, &[]), "votes go to complete logs");
        stage.submit(1, Some(hard), None, &[]).unwrap();
        // A vote that nobody asked for.
        let hard = stage.hard(3, Some(2));
        breaks(stage.submit(3, Some(hard), None, &[]), "votes go to complete logs");
    }

    #[test]
    fn votes_are_forced_only_after_a_transfer_in_the_term_before() {
        let mut stage = Stage::led();
        breaks(stage.ask(2, 3, 3, true), "forced only when asked");
        stage.send(1, 2, 2, Body::TimeoutNow(TimeoutNow)).unwrap();
        stage.ask(2, 3, 3, true).unwrap();
        breaks(stage.ask(2, 3, 4, true), "forced only when asked");
        breaks(stage.ask(3, 2, 3, true), "forced only when asked");
    }

    #[test]
    fn a_granted_vote_is_durable() {
        let mut stage = Stage::led();
        stage.ask(2, 3, 3, false).unwrap();
        let hard = stage.hard(3, Some(2));
        stage.submit(3, Some(hard), None, &[]).unwrap();
        breaks(stage.clone().grant(3, 2, 3), "a reply's term is durable");
        stage.sync(3);
        stage.grant(3, 2, 3).unwrap();
        breaks(stage.grant(3, 1, 3), "a vote is durable");
    }

    #[test]
    fn a_leader_shows_itself_by_its_status_too() {
        let mut stage = Stage::led();
        let status = stage.status(2, RoleKind::Leader);
        breaks(stage.show(2, &status), "one leadership a term");
    }
}
