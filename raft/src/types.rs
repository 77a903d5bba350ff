//! Ids, indexes and times as distinct types, so that one cannot be passed for another.

use std::fmt;
use std::time::Duration;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
        pub struct $name(pub u64);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// A term: at most one leader each (dissertation §3.3).
    Term, "t"
);
number!(
    /// A position in the log, from 1; 0 is "before the first entry".
    LogIndex, "i"
);
number!(
    /// One disk, once: minted by the group's own log, never reused.
    NodeId, "n"
);
number!(
    /// One replica of one range, from its descriptor, never reused.
    ReplicaId, "r"
);
number!(
    /// A range: one Raft group.
    RangeId, "g"
);
number!(
    /// A counter that a leader mints in its term; acks carry it back (dissertation §6.4).
    Round, "h"
);
number!(
    /// A campaign of one boot; vote replies carry it back.
    CampaignId, "c"
);
number!(
    /// A read that a follower forwarded, minted by the follower.
    ReadId, "q"
);
number!(
    /// A snapshot of one sender.
    SnapshotId, "s"
);
number!(
    /// Number of a [`LogWrite`](crate::LogWrite); writes complete in this order.
    WriteSeq, "w"
);

/// Remote numbers above this are refused, so that adding one never overflows.
pub(crate) const MAX_NUMBER: u64 = 1 << 62;

impl Term {
    /// The term after this one.
    #[must_use]
    pub fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

impl LogIndex {
    /// Before the first entry.
    pub const ZERO: LogIndex = LogIndex(0);

    /// The index after this one.
    #[must_use]
    pub fn next(self) -> LogIndex {
        LogIndex(self.0 + 1)
    }

    /// The index before this one; 0 stays 0.
    #[must_use]
    pub fn prev(self) -> LogIndex {
        LogIndex(self.0.saturating_sub(1))
    }
}

/// A place in the log: the index and the term of the entry there. Ordered by term first, which is the
/// order of "at least as up to date" (dissertation §3.6.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct LogPosition {
    /// Term of the entry.
    pub term: Term,
    /// Index of the entry.
    pub index: LogIndex,
}

impl LogPosition {
    /// The position of the entry `index` of `term`.
    #[must_use]
    pub fn new(index: LogIndex, term: Term) -> Self {
        Self { term, index }
    }
}

impl fmt::Debug for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{:?}", self.index, self.term)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index {} of term {}", self.index, self.term)
    }
}

/// A reading of the node's monotonic clock, which must count suspend (`CLOCK_BOOTTIME`), since an
/// arbitrary start; the shell passes it in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Time(u64);

impl Time {
    /// The clock's start.
    pub const ZERO: Time = Time(0);

    /// A reading in nanoseconds.
    #[must_use]
    pub fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// The reading in nanoseconds.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// How much later `self` is than `earlier`; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;

    fn add(self, rest: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}ms", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
