//! Campaigns and votes: PreVote (§9.6), RequestVote (§3.4), leader stickiness (§4.2.3).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::canary::Canary;
use crate::durability::Gate;
use crate::entry::Payload;
use crate::lease::Rounds;
use crate::message::{Body, Message, VoteReply, VoteRequest};
use crate::progress::Progress;
use crate::quorum::is_majority;
use crate::raft::{Leader, Raft, ReplyTo, Role};
use crate::reads::LeaderReads;
use crate::types::{CampaignId, NodeId, Term, Time};

/// One round of asking.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    id: CampaignId,
    /// The answers of others.
    answers: BTreeMap<NodeId, bool>,
}

impl Raft {
    /// Starts a campaign now instead of after a silence; promises given still hold.
    pub fn campaign(&mut self, now: Time) {
        self.advance(now);
        if !matches!(self.role, Role::Leader(_) | Role::LostDisk) {
            self.on_election_timeout();
        }
    }

    pub(crate) fn on_election_timeout(&mut self) {
        self.reset_election_timer();
        let me = self.me.peer.node;
        if !self.promises.allow(self.now, me) {
            let spread = u64::try_from(self.settings.election_timeout.as_nanos()).unwrap_or(u64::MAX);
            self.election_due = self.promises.free_at(me) + Duration::from_nanos(self.rng.below(spread));
            return;
        }
        if !self.can_campaign() {
            if matches!(self.role, Role::PreCandidate(_) | Role::Candidate(_)) {
                self.become_follower(self.term());
            }
            return;
        }
        self.start_pre_vote();
    }

    /// A learner cannot lead; a replica in the middle of an install has no log to lead with; one whose disk
    /// hangs could not take office.
    fn can_campaign(&self) -> bool {
        self.may_lead() && !self.inbound.is_installing() && !self.disk_is_stalled()
    }

    /// A voter may. So may, without counting itself, whoever alone may hold what the next leader must have:
    /// one that was a voter until a change that is not known to be committed (§4.2.2); and a learner that had to
    /// refuse a candidate, when those who hold the same as it are gone.
    fn may_lead(&self) -> bool {
        let me = self.me.peer.node;
        self.is_voter()
            || self.log.configuration_as_of(self.commit).1.is_voter(me)
            || self.holds_more && self.configuration().members.contains_key(&me)
    }

    fn new_campaign(&mut self) -> Campaign {
        self.counters.campaigns += 1;
        self.last_campaign = CampaignId(self.last_campaign.0 + 1);
        Campaign { id: self.last_campaign, answers: BTreeMap::new() }
    }

    fn start_pre_vote(&mut self) {
        let campaign = self.new_campaign();
        let request = VoteRequest { campaign: campaign.id, last: self.log.last(), forced: false };
        let old = std::mem::replace(&mut self.role, Role::PreCandidate(campaign));
        self.end_role(old);
        self.ask_voters(self.term().next(), Body::PreVote(request));
        self.campaign_if_pre_elected();
    }

    fn campaign_if_pre_elected(&mut self) {
        if let Role::PreCandidate(campaign) = &self.role
            && self.has_majority(campaign)
        {
            let forced = self.stale_force && self.planted(Canary::ForcedVoteOutlivesTerm);
            self.start_vote(forced);
        }
    }

    fn start_vote(&mut self, forced: bool) {
        let campaign = self.new_campaign();
        self.enter_term(self.term().next(), Some(self.me.peer.node));
        self.reset_election_timer();
        let request = VoteRequest { campaign: campaign.id, last: self.log.last(), forced };
        let old = std::mem::replace(&mut self.role, Role::Candidate(campaign));
        self.end_role(old);
        self.ask_voters(self.term(), Body::Vote(request));
        self.take_office_if_elected();
    }

    fn ask_voters(&mut self, term: Term, body: Body) {
        let (_, configuration) = self.log.configuration().clone();
        for (node, member) in &configuration.members {
            if *node != self.me.peer.node && configuration.is_voter(*node) {
                let target = crate::identity::Target { node: *node, disk: member.disk };
                self.send(target, member.replica, term, body.clone());
            }
        }
    }

    /// Only voters of the configuration in force count, this replica among them.
    fn has_majority(&self, campaign: &Campaign) -> bool {
        let configuration = self.configuration();
        let all = self.planted(Canary::LearnerCounts);
        let counts =
            |node: NodeId| configuration.is_voter(node) || all && configuration.members.contains_key(&node);
        let granted = campaign.answers.iter().filter(|(node, granted)| **granted && counts(**node)).count();
        let voters = configuration.voters().count();
        is_majority(granted + usize::from(self.is_voter()), voters)
    }

    /// Whether `candidate` may be helped: no promise to another, and no leader that was just heard.
    pub(crate) fn may_help(&self, candidate: NodeId) -> bool {
        if !self.promises.allow(self.now, candidate) {
            return false;
        }
        let recent = |at: Time| self.now.since(at) < self.settings.election_timeout;
        match &self.role {
            Role::Follower(follower) => {
                let is_leader = follower.leader.is_some_and(|leader| leader.target.node == candidate);
                is_leader || !follower.heard_at.is_some_and(recent)
            }
            Role::Leader(leader) => {
                let heard = leader.majority(self.now, |p| p.heard_at.unwrap_or_default(), |p| p.voter);
                !recent(heard.max(leader.elected_at))
            }
            Role::PreCandidate(_) | Role::Candidate(_) => true,
            Role::LostDisk => false,
        }
    }

    /// Whether a candidate's log is at least as up to date as our own (§3.6.1).
    fn judge_log(&mut self, request: &VoteRequest) -> bool {
        let complete = request.last >= self.log.last();
        self.holds_more |= !complete;
        complete || self.planted(Canary::VoteForShorterLog)
    }

    pub(crate) fn on_pre_vote(&mut self, from: &ReplyTo, term: Term, request: VoteRequest) {
        let granted = term > self.term() && self.may_help(from.target.node) && self.judge_log(&request);
        // A refusal names our own term: a candidate that is behind must learn it.
        let term = if granted { term } else { self.term() };
        let reply = VoteReply { to_boot: from.boot, campaign: request.campaign, granted };
        self.reply_in(from, Gate::HardState, term, Body::PreVoteReply(reply));
    }

    /// Whether its answers are kept: those of strangers count for nothing.
    fn is_member(&self, node: NodeId) -> bool {
        self.configuration().members.contains_key(&node)
    }

    pub(crate) fn on_pre_vote_reply(&mut self, from: &ReplyTo, reply: VoteReply) {
        let member = self.is_member(from.target.node);
        let Role::PreCandidate(campaign) = &mut self.role else { return };
        if campaign.id != reply.campaign || !member {
            self.counters.stale_replies += 1;
            return;
        }
        campaign.answers.insert(from.target.node, reply.granted);
        self.campaign_if_pre_elected();
    }

    pub(crate) fn refuse_vote(&mut self, from: &ReplyTo, message: &Message, campaign: CampaignId) {
        let reply = VoteReply { to_boot: from.boot, campaign, granted: false };
        let body = match message.body {
            Body::PreVote(_) => Body::PreVoteReply(reply),
            _ => Body::VoteReply(reply),
        };
        self.reply_in(from, Gate::HardState, self.term(), body);
    }

    /// A request of our own term: terms are settled.
    pub(crate) fn on_vote(&mut self, from: &ReplyTo, request: VoteRequest) {
        let candidate = from.target.node;
        let free = match &self.role {
            Role::Follower(follower) => follower.leader.is_none(),
            Role::PreCandidate(_) => true,
            Role::Candidate(_) | Role::Leader(_) | Role::LostDisk => false,
        };
        let first =
            self.hard_state.vote.is_none_or(|vote| vote == candidate) || self.planted(Canary::VoteTwice);
        // The leader itself asked for a forced vote and gave up its lease (§4.2.3, §6.4.1).
        let helps = request.forced || self.may_help(candidate);
        let granted = free && first && helps && self.judge_log(&request);
        if granted {
            if self.hard_state.vote != Some(candidate) {
                self.hard_state.vote = Some(candidate);
                self.durability.hard_state_changed();
            }
            self.reset_election_timer();
        }
        self.reply(from, Gate::HardState, |to_boot| {
            Body::VoteReply(VoteReply { to_boot, campaign: request.campaign, granted })
        });
    }

    pub(crate) fn on_vote_reply(&mut self, from: &ReplyTo, reply: VoteReply) {
        let member = self.is_member(from.target.node);
        let Role::Candidate(campaign) = &mut self.role else { return };
        if campaign.id != reply.campaign || !member {
            self.counters.stale_replies += 1;
            return;
        }
        campaign.answers.insert(from.target.node, reply.granted);
        self.take_office_if_elected();
    }

    /// A candidate takes office only when its own term and vote are durable, however many others granted:
    /// after a crash it could otherwise vote for another in the same term.
    pub(crate) fn take_office_if_elected(&mut self) {
        let Role::Candidate(campaign) = &self.role else { return };
        let durable =
            self.durability.is_done(Gate::HardState) || self.planted(Canary::OfficeBeforeDurability);
        if durable && self.has_majority(campaign) && self.may_lead() {
            self.take_office();
        }
    }

    fn take_office(&mut self) {
        self.counters.elections_won += 1;
        // A transfer under way goes on until the caller reports its end: ids belong to their sender, and the
        // next one may have the same.
        assert!(!self.inbound.is_installing(), "an install ends every campaign");
        let next = self.log.last().index.next();
        let (_, configuration) = self.log.configuration().clone();
        let others = configuration.members.iter().filter(|(node, _)| **node != self.me.peer.node);
        let progress = others.map(|(node, member)| {
            let voter = configuration.is_voter(*node);
            Progress { voter, ..Progress::new(*node, member, next) }
        });
        self.role = Role::Leader(Box::new(Leader {
            progress: progress.collect(),
            votes: configuration.is_voter(self.me.peer.node),
            term_start: next,
            elected_at: self.now,
            rounds: Rounds::new(),
            heartbeat_due: self.now + self.settings.heartbeat,
            uncommitted_bytes: 0,
            change: None,
            transfer: None,
            timeout_now_sent: false,
            reads: LeaderReads::default(),
            replicate_due: true,
        }));
        // Nothing of earlier terms commits by counting; the no-op brings it along (§3.6.2).
        self.append_entry(Payload::Noop);
        self.begin_round();
        self.try_commit();
    }

    /// The leader asks this replica to take over (§3.10). The force holds for this one campaign, in exactly
    /// the next term: a retry goes through PreVote.
    pub(crate) fn on_timeout_now(&mut self, from: &ReplyTo) {
        let from_leader = match &self.role {
            Role::Follower(follower) => follower.leader.is_none_or(|leader| leader.target == from.target),
            Role::PreCandidate(_) => true,
            Role::Candidate(_) | Role::Leader(_) | Role::LostDisk => false,
        };
        if from_leader && self.can_campaign() {
            self.stale_force = true;
            self.start_vote(true);
        }
    }
}
