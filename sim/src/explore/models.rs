//! What is explored, and which planted bugs the exploration has to find where. Each model is as large as fits
//! into half a minute; what one leaves out for that, another has.

use raft::canary::Canary;
use raft::{Change, NodeId};

use super::model::{Cost, Model, Start};

impl Model {
    /// All models, each explored to its end.
    #[must_use]
    pub fn all() -> Vec<Model> {
        let mut models = elections_and_logs();
        models.extend(changes_transfers_reads());
        models
    }

    /// The planted bugs and the models that find them.
    pub const CANARIES: &[(Canary, &str)] = &[
        (Canary::VoteBeforeSync, "elections"),
        (Canary::VoteTwice, "elections"),
        (Canary::OfficeBeforeDurability, "two-nodes"),
        (Canary::AppendAckBeforeSync, "replication"),
        (Canary::LeaderAckBeforeSync, "replication"),
        (Canary::ApplyBeforeDurable, "replication"),
        (Canary::VoteForShorterLog, "replication"),
        (Canary::CommitOldTerm, "overwriting"),
        (Canary::AppendAba, "overwriting"),
        (Canary::TwoChanges, "demotions"),
        (Canary::NoConfigurationRollback, "roll-back"),
        (Canary::LearnerCounts, "roll-back"),
        (Canary::StaleReadIndex, "reads"),
        (Canary::ReadBeforeNoop, "reads"),
    ];
}

fn model(
    name: &'static str,
    about: &'static str,
    (voters, learners): (u8, u8),
    limits: &[(Cost, u8)],
) -> Model {
    Model {
        name,
        about,
        voters,
        learners,
        start: Start::Fresh,
        limits: limits.to_vec(),
        changes: Vec::new(),
        pre_vote: false,
        heartbeats: false,
        writes_under_way: 1,
        short_appends: false,
        follower_reads: false,
    }
}

fn elections_and_logs() -> Vec<Model> {
    use Cost::{Campaign, Crash, Proposal};
    vec![
        model("elections", "two terms, a crash", (3, 0), &[(Campaign, 2), (Crash, 1)]),
        Model {
            pre_vote: true,
            ..model("pre-votes", "two campaigns with pre-votes", (3, 0), &[(Campaign, 2)])
        },
        model("replication", "two terms, a command", (3, 0), &[(Campaign, 2), (Proposal, 1)]),
        model("restarts", "a command, a crash", (3, 0), &[(Campaign, 1), (Proposal, 1), (Crash, 1)]),
        Model {
            writes_under_way: 2,
            ..model(
                "two-nodes",
                "two terms, a command, a crash, deep write queues",
                (2, 0),
                &[(Campaign, 2), (Proposal, 1), (Crash, 1)],
            )
        },
        model(
            "two-commands",
            "two nodes: two terms, two commands, a crash",
            (2, 0),
            &[(Campaign, 2), (Proposal, 2), (Crash, 1)],
        ),
        Model {
            start: Start::Figure8,
            ..model("figure-8", "two more terms after figure 8 (b)", (3, 0), &[(Campaign, 2)])
        },
        Model {
            start: Start::Figure8,
            writes_under_way: 2,
            short_appends: true,
            ..model(
                "overwriting",
                "the same with short appends and deep write queues",
                (3, 0),
                &[(Campaign, 2)],
            )
        },
    ]
}

fn changes_transfers_reads() -> Vec<Model> {
    use Cost::{Campaign, Crash, Proposal, Read, Silence, Transfer};
    let demote = |n| Change::Demote { node: NodeId(n) };
    vec![
        Model {
            changes: vec![demote(2), demote(3)],
            ..model("demotions", "two demotions", (3, 0), &[(Campaign, 1), (Cost::Change, 2)])
        },
        Model {
            changes: vec![demote(3)],
            writes_under_way: 0,
            ..model("roll-back", "two terms, a demotion", (3, 0), &[(Campaign, 2), (Cost::Change, 1)])
        },
        Model {
            changes: vec![demote(3)],
            ..model(
                "demotion",
                "a demotion, perhaps of the leader, a crash",
                (3, 0),
                &[(Campaign, 1), (Cost::Change, 1), (Crash, 1)],
            )
        },
        Model {
            changes: vec![Change::Promote { node: NodeId(3) }],
            writes_under_way: 0,
            ..model(
                "promotion",
                "two terms, a learner promoted, a crash",
                (2, 1),
                &[(Campaign, 2), (Cost::Change, 1), (Silence, 1), (Crash, 1)],
            )
        },
        Model {
            changes: vec![Change::Remove { node: NodeId(1) }],
            ..model(
                "removal",
                "a member, perhaps the leader, removed, a crash",
                (3, 0),
                &[(Campaign, 1), (Cost::Change, 1), (Crash, 1)],
            )
        },
        Model {
            writes_under_way: 0,
            ..model("transfer", "a transfer, a crash", (3, 0), &[(Campaign, 1), (Transfer, 1), (Crash, 1)])
        },
        Model {
            heartbeats: true,
            writes_under_way: 0,
            ..model("reads", "two terms, a read by a leader", (3, 0), &[(Campaign, 2), (Read, 1)])
        },
        Model {
            heartbeats: true,
            follower_reads: true,
            ..model(
                "follower-reads",
                "two nodes: a command, a read by either",
                (2, 0),
                &[(Campaign, 1), (Proposal, 1), (Read, 1)],
            )
        },
    ]
}
