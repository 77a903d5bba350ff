//! Faults, and the schedule of them that a seed draws before the run, so that a failing run can be shrunk by
//! leaving some out.

use crate::clock::TRUE_RATE;
use crate::network::Weather;
use crate::rng::Rng;

/// Where in its work a process is struck.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CrashPoint {
    /// At once.
    Now,
    /// Before it hands its next write to the disk; messages may be out already.
    BeforeSubmit,
    /// After that.
    AfterSubmit,
    /// After a sync ended, before anyone knows.
    AfterSync,
    /// After it acted on the end of a sync.
    AfterNotice,
    /// Before it applies entries.
    BeforeApply,
    /// After it applied some of them.
    MidApply,
    /// After the state machine was flushed.
    AfterFlush,
    /// When the intent to install a snapshot is durable.
    BeforeIngest,
    /// When the snapshot is in the state machine and the log is not yet reset.
    AfterIngest,
    /// When a part of a snapshot arrived.
    MidTransfer,
}

/// All places.
pub const CRASH_POINTS: [CrashPoint; 11] = [
    CrashPoint::Now,
    CrashPoint::BeforeSubmit,
    CrashPoint::AfterSubmit,
    CrashPoint::AfterSync,
    CrashPoint::AfterNotice,
    CrashPoint::BeforeApply,
    CrashPoint::MidApply,
    CrashPoint::AfterFlush,
    CrashPoint::BeforeIngest,
    CrashPoint::AfterIngest,
    CrashPoint::MidTransfer,
];

/// The shape of a partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Shape {
    /// Two sides.
    Symmetric,
    /// One side hears the other and is not heard.
    OneWay,
    /// One host is alone.
    Isolate,
    /// One host is not heard, or does not hear.
    IsolateOneWay,
    /// Two sides and one host that sees both.
    Bridge,
    /// One pair.
    Pair,
}

impl Shape {
    /// Which of `all` hosts do not hear which, from and to. `hosts` are those that it is about.
    #[must_use]
    pub fn cuts(self, all: usize, hosts: &[usize], pick: u32) -> Vec<(usize, usize)> {
        if hosts.len() < 2 {
            return Vec::new();
        }
        let one = hosts[pick as usize % hosts.len()];
        let other = hosts[(pick as usize / hosts.len()) % hosts.len()];
        let bit = |h: usize| pick >> (8 + h % 24) & 1 == 1;
        let both = |a: bool, b: bool| a != b;
        let cut = |from: usize, to: usize| match self {
            Shape::Symmetric => both(bit(from), bit(to)),
            Shape::OneWay => bit(from) && !bit(to),
            Shape::Isolate => both(from == one, to == one),
            Shape::IsolateOneWay => {
                if bit(one) {
                    from == one
                } else {
                    to == one
                }
            }
            Shape::Bridge => from != one && to != one && both(bit(from), bit(to)),
            Shape::Pair => (from, to) == (one, other) || (to, from) == (one, other),
        };
        (0..all)
            .flat_map(|from| (0..all).map(move |to| (from, to)))
            .filter(|(from, to)| from != to && cut(*from, *to))
            .collect()
    }
}

/// What the operator is made to do beside repairs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MemberOp {
    /// Another number of voters and learners from now on.
    Scale {
        /// Voters wanted.
        voters: usize,
        /// Learners wanted.
        learners: usize,
    },
    /// Remove the leader.
    RemoveLeader,
    /// Demote the leader.
    DemoteLeader,
    /// A list in one call: promote a learner and demote a voter, or demote and promote one again.
    List,
    /// A call planned on a configuration that is no longer in force.
    StaleFence,
    /// A call whose result holds already.
    Repeat,
    /// Give up a reservation.
    Abandon,
}

/// What users, Kubernetes and the operators' own machines do under the planner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KubeFault {
    /// The user wants another number of members.
    Scale {
        /// So many.
        replicas: u32,
    },
    /// The user pauses the operator, or lets it go on.
    Pause {
        /// Whether it only looks.
        paused: bool,
    },
    /// The user changes what pods are made from.
    Template {
        /// Pods of it cannot run, until the user corrects that after so long.
        bad_for: Option<u64>,
    },
    /// The user wants another member in place of one.
    Replace,
    /// The user changes what happens to volumes of removed members.
    Retention,
    /// The user wants silent members replaced after so many milliseconds, or does not.
    ReplaceAfter {
        /// On the planner's clock.
        millis: Option<u64>,
    },
    /// A pod is deleted.
    DeletePod,
    /// A StatefulSet is deleted.
    DeleteSet,
    /// A volume claim is deleted, and the pod that uses it.
    DeleteClaim,
    /// A volume comes back empty.
    WipeVolume,
    /// The machine of a volume is gone for ever: its pod cannot run anywhere else.
    LoseMachine,
    /// The operator that acts is killed.
    KillOperator,
    /// The operator that acts is stopped, and goes on later.
    StopOperator {
        /// For so long.
        length: u64,
    },
    /// The API server cannot be reached.
    Outage {
        /// For so long.
        length: u64,
    },
}

/// What happens. `pick` selects the victim when it happens; times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub enum FaultKind {
    /// A process stops at a point of its work and restarts.
    Crash {
        /// The victim.
        pick: u32,
        /// The point.
        point: CrashPoint,
        /// Until the restart.
        down: u64,
    },
    /// Several processes stop at once; all, if every bit of the mask is set.
    CrashMany {
        /// By host.
        mask: u32,
        /// Until the restart.
        down: u64,
    },
    /// A process is stopped and goes on later.
    Pause {
        /// The victim.
        pick: u32,
        /// Length.
        length: u64,
    },
    /// Links are cut.
    Partition {
        /// The shape.
        shape: Shape,
        /// Who is where.
        pick: u32,
        /// Length.
        length: u64,
    },
    /// The network is worse for a while.
    Storm {
        /// The weather.
        weather: Weather,
        /// Length.
        length: u64,
    },
    /// One stream between two hosts stands still.
    LaneStall {
        /// The pair.
        pick: u32,
        /// The stream.
        lane: usize,
        /// Length.
        length: u64,
    },
    /// A host's peers answer late, and then do not hear it any more.
    Fade {
        /// The victim.
        pick: u32,
        /// How late the answers are.
        late: u64,
        /// When it is not heard any more.
        after: u64,
        /// For how long.
        length: u64,
    },
    /// A disk does not finish what it is given.
    DiskStall {
        /// The victim.
        pick: u32,
        /// Length.
        length: u64,
    },
    /// The next sync fails.
    FsyncError {
        /// The victim.
        pick: u32,
        /// Until the restart.
        down: u64,
    },
    /// A bit of a record flips, the process stops, and the restart finds it.
    BitFlip {
        /// The victim.
        pick: u32,
        /// Until the restart.
        down: u64,
    },
    /// A host comes back with an empty disk.
    Wipe {
        /// The victim.
        pick: u32,
        /// Until the restart.
        down: u64,
    },
    /// A disk comes back as it was, where a leader can know.
    Rollback {
        /// The victim.
        pick: u32,
        /// From the copy to the restart with it.
        age: u64,
    },
    /// A clock runs at another rate.
    Drift {
        /// The victim.
        pick: u32,
        /// Parts per million.
        rate: u64,
    },
    /// The wall clock jumps.
    WallJump {
        /// The victim.
        pick: u32,
    },
    /// The leader is asked to hand over.
    Transfer {
        /// The target.
        pick: u32,
    },
    /// A node campaigns without reason.
    Campaign {
        /// Who.
        pick: u32,
    },
    /// A membership change.
    Member {
        /// What.
        op: MemberOp,
        /// Of which group, and whom.
        pick: u32,
    },
    /// Of whole nodes: a disk takes many times longer.
    SlowDisk {
        /// The victim.
        pick: u32,
        /// Length.
        length: u64,
    },
    /// Of whole nodes: hosts report little free space.
    ShortOfSpace {
        /// By host.
        mask: u32,
        /// Length.
        length: u64,
    },
    /// Of whole nodes: the data come back older than the log next to them, or not at all.
    DataLost {
        /// The victim.
        pick: u32,
        /// From the copy to the restart with it.
        age: u64,
    },
    /// Of whole nodes: everything sleeps, and clocks go on.
    Suspend {
        /// Length.
        length: u64,
    },
    /// Of clusters under the planner.
    Kube {
        /// What.
        fault: KubeFault,
        /// Of which member.
        pick: u32,
    },
}

/// A fault and its time.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// When, in nanoseconds.
    pub at: u64,
    /// What.
    pub kind: FaultKind,
}

/// The kinds as drawn; a seed leaves some out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    Crash,
    CrashMany,
    Pause,
    Partition,
    Storm,
    LaneStall,
    Fade,
    DiskStall,
    FsyncError,
    BitFlip,
    Wipe,
    Rollback,
    Drift,
    WallJump,
    Transfer,
    Campaign,
    Member,
    SlowDisk,
    ShortOfSpace,
    DataLost,
    Suspend,
    Scale,
    User,
    Destroy,
    Operator,
}

/// What happens to groups of cores, and how often in relation to the others.
pub const OF_GROUPS: [(Family, u64); 17] = [
    (Family::Crash, 8),
    (Family::CrashMany, 2),
    (Family::Pause, 3),
    (Family::Partition, 6),
    (Family::Storm, 2),
    (Family::LaneStall, 2),
    (Family::Fade, 3),
    (Family::DiskStall, 3),
    (Family::FsyncError, 1),
    (Family::BitFlip, 1),
    (Family::Wipe, 2),
    (Family::Rollback, 2),
    (Family::Drift, 1),
    (Family::WallJump, 1),
    (Family::Transfer, 3),
    (Family::Campaign, 1),
    (Family::Member, 6),
];

/// What happens to whole nodes.
pub const OF_NODES: [(Family, u64); 20] = [
    (Family::Crash, 8),
    (Family::CrashMany, 3),
    (Family::Pause, 3),
    (Family::Partition, 6),
    (Family::Storm, 2),
    (Family::LaneStall, 1),
    (Family::Fade, 3),
    (Family::DiskStall, 2),
    (Family::FsyncError, 2),
    (Family::BitFlip, 2),
    (Family::Wipe, 2),
    (Family::Rollback, 2),
    (Family::Drift, 1),
    (Family::WallJump, 3),
    (Family::Transfer, 4),
    (Family::Member, 5),
    (Family::SlowDisk, 2),
    (Family::ShortOfSpace, 1),
    (Family::DataLost, 1),
    (Family::Suspend, 2),
];

/// What happens to clusters under the planner.
pub const OF_CLUSTERS: [(Family, u64); 20] = [
    (Family::Scale, 16),
    (Family::User, 16),
    (Family::Destroy, 8),
    (Family::Operator, 8),
    (Family::Crash, 5),
    (Family::CrashMany, 2),
    (Family::Pause, 3),
    (Family::Partition, 4),
    (Family::Storm, 1),
    (Family::LaneStall, 1),
    (Family::Fade, 2),
    (Family::DiskStall, 1),
    (Family::FsyncError, 1),
    (Family::BitFlip, 2),
    (Family::Rollback, 2),
    (Family::Drift, 1),
    (Family::WallJump, 1),
    (Family::SlowDisk, 1),
    (Family::ShortOfSpace, 1),
    (Family::DataLost, 1),
];

/// Draws `count` faults of `families` between `from` and `to`; `election` is the scale of all lengths.
#[must_use]
pub fn schedule(
    rng: &mut Rng,
    families: &[(Family, u64)],
    count: usize,
    (from, to): (u64, u64),
    election: u64,
) -> Vec<Fault> {
    let mut weights: Vec<(Family, u64)> = Vec::new();
    for (family, weight) in families.iter().copied() {
        if rng.per_mille(650) {
            weights.push((family, weight * rng.range(1, 3)));
        }
    }
    if weights.is_empty() {
        weights.push((Family::Crash, 1));
    }
    let total = weights.iter().map(|(_, w)| w).sum();
    let mut faults: Vec<Fault> = (0..count)
        .map(|_| {
            let mut at = rng.below(total);
            let mut family = Family::Crash;
            for (candidate, weight) in &weights {
                family = *candidate;
                if at < *weight {
                    break;
                }
                at -= weight;
            }
            Fault { at: rng.range(from, to), kind: draw(rng, family, election) }
        })
        .collect();
    faults.sort_by_key(|f| f.at);
    faults
}

fn draw(rng: &mut Rng, family: Family, election: u64) -> FaultKind {
    let pick = rng.next() as u32;
    let length = rng.range(election / 10, election * 4);
    let down = if rng.coin() { rng.range(0, election / 2) } else { rng.range(election / 2, election * 4) };
    match family {
        Family::Crash => FaultKind::Crash { pick, point: rng.pick(&CRASH_POINTS), down },
        Family::CrashMany => {
            let mask = if rng.coin() { u32::MAX } else { rng.next() as u32 };
            FaultKind::CrashMany { mask, down }
        }
        Family::Pause => FaultKind::Pause { pick, length },
        Family::Partition => {
            let shapes = [
                Shape::Symmetric,
                Shape::OneWay,
                Shape::Isolate,
                Shape::Isolate,
                Shape::IsolateOneWay,
                Shape::Bridge,
                Shape::Pair,
            ];
            FaultKind::Partition { shape: rng.pick(&shapes), pick, length: length * 2 }
        }
        Family::Storm => {
            let weather = Weather {
                delay: rng.range(100_000, election / 20),
                jitter: rng.range(0, election / 4),
                loss: rng.range(0, 300),
                duplicate: rng.range(0, 300),
                reorder: rng.range(0, 500),
                straggle: rng.range(0, 100),
            };
            FaultKind::Storm { weather, length: length * 2 }
        }
        Family::LaneStall => FaultKind::LaneStall { pick, lane: rng.index(2), length },
        Family::Fade => FaultKind::Fade {
            pick,
            late: rng.range(election / 4, election),
            after: rng.range(0, election / 3),
            length: rng.range(election, election * 4),
        },
        Family::DiskStall => FaultKind::DiskStall { pick, length: rng.range(election / 4, election * 4) },
        Family::FsyncError => FaultKind::FsyncError { pick, down },
        Family::BitFlip => FaultKind::BitFlip { pick, down },
        Family::Wipe => FaultKind::Wipe { pick, down },
        Family::Rollback => FaultKind::Rollback { pick, age: rng.range(election / 20, election) },
        Family::Drift => FaultKind::Drift { pick, rate: drift(rng) },
        Family::WallJump => FaultKind::WallJump { pick },
        Family::Transfer => FaultKind::Transfer { pick },
        Family::Campaign => FaultKind::Campaign { pick },
        Family::Member => FaultKind::Member { op: member_op(rng), pick },
        Family::SlowDisk => FaultKind::SlowDisk { pick, length: length * 2 },
        Family::ShortOfSpace => FaultKind::ShortOfSpace { mask: rng.next() as u32, length },
        Family::DataLost => FaultKind::DataLost { pick, age: rng.range(election / 4, election * 6) },
        Family::Scale | Family::User | Family::Destroy | Family::Operator => {
            FaultKind::Kube { fault: kube(rng, family, election), pick }
        }
        Family::Suspend => FaultKind::Suspend { length: rng.range(58_000, 140_000) * 1_000_000 },
    }
}

fn kube(rng: &mut Rng, family: Family, election: u64) -> KubeFault {
    match (family, rng.below(8)) {
        (Family::Scale, _) => KubeFault::Scale { replicas: rng.range(1, 5) as u32 },
        (Family::User, 0) => KubeFault::Pause { paused: rng.coin() },
        (Family::User, 1..=3) => {
            let bad_for = rng.per_mille(300).then(|| rng.range(election * 2, election * 20));
            KubeFault::Template { bad_for }
        }
        (Family::User, 4 | 5) => KubeFault::Replace,
        (Family::User, 6) => KubeFault::Retention,
        (Family::User, _) => {
            KubeFault::ReplaceAfter { millis: rng.pick(&[None, Some(15_000), Some(40_000)]) }
        }
        (Family::Destroy, 0..=2) => KubeFault::DeletePod,
        (Family::Destroy, 3) => KubeFault::DeleteSet,
        (Family::Destroy, 4) => KubeFault::DeleteClaim,
        (Family::Destroy, 5) => KubeFault::LoseMachine,
        (Family::Destroy, _) => KubeFault::WipeVolume,
        (_, 0..=2) => KubeFault::StopOperator { length: rng.range(election / 2, election * 12) },
        (_, 3 | 4) => KubeFault::Outage { length: rng.range(election / 2, election * 10) },
        _ => KubeFault::KillOperator,
    }
}

/// A rate within the bound: two clocks differ by less than the drift margin of 10 %.
pub fn drift(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => TRUE_RATE - 45_000,
        1 => TRUE_RATE + 45_000,
        _ => rng.range(TRUE_RATE - 45_000, TRUE_RATE + 45_000),
    }
}

fn member_op(rng: &mut Rng) -> MemberOp {
    match rng.below(12) {
        0..=4 => MemberOp::Scale { voters: rng.range(1, 7) as usize, learners: rng.index(3) },
        5 => MemberOp::RemoveLeader,
        6 => MemberOp::DemoteLeader,
        7 | 8 => MemberOp::List,
        9 => MemberOp::StaleFence,
        10 => MemberOp::Repeat,
        _ => MemberOp::Abandon,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_sorted_and_every_family_is_drawn() {
        let mut drawn = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let families = [&OF_GROUPS[..], &OF_NODES, &OF_CLUSTERS][seed as usize % 3];
            let faults = schedule(&mut Rng::new(seed, 9), families, 20, (5, 5_000), 100_000);
            assert_eq!(faults.len(), 20);
            assert!(faults.is_sorted_by_key(|f| f.at));
            drawn.extend(faults.iter().map(|f| format!("{:?}", f.kind).split(' ').next().map(str::to_owned)));
        }
        assert_eq!(drawn.len(), OF_GROUPS.len() + 5);
    }
}
