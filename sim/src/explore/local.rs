//! Every state that a single node was ever in, each kept once, and what every input did to it, tried once. A
//! global state is then a few numbers, and a step of it mostly a look-up: the core runs a hundred times less
//! often than states are visited.

use raft::canary::Canary;
use raft::{Body, Boot, Payload, RestoreError, RoleKind};

use super::model::Model;
use super::properties::check_step;
use super::replica::{Effects, Input, Letter, Replica};
use super::table::{Table, print_of, print_of_words};

/// What stands at one index of a log: the term, and a hash of the payload.
pub(super) type Mark = (u8, u64);

/// What global properties look at.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    /// From 1.
    pub(super) node: u8,
    pub(super) boot: u8,
    pub(super) role: RoleKind,
    pub(super) term: u8,
    pub(super) durable_term: u8,
    pub(super) commit: usize,
    /// Index 1 first.
    pub(super) log: Vec<Mark>,
    pub(super) disk: Vec<Mark>,
    /// Voters of the configuration in force, bit `n` for node `n`.
    pub(super) voters: u32,
    pub(super) writes: usize,
    /// The number of its latest campaign.
    pub(super) campaign: u64,
}

/// What the search looks at of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct LetterSummary {
    /// From 1.
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) from_boot: u8,
    pub(super) term: u8,
    pub(super) kind: Kind,
}

/// Messages by what may become of them. `to_boot` is the boot that a reply answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Asks for a pre-vote.
    PreVote,
    /// The answer.
    PreVoteReply { to_boot: u8, campaign: u64, granted: bool },
    /// Speaks of its own term, and is refused in a later one.
    Request,
    /// The answer to a candidate.
    VoteReply { to_boot: u8 },
    /// The answer to a leader.
    ReplyToLeader { to_boot: u8 },
    /// The answer to a follower that reads.
    ReadReply { to_boot: u8 },
    /// Speaks of its own term, and is dropped in a later one.
    Notice,
}

/// What an input did to a node.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The node's next state.
    pub(super) next: u32,
    /// The numbers of the messages that it sent.
    pub(super) sent: Vec<u32>,
    /// A property that this step alone breaks.
    pub(super) wrong: Option<String>,
}

/// All of it.
pub(super) struct Locals<'a> {
    model: &'a Model,
    canary: Option<Canary>,
    replicas: Vec<Replica>,
    summaries: Vec<Summary>,
    replica_numbers: Table,
    letters: Vec<Letter>,
    letter_summaries: Vec<LetterSummary>,
    letter_numbers: Table,
    outcomes: Vec<Outcome>,
    tried: Table,
}

impl<'a> Locals<'a> {
    pub(super) fn new(model: &'a Model, canary: Option<Canary>) -> Self {
        Self {
            model,
            canary,
            replicas: Vec::new(),
            summaries: Vec::new(),
            replica_numbers: Table::new(),
            letters: Vec::new(),
            letter_summaries: Vec::new(),
            letter_numbers: Table::new(),
            outcomes: Vec::new(),
            tried: Table::new(),
        }
    }

    /// The number of node `n` at the start.
    pub(super) fn start(&mut self, n: u8) -> Result<u32, RestoreError> {
        let replica = Replica::start(self.model, n, self.canary)?;
        Ok(self.number(n, replica))
    }

    pub(super) fn summary(&self, local: u32) -> &Summary {
        &self.summaries[local as usize]
    }

    pub(super) fn letter(&self, number: u32) -> &Letter {
        &self.letters[number as usize]
    }

    pub(super) fn is_read_request(&self, number: u32) -> bool {
        matches!(self.letter(number).message.body, Body::ReadRequest(_))
    }

    pub(super) fn letter_summary(&self, number: u32) -> LetterSummary {
        self.letter_summaries[number as usize]
    }

    pub(super) fn outcome(&self, number: u32) -> &Outcome {
        &self.outcomes[number as usize]
    }

    /// The number of what `input`, whose code is `code`, does to a node in state `local`.
    pub(super) fn try_input(&mut self, local: u32, code: u32, input: impl FnOnce(&Self) -> Input) -> u32 {
        let key = print_of_words(&[local, code]);
        if let Some(known) = self.tried.get(key) {
            return known;
        }
        let outcome = self.run(local, &input(self));
        let number = next_number(&self.outcomes);
        self.outcomes.push(outcome);
        self.tried.insert(key, number);
        number
    }

    fn run(&mut self, local: u32, input: &Input) -> Outcome {
        let before = &self.replicas[local as usize];
        let n = self.summaries[local as usize].node;
        match before.after(self.model, self.canary, n, input) {
            Ok((after, effects)) => {
                let wrong = check_step(before, &after, input, &effects).err();
                let next = self.number(n, after);
                let mut sent = self.number_letters(effects);
                sent.sort_unstable();
                sent.dedup();
                Outcome { next, sent, wrong }
            }
            Err(error) => {
                let wrong = Some(format!("the node does not restart from what it wrote: {error}"));
                Outcome { next: local, sent: Vec::new(), wrong }
            }
        }
    }

    fn number(&mut self, n: u8, replica: Replica) -> u32 {
        let print = print_of(&replica);
        if let Some(known) = self.replica_numbers.get(print) {
            return known;
        }
        let number = next_number(&self.replicas);
        self.summaries.push(summarize(n, &replica));
        self.replicas.push(replica);
        self.replica_numbers.insert(print, number);
        number
    }

    fn number_letters(&mut self, effects: Effects) -> Vec<u32> {
        let mut numbers = Vec::new();
        for letter in effects.sent {
            let print = print_of(&letter);
            let known = self.letter_numbers.get(print);
            numbers.push(known.unwrap_or_else(|| {
                let number = next_number(&self.letters);
                self.letter_summaries.push(summarize_letter(&letter));
                self.letters.push(letter);
                self.letter_numbers.insert(print, number);
                number
            }));
        }
        numbers
    }
}

fn next_number<T>(of: &[T]) -> u32 {
    u32::try_from(of.len()).unwrap_or(u32::MAX)
}

/// Terms, boots and ids of a bounded world are tiny.
pub(super) fn small(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Logs as marks: what is durable, and what is in memory.
pub(super) fn marks(log: &[raft::Entry]) -> Vec<Mark> {
    let payload = |payload: &Payload| print_of(payload) as u64;
    log.iter().map(|entry| (small(entry.term.0), payload(&entry.payload))).collect()
}

fn summarize(n: u8, replica: &Replica) -> Summary {
    let status = replica.raft.status(raft::Time::ZERO);
    Summary {
        node: n,
        boot: small(replica.boot),
        role: status.role,
        term: small(status.term.0),
        durable_term: small(replica.disk.hard_state.term.0),
        commit: usize::from(small(status.commit.0)),
        log: marks(&replica.log()),
        disk: marks(&replica.disk.log),
        voters: status.configuration.voters().map(|node| 1 << node.0).sum(),
        writes: replica.queue.len(),
        campaign: replica.campaign,
    }
}

fn summarize_letter(letter: &Letter) -> LetterSummary {
    LetterSummary {
        from: small(letter.header.from.node.0),
        to: small(letter.header.to.node.0),
        from_boot: small(letter.header.from.boot.counter),
        term: small(letter.message.term.0),
        kind: kind_of(&letter.message.body),
    }
}

fn kind_of(body: &Body) -> Kind {
    let number = |boot: Boot| small(boot.counter);
    match body {
        Body::PreVote(_) => Kind::PreVote,
        Body::PreVoteReply(reply) => Kind::PreVoteReply {
            to_boot: number(reply.to_boot),
            campaign: reply.campaign.0,
            granted: reply.granted,
        },
        Body::Vote(_) | Body::Append(_) | Body::Heartbeat(_) | Body::SnapshotOffer(_) => Kind::Request,
        Body::VoteReply(reply) => Kind::VoteReply { to_boot: number(reply.to_boot) },
        Body::AppendAck(ack) => Kind::ReplyToLeader { to_boot: number(ack.to_boot) },
        Body::AppendReject(reject) => Kind::ReplyToLeader { to_boot: number(reject.to_boot) },
        Body::HeartbeatAck(ack) => Kind::ReplyToLeader { to_boot: number(ack.to_boot) },
        Body::SnapshotReply(reply) => Kind::ReplyToLeader { to_boot: number(reply.to_boot) },
        Body::ReadReply(reply) => Kind::ReadReply { to_boot: number(reply.to_boot) },
        Body::Commit(_) | Body::TimeoutNow(_) | Body::ReadRequest(_) | Body::LostDisk(_) => Kind::Notice,
    }
}
