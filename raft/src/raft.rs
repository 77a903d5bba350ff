//! The core itself: its state, what goes in, what comes out.

use std::sync::Arc;
use std::time::Duration;

use crate::canary::Canary;
use crate::configuration::Configuration;
use crate::durability::{Durability, Gate};
use crate::election::Campaign;
use crate::error::ProposeError;
use crate::identity::{Boot, Header, Identity, Peer, Target};
use crate::lease::Rounds;
use crate::log::Log;
use crate::membership::ChangeCall;
use crate::message::{Body, BootStart, Message, is_sound};
use crate::output::{Gathered, HardState, LogRead, Outgoing, Output, ReadPurpose};
use crate::peers::{self, Peers};
use crate::progress::{Progress, Sending};
use crate::promise::Promises;
use crate::reads::{ForwardedReads, LeaderReads};
use crate::rng::Rng;
use crate::settings::Settings;
use crate::snapshot::Inbound;
use crate::status::Counters;
use crate::transfer::Transfer;
use crate::types::{CampaignId, LogIndex, LogPosition, NodeId, ReadId, ReplicaId, Term, Time, WriteSeq};

/// One replica of one group.
///
/// Its fields stand in the order of how often they are used: there may be ten thousand idle groups, and what
/// a heartbeat costs is how many cache lines it touches.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Raft {
    pub(crate) me: Identity,
    pub(crate) role: Role,
    pub(crate) now: Time,
    /// When to campaign, unless a leader is heard first.
    pub(crate) election_due: Time,
    pub(crate) rng: Rng,
    pub(crate) settings: Arc<Settings>,
    pub(crate) out: Gathered,
    /// Entries to be applied are being read back.
    pub(crate) reading_apply: bool,
    pub(crate) commit: LogIndex,
    /// Our log equals that of the current term's leader up to here, whatever role we had meanwhile.
    pub(crate) verified: LogIndex,
    /// Handed out to be applied.
    pub(crate) handed: LogIndex,
    /// The same, without the last batch.
    pub(crate) handed_before: LogIndex,
    /// Reported applied.
    pub(crate) applied: LogIndex,
    /// Confirmed reads that wait to be applied: index, token, by lease.
    pub(crate) confirmed_reads: Vec<(LogIndex, u64, bool)>,
    pub(crate) inbound: Inbound,
    /// As in memory; what is durable of it, `durability` knows.
    pub(crate) hard_state: HardState,
    pub(crate) durability: Durability,
    pub(crate) log: Log,
    pub(crate) promises: Promises,
    pub(crate) peers: Peers,
    /// What was durable when this boot began.
    pub(crate) start: BootStart,
    pub(crate) last_campaign: CampaignId,
    /// A candidate was refused because this replica holds more than it, and no leader was heard since.
    pub(crate) holds_more: bool,
    pub(crate) last_read: ReadId,
    pub(crate) counters: Counters,
    #[cfg(feature = "canary")]
    canary: Option<Canary>,
    /// The planted bug `ForcedVoteOutlivesTerm`: a forced vote that was not forgotten.
    pub(crate) stale_force: bool,
}

/// What a replica does, with all that belongs to it and goes with it.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Waits for a leader, or follows one.
    Follower(Follower),
    /// Asks whether it would be elected (§9.6).
    PreCandidate(Campaign),
    /// Asks for votes (§3.4).
    Candidate(Campaign),
    /// Leads.
    Leader(Box<Leader>),
    /// Takes no part: its disk lost acknowledged data.
    LostDisk,
}

/// A follower's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follower {
    /// The leader of the current term, once heard.
    pub(crate) leader: Option<ReplyTo>,
    /// When it was last heard.
    pub(crate) heard_at: Option<Time>,
    /// What it said last of how much is missing here.
    pub(crate) behind: Option<bool>,
    pub(crate) reads: ForwardedReads,
}

/// A leader's state.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Leader {
    pub(crate) heartbeat_due: Time,
    /// Everyone else in the configuration in force, by node.
    pub(crate) progress: Vec<Progress>,
    pub(crate) elected_at: Time,
    /// Something may be sent to someone.
    pub(crate) replicate_due: bool,
    /// Whether it counts itself, by the configuration in force.
    pub(crate) votes: bool,
    /// The lease is gone for the rest of the term (§6.4.1).
    pub(crate) timeout_now_sent: bool,
    pub(crate) transfer: Option<Transfer>,
    pub(crate) reads: LeaderReads,
    pub(crate) rounds: Rounds,
    /// Its first entry, the no-op.
    pub(crate) term_start: LogIndex,
    /// Proposals of this term not yet committed, in bytes.
    pub(crate) uncommitted_bytes: usize,
    pub(crate) change: Option<ChangeCall>,
}

/// Whom to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyTo {
    pub(crate) target: Target,
    pub(crate) replica: ReplicaId,
    pub(crate) boot: Boot,
}

impl Leader {
    /// Reads what a round of heartbeats uses.
    pub(crate) fn warm(&self) -> u64 {
        self.heartbeat_due.as_nanos() ^ self.elected_at.as_nanos() ^ self.rounds.latest().0
    }

    pub(crate) fn progress_of(&mut self, node: NodeId) -> Option<&mut Progress> {
        self.progress.iter_mut().find(|p| p.node == node)
    }
}

impl Raft {
    pub(crate) fn from_parts(
        now: Time,
        seed: u64,
        me: Identity,
        settings: Arc<Settings>,
        hard_state: HardState,
        log: Log,
        applied: LogIndex,
    ) -> Self {
        let last = log.last();
        let mut raft = Self {
            me,
            settings,
            now,
            rng: Rng::new(seed),
            hard_state,
            commit: hard_state.commit.max(applied),
            verified: LogIndex::ZERO,
            handed: applied,
            handed_before: applied,
            applied,
            reading_apply: false,
            durability: Durability::new(hard_state, last.index),
            promises: Promises::after_restart(now, hard_state.promise),
            peers: Peers::default(),
            start: BootStart { term: hard_state.term, last },
            role: Role::Follower(Follower::default()),
            last_campaign: CampaignId(0),
            holds_more: false,
            last_read: ReadId(0),
            election_due: Time::ZERO,
            inbound: Inbound::Idle,
            confirmed_reads: Vec::new(),
            out: Gathered::default(),
            counters: Counters::default(),
            #[cfg(feature = "canary")]
            canary: None,
            stale_force: false,
            log,
        };
        if hard_state.lost_disk {
            raft.role = Role::LostDisk;
        }
        raft.reset_election_timer();
        raft
    }

    /// Plants a known bug.
    #[cfg(feature = "canary")]
    pub fn plant(&mut self, canary: Canary) {
        self.canary = Some(canary);
        self.durability.aba = canary == Canary::AppendAba;
        if canary == Canary::VoteAfterRestart {
            self.promises = Promises::after_restart(self.now, Duration::ZERO);
        }
    }

    /// Forgets what no rule reads, so that equal states are equal however they were reached: counters, random
    /// numbers, how many writes there were. Writes under way count from 1 again. Only between two outputs.
    #[cfg(feature = "canary")]
    pub fn forget_history(&mut self) {
        self.counters = Counters::default();
        self.rng = Rng::new(0);
        self.durability.forget_history();
        self.peers.forget_history();
    }

    #[cfg(feature = "canary")]
    pub(crate) fn planted(&self, canary: Canary) -> bool {
        self.canary == Some(canary)
    }

    #[cfg(not(feature = "canary"))]
    #[expect(clippy::unused_self, reason = "the same call as with the feature")]
    pub(crate) fn planted(&self, _: Canary) -> bool {
        false
    }

    pub(crate) fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    pub(crate) fn term(&self) -> Term {
        self.hard_state.term
    }

    pub(crate) fn configuration(&self) -> &Configuration {
        &self.log.configuration().1
    }

    /// Against which a sender is checked. Who counts acks or votes counts by the configuration in force. Who
    /// might follow must not be shut out from a leader by a change of an earlier leader that never commits.
    fn known_members(&self, body: &Body) -> &Configuration {
        let counts = matches!(self.role, Role::Leader(_))
            || matches!(body, Body::VoteReply(_) | Body::PreVoteReply(_));
        if counts { self.configuration() } else { &self.log.configuration_as_of(self.commit).1 }
    }

    pub(crate) fn is_voter(&self) -> bool {
        self.configuration().is_voter(self.me.peer.node)
    }

    pub(crate) fn known_leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.me.peer.node),
            Role::Follower(follower) => follower.leader.map(|leader| leader.target.node),
            Role::PreCandidate(_) | Role::Candidate(_) | Role::LostDisk => None,
        }
    }

    // ---- what goes in -------------------------------------------------------------------------------

    /// Takes a message out of an envelope with this header. Remote input never panics: what is malformed, not
    /// meant for this replica or out of date is counted and dropped.
    pub fn step(&mut self, now: Time, header: &Header, message: Message) {
        self.advance(now);
        if matches!(self.role, Role::LostDisk) {
            return;
        }
        let for_me = peers::is_for(&self.me, header, &message) || self.planted(Canary::EmptyDiskAnswers);
        let settled = self.settled_configuration();
        let recognised = settled.is_some_and(|at| self.peers.recognise(header.from, message.from, at));
        if !for_me || !recognised && !self.may_come_from(header, &message) {
            self.counters.identity_drops += 1;
            if for_me {
                self.tell_if_rolled_back(header.from);
            }
            return;
        }
        if !is_sound(&message) || header.from.node == self.me.peer.node {
            self.counters.bad_messages += 1;
            return;
        }
        if !recognised {
            let (_, configuration) = self.log.configuration();
            self.peers.accept(header.from, message.from, settled, configuration);
        }
        if message.body.to_boot().is_some_and(|boot| boot != self.me.peer.boot) {
            self.counters.stale_replies += 1;
            return;
        }
        let from = ReplyTo {
            target: Target { node: header.from.node, disk: header.from.disk },
            replica: message.from,
            boot: header.from.boot,
        };
        if self.settle_term(&from, &message) {
            self.note_contact(&from);
            self.dispatch(&from, message);
        }
    }

    /// The place of the configuration in force if it is committed: then every check of a sender is by this one.
    fn settled_configuration(&self) -> Option<LogPosition> {
        let (at, _) = self.log.configuration();
        (at.index <= self.commit).then_some(*at)
    }

    /// Whether the sender is who the configuration says, in a boot that is not of the past.
    fn may_come_from(&self, header: &Header, message: &Message) -> bool {
        let Peer { node, boot, .. } = header.from;
        let rolled_back =
            self.peers.is_past(node, boot) || peers::is_below_recorded(self.configuration(), node, boot);
        let known = peers::is_known_or_new(self.known_members(&message.body), header, message);
        known && (!rolled_back || self.planted(Canary::RolledBackDisk))
            || self.planted(Canary::EmptyDiskAnswers)
    }

    /// Compares terms (§3.3). True if the message is to be handled further.
    fn settle_term(&mut self, from: &ReplyTo, message: &Message) -> bool {
        if message.term > self.term() {
            match &message.body {
                // A pre-vote names a term that nobody is in yet; a granted reply names it back.
                Body::PreVote(_) => return true,
                Body::PreVoteReply(reply) if reply.granted => return true,
                // Leader stickiness (§4.2.3): while a leader is there, a vote request changes nothing.
                Body::Vote(vote) if !vote.forced && !self.may_help(from.target.node) => return false,
                // These speak of one term only.
                Body::TimeoutNow(_) => {
                    self.counters.stale_replies += 1;
                    return false;
                }
                _ => self.become_follower(message.term),
            }
            return true;
        }
        if message.term == self.term() {
            return true;
        }
        match &message.body {
            // Teach a leader of the past, or a candidate that is behind, the term.
            Body::Append(_) | Body::Heartbeat(_) | Body::SnapshotOffer(_) => {
                let (rejected, hint) = (LogIndex::ZERO, LogPosition::default());
                self.reply(from, Gate::HardState, |to_boot| {
                    Body::AppendReject(crate::message::AppendReject { to_boot, rejected, hint })
                });
                false
            }
            Body::PreVote(request) | Body::Vote(request) => {
                self.refuse_vote(from, message, request.campaign);
                false
            }
            Body::PreVoteReply(_) => true,
            _ => {
                self.counters.stale_replies += 1;
                false
            }
        }
    }

    /// Notes that a member answers, and how its boots follow each other.
    fn note_contact(&mut self, from: &ReplyTo) {
        let now = self.now;
        if let Role::Leader(leader) = &mut self.role
            && let Some(progress) = leader.progress_of(from.target.node)
            && progress.boots.heard(from.boot)
        {
            // A snapshot on its way goes on: it is offered to the new boot as well (§5).
            if !matches!(progress.sending, Sending::Snapshot(_)) {
                let next = progress.next;
                progress.probe_from(next);
            }
            leader.heartbeat_due = now;
        }
    }

    fn dispatch(&mut self, from: &ReplyTo, message: Message) {
        match message.body {
            Body::PreVote(request) => self.on_pre_vote(from, message.term, request),
            Body::PreVoteReply(reply) => self.on_pre_vote_reply(from, reply),
            Body::Vote(request) => self.on_vote(from, request),
            Body::VoteReply(reply) => self.on_vote_reply(from, reply),
            Body::Append(append) => self.on_append(from, append),
            Body::AppendAck(ack) => self.on_append_ack(from, ack),
            Body::AppendReject(reject) => self.on_append_reject(from, reject),
            Body::Heartbeat(heartbeat) => self.on_heartbeat(from, heartbeat),
            Body::HeartbeatAck(ack) => self.on_heartbeat_ack(from, ack),
            Body::Commit(commit) => self.on_commit(from, commit),
            Body::TimeoutNow(_) => self.on_timeout_now(from),
            Body::SnapshotOffer(offer) => self.on_snapshot_offer(from, offer),
            Body::SnapshotReply(reply) => self.on_snapshot_reply(from, reply),
            Body::ReadRequest(request) => self.on_read_request(from, request),
            Body::ReadReply(reply) => self.on_read_reply(reply),
            Body::LostDisk(lost) => self.on_lost_disk(lost),
        }
    }

    /// Lets time pass. Call it at [`Raft::next_deadline`]; more often does no harm.
    pub fn tick(&mut self, now: Time) {
        self.advance(now);
        self.relax_promise();
        match &mut self.role {
            Role::LostDisk => {}
            Role::Leader(_) => self.tick_leader(),
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {
                self.expire_forwarded_reads();
                if self.election_due <= self.now {
                    self.on_election_timeout();
                }
            }
        }
    }

    fn tick_leader(&mut self) {
        let timeout = self.settings.election_timeout;
        if self.disk_is_stalled() {
            // A leader that cannot write must not keep its followers quiet.
            self.counters.disk_stalls += 1;
            self.become_follower(self.term());
            return;
        }
        let now = self.now;
        let Role::Leader(leader) = &mut self.role else { return };
        // CheckQuorum (§6.2): nobody should wait for a leader that reaches no majority.
        let heard = leader.majority(now, |p| p.heard_at.unwrap_or_default(), |p| p.voter);
        if now.since(heard.max(leader.elected_at)) >= timeout {
            self.counters.quorum_lost += 1;
            self.become_follower(self.term());
            return;
        }
        if leader.transfer.as_ref().is_some_and(|transfer| transfer.deadline <= now) {
            leader.transfer = None;
        }
        if leader.heartbeat_due <= now {
            // Only here: the rounds that reads begin must not put off the checks above, nor what follows.
            leader.heartbeat_due = now + self.settings.heartbeat;
            self.begin_round();
            // The configuration may have shrunk to a majority that answered already.
            self.confirm_reads();
            self.push_transfer();
        }
    }

    /// When `tick` has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Time {
        let role = match &self.role {
            Role::LostDisk => Time::from_nanos(u64::MAX),
            Role::Leader(leader) => leader.heartbeat_due,
            Role::Follower(follower) => follower.reads.oldest().map_or(self.election_due, |asked| {
                self.election_due.min(asked + self.settings.election_timeout)
            }),
            Role::PreCandidate(_) | Role::Candidate(_) => self.election_due,
        };
        if self.promise_may_relax() { role.min(self.promises.embargo_until()) } else { role }
    }

    /// Proposes a command. It is committed when it comes back in [`Output::apply`] at this position; another
    /// entry at this index means that it never will be.
    ///
    /// # Errors
    /// Nothing was appended.
    pub fn propose(&mut self, now: Time, command: bytes::Bytes) -> Result<LogPosition, ProposeError> {
        self.advance(now);
        self.append_command(command)
    }

    /// The write `seq`, and with it all before, is durable.
    pub fn log_persisted(&mut self, now: Time, seq: WriteSeq) {
        self.advance(now);
        let term = self.term();
        let released = self.durability.completed(seq);
        if matches!(self.role, Role::LostDisk) {
            return;
        }
        // A reply of an earlier term is of no use to anyone.
        for reply in released.into_iter().filter(|reply| reply.message.term >= term) {
            self.out.add().messages.push(reply);
        }
        self.finish_install();
        self.take_office_if_elected();
        self.try_commit();
    }

    /// The state machine holds everything up to `index`.
    pub fn applied(&mut self, now: Time, index: LogIndex) {
        self.advance(now);
        assert!(index <= self.handed, "only what was handed out can be applied");
        self.applied = self.applied.max(index);
    }

    /// The answer to an [`Output::log_reads`]: entries from `read.first` on, none if they are gone.
    pub fn log_read(&mut self, now: Time, read: LogRead, entries: Vec<crate::entry::Entry>) {
        self.advance(now);
        match read.purpose {
            ReadPurpose::Apply => {
                self.reading_apply = false;
                // Not into a state machine that is being replaced.
                let wanted = read.first == self.handed.next()
                    && read.first > self.log.base().index
                    && !self.inbound.is_installing();
                let limit = self.appliable();
                if wanted {
                    self.hand_out(entries.into_iter().filter(|entry| entry.index <= limit).collect());
                }
            }
            ReadPurpose::Send(node) => self.send_read_back(node, read.first, entries),
        }
    }

    // ---- what comes out -----------------------------------------------------------------------------

    /// Everything to be done since the last call.
    pub fn take_output(&mut self, now: Time) -> Output {
        self.poll_output(now).map(|output| *output).unwrap_or_default()
    }

    /// The same, without moving it; `None` if there is nothing to be done, as after most messages.
    pub fn poll_output(&mut self, now: Time) -> Option<Box<Output>> {
        self.advance(now);
        self.send_reads();
        self.replicate();
        self.submit_write();
        self.hand_out_committed();
        self.release_reads();
        self.evict();
        self.out.take()
    }

    fn submit_write(&mut self) {
        let log_dirty = self.log.is_dirty();
        if self.durability.is_full() || !log_dirty && !self.durability.hard_state_is_dirty() {
            return;
        }
        let mut write = self.log.take_write(self.durability.next_seq());
        let previous_commit = self.hard_state.commit;
        self.hard_state.commit = self.commit;
        if self.durability.hard_state_is_dirty() || previous_commit != self.commit {
            write.hard_state = Some(self.hard_state);
        }
        let bytes = write.entries.iter().map(crate::entry::Entry::size).sum();
        self.durability.submitted(self.now, self.log.last().index, bytes, self.hard_state);
        self.out.add().write = Some(write);
    }

    /// The last entry that may be applied: committed *and* locally durable.
    fn appliable(&self) -> LogIndex {
        if self.planted(Canary::ApplyBeforeDurable) {
            return self.commit;
        }
        self.commit.min(self.durability.persisted())
    }

    fn hand_out_committed(&mut self) {
        let limit = self.appliable();
        if self.handed >= limit || self.reading_apply || self.inbound.is_installing() {
            return;
        }
        // Two batches under way at most, so that what waits for a slow state machine is bounded.
        if self.applied < self.handed_before {
            return;
        }
        let first = self.handed.next();
        match self.log.cached(first, limit, self.settings.apply_bytes) {
            Some(entries) => self.hand_out(entries),
            None => {
                self.reading_apply = true;
                self.counters.log_reads += 1;
                let max_bytes = self.settings.apply_bytes;
                self.out.add().log_reads.push(LogRead {
                    purpose: ReadPurpose::Apply,
                    first,
                    last: limit,
                    max_bytes,
                });
            }
        }
    }

    fn hand_out(&mut self, entries: Vec<crate::entry::Entry>) {
        if !entries.is_empty() {
            self.handed_before = self.handed;
        }
        for entry in entries {
            assert_eq!(entry.index, self.handed.next(), "entries are applied in order");
            self.handed = entry.index;
            self.out.add().apply.push(entry);
        }
    }

    fn evict(&mut self) {
        let persisted = self.durability.persisted();
        let limit = match &self.role {
            // What is not committed may have to be counted again, and sent.
            Role::Leader(_) => persisted.min(self.commit),
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) | Role::LostDisk => persisted,
        };
        self.log.evict(limit, self.settings.cache_bytes);
    }

    // ---- shared by the rules ------------------------------------------------------------------------

    pub(crate) fn send(&mut self, target: Target, replica: ReplicaId, term: Term, body: Body) {
        let message = Message { range: self.me.range, from: self.me.replica, to: replica, term, body };
        self.out.add().messages.push(Outgoing { to: target, message });
    }

    /// Answers in the current term as soon as `gate` is open.
    pub(crate) fn reply(&mut self, to: &ReplyTo, gate: Gate, body: impl FnOnce(Boot) -> Body) {
        let term = self.term();
        self.reply_in(to, gate, term, body(to.boot));
    }

    pub(crate) fn reply_in(&mut self, to: &ReplyTo, gate: Gate, term: Term, body: Body) {
        if self.durability.is_done(gate) || self.skips_the_wait(&body) {
            self.send(to.target, to.replica, term, body);
            return;
        }
        let message = Message { range: self.me.range, from: self.me.replica, to: to.replica, term, body };
        self.durability.withhold(gate, Outgoing { to: to.target, message });
    }

    /// The planted bugs that answer too early.
    fn skips_the_wait(&self, body: &Body) -> bool {
        match body {
            Body::VoteReply(_) => self.planted(Canary::VoteBeforeSync),
            Body::AppendAck(_) | Body::AppendReject(_) => self.planted(Canary::AppendAckBeforeSync),
            Body::HeartbeatAck(_) => {
                self.planted(Canary::HeartbeatAckBeforeSync)
                    || (self.planted(Canary::PromiseBeforeSync)
                        && self.durability.durable().term == self.term())
            }
            _ => false,
        }
    }

    /// Becomes, or stays, a follower in `term`; whatever belonged to the old role ends.
    pub(crate) fn become_follower(&mut self, term: Term) {
        if term > self.term() {
            self.enter_term(term, None);
        }
        let old = std::mem::replace(&mut self.role, Role::Follower(Follower::default()));
        self.end_role(old);
        self.reset_election_timer();
    }

    pub(crate) fn enter_term(&mut self, term: Term, vote: Option<NodeId>) {
        self.hard_state.term = term;
        self.hard_state.vote = vote;
        self.verified = LogIndex::ZERO;
        self.durability.hard_state_changed();
    }

    pub(crate) fn end_role(&mut self, old: Role) {
        match old {
            Role::Leader(leader) => self.end_leadership(*leader),
            Role::Follower(follower) => self.abort_reads(follower.reads.into_tokens()),
            Role::PreCandidate(_) | Role::Candidate(_) | Role::LostDisk => {}
        }
    }

    fn end_leadership(&mut self, leader: Leader) {
        if let Some(call) = leader.change {
            self.out.add().changes.push(call.lost());
        }
        self.abort_reads(leader.reads.into_tokens());
    }

    pub(crate) fn reset_election_timer(&mut self) {
        let timeout = self.settings.election_timeout;
        let spread = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        self.election_due = self.now + timeout + Duration::from_nanos(self.rng.below(spread));
    }

    /// The oldest own write has been under way for longer than an election timeout.
    pub(crate) fn disk_is_stalled(&self) -> bool {
        self.durability
            .oldest_in_flight()
            .is_some_and(|since| self.now.since(since) > self.settings.election_timeout)
    }

    fn promise_may_relax(&self) -> bool {
        self.hard_state.promise > self.promises.longest_of_boot()
            && self.promises.embargo_until() > Time::ZERO
    }

    /// Once earlier boots' promises are waited out, only this boot's count.
    fn relax_promise(&mut self) {
        if self.promise_may_relax() && self.promises.embargo_until() <= self.now {
            self.hard_state.promise = self.promises.longest_of_boot();
            self.durability.hard_state_changed();
        }
    }
}
