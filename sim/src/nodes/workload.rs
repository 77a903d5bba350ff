//! What clients ask.

use std::time::Duration;

use bytes::Bytes;
use store::replica::{Consistency, Query, Read, Request};
use store::request::{Attempt, Condition, Operation, Scan, Test, Write};
use store::timestamp::Timestamp;

use super::world::World;
use crate::rng::Rng;

/// In an order that a careless encoding would not keep.
const KEYS: [&[u8]; 8] = [b"a", b"b", b"b\0", b"b\0\xff", b"c", b"\xff", b"\xff\xff", b"d"];

fn key(rng: &mut Rng, keys: usize) -> Bytes {
    Bytes::from_static(KEYS[rng.index(keys.min(KEYS.len()))])
}

fn range(rng: &mut Rng, keys: usize) -> (Bytes, Bytes) {
    let mut bound = || if rng.per_mille(250) { Bytes::new() } else { key(rng, keys) };
    let (one, other) = (bound(), bound());
    if one > other && !other.is_empty() { (other, one) } else { (one, other) }
}

impl World {
    /// What a client asks next.
    pub(super) fn choose(&mut self, client: usize) -> Option<Request> {
        let rng = &mut self.rng.client;
        if let Some((scan, timestamp)) = self.clients[client].rest.take()
            && rng.per_mille(700)
        {
            let consistency = Consistency::Snapshot(timestamp);
            return Some(Request::Read(Read { query: Query::Scan(scan), consistency }));
        }
        if self.clients[client].session.is_none() && rng.per_mille(350) {
            return Some(Request::OpenSession);
        }
        if rng.per_mille(30) {
            return Some(self.hold(client));
        }
        let pinned = self.clients[client].pinned;
        let reads = self.rng.client.per_mille(if pinned { self.plan.reads / 4 } else { self.plan.reads });
        Some(if reads { Request::Read(self.read(client)) } else { Request::Write(self.write(client)) })
    }

    /// A hold on what it saw, or the end of its hold.
    fn hold(&mut self, client: usize) -> Request {
        let rng = &mut self.rng.client;
        let state = &self.clients[client];
        match state.hold {
            Some((id, _)) if rng.coin() => Request::ReleaseHold { id },
            _ => Request::Hold {
                timestamp: state.seen,
                duration: Duration::from_millis(rng.pick(&[1, 5_000, 600_000])),
            },
        }
    }

    fn write(&mut self, client: usize) -> Write {
        let keys = self.plan.keys;
        let rng = &mut self.rng.client;
        let state = &mut self.clients[client];
        let mut operations: Vec<Operation> = Vec::new();
        let mut used: Vec<Bytes> = Vec::new();
        for _ in 0..rng.range(1, 3) {
            let key = key(rng, keys);
            if used.contains(&key) {
                continue;
            }
            used.push(key.clone());
            state.writes += 1;
            let value = format!("{}-{}", state.name, state.writes).into();
            let deletes = rng.per_mille(200);
            operations.push(if deletes { Operation::Delete { key } } else { Operation::Put { key, value } });
        }
        if rng.per_mille(80) {
            let (start, end) = range(rng, keys);
            operations = vec![Operation::DeleteRange { start, end }];
        }
        let conditions = (0..rng.index(4)).map(|_| {
            let test = match rng.below(6) {
                0 => Test::Exists,
                1 => Test::Absent,
                2 | 3 => Test::ValueIs(state.value.clone()),
                4 => Test::VersionIs(Timestamp::ZERO),
                _ => Test::VersionIs(state.version),
            };
            Condition { key: key(rng, keys), test }
        });
        let mut conditions: Vec<_> = conditions.collect();
        // No value is empty: that shows what a node that was left behind takes for the present.
        if state.pinned && rng.per_mille(700) {
            let test = Test::ValueIs(Bytes::new());
            conditions.insert(0, Condition { key: key(rng, keys), test });
        }
        let attempt = state.session.filter(|_| !rng.per_mille(200)).map(|session| {
            if rng.coin() || state.number - state.acknowledged > 1 {
                state.acknowledged = state.number;
            }
            Attempt { session, number: state.number, acknowledged_below: state.acknowledged, retry: false }
        });
        Write { conditions, operations, attempt }
    }

    fn read(&mut self, client: usize) -> Read {
        let physical = self.hosts[self.plan.voters / 2].now(self.now).wall_millis;
        let (keys, election) = (self.plan.keys, self.plan.election);
        let rng = &mut self.rng.client;
        let state = &self.clients[client];
        let query = if rng.coin() {
            Query::Get { key: key(rng, keys) }
        } else {
            let (start, end) = range(rng, keys);
            let (reverse, limit, keys_only) = (rng.coin(), rng.index(4), rng.per_mille(250));
            Query::Scan(Scan { start, end, reverse, limit, keys_only })
        };
        let consistency = match rng.below(10) {
            0 => Consistency::Snapshot(state.seen),
            1 => Consistency::Snapshot(Timestamp(state.seen.0.saturating_sub(1))),
            2 => Consistency::Snapshot(Timestamp::from_millis(physical + rng.below(300))),
            3 => Consistency::Snapshot(state.hold.map_or(state.seen, |(_, held)| held)),
            4 if rng.coin() => Consistency::Snapshot(Timestamp::from_millis(physical + 100_000_000)),
            5 | 6 => {
                let bound = rng.pick(&[2_000_000, 20_000_000, election * 2]);
                Consistency::Stale(Duration::from_nanos(rng.below(bound)))
            }
            _ => Consistency::Linearizable,
        };
        Read { query, consistency }
    }
}
