//! What a seed draws before the run: sizes, settings, load and faults.

use std::time::Duration;

use raft::{ReadMode, Settings};

use crate::fault::{self, Fault};
use crate::machine::KEYS;
use crate::network::Weather;
use crate::rng::Rng;

const MILLI: u64 = 1_000_000;

/// Everything about a run that is fixed before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Groups.
    pub groups: usize,
    /// Voters of each group at the start.
    pub voters: usize,
    /// Learners that the operator adds at the start.
    pub learners: usize,
    /// Hosts, spare ones included.
    pub hosts: usize,
    /// Settings of every replica.
    pub settings: Settings,
    /// The election timeout in nanoseconds: the scale of the run.
    pub election: u64,
    /// The weather outside storms.
    pub weather: Weather,
    /// Shortest time of a sync.
    pub sync: u64,
    /// At most this much more.
    pub sync_jitter: u64,
    /// How long the state machine may take to apply; 0: at once.
    pub apply_delay: u64,
    /// How often in 1000 the state machine is flushed after it applied.
    pub flush_per_mille: u64,
    /// Entries in the log that trigger a compaction.
    pub compact_at: u64,
    /// Entries kept.
    pub compact_tail: u64,
    /// Bytes of a snapshot in one packet.
    pub chunk: usize,
    /// Clients.
    pub clients: usize,
    /// Registers in use per group.
    pub keys: u64,
    /// Reads in 1000 operations.
    pub reads: u64,
    /// Operations in 1000 that go to any node instead of the leader.
    pub stray: u64,
    /// Longest pause of a client between two operations.
    pub think: u64,
    /// After this long a client gives up.
    pub patience: u64,
    /// Largest padding of a command.
    pub padding: u64,
    /// Ticks come late by at most this.
    pub tick_late: u64,
    /// When the faults end.
    pub end: u64,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Plan {
    /// What `seed` draws.
    #[must_use]
    pub fn draw(seed: u64) -> Plan {
        let rng = &mut Rng::new(seed, 0);
        let election = rng.range(100, 300) * MILLI;
        let groups = if rng.per_mille(150) { rng.range(2, 3) as usize } else { 1 };
        let voters = rng.pick(&[1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 7]);
        let learners = rng.pick(&[0, 0, 0, 1, 2]);
        let end = election * rng.range(24, 40);
        let settings = settings(rng, election);
        let tiny = rng.coin();
        let (compact_at, compact_tail) =
            if tiny { (rng.range(4, 25), rng.range(0, 6)) } else { (rng.range(30, 200), rng.range(0, 40)) };
        let weather = Weather {
            delay: rng.range(100_000, 2 * MILLI),
            jitter: rng.pick(&[100_000, MILLI, 3 * MILLI]),
            loss: rng.pick(&[0, 0, 0, 5, 20, 60]),
            duplicate: rng.pick(&[0, 0, 5, 50]),
            reorder: rng.pick(&[0, 0, 20, 200]),
            straggle: rng.pick(&[0, 0, 1, 5, 20]),
        };
        let count = rng.range(9, 26) as usize;
        let faults = fault::schedule(rng, &fault::OF_GROUPS, count, (election * 2, end), election);
        Plan {
            groups,
            voters,
            learners,
            hosts: voters.max(3) + learners + 4,
            settings,
            election,
            weather,
            sync: rng.range(50_000, MILLI),
            sync_jitter: rng.pick(&[50_000, MILLI, 5 * MILLI]),
            apply_delay: rng.pick(&[0, 0, 500_000, 5 * MILLI]),
            flush_per_mille: rng.pick(&[20, 100, 500]),
            compact_at,
            compact_tail,
            chunk: rng.pick(&[8, 32, 1000]),
            clients: rng.range(3, 7) as usize * groups.min(2),
            keys: rng.range(2, KEYS as u64),
            reads: rng.pick(&[100, 300, 500, 700]),
            stray: rng.pick(&[20, 100, 400]),
            think: rng.pick(&[5 * MILLI, 15 * MILLI, 30 * MILLI]),
            patience: election * rng.range(1, 4),
            padding: rng.pick(&[0, 0, 20, 200]),
            tick_late: rng.pick(&[0, 0, MILLI, election / 20]),
            end,
            faults,
        }
    }
}

/// Settings of a core, with tiny limits more often than not.
pub(crate) fn settings(rng: &mut Rng, election: u64) -> Settings {
    let heartbeat = election / rng.range(3, 10);
    let promise = rng.pick(&[election, election, election * 2 / 3]);
    let entry_bytes = rng.pick(&[200, 400, 1 << 20]);
    let roomy = 1 << 20;
    Settings {
        heartbeat: Duration::from_nanos(heartbeat),
        election_timeout: Duration::from_nanos(election),
        promise: Duration::from_nanos(promise),
        longest_promise: Duration::from_nanos(election * 2),
        drift_margin_percent: 10,
        read_mode: if rng.per_mille(650) { ReadMode::Lease } else { ReadMode::ReadIndex },
        append_bytes: rng.pick(&[1, 150, 400, 2_000, roomy]),
        window_messages: rng.pick(&[1, 2, 4, 64]),
        window_bytes: rng.pick(&[100, 1_000, roomy]),
        entry_bytes,
        uncommitted_bytes: rng.pick(&[entry_bytes, entry_bytes * 3, roomy.max(entry_bytes)]),
        unpersisted_bytes: rng.pick(&[entry_bytes, entry_bytes * 4, roomy.max(entry_bytes)]),
        cache_bytes: rng.pick(&[0, 0, 500, roomy]),
        apply_bytes: rng.pick(&[1, 500, roomy]),
        pending_reads: rng.pick(&[1, 4, 1_000, 1_000]),
        caught_up_entries: rng.pick(&[3, 20, 1_000]),
        transfer_log_bytes: rng.pick(&[1_000, 10_000, roomy]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_draws_settings_that_are_allowed() {
        for seed in 0..2_000 {
            let plan = Plan::draw(seed);
            assert_eq!(plan.settings.validate(), Ok(()), "seed {seed}");
            assert!(plan.faults.len() >= 9);
        }
    }
}
