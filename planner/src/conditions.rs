//! What is told about a cluster. Texts name no figure that moves by itself: an idle cluster is not written about.

use crate::ids::NodeId;
use crate::members::{Members, voters_of};
use crate::observed::{MemberObjects, Observed, Report, ReportedState};

/// How long no leader is seen before a lost majority is told, in milliseconds.
const LEADERLESS_MILLIS: u64 = 30_000;

/// How long the same is worked at or waited for before that is told, in milliseconds: as long as a Deployment has by
/// default.
const DEADLINE_MILLIS: u64 = 600_000;

/// One condition of the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub kind: Kind,
    /// Whether it holds.
    pub status: Truth,
    /// One word in camel case.
    pub reason: &'static str,
    /// For people: what is wrong and what to do.
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be known now.
    Unknown,
}

/// Conditions of a KvCluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Clients are served.
    Available,
    /// Something is done, or waited for.
    Progressing,
    /// A member is missing or cannot serve.
    Degraded,
    /// Too few members to survive the loss of one.
    NotHighlyAvailable,
    /// A disk lost data or is damaged: its member is being replaced.
    LostDisk,
    /// The disks of a majority are gone: nothing is begun anew by itself.
    DataLost,
    /// A member is overtaken by the log again and again.
    CatchUpStalled,
    /// Volumes of an earlier cluster of this name exist.
    RetainedVolumes,
    /// Writes are refused: a disk is nearly full.
    DiskReserve,
    /// A clock is off.
    ClockSkew,
    /// No majority of the voters can be reached.
    QuorumLost,
    /// The operator only looks.
    Paused,
}

impl Kind {
    /// As in the status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::NotHighlyAvailable => "NotHighlyAvailable",
            Self::LostDisk => "LostDisk",
            Self::DataLost => "DataLost",
            Self::CatchUpStalled => "CatchUpStalled",
            Self::RetainedVolumes => "RetainedVolumes",
            Self::DiskReserve => "DiskReserve",
            Self::ClockSkew => "ClockSkew",
            Self::QuorumLost => "QuorumLost",
            Self::Paused => "Paused",
        }
    }
}

pub(crate) fn all(
    observed: &Observed,
    members: &Members<'_>,
    doing: &[String],
    settled: bool,
) -> Vec<Condition> {
    vec![
        available(observed, members),
        progressing(observed, doing),
        degraded(observed, members, settled),
        when(
            Kind::NotHighlyAvailable,
            voters_of(observed.spec.replicas) < 3,
            "FewVoters",
            "EnoughVoters",
            || "no member can be lost without losing service: set spec.replicas to 3 or more".to_owned(),
        ),
        damaged(observed),
        data_lost(observed, members),
        listed(Kind::CatchUpStalled, members.view.map(|view| &view.catch_up_stalled), |nodes| {
            format!(
                "the log overtakes the snapshots of member {nodes}: write less, or allow more of spec.snapshotBytesPerSecond"
            )
        }),
        retained(observed),
        disk_reserve(observed, members),
        listed(Kind::ClockSkew, members.view.map(|view| &view.skewed_clocks), |nodes| {
            format!("the clock of member {nodes} is more than a second off: correct the time of its machine")
        }),
        quorum_lost(observed, members),
        when(Kind::Paused, observed.spec.paused, "Asked", "NotAsked", || {
            "spec.paused is set: the operator changes nothing".to_owned()
        }),
    ]
}

fn when(
    kind: Kind,
    holds: bool,
    reason: &'static str,
    otherwise: &'static str,
    message: impl FnOnce() -> String,
) -> Condition {
    match holds {
        true => Condition { kind, status: Truth::True, reason, message: message() },
        false => Condition { kind, status: Truth::False, reason: otherwise, message: String::new() },
    }
}

fn listed(kind: Kind, nodes: Option<&Vec<NodeId>>, message: impl FnOnce(String) -> String) -> Condition {
    match nodes {
        None => Condition {
            kind,
            status: Truth::Unknown,
            reason: "NoLeader",
            message: "no leader can be asked".to_owned(),
        },
        Some(nodes) => when(kind, !nodes.is_empty(), "Reported", "NotReported", || message(join(nodes))),
    }
}

fn join(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}

fn progressing(observed: &Observed, doing: &[String]) -> Condition {
    let remembered = &observed.remembered;
    let is_overdue = remembered.doing == doing && remembered.doing_millis >= DEADLINE_MILLIS;
    let reason = if is_overdue { "DeadlineExceeded" } else { "Working" };
    let otherwise = if observed.spec.paused { "Paused" } else { "AtRest" };
    when(Kind::Progressing, !doing.is_empty(), reason, otherwise, || match is_overdue {
        true => {
            format!("no progress for more than {} minutes: {}", DEADLINE_MILLIS / 60_000, doing.join("; "))
        }
        false => doing.join("; "),
    })
}

fn available(observed: &Observed, members: &Members<'_>) -> Condition {
    let not = |reason, message: &str| Condition {
        kind: Kind::Available,
        status: Truth::False,
        reason,
        message: message.to_owned(),
    };
    if !observed.recorded.became_available {
        return not("Starting", "the voters have not reached their number yet");
    }
    if members.view.is_none() {
        return not("NoLeader", "no leader can be reached");
    }
    if !members.has_quorum() {
        return not("NoQuorum", "the leader does not hear a majority of the voters");
    }
    let message = "a leader serves reads and writes".to_owned();
    Condition { kind: Kind::Available, status: Truth::True, reason: "Serving", message }
}

fn degraded(observed: &Observed, members: &Members<'_>, settled: bool) -> Condition {
    // What has never been there cannot be missing: the first start is told by Available and Progressing.
    if !observed.recorded.became_available {
        return when(Kind::Degraded, false, "", "Starting", String::new);
    }
    let ready = |node: &NodeId| observed.objects.get(node).is_some_and(MemberObjects::ready);
    let down: Vec<NodeId> = match members.view {
        Some(_) => members
            .iter()
            .filter(|member| !member.answers || !ready(&member.node))
            .map(|member| member.node)
            .collect(),
        None => observed.recorded.voters.iter().filter(|node| !ready(node)).copied().collect(),
    };
    let missing = !settled && members.view.is_some() && members.len() < members.wanted();
    match (down.as_slice(), missing) {
        ([], false) => when(Kind::Degraded, false, "", "AllMembersServe", String::new),
        ([], true) => when(Kind::Degraded, true, "MembersMissing", "", || {
            "there are fewer members than wanted".to_owned()
        }),
        (nodes, _) => {
            when(Kind::Degraded, true, "MembersDown", "", || format!("member {} cannot serve", join(nodes)))
        }
    }
}

fn is_damaged(objects: &MemberObjects) -> bool {
    let state = objects.report.as_ref().map(|report| report.state);
    matches!(state, Some(ReportedState::LostDisk | ReportedState::Corruption))
}

fn damaged(observed: &Observed) -> Condition {
    let nodes: Vec<NodeId> =
        observed.objects.iter().filter(|(_, objects)| is_damaged(objects)).map(|(node, _)| *node).collect();
    when(Kind::LostDisk, !nodes.is_empty(), "Reported", "NotReported", || {
        format!("the disk of member {} lost data or is damaged: another member takes its place", join(&nodes))
    })
}

/// The data of this member are certainly not there.
fn has_lost_data(observed: &Observed, node: NodeId) -> bool {
    let Some(objects) = observed.objects.get(&node) else { return true };
    let empty = objects.report.as_ref().is_some_and(Report::has_empty_disk);
    let claim = objects.claim.as_ref();
    claim.is_none() || claim.is_some_and(|claim| claim.pinned_to_lost_node) || empty || is_damaged(objects)
}

/// There is no leader, and half of the voters or more are lost in this sense.
fn lost_half(observed: &Observed, members: &Members<'_>, is_lost: impl Fn(NodeId) -> bool) -> bool {
    let voters = observed.known_voters();
    let lost = voters.iter().filter(|node| is_lost(**node)).count();
    observed.recorded.bootstrapped && members.view.is_none() && !voters.is_empty() && lost * 2 >= voters.len()
}

fn data_lost(observed: &Observed, members: &Members<'_>) -> Condition {
    let recorded = &observed.recorded;
    if let (false, Some((node, first))) = (recorded.bootstrapped, &recorded.first) {
        let objects = observed.objects.get(node);
        let disk = objects.and_then(|objects| objects.report.as_ref()?.disk.as_ref());
        let lost =
            objects.is_none_or(|objects| objects.claim.is_none()) || disk.is_some_and(|disk| disk != first);
        return when(Kind::DataLost, lost, "FirstDiskGone", "NotLost", || {
            format!(
                "the disk of member {node} that was to begin the cluster is gone: delete the KvCluster, and apply it again"
            )
        });
    }
    let holds = lost_half(observed, members, |node| has_lost_data(observed, node));
    when(Kind::DataLost, holds, "MajorityOfDisksGone", "NotLost", || {
        "the disks of half of the voters or more are gone: bring a volume back, or restore an export into a new cluster".to_owned()
    })
}

fn retained(observed: &Observed) -> Condition {
    let foreign: Vec<NodeId> = observed
        .objects
        .iter()
        .filter(|(_, objects)| {
            objects.claim.as_ref().is_some_and(|claim| claim.removed || !observed.owns(claim))
        })
        .map(|(node, _)| *node)
        .collect();
    let asks = observed.recorded.cluster_id.is_none() && observed.spec.retained_volumes.is_none();
    when(
        Kind::RetainedVolumes,
        !foreign.is_empty(),
        if asks { "DecisionNeeded" } else { "Kept" },
        "None",
        || {
            match asks {
        true => "volumes of an earlier cluster of this name exist: set spec.retainedVolumes to Adopt or StartNew".to_owned(),
        false => format!("the volume claims of earlier members {} are kept: delete them when they are not needed", join(&foreign)),
    }
        },
    )
}

fn disk_reserve(observed: &Observed, members: &Members<'_>) -> Condition {
    let mut short: Vec<NodeId> = members.view.map(|view| view.short_of_space.clone()).unwrap_or_default();
    let below = |objects: &MemberObjects| objects.report.as_ref().is_some_and(|report| report.below_reserve);
    short.extend(observed.objects.iter().filter(|(_, objects)| below(objects)).map(|(node, _)| *node));
    short.sort();
    short.dedup();
    when(Kind::DiskReserve, !short.is_empty(), "NearlyFull", "EnoughSpace", || {
        format!(
            "the disk of member {} is nearly full, and writes may be refused: delete data, or use larger volumes",
            join(&short)
        )
    })
}

fn quorum_lost(observed: &Observed, members: &Members<'_>) -> Condition {
    let unreachable = |node| {
        let report = observed.objects.get(&node).and_then(|objects| objects.report.as_ref());
        report.is_none_or(|report| report.state != ReportedState::Member) || has_lost_data(observed, node)
    };
    let long = observed.leaderless_millis >= LEADERLESS_MILLIS;
    let holds = long && lost_half(observed, members, unreachable);
    when(Kind::QuorumLost, holds, "VotersUnreachable", "QuorumReachable", || {
        "half of the voters or more cannot be reached: nothing is decided until they are back; no member is removed".to_owned()
    })
}
