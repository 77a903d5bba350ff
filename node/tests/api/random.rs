//! Requests that make no sense are answered like all others.

use bytes::Bytes;
use proto::v1::batch_item::Request as Asked;
use proto::v1::condition::Test;
use proto::v1::consistency::Level;
use proto::v1::operation::Kind as Operated;
use proto::v1::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::rig::{batches, get, one};

/// Makes requests of every shape, most of them wrong in some way.
struct Maker(StdRng);

impl Maker {
    fn one_in(&mut self, count: u32) -> bool {
        self.0.random_ratio(1, count)
    }

    /// Seldom over the limits.
    fn bytes(&mut self) -> Bytes {
        let length = match self.0.random_range(0..100) {
            0 => 4_097,
            1 => 4_096,
            length => length % 4,
        };
        (0..length).map(|_| *[0, 1, b'a', 0xff].get(self.0.random_range(0..4)).unwrap()).collect()
    }

    /// A number of interest.
    fn number(&mut self) -> u64 {
        match self.0.random_range(0..6) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 63,
            3 => self.0.random_range(0..4),
            _ => self.0.random(),
        }
    }

    fn keyspace(&mut self) -> String {
        if self.one_in(30) { "x".into() } else { String::new() }
    }

    fn consistency(&mut self) -> Option<Consistency> {
        let level = match self.0.random_range(0..5) {
            0 => return None,
            1 => None,
            2 => Some(Level::Linearizable(Linearizable {})),
            3 => Some(Level::SnapshotTimestamp(self.number())),
            _ => Some(Level::StaleWithinMillis(self.number())),
        };
        Some(Consistency { level })
    }

    fn attempt(&mut self) -> Option<Attempt> {
        let (session, number, acknowledged_below) = (self.number(), self.number(), self.number());
        self.one_in(4).then(|| Attempt { session, number, acknowledged_below, retry: self.one_in(2) })
    }

    fn condition(&mut self, key: Bytes) -> Condition {
        let test = match self.0.random_range(0..4) {
            0 => None,
            1 => Some(Test::Exists(self.one_in(2))),
            2 => Some(Test::Value(self.bytes())),
            _ => Some(Test::Version(self.number())),
        };
        Condition { key, test }
    }

    fn operation(&mut self) -> Operation {
        let kind = match self.0.random_range(0..10) {
            0 => None,
            1..6 => Some(Operated::Put(PutOperation { key: self.bytes(), value: self.bytes() })),
            6 | 7 => Some(Operated::Delete(DeleteOperation { key: self.bytes() })),
            _ => Some(Operated::DeleteRange(DeleteRangeOperation { start: self.bytes(), end: self.bytes() })),
        };
        Operation { kind }
    }

    fn write(&mut self) -> WriteRequest {
        let (conditions, operations) = (self.0.random_range(0..4), self.0.random_range(0..6));
        let conditions = (0..conditions).map(|_| {
            let key = self.bytes();
            self.condition(key)
        });
        let conditions = conditions.collect();
        let operations = (0..operations).map(|_| self.operation()).collect();
        WriteRequest { conditions, operations, attempt: self.attempt(), keyspace: self.keyspace() }
    }

    fn request(&mut self) -> Option<Asked> {
        let (key, value) = (self.bytes(), self.bytes());
        let (attempt, consistency, keyspace) = (self.attempt(), self.consistency(), self.keyspace());
        Some(match self.0.random_range(0..9) {
            0 => return None,
            1 => Asked::Get(GetRequest { key, consistency, keyspace }),
            2 => Asked::Put(PutRequest { key, value, attempt, keyspace }),
            3 => {
                let own = if self.one_in(3) { self.bytes() } else { Bytes::new() };
                let condition = (!self.one_in(5)).then(|| self.condition(own));
                Asked::ConditionalPut(ConditionalPutRequest { key, value, condition, attempt, keyspace })
            }
            4 => Asked::Delete(DeleteRequest { key, attempt, keyspace }),
            5 => Asked::DeleteRange(DeleteRangeRequest { start: key, end: value, attempt, keyspace }),
            6 => {
                let (reverse, keys_only) = (self.one_in(2), self.one_in(2));
                let limit = u32::try_from(self.number()).unwrap_or(u32::MAX);
                let (start, end) = (key, value);
                Asked::Scan(ScanRequest { start, end, reverse, limit, keys_only, consistency, keyspace })
            }
            7 => Asked::Write(self.write()),
            _ => Asked::OpenSession(OpenSessionRequest { keyspace }),
        })
    }
}

#[tokio::test]
async fn whatever_is_asked_each_item_has_one_answer_and_the_node_lives() {
    let (_cluster, mut kv) = one().await;
    for seed in 0..20 {
        let mut maker = Maker(StdRng::seed_from_u64(seed));
        let mut messages = Vec::new();
        let mut ids = 0..500;
        while !ids.is_empty() {
            let count = maker.0.random_range(0..100);
            let items = ids.by_ref().take(count).map(|id| {
                let deadline_millis = u32::try_from(maker.number()).unwrap_or(u32::MAX);
                BatchItem { id, deadline_millis, request: maker.request() }
            });
            messages.push(items.collect());
        }
        let (answers, _) = batches(&mut kv, messages).await;
        assert!(answers.keys().copied().eq(0..500), "seed {seed}");
    }
    kv.get(get("key")).await.unwrap();
}
