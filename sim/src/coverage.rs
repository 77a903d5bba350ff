//! What was injected and which rare paths were reached, counted over all seeds: a zero is a hole in the test.

use std::marker::PhantomData;

use raft::Counters;

/// What can be counted: a list of words, by number.
pub trait Counted: Copy {
    /// The lines of the table.
    const WORDS: &[&str];

    /// Its place among them.
    fn number(self) -> usize;
}

/// Counts of each.
#[derive(Clone, Debug)]
pub struct Counts<M> {
    counts: Vec<u64>,
    of: PhantomData<M>,
}

impl<M: Counted> Default for Counts<M> {
    fn default() -> Self {
        Self { counts: vec![0; M::WORDS.len()], of: PhantomData }
    }
}

impl<M: Counted> Counts<M> {
    /// Counts once.
    pub fn hit(&mut self, mark: M) {
        self.add(mark, 1);
    }

    /// Counts so often.
    pub fn add(&mut self, mark: M, times: u64) {
        self.counts[mark.number()] += times;
    }

    /// Counts once if `condition` holds.
    pub fn hit_if(&mut self, condition: bool, mark: M) {
        self.add(mark, u64::from(condition));
    }

    /// The lines of the table.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, u64, bool)> {
        M::WORDS.iter().zip(&self.counts).map(|(words, count)| (*words, *count, true))
    }
}

macro_rules! marks {
    ($($(#[$doc:meta])* $name:ident => $words:literal,)*) => {
        /// Something worth counting.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Mark { $($(#[$doc])* $name,)* }

        impl crate::coverage::Counted for Mark {
            const WORDS: &[&str] = &[$($words,)*];

            fn number(self) -> usize {
                self as usize
            }
        }
    };
}

pub(crate) use marks;

marks! {
    /// A process was killed.
    Crash => "fault: crash",
    /// Before a write.
    CrashBeforeSubmit => "fault: crash before a write was submitted",
    /// After a write.
    CrashAfterSubmit => "fault: crash after a write was submitted",
    /// After a sync.
    CrashAfterSync => "fault: crash between a sync and its notice",
    /// After the notice.
    CrashAfterNotice => "fault: crash after the notice of a sync",
    /// Before an apply.
    CrashBeforeApply => "fault: crash before an apply",
    /// In an apply.
    CrashMidApply => "fault: crash in the middle of an apply",
    /// After a flush.
    CrashAfterFlush => "fault: crash after a flush of the state machine",
    /// After the intent.
    CrashBeforeIngest => "fault: crash between a snapshot's intent and its ingest",
    /// After the ingest.
    CrashAfterIngest => "fault: crash between a snapshot's ingest and the log reset",
    /// In a transfer.
    CrashMidTransfer => "fault: crash in the middle of a snapshot transfer",
    /// Several.
    CrashSeveral => "fault: several crashed at once",
    /// All.
    CrashAll => "fault: all crashed at once",
    /// Writes were lost.
    UnsyncedLost => "fault: unsynced writes lost",
    /// Writes survived.
    UnsyncedKept => "fault: unsynced writes survived",
    /// A record was torn.
    TornRecord => "fault: torn record",
    /// Not all messages left.
    PartialSend => "fault: crash with only some messages sent",
    /// A pause.
    Pause => "fault: pause",
    /// Both ways.
    PartitionSymmetric => "fault: symmetric partition",
    /// One way.
    PartitionOneWay => "fault: asymmetric partition",
    /// Bridge.
    PartitionBridge => "fault: bridge partition",
    /// One host.
    PartitionIsolate => "fault: isolated host",
    /// One pair.
    PartitionPair => "fault: pair cut",
    /// Bad weather.
    Storm => "fault: network storm",
    /// A packet was lost.
    PacketLost => "fault: packet lost",
    /// A packet arrived twice.
    PacketTwice => "fault: packet duplicated",
    /// A packet was overtaken.
    PacketReordered => "fault: packet reordered",
    /// A packet of an old process.
    PacketOld => "fault: packet of an earlier process delivered",
    /// A stream stalled.
    LaneStall => "fault: one stream stalled",
    /// A host faded.
    Fade => "fault: answers late, then not heard",
    /// A disk stalled.
    DiskStall => "fault: disk stall",
    /// A sync failed.
    FsyncError => "fault: fsync error",
    /// A bit flipped.
    BitFlip => "fault: bit flip found at restart",
    /// A disk was wiped.
    Wipe => "fault: disk wiped",
    /// A disk was rolled back.
    Rollback => "fault: disk rolled back",
    /// A clock drifts.
    Drift => "fault: clock rate changed",
    /// The wall clock jumped.
    WallJump => "fault: wall clock jump",
    /// A campaign without reason.
    Campaign => "fault: campaign without reason",
    /// A transfer.
    Transfer => "operator: leadership transfer asked for",
    /// A reservation.
    Reserve => "operator: reservation",
    /// An abandoned one.
    Abandon => "operator: reservation abandoned",
    /// A learner.
    AddLearner => "operator: learner added",
    /// A promotion.
    Promote => "operator: promoted",
    /// A demotion.
    Demote => "operator: demoted",
    /// A removal.
    Remove => "operator: removed",
    /// The leader.
    RemoveLeader => "operator: leader removed",
    /// The leader.
    DemoteLeader => "operator: leader demoted",
    /// A list.
    List => "operator: list of changes done",
    /// A fence.
    Fenced => "operator: stale fence refused",
    /// A call repeated.
    Repeated => "operator: repeated call succeeded",
    /// A second change at the same time.
    Rival => "operator: change refused, another is under way",
    /// A change cut off.
    ChangeLost => "operator: leadership lost during a change",
    /// A refused change.
    NoQuorum => "operator: change refused for lack of a quorum",
    /// A refused promotion.
    NotCaughtUp => "operator: promotion refused, not caught up",
    /// A member without a disk was replaced.
    Replaced => "operator: destroyed member removed",
    /// A removed member's disk was deleted.
    Retired => "operator: removed member's disk deleted",
    /// A refused proposal.
    Busy => "path: proposal refused, budget used up",
    /// A refused proposal.
    TooLarge => "path: proposal refused, too large",
    /// An overwritten write.
    Overwritten => "path: write definitely failed, overwritten",
    /// A write without an answer.
    Unknown => "path: write with unknown outcome",
    /// A lease read.
    ReadByLease => "path: read by lease",
    /// A round.
    ReadByRound => "path: read by a round on the leader",
    /// A follower.
    ReadOnFollower => "path: read on a follower",
    /// A learner.
    ReadOnLearner => "path: read on a learner",
    /// A read was given up.
    ReadFailed => "path: read given up",
    /// A lost disk.
    LostDisk => "path: rolled back disk recognised",
    /// An intent.
    IntentFinished => "path: restart finished a snapshot install",
    /// A resumed transfer.
    TransferResumed => "path: snapshot transfer resumed",
    /// A given up transfer.
    TransferFailed => "path: snapshot transfer given up",
    /// A reused snapshot.
    SnapshotReused => "path: snapshot offered again",
    /// Replay.
    Replayed => "path: restart replays entries",
    /// A log read.
    StaleLogRead => "path: log read answered late",
    /// Several groups.
    ManyGroups => "path: several groups on one host",
    /// Compaction.
    Compacted => "path: log compacted",
}

/// Lines of what was counted, each with its number, and whether a zero there is a hole in the tests.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table(pub Vec<(&'static str, u64, bool)>);

impl Table {
    /// Adds that of another run.
    pub fn add(&mut self, other: Table) {
        if self.0.is_empty() {
            self.0 = other.0;
            return;
        }
        for ((_, sum, _), (_, more, _)) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// How many lines are zero that must not be.
    #[must_use]
    pub fn holes(&self) -> usize {
        self.0.iter().filter(|(_, count, required)| *required && *count == 0).count()
    }
}

/// Counts of every mark and of the cores' own counters.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    marks: Counts<Mark>,
    core: Counters,
}

impl Coverage {
    /// Counts once.
    pub fn hit(&mut self, mark: Mark) {
        self.marks.hit(mark);
    }

    /// Counts once if `condition` holds.
    pub fn hit_if(&mut self, condition: bool, mark: Mark) {
        self.marks.hit_if(condition, mark);
    }

    /// Adds the counters of a core that stops.
    pub fn add_core(&mut self, c: &Counters) {
        let sum = &mut self.core;
        sum.identity_drops += c.identity_drops;
        sum.bad_messages += c.bad_messages;
        sum.stale_replies += c.stale_replies;
        sum.overload_drops += c.overload_drops;
        sum.campaigns += c.campaigns;
        sum.elections_won += c.elections_won;
        sum.quorum_lost += c.quorum_lost;
        sum.disk_stalls += c.disk_stalls;
        sum.lease_reads += c.lease_reads;
        sum.index_reads += c.index_reads;
        sum.reads_after_transfer += c.reads_after_transfer;
        sum.truncated += c.truncated;
        sum.configuration_rollbacks += c.configuration_rollbacks;
        sum.snapshots_installed += c.snapshots_installed;
        sum.snapshots_refused += c.snapshots_refused;
        sum.snapshots_overtaken += c.snapshots_overtaken;
        sum.transfers_sent += c.transfers_sent;
        sum.lost_disks += c.lost_disks;
        sum.log_reads += c.log_reads;
        sum.clock_jumps += c.clock_jumps;
    }

    /// Every line of the table, and whether a zero there is a hole.
    #[must_use]
    pub fn table(&self) -> Table {
        let c = &self.core;
        // Messages between replicas of one version are never malformed.
        let core = [
            ("core: messages dropped for their identity", c.identity_drops, true),
            ("core: malformed messages", c.bad_messages, false),
            ("core: stale replies", c.stale_replies, true),
            ("core: appends dropped, disk behind", c.overload_drops, true),
            ("core: campaigns", c.campaigns, true),
            ("core: elections won", c.elections_won, true),
            ("core: leadership given up, no quorum", c.quorum_lost, true),
            ("core: leadership given up, disk stall", c.disk_stalls, true),
            ("core: reads by lease", c.lease_reads, true),
            ("core: reads by a round", c.index_reads, true),
            ("core: reads by a round after TimeoutNow", c.reads_after_transfer, true),
            ("core: entries truncated", c.truncated, true),
            ("core: configurations rolled back", c.configuration_rollbacks, true),
            ("core: snapshots installed", c.snapshots_installed, true),
            ("core: snapshots not needed", c.snapshots_refused, true),
            ("core: snapshot transfers overtaken", c.snapshots_overtaken, true),
            ("core: TimeoutNow sent", c.transfers_sent, true),
            ("core: lost disks told", c.lost_disks, true),
            ("core: log reads", c.log_reads, true),
            ("core: clock jumps", c.clock_jumps, true),
        ];
        Table(self.marks.lines().chain(core).collect())
    }
}
