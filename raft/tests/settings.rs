//! Every rule between the settings: what breaks it is refused with the setting's name and what to change.

use std::time::Duration;

use raft::codec::MAX_ENTRIES;
use raft::{
    Boot, ClusterId, Configuration, DiskId, ENTRY_OVERHEAD, Identity, LogIndex, NodeId, Peer, Raft, RangeId,
    ReadMode, ReplicaId, RestoreError, Restored, Settings, SnapshotMeta, Time, bootstrap,
};

/// As many entries of the smallest size as an append may hold.
const MOST_IN_APPEND: usize = MAX_ENTRIES * ENTRY_OVERHEAD;
const HOUR: Duration = Duration::from_secs(3_600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

fn by_read_index(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = with(|s| s.read_mode = ReadMode::ReadIndex);
    change(&mut settings);
    settings
}

#[test]
fn what_breaks_a_rule_is_refused_with_what_to_change() {
    let nanosecond = Duration::from_nanos(1);
    let cases: [(Settings, &str); 32] = [
        (with(|s| s.heartbeat = Duration::ZERO), "heartbeat is zero: set it above zero"),
        (with(|s| s.election_timeout = Duration::ZERO), "election_timeout is zero: set it above zero"),
        (with(|s| s.longest_promise = Duration::ZERO), "longest_promise is zero: set it above zero"),
        (with(|s| s.promise = Duration::ZERO), "promise is zero: set it above zero"),
        (with(|s| s.append_bytes = 0), "append_bytes is zero: set it above zero"),
        (with(|s| s.window_messages = 0), "window_messages is zero: set it above zero"),
        (with(|s| s.window_bytes = 0), "window_bytes is zero: set it above zero"),
        (with(|s| s.entry_bytes = 0), "entry_bytes is zero: set it above zero"),
        (with(|s| s.apply_bytes = 0), "apply_bytes is zero: set it above zero"),
        (with(|s| s.pending_reads = 0), "pending_reads is zero: set it above zero"),
        (with(|s| s.transfer_log_bytes = 0), "transfer_log_bytes is zero: set it above zero"),
        (with(|s| s.append_bytes = MOST_IN_APPEND + 1), "or an append may hold too many entries: lower it"),
        (with(|s| s.heartbeat = HOUR * 2), "heartbeat (7200s) is over an hour: lower it"),
        (with(|s| s.heartbeat = Duration::MAX), "is over an hour: lower it"),
        (
            with(|s| s.election_timeout = HOUR + nanosecond),
            "election_timeout (3600.000000001s) is over an hour",
        ),
        (with(|s| s.election_timeout = Duration::MAX), "is over an hour: lower it"),
        (with(|s| s.longest_promise = Duration::MAX), "is over an hour: lower it"),
        (
            with(|s| s.heartbeat = ms(501)),
            "heartbeat (501ms) must be at most half of election_timeout (1s): lower",
        ),
        (with(|s| s.heartbeat = ms(1_000)), "raise election_timeout"),
        (with(|s| s.heartbeat = ms(1_500)), "raise election_timeout"),
        (by_read_index(|s| s.heartbeat = ms(501)), "lower heartbeat or raise election_timeout"),
        (with(|s| s.drift_margin_percent = 0), "drift_margin_percent is 0: set it from 1 to 90"),
        (with(|s| s.drift_margin_percent = 91), "drift_margin_percent is 91: set it from 1 to 90"),
        (with(|s| s.drift_margin_percent = u32::MAX), "without a margin two leaders could both serve reads"),
        (
            with(|s| s.promise = ms(1_001)),
            "promise (1.001s) must be at most election_timeout (1s): lower promise or raise election_timeout",
        ),
        (with(|s| s.promise = Duration::MAX), "must be at most election_timeout (1s)"),
        (
            with(|s| s.longest_promise = ms(999)),
            "promise (1s) must be at most longest_promise (999ms): lower promise or raise longest_promise",
        ),
        (
            with(|s| s.promise = ms(111)),
            "promise (111ms) less its drift margin must be longer than heartbeat (100ms)",
        ),
        (
            with(|s| (s.heartbeat, s.drift_margin_percent) = (ms(500), 50)),
            "raise promise or lower heartbeat or drift_margin_percent",
        ),
        (
            with(|s| s.uncommitted_bytes = s.entry_bytes - 1),
            "uncommitted_bytes (8388607 bytes) must be at least entry_bytes (8388608)",
        ),
        (with(|s| s.unpersisted_bytes = s.entry_bytes - 1), "raise unpersisted_bytes or lower entry_bytes"),
        (with(|s| s.entry_bytes = usize::MAX), "raise uncommitted_bytes or lower entry_bytes"),
    ];
    for (settings, says) in cases {
        let error = settings.validate().expect_err(says).to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
}

#[test]
fn defaults_and_boundary_values_are_accepted() {
    let accepted = [
        Settings::default(),
        with(|s| s.heartbeat = ms(499)),
        with(|s| (s.heartbeat, s.promise) = (ms(500), ms(1_000))),
        with(|s| s.promise = ms(112)),
        with(|s| s.longest_promise = ms(1_000)),
        with(|s| s.drift_margin_percent = 1),
        with(|s| s.drift_margin_percent = 89),
        with(|s| (s.drift_margin_percent, s.heartbeat) = (90, ms(99))),
        with(|s| {
            (s.heartbeat, s.election_timeout) = (HOUR / 2, HOUR);
            (s.promise, s.longest_promise) = (HOUR, HOUR);
        }),
        with(|s| s.uncommitted_bytes = s.entry_bytes),
        with(|s| s.unpersisted_bytes = s.entry_bytes),
        with(|s| (s.cache_bytes, s.caught_up_entries) = (0, 0)),
        with(|s| (s.append_bytes, s.window_messages, s.window_bytes) = (1, 1, 1)),
        with(|s| (s.apply_bytes, s.pending_reads, s.transfer_log_bytes) = (1, 1, 1)),
        with(|s| s.append_bytes = MOST_IN_APPEND),
        with(|s| s.caught_up_entries = u64::MAX),
        // Without leases the settings of the lease mean nothing; what others ask is promised all the same.
        by_read_index(|s| (s.promise, s.drift_margin_percent) = (Duration::MAX, u32::MAX)),
        by_read_index(|s| (s.promise, s.drift_margin_percent) = (Duration::ZERO, 0)),
    ];
    for settings in accepted {
        assert_eq!(settings.validate(), Ok(()), "{settings:?}");
    }
}

#[test]
fn a_replica_does_not_start_with_bad_settings() {
    let (node, disk, boot) = (NodeId(1), DiskId(1), Boot { counter: 1, nonce: 1 });
    let (hard_state, first) = bootstrap(Configuration::bootstrap([(node, disk)]));
    let restored = Restored::scan(hard_state, SnapshotMeta::empty(), [first], LogIndex::ZERO).unwrap();
    let identity = Identity {
        cluster: ClusterId(1),
        peer: Peer { node, disk, boot },
        range: RangeId(1),
        replica: ReplicaId(1),
    };
    let settings = with(|s| s.heartbeat = s.election_timeout);
    let reason = settings.validate().unwrap_err();
    let refused = Raft::restore(Time::ZERO, 1, identity, settings, restored).unwrap_err();
    assert_eq!(refused, RestoreError::Settings(reason));
}
