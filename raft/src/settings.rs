//! Timings and budgets, refused where they break a rule.

use std::time::Duration;

use thiserror::Error;

use crate::codec::MAX_ENTRIES;
use crate::entry::ENTRY_OVERHEAD;

/// How linearizable reads are confirmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReadMode {
    /// By promises of a quorum, bounded by clocks (dissertation §6.4.1).
    #[default]
    Lease,
    /// By a round of heartbeats for each batch of reads (§6.4).
    ReadIndex,
}

/// Everything about a replica that can be set. All sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Between two heartbeats of a leader.
    pub heartbeat: Duration,
    /// Shortest silence before a campaign; the longest is twice that.
    pub election_timeout: Duration,
    /// What a leader asks its followers to promise; at most `election_timeout`.
    pub promise: Duration,
    /// The longest promise given, whatever a leader asks.
    pub longest_promise: Duration,
    /// Share of a promise that is given up to clocks that drift, in percent.
    pub drift_margin_percent: u32,
    /// How reads are confirmed.
    pub read_mode: ReadMode,
    /// Most bytes of entries in one append.
    pub append_bytes: usize,
    /// Most appends under way to one follower.
    pub window_messages: usize,
    /// Most bytes under way to one follower.
    pub window_bytes: usize,
    /// Largest entry.
    pub entry_bytes: usize,
    /// Most bytes of own proposals not yet committed.
    pub uncommitted_bytes: usize,
    /// Most bytes accepted from a leader and not yet durable.
    pub unpersisted_bytes: usize,
    /// Entries kept in memory beyond those that must be.
    pub cache_bytes: usize,
    /// Most bytes of entries handed out to be applied at once.
    pub apply_bytes: usize,
    /// Most reads that wait.
    pub pending_reads: usize,
    /// A learner at most this many entries behind is caught up.
    pub caught_up_entries: u64,
    /// Log kept for a snapshot in transfer.
    pub transfer_log_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election_timeout: Duration::from_secs(1),
            promise: Duration::from_secs(1),
            longest_promise: Duration::from_secs(10),
            drift_margin_percent: 10,
            read_mode: ReadMode::Lease,
            append_bytes: 1 << 20,
            window_messages: 256,
            window_bytes: 16 << 20,
            entry_bytes: 8 << 20,
            uncommitted_bytes: 64 << 20,
            unpersisted_bytes: 64 << 20,
            cache_bytes: 16 << 20,
            apply_bytes: 4 << 20,
            pending_reads: 100_000,
            caught_up_entries: 1_000,
            transfer_log_bytes: 1 << 30,
        }
    }
}

/// A setting that breaks a rule, and what to change.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SettingsError {
    /// Nothing works with a zero there.
    #[error("{name} is zero: set it above zero")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// Followers would campaign between two heartbeats.
    #[error(
        "heartbeat ({heartbeat:?}) must be at most half of election_timeout ({election_timeout:?}): lower heartbeat or raise election_timeout"
    )]
    HeartbeatTooLong {
        /// As set.
        heartbeat: Duration,
        /// As set.
        election_timeout: Duration,
    },
    /// No clock drift would be allowed for, or no lease would be left.
    #[error(
        "drift_margin_percent is {percent}: set it from 1 to 90; without a margin two leaders could both serve reads"
    )]
    DriftMargin {
        /// As set.
        percent: u32,
    },
    /// Voters would be held back longer than they wait.
    #[error(
        "promise ({promise:?}) must be at most {limit_name} ({limit:?}): lower promise or raise {limit_name}"
    )]
    PromiseTooLong {
        /// As set.
        promise: Duration,
        /// The limit.
        limit: Duration,
        /// Which setting limits it.
        limit_name: &'static str,
    },
    /// The lease would end before the next heartbeat.
    #[error(
        "promise ({promise:?}) less its drift margin must be longer than heartbeat ({heartbeat:?}), or the lease ends between two heartbeats: raise promise or lower heartbeat or drift_margin_percent"
    )]
    PromiseTooShort {
        /// As set.
        promise: Duration,
        /// As set.
        heartbeat: Duration,
    },
    /// An entry could not pass.
    #[error(
        "{name} ({value} bytes) must be at least entry_bytes ({entry_bytes}), or an entry of the full size would never pass: raise {name} or lower entry_bytes"
    )]
    BelowEntry {
        /// The setting.
        name: &'static str,
        /// As set.
        value: usize,
        /// The largest entry.
        entry_bytes: usize,
    },
    /// An append could hold more entries than its receiver takes.
    #[error(
        "append_bytes ({value}) must be at most {limit}, or an append may hold too many entries: lower it"
    )]
    AppendTooLarge {
        /// As set.
        value: usize,
        /// The most entries of the smallest size.
        limit: usize,
    },
    /// Timers beyond this would never fire in practice.
    #[error("{name} ({value:?}) is over an hour: lower it")]
    TooLong {
        /// The setting.
        name: &'static str,
        /// As set.
        value: Duration,
    },
}

impl Settings {
    /// Checks every rule between the settings.
    ///
    /// # Errors
    /// The first rule broken, and what to change.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let times = [
            ("heartbeat", self.heartbeat),
            ("election_timeout", self.election_timeout),
            ("longest_promise", self.longest_promise),
        ];
        for (name, value) in times {
            if value.is_zero() {
                return Err(SettingsError::Zero { name });
            }
            if value > Duration::from_secs(3600) {
                return Err(SettingsError::TooLong { name, value });
            }
        }
        let sizes = [
            ("append_bytes", self.append_bytes),
            ("window_messages", self.window_messages),
            ("window_bytes", self.window_bytes),
            ("entry_bytes", self.entry_bytes),
            ("apply_bytes", self.apply_bytes),
            ("pending_reads", self.pending_reads),
            ("transfer_log_bytes", self.transfer_log_bytes),
        ];
        if let Some((name, _)) = sizes.into_iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError::Zero { name });
        }
        let (value, limit) = (self.append_bytes, MAX_ENTRIES * ENTRY_OVERHEAD);
        if value > limit {
            return Err(SettingsError::AppendTooLarge { value, limit });
        }
        if self.heartbeat * 2 > self.election_timeout {
            let (heartbeat, election_timeout) = (self.heartbeat, self.election_timeout);
            return Err(SettingsError::HeartbeatTooLong { heartbeat, election_timeout });
        }
        for (name, value) in
            [("uncommitted_bytes", self.uncommitted_bytes), ("unpersisted_bytes", self.unpersisted_bytes)]
        {
            if value < self.entry_bytes {
                return Err(SettingsError::BelowEntry { name, value, entry_bytes: self.entry_bytes });
            }
        }
        self.validate_lease()
    }

    fn validate_lease(&self) -> Result<(), SettingsError> {
        if self.read_mode == ReadMode::ReadIndex {
            return Ok(());
        }
        if !(1..=90).contains(&self.drift_margin_percent) {
            return Err(SettingsError::DriftMargin { percent: self.drift_margin_percent });
        }
        if self.promise.is_zero() {
            return Err(SettingsError::Zero { name: "promise" });
        }
        for (limit_name, limit) in
            [("election_timeout", self.election_timeout), ("longest_promise", self.longest_promise)]
        {
            if self.promise > limit {
                return Err(SettingsError::PromiseTooLong { promise: self.promise, limit, limit_name });
            }
        }
        if self.less_margin(self.promise) <= self.heartbeat {
            return Err(SettingsError::PromiseTooShort { promise: self.promise, heartbeat: self.heartbeat });
        }
        Ok(())
    }

    /// What a leader may count on of a promise: not more than it asks for, less the drift margin.
    pub(crate) fn less_margin(&self, promised: Duration) -> Duration {
        promised.min(self.asked_promise()) * (100 - self.drift_margin_percent.min(100)) / 100
    }

    /// What a leader asks for with each heartbeat.
    pub(crate) fn asked_promise(&self) -> Duration {
        match self.read_mode {
            ReadMode::Lease => self.promise,
            ReadMode::ReadIndex => Duration::ZERO,
        }
    }
}
