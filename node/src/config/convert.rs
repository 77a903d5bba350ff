//! The configuration as the parts of a node take it.

use std::sync::Arc;

use store::carrier;
use store::effects::ClusterVersion;
use store::replica::{Compaction, Settings};
use store::request::Limits;

use super::settings::Config;
use super::value::Size;
use crate::budget::Budget;

impl Config {
    /// Of the consensus core.
    #[must_use]
    pub fn core(&self, budget: &Budget) -> raft::Settings {
        let defaults = raft::Settings::default();
        raft::Settings {
            heartbeat: self.heartbeat,
            election_timeout: self.election_timeout,
            promise: self.promise,
            longest_promise: defaults.longest_promise.max(self.promise),
            drift_margin_percent: self.drift_margin_percent,
            read_mode: self.read_mode,
            append_bytes: self.append_bytes.0,
            window_messages: self.window_messages,
            window_bytes: self.window_bytes.0,
            // The core counts what is around a command.
            entry_bytes: self.entry_bytes.0.saturating_add(raft::ENTRY_OVERHEAD),
            uncommitted_bytes: budget.uncommitted,
            unpersisted_bytes: budget.uncommitted,
            cache_bytes: budget.log_cache,
            caught_up_entries: self.caught_up_entries,
            transfer_log_bytes: self.transfer_log_bytes.0,
            ..defaults
        }
    }

    /// What is too large.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            key_bytes: self.key_bytes.0,
            value_bytes: self.value_bytes.0,
            request_bytes: self.request_bytes.0,
            batch_operations: self.batch_operations,
            delete_range_keys: self.delete_range_keys,
            page_keys: self.page_keys,
            page_bytes: self.page_bytes.0,
            entry_bytes: self.entry_bytes.0,
            session_writes: self.session_writes,
            sessions: self.sessions,
            ..Limits::default()
        }
    }

    /// Of the store. `reserve_bytes`: free space below which client writes are refused.
    #[must_use]
    pub fn store(&self, budget: &Budget, reserve_bytes: u64) -> Settings {
        let defaults = Settings::default();
        Settings {
            raft: Arc::new(self.core(budget)),
            limits: self.limits(),
            supported: ClusterVersion::FIRST,
            compaction: Compaction {
                bytes: self.log_bytes.0,
                entries: self.log_entries,
                tail_bytes: self.log_tail_bytes.0,
                // As much of the entries as of the bytes, by default a quarter.
                tail_entries: tail_entries(self),
            },
            retention: self.retention,
            session_expiry: self.session_expiry,
            reserve_bytes,
            ..defaults
        }
    }

    /// Of snapshots on their way.
    #[must_use]
    pub fn carrier(&self, reserve_bytes: u64) -> carrier::Settings {
        let bytes_per_second = bytes(self.snapshot_bytes_per_second);
        carrier::Settings { bytes_per_second, reserve_bytes, ..carrier::Settings::default() }
    }
}

fn bytes(size: Size) -> u64 {
    u64::try_from(size.0).unwrap_or(u64::MAX)
}

fn tail_entries(config: &Config) -> u64 {
    let (tail, all) = (config.log_tail_bytes.0 as u128, config.log_bytes.0.max(1) as u128);
    u64::try_from(u128::from(config.log_entries) * tail / all).unwrap_or(config.log_entries)
}
