//! What a seed draws before the run.

use std::time::Duration;

use store::carrier;
use store::replica::{Compaction, Settings};
use store::request::Limits;
use store::snapshot;

use crate::fault::{self, Fault};
use crate::network::Weather;
use crate::plan::settings as core_settings;
use crate::rng::Rng;

const MILLI: u64 = 1_000_000;

/// Everything about a run that is fixed before it begins. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Voters at the start.
    pub voters: usize,
    /// Learners that the operator adds at the start.
    pub learners: usize,
    /// Hosts, spare ones included.
    pub hosts: usize,
    /// Settings of every node.
    pub settings: Settings,
    /// Settings of their carriers of snapshots.
    pub carrier: carrier::Settings,
    /// The election timeout: the scale of the run.
    pub election: u64,
    /// The weather outside storms.
    pub weather: Weather,
    /// One append in so many has a bit flipped on its way; 0: none.
    pub wire_flips: u64,
    /// Shortest time of a sync.
    pub sync: u64,
    /// At most this much more.
    pub sync_jitter: u64,
    /// Longest time of a flush of the data.
    pub flush: u64,
    /// How often in 1000 events some data become durable by themselves.
    pub self_flush: u64,
    /// Clients.
    pub clients: usize,
    /// Keys in use.
    pub keys: usize,
    /// Reads in 1000 requests.
    pub reads: u64,
    /// Clients in 1000 that ask one node only.
    pub pinned: u64,
    /// Requests in 1000 that go to any node.
    pub stray: u64,
    /// Requests in 1000 that arrive very late.
    pub late: u64,
    /// Longest pause of a client between two requests.
    pub think: u64,
    /// After this long a client asks again.
    pub patience: u64,
    /// Ticks come late by at most this.
    pub tick_late: u64,
    /// More events than any run needs: beyond, something spins.
    pub most_events: u64,
    /// When the faults end.
    pub end: u64,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Plan {
    /// What `seed` draws.
    #[must_use]
    pub fn draw(seed: u64) -> Plan {
        let rng = &mut Rng::new(seed, 10);
        let election = rng.range(100, 300) * MILLI;
        let voters = rng.pick(&[1, 2, 3, 3, 3, 3, 3, 3, 3, 5]);
        let learners = rng.pick(&[0, 0, 0, 0, 1]);
        let end = election * rng.range(10, 18);
        let count = rng.range(6, 18) as usize;
        let faults = fault::schedule(rng, &fault::OF_NODES, count, (election * 3, end), election);
        let weather = Weather {
            delay: rng.range(100_000, 2 * MILLI),
            jitter: rng.pick(&[100_000, MILLI, 3 * MILLI]),
            loss: rng.pick(&[0, 0, 0, 5, 20, 60]),
            duplicate: rng.pick(&[0, 0, 5, 50]),
            reorder: rng.pick(&[0, 0, 20, 200]),
            straggle: rng.pick(&[0, 0, 1, 5, 20]),
        };
        Plan {
            voters,
            learners,
            hosts: voters.max(3) + learners + 2,
            settings: settings(rng, election),
            carrier: carrier_settings(rng, election),
            election,
            weather,
            wire_flips: rng.pick(&[0, 0, 20, 200]),
            sync: rng.range(50_000, MILLI),
            sync_jitter: rng.pick(&[50_000, MILLI, 5 * MILLI]),
            flush: rng.pick(&[100_000, 5 * MILLI, election / 2]),
            self_flush: rng.pick(&[0, 2, 20, 100]),
            clients: rng.range(3, 6) as usize,
            keys: rng.range(2, 8) as usize,
            reads: rng.pick(&[200, 400, 600]),
            pinned: rng.pick(&[0, 300, 600]),
            stray: rng.pick(&[20, 100, 400]),
            late: rng.pick(&[0, 10, 80]),
            think: rng.pick(&[3 * MILLI, 10 * MILLI, 40 * MILLI]),
            patience: rng.pick(&[election / 5, election, election * 2, election * 3]),
            tick_late: rng.pick(&[0, 0, MILLI, election / 20]),
            most_events: 500_000,
            end,
            faults,
        }
    }
}

fn settings(rng: &mut Rng, election: u64) -> Settings {
    let mut raft = core_settings(rng, election);
    raft.heartbeat = Duration::from_nanos(election / rng.range(3, 6));
    let entry_bytes = rng.pick(&[raft::ENTRY_OVERHEAD + 200, 1 << 20, 1 << 20]);
    raft.entry_bytes = entry_bytes;
    raft.uncommitted_bytes = raft.uncommitted_bytes.max(entry_bytes);
    raft.unpersisted_bytes = raft.unpersisted_bytes.max(entry_bytes);
    let limits = Limits {
        entry_bytes: entry_bytes - raft::ENTRY_OVERHEAD,
        page_keys: rng.pick(&[1, 2, 1_000]),
        page_bytes: rng.pick(&[1, 30, 1 << 20]),
        delete_range_keys: rng.pick(&[2, 10_000]),
        session_writes: rng.pick(&[2, 256]),
        sessions: rng.pick(&[2, 10_000]),
        holds: rng.pick(&[1, 100]),
        ..Limits::default()
    };
    let tiny = rng.coin();
    let compaction = Compaction {
        bytes: 1 << 20,
        entries: if tiny { rng.range(4, 20) } else { rng.range(20, 80) },
        tail_bytes: rng.pick(&[500, 1 << 18]),
        tail_entries: if tiny { rng.range(1, 6) } else { rng.range(6, 30) },
    };
    Settings {
        raft: raft.into(),
        limits,
        compaction,
        flush_bytes: rng.pick(&[1_000, 1 << 20]),
        flush_entries: rng.range(2, 40) as usize,
        retention: Duration::from_secs(60),
        session_expiry: Duration::from_nanos(election * rng.pick(&[1, 3, 8, 30])),
        upkeep: Duration::from_nanos(election / rng.range(2, 6)),
        waiting: rng.pick(&[2, 65_536, 65_536]),
        reserve_bytes: 1 << 20,
        sweep_versions: rng.pick(&[1, 2, 5, 1_000]),
        ..Settings::default()
    }
}

/// Many small tables and blocks.
fn carrier_settings(rng: &mut Rng, election: u64) -> carrier::Settings {
    carrier::Settings {
        snapshots: snapshot::Settings {
            table_bytes: rng.pick(&[300, 3_000]),
            block_bytes: rng.pick(&[100, 400]),
            kept: rng.pick(&[1, 2]),
            window: rng.pick(&[1, 8]),
            resend_ticks: 2,
            give_up_ticks: rng.pick(&[8, 30]),
            offer_ticks: rng.pick(&[20, 500]),
        },
        bytes_per_second: rng.pick(&[50_000, 2_000_000]),
        reserve_bytes: 1 << 20,
        tick: Duration::from_nanos(election / 10),
        retry_ticks: 5,
        ..carrier::Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_draws_settings_that_are_allowed() {
        for seed in 0..2_000 {
            let plan = Plan::draw(seed);
            assert_eq!(plan.settings.raft.validate(), Ok(()), "seed {seed}");
            let needed = plan.settings.limits.entry_bytes + raft::ENTRY_OVERHEAD;
            assert!(needed <= plan.settings.raft.entry_bytes && plan.faults.len() >= 6);
        }
    }
}
