//! What was injected into whole nodes, and what they and their clients met.

use raft::Counters;
use store::carrier;
use store::replica::{Consistency, Read, Reply, Request};
use store::request::{Operation, RequestError, Write, WriteOutcome};
use store::store::NodeStatus;

use super::history::{Done, Outcome};
use crate::coverage::{Counts, Table, marks};

marks! {
    /// A process was killed.
    Crash => "fault: crash",
    /// Before a write.
    CrashBeforeSubmit => "fault: crash before a log batch was submitted",
    /// After a write.
    CrashAfterSubmit => "fault: crash after a log batch was submitted",
    /// After a sync.
    CrashAfterSync => "fault: crash between a sync and its notice",
    /// After the notice.
    CrashAfterNotice => "fault: crash after the notice of a sync",
    /// After a flush.
    CrashAfterFlush => "fault: crash after a flush of the data",
    /// After the removal.
    CrashBeforeIngest => "fault: crash between the removal of old data and the ingest",
    /// After the ingest.
    CrashAfterIngest => "fault: crash between a snapshot's ingest and the log reset",
    /// In a transfer.
    CrashMidTransfer => "fault: crash in the middle of a snapshot transfer",
    /// Several.
    CrashSeveral => "fault: several crashed at once",
    /// All.
    CrashAll => "fault: all crashed at once",
    /// Writes were lost.
    UnsyncedLost => "fault: crash with log batches not synced",
    /// Batches were lost.
    UnflushedLost => "fault: crash with data not flushed",
    /// A record was torn.
    TornRecord => "fault: torn log record",
    /// A pause.
    Pause => "fault: pause",
    /// All sleep.
    Suspend => "fault: everything sleeps for a minute or two",
    /// Both ways.
    Partition => "fault: partition",
    /// One way.
    PartitionOneWay => "fault: one-way partition",
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
    /// A bit flipped.
    WireFlip => "fault: bit flipped on the wire",
    /// A stream stalled.
    LaneStall => "fault: one stream stalled",
    /// A host faded.
    Fade => "fault: answers late, then not heard",
    /// A disk stalled.
    DiskStall => "fault: disk stall",
    /// A disk was slow.
    SlowDisk => "fault: slow disk",
    /// A disk failed.
    DiskFailed => "fault: sync, flush or write failed",
    /// A bit flipped.
    LogFlip => "fault: log record damaged",
    /// A bit flipped.
    EntryFlip => "fault: bit of an entry flipped below the log's checksum",
    /// Damage was found.
    DamageFound => "path: damage stopped a process",
    /// A disk was wiped.
    Wipe => "fault: disk wiped",
    /// A disk was rolled back.
    Rollback => "fault: disk rolled back",
    /// Data were rolled back.
    DataLost => "fault: data behind the log, or gone",
    /// Recognised.
    LostDisk => "path: disk that lost data recognised",
    /// Space was short.
    ShortOfSpace => "fault: short of space",
    /// A refused write.
    DiskReserve => "path: write refused, disk reserve",
    /// A clock drifts.
    Drift => "fault: clock rate changed",
    /// The wall clock jumped.
    WallJump => "fault: wall clock jump",
    /// A transfer.
    Transfer => "operator: leadership transfer asked for",
    /// A change.
    Changed => "operator: change done",
    /// A change was refused.
    ChangeRefused => "operator: change refused",
    /// A change was cut off.
    ChangeLost => "operator: leadership lost during a change",
    /// A member was replaced.
    Replaced => "operator: destroyed member removed",
    /// A disk was deleted.
    Retired => "operator: removed member's disk deleted",
    /// A restart.
    Restarted => "path: restart with data",
    /// An intent.
    IntentFinished => "path: restart finished a snapshot install",
    /// An export.
    Exported => "path: snapshot made",
    /// A transfer.
    Received => "path: snapshot received",
    /// A transfer failed.
    TransferFailed => "path: snapshot transfer failed",
    /// It does not fit.
    NoSpace => "path: snapshot refused, no space",
    /// Not needed.
    Unneeded => "path: snapshot received and not needed",
    /// An install.
    Installed => "path: snapshot installed",
    /// Compaction.
    LogCut => "path: log cut",
    /// GC.
    Collected => "path: GC threshold raised",
    /// A comparison.
    Compared => "check: state compared with the model",
    /// A damaged message.
    DamagedMessage => "path: damaged message dropped",
    /// A jump noticed.
    ClockJump => "path: wall clock jump noticed",
    /// An election.
    Elected => "core: elections won",
    /// A truncation.
    Truncated => "core: entries truncated",
    /// A write.
    Written => "client: written",
    /// A removal.
    RangeDeleted => "client: DeleteRange done",
    /// A condition.
    ConditionFailed => "client: condition failed",
    /// A read.
    Read => "client: linearizable read",
    /// A read.
    SnapshotRead => "client: snapshot read",
    /// A read.
    StaleRead => "client: stale read",
    /// Pages.
    Paged => "client: page with a rest",
    /// A session.
    Session => "client: session opened",
    /// A hold.
    Held => "client: hold",
    /// No outcome.
    Unknown => "client: outcome unknown",
    /// Expired.
    Expired => "client: refused, session expired",
    /// Too old.
    TooOld => "client: refused, timestamp too old",
    /// Ahead.
    InTheFuture => "client: refused, timestamp in the future",
    /// Stale.
    TooStale => "client: refused, too stale",
    /// Large.
    TooLarge => "client: refused, too large",
}

/// Counts of every mark.
pub type Coverage = Counts<Mark>;

impl Coverage {
    /// Adds what a store that stops has counted.
    pub fn add_node(&mut self, status: &NodeStatus) {
        self.add(Mark::DamagedMessage, status.counters.damaged_messages);
        self.add(Mark::ClockJump, status.counters.clock_jumps);
        for replica in &status.replicas {
            let Counters { elections_won, truncated, .. } = replica.counters;
            self.add(Mark::Elected, elections_won);
            self.add(Mark::Truncated, truncated);
        }
    }

    /// Adds what a carrier that stops has counted.
    pub fn add_carrier(&mut self, counters: &carrier::Counters) {
        self.add(Mark::Exported, counters.exported);
        self.add(Mark::Received, counters.received);
        self.add(Mark::TransferFailed, counters.failed);
        self.add(Mark::NoSpace, counters.no_space);
    }

    /// Adds what clients met.
    pub fn add_history(&mut self, history: &[Done]) {
        for done in history {
            let mark = match (&done.request, &done.outcome) {
                (_, Outcome::Unknown) => Mark::Unknown,
                (_, Outcome::Refused(RequestError::SessionExpired { .. })) => Mark::Expired,
                (_, Outcome::Refused(RequestError::TooOld { .. })) => Mark::TooOld,
                (_, Outcome::Refused(RequestError::InTheFuture { .. })) => Mark::InTheFuture,
                (_, Outcome::Refused(RequestError::TooStale)) => Mark::TooStale,
                (_, Outcome::Refused(_)) => continue,
                (_, Outcome::Answered(Reply::Write(WriteOutcome::ConditionFailed { .. }))) => {
                    Mark::ConditionFailed
                }
                (Request::Write(Write { operations, .. }), _)
                    if matches!(operations[..], [Operation::DeleteRange { .. }]) =>
                {
                    Mark::RangeDeleted
                }
                (Request::Write(_), _) => Mark::Written,
                (_, Outcome::Answered(Reply::Page { page, .. })) if page.resume.is_some() => Mark::Paged,
                (Request::Read(Read { consistency: Consistency::Snapshot(_), .. }), _) => Mark::SnapshotRead,
                (Request::Read(Read { consistency: Consistency::Stale(_), .. }), _) => Mark::StaleRead,
                (Request::Read(_), _) => Mark::Read,
                (Request::OpenSession, _) => Mark::Session,
                _ => Mark::Held,
            };
            self.hit(mark);
        }
    }

    /// Every line of the table.
    pub fn table(&self) -> Table {
        Table(self.lines().collect())
    }
}
