//! Every setting, once: its name in file, environment and flags, what it means, its unit and its default.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use raft::ReadMode;

use super::value::{LogFormat, Size, Value};

/// A setting, for the reference and the command line.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// As it is in the file; the environment has `KV_NODE_` and capitals, the flag has dashes.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// How its value is written.
    pub kind: &'static str,
}

macro_rules! settings {
    ($($(#[doc = $about:literal])+ $name:ident: $kind:ty = $default:expr;)+) => {
        /// Everything about a node that can be set.
        #[derive(Clone, PartialEq, Debug)]
        pub struct Config {
            $($(#[doc = $about])+ pub $name: $kind,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// All settings, in the order of the reference.
        pub const SETTINGS: &[Setting] = &[
            $(Setting {
                name: stringify!($name),
                about: concat!($($about),+),
                kind: <$kind as Value>::KIND,
            },)+
        ];

        impl Config {
            /// Sets the setting of this name; none if there is no such setting.
            pub(super) fn set(&mut self, name: &str, text: &str) -> Option<Result<(), String>> {
                match name {
                    $(stringify!($name) => {
                        Some(<$kind as Value>::parse(text).map(|value| self.$name = value))
                    })+
                    _ => None,
                }
            }

            /// The value of the setting of this name.
            #[must_use]
            pub fn show(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => Some(self.$name.show()),)+
                    _ => None,
                }
            }
        }
    };
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

settings! {
    /// Folder of everything that this node keeps.
    data_dir: PathBuf = "kv-node-data".into();
    /// Where clients are served. Trusted networks only: there is no TLS yet.
    client_listen: SocketAddr = loopback(7400);
    /// Where peers and administrators are served. Trusted networks only, as above.
    peer_listen: SocketAddr = loopback(7401);
    /// Where health and metrics are served, by HTTP.
    http_listen: SocketAddr = loopback(7402);
    /// Where clients reach this node. Default: `client_listen`.
    client_advertise: Option<String> = None;
    /// Where peers reach this node. Default: `peer_listen`.
    peer_advertise: Option<String> = None;
    /// Where peers are, by node id. It wins over the template, and both win over what peers say.
    peer_addresses: BTreeMap<u64, String> = BTreeMap::new();
    /// Where a peer is that `peer_addresses` does not name; `{node}` stands for its id.
    peer_address_template: Option<String> = None;

    /// How linearizable reads are confirmed: by leases, which trust monotonic clocks within the drift margin, or by a round of heartbeats.
    read_mode: ReadMode = ReadMode::Lease;
    /// Between two heartbeats of a leader.
    heartbeat: Duration = Duration::from_millis(100);
    /// Shortest silence before a campaign; the longest is twice that.
    election_timeout: Duration = Duration::from_secs(1);
    /// What a leader asks its followers to promise, for leases; at most `election_timeout`.
    promise: Duration = Duration::from_secs(1);
    /// Percent of a promise that is given up to clocks that drift, from 1 to 90.
    drift_margin_percent: u32 = 10;
    /// A learner at most this many entries behind for an election timeout is caught up.
    caught_up_entries: u64 = 1_000;
    /// Most bytes of entries in one append.
    append_bytes: Size = Size(1 << 20);
    /// Most appends under way to one follower.
    window_messages: usize = 256;
    /// Most bytes under way to one follower.
    window_bytes: Size = Size(16 << 20);

    /// Memory that this node may use. Default: the limit of its cgroup, else that of the machine. How it is divided: see below.
    memory_bytes: Option<Size> = None;
    /// Memory for blocks of data that were read. Default: a share of `memory_bytes`.
    block_cache_bytes: Option<Size> = None;

    /// The log is compacted when it has so many bytes,
    log_bytes: Size = Size(64 << 20);
    /// or so many entries.
    log_entries: u64 = 100_000;
    /// At most so much of the compacted log stays for followers that are behind.
    log_tail_bytes: Size = Size(16 << 20);
    /// Log kept at most for the sake of a snapshot that is being transferred.
    transfer_log_bytes: Size = Size(1 << 30);
    /// Snapshots are sent at most this fast: bytes in a second.
    snapshot_bytes_per_second: Size = Size(64 << 20);

    /// How long versions can be read after they were replaced; at least 1m.
    retention: Duration = Duration::from_secs(600);
    /// A session without a write for so long has ended.
    session_expiry: Duration = Duration::from_secs(3_600);
    /// How long a request may take that does not say it.
    deadline: Duration = Duration::from_secs(5);
    /// A write that would wait longer for its answer is refused at once, as busy; at least 10ms.
    write_wait: Duration = Duration::from_millis(500);

    /// Longest key.
    key_bytes: Size = Size(4 << 10);
    /// Longest value.
    value_bytes: Size = Size(1 << 20);
    /// Most bytes of keys and values in one request.
    request_bytes: Size = Size(4 << 20);
    /// Most bytes of one log entry.
    entry_bytes: Size = Size(8 << 20);
    /// Most bytes of a message that a client or peer sends.
    message_bytes: Size = Size(16 << 20);
    /// Most operations in one write, on distinct keys.
    batch_operations: usize = 1_000;
    /// Most keys that one DeleteRange removes.
    delete_range_keys: usize = 10_000;
    /// Most keys on a page of a scan.
    page_keys: usize = 1_000;
    /// Most bytes on a page of a scan; a page has one row at least.
    page_bytes: Size = Size(1 << 20);
    /// Most sessions that have not expired.
    sessions: usize = 10_000;
    /// Most writes of a session that the client has not acknowledged yet.
    session_writes: usize = 256;
    /// Most calls or streams at once on one connection.
    streams_per_connection: u32 = 256;

    /// A start waits at most so long for another process to leave `data_dir`; by default as long as Kubernetes gives a pod to end.
    lock_timeout: Duration = Duration::from_secs(30);
    /// A stop hands leadership over first, and waits at most so long for that.
    transfer_timeout: Duration = Duration::from_secs(3);
    /// Then it waits at most so long for the requests under way.
    drain_timeout: Duration = Duration::from_secs(2);
    /// Where the reason of an end is written, as JSON. Default: /dev/termination-log if that is there.
    termination_log: Option<PathBuf> = None;
    /// How lines of the log look.
    log_format: LogFormat = LogFormat::Text;
    /// What is logged: error, warn, info, debug or trace; also by part, as in info,node::transport=debug.
    log_level: String = "info".into();
}
